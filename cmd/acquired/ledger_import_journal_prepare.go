package main

import (
	"context"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// prepare finds out what is there, and refuses what cannot be made from it.
func (i *journalImporter) prepare(ctx context.Context) error {
	if err := i.refuseOwn(ctx); err != nil {
		return err
	}
	if err := i.findAssets(ctx); err != nil {
		return err
	}
	if err := i.findAccounts(ctx); err != nil {
		return err
	}
	if err := i.findHolds(ctx); err != nil {
		return err
	}
	answer, err := i.client.Ledger.Periods(ctx, &pb.PeriodsRequest{})
	if err != nil {
		return err
	}
	for _, period := range answer.Periods {
		i.closedUntil = max(i.closedUntil, period.UntilUnixNanos)
	}
	for _, period := range i.books.periods {
		if period.Until > i.closedUntil {
			i.done.Periods++
		}
	}
	return nil
}

// refuseOwn refuses the journal of the cluster itself: its steps stand, but the
// further entries of a step would be made again under the ids of an import.
func (i *journalImporter) refuseOwn(ctx context.Context) error {
	first := i.books.first
	if first == nil {
		return nil
	}
	request := &pb.JournalRequest{Cursor: strconv.FormatUint(first.Index-1, 10), UntilIndex: first.Index}
	for {
		page, err := i.client.Ledger.Journal(ctx, request)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if proto.Equal(e, first) {
				return withHint(fault.Conflict.New("%s is a journal of this cluster: its first entry, %s, stands at index %d",
					i.books.file, e.Id, e.Index), "acquired ledger export --after writes what a cluster has not got")
			}
		}
		if page.Done {
			return nil
		}
		request.Cursor = page.Cursor
	}
}

// findAssets counts the assets that are missing and compares the scales of the
// others.
func (i *journalImporter) findAssets(ctx context.Context) error {
	totals, err := askTrialBalance(ctx, i.client)
	if err != nil {
		return err
	}
	scales := make(map[string]uint32)
	for _, t := range totals.Assets {
		scales[t.Asset] = t.Scale
		i.hasAccounts = i.hasAccounts || t.Accounts > 0
	}
	for _, code := range i.books.codes {
		of := i.books.assets[code]
		scale, exists := scales[code]
		switch {
		case !exists:
			i.done.Assets++
			continue
		case of.declared && of.scale != scale, of.scale > scale:
			return fault.Conflict.New("%s, line %d: asset %s has scale %d here and %d in the cluster", i.books.file, of.line, code, of.scale, scale)
		}
		of.scale, of.exists = scale, true
	}
	return nil
}

// findAccounts counts the accounts that are missing and compares the assets of
// the others.
func (i *journalImporter) findAccounts(ctx context.Context) error {
	lines := make(map[string]*importedAccount)
	var paths []string
	for _, key := range i.books.keys {
		a := i.books.accounts[key]
		if lines[key.path] == nil {
			lines[key.path] = a
			paths = append(paths, key.path)
		}
		if a.State == "gone" {
			i.done.Passing++
		} else {
			i.done.Accounts++
		}
	}
	if !i.hasAccounts {
		return nil
	}
	found, err := askAccounts(ctx, i.client, paths)
	if err != nil {
		return err
	}
	for _, answer := range found {
		a := i.books.account(answer.Path, answer.Asset)
		if a == nil {
			a = lines[answer.Path]
			return fault.Conflict.New("%s, line %d: account %s holds %s here and %s in the cluster",
				i.books.file, a.line, a.Path, a.Asset, answer.Asset)
		}
		if err := a.found(answer); err != nil {
			return err
		}
		if a.State != "gone" {
			i.done.Accounts--
		}
	}
	return nil
}

// makeMissing makes the assets and accounts that are not there.
func (i *journalImporter) makeMissing(ctx context.Context) error {
	for _, code := range i.books.codes {
		of := i.books.assets[code]
		if of.exists {
			continue
		}
		if _, err := i.client.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: code, Scale: of.scale}); err != nil {
			return fmt.Errorf("asset %s: %w", code, err)
		}
		fmt.Fprintf(i.notes, "created asset %s with scale %d\n", code, of.scale)
	}
	passed := i.books.passed()
	for _, key := range i.books.keys {
		if a := i.books.accounts[key]; a.was == nil && a.kind() != "ephemeral" && !passed[a.Path] {
			if err := i.openAccount(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// passed are the paths at which an account was and went. What is there now is opened
// when it is needed, behind that one.
func (b *journalBooks) passed() map[string]bool {
	all := make(map[string]bool)
	for _, a := range b.accounts {
		if a.State == "gone" {
			all[a.Path] = true
		}
	}
	return all
}

// openAccount opens an account that bears anything. What is only part of a
// journal, or was within limits that have changed since, would not be within
// those of the file.
func (i *journalImporter) openAccount(ctx context.Context, a *importedAccount) error {
	_, err := i.client.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{
		Path: a.Path, Asset: a.Asset, Kind: a.kind(), Overdraft: unlimited, Owner: a.Owner,
		Metadata: []*pb.Metadatum{{Key: unfinishedKey, Value: "yes"}},
	})
	if err != nil {
		return fmt.Errorf("account %s: %w", a.Path, err)
	}
	a.opened = true
	return nil
}

// openNeeded opens those of the accounts that are not there yet, or not any more: an
// ephemeral one goes with the command that leaves it empty.
func (i *journalImporter) openNeeded(ctx context.Context, accounts ...*importedAccount) error {
	if i.done.DryRun {
		return nil
	}
	missing := make(map[string]*importedAccount)
	var paths []string
	for _, a := range accounts {
		wanting := a.was == nil && !a.opened
		if a.kind() == "ephemeral" {
			wanting = a.counters.empty()
		}
		if wanting && missing[a.Path] == nil {
			missing[a.Path] = a
			paths = append(paths, a.Path)
		}
	}
	found, err := askAccounts(ctx, i.client, paths)
	if err != nil {
		return err
	}
	for _, answer := range found {
		if answer.Asset == missing[answer.Path].Asset {
			delete(missing, answer.Path)
		}
	}
	for _, path := range paths {
		if a := missing[path]; a != nil {
			if err := i.openAccount(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}
