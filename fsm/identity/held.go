package identity

import (
	"math"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
)

// Held gives the closure of the roles that the node at the path holds at the log
// time: those in force on it and on its ancestors, the root excepted.
func Held(r kv.Reader, n *tree.Node, now int64) *policy.Closure {
	stamp := roles.Stamp(r)
	if held := n.Memo.Held.Load(); held.Valid(stamp, now) {
		return held.Closure
	}
	held := &policy.Held{Stamp: stamp, From: now, Until: math.MaxInt64}
	names := heldNames(r, n.Path, now, func(h tree.Header) {
		if at, ok := h.Boundary(now); ok {
			held.Until = min(held.Until, at)
		}
	})
	held.Closure = policy.NewClosure(names)
	n.Memo.Held.Store(held)
	return held.Closure
}

// heldNames gives the roles in force on the path and above it, in the order of
// the way down, and shows each header to seen. A role may occur again.
func heldNames(r kv.Reader, p path.Path, now int64, seen func(tree.Header)) (names []string) {
	for above := range p.Ancestors() {
		if above == path.Root {
			continue
		}
		for _, role := range Applied(r, above) {
			seen(role.Header)
			if role.InForce(now) {
				names = append(names, string(role.Role))
			}
		}
	}
	return names
}

// HeldRoles gives the roles that a path holds, in the order of the way down. A
// role may occur again.
func HeldRoles(r kv.Reader, p path.Path, now int64) (held []path.Path) {
	for _, name := range heldNames(r, p, now, func(tree.Header) {}) {
		held = append(held, path.Path(name))
	}
	return held
}

// CallerRoles gives the roles that a caller holds: those of its principal, and
// those that the scopes of its token give. A role may occur again.
func CallerRoles(r kv.Reader, caller *command.Caller, now int64) []path.Path {
	held := HeldRoles(r, caller.Principal, now)
	for _, name := range scopeRoles(r, caller) {
		held = append(held, path.Path(name))
	}
	return held
}

// ClosureOf gives the closure of CallerRoles.
func ClosureOf(r kv.Reader, caller *command.Caller, now int64) *policy.Closure {
	n := tree.Find(r, caller.Principal)
	if n == nil {
		return policy.NewClosure(nil)
	}
	given := scopeRoles(r, caller)
	if len(given) == 0 {
		return Held(r, n, now)
	}
	names := heldNames(r, n.Path, now, func(tree.Header) {})
	return policy.NewClosure(append(names, given...))
}
