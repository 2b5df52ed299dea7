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
	// long ends those who use the engine for hours, as does wanted: somebody waits for
	// all of them.
	longMu sync.Mutex
	long   map[*context.CancelFunc]struct{}
	wanted bool
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
	h.begin(&cancel)
	defer h.ended(&cancel)
	do(ctx, h.engine)
}

func (h *held) begin(end *context.CancelFunc) {
	h.longMu.Lock()
	defer h.longMu.Unlock()
	if h.long == nil {
		h.long = make(map[*context.CancelFunc]struct{})
	}
	h.long[end] = struct{}{}
	if h.wanted {
		(*end)()
	}
}

func (h *held) ended(end *context.CancelFunc) {
	h.longMu.Lock()
	defer h.longMu.Unlock()
	delete(h.long, end)
}

// want says whether somebody waits for the engine.
func (h *held) want(wanted bool) {
	h.longMu.Lock()
	defer h.longMu.Unlock()
	h.wanted = wanted
	for end := range h.long {
		if wanted {
			(*end)()
		}
	}
}

// replace puts next in the place of the engine and closes that, after change.
func (h *held) replace(next *engine.Pebble, change func()) error {
	h.want(true)
	defer h.want(false)
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
