package acl_test

import (
	"errors"
	"testing"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

func need(operation command.Operation, p path.Path) command.Need {
	return command.Need{Operation: operation, Path: p}
}

func grant(operation command.Operation, p path.Path) command.Grant {
	return command.Grant{Operation: operation, Path: p}
}

func workload(grants ...command.Grant) command.Caller {
	return command.Caller{Principal: "/workload/x", Grants: grants}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	var (
		operator = command.Caller{Principal: "/user/operator", Operator: true}
		system   = command.Caller{Principal: command.System}
		nobody   = workload()
		spender  = workload(grant(command.Spend, "/account/a"))
	)
	const allowed = fault.Kind("")
	for _, test := range []struct {
		name   string
		caller command.Caller
		needs  []command.Need
		want   fault.Kind
	}{
		{"an operator, anything", operator, []command.Need{need(command.Spend, "/account/a"), need(command.Admin, "/")}, allowed},
		{"an operator, what no operation is called", operator, []command.Need{need("Fly", "/")}, allowed},
		{"an operator, what only the cluster does", operator, []command.Need{need(command.ClusterItself, "/")}, fault.Denied},
		{"the cluster itself", system, []command.Need{need(command.ClusterItself, "/"), need(command.Admin, "/account")}, allowed},
		{"a workload, what only the cluster does", spender, []command.Need{need(command.ClusterItself, "/account/a")}, fault.Denied},
		{
			"a grant of what only the cluster does", workload(grant(command.ClusterItself, "/")),
			[]command.Need{need(command.ClusterItself, "/")}, fault.Denied,
		},
		{"somebody below the cluster's name", command.Caller{Principal: "/system/x"}, []command.Need{need(command.ClusterItself, "/")}, fault.Denied},
		{"nobody in particular, what anyone may", nobody, []command.Need{need(command.Anyone, "/")}, allowed},

		{"no needs", operator, nil, fault.Denied},
		{"no needs, the cluster itself", system, []command.Need{}, fault.Denied},

		{"the path of the grant", spender, []command.Need{need(command.Spend, "/account/a")}, allowed},
		{"below the grant", spender, []command.Need{need(command.Spend, "/account/a/b/c")}, allowed},
		{"above the grant", spender, []command.Need{need(command.Spend, "/account")}, fault.NotFound},
		{"a sibling", spender, []command.Need{need(command.Spend, "/account/b")}, fault.NotFound},
		{"a sibling that begins the same", spender, []command.Need{need(command.Spend, "/account/ab")}, fault.NotFound},
		{"a grant on everything", workload(grant(command.Spend, "/")), []command.Need{need(command.Spend, "/account/a")}, allowed},
		{"a grant on no path", workload(grant(command.Spend, "")), []command.Need{need(command.Spend, "/")}, fault.NotFound},

		{"another operation", spender, []command.Need{need(command.Read, "/account/a")}, fault.Denied},
		{"another operation below", spender, []command.Need{need(command.Admin, "/account/a/b")}, fault.Denied},
		{"Admin is not all", workload(grant(command.Admin, "/")), []command.Need{need(command.Spend, "/account/a")}, fault.Denied},
		{"View with any grant", spender, []command.Need{need(command.View, "/account/a/b")}, allowed},
		{"View with no grant there", spender, []command.Need{need(command.View, "/account/b")}, fault.NotFound},
		{"View is not more", workload(grant(command.View, "/")), []command.Need{need(command.Read, "/account/a")}, fault.Denied},
		{"no grants", nobody, []command.Need{need(command.View, "/")}, fault.NotFound},

		{
			"the second of two grants", workload(grant(command.Read, "/account"), grant(command.Spend, "/account/a")),
			[]command.Need{need(command.Spend, "/account/a")}, allowed,
		},
		{
			"two needs, both met", workload(grant(command.Read, "/account"), grant(command.Spend, "/account/a")),
			[]command.Need{need(command.Spend, "/account/a"), need(command.Read, "/account/b")}, allowed,
		},
		{
			"two needs, the second not met", spender,
			[]command.Need{need(command.Spend, "/account/a"), need(command.Spend, "/account/b")}, fault.NotFound,
		},
		{
			"the first need that is not met says why", spender,
			[]command.Need{need(command.Read, "/account/a"), need(command.Spend, "/account/b")}, fault.Denied,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := acl.Allow(nil, &test.caller, test.needs)
			if test.want == allowed {
				if err != nil {
					t.Errorf("Allow(%v) says %v, want nil", test.needs, err)
				}
				return
			}
			if !errors.Is(err, test.want) {
				t.Errorf("Allow(%v) says %v, want a fault.%s", test.needs, err, test.want)
			}
		})
	}
}

// TestWhatIsHiddenIsAsIfItWereNotThere: word for word.
func TestWhatIsHiddenIsAsIfItWereNotThere(t *testing.T) {
	t.Parallel()
	caller := workload(grant(command.Spend, "/account/a"))
	err := acl.Allow(nil, &caller, []command.Need{need(command.Spend, "/account/b")})
	f, ok := errors.AsType[*fault.Fault](err)
	want := command.NotFound("/account/b")
	if !ok || f.Kind != want.Kind || f.Message != want.Message || len(f.Details) != 1 || f.Details["path"] != want.Details["path"] {
		t.Errorf("Allow says %+v, want %+v", f, want)
	}
}

func TestDeniedSaysWhat(t *testing.T) {
	t.Parallel()
	caller := workload(grant(command.Read, "/account/a"))
	err := acl.Allow(nil, &caller, []command.Need{need(command.Spend, "/account/a/b")})
	f, ok := errors.AsType[*fault.Fault](err)
	const want = "/workload/x may not Spend /account/a/b"
	if !ok || f.Message != want || f.Details["operation"] != "Spend" || f.Details["path"] != "/account/a/b" {
		t.Errorf("Allow says %+v, want %s", f, want)
	}
}
