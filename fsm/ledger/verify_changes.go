package ledger

import "acquired/fsm/path"

// changes are what commands changed of an account by their entries: its version, and
// what it spent on the newest of its days.
type changes struct {
	spending
	// commands is how many changed it.
	commands uint64
	// placed is how many holds of it are open.
	placed int
	// met: the command that is being read has entries of it. Before these were its
	// counters and its open holds, and what it had spent: on its newest day, and on that
	// of the command.
	met          bool
	before       counters
	placedBefore int
	spentBefore  spending
	spentToday   Amount
}

// spending is what entries spent on a day.
type spending struct {
	day   int64
	spent Amount
}

// meet notes what an entry is about to change.
func (c *verifier) meet(e *entry, t *tally, pays bool) {
	if !t.met {
		t.met, t.before, t.placedBefore, t.spentBefore = true, t.counters, t.placed, t.spending
		if today := e.time / day; t.day != today {
			t.spending = spending{day: today}
		}
		t.spentToday = t.spent
		c.met = append(c.met, t)
	}
	if pays && e.kind.spends() && !grow(&t.spent, e.amount) {
		t.spent = MaxAmount
	}
}

// endChanges counts what the entries of a command changed. An account that is as it was
// has not come to the day of the command.
func (c *verifier) endChanges() {
	for _, t := range c.met {
		if t.counters != t.before || t.placed != t.placedBefore || t.spent != t.spentToday {
			t.commands++
		} else {
			t.spending = t.spentBefore
		}
		t.met = false
	}
	c.met = c.met[:0]
}

// readAccountLine notes what a command made of assets and accounts that has no entries.
func (c *verifier) readAccountLine(l *auditLine) {
	refused, one := l.kind != "", len(l.accounts) == 1
	switch {
	case refused:
	case l.command == "ledger.create_asset":
		c.created[l.what] = true
	case l.command == "ledger.open_account" && one:
		delete(c.changed, l.accounts[0])
	case (l.command == "ledger.change_account" || l.command == "ledger.close_account") && one:
		c.changed[l.accounts[0]]++
	}
}

// readPeriodLine wants a period that was closed to be the next of those that are kept.
func (c *verifier) readPeriodLine(l *auditLine) {
	if l.command != "ledger.close_period" || l.kind != "" {
		return
	}
	if c.periodsClosed++; c.periodsClosed > len(c.allPeriods) {
		c.find("audit line %s: no such period is closed: %s", formatID(l.id), l.what)
		return
	}
	p := c.allPeriods[c.periodsClosed-1]
	what := clip(describePeriod(p.name, p.until), maxAuditText)
	if p.index != l.id.Index || p.time != l.time || p.principal != l.principal || what != l.what {
		c.find("audit line %s: it is to %s, what was closed at index %d is to %s, by %s at %s", formatID(l.id), l.what, p.index, what,
			p.principal, instant(p.time))
	}
}

// forgetChanges: of a path whose account went, unless it was opened anew.
func (c *verifier) forgetChanges(at path.Path) {
	if _, ok := accountsByPath.Find(c.v, at); !ok {
		delete(c.changed, at)
	}
}

// readDay compares what the account spent on the day on which entries changed it last.
func (c *verifier) readDay(a *account, t *tally, scale uint8) {
	switch {
	case t.commands == 0 && a.spent.IsZero(): // its day is any
	case a.day != t.day:
		c.find("account %s: its day is %d, its entries end on day %d", a.path, a.day, t.day)
	case a.spent != t.spent:
		c.find("account %s: its entries spend %s on day %d, it says %s", a.path, t.spent.Format(scale), a.day, a.spent.Format(scale))
	}
}

// readVersion compares the version with the commands that changed the account: the
// one that opened it, those about it, and those that made entries of it, and with that
// of the one before it.
func (c *verifier) readVersion(a *account, t *tally) {
	commands := 1 + c.changed[a.path] + t.commands
	if before := versionBefore(c.v, a.path); a.version != before+commands {
		c.find("account %s: %d commands changed it from version %d on, its version is %d", a.path, commands, before, a.version)
	}
}
