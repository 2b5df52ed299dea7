package acl_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestSimulateIsTheDifference compares what Simulate answers in random worlds
// with the difference of the reference before and after, and its refusals with
// those of the changes themselves.
func TestSimulateIsTheDifference(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	found := make(map[bool]int)
	for i := uint64(0); i < 12 || i < 200 && found[false] == 0; i++ {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+i), func(t *testing.T) {
			s := newWorkshop(t, seed+i)
			s.furnish()
			s.m.EntryNanos = 0 // what is simulated now is then done now
			for range 6 {
				s.now = s.m.Position().Time
				for range 1 + s.rand.IntN(3) {
					s.mutateOnce()
				}
				if len(s.changes) == 0 {
					continue
				}
				found[true] += s.compareSimulated(somebody{path: "/user/operator", operator: true})
				for _, p := range s.before.principals() {
					found[false] += s.compareSimulated(somebody{path: p})
				}
				s.apply()
				s.m.Wait(int64(s.rand.IntN(4)) * second)
				s.m.Apply() // nothing, but log time goes on
			}
		})
	}
	t.Logf("%d differences shown to operators and %d to others are compared", found[true], found[false])
	if (found[true] == 0 || found[false] == 0) && !t.Failed() {
		t.Error("nothing is compared: make the worlds larger")
	}
}

// compareSimulated simulates the changes of the next command as somebody, and
// gives how many differences it was shown.
func (s *workshop) compareSimulated(who somebody) int {
	s.t.Helper()
	client := s.m.As(who.caller())
	req := &pb.SimulateRequest{
		Change:          &pb.ChangeRequest{Changes: s.changes, Force: true},
		PrincipalsUnder: pick(s, []string{"", "/", "/user", "/workload", pick(s, s.ever)}),
		PathsUnder:      pick(s, []string{"", "/", "/data", "/user", pick(s, s.ever)}),
		Limit:           uint32(pick(s, []int{0, 1 + s.rand.IntN(50), acl.MaxPage})),
	}
	for range s.rand.IntN(3) {
		req.Operations = append(req.Operations, pick(s, operations))
	}
	first, err := fsmtest.Ask(client, acl.Simulate, req)
	if err != nil {
		_, want := fsmtest.Do(client, acl.Change, req.Change)
		if want == nil {
			s.t.Fatalf("%v simulates %v: %v; it is allowed to make them", who, s.changes, err)
		}
		if got, want := err.(*fault.Fault), want.(*fault.Fault); !cmp.Equal(got, want) {
			s.t.Errorf("%v simulates %v:\ngot  %+v\nwant %+v", who, s.changes, got, want)
		}
		return 0
	}
	got := first.Differences
	for cursor := first.Cursor; cursor != ""; {
		if len(first.Differences) == 0 || req.Limit != 0 && len(first.Differences) != int(req.Limit) {
			s.t.Fatalf("a page of %d, with more behind it, has %d differences", req.Limit, len(first.Differences))
		}
		req.Cursor = cursor
		next, err := fsmtest.Ask(client, acl.Simulate, req)
		if err != nil {
			s.t.Fatalf("%v simulates %v, behind %q: %v", who, s.changes, cursor, err)
		}
		got, cursor = append(got, next.Differences...), next.Cursor
	}
	want := s.differences(who, req)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		s.t.Errorf("%v simulates %v, under %q and %q, operations %v (-want +got): %s",
			who, s.changes, req.PrincipalsUnder, req.PathsUnder, req.Operations, diff)
	}
	return len(got)
}

// differences is what the reference says of the changes of the next command.
func (s *workshop) differences(who somebody, req *pb.SimulateRequest) (all []*pb.Difference) {
	before, after, now := s.before, s.w, s.now
	// may judges what is there before by the state before, all else by the one after.
	may := func(o, p string) bool {
		switch {
		case before[p] != nil:
			return before.may(who, o, p, now)
		case !who.operator && after[who.path] == nil:
			return after.may(somebody{path: "/"}, o, p, now) // who takes itself away holds nothing any more
		}
		return after.may(who, o, p, now)
	}
	inside := func(under, p string) bool { return under == "" || within(under, p) }
	paths := before.paths()
	for p := range after {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	for _, principal := range paths {
		then, there := before.principal(principal), after.principal(principal)
		if !then && !there || !inside(req.PrincipalsUnder, principal) || principal != who.path && !may("Read", principal) {
			continue
		}
		for _, p := range paths {
			if !inside(req.PathsUnder, p) || !may("View", p) {
				continue
			}
			for _, o := range operations {
				lost := then && before.may(somebody{path: principal}, o, p, now)
				gained := there && after.may(somebody{path: principal}, o, p, now)
				if lost != gained && (len(req.Operations) == 0 || slices.Contains(req.Operations, o)) {
					all = append(all, &pb.Difference{Principal: principal, Operation: o, Path: p, Gained: gained})
				}
			}
		}
	}
	return all
}

// principal says whether there is one at the path.
func (w world) principal(p string) bool {
	return w[p] != nil && w[p].leaf && (within("/user", p) || within("/workload", p))
}

func changed(one *pb.Change) *pb.ChangeRequest {
	return &pb.ChangeRequest{Changes: []*pb.Change{one}}
}

func viewClause(roles ...string) *pb.Annotation {
	set := &pb.RoleSet{}
	for _, role := range roles {
		set.Roles = append(set.Roles, &pb.RoleName{Path: role})
	}
	return &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: &pb.Clause{Operation: "View", Sets: []*pb.RoleSet{set}}}}
}

func annotated(p string, a *pb.Annotation) *pb.Change {
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: p, Annotation: a}}}
}

// guarded is a world in which everybody sees most things, alice administers
// /data, and bob and carol may look at it.
func guarded(t *testing.T) (m *fsmtest.Machine, alice *fsmtest.Client) {
	t.Helper()
	m = fsmtest.New(t)
	m.Clause("/", command.View)
	m.Clause("/role", command.UseRole)
	m.Clause("/data", command.Admin, "/role/admin")
	m.Clause("/data", command.Write, "/role/admin")
	m.Clause("/user", command.Read, "/role/admin")
	alice = m.Principal("/user/alice", "/role/admin", "/role/reader")
	m.Principal("/user/bob", "/role/reader")
	m.Principal("/user/carol")
	m.Principal("/user/hidden/dave")
	m.Clause("/user/hidden", command.View, "/role/nobody")
	m.Clause("/data/d", command.Read)
	return m, alice
}

func simulated(t *testing.T, c *fsmtest.Client, req *pb.SimulateRequest) (lines []string) {
	t.Helper()
	res, err := fsmtest.Ask(c, acl.Simulate, req)
	if err != nil {
		t.Fatalf("Simulate: %v", err)
	}
	for _, d := range res.Differences {
		sign := "-"
		if d.Gained {
			sign = "+"
		}
		lines = append(lines, fmt.Sprintf("%s%s %s %s", sign, d.Principal, d.Operation, d.Path))
	}
	return lines
}

func TestSimulateAClause(t *testing.T) {
	t.Parallel()
	m, alice := guarded(t)
	hash := m.Hash()
	req := &pb.SimulateRequest{Change: changed(annotated("/data/d", viewClause("/role/reader")))}
	want := []string{"-/user/carol View /data/d", "-/user/carol Read /data/d"}
	if diff := cmp.Diff(want, simulated(t, alice, req)); diff != "" {
		t.Errorf("seen by alice (-want +got): %s", diff)
	}
	want = append(want, "-/user/hidden/dave View /data/d", "-/user/hidden/dave Read /data/d")
	if diff := cmp.Diff(want, simulated(t, m.Operator, req)); diff != "" {
		t.Errorf("seen by an operator (-want +got): %s", diff)
	}
	if m.Hash() != hash {
		t.Error("Simulate changed the state")
	}
}

func TestSimulateMakesParents(t *testing.T) {
	t.Parallel()
	_, alice := guarded(t)
	req := &pb.SimulateRequest{
		Change: changed(leafAt("/data/new/b/c")), Operations: []string{"Write"}, PrincipalsUnder: "/user/alice",
	}
	want := []string{"+/user/alice Write /data/new", "+/user/alice Write /data/new/b", "+/user/alice Write /data/new/b/c"}
	if diff := cmp.Diff(want, simulated(t, alice, req)); diff != "" {
		t.Errorf("of what is made on the way (-want +got): %s", diff)
	}
}

func TestSimulateInPages(t *testing.T) {
	t.Parallel()
	m, _ := guarded(t)
	for _, p := range []string{"/data/d/a", "/data/d/a-b", "/data/d/a/b", "/data/d/c", "/data/e"} {
		must(t, m.Operator, directoryAt(p))
	}
	top := changed(annotated("/data", viewClause("/role/reader")))
	// What is below the one comes after the other.
	beside := all(annotated("/data/d/a", viewClause("/role/reader")), annotated("/data/d/a-b", viewClause("/role/reader")))
	for _, whole := range []*pb.SimulateRequest{
		{Change: top}, {Change: top, Operations: []string{"View"}}, {Change: top, Operations: []string{"View"}, PathsUnder: "/data/d"},
		{Change: top, Operations: []string{"Read", "View"}}, {Change: beside}, {Change: beside, Operations: []string{"Read"}},
	} {
		want := simulated(t, m.Operator, whole)
		if len(want) < 6 {
			t.Fatalf("there are %d differences", len(want))
		}
		for limit := uint32(1); limit <= 8; limit++ {
			var got []string
			for cursor, more := "", true; more; more = cursor != "" {
				req := proto.CloneOf(whole)
				req.Limit, req.Cursor = limit, cursor
				got = append(got, simulated(t, m.Operator, req)...)
				res, err := fsmtest.Ask(m.Operator, acl.Simulate, req)
				if err != nil {
					t.Fatal(err)
				}
				cursor = res.Cursor
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v under %q in pages of %d (-whole +pages): %s", whole.Operations, whole.PathsUnder, limit, diff)
			}
		}
	}
}

// TestSimulateShowsNothingNew: who could see a thing only after the changes is
// not shown it before.
func TestSimulateShowsNothingNew(t *testing.T) {
	t.Parallel()
	m, _ := guarded(t)
	m.Clause("/role", command.ApplyRole, "/role/admin")
	m.Clause("/user/alice", command.Admin, "/role/admin")
	m.Principal("/user/insider", "/role/insider", "/role/admin") // who can still administer it
	m.Clause("/data/secret", command.View, "/role/insider")
	alice := m.As(command.Caller{Principal: "/user/alice", Method: command.ByCertificate, Issued: m.Position().Time})
	take := changed(annotated("/user/alice", &pb.Annotation{
		Tag: "applied-role", Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: "/role/insider"}},
	}))
	if got := simulated(t, alice, &pb.SimulateRequest{Change: take}); got != nil {
		t.Errorf("alice is shown %v", got)
	}
	take.Changes = append(take.Changes, &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: "/data/new"}}})
	got := simulated(t, alice, &pb.SimulateRequest{Change: take, Operations: []string{"admin", "View"}, PrincipalsUnder: "/user/alice"})
	want := []string{"+/user/alice View /data/new", "+/user/alice Admin /data/new"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("of what she makes herself (-want +got): %s", diff)
	}
}

// TestSimulateJudgesWhatIsThereByNow, also when the changes make something else
// of it.
func TestSimulateJudgesWhatIsThereByNow(t *testing.T) {
	t.Parallel()
	m, alice := guarded(t)
	m.Clause("/user", command.Write, "/role/admin")
	must(t, m.Operator, directoryAt("/user/x"), directoryAt("/user/y"), annotated("/user/x", localClause("Read", "/role/nobody")))
	req := &pb.SimulateRequest{
		Change:     all(removal("/user/x", false), removal("/user/y", false), leafAt("/user/x"), leafAt("/user/y")),
		Operations: []string{"Read"}, PathsUnder: "/data",
	}
	want := []string{"+/user/y Read /data/d"}
	if diff := cmp.Diff(want, simulated(t, alice, req)); diff != "" {
		t.Errorf("alice may Read one of two directories that become principals (-want +got): %s", diff)
	}
}

// TestSimulateAtTheLogTime: what begins later makes no difference yet.
func TestSimulateAtTheLogTime(t *testing.T) {
	t.Parallel()
	m, alice := guarded(t)
	later := viewClause("/role/reader")
	later.StartUnixNanos = m.Position().Time + 1
	if got := simulated(t, alice, &pb.SimulateRequest{Change: changed(annotated("/data/d", later))}); got != nil {
		t.Errorf("a clause that is to begin takes %v", got)
	}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	m, alice := guarded(t)
	change := changed(annotated("/data/d", viewClause("/role/reader")))
	for name, test := range map[string]struct {
		req  *pb.SimulateRequest
		want fault.Kind
	}{
		"no change":            {&pb.SimulateRequest{}, fault.Invalid},
		"no changes":           {&pb.SimulateRequest{Change: &pb.ChangeRequest{}}, fault.Invalid},
		"operation":            {&pb.SimulateRequest{Change: change, Operations: []string{"Veiw"}}, fault.Invalid},
		"principals":           {&pb.SimulateRequest{Change: change, PrincipalsUnder: "user"}, fault.Invalid},
		"paths":                {&pb.SimulateRequest{Change: change, PathsUnder: "//"}, fault.Invalid},
		"limit":                {&pb.SimulateRequest{Change: change, Limit: acl.MaxPage + 1}, fault.Invalid},
		"cursor of two":        {&pb.SimulateRequest{Change: change, Cursor: "/a /b"}, fault.Invalid},
		"cursor of no paths":   {&pb.SimulateRequest{Change: change, Cursor: "/a b View"}, fault.Invalid},
		"cursor of nothing":    {&pb.SimulateRequest{Change: change, Cursor: "/a /b none"}, fault.Invalid},
		"what she may not see": {&pb.SimulateRequest{Change: changed(annotated("/user/hidden", viewClause()))}, fault.NotFound},
		"what she may not do":  {&pb.SimulateRequest{Change: changed(annotated("/user", viewClause()))}, fault.Denied},
		"demonstrations":       {&pb.SimulateRequest{Change: &pb.ChangeRequest{Demo: proto.Bool(true)}}, fault.Denied},
		"the last of several": {&pb.SimulateRequest{Change: &pb.ChangeRequest{Changes: []*pb.Change{
			change.Changes[0], annotated("/data/none", viewClause()),
		}}}, fault.NotFound},
	} {
		if res, err := fsmtest.Ask(alice, acl.Simulate, test.req); fault.KindOf(err) != test.want || err == nil {
			t.Errorf("%s: got %v, %v; want %s", name, res, err, test.want)
		}
	}
	if got := simulated(t, m.Operator, &pb.SimulateRequest{Change: &pb.ChangeRequest{Demo: proto.Bool(true)}}); got != nil {
		t.Errorf("what makes no difference to anybody gives %v", got)
	}
}

// BenchmarkSimulate is of one page.
func BenchmarkSimulate(b *testing.B) {
	const directories, leaves, users = 1000, 100, 1000
	m := fsmtest.New(b)
	m.Clause("/", command.View)
	m.Clause("/data", command.Read)
	create := func(paths ...path.Path) *pb.ChangeRequest {
		req := &pb.ChangeRequest{}
		for _, p := range paths {
			req.Changes = append(req.Changes, &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: string(p), Parents: true}}})
		}
		return req
	}
	var paths []path.Path
	for d := range directories {
		for l := range leaves {
			paths = append(paths, path.Path(fmt.Sprintf("/data/d%03d/l%02d", d, l)))
		}
	}
	for chunk := range slices.Chunk(paths, acl.MaxChanges) {
		fsmtest.Must(m.Operator, acl.Change, create(chunk...))
	}
	for u := range users {
		p := path.Path(fmt.Sprintf("/user/u%04d", u))
		fsmtest.Must(m.Operator, acl.Change, create(p))
		if u%2 == 0 {
			m.Principal(p, "/role/r")
		}
	}
	fsmtest.Must(m.Operator, acl.Change, create("/role/s"))
	for name, change := range map[string]*pb.ChangeRequest{
		"clause above all": changed(annotated("/data", viewClause("/role/r"))),
		"clause for none":  changed(annotated("/data", viewClause("/role/r", "/role/s"))),
		"clause below":     changed(annotated("/data/d500", viewClause("/role/r"))),
		"role of one": changed(annotated("/user/u0001", &pb.Annotation{
			Tag: "applied-role", Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: "/role/r"}},
		})),
		"new principal": create("/user/new"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m.View(func(v *command.Reading) {
					if _, err := ask(v, somebody{operator: true}, acl.Simulate, &pb.SimulateRequest{Change: change}); err != nil {
						b.Fatal(err)
					}
				})
			}
		})
	}
}
