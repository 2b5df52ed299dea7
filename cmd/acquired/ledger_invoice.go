package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

func ledgerInvoiceCommand(g *globals) *cobra.Command {
	return nounCommand("invoice", "Demands of payment",
		ledgerInvoiceIssueCommand(g),
		ledgerInvoicePayCommand(g),
		ledgerInvoiceCreditCommand(g),
		ledgerInvoiceVoidCommand(g),
		showDocumentCommand(g, "invoice"),
	)
}

func ledgerInvoiceIssueCommand(g *globals) *cobra.Command {
	var flags documentFlags
	var effective effectiveFlag
	var lines []string
	var due string
	invoice := &pb.IssueInvoice{}
	cmd := &cobra.Command{
		Use:   "issue RECEIVABLE REVENUE --line DESCRIPTION=AMOUNT...",
		Short: "Demand the sum of some lines: debit RECEIVABLE and credit REVENUE with it",
		Long: `issue demands the sum of some lines. It debits RECEIVABLE, which says what is owed
and must be able to go below zero (open-account --overdraft), and credits REVENUE.
It needs Spend on RECEIVABLE. Anybody may pay who has the signed invoice.`,
		Example: `  acquired ledger invoice issue /account/centre/receivable /account/centre/revenue \
    --payer /user/physics --line "GPU hours, October=120.00" --line "storage=30.00" --due +30d --save invoice.note`,
		Args: arguments(2, 2, "RECEIVABLE REVENUE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			now := time.Now()
			if invoice.Lines, err = parseInvoiceLines(lines); err != nil {
				return err
			}
			if invoice.DueUnixNanos, err = parseInstant("due", due, now); err != nil {
				return err
			}
			if invoice.EffectiveUnixNanos, err = effective.parse(now); err != nil {
				return err
			}
			invoice.Id, invoice.Receivable, invoice.Revenue = flags.resolve(), args[0], args[1]
			return flags.issue(g, cmd, &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: invoice}})
		},
	}
	flags.register(cmd.Flags(), "invoice")
	cmd.Flags().StringArrayVar(&lines, "line", nil, "what is owed for what: DESCRIPTION=AMOUNT; may be repeated, up to 256")
	cmd.Flags().StringVar(&invoice.Payer, "payer", "", "the principal or account that is to pay, for information (default: none)")
	cmd.Flags().StringVar(&due, "due", "", "when it is overdue: "+writtenInstantForm+" (default: never)")
	effective.register(cmd.Flags())
	descriptionFlag(cmd.Flags(), &invoice.Description)
	requireFlag(cmd, "line")
	return cmd
}

// parseInvoiceLines looks for the last "=" of each, which no amount has.
func parseInvoiceLines(lines []string) ([]*pb.InvoiceLine, error) {
	parsed := make([]*pb.InvoiceLine, len(lines))
	for i, line := range lines {
		at := strings.LastIndex(line, "=")
		if at <= 0 || at == len(line)-1 {
			return nil, usage("--line %q is not DESCRIPTION=AMOUNT", line)
		}
		parsed[i] = &pb.InvoiceLine{Description: line[:at], Amount: line[at+1:]}
	}
	return parsed, nil
}

func ledgerInvoicePayCommand(g *globals) *cobra.Command {
	var flags stepFlags
	var from noteFlags
	var effective effectiveFlag
	pay := &pb.PayInvoice{}
	cmd := &cobra.Command{
		Use:   "pay FILE FROM [AMOUNT]",
		Short: "Pay AMOUNT of an invoice from an account, or all that is open",
		Long: `pay takes the invoice that is in FILE, as its issuer saved it; "-" is standard
input. With --key the file is verified before anybody is asked. With --hash the
id of the invoice does for FILE. It needs Spend on FROM.`,
		Example: "  acquired ledger invoice pay invoice.note /account/physics 50.00 --key keys",
		Args:    arguments(2, 3, "FILE FROM, or FILE FROM AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if pay.EffectiveUnixNanos, err = effective.parse(time.Now()); err != nil {
				return err
			}
			invoice, err := from.document(cmd, "invoice", args[0])
			if err != nil {
				return err
			}
			pay.Invoice, pay.Hash = invoice.ID, invoice.Hash
			pay.Id, pay.Debit, pay.Amount = flags.resolve(), args[1], optional(args, 2)
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_PayInvoice{PayInvoice: pay}})
		},
	}
	flags.register(cmd.Flags(), "payment")
	from.register(cmd.Flags())
	effective.register(cmd.Flags())
	descriptionFlag(cmd.Flags(), &pay.Description)
	return cmd
}

func ledgerInvoiceCreditCommand(g *globals) *cobra.Command {
	var flags stepFlags
	var effective effectiveFlag
	credit := &pb.CreditInvoice{}
	cmd := &cobra.Command{
		Use:     "credit INVOICE AMOUNT --description WHY",
		Short:   "Take back AMOUNT of what an invoice demands: a credit note",
		Long:    "credit takes back of what is open of an invoice. It needs Spend on its revenue account.",
		Example: `  acquired ledger invoice credit invoice-7 30.00 --description "storage was down"`,
		Args:    arguments(2, 2, "INVOICE AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if credit.EffectiveUnixNanos, err = effective.parse(time.Now()); err != nil {
				return err
			}
			credit.Id, credit.Invoice, credit.Amount = flags.resolve(), args[0], args[1]
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_CreditInvoice{CreditInvoice: credit}})
		},
	}
	flags.register(cmd.Flags(), "credit note")
	effective.register(cmd.Flags())
	cmd.Flags().StringVar(&credit.Description, "description", "", "why, 1 to 256 bytes")
	requireFlag(cmd, "description")
	return cmd
}

func ledgerInvoiceVoidCommand(g *globals) *cobra.Command {
	var flags stepFlags
	var effective effectiveFlag
	void := &pb.VoidInvoice{}
	cmd := &cobra.Command{
		Use:     "void INVOICE",
		Short:   "Take back an invoice of which nothing was paid or credited",
		Long:    "void takes back all of an invoice. It needs Spend on its revenue account.",
		Example: "  acquired ledger invoice void invoice-7",
		Args:    arguments(1, 1, "INVOICE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if void.EffectiveUnixNanos, err = effective.parse(time.Now()); err != nil {
				return err
			}
			void.Id, void.Invoice = flags.resolve(), args[0]
			return flags.one(g, cmd, &pb.Step{Step: &pb.Step_VoidInvoice{VoidInvoice: void}})
		},
	}
	flags.register(cmd.Flags(), "voiding")
	effective.register(cmd.Flags())
	descriptionFlag(cmd.Flags(), &void.Description)
	return cmd
}
