package acl

import (
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// Permits says whether a principal may do an operation at a path by the roles that
// it holds itself, whoever is the caller: what a token gives for the time of a call
// does not count. It is for what a principal promised once and is asked to keep
// later. Who is no principal, or not any more, may do nothing.
func Permits(r kv.Reader, now int64, principal path.Path, o command.Operation, p path.Path) bool {
	n := tree.Find(r, principal)
	if !identity.IsPrincipal(n) {
		return false
	}
	who := subject{r: r, now: now, principal: principal, closure: identity.Held(r, n, now)}
	allowed, _ := who.check(o, p)
	return allowed
}
