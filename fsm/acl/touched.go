package acl

import (
	"slices"

	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// touched is where changes may make a difference. Each list is in order, and of
// nothing that another path of the list covers.
type touched struct {
	// clauses are the paths at and below which there may be other clauses.
	clauses []path.Path
	// roles are the paths at and below which other roles may be held.
	roles []path.Path
	// nodes says that there may be other nodes, at and below paths of both lists.
	nodes bool
}

// touchedBy gives what changes touch that were found to be allowed.
func touchedBy(before kv.Reader, changes []*pb.Change) (t touched) {
	for _, one := range changes {
		switch one := one.Change.(type) {
		case *pb.Change_Create:
			t.node(firstMissing(before, parsed(one.Create.Path)))
		case *pb.Change_Remove:
			t.node(parsed(one.Remove.Path))
		case *pb.Change_Move:
			from := parsed(one.Move.Path)
			t.node(from)
			t.node(parsed(string(from.Parent()) + "/" + one.Move.Name))
		case *pb.Change_Annotate:
			t.annotation(parsed(one.Annotate.Path), one.Annotate.Annotation.Tag)
		case *pb.Change_Unannotate:
			t.annotation(parsed(one.Unannotate.Path), one.Unannotate.Tag)
		}
	}
	t.clauses, t.roles = uncovered(t.clauses), uncovered(t.roles)
	return t
}

// parsed reads a path that was read before.
func parsed(s string) path.Path {
	p, err := path.Parse(s)
	if err != nil {
		panic("acl: a change was made at what is no path: " + err.Error())
	}
	return p
}

// firstMissing gives the first path on the way down to p at which there is no
// node, or p.
func firstMissing(r kv.Reader, p path.Path) path.Path {
	for above := range p.Ancestors() {
		if tree.Find(r, above) == nil {
			return above
		}
	}
	return p
}

func (t *touched) node(p path.Path) {
	t.nodes = true
	t.clauses = append(t.clauses, p)
	t.roles = append(t.roles, p)
}

func (t *touched) annotation(p path.Path, tag string) {
	switch tag {
	case tagClause:
		t.clauses = append(t.clauses, p)
	case tagRole:
		t.roles = append(t.roles, p)
	}
}

// uncovered gives the paths in order, without those that others of them cover.
func uncovered(paths []path.Path) (kept []path.Path) {
	slices.Sort(paths)
	for _, p := range paths {
		if !coveredBy(kept, p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// coveredBy says whether one of the paths, which are in order, covers p.
func coveredBy(paths []path.Path, p path.Path) bool {
	for above := range p.Ancestors() {
		if _, found := slices.BinarySearch(paths, above); found {
			return true
		}
	}
	return false
}

// narrowed gives the paths that are at or below both one of the paths and under.
func narrowed(paths []path.Path, under path.Path) (kept []path.Path) {
	if coveredBy(paths, under) {
		return []path.Path{under}
	}
	for _, p := range paths {
		if under.Covers(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// place is a path at which there is a node before, or after, or both.
type place struct {
	path          path.Path
	before, after bool
}

// places gives the paths at and below those of tops, in order, at which there is
// something to keep in one of the two states. A nil after has the same nodes as
// before. ok is false when there are more than most.
func places(before, after kv.Reader, tops []path.Path, keep func(*tree.Node) bool, most int) (all []place, ok bool) {
	then, ok := listed(before, tops, keep, most)
	if !ok {
		return nil, false
	}
	now := then
	if after != nil {
		if now, ok = listed(after, tops, keep, most); !ok {
			return nil, false
		}
	}
	for len(then) > 0 || len(now) > 0 {
		var one place
		switch {
		case len(now) == 0 || len(then) > 0 && then[0] < now[0]:
			one = place{path: then[0], before: true}
		case len(then) == 0 || now[0] < then[0]:
			one = place{path: now[0], after: true}
		default:
			one = place{path: then[0], before: true, after: true}
		}
		if one.before {
			then = then[1:]
		}
		if one.after {
			now = now[1:]
		}
		all = append(all, one)
	}
	return all, true
}

func listed(r kv.Reader, tops []path.Path, keep func(*tree.Node) bool, most int) (all []path.Path, ok bool) {
	for _, top := range tops {
		for n := range tree.Subtree(r, top, "") {
			if !keep(n) {
				continue
			}
			if len(all) == most {
				return nil, false
			}
			all = append(all, n.Path)
		}
	}
	// What is below one may come after the next: "/a-b" is between "/a" and "/a/b".
	if !slices.IsSorted(all) {
		slices.Sort(all)
	}
	return all, true
}

// otherRoles gives the roles that the path holds in one of the two states only.
func otherRoles(before, after kv.Reader, p path.Path, time int64) (roles []path.Path) {
	then, now := identity.HeldRoles(before, p, time), identity.HeldRoles(after, p, time)
	for _, role := range slices.Concat(then, now) {
		if slices.Contains(then, role) != slices.Contains(now, role) {
			roles = append(roles, role)
		}
	}
	return roles
}
