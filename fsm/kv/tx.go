package kv

import (
	"slices"

	"github.com/google/btree"
)

// Tx builds the next version of a store. One goroutine uses it; at most one Tx
// of a store is open at a time.
type Tx struct {
	store *Store // nil for an overlay
	base  *version
	roots []root
	// cloned says which trees are the transaction's own; the others are those
	// of the base and must not be changed.
	cloned []bool
	// touched are the keys of the changes of a stored table, in order, and those of
	// changes that were undone. It begins with the first scan of the table.
	touched map[*table]*btree.BTreeG[string]
	workspace
	// loading: the records come from the engine, so they are not written again.
	loading bool
	// sealed: the hash is made.
	sealed bool
	hash   Hash
}

type change struct {
	table *table
	key   string // with prefix
	// before and value are pointers to records; nil is none.
	before, value any
	// previous is the change of the same key before this one, or -1.
	previous int
}

// Begin starts the next version.
func (s *Store) Begin() *Tx {
	base := s.current.Load()
	tx := &Tx{store: s, base: base, roots: slices.Clone(base.roots), cloned: make([]bool, s.width), workspace: s.spare}
	s.spare = workspace{}
	if tx.latest == nil {
		tx.latest = make(map[string]int)
	}
	return tx
}

// Step runs do and, when it returns an error, takes back everything it changed.
// The error is returned as it is.
func (tx *Tx) Step(do func() error) error {
	mark := len(tx.changes)
	err := do()
	if err != nil {
		tx.undo(mark)
	}
	return err
}

func (tx *Tx) undo(mark int) {
	for i := len(tx.changes) - 1; i >= mark; i-- {
		c := &tx.changes[i]
		tx.setRoot(c.table, c.key, c.before)
		if c.previous < 0 {
			delete(tx.latest, c.key)
			continue
		}
		tx.latest[c.key] = c.previous
	}
	clear(tx.changes[mark:])
	tx.changes = tx.changes[:mark]
}

// change records that the value at key becomes value.
func (tx *Tx) change(t *table, key string, before, value any) {
	if tx.sealed && t.covered() {
		panic("state: a change after the hash was made: " + t.name)
	}
	tx.setRoot(t, key, value)
	if !tx.loading {
		previous, ok := tx.latest[key]
		if !ok {
			previous = -1
		}
		tx.latest[key] = len(tx.changes)
		if keys := tx.touched[t]; keys != nil {
			keys.ReplaceOrInsert(key)
		}
		tx.changes = append(tx.changes, change{table: t, key: key, before: before, value: value, previous: previous})
	}
	for _, index := range t.indexes {
		index.update(tx, key, before, value)
	}
}

// setRoot does to what is in memory of the table what is done to the table.
func (tx *Tx) setRoot(t *table, key string, value any) {
	root := tx.root(t)
	root.stamp = newStamp()
	if !t.resident() {
		return
	}
	if !tx.cloned[t.slot] {
		// Clone also writes to the tree it clones, and others may clone it now.
		shared := *root.tree
		root.tree = shared.Clone()
		tx.cloned[t.slot] = true
	}
	root.set(t, row{key: key[len(t.prefix):], value: value}, tx.loading)
}

// room implements Reader. A transaction builds one key at a time.
func (tx *Tx) room() []byte {
	if tx.scratch == nil {
		tx.scratch = make([]byte, 0, 4*keyRoom)
	}
	return tx.scratch[:0]
}

func (tx *Tx) root(t *table) *root { return &tx.roots[t.slot] }

func (tx *Tx) value(t *table, key []byte) any {
	if t.resident() {
		return tx.root(t).get(t, key)
	}
	if i, ok := tx.latest[string(key)]; ok {
		return tx.changes[i].value
	}
	return tx.base.stored(t, key)
}

func (tx *Tx) rows(t *table, from, to []byte, backward bool) func(func([]byte, any) bool) {
	if t.resident() {
		tree := tx.root(t).tree
		if tx.cloned[t.slot] {
			// A tree must not change while it is scanned; its clone does not.
			tree = tree.Clone()
		}
		return treeRows(tree, t, from, to, backward)
	}
	return tx.merged(t, from, to, backward)
}

// merged gives the stored rows with the changes of this transaction over them,
// as they are now: what changes while the rows are read does not show.
func (tx *Tx) merged(t *table, from, to []byte, backward bool) func(func([]byte, any) bool) {
	changes := tx.changesOf(t, from, to, backward)
	ahead := func(a string, b []byte) bool { return !backward && a < string(b) || backward && a > string(b) }
	return func(yield func([]byte, any) bool) {
		changed := changes
		emit := func() bool {
			c := changed[0]
			changed = changed[1:]
			return c.value == nil || yield([]byte(c.key), c.value)
		}
		for key, value := range tx.base.snapshot.Scan(from, to, backward) {
			for len(changed) > 0 && ahead(changed[0].key, key) {
				if !emit() {
					return
				}
			}
			if len(changed) > 0 && changed[0].key == string(key) {
				if !emit() {
					return
				}
				continue
			}
			if !yield(key, t.mustDecode(key, value)) {
				return
			}
		}
		for len(changed) > 0 {
			if !emit() {
				return
			}
		}
	}
}

// changesOf gives the newest change of each key in the range, in order. What it costs
// is in what changed there, and not in what else did.
func (tx *Tx) changesOf(t *table, from, to []byte, backward bool) (changed []change) {
	tx.keysOf(t).AscendRange(string(from), string(to), func(key string) bool {
		if i, ok := tx.latest[key]; ok {
			changed = append(changed, tx.changes[i])
		}
		return true
	})
	if backward {
		slices.Reverse(changed)
	}
	return changed
}

func (tx *Tx) keysOf(t *table) *btree.BTreeG[string] {
	if keys := tx.touched[t]; keys != nil {
		return keys
	}
	keys := btree.NewOrderedG[string](treeDegree)
	for i := range tx.changes {
		if c := &tx.changes[i]; c.table == t {
			keys.ReplaceOrInsert(c.key)
		}
	}
	if tx.touched == nil {
		tx.touched = make(map[*table]*btree.BTreeG[string])
	}
	tx.touched[t] = keys
	return keys
}

// Hash gives the hash that the state will have. From here on only bookkeeping
// tables may change.
func (tx *Tx) Hash() Hash {
	if !tx.sealed {
		tx.hash = tx.base.hash
		tx.seal(true)
		tx.sealed = true
	}
	return tx.hash
}

// Commit makes what was built the current version. The transaction is over.
func (tx *Tx) Commit() {
	if tx.store == nil {
		panic("state: an overlay is never committed")
	}
	hash := tx.Hash()
	tx.seal(false)
	if hash != tx.base.hash {
		tx.writes = append(tx.writes, Write{Key: stateHash, Value: hash.Bytes()})
	}
	store := tx.store
	store.engine.Commit(tx.writes)
	store.publish(&version{store: store, roots: tx.roots, snapshot: store.engine.Snapshot(), hash: hash})
	store.spare.take(&tx.workspace)
}

// seal turns the changes of the tables that the hash covers, or of the others,
// into writes and keeps the hash.
func (tx *Tx) seal(covered bool) {
	for i := range tx.changes {
		c := &tx.changes[i]
		if c.table.covered() != covered || c.table.memoryOnly || tx.latest[c.key] != i {
			continue
		}
		before := tx.original(c)
		if before == nil && c.value == nil {
			continue
		}
		if covered && before != nil {
			_, term := tx.encode(c, before)
			tx.hash = tx.hash.minus(hashRecord(term))
		}
		write, term := tx.encode(c, c.value)
		tx.writes = append(tx.writes, write)
		if covered && c.value != nil {
			tx.hash = tx.hash.plus(hashRecord(term))
		}
	}
}

// encode gives the write of a record, or of its deletion when it is nil, and
// the bytes of its term in the hash.
func (tx *Tx) encode(c *change, record any) (w Write, term []byte) {
	begin := len(tx.bytes)
	tx.bytes = appendTerm(tx.bytes, c.key)
	key := len(tx.bytes) - len(c.key)
	value := len(tx.bytes)
	if record != nil {
		tx.bytes = c.table.append(tx.bytes, record)
	}
	end := len(tx.bytes)
	w = Write{Key: tx.bytes[key:value:value], Value: tx.bytes[value:end:end], Delete: record == nil}
	return w, tx.bytes[begin:end]
}

// original is the record before the transaction, or nil.
func (tx *Tx) original(c *change) any {
	for c.previous >= 0 {
		c = &tx.changes[c.previous]
	}
	return c.before
}

// workspace is the memory that a transaction works in. A store hands it from one
// to the next: a large entry fills much of it.
type workspace struct {
	// changes is everything that was done, in order; latest leads from a full
	// key to the newest change of it.
	changes []change
	latest  map[string]int
	writes  []Write
	bytes   []byte // what writes are made of
	scratch []byte // the key that is being built
}

// A workspace that grew beyond these is not kept.
const (
	maxSpareChanges = 1 << 17
	maxSpareBytes   = 16 << 20
)

// take empties a workspace and keeps it.
func (w *workspace) take(used *workspace) {
	if cap(used.changes) > maxSpareChanges || cap(used.bytes) > maxSpareBytes {
		return
	}
	clear(used.changes)
	clear(used.latest)
	clear(used.writes)
	*w = workspace{changes: used.changes[:0], latest: used.latest, writes: used.writes[:0], bytes: used.bytes[:0], scratch: used.scratch[:0]}
	*used = workspace{}
}
