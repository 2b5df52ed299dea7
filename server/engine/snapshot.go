package engine

import (
	"bytes"
	"errors"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

type snapshot struct {
	engine *Pebble
	state  *pebble.Snapshot
}

// lookup reads the filters of the last level too. Pebble's own Get does not,
// and would read a block of a table for nearly every key that does not exist.
var lookup = pebble.IterOptions{UseL6Filters: true}

func (s *snapshot) Get(key []byte) (value []byte, ok bool) {
	it, err := s.state.NewIter(&lookup)
	if err != nil {
		s.engine.fail("get", err)
	}
	// The prefix that is sought is the whole key: keys are not split.
	if ok = it.SeekPrefixGE(key); ok {
		value, err = it.ValueAndErr()
		value = append([]byte{}, value...)
	}
	if err := errors.Join(err, it.Close()); err != nil {
		s.engine.fail("get", err)
	}
	return value, ok
}

func (s *snapshot) Scan(from, to []byte, backward bool) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		// To Pebble an empty bound is none. That is right for from, which it wants
		// to be nil then, and would be wrong for to.
		if bytes.Compare(from, to) >= 0 {
			return
		}
		if len(from) == 0 {
			from = nil
		}
		it, err := s.state.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			s.engine.fail("scan", err)
		}
		defer s.closeIterator(it)
		first, next := it.First, it.Next
		if backward {
			first, next = it.Last, it.Prev
		}
		for ok := first(); ok; ok = next() {
			value, err := it.ValueAndErr()
			if err != nil || !yield(it.Key(), value) {
				return
			}
		}
	}
}

// closeIterator also finds the error that made the scan end.
func (s *snapshot) closeIterator(it *pebble.Iterator) {
	if err := it.Close(); err != nil {
		s.engine.fail("scan", err)
	}
}

func (s *snapshot) Close() {
	if err := s.state.Close(); err != nil {
		s.engine.fail("close snapshot", err)
	}
}
