package acl_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	pb "acquired/proto/acquired/v1"
)

// The reference: the rule of access once more, said as plainly as can be, over a
// plain description of a world. It remembers nothing and shares nothing with what
// it is compared with.

// operations are all that clauses can name, in the order of the API.
var operations = []string{
	"View", "Read", "Write", "Admin", "UseRole", "ApplyRole", "VouchFor", "Spend", "Submit", "Work", "Meter",
}

// world is a tree: what hangs where, by path.
type world map[string]*place

// place is a node.
type place struct {
	leaf    bool
	created uint64
	notes   []note
}

// note is an annotation: a clause, an applied role, or a text.
type note struct {
	tag             string
	unique, version uint64
	start, end      int64

	operation string
	local     bool
	sets      [][]string

	role string
	text string
}

// somebody is who does or asks.
type somebody struct {
	path     string
	operator bool
}

func (w world) clone() world {
	other := make(world, len(w))
	for p, at := range w {
		other[p] = &place{leaf: at.leaf, created: at.created, notes: slices.Clone(at.notes)}
	}
	return other
}

// paths gives all paths in order.
func (w world) paths() []string { return slices.Sorted(maps.Keys(w)) }

// way gives the paths from the root to p.
func way(p string) []string {
	steps := []string{"/"}
	for i := 1; i < len(p); i++ {
		if p[i] == '/' {
			steps = append(steps, p[:i])
		}
	}
	if p != "/" {
		steps = append(steps, p)
	}
	return steps
}

// above gives the parent of a path that is not the root.
func above(p string) string {
	steps := way(p)
	return steps[len(steps)-2]
}

// within says whether p is top or below it.
func within(top, p string) bool { return slices.Contains(way(p), top) }

func (n *note) inForce(now int64) bool { return n.start <= now && !n.ended(now) }

func (n *note) ended(now int64) bool { return n.end != 0 && n.end <= now }

// notesAt gives what hangs at a path, if there is anything.
func (w world) notesAt(p string) []note {
	if at, ok := w[p]; ok {
		return at.notes
	}
	return nil
}

// held gives the roles in force on the path and above it, the root excepted.
func (w world) held(p string, now int64) map[string]bool {
	roles := make(map[string]bool)
	for _, step := range way(p)[1:] {
		for _, n := range w.notesAt(step) {
			if n.tag == "applied-role" && n.inForce(now) {
				roles[n.role] = true
			}
		}
	}
	return roles
}

// governing gives the clauses that bind an operation on a path.
func (w world) governing(operation, p string, now int64) (clauses []note) {
	for _, step := range way(p) {
		for _, n := range w.notesAt(step) {
			if n.tag == "clause" && n.operation == operation && n.inForce(now) && (!n.local || step == p) {
				clauses = append(clauses, n)
			}
		}
	}
	return clauses
}

// met says whether who holds the roles meets every clause, of which there must be
// one.
func met(clauses []note, roles map[string]bool) bool {
	for _, c := range clauses {
		for _, set := range c.sets {
			if !slices.ContainsFunc(set, func(role string) bool { return roles[role] }) {
				return false
			}
		}
	}
	return len(clauses) > 0
}

// could says whether somebody meets the clauses of a path, whatever is there.
func (w world) could(who somebody, operation, p string, now int64) bool {
	return who.operator || met(w.governing(operation, p, now), w.held(who.path, now))
}

func (w world) sees(who somebody, p string, now int64) bool {
	return w[p] != nil && w.could(who, "View", p, now)
}

func (w world) may(who somebody, operation, p string, now int64) bool {
	return w.sees(who, p, now) && w.could(who, operation, p, now)
}

// capabilities gives the operations that somebody may do on a path.
func (w world) capabilities(who somebody, p string, now int64) (all []string) {
	if !w.sees(who, p, now) {
		return nil
	}
	roles := w.held(who.path, now)
	for _, o := range operations {
		if who.operator || met(w.governing(o, p, now), roles) {
			all = append(all, o)
		}
	}
	return all
}

// list gives what somebody sees below a path.
func (w world) list(who somebody, of string, recursive bool, now int64) (all []*pb.Node) {
	for _, p := range w.paths() {
		below := p != of && within(of, p) && (recursive || above(p) == of)
		if below && w.sees(who, p, now) {
			all = append(all, w.node(p))
		}
	}
	return all
}

func (w world) node(p string) *pb.Node {
	kind := "directory"
	if w[p].leaf {
		kind = "leaf"
	}
	return &pb.Node{Path: p, Kind: kind, Created: w[p].created}
}

// describe gives what somebody is to be shown of a path that it sees.
func (w world) describe(who somebody, p string, now int64) *pb.DescribeResponse {
	res := &pb.DescribeResponse{Node: w.node(p)}
	for _, n := range ordered(w.notesAt(p)) {
		if !n.ended(now) {
			res.Annotations = append(res.Annotations, w.show(who, &n, now))
		}
	}
	steps := way(p)
	for _, step := range steps[:len(steps)-1] {
		for _, n := range ordered(w.notesAt(step)) {
			holds := n.tag == "applied-role" || n.tag == "clause" && !n.local
			if holds && n.inForce(now) {
				res.Inherited = append(res.Inherited, &pb.InheritedAnnotation{At: step, Annotation: w.show(who, &n, now)})
			}
		}
	}
	return res
}

func ordered(notes []note) []note {
	return slices.SortedFunc(slices.Values(notes), func(a, b note) int {
		return cmp.Or(strings.Compare(a.tag, b.tag), cmp.Compare(a.unique, b.unique))
	})
}

func (w world) show(who somebody, n *note, now int64) *pb.Annotation {
	a := n.annotation()
	a.Version = n.version
	if n.tag == "applied-role" {
		a.Content = &pb.Annotation_Role{Role: w.roleName(who, n.role, now)}
	}
	if n.tag == "clause" {
		for i, set := range n.sets {
			a.GetClause().Sets[i] = w.roleSet(who, set, now)
		}
	}
	return a
}

// roleSet shows roles in order, those that may not be seen behind the others.
func (w world) roleSet(who somebody, set []string, now int64) *pb.RoleSet {
	shown := &pb.RoleSet{}
	hidden := 0
	for _, role := range slices.Compact(slices.Sorted(slices.Values(set))) {
		name := w.roleName(who, role, now)
		if name.Redacted {
			hidden++
			continue
		}
		shown.Roles = append(shown.Roles, name)
	}
	for range hidden {
		shown.Roles = append(shown.Roles, &pb.RoleName{Redacted: true})
	}
	return shown
}

func (w world) roleName(who somebody, role string, now int64) *pb.RoleName {
	if !w.could(who, "View", role, now) {
		return &pb.RoleName{Redacted: true}
	}
	return &pb.RoleName{Path: role, Dangling: w[role] == nil}
}

// annotation gives the note as it is written.
func (n *note) annotation() *pb.Annotation {
	a := &pb.Annotation{Tag: n.tag, Unique: n.unique, StartUnixNanos: n.start, EndUnixNanos: n.end}
	switch n.tag {
	case "clause":
		c := &pb.Clause{Operation: n.operation, Local: n.local, EndWidens: n.end != 0}
		for _, set := range n.sets {
			roles := &pb.RoleSet{}
			for _, role := range set {
				roles.Roles = append(roles.Roles, &pb.RoleName{Path: role})
			}
			c.Sets = append(c.Sets, roles)
		}
		a.Content = &pb.Annotation_Clause{Clause: c}
	case "applied-role":
		a.Content = &pb.Annotation_Role{Role: &pb.RoleName{Path: n.role}}
	default:
		a.Content = &pb.Annotation_Text{Text: n.text}
	}
	return a
}
