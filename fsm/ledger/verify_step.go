package ledger

import (
	"crypto/sha256"
	"encoding/binary"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// readStep follows which steps made the entries: those of a step are next to each
// other.
func (c *verifier) readStep(e *entry) {
	if e.kind == lapsed {
		c.endStep() // no step made it
		return
	}
	if e.name == c.run.name && e.part == c.run.entries && c.run.entries > 0 {
		c.run.entries++
		return
	}
	c.endStep()
	if e.part != 0 && !c.locating {
		c.find("entry %s: it is part %d of step %s and not behind the part before", formatID(e.id), e.part, quote(e.name))
	}
	c.run = step{name: e.name, first: e.id, entries: 1}
}

// endStep ends a step whose entries were read. It is only looked up when it is known
// that something is wrong: for all of them that would take longer than everything
// else.
func (c *verifier) endStep() {
	run := c.run
	c.run = step{}
	switch {
	case run.entries == 0:
	case c.locating:
		c.compareStep(&run)
	default:
		c.stepsMade.add(&run)
	}
}

// multiset is a sum of hashes: whatever their order, equal ones have equal sums.
type multiset [4]uint64

// add adds which entries a step made.
func (m *multiset) add(s *step) {
	b := command.AppendID(kv.AppendString(nil, s.name), s.first)
	sum := sha256.Sum256(kv.AppendUint(b, uint64(s.entries)))
	for i := range m {
		m[i] += binary.BigEndian.Uint64(sum[8*i:])
	}
}

// readSteps: those that made entries are those that the entries name.
func (c *verifier) readSteps() error {
	var made multiset
	for s := range steps.All(c.v) {
		if s.entries > 0 {
			made.add(&s)
		} else if s.kind == transferKind && s.body == "" {
			c.find("step %s: it is a transfer and made no entry", quote(s.name))
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	if made == c.stepsMade {
		return nil
	}
	return c.locateSteps()
}

// locateSteps finds the steps that made other entries than they say.
func (c *verifier) locateSteps() error {
	c.locating = true
	for e := range entries.All(c.v) {
		c.readStep(&e)
		if err := c.proceed(); err != nil {
			return err
		}
	}
	c.endStep()
	for s := range steps.All(c.v) {
		if e, ok := entries.Get(c.v, s.first); s.entries > 0 && (!ok || e.name != s.name) {
			c.find("step %s: it says that it made %d entries from %s on, which are not there", quote(s.name), s.entries, formatID(s.first))
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	return nil
}

func (c *verifier) compareStep(run *step) {
	s, ok := steps.Get(c.v, kv.StringKey(run.name))
	switch {
	case !ok:
		c.find("step %s: it made entry %s, and there is no such step", quote(run.name), formatID(run.first))
	case s.first != run.first || s.entries != run.entries:
		c.find("step %s: it made %d entries from %s on, it says %d from %s on", quote(s.name), run.entries, formatID(run.first),
			s.entries, formatID(s.first))
	}
}

// readFailures: a step that failed was never made.
func (c *verifier) readFailures() error {
	for f := range failures.All(c.v) {
		if _, ok := steps.Get(c.v, kv.StringKey(f.name)); ok {
			c.find("step %s: it was made, and its failure is kept", quote(f.name))
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	return nil
}
