// Package kv keeps the state: typed, ordered tables with indexes that keep
// themselves, over an engine of ordered bytes.
//
// A Store is opened over an Engine for a list of schemas. A View is one version
// of the state and never changes: it is read without locks while the next
// version is built. A Tx builds the next version; Tx.Step takes back what a
// refused command did.
//
//	var tables kv.Schema
//	var accounts = kv.NewTable(&tables, "ledger/account", accountCodec, accountKey, kv.Resident)
//
//	account, ok := accounts.Get(view, id)
//	accounts.Put(tx, account)
//
// A table is stored, which means read from the engine, or resident: also held
// in memory as a copy-on-write tree, so that reading it never waits for a disk,
// or hashed: resident, and found by the hash of its key as well, which takes a
// fraction of the time.
//
// No method returns an error. What is stored was written by this package; if it
// cannot be read back, the package panics and the node stops.
package kv

// A Reader is a View or a Tx.
type Reader interface {
	// root leads to what is in memory of a table.
	root(t *table) *root
	// room gives memory to build a key in, which is good until the next is built.
	room() []byte
	// value gives the record at the full key, or nil.
	value(t *table, key []byte) any
	// rows gives the records of a table, ordered by key, with from <= key < to.
	rows(t *table, from, to []byte, backward bool) func(yield func(key []byte, value any) bool)
}

// A Key orders the records of a table. AppendKey appends bytes that sort as the
// keys do and of which none is the beginning of another's.
type Key interface {
	AppendKey(b []byte) []byte
}

// A Codec turns records into bytes and back. Append must give the same bytes
// for equal records for ever, in every release: the state hash is made of them.
// Decode is handed exactly what Append gave, by this release or an earlier one,
// and must not keep the slice. A release that appends a field leaves it out
// while it is zero, so that the records of before keep their bytes.
type Codec[V any] struct {
	Append func(b []byte, v V) []byte
	Decode func(b []byte) (V, error)
}

// Kind of a table. The zero value is a stored table that the state hash covers.
type Kind uint8

const (
	// Resident tables are also held in memory.
	Resident Kind = 1 << iota
	// Bookkeeping tables are how a node knows where it is and what it answered.
	// They are no part of what users keep here: the state hash leaves them out,
	// so that a refused command leaves the hash as it was.
	Bookkeeping
)

// A Schema is the list of the tables of a domain. Tables are added where they
// are declared, at package level.
type Schema struct {
	tables []*table
}
