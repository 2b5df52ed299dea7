package identity_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// issuerOfTests is one that is trusted.
func issuerOfTests() *statev1.RecordIssuerRequest {
	return &statev1.RecordIssuerRequest{Keys: []byte(`{"keys":[]}`), Issuer: &pb.Issuer{
		Issuer: "https://ci", Audience: "acquired", Algorithm: "EdDSA", Subject: "/user/team/{sub}",
		Scopes: []*pb.ScopeRoles{{Scope: "deploy", Roles: []string{"/role/deployer", "/role/reader"}}, {Scope: "read", Roles: []string{"/role/reader"}}},
	}}
}

func putIssuer(m *fsmtest.Machine) { fsmtest.Must(m.Operator, identity.RecordIssuer, issuerOfTests()) }

// tokenOf gives a caller that shows a token of the issuer, made now.
func tokenOf(m *fsmtest.Machine, p path.Path, scopes ...string) command.Caller {
	caller := command.Caller{Principal: p, Method: command.ByIssuer, Issued: m.Position().Time, Issuer: "https://ci", Scopes: scopes}
	m.View(func(v *command.Reading) {
		i, _ := identity.IssuerNamed(v, caller.Issuer)
		caller.IssuerIndex = i.Index
	})
	return caller
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	want := issuerOfTests().Issuer
	res := fsmtest.Must(m.Operator, identity.RecordIssuer, issuerOfTests())
	other := issuerOfTests()
	other.Issuer.Issuer, other.Issuer.Algorithm, other.RootKey, other.Issuer.Scopes = "a secret", "HS256", "root", nil
	fsmtest.Must(m.Operator, identity.RecordIssuer, other)
	m.View(func(v *command.Reading) {
		i, ok := identity.IssuerNamed(v, "https://ci")
		if !ok || i.Index != res.Index || string(i.Keys) != `{"keys":[]}` || i.RootKey != "" || i.Algorithm != "EdDSA" {
			t.Errorf("the issuer is %+v, %v; want it as it was put at %d", i, ok, res.Index)
		}
		i, ok = identity.IssuerNamed(v, "a secret")
		if !ok || i.RootKey != "root" || len(i.Scopes) != 0 {
			t.Errorf("the issuer with a secret is %+v, %v", i, ok)
		}
		for _, name := range []string{"", "https://ci/", "https://ci\x00", "https://c", strings.Repeat("x", 1<<20)} {
			if i, ok := identity.IssuerNamed(v, name); ok {
				t.Errorf("IssuerNamed(%.20q) gives %+v", name, i)
			}
		}
	})
	list, err := fsmtest.Ask(m.Operator, identity.Issuers, &pb.IssuersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&pb.IssuersResponse{Issuers: []*pb.Issuer{other.Issuer, want}}, list, protocmp.Transform()); diff != "" {
		t.Errorf("the issuers (-want +got):\n%s", diff)
	}
	fsmtest.Must(m.Operator, identity.RemoveIssuer, &pb.RemoveIssuerRequest{Issuer: "https://ci"})
	if list, err := fsmtest.Ask(m.Operator, identity.Issuers, &pb.IssuersRequest{}); err != nil || len(list.Issuers) != 1 {
		t.Errorf("with one removed the issuers are %v, %v", list, err)
	}
}

func TestRecordIssuerRefuses(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	long := strings.Repeat("x", 256)
	for _, test := range []struct {
		name, words string
		change      func(*statev1.RecordIssuerRequest, *pb.Issuer)
	}{
		{"nothing", "the name of an issuer is 1 to 255 bytes", func(r *statev1.RecordIssuerRequest, _ *pb.Issuer) { r.Issuer = nil }},
		{"no name", "the name of an issuer is 1 to 255 bytes", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Issuer = "" }},
		{"a long name", "this is 256", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Issuer = long }},
		{"a name with a zero byte", "without zero bytes", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Issuer = "a\x00b" }},
		{"no audience", "the audience of an issuer is 1 to 255 bytes, not 0", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Audience = "" }},
		{"a long audience", "not 256", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Audience = long }},
		{"no keys", "the keys of an issuer are 1 to 65536 bytes, not 0", func(r *statev1.RecordIssuerRequest, _ *pb.Issuer) { r.Keys = nil }},
		{"too much of keys", "not 65537", func(r *statev1.RecordIssuerRequest, _ *pb.Issuer) { r.Keys = make([]byte, identity.MaxIssuerBytes+1) }},
		{"no algorithm", "it is one of RS256, ES256, EdDSA and HS256", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Algorithm = "" }},
		{"the algorithm none", `algorithm "none"`, func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Algorithm = "none" }},
		{"an algorithm in small letters", `algorithm "eddsa"`, func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Algorithm = "eddsa" }},
		{"too many scopes", "129 scopes: an issuer has at most 128", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) {
			i.Scopes = make([]*pb.ScopeRoles, identity.MaxScopes+1)
		}},
		{"a scope without a name", "a scope is 1 to 255 bytes", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Scopes[1].Scope = "" }},
		{"a long scope", "a scope is 1 to 255 bytes", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Scopes[1].Scope = long }},
		{"too many roles", "gives at most 32 roles", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) {
			i.Scopes[1].Roles = make([]string, identity.MaxScopeRoles+1)
		}},
		{"a role that is no path", "must begin with", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Scopes[1].Roles[0] = "reader" }},
		{"a role that is none", "a role is a path below /role, not /user/team", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) {
			i.Scopes[1].Roles[0] = "/user/team"
		}},
		{"all roles", "a role is a path below /role, not /role", func(_ *statev1.RecordIssuerRequest, i *pb.Issuer) { i.Scopes[1].Roles[0] = "/role/" }},
	} {
		req := issuerOfTests()
		test.change(req, req.Issuer)
		wantRefused(t, m, test.name, fault.Invalid, test.words, func() error {
			_, err := fsmtest.Do(m.Operator, identity.RecordIssuer, req)
			return err
		})
	}
}

func TestTemplatesOfSubjects(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	for _, template := range []string{
		"", "{sub}", "/{sub}", "/user", "/user/", "/user/x", "/user/x{sub}", "/user/{sub}x", "/user/{sub}/{sub}", "/user/{sub}{sub}",
		"/user/{SUB}", "/user/{sub", "/data/{sub}", "/role/{sub}", "/account/{sub}", "/system/{sub}", "/{sub}/x", "/users/{sub}",
		"/user/../{sub}", "/user//{sub}", "user/{sub}", "/user/{sub}/..", "/user/é/{sub}", "am:/user/{sub}",
		"/user/{sub}" + strings.Repeat("/", path.MaxLength), "/user/" + strings.Repeat("x/", path.MaxDepth-1) + "{sub}",
	} {
		req := issuerOfTests()
		req.Issuer.Subject = template
		wantRefused(t, m, fmt.Sprintf("template %.40q", template), fault.Invalid, "it is a path below /user or /workload, of which one segment is {sub}", func() error {
			_, err := fsmtest.Do(m.Operator, identity.RecordIssuer, req)
			return err
		})
	}
	for _, test := range []struct {
		template, subject string
		want              path.Path // "" is refused
	}{
		{"/user/{sub}", "alice", "/user/alice"},
		{"/user/{sub}/", "alice", "/user/alice"},
		{"am://workload/ci/{sub}", "42", "/workload/ci/42"},
		{"/workload/{sub}/runner", "team", "/workload/team/runner"},
		{"/user/{sub}", "alice@example.org", "/user/alice@example.org"},
		{"/user/team/{sub}", "", ""},
		{"/user/{sub}/x", "", ""},
		{"/user/team/{sub}", "..", ""},
		{"/user/team/{sub}", ".", ""},
		{"/user/team/{sub}", "a/b", ""},
		{"/user/team/{sub}", "/", ""},
		{"/user/team/{sub}", "../x", ""},
		{"/user/team/{sub}", "a b", ""},
		{"/user/team/{sub}", "a\x00", ""},
		{"/user/team/{sub}", "{sub}", ""},
		{"/user/team/{sub}", "é", ""},
		{"/user/team/{sub}", strings.Repeat("x", path.MaxSegment), "/user/team/" + path.Path(strings.Repeat("x", path.MaxSegment))},
		{"/user/team/{sub}", strings.Repeat("x", path.MaxSegment+1), ""},
	} {
		req := issuerOfTests()
		req.Issuer.Subject = test.template
		fsmtest.Must(m.Operator, identity.RecordIssuer, req)
		m.View(func(v *command.Reading) {
			i, _ := identity.IssuerNamed(v, req.Issuer.Issuer)
			got, err := i.Principal(test.subject)
			if test.want == "" && fault.KindOf(err) != fault.Invalid || test.want != "" && (err != nil || got != test.want) {
				t.Errorf("subject %.40q in %s is %s, %v; want %q", test.subject, test.template, got, err, test.want)
			}
		})
	}
}

// TestWhoMayTrustAnIssuer: who administers everything, may vouch for those whom
// it vouches for, and may apply the roles that it gives.
func TestWhoMayTrustAnIssuer(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	m.Clause("/", command.View, "/role/viewer")
	m.Clause("/", command.Admin, "/role/admin")
	m.Clause("/", command.Read, "/role/auditor")
	m.Clause("/user/team", command.VouchFor, "/role/voucher")
	m.Clause("/role/deployer", command.ApplyRole, "/role/giver")
	m.Clause("/role/reader", command.ApplyRole, "/role/giver")
	m.Clause("/role/secret", command.View, "/role/nobody")
	m.Clause("/role/secret", command.ApplyRole, "/role/giver")
	all := []path.Path{"/role/viewer", "/role/admin", "/role/voucher", "/role/giver"}
	by := func(name path.Path, missing path.Path) *fsmtest.Client {
		var roles []path.Path
		for _, role := range all {
			if role != missing {
				roles = append(roles, role)
			}
		}
		return m.Principal(name, roles...)
	}
	record := func(by *fsmtest.Client, change func(*pb.Issuer)) error {
		req := issuerOfTests()
		change(req.Issuer)
		_, err := fsmtest.Do(by, identity.RecordIssuer, req)
		return err
	}
	same := func(*pb.Issuer) {}
	chief := by("/workload/chief", "")
	wantKind(t, "trusting with all it takes", record(chief, same), "")
	for _, test := range []struct {
		missing path.Path
		words   string
		kind    fault.Kind
	}{
		{"/role/admin", "may not Admin /", fault.Denied},
		{"/role/voucher", "may not VouchFor /user/team", fault.Denied},
		{"/role/giver", "may not ApplyRole /role/deployer", fault.Denied},
		{"/role/viewer", "nothing at /", fault.NotFound},
	} {
		who := by("/workload/without-"+path.Path(test.missing.Base()), test.missing)
		wantRefused(t, m, "trusting without "+string(test.missing), test.kind, test.words, func() error { return record(who, same) })
	}
	for name, test := range map[string]struct {
		change func(*pb.Issuer)
		kind   fault.Kind
	}{
		"subjects of another directory":     {func(i *pb.Issuer) { i.Subject = "/workload/{sub}" }, fault.Denied},
		"subjects of a directory above":     {func(i *pb.Issuer) { i.Subject = "/user/{sub}/x" }, fault.Denied},
		"subjects of no directory":          {func(i *pb.Issuer) { i.Subject = "/user/other/{sub}" }, fault.NotFound},
		"a role that it may not give":       {func(i *pb.Issuer) { i.Scopes[1].Roles[0] = "/role/admin" }, fault.Denied},
		"a role that it may not see":        {func(i *pb.Issuer) { i.Scopes[1].Roles[0] = "/role/secret" }, fault.NotFound},
		"a role that is not there":          {func(i *pb.Issuer) { i.Scopes[1].Roles[0] = "/role/none" }, fault.NotFound},
		"bad input, whoever gives it":       {func(i *pb.Issuer) { i.Algorithm = "none" }, fault.Invalid},
		"subjects below those of its right": {func(i *pb.Issuer) { i.Subject = "/user/team/alice/{sub}" }, ""},
	} {
		wantKind(t, "trusting with "+name, record(chief, test.change), test.kind)
	}

	auditor := m.Principal("/workload/auditor", "/role/viewer", "/role/auditor")
	for by, want := range map[*fsmtest.Client]fault.Kind{auditor: "", chief: fault.Denied, m.Operator: ""} {
		_, err := fsmtest.Ask(by, identity.Issuers, &pb.IssuersRequest{})
		wantKind(t, "listing issuers", err, want)
	}
	for _, test := range []struct {
		name, issuer, words string
		by                  *fsmtest.Client
		kind                fault.Kind
	}{
		{"by an auditor", "https://ci", "may not Admin /", auditor, fault.Denied},
		{"of no name", "", "1 to 255 bytes, not 0", chief, fault.Invalid},
		{"of a long name", strings.Repeat("x", 256), "not 256", chief, fault.Invalid},
		{"of one that is not trusted", "https://other", `no issuer "https://other"`, chief, fault.NotFound},
		{"of a name with a zero byte", "https://ci\x00", "no issuer", chief, fault.NotFound},
	} {
		wantRefused(t, m, "a removal "+test.name, test.kind, test.words, func() error {
			_, err := fsmtest.Do(test.by, identity.RemoveIssuer, &pb.RemoveIssuerRequest{Issuer: test.issuer})
			return err
		})
	}
	fsmtest.Must(chief, identity.RemoveIssuer, &pb.RemoveIssuerRequest{Issuer: "https://ci"})
}

func TestIssuersAreBounded(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	put := func(i int) error {
		req := issuerOfTests()
		req.Issuer.Issuer = fmt.Sprint("issuer-", i)
		_, err := fsmtest.Do(m.Operator, identity.RecordIssuer, req)
		return err
	}
	for i := range identity.MaxIssuers {
		wantKind(t, fmt.Sprint("issuer ", i), put(i), "")
	}
	wantRefused(t, m, "one issuer too many", fault.Exhausted, "256 issuers", func() error { return put(identity.MaxIssuers) })
	wantKind(t, "an issuer that is there", put(7), "")
	fsmtest.Must(m.Operator, identity.RemoveIssuer, &pb.RemoveIssuerRequest{Issuer: "issuer-7"})
	wantKind(t, "one in the place of another", put(identity.MaxIssuers), "")
}

func TestTokensOfIssuers(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	early := tokenOf(m, "/user/team/alice")
	wantStanding(t, m, "a token of nobody trusted", early, false)
	putIssuer(m)
	wantStanding(t, m, "one checked before there was trust", early, false)
	good := tokenOf(m, "/user/team/alice", "deploy")
	wantStanding(t, m, "a token", good, true)
	for name, change := range map[string]func(*command.Caller){
		"of no issuer":                 func(c *command.Caller) { c.Issuer = "" },
		"of another issuer":            func(c *command.Caller) { c.Issuer = "https://ci2" },
		"of an issuer as it was":       func(c *command.Caller) { c.IssuerIndex-- },
		"of an issuer as it is not":    func(c *command.Caller) { c.IssuerIndex++ },
		"of who is not there":          func(c *command.Caller) { c.Principal = "/user/team/carol" },
		"of a directory":               func(c *command.Caller) { c.Principal = "/user/team" },
		"of an operator who is not so": func(c *command.Caller) { c.Principal, c.Operator = "/user/operator", true },
	} {
		wantStanding(t, m, "a token "+name, with(good, change), false)
	}
	putIssuer(m) // the same once more: it may have other keys
	wantStanding(t, m, "a token of before the issuer was changed", good, false)
	wantStanding(t, m, "a token checked again", tokenOf(m, "/user/team/alice"), true)
	again := tokenOf(m, "/user/team/alice")
	fsmtest.Must(m.Operator, identity.RemoveIssuer, &pb.RemoveIssuerRequest{Issuer: "https://ci"})
	wantStanding(t, m, "a token of an issuer that was removed", again, false)
	putIssuer(m)
	wantStanding(t, m, "a token of before it was removed and trusted again", again, false)
	last := tokenOf(m, "/user/team/alice")
	m.Remove("/user/team/alice")
	wantStanding(t, m, "a token of who was removed", last, false)
}

// TestScopesGiveRoles: beside those that the principal holds, and for as long as
// the issuer gives them.
func TestScopesGiveRoles(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putIssuer(m)
	for _, test := range []struct {
		scopes []string
		want   []string
	}{
		{nil, []string{"/role/a"}},
		{[]string{"other", "", "DEPLOY"}, []string{"/role/a"}},
		{[]string{"read"}, []string{"/role/a", "/role/reader"}},
		{[]string{"read", "other", "read"}, []string{"/role/a", "/role/reader"}},
		{[]string{"deploy", "read"}, []string{"/role/a", "/role/deployer", "/role/reader"}},
	} {
		caller := tokenOf(m, "/user/team/alice", test.scopes...)
		m.View(func(v *command.Reading) {
			if got := identity.ClosureOf(v, &caller, v.Time); got != policy.NewClosure(test.want) {
				t.Errorf("with the scopes %q alice holds something else than %q", test.scopes, test.want)
			}
			if got := identity.CallerRoles(v, &caller, v.Time); policy.NewClosure(texts(got)) != policy.NewClosure(test.want) {
				t.Errorf("with the scopes %q alice has the roles %q, want %q", test.scopes, got, test.want)
			}
		})
	}
	m.Clause("/data", command.View, "/role/reader")
	m.Clause("/data", command.Read, "/role/deployer")
	for scope, want := range map[string]string{"": "", "read": "View", "deploy": "View Read"} {
		if got := capabilities(t, m, tokenOf(m, "/user/team/alice", scope), "/data"); got != want {
			t.Errorf("with scope %q alice may %q, want %q", scope, got, want)
		}
	}
	req := proto.CloneOf(issuerOfTests())
	req.Issuer.Scopes = nil
	fsmtest.Must(m.Operator, identity.RecordIssuer, req)
	if got := capabilities(t, m, tokenOf(m, "/user/team/alice", "deploy"), "/data"); got != "" {
		t.Errorf("with a scope that gives nothing any more alice may %q", got)
	}
}
