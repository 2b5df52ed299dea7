package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// captured is what became of a capture, and of the receipt for it.
type captured struct {
	stepDone
	Receipt *stepDone `json:"receipt,omitempty"`
}

func (c captured) table(w io.Writer) {
	c.stepDone.table(w)
	if c.Receipt != nil {
		row(w, "receipt", c.Receipt.ID)
		row(w, "receipt hash", c.Receipt.Hash)
	}
}

func ledgerCaptureCommand(g *globals) *cobra.Command {
	var flags stepFlags
	var shares sharesFlag
	var effective effectiveFlag
	var receipt string
	capture := &pb.CaptureHold{}
	cmd := &cobra.Command{
		Use:   "capture HOLD [AMOUNT]",
		Short: "Move of what is held",
		Long: `capture moves AMOUNT of what is held, or all that remains, to the account the hold
is for, or to those of --share. It may be done in parts; --final releases the rest.
It needs Spend on the account the hold is for, or to be the hold's delegate.`,
		Example: `  acquired ledger capture job-7 80.00 --final --receipt job-7-receipt
  acquired ledger capture job-7 --share /account/centre:9 --share /account/tax:1`,
		Args: arguments(1, 2, "HOLD, or HOLD AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if capture.Shares, err = shares.parse(); err != nil {
				return err
			}
			if capture.EffectiveUnixNanos, err = effective.parse(time.Now()); err != nil {
				return err
			}
			capture.Id, capture.Hold, capture.Amount = flags.resolve(), args[0], optional(args, 1)
			steps := []*pb.Step{{Step: &pb.Step_Capture{Capture: capture}}}
			if receipt != "" {
				steps = append(steps, &pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: receipt, Hold: capture.Hold}}})
			}
			return flags.capture(g, cmd, steps)
		},
	}
	flags.register(cmd.Flags(), "capture")
	shares.register(cmd.Flags())
	cmd.Flags().BoolVar(&capture.Final, "final", false, "release what remains (default: it stays held)")
	cmd.Flags().StringVar(&receipt, "receipt", "", "issue a receipt with this id for what was captured so far, in one with the capture: both or neither; a hold that paid more than 100 times has none (default: none)")
	effective.register(cmd.Flags())
	descriptionFlag(cmd.Flags(), &capture.Description)
	return cmd
}

// capture makes an op of a capture, and of a receipt if there is a second step.
func (s *stepFlags) capture(g *globals, cmd *cobra.Command, steps []*pb.Step) error {
	return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		_, done, err := s.request.op(ctx, c, s.chosen, steps...)
		if err != nil {
			return nil, err
		}
		answer := captured{stepDone: done[0]}
		if len(done) > 1 {
			answer.Receipt = &done[1]
		}
		return answer, nil
	})
}

func ledgerReleaseCommand(g *globals) *cobra.Command {
	var flags stepFlags
	cmd := &cobra.Command{
		Use:   "release HOLD [AMOUNT]",
		Short: "Give back AMOUNT of what is held, or all that remains",
		Long: `release gives back AMOUNT of what is held, or all that remains. It needs Spend on
the account the hold is for, or to be the hold's delegate; who pays waits for the
end of the hold.`,
		Example: "  acquired ledger release job-7",
		Args:    arguments(1, 2, "HOLD, or HOLD AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			release := &pb.ReleaseHold{Id: flags.resolve(), Hold: args[0], Amount: optional(args, 1)}
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_Release{Release: release}})
		},
	}
	flags.register(cmd.Flags(), "release")
	return cmd
}

func ledgerExtendCommand(g *globals) *cobra.Command {
	var flags stepFlags
	var expires string
	cmd := &cobra.Command{
		Use:   "extend HOLD [AMOUNT]",
		Short: "Hold AMOUNT more, or longer, or both",
		Long:  "extend holds more, or longer, or both. It needs Spend on the account that pays. A hold\nthat came of a cheque stays as it was cashed.",
		Example: `  acquired ledger extend job-7 20.00
  acquired ledger extend job-7 --expires +7d`,
		Args: arguments(1, 2, "HOLD, or HOLD AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := parseInstant("expires", expires, time.Now())
			if err != nil {
				return err
			}
			if at == 0 && len(args) == 1 {
				return hintHelp(cmd, usage("%s: neither AMOUNT nor --expires is given", cmd.CommandPath()))
			}
			extend := &pb.ExtendHold{Id: flags.resolve(), Hold: args[0], Amount: optional(args, 1), ExpiresUnixNanos: at}
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_Extend{Extend: extend}})
		},
	}
	flags.register(cmd.Flags(), "extension")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends, after its end until now: "+writtenInstantForm+" (default: as it is)")
	return cmd
}
