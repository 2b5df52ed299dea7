// Package rights records when principals were entitled to something, by indices of
// the log, with what was answered to those who tried, and judges whether anybody
// was allowed what it was not entitled to any more.
//
// A condition is a fact that holds or does not, such as that a principal has a
// role, or that a credential is not revoked. A turn is a change of a condition, at
// an index. A use is an attempt, which needs that all of some conditions hold, and
// whose answer says from which index it is.
package rights

import (
	"slices"
	"sync"
	"time"
)

// Turn is a change of a condition. Before its first turn no condition holds.
type Turn struct {
	Condition string
	// Index is that of the log entry that made it.
	Index uint64
	Holds bool
	// Call and Return enclose it on the clock of the history.
	Call, Return time.Duration
}

// Use is an attempt that was answered.
type Use struct {
	Principal, Node string
	// Kind is what was attempted, such as "transfer" or "balance, latest".
	Kind string
	// Needs are the conditions of which all must hold.
	Needs []string
	// Write is a command: it meets the state of some moment within its entry. What
	// is none is answered from the state behind an entry.
	Write bool
	// Current is what must be answered from a state that holds everything that was
	// answered before the attempt began.
	Current bool
	// Index is that of the answer; 0 when it had none.
	Index   uint64
	Allowed bool
	// Call and Return enclose it on the clock of the history.
	Call, Return time.Duration
}

// Fault is when something was done to a node.
type Fault struct{ From, To time.Duration }

// History is what all did, on one clock. It may be used from any goroutine.
// NewHistory makes it.
type History struct {
	begin time.Time // its monotonic reading is the clock

	mu     sync.Mutex
	turns  []Turn
	uses   []Use
	faults []Fault
}

// NewHistory makes an empty history, whose clock begins now.
func NewHistory() *History { return &History{begin: time.Now()} }

// Now reads the clock of the history.
func (h *History) Now() time.Duration { return time.Since(h.begin) }

// Turned notes a turn. Those of one condition are noted in their order.
func (h *History) Turned(t Turn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turns = append(h.turns, t)
}

// Used notes a use, which began at Call and has just been answered.
func (h *History) Used(u Use) {
	u.Return = h.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uses = append(h.uses, u)
}

// Begin notes that something is about to be done to a node. When it is over the
// caller calls end.
func (h *History) Begin() (end func()) {
	from := h.Now()
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.faults = append(h.faults, Fault{from, h.Now()})
	}
}

// Turns gives the turns as they were noted, Uses the uses, Faults the faults that
// are over.
func (h *History) Turns() []Turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.turns)
}

func (h *History) Uses() []Use {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.uses)
}

func (h *History) Faults() []Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.faults)
}
