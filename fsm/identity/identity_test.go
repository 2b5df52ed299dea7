package identity_test

import (
	"errors"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func grants(pairs ...string) (all []*pb.Grant) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, &pb.Grant{Operation: pairs[i], Path: pairs[i+1]})
	}
	return all
}

func TestIssueTokenRefuses(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	const subject = "/workload/x"
	many := make([]*pb.Grant, identity.MaxGrants+1)
	for i := range many {
		many[i] = &pb.Grant{Operation: "Read", Path: "/"}
	}
	for _, test := range []struct {
		name, want string // want is "" when it is allowed
		req        *pb.IssueTokenRequest
	}{
		{"no grants", "", &pb.IssueTokenRequest{Subject: subject}},
		{"every operation", "", &pb.IssueTokenRequest{
			Subject: subject, Grants: grants("View", "/", "Read", "/a", "Write", "/a/b", "Admin", "/", "Spend", "/account/a"),
		}},
		{"all the grants there may be", "", &pb.IssueTokenRequest{Subject: subject, Grants: many[1:]}},
		{"the longest life", "", &pb.IssueTokenRequest{Subject: subject, LifetimeSeconds: 30 * 24 * 3600}},
		{"a subject deep below", "", &pb.IssueTokenRequest{Subject: "/workload/a/b/c"}},

		{"no subject", `path "" must begin with`, &pb.IssueTokenRequest{}},
		{"a subject that is no path", `".." are not allowed`, &pb.IssueTokenRequest{Subject: "/workload/../system"}},
		{"the cluster", "is a path below /workload, not /system", &pb.IssueTokenRequest{Subject: "/system"}},
		{"a user", "is a path below /workload, not /user/x", &pb.IssueTokenRequest{Subject: "/user/x"}},
		{"the folder itself", "is a path below /workload, not /workload", &pb.IssueTokenRequest{Subject: "/workload/"}},
		{"a folder that begins the same", "is a path below /workload", &pb.IssueTokenRequest{Subject: "/workloads/x"}},
		{"too many grants", "65 grants: a token holds at most 64", &pb.IssueTokenRequest{Subject: subject, Grants: many}},
		{"an unknown operation", `"Fly" is no operation`, &pb.IssueTokenRequest{Subject: subject, Grants: grants("Fly", "/")}},
		{"an operation in small letters", `"read" is no operation`, &pb.IssueTokenRequest{Subject: subject, Grants: grants("read", "/")}},
		{"no operation", `"" is no operation`, &pb.IssueTokenRequest{Subject: subject, Grants: grants("", "/")}},
		{"what anyone may", `"Anyone" is no operation`, &pb.IssueTokenRequest{Subject: subject, Grants: grants("Anyone", "/")}},
		{"what only the cluster does", `"ClusterItself" is no operation`, &pb.IssueTokenRequest{Subject: subject, Grants: grants("ClusterItself", "/")}},
		{"a grant on no path", `path "" must begin with`, &pb.IssueTokenRequest{Subject: subject, Grants: grants("Read", "/", "Read", "")}},
		{"a life too long", "lives 1 to 2592000 seconds, not 2592001", &pb.IssueTokenRequest{Subject: subject, LifetimeSeconds: 30*24*3600 + 1}},
		{"a life that ended", "seconds, not -1", &pb.IssueTokenRequest{Subject: subject, LifetimeSeconds: -1}},
	} {
		_, err := fsmtest.Ask(m.Operator, identity.IssueToken, test.req)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want a fault.Invalid with %q", test.name, err, test.want)
		}
	}
}

// TestWhoIssues: whoever administers the subject, what they hold themselves.
func TestWhoIssues(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	admin := command.Grant{Operation: command.Admin, Path: "/workload/team"}
	read := command.Grant{Operation: command.Read, Path: "/account/team"}
	for _, test := range []struct {
		name   string
		holds  []command.Grant
		req    *pb.IssueTokenRequest
		denied fault.Kind
	}{
		{"no grants held", nil, &pb.IssueTokenRequest{Subject: "/workload/team/x"}, fault.NotFound},
		{"the subject is administered", []command.Grant{admin}, &pb.IssueTokenRequest{Subject: "/workload/team/x"}, ""},
		{"the subject is the own", []command.Grant{admin}, &pb.IssueTokenRequest{Subject: "/workload/team"}, ""},
		{"another subject", []command.Grant{admin}, &pb.IssueTokenRequest{Subject: "/workload/other"}, fault.NotFound},
		{"a subject that is only read", []command.Grant{{Operation: command.Read, Path: "/"}}, &pb.IssueTokenRequest{Subject: "/workload/x"}, fault.Denied},
		{
			"what is held is given", []command.Grant{admin, read},
			&pb.IssueTokenRequest{Subject: "/workload/team/x", Grants: grants("Read", "/account/team/a")}, "",
		},
		{
			"what is held is not given wider", []command.Grant{admin, read},
			&pb.IssueTokenRequest{Subject: "/workload/team/x", Grants: grants("Read", "/account")}, fault.NotFound,
		},
		{
			"another operation is not given", []command.Grant{admin, read},
			&pb.IssueTokenRequest{Subject: "/workload/team/x", Grants: grants("Read", "/account/team", "Spend", "/account/team")}, fault.Denied,
		},
		{
			"View follows from what is held", []command.Grant{admin, read},
			&pb.IssueTokenRequest{Subject: "/workload/team/x", Grants: grants("View", "/account/team")}, "",
		},
	} {
		_, err := fsmtest.Ask(m.Workload("/workload/team", test.holds...), identity.IssueToken, test.req)
		if test.denied == "" && err != nil || test.denied != "" && fault.KindOf(err) != test.denied {
			t.Errorf("%s: %v, want %q", test.name, err, test.denied)
		}
	}
}
