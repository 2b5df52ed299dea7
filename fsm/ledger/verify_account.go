package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// tally is an account as the entries make it.
type tally struct {
	id    command.ID
	path  path.Path
	asset string
	counters
	// backdated is what entries with an effective time of their own posted so far,
	// reserved what the open holds reserve.
	backdated, reserved posted
	// openHolds are those that reserve of it.
	openHolds uint64
	changes
	// gone is an account that is there no more, last what it had then.
	gone bool
	last counters
}

// tallyOf gives an account that an entry or a hold names; nil is none.
func (c *verifier) tallyOf(id command.ID) *tally {
	t, ok := c.tallies[id]
	if !ok {
		a, live := accounts.Get(c.v, id)
		if !live {
			if a, ok = gone.Get(c.v, id); !ok {
				return nil
			}
		}
		t = &tally{id: id, path: a.path, asset: a.asset, gone: !live, last: a.counters}
		c.tallies[id] = t
	}
	if t.gone {
		c.touched = append(c.touched, t)
	}
	return t
}

// endGone lets go of the accounts that went with an entry of the log: there may be
// many in the course of time.
func (c *verifier) endGone(index uint64) {
	for _, t := range c.touched {
		d, went := departures.Get(c.v, departureKey{index, t.id})
		if _, ok := c.tallies[t.id]; !went || !ok {
			continue
		}
		c.goneAccounts++
		delete(c.tallies, t.id)
		c.forgetChanges(t.path)
		if t.counters != t.last || d.path != t.path {
			scale := c.scaleOf(t.asset)
			c.find("account %s: it went at index %d with %s, it says %s", t.path, index, t.counters.text(scale), t.last.text(scale))
		}
	}
	c.touched = c.touched[:0]
}

// assetTally is an asset as its accounts make it.
type assetTally struct {
	counters
	accounts, transfers uint64
	// full: its accounts have more than counters hold.
	full bool
}

func (c *verifier) sumOf(asset string) *assetTally {
	s, ok := c.sums[asset]
	if !ok {
		s = &assetTally{}
		c.sums[asset] = s
	}
	return s
}

func (s *assetTally) add(more *counters) { s.full = !s.adjust(counters{}, *more) || s.full }

// readAccounts compares the accounts with what their entries make them, and with
// their limits.
func (c *verifier) readAccounts() error {
	for a := range accounts.All(c.v) {
		c.res.Accounts++
		of := c.sumOf(a.asset)
		of.accounts++
		of.add(&a.counters)
		t, ok := c.tallies[a.id]
		if !ok {
			t = &tally{id: a.id, path: a.path, asset: a.asset}
		}
		scale := c.scaleOf(a.asset)
		if t.counters != a.counters {
			c.find("account %s: its entries make %s, it says %s", a.path, t.counters.text(scale), a.counters.text(scale))
		}
		if t.openHolds != a.openHolds {
			c.find("account %s: %d open holds reserve of it, it counts %d", a.path, t.openHolds, a.openHolds)
		}
		if t.reserved.debits != a.debitsPending || t.reserved.credits != a.creditsPending {
			c.find("account %s: open holds reserve %s of it and %s for it, it says %s and %s", a.path, t.reserved.debits.Format(scale),
				t.reserved.credits.Format(scale), a.debitsPending.Format(scale), a.creditsPending.Format(scale))
		}
		if n := tree.Find(c.v, a.path); n == nil || n.Kind != tree.Account {
			c.find("account %s: the tree has no account there", a.path)
		}
		c.readLimits(&a, scale)
		c.readDay(&a, t, scale)
		c.readVersion(&a, t)
		if err := c.proceed(); err != nil {
			return err
		}
	}
	return nil
}

// readLimits finds what no command leaves behind.
func (c *verifier) readLimits(a *account, scale uint8) {
	for _, err := range []error{a.mustBearUse(scale), a.mustBearBalance(scale)} {
		if err != nil {
			c.find("%s", err.Error())
		}
	}
	if int(a.kind) >= len(accountKinds) || int(a.state) >= len(accountStates) {
		c.find("account %s: there is no kind %d or state %d", a.path, a.kind, a.state)
		return
	}
	switch {
	case a.empty() && a.kind == ephemeral && a.counters != counters{}:
		c.find("account %s: it is ephemeral, was used and is empty, and is still there", a.path)
	case !a.empty() && (a.kind == transient || a.state == closed):
		c.find("account %s: it is %s and %s, and not empty", a.path, accountKinds[a.kind], accountStates[a.state])
	}
}

// readGone: accounts that are gone had their end in the journal.
func (c *verifier) readGone() error {
	count := uint64(0)
	for a := range gone.All(c.v) {
		count++
		c.sumOf(a.asset).add(&a.counters)
		if _, there := accounts.Get(c.v, a.id); there || !a.empty() || a.kind != ephemeral {
			c.find("account %s: it is gone, and is there, not empty or not ephemeral", a.path)
		}
		if t, ok := c.tallies[a.id]; ok && t.gone {
			c.find("account %s: it is gone, and that it went is not kept where its entries end", a.path)
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	kept, err := counted(c, departures.All(c.v))
	if err != nil {
		return err
	}
	if count != c.goneAccounts || kept != count {
		c.find("journal: %d accounts went in the course of it, %d are gone and for %d it is kept when", c.goneAccounts, count, kept)
	}
	return nil
}

// readMetadata: there is none without its account.
func (c *verifier) readMetadata() error {
	for p := range metadata.All(c.v) {
		if _, ok := accounts.Get(c.v, p.account); !ok {
			c.find("metadata %s: its account is not there", formatID(p.account))
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	return nil
}

// readAssets compares the totals with the accounts, and debits with credits.
func (c *verifier) readAssets() error {
	for a := range assets.All(c.v) {
		c.res.Assets++
		s := c.sumOf(a.code)
		delete(c.sums, a.code)
		if what := describeAsset(a.code, uint32(a.scale)); !c.created[what] {
			c.find("asset %s: the audit log has no line that says %q", a.code, what)
		}
		if s.full || s.counters != a.totals {
			c.find("asset %s: its accounts have %s together, it says %s", a.code, s.counters.text(a.scale), a.totals.text(a.scale))
		}
		if s.debitsPosted != s.creditsPosted || s.debitsPending != s.creditsPending {
			c.find("asset %s: it does not balance: %s", a.code, s.counters.text(a.scale))
		}
		if s.accounts != a.accounts || s.transfers != a.transfers {
			c.find("asset %s: it has %d accounts and %d entries that post, it says %d and %d", a.code, s.accounts, s.transfers, a.accounts, a.transfers)
		}
	}
	if n := len(c.sums); n > 0 {
		c.find("accounts: they hold %d assets that there are not", n)
	}
	return nil
}
