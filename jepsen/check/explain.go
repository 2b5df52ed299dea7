package check

import (
	"fmt"
	"time"
)

// What a person is shown is bounded.
const (
	maxFindings          = 20
	maxFindingsOfCounter = 2
)

// explain says of which answers it is plain that they cannot be right. It finds
// nothing in a history that is linearizable; of one that is not, it may find
// nothing either.
func explain(operations []Operation) (findings []string) {
	byCounter := make(map[string][]Operation)
	var names []string
	for _, o := range operations {
		if o.Outcome == Wrong {
			findings = append(findings, fmt.Sprintf("%s: %s", o, o.Reason))
		}
		if byCounter[o.Counter] == nil {
			names = append(names, o.Counter)
		}
		byCounter[o.Counter] = append(byCounter[o.Counter], o)
	}
	for _, name := range names {
		findings = append(findings, explainCounter(byCounter[name])...)
	}
	return findings[:min(len(findings), maxFindings)]
}

// explainCounter gives at most one finding for each of the first reads that are
// wrong.
func explainCounter(operations []Operation) (findings []string) {
	for _, read := range operations {
		if read.Kind != Read || read.Outcome != OK {
			continue
		}
		if finding := explainRead(read, operations); finding != "" {
			findings = append(findings, finding)
		}
		if len(findings) == maxFindingsOfCounter {
			break
		}
	}
	return findings
}

// explainRead says what of all that was done to the counter the read is at odds
// with, or gives "".
func explainRead(read Operation, operations []Operation) string {
	unexplained := read.Value
	for _, o := range operations {
		if finding := contradiction(read, o); finding != "" {
			return finding
		}
		if o.Kind == Add {
			unexplained -= times(read.Value, o.Amount) * o.Amount
		}
	}
	if unexplained != 0 {
		return fmt.Sprintf("%s: it holds %s, which nobody added", read, describe(unexplained))
	}
	return ""
}

// contradiction says why the read and the other operation, on the same counter,
// cannot both be true, or gives "".
func contradiction(read, o Operation) string {
	if o.Kind == Read {
		if o.Outcome == OK && o.Return < read.Call && read.Value&o.Value != o.Value {
			return fmt.Sprintf("%s: %s before had seen more", read, o)
		}
		return ""
	}
	switch held := times(read.Value, o.Amount); {
	case held > 1:
		return fmt.Sprintf("%s: it holds %s %d times", read, o, held)
	case held == 0 && o.Outcome == OK && o.Return < read.Call:
		return fmt.Sprintf("%s: it lacks %s, which was acknowledged %s before the read was sent", read, o, (read.Call - o.Return).Round(time.Microsecond))
	case held == 1 && o.Outcome == Failed:
		return fmt.Sprintf("%s: it holds %s, which was said not to be applied", read, o)
	case held == 1 && o.Call > read.Return:
		return fmt.Sprintf("%s: it holds %s, which was made later", read, o)
	}
	return ""
}

// String says what the operation was, where, when and what came of it.
func (o Operation) String() string {
	at := fmt.Sprintf("%s %s (%s to %s)", o.Node, o.Counter, o.Call.Round(time.Microsecond), o.Return.Round(time.Microsecond))
	if o.Kind == Read {
		return fmt.Sprintf("read %s at %s", describe(o.Value), at)
	}
	return fmt.Sprintf("add #%d at %s, %s", numberOf(o.Amount), at, o.Outcome)
}
