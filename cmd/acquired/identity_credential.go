package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// issuedToken is a new credential. Who has it is its subject.
type issuedToken struct {
	Token   string `json:"token"`
	Subject string `json:"subject"`
	Session string `json:"session"`
	Expires string `json:"expires"`
	// Context is the name or the file of the context that was written; empty is
	// none.
	Context string `json:"context,omitempty"`
}

// table prints the bare token for scripts, unless it was put into a context.
func (t issuedToken) table(w io.Writer) {
	if t.Context == "" {
		row(w, t.Token)
		return
	}
	row(w, "context", t.Context)
	row(w, "subject", t.Subject)
	row(w, "expires", t.Expires)
}

// destination is where a new credential goes: to standard output, to a new file,
// or to a named context.
type destination struct{ file, name string }

func (d *destination) register(flags *pflag.FlagSet) {
	flags.StringVar(&d.file, "context-file", "", "write a context that uses the credential to this new file")
	flags.StringVar(&d.name, "save", "", "keep a context that uses the credential under this name; one that has a token is replaced")
}

// check refuses what could not be written, before anything is asked for.
func (d *destination) check() error {
	switch {
	case d.file != "" && d.name != "":
		return usage("--context-file and --save do not go together")
	case d.file != "" && fileExists(d.file):
		return fault.Exists.New("%s exists", d.file)
	case d.name == "":
		return nil
	}
	if err := checkContextName(d.name); err != nil {
		return err
	}
	contexts, err := openContexts()
	if err != nil || !contexts.exists(d.name) {
		return err
	}
	there, err := readContextFile(contexts.path(d.name))
	if err == nil && there.Certificate != "" {
		return fault.Exists.New("context %q exists and holds a key, which would be lost", d.name)
	}
	return err
}

// keep writes the credential, as one of the cluster of the context, and gives
// what to print.
func (d *destination) keep(at contextFile, credential *pb.Credential) (shape, error) {
	issued := issuedToken{
		Token: credential.Token, Subject: credential.Subject, Session: credential.Session, Expires: formatUnix(credential.ExpiresUnix),
	}
	with := at.stranger()
	with.Token = credential.Token
	switch {
	case d.name != "":
		issued.Context = d.name
		contexts, err := openContexts()
		if err != nil {
			return nil, err
		}
		return issued, contexts.save(d.name, with)
	case d.file != "":
		issued.Context = d.file
		content, err := with.encode()
		if err != nil {
			return nil, err
		}
		return issued, writeSecret(d.file, content)
	}
	return issued, nil
}

// lifetimeFlag is how long a credential is good for.
type lifetimeFlag struct{ d time.Duration }

// longestLifetime is the most that a credential may have.
const longestLifetime = 30 * time.Minute

func (l *lifetimeFlag) register(flags *pflag.FlagSet) {
	flags.DurationVar(&l.d, "lifetime", longestLifetime, "how long it is good for, up to 30m; no longer than your own credential")
}

func (l *lifetimeFlag) seconds() (int64, error) {
	if l.d < time.Second || l.d > longestLifetime || l.d%time.Second != 0 {
		return 0, usage("--lifetime %s is not whole seconds from 1s to %s", l.d, longestLifetime)
	}
	return int64(l.d / time.Second), nil
}

func identityVouchCommand(g *globals) *cobra.Command {
	var lifetime lifetimeFlag
	var to destination
	cmd := &cobra.Command{
		Use:   "vouch PRINCIPAL",
		Short: "Get a credential for another principal",
		Long: `vouch prints a credential that makes its bearer the principal. It needs VouchFor on
the principal, and is kept nowhere.`,
		Example: "  acquired identity vouch /workload/scheduler --context-file scheduler.context",
		Args:    arguments(1, 1, "PRINCIPAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := lifetime.seconds()
			if err != nil {
				return err
			}
			if err := to.check(); err != nil {
				return err
			}
			at, err := g.loadContext()
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				credential, err := c.Identity.Vouch(ctx, &pb.VouchRequest{Subject: args[0], LifetimeSeconds: seconds})
				if err != nil {
					return nil, hintVisible(err)
				}
				return to.keep(at, credential)
			})
		},
	}
	lifetime.register(cmd.Flags())
	to.register(cmd.Flags())
	return cmd
}

// delegation is what a data service needs to serve the caller at a path.
type delegation struct {
	Token   string   `json:"token"`
	Expires string   `json:"expires"`
	Roles   []string `json:"roles"`
	// Provider is the text of the path's credential provider, where it names no
	// roles.
	Provider string `json:"provider"`
}

// table prints the bare token for scripts.
func (d delegation) table(w io.Writer) {
	if d.Token != "" {
		row(w, d.Token)
		return
	}
	row(w, "provider", oneLine(d.Provider))
}

func identityDelegateCommand(g *globals) *cobra.Command {
	var operations []string
	var lifetime lifetimeFlag
	cmd := &cobra.Command{
		Use:   "delegate PATH",
		Short: "Get what a data service needs to serve you at a path",
		Long: `delegate prints a token that shows which roles you hold of those that the path
names. It is no identity: with it, nobody can act as you. Where the path has a
data-credential-provider instead, it prints that.`,
		Example: "  acquired identity delegate /data/physics/run-7 --operation Read",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &pb.DelegateRequest{Path: args[0]}
			for _, name := range operations {
				operation, err := parseOperation(name)
				if err != nil {
					return err
				}
				request.Operations = append(request.Operations, operation)
			}
			var err error
			if request.LifetimeSeconds, err = lifetime.seconds(); err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Identity.Delegate(ctx, request)
				if err != nil {
					return nil, hintVisible(err)
				}
				return delegation{
					answer.Token, formatUnix(answer.ExpiresUnix), append([]string{}, answer.Roles...), answer.Provider,
				}, nil
			})
		},
	}
	cmd.Flags().StringArrayVar(&operations, "operation", []string{"Read"}, "what the service is to do for you: "+strings.Join(operationNames(), ", ")+"; may be repeated")
	lifetime.register(cmd.Flags())
	return cmd
}
