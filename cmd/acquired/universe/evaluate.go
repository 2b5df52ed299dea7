package universe

import (
	"slices"
	"strings"

	"acquired/fsm/path"
	"acquired/proto/fault"
)

// Oracle is what assertions are checked against: a cluster, or a machine that a
// file was loaded into. It must be asked as somebody who sees everything, and
// give the same answers from first to last.
type Oracle struct {
	// Principals gives the principals at and below a path, in order; "" is all.
	Principals func(under string) ([]string, error)
	// Paths gives the nodes at and below a path, in order; none if there is none.
	Paths func(under string) ([]string, error)
	// Check says for each path, in order, what the principal may do there: bit i is
	// for operation i. Paths times operations are at most MaxChecks.
	Check func(principal string, operations []string, paths []string) ([]uint32, error)
}

// MaxChecks is how many paths times operations a Check asks about.
const MaxChecks = 10_000

// MaxCounterexamples is how many of them a Result holds.
const MaxCounterexamples = 10

// Result says whether an assertion holds.
type Result struct {
	Assertion Assertion
	Passed    bool
	// Err is why it cannot be told: a fault.NotFound for names and paths that do not
	// exist, a fault.Invalid for names that several principals have.
	Err error
	// Counterexamples are the first of those that speak against it, Count says how
	// many there are.
	Counterexamples []Counterexample
	Count           int
}

// Counterexample is a principal that may do something, or may not.
type Counterexample struct {
	// Principal is empty when it is that nobody may.
	Principal string
	Operation string
	Path      string
	Allowed   bool
}

// String gives the counterexample as a sentence.
func (c Counterexample) String() string {
	who, verb := c.Principal, " may not "
	if c.Allowed {
		verb = " may "
	}
	if who == "" {
		who, verb = "nobody", " may "
	}
	return who + verb + c.Operation + " " + c.Path
}

// Evaluate checks the assertions, in order. What does not exist fails its
// assertion. The error is one of the oracle, and says nothing of the assertions.
func Evaluate(assertions []Assertion, o Oracle) ([]Result, error) {
	e := evaluator{oracle: o, paths: map[path.Path][]string{}}
	var err error
	if e.principals, err = o.Principals(""); err != nil {
		return nil, err
	}
	e.known = make(map[string]bool, len(e.principals))
	for _, p := range e.principals {
		e.known[p] = true
	}
	results := make([]Result, len(assertions))
	for i := range assertions {
		if results[i], err = e.evaluate(&assertions[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

type evaluator struct {
	oracle Oracle
	// principals are all, in order.
	principals []string
	known      map[string]bool
	// paths keeps what was asked for: files speak of the same paths again and again.
	paths map[path.Path][]string
}

func (e *evaluator) evaluate(a *Assertion) (Result, error) {
	res := Result{Assertion: *a}
	t := tally{assertion: a, res: &res}
	for _, o := range a.operations {
		t.operations = append(t.operations, o.String())
	}
	if err := e.findTargets(&t); err != nil || res.Err != nil {
		return res, err
	}
	if err := e.findSubjects(&t); err != nil || res.Err != nil {
		return res, err
	}
	if a.who == somebody {
		t.allowed = make([]uint32, len(t.targets))
	}
	for _, subject := range t.subjects {
		if err := t.ask(e.oracle, subject); err != nil {
			return res, err
		}
	}
	t.finish()
	res.Passed = res.Count == 0
	return res, nil
}

// findTargets finds the paths of which the assertion speaks.
func (e *evaluator) findTargets(t *tally) error {
	target := t.assertion.target
	t.targets = []string{string(target)}
	if !t.assertion.below && target == path.Root {
		return nil
	}
	all, err := e.find(t, target)
	if t.assertion.below {
		t.targets = all
	}
	return err
}

// find gives the nodes at and below a path, of which there must be one.
func (e *evaluator) find(t *tally, under path.Path) ([]string, error) {
	all, ok := e.paths[under]
	if !ok {
		var err error
		if all, err = e.oracle.Paths(string(under)); err != nil {
			return nil, err
		}
		e.paths[under] = all
	}
	if len(all) == 0 {
		t.res.Err = fault.NotFound.New("nothing at %s", under).With("path", string(under))
	}
	return all, nil
}

// findSubjects finds the principals to ask about.
func (e *evaluator) findSubjects(t *tally) error {
	a := t.assertion
	t.subjects = e.principals
	switch {
	case a.who == byName, a.who == only:
		e.choose(t)
		return nil
	case a.scope.IsZero():
		return nil
	}
	if _, err := e.find(t, a.scope); err != nil {
		return err
	}
	t.subjects = nil
	for _, p := range e.principals {
		if a.scope.Covers(path.Path(p)) != a.outside {
			t.subjects = append(t.subjects, p)
		}
	}
	return nil
}

// choose finds the principals that the assertion names.
func (e *evaluator) choose(t *tally) {
	t.chosen = make(map[string]bool)
	for _, name := range t.assertion.names {
		p, err := e.resolve(name)
		if err != nil {
			t.res.Err = err
			return
		}
		t.chosen[p] = true
		if t.assertion.who == byName {
			t.subjects = []string{p}
		}
	}
}

// resolve gives the principal of a path or of a last segment.
func (e *evaluator) resolve(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		if !e.known[name] {
			return "", fault.NotFound.New("no principal %s", name).With("path", name)
		}
		return name, nil
	}
	var found []string
	for _, p := range e.principals {
		if path.Path(p).Base() == name {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return "", fault.NotFound.New("no principal is called %s", name)
	case 1:
		return found[0], nil
	}
	return "", fault.Invalid.New("%d principals are called %s, such as %s and %s: write the path", len(found), name, found[0], found[1])
}

// tally counts what speaks against one assertion.
type tally struct {
	assertion  *Assertion
	res        *Result
	operations []string
	targets    []string
	subjects   []string
	// chosen are those of "only", who are to be allowed what others are not.
	chosen map[string]bool
	// allowed is what somebody may, for each target.
	allowed []uint32
}

// ask asks what one principal may.
func (t *tally) ask(o Oracle, principal string) error {
	first := 0
	for part := range slices.Chunk(t.targets, MaxChecks/len(t.operations)) {
		masks, err := o.Check(principal, t.operations, part)
		if err != nil {
			return err
		}
		if len(masks) != len(part) {
			return fault.Internal.New("%d answers for %d paths", len(masks), len(part))
		}
		for i, mask := range masks {
			t.count(principal, first+i, mask)
		}
		first += len(part)
	}
	return nil
}

func (t *tally) count(principal string, target int, mask uint32) {
	if t.assertion.who == somebody {
		t.allowed[target] |= mask
		return
	}
	want := t.wanted(principal)
	for i, o := range t.operations {
		if allowed := mask&(1<<i) != 0; allowed != want {
			t.against(Counterexample{Principal: principal, Operation: o, Path: t.targets[target], Allowed: allowed})
		}
	}
}

// wanted says whether the principal is to be allowed or not.
func (t *tally) wanted(principal string) bool {
	switch t.assertion.who {
	case nobody:
		return false
	case only:
		return t.chosen[principal]
	}
	return !t.assertion.not
}

// finish counts what nobody may and somebody is to.
func (t *tally) finish() {
	for target, mask := range t.allowed {
		for i, o := range t.operations {
			if mask&(1<<i) == 0 {
				t.against(Counterexample{Operation: o, Path: t.targets[target]})
			}
		}
	}
}

func (t *tally) against(c Counterexample) {
	t.res.Count++
	if len(t.res.Counterexamples) < MaxCounterexamples {
		t.res.Counterexamples = append(t.res.Counterexamples, c)
	}
}
