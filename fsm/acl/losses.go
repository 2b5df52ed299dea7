package acl

import (
	"errors"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// MaxReviewed is how many nodes that were there before a command are looked at to
// see whether it leaves something that nobody can administer.
const MaxReviewed = 100_000

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

// rewritten notes that a clause of the node is about to be replaced.
func (l *losses) rewritten(now int64, p path.Path, before, after *tree.Clause) {
	if l != nil && !widens(now, before, after) {
		l.clause(p, before.Operation)
		l.clause(p, after.Operation)
	}
}

// widens says that whatever the clause before allows is allowed by the one after
// too.
func widens(now int64, before, after *tree.Clause) bool {
	if before.Operation != after.Operation || before.Local != after.Local || !before.InForce(now) || !after.InForce(now) {
		return false
	}
	for _, set := range after.Sets {
		isWider := func(narrow []path.Path) bool {
			return !slices.ContainsFunc(narrow, func(role path.Path) bool { return !slices.Contains(set, role) })
		}
		if !slices.ContainsFunc(before.Sets, isWider) {
			return false
		}
	}
	return true
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
	l, entry := newLosses(), *tx.Entry
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
	*tx.Entry = entry // what was made is gone
	if err := checkAdministered(tx, suspects); err != nil {
		return err
	}
	return do(nil)
}
