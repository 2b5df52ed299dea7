package main

import (
	"math/big"
	"slices"
	"strings"

	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
)

// importedAccount is an account of a file, and what becomes of it.
type importedAccount struct {
	journal.Account
	// line is the first that names it.
	line int
	// lingers is set for a transient one of which the file does not have all entries.
	lingers bool
	// was is what was there before the import, nil for nothing.
	was *pb.AccountResponse
	// opened is set when this import opened it.
	opened bool
	// counters are as the import leaves them.
	counters importedCounters
	// holdOverdraft is as it is until the account is finished.
	holdOverdraft bool
}

// importedCounters are in the minor unit of the asset. The zero value is an empty
// account.
type importedCounters struct {
	balance big.Int
	// reserved is what is pending to be paid, incoming what is pending to be had.
	reserved, incoming big.Int
}

func (c *importedCounters) empty() bool {
	return c.balance.Sign() == 0 && c.reserved.Sign() == 0 && c.incoming.Sign() == 0
}

// own is what the account has without its overdraft.
func (c *importedCounters) own() *big.Int { return new(big.Int).Sub(&c.balance, &c.reserved) }

// found notes what was there before.
func (a *importedAccount) found(answer *pb.AccountResponse) error {
	a.was, a.holdOverdraft = answer, answer.HoldOverdraft
	for _, c := range []struct {
		counter *big.Int
		amount  string
	}{
		{&a.counters.balance, answer.Balance.Balance},
		{&a.counters.reserved, answer.Balance.DebitsPending},
		{&a.counters.incoming, answer.Balance.CreditsPending},
	} {
		minor, err := parseMinor(c.amount)
		if err != nil {
			return err
		}
		c.counter.Set(minor)
	}
	return nil
}

// kind is what the account is in the cluster.
func (a *importedAccount) kind() string {
	switch {
	case a.was != nil:
		return a.was.Kind
	case a.Kind == "", a.Kind == "transient" && a.lingers:
		return "normal"
	}
	return a.Kind
}

// unfinished says whether the account is still without its limits: this import
// opened it, or one before it that left its mark. One that has the mark and limits is
// as somebody else wants it.
func (a *importedAccount) unfinished() bool {
	if a.was == nil || a.opened {
		return true
	}
	limited := a.was.Overdraft != unlimited || a.was.Ceiling != "" || a.was.DailyLimit != ""
	return a.was.State != "closed" && !limited &&
		slices.ContainsFunc(a.was.Metadata, func(m *pb.Metadatum) bool { return m.Key == unfinishedKey })
}

// bearsAnything says whether nothing that is moved is too much for the account. One
// that is unfinished may have been frozen by somebody else.
func (a *importedAccount) bearsAnything() bool {
	return a.unfinished() && (a.was == nil || a.was.State == "open")
}

// withinLimits says whether the cluster takes the limits that the file has.
func (a *importedAccount) withinLimits(scale uint32) bool {
	if a.Overdraft != unlimited {
		have := new(big.Int).Add(a.counters.own(), minorOf(a.Overdraft, scale))
		if have.Sign() < 0 {
			return false
		}
	}
	if a.Ceiling == "" {
		return true
	}
	have := new(big.Int).Add(&a.counters.balance, &a.counters.incoming)
	return have.Cmp(minorOf(a.Ceiling, scale)) <= 0
}

// minorOf gives an amount of a line in the minor unit of an asset of that scale.
func minorOf(amount string, scale uint32) *big.Int {
	whole, fraction, _ := strings.Cut(amount, ".")
	minor, _ := new(big.Int).SetString("0"+whole+fraction+strings.Repeat("0", int(scale)-len(fraction)), 10)
	return minor
}

// unevenAccounts are transient accounts that a list does not leave empty so far,
// and what is in them.
type unevenAccounts map[*importedAccount]*big.Int

// move moves an amount from one account to another.
func (u unevenAccounts) move(debit, credit *importedAccount, amount string, scale uint32) {
	if debit.kind() == "transient" {
		u.add(debit, new(big.Int).Neg(minorOf(amount, scale)))
	}
	if credit.kind() == "transient" {
		u.add(credit, minorOf(amount, scale))
	}
}

func (u unevenAccounts) add(a *importedAccount, amount *big.Int) {
	sum := new(big.Int).Set(amount)
	if u[a] != nil {
		sum.Add(sum, u[a])
	}
	u[a] = sum
	if sum.Sign() == 0 {
		delete(u, a)
	}
}
