package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// hold is money that is reserved, and what became of it: Held is Captured plus
// Released plus Expired plus Remaining.
type hold struct {
	ID     string `json:"id"`
	Debit  string `json:"debit"`
	Credit string `json:"credit"`
	Asset  string `json:"asset"`
	// Held is all that was ever reserved.
	Held      string `json:"held"`
	Captured  string `json:"captured"`
	Released  string `json:"released"`
	Expired   string `json:"expired"`
	Remaining string `json:"remaining"`
	// State is "open", "captured", "released" or "expired".
	State   string `json:"state"`
	Placed  string `json:"placed"`
	Expires string `json:"expires"`
	// Overdraft: it may use that of the payer.
	Overdraft   bool   `json:"overdraft"`
	Delegate    string `json:"delegate"`
	Description string `json:"description"`
	// Document is the cheque that it came of.
	Document string `json:"document"`
	Index    uint64 `json:"index"`
}

func describeHold(h *pb.HoldResponse) hold {
	return hold{
		h.Id, h.Debit, h.Credit, h.Asset, h.Held, h.Captured, h.Released, h.Expired, h.Remaining, h.State,
		formatNanos(h.PlacedUnixNanos), formatNanos(h.ExpiresUnixNanos), h.Overdraft, h.Delegate, h.Description, h.Document, h.Index,
	}
}

func (h hold) table(w io.Writer) {
	row(w, "id", h.ID)
	row(w, "from", h.Debit)
	row(w, "to", h.Credit)
	row(w, "asset", h.Asset)
	row(w, "state", h.State)
	row(w, "held", h.Held)
	row(w, "captured", h.Captured)
	row(w, "released", h.Released)
	row(w, "expired", h.Expired)
	row(w, "remaining", h.Remaining)
	row(w, "placed", h.Placed)
	row(w, "expires", h.Expires)
	row(w, "overdraft", yesNo(h.Overdraft))
	row(w, "delegate", orDash(h.Delegate))
	row(w, "document", orDash(h.Document))
	row(w, "description", orDash(oneLine(h.Description)))
	row(w, "index", number(h.Index))
}

func ledgerHoldCommand(g *globals) *cobra.Command {
	var flags stepFlags
	var expiry expiryFlags
	var place pb.PlaceHold
	cmd := &cobra.Command{
		Use:   "hold FROM TO AMOUNT",
		Short: "Reserve an amount until it is captured, released or expires",
		Long: `hold reserves an amount of FROM for TO. Nothing moves until it is captured, by
who may Spend from TO or by the delegate. What is neither captured nor released
is free again at the instant the hold ends. A daily limit of FROM counts it on the
day on which it is reserved, whatever becomes of it.`,
		Example: `  acquired ledger hold /account/physics/alice /account/centre 100.00 --id job-7 --for 36h
  acquired ledger hold show job-7`,
		Args: arguments(3, 3, "FROM TO AMOUNT, or show ID"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if place.ExpiresUnixNanos, place.LifetimeSeconds, err = expiry.parse(time.Now()); err != nil {
				return err
			}
			place.Id, place.Debit, place.Credit, place.Amount = flags.resolve(), args[0], args[1], args[2]
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_Hold{Hold: &place}})
		},
	}
	flags.register(cmd.Flags(), "hold")
	expiry.register(cmd.Flags(), "7d")
	cmd.Flags().StringVar(&place.Delegate, "delegate", "", "a principal in the tree, which you may View, who may capture and release as well (default: none)")
	descriptionFlag(cmd.Flags(), &place.Description)
	cmd.AddCommand(ledgerHoldShowCommand(g))
	return cmd
}

func ledgerHoldShowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Say what became of a hold",
		Example: "  acquired ledger hold show job-7",
		Args:    arguments(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.Hold(ctx, &pb.HoldRequest{Id: args[0]})
				if err != nil {
					return nil, hintRead(err)
				}
				return describeHold(answer), nil
			})
		},
	}
}

// holdList are the holds of an account.
type holdList struct {
	Holds []hold `json:"holds"`
	// Cursor is where to go on; empty when that is all.
	Cursor string `json:"cursor"`
}

func (l holdList) table(w io.Writer) {
	row(w, "ID", "STATE", "FROM", "TO", "HELD", "REMAINING", "ASSET", "EXPIRES")
	for _, h := range l.Holds {
		row(w, h.ID, h.State, h.Debit, h.Credit, h.Held, h.Remaining, h.Asset, h.Expires)
	}
	rowCursor(w, l.Cursor)
}

func ledgerHoldsCommand(g *globals) *cobra.Command {
	var list listFlags
	request := &pb.HoldsRequest{}
	cmd := &cobra.Command{
		Use:     "holds ACCOUNT",
		Short:   "List what is reserved of an account and for it",
		Example: "  acquired ledger holds /account/physics/alice --closed",
		Args:    arguments(1, 1, "ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				request.Account = args[0]
				holds, cursor, err := gather(&list, func(cursor string, limit uint32) ([]hold, string, error) {
					request.Cursor, request.Limit = cursor, limit
					answer, err := c.Ledger.Holds(ctx, request)
					if err != nil {
						return nil, "", hintRead(hintAccount(err))
					}
					return described(answer.Holds, describeHold), answer.Cursor, nil
				})
				return holdList{holds, cursor}, err
			})
		},
	}
	cmd.Flags().BoolVar(&request.Closed, "closed", false, "those as well that were captured, released or expired (default: open ones only)")
	list.register(cmd.Flags())
	return cmd
}
