package acl

import (
	"iter"
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
)

// demand is what a principal must hold to do some operations somewhere. It finds
// those who do by the roles it names, not by asking everybody.
type demand struct {
	r   kv.Reader
	now int64
	// policies must all be met; one that is nil is met by nobody.
	policies []*policy.Policy
	// sets are the role sets that the policies are made of. The last are of clauses
	// far down, which fewer tend to meet: those are tried first.
	sets [][]path.Path
}

// demandOf gives the demand of the operations at the path, where there is a node;
// with below, at what is below it and has no clauses.
func demandOf(r kv.Reader, now int64, p path.Path, below bool, operations ...command.Operation) demand {
	d := demand{r: r, now: now}
	rights := rightsOf(r, tree.Find(r, p), now)
	if below {
		rights = rights.Below
	}
	for _, o := range operations {
		d.policies = append(d.policies, rights.Self[o])
		for _, c := range governing(r, now, o, p) {
			if !below || !c.Local {
				d.sets = append(d.sets, c.Sets...)
			}
		}
	}
	return d
}

// metBy says whether the node is a principal that meets the demand.
func (d *demand) metBy(n *tree.Node) bool {
	if !identity.IsPrincipal(n) {
		return false
	}
	held := identity.Held(d.r, n, d.now)
	for _, p := range d.policies {
		if !held.Meets(p) {
			return false
		}
	}
	return true
}

// How many nodes at which a set is held are looked at before another set is
// tried: at first, and at most.
const (
	fewHolders  = 16
	manyHolders = 1 << 14
)

// met says whether there is a principal that meets the demand.
func (d *demand) met() bool {
	met, decided := d.search(manyHolders)
	if decided {
		return met
	}
	for _, top := range []path.Path{tree.Users, tree.Workloads} {
		for n := range tree.Descendants(d.r, top, "") {
			if d.metBy(n) {
				return true
			}
		}
	}
	return false
}

// search is met, as far as it can be decided by looking at no more than most of
// the nodes at which a set is held.
func (d *demand) search(most int) (met, decided bool) {
	if slices.Contains(d.policies, nil) {
		return false, true
	}
	for some := fewHolders; some <= most; some *= 4 {
		for _, set := range slices.Backward(d.sets) {
			seen := 0
			for n := range d.holders(set) {
				if d.metBy(n) {
					return true, true
				}
				if seen++; seen == some {
					break
				}
			}
			if seen < some {
				return false, true // nobody else holds any of the set
			}
		}
	}
	return false, false
}

// holders gives the nodes that may hold a role of the set, among them all
// principals that do. A node may come again.
func (d *demand) holders(set []path.Path) iter.Seq[*tree.Node] {
	return func(yield func(*tree.Node) bool) {
		for _, role := range set {
			for p := range identity.AppliedTo(d.r, role) {
				if !mayHold(p) {
					continue
				}
				for n := range tree.Subtree(d.r, p, "") {
					if !yield(n) {
						return
					}
				}
			}
		}
	}
}

// mayHold says whether a role that is applied to the path is held by principals.
func mayHold(p path.Path) bool { return tree.Users.Covers(p) || tree.Workloads.Covers(p) }

// principals gives those who meet the demand, at and below under, in order,
// beginning behind after.
func (d *demand) principals(under, after path.Path) iter.Seq[path.Path] {
	return func(yield func(path.Path) bool) {
		if slices.Contains(d.policies, nil) {
			return
		}
		for _, top := range d.tops(under) {
			behind := after
			if top > after {
				behind = "" // the top itself is still to come
			}
			for n := range tree.Subtree(d.r, top, behind) {
				if d.metBy(n) && !yield(n.Path) {
					return
				}
			}
		}
	}
}

// tops gives paths at and below which all are that meet the demand. What is at and
// below one comes before what is at and below the next, principals only.
func (d *demand) tops(under path.Path) []path.Path {
	all := []path.Path{tree.Users, tree.Workloads}
	if set, ok := d.narrowest(); ok {
		all = all[:0]
		for _, role := range set {
			for p := range identity.AppliedTo(d.r, role) {
				if mayHold(p) {
					all = append(all, p)
				}
			}
		}
	}
	all = narrowed(uncovered(all), under)
	slices.SortFunc(all, func(a, b path.Path) int { return strings.Compare(d.firstOf(a), d.firstOf(b)) })
	return all
}

// firstOf gives where the principals at and below the path begin: at a leaf
// itself, but behind a directory. "/a-b" is between "/a" and "/a/b".
func (d *demand) firstOf(p path.Path) string {
	if n := tree.Find(d.r, p); n != nil && n.Kind == tree.Leaf {
		return string(p)
	}
	return string(p) + "/"
}

// narrowest gives the set that is held by the fewest; ok is false when all are
// held by so many that it is as well to ask everybody.
func (d *demand) narrowest() (set []path.Path, ok bool) {
	for most := fewHolders; most <= manyHolders; most *= 4 {
		for _, set := range slices.Backward(d.sets) {
			seen := 0
			for range d.holders(set) {
				if seen++; seen == most {
					break
				}
			}
			if seen < most {
				return set, true
			}
		}
	}
	return nil, false
}
