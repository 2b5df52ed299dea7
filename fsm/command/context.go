package command

import (
	"acquired/fsm/kv"
	"acquired/fsm/path"
)

// System is the principal of the cluster itself.
const System path.Path = "/system"

// Caller is who a command or query is from, as the node that received the call
// proved it.
type Caller struct {
	Principal path.Path
	// Operator may do everything.
	Operator bool
	// Grants are what the token of a workload names.
	Grants []Grant
}

// A Grant allows an operation on a path and all below it.
type Grant struct {
	Operation Operation
	Path      path.Path
}

// ID names something that a command made: the index of the log entry and a
// counter that runs through all commands of the entry. IDs grow with time. The
// zero value names nothing.
type ID struct {
	Index   uint64
	Counter uint32
}

// AppendKey implements kv.Key.
func (id ID) AppendKey(b []byte) []byte {
	return kv.AppendUint32Key(kv.AppendUint64Key(b, id.Index), id.Counter)
}

// AppendID appends a field of a record.
func AppendID(b []byte, id ID) []byte {
	return kv.AppendUint(kv.AppendUint(b, id.Index), uint64(id.Counter))
}

// DecodeID reads a field appended by AppendID.
func DecodeID(d *kv.Decoder) ID { return ID{Index: d.Uint(), Counter: uint32(d.Uint())} }

// Tx is all that the body of a command may see and change.
type Tx struct {
	*kv.Tx
	// Index of the log entry.
	Index uint64
	// Time is the log time in nanoseconds since 1970: the leader's clock, which
	// never runs back.
	Time   int64
	Caller Caller
	// Made counts the IDs of the entry; the commands of an entry share it.
	Made *uint32
}

// NewID gives an ID that nothing else has.
func (tx *Tx) NewID() ID {
	*tx.Made++
	return ID{Index: tx.Index, Counter: *tx.Made}
}

// Reading is all that the body of a query may see.
type Reading struct {
	*kv.View
	// Index of the newest entry that the view holds.
	Index uint64
	// Time is the log time of that entry.
	Time   int64
	Caller Caller
}
