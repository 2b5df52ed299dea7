package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func texts(paths []path.Path) (all []string) {
	for _, p := range paths {
		all = append(all, string(p))
	}
	return all
}

// capabilities gives what a caller may do at a path.
func capabilities(t *testing.T, m *fsmtest.Machine, caller command.Caller, p path.Path) string {
	t.Helper()
	res, err := fsmtest.Ask(m.As(caller), acl.Capabilities, &pb.CapabilitiesRequest{Path: string(p)})
	if err != nil && fault.KindOf(err) != fault.NotFound {
		t.Fatal(err)
	}
	return strings.Join(res.GetOperations(), " ")
}

// wantHeld compares the roles that a path holds, in the order of the way down.
func wantHeld(t *testing.T, m *fsmtest.Machine, p path.Path, want ...path.Path) {
	t.Helper()
	m.View(func(v *command.Reading) {
		if got := identity.HeldRoles(v, p, v.Time); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", p, got, want)
		}
		if n := tree.Find(v, p); n != nil && identity.Held(v, n, v.Time) != policy.NewClosure(texts(want)) {
			t.Errorf("the closure of %s is not that of %q", p, want)
		}
	})
}

// TestRolesAreInherited: from the directories above, the root excepted.
func TestRolesAreInherited(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	for _, role := range []path.Path{"/role/root", "/role/user", "/role/team", "/role/data"} {
		m.Leaf(role)
	}
	m.Annotate("/", fsmtest.AppliedRole("/role/root"))
	m.Annotate("/user", fsmtest.AppliedRole("/role/user"))
	m.Annotate("/user/team", fsmtest.AppliedRole("/role/team"))
	m.Annotate("/user/team", fsmtest.AppliedRole("/role/a"))
	m.Leaf("/user/teams")
	wantHeld(t, m, "/user/team/alice", "/role/user", "/role/team", "/role/a", "/role/a")
	wantHeld(t, m, "/user/team/bob", "/role/user", "/role/team", "/role/a")
	wantHeld(t, m, "/user/team/carol", "/role/user", "/role/team", "/role/a") // if she were there
	wantHeld(t, m, "/user/team", "/role/user", "/role/team", "/role/a")
	wantHeld(t, m, "/user/teams", "/role/user")
	wantHeld(t, m, "/user", "/role/user")
	wantHeld(t, m, "/workload/x")
	wantHeld(t, m, "/")
	m.View(func(v *command.Reading) {
		nobody := certificate(m, "/user/team/carol")
		if got := identity.ClosureOf(v, &nobody, v.Time); got != policy.NewClosure(nil) {
			t.Error("who is not there holds something")
		}
	})
	m.Unannotate("/user/team", "applied-role", 1)
	wantHeld(t, m, "/user/team/alice", "/role/user", "/role/a", "/role/a")
	m.Unannotate("/user/team", "applied-role", 2)
	wantHeld(t, m, "/user/team/alice", "/role/user", "/role/a")
}

func TestRolesAreHeldInTheirTime(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	m.EntryNanos = 0
	m.Leaf("/role/b")
	now := m.Position().Time
	apply := func(p, role path.Path, start, end int64) {
		a := fsmtest.AppliedRole(role)
		a.StartUnixNanos, a.EndUnixNanos = start, end
		m.Annotate(p, a)
	}
	apply("/user/team/bob", "/role/a", now+10, now+20)
	apply("/user/team", "/role/b", 0, now+15)
	for _, step := range []struct {
		at   int64
		want []path.Path
	}{
		{0, []path.Path{"/role/b"}}, {9, []path.Path{"/role/b"}}, {10, []path.Path{"/role/b", "/role/a"}},
		{14, []path.Path{"/role/b", "/role/a"}}, {15, []path.Path{"/role/a"}}, {19, []path.Path{"/role/a"}}, {20, nil}, {21, nil},
	} {
		m.Wait(now + step.at - m.Position().Time)
		m.Apply()
		wantHeld(t, m, "/user/team/bob", step.want...)
	}
}

// TestRolesOfDirectoriesCount: where something is asked.
func TestRolesOfDirectoriesCount(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	m.Clause("/data", command.View, "/role/team")
	m.Clause("/data", command.Read, "/role/root")
	alice := certificate(m, "/user/team/alice")
	if got := capabilities(t, m, alice, "/data/x"); got != "" {
		t.Errorf("alice may %q before a role is applied", got)
	}
	m.Annotate("/", fsmtest.AppliedRole("/role/root"))
	m.Annotate("/user/team", fsmtest.AppliedRole("/role/team"))
	if got := capabilities(t, m, alice, "/data/x"); got != "View" {
		t.Errorf("alice may %q, want View", got)
	}
}

// TestARoleIsOnANodeOnce: and a number is of one role.
func TestARoleIsOnANodeOnce(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	m.EntryNanos = 0
	m.Leaf("/role/b")
	const alice, bob = "/user/team/alice", "/user/team/bob"
	apply := func(p, role path.Path, unique uint64, end, ifVersion int64) func() error {
		return func() error {
			a := fsmtest.AppliedRole(role)
			a.Unique, a.EndUnixNanos = unique, end
			_, err := fsmtest.Do(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{
				{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: string(p), Annotation: a, IfVersion: ifVersion}}},
			}})
			return err
		}
	}
	end := m.Position().Time + 10
	wantRefused(t, m, "a role that is applied", fault.Exists, "as number 1", apply(alice, "/role/a", 0, 0, 0))
	wantRefused(t, m, "a role that is applied, as another number", fault.Exists, "as number 1", apply(alice, "/role/a", 7, 0, -1))
	wantRefused(t, m, "a number that is another role", fault.Conflict, "is another role", apply(alice, "/role/b", 1, 0, -1))
	wantRefused(t, m, "a role that is there", fault.Exists, "it exists, at version 1", apply(alice, "/role/a", 1, 0, 0))
	wantRefused(t, m, "a role of another version", fault.Conflict, "version 2 is to be there and 1 is", apply(alice, "/role/a", 1, 0, 2))
	wantRefused(t, m, "a role that is not there at a version", fault.Conflict, "nothing is", apply(alice, "/role/b", 2, 0, 1))
	wantKind(t, "the role with an end", apply(alice, "/role/a", 1, end, 1)(), "")
	wantKind(t, "a role with an end", apply(bob, "/role/a", 0, end, 0)(), "")
	m.Wait(9)
	wantRefused(t, m, "a role just before it ends", fault.Exists, "as number 1", apply(bob, "/role/a", 2, 0, 0))
	wantRefused(t, m, "the number of a role just before it ends", fault.Conflict, "is another role", apply(alice, "/role/b", 1, 0, 0))
	m.Wait(1)
	wantKind(t, "a role that has ended, as another number", apply(bob, "/role/a", 2, 0, 0)(), "")
	wantKind(t, "the number of a role that has ended", apply(alice, "/role/b", 1, 0, 0)(), "")
	wantHeld(t, m, bob, "/role/a")
	wantHeld(t, m, alice, "/role/b")
	m.View(func(v *command.Reading) {
		for role, want := range map[path.Path]string{"/role/a": "[/user/team/bob]", "/role/b": "[/user/team/alice]", "/role/c": "[]"} {
			if got := fmt.Sprint(slices.Collect(identity.AppliedTo(v, role))); got != want {
				t.Errorf("%s is applied to %s, want %s", role, got, want)
			}
		}
	})
}

func TestRolesOfANodeAreBounded(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	changes := make([]*pb.Change, 0, 2*tree.MaxAnnotations)
	for i := range tree.MaxAnnotations {
		role := fmt.Sprintf("/role/n%d", i)
		changes = append(changes,
			&pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: role}}},
			&pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: "/user/team/bob", Annotation: fsmtest.AppliedRole(path.Path(role))}}})
	}
	fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: changes})
	wantRefused(t, m, "one role too many", fault.Exhausted, "256", func() error {
		_, err := fsmtest.Do(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{
			{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: "/user/team/bob", Annotation: fsmtest.AppliedRole("/role/a")}}},
		}})
		return err
	})
}

// TestHeldIsWhatIsThere compares what is remembered on nodes with what the
// records say, at any time and as roles come and go.
func TestHeldIsWhatIsThere(t *testing.T) {
	t.Parallel()
	places := []path.Path{"/", "/user", "/user/team", "/user/team/alice", "/user/team/bob", "/workload/x"}
	roles := []path.Path{"/role/a", "/role/b", "/role/c"}
	rapid.Check(t, func(t *rapid.T) {
		m := newPrincipals(t)
		m.Leaf("/role/b")
		m.Leaf("/role/c")
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			p := rapid.SampledFrom(places).Draw(t, "place")
			a := fsmtest.AppliedRole(rapid.SampledFrom(roles).Draw(t, "role"))
			m.Wait(rapid.Int64Range(0, 2).Draw(t, "wait") * 1_000_000)
			now := m.Position().Time
			a.StartUnixNanos = now + rapid.Int64Range(-2, 4).Draw(t, "start")*1_000_000
			if rapid.Bool().Draw(t, "ends") {
				a.EndUnixNanos = a.StartUnixNanos + rapid.Int64Range(1, 4).Draw(t, "end")*1_000_000
			}
			change := &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: string(p), Annotation: a}}}
			if rapid.IntRange(0, 3).Draw(t, "take") == 0 {
				change = &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: string(p), Tag: a.Tag, Unique: 1}}}
			}
			fsmtest.Do(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{change}}) // some are refused
			m.View(func(v *command.Reading) {
				for _, p := range places {
					for _, at := range []int64{v.Time, v.Time + 1_000_000, v.Time - 1_000_000, v.Time} {
						if got := identity.Held(v, tree.Find(v, p), at); got != policy.NewClosure(naive(v, p, at)) {
							t.Fatalf("%d ns on %s does not hold %q", at-v.Time, p, naive(v, p, at))
						}
					}
				}
			})
		}
	})
}

// naive gives the roles in force on the path and above it.
func naive(v *command.Reading, p path.Path, now int64) (held []string) {
	for ; p != path.Root; p = p.Parent() {
		for _, role := range identity.Applied(v, p) {
			if role.Start <= now && (role.End == 0 || now < role.End) {
				held = append(held, string(role.Role))
			}
		}
	}
	return held
}
