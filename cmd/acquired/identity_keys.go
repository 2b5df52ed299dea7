package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// signingKeyList are the keys that sign credentials.
type signingKeyList struct {
	Keys []signingKey `json:"keys"`
}

type signingKey struct {
	ID string `json:"id"`
	// State is "published", "active", "retiring" or "revoked".
	State   string `json:"state"`
	Created string `json:"created"`
	// Active is from when on it signs, Expires from when on what it signed is
	// refused.
	Active  string `json:"active"`
	Expires string `json:"expires"`
}

func (l signingKeyList) table(w io.Writer) {
	row(w, "KEY", "STATE", "CREATED", "ACTIVE", "EXPIRES")
	for _, k := range l.Keys {
		row(w, k.ID, k.State, orDash(k.Created), orDash(k.Active), orDash(k.Expires))
	}
}

func identityKeysCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List the keys that sign credentials, or revoke one",
		Long: `keys lists the keys that sign credentials: published ones are about to sign, the
active one does, and what retiring ones signed is good until they expire.`,
		Example: "  acquired identity keys",
		Args:    arguments(0, 0, "no arguments, or revoke ID"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Identity.SigningKeys(ctx, &pb.SigningKeysRequest{})
				if err != nil {
					return nil, hintRead(err)
				}
				list := signingKeyList{make([]signingKey, len(answer.Keys))}
				for i, k := range answer.Keys {
					list.Keys[i] = signingKey{k.Id, k.State, formatUnix(k.CreatedUnix), formatUnix(k.ActiveUnix), formatUnix(k.ExpiresUnix)}
				}
				return list, nil
			})
		},
	}
	cmd.AddCommand(identityKeysRevokeCommand(g))
	return cmd
}

func identityKeysRevokeCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a signing key, and so all credentials that it signed",
		Example: "  acquired identity keys revoke QVFaHpDbQh6-RMreERRa7wnGNGNJ45We7OaU-1De4Tg",
		Args:    arguments(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Identity.RevokeSigningKey(ctx, &pb.RevokeSigningKeyRequest{Id: args[0]})
				if fault.KindOf(err) == fault.NotFound {
					err = withHint(err, "acquired identity keys")
				}
				if err != nil {
					return nil, request.explain(err)
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	return cmd
}
