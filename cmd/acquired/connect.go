package main

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	"acquired/proto/fault"
)

// connect makes a client of the cluster that the context names.
func (g *globals) connect(ctx context.Context) (*client.Client, error) {
	c, err := g.loadContext()
	if err != nil {
		return nil, err
	}
	return g.dial(ctx, c)
}

// dial connects as whom --as or else the context says.
func (g *globals) dial(ctx context.Context, c contextFile) (*client.Client, error) {
	if g.as != "" {
		name, err := parsePath(g.as)
		if err != nil {
			return nil, err
		}
		return g.dialAs(ctx, c.stranger(), name)
	}
	if c.credential() == "none" {
		return nil, withHint(usage("context: it has neither a certificate nor a token"), "acquired identity login PRINCIPAL --save NAME")
	}
	return g.dialAs(ctx, c, "")
}

// dialAs connects with what the context holds, or by a name alone.
func (g *globals) dialAs(ctx context.Context, c contextFile, name string) (*client.Client, error) {
	if g.timeout <= 0 {
		return nil, usage("--timeout %s is no time to wait", g.timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, g.connectTimeout())
	defer cancel()
	connected, err := client.Dial(ctx, client.Config{
		Addresses:   c.Addresses,
		Cluster:     c.Cluster,
		CA:          []byte(c.CA),
		Certificate: []byte(c.Certificate),
		Key:         []byte(c.Key),
		Token:       c.Token,
		Name:        name,
		Read:        g.read,
		Timeout:     g.timeout,
	})
	if errors.Is(err, fault.Invalid) {
		return nil, usage("context: %w", err)
	}
	return connected, err
}

// ask connects, lets do ask the cluster, each call for as long as --timeout, and
// prints the answer.
func (g *globals) ask(cmd *cobra.Command, do func(ctx context.Context, c *client.Client) (shape, error)) error {
	c, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := do(cmd.Context(), c)
	if err != nil {
		return err
	}
	return g.output.show(cmd.OutOrStdout(), answer)
}

// requestFlag is the flag of commands that write: with the same id, a command
// that is run again takes effect once.
type requestFlag struct{ id string }

func (r *requestFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&r.id, "request-id", "", "1 to 64 bytes; run the same command again with the same id to learn what became of it (default: random)")
}

// resolve gives the id, and makes one when there is none.
func (r *requestFlag) resolve() string {
	if r.id == "" {
		r.id = strings.ToLower(rand.Text())
	}
	return r.id
}

// explain tells the user of a write of unknown outcome how to end the doubt.
func (r *requestFlag) explain(err error) error {
	if err != nil && fault.OutcomeOf(err) == fault.Unknown {
		return withHint(err, "it may have been applied; run the same command again with --request-id %s", r.id)
	}
	return err
}

// hintRead tells the user of a read that found no leader how to do without.
func hintRead(err error) error {
	if errors.Is(err, fault.Unavailable) {
		return withHint(err, "--read any is answered from what one node has, without a leader")
	}
	return err
}
