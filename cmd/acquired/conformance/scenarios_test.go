package conformance

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// recordedScenario is a short sequence of calls to a fresh universe.
type recordedScenario struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Universe string         `json:"universe"`
	Verdict  string         `json:"verdict"`
	Steps    []recordedStep `json:"steps"`
}

// asRecorded is expected of a step that ends as it did there, with all that was
// shown.
const asRecorded = "as recorded"

// expectations say how each step of a scenario ends here. A scenario whose steps
// are no calls of the API has none, and a function in besides instead.
var expectations = map[string][]string{
	"eval-01": {asRecorded},
	"eval-02": {asRecorded, asRecorded},
	"eval-04": {asRecorded, asRecorded},
	"eval-05": {asRecorded, asRecorded},
	"eval-07": {asRecorded, asRecorded, asRecorded},
	"eval-08": {"ok", "allowed"},
	"eval-10": {asRecorded, asRecorded, asRecorded},
	"eval-11": {asRecorded, asRecorded, asRecorded},
	"eval-13": {asRecorded, asRecorded, asRecorded},
	// Names of operations may be in small letters; numbers are none.
	"eval-14": {"ok", "invalid", "invalid", "invalid", "invalid", "ok aces=[clause READ local=false []]", "allowed"},

	"role-01": {asRecorded, asRecorded, asRecorded, asRecorded, asRecorded},
	"role-02": {asRecorded, asRecorded, asRecorded},
	"role-04": {asRecorded, asRecorded, asRecorded},
	"role-05": {asRecorded, asRecorded, "not_found"},
	"role-07": {"denied", "not_found", "denied", asRecorded},
	// Here too, as long as the loader's clause for ApplyRole is on the root.
	"role-08": {"ok", "ok"},
	"role-10": {"invalid", "ok roles=[]", "not_found"},
	"role-11": {"ok", "exists", "ok roles=[am://role/hpe/bu1/bu1-query am://role/hpe/bu1/hpe-special]"},
	"role-13": {"ok roles=[am://role/yoyodyne/yoyo-special (dangling)]", "allowed"},

	"node-01": {"denied", asRecorded, "exists", asRecorded},
	"node-03": {"denied", "ok children=[am://data am://role am://user am://workload]"},
	"node-04": {"not_found", "conflict"},
	"node-06": {"ok", "ok roles=[]", "ok roles=[## Redacted role ##]", "ok", "ok isDirectory=false"},
	"node-07": {"denied", "ok children=[am://data/dir am://data/hpe]", "ok children=[am://data/dir am://data/hpe am://data/yoyodyne]"},
	"node-09": {
		"ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok children=[am://data/dir/d1/d2/d3/d4/d5/d6/d7]",
		"ok children=[am://data/dir/d1/d2/d3/d4/d5/d6/d7/d8]", "ok isDirectory=true", "conflict",
	},
	"node-10": {asRecorded, asRecorded, asRecorded},
	"node-12": {asRecorded, "not_found", asRecorded, asRecorded},
	"node-13": {"ok isDirectory=false", "conflict"},

	"ann-02": {"ok", "ok"},
	"ann-03": {asRecorded, asRecorded, asRecorded},
	"ann-05": {"ok", "invalid", `ok annotations=[s3-info "x" 1]`},
	// A unique is not negative on the wire. What stands for -5 there is too large.
	"ann-06": {"ok", "invalid", "ok children=[]", "not_found"},
	"ann-08": {"not_found", "not_found", "not_found", "not_found"},
	"ann-11": {"denied", "not_found", "denied", asRecorded, "not_found", asRecorded},
	"ann-12": {"denied", "denied", asRecorded, "denied"},
	// Bob would shut out everybody who administers something of another company.
	"ann-14": {asRecorded, "conflict", "ok children=[am://data/dir am://data/hpe am://data/yoyodyne]", "ok children=[am://data/dir]"},
	"ann-15": {asRecorded, asRecorded, asRecorded, asRecorded},

	"red-02": {asRecorded, asRecorded, asRecorded, asRecorded, asRecorded},
	"red-03": {"not_found", "not_found"},

	"auth-02": {"unauthenticated", "unauthenticated"},
	"auth-03": {asRecorded, asRecorded, "not_found", "not_found", "not_found"},
	"auth-05": {asRecorded, "unauthenticated", asRecorded, asRecorded, "unauthenticated"},
	"auth-06": {"unauthenticated", "unauthenticated", "no credential", "unauthenticated", "unauthenticated"},
	"auth-08": {asRecorded, asRecorded, "ok valid=false", "unauthenticated"},

	"data-01": {asRecorded, asRecorded, asRecorded, "denied", "denied"},
	"data-03": {"ok subject=am://user/yoyodyne/bob minutes=30 roles=[]", asRecorded, "unauthenticated", "unauthenticated"},
	"data-04": {asRecorded, "not_found", asRecorded, asRecorded, asRecorded, asRecorded},

	"boot-02": {"unauthenticated", asRecorded, asRecorded},
}

// TestScenarios plays the recorded scenarios. One that is to be kept must end as it
// did, step by step: done where it was done, with the same things shown, and
// refused where it was refused. One that is not to be kept must differ in some
// step, or have something to show besides.
func TestScenarios(t *testing.T) {
	dir := recordings(t)
	listed := readDifferences(t)
	all, _ := read[[]recordedScenario](t, filepath.Join(dir, "scenarios.json"))
	if len(all) == 0 {
		t.Fatal("no scenarios")
	}
	for id := range expectations {
		if !slices.ContainsFunc(all, func(s recordedScenario) bool { return s.ID == id }) {
			t.Errorf("no scenario %s", id)
		}
	}
	w := startWorld(t)
	keys := newKeys(t)
	for _, s := range all {
		t.Run(s.ID, func(t *testing.T) {
			t.Log(s.Title)
			name, withKey := strings.CutSuffix(s.Universe, "+key")
			p := &play{world: w, t: t, recordings: dir, keys: keys, tokens: make(map[string]string)}
			if withKey {
				p.operatorKey = keys["id_rsa"].line
			}
			p.load(name)
			c := listed.compare(t, name, "scenarios.json "+s.ID)
			differs := p.run(c, s)
			if besides[s.ID] != nil {
				c.rows++
				besides[s.ID](p)
			} else if s.Verdict == "diverge" && !differs {
				t.Error("nothing differs from what was recorded")
			}
		})
	}
	listed.checkUsed(t)
}

// run plays the steps and says whether any ended otherwise than it was recorded.
func (p *play) run(c *comparison, s recordedScenario) (differs bool) {
	p.t.Helper()
	expected, ok := expectations[s.ID]
	if !ok && besides[s.ID] != nil {
		return true
	}
	if len(expected) != len(s.Steps) {
		p.t.Fatalf("%d steps, %d of them expected", len(s.Steps), len(expected))
	}
	for i, step := range s.Steps {
		here, recorded := p.do(&step), p.recorded(&step)
		want := expected[i]
		if want == asRecorded {
			want = recorded
		}
		if here != want {
			p.t.Errorf("step %d, %s: got %s, want %s", i+1, step.Do, here, want)
		}
		if s.Verdict == "keep" {
			c.row(strconv.Itoa(i+1), coarse(recorded), coarse(here))
		} else {
			c.rows++
		}
		differs = differs || coarse(recorded) != coarse(here)
	}
	return differs
}

// coarse is an outcome without the reason of a refusal, which was not recorded.
func coarse(outcome string) string {
	if outcome == "allowed" || outcome == "ok" || strings.HasPrefix(outcome, "ok ") {
		return outcome
	}
	return refused
}
