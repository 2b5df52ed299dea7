package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// rollUp is the sum of the accounts at and below a path, for each asset.
type rollUp struct {
	Assets []rolledAsset `json:"assets"`
}

type rolledAsset struct {
	Asset         string `json:"asset"`
	Accounts      uint64 `json:"accounts"`
	DebitsPosted  string `json:"debits_posted"`
	CreditsPosted string `json:"credits_posted"`
	// Pending is empty when an effective time was asked for.
	DebitsPending  string `json:"debits_pending"`
	CreditsPending string `json:"credits_pending"`
	Balance        string `json:"balance"`
}

func (r rollUp) table(w io.Writer) {
	row(w, "ASSET", "ACCOUNTS", "DEBITS POSTED", "CREDITS POSTED", "DEBITS PENDING", "CREDITS PENDING", "BALANCE")
	for _, a := range r.Assets {
		row(w, a.Asset, number(a.Accounts), a.DebitsPosted, a.CreditsPosted, orDash(a.DebitsPending), orDash(a.CreditsPending), a.Balance)
	}
}

func ledgerRollUpCommand(g *globals) *cobra.Command {
	var asOf asOfFlags
	request := &pb.RollUpRequest{}
	cmd := &cobra.Command{
		Use:   "rollup [PATH]",
		Short: "Sum the balances of all accounts at and below a path",
		Long: `rollup sums the balances of all accounts at and below PATH, with --at also of those
that are gone since: up to 100,000 together.`,
		Example: `  acquired ledger rollup /account/physics
  acquired ledger rollup /account/physics --at 2026-11-01 --effective`,
		Args: arguments(0, 1, "at most PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			request.Under, request.Effective = optional(args, 0), asOf.effective
			if request.AtUnixNanos, err = asOf.parse(time.Now()); err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.RollUp(ctx, request)
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				return rollUp{described(answer.Assets, func(t *pb.AssetTotals) rolledAsset {
					return rolledAsset{t.Asset, t.Accounts, t.DebitsPosted, t.CreditsPosted, t.DebitsPending, t.CreditsPending, t.Balance}
				})}, nil
			})
		},
	}
	asOf.register(cmd.Flags())
	return cmd
}
