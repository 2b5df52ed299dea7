package acl

import (
	"errors"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// MaxReviewed is how many nodes are looked at to see whether a command leaves
// something that nobody can administer.
const MaxReviewed = 1 << 18

// losses is what the changes of a command may have taken from those who
// administer a part of the tree. A nil one notes nothing.
type losses struct {
	// origins gives, for a node at a path, where it was before the command; empty
	// if it was nowhere. Other nodes were where they are.
	origins map[path.Path]path.Path
	// present is the inverse, of the nodes that were somewhere; empty if they are
	// gone.
	present map[path.Path]path.Path
	// clauses are the nodes, by where they were, whose clauses for Admin or View
	// changed, and changed says which are among them.
	clauses []path.Path
	changed map[path.Path]bool
	// roles are all that was held by those who lost a role, and held says which
	// are among them.
	roles []path.Path
	held  map[path.Path]bool
	// principals says that some were removed.
	principals bool
	// reviewed counts what was looked at.
	reviewed int
}

func newLosses() *losses {
	return &losses{
		origins: make(map[path.Path]path.Path), present: make(map[path.Path]path.Path),
		changed: make(map[path.Path]bool), held: make(map[path.Path]bool),
	}
}

// origin gives where the node at the path was before the command; empty if it was
// nowhere.
func (l *losses) origin(p path.Path) path.Path {
	if origin, ok := l.origins[p]; ok {
		return origin
	}
	return p
}

// now gives where the node is that was at the path before the command; empty if
// it is gone.
func (l *losses) now(origin path.Path) path.Path {
	if p, ok := l.present[origin]; ok {
		return p
	}
	return origin
}

// created notes a node that is made.
func (l *losses) created(p path.Path) {
	if l != nil {
		l.origins[p] = ""
	}
}

// moved notes a node that gets another path.
func (l *losses) moved(from, to path.Path) {
	if l == nil {
		return
	}
	origin := l.origin(from)
	delete(l.origins, from)
	l.origins[to] = origin
	if origin != "" {
		l.present[origin] = to
	}
}

// removed notes a node that is about to be removed.
func (l *losses) removed(tx *command.Tx, n *tree.Node) {
	if l == nil {
		return
	}
	origin := l.origin(n.Path)
	if origin != "" && identity.IsPrincipal(n) {
		l.role(tx, n.Path)
		l.principals = true
	}
	delete(l.origins, n.Path)
	if origin != "" {
		l.present[origin] = ""
	}
}

// clause notes that a clause for the operation on the node is about to change.
func (l *losses) clause(p path.Path, o command.Operation) {
	if l == nil || o != command.Admin && o != command.View {
		return
	}
	if origin := l.origin(p); origin != "" && !l.changed[origin] {
		l.changed[origin] = true
		l.clauses = append(l.clauses, origin)
	}
}

// role notes that those who hold the roles of the node are about to lose one.
// With it they may lose what they have by their other roles.
func (l *losses) role(tx *command.Tx, p path.Path) {
	if l == nil || !mayHold(p) || l.origin(p) == "" {
		return
	}
	l.hold(identity.HeldRoles(tx, p, tx.Time))
	for n := range tree.Descendants(tx, p, "") {
		if !l.goOn() {
			return
		}
		for _, role := range identity.Applied(tx, n.Path) {
			l.hold([]path.Path{role.Role})
		}
	}
}

// goOn counts a node that is looked at, and says whether there is another to be
// looked at: if not, the command is refused.
func (l *losses) goOn() bool {
	l.reviewed++
	return l.reviewed <= MaxReviewed
}

func (l *losses) hold(roles []path.Path) {
	for _, role := range roles {
		if !l.held[role] {
			l.held[role] = true
			l.roles = append(l.roles, role)
		}
	}
}

// errReview takes back what a command did, so that the state before can be looked
// at.
var errReview = errors.New("acl: the state before is looked at")

// keepAdministrators makes changes with do, and refuses them if they leave a node
// that some principal could administer before and none can after. Nodes that the
// changes make or remove do not count, nor what is yet to begin or to end.
//
// Most changes lose nothing, and that can be seen from the state after them. If it
// cannot, the changes are taken back, and made again when the state before shows
// that they lose nothing: do must do the same again.
func keepAdministrators(tx *command.Tx, force bool, do func(*losses) error) error {
	if force {
		return do(nil)
	}
	l, made := newLosses(), *tx.Made
	var suspects []path.Path
	err := tx.Step(func() (err error) {
		if err := do(l); err != nil {
			return err
		}
		if suspects, err = l.suspects(tx); err == nil && len(suspects) > 0 {
			err = errReview
		}
		return err
	})
	if err != errReview {
		return err
	}
	*tx.Made = made // what was made is gone
	if err := checkAdministered(tx, suspects); err != nil {
		return err
	}
	return do(nil)
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
			if !l.goOn() {
				break
			}
			s.review(p)
		}
	}
	if !l.goOn() {
		return nil, fault.Exhausted.New("more than %d nodes are to be looked at to see that somebody can still administer them: "+
			"make the changes further down, or let an operator force them", MaxReviewed)
	}
	return s.found, nil
}

// survey looks for who can administer nodes, in one state.
type survey struct {
	tx    *command.Tx
	lost  *losses
	found []path.Path
	// known remembers which policies for View and Admin some principal meets.
	known map[[2]*policy.Policy]bool
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

// review adds the node to what was found if nobody can administer it, and one of
// its children without clauses if nobody can administer those.
func (s *survey) review(p path.Path) {
	origin := s.lost.origin(p)
	if origin == "" {
		return
	}
	if !s.administrable(p, false) {
		s.found = append(s.found, origin)
	}
	if tree.Find(s.tx, p).Kind == tree.Leaf || s.administrable(p, true) {
		return
	}
	for n := range tree.Children(s.tx, p, "") {
		if !s.lost.goOn() {
			return
		}
		origin := s.lost.origin(n.Path)
		// Those that have clauses, or had, are reviewed by themselves.
		if origin != "" && !s.lost.changed[origin] && len(tree.Clauses(s.tx, n.Path)) == 0 {
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
