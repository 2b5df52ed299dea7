package server

import (
	"context"
	"sync"

	"acquired/server/engine"
)

// held is the engine whose state the node serves. It changes when a snapshot
// takes its place; whoever uses it keeps it from being closed meanwhile.
type held struct {
	mu     sync.RWMutex
	engine *engine.Pebble
	// yield ends the reading-through, which uses the engine for hours.
	yieldMu sync.Mutex
	yield   context.CancelFunc
}

// use runs do with the engine.
func (h *held) use(do func(*engine.Pebble)) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	do(h.engine)
}

// useForLong is use for what may be broken off, with a context that ends when
// the engine is wanted back.
func (h *held) useForLong(ctx context.Context, do func(context.Context, *engine.Pebble)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.yieldMu.Lock()
	h.yield = cancel
	h.yieldMu.Unlock()
	do(ctx, h.engine)
}

// replace puts next in the place of the engine and closes that, after change.
func (h *held) replace(next *engine.Pebble, change func()) error {
	h.yieldMu.Lock()
	if h.yield != nil {
		h.yield()
	}
	h.yieldMu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.engine
	h.engine = next
	change()
	if before == nil {
		return nil
	}
	return before.Close()
}
