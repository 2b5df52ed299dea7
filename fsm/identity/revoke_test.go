package identity_test

import (
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// wantRefused wants a command or query to be refused with the kind and with a
// message that has the words, and to leave the state as it was.
func wantRefused(t *testing.T, m *fsmtest.Machine, what string, kind fault.Kind, words string, do func() error) {
	t.Helper()
	before := m.Hash()
	err := do()
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want a fault.%s with %q", what, err, kind, words)
	}
	if m.Hash() != before {
		t.Errorf("%s changed the state", what)
	}
}

// wantKind wants an error of the kind; "" is no error.
func wantKind(t *testing.T, what string, err error, want fault.Kind) {
	t.Helper()
	got := fault.Kind("")
	if err != nil {
		got = fault.KindOf(err)
	}
	if got != want {
		t.Errorf("%s: %v, want a fault %q", what, err, want)
	}
}

func TestRevokeRefuses(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	for _, test := range []struct{ principal, session, words string }{
		{"", "", `path "" must begin with`},
		{"/user/../x", "", "not allowed"},
		{"/user", "", "a principal is a path below /user or /workload, not /user"},
		{"/workload/", "", "not /workload"},
		{"/", "", "not /"},
		{"/data/x", "", "not /data/x"},
		{"/users/x", "", "not /users/x"},
		{"/system", "", "not /system"},
		{"/user/team/alice", "x", "a session is 32 hexadecimal digits"},
		{"/user/team/alice", sessionA + "0", "32 hexadecimal digits"},
		{"/user/team/alice", sessionA[1:], "32 hexadecimal digits"},
		{"/user/team/alice", strings.ToUpper(sessionA), "32 hexadecimal digits"},
		{"/user/team/alice", sessionA[1:] + "g", "32 hexadecimal digits"},
		{"/user/team/alice", sessionA[1:] + "\x00", "32 hexadecimal digits"},
	} {
		for name, by := range map[string]*fsmtest.Client{"an operator": m.Operator, "alice": m.As(certificate(m, "/user/team/alice"))} {
			wantRefused(t, m, fmt.Sprintf("revoking %q of %q by %s", test.session, test.principal, name), fault.Invalid, test.words, func() error {
				_, err := fsmtest.Do(by, identity.Revoke, &pb.RevokeRequest{Principal: test.principal, Session: test.session})
				return err
			})
		}
	}
}

// TestWhoMayRevoke: oneself, and who may Admin the principal.
func TestWhoMayRevoke(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	m.Clause("/user", command.View, "/role/viewer")
	m.Clause("/user/team", command.Admin, "/role/chief")
	m.Leaf("/user/carol")
	viewer := m.Principal("/workload/viewer", "/role/viewer")
	chief := m.Principal("/workload/chief", "/role/viewer", "/role/chief")
	blind := m.Principal("/workload/blind", "/role/chief")
	for _, session := range []string{"", sessionA} {
		for _, test := range []struct {
			name      string
			by        *fsmtest.Client
			principal path.Path
			want      fault.Kind
		}{
			{"alice herself", m.As(certificate(m, "/user/team/alice")), "/user/team/alice", ""},
			{"another", m.As(certificate(m, "/user/team/bob")), "/user/team/alice", fault.NotFound},
			{"who sees her", viewer, "/user/team/alice", fault.Denied},
			{"who sees her, in another spelling", viewer, "am://user/team/alice", fault.Denied},
			{"who administers her", chief, "/user/team/alice", ""},
			{"who administers others", chief, "/user/carol", fault.Denied},
			{"who would administer her and does not see her", blind, "/user/team/alice", fault.NotFound},
			{"who administers a team that she is not in", chief, "/user/team/dora", fault.NotFound},
			{"an operator, of who is not there", m.Operator, "/user/dora", ""},
		} {
			_, err := fsmtest.Do(test.by, identity.Revoke, &pb.RevokeRequest{Principal: string(test.principal), Session: session})
			wantKind(t, fmt.Sprintf("revoking %q of %s by %s", session, test.principal, test.name), err, test.want)
		}
	}
}

func TestRevokeAnswersWithItsIndex(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	for _, session := range []string{"", sessionA} {
		res := fsmtest.Must(m.Operator, identity.Revoke, &pb.RevokeRequest{Principal: "am://user/team/alice/", Session: session})
		if want := m.Position().Index; res.Index != want {
			t.Errorf("the answer names index %d, want %d", res.Index, want)
		}
	}
	m.View(func(v *command.Reading) {
		if s, ok := identity.SubjectOf(v, "/user/team/alice"); !ok || s.Epoch != 1 {
			t.Errorf("the subject is %+v, %v; want epoch 1", s, ok)
		}
	})
}

func TestRevokedSessionsAreBounded(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	m.EntryNanos = 0
	session := func(i int) string { return fmt.Sprintf("%0*x", identity.SessionDigits, i) }
	for i := range identity.MaxRevokedSessions {
		revoke(m, "/user/team/alice", session(i))
	}
	do := func(p path.Path, i int) error {
		_, err := fsmtest.Do(m.Operator, identity.Revoke, &pb.RevokeRequest{Principal: string(p), Session: session(i)})
		return err
	}
	over := identity.MaxRevokedSessions
	wantRefused(t, m, "one session too many", fault.Exhausted, "1024 sessions of /user/team/alice", func() error { return do("/user/team/alice", over) })
	wantKind(t, "one that is revoked", do("/user/team/alice", 0), "")
	wantKind(t, "one of another", do("/user/team/alice2", over), "")
	wantKind(t, "one of who comes before", do("/user/team/alic", over), "")
	revoke(m, "/user/team/alice", "")
	wantRefused(t, m, "one too many with all revoked", fault.Exhausted, "1024 sessions", func() error { return do("/user/team/alice", over) })
	m.Wait(identity.MaxSessionNanos - 1)
	wantRefused(t, m, "one too many just before they end", fault.Exhausted, "1024 sessions", func() error { return do("/user/team/alice", over) })
	m.Wait(1)
	wantKind(t, "one behind those that have ended", do("/user/team/alice", over), "")
	last := with(credential(m, "/user/team/alice"), func(c *command.Caller) { c.Session = session(over) })
	wantStanding(t, m, "the last", last, false)
}
