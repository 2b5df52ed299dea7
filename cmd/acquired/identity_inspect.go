package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// inspectedToken is what a token says.
type inspectedToken struct {
	Valid bool `json:"valid"`
	// Reason is why it is not valid.
	Reason   string   `json:"reason"`
	Subject  string   `json:"subject"`
	Session  string   `json:"session"`
	Audience string   `json:"audience"`
	Issued   string   `json:"issued"`
	Expires  string   `json:"expires"`
	Method   string   `json:"method"`
	Actors   []string `json:"actors"`
	// Delegated: it is no identity, it shows Roles at Path to a data service.
	Delegated bool     `json:"delegated"`
	Path      string   `json:"path"`
	Roles     []string `json:"roles"`
}

func (t inspectedToken) table(w io.Writer) {
	row(w, "valid", yesNo(t.Valid))
	if t.Reason != "" {
		row(w, "reason", oneLine(t.Reason))
	}
	row(w, "subject", orDash(oneLine(t.Subject)))
	row(w, "session", orDash(oneLine(t.Session)))
	row(w, "audience", orDash(oneLine(t.Audience)))
	row(w, "issued", orDash(t.Issued))
	row(w, "expires", orDash(t.Expires))
	row(w, "method", orDash(t.Method))
	if len(t.Actors) > 0 {
		row(w, "actors", strings.Join(t.Actors, " "))
	}
	if t.Delegated {
		row(w, "delegated", "for "+t.Path)
		row(w, "roles", orDash(strings.Join(t.Roles, " ")))
	}
}

func identityInspectCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect [TOKEN|-]",
		Short: "Say whose a token is and whether it is accepted",
		Long: `inspect looks at TOKEN, at the one on standard input for "-", or without either
at the one of the context. Other users of this machine can see arguments: prefer
"-". It ends with status 1 if the token is not accepted.`,
		Example: "  acquired identity inspect - < token",
		Args:    arguments(0, 1, "at most TOKEN or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := g.tokenToInspect(cmd, args)
			if err != nil {
				return err
			}
			var inspected inspectedToken
			err = g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Identity.Inspect(ctx, &pb.InspectRequest{Token: token})
				if err != nil {
					return nil, err
				}
				inspected = describeToken(answer)
				return inspected, nil
			})
			if err == nil && !inspected.Valid {
				err = fault.Unauthenticated.New("the token is not valid: %s", inspected.Reason)
				return withHint(err, "acquired identity login PRINCIPAL, or acquired identity vouch PRINCIPAL")
			}
			return err
		},
	}
}

func describeToken(answer *pb.InspectResponse) inspectedToken {
	return inspectedToken{
		Valid: answer.Valid, Reason: answer.Reason, Subject: answer.Subject, Session: answer.Session, Audience: answer.Audience,
		Issued: formatUnix(answer.IssuedUnix), Expires: formatUnix(answer.ExpiresUnix), Method: answer.Method,
		Actors: append([]string{}, answer.Actors...), Delegated: answer.Delegated, Path: answer.Path,
		Roles: append([]string{}, answer.Roles...),
	}
}

// tokenToInspect gives the token of the arguments, of standard input or of the
// context.
func (g *globals) tokenToInspect(cmd *cobra.Command, args []string) (string, error) {
	if slices.Equal(args, []string{"-"}) {
		content, err := readBounded(cmd.InOrStdin(), "standard input")
		return strings.TrimSpace(string(content)), err
	}
	if len(args) > 0 {
		return args[0], nil
	}
	with, err := g.loadContext()
	if err != nil {
		return "", err
	}
	if with.Token == "" {
		return "", usage("the context has no token: name one, or - for standard input")
	}
	return with.Token, nil
}
