package acl

import (
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// survey looks for who can administer nodes, in one state.
type survey struct {
	tx    *command.Tx
	lost  *losses
	found []path.Path
	// known remembers which policies for View and Admin some principal meets.
	known map[[2]*policy.Policy]bool
}

// checkAdministered refuses what leaves the nodes without anybody to administer
// them, if somebody can now.
func checkAdministered(tx *command.Tx, suspects []path.Path) error {
	s := survey{tx: tx, known: make(map[[2]*policy.Policy]bool)}
	who := subjectOf(tx, tx.Time, &tx.Caller)
	slices.Sort(suspects)
	lost := false
	for _, p := range suspects {
		if !s.administrable(p, false) {
			continue
		}
		if who.sees(p) {
			return fault.Conflict.New("nobody could administer %s any more; only an operator may force it", p).With("path", string(p))
		}
		lost = true
	}
	if lost {
		return fault.Conflict.New("nobody could administer some of the tree any more; only an operator may force it")
	}
	return nil
}

// suspects gives the nodes, by where they were before the command, that nobody can
// administer now and that somebody may have been able to before: all whose clauses
// differ, at least one of those without clauses that share a policy.
func (l *losses) suspects(tx *command.Tx) (found []path.Path, err error) {
	s := survey{tx: tx, lost: l, known: make(map[[2]*policy.Policy]bool)}
	for _, top := range s.tops() {
		s.review(top)
		for p := range tree.ClausesBelow(tx, top) {
			s.review(p)
			if l.reviewed > MaxReviewed {
				break
			}
		}
	}
	if l.reviewed > MaxReviewed {
		return nil, fault.Exhausted.New("more than %d nodes are to be looked at to see that somebody can still administer them: "+
			"make the changes further down, or let an operator force them", MaxReviewed)
	}
	return s.found, nil
}

// tops gives the paths at and below which something may be lost.
func (s *survey) tops() (tops []path.Path) {
	if s.lost.principals && !(&demand{r: s.tx, now: s.tx.Time}).met() {
		return []path.Path{path.Root} // what was open to all principals is open to none
	}
	for _, origin := range s.lost.clauses {
		if p := s.lost.now(origin); p != "" {
			tops = append(tops, p)
		}
	}
	if s.replaced() {
		return uncovered(tops)
	}
	// Who could administer a node and cannot now held a role of each set on the way
	// to it, and so one that a clause names at the last node there that has any.
	for _, role := range s.lost.roles {
		for p := range tree.ClausesNaming(s.tx, role) {
			if !s.lost.goOn() {
				return nil
			}
			if s.lost.origin(p) != "" && !(s.held(p, false) && s.held(p, true)) {
				tops = append(tops, p)
			}
		}
	}
	return uncovered(tops)
}

// replaced says whether it is easily found that some principal holds all that those
// held who lost a role: then it can do all that they could.
func (s *survey) replaced() bool {
	const easily = 64
	if len(s.lost.roles) > easily {
		return false
	}
	d := demand{r: s.tx, now: s.tx.Time}
	var sets [][]string
	for _, role := range s.lost.roles {
		d.sets = append(d.sets, []path.Path{role})
		sets = append(sets, []string{string(role)})
	}
	d.policies = []*policy.Policy{policy.And(nil, sets...)}
	met, _ := d.search(easily)
	return met
}

// review adds the node to what was found if nobody can administer it, and one of
// its children without clauses if nobody can administer those.
func (s *survey) review(p path.Path) {
	origin := s.lost.origin(p)
	if origin == "" || !s.lost.goOn() {
		return
	}
	if !s.administrable(p, false) {
		s.found = append(s.found, origin)
	}
	if tree.Find(s.tx, p).Kind == tree.Leaf || s.administrable(p, true) {
		return
	}
	for n := range tree.Children(s.tx, p, "") {
		origin := s.lost.origin(n.Path)
		if origin == "" {
			continue
		}
		if !s.lost.goOn() {
			return
		}
		// Those that have clauses, or had, are reviewed by themselves.
		if !s.lost.changed[origin] && len(tree.Clauses(s.tx, n.Path)) == 0 {
			s.found = append(s.found, origin)
			return
		}
	}
}

// administrable says whether some principal can View and Admin the node or, with
// below, its children without clauses.
func (s *survey) administrable(p path.Path, below bool) bool {
	rights := s.rights(p, below)
	return rights.Self[command.View] != nil && rights.Self[command.Admin] != nil && s.held(p, below)
}

// held says whether some principal holds what the clauses for View and Admin need,
// whether or not there are any.
func (s *survey) held(p path.Path, below bool) bool {
	rights := s.rights(p, below)
	key := [2]*policy.Policy{rights.Self[command.View], rights.Self[command.Admin]}
	met, ok := s.known[key]
	if !ok {
		d := demandOf(s.tx, s.tx.Time, p, below, command.View, command.Admin)
		d.policies = slices.DeleteFunc(d.policies, func(p *policy.Policy) bool { return p == nil })
		met = d.met()
		s.known[key] = met
	}
	return met
}

func (s *survey) rights(p path.Path, below bool) *policy.Rights {
	rights := rightsOf(s.tx, tree.Find(s.tx, p), s.tx.Time)
	if below {
		return rights.Below
	}
	return rights
}
