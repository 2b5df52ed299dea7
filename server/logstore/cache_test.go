package logstore

import (
	"maps"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

func held(c *cache, from, to uint64) []uint64 {
	var indexes []uint64
	for i := from; i <= to; i++ {
		if _, ok := c.get(i); ok {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

func TestCacheHolds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		do          func(c *cache)
		first, last uint64
	}{
		{"all that fits", func(c *cache) {}, 1, 8},
		{"the newest when there are too many", func(c *cache) { c.put(entries(9, 13, 1, 10)) }, 4, 13},
		{"the newest when they are too big", func(c *cache) { c.put(entries(9, 9, 1, 150)) }, 4, 9},
		{"what is left of the head", func(c *cache) { c.delete(1, 5) }, 6, 8},
		{"what is left of the tail", func(c *cache) { c.delete(4, 8) }, 1, 3},
		{"a new tail", func(c *cache) { c.delete(4, 8); c.put(entries(4, 6, 2, 10)) }, 1, 6},
		{"what is before a gap in the middle", func(c *cache) { c.delete(4, 5) }, 1, 3},
		{"all, when others are deleted", func(c *cache) { c.delete(9, 12); c.delete(0, 0) }, 1, 8},
		{"what is after a gap", func(c *cache) { c.put(entries(20, 21, 1, 10)) }, 20, 21},
		{"what is stored over older entries", func(c *cache) { c.put(entries(3, 4, 2, 10)) }, 1, 4},
		{"what is stored before older entries", func(c *cache) { c.delete(1, 3); c.put(entries(2, 2, 1, 10)) }, 2, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCache(200, 10)
			c.put(entries(1, 8, 1, 10))
			test.do(c)
			got := held(c, 0, 30)
			if len(got) == 0 || got[0] != test.first || got[len(got)-1] != test.last || len(got) != int(test.last-test.first+1) {
				t.Errorf("holds %v, want %d to %d", got, test.first, test.last)
			}
		})
	}
}

func TestCacheDoesNotHoldWhatIsTooBig(t *testing.T) {
	t.Parallel()
	c := newCache(200, 10)
	c.put(entries(1, 3, 1, 10))
	c.put(entries(4, 4, 1, 201))
	if got := held(c, 0, 10); got != nil || c.bytes != 0 {
		t.Errorf("holds %v in %d bytes, want nothing", got, c.bytes)
	}
	c.put(entries(5, 5, 1, 200))
	if got := held(c, 0, 10); len(got) != 1 || c.bytes != 200 {
		t.Errorf("holds %v in %d bytes, want entry 5 in 200", got, c.bytes)
	}
}

// TestCacheModel checks that the cache never holds anything but the newest
// version of an entry that exists, and keeps its bounds.
func TestCacheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const maxBytes, maxEntries = 300, 12
		c := newCache(maxBytes, maxEntries)
		stored := map[uint64]uint64{} // term by index
		term := uint64(0)
		index := rapid.Uint64Range(1, 40)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				term++
				first := index.Draw(t, "first")
				logs := entries(first, first+rapid.Uint64Range(0, 15).Draw(t, "more"), term, rapid.IntRange(0, 100).Draw(t, "size"))
				c.put(logs)
				for _, log := range logs {
					stored[log.Index] = term
				}
			},
			"delete": func(t *rapid.T) {
				least := index.Draw(t, "from")
				most := least + index.Draw(t, "length")
				c.delete(least, most)
				maps.DeleteFunc(stored, func(i, _ uint64) bool { return least <= i && i <= most })
			},
			"": func(t *rapid.T) { checkCache(t, c, stored, maxBytes, maxEntries) },
		})
	})
}

func checkCache(t *rapid.T, c *cache, stored map[uint64]uint64, maxBytes, maxEntries int) {
	count, size := 0, 0
	for i := range uint64(100) {
		log, ok := c.get(i)
		if !ok {
			continue
		}
		if log.Index != i || log.Term != stored[i] {
			t.Fatalf("entry %d is %d of term %d, want term %d", i, log.Index, log.Term, stored[i])
		}
		count++
		size += len(log.Data)
	}
	if count > maxEntries || size > maxBytes || size != c.bytes {
		t.Fatalf("holds %d entries in %d bytes and counts %d, want at most %d in %d", count, size, c.bytes, maxEntries, maxBytes)
	}
	used := 0
	for _, log := range c.ring {
		used += len(log.Data)
	}
	if used != size {
		t.Fatalf("keeps %d bytes alive and holds %d", used, size)
	}
}

// Deleting old entries must leave the newer ones in memory, where a reader gets
// the very data that was stored.
func TestCacheSurvivesDeleteRange(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t))
	logs := entries(1, 10, 1, 50)
	store(t, s, logs...)
	if err := s.DeleteRange(1, 6); err != nil {
		t.Fatal(err)
	}
	for _, want := range logs[6:] {
		var got raft.Log
		if err := s.GetLog(want.Index, &got); err != nil {
			t.Fatal(err)
		}
		if &got.Data[0] != &want.Data[0] {
			t.Errorf("entry %d was read from disk", want.Index)
		}
	}
}
