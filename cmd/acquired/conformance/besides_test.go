package conformance

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// besides is what is to be shown beside the steps of a scenario, or instead of
// them.
var besides = map[string]func(*play){
	"eval-07": endsSaySo,
	"role-08": ownerClosesApplyRole,
	"node-03": topsAreFixed,
	"node-07": topsAreFixed,
	"ann-02":  versionsMustMatch,
	"ann-08":  hiddenAndMissingRead,
	"ann-09":  unknownMembersAreRefused,
	"ann-14":  numbersAreTakenOnce,
	"boot-01": loadingTwiceIsRefused,
}

const (
	alice = "am://user/hpe/bu1/alice"
	bob   = "am://user/hpe/bu1/bob"
)

// changeAs makes one change with a bare name.
func (p *play) changeAs(name string, change *pb.Change) error {
	p.t.Helper()
	as, err := p.caller(name)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = as.Acl.Change(p.t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{change}})
	return err
}

// operatorChange makes one change as the operator.
func (p *play) operatorChange(change *pb.Change) error {
	p.t.Helper()
	_, err := p.operator.Acl.Change(p.t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{change}})
	return err
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: got %v, want a fault of the kind %s", what, err, kind)
	}
}

// endsSaySo: a clause that ends must say that more may be allowed then.
func endsSaySo(p *play) {
	clause := &pb.Clause{Operation: "Read", Sets: []*pb.RoleSet{{Roles: []*pb.RoleName{{Path: "/role/hpe/bu1/bu1-query"}}}}}
	a := &pb.Annotation{Tag: "clause", EndUnixNanos: 4e18, Content: &pb.Annotation_Clause{Clause: clause}}
	wantKind(p.t, "a clause that ends", p.changeAs(alice, writing("/data/hpe/bu1/special", a)), fault.Invalid)
	clause.EndWidens = true
	if err := p.changeAs(alice, writing("/data/hpe/bu1/special", a)); err != nil {
		p.t.Errorf("a clause that ends and says so: %v", err)
	}
}

// ownerClosesApplyRole: nothing is allowed here without a clause. The universe of
// the scenario is open as its loader put open clauses on the root; an owner who
// takes the one for ApplyRole off has what the scenario asks for.
func ownerClosesApplyRole(p *play) {
	res, err := p.operator.Acl.Describe(p.t.Context(), &pb.DescribeRequest{Path: "/"})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range res.Annotations {
		if isLoaders("/", a) && a.GetClause().Operation == "ApplyRole" {
			if err := p.operatorChange(takingOff("/", a.Tag, a.Unique)); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	for role, want := range map[string]string{"/role/hpe/hpe-admin": "denied", "/role/hpe/bu1/bu1-query": "ok"} {
		a := &pb.Annotation{Tag: "applied-role", Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: role}}}
		if err := p.changeAs(alice, writing("/user/hpe/bu1/charlie", a)); outcome(err) != want {
			p.t.Errorf("alice applies %s: got %v, want %s", role, err, want)
		}
	}
}

// topsAreFixed: not even an operator makes another name at the top.
func topsAreFixed(p *play) {
	for _, name := range []string{"/zoo", "/users", "/use"} {
		wantKind(p.t, "create "+name, p.operatorChange(creation(name)), fault.Invalid)
	}
}

// versionsMustMatch: besides the match, a mismatch and an absent annotation.
func versionsMustMatch(p *play) {
	note := func(unique uint64, ifVersion int64) *pb.Change {
		c := writing(bob, &pb.Annotation{Tag: "note", Unique: unique, Content: &pb.Annotation_Text{Text: "three"}})
		c.GetAnnotate().IfVersion = ifVersion
		return c
	}
	wantKind(p.t, "an old version", p.changeAs(alice, note(77, 1)), fault.Conflict)
	wantKind(p.t, "nothing there", p.changeAs(alice, note(78, 1)), fault.Conflict)
	if err := p.changeAs(alice, note(77, 2)); err != nil {
		p.t.Errorf("the version there is: %v", err)
	}
	here, err := detailsOf(p.t.Context(), p.operator, bob)
	if got, want := here.field("annotations"), `[note "three" 3]`; err != nil || got != want {
		p.t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

// hiddenAndMissingRead: what bob may not View and what does not exist get the same
// answers, word for word.
func hiddenAndMissingRead(p *play) {
	as, err := p.caller(bob)
	if err != nil {
		p.t.Fatal(err)
	}
	answers := func(path string) (all []string) {
		a := &pb.Annotation{Tag: "note", Unique: 1, Content: &pb.Annotation_Text{Text: "x"}}
		_, describe := as.Acl.Describe(p.t.Context(), &pb.DescribeRequest{Path: path})
		_, vouch := as.Identity.Vouch(p.t.Context(), &pb.VouchRequest{Subject: path})
		for _, err := range []error{
			describe, vouch, p.changeAs(bob, writing(path, a)), p.changeAs(bob, removal(path)), p.changeAs(bob, takingOff(path, "note", 1)),
			p.changeAs(bob, creation(path+"/below")),
		} {
			all = append(all, outcome(err)+": "+strings.ReplaceAll(err.Error(), newName(path), "PATH"))
		}
		return all
	}
	if diff := cmp.Diff(answers("am://user/the-operator"), answers("am://user/never-made")); diff != "" {
		p.t.Errorf("hidden and missing (-hidden +missing):\n%s", diff)
	}
}

// unknownMembersAreRefused: messages are no JSON here, but universes may be.
func unknownMembersAreRefused(p *play) {
	for _, file := range []string{
		`{"nodes": {"/user/bob": {"annotations": [{"tag": "note", "text": "x", "zzz": 1}]}}}`,
		`{"nodes": {"/user/bob": {"annotations": ["zz"]}}}`,
		`{"nodes": {"/user/bob": `,
	} {
		_, err := universe.Parse([]byte(file), "file")
		wantKind(p.t, file, err, fault.Invalid)
	}
	for _, old := range []string{`{"nodes": [{"path": "am://user", "zzz": 1}]}`, `{"nodes": ["zz"]}`, `zz`} {
		_, _, err := universe.ParseAccessManager([]byte(old))
		wantKind(p.t, old, err, fault.Invalid)
	}
}

// numbersAreTakenOnce: of two clauses with one number on a node none is lost
// silently, neither in a file nor in a change.
func numbersAreTakenOnce(p *play) {
	const file = `{"nodes": {"/": {"clauses": [{"allow": "Admin", "to": "nobody", "unique": 7}, {"allow": "Write", "to": "nobody", "unique": 7}]}}}`
	_, err := universe.Parse([]byte(file), "file")
	wantKind(p.t, "a file", err, fault.Invalid)
	clause := func(operation string) *pb.Change {
		return writing("/", &pb.Annotation{Tag: "clause", Unique: 7, Content: &pb.Annotation_Clause{Clause: &pb.Clause{Operation: operation}}})
	}
	_, err = p.operator.Acl.Change(p.t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{clause("Admin"), clause("Write")}})
	wantKind(p.t, "a change", err, fault.Exists)
}

// loadingTwiceIsRefused: all of it, and it changes nothing; a file that is none is
// refused.
func loadingTwiceIsRefused(p *play) {
	before := p.export(p.t)
	_, err := p.operator.Acl.Change(p.t.Context(), loading(p.t, p.parse(p.t)))
	wantKind(p.t, "loading twice", err, fault.Exists)
	if diff := cmp.Diff(before, p.export(p.t), protocmp.Transform()); diff != "" {
		p.t.Errorf("loading twice changed (-before +after):\n%s", diff)
	}
	_, _, err = universe.ParseAccessManager([]byte("nosuch"))
	wantKind(p.t, "no universe", err, fault.Invalid)
}

// export gives all that the node holds.
func (w *world) export(t *testing.T) *pb.ExportResponse {
	t.Helper()
	res, err := w.operator.Acl.Export(t.Context(), &pb.ExportRequest{Path: "/", Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Nodes) == 0 || res.Cursor != "" {
		t.Fatalf("%d nodes exported, cursor %q", len(res.Nodes), res.Cursor)
	}
	return res
}
