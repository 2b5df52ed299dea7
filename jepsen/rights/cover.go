package rights

// Tally counts answers.
type Tally struct{ Allowed, Refused int }

func (t *Tally) count(u Use) {
	if u.Allowed {
		t.Allowed++
	} else {
		t.Refused++
	}
}

// Coverage says whether a history had occasion to show an error.
type Coverage struct {
	// Before are the uses that ended before the first fault, During those that
	// began within a fault, After those that began after the last one.
	Before, During, After Tally
	// ByNode, ByKind and ByPrincipal are all of them.
	ByNode, ByKind, ByPrincipal map[string]*Tally
	// Revocations are the turns after which a condition that had held did not.
	Revocations int
	// Felt are those behind which a use was refused that needed the condition, with
	// an index at which it did not hold.
	Felt int
	// Contested are those during which a command was under way that needed the
	// condition, and Raced those of which one was allowed and another refused.
	Contested, Raced int
}

// Cover counts.
func Cover(turns []Turn, uses []Use, faults []Fault) Coverage {
	c := Coverage{ByNode: make(map[string]*Tally), ByKind: make(map[string]*Tally), ByPrincipal: make(map[string]*Tally)}
	needing := make(map[string][]Use)
	for _, u := range uses {
		c.count(u, faults)
		for _, need := range u.Needs {
			needing[need] = append(needing[need], u)
		}
	}
	for condition, turns := range byCondition(turns) {
		for i, t := range turns {
			if t.Holds || i == 0 || !turns[i-1].Holds {
				continue
			}
			c.countRevocation(t, turns[i+1:], needing[condition])
		}
	}
	return c
}

func (c *Coverage) count(u Use, faults []Fault) {
	for key, tallies := range map[string]map[string]*Tally{u.Node: c.ByNode, u.Kind: c.ByKind, u.Principal: c.ByPrincipal} {
		if tallies[key] == nil {
			tallies[key] = new(Tally)
		}
		tallies[key].count(u)
	}
	before, after := true, true
	for _, f := range faults {
		before = before && u.Return < f.From
		after = after && u.Call > f.To
		if u.Call > f.From && u.Call < f.To {
			c.During.count(u)
		}
	}
	switch {
	case len(faults) == 0:
	case before:
		c.Before.count(u)
	case after:
		c.After.count(u)
	}
}

// countRevocation counts a turn behind which there are the later ones.
func (c *Coverage) countRevocation(t Turn, later []Turn, needing []Use) {
	c.Revocations++
	felt, under := false, Tally{}
	for _, u := range needing {
		again := len(later) > 0 && u.Index >= later[0].Index
		felt = felt || !u.Allowed && u.Index >= t.Index && !again
		if u.Write && u.Call < t.Return && u.Return > t.Call {
			under.count(u)
		}
	}
	if felt {
		c.Felt++
	}
	if under != (Tally{}) {
		c.Contested++
	}
	if under.Allowed > 0 && under.Refused > 0 {
		c.Raced++
	}
}
