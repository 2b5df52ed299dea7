// Package universe reads and writes access trees as files, and works out what
// makes a cluster hold what a file says. It also reads assertions about who may
// do what, and checks them. It calls nobody: files and exported nodes go in,
// changes come out.
//
// A file is YAML, or JSON of the same structure when it begins with a brace:
//
//	nodes:
//	  /role/hpe/user:
//	  /user/hpe/alice:
//	    roles: [/role/hpe/user, {role: /role/x, end: 2027-01-01T00:00:00Z}]
//	    annotations:
//	      - {tag: ssh-pubkey, text: ssh-ed25519 AAAA...}
//	  /data/scratch/:
//	    clauses:
//	      - {allow: View, to: everyone}
//	      - {allow: [Read, Write], to: [/role/hpe/user, /role/x]}
//	      - {allow: Admin, to: [[/role/hpe/user], [/role/x]], local: true}
//
// A path is a directory when something is below it in the file, when it is at
// the top, or when it is written with a slash at its end. Otherwise it is an
// account below /account, and a leaf elsewhere. "kind" says it outright:
// directory, leaf or account.
//
// A clause says to whom it allows operations: to everyone, to nobody, to who
// holds a role, to who holds one of several roles (a list), or to who holds a
// role of each of several sets (a list of lists). "local" binds the clause to
// its own node. "unique" is its number on the node; without one it gets the next
// free. "start" and "end" are times as in RFC 3339; a clause that ends says
// "end_widens: true", since more may be allowed when it does.
//
// An applied role has no number in a file: a role is on a node once.
package universe

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/path"
)

// Limits of a file.
const (
	// MaxSize is in bytes.
	MaxSize = 64 << 20
	// MaxNodes is how many nodes a file names.
	MaxNodes = 200_000
)

// Universe is an access tree, or a part of one. The zero value has no nodes.
type Universe struct {
	// Nodes are each there once, ordered by path. The parents of a node need not
	// be among them.
	Nodes []Node
}

// Kind says what a node is.
type Kind uint8

// The kinds of a node.
const (
	// Directory has nodes below it.
	Directory Kind = iota
	// Leaf has none.
	Leaf
	// Account is a node that the ledger makes and no change of the tree does.
	Account
)

var kindNames = [...]string{Directory: "directory", Leaf: "leaf", Account: "account"}

// String gives the name of the kind in the API and in files.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

func parseKind(name string) (Kind, bool) {
	k := slices.Index(kindNames[:], name)
	return Kind(max(k, 0)), k >= 0
}

// Node is a path and what hangs on it.
type Node struct {
	Path path.Path
	Kind Kind
	// Roles are those applied to it, each once, ordered by name.
	Roles []Role
	// Clauses are in the order of the file.
	Clauses []Clause
	// Annotations are the others, in the order of the file.
	Annotations []Annotation
}

// Period is when something holds: log times in nanoseconds since 1970. A Start of
// 0 is always, an End of 0 is never.
type Period struct {
	Start, End int64
}

// Role is a role that is applied to a node.
type Role struct {
	Role path.Path
	Period
}

// Clause restricts an operation to those who hold a role of each set.
type Clause struct {
	// Unique is its number on the node; 0 is the next free one.
	Unique    uint64
	Operation command.Operation
	// Sets are each ordered. None: everybody; a set without roles: nobody.
	Sets [][]path.Path
	// Local binds the clause's own node only; otherwise all below too.
	Local bool
	// EndWidens must be set for a clause that ends.
	EndWidens bool
	Period
}

// Annotation is a text on a node.
type Annotation struct {
	Tag string
	// Unique tells those of one tag apart; 0 is the next free one.
	Unique uint64
	Text   string
	Period
}

// Note is something about a file that its reader should know and that is no
// error.
type Note struct {
	Path path.Path
	Text string
}

// String gives the note as a line.
func (n Note) String() string { return string(n.Path) + ": " + n.Text }

// The folders at the top. They are always directories.
const (
	accountFolder path.Path = "/account"
	roleFolder    path.Path = "/role"
)

var tops = []path.Path{accountFolder, "/data", "/queue", roleFolder, "/user", "/workload"}

// fixed says whether p is the root or at the top: such nodes are not created
// twice and not removed.
func fixed(p path.Path) bool { return p == path.Root || slices.Contains(tops, p) }

// parents gives the paths that have one of the nodes below them.
func parents(nodes []Node) map[path.Path]bool {
	above := make(map[path.Path]bool)
	for i := range nodes {
		for p := nodes[i].Path; p != path.Root; {
			p = p.Parent()
			if above[p] {
				break
			}
			above[p] = true
		}
	}
	return above
}

// defaultKind is the kind of a path of which a file does not say it.
func defaultKind(p path.Path, parent bool) Kind {
	switch {
	case parent || fixed(p):
		return Directory
	case accountFolder.Covers(p):
		return Account
	}
	return Leaf
}

func sortNodes(nodes []Node) {
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(string(a.Path), string(b.Path)) })
}

// normalSet gives the roles of a set in order, each once; no roles are nil.
func normalSet(set []path.Path) []path.Path {
	if len(set) == 0 {
		return nil
	}
	slices.Sort(set)
	return slices.Compact(set)
}
