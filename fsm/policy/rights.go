package policy

import "acquired/fsm/command"

// Rights are the policies of a node, by operation; nil is no clause at all. They
// hold while the clauses of the tree are those of Stamp, and for log times from
// From to before Until.
type Rights struct {
	Stamp       uint64
	From, Until int64
	// ids are those of the policies in Self, so that what is remembered is found
	// without a look at them. 0 is one that is to be looked at.
	ids [command.OperationCount]uint32
	// Self governs the node itself.
	Self [command.OperationCount]*Policy
	// Below is what the children begin with. For a node without clauses of its own
	// it is the same as the Below of its parent.
	Below *Rights
}

// Valid says whether the rights are those of now.
func (r *Rights) Valid(stamp uint64, now int64) bool {
	return r != nil && r.Stamp == stamp && r.From <= now && now < r.Until
}

// Index is called once Self is complete.
func (r *Rights) Index() {
	for o, p := range r.Self {
		r.ids[o] = 0
		if p != nil && len(p.sets) > 0 {
			r.ids[o] = p.id
		}
	}
}

// May says whether who holds the closure may do the operation on the node.
func (c *Closure) May(o command.Operation, r *Rights) bool {
	if id := r.ids[o]; id != 0 && c.id != 0 {
		if met, known := recall(c.id, id); known {
			return met
		}
	}
	return c.Meets(r.Self[o])
}

// Held is what a principal holds, while the applied roles are those of Stamp, and
// for log times from From to before Until.
type Held struct {
	Stamp       uint64
	From, Until int64
	Closure     *Closure
}

// Valid says whether the closure is that of now.
func (h *Held) Valid(stamp uint64, now int64) bool {
	return h != nil && h.Stamp == stamp && h.From <= now && now < h.Until
}
