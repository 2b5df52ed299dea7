package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// What was posted up to an effective time is what was posted up to that log time,
// less what of it was back-dated, and what has been back-dated to it or before at
// any time since. So only entries with an effective time of their own cost anything:
// their amounts are summed in a trie of 256 ways over the bits of effective time, so
// that a sum up to any nanosecond reads at most 255 sums a level, however many
// entries there are, and an entry adds to one sum a level. The sum of all that was
// back-dated so far is kept with every such entry, for times of the log.

// posted is the sum of what entries posted.
type posted struct{ debits, credits Amount }

// add cannot overflow: the sums are parts of an account's counters.
func (p *posted) add(more posted) {
	p.debits, _ = p.debits.Add(more.debits)
	p.credits, _ = p.credits.Add(more.credits)
}

// take takes off what is a part of p.
func (p *posted) take(less posted) {
	p.debits, _ = p.debits.Sub(less.debits)
	p.credits, _ = p.credits.Sub(less.credits)
}

func (p posted) balance() Signed { return Net(p.credits, p.debits) }

// sumKey names a sum: of the back-dated entries of an account whose effective
// time, without its last 8 x level bits, is prefix.
type sumKey struct {
	account command.ID
	level   uint8
	prefix  uint64
}

// wholeLevel has one sum, of all back-dated entries of an account.
const wholeLevel = 8

// AppendKey implements kv.Key.
func (k sumKey) AppendKey(b []byte) []byte {
	return kv.AppendUint64Key(append(k.account.AppendKey(b), k.level), k.prefix)
}

func keyAt(account command.ID, level uint8, nanos int64) sumKey {
	return sumKey{account, level, uint64(nanos) >> (8 * level)}
}

type backdatedSum struct {
	key sumKey
	posted
}

func appendSum(b []byte, s backdatedSum) []byte {
	b = kv.AppendUint(kv.AppendUint(command.AppendID(b, s.key.account), uint64(s.key.level)), s.key.prefix)
	return appendPosted(b, s.posted)
}

func decodeSum(b []byte) (backdatedSum, error) {
	d := kv.NewDecoder(b)
	s := backdatedSum{key: sumKey{command.DecodeID(&d), uint8(d.Uint()), d.Uint()}, posted: decodePosted(&d)}
	return s, d.Err()
}

func appendPosted(b []byte, p posted) []byte {
	return appendAmount(appendAmount(b, p.debits), p.credits)
}

func decodePosted(d *kv.Decoder) posted { return posted{decodeAmount(d), decodeAmount(d)} }

// backdated is an entry with an effective time of its own, in the order of
// effective time.
type backdated struct {
	key           backdatedKey
	debit, credit command.ID
	// What entries of the same nanosecond posted to the two accounts, up to this one.
	debitSum, creditSum posted
}

type backdatedKey struct {
	effective int64
	id        command.ID
}

// AppendKey implements kv.Key. Times are not negative.
func (k backdatedKey) AppendKey(b []byte) []byte {
	return k.id.AppendKey(kv.AppendUint64Key(b, uint64(k.effective)))
}

func appendBackdated(b []byte, e backdated) []byte {
	b = command.AppendID(kv.AppendInt(b, e.key.effective), e.key.id)
	b = command.AppendID(command.AppendID(b, e.debit), e.credit)
	return appendPosted(appendPosted(b, e.debitSum), e.creditSum)
}

func decodeBackdated(b []byte) (backdated, error) {
	d := kv.NewDecoder(b)
	e := backdated{
		key: backdatedKey{d.Int(), command.DecodeID(&d)}, debit: command.DecodeID(&d), credit: command.DecodeID(&d),
		debitSum: decodePosted(&d), creditSum: decodePosted(&d),
	}
	return e, d.Err()
}

// runKey leads to the back-dated entries of an account, the newest first.
type runKey struct{ account, id command.ID }

// AppendKey implements kv.Key.
func (k runKey) AppendKey(b []byte) []byte {
	return command.ID{Index: ^k.id.Index, Counter: ^k.id.Counter}.AppendKey(k.account.AppendKey(b))
}

// backdatedRun is what all back-dated entries of an account posted up to one of
// them, in the order of the log.
type backdatedRun struct {
	key runKey
	posted
}

func appendRun(b []byte, r backdatedRun) []byte {
	return appendPosted(command.AppendID(command.AppendID(b, r.key.account), r.key.id), r.posted)
}

func decodeRun(b []byte) (backdatedRun, error) {
	d := kv.NewDecoder(b)
	r := backdatedRun{key: runKey{command.DecodeID(&d), command.DecodeID(&d)}, posted: decodePosted(&d)}
	return r, d.Err()
}

var (
	backdatedSums = kv.NewTable(&Schema, "ledger/backdated_sum", kv.Codec[backdatedSum]{Append: appendSum, Decode: decodeSum},
		func(s backdatedSum) sumKey { return s.key }, 0)

	backdatedEntries = kv.NewTable(&Schema, "ledger/backdated", kv.Codec[backdated]{Append: appendBackdated, Decode: decodeBackdated},
		func(e backdated) backdatedKey { return e.key }, 0)

	// backdatedByAccount gives those of an account in the order of effective time.
	backdatedByAccount = kv.NewIndex(&Schema, backdatedEntries, "ledger/backdated_by_account",
		func(e backdated, add func(command.ID)) { add(e.debit); add(e.credit) })

	backdatedRuns = kv.NewTable(&Schema, "ledger/backdated_run", kv.Codec[backdatedRun]{Append: appendRun, Decode: decodeRun},
		func(r backdatedRun) runKey { return r.key }, 0)
)

// noteBackdated adds an entry with an effective time of its own to the sums.
func noteBackdated(tx *command.Tx, e *entry) {
	b := backdated{key: backdatedKey{e.effective, e.id}, debit: e.debit, credit: e.credit}
	b.debitSum = addBackdated(tx, e, e.debit, posted{debits: e.amount})
	b.creditSum = addBackdated(tx, e, e.credit, posted{credits: e.amount})
	backdatedEntries.Insert(tx.Tx, b)
}

// addBackdated adds to the sums of an account. It gives that of the nanosecond.
func addBackdated(tx *command.Tx, e *entry, account command.ID, more posted) (same posted) {
	for level := range uint8(wholeLevel + 1) {
		key := keyAt(account, level, e.effective)
		s, _ := backdatedSums.Get(tx, key)
		s.key = key
		s.add(more)
		backdatedSums.Put(tx.Tx, s)
		switch level {
		case 0:
			same = s.posted
		case wholeLevel:
			backdatedRuns.Insert(tx.Tx, backdatedRun{runKey{account, e.id}, s.posted})
		}
	}
	return same
}

// backdatedLogged sums what back-dated entries posted that have a lesser id.
func backdatedLogged(r kv.Reader, account, before command.ID) posted {
	for run := range backdatedRuns.From(r, runKey{account, before}) {
		switch {
		case run.key.account != account:
			return posted{}
		case run.key.id != before:
			return run.posted
		}
	}
	return posted{}
}

// backdatedBefore sums what back-dated entries posted that are before the key in
// the order of effective time.
func backdatedBefore(r kv.Reader, account command.ID, before backdatedKey) posted {
	if _, ok := backdatedSums.Get(r, sumKey{account, wholeLevel, 0}); !ok {
		return posted{}
	}
	sum := backdatedBeforeNanos(r, account, before.effective)
	last, ok := first(backdatedByAccount.Scan(r, account, before, true))
	switch {
	case !ok || last.key.effective != before.effective:
	case last.debit == account:
		sum.add(last.debitSum)
	default:
		sum.add(last.creditSum)
	}
	return sum
}

// backdatedBeforeNanos goes down the trie to the nanosecond, and on every level
// adds what is before.
func backdatedBeforeNanos(r kv.Reader, account command.ID, nanos int64) (sum posted) {
	for level := uint8(wholeLevel); level > 0; {
		level--
		at, found := keyAt(account, level, nanos), false
		for s := range backdatedSums.From(r, sumKey{account, level, at.prefix &^ 0xff}) {
			if found = s.key == at; found || s.key.account != account || s.key.level != level || s.key.prefix > at.prefix {
				break
			}
			sum.add(s.posted)
		}
		if !found {
			break // nothing is below it
		}
	}
	return sum
}
