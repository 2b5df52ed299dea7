package universe_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/cmd/acquired/universe"
	"acquired/fsm/acl"
	"acquired/fsm/fsmtest"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// recorded is where answers of Access Manager are kept, beside the repository.
const recorded = "../../../../shared/data/access-manager"

// TestAccessManagerUniverses loads each recorded universe and compares what its
// callers may do with what was recorded of them.
func TestAccessManagerUniverses(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(recorded, "*", "universe.json"))
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob(filepath.Join(recorded, "*", "*", "universe.json"))
	files = append(files, more...)
	if len(files) == 0 {
		t.Skipf("no recorded universes in %s", recorded)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			compareRecorded(t, file)
		})
	}
}

func compareRecorded(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	u, notes, err := universe.ParseAccessManager(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%q", lines(notes))
	asYAML, err := u.EncodeYAML()
	if err != nil {
		t.Fatal(err)
	}
	m := machineOf(t, mustParse(t, string(asYAML)))
	if again := mustPlan(t, u, export(t, m), universe.Replace); len(again.Changes) > 0 {
		t.Errorf("planned again, there is %q to do, want nothing", lines(again.Differences))
	}
	var permissions map[string]struct {
		Seen     map[string]string `json:"seen"`
		NotFound []string          `json:"not_found"`
	}
	data, err = os.ReadFile(filepath.Join(filepath.Dir(file), "permissions.json"))
	if err == nil {
		err = json.Unmarshal(data, &permissions)
	}
	if err != nil {
		t.Fatal(err)
	}
	for caller, may := range permissions {
		want := may.Seen
		for _, hidden := range may.NotFound {
			want[hidden] = ""
		}
		if diff := cmp.Diff(want, allowed(t, m, caller, want)); diff != "" {
			t.Errorf("%s: -recorded +got\n%s", caller, diff)
		}
	}
}

var recordedOperations = []string{"View", "Read", "Write", "Admin", "UseRole", "ApplyRole", "VouchFor"}

// allowed gives the letters of what the caller may do on each of the paths.
func allowed(t *testing.T, m *fsmtest.Machine, caller string, paths map[string]string) map[string]string {
	t.Helper()
	req := &pb.CheckManyRequest{Principal: caller, Operations: recordedOperations}
	for p := range paths {
		req.Paths = append(req.Paths, p)
	}
	slices.Sort(req.Paths)
	res, err := fsmtest.Ask(m.Operator, acl.CheckMany, req)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, p := range req.Paths {
		letters := ""
		for j, letter := range strings.Split("VRWAUPF", "") {
			if res.Allowed[i]&(1<<j) != 0 {
				letters += letter
			}
		}
		got[p] = letters
	}
	return got
}

func TestAccessManagerIsConverted(t *testing.T) {
	t.Parallel()
	u, notes, err := universe.ParseAccessManager([]byte(`{"nodes":[
{"path":"am://user","leaf":false},
{"path":"am://user/u","applied_roles":["am://role/b","am://role/a","am://role/b"],"annotations":[{"tag":"principal"}]},
{"path":"am://data/d","leaf":true,"aces":[{"op":"READ","local":true,"acls":[["am://role/gone","am://role/a"],[]]},{"op":"READ","local":true,"acls":[["am://role/gone","am://role/a"],[]]}]},
{"path":"am://data/p","leaf":true},
{"path":"am://data/p/q","annotations":[{"tag":"data"},{"tag":"data-info","data":"{}"}]},
{"path":"am://data/empty","leaf":false},
{"path":"am://role/a","annotations":[{"tag":"role"}]},
{"path":"am://role/b","leaf":true}
]}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := u.EncodeYAML()
	if err != nil {
		t.Fatal(err)
	}
	const want = `nodes:
  /:
    clauses:
      - {allow: View, to: everyone, unique: 9000000000000001}
      - {allow: Read, to: everyone, unique: 9000000000000002}
      - {allow: Write, to: everyone, unique: 9000000000000003}
      - {allow: Admin, to: everyone, unique: 9000000000000004}
      - {allow: UseRole, to: everyone, unique: 9000000000000005}
      - {allow: ApplyRole, to: everyone, unique: 9000000000000006}
      - {allow: VouchFor, to: everyone, unique: 9000000000000007}
  /data/d:
    clauses:
      - {allow: Read, to: [[/role/a, /role/gone], []], local: true}
      - {allow: Read, to: [[/role/a, /role/gone], []], local: true}
  /data/empty/: {}
  /data/p: {}
  /data/p/q:
    annotations:
      - {tag: data}
      - {tag: data-info, text: '{}'}
  /role/a:
    annotations:
      - {tag: role}
  /role/b: {}
  /user: {}
  /user/u:
    roles: [/role/a, /role/b]
    annotations:
      - {tag: principal}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	wantNotes := []string{
		"/user/u: has a role twice: it is applied once",
		"/: gets clauses that allow View, Read, Write, Admin, UseRole, ApplyRole, VouchFor to everyone, as Access Manager does where nothing forbids it",
		"/data/p: is marked as a leaf and has something below it: it becomes a directory",
		"/data/d: names the role /role/gone, which does not exist",
	}
	if diff := cmp.Diff(wantNotes, lines(notes)); diff != "" {
		t.Errorf("notes: -want +got\n%s", diff)
	}
	if plan, err := u.Changes(); err != nil || !plan.Force {
		t.Errorf("its changes need force: %t, error %v; want true for the role that does not exist", plan.Force, err)
	}
	if universe.OpenUnique+6 >= 1<<53 || path.Root != u.Nodes[0].Path {
		t.Errorf("the last number is %d, want less than %d", universe.OpenUnique+6, 1<<53)
	}
}

func TestParseAccessManagerRefuses(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"":                                "line 1: EOF",
		"{\n\"nodes\": [}":                "line 2: invalid character",
		"{\n\n\"notes\": []}":             "line 3: json: unknown field",
		`{"nodes":[{"pfad":"/"}]}`:        "line 1: json: unknown field",
		"{\"nodes\":[]}\n{}":              "line 2: there is more behind the end",
		`{"nodes":[{"path":"user"}]}`:     `node "user": path "user" must begin`,
		`{"nodes":[{"path":"am://key"}]}`: "node /key: at the top there are only",
		`{"nodes":[{"path":"am://user"},{"path":"/user/"}]}`:                       "node /user is there twice",
		`{"nodes":[{"path":"am://user/a","applied_roles":["x"]}]}`:                 `node "am://user/a": path "x" must begin`,
		`{"nodes":[{"path":"am://user/a","applied_roles":["am://user/b"]}]}`:       "node /user/a: a role is a path below /role, not /user/b",
		`{"nodes":[{"path":"am://user/a","aces":[{"op":"INVALID","acls":[]}]}]}`:   `node "am://user/a": no operation "INVALID"`,
		`{"nodes":[{"path":"am://user/a","aces":[{"op":"READ","acls":[["x"]]}]}]}`: `node "am://user/a": path "x" must begin`,
		`{"nodes":[{"path":"am://user/a","annotations":[{"tag":"a_b"}]}]}`:         `node /user/a: tag "a_b"`,
		`{"nodes":[{"path":"am://user","leaf":true}]}`:                             "node /user: it is a directory",
	} {
		_, _, err := universe.ParseAccessManager([]byte(file))
		if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\n\tgot  %v (%s)\n\twant %s...", file, err, fault.KindOf(err), want)
		}
	}
}

func FuzzParseAccessManager(f *testing.F) {
	f.Add([]byte(`{"nodes":[{"path":"am://user/a","applied_roles":["am://role/a"],"aces":[{"op":"READ","local":true,"acls":[["am://role/a"],[]]}],"annotations":[{"tag":"data","data":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, _, err := universe.ParseAccessManager(data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is a fault.%s, want fault.Invalid", err, fault.KindOf(err))
			}
			return
		}
		encoded, err := u.EncodeYAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := universe.Parse(encoded, "encoded"); err != nil {
			t.Error(err)
		}
	})
}
