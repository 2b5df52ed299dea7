package ledger

import "acquired/fsm/path"

// changes are what commands changed of an account beside its counters: its version,
// and what it spent today.
type changes struct {
	// day is the one that the account met last, spent what entries spent on it.
	day   int64
	spent Amount
	// commands is how many changed it by their entries.
	commands uint64
	// met: the command that is being read has entries of it, before is what it had
	// then. spends: some of them spend.
	met, spends bool
	before      counters
}

// meet notes what an entry is about to change.
func (c *verifier) meet(e *entry, t *tally, pays bool) {
	if !t.met {
		t.met, t.before = true, t.counters
		c.met = append(c.met, t)
	}
	if !pays || !e.kind.spends() || e.amount.IsZero() {
		return
	}
	t.spends = true
	if e.time/day == t.day && !grow(&t.spent, e.amount) {
		t.spent = MaxAmount
	}
}

// endChanges counts what the command of the line changed.
func (c *verifier) endChanges(l *auditLine) {
	for _, t := range c.met {
		if t.counters != t.before || t.spends {
			t.commands++
		}
		t.met, t.spends = false, false
	}
	c.met = c.met[:0]
	if l.kind != "" || len(l.accounts) != 1 {
		return
	}
	switch l.command {
	case "ledger.open_account":
		delete(c.changed, l.accounts[0])
	case "ledger.change_account", "ledger.close_account":
		c.changed[l.accounts[0]]++
	}
}

// forgetChanges: of a path whose account went, unless it was opened anew.
func (c *verifier) forgetChanges(at path.Path) {
	if _, ok := accountsByPath.Find(c.v, at); !ok {
		delete(c.changed, at)
	}
}

// readDay compares what the account spent on the day that it met last.
func (c *verifier) readDay(a *account, t *tally, scale uint8) {
	switch {
	case a.day > c.v.Time/day:
		c.find("account %s: its day is %d, after %s", a.path, a.day, instant(c.v.Time))
	case a.spent != t.spent:
		c.find("account %s: its entries spend %s on day %d, it says %s", a.path, t.spent.Format(scale), a.day, a.spent.Format(scale))
	}
}

// readVersion compares the version with the commands that changed the account: the
// one that opened it, those about it, and those that made entries of it.
func (c *verifier) readVersion(a *account, t *tally) {
	if commands := 1 + c.changed[a.path] + t.commands; a.version != commands {
		c.find("account %s: %d commands changed it, its version is %d", a.path, commands, a.version)
	}
}
