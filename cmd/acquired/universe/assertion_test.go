package universe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/cmd/acquired/universe"
	"acquired/proto/fault"
)

const asserted = `
nodes:
  /:
    clauses: [{allow: View, to: everyone}]
  /role/r:
  /role/w:
  /user/hpe: {roles: /role/r}
  /user/hpe/alice: {roles: /role/w}
  /user/hpe/bob:
  /user/x/alice:
  /user/x/eve: {roles: /role/w}
  /user/none/:
  /workload/job: {roles: /role/r}
  /data/hpe:
    clauses:
      - {allow: Read, to: /role/r}
      - {allow: Write, to: [[/role/r], [/role/w]]}
  /data/hpe/a:
  /data/hpe/secret: {clauses: [{allow: View, to: /role/w}]}
`

func TestAssertions(t *testing.T) {
	t.Parallel()
	oracle := oracleOf(machineOf(t, mustParse(t, asserted)))
	const passes = ""
	for text, want := range map[string]string{
		"/user/hpe/alice may READ,write /data/hpe/**":        passes,
		"/user/hpe/alice may Read, Write /data/hpe/a/":       passes,
		"am://user/hpe/bob may READ am://data/hpe/a":         passes,
		"bob may not WRITE /data/hpe/**":                     passes,
		"bob may not READ /data/hpe/secret":                  passes,
		"bob may not READ,WRITE /data/hpe/a":                 "1: /user/hpe/bob may Read /data/hpe/a",
		"bob may READ,WRITE /data/hpe/**":                    "4: /user/hpe/bob may not Write /data/hpe, /user/hpe/bob may not Write /data/hpe/a, /user/hpe/bob may not Read /data/hpe/secret, /user/hpe/bob may not Write /data/hpe/secret",
		"alice may READ /data/hpe":                           "2 principals are called alice, such as /user/hpe/alice and /user/x/alice: write the path",
		"carol may READ /data/hpe":                           "no principal is called carol",
		"/user/hpe may READ /data/hpe":                       "no principal /user/hpe",
		"/user/hpe/carol may not READ /data/hpe":             "no principal /user/hpe/carol",
		"eve may not READ /data/hep":                         "nothing at /data/hep",
		"eve may not READ /data/hep/**":                      "nothing at /data/hep",
		"nobody may ADMIN /**":                               passes,
		"nobody may WRITE /data/hpe":                         "1: /user/hpe/alice may Write /data/hpe",
		"nobody outside /user/hpe may WRITE /data/hpe/**":    passes,
		"nobody outside /user/hpe may READ /data/hpe":        "1: /workload/job may Read /data/hpe",
		"nobody under /user/x may READ,WRITE /data/**":       passes,
		"nobody under /user/none may VIEW /":                 passes,
		"nobody under /user/nine may VIEW /":                 "nothing at /user/nine",
		"everybody may VIEW /data/hpe":                       passes,
		"everybody under / may VIEW /data/hpe/a":             passes,
		"everybody under /user/hpe may READ /data/hpe":       passes,
		"everybody under /user may READ /data/hpe":           "2: /user/x/alice may not Read /data/hpe, /user/x/eve may not Read /data/hpe",
		"everybody outside /user may READ /data/hpe":         passes,
		"somebody may READ,WRITE /data/hpe/**":               passes,
		"somebody under /workload may READ /data/hpe/**":     "1: nobody may Read /data/hpe/secret",
		"somebody may ADMIN /":                               "1: nobody may Admin /",
		"somebody under /user/none may VIEW /":               "1: nobody may View /",
		"only /user/hpe/alice may WRITE /data/hpe/**":        passes,
		"only /user/hpe/alice, bob job may READ /data/hpe/a": passes,
		"only /user/hpe/alice bob may READ /data/hpe/a":      "1: /workload/job may Read /data/hpe/a",
		"only /user/hpe/alice bob may WRITE /data/hpe/a":     "1: /user/hpe/bob may not Write /data/hpe/a",
		"only carol may WRITE /data/hpe/a":                   "no principal is called carol",
	} {
		assertions, err := universe.ParseAssertions([]byte("# comment\n\n"+text+" # why\n"), "test")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		results, err := universe.Evaluate(assertions, oracle)
		if err != nil {
			t.Fatal(err)
		}
		r, got := results[0], ""
		switch {
		case r.Err != nil:
			got = r.Err.Error()
		case r.Count > 0:
			got = fmt.Sprintf("%d: %s", r.Count, strings.Join(lines(r.Counterexamples), ", "))
		}
		if got != want || r.Passed != (want == passes) || r.Assertion.Line != 3 || r.Assertion.Text != text {
			t.Errorf("%s (line %d): passed %t\n\tgot  %s\n\twant %s", r.Assertion.Text, r.Assertion.Line, r.Passed, got, want)
		}
	}
}

func TestParseAssertionsRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"alice":                                 "an assertion is: who may [not] operations path",
		"may READ /x":                           "an assertion is: who may [not] operations path",
		"alice may READ":                        "an assertion ends with operations and a path",
		"alice may not READ":                    "an assertion ends with operations and a path",
		"alice may":                             "an assertion ends with operations and a path",
		"alice may LOOK /data/x":                `no operation "LOOK"`,
		"alice may READ WRITE /data/x":          `no operation "READ WRITE"`,
		"alice may READ, /data/x":               `no operation ""`,
		"alice may READ data/x":                 `path "data/x" must begin`,
		"alice may READ /data/**/x":             `path "/data/**/x": segment`,
		"alice bob may READ /data/x":            `"alice bob": name one principal`,
		"nobody may not READ /data/x":           `"nobody" does not go with "may not"`,
		"only alice may not READ /data/x":       `"only" does not go with "may not"`,
		"only may READ /data/x":                 `behind "only" go those who may`,
		"only /role/r may READ /data/x":         "/role/r is no principal",
		"/user may READ /data/x":                "/user is no principal",
		"/data/y may READ /data/x":              "/data/y is no principal",
		"al*ce may READ /data/x":                `path "/user/al*ce"`,
		"nobody in /user may READ /data/x":      `behind "nobody" goes "under" or "outside"`,
		"nobody under may READ /data/x":         `behind "nobody" goes "under" or "outside"`,
		"nobody outside /data may READ /data/x": "principals are below /user and /workload, not /data",
		"everybody under user may READ /data/x": `path "user" must begin`,
	} {
		_, err := universe.ParseAssertions([]byte("\n# first\n"+text+"\n"), "x")
		if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "x:3: "+want) {
			t.Errorf("%s\n\tgot  %v\n\twant x:3: %s...", text, err, want)
		}
	}
	if _, err := universe.ParseAssertions(make([]byte, universe.MaxAssertionsSize+1), "x"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a file that is too long: %v, want a fault.Invalid", err)
	}
	many := strings.Repeat("a may VIEW /\n", universe.MaxAssertions+1)
	if _, err := universe.ParseAssertions([]byte(many), "x"); err == nil || !strings.HasPrefix(err.Error(), "x:10001: a file has at most") {
		t.Errorf("too many assertions: %v, want a fault that says the line", err)
	}
}

// manyPaths is an oracle whose one principal may do the first operation on all
// paths but the last.
func manyPaths(t *testing.T, count int) universe.Oracle {
	paths := make([]string, count)
	for i := range paths {
		paths[i] = fmt.Sprintf("/data/%d", i)
	}
	return universe.Oracle{
		Principals: func(string) ([]string, error) { return []string{"/user/u"}, nil },
		Paths:      func(string) ([]string, error) { return paths, nil },
		Check: func(_ string, operations, asked []string) ([]uint32, error) {
			if n := len(operations) * len(asked); n > universe.MaxChecks {
				t.Errorf("asked for %d at once, want at most %d", n, universe.MaxChecks)
			}
			masks := make([]uint32, len(asked))
			for i := range masks {
				if asked[i] != paths[count-1] {
					masks[i] = 1
				}
			}
			return masks, nil
		},
	}
}

func TestCounterexamplesAreCounted(t *testing.T) {
	t.Parallel()
	const count = 12_000
	assertions, err := universe.ParseAssertions([]byte("u may VIEW,READ /data/**"), "x")
	if err != nil {
		t.Fatal(err)
	}
	results, err := universe.Evaluate(assertions, manyPaths(t, count))
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if r.Count != count+1 || len(r.Counterexamples) != universe.MaxCounterexamples || r.Passed {
		t.Errorf("%d counted, %d shown, passed %t; want %d, %d, false", r.Count, len(r.Counterexamples), r.Passed, count+1, universe.MaxCounterexamples)
	}
	want := universe.Counterexample{Principal: "/user/u", Operation: "Read", Path: "/data/9"}
	if diff := cmp.Diff(want, r.Counterexamples[9]); diff != "" {
		t.Errorf("the last shown: -want +got\n%s", diff)
	}
}

func TestPathsAreAskedInParts(t *testing.T) {
	t.Parallel()
	assertions, err := universe.ParseAssertions([]byte("u may VIEW /data/**"), "x")
	if err != nil {
		t.Fatal(err)
	}
	results, err := universe.Evaluate(assertions, manyPaths(t, 25_000))
	if err != nil {
		t.Fatal(err)
	}
	want := []universe.Counterexample{{Principal: "/user/u", Operation: "View", Path: "/data/24999"}}
	if diff := cmp.Diff(want, results[0].Counterexamples); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestOracleErrorsAreNoAnswers(t *testing.T) {
	t.Parallel()
	lost := fault.NotFound.New("lost")
	works := manyPaths(t, 1)
	for name, oracle := range map[string]universe.Oracle{
		"principals": {Principals: func(string) ([]string, error) { return nil, lost }},
		"paths":      {Principals: works.Principals, Paths: func(string) ([]string, error) { return nil, lost }},
		"check": {Principals: works.Principals, Paths: works.Paths,
			Check: func(string, []string, []string) ([]uint32, error) { return nil, lost }},
		"short": {Principals: works.Principals, Paths: works.Paths,
			Check: func(string, []string, []string) ([]uint32, error) { return nil, nil }},
	} {
		assertions, err := universe.ParseAssertions([]byte("nobody may VIEW /data/**"), "x")
		if err != nil {
			t.Fatal(err)
		}
		results, err := universe.Evaluate(assertions, oracle)
		if results != nil || name != "short" && !errors.Is(err, lost.Kind) || err == nil {
			t.Errorf("%s: got %v, %v; want its error", name, results, err)
		}
	}
}

func FuzzParseAssertions(f *testing.F) {
	f.Add([]byte("/user/hpe/alice may READ,WRITE /data/x # why\nnobody outside /user/hpe may VIEW /data/hpe/**\nonly a, b may SPEND /account/x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		assertions, err := universe.ParseAssertions(data, "x")
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is a fault.%s, want fault.Invalid", err, fault.KindOf(err))
			}
			return
		}
		if _, err := universe.Evaluate(assertions, manyPaths(t, 2)); err != nil {
			t.Error(err)
		}
		for _, a := range assertions {
			again, err := universe.ParseAssertions([]byte(a.Text), "x")
			if err != nil || len(again) != 1 || again[0].Text != a.Text {
				t.Errorf("%q is read again as %v, %v", a.Text, again, err)
			}
		}
	})
}
