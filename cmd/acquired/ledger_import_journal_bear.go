package main

import (
	"context"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// bear refuses the transfers that an account which was there could not bear as
// it is now, with those before them made.
func (i *journalImporter) bear(ctx context.Context, l *importList) error {
	if err := i.askStandings(ctx, l.transfers); err != nil {
		return err
	}
	for a := range l.uneven {
		return fault.Conflict.New("%s, lines %d to %d: account %s is transient, and they do not leave it empty",
			i.books.file, l.lines[0], l.lines[len(l.lines)-1], a.Path)
	}
	for at, t := range l.transfers {
		if t.EffectiveUnixNanos < i.closedUntil {
			return fault.Conflict.New("%s, line %d: transfer %s is effective %s, and what was before %s is closed",
				i.books.file, l.lines[at], t.Id, formatNanos(t.EffectiveUnixNanos), formatNanos(i.closedUntil))
		}
		if err := i.bearOne(l.lines[at], t); err != nil {
			return err
		}
	}
	return nil
}

// askStandings asks how the accounts of the transfers stand that were there. In a
// dry run, which changes nothing, an account is asked for once.
func (i *journalImporter) askStandings(ctx context.Context, transfers []*pb.Transfer) error {
	if i.standings == nil || !i.done.DryRun {
		i.standings = make(map[string]*standing)
	}
	asked := make(map[string]bool)
	var paths []string
	for _, t := range transfers {
		debit, credit := i.parties(t)
		for _, a := range []*importedAccount{debit, credit} {
			if !asked[a.Path] && i.standings[a.Path] == nil && !a.bearsAnything() {
				asked[a.Path] = true
				paths = append(paths, a.Path)
			}
		}
	}
	answers, err := askAccounts(ctx, i.client, paths)
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if i.standings[answer.Path], err = standingOf(answer); err != nil {
			return err
		}
	}
	return nil
}

// bearOne moves an amount on the standings.
func (i *journalImporter) bearOne(line int, t *pb.Transfer) error {
	amount, err := parseMinor(t.Amount)
	if err != nil {
		return err
	}
	if err := i.standings[t.Debit].debit(amount); err != nil {
		return i.refused(line, t, t.Debit, err)
	}
	if err := i.standings[t.Credit].credit(amount); err != nil {
		return i.refused(line, t, t.Credit, err)
	}
	return nil
}

// refused says what the cluster would have refused.
func (i *journalImporter) refused(line int, t *pb.Transfer, path string, why *fault.Fault) error {
	return why.Kind.New("%s, line %d: transfer %s: account %s %s", i.books.file, line, t.Id, path, why.Message)
}
