package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// unlimited is the overdraft without a bound.
const unlimited = "unlimited"

// accountFolder begins the paths of accounts.
const accountFolder = "/account/"

func ledgerCommand(g *globals) *cobra.Command {
	return nounCommand("ledger", "Assets, accounts, what moves between them and what is promised",
		ledgerCreateAssetCommand(g),
		ledgerOpenAccountCommand(g),
		ledgerAccountCommand(g),
		ledgerAccountsCommand(g),
		ledgerLimitsCommand(g),
		ledgerFreezeCommand(g, "freeze", "Stop an account: nothing is moved or held, releases and expiries go on", true),
		ledgerFreezeCommand(g, "unfreeze", "Let a frozen account go on", false),
		ledgerCloseCommand(g),
		ledgerTransferCommand(g),
		ledgerOpCommand(g),
		ledgerHoldCommand(g),
		ledgerHoldsCommand(g),
		ledgerCaptureCommand(g),
		ledgerReleaseCommand(g),
		ledgerExtendCommand(g),
		ledgerRefundCommand(g),
		ledgerExchangeCommand(g),
		ledgerChequeCommand(g),
		ledgerInvoiceCommand(g),
		ledgerReceiptCommand(g),
		ledgerDocumentCommand(g),
		ledgerDocumentsCommand(g),
		ledgerBalanceCommand(g),
		ledgerRollUpCommand(g),
		ledgerStatementCommand(g),
		ledgerLookupCommand(g),
		ledgerTrialBalanceCommand(g),
		ledgerPeriodCommand(g),
		ledgerAuditCommand(g),
		ledgerVerifyCommand(g),
		ledgerImportCommand(g),
		ledgerExportCommand(g),
		ledgerImportJournalCommand(g),
	)
}

// written is the answer to a write that makes one thing.
type written struct {
	// Index is where it took effect.
	Index uint64 `json:"index"`
}

func (a written) table(w io.Writer) { row(w, "index", number(a.Index)) }

func ledgerCreateAssetCommand(g *globals) *cobra.Command {
	var request requestFlag
	var scale uint32
	cmd := &cobra.Command{
		Use:     "create-asset CODE --scale N",
		Short:   "Create an asset: a currency, or a unit of work",
		Example: "  acquired ledger create-asset USD --scale 2",
		Args:    arguments(1, 1, "CODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: args[0], Scale: scale})
				if err != nil {
					return nil, request.explain(err)
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().Uint32Var(&scale, "scale", 0, "digits after the decimal point, 0 to 18; it can never change")
	requireFlag(cmd, "scale")
	return cmd
}

func ledgerOpenAccountCommand(g *globals) *cobra.Command {
	var request requestFlag
	var open pb.OpenAccountRequest
	var metadata metadataFlag
	cmd := &cobra.Command{
		Use:     "open-account PATH --asset CODE",
		Aliases: []string{"open"},
		Short:   "Open an account",
		Long: `open-account opens an account that is empty. A normal one stays until it is closed;
an ephemeral one goes when a command leaves it empty; a transient one must be left
empty by every command. Amounts are in the unit of the asset.`,
		Example: `  acquired ledger open-account /account/physics/alice --asset USD --overdraft 100.00
  acquired ledger open /account/physics/job-7 --asset USD --kind ephemeral --owner /user/alice`,
		Args: arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if open.Metadata, err = metadata.parse(); err != nil {
				return err
			}
			open.Ceiling, open.DailyLimit, open.Owner = unlessNone(open.Ceiling), unlessNone(open.DailyLimit), unlessNone(open.Owner)
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				open.Path = args[0]
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Ledger.OpenAccount(ctx, &open)
				if err != nil {
					return nil, request.explain(hintVisible(hintAsset(err)))
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringVar(&open.Asset, "asset", "", "code of the asset that the account holds")
	cmd.Flags().StringVar(&open.Overdraft, "overdraft", "", `how far below zero the balance may go, or "unlimited" (default 0)`)
	cmd.Flags().StringVar(&open.Ceiling, "ceiling", "", `the most that the balance may be, pending credits included, or "none" (default none)`)
	cmd.Flags().StringVar(&open.DailyLimit, "daily-limit", "", `the most that may be spent in a day, UTC, or "none" (default none)`)
	cmd.Flags().StringVar(&open.Kind, "kind", "normal", "normal, ephemeral or transient")
	cmd.Flags().BoolVar(&open.HoldOverdraft, "hold-overdraft", false, "holds may reserve of the overdraft (default: they may not)")
	cmd.Flags().StringVar(&open.Owner, "owner", "", `a principal, for information, or "none": what it may do is a matter of the tree (default none)`)
	metadata.register(cmd.Flags(), "")
	requireFlag(cmd, "asset")
	return cmd
}

// balance is one account.
type balance struct {
	Path           string `json:"path"`
	Asset          string `json:"asset"`
	DebitsPosted   string `json:"debits_posted"`
	CreditsPosted  string `json:"credits_posted"`
	DebitsPending  string `json:"debits_pending"`
	CreditsPending string `json:"credits_pending"`
	// Available is what may still be debited, or "unlimited". It is empty when a
	// time was asked for.
	Available string `json:"available"`
	// Balance is credits less debits posted; it may be negative.
	Balance string `json:"balance"`
}

func describeBalance(b *pb.BalanceResponse) balance {
	return balance{
		b.GetPath(), b.GetAsset(), b.GetDebitsPosted(), b.GetCreditsPosted(),
		b.GetDebitsPending(), b.GetCreditsPending(), b.GetAvailable(), b.GetBalance(),
	}
}

func (b balance) table(w io.Writer) {
	row(w, "path", b.Path)
	row(w, "asset", b.Asset)
	b.amounts(w)
}

func (b balance) amounts(w io.Writer) {
	row(w, "debits posted", b.DebitsPosted)
	row(w, "credits posted", b.CreditsPosted)
	row(w, "debits pending", orDash(b.DebitsPending))
	row(w, "credits pending", orDash(b.CreditsPending))
	row(w, "balance", b.Balance)
	row(w, "available", orDash(b.Available))
}

func ledgerBalanceCommand(g *globals) *cobra.Command {
	var asOf asOfFlags
	request := &pb.BalanceRequest{}
	cmd := &cobra.Command{
		Use:   "balance PATH",
		Short: "Say what was debited from and credited to an account",
		Long: `balance says what was debited from and credited to an account. With --at it is that
of the account that was at PATH then, if one was: an ephemeral account goes when it
is empty, and another may be there now. Which one was there is told by log time.`,
		Example: `  acquired ledger balance /account/physics/alice
  acquired ledger balance /account/physics/alice --at 2026-11-01 --effective`,
		Args: arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			request.Path, request.Effective = args[0], asOf.effective
			if request.AtUnixNanos, err = asOf.parse(time.Now()); err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.Balance(ctx, request)
				if err != nil {
					return nil, hintRead(hintAccount(err))
				}
				return describeBalance(answer), nil
			})
		},
	}
	asOf.register(cmd.Flags())
	return cmd
}

// hintAsset says what to do about an asset that is not there. Assets are hidden
// from nobody.
func hintAsset(err error) error {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != fault.NotFound || f.Details["asset"] == "" {
		return err
	}
	return withHint(err, "acquired ledger create-asset %s --scale 2", f.Details["asset"])
}

// hintAccount says why there may be no account, and what to do if there is none:
// the answer does not tell who may not View it.
func hintAccount(err error) error {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != fault.NotFound || !strings.HasPrefix(f.Details["path"], accountFolder) {
		return err
	}
	if f.Details["state"] == "gone" {
		return withHint(err, "acquired ledger statement %s", f.Details["path"])
	}
	return withHint(err, "it does not exist, or you may not View it; acquired ledger open-account %s --asset CODE opens one", f.Details["path"])
}

// trialBalance is the sum of each asset's accounts.
type trialBalance struct {
	Assets []assetTotals `json:"assets"`
}

type assetTotals struct {
	Asset          string `json:"asset"`
	Scale          uint32 `json:"scale"`
	DebitsPosted   string `json:"debits_posted"`
	CreditsPosted  string `json:"credits_posted"`
	DebitsPending  string `json:"debits_pending"`
	CreditsPending string `json:"credits_pending"`
	Accounts       uint64 `json:"accounts"`
	Transfers      uint64 `json:"transfers"`
}

// balances says whether debits equal credits. Amounts have one spelling.
func (t assetTotals) balances() bool {
	return t.DebitsPosted == t.CreditsPosted && t.DebitsPending == t.CreditsPending
}

func (b trialBalance) table(w io.Writer) {
	row(w, "ASSET", "DEBITS POSTED", "CREDITS POSTED", "DEBITS PENDING", "CREDITS PENDING", "ACCOUNTS", "TRANSFERS", "BALANCES")
	for _, t := range b.Assets {
		row(w, t.Asset, t.DebitsPosted, t.CreditsPosted, t.DebitsPending, t.CreditsPending,
			number(t.Accounts), number(t.Transfers), yesNo(t.balances()))
	}
}

// verify refuses books that do not balance.
func (b trialBalance) verify() error {
	for _, t := range b.Assets {
		if !t.balances() {
			return fault.Conflict.New("%s does not balance: debits %s posted, %s pending; credits %s posted, %s pending",
				t.Asset, t.DebitsPosted, t.DebitsPending, t.CreditsPosted, t.CreditsPending)
		}
	}
	return nil
}

func askTrialBalance(ctx context.Context, c *client.Client) (trialBalance, error) {
	answer, err := c.Ledger.TrialBalance(ctx, &pb.TrialBalanceRequest{})
	if err != nil {
		return trialBalance{}, err
	}
	totals := trialBalance{Assets: make([]assetTotals, len(answer.Assets))}
	for i, t := range answer.Assets {
		totals.Assets[i] = assetTotals{
			t.Asset, t.Scale, t.DebitsPosted, t.CreditsPosted, t.DebitsPending, t.CreditsPending, t.Accounts, t.Transfers,
		}
	}
	return totals, nil
}

func ledgerTrialBalanceCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "trial-balance",
		Short: "Sum all accounts: the debits of each asset equal its credits",
		Long: `trial-balance sums the accounts of each asset. It ends with status 1 if the
debits of any asset differ from its credits.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var totals trialBalance
			err := g.ask(cmd, func(ctx context.Context, c *client.Client) (_ shape, err error) {
				totals, err = askTrialBalance(ctx, c)
				return totals, hintRead(err)
			})
			if err != nil {
				return err
			}
			return totals.verify()
		},
	}
}
