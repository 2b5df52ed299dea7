package policy

import (
	"slices"
	"sync"
	"sync/atomic"
)

// interned makes equal values one pointer, for the whole process.
//
// Roles keep their number for ever, so that values made at different times can be
// compared. Policies and closures are forgotten when there are too many: what is
// still in use then lives on beside an equal value with another id, and costs no
// more than a memo of its own.
var interned = struct {
	sync.Mutex
	roles    map[string]uint32
	policies map[string]*Policy
	closures map[string]*Closure
}{
	roles:    make(map[string]uint32),
	policies: make(map[string]*Policy),
	closures: make(map[string]*Closure),
}

// maxInterned is how many policies, and how many closures, are remembered.
const maxInterned = 1 << 18

// ids are those of policies and closures. They are never used twice in a process.
var ids atomic.Uint64

// nextID gives an id, or 0 when the process has used them all up: of what has
// that id nothing is remembered.
func nextID() uint32 {
	if id := ids.Add(1); id < 1<<idBits {
		return uint32(id)
	}
	return 0
}

// roleNumber is called with interned locked.
func roleNumber(name string) uint32 {
	number, ok := interned.roles[name]
	if !ok {
		number = uint32(len(interned.roles))
		interned.roles[name] = number
	}
	return number
}

// And gives the policy that needs what p needs and a role of each of the sets. A
// nil p needs nothing by itself.
func And(p *Policy, sets ...[]string) *Policy {
	interned.Lock()
	defer interned.Unlock()
	var all []roleSet
	if p != nil {
		all = append(all, p.sets...)
	}
	for _, names := range sets {
		all = append(all, numbered(names))
	}
	kept := canonical(all)
	key := string(appendSets(nil, kept))
	if found, ok := interned.policies[key]; ok {
		return found
	}
	made := newPolicy(nextID(), kept)
	if len(interned.policies) >= maxInterned {
		clear(interned.policies)
	}
	interned.policies[key] = made
	return made
}

// NewClosure gives the closure of the roles; their order and repetitions do not
// matter.
func NewClosure(names []string) *Closure {
	interned.Lock()
	defer interned.Unlock()
	roles := numbered(names)
	key := string(appendRoles(nil, roles))
	if found, ok := interned.closures[key]; ok {
		return found
	}
	made := &Closure{id: nextID(), roles: roles}
	if len(interned.closures) >= maxInterned {
		clear(interned.closures)
	}
	interned.closures[key] = made
	return made
}

// numbered gives the numbers of the roles in order, each once. It is called with
// interned locked.
func numbered(names []string) roleSet {
	set := make(roleSet, len(names))
	for i, name := range names {
		set[i] = roleNumber(name)
	}
	slices.Sort(set)
	return slices.Compact(set)
}
