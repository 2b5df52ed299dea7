package kv

import "iter"

// An Engine keeps ordered bytes. There are two: Memory, for tests, and
// server/engine.Pebble, on nodes.
//
// No method returns an error. An engine that cannot do what it promises ends
// the process: a node whose storage fails stops, and domain code never has a
// branch for it.
type Engine interface {
	// Snapshot gives the state after the last Commit. It never changes, and the
	// caller closes it. Snapshot may be called from any goroutine, but not while
	// Commit runs.
	Snapshot() Snapshot

	// Commit applies the writes as one: after a crash either all of them or none
	// are found, and none without all those committed before. It need not be
	// durable: the log above replays what is lost. Commit is called by one
	// goroutine at a time, keeps no reference to the slices, and a key occurs at
	// most once in writes.
	Commit(writes []Write)
}

// A Write sets a key, or deletes it. No key is empty.
type Write struct {
	Key    []byte
	Value  []byte
	Delete bool
}

// A Snapshot is one version of an engine's state. Its methods may be called
// from any goroutine until Close.
type Snapshot interface {
	// Get gives the value of key. The slice is the caller's to keep, not to change.
	Get(key []byte) (value []byte, ok bool)

	// Scan gives the pairs with from <= key < to in ascending order of keys, or
	// in descending order when backward is set. The slices are valid until the
	// next pair only.
	Scan(from, to []byte, backward bool) iter.Seq2[[]byte, []byte]

	// Close releases the snapshot. It is called once.
	Close()
}
