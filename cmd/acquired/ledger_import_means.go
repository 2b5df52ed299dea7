package main

import (
	"math/big"

	"acquired/cmd/acquired/swf"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// need is how much an account has to bear, in minor units: what is charged and held,
// as it is now and as it was at most, and all that was ever reserved: of a daily limit
// nothing is given back.
type need struct {
	now, most, reserved *big.Int
	// open is how many holds are, those that stand already included, and mostOpen
	// how many were at most when one was placed.
	open, mostOpen int
}

func newNeed(open int) *need {
	return &need{now: new(big.Int), most: new(big.Int), reserved: new(big.Int), open: open}
}

func (n *need) add(c charge) {
	if c.event.ends() {
		n.reserved.Add(n.reserved, c.more)
		n.now.Sub(n.now, c.held)
		n.now.Add(n.now, c.used)
		n.open--
	} else {
		n.reserved.Add(n.reserved, c.held)
		n.now.Add(n.now, c.held)
		n.open++
		n.mostOpen = max(n.mostOpen, n.open)
	}
	if n.now.Cmp(n.most) > 0 {
		n.most.Set(n.now)
	}
}

// needs gives what each account has to bear beside what it bears now. No account
// holds more than 2^103-1 minor units.
func (i *importer) needs() (map[string]*need, error) {
	users, payee := make([]*need, len(i.log.users)), newNeed(0)
	for user := range users {
		users[user] = newNeed(i.found.open[user])
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
	needs := map[string]*need{i.flags.payee: payee}
	for user, n := range users {
		needs[i.account(i.log.users[user])] = n
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
// refuse it too, but then for ever: the id of a step that was refused for how an
// account stands is used up.
func (i *importer) bear(a *pb.AccountResponse, n *need) error {
	if n.most.Sign() == 0 && n.reserved.Sign() == 0 {
		return nil
	}
	if a.State != "open" {
		return fault.Conflict.New("account %s is %s", a.Path, a.State)
	}
	if a.Path != i.flags.payee && n.mostOpen > ledger.MaxOpenHolds {
		return withHint(fault.Exhausted.New("up to %d open holds would reserve of account %s at once, and at most %d may",
			n.mostOpen, a.Path, ledger.MaxOpenHolds), "charge the log in parts: each from a file of its own, with another --log NAME")
	}
	bounds, err := i.bounds(a, n)
	if err != nil {
		return err
	}
	for _, b := range bounds {
		if b.has == nil || b.need.Sign() == 0 || b.has.Cmp(b.need) >= 0 {
			continue
		}
		if b.has.Sign() < 0 {
			b.has.SetInt64(0)
		}
		return fault.Insufficient.New("account %s has %s %s %s, up to %s are needed %s",
			a.Path, swf.FormatMinor(b.has, i.scale), i.flags.asset, b.what, swf.FormatMinor(b.need, i.scale), b.when)
	}
	return nil
}

// bound is what an account has of something, nil for no end, and needs of it.
type bound struct {
	has, need  *big.Int
	what, when string
}

// bounds gives those of a user's account, or of the payee's.
func (i *importer) bounds(a *pb.AccountResponse, n *need) ([]bound, error) {
	s, err := standingOf(a)
	if err != nil {
		return nil, err
	}
	if a.Path == i.flags.payee {
		return []bound{{s.room, n.most, "of room below its ceiling", "at once"}}, nil
	}
	return []bound{
		{s.own, n.most, "available for holds", "at once"},
		{s.available, n.most, "available", "at once"},
		{s.today, n.reserved, "left of its daily limit", "today"},
	}, nil
}
