package kv

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/btree"
)

// Store is a state: the tables of its schemas over an engine.
type Store struct {
	engine  Engine
	tables  []*table
	width   int // how many slots a version has
	current atomic.Pointer[version]
	spare   workspace // of the next transaction
	// open counts the versions whose snapshot is not closed yet.
	open sync.WaitGroup
}

// version is one state. Its trees and its snapshot never change.
type version struct {
	store    *Store
	roots    []root // by slot
	snapshot Snapshot
	hash     Hash
	// refs counts the views of the version, and one for being current. Zero
	// means that the snapshot is closed.
	refs atomic.Int64
}

// stateHash is where the hash of the state is kept beside the state.
var stateHash = []byte("hash\x00")

// Open reads the resident tables and gives the state that the engine holds. It
// panics when the engine holds what the schemas do not know: such a state was
// written by a newer release.
func Open(engine Engine, schemas ...*Schema) *Store {
	s := &Store{engine: engine}
	for _, schema := range schemas {
		s.tables = append(s.tables, schema.tables...)
	}
	slices.SortFunc(s.tables, func(a, b *table) int { return bytes.Compare(a.prefix, b.prefix) })
	for i, t := range s.tables {
		if i > 0 && t.name == s.tables[i-1].name {
			panic(fmt.Sprintf("state: two tables are named %s", t.name))
		}
		s.width = max(s.width, t.slot+1)
	}
	v := &version{store: s, snapshot: engine.Snapshot(), roots: make([]root, s.width)}
	s.refuseUnknown(v.snapshot)
	s.load(v)
	v.hash = readHash(v.snapshot)
	s.publish(v)
	return s
}

// refuseUnknown looks between the tables: one seek for each gap.
func (s *Store) refuseUnknown(snapshot Snapshot) {
	from := []byte{0}
	check := func(to []byte) {
		for key := range snapshot.Scan(from, to, false) {
			if !bytes.Equal(key, stateHash) {
				panic(fmt.Sprintf("state: key %q belongs to no table of this release", key))
			}
		}
	}
	for _, t := range s.tables {
		check(t.prefix)
		from = t.end()
	}
	check([]byte{0xff})
}

// load fills the roots of the resident tables and of their indexes.
func (s *Store) load(v *version) {
	for _, t := range s.tables {
		v.roots[t.slot] = newRoot(t)
	}
	tx := &Tx{store: s, base: v, roots: v.roots, cloned: make([]bool, s.width), loading: true}
	for i := range tx.cloned {
		tx.cloned[i] = true // nobody else sees the trees yet
	}
	for _, t := range s.tables {
		if !t.resident() {
			continue
		}
		for key, value := range v.snapshot.Scan(t.prefix, t.end(), false) {
			tx.change(t, string(key), nil, t.mustDecode(key, value))
		}
		if t.hash != nil {
			v.roots[t.slot].fillTrie(t)
		}
	}
}

func readHash(snapshot Snapshot) Hash {
	value, ok := snapshot.Get(stateHash)
	if !ok {
		return Hash{}
	}
	hash, ok := HashFromBytes(value)
	if !ok {
		panic("state: the state hash is damaged")
	}
	return hash
}

// publish makes v the version that views are of.
func (s *Store) publish(v *version) {
	v.refs.Store(1)
	s.open.Add(1)
	if old := s.current.Swap(v); old != nil {
		old.release()
	}
}

func (v *version) acquire() bool {
	for {
		n := v.refs.Load()
		if n == 0 {
			return false
		}
		if v.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (v *version) release() {
	if v.refs.Add(-1) == 0 {
		v.snapshot.Close()
		v.store.open.Done()
	}
}

// View gives the newest version, or nil when the store is retired. The caller
// closes it. Views may be taken and read by any goroutine, without locks.
func (s *Store) View() *View {
	for {
		v := s.current.Load()
		switch {
		case v == nil:
			return nil
		case v.acquire():
			return &View{v}
		}
	}
}

// Retire ends the store and returns when every view of it is closed: the engine
// may then be closed. No Begin may follow.
func (s *Store) Retire() {
	s.current.Swap(nil).release()
	s.open.Wait()
}

// View is one version of the state.
type View struct {
	v *version
}

// Close releases the view. It is called once; nothing may be read after.
func (v *View) Close() { v.v.release() }

// Hash is the hash of the state.
func (v *View) Hash() Hash { return v.v.hash }

func (v *View) value(t *table, key []byte) any {
	if !t.resident() {
		return v.v.stored(t, key)
	}
	return v.root(t).get(t, key)
}

func (v *View) room() []byte { return make([]byte, 0, keyRoom) }

func (v *View) root(t *table) *root { return &v.v.roots[t.slot] }

func (v *version) stored(t *table, key []byte) any {
	value, ok := v.snapshot.Get(key)
	if !ok {
		return nil
	}
	return t.mustDecode(key, value)
}

func (v *View) rows(t *table, from, to []byte, backward bool) func(func([]byte, any) bool) {
	if t.resident() {
		return treeRows(v.root(t).tree, t, from, to, backward)
	}
	return func(yield func([]byte, any) bool) {
		for key, value := range v.v.snapshot.Scan(from, to, backward) {
			if !yield(key, t.mustDecode(key, value)) {
				return
			}
		}
	}
}

// treeRows gives the rows of a tree with from <= key < to, both full keys.
func treeRows(tree *btree.BTreeG[row], t *table, from, to []byte, backward bool) func(func([]byte, any) bool) {
	low := row{key: string(from[len(t.prefix):])}
	behindAll := bytes.Equal(to, t.end())
	high := row{}
	if !behindAll {
		high.key = string(to[len(t.prefix):])
	}
	return func(yield func([]byte, any) bool) {
		full := slices.Clone(t.prefix)
		visit := func(r row) bool {
			full = append(full[:len(t.prefix)], r.key...)
			return yield(full, r.value)
		}
		down := func(r row) bool {
			switch {
			case r.key < low.key:
				return false
			case !behindAll && r.key >= high.key:
				return true
			}
			return visit(r)
		}
		switch {
		case !backward && behindAll:
			tree.AscendGreaterOrEqual(low, visit)
		case !backward:
			tree.AscendRange(low, high, visit)
		case behindAll:
			tree.Descend(down)
		default:
			tree.DescendLessOrEqual(high, down)
		}
	}
}

// Verify sums the records of the view again and compares the sum with the hash
// that was kept while they changed. It reads everything. For each record it
// calls proceed with the record's size, so that its caller can slow it down, or
// end it with an error; nil never does.
func (v *View) Verify(proceed func(bytes int) error) error {
	var sum Hash
	var term []byte
	for _, t := range v.v.store.tables {
		if !t.covered() {
			continue
		}
		for key, value := range v.v.snapshot.Scan(t.prefix, t.end(), false) {
			if proceed != nil {
				if err := proceed(len(key) + len(value)); err != nil {
					return err
				}
			}
			term = append(appendTerm(term[:0], key), value...)
			sum = sum.plus(hashRecord(term))
		}
	}
	if sum != v.v.hash {
		return &DamageError{Sum: sum, Hash: v.v.hash}
	}
	return nil
}

// DamageError says that the records of a state are not those that were put.
type DamageError struct {
	Sum, Hash Hash
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("the records sum to %s, the state hash is %s", e.Sum, e.Hash)
}
