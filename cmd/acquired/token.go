package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func tokenCommand(g *globals) *cobra.Command {
	return nounCommand("token", "Credentials of workloads",
		tokenIssueCommand(g),
		tokenInspectCommand(g),
	)
}

// operations are those that a grant can name.
var operations = []string{"View", "Read", "Write", "Spend", "Admin"}

// parseGrant reads OPERATION:/path.
func parseGrant(s string) (*pb.Grant, error) {
	operation, path, ok := strings.Cut(s, ":")
	if !ok || !strings.HasPrefix(path, "/") {
		return nil, usage("--grant %q is not OPERATION:/path", s)
	}
	for _, known := range operations {
		if strings.EqualFold(operation, known) {
			return &pb.Grant{Operation: known, Path: path}, nil
		}
	}
	return nil, usage("--grant %q: %q is none of %s", s, operation, strings.Join(operations, ", "))
}

// issuedToken is a new token. Who has it can do what it grants.
type issuedToken struct {
	Token   string `json:"token"`
	Expires string `json:"expires"`
	// ContextFile is the context that was written; empty is none.
	ContextFile string `json:"context_file,omitempty"`
}

// table prints the bare token for scripts, unless it was put into a file.
func (t issuedToken) table(w io.Writer) {
	if t.ContextFile == "" {
		row(w, t.Token)
		return
	}
	row(w, "context", t.ContextFile)
	row(w, "expires", t.Expires)
}

func tokenIssueCommand(g *globals) *cobra.Command {
	var grants []string
	var lifetime time.Duration
	var contextPath string
	cmd := &cobra.Command{
		Use:   "issue SUBJECT",
		Short: "Issue a token to a workload",
		Long: `issue prints a token that lets its bearer do what the grants say, on the paths
they name and all below. It is kept nowhere.`,
		Example: "  acquired token issue /workload/scheduler --grant Spend:/account/physics --lifetime 8h",
		Args:    arguments(1, 1, "SUBJECT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &pb.IssueTokenRequest{Subject: args[0], LifetimeSeconds: int64(lifetime / time.Second)}
			if lifetime < time.Second || lifetime%time.Second != 0 {
				return usage("--lifetime %s is not 1 or more whole seconds", lifetime)
			}
			for _, s := range grants {
				grant, err := parseGrant(s)
				if err != nil {
					return err
				}
				request.Grants = append(request.Grants, grant)
			}
			if contextPath != "" && fileExists(contextPath) {
				return fault.Exists.New("%s exists", contextPath)
			}
			return g.issueToken(cmd, request, contextPath)
		},
	}
	cmd.Flags().StringArrayVar(&grants, "grant", nil, "OPERATION:/path, one of View, Read, Write, Spend, Admin; may be repeated")
	cmd.Flags().DurationVar(&lifetime, "lifetime", time.Hour, "how long it is valid, up to 720h")
	cmd.Flags().StringVar(&contextPath, "context-file", "", "write a context that uses the token to this new file")
	return cmd
}

func (g *globals) issueToken(cmd *cobra.Command, request *pb.IssueTokenRequest, contextPath string) error {
	with, err := g.loadContext()
	if err != nil {
		return err
	}
	return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		answer, err := c.Token.Issue(ctx, request)
		if err != nil {
			return nil, err
		}
		issued := issuedToken{Token: answer.Token, Expires: formatUnix(answer.ExpiresUnix), ContextFile: contextPath}
		if contextPath == "" {
			return issued, nil
		}
		content, err := contextFile{Cluster: with.Cluster, Addresses: with.Addresses, CA: with.CA, Token: answer.Token}.encode()
		if err != nil {
			return nil, err
		}
		return issued, writeSecret(contextPath, content)
	})
}

func formatUnix(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// inspectedToken is what a token says.
type inspectedToken struct {
	Valid bool `json:"valid"`
	// Reason is why it is not valid.
	Reason   string      `json:"reason"`
	ID       string      `json:"id"`
	Subject  string      `json:"subject"`
	Audience string      `json:"audience"`
	Issued   string      `json:"issued"`
	Expires  string      `json:"expires"`
	Grants   []grantedTo `json:"grants"`
}

type grantedTo struct {
	Operation string `json:"operation"`
	Path      string `json:"path"`
}

func (t inspectedToken) table(w io.Writer) {
	row(w, "valid", yesNo(t.Valid))
	if t.Reason != "" {
		row(w, "reason", t.Reason)
	}
	row(w, "id", orDash(t.ID))
	row(w, "subject", orDash(t.Subject))
	row(w, "audience", orDash(t.Audience))
	row(w, "issued", orDash(t.Issued))
	row(w, "expires", orDash(t.Expires))
	for _, grant := range t.Grants {
		row(w, "grant", grant.Operation+":"+grant.Path)
	}
}

func tokenInspectCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect [TOKEN|-]",
		Short: "Say what a token grants and whether it is accepted",
		Long: `inspect looks at TOKEN, at the one on standard input for "-", or without either
at the one of the context. Other users of this machine can see arguments: prefer
"-". It ends with status 1 if the token is not accepted.`,
		Args: arguments(0, 1, "at most TOKEN or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := g.tokenToInspect(cmd, args)
			if err != nil {
				return err
			}
			var inspected inspectedToken
			err = g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Token.Inspect(ctx, &pb.InspectTokenRequest{Token: token})
				if err != nil {
					return nil, err
				}
				inspected = describeToken(answer)
				return inspected, nil
			})
			if err == nil && !inspected.Valid {
				err = fault.Unauthenticated.New("the token is not valid: %s", inspected.Reason)
				return withHint(err, "acquired token issue SUBJECT --grant OPERATION:/path")
			}
			return err
		},
	}
}

func describeToken(answer *pb.InspectTokenResponse) inspectedToken {
	t := inspectedToken{
		Valid: answer.Valid, Reason: answer.Reason, ID: answer.Id, Subject: answer.Subject, Audience: answer.Audience,
		Issued: formatUnix(answer.IssuedUnix), Expires: formatUnix(answer.ExpiresUnix), Grants: make([]grantedTo, len(answer.Grants)),
	}
	for i, grant := range answer.Grants {
		t.Grants[i] = grantedTo{grant.Operation, grant.Path}
	}
	return t
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
