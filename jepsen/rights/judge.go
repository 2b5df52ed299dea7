package rights

import (
	"cmp"
	"fmt"
	"slices"
)

// Judge gives what in the answers contradicts the turns; nothing if all is well.
//
// A use that was allowed must be so at an index at which all that it needs held;
// one that was refused, with an index, must be so at an index at which something of
// it did not. A command that lies in the entry of a turn may have met the state
// before or after it. A use that is to be current must not be answered from an
// index before a turn that had been answered when it began.
func Judge(turns []Turn, uses []Use) (findings []string) {
	conditions := byCondition(turns)
	for _, u := range uses {
		if finding := judge(conditions, u); finding != "" {
			findings = append(findings, finding)
		}
	}
	return findings
}

// byCondition gives the turns of each condition in the order of the log.
func byCondition(turns []Turn) map[string][]Turn {
	conditions := make(map[string][]Turn)
	for _, t := range turns {
		conditions[t.Condition] = append(conditions[t.Condition], t)
	}
	for _, of := range conditions {
		slices.SortStableFunc(of, func(a, b Turn) int { return cmp.Compare(a.Index, b.Index) })
	}
	return conditions
}

func judge(conditions map[string][]Turn, u Use) string {
	if u.Index == 0 {
		if u.Allowed {
			return fmt.Sprintf("%s was allowed, and the answer has no index", u)
		}
		return ""
	}
	entitled := true
	for _, need := range u.Needs {
		may, must := held(conditions[need], u)
		if u.Allowed && !may {
			return fmt.Sprintf("%s was allowed at index %d, where %q does not hold: %s", u, u.Index, need, around(conditions[need], u.Index))
		}
		entitled = entitled && must
		if late := overlooked(conditions[need], u); late != nil {
			return fmt.Sprintf("%s was answered from index %d, although the turn of %q at index %d had been answered before it began",
				u, u.Index, need, late.Index)
		}
	}
	if !u.Allowed && entitled {
		return fmt.Sprintf("%s was refused at index %d, where all of %q hold", u, u.Index, u.Needs)
	}
	return ""
}

// held says whether the condition may have held in the state that the use met,
// and whether it must have.
func held(turns []Turn, u Use) (may, must bool) {
	before := false
	var within []bool
	for _, t := range turns {
		switch {
		case t.Index < u.Index:
			before = t.Holds
		case t.Index == u.Index:
			within = append(within, t.Holds)
		}
	}
	possible := within
	if u.Write || len(within) == 0 {
		possible = append(possible, before)
	}
	return slices.Contains(possible, true), !slices.Contains(possible, false)
}

// overlooked gives a turn that the use should have been answered behind.
func overlooked(turns []Turn, u Use) *Turn {
	for i, t := range turns {
		if u.Current && t.Return < u.Call && t.Index > u.Index {
			return &turns[i]
		}
	}
	return nil
}

// around tells the last turns up to the index and the first behind it.
func around(turns []Turn, index uint64) (text string) {
	next, _ := slices.BinarySearchFunc(turns, index+1, func(t Turn, i uint64) int { return cmp.Compare(t.Index, i) })
	for _, t := range turns[max(0, next-2):min(len(turns), next+1)] {
		text += fmt.Sprintf(" [%d: %t]", t.Index, t.Holds)
	}
	return text
}

// String says who did what where.
func (u Use) String() string {
	return fmt.Sprintf("%s of %s at %s from %s to %s", u.Kind, u.Principal, u.Node, u.Call, u.Return)
}
