// Package identity holds what is about principals: the roles applied to them,
// what proofs of theirs count, whom they may be vouched for by, and the keys that
// sign their credentials.
//
// A principal is a leaf below /user or /workload. Roles may also be applied to
// the directories above it.
package identity

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// Commands of the package.
var Commands command.Set

// Schema lists the tables of the package.
var Schema kv.Schema

// IsPrincipalPath says whether the path is below /user or /workload.
func IsPrincipalPath(p path.Path) bool {
	return tree.Users.Covers(p) && p != tree.Users || tree.Workloads.Covers(p) && p != tree.Workloads
}

// IsPrincipal says whether the node is a principal.
func IsPrincipal(n *tree.Node) bool {
	return n != nil && n.Kind == tree.Leaf && IsPrincipalPath(n.Path)
}

// ParsePrincipal reads the path of what may be a principal.
func ParsePrincipal(s string) (path.Path, error) {
	p, err := path.Parse(s)
	if err != nil {
		return "", err
	}
	if !IsPrincipalPath(p) {
		return "", fault.Invalid.New("a principal is a path below %s or %s, not %s", tree.Users, tree.Workloads, p)
	}
	return p, nil
}
