package token

import (
	"crypto/sha256"
	"sync"
)

// maxCached bounds each cache of verified tokens.
const maxCached = 4096

// digest stands for a token, so that a cache holds nothing that can be used.
type digest [sha256.Size]byte

// cache keeps what the tokens that were verified last say. Its zero value is
// empty. The oldest goes when a new one needs the place, however often it is
// used, so that a hit changes nothing and hits do not wait for each other.
type cache[Value any] struct {
	mu     sync.RWMutex
	tokens map[digest]Value
	// order is a ring of the keys of tokens; next is where the oldest is once it
	// is full.
	order []digest
	next  int
}

func (c *cache[Value]) get(key digest) (Value, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found, ok := c.tokens[key]
	return found, ok
}

func (c *cache[Value]) put(key digest, value Value) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.tokens[key]; ok {
		return
	}
	if c.tokens == nil {
		c.tokens = make(map[digest]Value)
	}
	c.tokens[key] = value
	if len(c.order) < maxCached {
		c.order = append(c.order, key)
		return
	}
	delete(c.tokens, c.order[c.next])
	c.order[c.next] = key
	c.next = (c.next + 1) % maxCached
}
