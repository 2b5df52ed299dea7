package main

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// account is one account, whole.
type account struct {
	Path  string `json:"path"`
	Asset string `json:"asset"`
	// Kind is "normal", "ephemeral" or "transient", State "open", "frozen" or
	// "closed".
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Version uint64 `json:"version"`
	// Overdraft may be "unlimited"; Ceiling is empty without a bound.
	Overdraft     string `json:"overdraft"`
	Ceiling       string `json:"ceiling"`
	HoldOverdraft bool   `json:"hold_overdraft"`
	// DailyLimit and SpentToday are empty without one.
	DailyLimit string            `json:"daily_limit"`
	SpentToday string            `json:"spent_today"`
	Owner      string            `json:"owner"`
	Metadata   map[string]string `json:"metadata"`
	Opened     string            `json:"opened"`
	Balance    balance           `json:"balance"`
}

func describeAccount(a *pb.AccountResponse) account {
	described := account{
		Path: a.Path, Asset: a.Asset, Kind: a.Kind, State: a.State, Version: a.Version,
		Overdraft: a.Overdraft, Ceiling: a.Ceiling, HoldOverdraft: a.HoldOverdraft, Owner: a.Owner,
		DailyLimit: a.DailyLimit, SpentToday: a.SpentToday,
		Metadata: make(map[string]string, len(a.Metadata)), Opened: formatNanos(a.OpenedUnixNanos),
		Balance: describeBalance(a.Balance),
	}
	for _, m := range a.Metadata {
		described.Metadata[m.Key] = m.Value
	}
	return described
}

func (a account) table(w io.Writer) {
	row(w, "path", a.Path)
	row(w, "asset", a.Asset)
	row(w, "kind", a.Kind)
	row(w, "state", a.State)
	row(w, "version", number(a.Version))
	row(w, "opened", a.Opened)
	row(w, "overdraft", a.Overdraft)
	row(w, "ceiling", orNone(a.Ceiling))
	row(w, "hold overdraft", yesNo(a.HoldOverdraft))
	row(w, "daily limit", orNone(a.DailyLimit))
	if a.DailyLimit != "" {
		row(w, "spent today", a.SpentToday)
	}
	row(w, "owner", orDash(oneLine(a.Owner)))
	for _, key := range slices.Sorted(maps.Keys(a.Metadata)) {
		row(w, "metadata", key+"="+oneLine(a.Metadata[key]))
	}
	a.Balance.amounts(w)
}

func ledgerAccountCommand(g *globals) *cobra.Command {
	return nounCommand("account", "Look at an account and change its particulars",
		ledgerAccountShowCommand(g),
		ledgerAccountSetCommand(g),
	)
}

func ledgerAccountShowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "show PATH",
		Short:   "Say what an account is and holds",
		Example: "  acquired ledger account show /account/physics/alice",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.Account(ctx, &pb.AccountRequest{Path: args[0]})
				if err != nil {
					return nil, hintRead(hintAccount(err))
				}
				return describeAccount(answer), nil
			})
		},
	}
}

// accountList are accounts at and below a path.
type accountList struct {
	Accounts []account `json:"accounts"`
	// Cursor is where to go on; empty when that is all.
	Cursor string `json:"cursor"`
}

func (l accountList) table(w io.Writer) {
	row(w, "ACCOUNT", "ASSET", "STATE", "BALANCE", "PENDING DEBITS", "PENDING CREDITS", "AVAILABLE")
	for _, a := range l.Accounts {
		row(w, a.Path, a.Asset, a.State, a.Balance.Balance, a.Balance.DebitsPending, a.Balance.CreditsPending, a.Balance.Available)
	}
	rowCursor(w, l.Cursor)
}

func ledgerAccountsCommand(g *globals) *cobra.Command {
	var list listFlags
	cmd := &cobra.Command{
		Use:     "accounts [PATH]",
		Short:   "List the accounts at and below a path that you may Read",
		Example: "  acquired ledger accounts /account/physics",
		Args:    arguments(0, 1, "at most PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				accounts, cursor, err := gather(&list, func(cursor string, limit uint32) ([]account, string, error) {
					answer, err := c.Ledger.Accounts(ctx, &pb.AccountsRequest{Under: optional(args, 0), Cursor: cursor, Limit: limit})
					if err != nil {
						return nil, "", hintRead(hintVisible(err))
					}
					return described(answer.Accounts, describeAccount), answer.Cursor, nil
				})
				return accountList{accounts, cursor}, err
			})
		},
	}
	list.register(cmd.Flags())
	return cmd
}
