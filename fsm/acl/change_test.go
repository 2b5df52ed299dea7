package acl_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func leafAt(p string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p, Parents: true}}}
}

func directoryAt(p string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p, Directory: true, Parents: true}}}
}

// onlyAt is leafAt without parents.
func onlyAt(p string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p}}}
}

func removal(p string, recursive bool) *pb.Change {
	return &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: p, Recursive: recursive}}}
}

func move(p, name string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: p, Name: name}}}
}

func textNote(tag string, unique uint64) *pb.Annotation {
	return &pb.Annotation{Tag: tag, Unique: unique, Content: &pb.Annotation_Text{Text: "a text"}}
}

func roleNote(role string, unique uint64) *pb.Annotation {
	return &pb.Annotation{Tag: "applied-role", Unique: unique, Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: role}}}
}

func clauseNote(operation string, unique uint64, sets ...[]string) *pb.Annotation {
	clause := &pb.Clause{Operation: operation}
	for _, set := range sets {
		one := &pb.RoleSet{}
		for _, role := range set {
			one.Roles = append(one.Roles, &pb.RoleName{Path: role})
		}
		clause.Sets = append(clause.Sets, one)
	}
	return &pb.Annotation{Tag: "clause", Unique: unique, Content: &pb.Annotation_Clause{Clause: clause}}
}

func localClause(operation string, roles ...string) *pb.Annotation {
	a := clauseNote(operation, 0)
	if len(roles) > 0 {
		a = clauseNote(operation, 0, roles)
	}
	a.GetClause().Local = true
	return a
}

func at(version int64, p string, a *pb.Annotation) *pb.Change {
	c := annotated(p, a)
	c.GetAnnotate().IfVersion = version
	return c
}

func takenOff(p, tag string, unique uint64, version int64) *pb.Change {
	return &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: p, Tag: tag, Unique: unique, IfVersion: version}}}
}

func all(changes ...*pb.Change) *pb.ChangeRequest { return &pb.ChangeRequest{Changes: changes} }

func must(t *testing.T, c *fsmtest.Client, changes ...*pb.Change) *pb.ChangeResponse {
	t.Helper()
	res, err := fsmtest.Do(c, acl.Change, all(changes...))
	if err != nil {
		t.Fatalf("%v: %v", changes, err)
	}
	return res
}

// refused makes a change that must be refused with a fault of the kind and leave
// the state as it was.
func refused(t *testing.T, m *fsmtest.Machine, c *fsmtest.Client, want fault.Kind, req *pb.ChangeRequest) *fault.Fault {
	t.Helper()
	hash := m.Hash()
	res, err := fsmtest.Do(c, acl.Change, req)
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("%.300v: got %v, %v; want %s", req, res, err, want)
		return &fault.Fault{}
	}
	if m.Hash() != hash {
		t.Errorf("%.300v is refused (%v) and changed the state", req, err)
	}
	return err.(*fault.Fault)
}

func described(t *testing.T, c *fsmtest.Client, p string) *pb.DescribeResponse {
	t.Helper()
	res, err := fsmtest.Ask(c, acl.Describe, &pb.DescribeRequest{Path: p})
	if err != nil {
		t.Fatalf("Describe %s: %v", p, err)
	}
	return res
}

func exists(t *testing.T, m *fsmtest.Machine, p string) bool {
	t.Helper()
	res, err := fsmtest.Ask(m.Operator, acl.Check, &pb.CheckRequest{Operation: "View", Path: p})
	if err != nil {
		t.Fatalf("Check %s: %v", p, err)
	}
	return res.Visible
}

func may(t *testing.T, m *fsmtest.Machine, principal, operation, p string) bool {
	t.Helper()
	res, err := fsmtest.Ask(m.Operator, acl.Check, &pb.CheckRequest{Principal: principal, Operation: operation, Path: p})
	if err != nil {
		t.Fatalf("Check %s %s %s: %v", principal, operation, p, err)
	}
	return res.Allowed
}

// need is an operation on a path that a change needs, and how it is refused
// without.
type need struct {
	operation, path string
	without         fault.Kind
}

// TestWhatChangesNeed makes each change with all that it needs, and without each
// part of that.
func TestWhatChangesNeed(t *testing.T) {
	t.Parallel()
	const notFound, denied = fault.NotFound, fault.Denied
	admin := []need{{"View", "/data/d", notFound}, {"Admin", "/data/d", denied}}
	user := []need{{"View", "/user/u", notFound}, {"Admin", "/user/u", denied}}
	parent := []need{{"View", "/data/d", notFound}, {"Write", "/data/d", denied}}
	leaf := []need{{"View", "/data/d/x", notFound}}
	use := func(role string, hidden fault.Kind) []need {
		return []need{{"View", role, hidden}, {"UseRole", role, denied}}
	}
	apply := func(hidden fault.Kind) []need {
		return []need{{"View", "/role/a", hidden}, {"ApplyRole", "/role/a", denied}}
	}
	subtree := []need{
		{"View", "/data/d", notFound}, {"Write", "/data/d", denied}, {"View", "/data/d/x", denied},
		{"View", "/data/d/e", denied}, {"Write", "/data/d/e", denied}, {"View", "/data", notFound}, {"Write", "/data", denied},
	}
	for _, test := range []struct {
		name   string
		change *pb.Change
		needs  []need
	}{
		{"create", onlyAt("/data/d/new"), parent},
		{"create with parents", leafAt("/data/d/new"), parent},
		{"remove", removal("/data/d/x", false), slices.Concat(parent, leaf)},
		{"remove a subtree", removal("/data/d", true), subtree},
		{"move", move("/data/d/x", "new"), slices.Concat(parent, leaf)},
		{"write a text", annotated("/data/d", textNote("t", 0)), admin},
		{"write over a text", at(1, "/data/d", textNote("t", 1)), admin},
		{"remove a text", takenOff("/data/d", "t", 1, 0), admin},
		{"write an open clause", annotated("/data/d", clauseNote("Meter", 0)), admin},
		{
			"write a clause", annotated("/data/d", clauseNote("Meter", 0, []string{"/role/a"}, []string{"/role/b"})),
			slices.Concat(admin, use("/role/a", notFound), use("/role/b", notFound)),
		},
		{
			"write over a clause", at(-1, "/data/d", clauseNote("Meter", 100, []string{"/role/b"})),
			slices.Concat(admin, use("/role/a", denied), use("/role/b", notFound)),
		},
		{"remove a clause", takenOff("/data/d", "clause", 100, 0), slices.Concat(admin, use("/role/a", denied))},
		{"apply a role", annotated("/user/u", roleNote("/role/a", 0)), slices.Concat(user, apply(notFound))},
		{"write over a role", at(1, "/user/v", roleNote("/role/a", 1)), slices.Concat([]need{
			{"View", "/user/v", notFound}, {"Admin", "/user/v", denied},
		}, apply(notFound))},
		{"remove a role", takenOff("/user/v", "applied-role", 1, 0), slices.Concat([]need{
			{"View", "/user/v", notFound}, {"Admin", "/user/v", denied},
		}, apply(denied))},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for without := range append(test.needs, need{}) {
				m, alice := needy(t, test.needs, without)
				if without == len(test.needs) {
					must(t, alice, test.change)
					continue
				}
				missing := test.needs[without]
				f := refused(t, m, alice, missing.without, all(test.change))
				hidden := missing.operation == "View" && missing.without == fault.Denied
				if said := f.Message + fmt.Sprint(f.Details); hidden && strings.Contains(said, missing.path) {
					t.Errorf("without View of %s it is named: %s", missing.path, said)
				}
			}
		})
	}
}

// needy gives a world in which alice has the needs, without one of them.
func needy(t *testing.T, needs []need, without int) (m *fsmtest.Machine, alice *fsmtest.Client) {
	t.Helper()
	m = fsmtest.New(t)
	changes := []*pb.Change{
		leafAt("/data/d/x"), leafAt("/data/d/e/f"), leafAt("/role/a"), leafAt("/role/b"), leafAt("/role/nobody"),
		leafAt("/user/u"), leafAt("/user/v"), annotated("/user/v", roleNote("/role/a", 0)),
		annotated("/data/d", textNote("t", 0)), annotated("/data/d", clauseNote("Meter", 100, []string{"/role/a"})),
		annotated("/data/d/e/f", localClause("View")),
	}
	must(t, m.Operator, changes...)
	alice = m.Principal("/user/alice", "/role/me")
	for i, n := range needs {
		role := "/role/me"
		if i == without {
			role = "/role/nobody"
		}
		must(t, m.Operator, annotated(n.path, localClause(n.operation, role)))
	}
	return m, alice
}

// open is a world in which everybody sees all, and alice may do all.
func open(t *testing.T) (m *fsmtest.Machine, alice *fsmtest.Client) {
	t.Helper()
	m = fsmtest.New(t)
	m.Clause("/", command.View)
	alice = m.Principal("/user/alice", "/role/alice")
	for _, o := range command.Operations()[1:] {
		m.Clause("/", o, "/role/alice")
	}
	must(t, m.Operator, directoryAt("/data/d"))
	return m, alice
}

// TestTheParentIsTheTarget: to make something, what binds the parent counts, local
// or not, and what is local to those above it does not.
func TestTheParentIsTheTarget(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/nobody"), leafAt("/data/d/e/x"), annotated("/data/d", localClause("Write", "/role/nobody")))
	refused(t, m, alice, fault.Denied, all(onlyAt("/data/d/y")))
	refused(t, m, alice, fault.Denied, all(removal("/data/d/e", true)))
	refused(t, m, alice, fault.Denied, all(move("/data/d/e", "f")))
	refused(t, m, alice, fault.Denied, all(leafAt("/data/d/f/g")))
	must(t, alice, onlyAt("/data/d/e/y"), removal("/data/d/e/x", false), move("/data/d/e/y", "z"))
}

// TestChangesBuildOnEachOther: what a change takes from its maker is gone for the
// next, and what it gives is there.
func TestChangesBuildOnEachOther(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	drop := takenOff("/user/alice", "applied-role", 1, 0)
	f := refused(t, m, alice, fault.Denied, all(drop, annotated("/data/d", textNote("t", 0))))
	if !strings.HasPrefix(f.Message, "change 1: ") {
		t.Errorf("the fault says %q, want that it is of change 1", f.Message)
	}
	must(t, m.Operator, leafAt("/role/key"), annotated("/data/d", clauseNote("Write", 0, []string{"/role/key"})))
	refused(t, m, alice, fault.Denied, all(onlyAt("/data/d/x"), annotated("/user/alice", roleNote("/role/key", 0))))
	must(t, alice, annotated("/user/alice", roleNote("/role/key", 0)), onlyAt("/data/d/x"))
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for tag, write := range map[string]func(unique uint64) *pb.Annotation{
		"t":            func(unique uint64) *pb.Annotation { return textNote("t", unique) },
		"clause":       func(unique uint64) *pb.Annotation { return clauseNote("Meter", unique) },
		"applied-role": func(unique uint64) *pb.Annotation { return roleNote("/role/r", unique) },
	} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			m, alice := open(t)
			const p = "/user/u"
			must(t, m.Operator, leafAt(p), leafAt("/role/r"))
			wrote := func(version int64, unique uint64, want uint64) {
				t.Helper()
				if got := must(t, alice, at(version, p, write(unique))).Changed[0]; got.Unique != 1 || got.Version != want {
					t.Errorf("version %d of %d is written as %v, want version %d of 1", version, unique, got, want)
				}
			}
			not := func(want fault.Kind, change *pb.Change) { t.Helper(); refused(t, m, alice, want, all(change)) }
			not(fault.Conflict, at(1, p, write(1)))
			not(fault.Conflict, at(1, p, write(0)))
			wrote(0, 0, 1)
			not(fault.Exists, at(0, p, write(1)))
			wrote(1, 1, 2)
			not(fault.Conflict, at(1, p, write(1)))
			not(fault.Conflict, at(3, p, write(1)))
			wrote(-1, 1, 3)
			not(fault.Invalid, at(-2, p, write(1)))
			not(fault.Conflict, takenOff(p, tag, 1, 2))
			not(fault.Invalid, takenOff(p, tag, 1, -2))
			not(fault.NotFound, takenOff(p, tag, 2, 0))
			not(fault.NotFound, takenOff(p, tag, 0, -1))
			must(t, alice, takenOff(p, tag, 1, 3))
			not(fault.NotFound, takenOff(p, tag, 1, -1))
			wrote(-1, 1, 1)
			must(t, alice, takenOff(p, tag, 1, -1))
		})
	}
}

func TestUniques(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	const p = "/data/d"
	var got []uint64
	write := func(a *pb.Annotation) { got = append(got, must(t, alice, annotated(p, a)).Changed[0].Unique) }
	write(textNote("t", 0))
	write(textNote("t", 0))
	write(textNote("tt", 0)) // those of another tag count by themselves
	write(clauseNote("Meter", 0))
	must(t, alice, takenOff(p, "t", 1, 0))
	write(textNote("t", 0))
	write(textNote("t", 1))
	write(textNote("t", 7))
	write(textNote("t", 0))
	write(textNote("t", tree.MaxUnique))
	if want := []uint64{1, 2, 1, 1, 3, 1, 7, 8, tree.MaxUnique}; !slices.Equal(got, want) {
		t.Errorf("the uniques are %v, want %v", got, want)
	}
	refused(t, m, alice, fault.Invalid, all(annotated(p, textNote("u", tree.MaxUnique+1))))
	refused(t, m, alice, fault.Invalid, all(annotated(p, textNote("t", 0))))
	var hung []uint64
	for _, a := range described(t, alice, p).Annotations {
		if a.Tag == "t" {
			hung = append(hung, a.Unique)
		}
	}
	if want := []uint64{1, 2, 3, 7, 8, tree.MaxUnique}; !slices.Equal(hung, want) {
		t.Errorf("there are %v, want %v", hung, want)
	}
}

func TestTagsAndContents(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	for _, tag := range []string{"a", "0", "9z", "ssh-pubkey", "s3-url-2", "a--", strings.Repeat("t", tree.MaxTag)} {
		must(t, alice, annotated("/data/d", textNote(tag, 0)))
	}
	for _, tag := range []string{"", "-", "-a", "A", "a_b", "a.b", "a#1", "ä", strings.Repeat("t", tree.MaxTag+1)} {
		refused(t, m, alice, fault.Invalid, all(annotated("/data/d", textNote(tag, 0))))
	}
	must(t, m.Operator, leafAt("/role/r"))
	for _, swap := range []struct {
		tag string
		of  *pb.Annotation
	}{
		{"clause", textNote("t", 0)}, {"applied-role", textNote("t", 0)}, {"clause", roleNote("/role/r", 0)},
		{"t", roleNote("/role/r", 0)}, {"applied-role", clauseNote("Meter", 0)}, {"t", clauseNote("Meter", 0)},
		{"clause", &pb.Annotation{}}, {"clauses", clauseNote("Meter", 0)},
	} {
		swap.of.Tag = swap.tag
		refused(t, m, alice, fault.Invalid, all(annotated("/data/d", swap.of)))
	}
	must(t, alice, annotated("/data/d", &pb.Annotation{Tag: "empty"}))
	refused(t, m, alice, fault.Invalid, all(annotated("/data/d", nil)))
	refused(t, m, alice, fault.Invalid, all(&pb.Change{}))
	refused(t, m, alice, fault.Invalid, all(annotated("/data/d", clauseNote("Look", 0))))
	refused(t, m, alice, fault.Invalid, all(annotated("/data/d", clauseNote("", 0))))
	must(t, alice, annotated("/data/d", clauseNote("usErole", 0)))
}

func TestTimesOfAnnotations(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/r"), leafAt("/user/u"), annotated("/data/d", clauseNote("Read", 0, []string{"/role/r"})))
	m.Clause("/", command.Read)
	timed := func(a *pb.Annotation, start, end int64) *pb.Annotation {
		a = proto.CloneOf(a)
		a.StartUnixNanos, a.EndUnixNanos = start, end
		return a
	}
	for _, times := range [][2]int64{{-1, 0}, {0, -1}, {5, 5}, {5, 4}} {
		for _, a := range []*pb.Annotation{textNote("t", 0), roleNote("/role/r", 0), clauseNote("Meter", 0)} {
			refused(t, m, alice, fault.Invalid, all(annotated("/user/u", timed(a, times[0], times[1]))))
		}
	}
	refused(t, m, alice, fault.Invalid, all(annotated("/user/u", timed(clauseNote("Meter", 0), 0, 1<<62))))
	widens := timed(clauseNote("Meter", 0), 0, 1<<62)
	widens.GetClause().EndWidens = true
	must(t, alice, annotated("/user/u", widens))

	must(t, m.Operator, takenOff("/", "clause", 2, 0), annotated("/", clauseNote("Read", 2)))
	begin := m.Position().Time + 1000*second
	end := begin + 1000*second
	must(t, alice, annotated("/user/u", timed(roleNote("/role/r", 0), begin, end)))
	for _, moment := range []struct {
		at   int64
		want bool
	}{{begin - second, false}, {begin, true}, {end - 1, true}, {end, false}} {
		m.Wait(moment.at - m.Position().Time - m.EntryNanos)
		m.Apply()
		if now := m.Position().Time; now != moment.at {
			t.Fatalf("it is %d, want %d", now, moment.at)
		}
		if got := may(t, m, "/user/u", "Read", "/data/d"); got != moment.want {
			t.Errorf("%d s after it begins the role counts: %v, want %v", (moment.at-begin)/second, got, moment.want)
		}
	}
	refused(t, m, alice, fault.NotFound, all(takenOff("/user/u", "applied-role", 1, 0)))
	if got := must(t, alice, annotated("/user/u", roleNote("/role/r", 0))).Changed[0]; got.Unique != 1 || got.Version != 1 {
		t.Errorf("what has ended makes no room: the role is %v", got)
	}
}

func TestAppliedRoles(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/r"), leafAt("/role/in/s"), leafAt("/user/dir/u"), leafAt("/role/none"), removal("/role/none", false))
	for role, want := range map[string]fault.Kind{
		"/role/none": fault.NotFound, "/role/in": fault.Invalid, "/role": fault.Invalid, "/user/dir/u": fault.Invalid,
		"/roles/r": fault.Invalid, "": fault.Invalid, "role/r": fault.Invalid, "/": fault.Invalid,
	} {
		refused(t, m, alice, want, all(annotated("/user/dir/u", roleNote(role, 0))))
		refused(t, m, alice, want, all(annotated("/user/dir/u", clauseNote("Meter", 0, []string{role}))))
	}
	redacted := roleNote("/role/r", 0)
	redacted.GetRole().Redacted = true
	refused(t, m, alice, fault.Invalid, all(annotated("/user/dir/u", redacted)))

	must(t, alice, annotated("/user/dir/u", roleNote("/role/r", 0)), annotated("/user/dir/u", roleNote("am://role/in/s", 0)))
	refused(t, m, alice, fault.Exists, all(annotated("/user/dir/u", roleNote("/role/r", 0))))
	refused(t, m, alice, fault.Exists, all(annotated("/user/dir/u", roleNote("/role/r", 9))))
	refused(t, m, alice, fault.Exists, all(at(1, "/user/dir/u", roleNote("/role/r", 2))))
	must(t, alice, annotated("/user/dir", roleNote("/role/r", 0))) // another node

	must(t, alice, takenOff("/user/dir/u", "applied-role", 1, 0))
	refused(t, m, alice, fault.Conflict, all(at(1, "/user/dir/u", roleNote("/role/r", 2))))
}

func TestCreate(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, alice, leafAt("/user/a/b/bob"), onlyAt("/user/a/b/bobby"), onlyAt("/user/a/b/bo"), directoryAt("/user/a/b/bob-"))
	must(t, alice, onlyAt("am://user/a/b/carol/"))
	refused(t, m, alice, fault.Exists, all(onlyAt("/user/a/b/bob")))
	refused(t, m, alice, fault.Exists, all(leafAt("/user/a/b/bob")))
	refused(t, m, alice, fault.Exists, all(directoryAt("/user/a")))
	refused(t, m, alice, fault.Exists, all(directoryAt("/")))
	refused(t, m, alice, fault.Conflict, all(onlyAt("/user/a/b/bob/x")))
	refused(t, m, alice, fault.Conflict, all(leafAt("/user/a/b/bob/x/y")))
	refused(t, m, alice, fault.NotFound, all(onlyAt("/user/none/x")))
	for _, top := range []string{"/users", "/use", "/user2", "/system", "/x", "/User"} {
		refused(t, m, alice, fault.Invalid, all(directoryAt(top)))
		refused(t, m, alice, fault.Invalid, all(leafAt(top+"/x")))
	}
	refused(t, m, alice, fault.Invalid, all(onlyAt("/queue"))) // a top is a directory
	must(t, alice, directoryAt("/queue"), directoryAt("/account"), directoryAt("/workload"))
	for _, p := range []string{"", "user/x", "/user//x", "/user/..", "/user/a b", "/user/" + strings.Repeat("x", path.MaxSegment+1)} {
		refused(t, m, alice, fault.Invalid, all(leafAt(p)))
	}
	res, err := fsmtest.Ask(alice, acl.List, &pb.ListRequest{Path: "/user/a/b"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range res.Nodes {
		names = append(names, n.Kind+" "+strings.TrimPrefix(n.Path, "/user/a/b/"))
	}
	want := []string{"leaf bo", "leaf bob", "directory bob-", "leaf bobby", "leaf carol"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("below /user/a/b (-want +got): %s", diff)
	}
}

// TestDeepTrees: what is far down is listed, described, moved and removed like all
// else.
func TestDeepTrees(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	deepest := "/data" + strings.Repeat("/d", path.MaxDepth-1)
	refused(t, m, alice, fault.Invalid, all(leafAt(deepest+"/d")))
	must(t, alice, leafAt(deepest), annotated(deepest, textNote("t", 0)))
	for p := path.Path(deepest); p != path.Root; p = p.Parent() {
		if !exists(t, m, string(p)) {
			t.Errorf("there is nothing at %s", p)
		}
	}
	refused(t, m, alice, fault.Conflict, all(removal("/data/d/d/d/d/d/d/d/d/d", false)))
	must(t, alice, move("/data/d", "e"))
	moved := "/data/e" + deepest[len("/data/d"):]
	if got := described(t, alice, moved).Annotations; len(got) != 1 || got[0].Tag != "t" {
		t.Errorf("on %s there is %v", moved, got)
	}
	must(t, alice, removal("/data/e", true))
	if exists(t, m, moved) || exists(t, m, "/data/e") {
		t.Error("what was removed is there")
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/data/d/x"), leafAt("/data/d/e/f"), leafAt("/data/dd"), leafAt("/data/d-e/x"), leafAt("/data/c"))
	refused(t, m, alice, fault.Invalid, all(removal("/", true)))
	refused(t, m, alice, fault.Conflict, all(removal("/data/d", false)))
	refused(t, m, alice, fault.NotFound, all(removal("/data/none", true)))
	must(t, m.Operator, leafAt("/role/r"), annotated("/data/d/x", textNote("t", 0)), annotated("/data/d/x", clauseNote("Meter", 0)))
	must(t, alice, removal("/data/d", true))
	for p, want := range map[string]bool{
		"/data/d": false, "/data/d/x": false, "/data/d/e": false, "/data/d/e/f": false,
		"/data/dd": true, "/data/d-e": true, "/data/d-e/x": true, "/data/c": true,
	} {
		if got := exists(t, m, p); got != want {
			t.Errorf("there is something at %s: %v, want %v", p, got, want)
		}
	}
	must(t, alice, leafAt("/data/d/x"))
	if got := described(t, alice, "/data/d/x").Annotations; got != nil {
		t.Errorf("what is made again has %v", got)
	}
	fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "USD"})
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/lab/a", Asset: "USD"})
	refused(t, m, alice, fault.Conflict, all(removal("/account/lab/a", false)))
	refused(t, m, alice, fault.Conflict, all(removal("/account/lab", true)))
	refused(t, m, alice, fault.Conflict, all(move("/account/lab/a", "b")))
	refused(t, m, alice, fault.Conflict, all(move("/account/lab", "b")))
}

func TestMove(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/r"), leafAt("/role/in/s"), leafAt("/user/a/u"), leafAt("/user/ab"), directoryAt("/user/c"),
		annotated("/user/a", roleNote("/role/r", 0)), annotated("/user/a/u", roleNote("/role/in/s", 0)),
		annotated("/user/a/u", clauseNote("Meter", 4, []string{"/role/r"})), at(1, "/user/a/u", clauseNote("Spend", 4)),
		annotated("/user/a/u", textNote("t", 0)), annotated("/data", clauseNote("Spend", 0, []string{"/role/r"}, []string{"/role/in/s"})),
		takenOff("/", "clause", uint64(8), 0), annotated("/", clauseNote("Spend", 8)),
	)
	before := described(t, alice, "/user/a/u")
	if !may(t, m, "/user/a/u", "Spend", "/data/d") {
		t.Fatal("the user does not hold its roles")
	}
	must(t, alice, move("/user/a", "b"))
	after := described(t, alice, "/user/b/u")
	if diff := cmp.Diff(before.Annotations, after.Annotations, protocmp.Transform()); diff != "" {
		t.Errorf("what hangs on the user (-before +after): %s", diff)
	}
	if before.Node.Created != after.Node.Created {
		t.Errorf("the user was made at %d and is now of %d", before.Node.Created, after.Node.Created)
	}
	if !may(t, m, "/user/b/u", "Spend", "/data/d") {
		t.Error("the user does not hold its roles any more")
	}
	for p, want := range map[string]bool{"/user/a": false, "/user/a/u": false, "/user/ab": true, "/user/b": true} {
		if got := exists(t, m, p); got != want {
			t.Errorf("there is something at %s: %v, want %v", p, got, want)
		}
	}
	refused(t, m, alice, fault.Exists, all(move("/user/b", "c")))
	refused(t, m, alice, fault.Exists, all(move("/user/b", "b")))
	refused(t, m, alice, fault.NotFound, all(move("/user/a", "x")))
	for _, name := range []string{"", "x/y", "..", ".", "/", "a b", strings.Repeat("x", path.MaxSegment+1)} {
		refused(t, m, alice, fault.Invalid, all(move("/user/b", name)))
	}
	for _, top := range []string{"/", "/user"} {
		refused(t, m, alice, fault.Invalid, all(move(top, "workload")))
	}
	refused(t, m, alice, fault.Conflict, all(move("/role/r", "q")))
	refused(t, m, alice, fault.Conflict, all(move("/role/in", "out")))
	must(t, alice, leafAt("/role/free/x"), move("/role/free", "freed"))
}

func TestMoveMakesNoPathTooLong(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	long := strings.Repeat("x", path.MaxSegment)
	p := "/data/d" + strings.Repeat("/"+long, 7)
	p += "/" + strings.Repeat("y", path.MaxLength-len(p)-1)
	must(t, alice, leafAt(p))
	refused(t, m, alice, fault.Invalid, all(move("/data/d", "dd")))
	must(t, alice, move("/data/d", "e"))
}

func TestRolesInUseStay(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/applied"), leafAt("/role/in/named"), leafAt("/user/u"),
		annotated("/user/u", roleNote("/role/applied", 0)), annotated("/data/d", clauseNote("Meter", 0, []string{"/role/in/named"})))
	for p, at := range map[string]string{"/role/applied": "/user/u", "/role/in/named": "/data/d", "/role/in": "/data/d"} {
		if f := refused(t, m, alice, fault.Conflict, all(removal(p, true))); f.Details["used_by"] != at {
			t.Errorf("%s is used by %q, want %q", p, f.Details["used_by"], at)
		}
		req := all(removal(p, true))
		req.Force = true
		refused(t, m, alice, fault.Conflict, req) // force is for operators
		refused(t, m, m.Operator, fault.Conflict, all(removal(p, true)))
	}
	hide := all(leafAt("/role/nobody"), annotated("/user/u", localClause("View", "/role/nobody")))
	hide.Force = true
	fsmtest.Must(m.Operator, acl.Change, hide)
	f := refused(t, m, alice, fault.Conflict, all(removal("/role/applied", false)))
	if said := f.Message + fmt.Sprint(f.Details); strings.Contains(said, "/user/u") {
		t.Errorf("alice may not View the user of the role and is told %s", said)
	}

	forced := all(removal("/role/applied", false))
	forced.Force = true
	fsmtest.Must(m.Operator, acl.Change, forced)
	if got := described(t, m.Operator, "/user/u").Annotations[0]; !got.GetRole().GetDangling() {
		t.Errorf("the role that is gone is shown as %v", got)
	}
	must(t, m.Operator, takenOff("/user/u", "applied-role", 1, 0)) // which can still be taken off
	must(t, alice, takenOff("/data/d", "clause", 1, 0), removal("/role/in", true))
}

// TestWhatHasEndedUsesNoRole: nobody can remove it, so it must not keep the role.
func TestWhatHasEndedUsesNoRole(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	end := m.Position().Time + 1000*second
	role, clause := roleNote("/role/r", 0), clauseNote("Meter", 0, []string{"/role/r"})
	role.EndUnixNanos, clause.EndUnixNanos, clause.GetClause().EndWidens = end, end, true
	must(t, m.Operator, leafAt("/role/r"), annotated("/user/alice", role), annotated("/data/d", clause))
	refused(t, m, alice, fault.Conflict, all(removal("/role/r", false)))
	m.Wait(1000 * second)
	must(t, alice, removal("/role/r", false))
}

// TestWhatHasEndedNeedsNothing: it is not there, whoever may use its role.
func TestWhatHasEndedNeedsNothing(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/theirs"), leafAt("/role/nobody"), leafAt("/user/u"))
	for _, o := range []string{"UseRole", "ApplyRole"} {
		must(t, m.Operator, annotated("/role/theirs", localClause(o, "/role/nobody")))
	}
	end := m.Position().Time + 1000*second
	role, clause := roleNote("/role/theirs", 0), clauseNote("Meter", 0, []string{"/role/theirs"})
	role.EndUnixNanos, clause.EndUnixNanos, clause.GetClause().EndWidens = end, end, true
	must(t, m.Operator, annotated("/user/u", role), annotated("/data/d", clause))
	changes := map[*pb.Change]fault.Kind{
		takenOff("/user/u", "applied-role", 1, 0): fault.NotFound, takenOff("/data/d", "clause", 1, 0): fault.NotFound,
		at(-1, "/data/d", clauseNote("Meter", 1)): "",
	}
	for change := range changes {
		refused(t, m, alice, fault.Denied, all(change))
	}
	m.Wait(1000 * second)
	for change, want := range changes {
		if want != "" {
			refused(t, m, alice, want, all(change))
		}
	}
	if got := must(t, alice, at(-1, "/data/d", clauseNote("Meter", 1))).Changed[0]; got.Version != 1 {
		t.Errorf("what takes the place of an ended clause is %v", got)
	}
}

// TestAllOrNone: a refusal of the last of many takes back all of them.
func TestAllOrNone(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/r"), leafAt("/user/u"), leafAt("/data/d/old/x"))
	changes := []*pb.Change{
		annotated("/user/u", roleNote("/role/r", 0)), annotated("/data/d", clauseNote("Meter", 0, []string{"/role/r"})),
		annotated("/data/d", textNote("t", 0)), move("/data/d/old", "new"), removal("/data/d/new", true),
	}
	for len(changes) < 49 {
		changes = append(changes, leafAt(fmt.Sprintf("/data/d/made/%d", len(changes))))
	}
	f := refused(t, m, alice, fault.Exists, all(append(changes, onlyAt("/data/d"))...))
	if want := "change 49: /data/d exists"; f.Message != want {
		t.Errorf("the fault is %q, want %q", f.Message, want)
	}
	if res := must(t, alice, changes...); len(res.Changed) != len(changes) || res.Changed[1].Version != 1 || res.Changed[4].Version != 0 {
		t.Errorf("%d changes are answered with %v", len(changes), res.Changed)
	}
}

func TestDemonstrationsNeedAdminOfTheRoot(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, takenOff("/", "clause", uint64(command.VouchFor), 0)) // who can be vouched for is not to be named
	bob := m.Principal("/user/bob")
	byName := m.As(command.Caller{Principal: "/user/bob", Method: command.ByName})
	look := func() error {
		_, err := fsmtest.Ask(byName, acl.List, &pb.ListRequest{Path: "/data"})
		return err
	}
	if err := look(); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("a name alone is answered with %v", err)
	}
	refused(t, m, bob, fault.Denied, &pb.ChangeRequest{Demo: proto.Bool(true)})
	refused(t, m, alice, fault.NotFound, &pb.ChangeRequest{Demo: proto.Bool(true), Changes: []*pb.Change{removal("/data/none", false)}})
	if err := look(); err == nil {
		t.Error("what was refused lets a name call")
	}
	fsmtest.Must(alice, acl.Change, &pb.ChangeRequest{Demo: proto.Bool(true)})
	if err := look(); err != nil {
		t.Errorf("in a demonstration a name is answered with %v", err)
	}
	refused(t, m, bob, fault.Denied, &pb.ChangeRequest{Demo: proto.Bool(false)})
	fsmtest.Must(alice, acl.Change, &pb.ChangeRequest{Demo: proto.Bool(false)})
	if err := look(); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("when the demonstration has ended a name is answered with %v", err)
	}
}

func TestLimitsOfChanges(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	refused(t, m, alice, fault.Invalid, all())
	refused(t, m, alice, fault.Invalid, all(slices.Repeat([]*pb.Change{onlyAt("/data/x")}, acl.MaxChanges+1)...))

	long := textNote("t", 0)
	long.Content = &pb.Annotation_Text{Text: strings.Repeat("x", tree.MaxText+1)}
	refused(t, m, alice, fault.Invalid, all(annotated("/data/d", long)))
	long.Content = &pb.Annotation_Text{Text: strings.Repeat("x", tree.MaxText)}
	must(t, alice, annotated("/data/d", long))

	var roles []string
	var changes []*pb.Change
	for i := range max(tree.MaxSetRoles, tree.MaxAnnotations) + 1 {
		roles = append(roles, fmt.Sprintf("/role/many/%03d", i))
		changes = append(changes, leafAt(roles[i]))
	}
	must(t, m.Operator, changes...)
	refused(t, m, alice, fault.Invalid, all(annotated("/data/d", clauseNote("Meter", 0, roles[:tree.MaxSetRoles+1]))))
	must(t, alice, annotated("/data/d", clauseNote("Meter", 0, roles[:tree.MaxSetRoles])))
	refused(t, m, alice, fault.Invalid, all(annotated("/data/d", clauseNote("Meter", 0, make([][]string, tree.MaxSets+1)...))))
	must(t, alice, annotated("/data/d", clauseNote("Meter", 0, make([][]string, tree.MaxSets)...)))

	for tag, write := range map[string]func(i int) *pb.Annotation{
		"t":            func(int) *pb.Annotation { return textNote("t", 0) },
		"clause":       func(int) *pb.Annotation { return clauseNote("Meter", 0) },
		"applied-role": func(i int) *pb.Annotation { return roleNote(roles[i], 0) },
	} {
		p := "/user/" + tag
		must(t, m.Operator, leafAt(p))
		var changes []*pb.Change
		for i := range tree.MaxAnnotations {
			changes = append(changes, annotated(p, write(i)))
		}
		must(t, alice, changes...)
		refused(t, m, alice, fault.Exhausted, all(annotated(p, write(tree.MaxAnnotations))))
		must(t, alice, at(1, p, func() *pb.Annotation { a := write(0); a.Unique = 1; return a }()))
	}
}

// TestLimitOfSubtrees makes 100,001 nodes, with ACQUIRED_LONG=1 only.
func TestLimitOfSubtrees(t *testing.T) {
	t.Parallel()
	if os.Getenv("ACQUIRED_LONG") != "1" {
		t.Skip("ACQUIRED_LONG is not 1")
	}
	m, alice := open(t)
	changes := []*pb.Change{leafAt("/data/d/e/x")}
	for i := range acl.MaxSubtree - 2 {
		changes = append(changes, onlyAt(fmt.Sprintf("/data/d/%d", i)))
	}
	for chunk := range slices.Chunk(changes, acl.MaxChanges) {
		must(t, m.Operator, chunk...)
	}
	refused(t, m, alice, fault.Exhausted, all(removal("/data/d", true)))
	refused(t, m, alice, fault.Exhausted, all(move("/data/d", "f")))
	must(t, alice, removal("/data/d/e", true), move("/data/d", "f"))
}

// TestHiddenIsLikeMissing: nothing in a refusal tells whether there is something.
func TestHiddenIsLikeMissing(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/nobody"), leafAt("/role/use"))
	must(t, m.Operator, directoryAt("/data/locked"), annotated("/data/locked", localClause("Write", "/role/nobody")))
	for _, p := range []string{"/data/d/hide", "/data/locked/hide", "/role/hide", "/user/hide"} {
		must(t, m.Operator, directoryAt(p), annotated(p, clauseNote("View", 0, []string{"/role/nobody"})), leafAt(p+"/x"), annotated(p, textNote("t", 0)))
	}
	for _, change := range []func(name string) *pb.Change{
		func(name string) *pb.Change { return onlyAt("/data/d/" + name + "/y") },
		func(name string) *pb.Change { return onlyAt("/data/d/" + name + "/x") },
		func(name string) *pb.Change { return onlyAt("/data/d/" + name + "/x/y") },
		func(name string) *pb.Change { return leafAt("/data/locked/" + name + "/x/y/z") },
		func(name string) *pb.Change { return removal("/data/d/"+name, true) },
		func(name string) *pb.Change { return removal("/data/d/"+name, false) },
		func(name string) *pb.Change { return removal("/data/d/"+name+"/x", false) },
		func(name string) *pb.Change { return move("/data/d/"+name, "new") },
		func(name string) *pb.Change { return move("/data/d/"+name, "../") },
		func(name string) *pb.Change { return annotated("/data/d/"+name, textNote("t", 0)) },
		func(name string) *pb.Change { return annotated("/data/d/"+name, textNote("-", 0)) },
		func(name string) *pb.Change { return annotated("/data/d/"+name, clauseNote("Look", 0)) },
		func(name string) *pb.Change { return annotated("/user/"+name, roleNote("/role/use", 0)) },
		func(name string) *pb.Change { return annotated("/user/alice", roleNote("/role/"+name, 0)) },
		func(name string) *pb.Change { return annotated("/user/alice", roleNote("/role/"+name+"/x", 0)) },
		func(name string) *pb.Change {
			return annotated("/data/d", clauseNote("Meter", 0, []string{"/role/" + name}))
		},
		func(name string) *pb.Change {
			return annotated("/data/d", clauseNote("Meter", 0, []string{"/role/" + name + "/x"}))
		},
		func(name string) *pb.Change { return takenOff("/data/d/"+name, "t", 1, 0) },
		func(name string) *pb.Change { return takenOff("/data/d/"+name, "clause", 1, 5) },
	} {
		hidden := refused(t, m, alice, fault.KindOf(mustRefuse(t, alice, change("hide"))), all(change("hide")))
		f := refused(t, m, alice, hidden.Kind, all(change("none")))
		missing := f.Kind.New("%s", strings.ReplaceAll(f.Message, "none", "hide"))
		for key, value := range f.Details {
			missing = missing.With(key, strings.ReplaceAll(value, "none", "hide"))
		}
		if diff := cmp.Diff(missing, hidden); diff != "" {
			t.Errorf("%v (-missing +hidden): %s", change("hide"), diff)
		}
	}
}

func mustRefuse(t *testing.T, c *fsmtest.Client, change *pb.Change) error {
	t.Helper()
	res, err := fsmtest.Do(c, acl.Change, all(change))
	if err == nil {
		t.Fatalf("%v is made: %v", change, res)
	}
	return err
}
