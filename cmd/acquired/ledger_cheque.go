package main

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

func ledgerChequeCommand(g *globals) *cobra.Command {
	return nounCommand("cheque", "Promises to pay on demand",
		ledgerChequeWriteCommand(g),
		ledgerChequeCashCommand(g),
		ledgerChequeCancelCommand(g),
		showDocumentCommand(g, "cheque"),
	)
}

func ledgerChequeWriteCommand(g *globals) *cobra.Command {
	var flags documentFlags
	var expiry expiryFlags
	cheque := &pb.WriteCheque{}
	cmd := &cobra.Command{
		Use:   "write ACCOUNT RECIPIENT CEILING --resource TEXT",
		Short: "Promise a principal to pay it up to CEILING from an account",
		Long: `write makes a cheque. RECIPIENT, a principal that is there, may cash it, for the
resource that it names and for at most CEILING, all times together. Nothing is
reserved: the cheque bounces when there are no funds, or when you may not Spend from
ACCOUNT any more. Each use may be a hold, of the 10000 that may reserve of ACCOUNT.`,
		Example: `  acquired ledger cheque write /account/physics/alice /workload/scheduler 100.00 \
    --resource "run of job 7" --for 36h --save cheque.note`,
		Args: arguments(3, 3, "ACCOUNT RECIPIENT CEILING"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if cheque.ExpiresUnixNanos, cheque.LifetimeSeconds, err = expiry.parse(time.Now()); err != nil {
				return err
			}
			if cheque.Uses == 0 {
				return usage("--uses 0: a cheque can be cashed 1 to 1000000 times")
			}
			cheque.Id, cheque.Account, cheque.Recipient, cheque.Ceiling = flags.resolve(), args[0], args[1], args[2]
			return flags.issue(g, cmd, &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: cheque}})
		},
	}
	flags.register(cmd.Flags(), "cheque")
	expiry.register(cmd.Flags(), "7d")
	cmd.Flags().StringVar(&cheque.Resource, "resource", "", "what it is for, 1 to 256 bytes: who cashes it must name the same")
	cmd.Flags().Uint32Var(&cheque.Uses, "uses", 1, "how often it can be cashed, 1 to 1000000")
	descriptionFlag(cmd.Flags(), &cheque.Description)
	requireFlag(cmd, "resource")
	return cmd
}

func ledgerChequeCashCommand(g *globals) *cobra.Command {
	var flags stepFlags
	var from noteFlags
	var lifetime, resource string
	cash := &pb.CashCheque{}
	cmd := &cobra.Command{
		Use:   "cash FILE TO AMOUNT",
		Short: "Pay or reserve AMOUNT of a cheque for an account",
		Long: `cash takes the cheque that is in FILE, as its writer saved it; "-" is standard
input. Only the recipient can cash it. With --key the file is verified before
anybody is asked. With --hash and --resource the id of the cheque does for FILE.`,
		Example: `  acquired ledger cheque cash cheque.note /account/centre 80.00 --key keys
  acquired ledger cheque cash cheque.note /account/centre 80.00 --hold --for 2h --id job-7`,
		Args: arguments(3, 3, "FILE TO AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if lifetime != "" && !cash.Hold {
				return usage("--for is for --hold")
			}
			if lifetime != "" {
				if cash.LifetimeSeconds, err = parseSeconds("for", lifetime); err != nil {
					return err
				}
			}
			if (from.hash == "") != (resource == "") {
				return usage("--hash and --resource go together: FILE says both")
			}
			cheque, err := from.document(cmd, "cheque", args[0])
			if err != nil {
				return err
			}
			cash.Cheque, cash.Hash, cash.Resource = cheque.ID, cheque.Hash, cmp.Or(resource, cheque.Value("resource"))
			cash.Id, cash.Credit, cash.Amount = flags.resolve(), args[1], args[2]
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_CashCheque{CashCheque: cash}})
		},
	}
	flags.register(cmd.Flags(), "transfer or hold that comes of it")
	from.register(cmd.Flags())
	cmd.Flags().StringVar(&resource, "resource", "", "with --hash: what the cheque is for (default: what FILE says)")
	cmd.Flags().BoolVar(&cash.Hold, "hold", false, "reserve the amount (default: move it)")
	cmd.Flags().StringVar(&lifetime, "for", "", "with --hold: how long, in whole seconds: 90m, 36h or 7d; it ends with the cheque at the latest (default: 7d)")
	descriptionFlag(cmd.Flags(), &cash.Description)
	return cmd
}

func ledgerChequeCancelCommand(g *globals) *cobra.Command {
	var flags stepFlags
	cmd := &cobra.Command{
		Use:     "cancel CHEQUE",
		Short:   "End a cheque; what was cashed or reserved of it stays",
		Example: "  acquired ledger cheque cancel cheque-7",
		Args:    arguments(1, 1, "CHEQUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cancel := &pb.CancelCheque{Id: flags.resolve(), Cheque: args[0]}
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_CancelCheque{CancelCheque: cancel}})
		},
	}
	flags.register(cmd.Flags(), "cancellation")
	return cmd
}
