package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
)

// globals are the flags that every command has.
type globals struct {
	// context is a context's name or file; empty is the environment's, then the
	// current one.
	context string
	// as is the path of a principal to call as, by its name alone; empty is as the
	// context says.
	as     string
	output format
	read   client.Read
	// timeout limits each call, with all its retries.
	timeout time.Duration

	// flags tell which of these were given.
	flags *pflag.FlagSet
}

// defaultConnectTimeout is shorter than the default of --timeout: a person whose
// agents do not run should not wait long to hear it.
const defaultConnectTimeout = 10 * time.Second

// connectTimeout is how long to wait for a node to answer at all.
func (g *globals) connectTimeout() time.Duration {
	if g.flags.Changed("timeout") {
		return g.timeout
	}
	return defaultConnectTimeout
}

func defaultGlobals() *globals {
	return &globals{output: formatTable, read: client.Latest, timeout: 30 * time.Second, flags: new(pflag.FlagSet)}
}

func (g *globals) register(root *cobra.Command) {
	g.flags = root.PersistentFlags()
	output := &choice[format]{&g.output, []format{formatTable, formatJSON, formatYAML}}
	read := &choice[client.Read]{&g.read, []client.Read{client.Seen, client.Latest, client.Any}}
	g.flags.StringVar(&g.context, "context", "", "name or file of the context: where the cluster is, and as whom (default: $ACQUIRED_CONTEXT, then the current one)")
	g.flags.StringVar(&g.as, "as", "", "call as the principal at this path, by its name alone; only a demonstration cluster accepts that")
	g.flags.VarP(output, "output", "o", "form of the output: table, json or yaml")
	g.flags.Var(read, "read", "how fresh reads are: latest, any (what the node has), or seen (not older than what this run has seen)")
	g.flags.DurationVar(&g.timeout, "timeout", g.timeout, "how long to wait for an answer; unless it is given, at most 10s to connect")
	_ = root.RegisterFlagCompletionFunc("output", output.complete)
	_ = root.RegisterFlagCompletionFunc("read", read.complete)
}

// choice is a flag that has one of a few values.
type choice[T ~string] struct {
	value   *T
	allowed []T
}

func (c *choice[T]) String() string { return string(*c.value) }
func (c *choice[T]) Type() string   { return "name" }

func (c *choice[T]) Set(s string) error {
	if !slices.Contains(c.allowed, T(s)) {
		return fmt.Errorf("must be one of %s", strings.Join(c.names(), ", "))
	}
	*c.value = T(s)
	return nil
}

func (c *choice[T]) names() []string {
	names := make([]string, len(c.allowed))
	for i, name := range c.allowed {
		names[i] = string(name)
	}
	return names
}

func (c *choice[T]) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return c.names(), cobra.ShellCompDirectiveNoFileComp
}
