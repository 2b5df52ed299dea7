package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// deadline is when an open cheque expires, or an open invoice becomes overdue.
// Nothing moves then. But where a document stands is told by log time, so there is
// to be an entry of the log even if nobody proposes anything.
type deadline struct {
	nanos    int64
	document string
}

// AppendKey implements kv.Key. Times are not negative.
func (d deadline) AppendKey(b []byte) []byte {
	return kv.StringKey(d.document).AppendKey(kv.AppendUint64Key(b, uint64(d.nanos)))
}

// deadlines are those to come. They follow from the documents, so that the state hash
// leaves them out, and does not change when one passes.
var deadlines = kv.NewTable(&Schema, "ledger/deadline", kv.Codec[deadline]{
	Append: func(b []byte, d deadline) []byte { return kv.AppendString(kv.AppendInt(b, d.nanos), d.document) },
	Decode: func(b []byte) (deadline, error) {
		r := kv.NewDecoder(b)
		d := deadline{r.Int(), r.String()}
		return d, r.Err()
	},
}, func(d deadline) deadline { return d }, kv.Resident|kv.Bookkeeping)

// keepDeadline keeps the deadline of a document while that is open.
func keepDeadline(tx *command.Tx, d deadline, open bool) {
	switch {
	case open && d.nanos > tx.Time:
		deadlines.Put(tx.Tx, d)
	case d.nanos != 0:
		deadlines.Delete(tx.Tx, d)
	}
}

// passDeadlines lets go of those that are over.
func passDeadlines(tx *command.Tx) {
	for d := range deadlines.All(tx) {
		if d.nanos > tx.Time {
			return
		}
		deadlines.Delete(tx.Tx, d)
	}
}
