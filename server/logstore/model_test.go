package logstore

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// model is a store and what it should hold.
type model struct {
	config Config
	store  *Store
	logs   map[uint64]raft.Log
	values map[string]string
	read   raft.Log // used for every GetLog, as raft may
}

// TestModel compares the store with plain maps, through the operations of raft
// and some that raft never does.
func TestModel(t *testing.T) {
	t.Parallel()
	folder, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		m := &model{
			config: Config{
				Path:       filepath.Join(folder, fmt.Sprintf("raft-%d.db", runs)),
				CacheBytes: rapid.SampledFrom([]int{0, 1, 300, 2000}).Draw(t, "cache"),
				Fatal:      func(err error) { panic(err) },
			},
			logs:   map[uint64]raft.Log{},
			values: map[string]string{},
		}
		m.open(t)
		defer func() { m.store.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append":      m.append,
			"replaceTail": m.replaceTail,
			"deleteHead":  m.deleteHead,
			"deleteRange": m.deleteRange,
			"storeAround": m.storeAround,
			"set":         m.set,
			"reopen":      m.reopen,
			"":            m.check,
		})
	})
}

func (m *model) open(t *rapid.T) {
	var err error
	if m.store, err = Open(m.config); err != nil {
		t.Fatal(err)
	}
}

func (m *model) reopen(t *rapid.T) {
	if err := m.store.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

func (m *model) bounds() (first, last uint64) {
	if len(m.logs) == 0 {
		return 0, 0
	}
	indexes := slices.Collect(maps.Keys(m.logs))
	return slices.Min(indexes), slices.Max(indexes)
}

func (m *model) storeAt(t *rapid.T, index uint64) {
	var batch []*raft.Log
	for i := range rapid.Uint64Range(1, 8).Draw(t, "entries") {
		log := &raft.Log{
			Index:      index + i,
			Term:       rapid.Uint64Range(1, 5).Draw(t, "term"),
			Type:       raft.LogType(rapid.IntRange(0, 5).Draw(t, "type")),
			Data:       rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "data"),
			AppendedAt: time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "time"), 17).UTC(),
		}
		batch = append(batch, log)
		m.logs[log.Index] = *log
	}
	var err error
	if len(batch) == 1 {
		err = m.store.StoreLog(batch[0])
	} else {
		err = m.store.StoreLogs(batch)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) delete(t *rapid.T, least, most uint64) {
	maps.DeleteFunc(m.logs, func(index uint64, _ raft.Log) bool { return least <= index && index <= most })
	if err := m.store.DeleteRange(least, most); err != nil {
		t.Fatal(err)
	}
}

func (m *model) append(t *rapid.T) {
	_, last := m.bounds()
	m.storeAt(t, last+1)
}

// replaceTail is what a follower does with entries that its leader does not have.
func (m *model) replaceTail(t *rapid.T) {
	first, last := m.bounds()
	from := rapid.Uint64Range(max(1, first), max(1, last)).Draw(t, "from")
	m.delete(t, from, last)
	m.storeAt(t, from)
}

func (m *model) deleteHead(t *rapid.T) {
	first, last := m.bounds()
	m.delete(t, first, rapid.Uint64Range(first, last).Draw(t, "to"))
}

func (m *model) deleteRange(t *rapid.T) {
	_, last := m.bounds()
	m.delete(t, rapid.Uint64Range(0, last+2).Draw(t, "from"), rapid.Uint64Range(0, last+2).Draw(t, "to"))
}

// storeAround stores over entries, or leaves a gap.
func (m *model) storeAround(t *rapid.T) {
	_, last := m.bounds()
	m.storeAt(t, rapid.Uint64Range(1, last+5).Draw(t, "index"))
}

func (m *model) set(t *rapid.T) {
	key := rapid.SampledFrom([]string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"}).Draw(t, "key")
	m.values[key] = string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value"))
	if err := m.store.Set([]byte(key), []byte(m.values[key])); err != nil {
		t.Fatal(err)
	}
}

func (m *model) check(t *rapid.T) {
	wantFirst, wantLast := m.bounds()
	first, err := m.store.FirstIndex()
	if first != wantFirst || err != nil {
		t.Fatalf("FirstIndex = %d, %v, want %d", first, err, wantFirst)
	}
	last, err := m.store.LastIndex()
	if last != wantLast || err != nil {
		t.Fatalf("LastIndex = %d, %v, want %d", last, err, wantLast)
	}
	for index := max(1, first) - 1; index <= last+1; index++ {
		m.checkLog(t, index)
	}
	for key, want := range m.values {
		if got, err := m.store.Get([]byte(key)); string(got) != want || err != nil {
			t.Fatalf("Get(%s) = %q, %v, want %q", key, got, err, want)
		}
	}
}

func (m *model) checkLog(t *rapid.T, index uint64) {
	want, ok := m.logs[index]
	err := m.store.GetLog(index, &m.read)
	if !ok {
		if err != raft.ErrLogNotFound {
			t.Fatalf("GetLog(%d) = %v, want %v", index, err, raft.ErrLogNotFound)
		}
		return
	}
	if err != nil {
		t.Fatalf("GetLog(%d): %v", index, err)
	}
	if diff := cmp.Diff(want, m.read, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("GetLog(%d) (-want +got):\n%s", index, diff)
	}
}
