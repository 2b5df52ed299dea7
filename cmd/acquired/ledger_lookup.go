package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// lookedUp is what was moved under a list of ids.
type lookedUp struct {
	// Transfers are in the order of the ids, and of each the parts in their order.
	Transfers []movedPart `json:"transfers"`
	// Missing are the ids under which nothing was moved that the caller may Read.
	Missing []string `json:"missing"`

	// asked is how many ids there were.
	asked int
}

// movedPart is what a step moved from one account to another.
type movedPart struct {
	ID    string `json:"id"`
	Index uint64 `json:"index"`
	Time  string `json:"time"`
	// Effective is when it counts as having happened.
	Effective   string `json:"effective"`
	Debit       string `json:"debit"`
	Credit      string `json:"credit"`
	Amount      string `json:"amount"`
	Asset       string `json:"asset"`
	Description string `json:"description"`
}

func describeMoved(r *pb.RecordedTransfer) movedPart {
	t := r.Transfer
	return movedPart{
		t.Id, r.Index, formatNanos(r.UnixNanos), formatNanos(cmp.Or(t.EffectiveUnixNanos, r.UnixNanos)),
		t.Debit, t.Credit, t.Amount, t.Asset, t.Description,
	}
}

// describeLookup takes the ids that were asked for.
func describeLookup(ids []string, answer *pb.LookupResponse) lookedUp {
	found := lookedUp{described(answer.Transfers, describeMoved), []string{}, len(ids)}
	moved := make(map[string]bool)
	for _, t := range found.Transfers {
		moved[t.ID] = true
	}
	for _, id := range ids {
		if !moved[id] {
			found.Missing = append(found.Missing, id)
		}
	}
	return found
}

func (l lookedUp) table(w io.Writer) {
	row(w, "ID", "INDEX", "TIME", "FROM", "TO", "AMOUNT", "ASSET", "DESCRIPTION")
	for _, t := range l.Transfers {
		row(w, t.ID, number(t.Index), t.Time, t.Debit, t.Credit, t.Amount, t.Asset, orDash(oneLine(t.Description)))
	}
	if len(l.Missing) > 0 {
		fmt.Fprintf(w, "\nmissing: %s\n", strings.Join(l.Missing, " "))
	}
}

// verify refuses a list that is not all there.
func (l lookedUp) verify() error {
	if len(l.Missing) == 0 {
		return nil
	}
	err := fault.NotFound.New("nothing that you may Read was moved under %d of %d ids", len(l.Missing), l.asked)
	return withHint(err, "what only reserved, or made a document, moved nothing: acquired ledger hold show ID, acquired ledger document show ID")
}

func ledgerLookupCommand(g *globals) *cobra.Command {
	request := &pb.LookupRequest{}
	cmd := &cobra.Command{
		Use:   "lookup ID...",
		Short: "Say what was moved under ids of steps",
		Long: `lookup says what was moved under each id, whatever the step was: a transfer, a
capture, a refund, a payment. What moved in parts has a line for each. It ends with
status 1 if under one of them nothing was moved, or nothing that you may Read, such
as under that of a hold, which only reserves: acquired ledger hold show ID.`,
		Example: `  acquired ledger lookup grant-1 job-7-end
  acquired ledger lookup job-7-end --under /account/physics -o json`,
		Args: arguments(1, maxTransfers, "1 to 8190 times ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var found lookedUp
			err := g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				request.Ids = args
				answer, err := c.Ledger.Lookup(ctx, request)
				if errors.Is(err, fault.Denied) {
					err = withHint(err, "--under takes a path that you may Read")
				}
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				found = describeLookup(args, answer)
				return found, nil
			})
			if err != nil {
				return err
			}
			return found.verify()
		},
	}
	cmd.Flags().StringVar(&request.Under, "under", "", "only what was moved from or to accounts at or below this path, which you may Read (default: /account)")
	return cmd
}
