package universe_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"acquired/cmd/acquired/universe"
	"acquired/fsm/acl"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestWhatIsLoadedIsThere also dumps it, and loads that elsewhere.
func TestWhatIsLoadedIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := drawUniverse(t, false)
		m := machineOf(t, u)
		there := export(t, m)
		for _, mode := range []universe.Mode{universe.Merge, universe.Replace} {
			if again := mustPlan(t, u, there, mode); len(again.Changes) > 0 {
				t.Fatalf("mode %d, planned again: %q, want nothing", mode, lines(again.Differences))
			}
		}
		dumped, err := universe.FromExport(there)
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := machineOf(t, dumped)
		if diff := cmp.Diff(bare(there), bare(export(t, elsewhere)), protocmp.Transform()); diff != "" {
			t.Fatalf("-dumped +loaded elsewhere\n%s", diff)
		}
	})
}

// bare leaves out what tells clusters apart that hold the same: when a node was
// made, and the numbers of applied roles.
func bare(nodes []*pb.ExportedNode) []*pb.ExportedNode {
	var all []*pb.ExportedNode
	for _, n := range nodes {
		n = proto.CloneOf(n)
		n.Node.Created = 0
		for _, a := range n.Annotations {
			a.Version = 0
			if a.GetRole() != nil {
				a.Unique = 0
			}
		}
		slices.SortStableFunc(n.Annotations, func(a, b *pb.Annotation) int {
			return strings.Compare(a.GetRole().GetPath(), b.GetRole().GetPath())
		})
		all = append(all, n)
	}
	return all
}

// TestReplaceLeavesWhatTheFileSays replaces one universe by another, by force: the
// other may leave nobody to administer what somebody could before.
func TestReplaceLeavesWhatTheFileSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := machineOf(t, drawUniverse(t, false))
		u := drawUniverse(t, false)
		if len(u.Nodes) == 0 || u.Nodes[0].Path != "/" {
			u.Nodes = append([]universe.Node{{Path: "/"}}, u.Nodes...)
		}
		plan, err := u.Plan(export(t, m), universe.Replace)
		if fault.KindOf(err) == fault.Conflict {
			t.Skip("a leaf is a directory in the other, which nothing replaces")
		}
		if err != nil {
			t.Fatal(err)
		}
		plan.Force = true
		load(t, m, plan)
		if again := mustPlan(t, u, export(t, m), universe.Replace); len(again.Changes) > 0 {
			t.Fatalf("planned again: %q, want nothing", lines(again.Differences))
		}
		want := map[string]bool{}
		for _, n := range u.Nodes {
			want[string(n.Path)] = true
			for above := range n.Path.Ancestors() {
				want[string(above)] = true
			}
		}
		for _, n := range export(t, m) {
			if !want[n.Node.Path] && strings.Count(n.Node.Path, "/") > 1 {
				t.Fatalf("%s is there, and the file does not have it", n.Node.Path)
			}
		}
	})
}

const before = `
nodes:
  /role/a:
  /role/b:
  /user/u:
    roles: [/role/a]
    annotations: [{tag: note, text: old, unique: 3}, {tag: note, text: more}]
  /data/x/y:
    clauses:
      - {allow: Read, to: [/role/a, /role/b]}
  /data/x/z:
`

func TestPlanOfEachMode(t *testing.T) {
	t.Parallel()
	const additions = `
nodes:
  /user:
  /user/v/w: {roles: [/role/a, /role/gone]}
  /data: {clauses: [{allow: View, to: everyone}]}
`
	const merged = `
nodes:
  /user/u:
    roles: [/role/b, /role/a]
    annotations: [{tag: note, text: more}, {tag: note, text: more}]
  /data/x/y:
    clauses:
      - {allow: Read, to: [/role/b, /role/a]}
      - {allow: Read, to: [[/role/a], [/role/b]], local: true, end: 2100-01-01T00:00:00Z, end_widens: true}
`
	const replaced = `
nodes:
  /user/u:
    annotations: [{tag: note, text: "a new text that is longer than what fits on a line", unique: 3}]
  /data/x:
    annotations: [{tag: note}]
  /data/x/y/:
`
	for name, test := range map[string]struct {
		file string
		mode universe.Mode
		want []string
		err  error
	}{
		"additions": {additions, universe.Add, []string{
			"+ /data clause View to everyone", "+ /user/v", "+ /user/v/w", "+ /user/v/w role /role/a", "+ /user/v/w role /role/gone",
		}, nil},
		"additions that exist": {merged, universe.Add, nil, fault.Exists},
		"merged": {merged, universe.Merge, []string{
			"+ /data/x/y clause Read to /role/a, and /role/b, local, until 2100-01-01T00:00:00Z", "+ /user/u role /role/b", `+ /user/u annotation note "more"`,
		}, nil},
		"merged under another number": {"nodes:\n  /user/u: {annotations: [{tag: note, text: old, unique: 8}]}", universe.Merge, []string{
			`+ /user/u annotation note "old"`,
		}, nil},
		"merged with another text":   {"nodes:\n  /user/u: {annotations: [{tag: note, text: new, unique: 3}]}", universe.Merge, nil, fault.Conflict},
		"merged with other times":    {"nodes:\n  /user/u: {roles: [{role: /role/a, end: 2100-01-01T00:00:00Z}]}", universe.Merge, nil, fault.Conflict},
		"merged with another clause": {"nodes:\n  /data/x/y: {kind: leaf, clauses: [{allow: View, to: nobody, unique: 1}]}", universe.Merge, nil, fault.Conflict},
		"another kind":               {"nodes:\n  /user/u/:", universe.Merge, nil, fault.Conflict},
		"another kind, replaced":     {"nodes:\n  /user/u/:", universe.Replace, nil, fault.Conflict},
		"below a leaf":               {"nodes:\n  /user/u/v/w:", universe.Replace, nil, fault.Conflict},
		"a directory as a role":      {"nodes:\n  /role/d/e:\n  /user/u: {roles: [/role/d]}", universe.Merge, nil, fault.Invalid},
		"replaced, of another kind":  {replaced, universe.Replace, nil, fault.Conflict},
		"replaced": {strings.ReplaceAll(replaced, "y/:", "y:"), universe.Replace, []string{
			`+ /data/x annotation note ""`, "- /data/x/y clause Read to /role/a or /role/b", "- /data/x/z",
			`- /user/u annotation note "old"`, `+ /user/u annotation note "a new text that is longer than what fits"...`,
			"- /user/u role /role/a", `- /user/u annotation note "more"`,
		}, nil},
		"all replaced by nothing": {"nodes:\n  /:", universe.Replace, []string{
			"- /data/x", "- /data/x/y", "- /data/x/z", "- /role/a", "- /role/b", "- /user/u",
		}, nil},
		"nothing": {"nodes:", universe.Replace, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machineOf(t, mustParse(t, before))
			plan, err := mustParse(t, test.file).Plan(export(t, m), test.mode)
			if test.err != nil || err != nil {
				if test.err == nil || fault.KindOf(err) != test.err {
					t.Errorf("got %v (%s), want %v", err, fault.KindOf(err), test.err)
				}
				return
			}
			got, want := lines(plan.Differences), slices.Clone(test.want)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			load(t, m, plan)
			if strings.Contains(test.file, "gone") != plan.Force {
				t.Errorf("force is %t, want it for roles that do not exist", plan.Force)
			}
			again := mustPlan(t, mustParse(t, test.file), export(t, m), max(test.mode, universe.Merge))
			if len(again.Changes) > 0 {
				t.Errorf("planned again: %q, want nothing", lines(again.Differences))
			}
		})
	}
}

func TestConflictNamesBoth(t *testing.T) {
	t.Parallel()
	m := machineOf(t, mustParse(t, before))
	_, err := mustParse(t, "nodes:\n  /user/u: {annotations: [{tag: note, text: new, unique: 3}]}").Plan(export(t, m), universe.Merge)
	const want = `/user/u: the file has annotation note "new" (unique 3), and the cluster annotation note "old"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An overwritten annotation is one that somebody may have changed since.
func TestReplaceRefusesWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	m := machineOf(t, mustParse(t, before))
	file := mustParse(t, "nodes:\n  /user/u: {roles: /role/a, annotations: [{tag: note, text: new, unique: 3}, {tag: note, text: more}]}")
	plan := mustPlan(t, file, export(t, m), universe.Replace)
	load(t, m, plan)
	_, err := fsmtest.Do(m.Operator, acl.Change, &pb.ChangeRequest{Changes: plan.Changes})
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("the same plan once more: %v, want a fault.Conflict", err)
	}
}

func TestAccountsAreTheLedgers(t *testing.T) {
	t.Parallel()
	m := machineOf(t, mustParse(t, "nodes:\n  /role/a:\n  /account/dir/: {annotations: [{tag: note}]}"))
	fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	for _, p := range []string{"/account/dir/open", "/account/other"} {
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: p, Asset: "USD"})
	}
	file := mustParse(t, `
nodes:
  /account:
  /account/dir/open:
    clauses: [{allow: Spend, to: /role/a}]
  /account/closed:
    clauses: [{allow: Spend, to: /role/a}]
  /account/closed/leaf: {kind: leaf}
`)
	file.Nodes[slices.IndexFunc(file.Nodes, func(n universe.Node) bool { return n.Path == "/account/closed" })].Kind = universe.Account
	plan := mustPlan(t, file, export(t, m), universe.Replace)
	want := []string{`- /account/dir annotation note ""`, "+ /account/dir/open clause Spend to /role/a"}
	if diff := cmp.Diff(want, lines(plan.Differences)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	wantNotes := []string{
		"/account/closed: is left out: it is no open account, and the ledger opens accounts",
		"/account/closed/leaf: is left out: it is below /account/closed, which is no open account",
	}
	if diff := cmp.Diff(wantNotes, lines(plan.Notes)); diff != "" {
		t.Errorf("notes: -want +got\n%s", diff)
	}
	load(t, m, plan)
	dumped, err := universe.FromExport(export(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if again := mustPlan(t, dumped, export(t, m), universe.Replace); len(again.Changes) > 0 {
		t.Errorf("what was dumped, planned: %q, want nothing", lines(again.Differences))
	}
}

func TestRedactedExportsAreRefused(t *testing.T) {
	t.Parallel()
	redacted := []*pb.RoleName{{Redacted: true}}
	for name, a := range map[string]*pb.Annotation{
		"role":   {Tag: "applied-role", Content: &pb.Annotation_Role{Role: redacted[0]}},
		"clause": {Tag: "clause", Content: &pb.Annotation_Clause{Clause: &pb.Clause{Operation: "View", Sets: []*pb.RoleSet{{Roles: redacted}}}}},
	} {
		nodes := []*pb.ExportedNode{{Node: &pb.Node{Path: "/user/u", Kind: "leaf"}, Annotations: []*pb.Annotation{a}}}
		if _, err := universe.FromExport(nodes); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: dumped: %v, want a fault.Denied", name, err)
		}
		if _, err := (universe.Universe{}).Plan(nodes, universe.Merge); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: planned on: %v, want a fault.Denied", name, err)
		}
	}
}

func TestRolesInUseAreRemovedTogether(t *testing.T) {
	t.Parallel()
	m := machineOf(t, mustParse(t, `
nodes:
  /role/a: {clauses: [{allow: View, to: [/role/a, /role/b]}]}
  /role/b: {clauses: [{allow: View, to: [/role/a]}]}
  /workload/w: {roles: [/role/b]}
`))
	load(t, m, mustPlan(t, mustParse(t, "nodes:\n  /:"), export(t, m), universe.Replace))
	for _, n := range export(t, m) {
		if n.Node.Path != "/role" && n.Node.Path != "/workload" && n.Node.Path != "/" {
			t.Errorf("%s is left", n.Node.Path)
		}
	}
}
