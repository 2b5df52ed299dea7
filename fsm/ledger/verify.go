package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"iter"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
)

// MayVerify says whether the caller may have the books verified.
var MayVerify = command.DefineQuery(&Commands, "ledger.verify", mayVerify, func(v *command.Reading, _ *pb.VerifyRequest) (*pb.VerifyResponse, error) {
	return &pb.VerifyResponse{Index: v.Index}, nil
})

func mayVerify(kv.Reader, *pb.VerifyRequest) ([]command.Need, error) {
	return needs(command.Read, Accounts), nil
}

const (
	// MaxFindings is how many findings a verification gives.
	MaxFindings = 100
	// maxFinding is in bytes.
	maxFinding = 1024
	// verifyPause is after how many records it says how far it is.
	verifyPause = 1024
)

// Verify works out from the journal alone what every other record of the ledger
// must be, and gives what is not so. It reads all of one state, and needs memory for
// the accounts, the open holds, and the documents that are used up in part. Ever so
// often it calls progress, whose error ends it; what progress is given is only to be
// read, and changes when it has returned.
func Verify(v *command.Reading, progress func(*pb.VerifyResponse) error) (res *pb.VerifyResponse, err error) {
	c := &verifier{
		v: v, progress: progress, res: &pb.VerifyResponse{Index: v.Index}, sum: sha256.New(),
		tallies: make(map[command.ID]*tally), holds: make(map[string]*holdTally), sums: make(map[string]*assetTally),
		changed:   make(map[path.Path]uint64),
		created:   make(map[string]bool),
		documents: newDocumentTallies(),
	}
	defer func() {
		// A record that is no record any more ends reading it.
		if reason := recover(); reason != nil {
			problem, ok := reason.(string)
			if !ok {
				panic(reason)
			}
			c.find("the state cannot be read further: %s", problem)
			res, err = c.res, nil
		}
	}()
	for _, pass := range []func() error{
		c.readJournal, c.readSteps, c.readFailures, c.readHolds, c.readAccounts, c.readGone, c.readMetadata, c.readAssets,
		c.readBackdated, c.readDocuments, c.readIndexes,
	} {
		if err := pass(); err != nil {
			return nil, err
		}
	}
	return c.res, nil
}

// verifier is a verification.
type verifier struct {
	v        *command.Reading
	progress func(*pb.VerifyResponse) error
	res      *pb.VerifyResponse
	looks    int

	tallies map[command.ID]*tally
	sums    map[string]*assetTally
	// changed counts the commands that changed an account by its path, met are the
	// accounts of the command that is being read.
	changed map[path.Path]uint64
	met     []*tally
	// created are the assets that were created, in the words of the audit log.
	created map[string]bool
	// goneAccounts counts the accounts that went, touched are those that may have gone
	// with the log entry at the index.
	goneAccounts uint64
	touched      []*tally
	index        uint64
	// deadlines counts the documents that have one.
	deadlines uint64

	// holds are those that are not at their end.
	holds       map[string]*holdTally
	closedHolds uint64
	// expired counts those that expired with the newest entry of the log.
	expired int

	documents documentTallies

	// run is the step whose entries are being read, stepsMade are those that were.
	run       step
	stepsMade multiset
	// locating: which step is wrong is being found out.
	locating bool

	// backdated counts the entries with an effective time of their own, periods are
	// those that were not closed yet where the journal is read, until is the end of the
	// newest that was. Of allPeriods, periodsClosed are closed where the audit log is read.
	backdated     uint64
	periods       []period
	until         int64
	allPeriods    []period
	periodsClosed int

	// What was read of the command that is being read.
	made  uint32
	sum   hash.Hash
	bytes []byte
	head  string
	time  int64
}

// find adds a finding.
func (c *verifier) find(format string, args ...any) {
	if len(c.res.Findings) == MaxFindings {
		return
	}
	c.res.Findings = append(c.res.Findings, clip(fmt.Sprintf(format, args...), maxFinding))
}

// proceed counts a record that was read.
func (c *verifier) proceed() error {
	if c.looks++; c.looks%verifyPause != 0 {
		return nil
	}
	return c.progress(c.res)
}

// counted gives how many records there are, and reads each.
func counted[V any](c *verifier, all iter.Seq[V]) (n uint64, err error) {
	for range all {
		n++
		if err := c.proceed(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// readJournal goes through the entries and the audit lines side by side.
func (c *verifier) readJournal() error {
	c.periods = slices.Collect(periods.All(c.v))
	slices.Reverse(c.periods) // in the order in which they were closed
	c.allPeriods = c.periods
	next, stop := iter.Pull(audits.All(c.v))
	defer stop()
	line, more := next()
	for e := range entries.All(c.v) {
		for more && isBefore(line.id, e.id) {
			c.endCommand(&line)
			line, more = next()
		}
		if e.id.Index != c.index {
			c.endGone(c.index)
			c.index = e.id.Index
		}
		c.res.Entries++
		c.made++
		c.bytes = appendEntry(c.bytes[:0], e)
		c.sum.Write(c.bytes)
		c.readEntry(&e)
		if err := c.proceed(); err != nil {
			return err
		}
	}
	for more {
		c.endCommand(&line)
		line, more = next()
		if err := c.proceed(); err != nil {
			return err
		}
	}
	c.endStep()
	c.endGone(c.index)
	if c.made > 0 {
		c.find("journal: the last %d entries have no audit line", c.made)
	}
	if c.periodsClosed < len(c.allPeriods) {
		c.find("periods: %d are closed, the audit log has lines of %d", len(c.allPeriods), c.periodsClosed)
	}
	c.res.Head = hex.EncodeToString([]byte(c.head))
	if head, _ := auditHeads.Get(c.v, theAuditHead); head.hash != c.head || head.lines != c.res.Lines {
		c.find("audit: the chain ends with %x after %d lines, its head says %x after %d", c.head, c.res.Lines, head.hash, head.lines)
	}
	return nil
}

// endCommand compares the line of a command with the entries that it made.
func (c *verifier) endCommand(l *auditLine) {
	c.res.Lines++
	digest := ""
	if c.made > 0 {
		digest = string(c.sum.Sum(nil))
	}
	at := formatID(l.id)
	switch {
	case l.entries != c.made:
		c.find("audit line %s: its command made %d entries, it says %d", at, c.made, l.entries)
	case l.digest != digest:
		c.find("audit line %s: the entries of its command hash to %x, it says %x", at, digest, l.digest)
	}
	if hash := l.chained(c.head); hash != l.hash {
		c.find("audit line %s: the chain gives the hash %x, it says %x", at, hash, l.hash)
	}
	if l.time < c.time {
		c.find("audit line %s: its time, %s, is before %s", at, instant(l.time), instant(c.time))
	}
	// What follows is chained to what the line says: one that is wrong is found once.
	c.time, c.head, c.made = max(c.time, l.time), l.hash, 0
	c.sum.Reset()
	c.endChanges()
	c.readAccountLine(l)
	c.readPeriodLine(l)
}

// readEntry works an entry into what it makes.
func (c *verifier) readEntry(e *entry) {
	at := formatID(e.id)
	if int(e.kind) >= len(entryKinds) {
		c.find("entry %s: there is no kind %d", at, e.kind)
		return
	}
	if e.time < c.time || e.effective > e.time || e.effective < 0 {
		c.find("entry %s: its time is %d and its effective time %d, the time before it %d", at, e.time, e.effective, c.time)
	}
	c.time = max(c.time, e.time)
	debit, credit := c.tallyOf(e.debit), c.tallyOf(e.credit)
	switch {
	case debit == nil || credit == nil:
		c.find("entry %s: an account that it names is unknown", at)
		return
	case debit == credit || debit.asset != credit.asset:
		c.find("entry %s: it moves %s from %s to %s of %s", at, debit.asset, debit.path, credit.path, credit.asset)
		return
	}
	c.count(e, debit, true, e.debitAfter)
	c.count(e, credit, false, e.creditAfter)
	if e.kind.posts() {
		c.sumOf(debit.asset).transfers++
	}
	c.readBackdatedEntry(e, debit, credit)
	c.readPeriod(e)
	c.readStep(e)
	c.readHoldEntry(e)
	c.readDocumentEntry(e)
}

// count works the entry into an account, and compares what the entry says is then
// in it.
func (c *verifier) count(e *entry, t *tally, pays bool, after counters) {
	c.meet(e, t, pays)
	if !e.kind.apply(&t.counters, e.amount, pays) || t.counters != after {
		scale := c.scaleOf(t.asset)
		c.find("entry %s: account %s has %s after it, the entry says %s", formatID(e.id), t.path, t.counters.text(scale), after.text(scale))
		t.counters = after // what is wrong is found once
	}
	if e.effective != 0 && e.kind.posts() {
		t.backdated.count(e.amount, pays)
	}
}

// readPeriod: nothing is back-dated into a period that is closed.
func (c *verifier) readPeriod(e *entry) {
	for len(c.periods) > 0 && c.periods[0].index < e.id.Index {
		c.until = c.periods[0].until
		c.periods = c.periods[1:]
	}
	if e.kind.posts() && e.effective != 0 && e.effective < c.until {
		c.find("entry %s: its effective time, %s, is in a period that was closed, up to %s", formatID(e.id), instant(e.effective), instant(c.until))
	}
}

// apply is change for what may be wrong.
func (k entryKind) apply(c *counters, amount Amount, pays bool) bool {
	pending := c.creditsPending
	if pays {
		pending = c.debitsPending
	}
	return (!k.frees() || amount.Cmp(pending) <= 0) && k.change(c, amount, pays, MaxAmount)
}

func (p *posted) count(amount Amount, pays bool) {
	if pays {
		p.add(posted{debits: amount})
		return
	}
	p.add(posted{credits: amount})
}

// text lists the counters.
func (c *counters) text(scale uint8) string {
	return fmt.Sprintf("debits %s posted %s pending, credits %s posted %s pending", c.debitsPosted.Format(scale), c.debitsPending.Format(scale),
		c.creditsPosted.Format(scale), c.creditsPending.Format(scale))
}

// readIndexes compares the indexes with the records, which they are kept beside.
func (c *verifier) readIndexes() error {
	return Schema.VerifyIndexes(c.v.View, c.proceed, func(problem string) { c.find("%s", problem) })
}

// scaleOf gives the digits of an asset; 0 for one that there is not.
func (c *verifier) scaleOf(code string) uint8 {
	of, _ := assets.Get(c.v, kv.StringKey(code))
	return of.scale
}
