package kv

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// sign is a record of the hashed tables of the tests.
type sign struct {
	name  StringKey
	value uint64
}

var signs = Codec[sign]{
	Append: func(b []byte, s sign) []byte { return AppendUint(AppendString(b, s.name), s.value) },
	Decode: func(b []byte) (sign, error) {
		d := NewDecoder(b)
		s := sign{name: StringKey(d.String()), value: d.Uint()}
		return s, d.Err()
	},
}

func signName(s sign) StringKey { return s.name }

// value is the key of an index.
type value uint64

func (v value) AppendKey(b []byte) []byte { return AppendUint64Key(b, uint64(v)) }

// board is a hashed table with an index.
type board struct {
	signs   *Table[StringKey, sign]
	byValue *Index[value, sign]
}

// The boards of the tests differ in how their hashes collide. The stored table
// has nothing in memory.
var (
	hashedSchema Schema

	boards = [...]board{
		newBoard("board/good", hashString),
		newBoard("board/one", func(string) uint64 { return 1<<64 - 1 }),
		newBoard("board/few", func(key string) uint64 { return uint64(len(key)%3) << 60 }),
		newBoard("board/near", func(key string) uint64 { return hashString(key) | 1<<60 - 1 }),
	}
	storedSigns = NewTable(&hashedSchema, "stored", signs, signName, 0)
)

func newBoard(name string, hash func(string) uint64) board {
	table := newHashed(&hashedSchema, name, signs, signName, 0, hash)
	return board{table, NewIndex(&hashedSchema, table, name+"_by_value", func(s sign, add func(value)) { add(value(s.value)) })}
}

// boardModel is what the boards must hold, and their stamps.
type boardModel struct {
	signs  [len(boards)]map[StringKey]uint64
	stamps [len(boards)]uint64
}

func (m *boardModel) clone() boardModel {
	c := boardModel{stamps: m.stamps}
	for i := range m.signs {
		c.signs[i] = maps.Clone(m.signs[i])
	}
	return c
}

// boardRun is one run of the model test of hashed tables.
type boardRun struct {
	model boardModel
	seen  map[uint64]bool // the stamps that were given
	tx    *Tx
}

var errTakenBack = errors.New("taken back")

// TestHashedModel changes hashed tables at random, in steps that are taken back
// at random, and compares them with maps. The views of all versions stay open
// and must show at the end what they showed when they were new.
func TestHashedModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		engine := NewMemory()
		store := Open(engine, &hashedSchema)
		r := &boardRun{seen: map[uint64]bool{0: true}}
		for i := range boards {
			r.model.signs[i] = make(map[StringKey]uint64)
		}
		var views []*View
		var models []boardModel
		keep := func() {
			view := store.View()
			for i := range boards {
				r.model.stamps[i] = boards[i].signs.Stamp(view)
			}
			views, models = append(views, view), append(models, r.model.clone())
		}
		keep()
		for range rapid.IntRange(1, 6).Draw(t, "transactions") {
			r.tx = store.Begin()
			for range rapid.IntRange(0, 4).Draw(t, "steps") {
				r.step(t)
			}
			r.tx.Commit()
			keep()
		}
		for i, view := range views {
			compareBoards(t, fmt.Sprintf("version %d", i), view, &models[i])
			if err := view.Verify(nil); err != nil {
				t.Fatalf("Verify of version %d: %v", i, err)
			}
			view.Close()
		}
		opened := Open(engine, &hashedSchema).View()
		defer opened.Close()
		for i := range boards {
			r.model.stamps[i] = boards[i].signs.Stamp(opened)
			r.mustBeNew(t, "a store that is opened again", r.model.stamps[i])
		}
		compareBoards(t, "the state opened again", opened, &r.model)
	})
}

func (r *boardRun) mustBeNew(t *rapid.T, what string, stamp uint64) {
	t.Helper()
	if r.seen[stamp] {
		t.Fatalf("%s has the stamp %d, which was given before", what, stamp)
	}
	r.seen[stamp] = true
}

// step changes the boards, all or nothing.
func (r *boardRun) step(t *rapid.T) {
	before := r.model.clone()
	err := r.tx.Step(func() error {
		for range rapid.IntRange(0, 40).Draw(t, "changes") {
			r.change(t)
		}
		compareBoards(t, "the transaction", r.tx, &r.model)
		if rapid.IntRange(0, 2).Draw(t, "taken back") == 0 {
			return errTakenBack
		}
		return nil
	})
	if err == nil {
		return
	}
	stamps := r.model.stamps
	r.model = before
	for i := range boards {
		if stamps[i] == before.stamps[i] {
			continue // nothing changed
		}
		r.model.stamps[i] = boards[i].signs.Stamp(r.tx)
		r.mustBeNew(t, "a table of which a change was taken back", r.model.stamps[i])
	}
	compareBoards(t, "the transaction after a step was taken back", r.tx, &r.model)
}

// signNames are enough to split buckets, and differ in length.
var signNames = func() (names []StringKey) {
	for i := range 3 * bucketRows {
		names = append(names, StringKey(strings.Repeat("x", i%5)+fmt.Sprint(i)))
	}
	return append(names, "", "\xff")
}()

func (r *boardRun) change(t *rapid.T) {
	i := rapid.IntRange(0, len(boards)-1).Draw(t, "board")
	signs, model := boards[i].signs, r.model.signs[i]
	name := rapid.SampledFrom(signNames).Draw(t, "name")
	_, exists := model[name]
	switch rapid.IntRange(0, 2).Draw(t, "delete") {
	case 0:
		signs.Delete(r.tx, name)
		delete(model, name)
		if !exists {
			return
		}
	default:
		s := sign{name, rapid.Uint64Range(0, 2).Draw(t, "value")}
		if exists {
			signs.Put(r.tx, s)
		} else {
			signs.Insert(r.tx, s)
		}
		model[name] = s.value
	}
	r.model.stamps[i] = signs.Stamp(r.tx)
	r.mustBeNew(t, "a table that changed", r.model.stamps[i])
}

func compareBoards(t *rapid.T, what string, r Reader, m *boardModel) {
	t.Helper()
	for i, b := range boards {
		if got := b.signs.Stamp(r); got != m.stamps[i] {
			t.Fatalf("%s: the stamp of %s is %d, want %d", what, b.signs.t.name, got, m.stamps[i])
		}
		for _, name := range signNames {
			want, exists := m.signs[i][name]
			ref := b.signs.Ref(r, name)
			if (ref != nil) != exists || exists && *ref != (sign{name, want}) {
				t.Fatalf("%s: Ref(%q) of %s gives %v; want %d, %v", what, name, b.signs.t.name, ref, want, exists)
			}
			got, ok := b.signs.Get(r, name)
			if ok != exists || got.value != want {
				t.Fatalf("%s: Get(%q) of %s gives %v, %v; want %d, %v", what, name, b.signs.t.name, got, ok, want, exists)
			}
		}
		var want, got []StringKey
		for _, name := range slices.Sorted(maps.Keys(m.signs[i])) {
			if m.signs[i][name] == 1 {
				want = append(want, name)
			}
		}
		for s := range b.byValue.Scan(r, 1, nil, false) {
			got = append(got, s.name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: Scan(1) of %s gives %q, want %q", what, b.signs.t.name, got, want)
		}
	}
}

// TestTrieShape: a trie is as deep as its rows need and no deeper, also when
// it had more of them.
func TestTrieShape(t *testing.T) {
	t.Parallel()
	const n = 5000
	var grown trie
	rows := make([]hashedRow, n)
	for i := range rows {
		key := fmt.Sprint(i)
		rows[i] = hashedRow{hash: hashString(key), key: key, value: i}
		grown = grown.with(rows[i])
	}
	for what, tree := range map[string]trie{"grown": grown, "split": split(slices.Clone(rows), 0)} {
		if size := checkShape(t, what, &tree); size != n {
			t.Errorf("a %s trie has %d rows, want %d", what, size, n)
		}
		for i, row := range rows {
			row.value = nil
			tree = tree.with(row)
			if i%500 == 0 {
				checkShape(t, what, &tree)
			}
		}
		if tree.branches != nil || len(tree.bucket) > 0 {
			t.Errorf("a %s trie without rows is %v, want an empty bucket", what, tree)
		}
	}
}

// checkShape checks all buckets and gives the number of rows.
func checkShape(t *testing.T, what string, tree *trie) (size int) {
	t.Helper()
	if tree.branches == nil {
		if len(tree.bucket) > bucketRows {
			t.Errorf("a %s trie has a bucket of %d rows, at most %d are wanted", what, len(tree.bucket), bucketRows)
		}
		return len(tree.bucket)
	}
	for i := range tree.branches {
		size += checkShape(t, what, &tree.branches[i])
	}
	if size <= bucketRows/2 {
		t.Errorf("a %s trie has branches for %d rows", what, size)
	}
	return size
}

func TestRefAllocatesNothing(t *testing.T) {
	long := StringKey(strings.Repeat("/segment", 64))
	store := Open(NewMemory(), &hashedSchema)
	table := boards[0].signs
	tx := store.Begin()
	table.Insert(tx, sign{name: long})
	tx.Commit()
	view := store.View()
	defer view.Close()
	for name, reader := range map[string]Reader{"a view": view, "a transaction": store.Begin()} {
		for _, key := range []StringKey{long, long[1:]} {
			read := func() {
				if (table.Ref(reader, key) != nil) != (key == long) {
					t.Errorf("Ref of %s finds the wrong record", name)
				}
				table.Get(reader, key)
				table.Stamp(reader)
			}
			if got := testing.AllocsPerRun(100, read); got != 0 {
				t.Errorf("reading %s allocates %v times, want none", name, got)
			}
		}
	}
}

// TestRefStays: what Ref gave does not change, and is the record itself.
func TestRefStays(t *testing.T) {
	t.Parallel()
	table := boards[0].signs
	tx := Open(NewMemory(), &hashedSchema).Begin()
	table.Insert(tx, sign{"a", 1})
	one := table.Ref(tx, "a")
	if again := table.Ref(tx, "a"); again != one {
		t.Errorf("Ref gives %p and then %p, want the same record", one, again)
	}
	table.Put(tx, sign{"a", 2})
	if two := table.Ref(tx, "a"); one.value != 1 || two.value != 2 {
		t.Errorf("Ref gave a record with %d before and %d after it was put, want 1 and 2", one.value, two.value)
	}
}

func TestRefOfAStoredTable(t *testing.T) {
	t.Parallel()
	tx := Open(NewMemory(), &hashedSchema).Begin()
	storedSigns.Insert(tx, sign{"a", 1})
	if got := storedSigns.Ref(tx, "a"); got == nil || *got != (sign{"a", 1}) {
		t.Errorf("Ref gives %v, want the record that was put", got)
	}
	if got := storedSigns.Ref(tx, "b"); got != nil {
		t.Errorf("Ref gives %v for a key without a record, want nil", got)
	}
}

// TestStampsOfOtherTables: a stamp changes with its own table only, be it
// hashed or stored.
func TestStampsOfOtherTables(t *testing.T) {
	t.Parallel()
	store := Open(NewMemory(), &hashedSchema)
	tables := []*Table[StringKey, sign]{boards[0].signs, boards[1].signs, storedSigns}
	old := store.View()
	defer old.Close()
	for i, table := range tables {
		before := store.View()
		tx := store.Begin()
		table.Put(tx, sign{name: "a"})
		tx.Commit()
		after := store.View()
		for j, other := range tables {
			if was, is := other.Stamp(before), other.Stamp(after); (was != is) != (i == j) {
				t.Errorf("a change of %s makes the stamp of %s %d, it was %d", table.t.name, other.t.name, is, was)
			}
		}
		before.Close()
		after.Close()
	}
	if got := boards[0].signs.Stamp(old); got == 0 {
		t.Error("a stamp is zero")
	}
}

// bare is a key without an end.
type bare string

func (k bare) AppendKey(b []byte) []byte { return append(b, k...) }

func TestHashedTablesRefuseOtherKeys(t *testing.T) {
	t.Parallel()
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "table x: a hashed table needs keys like StringKey") {
			t.Errorf("NewHashed panicked with %q", got)
		}
	}()
	NewHashed(new(Schema), "x", Codec[bare]{}, func(k bare) bare { return k }, 0)
}

// TestHashedViewsWhileCommitting reads views on several goroutines while
// versions follow each other, in each of which all records are equal.
func TestHashedViewsWhileCommitting(t *testing.T) {
	t.Parallel()
	store := Open(NewMemory(), &hashedSchema)
	table := boards[0].signs
	putAll := func(value uint64) {
		tx := store.Begin()
		for _, name := range signNames {
			table.Put(tx, sign{name, value})
		}
		tx.Commit()
	}
	putAll(1)
	const versions = 200
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			for newest := uint64(0); newest < versions; {
				view := store.View()
				newest = table.Ref(view, signNames[0]).value
				for _, name := range signNames {
					if got := table.Ref(view, name); got.value != newest {
						t.Errorf("in one view a record has %d and another %d", newest, got.value)
					}
				}
				view.Close()
			}
		})
	}
	for i := range uint64(versions) {
		putAll(i + 1)
	}
	reading.Wait()
}
