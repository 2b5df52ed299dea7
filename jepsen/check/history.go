package check

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"acquired/proto/fault"
)

// Kind is what an operation does.
type Kind string

const (
	Add  Kind = "add"
	Read Kind = "read"
)

// Outcome is what is known of an operation that has ended; of one that has not,
// it is empty, and as unknown.
type Outcome string

const (
	// OK is an operation that was answered.
	OK Outcome = "ok"
	// Failed is an addition that was not applied and never will be, or a read
	// that got no answer.
	Failed Outcome = "failed"
	// Unknown is an addition that may have been applied, or may yet be.
	Unknown Outcome = "unknown"
	// Wrong is an operation whose answer cannot be true: the processes do nothing
	// that may be refused.
	Wrong Outcome = "wrong"
)

// OutcomeOf classifies the error of a call. To take an unknown outcome for a
// failure raises false alarms; to take a failure for unknown hides errors. That
// a node says "definite" is believed: a value that holds the addition all the
// same convicts it.
func OutcomeOf(kind Kind, err error) Outcome {
	switch {
	case err == nil:
		return OK
	case !errors.Is(err, fault.Unavailable):
		return Wrong
	case kind == Read, fault.OutcomeOf(err) == fault.Definite:
		return Failed
	}
	return Unknown
}

// Operation is what a process asked of a node, and what came of it.
type Operation struct {
	// Process does one operation at a time.
	Process int    `json:"process"`
	Node    string `json:"node"`
	Counter string `json:"counter"`
	Kind    Kind   `json:"kind"`
	// Amount is what an addition adds.
	Amount uint64 `json:"amount,omitempty"`
	// Value is what a read was answered.
	Value uint64 `json:"value,omitempty"`
	// Call and Return are on the clock of the history, in nanoseconds: before the
	// first byte was sent, and after the last was received.
	Call    time.Duration `json:"call"`
	Return  time.Duration `json:"return,omitempty"`
	Outcome Outcome       `json:"outcome,omitempty"`
	// Reason is why it is not OK.
	Reason string `json:"reason,omitempty"`
}

// Fault is what was done to a node, and when.
type Fault struct {
	Node string        `json:"node"`
	What string        `json:"what"`
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// History is what all processes did, on one clock. It may be used from any
// goroutine. NewHistory makes it.
type History struct {
	begin time.Time // its monotonic reading is the clock

	mu         sync.Mutex
	operations []Operation
	faults     []Fault
	processes  int
	out        *json.Encoder
	err        error // of the first line that was not written
}

// NewHistory makes an empty history, whose clock begins now. Each operation is
// written to out, as a line of JSON, when it begins and again when it has ended,
// and each fault when it is over: what a run leaves that does not come to its end.
func NewHistory(out io.Writer) *History {
	return &History{begin: time.Now(), out: json.NewEncoder(out)}
}

// Process gives the number of a new process.
func (h *History) Process() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.processes++
	return h.processes - 1
}

// Call notes that the operation is about to be sent, and gives its number.
func (h *History) Call(o Operation) (number int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o.Call = time.Since(h.begin)
	h.operations = append(h.operations, o)
	h.write(o)
	return len(h.operations) - 1
}

// Return notes what came of the operation. Value is what a read was answered.
func (h *History) Return(number int, outcome Outcome, value uint64, reason string) {
	now := time.Since(h.begin)
	h.mu.Lock()
	defer h.mu.Unlock()
	o := &h.operations[number]
	o.Return, o.Outcome, o.Value, o.Reason = now, outcome, value, reason
	h.write(o)
}

// Begin notes that something is about to be done to a node. When it is over the
// caller calls end.
func (h *History) Begin(node, what string) (end func()) {
	f := Fault{Node: node, What: what, From: time.Since(h.begin)}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		f.To = time.Since(h.begin)
		h.faults = append(h.faults, f)
		h.write(f)
	}
}

func (h *History) write(line any) {
	if err := h.out.Encode(line); err != nil && h.err == nil {
		h.err = err
	}
}

// Operations gives the operations in the order of their calls.
func (h *History) Operations() []Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.operations)
}

// Faults gives the faults that are over.
func (h *History) Faults() []Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.faults)
}

// Err says why the history could not be written.
func (h *History) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
