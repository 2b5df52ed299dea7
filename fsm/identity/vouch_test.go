package identity_test

import (
	"fmt"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func TestWhoMayVouch(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	putIssuer(m)
	m.Clause("/user", command.View, "/role/viewer")
	m.Clause("/user/team", command.VouchFor, "/role/voucher")
	m.Clause("/role", command.View)
	viewer := m.Principal("/workload/viewer", "/role/viewer")
	m.Principal("/workload/voucher", "/role/viewer", "/role/voucher")
	m.Principal("/user/team/dora", "/role/viewer", "/role/voucher")
	voucher := certificate(m, "/workload/voucher")
	actors := func(n int) command.Caller {
		return with(voucher, func(c *command.Caller) { c.Actors = make([]command.Actor, n) })
	}
	for _, test := range []struct {
		name     string
		by       *fsmtest.Client
		subject  path.Path
		lifetime int64
		want     fault.Kind
	}{
		{"a voucher", m.As(voucher), "/user/team/alice", 0, ""},
		{"a voucher, in another spelling", m.As(voucher), "am://user/team/alice/", 1, ""},
		{"a voucher, for as long as may be", m.As(voucher), "/user/team/alice", identity.MaxVouchedSeconds, ""},
		{"an operator", m.Operator, "/workload/x", 0, ""},
		{"a voucher with a credential", m.As(credential(m, "/workload/voucher")), "/user/team/alice", 0, ""},
		{"who was vouched for as often as may be", m.As(actors(identity.MaxActors - 1)), "/user/team/alice", 0, ""},
		{"who was vouched for too often", m.As(actors(identity.MaxActors)), "/user/team/alice", 0, fault.Denied},
		{"a voucher with a token of an outside issuer", m.As(tokenOf(m, "/user/team/dora")), "/user/team/alice", 0, fault.Denied},
		{"who sees", viewer, "/user/team/alice", 0, fault.Denied},
		{"who sees nothing", m.As(certificate(m, "/workload/x")), "/user/team/alice", 0, fault.NotFound},
		{"alice for herself", m.As(certificate(m, "/user/team/alice")), "/user/team/alice", 0, fault.NotFound},
		{"a voucher, for who is not there", m.As(voucher), "/user/team/carol", 0, fault.NotFound},
		{"a voucher, for others", m.As(voucher), "/workload/x", 0, fault.NotFound},
		{"a voucher, for a directory", m.As(voucher), "/user/team", 0, fault.Conflict},
		{"an operator, for who is not there", m.Operator, "/user/team/carol", 0, fault.NotFound},
		{"an operator, for what is no principal", m.Operator, "/data/x", 0, fault.Invalid},
		{"an operator, for nobody", m.Operator, "", 0, fault.Invalid},
		{"a voucher, for too long", m.As(voucher), "/user/team/alice", identity.MaxVouchedSeconds + 1, fault.Invalid},
		{"a voucher, for less than nothing", m.As(voucher), "/user/team/alice", -1, fault.Invalid},
	} {
		res, err := fsmtest.Ask(test.by, identity.Vouch, &pb.VouchRequest{Subject: string(test.subject), LifetimeSeconds: test.lifetime})
		wantKind(t, fmt.Sprintf("%s vouches for %s", test.name, test.subject), err, test.want)
		if err == nil && (path.Path(res.Subject) != "/user/team/alice" && path.Path(res.Subject) != "/workload/x" || res.Token != "") {
			t.Errorf("%s vouches for %s: %v", test.name, test.subject, res)
		}
	}
}

func TestSubjectsOfCredentials(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	for _, p := range []path.Path{"/user/team", "/user", "/user/team/carol", "/data/x", "/"} {
		m.View(func(v *command.Reading) {
			if s, ok := identity.SubjectOf(v, p); ok || s != (identity.Subject{}) {
				t.Errorf("SubjectOf(%s) gives %+v, %v", p, s, ok)
			}
		})
	}
	m.Leaf("/user/carol")
	var born uint64
	m.View(func(v *command.Reading) { born = tree.Find(v, "/user/carol").Born })
	for epoch := range uint64(3) {
		m.View(func(v *command.Reading) {
			if s, ok := identity.SubjectOf(v, "/user/carol"); !ok || s != (identity.Subject{Born: born, Epoch: epoch}) {
				t.Errorf("SubjectOf(/user/carol) gives %+v, %v; want born %d in epoch %d", s, ok, born, epoch)
			}
		})
		revoke(m, "/user/carol", "")
	}
}
