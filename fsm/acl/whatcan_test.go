package acl_test

import (
	"fmt"
	"slices"
	"testing"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestWhatCanIsWhatCheckSays reads page by page, in random worlds, and asks Check
// about every path.
func TestWhatCanIsWhatCheckSays(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	found := 0
	for i := range uint64(8) {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+i), func(t *testing.T) {
			s := newWorkshop(t, seed+i)
			s.furnish()
			s.mutate()
			s.m.View(func(v *command.Reading) {
				at := moment{v: v, w: s.w, paths: s.ever}
				for range 100 {
					found += at.compareWhatCan(s)
				}
			})
		})
	}
	if found == 0 && !t.Failed() {
		t.Error("nothing can be done in these worlds")
	}
}

func (at *moment) compareWhatCan(s *workshop) int {
	s.t.Helper()
	who := at.anyAsker(s)
	about := pick(s, append(at.w.holders(), "", "/user/none", who.path))
	o, under := pick(s, operations), pick(s, append(at.paths, "", "", "/", "/data"))
	got, err := inPages(s.rand.IntN, func(cursor string, limit uint32) ([]string, string, error) {
		res, err := ask(at.v, who, acl.WhatCan, &pb.WhatCanRequest{Principal: about, Operation: o, Under: under, Cursor: cursor, Limit: limit})
		return res.GetPaths(), res.GetCursor(), err
	})
	var want []string
	for _, p := range at.w.paths() {
		res, errCheck := ask(at.v, who, acl.Check, &pb.CheckRequest{Principal: about, Operation: o, Path: p})
		if fault.KindOf(errCheck) != fault.KindOf(err) {
			s.t.Errorf("WhatCan of %q by %+v gives %v, Check gives %v", about, who, err, errCheck)
		}
		if res.GetAllowed() && (under == "" || within(under, p)) {
			want = append(want, p)
		}
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("WhatCan of %q, %s, under %q by %+v gives %q, want %q", about, o, under, who, got, want)
	}
	return len(want)
}

// TestWhatCanBelowClosedDirectories: a closed directory hides what is below it,
// and neither what sorts among that nor what comes behind. What is closed to who
// asks about another is hidden from it too, but not what it may merely not read.
func TestWhatCanBelowClosedDirectories(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.Clause("/", command.View)
	m.Clause("/data", command.Read, "/role/reader")
	alice := m.Principal("/user/alice", "/role/reader")
	for _, p := range []string{"/data/a-b/x", "/data/a/b/x", "/data/a/x", "/data/a0/x", "/data/b/open/x"} {
		fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{
			{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p, Parents: true}}},
		}})
	}
	m.Clause("/data/a", command.Read, "/role/insider")
	m.Clause("/data/a/b", command.Read)
	m.Clause("/data/b", command.View, "/role/insider")
	want := []string{"/data", "/data/a-b", "/data/a-b/x", "/data/a0", "/data/a0/x"}
	got, err := fsmtest.Ask(alice, acl.WhatCan, &pb.WhatCanRequest{Operation: "Read"})
	if err != nil || !slices.Equal(got.Paths, want) {
		t.Errorf("alice can read %q, %v; want %q", got.GetPaths(), err, want)
	}
	got, err = fsmtest.Ask(alice, acl.WhatCan, &pb.WhatCanRequest{Operation: "Read", Under: "/data", Cursor: "/"})
	if err != nil || !slices.Equal(got.Paths, want) {
		t.Errorf("behind a cursor before all of it alice can read %q, %v; want %q", got.GetPaths(), err, want)
	}
	m.Clause("/user", command.Read)
	m.Clause("/data/a0", command.View, "/role/reader")
	bob := m.Principal("/user/bob")
	want = []string{"/data", "/data/a-b", "/data/a-b/x"}
	got, err = fsmtest.Ask(bob, acl.WhatCan, &pb.WhatCanRequest{Principal: "/user/alice", Operation: "Read", Under: "/data"})
	if err != nil || !slices.Equal(got.Paths, want) {
		t.Errorf("bob is told that alice can read %q, %v; want %q", got.GetPaths(), err, want)
	}
}

func TestWhatCanRefuses(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	alice := m.Principal("/user/alice")
	for _, c := range []struct {
		req  *pb.WhatCanRequest
		want fault.Kind
	}{
		{&pb.WhatCanRequest{Operation: "Reed"}, fault.Invalid},
		{&pb.WhatCanRequest{Operation: "Read", Under: "x"}, fault.Invalid},
		{&pb.WhatCanRequest{Operation: "Read", Cursor: "x"}, fault.Invalid},
		{&pb.WhatCanRequest{Operation: "Read", Limit: acl.MaxPage + 1}, fault.Invalid},
		{&pb.WhatCanRequest{Operation: "Read", Principal: "/data"}, fault.Invalid},
		{&pb.WhatCanRequest{Operation: "Read", Principal: "/user/operator"}, fault.NotFound},
	} {
		if _, err := fsmtest.Ask(alice, acl.WhatCan, c.req); fault.KindOf(err) != c.want {
			t.Errorf("%v is refused with %v, want %s", c.req, err, c.want)
		}
	}
}
