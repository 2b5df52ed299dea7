package acl_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestLossesAreWhatCheckSays makes random changes of random worlds. They must be
// refused if Check says of some node that somebody could administer it before and
// nobody can after, and only then.
func TestLossesAreWhatCheckSays(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	var made, refused int
	for i := range uint64(16) {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+i), func(t *testing.T) {
			s := newWorkshop(t, seed+i)
			s.furnish()
			s.m.EntryNanos = 0 // what only time takes is no loss
			for range 24 {
				switch s.tryToLose() {
				case fault.Conflict:
					refused++
				case "":
					made++
				}
			}
		})
	}
	t.Logf("%d commands are made and %d refused for what they would lose", made, refused)
	if (made == 0 || refused == 0) && !t.Failed() {
		t.Errorf("%d commands are made and %d refused, want some of both", made, refused)
	}
}

// tryToLose makes a command as an operator, and with force if it is refused. It
// gives the kind of the refusal, if it was for what would be lost.
func (s *workshop) tryToLose() fault.Kind {
	s.t.Helper()
	s.before = s.listed()
	before := s.administered()
	req := &pb.ChangeRequest{}
	for range 1 + s.rand.IntN(3) {
		req.Changes = append(req.Changes, s.anyLoss())
	}
	_, err := fsmtest.Do(s.m.Operator, acl.Change, req)
	refused := err != nil && strings.Contains(err.Error(), "nobody could administer")
	if err != nil && !refused {
		return fault.KindOf(err)
	}
	if refused {
		req.Force = true
		fsmtest.Must(s.m.Operator, acl.Change, req)
	}
	after := s.administered()
	var lost []string
	for origin, now := range followed(s.before, req.Changes) {
		if before[origin] && !after[now] {
			lost = append(lost, origin)
		}
	}
	switch named := faultPath(err); {
	case refused != (len(lost) > 0):
		s.t.Errorf("%v is answered with %v; lost is %q", req.Changes, err, lost)
	case refused && !slices.Contains(lost, named):
		s.t.Errorf("%v is refused for %q; lost is %q", req.Changes, named, lost)
	}
	if refused {
		return fault.Conflict
	}
	return ""
}

func faultPath(err error) string {
	if f, ok := err.(*fault.Fault); ok {
		return f.Details["path"]
	}
	return ""
}

// anyLoss gives a change, one of those that take rather than of those that give.
func (s *workshop) anyLoss() *pb.Change {
	p := pick(s, s.before.paths())
	if top := way(p)[min(1, len(way(p))-1)]; s.oneIn(3) {
		p = top
	}
	switch s.rand.IntN(7) {
	case 0:
		if p, n, ok := s.anyOf(isRole); ok {
			return unannotate(p, n.tag, n.unique)
		}
	case 1:
		if p, n, ok := s.anyOf(isRole); ok {
			n.start = s.now + int64(s.rand.IntN(9)-4)*second
			n.end = 0
			return s.rewritten(p, n)
		}
	case 2:
		if principals := s.before.principals(); len(principals) > 0 {
			return removed(pick(s, append(principals, "/user", "/workload")))
		}
	case 3, 4:
		if p, n, ok := s.anyOf(isAboutAdministrators); ok {
			return s.rewritten(p, s.edited(n))
		}
	case 5:
		return moved(p, pick(s, names))
	}
	return s.anyChange(p)
}

func isRole(n note) bool { return n.tag == "applied-role" }

func isAboutAdministrators(n note) bool { return n.operation == "Admin" || n.operation == "View" }

// anyOf gives an annotation, if there is one of those.
func (s *workshop) anyOf(those func(note) bool) (p string, n note, ok bool) {
	others := func(n note) bool { return !those(n) }
	paths := slices.DeleteFunc(s.before.paths(), func(p string) bool { return !slices.ContainsFunc(s.before[p].notes, those) })
	if len(paths) == 0 {
		return "", note{}, false
	}
	p = pick(s, paths)
	return p, pick(s, slices.DeleteFunc(slices.Clone(s.before[p].notes), others)), true
}

func (s *workshop) rewritten(p string, n note) *pb.Change {
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: p, Annotation: n.annotation(), IfVersion: -1}}}
}

// edited changes a clause a little.
func (s *workshop) edited(n note) note {
	n.sets = slices.Clone(n.sets)
	switch i := s.rand.IntN(len(n.sets) + 3); {
	case i == 0:
		n.local = !n.local
	case i == 1:
		n.operation = pick(s, []string{"Admin", "View"})
	case i == 2:
		n.sets = append(n.sets, s.someRoles())
	case s.oneIn(2):
		n.sets[i-3] = append(slices.Clone(n.sets[i-3]), s.role())
	default:
		n.sets = slices.Delete(n.sets, i-3, i-2)
	}
	return n
}

// listed gives what the machine holds.
func (s *workshop) listed() world {
	s.t.Helper()
	res, err := fsmtest.Ask(s.m.Operator, acl.Export, &pb.ExportRequest{Path: "/", Limit: acl.MaxPage})
	if err != nil {
		s.t.Fatalf("Export: %v", err)
	}
	w := world{}
	for _, n := range res.Nodes {
		at := &place{leaf: n.Node.Kind == "leaf"}
		for _, a := range n.Annotations {
			n := note{tag: a.Tag, unique: a.Unique, start: a.StartUnixNanos, end: a.EndUnixNanos, role: a.GetRole().GetPath()}
			n.operation, n.local = a.GetClause().GetOperation(), a.GetClause().GetLocal()
			for _, set := range a.GetClause().GetSets() {
				var roles []string
				for _, role := range set.Roles {
					roles = append(roles, role.Path)
				}
				n.sets = append(n.sets, roles)
			}
			at.notes = append(at.notes, n)
		}
		w[n.Node.Path] = at
	}
	return w
}

// administered says of each node whether some principal can View and Admin it.
func (s *workshop) administered() map[string]bool {
	s.t.Helper()
	w := s.listed()
	paths, can := w.paths(), make(map[string]bool)
	for _, principal := range w.principals() {
		res, err := fsmtest.Ask(s.m.Operator, acl.CheckMany, &pb.CheckManyRequest{Principal: principal, Paths: paths, Operations: []string{"Admin"}})
		if err != nil {
			s.t.Fatalf("CheckMany: %v", err)
		}
		for i, p := range paths {
			can[p] = can[p] || res.Allowed[i] == 1
		}
	}
	return can
}

// followed gives where the nodes are, behind the changes, that are still there.
func followed(w world, changes []*pb.Change) map[string]string {
	now := make(map[string]string)
	for p := range w {
		now[p] = p
	}
	for _, one := range changes {
		for origin, p := range now {
			switch {
			case one.GetRemove() != nil && within(one.GetRemove().Path, p):
				delete(now, origin)
			case one.GetMove() != nil && within(one.GetMove().Path, p):
				from := one.GetMove().Path
				now[origin] = above(from) + "/" + one.GetMove().Name + p[len(from):]
			}
		}
	}
	return now
}

// ruled is a world in which root and admin administer what they are called after.
func ruled(t *testing.T) *fsmtest.Machine {
	t.Helper()
	m := fsmtest.New(t)
	m.Principal("/user/root", "/role/root")
	m.Principal("/user/group/admin", "/role/admin")
	m.Clause("/", command.View)
	m.Clause("/", command.Write, "/role/root")
	m.Clause("/", command.Admin, "/role/root", "/role/admin")
	m.Clause("/role", command.ApplyRole)
	m.Clause("/role", command.UseRole)
	m.Clause("/data/x", command.Admin, "/role/admin")
	m.Principal("/data/x/file")
	return m
}

func made(p string, directory bool) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p, Directory: directory}}}
}

// hung gives the note as it is written.
func hung(n note) *pb.Annotation { return n.annotation() }

func unannotate(p, tag string, unique uint64) *pb.Change {
	return &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: p, Tag: tag, Unique: unique}}}
}

func removed(p string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: p, Recursive: true}}}
}

func moved(p, name string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: p, Name: name}}}
}

func TestLosses(t *testing.T) {
	t.Parallel()
	nobody := note{tag: "clause", operation: "Admin", sets: [][]string{nil}}
	local := nobody
	local.local = true
	rewritten := func(n note) *pb.Change {
		n.tag, n.unique, n.operation = "clause", 3, "Admin"
		return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: "/", Annotation: n.annotation(), IfVersion: -1}}}
	}
	take := annotated("/user/root", hung(note{tag: "applied-role", role: "/role/admin"}))
	for _, c := range []struct {
		name    string
		changes []*pb.Change
		lost    string // empty if nothing is
	}{
		{"the last holder loses the role", []*pb.Change{unannotate("/user/group/admin", "applied-role", 1)}, "/data/x"},
		{"the last holder is removed", []*pb.Change{removed("/user/group/admin")}, "/data/x"},
		{"the last holder is removed with the directory", []*pb.Change{removed("/user/group")}, "/data/x"},
		{"another has it before it is taken", []*pb.Change{take, unannotate("/user/group/admin", "applied-role", 1)}, ""},
		{"another has it after it is taken", []*pb.Change{unannotate("/user/group/admin", "applied-role", 1), take}, ""},
		{"the last clause is removed", []*pb.Change{unannotate("/", "clause", 3)}, "/"},
		{"the only clause of the node is removed", []*pb.Change{unannotate("/data/x", "clause", 1)}, ""},
		{"nobody may", []*pb.Change{annotated("/data", hung(nobody))}, "/data"},
		{"nobody may, on the node itself", []*pb.Change{annotated("/data/x", hung(local))}, "/data/x"},
		{"nobody may, for a while", []*pb.Change{annotated("/data", hung(nobody)), unannotate("/data", "clause", 1)}, ""},
		{"the clause names fewer roles", []*pb.Change{rewritten(note{sets: [][]string{{"/role/root"}}})}, "/data/x"},
		{"the clause names more roles", []*pb.Change{made("/role/new", false), rewritten(note{sets: [][]string{{"/role/root", "/role/new", "/role/admin"}}})}, ""},
		{"the clause has more sets", []*pb.Change{rewritten(note{sets: [][]string{{"/role/root", "/role/admin"}, {}}})}, "/"},
		{"the clause has no sets", []*pb.Change{rewritten(note{})}, ""},
		{"the clause is made local", []*pb.Change{rewritten(note{local: true, sets: [][]string{{"/role/root"}}})}, "/data"},
		{"the clause begins later", []*pb.Change{rewritten(note{start: math.MaxInt64})}, "/"},
		{"it is moved", []*pb.Change{moved("/data/x", "y"), unannotate("/user/group/admin", "applied-role", 1)}, "/data/x"},
		{"it is closed and moved", []*pb.Change{annotated("/data/x", hung(nobody)), moved("/data/x", "y")}, "/data/x"},
		{"it is moved and closed", []*pb.Change{moved("/data/x", "y"), annotated("/data/y", hung(nobody))}, "/data/x"},
		{"another has its name", []*pb.Change{moved("/data/x", "y"), made("/data/x", true), annotated("/data/x", hung(nobody))}, ""},
		{"it is removed too", []*pb.Change{unannotate("/user/group/admin", "applied-role", 1), removed("/data/x")}, ""},
		{"it is made", []*pb.Change{made("/data/y", true), annotated("/data/y", hung(nobody)), made("/data/y/z", false)}, ""},
		{"a principal who administers nothing is removed", []*pb.Change{made("/user/eve", false), removed("/user/eve")}, ""},
		{"nobody is left", []*pb.Change{removed("/user")}, "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := ruled(t)
			hash := m.Hash()
			_, err := fsmtest.Do(m.Operator, acl.Change, &pb.ChangeRequest{Changes: c.changes})
			if c.lost == "" {
				if err != nil {
					t.Errorf("it is refused: %v", err)
				}
				return
			}
			if fault.KindOf(err) != fault.Conflict || faultPath(err) != c.lost {
				t.Errorf("the answer is %v, want a conflict about %s", err, c.lost)
			}
			if m.Hash() != hash {
				t.Error("it is refused and changed the state")
			}
			fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: c.changes, Force: true})
		})
	}
}

// TestLossesOfWhatIsOpen: where no role is needed, somebody must be there all the
// same.
func TestLossesOfWhatIsOpen(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	open := note{tag: "clause", unique: 1, operation: "Admin"}
	closed, local := open, open
	closed.sets, local.local = [][]string{nil}, true
	m.Clause("/", command.View)
	m.Principal("/user/alice")
	fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{
		made("/data", true), annotated("/data", hung(open)), made("/data/b", false),
		made("/data/a", false), annotated("/data/a", hung(closed)),
	}})
	rewrite := &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: "/data", Annotation: hung(local), IfVersion: -1}}}
	for _, c := range []struct {
		changes []*pb.Change
		lost    string
	}{
		{[]*pb.Change{removed("/user/alice")}, "/data"},
		{[]*pb.Change{rewrite, unannotate("/data/a", "clause", 1)}, "/data/b"},
		{[]*pb.Change{made("/user/bob", false), removed("/user/alice")}, ""},
	} {
		_, err := fsmtest.Do(m.Operator, acl.Change, &pb.ChangeRequest{Changes: c.changes})
		if faultPath(err) != c.lost || (err == nil) != (c.lost == "") {
			t.Errorf("%v is answered with %v, want a loss of %q", c.changes, err, c.lost)
		}
	}
}

// TestLossesAreForcedByOperatorsOnly: others may ask for force and do not get it,
// and are not told of what they may not View.
func TestLossesAreForcedByOperatorsOnly(t *testing.T) {
	t.Parallel()
	m := ruled(t)
	root := m.As(command.Caller{Principal: "/user/root", Method: command.ByCertificate, Issued: m.Position().Time})
	m.Clause("/user/group", command.Admin)
	drop := &pb.ChangeRequest{Changes: []*pb.Change{unannotate("/user/group/admin", "applied-role", 1)}, Force: true}
	if _, err := fsmtest.Do(root, acl.Change, drop); fault.KindOf(err) != fault.Conflict || faultPath(err) != "/data/x" {
		t.Errorf("root drops the role: %v, want a conflict about /data/x", err)
	}
	m.Clause("/data/x", command.View, "/role/admin")
	if _, err := fsmtest.Do(root, acl.Change, drop); fault.KindOf(err) != fault.Conflict || faultPath(err) != "" || strings.Contains(err.Error(), "/data/x") {
		t.Errorf("root drops the role: %v, want a conflict that names nothing", err)
	}
	fsmtest.Must(m.Operator, acl.Change, drop)
}

// TestLossesOfATimedRole: a role that ends later is held until then.
func TestLossesOfATimedRole(t *testing.T) {
	t.Parallel()
	m := ruled(t)
	later := m.Position().Time + 1_000_000_000
	write := func(n note) error {
		n.tag, n.unique, n.role = "applied-role", 1, "/role/admin"
		_, err := fsmtest.Do(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{
			{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: "/user/group/admin", Annotation: n.annotation(), IfVersion: -1}}},
		}})
		return err
	}
	if err := write(note{start: later}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the role begins later: %v, want a conflict", err)
	}
	if err := write(note{end: later}); err != nil {
		t.Errorf("the role ends later: %v", err)
	}
}

// BenchmarkGrant gives and takes a role that many clauses name, of which few are
// about who administers.
func BenchmarkGrant(b *testing.B) {
	m := fsmtest.New(b)
	m.Clause("/", command.View, "/role/employee")
	m.Clause("/", command.Admin, "/role/root")
	m.Principal("/user/root", "/role/root", "/role/employee")
	m.Principal("/user/alice", "/role/employee")
	changes := []*pb.Change{made("/data", true)}
	for i := range 10_000 {
		p := fmt.Sprintf("/data/%d", i)
		changes = append(changes, made(p, true), annotated(p, hung(note{tag: "clause", operation: "Admin", sets: [][]string{{"/role/root"}}})))
	}
	fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: changes})
	give := &pb.ChangeRequest{Changes: []*pb.Change{annotated("/user/alice", hung(note{tag: "applied-role", role: "/role/root"}))}}
	take := &pb.ChangeRequest{Changes: []*pb.Change{unannotate("/user/alice", "applied-role", 2)}}
	for b.Loop() {
		fsmtest.Must(m.Operator, acl.Change, give)
		fsmtest.Must(m.Operator, acl.Change, take)
	}
}
