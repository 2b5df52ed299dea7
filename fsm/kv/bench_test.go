package kv_test

import (
	"fmt"
	"runtime"
	"slices"
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

// BenchmarkScanOfChanges scans a stored table that changes a little, in a transaction in
// which others changed much. What a scan costs is in what changed where it scans.
func BenchmarkScanOfChanges(b *testing.B) {
	for _, others := range []number{0, 1000, 100_000} {
		b.Run(fmt.Sprint("Others", others), func(b *testing.B) {
			b.ReportAllocs()
			tx := open(kv.NewMemory()).Begin()
			for id := range others {
				resident.records.Insert(tx, record{id: id, name: fmt.Sprint(id)})
				storedNotes.records.Insert(tx, record{id: id, name: fmt.Sprint(id)})
			}
			for i := 0; b.Loop(); i++ {
				err := tx.Step(func() error {
					stored.records.Put(tx, record{id: 1, value: int64(i)})
					if some := slices.Collect(stored.records.All(tx)); len(some) != 1 || some[0].value != int64(i) {
						return fmt.Errorf("the table has %v, want value %d", some, i)
					}
					return errRefused // so that the changes do not grow
				})
				if err != errRefused {
					b.Fatal(err)
				}
			}
		})
	}
}

// place is a record that is found by a long key.
type place struct {
	path  kv.StringKey
	value uint64
}

var places = kv.Codec[place]{
	Append: func(b []byte, p place) []byte { return kv.AppendUint(kv.AppendString(b, p.path), p.value) },
	Decode: func(b []byte) (place, error) {
		d := kv.NewDecoder(b)
		p := place{path: kv.StringKey(d.String()), value: d.Uint()}
		return p, d.Err()
	},
}

// deaf is an engine that takes no time to commit: it forgets what it is told.
type deaf struct{ kv.Engine }

func (deaf) Commit([]kv.Write) {}

func placePath(i int) kv.StringKey {
	return kv.StringKey(fmt.Sprintf("/data/org%d/dir%d/sub%d/a%d/b%d/c%d/d%d/e%d/f%d/year%d/leaf%d",
		i%97, i%1009, i%7, i%11, i%13, i%17, i%19, i%23, i%29, 1900+i%101, i))
}

// filledPlaces gives an engine that holds a table with a million paths of 12
// segments, under the name "places".
func filledPlaces(b *testing.B) kv.Engine {
	b.Helper()
	engine := kv.NewMemory()
	var schema kv.Schema
	table := kv.NewTable(&schema, "places", places, func(p place) kv.StringKey { return p.path }, 0)
	store := kv.Open(engine, &schema)
	const portion = 10_000
	for from := 0; from < rows; from += portion {
		write(store, func(tx *kv.Tx) {
			for i := from; i < from+portion; i++ {
				table.Insert(tx, place{path: placePath(i)})
			}
		})
	}
	return engine
}

// BenchmarkPlaces reads and changes one of a million resident records with
// long keys, in a table that is hashed and in one that is not. Put is what a
// record costs in a transaction of its own, without the engine; Open is what a
// table costs when a store is opened, in time and in memory for each record.
func BenchmarkPlaces(b *testing.B) {
	engine := filledPlaces(b)
	path := func(p place) kv.StringKey { return p.path }
	for _, kind := range []struct {
		name    string
		declare func(schema *kv.Schema) *kv.Table[kv.StringKey, place]
	}{
		{"Resident", func(schema *kv.Schema) *kv.Table[kv.StringKey, place] {
			return kv.NewTable(schema, "places", places, path, kv.Resident)
		}},
		{"Hashed", func(schema *kv.Schema) *kv.Table[kv.StringKey, place] {
			return kv.NewHashed(schema, "places", places, path, kv.Resident)
		}},
	} {
		var schema kv.Schema
		table := kind.declare(&schema)
		var store *kv.Store
		b.Run(kind.name+"/Open", func(b *testing.B) {
			before := heap()
			for b.Loop() {
				store = kv.Open(deaf{engine}, &schema)
			}
			b.ReportMetric(float64(heap()-before)/rows, "B/record")
		})
		b.Run(kind.name+"/RefHot", func(b *testing.B) { refPlaces(b, table, store, 1) })
		b.Run(kind.name+"/RefRandom", func(b *testing.B) { refPlaces(b, table, store, 1<<20) })
		b.Run(kind.name+"/Put", func(b *testing.B) {
			b.ReportAllocs()
			paths := spreadPaths(1 << 20)
			for i := 0; b.Loop(); i++ {
				write(store, func(tx *kv.Tx) { table.Put(tx, place{path: paths[i%len(paths)], value: uint64(i)}) })
			}
		})
	}
}

func spreadPaths(n int) []kv.StringKey {
	paths := make([]kv.StringKey, n)
	for i := range paths {
		paths[i] = placePath(int(spread(i)))
	}
	return paths
}

// refPlaces looks n paths up again and again.
func refPlaces(b *testing.B, table *kv.Table[kv.StringKey, place], store *kv.Store, n int) {
	b.ReportAllocs()
	view := store.View()
	defer view.Close()
	paths := spreadPaths(n)
	for i := 0; b.Loop(); i++ {
		if table.Ref(view, paths[i%n]) == nil {
			b.Fatal("a record is missing")
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
