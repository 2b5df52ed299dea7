package kv

import (
	"bytes"
	"iter"

	"github.com/google/btree"
)

// treeDegree is the fan-out of the copy-on-write trees: a change of one record
// in a new version copies a few nodes of about twice as many.
const treeDegree = 16

// Memory is an Engine for tests: it keeps everything in memory and nothing
// when the process ends. The zero value is not usable; call NewMemory.
type Memory struct {
	tree *btree.BTreeG[pair]
}

type pair struct {
	key, value []byte
}

// NewMemory gives an empty engine.
func NewMemory() *Memory {
	return &Memory{tree: btree.NewG(treeDegree, func(a, b pair) bool { return bytes.Compare(a.key, b.key) < 0 })}
}

// Snapshot implements Engine.
func (m *Memory) Snapshot() Snapshot { return memorySnapshot{m.tree} }

// Commit implements Engine.
func (m *Memory) Commit(writes []Write) {
	next := m.tree.Clone()
	for _, w := range writes {
		if w.Delete {
			next.Delete(pair{key: w.Key})
			continue
		}
		next.ReplaceOrInsert(pair{key: bytes.Clone(w.Key), value: bytes.Clone(w.Value)})
	}
	m.tree = next
}

type memorySnapshot struct {
	tree *btree.BTreeG[pair]
}

func (s memorySnapshot) Get(key []byte) ([]byte, bool) {
	p, ok := s.tree.Get(pair{key: key})
	return p.value, ok
}

func (s memorySnapshot) Scan(from, to []byte, backward bool) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if !backward {
			s.tree.AscendRange(pair{key: from}, pair{key: to}, func(p pair) bool { return yield(p.key, p.value) })
			return
		}
		s.tree.DescendLessOrEqual(pair{key: to}, func(p pair) bool {
			switch {
			case bytes.Equal(p.key, to):
				return true
			case bytes.Compare(p.key, from) < 0:
				return false
			}
			return yield(p.key, p.value)
		})
	}
}

func (s memorySnapshot) Close() {}
