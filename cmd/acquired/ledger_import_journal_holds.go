package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"google.golang.org/protobuf/proto"

	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// findHolds finds out which holds of the file stand, and which are open in the
// cluster.
func (i *journalImporter) findHolds(ctx context.Context) error {
	i.openHere = make(map[string]bool)
	for _, key := range i.books.keys {
		a := i.books.accounts[key]
		if a.was == nil || a.counters.reserved.Sign() == 0 && a.counters.incoming.Sign() == 0 {
			continue
		}
		if err := i.findOpenHolds(ctx, a.Path); err != nil {
			return err
		}
	}
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(accountCalls)
	for _, h := range i.books.holds {
		calls.Go(func() error { return i.findHold(ctx, h) })
	}
	return calls.Wait()
}

func (i *journalImporter) findOpenHolds(ctx context.Context, account string) error {
	request := &pb.HoldsRequest{Account: account, Limit: holdsPage}
	for {
		page, err := i.client.Ledger.Holds(ctx, request)
		if err != nil {
			return err
		}
		for _, h := range page.Holds {
			i.openHere[h.Id] = true
		}
		if request.Cursor = page.Cursor; request.Cursor == "" {
			return nil
		}
	}
}

func (i *journalImporter) findHold(ctx context.Context, h *importedHold) error {
	answer, err := i.client.Ledger.Hold(ctx, &pb.HoldRequest{Id: journal.HoldID(h.ID)})
	if errors.Is(err, fault.NotFound) {
		return i.findDelegate(ctx, h)
	}
	if err != nil {
		return err
	}
	for _, f := range []struct{ name, was, is string }{
		{"debit", answer.Debit, h.Debit}, {"credit", answer.Credit, h.Credit}, {"asset", answer.Asset, h.Asset},
	} {
		if f.was != f.is {
			return fault.Conflict.New("%s, line %d: %s: hold %s was placed before with %q, not %q",
				i.books.file, h.line, f.name, h.ID, f.was, f.is)
		}
	}
	h.exists = true
	return nil
}

// findDelegate takes the delegate from a hold if there is nobody of the name: only
// who is there is trusted with a hold.
func (i *journalImporter) findDelegate(ctx context.Context, h *importedHold) error {
	if h.Delegate == "" {
		return nil
	}
	_, err := i.client.Acl.Describe(ctx, &pb.DescribeRequest{Path: h.Delegate})
	if !errors.Is(err, fault.NotFound) {
		return err
	}
	h.nobody, h.Delegate = h.Delegate, ""
	return nil
}

// holdsInOrder gives the holds in the order in which they are placed. Those without
// overdraft are first: they need what is there.
func (b *journalBooks) holdsInOrder() []*importedHold {
	return slices.SortedStableFunc(slices.Values(b.holds), func(a, b *importedHold) int {
		switch {
		case a.Overdraft == b.Overdraft:
			return 0
		case b.Overdraft:
			return -1
		}
		return 1
	})
}

// longestHold is how long a hold may last that an import places, in nanoseconds: the
// clock of the cluster may be behind.
const longestHold = ledger.MaxLifetime - int64(clocksDiffer)

// placeHolds places what remains of the holds that were open, until they expire.
func (i *journalImporter) placeHolds(ctx context.Context) error {
	now := time.Now().UnixNano()
	for _, h := range i.books.holdsInOrder() {
		switch {
		case h.exists:
			i.done.HoldsExisting++
			continue
		case h.Expires <= now:
			i.done.HoldsExpired++
			i.note("hold %s is not placed: it expired at %s", h.ID, formatNanos(h.Expires))
			continue
		case h.Expires > now+longestHold:
			i.note("hold %s expires at %s, not %s: a hold lasts ten years at most", h.ID, formatNanos(now+longestHold), formatNanos(h.Expires))
			h.Expires = now + longestHold
		}
		if err := i.placeHold(ctx, h); err != nil {
			return err
		}
		i.done.HoldsPlaced++
		if h.nobody != "" {
			i.note("hold %s has no delegate: there is no %s", h.ID, h.nobody)
		}
		if h.Document != "" {
			i.note("hold %s came of document %s, and is not bound to it", h.ID, h.Document)
		}
	}
	return nil
}

func (i *journalImporter) placeHold(ctx context.Context, h *importedHold) error {
	debit, credit := i.books.account(h.Debit, h.Asset), i.books.account(h.Credit, h.Asset)
	amount := minorOf(h.Remaining, i.books.assets[h.Asset].scale)
	if err := i.bearHold(ctx, h); err != nil {
		return err
	}
	overdraft := h.Overdraft || debit.counters.own().Cmp(amount) < 0
	if overdraft && !h.Overdraft && debit.unfinished() {
		i.note("hold %s may use the overdraft of %s: it is more than the account has", h.ID, h.Debit)
	}
	if !i.done.DryRun {
		if err := i.sendHold(ctx, h, debit, credit, overdraft); err != nil {
			return fmt.Errorf("%s, line %d: %w", i.books.file, h.line, err)
		}
	}
	debit.counters.reserved.Add(&debit.counters.reserved, amount)
	credit.counters.incoming.Add(&credit.counters.incoming, amount)
	return nil
}

// bearHold refuses a hold that an account which was there could not bear.
func (i *journalImporter) bearHold(ctx context.Context, h *importedHold) error {
	t := &pb.Transfer{Id: h.ID, Debit: h.Debit, Credit: h.Credit, Asset: h.Asset}
	if err := i.askStandings(ctx, []*pb.Transfer{t}); err != nil {
		return err
	}
	return i.reserve(i.standings, h)
}

// reserve takes what remains of a hold on the standings.
func (i *journalImporter) reserve(standings map[string]*standing, h *importedHold) error {
	amount := minorOf(h.Remaining, i.books.assets[h.Asset].scale)
	for _, f := range []struct {
		path    string
		refused *fault.Fault
	}{{h.Debit, standings[h.Debit].reserve(amount)}, {h.Credit, standings[h.Credit].expect(amount)}} {
		if f.refused != nil {
			return f.refused.Kind.New("%s, line %d: hold %s: account %s %s", i.books.file, h.line, h.ID, f.path, f.refused.Message)
		}
	}
	return nil
}

// sendHold places a hold. Whether it may use the overdraft is what its account says
// then.
func (i *journalImporter) sendHold(ctx context.Context, h *importedHold, debit, credit *importedAccount, overdraft bool) error {
	if err := i.openNeeded(ctx, debit, credit); err != nil {
		return err
	}
	if debit.unfinished() && debit.holdOverdraft != overdraft {
		change := &pb.ChangeAccountRequest{Path: debit.Path, HoldOverdraft: proto.Bool(overdraft)}
		if _, err := i.client.Ledger.ChangeAccount(ctx, change); err != nil {
			return err
		}
		debit.holdOverdraft = overdraft
	}
	_, err := i.client.Ledger.Op(ctx, &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{
		Id: journal.HoldID(h.ID), Debit: h.Debit, Credit: h.Credit, Amount: h.Remaining, ExpiresUnixNanos: h.Expires,
		Delegate: h.Delegate, Description: h.Description,
	}}}}})
	return err
}
