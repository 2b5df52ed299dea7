package main

import (
	"math/big"
	"slices"

	"acquired/cmd/acquired/swf"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// need is how much an account has to bear, in minor units: charged and held, as it
// is now and as it was at most.
type need struct{ now, most *big.Int }

func newNeed() *need { return &need{new(big.Int), new(big.Int)} }

func (n *need) add(c charge) {
	if c.event.ends() {
		n.now.Sub(n.now, c.held)
		n.now.Add(n.now, c.used)
	} else {
		n.now.Add(n.now, c.held)
	}
	if n.now.Cmp(n.most) > 0 {
		n.most.Set(n.now)
	}
}

// needs gives what each account has to bear beside what it bears now. No account
// holds more than 2^103-1 minor units.
func (i *importer) needs() (map[string]*big.Int, error) {
	users, payee := make([]*need, len(i.log.users)), newNeed()
	for user := range users {
		users[user] = newNeed()
	}
	for c, err := range i.charges() {
		if err != nil {
			return nil, err
		}
		users[c.job.user].add(c)
		payee.add(c)
		if payee.most.Cmp(swf.MaxCharged()) > 0 {
			return nil, fault.Invalid.New("job %d: more than 2^103-1 minor units of %s would be held and charged", c.job.number, i.flags.asset)
		}
	}
	needs := map[string]*big.Int{i.flags.payee: payee.most}
	for user, n := range users {
		needs[i.account(i.log.users[user])] = n.most
	}
	return needs, nil
}

func (i *importer) bearAll(accounts []*pb.AccountResponse) error {
	needs, err := i.needs()
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if err := i.bear(account, needs[account.Path]); err != nil {
			return err
		}
	}
	return nil
}

// bear refuses what an account could not bear as it is now. The cluster would
// refuse it too, but then for ever: the id of a step that was refused for want of
// funds is used up.
func (i *importer) bear(a *pb.AccountResponse, need *big.Int) error {
	if need.Sign() == 0 {
		return nil
	}
	if a.State != "open" {
		return fault.Conflict.New("account %s is %s", a.Path, a.State)
	}
	has, what, err := i.means(a)
	if err != nil || has == nil || has.Cmp(need) >= 0 {
		return err
	}
	return fault.Insufficient.New("account %s has %s %s %s, up to %s are needed at once",
		a.Path, swf.FormatMinor(has, i.scale), i.flags.asset, what, swf.FormatMinor(need, i.scale))
}

// means gives what may still be held of a user's account or for the payee's; nil is
// without a bound.
func (i *importer) means(a *pb.AccountResponse) (has *big.Int, what string, err error) {
	b := a.Balance
	if a.Path == i.flags.payee {
		if a.Ceiling == "" {
			return nil, "", nil
		}
		has, err = remainder([]string{a.Ceiling, b.DebitsPosted}, b.CreditsPosted, b.CreditsPending)
		return has, "of room below its ceiling", err
	}
	switch {
	case a.Overdraft == unlimited && a.HoldOverdraft:
		return nil, "", nil
	case a.HoldOverdraft:
		has, err = remainder([]string{b.CreditsPosted, a.Overdraft}, b.DebitsPosted, b.DebitsPending)
		return has, "available", err
	}
	has, err = remainder([]string{b.CreditsPosted}, b.DebitsPosted, b.DebitsPending)
	return has, "available for holds", err
}

// remainder gives amounts less others. Less than nothing is nothing.
func remainder(amounts []string, less ...string) (*big.Int, error) {
	sum := new(big.Int)
	for at, amount := range slices.Concat(amounts, less) {
		minor, err := parseMinor(amount)
		if err != nil {
			return nil, err
		}
		if at >= len(amounts) {
			minor.Neg(minor)
		}
		sum.Add(sum, minor)
	}
	if sum.Sign() < 0 {
		sum.SetInt64(0)
	}
	return sum, nil
}
