package universe

import (
	"time"

	"acquired/fsm/path"
	"acquired/proto/fault"
)

// Limits of what hangs on a node, which are those of the tree.
const (
	maxAnnotations = 256
	maxSets        = 32
	maxSetRoles    = 256
	maxTag         = 64
	maxText        = 8 << 10
	maxUnique      = 1<<53 - 1
)

// The tags that are not of texts.
const (
	tagClause = "clause"
	tagRole   = "applied-role"
)

// check refuses what a cluster would refuse in any state.
func (n *Node) check(parent bool) error {
	if err := n.checkKind(parent); err != nil {
		return err
	}
	switch {
	case len(n.Roles) > maxAnnotations, len(n.Clauses) > maxAnnotations, len(n.Annotations) > maxAnnotations:
		return fault.Invalid.New("a node has at most %d roles, clauses and annotations each", maxAnnotations)
	}
	if err := n.checkRoles(); err != nil {
		return err
	}
	seen := make(map[uint64]bool)
	for i := range n.Clauses {
		c := &n.Clauses[i]
		if err := c.check(); err != nil {
			return err
		}
		if seen[c.Unique] {
			return fault.Invalid.New("two clauses have the unique %d", c.Unique)
		}
		seen[c.Unique] = c.Unique != 0
	}
	return n.checkTexts()
}

func (n *Node) checkKind(parent bool) error {
	if err := checkTop(n.Path); err != nil {
		return err
	}
	switch {
	case n.Kind != Directory && fixed(n.Path):
		return fault.Invalid.New("it is a directory, as everything at the top, and no %s", n.Kind)
	case n.Kind == Leaf && parent:
		return fault.Invalid.New("it is to be a leaf, and there is something below it")
	case n.Kind == Account && !accountFolder.Covers(n.Path):
		return fault.Invalid.New("accounts are below %s", accountFolder)
	}
	return nil
}

// checkTop refuses paths that are in none of the folders at the top.
func checkTop(p path.Path) error {
	if p == path.Root {
		return nil
	}
	for _, top := range tops {
		if top.Covers(p) {
			return nil
		}
	}
	return fault.Invalid.New("at the top there are only %v", tops)
}

func (n *Node) checkRoles() error {
	seen := make(map[path.Path]bool)
	for _, r := range n.Roles {
		if err := checkRole(r.Role); err != nil {
			return err
		}
		if err := r.check(); err != nil {
			return err
		}
		if seen[r.Role] {
			return fault.Invalid.New("role %s is applied twice", r.Role)
		}
		seen[r.Role] = true
	}
	return nil
}

func (n *Node) checkTexts() error {
	type name struct {
		tag    string
		unique uint64
	}
	seen := make(map[name]bool)
	for i := range n.Annotations {
		a := &n.Annotations[i]
		if err := a.check(); err != nil {
			return err
		}
		if seen[name{a.Tag, a.Unique}] {
			return fault.Invalid.New("two annotations with tag %q have the unique %d", a.Tag, a.Unique)
		}
		seen[name{a.Tag, a.Unique}] = a.Unique != 0
	}
	return nil
}

func checkRole(p path.Path) error {
	if p == roleFolder || !roleFolder.Covers(p) {
		return fault.Invalid.New("a role is a path below %s, not %s", roleFolder, p)
	}
	return nil
}

func (c *Clause) check() error {
	switch {
	case c.Unique > maxUnique:
		return badUnique
	case len(c.Sets) > maxSets:
		return fault.Invalid.New("a clause has at most %d sets of roles, this has %d", maxSets, len(c.Sets))
	case c.End != 0 && !c.EndWidens:
		return fault.Invalid.New("a clause that ends may allow more when it does: it must say end_widens: true")
	}
	for _, set := range c.Sets {
		if len(set) > maxSetRoles {
			return fault.Invalid.New("a set has at most %d roles, this has %d", maxSetRoles, len(set))
		}
		for _, role := range set {
			if err := checkRole(role); err != nil {
				return err
			}
		}
	}
	return c.Period.check()
}

var badUnique = fault.Invalid.New("a unique is a number from 1 to %d", int64(maxUnique))

func (a *Annotation) check() error {
	switch {
	case a.Tag == tagClause, a.Tag == tagRole:
		return fault.Invalid.New("tag %q is for clauses or roles, which have places of their own", a.Tag)
	case !isTag(a.Tag):
		return fault.Invalid.New("tag %.80q: a tag is 1 to %d of a-z, 0-9 and -, and begins with none of -", a.Tag, maxTag)
	case a.Unique > maxUnique:
		return badUnique
	case len(a.Text) > maxText:
		return fault.Invalid.New("a text has at most %d bytes, this has %d", maxText, len(a.Text))
	}
	return a.Period.check()
}

func isTag(tag string) bool {
	ok := len(tag) >= 1 && len(tag) <= maxTag && tag[0] != '-'
	for i := range len(tag) {
		c := tag[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	return ok
}

func (p Period) check() error {
	switch {
	case p.Start < 0 || p.End < 0:
		return fault.Invalid.New("times are not before 1970")
	case p.End != 0 && p.End <= p.Start:
		return fault.Invalid.New("the end %s is not after the start %s", timeText(p.End), timeText(p.Start))
	}
	return nil
}

func timeText(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano) }

// parseTime reads a time of a file, which is after the beginning of 1970 and
// before the year 2262.
func parseTime(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fault.Invalid.New("%.40q is no time: write it as 2026-01-31T12:00:00Z", s)
	}
	if year := t.UTC().Year(); year < 1970 || year > 2261 || t.UnixNano() <= 0 {
		return 0, fault.Invalid.New("%.40q: times are after 1970 and before 2262", s)
	}
	return t.UnixNano(), nil
}
