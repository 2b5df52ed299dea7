package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// deadline is when a cheque expires, or an invoice becomes overdue, that is not
// settled. Nothing moves then. But where a document stands is told by log time, so
// there is to be an entry of the log even if nobody proposes anything.
type deadline struct {
	nanos    int64
	document string
}

// AppendKey implements kv.Key. Times are not negative.
func (d deadline) AppendKey(b []byte) []byte {
	return kv.StringKey(d.document).AppendKey(kv.AppendUint64Key(b, uint64(d.nanos)))
}

// deadlines follow from the documents, as an index does. Those that have passed stay
// until the document is settled.
var deadlines = kv.NewTable(&Schema, "ledger/deadline", kv.Codec[deadline]{
	Append: func(b []byte, d deadline) []byte { return kv.AppendString(kv.AppendInt(b, d.nanos), d.document) },
	Decode: func(b []byte) (deadline, error) {
		r := kv.NewDecoder(b)
		d := deadline{r.Int(), r.String()}
		return d, r.Err()
	},
}, func(d deadline) deadline { return d }, kv.Bookkeeping)

// deadline gives that of the cheque; ok is false when it is settled.
func (c *cheque) deadline() (d deadline, ok bool) {
	return deadline{c.expires, c.name}, c.state(0) == openState // whatever the time
}

// deadline gives that of the invoice; ok is false when it is settled or has none.
func (i *invoice) deadline() (d deadline, ok bool) {
	return deadline{i.due, i.name}, i.due != 0 && i.state(0) == openState
}

// keepDeadline keeps the deadline of a document while there is one.
func keepDeadline(tx *command.Tx, d deadline, ok bool) {
	if ok {
		deadlines.Put(tx.Tx, d)
		return
	}
	deadlines.Delete(tx.Tx, d)
}

// nextDeadline gives the first after now, or what is sooner.
func nextDeadline(r kv.Reader, now, sooner int64) int64 {
	for d := range deadlines.From(r, deadline{nanos: now + 1}) {
		return min(d.nanos, sooner)
	}
	return sooner
}
