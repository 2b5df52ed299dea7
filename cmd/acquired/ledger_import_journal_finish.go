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
	for _, path := range i.books.paths {
		a := i.books.accounts[path]
		if !a.unfinished() {
			continue
		}
		if a.Kind == "" {
			unknown++
		}
		if a.Kind == "ephemeral" || a.Kind == "transient" {
			i.note("%s is a normal account: it was %s", path, a.Kind)
		}
		if i.done.DryRun {
			continue
		}
		if err := i.finishAccount(ctx, a); err != nil {
			return fmt.Errorf("account %s: %w", path, err)
		}
	}
	if unknown > 0 {
		i.note("%d accounts have no limits: the file does not say theirs", unknown)
	}
	return nil
}

// unfinished says whether the account is still without its limits.
func (a *importedAccount) unfinished() bool {
	if a.was == nil {
		return true
	}
	for _, datum := range a.was.Metadata {
		if datum.Key == unfinishedKey {
			return true
		}
	}
	return false
}

// finishAccount leaves an account whose limits the imported part of the books
// does not respect without them. What says that it is unfinished goes last.
func (i *journalImporter) finishAccount(ctx context.Context, a *importedAccount) error {
	change := &pb.ChangeAccountRequest{Path: a.Path, Metadata: a.finalMetadata()}
	if a.State == "frozen" {
		change.Frozen = proto.Bool(true)
	}
	if len(change.Metadata) > ledger.MaxMetadata {
		before := &pb.ChangeAccountRequest{Path: a.Path, Metadata: change.Metadata[:ledger.MaxMetadata-1]}
		if _, err := i.client.Ledger.ChangeAccount(ctx, before); err != nil {
			return err
		}
		change.Metadata = change.Metadata[ledger.MaxMetadata-1:]
	}
	if err := i.setLimits(ctx, a, change); err != nil || a.State != "closed" {
		return err
	}
	_, err := i.client.Ledger.CloseAccount(ctx, &pb.CloseAccountRequest{Path: a.Path})
	if errors.Is(err, fault.Conflict) {
		i.note("%s stays open: it was closed, but %v", a.Path, err)
		return nil
	}
	return err
}

// setLimits makes the change together with the limits that the file says, if it
// says any, or else without.
func (i *journalImporter) setLimits(ctx context.Context, a *importedAccount, change *pb.ChangeAccountRequest) error {
	if a.Kind != "" {
		limited := proto.CloneOf(change)
		limited.Overdraft, limited.Ceiling = proto.String(cmp.Or(a.Overdraft, "0")), proto.String(a.Ceiling)
		_, err := i.client.Ledger.ChangeAccount(ctx, limited)
		if !errors.Is(err, fault.Conflict) {
			return err
		}
		i.note("%s has no limits: %v", a.Path, err)
	}
	_, err := i.client.Ledger.ChangeAccount(ctx, change)
	return err
}

// finalMetadata gives the metadata of the file, and takes away what says that the
// account is unfinished.
func (a *importedAccount) finalMetadata() (all []*pb.Metadatum) {
	for _, key := range slices.Sorted(maps.Keys(a.Metadata)) {
		all = append(all, &pb.Metadatum{Key: key, Value: a.Metadata[key]})
	}
	return append(all, &pb.Metadatum{Key: unfinishedKey})
}
