package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// checked says whether something is allowed.
type checked struct {
	// Principal is empty for the caller.
	Principal string `json:"principal"`
	Operation string `json:"operation"`
	Path      string `json:"path"`
	Allowed   bool   `json:"allowed"`
	// Visible: the path exists and the principal may View it.
	Visible bool `json:"visible"`
}

func (c checked) table(w io.Writer) {
	row(w, "allowed", yesNo(c.Allowed))
	row(w, "visible", yesNo(c.Visible))
}

// verify refuses what is not allowed.
func (c checked) verify() error {
	if c.Allowed {
		return nil
	}
	who := c.Principal
	if who == "" {
		who = "the caller"
	}
	hint := fmt.Sprintf("acquired acl explain %s %s", c.Operation, c.Path)
	if c.Principal != "" {
		hint += " --principal " + c.Principal
	}
	return withHint(fault.Denied.New("%s may not %s %s", who, c.Operation, c.Path), "%s", hint)
}

func principalFlag(cmd *cobra.Command, principal *string) {
	cmd.Flags().StringVar(principal, "principal", "", "of whom it is asked (default: the caller); needs Read on it")
}

func aclCheckCommand(g *globals) *cobra.Command {
	var principal, batch string
	cmd := &cobra.Command{
		Use:   "check OPERATION PATH",
		Short: "Say whether an operation on a path is allowed",
		Long: `check ends with status 1 if the operation is not allowed, or if there is nothing at
the path that the principal may View.

With --batch it reads lines of JSON, {"principal":"/user/a","operation":"Read",
"path":"/data/b"}, and prints each again, in order, with "allowed" and "visible".
A line without principal is about the caller. It then ends with status 0,
whatever the answers are.`,
		Example: `  acquired acl check Read /data/physics --principal /user/alice
  acquired acl check --batch questions.jsonl`,
		Args:              arguments(0, 2, "OPERATION PATH, or only --batch"),
		ValidArgsFunction: completeOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case batch != "" && (len(args) > 0 || principal != ""):
				return usage("--batch and OPERATION PATH --principal do not go together")
			case batch != "":
				return g.checkBatch(cmd, batch)
			case len(args) != 2:
				return withHint(usage("%s takes OPERATION PATH, got %d arguments", cmd.CommandPath(), len(args)),
					"%s --help; the operations are %s", cmd.CommandPath(), strings.Join(operationNames(), ", "))
			}
			return g.check(cmd, checked{Principal: principal, Operation: args[0], Path: args[1]})
		},
	}
	principalFlag(cmd, &principal)
	cmd.Flags().StringVar(&batch, "batch", "", `file of questions, one a line; "-" is standard input`)
	return cmd
}

func (g *globals) check(cmd *cobra.Command, question checked) error {
	err := question.normalise()
	if err != nil {
		return &usageError{err}
	}
	err = g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		answer, err := c.Acl.Check(ctx, &pb.CheckRequest{
			Principal: question.Principal, Operation: question.Operation, Path: question.Path,
		})
		if err != nil {
			return nil, hintRead(hintVisible(err))
		}
		question.Allowed, question.Visible = answer.Allowed, answer.Visible
		return question, nil
	})
	if err != nil {
		return err
	}
	return question.verify()
}
