package tree

import (
	"cmp"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// Clause restricts an operation to those who hold a role of each of its sets. No
// sets: everybody; a set without roles: nobody.
type Clause struct {
	Header
	Operation command.Operation
	// Local binds the clause's own node only; otherwise it binds all below too.
	Local bool
	// EndWidens says that who wrote the clause knows that its end may allow more.
	EndWidens bool
	Sets      [][]path.Path
}

// Limits of a clause.
const (
	MaxSets     = 32
	MaxSetRoles = 256
)

// clauses is those of a node.
type clauses struct {
	path path.Path
	all  []Clause
}

var clauseTable = kv.NewHashed(&Schema, "tree/clause", kv.Codec[clauses]{Append: appendClauses, Decode: decodeClauses},
	func(c clauses) path.Path { return c.path }, 0)

var clausesByRole = kv.NewIndex(&Schema, clauseTable, "tree/clause_by_role", func(c clauses, add func(path.Path)) {
	for _, role := range rolesOf(c.all) {
		add(role)
	}
})

// rolesOf gives the roles that the clauses name, in order, each once.
func rolesOf(all []Clause) (roles []path.Path) {
	for _, c := range all {
		for _, set := range c.Sets {
			roles = append(roles, set...)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func appendClauses(b []byte, c clauses) []byte {
	b = kv.AppendString(b, c.path)
	b = kv.AppendUint(b, uint64(len(c.all)))
	for _, one := range c.all {
		b = AppendHeader(b, one.Header)
		b = kv.AppendUint(b, uint64(one.Operation))
		b = kv.AppendBool(b, one.Local)
		b = kv.AppendBool(b, one.EndWidens)
		b = kv.AppendUint(b, uint64(len(one.Sets)))
		for _, set := range one.Sets {
			b = kv.AppendUint(b, uint64(len(set)))
			for _, role := range set {
				b = kv.AppendString(b, role)
			}
		}
	}
	return b
}

func decodeClauses(b []byte) (clauses, error) {
	d := kv.NewDecoder(b)
	c := clauses{path: path.Path(d.String())}
	for range min(d.Uint(), MaxAnnotations) {
		one := Clause{Header: DecodeHeader(&d), Operation: command.Operation(d.Uint()), Local: d.Bool(), EndWidens: d.Bool()}
		for range min(d.Uint(), MaxSets) {
			set := []path.Path{}
			for range min(d.Uint(), MaxSetRoles) {
				set = append(set, path.Path(d.String()))
			}
			one.Sets = append(one.Sets, set)
		}
		c.all = append(c.all, one)
	}
	return c, d.Err()
}

// Clauses gives the clauses on a node, also those that have ended or are to
// begin, ordered by unique. Nobody may change the slice.
func Clauses(r kv.Reader, p path.Path) []Clause {
	c, _ := clauseTable.Get(r, p)
	return c.all
}

// ClausesStamp changes whenever a clause of the tree does: see kv.Table.Stamp.
func ClausesStamp(r kv.Reader) uint64 { return clauseTable.Stamp(r) }

// ClausesBelow gives the paths below the path on which clauses hang, in order.
func ClausesBelow(r kv.Reader, of path.Path) func(yield func(path.Path) bool) {
	return func(yield func(path.Path) bool) {
		for c := range clauseTable.From(r, path.Path(below(of))) {
			if c.path == path.Root {
				continue
			}
			if !of.Covers(c.path) || !yield(c.path) {
				return
			}
		}
	}
}

// ClausesNaming gives the paths on which clauses name the role, in order.
func ClausesNaming(r kv.Reader, role path.Path) func(yield func(path.Path) bool) {
	return func(yield func(path.Path) bool) {
		for c := range clausesByRole.Scan(r, role, nil, false) {
			if !yield(c.path) {
				return
			}
		}
	}
}

// PutClause writes a clause. A unique of 0 is the next free one on the node. It
// gives the header that was written.
func PutClause(tx *command.Tx, p path.Path, c Clause, ifVersion int64) (Header, error) {
	if c.End != 0 && !c.EndWidens {
		return Header{}, fault.Invalid.New("a clause that ends may allow more when it does: it must say so")
	}
	if err := CheckSets(len(c.Sets), func(i int) int { return len(c.Sets[i]) }); err != nil {
		return Header{}, err
	}
	of, _ := clauseTable.Get(tx, p)
	all, at, err := Place(of.all, c, clauseHeader, compareClauses, ifVersion, tx.Time)
	if err != nil {
		return Header{}, err
	}
	clauseTable.Put(tx.Tx, clauses{p, all})
	return all[at].Header, NoteBoundaries(tx, all[at].Header)
}

// RemoveClause removes a clause.
func RemoveClause(tx *command.Tx, p path.Path, unique uint64, ifVersion int64) error {
	of, _ := clauseTable.Get(tx, p)
	all, err := Displace(of.all, Clause{Header: Header{Unique: unique}}, clauseHeader, compareClauses, ifVersion, tx.Time)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		clauseTable.Delete(tx.Tx, p)
		return nil
	}
	clauseTable.Put(tx.Tx, clauses{p, all})
	return nil
}

// CheckSets refuses a clause of too many role sets, or with a set of too many
// roles. size gives how many roles a set has.
func CheckSets(sets int, size func(i int) int) error {
	if sets > MaxSets {
		return fault.Invalid.New("a clause has at most %d role sets, this has %d", MaxSets, sets)
	}
	for i := range sets {
		if size(i) > MaxSetRoles {
			return fault.Invalid.New("a set of a clause has at most %d roles, this has %d", MaxSetRoles, size(i))
		}
	}
	return nil
}

func clauseHeader(c *Clause) *Header { return &c.Header }

// compareClauses orders by unique alone: there is one tag.
func compareClauses(a, b *Clause) int { return cmp.Compare(a.Unique, b.Unique) }
