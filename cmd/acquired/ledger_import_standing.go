package main

import (
	"math/big"
	"slices"

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

// standingOf gives how an account stands as it is now.
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
