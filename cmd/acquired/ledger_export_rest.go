package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
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
	until, err := indexOf(x.request.Cursor)
	if err != nil {
		return err
	}
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
		if err := x.restOfAccounts(ctx, page.Accounts, until); err != nil {
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

// lookBehind refuses to go on behind what is not there yet: what is made until then
// would be in no part.
func (x *exporter) lookBehind(ctx context.Context) error {
	index, err := indexOf(x.request.Cursor)
	if err != nil || index == 0 {
		return nil // it is the beginning, or refused with the first page
	}
	request := &pb.JournalRequest{Under: x.request.Under, Cursor: strconv.FormatUint(index-1, 10), Limit: 1}
	// A node that is behind may not know of it yet.
	for _, ctx := range []context.Context{ctx, client.WithRead(ctx, client.Latest)} {
		page, err := x.client.Ledger.Journal(ctx, request)
		if err != nil {
			return err
		}
		if reached, err := indexOf(page.Cursor); err != nil || reached >= index {
			return err
		}
	}
	return withHint(fault.Conflict.New("the journal does not go as far as %s", x.request.Cursor),
		"a cursor is one of the same cluster: what an export said last, or INDEX.COUNTER of an entry")
}

// indexOf gives the index of a cursor.
func indexOf(cursor string) (uint64, error) {
	index, _, _ := strings.Cut(cursor, ".")
	return strconv.ParseUint(index, 10, 64)
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
		if x.isNew(exportKey{asset: t.Asset}) {
			text = x.format.AppendAsset(text, journal.Asset{Code: t.Asset, Scale: t.Scale})
		}
	}
	return x.write(text)
}

// restOfAccounts writes the accounts that were not written yet, or changed since, and
// what all of them have to do with.
func (x *exporter) restOfAccounts(ctx context.Context, accounts []*pb.AccountResponse, until uint64) error {
	var text []byte
	for _, a := range accounts {
		if asset := (exportKey{asset: a.Asset}); !x.all() && x.isNew(asset) {
			x.named[asset] = nameWritten{}
			text = x.format.AppendAsset(text, journal.Asset{Code: a.Asset, Scale: journal.ScaleOf(a.Balance.Balance)})
		}
		if x.named[exportKey{a.Path, a.Asset}] != writtenOf(a) {
			text = x.format.AppendAccount(text, exportedAccount(a))
		}
	}
	if err := x.write(text); err != nil {
		return err
	}
	for _, a := range accounts {
		if err := x.holds(ctx, a, until); err != nil {
			return err
		}
		if err := x.documents(ctx, a.Path, until); err != nil {
			return err
		}
	}
	return nil
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
