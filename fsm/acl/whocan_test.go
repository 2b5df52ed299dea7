package acl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestWhoCanIsWhatCheckSays reads page by page, in random worlds, and asks Check
// about everybody.
func TestWhoCanIsWhatCheckSays(t *testing.T) {
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
					found += at.compareWhoCan(s)
				}
			})
		})
	}
	if found == 0 && !t.Failed() {
		t.Error("nobody can do anything in these worlds")
	}
}

func (at *moment) compareWhoCan(s *workshop) int {
	s.t.Helper()
	who := at.anyAsker(s)
	o, p, under := pick(s, operations), pick(s, at.paths), pick(s, append(at.paths, "", "", "/", "/user"))
	got, err := inPages(s.rand.IntN, func(cursor string, limit uint32) ([]string, string, error) {
		res, err := ask(at.v, who, acl.WhoCan, &pb.WhoCanRequest{Operation: o, Path: p, Under: under, Cursor: cursor, Limit: limit})
		return res.GetPrincipals(), res.GetCursor(), err
	})
	if problem := refusal(err, at.viewing(who, p)); problem != nil {
		s.t.Errorf("WhoCan %s %s by %+v: %v", o, p, who, problem)
	}
	if err != nil {
		return 0
	}
	var want []string
	for _, principal := range at.w.principals() {
		inside := under == "" || within(under, principal)
		if res, err := ask(at.v, who, acl.Check, &pb.CheckRequest{Principal: principal, Operation: o, Path: p}); err == nil && res.Allowed && inside {
			want = append(want, principal)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("WhoCan %s %s under %q by %+v gives %q, want %q", o, p, under, who, got, want)
	}
	return len(want)
}

func (at *moment) anyAsker(s *workshop) somebody {
	if principals := at.w.principals(); len(principals) > 0 && !s.oneIn(2) {
		return somebody{path: pick(s, principals)}
	}
	return somebody{path: "/user/operator", operator: true}
}

// inPages reads all pages, each of another length.
func inPages(intn func(int) int, page func(cursor string, limit uint32) (lines []string, next string, err error)) (all []string, err error) {
	cursor := ""
	for {
		limit := uint32(intn(5))
		lines, next, err := page(cursor, limit)
		switch {
		case err != nil:
			return nil, err
		case limit > 0 && len(lines) > int(limit), next != "" && (len(lines) == 0 || next != lines[len(lines)-1]):
			return nil, fmt.Errorf("a page of at most %d is %q with cursor %q", limit, lines, next)
		}
		all = append(all, lines...)
		if next == "" {
			return all, nil
		}
		cursor = next
	}
}

// TestWhoCanAmongMany: there are enough principals that sets are told apart by how
// many hold them, with roles on directories whose names sort among what is below
// others.
func TestWhoCanAmongMany(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	for i := range uint64(6) {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+i), func(t *testing.T) {
			s := newWorkshop(t, seed+i)
			s.crowd()
			for d := range clausedPaths {
				s.compareCrowd(fmt.Sprintf("/data/%d", d))
			}
		})
	}
}

const clausedPaths = 12

// crowd makes many principals, of whom each role is held by a few or by many, and
// paths with clauses that name the roles.
func (s *workshop) crowd() {
	s.t.Helper()
	roles := []string{"/role/0", "/role/1", "/role/2", "/role/3"}
	for _, p := range append([]string{"/data", "/role", "/user", "/workload"}, roles...) {
		s.create(p, len(p) > len("/role/") && within("/role", p))
	}
	for _, group := range []string{"/user/a", "/user/a-b", "/user/a/b", "/user/a.b", "/user/a0", "/workload/w"} {
		s.create(group, false)
		for i := range pick(s, []int{0, 3, 20, 60}) {
			s.create(strings.TrimSuffix(fmt.Sprintf("%s/p-%d", group, i), "-0"), true)
		}
	}
	for _, role := range roles {
		nth := 1 + s.rand.IntN(40)
		for _, p := range append(s.w.holders(), "/data") {
			if s.oneIn(nth) {
				s.write(p, note{tag: "applied-role", role: role})
			}
		}
	}
	s.write("/data", note{tag: "clause", operation: "View"})
	for d := range clausedPaths {
		p := fmt.Sprintf("/data/%d", d)
		s.create(p, true)
		for range 1 + s.rand.IntN(3) {
			n := note{tag: "clause", operation: pick(s, []string{"View", "Read", "Read"})}
			for range s.rand.IntN(3) {
				n.sets = append(n.sets, []string{pick(s, roles), pick(s, roles)}[:1+s.rand.IntN(2)])
			}
			s.write(p, n)
		}
	}
	s.apply()
}

func (s *workshop) compareCrowd(p string) {
	s.t.Helper()
	s.m.View(func(v *command.Reading) {
		who := somebody{path: "/user/operator", operator: true}
		got, err := inPages(func(n int) int { return 7 * s.rand.IntN(n) }, func(cursor string, limit uint32) ([]string, string, error) {
			res, err := ask(v, who, acl.WhoCan, &pb.WhoCanRequest{Operation: "Read", Path: p, Cursor: cursor, Limit: limit})
			return res.GetPrincipals(), res.GetCursor(), err
		})
		var want []string
		for _, principal := range s.w.principals() {
			res, err := ask(v, who, acl.Check, &pb.CheckRequest{Principal: principal, Operation: "Read", Path: p})
			if err != nil {
				s.t.Fatalf("Check of %s: %v", principal, err)
			}
			if res.Allowed {
				want = append(want, principal)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			s.t.Errorf("WhoCan Read %s gives %q, %v; want %q", p, got, err, want)
		}
	})
}

func TestWhoCanRefuses(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.Clause("/data", command.View, "/role/reader")
	alice := m.Principal("/user/alice")
	for _, c := range []struct {
		who  *fsmtest.Client
		req  *pb.WhoCanRequest
		want fault.Kind
	}{
		{m.Operator, &pb.WhoCanRequest{Operation: "Reed", Path: "/data"}, fault.Invalid},
		{m.Operator, &pb.WhoCanRequest{Operation: "Read", Path: "data"}, fault.Invalid},
		{m.Operator, &pb.WhoCanRequest{Operation: "Read", Path: "/data", Under: "x"}, fault.Invalid},
		{m.Operator, &pb.WhoCanRequest{Operation: "Read", Path: "/data", Cursor: "x"}, fault.Invalid},
		{m.Operator, &pb.WhoCanRequest{Operation: "Read", Path: "/data", Limit: acl.MaxPage + 1}, fault.Invalid},
		{m.Operator, &pb.WhoCanRequest{Operation: "Read", Path: "/data/x"}, fault.NotFound},
		{alice, &pb.WhoCanRequest{Operation: "Read", Path: "/data"}, fault.NotFound},
	} {
		if _, err := fsmtest.Ask(c.who, acl.WhoCan, c.req); fault.KindOf(err) != c.want {
			t.Errorf("%v is refused with %v, want %s", c.req, err, c.want)
		}
	}
}
