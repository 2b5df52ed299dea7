package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// explanation is why something is allowed or not.
type explanation struct {
	// Principal is empty for the caller.
	Principal string `json:"principal"`
	Operation string `json:"operation"`
	Path      string `json:"path"`
	Allowed   bool   `json:"allowed"`
	Visible   bool   `json:"visible"`
	// Reason is "allowed", "not-found", "no-clause", "clause" or "operator".
	Reason string `json:"reason"`
	// Refused is the operation that is refused: View, when the path is not
	// visible. Empty when nothing is.
	Refused string            `json:"refused"`
	Clauses []explainedClause `json:"clauses"`
}

type explainedClause struct {
	At        string         `json:"at"`
	Unique    uint64         `json:"unique"`
	Operation string         `json:"operation"`
	Local     bool           `json:"local"`
	Met       bool           `json:"met"`
	Sets      []explainedSet `json:"sets"`
}

type explainedSet struct {
	Met   bool   `json:"met"`
	Roles []role `json:"roles"`
	// Held are those of the roles that the principal holds.
	Held []role `json:"held"`
}

func (e explanation) who() string {
	if e.Principal == "" {
		return "the caller"
	}
	return e.Principal
}

func (e explanation) table(w io.Writer) {
	verb := "may not"
	if e.Allowed {
		verb = "may"
	}
	fmt.Fprintf(w, "%s %s %s %s: %s\n", e.who(), verb, e.Operation, e.Path, e.because())
	for _, c := range e.Clauses {
		c.table(w)
	}
}

// because is the reason in words.
func (e explanation) because() string {
	switch e.Reason {
	case "allowed":
		return "every clause is met"
	case "operator":
		return "operators may do everything"
	case "not-found":
		return "there is nothing that may be seen there"
	case "no-clause":
		return fmt.Sprintf("no clause for %s is on the way from the root, and what no clause allows is refused", e.Refused)
	case "clause":
		return fmt.Sprintf("a clause for %s is not met", e.Refused)
	}
	return e.Reason
}

func (c explainedClause) table(w io.Writer) {
	where := fmt.Sprintf("%s#%s", c.At, annotationName(clauseTag, c.Unique))
	if c.Local {
		where += " (there only)"
	}
	fmt.Fprintf(w, "\n%s  %s at %s\n", metMark(c.Met), c.Operation, where)
	if len(c.Sets) == 0 {
		fmt.Fprintf(w, "  %s  everyone meets it\n", metMark(true))
	}
	for _, set := range c.Sets {
		fmt.Fprintf(w, "  %s  %s\n", metMark(set.Met), set.text())
	}
}

func metMark(met bool) string {
	if met {
		return "met    "
	}
	return "NOT MET"
}

// text says which roles are held or, where none is, which would be needed.
func (s explainedSet) text() string {
	switch {
	case len(s.Roles) == 0:
		return "nobody meets it"
	case s.Met:
		return "holds " + joinRoles(s.Held, " and ")
	case len(s.Roles) == 1:
		return "needs " + s.Roles[0].String()
	}
	return "needs one of " + joinRoles(s.Roles, ", ")
}

func joinRoles(roles []role, separator string) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.String()
	}
	return strings.Join(names, separator)
}

func describeExplanation(about checked, answer *pb.ExplainResponse) explanation {
	e := explanation{
		Principal: about.Principal, Operation: about.Operation, Path: about.Path,
		Allowed: answer.Allowed, Visible: answer.Visible, Reason: answer.Reason,
		Clauses: make([]explainedClause, len(answer.Clauses)),
	}
	if !answer.Allowed {
		e.Refused = answer.Operation
	}
	for i, c := range answer.Clauses {
		e.Clauses[i] = explainedClause{c.At, c.Unique, c.Operation, c.Local, c.Met, make([]explainedSet, len(c.Sets))}
		for j, set := range c.Sets {
			e.Clauses[i].Sets[j] = explainedSet{set.Met, describeRoles(set.Roles), describeRoles(set.Held)}
		}
	}
	return e
}

func aclExplainCommand(g *globals) *cobra.Command {
	var principal string
	cmd := &cobra.Command{
		Use:   "explain OPERATION PATH",
		Short: "Say why an operation on a path is allowed or not",
		Long: `explain shows every clause on the way from the root to the path, whether it is met,
by which roles, and which roles would be needed. It ends with status 0 whether
the operation is allowed or not; acl check tells by its status.`,
		Example:           "  acquired acl explain Read /data/physics --principal /user/alice",
		Args:              arguments(2, 2, "OPERATION PATH"),
		ValidArgsFunction: completeOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			about := checked{Principal: principal, Operation: args[0], Path: args[1]}
			if err := about.normalise(); err != nil {
				return &usageError{err}
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Acl.Explain(ctx, &pb.ExplainRequest{Principal: about.Principal, Operation: about.Operation, Path: about.Path})
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				return describeExplanation(about, answer), nil
			})
		},
	}
	principalFlag(cmd, &principal)
	return cmd
}

// capabilities are the operations that are allowed on a path.
type capabilities struct {
	Operations []string `json:"operations"`
}

func (c capabilities) table(w io.Writer) {
	for _, operation := range c.Operations {
		row(w, operation)
	}
}

func aclCapabilitiesCommand(g *globals) *cobra.Command {
	var principal string
	cmd := &cobra.Command{
		Use:     "capabilities PATH",
		Short:   "List the operations that are allowed on a path",
		Example: "  acquired acl capabilities /data/physics --principal /user/alice",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Acl.Capabilities(ctx, &pb.CapabilitiesRequest{Principal: principal, Path: args[0]})
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				return capabilities{append([]string{}, answer.Operations...)}, nil
			})
		},
	}
	principalFlag(cmd, &principal)
	return cmd
}
