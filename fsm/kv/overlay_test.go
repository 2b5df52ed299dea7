package kv_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/fsm/kv"
)

func ids(records func(func(record) bool)) (all []number) {
	for r := range records {
		all = append(all, r.id)
	}
	return all
}

func TestOverlay(t *testing.T) {
	t.Parallel()
	for _, s := range shelves {
		store := open(kv.NewMemory())
		write(store, func(tx *kv.Tx) {
			s.records.Insert(tx, record{id: 1, name: "one", tags: 1})
			s.records.Insert(tx, record{id: 2, name: "two", tags: 1})
		})
		view := store.View()
		defer view.Close()
		before := dump(view)

		overlay := view.Overlay()
		s.records.Put(overlay, record{id: 1, name: "uno", tags: 2})
		s.records.Delete(overlay, 2)
		s.records.Insert(overlay, record{id: 3, name: "three", tags: 1})
		mark := s.records.Stamp(overlay)
		refusal := errors.New("refused")
		if err := overlay.Step(func() error {
			s.records.Delete(overlay, 1)
			s.records.Insert(overlay, record{id: 4, name: "four", tags: 1})
			return refusal
		}); !errors.Is(err, refusal) {
			t.Errorf("Step gives %v", err)
		}

		if got, want := ids(s.records.All(overlay)), []number{1, 3}; !slices.Equal(got, want) {
			t.Errorf("the overlay has %v, want %v", got, want)
		}
		if got, want := ids(s.byTag.Scan(overlay, 0, nil, false)), []number{3}; !slices.Equal(got, want) {
			t.Errorf("with the tag the overlay has %v, want %v", got, want)
		}
		if got, ok := s.byName.Find(overlay, "uno"); !ok || got.id != 1 {
			t.Errorf("by its new name record 1 is %v, %v", got, ok)
		}
		if _, ok := s.byName.Find(overlay, "one"); ok {
			t.Error("record 1 is found by the name it had")
		}
		if stamp := s.records.Stamp(overlay); stamp == mark || stamp == s.records.Stamp(view) {
			t.Errorf("the stamp %d was there before what was tried out and taken back", stamp)
		}
		if diff := cmp.Diff(before, dump(view)); diff != "" {
			t.Errorf("the view changed: %s", diff)
		}
	}
}

func TestOverlaysHaveStampsOfTheirOwn(t *testing.T) {
	t.Parallel()
	store := open(kv.NewMemory())
	write(store, func(tx *kv.Tx) { resident.records.Insert(tx, record{id: 1, name: "1"}) })
	view := store.View()
	defer view.Close()
	untouched, touched, other := view.Overlay(), view.Overlay(), view.Overlay()
	resident.records.Put(touched, record{id: 1, name: "a"})
	resident.records.Put(other, record{id: 1, name: "b"})
	write(store, func(tx *kv.Tx) { resident.records.Put(tx, record{id: 1, name: "c"}) })
	newest := store.View()
	defer newest.Close()

	if got, want := resident.records.Stamp(untouched), resident.records.Stamp(view); got != want {
		t.Errorf("the stamp of an overlay without changes is %d, that of its view %d", got, want)
	}
	seen := make(map[uint64]bool)
	for _, r := range []kv.Reader{view, touched, other, newest} {
		seen[resident.records.Stamp(r)] = true
	}
	if len(seen) != 4 {
		t.Errorf("four states have %d stamps", len(seen))
	}
	if got, want := stored.records.Stamp(touched), stored.records.Stamp(view); got != want {
		t.Errorf("the stamp of a table without changes is %d in the overlay, %d in its view", got, want)
	}
}

func TestOverlaysAreNotCommitted(t *testing.T) {
	t.Parallel()
	store := open(kv.NewMemory())
	view := store.View()
	defer view.Close()
	overlay := view.Overlay()
	resident.records.Insert(overlay, record{id: 1, name: "1"})
	mustPanic(t, "an overlay is never committed", overlay.Commit)
	if got, want := hashOf(store), view.Hash(); got != want {
		t.Errorf("the hash of the store is %s, it was %s", got, want)
	}
}

// TestOverlaysBesideTheStore: overlays of one view are worked on by several
// goroutines while the store commits; the race detector watches.
func TestOverlaysBesideTheStore(t *testing.T) {
	t.Parallel()
	const records, rounds = 100, 50
	store := open(kv.NewMemory())
	fill := func(tx *kv.Tx, value int64) {
		for id := range number(records) {
			for _, s := range shelves {
				s.records.Put(tx, record{id: id, name: string(rune('a' + id)), tags: 1, value: value})
			}
		}
	}
	write(store, func(tx *kv.Tx) { fill(tx, 0) })
	var group sync.WaitGroup
	for worker := range int64(3) {
		group.Go(func() {
			for round := range int64(rounds) {
				view := store.View()
				overlay := view.Overlay()
				fill(overlay, -1-worker)
				for _, s := range shelves {
					for r := range s.byTag.Scan(overlay, 0, nil, false) {
						if r.value != -1-worker {
							t.Errorf("round %d: overlay %d has %d in record %d", round, worker, r.value, r.id)
						}
					}
				}
				view.Close()
			}
		})
	}
	for round := range int64(rounds) {
		write(store, func(tx *kv.Tx) { fill(tx, round) })
	}
	group.Wait()
	view := store.View()
	defer view.Close()
	if err := view.Verify(nil); err != nil {
		t.Error(err)
	}
	for _, s := range shelves {
		for r := range s.records.All(view) {
			if r.value != rounds-1 {
				t.Errorf("the store has %d in record %d, want %d", r.value, r.id, rounds-1)
			}
		}
	}
}
