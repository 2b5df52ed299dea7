package main

import (
	"time"

	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

func ledgerRefundCommand(g *globals) *cobra.Command {
	var flags documentFlags
	var effective effectiveFlag
	refund := &pb.Refund{}
	cmd := &cobra.Command{
		Use:   "refund OF [AMOUNT]",
		Short: "Move back what a transfer or a capture moved, or a part of it",
		Long: `refund moves AMOUNT back, or all that was not refunded yet, of what the step with
the id OF moved. All refunds of it are together at most that much. It needs Spend on
the account that was paid. Of a step that moved several amounts --from and --to, the
debit and credit of the refund, say which is meant.`,
		Example: `  acquired ledger refund order-7
  acquired ledger refund order-7 2.50 --from /account/centre --to /account/physics/alice`,
		Args: arguments(1, 2, "OF, or OF AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if refund.EffectiveUnixNanos, err = effective.parse(time.Now()); err != nil {
				return err
			}
			refund.Id, refund.Of, refund.Amount = flags.resolve(), args[0], optional(args, 1)
			return flags.issue(g, cmd, &pb.Step{Step: &pb.Step_Refund{Refund: refund}})
		},
	}
	flags.register(cmd.Flags(), "refund")
	cmd.Flags().StringVar(&refund.Debit, "from", "", "who was paid (default: the only one who was)")
	cmd.Flags().StringVar(&refund.Credit, "to", "", "who paid (default: the only one who did)")
	effective.register(cmd.Flags())
	descriptionFlag(cmd.Flags(), &refund.Description)
	return cmd
}
