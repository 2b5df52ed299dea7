package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

func identityCommand(g *globals) *cobra.Command {
	return nounCommand("identity", "Who principals are, and how they prove it",
		identityCreateCommand(g),
		identityWhoamiCommand(g),
		identityApplyRoleCommand(g),
		identityDropRoleCommand(g),
		identitySSHKeyCommand(g),
		identityLoginCommand(g),
		identityCertificateCommand(g),
		identityVouchCommand(g),
		identityDelegateCommand(g),
		identityInspectCommand(g),
		identityRevokeCommand(g),
		identityIssuerCommand(g),
		identityKeysCommand(g),
	)
}

func identityCreateCommand(g *globals) *cobra.Command {
	var request requestFlag
	var roles []string
	var keyFile string
	var parents bool
	cmd := &cobra.Command{
		Use:     "create PATH",
		Short:   "Make a principal, with its roles and ssh keys",
		Example: "  acquired identity create /user/alice --role /role/physics/member --ssh-key alice.pub",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := args[0]
			change := changesOf(createChange(p, false, parents))
			for _, role := range roles {
				change.Changes = append(change.Changes, annotateChange(p, roleAnnotation(role), 0))
			}
			if keyFile != "" {
				keys, err := readPublicKeys(cmd.InOrStdin(), keyFile)
				if err != nil {
					return err
				}
				change.Changes = append(change.Changes, addKeys(p, keys)...)
			}
			return g.changeTree(cmd, &request, change, showIndex)
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringArrayVar(&roles, "role", nil, "a role that it holds; may be repeated")
	cmd.Flags().StringVar(&keyFile, "ssh-key", "", `file of public ssh keys that it can log in with; "-" is standard input`)
	cmd.Flags().BoolVar(&parents, "parents", false, "make the missing directories above it too")
	return cmd
}

func identityApplyRoleCommand(g *globals) *cobra.Command {
	cmd := grantCommand(g)
	cmd.Use = "apply-role ROLE PRINCIPAL"
	cmd.Example = "  acquired identity apply-role /role/physics/member /user/alice --end +8h"
	return cmd
}

func identityDropRoleCommand(g *globals) *cobra.Command {
	cmd := revokeCommand(g)
	cmd.Use = "drop-role ROLE PRINCIPAL"
	cmd.Example = "  acquired identity drop-role /role/physics/member /user/alice"
	return cmd
}

// caller is who the cluster takes the caller for.
type caller struct {
	Principal string `json:"principal"`
	// Method is "certificate", "ssh", "vouch", "issuer" or "none".
	Method   string   `json:"method"`
	Operator bool     `json:"operator"`
	Session  string   `json:"session"`
	Expires  string   `json:"expires"`
	Roles    []role   `json:"roles"`
	Actors   []string `json:"actors"`
	Issuer   string   `json:"issuer"`
}

func (c caller) table(w io.Writer) {
	row(w, "principal", c.Principal)
	row(w, "method", c.Method)
	row(w, "operator", yesNo(c.Operator))
	row(w, "session", orDash(c.Session))
	row(w, "expires", orDash(c.Expires))
	row(w, "roles", orDash(joinRoles(c.Roles, " ")))
	if len(c.Actors) > 0 {
		row(w, "actors", strings.Join(c.Actors, " "))
	}
	if c.Issuer != "" {
		row(w, "issuer", oneLine(c.Issuer))
	}
}

func identityWhoamiCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Say who you are to the cluster, and which roles you hold",
		Example: "  acquired identity whoami --context alice",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Identity.Whoami(ctx, &pb.WhoamiRequest{})
				if err != nil {
					return nil, hintRead(err)
				}
				return caller{
					Principal: answer.Principal, Method: answer.Method, Operator: answer.Operator,
					Session: answer.Session, Expires: formatUnix(answer.ExpiresUnix),
					Roles: describeRoles(answer.Roles), Actors: append([]string{}, answer.Actors...), Issuer: answer.Issuer,
				}, nil
			})
		},
	}
}

func identityRevokeCommand(g *globals) *cobra.Command {
	var request requestFlag
	var session string
	cmd := &cobra.Command{
		Use:   "revoke PRINCIPAL",
		Short: "End the credentials of a principal",
		Long: `revoke ends everything that was issued to the principal so far, or the session that
--session names, as whoami and inspect show it. The principal may log in again.`,
		Example: "  acquired identity revoke /user/alice",
		Args:    arguments(1, 1, "PRINCIPAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Identity.Revoke(ctx, &pb.RevokeRequest{Principal: args[0], Session: session})
				if err != nil {
					return nil, hintVisible(request.explain(err))
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringVar(&session, "session", "", "end this session alone (default: all)")
	return cmd
}

func formatUnix(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}
