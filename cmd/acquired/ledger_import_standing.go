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

// limited says whether there is any bound.
func (s *standing) limited() bool {
	return s.available != nil || s.room != nil || s.today != nil || s.own != nil
}

// debit takes an amount. An account that is nil bears everything.
func (s *standing) debit(amount *big.Int) *fault.Fault {
	if refused := s.refuseDebit(amount); refused != nil {
		return refused
	}
	s.pay(amount)
	return nil
}

// reserve takes an amount for a hold, which is no room until it is captured.
func (s *standing) reserve(amount *big.Int) *fault.Fault {
	if s == nil {
		return nil
	}
	if s.state == "open" && s.own != nil && s.own.Cmp(amount) < 0 {
		return fault.Insufficient.New("has less available for holds")
	}
	if refused := s.refuseDebit(amount); refused != nil {
		return refused
	}
	move(new(big.Int).Neg(amount), s.available, s.own, s.today)
	return nil
}

func (s *standing) credit(amount *big.Int) *fault.Fault {
	if refused := s.refuseCredit(amount); refused != nil {
		return refused
	}
	s.earn(amount)
	return nil
}

// expect takes the room for what a hold may bring, and gives nothing before it does.
func (s *standing) expect(amount *big.Int) *fault.Fault {
	if refused := s.refuseCredit(amount); refused != nil || s == nil {
		return refused
	}
	move(new(big.Int).Neg(amount), s.room)
	return nil
}

func (s *standing) refuseDebit(amount *big.Int) *fault.Fault {
	switch {
	case s == nil:
		return nil
	case s.state != "open":
		return fault.Conflict.New("is %s", s.state)
	case s.today != nil && s.today.Cmp(amount) < 0:
		return fault.Insufficient.New("may spend less today, by its daily limit")
	case s.available != nil && s.available.Cmp(amount) < 0:
		return fault.Insufficient.New("has less available")
	}
	return nil
}

func (s *standing) refuseCredit(amount *big.Int) *fault.Fault {
	switch {
	case s == nil:
		return nil
	case s.state != "open":
		return fault.Conflict.New("is %s", s.state)
	case s.room != nil && s.room.Cmp(amount) < 0:
		return fault.Insufficient.New("has less room below its ceiling")
	}
	return nil
}

// pay takes an amount, and earn gives one, whether or not the account bears it.
func (s *standing) pay(amount *big.Int) {
	if s != nil {
		move(new(big.Int).Neg(amount), s.available, s.own, s.today)
		move(amount, s.room)
	}
}

func (s *standing) earn(amount *big.Int) {
	if s != nil {
		move(amount, s.available, s.own)
		move(new(big.Int).Neg(amount), s.room)
	}
}

// move moves bounds by an amount; nil is none.
func move(amount *big.Int, bounds ...*big.Int) {
	for _, bound := range bounds {
		if bound != nil {
			bound.Add(bound, amount)
		}
	}
}
