// Package policy is the algebra of access: what must be held, what is held, and
// whether the one meets the other. It knows no names but those of roles, and
// neither tables nor time.
//
// A Policy is what an operation on a node needs, a Closure what a principal
// holds. Both are values that never change, and equal ones are one pointer: the
// same policy governs most of the tree, and principals with the same roles share
// a closure. Whether a closure meets a policy is so a fact for ever, and is
// remembered; there is nothing to invalidate, and no answer that could be stale.
package policy

import (
	"encoding/binary"
	"slices"
)

// Policy is a list of role sets, of each of which one role must be held. The
// zero value is met by everybody. No policy at all, nil, is met by nobody.
type Policy struct {
	id uint32
	// flat are the sets one after the other, each behind its length: what is looked
	// at together lies together.
	flat []uint32
	sets []roleSet
}

func newPolicy(id uint32, sets []roleSet) *Policy {
	return &Policy{id: id, flat: flatten(sets), sets: sets}
}

// roleSet holds ids of roles in ascending order.
type roleSet []uint32

// Closure is the roles that a principal holds. The zero value holds none.
type Closure struct {
	id    uint32
	roles []uint32 // ascending
}

// Meets says whether the closure holds a role of each set of the policy.
func (c *Closure) Meets(p *Policy) bool {
	if p == nil {
		return false
	}
	if len(p.sets) == 0 {
		return true
	}
	if c.id == 0 || p.id == 0 {
		return c.meets(p)
	}
	if met, known := recall(c.id, p.id); known {
		return met
	}
	met := c.meets(p)
	remember(c.id, p.id, met)
	return met
}

func (c *Closure) meets(p *Policy) bool {
	for rest := p.flat; len(rest) > 0; {
		end := 1 + rest[0]
		if !c.holdsOne(rest[1:end]) {
			return false
		}
		rest = rest[end:]
	}
	return true
}

func flatten(sets []roleSet) (flat []uint32) {
	for _, set := range sets {
		flat = append(append(flat, uint32(len(set))), set...)
	}
	return slices.Clip(flat)
}

func (c *Closure) holdsOne(set roleSet) bool {
	for _, role := range set {
		if _, ok := slices.BinarySearch(c.roles, role); ok {
			return true
		}
	}
	return false
}

// canonical orders the sets, and leaves out those that another set implies.
func canonical(sets []roleSet) []roleSet {
	slices.SortFunc(sets, func(a, b roleSet) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return slices.Compare(a, b)
	})
	var kept []roleSet
	for _, set := range sets {
		implied := slices.ContainsFunc(kept, func(other roleSet) bool { return contains(set, other) })
		if !implied {
			kept = append(kept, set)
		}
	}
	return kept
}

// contains says whether every role of the other set is in the set.
func contains(set, other roleSet) bool {
	for _, role := range other {
		if _, ok := slices.BinarySearch(set, role); !ok {
			return false
		}
	}
	return true
}

func appendSets(b []byte, sets []roleSet) []byte {
	for _, set := range sets {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(set)))
		b = appendRoles(b, set)
	}
	return b
}

func appendRoles(b []byte, roles []uint32) []byte {
	for _, role := range roles {
		b = binary.LittleEndian.AppendUint32(b, role)
	}
	return b
}
