// Package kvtest tests that an engine keeps the promises of kv.Engine.
package kvtest

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"acquired/fsm/kv"
)

// TestEngine compares an engine with a sorted map, over random commits and over
// snapshots of random ages. open gives an empty engine and closes it when the
// test ends.
func TestEngine(t *testing.T, open func(t *testing.T) kv.Engine) {
	engine := open(t)
	rapid.Check(t, func(t *rapid.T) {
		empty(engine)
		c := &comparison{engine: engine, current: make(map[string]string)}
		t.Repeat(map[string]func(*rapid.T){
			"commit":   c.commit,
			"snapshot": c.snapshot,
			"close":    c.close,
			"get":      c.get,
			"scan":     c.scan,
		})
		for len(c.snapshots) > 0 {
			c.compareAll(t, c.snapshots[0])
			c.closeSnapshot(t, 0)
		}
	})
}

// longest bounds the generated keys, so that beyond is after all of them.
const longest = 4

var beyond = bytes.Repeat([]byte{0xff}, longest+1)

// keys are few, so that they meet again, and near the ends of what is possible.
func keys() *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0x00, 0x01, 'k', 0xff}), 1, longest)
}

func bounds() *rapid.Generator[[]byte] {
	return rapid.OneOf(keys(), rapid.SampledFrom([][]byte{nil, {}, beyond}))
}

func empty(engine kv.Engine) {
	s := engine.Snapshot()
	defer s.Close()
	var writes []kv.Write
	for key := range s.Scan(nil, beyond, false) {
		writes = append(writes, kv.Write{Key: bytes.Clone(key), Delete: true})
	}
	engine.Commit(writes)
}

type comparison struct {
	engine    kv.Engine
	current   map[string]string // what was committed; replaced, never changed
	snapshots []*aged
}

// aged is a snapshot and what it must have for ever.
type aged struct {
	kv.Snapshot
	want map[string]string
	kept []kept
}

// kept is a value that Get gave, which must stay as it was.
type kept struct {
	value []byte
	want  string
}

func (c *comparison) commit(t *rapid.T) {
	next := maps.Clone(c.current)
	var writes []kv.Write
	for _, key := range rapid.SliceOfNDistinct(keys(), 0, 8, func(k []byte) string { return string(k) }).Draw(t, "keys") {
		w := kv.Write{Key: key, Delete: rapid.Bool().Draw(t, "delete")}
		delete(next, string(key))
		if !w.Delete {
			w.Value = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value")
			next[string(key)] = string(w.Value)
		}
		writes = append(writes, w)
	}
	c.engine.Commit(writes)
	c.current = next
	for _, w := range writes {
		scribble(w.Key)
		scribble(w.Value)
	}
}

// scribble spoils what an engine may have kept though it must not.
func scribble(b []byte) {
	for i := range b {
		b[i] ^= 0x5a
	}
}

func (c *comparison) snapshot(t *rapid.T) {
	if len(c.snapshots) == 5 {
		t.Skip("enough snapshots")
	}
	c.snapshots = append(c.snapshots, &aged{Snapshot: c.engine.Snapshot(), want: c.current})
}

func (c *comparison) close(t *rapid.T) {
	c.closeSnapshot(t, c.pick(t))
}

func (c *comparison) closeSnapshot(t *rapid.T, i int) {
	s := c.snapshots[i]
	s.Close()
	for _, k := range s.kept {
		if string(k.value) != k.want {
			t.Fatalf("a value that Get gave became %q, want %q", k.value, k.want)
		}
	}
	c.snapshots = slices.Delete(c.snapshots, i, i+1)
}

// pick gives a snapshot, and skips the action when there is none.
func (c *comparison) pick(t *rapid.T) int {
	if len(c.snapshots) == 0 {
		t.Skip("no snapshot")
	}
	return rapid.IntRange(0, len(c.snapshots)-1).Draw(t, "snapshot")
}

func (c *comparison) get(t *rapid.T) {
	s := c.snapshots[c.pick(t)]
	key := keys().Draw(t, "key")
	value, ok := s.Get(key)
	want, wantOK := s.want[string(key)]
	if string(value) != want || ok != wantOK {
		t.Fatalf("Get(%q) = %q, %v, want %q, %v", key, value, ok, want, wantOK)
	}
	s.kept = append(s.kept, kept{value, want})
}

func (c *comparison) scan(t *rapid.T) {
	s := c.snapshots[c.pick(t)]
	from, to := bounds().Draw(t, "from"), bounds().Draw(t, "to")
	backward := rapid.Bool().Draw(t, "backward")
	limit := rapid.IntRange(1, 20).Draw(t, "limit")
	compareScan(t, s, from, to, backward, limit)
}

// compareAll compares everything, in both directions.
func (c *comparison) compareAll(t *rapid.T, s *aged) {
	compareScan(t, s, nil, beyond, false, len(s.want)+1)
	compareScan(t, s, nil, beyond, true, len(s.want)+1)
}

type pair struct{ Key, Value string }

// compareScan stops the scan after limit pairs.
func compareScan(t *rapid.T, s *aged, from, to []byte, backward bool, limit int) {
	t.Helper()
	var got []pair
	for key, value := range s.Scan(from, to, backward) {
		got = append(got, pair{string(key), string(value)})
		if len(got) == limit {
			break
		}
	}
	want := pairs(s.want, from, to, backward)
	want = want[:min(limit, len(want))]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Scan(%q, %q, backward %v) stopped after %d differs (-want +got):\n%s", from, to, backward, limit, diff)
	}
}

func pairs(m map[string]string, from, to []byte, backward bool) []pair {
	var inside []pair
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key >= string(from) && key < string(to) {
			inside = append(inside, pair{key, m[key]})
		}
	}
	if backward {
		slices.Reverse(inside)
	}
	return inside
}
