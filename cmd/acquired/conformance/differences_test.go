package conformance

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// difference is a line of differences.txt.
type difference struct {
	line             string
	universes        []string
	file, name, here string
	rule             bool
	// used holds the universes where it occurs.
	used map[string]bool
}

// differences are what is listed, and what was looked at.
type differences struct {
	all      []*difference
	compared map[[2]string]bool
}

// readDifferences reads differences.txt: lines of
//
//	universes | file | row, or "rule" and its name | what holds here | why
//
// Universes are separated by spaces. Of a row, what holds here is literal.
func readDifferences(t *testing.T) *differences {
	t.Helper()
	data, err := os.ReadFile("differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	d := &differences{compared: make(map[[2]string]bool)}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		columns := strings.Split(line, " | ")
		if len(columns) != 5 {
			t.Fatalf("differences.txt: %d columns instead of 5: %s", len(columns), line)
		}
		one := &difference{
			line: line, universes: strings.Fields(columns[0]), file: columns[1], here: columns[3], used: make(map[string]bool),
		}
		one.name, one.rule = strings.CutPrefix(columns[2], "rule ")
		for _, u := range one.universes {
			if !slices.Contains(universes, u) {
				t.Fatalf("differences.txt: no universe %q: %s", u, line)
			}
		}
		d.all = append(d.all, one)
	}
	return d
}

func (d *differences) find(universe, file, name string, rule bool) *difference {
	for _, one := range d.all {
		if one.rule == rule && one.file == file && one.name == name && slices.Contains(one.universes, universe) {
			return one
		}
	}
	return nil
}

// checkUsed fails the test for what is listed and did not occur where it was
// looked for.
func (d *differences) checkUsed(t *testing.T) {
	t.Helper()
	for _, one := range d.all {
		for _, u := range one.universes {
			if d.compared[[2]string{u, one.file}] && !one.used[u] {
				t.Errorf("differences.txt: it does not occur in %s: %s", u, one.line)
			}
		}
	}
}

// rule is what a listed rule makes of a row that it is about.
type rule struct {
	name string
	// applies says whether the rule is about the row.
	applies bool
	want    string
}

// comparison compares the rows of one recorded file of one universe.
type comparison struct {
	t              *testing.T
	listed         *differences
	universe, file string
	rows, wrong    int
}

// maxReported is how many wrong rows of a file are shown.
const maxReported = 20

// compare begins the comparison of a file. When the test ends it says how many
// rows there were.
func (d *differences) compare(t *testing.T, universe, file string) *comparison {
	c := &comparison{t: t, listed: d, universe: universe, file: file}
	d.compared[[2]string{universe, file}] = true
	t.Cleanup(func() {
		t.Logf("%s %s: %d rows, %d wrong", universe, file, c.rows, c.wrong)
		if c.rows == 0 {
			t.Errorf("%s %s: no row was compared", universe, file)
		}
	})
	return c
}

// row compares one row. Of the rules that apply to it and are listed, the first
// says what is wanted instead of what was recorded.
func (c *comparison) row(name, recorded, here string, rules ...rule) {
	c.t.Helper()
	c.rows++
	want := recorded
	for _, r := range rules {
		if !r.applies || r.want == recorded {
			continue
		}
		if listed := c.listed.find(c.universe, c.file, r.name, true); listed != nil {
			want = r.want
			listed.used[c.universe] = true
			break
		}
	}
	if here == want {
		return
	}
	if listed := c.listed.find(c.universe, c.file, name, false); listed != nil && listed.here == here {
		listed.used[c.universe] = true
		return
	}
	if c.wrong++; c.wrong <= maxReported {
		c.t.Errorf("%s %s: %s (-want +got)\n%s", c.universe, c.file, name, cmp.Diff(strings.Split(want, "\n"), strings.Split(here, "\n")))
	}
}

// byRule notes that something is left out, or compared in another way, by a listed
// rule.
func (c *comparison) byRule(name string) {
	c.t.Helper()
	listed := c.listed.find(c.universe, c.file, name, true)
	if listed == nil {
		c.t.Errorf("%s %s: rule %s is not listed, and it is gone by", c.universe, c.file, name)
		return
	}
	listed.used[c.universe] = true
}
