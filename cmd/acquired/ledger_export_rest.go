package main

import (
	"context"
	"errors"
	"strings"

	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// restPage is how many accounts, holds or documents are asked for at a time.
const restPage = 1000

// end writes what stands now, if the export is up to now, and the end.
func (x *exporter) end(ctx context.Context) error {
	if x.request.UntilIndex == 0 {
		if err := x.rest(ctx); err != nil {
			return err
		}
	}
	now := x.request.UntilIndex == 0 && !x.moved
	return x.write(journal.AppendEnd(nil, journal.End{Entries: x.entries, Now: now, Sum: x.sum.String()}))
}

// rest writes what no entry has named, what stands open, and closed periods.
func (x *exporter) rest(ctx context.Context) error {
	if x.all() {
		if err := x.restOfAssets(ctx); err != nil {
			return err
		}
	}
	request := &pb.AccountsRequest{Under: x.request.Under, Limit: restPage}
	for {
		page, err := x.client.Ledger.Accounts(ctx, request)
		if errors.Is(err, fault.NotFound) {
			break // all that was there is gone
		}
		if err != nil {
			return err
		}
		if err := x.restOfAccounts(ctx, page.Accounts); err != nil {
			return err
		}
		if request.Cursor = page.Cursor; request.Cursor == "" {
			break
		}
	}
	if x.all() {
		if err := x.periods(ctx); err != nil {
			return err
		}
	}
	return x.lookForMore(ctx)
}

// all says whether the export is of all accounts.
func (x *exporter) all() bool {
	return x.request.Under == "" || x.request.Under == string(ledger.Accounts)
}

// look refuses a path at which nothing is and nothing was: an empty file would say
// the same of a name that is written wrong.
func (x *exporter) look(ctx context.Context) error {
	if x.all() {
		return nil
	}
	_, missing := x.client.Ledger.Accounts(ctx, &pb.AccountsRequest{Under: x.request.Under, Limit: 1})
	if !errors.Is(missing, fault.NotFound) {
		return missing
	}
	was, err := x.hasEntries(ctx, "")
	if err == nil && !was {
		return missing
	}
	return err
}

// lookForMore finds out whether the entries still are all.
func (x *exporter) lookForMore(ctx context.Context) (err error) {
	x.moved, err = x.hasEntries(ctx, x.request.Cursor)
	return err
}

// hasEntries says whether there are entries behind the cursor.
func (x *exporter) hasEntries(ctx context.Context, cursor string) (bool, error) {
	request := &pb.JournalRequest{Under: x.request.Under, Cursor: cursor, Limit: 1}
	for {
		page, err := x.client.Ledger.Journal(ctx, request)
		if err != nil || page.Done || len(page.Entries) > 0 {
			return err == nil && len(page.Entries) > 0, err
		}
		request.Cursor = page.Cursor
	}
}

func (x *exporter) restOfAssets(ctx context.Context) error {
	totals, err := x.client.Ledger.TrialBalance(ctx, &pb.TrialBalanceRequest{})
	if err != nil {
		return err
	}
	var text []byte
	for _, t := range totals.Assets {
		if !x.named[exportKey{asset: t.Asset}] {
			text = x.format.AppendAsset(text, journal.Asset{Code: t.Asset, Scale: t.Scale})
		}
	}
	return x.write(text)
}

// restOfAccounts writes the accounts that were not written yet, and what all of
// them have to do with.
func (x *exporter) restOfAccounts(ctx context.Context, accounts []*pb.AccountResponse) error {
	var text []byte
	for _, a := range accounts {
		if asset := (exportKey{asset: a.Asset}); !x.all() && !x.named[asset] {
			x.named[asset] = true
			text = x.format.AppendAsset(text, journal.Asset{Code: a.Asset, Scale: journal.ScaleOf(a.Balance.Balance)})
		}
		if !x.named[exportKey{a.Path, a.Asset}] {
			text = x.format.AppendAccount(text, exportedAccount(a))
		}
	}
	if err := x.write(text); err != nil {
		return err
	}
	for _, a := range accounts {
		if err := x.holds(ctx, a); err != nil {
			return err
		}
		if err := x.documents(ctx, a.Path); err != nil {
			return err
		}
	}
	return nil
}

// holds writes the open holds of an account.
func (x *exporter) holds(ctx context.Context, a *pb.AccountResponse) error {
	if strings.Trim(a.Balance.DebitsPending+a.Balance.CreditsPending, "0.") == "" {
		return nil
	}
	request := &pb.HoldsRequest{Account: a.Path, Limit: restPage}
	for {
		page, err := x.client.Ledger.Holds(ctx, request)
		if err != nil {
			return err
		}
		var text []byte
		for _, h := range page.Holds {
			if !x.isFirst(a.Path, h.Debit, h.Credit) {
				continue
			}
			text = journal.AppendHold(text, journal.Hold{
				ID: h.Id, Debit: h.Debit, Credit: h.Credit, Asset: h.Asset, Remaining: h.Remaining, Expires: h.ExpiresUnixNanos,
				Overdraft: h.Overdraft, Delegate: h.Delegate, Document: h.Document, Description: h.Description,
			})
		}
		if err := x.write(text); err != nil {
			return err
		}
		if request.Cursor = page.Cursor; request.Cursor == "" {
			return nil
		}
	}
}

// documents writes the documents of an account.
func (x *exporter) documents(ctx context.Context, account string) error {
	request := &pb.DocumentsRequest{Account: account, Limit: restPage}
	for {
		page, err := x.client.Ledger.Documents(ctx, request)
		if err != nil {
			return err
		}
		var text []byte
		for _, d := range page.Documents {
			if x.isFirst(account, accountsOfDocument(d.Text)...) {
				text = journal.AppendDocument(text, journal.Document{ID: d.Id, Kind: d.Type, State: d.State, Hash: d.Hash, Text: d.Text})
			}
		}
		if err := x.write(text); err != nil {
			return err
		}
		if request.Cursor = page.Cursor; request.Cursor == "" {
			return nil
		}
	}
}

// isFirst says whether an account is the first of some that the export is of: what
// names several accounts is written once.
func (x *exporter) isFirst(account string, all ...string) bool {
	under := ledger.Accounts
	if p, err := path.Parse(x.request.Under); err == nil {
		under = p
	}
	for _, one := range all {
		if p, err := path.Parse(one); err == nil && under.Covers(p) {
			return one == account
		}
	}
	return false
}

// accountsOfDocument gives the accounts that the terms of a document name.
func accountsOfDocument(text string) (all []string) {
	for line := range strings.Lines(text) {
		_, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if account, _, _ := strings.Cut(value, " "); strings.HasPrefix(account, string(ledger.Accounts)+"/") {
			all = append(all, account)
		}
	}
	return all
}

func (x *exporter) periods(ctx context.Context) error {
	answer, err := x.client.Ledger.Periods(ctx, &pb.PeriodsRequest{})
	if err != nil {
		return err
	}
	var text []byte
	for _, p := range answer.Periods {
		text = journal.AppendPeriod(text, journal.Period{Name: p.Name, Until: p.UntilUnixNanos})
	}
	return x.write(text)
}
