package universe

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// Limits of a file of assertions.
const (
	// MaxAssertionsSize is in bytes.
	MaxAssertionsSize = 1 << 20
	// MaxAssertions is how many a file has.
	MaxAssertions = 10_000
)

// Assertion is a statement about who may do what, such as
//
//	/user/hpe/alice may READ /data/x
//	alice may not READ,WRITE /data/hpe/**
//	nobody may ADMIN /role/admin
//	nobody outside /user/hpe may VIEW /data/hpe/**
//	everybody under /user/hpe may VIEW /data/hpe
//	somebody may ADMIN /
//	only /user/a /workload/b may SPEND /account/x
//
// Who is named must be a principal: its path, or its last segment where no other
// principal has the same. A path with "/**" behind it stands for itself and all
// below. It holds of a principal, and of "everybody", when all the operations
// are allowed on all the paths; with "not", and of "nobody", when none is;
// "somebody" for each operation and path has somebody, not always the same; and
// "only" is that those named may do all and that nobody else may do any of it.
type Assertion struct {
	// Line is where it is in its file, from 1.
	Line int
	// Text is the assertion as it was written, without a comment.
	Text string

	who        quantity
	not        bool
	names      []string  // of those named
	scope      path.Path // of nobody, everybody and somebody; no path is all
	outside    bool      // all but those of the scope
	operations []command.Operation
	target     path.Path
	below      bool
}

// quantity is of whom an assertion speaks.
type quantity uint8

const (
	byName quantity = iota
	nobody
	everybody
	somebody
	only
)

var quantities = map[string]quantity{"nobody": nobody, "everybody": everybody, "somebody": somebody, "only": only}

// ParseAssertions reads a file of assertions, one on each line. What follows a "#"
// is a comment. The error is a fault.Invalid that says the line; name is what it
// calls the file.
func ParseAssertions(data []byte, name string) ([]Assertion, error) {
	if len(data) > MaxAssertionsSize {
		return nil, fault.Invalid.New("%s has %d bytes, at most %d are read", name, len(data), MaxAssertionsSize)
	}
	var all []Assertion
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		text, _, _ := strings.Cut(line, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(all) == MaxAssertions {
			return nil, fault.Invalid.New("%s:%d: a file has at most %d assertions", name, number, MaxAssertions)
		}
		a := Assertion{Line: number, Text: strings.Join(words, " ")}
		if err := a.parse(words); err != nil {
			return nil, fault.Invalid.New("%s:%d: %s", name, number, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func (a *Assertion) parse(words []string) error {
	may := slices.Index(words, "may")
	if may < 1 {
		return fault.Invalid.New("an assertion is: who may [not] operations path")
	}
	if err := a.parseWho(words[:may]); err != nil {
		return err
	}
	rest := words[may+1:]
	if len(rest) > 0 && rest[0] == "not" {
		a.not, rest = true, rest[1:]
	}
	if a.not && a.who != byName {
		return fault.Invalid.New("%q does not go with \"may not\": say \"nobody may\", or name a principal", words[0])
	}
	if len(rest) < 2 {
		return fault.Invalid.New("an assertion ends with operations and a path")
	}
	if err := a.parseOperations(strings.Join(rest[:len(rest)-1], " ")); err != nil {
		return err
	}
	return a.parseTarget(rest[len(rest)-1])
}

func (a *Assertion) parseWho(words []string) error {
	a.who = quantities[words[0]] // a name is none of them
	switch {
	case a.who == only:
		return a.parseNames(strings.Fields(strings.ReplaceAll(strings.Join(words[1:], " "), ",", " ")))
	case a.who == byName && len(words) > 1:
		return fault.Invalid.New("%.80q: name one principal, or say nobody, everybody, somebody, or only and several", strings.Join(words, " "))
	case a.who == byName:
		return a.parseNames(words)
	case len(words) == 1:
		return nil
	case len(words) != 3 || words[1] != "under" && words[1] != "outside":
		return fault.Invalid.New("behind %q goes \"under\" or \"outside\" and a path, or nothing", words[0])
	}
	a.outside = words[1] == "outside"
	scope, err := path.Parse(words[2])
	if err == nil && scope != path.Root && !holdsPrincipals(scope) {
		err = fault.Invalid.New("principals are below /user and /workload, not %s", scope)
	}
	a.scope = scope
	return err
}

// holdsPrincipals says whether principals may be at or below the path, other than the
// root.
func holdsPrincipals(p path.Path) bool { return p.Under("/user") || p.Under("/workload") }

func (a *Assertion) parseNames(names []string) error {
	if len(names) == 0 {
		return fault.Invalid.New("behind \"only\" go those who may")
	}
	for _, name := range names {
		bare := !strings.Contains(name, "/")
		full := name
		if bare {
			full = "/user/" + name
		}
		p, err := path.Parse(full)
		switch {
		case err != nil:
			return err
		case !holdsPrincipals(p) || p.Depth() < 2:
			return fault.Invalid.New("%s is no principal: those are below /user and /workload", p)
		case !bare:
			name = string(p)
		}
		a.names = append(a.names, name)
	}
	return nil
}

func (a *Assertion) parseOperations(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		o, err := command.ParseOperation(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		if !slices.Contains(a.operations, o) {
			a.operations = append(a.operations, o)
		}
	}
	return nil
}

func (a *Assertion) parseTarget(name string) (err error) {
	const all = "/**"
	if a.below = strings.HasSuffix(name, all); a.below {
		name = name[:len(name)-len(all)]
		if name == "" {
			name = "/"
		}
	}
	a.target, err = path.Parse(name)
	return err
}
