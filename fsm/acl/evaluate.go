package acl

import (
	"math"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// check says whether the subject may do the operation at the path, and whether
// it may View it.
func (s *subject) check(o command.Operation, p path.Path) (allowed, visible bool) {
	n := tree.Find(s.r, p)
	switch {
	case n == nil:
		return false, false
	case s.operator:
		return true, true
	}
	rights := rightsOf(s.r, n, s.now)
	if !s.closure.May(command.View, rights) {
		return false, false
	}
	return s.closure.May(o, rights), true
}

// sees says whether the path exists and the subject may View it.
func (s *subject) sees(p path.Path) bool {
	_, visible := s.check(command.View, p)
	return visible
}

// meets says whether the subject could do the operation at a path, whether or not
// there is a node: it is how a role is judged that something names and that does
// not exist.
func (s *subject) meets(o command.Operation, p path.Path) bool {
	if s.operator {
		return true
	}
	rights := rightsAt(s.r, p, s.now)
	return s.closure.May(command.View, rights) && s.closure.May(o, rights)
}

// need returns nil when the subject may do the operation at the path.
func (s *subject) need(o command.Operation, p path.Path) error {
	switch allowed, visible := s.check(o, p); {
	case allowed:
		return nil
	case visible:
		return s.denied(o, p)
	}
	return command.NotFound(p)
}

func (s *subject) denied(o command.Operation, p path.Path) error {
	return fault.Denied.New("%s may not %s %s", s.principal, o, p).With("operation", o.String()).With("path", string(p))
}

// rightsAt gives the policies of a path, whether or not there is a node.
func rightsAt(r kv.Reader, p path.Path, now int64) *policy.Rights {
	n := tree.Nearest(r, p)
	rights := rightsOf(r, n, now)
	if n.Path != p {
		return rights.Below
	}
	return rights
}

// rightsOf gives the policies of a node.
func rightsOf(r kv.Reader, n *tree.Node, now int64) *policy.Rights {
	stamp := tree.ClausesStamp(r)
	if rights := n.Memo.Rights.Load(); rights.Valid(stamp, now) {
		return rights
	}
	above := &policy.Rights{Stamp: stamp, From: now, Until: math.MaxInt64}
	above.Below = above
	if n.Path != path.Root {
		above = rightsOf(r, tree.Find(r, n.Path.Parent()), now).Below
	}
	rights := above
	if clauses := tree.Clauses(r, n.Path); len(clauses) > 0 {
		rights = narrow(above, clauses, now)
	}
	n.Memo.Rights.Store(rights)
	return rights
}

// narrow gives the policies of a node that has clauses, below one whose children
// begin with those of above.
func narrow(above *policy.Rights, clauses []tree.Clause, now int64) *policy.Rights {
	below := *above
	below.Below = &below
	rights := &policy.Rights{Self: above.Self, Below: &below}
	for i := range clauses {
		c := &clauses[i]
		if at, ok := c.Boundary(now); ok {
			below.Until = min(below.Until, at)
		}
		if !c.InForce(now) {
			continue
		}
		sets := make([][]string, len(c.Sets))
		for j, set := range c.Sets {
			for _, role := range set {
				sets[j] = append(sets[j], string(role))
			}
		}
		rights.Self[c.Operation] = policy.And(rights.Self[c.Operation], sets...)
		if !c.Local {
			below.Self[c.Operation] = policy.And(below.Self[c.Operation], sets...)
		}
	}
	// What begins now did not hold before, and so it is for what ended.
	below.From = now
	rights.Stamp, rights.From, rights.Until = below.Stamp, below.From, below.Until
	rights.Index()
	below.Index()
	return rights
}
