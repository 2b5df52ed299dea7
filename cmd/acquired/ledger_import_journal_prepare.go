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
	answer, err := i.client.Ledger.Periods(ctx, &pb.PeriodsRequest{})
	if err != nil {
		return err
	}
	for _, period := range answer.Periods {
		i.closedUntil = max(i.closedUntil, period.UntilUnixNanos)
	}
	return nil
}

// refuseOwn refuses the journal of the cluster itself: its steps stand, but the
// further entries of a step would be made again under the ids of an import.
func (i *journalImporter) refuseOwn(ctx context.Context) error {
	first := i.books.first
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
	found, err := askAccounts(ctx, i.client, i.books.paths)
	if err != nil {
		return err
	}
	for _, answer := range found {
		a := i.books.accounts[answer.Path]
		if answer.Asset != a.Asset {
			return fault.Conflict.New("%s, line %d: account %s holds %s here and %s in the cluster", i.books.file, a.line, a.Path, a.Asset, answer.Asset)
		}
		a.was = answer
	}
	i.done.Accounts = len(i.books.paths) - len(found)
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
	for _, path := range i.books.paths {
		if a := i.books.accounts[path]; a.was == nil {
			if err := i.openAccount(ctx, a); err != nil {
				return fmt.Errorf("account %s: %w", path, err)
			}
		}
	}
	return nil
}

// openAccount opens an account that bears anything. What is only part of a
// journal, or was within limits that have changed since, would not be within
// those of the file.
func (i *journalImporter) openAccount(ctx context.Context, a *importedAccount) error {
	_, err := i.client.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{
		Path: a.Path, Asset: a.Asset, Overdraft: unlimited, HoldOverdraft: a.HoldOverdraft, Owner: a.Owner,
		Metadata: []*pb.Metadatum{{Key: unfinishedKey, Value: "yes"}},
	})
	return err
}
