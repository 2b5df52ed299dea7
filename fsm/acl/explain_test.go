package acl_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestExplainAgreesWithTheReference compares explanations in random worlds, asked
// by and about all sorts.
func TestExplainAgreesWithTheReference(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	for i := range uint64(8) {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+i), func(t *testing.T) {
			s := newWorkshop(t, seed+i)
			s.furnish()
			s.mutate()
			s.m.View(func(v *command.Reading) {
				at := moment{v: v, w: s.w, paths: s.ever}
				for range 300 {
					at.compareExplain(s)
				}
			})
		})
	}
}

func (at *moment) compareExplain(s *workshop) {
	s.t.Helper()
	who := somebody{path: "/user/operator", operator: true}
	if principals := at.w.principals(); len(principals) > 0 && !s.oneIn(3) {
		who = somebody{path: pick(s, principals)}
	}
	about := pick(s, append(at.w.holders(), "", "", "/user/none", who.path))
	req := &pb.ExplainRequest{Principal: about, Operation: pick(s, operations), Path: pick(s, at.paths)}
	got, err := ask(at.v, who, acl.Explain, req)
	if problem := refusal(err, at.explaining(who, req)); problem != nil {
		s.t.Errorf("%+v asks to explain %v: %v", who, req, problem)
	}
	if err != nil {
		return
	}
	if want := at.explained(who, req); !proto.Equal(got, want) {
		s.t.Errorf("%+v asks to explain %v: it is\n%v\nwant\n%v", who, req, got, want)
	}
}

// explaining gives the kind of the refusal of an Explain.
func (at *moment) explaining(who somebody, req *pb.ExplainRequest) fault.Kind {
	about := req.Principal
	switch {
	case about == "" || about == who.path && !who.operator:
	case at.viewing(who, about) != "":
		return fault.NotFound
	case !at.w.may(who, "Read", about, at.v.Time):
		return fault.Denied
	}
	return at.viewing(who, req.Path)
}

func (at *moment) explained(who somebody, req *pb.ExplainRequest) *pb.ExplainResponse {
	w, now, o, p := at.w, at.v.Time, req.Operation, req.Path
	about := somebody{path: req.Principal}
	if req.Principal == "" {
		about = who
	}
	res := &pb.ExplainResponse{Allowed: w.may(about, o, p, now), Visible: w.sees(about, p, now)}
	shown := []string{o}
	switch {
	case about.operator:
		res.Reason = "operator"
	case res.Allowed:
		res.Reason = "allowed"
	case !res.Visible:
		res.Reason, res.Operation = "not-found", "View"
		shown = slices.Compact([]string{"View", o})
	case len(w.governing(o, p, now)) == 0:
		res.Reason, res.Operation = "no-clause", o
	default:
		res.Reason, res.Operation = "clause", o
	}
	held := w.held(about.path, now)
	if w[about.path] == nil {
		held = nil // an operator need not be in the tree
	}
	for _, o := range shown {
		for _, step := range way(p) {
			for _, n := range ordered(w.notesAt(step)) {
				if n.tag == "clause" && n.operation == o && n.inForce(now) && (!n.local || step == p) {
					res.Clauses = append(res.Clauses, w.explain(who, held, step, &n, now))
				}
			}
		}
	}
	return res
}

func (w world) explain(who somebody, held map[string]bool, at string, n *note, now int64) *pb.ExplainedClause {
	c := &pb.ExplainedClause{At: at, Unique: n.unique, Operation: n.operation, Local: n.local, Met: met([]note{*n}, held)}
	for _, set := range n.sets {
		some := slices.DeleteFunc(slices.Clone(set), func(role string) bool { return !held[role] })
		c.Sets = append(c.Sets, &pb.ExplainedSet{
			Met: len(some) > 0, Roles: w.roleSet(who, set, now).Roles, Held: w.roleSet(who, some, now).Roles,
		})
	}
	return c
}

// explained asks c to explain.
func explained(t *testing.T, c *fsmtest.Client, principal, o, p string) *pb.ExplainResponse {
	t.Helper()
	res, err := fsmtest.Ask(c, acl.Explain, &pb.ExplainRequest{Principal: principal, Operation: o, Path: p})
	if err != nil {
		t.Fatalf("Explain of %s %s %s: %v", principal, o, p, err)
	}
	return res
}

// TestExplainRedacts: of a set that names a hidden role, who holds it learns that
// it holds one of them.
func TestExplainRedacts(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.Clause("/", command.View)
	m.Clause("/role/hidden", command.View, "/role/nobody")
	alice := m.Principal("/user/alice", "/role/a-reader", "/role/hidden/reader")
	m.Clause("/data/x", command.Read, "/role/z-reader", "/role/hidden/reader", "/role/a-reader")
	got := explained(t, alice, "", "Read", "/data/x").Clauses
	want := []*pb.ExplainedClause{{
		At: "/data/x", Unique: 1, Operation: "Read", Met: true, Sets: []*pb.ExplainedSet{{
			Met:   true,
			Roles: []*pb.RoleName{{Path: "/role/a-reader"}, {Path: "/role/z-reader"}, {Redacted: true}},
			Held:  []*pb.RoleName{{Path: "/role/a-reader"}, {Redacted: true}},
		}},
	}}
	if !slices.EqualFunc(got, want, func(a, b *pb.ExplainedClause) bool { return proto.Equal(a, b) }) {
		t.Errorf("alice is told %v, want %v", got, want)
	}
	for _, set := range explained(t, m.Operator, "/user/alice", "Read", "/data/x").Clauses[0].Sets {
		if held := set.Held; len(held) != 2 || held[1].Path != "/role/hidden/reader" {
			t.Errorf("an operator is told that alice holds %v, want both", held)
		}
	}
}

// TestExplainWhatIsHidden: what is hidden from who asks is as if it were not
// there; that it is hidden from another is told to who sees it.
func TestExplainWhatIsHidden(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.Clause("/", command.View)
	m.Clause("/", command.Read)
	alice := m.Principal("/user/alice")
	m.Clause("/data/secret", command.View, "/role/insider")
	messages := make(map[string]bool)
	for _, p := range []path.Path{"/data/secret", "/data/absent"} {
		_, err := fsmtest.Ask(alice, acl.Explain, &pb.ExplainRequest{Operation: "Read", Path: string(p)})
		f, ok := err.(*fault.Fault)
		if !ok || f.Kind != fault.NotFound {
			t.Fatalf("Explain of %s gives %v, want not found", p, err)
		}
		messages[f.Message[:len(f.Message)-len(p)]] = true
	}
	if len(messages) != 1 {
		t.Errorf("what is hidden and what is absent are told apart: %v", messages)
	}
	got := explained(t, m.Operator, "/user/alice", "Read", "/data/secret")
	if got.Allowed || got.Visible || got.Reason != "not-found" || got.Operation != "View" {
		t.Errorf("an operator is told %v, want that alice may not View it", got)
	}
	var told []string
	for _, c := range got.Clauses {
		told = append(told, fmt.Sprintf("%s %s %t", c.Operation, c.At, c.Met))
	}
	if want := []string{"View / true", "View /data/secret false", "Read / true"}; !slices.Equal(told, want) {
		t.Errorf("the clauses are %q, want %q", told, want)
	}
}
