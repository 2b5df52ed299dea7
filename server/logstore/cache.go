package logstore

import (
	"sync"

	"github.com/hashicorp/raft"
)

// cache holds a run of the newest entries without a gap, sealed as they were
// stored, so that an entry that changes in memory is noticed as well. Whatever
// it does not hold is on disk.
type cache struct {
	mu sync.RWMutex
	// The entry with index i is at ring[i%len(ring)], for i from first to next-1.
	ring        []raft.Log
	first, next uint64
	bytes       int // of data held
	limit       int // of bytes
}

func newCache(bytes, entries int) *cache {
	return &cache{ring: make([]raft.Log, entries), limit: bytes}
}

func (c *cache) get(index uint64) (raft.Log, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if index < c.first || index >= c.next {
		return raft.Log{}, false
	}
	return *c.slot(index), true
}

func (c *cache) put(logs []*raft.Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, log := range logs {
		c.putLocked(log)
	}
}

func (c *cache) putLocked(log *raft.Log) {
	c.dropFromLocked(log.Index)
	if log.Index != c.next {
		c.dropFromLocked(0)
		c.first, c.next = log.Index, log.Index
	}
	if c.next-c.first == uint64(len(c.ring)) {
		c.dropFirstLocked()
	}
	*c.slot(log.Index) = *log
	c.next++
	c.bytes += len(log.Data)
	for c.bytes > c.limit {
		c.dropFirstLocked()
	}
}

// delete forgets the entries from min to max. If they lie in the middle, which
// raft never asks for, those after them are forgotten too.
func (c *cache) delete(min, max uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if min > c.first {
		c.dropFromLocked(min)
		return
	}
	for c.first < c.next && c.first <= max {
		c.dropFirstLocked()
	}
}

func (c *cache) dropFirstLocked() {
	c.forgetLocked(c.first)
	c.first++
}

// dropFromLocked drops the entries at the index and after it.
func (c *cache) dropFromLocked(index uint64) {
	for c.next > c.first && c.next > index {
		c.next--
		c.forgetLocked(c.next)
	}
}

func (c *cache) forgetLocked(index uint64) {
	slot := c.slot(index)
	c.bytes -= len(slot.Data)
	*slot = raft.Log{}
}

func (c *cache) slot(index uint64) *raft.Log {
	return &c.ring[index%uint64(len(c.ring))]
}
