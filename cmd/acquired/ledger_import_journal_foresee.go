package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
)

// foreseeHolds refuses holds that accounts which were there will not bear when the
// transfers are made. They are placed last: found only then, what was made before them
// would be left half-way.
func (i *journalImporter) foreseeHolds(ctx context.Context) error {
	if i.done.DryRun || i.unfinished {
		return nil
	}
	now := time.Now().UnixNano()
	holds := slices.DeleteFunc(i.books.holdsInOrder(), func(h *importedHold) bool { return h.exists || h.Expires <= now })
	standings, err := i.standingsOf(holds)
	if err != nil {
		return err
	}
	if err := i.foreseeTransfers(ctx, standings); err != nil {
		return err
	}
	for _, h := range holds {
		if err := i.reserve(standings, h); err != nil {
			return err
		}
	}
	return nil
}

// standingsOf gives how the accounts of the holds stand that do not bear anything. Of
// some no more is foreseen than that they are frozen or closed: an ephemeral one may
// come back without limits, and of parts that overlap the same transfers are met twice.
func (i *journalImporter) standingsOf(holds []*importedHold) (map[string]*standing, error) {
	all := make(map[string]*standing)
	for _, h := range holds {
		for _, a := range []*importedAccount{i.books.account(h.Debit, h.Asset), i.books.account(h.Credit, h.Asset)} {
			if a.bearsAnything() || all[a.Path] != nil {
				continue
			}
			s, err := standingOf(a.was)
			if err != nil {
				return nil, err
			}
			if a.kind() == "ephemeral" || i.books.overlap {
				s = &standing{state: s.state}
			}
			all[a.Path] = s
		}
	}
	return all, nil
}

// foreseeTransfers moves on the standings what the transfers that do not stand yet
// will.
func (i *journalImporter) foreseeTransfers(ctx context.Context, standings map[string]*standing) error {
	if !slices.ContainsFunc(slices.Collect(maps.Values(standings)), (*standing).limited) {
		return nil
	}
	var list []*pb.Transfer
	size := 0
	err := eachLine(ctx, i.file, i.books.file, func(line journal.Line) error {
		e := line.Entry
		if e == nil || !journal.Posts(e) || standings[e.Debit] == nil && standings[e.Credit] == nil {
			return nil
		}
		t, err := i.transfer(line)
		if err != nil {
			return err
		}
		if len(list) >= importListLength || size+sizeInList(t) > importListSize {
			if err := i.foreseeList(ctx, list, standings); err != nil {
				return err
			}
			list, size = nil, 0
		}
		list, size = append(list, t), size+sizeInList(t)
		return nil
	})
	if err != nil {
		return err
	}
	return i.foreseeList(ctx, list, standings)
}

func (i *journalImporter) foreseeList(ctx context.Context, list []*pb.Transfer, standings map[string]*standing) error {
	made, err := i.made(ctx, list)
	if err != nil {
		return err
	}
	for _, t := range list {
		if made[t.Id] != nil {
			continue
		}
		amount, err := parseMinor(t.Amount)
		if err != nil {
			return err
		}
		standings[t.Debit].pay(amount)
		standings[t.Credit].earn(amount)
	}
	return nil
}
