// Package check records what processes did to counters of a cluster, and judges
// whether one counter each, changed by one operation at a time, would explain
// what they were told: whether the history is linearizable.
//
// A counter is an account: to add is to transfer to it, to read is to ask for
// its balance at the freshness "latest". Every addition to a counter has an
// amount of its own, see Amount, so that a value tells which additions it holds
// and how often. It is the reads that show what went wrong; a history without
// reads that overlap additions shows nothing, so count them: see Cover.
package check

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is what Judge found.
type Verdict struct {
	// Counters and Operations are how many were judged: failed operations are
	// not among them.
	Counters, Operations int
	// Unknown is how many of them are additions of unknown outcome.
	Unknown int
	// Result is whether there is an order that explains everything. That it was
	// not found in time is no pass.
	Result porcupine.CheckResult
	// Findings say in words what no order explains, as far as it can be told from
	// two operations; at most 20.
	Findings []string

	model  porcupine.Model
	orders porcupine.LinearizationInfo
}

// Judge looks, for each counter, for an order of the operations that explains
// them, for at most the time given; 0 is no limit. Faults are for the picture.
func Judge(operations []Operation, faults []Fault, limit time.Duration) *Verdict {
	v := &Verdict{model: counters, Findings: explain(operations)}
	var judged []porcupine.Operation
	names := make(map[string]bool)
	for _, o := range operations {
		p, ok := judgeable(o)
		if !ok {
			continue
		}
		if p.Return == math.MaxInt64 {
			v.Unknown++
		}
		names[o.Counter] = true
		judged = append(judged, p)
	}
	v.Counters, v.Operations = len(names), len(judged)
	v.Result, v.orders = porcupine.CheckOperationsVerbose(v.model, judged, limit)
	for _, f := range faults {
		v.orders.AddAnnotations([]porcupine.Annotation{{
			Tag: f.Node, Start: int64(f.From), End: int64(f.To), Description: f.What,
		}})
	}
	return v
}

// judgeable gives the operation as the search has it, unless it says nothing:
// an addition that did not happen, or a read without an answer. An addition of
// unknown outcome may happen at any time after its call, or never, which is the
// same as after everything else.
func judgeable(o Operation) (p porcupine.Operation, ok bool) {
	p = porcupine.Operation{ClientId: o.Process, Input: o, Output: o.Value, Call: int64(o.Call), Return: int64(o.Return)}
	switch {
	case o.Outcome == OK:
		return p, true
	case o.Kind == Add && (o.Outcome == Unknown || o.Outcome == ""):
		p.Return = math.MaxInt64
		return p, true
	}
	return p, false
}

// Err is nil only for a history that one counter each explains.
func (v *Verdict) Err() error {
	switch {
	case len(v.Findings) > 0:
		return errors.New(strings.Join(v.Findings, "\n"))
	case v.Result == porcupine.Ok:
		return nil
	case v.Result == porcupine.Unknown:
		return errors.New("no order of the operations was found, nor that there is none, in the time allowed")
	}
	return errors.New("no order of the operations explains what was answered")
}

// Draw writes a page with the operations of every counter and the longest
// orders that explain them.
func (v *Verdict) Draw(path string) error { return porcupine.VisualizePath(v.model, v.orders, path) }

// counters is the model: a number for each name, zero at first.
var counters = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		at := make(map[string]int)
		var parts [][]porcupine.Operation
		for _, p := range history {
			name := p.Input.(Operation).Counter
			i, known := at[name]
			if !known {
				i = len(parts)
				at[name] = i
				parts = append(parts, nil)
			}
			parts[i] = append(parts[i], p)
		}
		return parts
	},
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		if o := input.(Operation); o.Kind == Add {
			return true, state.(uint64) + o.Amount
		}
		return state == output, state
	},
	DescribeOperation: func(input, output any) string {
		o := input.(Operation)
		if o.Kind == Add {
			return fmt.Sprintf("%s: add %s: %s", o.Node, describe(o.Amount), o.Outcome)
		}
		return fmt.Sprintf("%s: read %s", o.Node, describe(output.(uint64)))
	},
	DescribeState: func(state any) string { return describe(state.(uint64)) },
}
