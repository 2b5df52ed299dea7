package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// unfinishedKey is the metadata of an account that an import opened and has not
// given its limits yet.
const unfinishedKey = "acquired.import-unfinished"

// finishAccounts gives the accounts that this import opened, or an earlier one
// that was interrupted, what the file says of them.
func (i *journalImporter) finishAccounts(ctx context.Context) error {
	unknown := 0
	for _, key := range i.books.keys {
		a := i.books.accounts[key]
		if a.State == "closed" && !a.unfinished() && a.was.State == "frozen" {
			i.note("%s is frozen, and closed where the file comes from: ledger close closes it", a.Path)
		}
		if !a.unfinished() || a.State == "gone" && a.counters.empty() {
			continue
		}
		if a.Kind == "" || a.State == "gone" {
			unknown++
		}
		if err := i.finishAccount(ctx, a); err != nil {
			return fmt.Errorf("account %s: %w", a.Path, err)
		}
	}
	if unknown > 0 {
		i.note("%d accounts have no limits: the file does not say theirs", unknown)
	}
	return nil
}

// finishAccount leaves an account whose limits the imported part of the books
// does not respect without them. What says that it is unfinished goes last; one that
// is to be closed is closed right behind, as nothing is changed of a closed one.
func (i *journalImporter) finishAccount(ctx context.Context, a *importedAccount) error {
	change := &pb.ChangeAccountRequest{Path: a.Path, Metadata: a.finalMetadata(), HoldOverdraft: proto.Bool(a.HoldOverdraft)}
	closes := a.State == "closed" && a.counters.empty()
	if a.State == "frozen" || closes {
		change.Frozen = proto.Bool(true)
	}
	if a.Kind != "" && a.State != "gone" {
		change.DailyLimit = proto.String(a.DailyLimit)
		i.setLimits(a, change)
	}
	if is := a.kind(); a.Kind != "" && a.Kind != is {
		i.note("%s is a %s account: it was %s", a.Path, is, a.Kind)
	}
	if a.State == "closed" && !closes {
		i.note("%s stays open: it was closed, but what was imported does not leave it empty", a.Path)
	}
	if i.done.DryRun {
		return nil
	}
	if err := i.change(ctx, a, change); err != nil || !closes {
		return err
	}
	_, err := i.client.Ledger.CloseAccount(ctx, &pb.CloseAccountRequest{Path: a.Path})
	return err
}

// setLimits adds the limits of the file to the change, if the account is within.
func (i *journalImporter) setLimits(a *importedAccount, change *pb.ChangeAccountRequest) {
	if !a.withinLimits(i.books.assets[a.Asset].scale) {
		i.note("%s has no limits: what was imported is not within those of the file", a.Path)
		return
	}
	change.Overdraft, change.Ceiling = proto.String(cmp.Or(a.Overdraft, "0")), proto.String(a.Ceiling)
}

// change makes the change, in two parts if it has more metadata than one can have.
func (i *journalImporter) change(ctx context.Context, a *importedAccount, change *pb.ChangeAccountRequest) error {
	if err := i.openNeeded(ctx, a); err != nil {
		return err
	}
	if len(change.Metadata) > ledger.MaxMetadata {
		before := &pb.ChangeAccountRequest{Path: a.Path, Metadata: change.Metadata[:ledger.MaxMetadata-1]}
		if _, err := i.client.Ledger.ChangeAccount(ctx, before); err != nil {
			return err
		}
		change.Metadata = change.Metadata[ledger.MaxMetadata-1:]
	}
	_, err := i.client.Ledger.ChangeAccount(ctx, change)
	if change.Overdraft == nil || !errors.Is(err, fault.Conflict) {
		return err
	}
	// Somebody else moved something meanwhile.
	i.note("%s has no limits: %v", a.Path, err)
	change.Overdraft, change.Ceiling = nil, nil
	_, err = i.client.Ledger.ChangeAccount(ctx, change)
	return err
}

// finalMetadata gives the metadata of the file, and takes away what says that the
// account is unfinished.
func (a *importedAccount) finalMetadata() (all []*pb.Metadatum) {
	for _, key := range slices.Sorted(maps.Keys(a.Metadata)) {
		if key == unfinishedKey {
			continue
		}
		all = append(all, &pb.Metadatum{Key: key, Value: a.Metadata[key]})
	}
	return append(all, &pb.Metadatum{Key: unfinishedKey})
}

// closePeriods closes the periods of the file that are later than all of the
// cluster: what was final stays so.
func (i *journalImporter) closePeriods(ctx context.Context) error {
	for _, p := range i.books.periods {
		if p.Until <= i.closedUntil || i.done.DryRun {
			continue
		}
		if _, err := i.client.Ledger.ClosePeriod(ctx, &pb.ClosePeriodRequest{UntilUnixNanos: p.Until, Name: p.Name}); err != nil {
			return fmt.Errorf("period %s: %w", p.Name, err)
		}
	}
	return nil
}
