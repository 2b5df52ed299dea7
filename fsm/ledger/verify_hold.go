package ledger

// holdTally is a hold as its entries make it.
type holdTally struct {
	hold
	// diverted is what was taken off it for others than the payee, paidOut what those
	// got.
	diverted, paidOut Amount
}

// readHoldEntry works an entry into the hold that it belongs to.
func (c *verifier) readHoldEntry(e *entry) {
	if !e.kind.frees() && e.kind != reserved && (e.kind != paidOut || e.hold == "") {
		return
	}
	if e.kind == lapsed && e.id.Index == c.v.Index {
		c.expired++
	}
	h := c.holdOf(e)
	if e.debit != h.debit || e.credit != h.credit && e.kind != paidOut {
		c.find("entry %s: it is between other accounts than hold %s", formatID(e.id), quote(e.hold))
	}
	into, last := &h.held, holdOpen
	switch e.kind {
	case captured, diverted:
		into, last = &h.captured, holdCaptured
	case released:
		into, last = &h.released, holdReleased
	case lapsed:
		into, last = &h.expired, holdExpired
	case paidOut:
		into, last = &h.paidOut, h.state
	}
	grow(into, e.amount)
	if e.kind == diverted {
		grow(&h.diverted, e.amount)
	}
	h.state = last
	rest, ok := h.rest()
	switch {
	case !ok:
		c.find("entry %s: more becomes of hold %s than was held", formatID(e.id), quote(e.hold))
		delete(c.holds, e.hold)
	case rest.IsZero() && h.diverted == h.paidOut:
		c.endHold(h)
	}
}

// holdOf gives the hold of an entry, which begins it if none has.
func (c *verifier) holdOf(e *entry) *holdTally {
	h, ok := c.holds[e.hold]
	if ok {
		return h
	}
	if e.kind != reserved || e.hold != e.name {
		c.find("entry %s: it is a %s of hold %s, which is not open", formatID(e.id), entryKinds[e.kind], quote(e.hold))
	}
	h = &holdTally{hold: hold{
		name: e.hold, id: e.id, debit: e.debit, credit: e.credit, placed: e.time, document: e.document, description: e.description,
	}}
	if t := c.tallyOf(e.debit); t != nil {
		h.asset = t.asset
		t.placed++
	}
	c.holds[e.hold] = h
	c.res.Holds++
	if _, ok := findHold(c.v, e.hold); !ok {
		c.find("hold %s: entry %s places it, and there is no such hold", quote(e.hold), formatID(e.id))
	}
	return h
}

// holdOrigin is what the entry that places a hold says of it beside its accounts.
type holdOrigin struct{ Asset, Placed, Document, Description string }

func (h *hold) origin() holdOrigin {
	return holdOrigin{h.asset, instant(h.placed), h.document, quote(h.description)}
}

// endHold compares a hold of which nothing remains.
func (c *verifier) endHold(h *holdTally) {
	delete(c.holds, h.name)
	c.closedHolds++
	if t := c.tallies[h.debit]; t != nil {
		t.placed--
	}
	record, ok := findHold(c.v, h.name)
	if !ok {
		return // which was found where it began
	}
	c.compareHold(&record, h)
	// What is released at the end of a capture leaves the hold captured.
	if record.state != h.state && (record.state != holdCaptured || h.state != holdReleased || h.captured.IsZero()) {
		c.find("hold %s: nothing of it remains and it ends %s, it says that it is %s", quote(h.name), h.state, record.state.text())
	}
}

// text is String for what may be wrong.
func (s holdState) text() string {
	if int(s) >= len(holdStates) {
		return "in no state"
	}
	return s.String()
}

// compareHold compares what the record of a hold says with what its entries made of it.
func (c *verifier) compareHold(record *hold, h *holdTally) {
	scale := c.scaleOf(h.asset)
	if says, made := record.origin(), h.origin(); says != made {
		c.find("hold %s: it is of %+v, entry %s, which placed it, of %+v", quote(h.name), says, formatID(h.id), made)
	}
	if record.id != h.id || record.debit != h.debit || record.credit != h.credit {
		c.find("hold %s: it is not between the accounts of entry %s, which placed it", quote(h.name), formatID(h.id))
	}
	for _, part := range []struct {
		what       string
		made, says Amount
	}{
		{"held", h.held, record.held}, {"captured", h.captured, record.captured},
		{"released", h.released, record.released}, {"expired", h.expired, record.expired},
	} {
		if part.made != part.says {
			c.find("hold %s: its entries make it %s %s, it says %s", quote(h.name), part.what, part.made.Format(scale), part.says.Format(scale))
		}
	}
	if h.diverted != h.paidOut {
		c.find("hold %s: %s was diverted from it and %s paid out", quote(h.name), h.diverted.Format(scale), h.paidOut.Format(scale))
	}
}

// readHolds compares what is open with what the entries left open, and with when it
// lapses.
func (c *verifier) readHolds() error {
	closed := uint64(0)
	for record := range holds.All(c.v) {
		h, left := c.holds[record.name]
		switch {
		case record.state != holdOpen && left:
			c.find("hold %s: something of it remains, it says that it is %s", quote(record.name), record.state.text())
		case record.state != holdOpen:
			closed++
		case !left:
			c.find("hold %s: nothing of it remains, it says that it is open", quote(record.name))
		default:
			c.compareHold(&record, h)
			c.readOpenHold(&record)
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	for l := range lapses.All(c.v) {
		if h, ok := findHold(c.v, l.hold); !ok || h.state != holdOpen || h.expires != l.nanos {
			c.find("hold %s: it is to lapse at %s, and is not an open hold that expires then", quote(l.hold), instant(l.nanos))
		}
	}
	if closed == c.closedHolds {
		return nil
	}
	return c.strayHolds()
}

// readOpenHold adds what the hold reserves to its accounts.
func (c *verifier) readOpenHold(record *hold) {
	if _, ok := lapses.Get(c.v, lapse{record.expires, record.name}); !ok {
		c.find("hold %s: nothing makes it lapse at %s, when it expires", quote(record.name), instant(record.expires))
	}
	if record.expires <= c.v.Time && c.expired < MaxExpired {
		c.find("hold %s: it expired at %s and is open at %s", quote(record.name), instant(record.expires), instant(c.v.Time))
	}
	rest, _ := record.rest()
	if t := c.tallyOf(record.debit); t != nil {
		grow(&t.reserved.debits, rest)
		t.openHolds++
	}
	if t := c.tallyOf(record.credit); t != nil {
		grow(&t.reserved.credits, rest)
	}
}

// strayHolds looks for holds that no entry placed.
func (c *verifier) strayHolds() error {
	for record := range holds.All(c.v) {
		if e, ok := entries.Get(c.v, record.id); !ok || e.kind != reserved || e.hold != record.name {
			c.find("hold %s: no entry placed it", quote(record.name))
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	return nil
}
