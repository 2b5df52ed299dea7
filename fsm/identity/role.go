package identity

import (
	"cmp"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// AppliedRole is a role that a node has. It counts on principals and on the
// directories above them; a role on the root is held by nobody.
type AppliedRole struct {
	tree.Header
	Role path.Path
}

// applied is the roles of a node.
type applied struct {
	path path.Path
	all  []AppliedRole
}

var roles = kv.NewHashed(&Schema, "identity/role", kv.Codec[applied]{Append: appendApplied, Decode: decodeApplied},
	func(a applied) path.Path { return a.path }, 0)

var byRole = kv.NewIndex(&Schema, roles, "identity/role_by_name", func(a applied, add func(path.Path)) {
	for _, one := range a.all {
		add(one.Role) // each role is on a node once
	}
})

func appendApplied(b []byte, a applied) []byte {
	b = kv.AppendString(b, a.path)
	b = kv.AppendUint(b, uint64(len(a.all)))
	for _, one := range a.all {
		b = tree.AppendHeader(b, one.Header)
		b = kv.AppendString(b, one.Role)
	}
	return b
}

func decodeApplied(b []byte) (applied, error) {
	d := kv.NewDecoder(b)
	a := applied{path: path.Path(d.String())}
	for range min(d.Uint(), tree.MaxAnnotations) {
		a.all = append(a.all, AppliedRole{Header: tree.DecodeHeader(&d), Role: path.Path(d.String())})
	}
	return a, d.Err()
}

// Applied gives the roles applied to a node, also those that have ended or are to
// begin, ordered by unique. Nobody may change the slice.
func Applied(r kv.Reader, p path.Path) []AppliedRole {
	a, _ := roles.Get(r, p)
	return a.all
}

// AppliedTo gives the paths of the nodes to which the role is applied, in order,
// also where it has ended or is to begin.
func AppliedTo(r kv.Reader, role path.Path) func(yield func(path.Path) bool) {
	return func(yield func(path.Path) bool) {
		for a := range byRole.Scan(r, role, nil, false) {
			if !yield(a.path) {
				return
			}
		}
	}
}

// Apply writes an applied role. A role is applied to a node once.
func Apply(tx *command.Tx, p path.Path, role AppliedRole, ifVersion int64) (tree.Header, error) {
	of, _ := roles.Get(tx, p)
	for _, other := range of.all {
		if other.Role == role.Role && other.Unique != role.Unique && !other.Ended(tx.Time) {
			return tree.Header{}, fault.Exists.New("role %s is applied to %s already, as number %d", role.Role, p, other.Unique)
		}
	}
	if role.Unique != 0 && slices.ContainsFunc(of.all, func(o AppliedRole) bool { return o.Unique == role.Unique && o.Role != role.Role && !o.Ended(tx.Time) }) {
		return tree.Header{}, fault.Conflict.New("number %d on %s is another role; remove that one first", role.Unique, p)
	}
	all, at, err := tree.Place(of.all, role, roleHeader, compareRoles, ifVersion, tx.Time)
	if err != nil {
		return tree.Header{}, err
	}
	put(tx, applied{p, all})
	return all[at].Header, tree.NoteBoundaries(tx, all[at].Header)
}

// Drop removes an applied role.
func Drop(tx *command.Tx, p path.Path, unique uint64, ifVersion int64) error {
	of, _ := roles.Get(tx, p)
	all, err := tree.Displace(of.all, AppliedRole{Header: tree.Header{Unique: unique}}, roleHeader, compareRoles, ifVersion, tx.Time)
	if err != nil {
		return err
	}
	put(tx, applied{p, all})
	return nil
}

// DropAll removes all applied roles of a node.
func DropAll(tx *command.Tx, p path.Path) { roles.Delete(tx.Tx, p) }

// Rename takes the applied roles of a node along to its new path.
func Rename(tx *command.Tx, from, to path.Path) {
	if of, ok := roles.Get(tx, from); ok {
		roles.Delete(tx.Tx, from)
		of.path = to
		roles.Put(tx.Tx, of)
	}
}

func put(tx *command.Tx, a applied) {
	if len(a.all) == 0 {
		roles.Delete(tx.Tx, a.path)
		return
	}
	roles.Put(tx.Tx, a)
}

func roleHeader(a *AppliedRole) *tree.Header { return &a.Header }

// compareRoles orders by unique alone: there is one tag.
func compareRoles(a, b *AppliedRole) int { return cmp.Compare(a.Unique, b.Unique) }
