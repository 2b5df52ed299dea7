package acl_test

import (
	"testing"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/path"
)

// TestPermits: by the roles that the principal holds itself, with View, and only
// while it is a principal.
func TestPermits(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.Leaf("/data/x")
	m.Clause("/data", command.View, "/role/viewer")
	m.Clause("/data", command.Read, "/role/reader")
	m.Principal("/user/both", "/role/viewer", "/role/reader")
	m.Principal("/user/reader", "/role/reader")
	m.Principal("/user/viewer", "/role/viewer")
	m.Directory("/user/team")
	m.Annotate("/user/team", fsmtest.AppliedRole("/role/viewer"))
	m.Annotate("/user/team", fsmtest.AppliedRole("/role/reader"))
	m.Principal("/user/team/member")
	permitted := func(who path.Path, o command.Operation, at path.Path) (allowed bool) {
		m.View(func(v *command.Reading) { allowed = acl.Permits(v, v.Time, who, o, at) })
		return allowed
	}
	for _, test := range []struct {
		who, at path.Path
		o       command.Operation
		want    bool
	}{
		{"/user/both", "/data/x", command.Read, true},
		{"/user/both", "/data/x", command.View, true},
		{"/user/both", "/data/x", command.Write, false},
		{"/user/both", "/data/y", command.Read, false},
		{"/user/reader", "/data/x", command.Read, false},
		{"/user/viewer", "/data/x", command.Read, false},
		{"/user/team/member", "/data/x", command.Read, true},
		{"/user/team", "/data/x", command.Read, false},
		{"/user/nobody", "/data/x", command.Read, false},
		{"/role/reader", "/data/x", command.Read, false},
		{command.System, "/data/x", command.Read, false},
		{"", "/data/x", command.Read, false},
	} {
		if got := permitted(test.who, test.o, test.at); got != test.want {
			t.Errorf("%s may %s %s: %v, want %v", test.who, test.o, test.at, got, test.want)
		}
	}
	m.Remove("/user/both")
	if permitted("/user/both", command.Read, "/data/x") {
		t.Error("who is gone may Read")
	}
	m.Principal("/user/both")
	if permitted("/user/both", command.Read, "/data/x") {
		t.Error("who has the name of one who is gone may Read")
	}
	for i, role := range []path.Path{"/role/viewer", "/role/reader"} {
		if got := permitted("/user/both", command.Read, "/data/x"); got {
			t.Errorf("who holds %d of 2 roles may Read", i)
		}
		m.Annotate("/user/both", fsmtest.AppliedRole(role))
	}
	if !permitted("/user/both", command.Read, "/data/x") {
		t.Error("who holds both roles again may not Read")
	}
}
