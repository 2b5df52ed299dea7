package kv_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"acquired/fsm/kv"
)

func TestOpenRefusesWhatNoTableHas(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"a", "a/store\x00", "a/stored", "a/stored\x01", "a/stored_by_namex\x00", "b/resident\x00"[:10],
		"c/other\x00key", "hash", "hash\x00\x00", "hash\x01", "z/new\x00", "\xfe",
	} {
		engine := kv.NewMemory()
		engine.Commit([]kv.Write{{Key: []byte(key), Value: []byte("x")}})
		mustPanic(t, fmt.Sprintf("key %q belongs to no table", key), func() { open(engine) })
	}
}

func TestOpenRefusesATableWithADamagedRecord(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	key := number(7).AppendKey([]byte("b/resident\x00"))
	engine.Commit([]kv.Write{{Key: key, Value: []byte{7, 200}}})
	mustPanic(t, fmt.Sprintf("table b/resident: key %q: record is damaged", key), func() { open(engine) })
}

func TestOpenRefusesADamagedHash(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	engine.Commit([]kv.Write{{Key: []byte("hash\x00"), Value: []byte("short")}})
	mustPanic(t, "the state hash is damaged", func() { open(engine) })
}

func TestOpenRefusesTwoTablesOfOneName(t *testing.T) {
	t.Parallel()
	var twice kv.Schema
	for range 2 {
		kv.NewTable(&twice, "x", kv.Codec[record]{Append: appendRecord, Decode: decodeRecord},
			func(r record) number { return r.id }, 0)
	}
	mustPanic(t, "two tables are named x", func() { kv.Open(kv.NewMemory(), &twice) })
}

func TestDamageStopsReading(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	write(open(engine), func(tx *kv.Tx) { stored.records.Insert(tx, record{id: 7, name: "seven", tags: 1}) })
	key := number(7).AppendKey([]byte("a/stored\x00"))

	engine.Commit([]kv.Write{{Key: key, Value: []byte{7, 200}}})
	view := open(engine).View()
	defer view.Close()
	mustPanic(t, "table a/stored: key", func() { stored.records.Get(view, 7) })
	mustPanic(t, "table a/stored: key", func() {
		for range stored.records.All(view) {
			t.Error("All gives a damaged record")
		}
	})

	engine.Commit([]kv.Write{{Key: key, Delete: true}})
	view = open(engine).View()
	defer view.Close()
	mustPanic(t, "index a/stored_by_name leads to", func() { stored.byName.Find(view, "seven") })
	mustPanic(t, "index a/stored_by_tag leads to", func() {
		for range stored.byTag.Scan(view, 0, nil, false) {
			t.Error("Scan gives a record that does not exist")
		}
	})
}

func TestVerifyFindsAChangedRecord(t *testing.T) {
	t.Parallel()
	for _, s := range []*shelf{stored, resident} {
		engine := kv.NewMemory()
		write(open(engine), func(tx *kv.Tx) { s.records.Insert(tx, record{id: 7, value: 1}) })
		view := open(engine).View()
		if err := view.Verify(nil); err != nil {
			t.Fatalf("Verify of a sound state: %v", err)
		}
		key := []byte(dump(view)[0].Key)
		view.Close()

		engine.Commit([]kv.Write{{Key: key, Value: appendRecord(nil, record{id: 7, value: 2})}})
		view = open(engine).View()
		if err := view.Verify(nil); err == nil {
			t.Errorf("Verify does not find that the record at %q was changed", key)
		}
		view.Close()
	}
}

func TestUniqueIndexRefusesASecondRecord(t *testing.T) {
	t.Parallel()
	tx := open(kv.NewMemory()).Begin()
	resident.records.Insert(tx, record{id: 1, name: "x"})
	mustPanic(t, "index b/resident_by_name: two records at", func() {
		resident.records.Insert(tx, record{id: 2, name: "x"})
	})
}

func TestOnlyBookkeepingChangesAfterTheHash(t *testing.T) {
	t.Parallel()
	store := open(kv.NewMemory())
	tx := store.Begin()
	stored.records.Insert(tx, record{id: 1, name: "1"})
	hash := tx.Hash()
	mustPanic(t, "a change after the hash was made: a/stored", func() { stored.records.Insert(tx, record{id: 2}) })
	mustPanic(t, "a change after the hash was made: b/resident", func() { resident.records.Put(tx, record{id: 2}) })
	mustPanic(t, "a change after the hash was made: a/stored", func() { stored.records.Delete(tx, 1) })
	storedNotes.records.Insert(tx, record{id: 3, name: "3"})
	residentNotes.records.Insert(tx, record{id: 3, name: "3"})
	tx.Commit()
	if got := hashOf(store); got != hash || got == (kv.Hash{}) {
		t.Errorf("the hash is %s, the transaction said %s", got, hash)
	}
	view := store.View()
	defer view.Close()
	for i, s := range []*shelf{storedNotes, residentNotes} {
		if _, ok := s.records.Get(view, 3); !ok {
			t.Errorf("bookkeeping table %d lost what was put after the hash was made", i)
		}
	}
}

func TestHashLeavesOutBookkeepingAndRefusals(t *testing.T) {
	t.Parallel()
	store := open(kv.NewMemory())
	write(store, func(tx *kv.Tx) {
		stored.records.Insert(tx, record{id: 1, value: 1})
		resident.records.Insert(tx, record{id: 1, value: 1})
	})
	before := hashOf(store)
	write(store, func(tx *kv.Tx) {
		storedNotes.records.Insert(tx, record{id: 1})
		residentNotes.records.Insert(tx, record{id: 1})
	})
	if got := hashOf(store); got != before {
		t.Errorf("bookkeeping changed the hash from %s to %s", before, got)
	}
	write(store, func(tx *kv.Tx) {
		err := tx.Step(func() error {
			stored.records.Put(tx, record{id: 1, value: 2})
			resident.records.Delete(tx, 1)
			resident.records.Insert(tx, record{id: 2, value: 2})
			return errRefused
		})
		if err != errRefused {
			t.Errorf("the step returned %v, want %v", err, errRefused)
		}
	})
	if got := hashOf(store); got != before {
		t.Errorf("a refused step changed the hash from %s to %s", before, got)
	}
	write(store, func(tx *kv.Tx) { resident.records.Put(tx, record{id: 1, value: 2}) })
	if hashOf(store) == before {
		t.Errorf("a change did not change the hash")
	}
	write(store, func(tx *kv.Tx) {
		stored.records.Delete(tx, 1)
		resident.records.Delete(tx, 1)
	})
	if got := hashOf(store); got != (kv.Hash{}) {
		t.Errorf("the hash of a state without records is %s, want zeros", got)
	}
}

// TestHashForEver: states written by earlier releases carry their hash.
func TestHashForEver(t *testing.T) {
	t.Parallel()
	store := open(kv.NewMemory())
	write(store, func(tx *kv.Tx) {
		stored.records.Insert(tx, record{id: 1, name: "one", tags: 3, value: -1})
		resident.records.Insert(tx, record{id: 1 << 31, name: "two", tags: 255, value: 1 << 62})
	})
	const want = "f6577b2900ff252cf899c90d350fc7722fd36be05b33573bc189e6867be4baf0"
	if got := hashOf(store).String(); got != want {
		t.Errorf("the hash of two records is %s, it was %s", got, want)
	}
}

func TestIndexesOfResidentTablesAreNotStored(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	write(open(engine), func(tx *kv.Tx) {
		stored.records.Insert(tx, record{id: 1, name: "one", tags: 1})
		resident.records.Insert(tx, record{id: 1, name: "one", tags: 1})
	})
	snapshot := engine.Snapshot()
	defer snapshot.Close()
	var got []string
	for key := range snapshot.Scan([]byte{}, []byte{0xff}, false) {
		got = append(got, string(key[:bytes.IndexByte(key, 0)]))
	}
	want := []string{"a/stored", "a/stored_by_name", "a/stored_by_tag", "b/resident", "hash"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tables in the engine (-want +got):\n%s", diff)
	}
}

func TestScansDoNotShowWhatChangesDuringThem(t *testing.T) {
	t.Parallel()
	for _, s := range shelves {
		store := open(kv.NewMemory())
		write(store, func(tx *kv.Tx) {
			for id := range number(100) {
				s.records.Insert(tx, record{id: id, name: fmt.Sprint(id)})
			}
		})
		tx := store.Begin()
		for id := range number(50) {
			s.records.Put(tx, record{id: 2 * id, name: fmt.Sprint(2 * id), value: 1})
		}
		want := slices.Collect(s.records.All(tx))
		var got []record
		for r := range s.records.All(tx) {
			got = append(got, r)
			s.records.Put(tx, record{id: r.id, name: fmt.Sprint(r.id), value: 2})
			s.records.Delete(tx, (r.id+1)%100)
			s.records.Insert(tx, record{id: r.id + 100, name: fmt.Sprint(r.id + 100)})
		}
		if !slices.Equal(got, want) {
			t.Errorf("while records changed All gave\n\t%v\nbefore it gave\n\t%v", got, want)
		}
	}
}

// TestWhatCancelsOutIsNotWritten: what a transaction puts and takes away again
// does not reach the engine.
func TestWhatCancelsOutIsNotWritten(t *testing.T) {
	t.Parallel()
	engine := &recorder{Memory: kv.NewMemory()}
	store := open(engine)
	write(store, func(tx *kv.Tx) {
		for _, s := range shelves {
			s.records.Insert(tx, record{id: 1, name: "one", tags: 1})
			s.records.Delete(tx, 1)
		}
	})
	if len(engine.writes) != 0 {
		t.Errorf("%d writes reached the engine, want none: %v", len(engine.writes), engine.writes)
	}
}

// recorder is an engine that remembers the newest commit.
type recorder struct {
	*kv.Memory
	writes []kv.Write
}

func (r *recorder) Commit(writes []kv.Write) {
	r.writes = slices.Clone(writes)
	r.Memory.Commit(writes)
}

// TestViewsWhileCommitting reads views on several goroutines while versions
// follow each other, in each of which the values add up to zero.
func TestViewsWhileCommitting(t *testing.T) {
	t.Parallel()
	const ids, versions, readers = 40, 200, 3
	store := open(kv.NewMemory())
	write(store, func(tx *kv.Tx) {
		for id := range number(ids) {
			for _, s := range shelves {
				s.records.Insert(tx, record{id: id, name: fmt.Sprint(id), tags: 1})
			}
		}
	})
	done := make(chan struct{})
	var reading sync.WaitGroup
	for range readers {
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					readBalanced(t, store)
				}
			}
		})
	}
	for i := range versions {
		write(store, func(tx *kv.Tx) { shift(tx, number(i*7%ids), number(i*11%ids)) })
	}
	close(done)
	reading.Wait()
	store.Retire()
}

// shift moves one from a record to another, in all tables.
func shift(tx *kv.Tx, from, to number) {
	for _, s := range shelves {
		a, _ := s.records.Get(tx, from)
		a.value--
		s.records.Put(tx, a)
		b, _ := s.records.Get(tx, to)
		b.value++
		b.tags ^= 2
		s.records.Put(tx, b)
	}
}

func readBalanced(t *testing.T, store *kv.Store) {
	view := store.View()
	defer view.Close()
	for i, s := range shelves {
		sum := int64(0)
		for r := range s.records.All(view) {
			sum += r.value
		}
		for r := range s.byTag.Scan(view, 0, nil, true) {
			sum += r.value
		}
		if sum != 0 {
			t.Errorf("in a view the values of table %d add up to %d, want 0", i, sum)
		}
	}
	if err := view.Verify(nil); err != nil {
		t.Errorf("Verify of a view: %v", err)
	}
}

func TestRetireWaitsForViews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &closings{Memory: kv.NewMemory()}
		store := open(engine)
		old := store.View()
		write(store, func(tx *kv.Tx) { stored.records.Insert(tx, record{id: 1}) })
		newest := store.View()

		retired := make(chan struct{})
		go func() {
			store.Retire()
			close(retired)
		}()
		for _, view := range []*kv.View{newest, old} {
			synctest.Wait()
			select {
			case <-retired:
				t.Fatal("Retire returned while a view was open")
			default:
			}
			if view := store.View(); view != nil {
				t.Fatal("a retired store gives a view")
			}
			stored.records.Get(view, 1)
			view.Close()
		}
		<-retired
		if engine.open != 0 {
			t.Errorf("%d snapshots are open after Retire, want 0", engine.open)
		}
	})
}

func TestSnapshotsAreClosedWithTheirLastView(t *testing.T) {
	t.Parallel()
	engine := &closings{Memory: kv.NewMemory()}
	store := open(engine)
	a, b := store.View(), store.View()
	write(store, func(tx *kv.Tx) { stored.records.Insert(tx, record{id: 1}) })
	for _, step := range []struct {
		do   func()
		want int
	}{
		{func() {}, 2},
		{a.Close, 2},
		{b.Close, 1},
		{func() { write(store, func(*kv.Tx) {}) }, 1},
		{store.Retire, 0},
	} {
		if step.do(); engine.open != step.want {
			t.Errorf("%d snapshots are open, want %d", engine.open, step.want)
		}
	}
}

// closings is an engine that counts its open snapshots.
type closings struct {
	*kv.Memory
	open int
}

func (c *closings) Snapshot() kv.Snapshot {
	c.open++
	return closing{c.Memory.Snapshot(), c}
}

type closing struct {
	kv.Snapshot
	of *closings
}

func (c closing) Close() { c.of.open-- }
