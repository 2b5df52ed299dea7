package check

import "time"

// Tally counts operations that were answered.
type Tally struct{ Adds, Reads int }

func (t *Tally) count(o Operation) {
	if o.Kind == Add {
		t.Adds++
	} else {
		t.Reads++
	}
}

// Coverage says whether a history had occasion to show an error.
type Coverage struct {
	// Answered are the operations that were answered, by node, and DuringFaults
	// those of them that began and ended within a fault of another node.
	Answered, DuringFaults map[string]Tally
	// Concurrent are answered reads that overlap an addition to their counter.
	Concurrent int
	// Waiting are reads that were sent to a node during its fault and that were
	// still open when it ended. Fresh were sent to it within the time after.
	// Of both, those with the suffix were answered.
	Waiting, WaitingAnswered int
	Fresh, FreshAnswered     int
}

// Cover counts; after is how long after the end of a fault a read is fresh.
func Cover(operations []Operation, faults []Fault, after time.Duration) Coverage {
	c := Coverage{Answered: make(map[string]Tally), DuringFaults: make(map[string]Tally)}
	additions := make(map[string][]Operation)
	for _, o := range operations {
		if o.Kind == Add && o.Outcome != Failed {
			additions[o.Counter] = append(additions[o.Counter], o)
		}
	}
	for _, o := range operations {
		c.countAfter(o, faults, after)
		if o.Outcome != OK {
			continue
		}
		tally := c.Answered[o.Node]
		tally.count(o)
		c.Answered[o.Node] = tally
		if withinFaultOfAnother(o, faults) {
			tally := c.DuringFaults[o.Node]
			tally.count(o)
			c.DuringFaults[o.Node] = tally
		}
		if o.Kind == Read && overlapsAny(o, additions[o.Counter]) {
			c.Concurrent++
		}
	}
	return c
}

// countAfter counts the read if it is to a node at the end of its fault.
func (c *Coverage) countAfter(o Operation, faults []Fault, after time.Duration) {
	if o.Kind != Read {
		return
	}
	answered := 0
	if o.Outcome == OK {
		answered = 1
	}
	for _, f := range faults {
		switch {
		case o.Node != f.Node:
		case o.Call > f.From && o.Call < f.To && o.Return > f.To:
			c.Waiting++
			c.WaitingAnswered += answered
		case o.Call >= f.To && o.Call < f.To+after:
			c.Fresh++
			c.FreshAnswered += answered
		}
	}
}

func withinFaultOfAnother(o Operation, faults []Fault) bool {
	for _, f := range faults {
		if o.Node != f.Node && o.Call > f.From && o.Return < f.To {
			return true
		}
	}
	return false
}

func overlapsAny(o Operation, others []Operation) bool {
	for _, other := range others {
		if other.Call < o.Return && (other.Return > o.Call || other.Outcome != OK) {
			return true
		}
	}
	return false
}
