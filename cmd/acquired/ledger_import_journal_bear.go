package main

import (
	"context"
	"math/big"
	"slices"
	"time"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// standing is how an account stands, in the minor unit of its asset.
type standing struct {
	state string
	// available is what may be debited and room what may be credited; nil is no
	// bound.
	available, room *big.Int
	// today is what the daily limit leaves: a debit takes of it, and a credit gives
	// nothing back. nil is no limit.
	today *big.Int
	// own is what may be reserved without an overdraft; nil is no bound.
	own *big.Int
}

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
	now := time.Now().UnixNano()
	for at, t := range l.transfers {
		if t.EffectiveUnixNanos > now {
			return fault.Conflict.New("%s, line %d: transfer %s is effective %s, and now it is %s",
				i.books.file, l.lines[at], t.Id, formatNanos(t.EffectiveUnixNanos), formatNanos(now))
		}
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

func standingOf(a *pb.AccountResponse) (*standing, error) {
	s := &standing{state: a.State}
	b := a.Balance
	own, err := sumOfAmounts([]string{b.CreditsPosted}, []string{b.DebitsPosted, b.DebitsPending})
	if err != nil {
		return nil, err
	}
	if !a.HoldOverdraft {
		s.own = own
	}
	if a.Overdraft != unlimited { // what the answer says is available is of today
		overdraft, err := parseMinor(a.Overdraft)
		if err != nil {
			return nil, err
		}
		s.available = overdraft.Add(overdraft, own)
	}
	if a.DailyLimit != "" {
		if s.today, err = sumOfAmounts([]string{a.DailyLimit}, []string{a.SpentToday}); err != nil {
			return nil, err
		}
		if s.today.Sign() < 0 {
			s.today.SetInt64(0) // the limit was lowered since
		}
	}
	if a.Ceiling != "" {
		s.room, err = sumOfAmounts([]string{a.Ceiling, b.DebitsPosted}, []string{b.CreditsPosted, b.CreditsPending})
	}
	return s, err
}

// sumOfAmounts gives the sum of some amounts less that of others.
func sumOfAmounts(more, less []string) (*big.Int, error) {
	sum := new(big.Int)
	for i, amount := range append(slices.Clone(more), less...) {
		minor, err := parseMinor(amount)
		if err != nil {
			return nil, err
		}
		if i >= len(more) {
			minor.Neg(minor)
		}
		sum.Add(sum, minor)
	}
	return sum, nil
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

// debit takes an amount. An account that is nil bears everything.
func (s *standing) debit(amount *big.Int) *fault.Fault {
	if s == nil {
		return nil
	}
	if s.state == "open" && s.today != nil && s.today.Cmp(amount) < 0 {
		return fault.Insufficient.New("may spend less today, by its daily limit")
	}
	if refused := s.move(s.available, s.room, amount, "has less available"); refused != nil {
		return refused
	}
	for _, left := range []*big.Int{s.own, s.today} {
		if left != nil {
			left.Sub(left, amount)
		}
	}
	return nil
}

// reserve takes an amount for a hold.
func (s *standing) reserve(amount *big.Int) *fault.Fault {
	if s != nil && s.state == "open" && s.own != nil && s.own.Cmp(amount) < 0 {
		return fault.Insufficient.New("has less available for holds")
	}
	return s.debit(amount)
}

func (s *standing) credit(amount *big.Int) *fault.Fault {
	if s == nil {
		return nil
	}
	if refused := s.move(s.room, s.available, amount, "has less room below its ceiling"); refused != nil || s.own == nil {
		return refused
	}
	s.own.Add(s.own, amount)
	return nil
}

// move takes an amount from one bound and gives it to the other; nil is none.
func (s *standing) move(from, to, amount *big.Int, lacks string) *fault.Fault {
	if s.state != "open" {
		return fault.Conflict.New("is %s", s.state)
	}
	if from != nil && from.Cmp(amount) < 0 {
		return fault.Insufficient.New("%s", lacks)
	}
	if from != nil {
		from.Sub(from, amount)
	}
	if to != nil {
		to.Add(to, amount)
	}
	return nil
}
