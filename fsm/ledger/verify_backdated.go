package ledger

import (
	"acquired/fsm/command"
)

// readBackdatedEntry compares what is kept with an entry that has an effective time of
// its own: the sums, up to it, of all such entries of the two accounts.
func (c *verifier) readBackdatedEntry(e *entry, debit, credit *tally) {
	if e.effective == 0 || !e.kind.posts() {
		return
	}
	c.backdated++
	if b, ok := backdatedEntries.Get(c.v, backdatedKey{e.effective, e.id}); !ok || b.debit != e.debit || b.credit != e.credit {
		c.find("entry %s: it is missing, or between other accounts, among those with an effective time", formatID(e.id))
	}
	for _, t := range []*tally{debit, credit} {
		run, _ := backdatedRuns.Get(c.v, runKey{t.id, e.id})
		if run.posted != t.backdated {
			c.find("entry %s: up to it %s of what account %s posted is back-dated, its run says %s", formatID(e.id),
				t.backdated.text(c, t.asset), t.path, run.posted.text(c, t.asset))
			t.backdated = run.posted // what is wrong is found once
		}
	}
}

func (p *posted) text(c *verifier, asset string) string {
	scale := c.scaleOf(asset)
	return p.debits.Format(scale) + " debits and " + p.credits.Format(scale) + " credits"
}

// readBackdated compares the entries that have an effective time of their own, in
// its order, with the sums of each nanosecond, and these with the sums above them.
func (c *verifier) readBackdated() error {
	rows, leaves := uint64(0), uint64(0)
	now := nanosecond{sums: make(map[command.ID]*posted)}
	for b := range backdatedEntries.All(c.v) {
		if rows++; b.key.effective != now.nanos {
			leaves += now.compare(c)
			now = nanosecond{nanos: b.key.effective, sums: make(map[command.ID]*posted)}
		}
		now.read(c, &b)
		if err := c.proceed(); err != nil {
			return err
		}
	}
	leaves += now.compare(c)
	runs, err := counted(c, backdatedRuns.All(c.v))
	if err != nil {
		return err
	}
	if rows != c.backdated || runs != 2*c.backdated {
		c.find("journal: %d entries have an effective time of their own, kept for them are %d records and %d sums", c.backdated, rows, runs)
	}
	return c.readSums(leaves)
}

// nanosecond is what is effective in one.
type nanosecond struct {
	nanos    int64
	accounts []command.ID
	sums     map[command.ID]*posted
}

func (n *nanosecond) of(account command.ID) *posted {
	p, ok := n.sums[account]
	if !ok {
		p = &posted{}
		n.sums[account] = p
		n.accounts = append(n.accounts, account)
	}
	return p
}

func (n *nanosecond) read(c *verifier, b *backdated) {
	e, ok := entries.Get(c.v, b.key.id)
	if !ok {
		c.find("journal: entry %s is among those with an effective time, and is not there", formatID(b.key.id))
		return
	}
	debit, credit := n.of(b.debit), n.of(b.credit)
	debit.add(posted{debits: e.amount})
	credit.add(posted{credits: e.amount})
	if b.debitSum != *debit || b.creditSum != *credit {
		c.find("entry %s: what is effective in its nanosecond up to it is not what is kept of that", formatID(e.id))
	}
}

// compare gives how many sums there must be.
func (n *nanosecond) compare(c *verifier) uint64 {
	for _, account := range n.accounts {
		c.compareSum(keyAt(account, 0, n.nanos), *n.sums[account])
	}
	return uint64(len(n.accounts))
}

func (c *verifier) compareSum(key sumKey, is posted) {
	if s, _ := backdatedSums.Get(c.v, key); s.posted != is {
		c.find("account %s: the sum of its back-dated entries at %d, level %d, is not what is kept of it", formatID(key.account),
			key.prefix<<(8*key.level), key.level)
	}
}

// readSums compares each sum with those below it. They come account by account, the
// lowest level first.
func (c *verifier) readSums(leaves uint64) error {
	var above [wholeLevel + 1]backdatedSum // those that are being made
	wanted, kept, keptLeaves := uint64(0), uint64(0), uint64(0)
	end := func(level uint8) {
		if above[level] != (backdatedSum{}) {
			wanted++
			c.compareSum(above[level].key, above[level].posted)
		}
		above[level] = backdatedSum{}
	}
	for s := range backdatedSums.All(c.v) {
		if s.key.level > 0 {
			kept++
			continue
		}
		keptLeaves++
		for level := uint8(1); level <= wholeLevel; level++ {
			key := keyAt(s.key.account, level, int64(s.key.prefix))
			if above[level].key != key {
				end(level)
				above[level].key = key
			}
			above[level].add(s.posted)
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	for level := uint8(1); level <= wholeLevel; level++ {
		end(level)
	}
	if keptLeaves != leaves || kept != wanted {
		c.find("journal: back-dated entries have sums in %d nanoseconds and %d above them, kept are %d and %d", leaves, wanted, keptLeaves, kept)
	}
	return nil
}
