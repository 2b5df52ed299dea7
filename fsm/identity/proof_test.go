package identity_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// demonstrate lets principals call by their name alone.
func demonstrate(m *fsmtest.Machine) {
	fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Demo: proto.Bool(true)})
}

// named gives a caller that proves nothing.
func named(p path.Path) command.Caller { return command.Caller{Principal: p, Method: command.ByName} }

// sshKey is an annotation with an ssh key.
func sshKey(line string) *pb.Annotation {
	return &pb.Annotation{Tag: "ssh-pubkey", Content: &pb.Annotation_Text{Text: line}}
}

func TestANameAloneCountsInDemonstrationsOnly(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	wantStanding(t, m, "a name alone", named("/user/team/alice"), false)
	demonstrate(m)
	for p, want := range map[path.Path]bool{
		"/user/team/alice": true, "/workload/x": true, "/user/team/carol": false, "/user/team": false, "/data/x": false, "/": false, "": false,
	} {
		wantStanding(t, m, "in a demonstration, the name "+string(p), named(p), want)
	}
}

// TestWhoHasAProofNeedsIt: an ssh key, or somebody who may vouch.
func TestWhoHasAProofNeedsIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		give func(*fsmtest.Machine)
		want bool // that the name alone counts still
	}{
		{"nothing", func(*fsmtest.Machine) {}, true},
		{"an ssh key", func(m *fsmtest.Machine) { m.Annotate("/user/team/alice", sshKey("ssh-ed25519 A")) }, false},
		{"an ssh key of another", func(m *fsmtest.Machine) { m.Annotate("/user/team/bob", sshKey("ssh-ed25519 B")) }, true},
		{"an ssh key on the directory", func(m *fsmtest.Machine) { m.Annotate("/user/team", sshKey("ssh-ed25519 C")) }, true},
		{"another text", func(m *fsmtest.Machine) {
			m.Annotate("/user/team/alice", &pb.Annotation{Tag: "note", Content: &pb.Annotation_Text{Text: "ssh-ed25519 A"}})
		}, true},
		{"VouchFor on it", func(m *fsmtest.Machine) { m.Clause("/user/team/alice", command.VouchFor, "/role/a") }, false},
		{"VouchFor on it alone", func(m *fsmtest.Machine) { m.LocalClause("/user/team/alice", command.VouchFor, "/role/a") }, false},
		{"VouchFor above it", func(m *fsmtest.Machine) { m.Clause("/user/team", command.VouchFor, "/role/a") }, false},
		{"VouchFor at the top", func(m *fsmtest.Machine) { m.Clause("/user", command.VouchFor, "/role/a") }, false},
		{"VouchFor at the root", func(m *fsmtest.Machine) { m.Clause("/", command.VouchFor, "/role/a") }, false},
		{"VouchFor on the directory alone", func(m *fsmtest.Machine) { m.LocalClause("/user/team", command.VouchFor, "/role/a") }, true},
		{"VouchFor on the root alone", func(m *fsmtest.Machine) { m.LocalClause("/", command.VouchFor, "/role/a") }, true},
		{"VouchFor for everybody", func(m *fsmtest.Machine) { m.Clause("/user/team", command.VouchFor) }, true},
		{"VouchFor on another", func(m *fsmtest.Machine) { m.Clause("/user/team/bob", command.VouchFor, "/role/a") }, true},
		{"another clause", func(m *fsmtest.Machine) { m.Clause("/user/team/alice", command.Admin, "/role/a") }, true},
	} {
		m := newPrincipals(t)
		demonstrate(m)
		test.give(m)
		wantStanding(t, m, "the name alone, with "+test.name, named("/user/team/alice"), test.want)
		wantStanding(t, m, "a certificate, with "+test.name, certificate(m, "/user/team/alice"), true)
	}
}

// TestANameAloneTellsNothing: whether a principal has a proof of its own or is
// not there at all.
func TestANameAloneTellsNothing(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	said := func(p path.Path) (err error) {
		caller := named(p)
		m.View(func(v *command.Reading) { err = identity.Standing(v, &caller, v.Time) })
		return err
	}
	before := said("/user/team/alice")
	demonstrate(m)
	m.Annotate("/user/team/alice", sshKey("ssh-ed25519 A"))
	for _, p := range []path.Path{"/user/team/alice", "/user/team/carol", "/user/team"} {
		if got := said(p); fmt.Sprint(got) != fmt.Sprint(before) {
			t.Errorf("the name %s alone gives %v, want %v", p, got, before)
		}
	}
}

func TestWhatProvesNothing(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	demonstrate(m)
	putKey(m, "key")
	for _, method := range []string{"", "password", "Certificate", "none "} {
		for _, caller := range []command.Caller{certificate(m, "/user/team/alice"), credential(m, "/user/team/alice"), operator(m)} {
			caller.Method = method
			wantStanding(t, m, fmt.Sprintf("method %q", method), caller, false)
		}
	}
	wantStanding(t, m, "nobody", command.Caller{}, false)
	wantStanding(t, m, "the cluster itself", command.Caller{Principal: command.System}, true)
	for _, p := range []path.Path{"/system/x", "/systems", "/system/"} {
		wantStanding(t, m, string(p), command.Caller{Principal: p}, false)
	}
}

func TestSSHKeys(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	m.EntryNanos = 0
	now := m.Position().Time
	key := func(line string, start, end int64) *pb.Annotation {
		a := sshKey(line)
		a.StartUnixNanos, a.EndUnixNanos = start, end
		return a
	}
	m.Annotate("/user/team/alice", key("always", 0, 0))
	m.Annotate("/user/team/alice", key("later", now+10, 0))
	m.Annotate("/user/team/alice", key("until", 0, now+10))
	m.Annotate("/user/team/alice", &pb.Annotation{Tag: "ssh-pubkeys", Content: &pb.Annotation_Text{Text: "no key"}})
	m.Annotate("/user/team", sshKey("of the directory"))
	m.Annotate("/data/x", sshKey("of data"))
	for at, want := range map[int64][]string{now + 9: {"always", "until"}, now + 10: {"always", "later"}} {
		m.View(func(v *command.Reading) {
			if got := identity.SSHKeys(v, "/user/team/alice", at); !slices.Equal(got, want) {
				t.Errorf("%d ns on the keys of alice are %q, want %q", at-now, got, want)
			}
			for _, p := range []path.Path{"/user/team", "/data/x", "/user/team/bob", "/user/team/carol"} {
				if got := identity.SSHKeys(v, p, at); len(got) != 0 {
					t.Errorf("the keys of %s are %q, want none", p, got)
				}
			}
		})
	}
}

// TestWithAnEndedProofNothingIsAnswered: and nothing is kept, so that the request
// may be sent again under its id.
func TestWithAnEndedProofNothingIsAnswered(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	by := m.As(credential(m, "/user/team/alice"))
	request := fsmtest.Command(by, identity.Revoke, &pb.RevokeRequest{Principal: "/user/team/alice", Session: sessionB})
	revoke(m, "/user/team/alice", sessionA)

	before := m.Hash()
	first := m.Apply(request)[0]
	if fault.KindOf(first.Err) != fault.Unauthenticated || first.Body != nil || m.Hash() != before {
		t.Errorf("with an ended proof the request gives %+v, want a fault.Unauthenticated and the state as it was", first)
	}
	good := fsmtest.Command(m.As(certificate(m, "/user/team/alice")), identity.Revoke, &pb.RevokeRequest{})
	request.Caller = good.Caller
	second := m.Apply(request)[0]
	if second.Err != nil || second.Response == nil || second.Index == first.Index {
		t.Errorf("with a good proof it gives %+v", second)
	}
	if third := m.Apply(request)[0]; third.Err != nil || third.Response != nil || third.Index != second.Index {
		t.Errorf("sent once more it gives %+v, want the answer of %d", third, second.Index)
	}

	// The answer is kept for who proves who it is, not for others.
	stolen := fsmtest.Command(by, identity.Revoke, &pb.RevokeRequest{})
	stolen.RequestId, stolen.Name, stolen.Body = request.RequestId, request.Name, request.Body
	if got := m.Apply(stolen)[0]; fault.KindOf(got.Err) != fault.Unauthenticated || got.Body != nil {
		t.Errorf("sent with the ended proof again it gives %+v, want a fault.Unauthenticated", got)
	}
}

// TestAProofEndsWithinAnEntry: commands of one entry meet what those before them
// did.
func TestAProofEndsWithinAnEntry(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	by := m.As(credential(m, "/user/team/alice"))
	one := fsmtest.Command(by, identity.Revoke, &pb.RevokeRequest{Principal: "/user/team/alice", Session: sessionA})
	two := fsmtest.Command(by, identity.Revoke, &pb.RevokeRequest{Principal: "/user/team/alice", Session: sessionB})
	results := m.Apply(one, two)
	if results[0].Err != nil || fault.KindOf(results[1].Err) != fault.Unauthenticated {
		t.Errorf("a session that revokes itself gives %v, then %v; want it allowed and a fault.Unauthenticated", results[0].Err, results[1].Err)
	}
	if _, err := fsmtest.Do(by, identity.Revoke, &pb.RevokeRequest{Principal: "/user/team/alice"}); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("in the next entry it gives %v, want a fault.Unauthenticated", err)
	}
}
