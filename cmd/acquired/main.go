// Command acquired runs the nodes of a cluster and is the command line of the
// service they are.
//
// It ends with status 0 when the work is done, 1 when it was refused, 2 when
// the command or a local file is at fault, and 3 when the service did not
// answer or it is not known whether a write was applied.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"acquired/proto/fault"
)

func main() {
	// The first signal ends what the command waits for; the next one finds the
	// default behaviour again and ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole command line; it gives the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	g := defaultGlobals()
	root := rootCommand(g)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	// What is wrong before the command begins, the words are at fault.
	begun := false
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		err := refuseEmptyFlag(cmd)
		begun = err == nil
		return err
	}
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return statusDone
	case !begun:
		err = &usageError{err}
	case ctx.Err() != nil:
		err = fmt.Errorf("interrupted: %w", err)
	case g.as != "" && errors.Is(err, fault.Unauthenticated):
		err = withHint(err, "--as is for demonstrations, and for principals that cannot prove who they are: acquired acl load FILE --demo")
	}
	f := failureOf(err)
	f.print(errOut, g.output)
	return f.status
}

func rootCommand(g *globals) *cobra.Command {
	root := nounCommand("acquired", "The book of record of a shared computing estate",
		aclCommand(g),
		agentCommand(),
		clusterCommand(g),
		contextCommand(g),
		identityCommand(g),
		ledgerCommand(g),
		versionCommand(g),
	)
	root.Long = `acquired runs the nodes of a cluster and speaks to them.

Try it on one node:

  acquired agent --dev

An argument that is given is not empty, and neither is a flag but --after, --cursor
and --description: a variable that a script has not set is wrong usage.

Exit status: 0 done; 1 refused; 2 wrong usage or an unreadable local file;
3 no answer, or it is not known whether a write was applied.`
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hintHelp(cmd, usage("%w", err))
	})
	g.register(root)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, runNoun
		}
	}
	return root
}

// nounCommand gathers verbs. By itself it only says which there are.
func nounCommand(name, short string, verbs ...*cobra.Command) *cobra.Command {
	noun := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE:  runNoun,

		SuggestionsMinimumDistance: 2,
	}
	noun.AddCommand(verbs...)
	return noun
}

func runNoun(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		cmd.SetOut(cmd.ErrOrStderr())
		_ = cmd.Help()
		return usage("%s needs a command", cmd.CommandPath())
	}
	err := usage("%s has no command %q", cmd.CommandPath(), args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return withHint(err, "did you mean %s %s?", cmd.CommandPath(), strings.Join(near, " or "))
	}
	return hintHelp(cmd, err)
}

// arguments checks how many arguments a command has, and that none is empty; names
// is how its usage line calls them.
func arguments(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if least <= len(args) && len(args) <= most {
			return refuseEmptyArgument(cmd, args, names)
		}
		err := usage("%s takes %s, got %d arguments", cmd.CommandPath(), names, len(args))
		return hintHelp(cmd, err)
	}
}
