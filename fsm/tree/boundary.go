package tree

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/proto/fault"
)

// boundary is a log time at which some annotation begins or ceases to hold. That
// it is passed wants an entry in the log, even if nobody proposes anything.
type boundary struct{ nanos int64 }

type boundaryKey int64

// AppendKey implements kv.Key. Times are not negative.
func (k boundaryKey) AppendKey(b []byte) []byte { return kv.AppendUint64Key(b, uint64(k)) }

var boundaries = kv.NewTable(&Schema, "tree/boundary", kv.Codec[boundary]{
	Append: func(b []byte, x boundary) []byte { return kv.AppendInt(b, x.nanos) },
	Decode: func(b []byte) (boundary, error) {
		d := kv.NewDecoder(b)
		x := boundary{d.Int()}
		return x, d.Err()
	},
}, func(x boundary) boundaryKey { return boundaryKey(x.nanos) }, kv.Resident)

// MaxBoundaries is how many times to come are remembered.
const MaxBoundaries = 1 << 20

// NoteBoundaries remembers the times of an annotation that is written, and forgets
// some that have passed. It refuses more than MaxBoundaries.
func NoteBoundaries(tx *command.Tx, h Header) error {
	c, _ := counts.Get(tx, theCount)
	before := c.boundaries
	c.boundaries -= forgetBoundaries(tx)
	for _, nanos := range [...]int64{h.Start, h.End} {
		if nanos <= tx.Time {
			continue
		}
		if _, ok := boundaries.Get(tx, boundaryKey(nanos)); ok {
			continue
		}
		if c.boundaries >= MaxBoundaries {
			return fault.Exhausted.New("annotations begin and end at %d times to come, which is the most", c.boundaries)
		}
		boundaries.Put(tx.Tx, boundary{nanos})
		c.boundaries++
	}
	if c.boundaries != before {
		counts.Put(tx.Tx, c)
	}
	return nil
}

// forgetBoundaries drops some of the times that have passed, more than an
// annotation adds, and says how many.
func forgetBoundaries(tx *command.Tx) uint64 {
	const steps = 4
	var passed []boundary
	for b := range boundaries.All(tx) {
		if b.nanos > tx.Time || len(passed) == steps {
			break
		}
		passed = append(passed, b)
	}
	for _, b := range passed {
		boundaries.Delete(tx.Tx, boundaryKey(b.nanos))
	}
	return uint64(len(passed))
}

// Due gives the first log time behind now at which an annotation begins or ceases
// to hold; ok is false when there is none.
func Due(r kv.Reader, now int64) (nanos int64, ok bool) {
	for b := range boundaries.From(r, boundaryKey(now+1)) {
		return b.nanos, true
	}
	return 0, false
}
