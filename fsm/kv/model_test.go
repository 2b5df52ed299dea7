package kv_test

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"acquired/fsm/kv"
)

// model is what the tables must hold: one map a shelf.
type model [len(shelves)]map[number]record

func (m *model) clone() (c model) {
	for i := range m {
		c[i] = maps.Clone(m[i])
	}
	return c
}

// run is one run of the model test.
type run struct {
	store *kv.Store
	model model
	tx    *kv.Tx
	held  []heldView
}

// heldView is a view and what it showed when it was taken.
type heldView struct {
	view  *kv.View
	model model
}

// TestModel changes tables at random, in steps that are refused at random, and
// compares everything that can be read with maps.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		engine := kv.NewMemory()
		r := &run{store: open(engine)}
		for i := range r.model {
			r.model[i] = make(map[number]record)
		}
		for range rapid.IntRange(1, 6).Draw(t, "transactions") {
			r.transaction(t)
			r.inspect(t, engine)
		}
		for _, h := range r.held {
			compare(t, "a view that was held", h.view, &h.model)
			h.view.Close()
		}
		r.store.Retire()
	})
}

// transaction commits a few steps.
func (r *run) transaction(t *rapid.T) {
	r.tx = r.store.Begin()
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		r.step(t, 2)
		compare(t, "the transaction", r.tx, &r.model)
	}
	r.tx.Commit()
}

var errRefused = errors.New("refused")

// step is a command: all or nothing. It may hold others.
func (r *run) step(t *rapid.T, depth int) {
	before := r.model.clone()
	err := r.tx.Step(func() error {
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			r.change(t)
			if depth > 0 && rapid.IntRange(0, 3).Draw(t, "nested") == 0 {
				r.step(t, depth-1)
			}
		}
		if rapid.Bool().Draw(t, "refused") {
			compare(t, "the transaction before a refusal", r.tx, &r.model)
			return errRefused
		}
		return nil
	})
	switch err {
	case nil:
	case errRefused:
		r.model = before
	default:
		t.Fatalf("the step returned %v, want the error of its function", err)
	}
}

var (
	// The numbers have keys of which many are near each other, and the last.
	numbers = rapid.SampledFrom([]number{0, 1, 2, 3, 254, 255, 256, 65535, 65536, 1<<32 - 1})
	names   = rapid.SampledFrom([]string{"", "a", "aa", "ab", "b", "\xff", "\xff\xff"})
	records = rapid.Custom(func(t *rapid.T) record {
		return record{
			id: numbers.Draw(t, "id"), name: names.Draw(t, "name"),
			tags: rapid.Uint8().Draw(t, "tags"), value: rapid.Int64Range(-2, 2).Draw(t, "value"),
		}
	})
)

func (r *run) change(t *rapid.T) {
	i := rapid.IntRange(0, len(shelves)-1).Draw(t, "shelf")
	table, model := shelves[i].records, r.model[i]
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		id := numbers.Draw(t, "id")
		table.Delete(r.tx, id)
		delete(model, id)
		return
	}
	rec := records.Draw(t, "record")
	for _, other := range model {
		if other.name == rec.name && other.id != rec.id {
			return // a name is of one record
		}
	}
	if _, ok := model[rec.id]; ok {
		table.Put(r.tx, rec)
	} else {
		table.Insert(r.tx, rec)
	}
	model[rec.id] = rec
}

// inspect compares the committed state, the state as it is found when the
// engine is opened again, and a view of an earlier one.
func (r *run) inspect(t *rapid.T, engine kv.Engine) {
	view := r.store.View()
	compare(t, "the view", view, &r.model)
	if err := view.Verify(nil); err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if want := r.rebuilt(); view.Hash() != want {
		t.Fatalf("the hash is %s, the hash of an equal state made in another way is %s", view.Hash(), want)
	}
	again := open(engine)
	opened := again.View()
	compare(t, "the view after opening again", opened, &r.model)
	if diff := cmp.Diff(dump(view), dump(opened)); diff != "" {
		t.Fatalf("opened again the state differs (-before +after):\n%s", diff)
	}
	opened.Close()
	again.Retire()

	r.held = append(r.held, heldView{view, r.model.clone()})
	i := rapid.IntRange(0, len(r.held)-1).Draw(t, "held")
	compare(t, "a view that is held", r.held[i].view, &r.held[i].model)
	if len(r.held) > 3 {
		r.held[i].view.Close()
		r.held = slices.Delete(r.held, i, i+1)
	}
}

// rebuilt gives the hash of the model's state, put backward and without what
// the hash leaves out.
func (r *run) rebuilt() kv.Hash {
	store := open(kv.NewMemory())
	tx := store.Begin()
	for i, s := range shelves {
		if !s.hashed {
			continue
		}
		for _, id := range slices.Backward(slices.Sorted(maps.Keys(r.model[i]))) {
			s.records.Put(tx, r.model[i][id])
		}
	}
	return tx.Hash()
}

// compare reads r in every way there is.
func compare(t *rapid.T, what string, r kv.Reader, m *model) {
	t.Helper()
	id, name := numbers.Draw(t, "id"), names.Draw(t, "name")
	of, backward := tag(rapid.IntRange(0, tags-1).Draw(t, "tag")), rapid.Bool().Draw(t, "backward")
	most := rapid.IntRange(0, 12).Draw(t, "most")
	for i, s := range shelves {
		want := slices.SortedFunc(maps.Values(m[i]), func(a, b record) int { return int(int64(a.id) - int64(b.id)) })

		all := s.records.All(r)
		same(t, what+": All", all, want)
		same(t, what+": All, a second time", all, want)
		same(t, what+": some of All", first(most, all), want[:min(most, len(want))])
		same(t, what+": From", s.records.From(r, id), filter(want, func(r record) bool { return r.id >= id }))

		got, ok := s.records.Get(r, id)
		if rec, exists := m[i][id]; ok != exists || got != rec {
			t.Fatalf("%s: Get(%d) gives %v, %v; want %v, %v", what, id, got, ok, rec, exists)
		}
		got, ok = s.byName.Find(r, kv.StringKey(name))
		named := append(filter(want, func(r record) bool { return r.name == name }), record{})
		if ok != (len(named) > 1) || got != named[0] {
			t.Fatalf("%s: Find(%q) gives %v, %v; want %v", what, name, got, ok, named)
		}

		tagged := filter(want, func(r record) bool { return r.tags&(1<<of) != 0 })
		behind := filter(tagged, func(r record) bool { return r.id > id })
		if backward {
			slices.Reverse(tagged)
			behind = filter(tagged, func(r record) bool { return r.id < id })
		}
		scan := s.byTag.Scan(r, of, nil, backward)
		same(t, what+": Scan", scan, tagged)
		same(t, what+": some of Scan", first(most, scan), tagged[:min(most, len(tagged))])
		same(t, what+": Scan after", s.byTag.Scan(r, of, id, backward), behind)
	}
}

func same(t *rapid.T, what string, got iter.Seq[record], want []record) {
	t.Helper()
	if got := slices.Collect(got); !slices.Equal(got, want) {
		t.Fatalf("%s gives\n\t%v\nwant\n\t%v", what, got, want)
	}
}

func filter(all []record, keep func(record) bool) (some []record) {
	for _, r := range all {
		if keep(r) {
			some = append(some, r)
		}
	}
	return some
}

// first gives the first n of all.
func first(n int, all iter.Seq[record]) iter.Seq[record] {
	return func(yield func(record) bool) {
		i := 0
		for r := range all {
			if i++; i > n || !yield(r) {
				return
			}
		}
	}
}

type pair struct{ Key, Value string }

func dump(view *kv.View) (all []pair) {
	for key, value := range view.Dump() {
		all = append(all, pair{string(key), string(value)})
	}
	return all
}
