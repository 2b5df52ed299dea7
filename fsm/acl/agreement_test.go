package acl_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestAgreesWithTheReference compares the evaluator with the reference on random
// worlds that change step by step, and keeps asking the states before as well: an
// answer that is remembered from one state and given in another would show.
//
// ACQUIRED_LONG=1 compares ten times as much. ACQUIRED_SEED repeats a world.
func TestAgreesWithTheReference(t *testing.T) {
	t.Parallel()
	wanted, most := 1_000_000, 60
	if os.Getenv("ACQUIRED_LONG") == "1" {
		wanted, most = 10*wanted, 10*most
	}
	compared, seed := 0, firstSeed(t)
	for i := 0; compared < wanted && i < most && !t.Failed(); i++ {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+uint64(i)), func(t *testing.T) {
			s := newWorkshop(t, seed+uint64(i))
			s.furnish()
			compared += s.play(6, nil)
		})
	}
	t.Logf("%d answers for a principal, an operation and a path are compared", compared)
	if compared < wanted && !t.Failed() {
		t.Errorf("%d answers are compared, want %d: make the worlds larger", compared, wanted)
	}
}

// moment is a state of the machine with its description, which never change.
type moment struct {
	v *command.Reading
	w world
	// paths are those that are asked about.
	paths []string
}

// play compares the state, changes it, and goes on so; the states before stay
// open. It gives how many answers were compared.
func (s *workshop) play(rounds int, before []moment) (compared int) {
	s.m.View(func(v *command.Reading) {
		slices.Sort(s.ever)
		s.ever = slices.Compact(s.ever)
		at := moment{v: v, w: s.w.clone(), paths: slices.Clone(s.ever)}
		compared += at.compareChecks(s.t)
		at.compareAsked(s)
		if len(before) > 0 {
			old := pick(s, before)
			compared += old.compareChecks(s.t)
			old.compareAsked(s)
			at.compareAsked(s)
		}
		if rounds == 0 || s.t.Failed() {
			return
		}
		s.mutate()
		compared += s.play(rounds-1, append(before, at))
	})
	return compared
}

func operator() command.Caller {
	return command.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate, Issued: math.MaxInt64}
}

func (who somebody) caller() command.Caller {
	if who.operator {
		return operator()
	}
	return command.Caller{Principal: path.Path(who.path), Method: command.ByCertificate, Issued: math.MaxInt64}
}

// ask asks as somebody.
func ask[Req, Res proto.Message](v *command.Reading, who somebody, q command.Query[Req, Res], req Req) (Res, error) {
	as := *v
	as.Caller = who.caller()
	return fsm.Ask(&as, q, req)
}

// compareChecks compares what everybody may do everywhere.
func (at *moment) compareChecks(t *testing.T) int {
	t.Helper()
	holders := at.w.holders()
	answers := make([]*pb.CheckManyResponse, len(holders))
	held := make([]map[string]bool, len(holders))
	for i, principal := range holders {
		req := &pb.CheckManyRequest{Principal: principal, Paths: at.paths, Operations: operations}
		res, err := ask(at.v, somebody{operator: true}, acl.CheckMany, req)
		if err != nil {
			t.Fatalf("CheckMany of %s: %v", principal, err)
		}
		answers[i], held[i] = res, at.w.held(principal, at.v.Time)
	}
	mistakes := 0
	for j, p := range at.paths {
		view := at.w.governing("View", p, at.v.Time)
		for k, o := range operations {
			clauses := at.w.governing(o, p, at.v.Time)
			for i, principal := range holders {
				visible := at.w[p] != nil && met(view, held[i])
				allowed := visible && met(clauses, held[i])
				if gotVisible, got := answers[i].Visible[j], answers[i].Allowed[j]>>k&1 == 1; got != allowed || gotVisible != visible {
					t.Errorf("%s, which holds %v, %s %s: allowed %t, visible %t; want %t, %t by %+v and for View %+v, at %d",
						principal, held[i], o, p, got, gotVisible, allowed, visible, clauses, view, at.v.Time)
					if mistakes++; mistakes == 5 {
						t.FailNow() // there may be thousands
					}
				}
			}
		}
	}
	return len(holders) * len(at.paths) * len(operations)
}

// compareAsked compares a sample of everything else that can be asked.
func (at *moment) compareAsked(s *workshop) {
	s.t.Helper()
	askers := []somebody{{path: "/user/operator", operator: true}}
	for _, p := range at.w.principals() {
		if s.oneIn(3) {
			askers = append(askers, somebody{path: p})
		}
	}
	for _, who := range askers {
		for range 6 {
			p := pick(s, at.paths)
			at.compareDescribe(s.t, who, p)
			at.compareCapabilities(s.t, who, p)
			at.compareList(s, who, p)
			at.compareAbout(s, who, pick(s, append(at.w.holders(), "/user/none")))
		}
	}
}

// refusal compares an error with what the reference says: nil is none.
func refusal(err error, want fault.Kind) error {
	switch {
	case err == nil && want == "":
		return nil
	case err == nil || want == "" || fault.KindOf(err) != want:
		return fmt.Errorf("the error is %v, want kind %q", err, want)
	}
	return nil
}

// viewing gives the kind of the refusal of what needs View.
func (at *moment) viewing(who somebody, p string) fault.Kind {
	if !at.w.sees(who, p, at.v.Time) {
		return fault.NotFound
	}
	return ""
}

func (at *moment) compareDescribe(t *testing.T, who somebody, p string) {
	t.Helper()
	got, err := ask(at.v, who, acl.Describe, &pb.DescribeRequest{Path: p})
	want := at.viewing(who, p)
	if problem := refusal(err, want); problem != nil {
		t.Errorf("Describe of %s by %+v: %v", p, who, problem)
	}
	if err != nil || want != "" {
		return
	}
	if wanted := at.w.describe(who, p, at.v.Time); !proto.Equal(got, wanted) {
		t.Errorf("Describe of %s by %+v gives\n%v\nwant\n%v", p, who, got, wanted)
	}
}

func (at *moment) compareCapabilities(t *testing.T, who somebody, p string) {
	t.Helper()
	got, err := ask(at.v, who, acl.Capabilities, &pb.CapabilitiesRequest{Path: p})
	if problem := refusal(err, at.viewing(who, p)); problem != nil {
		t.Errorf("Capabilities of %+v on %s: %v", who, p, problem)
	}
	if want := at.w.capabilities(who, p, at.v.Time); err == nil && !slices.Equal(got.Operations, want) {
		t.Errorf("Capabilities of %+v on %s are %v, want %v", who, p, got.Operations, want)
	}
}

// compareList reads all pages, each of another length.
func (at *moment) compareList(s *workshop, who somebody, of string) {
	s.t.Helper()
	req := &pb.ListRequest{Path: of, Recursive: s.oneIn(2), Limit: uint32(s.rand.IntN(5))}
	var got []*pb.Node
	for {
		res, err := ask(at.v, who, acl.List, req)
		if problem := refusal(err, at.viewing(who, of)); problem != nil {
			s.t.Errorf("List of %s by %+v: %v", of, who, problem)
		}
		if err != nil {
			return
		}
		if len(res.Nodes) == 0 && res.Cursor != "" || req.Limit > 0 && len(res.Nodes) > int(req.Limit) {
			s.t.Fatalf("a page of at most %d has %d nodes and cursor %q", req.Limit, len(res.Nodes), res.Cursor)
		}
		got = append(got, res.Nodes...)
		if res.Cursor == "" {
			break
		}
		req.Cursor, req.Limit = res.Cursor, uint32(s.rand.IntN(5))
	}
	want := at.w.list(who, of, req.Recursive, at.v.Time)
	if !slices.EqualFunc(got, want, func(a, b *pb.Node) bool { return proto.Equal(a, b) }) {
		s.t.Errorf("List of %s by %+v, recursive %t, gives\n%v\nwant\n%v", of, who, req.Recursive, got, want)
	}
}

// compareAbout asks about somebody else: for that, Read on it is needed, and what
// the asker may not View is to it as if it did not exist.
func (at *moment) compareAbout(s *workshop, who somebody, about string) {
	s.t.Helper()
	now, o := at.v.Time, pick(s, operations)
	want := at.viewing(who, about)
	if want == "" && !at.w.may(who, "Read", about, now) {
		want = fault.Denied
	}
	if about == who.path {
		want = ""
	}
	many, err := ask(at.v, who, acl.CheckMany, &pb.CheckManyRequest{Principal: about, Paths: at.paths, Operations: []string{o}})
	if problem := refusal(err, want); problem != nil {
		s.t.Errorf("CheckMany about %s by %+v: %v", about, who, problem)
	}
	if err != nil || want != "" {
		return
	}
	for i, p := range at.paths {
		known := at.w.sees(who, p, now)
		visible := known && at.w.sees(somebody{path: about}, p, now)
		allowed := known && at.w.may(somebody{path: about}, o, p, now)
		if many.Visible[i] != visible || (many.Allowed[i] == 1) != allowed {
			s.t.Errorf("%+v asks whether %s may %s %s: allowed %d, visible %t; want %t, %t",
				who, about, o, p, many.Allowed[i], many.Visible[i], allowed, visible)
		}
	}
	p := pick(s, at.paths)
	one, err := ask(at.v, who, acl.Check, &pb.CheckRequest{Principal: about, Operation: o, Path: p})
	i := slices.Index(at.paths, p)
	if err != nil || one.Visible != many.Visible[i] || one.Allowed != (many.Allowed[i] == 1) {
		s.t.Errorf("%+v asks whether %s may %s %s: Check says %v, %v; CheckMany said %d, %t", who, about, o, p, one, err, many.Allowed[i], many.Visible[i])
	}
}
