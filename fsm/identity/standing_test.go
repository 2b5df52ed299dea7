package identity_test

import (
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const hour = 60 * 60 * 1_000_000_000

// sessions of credentials.
var (
	sessionA = strings.Repeat("0a", identity.SessionDigits/2)
	sessionB = strings.Repeat("0b", identity.SessionDigits/2)
)

// newPrincipals gives a machine with the principals /user/team/alice, who has the
// role /role/a, /user/team/bob and /workload/x, and what is none: the leaf /data/x.
func newPrincipals(t fsmtest.T) *fsmtest.Machine {
	t.Helper()
	m := fsmtest.New(t)
	m.Principal("/user/team/alice", "/role/a")
	for _, p := range []path.Path{"/user/team/bob", "/workload/x", "/data/x"} {
		m.Leaf(p)
	}
	return m
}

// putKey adds a signing key that is active now.
func putKey(m *fsmtest.Machine, id string) {
	fsmtest.Must(m.Cluster, identity.PutSigningKey, &statev1.PutSigningKeyRequest{
		Id: id, Public: []byte("public"), Sealed: []byte("sealed"), RootKey: "root",
		ActiveUnixNanos: m.Position().Time, ExpiresUnixNanos: m.Position().Time + 24*hour,
	})
}

// certificate gives a caller that shows one made now.
func certificate(m *fsmtest.Machine, p path.Path) command.Caller {
	return command.Caller{Principal: p, Method: command.ByCertificate, Issued: m.Position().Time}
}

// credential gives a caller that shows one of session A, made now and signed with
// the key "key".
func credential(m *fsmtest.Machine, p path.Path) command.Caller {
	caller := command.Caller{Principal: p, Method: command.BySSH, Issued: m.Position().Time, Session: sessionA, Key: "key"}
	m.View(func(v *command.Reading) {
		subject, _ := identity.SubjectOf(v, p)
		caller.Born, caller.Epoch = subject.Born, subject.Epoch
	})
	return caller
}

// operator gives a caller that is not in the tree.
func operator(m *fsmtest.Machine) command.Caller {
	return with(certificate(m, "/user/operator"), func(c *command.Caller) { c.Operator = true })
}

// with gives the caller changed.
func with(caller command.Caller, change func(*command.Caller)) command.Caller {
	change(&caller)
	return caller
}

// wantStanding asks about a caller, and asks something as it.
func wantStanding(t *testing.T, m *fsmtest.Machine, what string, caller command.Caller, want bool) {
	t.Helper()
	var err error
	m.View(func(v *command.Reading) { err = identity.Standing(v, &caller, v.Time) })
	if (err == nil) != want || err != nil && fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("%s: %v, want it to stand: %v", what, err, want)
	}
	_, asked := fsmtest.Ask(m.As(caller), acl.Check, &pb.CheckRequest{Operation: "View", Path: "/"})
	if fmt.Sprint(asked) != fmt.Sprint(err) {
		t.Errorf("%s: a query says %v, Standing %v", what, asked, err)
	}
}

func revoke(m *fsmtest.Machine, p path.Path, session string) {
	fsmtest.Must(m.Operator, identity.Revoke, &pb.RevokeRequest{Principal: string(p), Session: session})
}

func TestCertificatesNameAPrincipalThatIsThere(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	for p, want := range map[path.Path]bool{
		"/user/team/alice": true, "/workload/x": true,
		"/user/team/carol": false, "/user/team": false, "/user": false, "/workload": false, "/": false,
		"/data/x": false, "/role/a": false, "/user/team/alice/x": false, "": false,
	} {
		wantStanding(t, m, "a certificate of "+string(p), certificate(m, p), want)
		operator := with(certificate(m, p), func(c *command.Caller) { c.Operator = true })
		wantStanding(t, m, "an operator's certificate of "+string(p), operator, true)
	}
	alice := certificate(m, "/user/team/alice")
	m.Remove("/user/team/alice")
	wantStanding(t, m, "of a principal that was removed", alice, false)
	m.Leaf("/user/team/alice")
	wantStanding(t, m, "of one that was made again: it names a path", alice, true)
}

func TestARevocationEndsWhatWasIssuedBefore(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putIssuer(m)
	for _, p := range []path.Path{"/user/team/alice", "/user/chief"} {
		shown := certificate(m, p)
		token := tokenOf(m, p)
		shown.Operator = p == "/user/chief" // who is not in the tree
		wantStanding(t, m, "before a revocation", shown, true)
		m.Wait(hour)
		revoke(m, p, "")
		at := m.Position().Time
		for name, caller := range map[string]command.Caller{"a certificate": shown, "a token": token} {
			if name == "a token" && shown.Operator {
				continue
			}
			for issued, want := range map[int64]bool{0: false, shown.Issued: false, at - 1: false, at: false, at + 1: true} {
				caller.Issued = issued
				wantStanding(t, m, fmt.Sprintf("%s of %s issued %d ns after the revocation", name, p, issued-at), caller, want)
			}
		}
	}
	wantStanding(t, m, "somebody else's", with(certificate(m, "/user/team/bob"), func(c *command.Caller) { c.Issued = 0 }), true)
	m.Remove("/user/team/alice")
	m.Leaf("/user/team/alice")
	old := with(certificate(m, "/user/team/alice"), func(c *command.Caller) { c.Issued = 1 })
	wantStanding(t, m, "a revoked one of a principal that was made again", old, false)
}

func TestProofsEndByLogTime(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	m.EntryNanos = 0
	for _, caller := range []command.Caller{
		certificate(m, "/user/team/alice"), credential(m, "/user/team/alice"), operator(m),
	} {
		start := m.Position().Time
		caller.Expires = start + 10
		for wait, want := range map[int64]bool{-1: true, 0: false, 1: false} {
			late := with(caller, func(c *command.Caller) { c.Expires = start - wait })
			wantStanding(t, m, fmt.Sprintf("%s %d ns behind its end", caller.Method, wait), late, want)
		}
		wantStanding(t, m, "before its end", caller, true)
		m.Wait(9)
		m.Apply()
		wantStanding(t, m, "just before its end", caller, true)
		m.Wait(1)
		m.Apply()
		wantStanding(t, m, "at its end", caller, false)
		wantStanding(t, m, "one without an end", with(caller, func(c *command.Caller) { c.Expires = 0 }), true)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, method := range []string{command.BySSH, command.ByVouching} {
		m := newPrincipals(t)
		putKey(m, "key")
		putKey(m, "revoked")
		fsmtest.Must(m.Operator, identity.RevokeSigningKey, &pb.RevokeSigningKeyRequest{Id: "revoked"})
		good := with(credential(m, "/user/team/alice"), func(c *command.Caller) { c.Method = method })
		wantStanding(t, m, "a credential", good, true)
		for name, change := range map[string]func(*command.Caller){
			"of no key":              func(c *command.Caller) { c.Key = "" },
			"of an unknown key":      func(c *command.Caller) { c.Key = "other" },
			"of a revoked key":       func(c *command.Caller) { c.Key = "revoked" },
			"of one born later":      func(c *command.Caller) { c.Born++ },
			"of one born before":     func(c *command.Caller) { c.Born-- },
			"of nobody born":         func(c *command.Caller) { c.Born = 0 },
			"of no session":          func(c *command.Caller) { c.Session = "" },
			"of neither":             func(c *command.Caller) { c.Born, c.Session = 0, "" },
			"of a later epoch":       func(c *command.Caller) { c.Epoch++ },
			"of another principal":   func(c *command.Caller) { c.Principal = "/user/team/bob" },
			"of a directory":         func(c *command.Caller) { c.Principal = "/user/team" },
			"of nobody":              func(c *command.Caller) { c.Principal = "/user/team/carol" },
			"of nobody, an operator": func(c *command.Caller) { c.Operator, c.Principal = true, "/user/team/carol" },
			"of an operator unborn":  func(c *command.Caller) { c.Operator, c.Born, c.Session = true, 0, "" },
		} {
			wantStanding(t, m, method+": a credential "+name, with(good, change), false)
		}
	}
}

// TestADirectoryIsNoPrincipal: not even with all that a credential of it would
// say.
func TestADirectoryIsNoPrincipal(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	caller := credential(m, "/user/team/alice")
	m.View(func(v *command.Reading) {
		caller.Principal, caller.Born = "/user/team", tree.Find(v, "/user/team").Born
	})
	wantStanding(t, m, "a credential of a directory", caller, false)
	actor := command.Actor{Principal: caller.Principal, Born: caller.Born, Session: sessionA}
	vouched := with(credential(m, "/user/team/alice"), func(c *command.Caller) { c.Actors = []command.Actor{actor} })
	wantStanding(t, m, "one that a directory vouched for", vouched, false)
}

func TestKeysExpireByLogTime(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	m.EntryNanos = 0
	caller := credential(m, "/user/team/alice")
	m.Wait(24*hour - 1_000_000 - 1) // the key was put a millisecond after its time
	m.Apply()
	wantStanding(t, m, "just before the end of its key", caller, true)
	m.Wait(1)
	m.Apply()
	wantStanding(t, m, "at the end of its key", caller, false)
}

func TestSessionsAreRevokedOneByOne(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	alice, bob := credential(m, "/user/team/alice"), credential(m, "/user/team/bob")
	other := with(alice, func(c *command.Caller) { c.Session = sessionB })
	revoke(m, "/user/team/alice", sessionA)
	wantStanding(t, m, "the session", alice, false)
	wantStanding(t, m, "another session", other, true)
	wantStanding(t, m, "the session of that name of another", bob, true)
	wantStanding(t, m, "a certificate", with(certificate(m, "/user/team/alice"), func(c *command.Caller) { c.Issued = 1 }), true)

	revoke(m, "/user/team/alice", "")
	wantStanding(t, m, "another session, with all revoked", other, false)
	wantStanding(t, m, "a session of another, with all revoked", bob, true)
	anew := with(credential(m, "/user/team/alice"), func(c *command.Caller) { c.Session = sessionB })
	if anew.Epoch != alice.Epoch+1 {
		t.Errorf("the epoch went from %d to %d", alice.Epoch, anew.Epoch)
	}
	wantStanding(t, m, "a new session", anew, true)
	wantStanding(t, m, "the revoked session in the new epoch", credential(m, "/user/team/alice"), false)
}

// TestOneMadeAtTheSameIndexIsAnother: of two made by one command, who is given the name
// of the other is not taken for it.
func TestOneMadeAtTheSameIndexIsAnother(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	create := func(p string) *pb.Change {
		return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p}}}
	}
	fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{create("/workload/one"), create("/workload/two")}})
	old, two := credential(m, "/workload/one"), credential(m, "/workload/two")
	m.Remove("/workload/one")
	rename := func(from, to string) {
		m.Change(&pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: from, Name: to}}})
	}
	rename("/workload/two", "one")
	wantStanding(t, m, "a credential of who was removed", old, false)
	wantStanding(t, m, "a credential of the name before", two, false)
	wantStanding(t, m, "a new one", credential(m, "/workload/one"), true)
	rename("/workload/one", "two")
	wantStanding(t, m, "a credential of who has its name again", two, true)
}

// TestOneMadeAgainIsAnother: what was issued to the principal of before is not
// taken for its own.
func TestOneMadeAgainIsAnother(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	old := credential(m, "/workload/x")
	m.Remove("/workload/x")
	wantStanding(t, m, "a credential of who was removed", old, false)
	m.Leaf("/workload/x")
	wantStanding(t, m, "an old credential of who was made again", old, false)
	wantStanding(t, m, "a new one", credential(m, "/workload/x"), true)
	vouched := with(credential(m, "/user/team/alice"), func(c *command.Caller) {
		c.Actors = []command.Actor{{Principal: old.Principal, Born: old.Born, Session: old.Session}}
	})
	wantStanding(t, m, "one that the old one vouched for", vouched, false)
}

func TestWhoVouchedIsCheckedToo(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	actor := func(p path.Path, session string) command.Actor {
		c := credential(m, p)
		return command.Actor{Principal: p, Born: c.Born, Epoch: c.Epoch, Session: session}
	}
	bob, x := actor("/user/team/bob", sessionB), actor("/workload/x", "") // who showed a certificate
	operator := command.Actor{Principal: "/user/operator"}
	by := func(actors ...command.Actor) command.Caller {
		return with(credential(m, "/user/team/alice"), func(c *command.Caller) {
			c.Method, c.Actors = command.ByVouching, actors
		})
	}
	changed := func(a command.Actor, change func(*command.Actor)) command.Actor {
		change(&a)
		return a
	}
	for _, test := range []struct {
		name   string
		actors []command.Actor
		want   bool
	}{
		{"one", []command.Actor{bob}, true},
		{"one with a certificate", []command.Actor{x}, true},
		{"an operator", []command.Actor{operator}, true},
		{"as many as may", []command.Actor{bob, x, operator, bob}, true},
		{"one too many", []command.Actor{bob, x, operator, bob, x}, false},
		{"one born later", []command.Actor{changed(bob, func(a *command.Actor) { a.Born++ })}, false},
		{"one of another epoch", []command.Actor{changed(x, func(a *command.Actor) { a.Epoch++ })}, false},
		{"one of a key that is not there", []command.Actor{changed(bob, func(a *command.Actor) { a.Key = "gone" })}, false},
		{"an operator of another epoch", []command.Actor{changed(operator, func(a *command.Actor) { a.Epoch++ })}, false},
		{"one of a session and not born", []command.Actor{changed(operator, func(a *command.Actor) { a.Session = sessionB })}, false},
		{"one who is not there", []command.Actor{changed(bob, func(a *command.Actor) { a.Principal = "/user/team/carol" })}, false},
		{"one who is not there, the last", []command.Actor{bob, x, changed(x, func(a *command.Actor) { a.Born-- })}, false},
	} {
		wantStanding(t, m, "vouched for by "+test.name, by(test.actors...), test.want)
	}
	all := by(bob, x, operator)
	revoke(m, "/user/team/bob", sessionA)
	wantStanding(t, m, "with another session of an actor revoked", all, true)
	revoke(m, "/user/team/bob", sessionB)
	wantStanding(t, m, "with the session of an actor revoked", all, false)
	rest := by(x, operator)
	wantStanding(t, m, "of the others", rest, true)
	revoke(m, "/workload/x", "")
	wantStanding(t, m, "with all of an actor revoked", rest, false)
	wantStanding(t, m, "of the operator", by(operator), true)
	revoke(m, "/user/operator", "")
	wantStanding(t, m, "with all of the operator revoked", by(operator), false)
}

// TestWhoVouchesBecomesAnActor: as it is now.
func TestWhoVouchesBecomesAnActor(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	revoke(m, "/user/team/bob", "")
	bob := credential(m, "/user/team/bob")
	bob.Actors = []command.Actor{{Principal: "/user/operator"}}
	m.View(func(v *command.Reading) {
		actors := identity.ActorsOf(v, &bob)
		want := fmt.Sprint([]command.Actor{
			{Principal: "/user/team/bob", Born: bob.Born, Epoch: 1, Session: sessionA, Key: "key"}, {Principal: "/user/operator"},
		})
		if got := fmt.Sprint(actors); got != want {
			t.Errorf("the actors are %s, want %s", got, want)
		}
		by := operator(m)
		want = fmt.Sprint([]command.Actor{{Principal: "/user/operator"}})
		if got := fmt.Sprint(identity.ActorsOf(v, &by)); got != want {
			t.Errorf("the actor that an operator becomes is %s, want %s", got, want)
		}
	})
}
