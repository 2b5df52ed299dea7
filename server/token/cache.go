package token

import (
	"crypto/sha256"
	"sync"
)

// maxCached bounds the cache of verified tokens.
const maxCached = 4096

// digest stands for a token, so that the cache holds nothing that can be used.
type digest [sha256.Size]byte

// cache keeps what the tokens that were verified last say. Its zero value is
// empty. The oldest goes when a new one needs the place, however often it is
// used, so that a hit changes nothing and hits do not wait for each other.
type cache struct {
	mu     sync.RWMutex
	tokens map[digest]contents
	// order is a ring of the keys of tokens; next is where the oldest is once it
	// is full.
	order []digest
	next  int
}

func (c *cache) get(key digest) (contents, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found, ok := c.tokens[key]
	return found, ok
}

func (c *cache) put(key digest, value contents) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.tokens[key]; ok {
		return
	}
	if c.tokens == nil {
		c.tokens = make(map[digest]contents)
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
