package universe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"acquired/cmd/acquired/universe"
	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

const day = 24 * 60 * 60 * 1_000_000_000

// logTime is about when the log of a machine of fsmtest begins.
const logTime = 1_700_000_000_000_000_000

func drawPeriod(t *rapid.T) (p universe.Period) {
	if rapid.IntRange(0, 3).Draw(t, "timed") == 0 {
		p.Start = rapid.Int64Range(0, logTime+day).Draw(t, "start")
		p.End = rapid.SampledFrom([]int64{0, logTime + 2*day, logTime + 3*day + 1}).Draw(t, "end")
	}
	return p
}

func drawRole(t *rapid.T) path.Path {
	return rapid.SampledFrom([]path.Path{"/role/r1", "/role/r2", "/role/r3", "/role/d/r4", "/role/none"}).Draw(t, "role")
}

func drawSets(t *rapid.T) (sets [][]path.Path) {
	for range rapid.IntRange(0, 3).Draw(t, "sets") {
		set := rapid.SliceOfNDistinct(rapid.Custom(drawRole), 0, 3, rapid.ID).Draw(t, "set")
		slices.Sort(set)
		if len(set) == 0 {
			set = nil
		}
		sets = append(sets, set)
	}
	return sets
}

func drawUnique(t *rapid.T, seen map[uint64]bool) uint64 {
	unique := rapid.SampledFrom([]uint64{0, 0, 1, 2, 9, 1 << 52}).Draw(t, "unique")
	if seen[unique] {
		return 0
	}
	seen[unique] = true
	return unique
}

func drawText(t *rapid.T) string {
	return rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"", "123", "true", "~", "null", "2026-01-01", "a: b", "- x", "a\nb", "a\nb\n", "\na", "a\n b", " a", "a ", "a\r\nb", "\x7f", "\u2028", "{", "#x", "\ufeff", "a\n\n\n", "\n", "😀", "---\n", "%x\n..."}),
	).Draw(t, "text")
}

// drawUniverse draws one that can be loaded when accounts is false.
func drawUniverse(t *rapid.T, accounts bool) universe.Universe {
	names := []path.Path{"/", "/role", "/role/d", "/role/r1", "/role/r2", "/role/d/r4", "/user", "/user/a", "/user/a-b", "/user/a/b", "/user/a/b/c",
		"/workload/w", "/data", "/data/x", "/data/x/y", "/queue/q", "/account"}
	if accounts {
		names = append(names, "/account/a", "/account/a/b", "/account/c")
	}
	chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID).Draw(t, "paths")
	slices.Sort(chosen)
	var u universe.Universe
	for _, p := range chosen {
		parent := slices.ContainsFunc(chosen, func(o path.Path) bool { return o != p && p.Covers(o) })
		u.Nodes = append(u.Nodes, drawNode(t, p, parent))
	}
	return u
}

func drawNode(t *rapid.T, p path.Path, parent bool) universe.Node {
	n := universe.Node{Path: p}
	kinds := []universe.Kind{universe.Directory}
	if !parent && p.Depth() > 1 && p != "/role/d" && p != "/data/x" && p != "/user/a" && p != "/user/a/b" {
		kinds = []universe.Kind{universe.Leaf}
	}
	if p.Under("/account") && p.Depth() > 1 {
		kinds = append(kinds, universe.Account)
	}
	n.Kind = rapid.SampledFrom(kinds).Draw(t, "kind")
	for _, role := range rapid.SliceOfNDistinct(rapid.Custom(drawRole), 0, 3, rapid.ID).Draw(t, "roles") {
		n.Roles = append(n.Roles, universe.Role{Role: role, Period: drawPeriod(t)})
	}
	slices.SortFunc(n.Roles, func(a, b universe.Role) int { return strings.Compare(string(a.Role), string(b.Role)) })
	seen := map[uint64]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "clauses") {
		c := universe.Clause{
			Unique: drawUnique(t, seen), Operation: rapid.SampledFrom(command.Operations()).Draw(t, "operation"),
			Sets: drawSets(t), Local: rapid.Bool().Draw(t, "local"), Period: drawPeriod(t),
		}
		c.EndWidens = c.End != 0
		n.Clauses = append(n.Clauses, c)
	}
	seen = map[uint64]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "annotations") {
		n.Annotations = append(n.Annotations, universe.Annotation{
			Tag:    rapid.SampledFrom([]string{"ssh-pubkey", "note", "123", "true", "null"}).Draw(t, "tag"),
			Unique: drawUnique(t, seen), Text: drawText(t), Period: drawPeriod(t),
		})
	}
	return n
}

func TestWhatIsEncodedIsReadAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := drawUniverse(t, true)
		inYAML, err := u.EncodeYAML()
		if err != nil {
			t.Fatal(err)
		}
		for name, encoded := range map[string][]byte{"YAML": inYAML, "JSON": u.EncodeJSON()} {
			got, err := universe.Parse(encoded, "x")
			if err != nil {
				t.Fatalf("%s: %v, of\n%s", name, err, encoded)
			}
			if diff := cmp.Diff(u, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s: -want +got\n%s\nof\n%s", name, diff, encoded)
			}
		}
		slices.Reverse(u.Nodes)
		if again, _ := u.EncodeYAML(); string(again) != string(inYAML) {
			t.Fatalf("in another order:\n%s\nwant\n%s", again, inYAML)
		}
	})
}

func TestShortFormsReadAsLongOnes(t *testing.T) {
	t.Parallel()
	short := mustParse(t, `
nodes:
  am://user/hpe/alice:
    roles: /role/b
    clauses:
      - {allow: view, to: everyone}
      - {allow: [Read, WRITE], to: nobody, local: true}
      - {allow: Admin, to: /role/a}
      - {allow: Spend, to: [/role/b, /role/a, /role/b]}
      - {allow: Work, to: [[/role/a], []], end: 2027-01-01T00:00:00+01:00, end_widens: true}
    annotations:
      - tag: ssh-pubkey
        text: |
          ssh-ed25519 AAAA
  /user/hpe:
  /data/empty/: {roles: [{role: /role/a, start: "2026-01-01T00:00:00Z"}]}
  /account/a:
  /account/b: {kind: directory}
`)
	const want = `nodes:
  /account/a: {}
  /account/b/: {}
  /data/empty/:
    roles: [{role: /role/a, start: "2026-01-01T00:00:00Z"}]
  /user/hpe: {}
  /user/hpe/alice:
    roles: [/role/b]
    clauses:
      - {allow: View, to: everyone}
      - {allow: Read, to: nobody, local: true}
      - {allow: Write, to: nobody, local: true}
      - {allow: Admin, to: /role/a}
      - {allow: Spend, to: [/role/a, /role/b]}
      - {allow: Work, to: [[/role/a], []], end: "2026-12-31T23:00:00Z", end_widens: true}
    annotations:
      - tag: ssh-pubkey
        text: |
          ssh-ed25519 AAAA
`
	got, err := short.EncodeYAML()
	if err != nil || string(got) != want {
		t.Errorf("encoded (error %v): -want +got\n%s", err, cmp.Diff(want, string(got)))
	}
	const inJSON = `{
  "nodes": {
    "/account/a": {},
    "/account/b/": {},
    "/data/empty/": {
      "roles": [{"role": "/role/a", "start": "2026-01-01T00:00:00Z"}]
    },
    "/user/hpe": {},
    "/user/hpe/alice": {
      "roles": ["/role/b"],
      "clauses": [
        {"allow": "View", "to": "everyone"},
        {"allow": "Read", "to": "nobody", "local": true},
        {"allow": "Write", "to": "nobody", "local": true},
        {"allow": "Admin", "to": "/role/a"},
        {"allow": "Spend", "to": ["/role/a", "/role/b"]},
        {"allow": "Work", "to": [["/role/a"], []], "end": "2026-12-31T23:00:00Z", "end_widens": true}
      ],
      "annotations": [
        {
          "tag": "ssh-pubkey",
          "text": "ssh-ed25519 AAAA\n"
        }
      ]
    }
  }
}
`
	if got := string(short.EncodeJSON()); got != inJSON {
		t.Errorf("encoded as JSON: -want +got\n%s", cmp.Diff(inJSON, got))
	}
	kinds := map[path.Path]universe.Kind{}
	for _, n := range short.Nodes {
		kinds[n.Path] = n.Kind
	}
	wantKinds := map[path.Path]universe.Kind{
		"/account/a": universe.Account, "/account/b": universe.Directory, "/data/empty": universe.Directory,
		"/user/hpe": universe.Directory, "/user/hpe/alice": universe.Leaf,
	}
	if diff := cmp.Diff(wantKinds, kinds); diff != "" {
		t.Errorf("kinds: -want +got\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"":                                                        "x: the file is empty",
		"# nothing":                                               "x: the file is empty",
		"\n{}":                                                    "x:2: the file has no nodes",
		"nodes: [":                                                "x:1: ",
		"nodes: {}\n---\nnodes: {}":                               "x:2: a file is one document",
		"nodes: {}\nnode: {}":                                     `x:2: unknown key "node": a file has nodes`,
		"nodes: {}\nnodes: {}":                                    `x:2: key "nodes" is there twice`,
		"nodes:\n- /user/a":                                       "x:2: nodes are written as paths",
		"nodes:\n  /user/a: &a {}":                                "x:2: anchors and aliases",
		"nodes:\n  /user/a: {}\n  /user/b: *a":                    "x: unknown anchor",
		"nodes:\n  user: {}":                                      "x:2: path \"user\" must begin",
		"nodes:\n  /user/a:\n  /users/b:":                         "x:3: /users/b: at the top there are only",
		"nodes:\n  /user/a:\n  /user/a/:":                         "x:3: /user/a is there twice",
		"nodes:\n  /user/a: 1":                                    "x:2: a node is written as keys",
		"nodes:\n  /user/a: !x {}":                                "x:2: a node is written as keys",
		"nodes:\n  /user/a:\n    role: /role/a":                   `x:3: unknown key "role": a node has kind, roles, clauses, annotations`,
		"nodes:\n  /user/a: {kind: folder}":                       "x:2: a kind is directory, leaf or account",
		"nodes:\n  /user/a/: {kind: leaf}":                        "x:2: /user/a is written as a directory",
		"nodes:\n  /user/a: {kind: leaf}\n  /user/a/b":            "x:",
		"nodes:\n  /user/a: {kind: leaf}\n  /user/a/b:":           "x:2: /user/a: it is to be a leaf, and there is something below",
		"nodes:\n  /user: {kind: leaf}":                           "x:2: /user: it is a directory, as everything at the top",
		"nodes:\n  /user/a: {kind: account}":                      "x:2: /user/a: accounts are below /account",
		"nodes:\n  /user/a: {roles: [/user/b]}":                   "x:2: a role is a path below /role, not /user/b",
		"nodes:\n  /user/a: {roles: [/role]}":                     "x:2: a role is a path below /role, not /role",
		"nodes:\n  /user/a: {roles: [5]}":                         "x:2: a path is a text",
		"nodes:\n  /user/a:\n    roles: {}":                       "x:3: the role is missing",
		"nodes:\n  /user/a: {roles: [/role/b, /role/b]}":          "x:2: /user/a: role /role/b is applied twice",
		"nodes:\n  /user/a: {roles: [{role: /role/b, until: 1}]}": `x:2: unknown key "until": a role has role, start, end`,
		"nodes:\n  /user/a: {roles: [{role: /role/b, end: 2026-01-01}]}":                              `x:2: "2026-01-01" is no time`,
		"nodes:\n  /user/a: {roles: [{role: /role/b, end: 1960-01-01T00:00:00Z}]}":                    "x:2: \"1960-01-01T00:00:00Z\": times are after 1970",
		"nodes:\n  /user/a: {roles: [{role: /role/b, end: 2600-01-01T00:00:00Z}]}":                    "x:2: \"2600-01-01T00:00:00Z\": times are after 1970 and before 2262",
		"nodes:\n  /user/a: {roles: [{role: /role/b, end: [1]}]}":                                     "x:2: end is a time",
		"nodes:\n  /user/a: {roles: [{role: /role/b, start: " + year(9) + ", end: " + year(8) + "}]}": "x:2: the end 2028-01-01T00:00:00Z is not after the start 2029",
		clause("{to: everyone}"):                                                                       "x:4: the clause does not say which",
		clause("{allow: [], to: everyone}"):                                                            "x:4: the clause does not say which",
		clause("{allow: View}"):                                                                        "x:4: the clause does not say to whom",
		clause("{allow: Look, to: everyone}"):                                                          `x:4: no operation "Look"`,
		clause("{allow: [View, View], to: everyone}"):                                                  "x:4: View is there twice",
		clause("{allow: [View, Read], to: everyone, unique: 1}"):                                       "x:4: the unique 1 is for one operation",
		clause("{allow: View, to: all}"):                                                               `x:4: path "all" must begin`,
		clause("{allow: View, to: []}"):                                                                "x:4: to is everyone, nobody, a role",
		clause("{allow: View, to: {}}"):                                                                "x:4: to is everyone, nobody, a role",
		clause("{allow: View, to: [/role/a, [/role/b]]}"):                                              "x:4: to is a list of roles or a list of lists",
		clause("{allow: View, to: [[/role/a], /role/b]}"):                                              "x:4: to is a list of roles or a list of lists",
		clause("{allow: View, to: [[[/role/a]]]}"):                                                     "x:4: to is a list of roles or a list of lists",
		clause("{allow: View, to: /data/x}"):                                                           "x:4: a role is a path below /role",
		clause("{allow: View, to: everyone, local: 1}"):                                                "x:4: local is true or false",
		clause("{allow: View, to: everyone, unique: 0}"):                                               "x:4: a unique is a number from 1 to",
		clause("{allow: View, to: everyone, unique: 9007199254740992}"):                                "x:4: a unique is a number from 1 to",
		clause("{allow: View, to: everyone, end: " + year(9) + "}"):                                    "x:4: a clause that ends may allow more",
		clause("{allow: View, to: " + nested(33, "[/role/a]") + "}"):                                   "x:4: a clause has at most 32 sets",
		clause("{allow: View, to: " + distinct(257) + "}"):                                             "x:4: a set has at most 256 roles",
		clause("{allow: View, to: nobody, unique: 7}\n    - {allow: View, to: nobody, unique: 7}"):     "x:2: /data/a: two clauses have the unique 7",
		clause(strings.Repeat("{allow: View, to: nobody}\n    - ", 256) + "{allow: View, to: nobody}"): "x:2: /data/a: a node has at most 256",
		annotation("{text: x}"):                                                                        `x:4: tag "": a tag is`,
		annotation("{tag: a_b}"):                                                                       `x:4: tag "a_b": a tag is`,
		annotation("{tag: clause}"):                                                                    `x:4: tag "clause" is for clauses or roles`,
		annotation("{tag: note, text: 5}"):                                                             "x:4: a text is a text; what looks like something else needs quotes",
		annotation("{tag: note, data: x}"):                                                             `x:4: unknown key "data": an annotation has tag, text, unique, start, end`,
		annotation("{tag: note, text: " + strings.Repeat("x", 8193) + "}"):                             "x:4: a text has at most 8192 bytes",
		annotation("{tag: note, unique: 1}\n    - {tag: note, unique: 1}"):                             `x:2: /data/a: two annotations with tag "note" have the unique 1`,
		"{\"nodes\": {\n\"/user/a\": {\"x\": 1}}}":                                                     `x:2: unknown key "x"`,
		"{\"nodes\": {\n\"/user/a\": {},\n\"/user/a\": {}}}":                                           "x:3: /user/a is there twice",
		"{\"nodes\": {}}\n{}":                                                                          "x:1: there is more behind the end",
		"{\"nodes\": {\n":                                                                              "x:1: the file ends too early",
		"{\"nodes\": {\n'a'}}":                                                                         "x:2: invalid character",
		"{\"nodes\": " + strings.Repeat("[", 40):                                                       "x:1: it is nested more than 16 deep",
		"{\"nodes\": {\"/data/a\": {\"clauses\": [{\"allow\": \"View\", \"to\": \"everyone\", \"unique\": 1.5}]}}}": "x:1: a unique is a number",
		"{\"nodes\": {\"\xff\": {}}}": "x: the file is not UTF-8",
		"nodes: {\"\xff\": {}}":       "x: ",
	} {
		_, err := universe.Parse([]byte(file), "x")
		if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.200q:\n\tgot  %v (%s)\n\twant %s...", file, err, fault.KindOf(err), want)
		}
	}
}

func clause(c string) string     { return "nodes:\n  /data/a:\n    clauses:\n    - " + c }
func annotation(a string) string { return "nodes:\n  /data/a:\n    annotations:\n    - " + a }
func year(y int) string          { return fmt.Sprintf("202%d-01-01T00:00:00Z", y) }

func nested(n int, item string) string { return "[" + strings.Repeat(item+", ", n) + "]" }

func distinct(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("/role/r%d", i))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func TestParseIsBounded(t *testing.T) {
	t.Parallel()
	if _, err := universe.Parse(make([]byte, universe.MaxSize+1), "x"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a file that is too long: %v, want a fault.Invalid", err)
	}
	var file strings.Builder
	file.WriteString(`{"nodes": {`)
	for i := range universe.MaxNodes + 1 {
		fmt.Fprintf(&file, `"/user/%d": {},`, i)
	}
	text := strings.TrimSuffix(file.String(), ",") + "}}"
	if _, err := universe.Parse([]byte(text), "x"); err == nil || !strings.Contains(err.Error(), "200001 nodes") {
		t.Errorf("too many nodes: %v, want a fault that counts them", err)
	}
}

// The limits are those of the tree, which this package may not import.
func TestLimitsAreThoseOfTheTree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tag := rapid.StringOf(rapid.SampledFrom([]rune("az09-_A é"))).Draw(t, "tag") + strings.Repeat("a", rapid.IntRange(0, 65).Draw(t, "more"))
		if tag == "clause" || tag == "applied-role" {
			return
		}
		_, err := universe.Parse([]byte(annotation(fmt.Sprintf("{tag: %q}", tag))), "x")
		if want := tree.CheckTag(tag); (err == nil) != (want == nil) {
			t.Fatalf("tag %q: %v, and the tree says %v", tag, err, want)
		}
	})
	accepted := func(file string) bool {
		_, err := universe.Parse([]byte(file), "x")
		return err == nil
	}
	for name, file := range map[string]func(more int) string{
		"sets": func(more int) string {
			return clause("{allow: View, to: " + nested(tree.MaxSets+more, "[/role/a]") + "}")
		},
		"roles": func(more int) string { return clause("{allow: View, to: " + distinct(tree.MaxSetRoles+more) + "}") },
		"text": func(more int) string {
			return annotation("{tag: a, text: " + strings.Repeat("x", tree.MaxText+more) + "}")
		},
		"unique": func(more int) string { return annotation(fmt.Sprintf("{tag: a, unique: %d}", tree.MaxUnique+more)) },
		"annotations": func(more int) string {
			return annotation(strings.Repeat("{tag: a}\n    - ", tree.MaxAnnotations-1+more) + "{tag: a}")
		},
	} {
		if !accepted(file(0)) || accepted(file(1)) {
			t.Errorf("%s: the most is accepted: %t, one more: %t; want only the most", name, accepted(file(0)), accepted(file(1)))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(universe.StarterYAML)
	f.Add(universe.Starter().EncodeJSON())
	f.Add([]byte(clause("{allow: [View, Read], to: [[/role/a], []], end: 2029-01-01T00:00:00Z, end_widens: true}")))
	f.Add([]byte(annotation("{tag: a, text: \"x\\u2028\"}")))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := universe.Parse(data, "x")
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
		again, err := universe.Parse(encoded, "again")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(u, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-first +again\n%s", diff)
		}
	})
}
