package kv_test

import (
	"fmt"
	"testing"

	"acquired/fsm/kv"
)

// rows is how many records the table of the benchmarks has.
const rows = 1_000_000

// spread visits all rows in an order without runs.
func spread(i int) number { return number(uint64(i) * 2_654_435_761 % rows) }

func filled(b *testing.B) *kv.Store {
	b.Helper()
	store := open(kv.NewMemory())
	const portion = 10_000
	for from := number(0); from < rows; from += portion {
		write(store, func(tx *kv.Tx) {
			for id := from; id < from+portion; id++ {
				resident.records.Insert(tx, record{id: id, name: fmt.Sprint(id), tags: 1 << (id % tags)})
			}
		})
	}
	return store
}

// BenchmarkResident reads and changes one of a million resident records.
// Put is what a record costs in transactions of 100, hash and commit included.
func BenchmarkResident(b *testing.B) {
	store := filled(b)
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		view := store.View()
		defer view.Close()
		for i := 0; b.Loop(); i++ {
			if _, ok := resident.records.Get(view, spread(i)); !ok {
				b.Fatal("a record is missing")
			}
		}
	})
	b.Run("Find", func(b *testing.B) {
		b.ReportAllocs()
		view := store.View()
		defer view.Close()
		names := make([]kv.StringKey, 1024)
		for i := range names {
			names[i] = kv.StringKey(fmt.Sprint(spread(i)))
		}
		for i := 0; b.Loop(); i++ {
			if _, ok := resident.byName.Find(view, names[i%len(names)]); !ok {
				b.Fatal("a record is missing")
			}
		}
	})
	b.Run("Put", func(b *testing.B) {
		b.ReportAllocs()
		tx := store.Begin()
		for i := 0; b.Loop(); i++ {
			r, _ := resident.records.Get(tx, spread(i))
			r.value++
			resident.records.Put(tx, r)
			if i%100 == 99 {
				tx.Commit()
				tx = store.Begin()
			}
		}
	})
}
