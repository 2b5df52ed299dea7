package ledger

import (
	"strconv"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// Due gives the log time after now at which the next thing happens by itself: an
// open hold expires, a document passes its deadline, or a day begins, in which
// accounts may spend anew. ok is false when there was no log time yet.
func Due(r kv.Reader, now int64) (nanos int64, ok bool) {
	nanos = (now/day + 1) * day
	for l := range lapses.All(r) {
		nanos = min(nanos, l.nanos)
		break
	}
	return nextDeadline(r, now, nanos), now > 0
}

// MaxExpired is how many holds expire with an entry of the log, about a second of work.
const MaxExpired = 10_000

// Expire releases what remains of the holds that have expired, of the first MaxExpired
// of them. The machine calls it before the commands of every entry, so that none of
// them meets a hold that still reserves after its time: when all is false there are
// more, and it serves no commands of callers.
func Expire(tx *command.Tx) (all bool) {
	var due []lapse
	all = true
	for l := range lapses.All(tx) {
		if l.nanos > tx.Time {
			break
		}
		if len(due) == MaxExpired {
			all = false
			break
		}
		due = append(due, l)
	}
	if len(due) == 0 {
		return all
	}
	tx.Caller, tx.Command, tx.RequestID = command.Caller{Principal: command.System}, "ledger.expire", ""
	b := openBook(tx)
	for _, l := range due {
		b.expire(l.hold)
	}
	if err := b.close(); err != nil {
		panic("ledger: what has expired cannot be released: " + err.Error())
	}
	b.audit(&auditLine{what: "holds that expired: " + strconv.Itoa(len(due)) + ", the first " + due[0].hold})
	return all
}

func (b *book) expire(name string) {
	h, ok := findHold(b.tx, name)
	if !ok || h.state != holdOpen {
		panic("ledger: a hold that is not open expires: " + name)
	}
	was, rest := h, h.remaining()
	b.now = origin{name: name, hold: name, document: h.document}
	if err := b.enter(lapsed, b.pageOf(h.debit), b.pageOf(h.credit), rest); err != nil {
		panic("ledger: a hold that expired cannot be released: " + err.Error())
	}
	h.take(rest, &h.expired, holdExpired)
	b.writeHold(&was, &h)
}
