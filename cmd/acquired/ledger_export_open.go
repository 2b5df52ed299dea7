package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// A hold or a document names several accounts, and is written once: with the first of
// them that the export lists. Which that is, is asked for at each of them: to keep
// what was written would take as much memory as there are documents.

// holds writes the open holds of an account, up to an index.
func (x *exporter) holds(ctx context.Context, a *pb.AccountResponse, until uint64) error {
	if strings.Trim(a.Balance.DebitsPending+a.Balance.CreditsPending, "0.") == "" {
		return nil
	}
	request := &pb.HoldsRequest{Account: a.Path, Limit: restPage}
	for {
		page, err := x.client.Ledger.Holds(ctx, request)
		if err != nil {
			return err
		}
		mine, err := eachCalling(ctx, page.Holds, func(ctx context.Context, h *pb.HoldResponse) (bool, error) {
			if h.Index > until {
				return false, nil
			}
			return x.isFirst(ctx, a.Path, []string{h.Debit, h.Credit}, x.hasHolds)
		})
		if err != nil {
			return err
		}
		var text []byte
		for i, h := range page.Holds {
			if mine[i] {
				text = journal.AppendHold(text, exportedHold(h))
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

func exportedHold(h *pb.HoldResponse) journal.Hold {
	return journal.Hold{
		ID: h.Id, Debit: h.Debit, Credit: h.Credit, Asset: h.Asset, Remaining: h.Remaining, Expires: h.ExpiresUnixNanos,
		Overdraft: h.Overdraft, Delegate: h.Delegate, Document: h.Document, Description: h.Description,
	}
}

// hasHolds says whether the export lists the account of an open hold. It is there
// while the hold is open.
func (x *exporter) hasHolds(ctx context.Context, account string) (bool, error) {
	if readable, known := x.readable.get(account); known {
		return readable, nil
	}
	_, err := x.client.Ledger.Account(ctx, &pb.AccountRequest{Path: account})
	return x.listed(account, err)
}

// documents writes the documents of an account, up to an index.
func (x *exporter) documents(ctx context.Context, account string, until uint64) error {
	request := &pb.DocumentsRequest{Account: account, Limit: restPage}
	for {
		page, err := x.client.Ledger.Documents(ctx, request)
		if err != nil {
			return err
		}
		mine, err := eachCalling(ctx, page.Documents, func(ctx context.Context, d *pb.DocumentResponse) (bool, error) {
			if d.Index > until {
				return false, nil
			}
			return x.isFirst(ctx, account, accountsOfDocument(d.Text), func(ctx context.Context, other string) (bool, error) {
				return x.hasDocument(ctx, other, d.Id)
			})
		})
		if err != nil {
			return err
		}
		var text []byte
		for i, d := range page.Documents {
			if mine[i] {
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

// hasDocument says whether the export lists an account that a document names, and has
// it there. The account may have gone, and another be at its path, of which the
// document is none: then it is no cursor of the account's documents either.
func (x *exporter) hasDocument(ctx context.Context, account, id string) (bool, error) {
	if readable, known := x.readable.get(account); known && !readable {
		return false, nil
	}
	_, err := x.client.Ledger.Documents(ctx, &pb.DocumentsRequest{Account: account, Cursor: id, Limit: 1})
	if errors.Is(err, fault.Invalid) {
		return false, nil
	}
	return x.listed(account, err)
}

// listed notes whether the caller may read an account that is there, which is what an
// answer says.
func (x *exporter) listed(account string, err error) (bool, error) {
	hidden := errors.Is(err, fault.NotFound) || errors.Is(err, fault.Denied)
	if err != nil && !hidden {
		return false, err
	}
	x.readable.set(account, !hidden)
	return !hidden, nil
}

// isFirst says whether an account is the first of all that has a thing, as far as the
// export is of them.
func (x *exporter) isFirst(
	ctx context.Context, account string, all []string, has func(context.Context, string) (bool, error),
) (bool, error) {
	under := ledger.Accounts
	if p, err := path.Parse(x.request.Under); err == nil {
		under = p
	}
	for _, one := range all {
		if one == account {
			return true, nil
		}
		if p, err := path.Parse(one); err != nil || !under.Covers(p) {
			continue
		}
		if other, err := has(ctx, one); err != nil || other {
			return false, err
		}
	}
	return true, nil
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

// eachCalling asks of all things of a page, some at a time.
func eachCalling[T any](ctx context.Context, all []T, ask func(context.Context, T) (bool, error)) ([]bool, error) {
	answers := make([]bool, len(all))
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(accountCalls)
	for i, one := range all {
		calls.Go(func() (err error) {
			answers[i], err = ask(ctx, one)
			return err
		})
	}
	return answers, calls.Wait()
}

// knownAccounts keeps an answer about each of some accounts. It forgets what it has
// when that is too much. The zero value knows none.
type knownAccounts struct {
	mu  sync.Mutex
	all map[string]bool
}

func (k *knownAccounts) get(account string) (answer, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	answer, known = k.all[account]
	return answer, known
}

func (k *knownAccounts) set(account string, answer bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil || len(k.all) >= mostNamed {
		k.all = make(map[string]bool)
	}
	k.all[account] = answer
}
