package acl

import (
	"math"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// MaxCompared is how many paths, and how many principals, a simulation compares.
const MaxCompared = 1 << 20

// comparison is of two states. Most paths share their policies with others, and
// most principals their roles: what differs is worked out once for each pair of
// both.
type comparison struct {
	before, after side
	touched       touched
	operations    operationSet
	principals    []place
	groups        []*group
	known         map[closures][]difference
}

// group is the paths that the same policies govern, before and after. They are
// all there before, or none is.
type group struct {
	before, after *policies // nil when they are not there
	paths         []path.Path
}

// policies are those of a path, by operation.
type policies [command.OperationCount]*policy.Policy

// closures is what a principal holds before and after; nil when it is not there.
type closures struct{ before, after *policy.Closure }

// difference is what principals gain and lose at the paths of a group.
type difference struct {
	of           *group
	gained, lost operationSet
}

// compare prepares for the differences between the states that the page asks for.
func compare(v *command.Reading, tx *command.Tx, t touched, page *simulationPage) (*comparison, error) {
	c := &comparison{
		before:     newSide(v, v.Time, &v.Caller),
		after:      newSide(tx, v.Time, &v.Caller),
		touched:    t,
		operations: page.operations,
		known:      make(map[closures][]difference),
	}
	tops := t.roles
	if len(t.clauses) > 0 {
		tops = []path.Path{tree.Users, tree.Workloads}
	}
	var ok bool
	if c.principals, ok = c.places(narrowed(tops, page.principalsUnder), identity.IsPrincipal); !ok {
		return nil, fault.Exhausted.New("more than %d principals are concerned: ask for those below some path", MaxCompared)
	}
	paths, ok := c.places(narrowed(c.concerned(), page.pathsUnder), func(*tree.Node) bool { return true })
	if !ok {
		return nil, fault.Exhausted.New("more than %d paths are concerned: ask for those below some path", MaxCompared)
	}
	c.group(paths)
	c.skipTo(page.principal)
	return c, nil
}

func (c *comparison) places(tops []path.Path, keep func(*tree.Node) bool) ([]place, bool) {
	after := c.after.r
	if !c.touched.nodes {
		after = nil
	}
	return places(c.before.r, after, tops, keep, MaxCompared)
}

// skipTo leaves out the principals before one.
func (c *comparison) skipTo(principal path.Path) {
	for len(c.principals) > 0 && c.principals[0].path < principal {
		c.principals = c.principals[1:]
	}
}

// concerned gives the paths at and below which something may differ for one of
// the principals.
func (c *comparison) concerned() []path.Path {
	paths := append([]path.Path(nil), c.touched.clauses...)
	named := make(map[path.Path]bool)
	for _, one := range c.principals {
		switch {
		case !coveredBy(c.touched.roles, one.path):
			continue
		case !one.before || !one.after:
			return []path.Path{path.Root} // all that it may do it gains or loses
		}
		for _, role := range otherRoles(c.before.r, c.after.r, one.path, c.before.caller.now) {
			if named[role] {
				continue
			}
			named[role] = true
			for p := range tree.ClausesNaming(c.before.r, role) { // others are touched
				paths = append(paths, p)
			}
		}
	}
	return uncovered(paths)
}

// group sorts the paths into groups, and leaves out those that the caller may not
// know of.
func (c *comparison) group(paths []place) {
	type pair struct{ before, after *policy.Rights }
	type key struct {
		there         bool // before
		before, after policies
	}
	var last pair
	var of *group
	pairs, keys := make(map[pair]*group), make(map[key]*group)
	for _, one := range paths {
		rights := pair{c.before.rightsIf(one.before, one.path), c.after.rightsIf(one.after, one.path)}
		if rights != last {
			last, of = rights, pairs[rights]
		}
		if of == nil {
			of = &group{before: policiesOf(rights.before), after: policiesOf(rights.after)}
			k := key{one.before, valueOf(of.before), valueOf(of.after)}
			if same, ok := keys[k]; ok {
				of = same
			} else if keys[k] = of; c.sees(of) {
				c.groups = append(c.groups, of)
			}
			pairs[rights] = of
		}
		of.paths = append(of.paths, one.path)
	}
}

func policiesOf(rights *policy.Rights) *policies {
	if rights == nil {
		return nil
	}
	return (*policies)(&rights.Self)
}

func valueOf(p *policies) policies {
	if p == nil {
		return policies{}
	}
	return *p
}

// sees says whether the caller may know of the paths of the group.
func (c *comparison) sees(g *group) bool {
	if g.before != nil {
		return c.before.may(command.View, g.before)
	}
	return c.after.may(command.View, g.after)
}

// mayAsk says whether the caller may ask what the principal may do.
func (c *comparison) mayAsk(principal place) bool {
	if principal.path == c.before.caller.principal {
		return true
	}
	judge := &c.after
	if tree.Find(c.before.r, principal.path) != nil { // if only a directory
		judge = &c.before
	}
	rights := policiesOf(judge.rightsIf(true, principal.path))
	return judge.may(command.View, rights) && judge.may(command.Read, rights)
}

// maxKnown is for how many pairs of closures it is remembered what differs.
const maxKnown = 4096

// differences gives the groups at whose paths something differs for the
// principal.
func (c *comparison) differences(principal place) []difference {
	held := c.closuresOf(principal)
	found, ok := c.known[held]
	if ok {
		return found
	}
	for _, g := range c.groups {
		then, now := allowed(held.before, g.before)&c.operations, allowed(held.after, g.after)&c.operations
		if then != now {
			found = append(found, difference{of: g, gained: now &^ then, lost: then &^ now})
		}
	}
	if len(c.known) == maxKnown {
		clear(c.known)
	}
	c.known[held] = found
	return found
}

func (c *comparison) closuresOf(principal place) (held closures) {
	now := c.before.caller.now
	if principal.before {
		held.before = identity.Held(c.before.r, tree.Find(c.before.r, principal.path), now)
		held.after = held.before
	}
	if !coveredBy(c.touched.roles, principal.path) {
		return held
	}
	held.after = nil
	if principal.after {
		var names []string
		for _, role := range identity.HeldRoles(c.after.r, principal.path, now) {
			names = append(names, string(role))
		}
		held.after = policy.NewClosure(names)
	}
	return held
}

// allowed gives the operations that the policies allow to who holds the closure.
func allowed(held *policy.Closure, p *policies) (set operationSet) {
	if held == nil || p == nil || !held.Meets(p[command.View]) {
		return 0
	}
	for o := range p {
		if held.Meets(p[o]) {
			set |= 1 << o
		}
	}
	return set
}

// side is one of the two states.
type side struct {
	r      kv.Reader
	caller subject
	// below is what the children of directories begin with. It is not left to the
	// memos of the nodes, which are for the state that everybody reads.
	below map[path.Path]*policy.Rights
	// The directory that was asked for last.
	last       path.Path
	lastRights *policy.Rights
}

func newSide(r kv.Reader, now int64, caller *command.Caller) side {
	return side{r: r, caller: subjectOf(r, now, caller), below: make(map[path.Path]*policy.Rights)}
}

// rightsIf gives the policies of a node, as rightsOf does, if it is there.
func (s *side) rightsIf(there bool, p path.Path) *policy.Rights {
	if !there {
		return nil
	}
	above := &policy.Rights{From: s.caller.now, Until: math.MaxInt64}
	above.Below = above
	if p != path.Root {
		above = s.rightsBelow(p.Parent())
	}
	if clauses := tree.Clauses(s.r, p); len(clauses) > 0 {
		return narrow(above, clauses, s.caller.now)
	}
	return above
}

func (s *side) rightsBelow(directory path.Path) *policy.Rights {
	if s.lastRights != nil && s.last == directory {
		return s.lastRights
	}
	rights, ok := s.below[directory]
	if !ok {
		rights = s.rightsIf(true, directory).Below
		s.below[directory] = rights
	}
	s.last, s.lastRights = directory, rights
	return rights
}

// may says whether the caller may do the operation where the policies govern.
func (s *side) may(o command.Operation, p *policies) bool {
	return s.caller.operator || s.caller.closure.Meets(p[o])
}
