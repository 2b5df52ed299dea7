package main

import (
	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

func ledgerReceiptCommand(g *globals) *cobra.Command {
	return nounCommand("receipt", "Statements of what was captured",
		ledgerReceiptIssueCommand(g),
		showDocumentCommand(g, "receipt"),
		verifyDocumentCommand(g, "receipt"),
	)
}

func ledgerReceiptIssueCommand(g *globals) *cobra.Command {
	var flags documentFlags
	cmd := &cobra.Command{
		Use:   "issue HOLD",
		Short: "State what was captured of a hold so far",
		Long: `issue states what was captured of a hold so far. It needs Spend on the account the
hold is for, or to be the hold's delegate. A hold that paid more than 100 times has
no receipt.`,
		Example: "  acquired ledger receipt issue job-7 --id job-7-receipt --save receipt.note",
		Args:    arguments(1, 1, "HOLD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			issue := &pb.IssueReceipt{Id: flags.resolve(), Hold: args[0]}
			return flags.issue(g, cmd, &pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: issue}})
		},
	}
	flags.register(cmd.Flags(), "receipt")
	return cmd
}
