package command_test

import (
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/proto/fault"
)

// TestOperationsKeepTheirNumbers: they are in the records of clauses.
func TestOperationsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	const want = "1 View, 2 Read, 3 Write, 4 Admin, 5 UseRole, 6 ApplyRole, 7 VouchFor, 8 Spend, 9 Submit, 10 Work, 11 Meter"
	var all []string
	for _, o := range command.Operations() {
		all = append(all, fmt.Sprintf("%d %s", uint8(o), o))
		if int(o) >= command.OperationCount {
			t.Errorf("%s is %d, and there are %d", o, o, command.OperationCount)
		}
	}
	if got := strings.Join(all, ", "); got != want {
		t.Errorf("the operations are %s, want %s; a new one goes behind the last", got, want)
	}
}

func TestOperationsComeBack(t *testing.T) {
	t.Parallel()
	for _, o := range command.Operations() {
		for _, name := range []string{o.String(), strings.ToLower(o.String()), strings.ToUpper(o.String())} {
			if got, err := command.ParseOperation(name); err != nil || got != o {
				t.Errorf("ParseOperation(%q) gives %s, %v; want %s", name, got, err, o)
			}
		}
	}
}

func TestParseOperationRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "none", "Anyone", "anyone", "ClusterItself", "Fly", "View ", " View", "Views", "Vie", "View\x00",
		"Wor\u212a",                // a Kelvin sign is a k to who folds cases
		"\u017fpend",               // and a long s an s
		strings.Repeat("x", 1<<16), // the answer does not hold it all
	} {
		got, err := command.ParseOperation(name)
		switch {
		case fault.KindOf(err) != fault.Invalid || got != 0:
			t.Errorf("ParseOperation(%.30q) gives %s, %v; want a fault.Invalid", name, got, err)
		case !strings.HasSuffix(err.Error(), "it is one of View, Read, Write, Admin, UseRole, ApplyRole, VouchFor, Spend, Submit, Work, Meter"):
			t.Errorf("ParseOperation(%.30q) says %.300s", name, err)
		case len(err.Error()) > 300:
			t.Errorf("ParseOperation(%.30q) says %d bytes", name, len(err.Error()))
		}
	}
}

func TestWhatIsNoOperationOfAClause(t *testing.T) {
	t.Parallel()
	for o, want := range map[command.Operation]string{
		0: "none", command.Meter + 1: "none", 0xfd: "none", command.Anyone: "Anyone", command.ClusterItself: "ClusterItself",
	} {
		if got := o.String(); got != want {
			t.Errorf("operation %d is called %s, want %s", uint8(o), got, want)
		}
	}
}
