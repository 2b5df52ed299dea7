// Package tree holds the names there are, the nodes of the one tree, and what
// hangs on them: clauses and texts. Package acl says what clauses mean.
package tree

import (
	"strings"
	"sync/atomic"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/proto/fault"
)

// Kind says what a node is.
type Kind uint8

// The kinds are stored: never change one.
const (
	// Directory has children.
	Directory Kind = iota
	// Leaf has none.
	Leaf
	// Account is kept by the ledger, which alone makes and removes it. Like a
	// directory it may have children.
	Account
)

// String gives the name of the kind in the API.
func (k Kind) String() string {
	switch k {
	case Directory:
		return "directory"
	case Leaf:
		return "leaf"
	case Account:
		return "account"
	}
	return "unknown"
}

// Node is a name. The root always exists; every other node has a directory or an
// account as its parent.
type Node struct {
	Path path.Path
	Kind Kind
	// Created is the index of the command that made it.
	Created uint64
	// Born tells the node from all others there ever were, of whatever name: it is
	// Created and, in the lower bits, its place among those made at that index. A node
	// that is removed and made again is another one.
	Born uint64
	// Memo is what readers worked out about the node. It is no part of the state.
	Memo *Memo
}

// Memo is shared by all versions of the state that have the same node: what is in
// it says for which it holds.
type Memo struct {
	Rights atomic.Pointer[policy.Rights]
	Held   atomic.Pointer[policy.Held]
}

// The folders at the top, and the only ones there may be.
const (
	Users     path.Path = "/user"
	Workloads path.Path = "/workload"
	Roles     path.Path = "/role"
	Data      path.Path = "/data"
	Accounts  path.Path = "/account"
	Queues    path.Path = "/queue"
)

var tops = []path.Path{Accounts, Data, Queues, Roles, Users, Workloads}

// MaxNodes is how many nodes a tree may have: all are in memory, at about half a
// KiB each.
const MaxNodes = 1 << 24

// Schema lists the tables of the package.
var Schema kv.Schema

var nodes = kv.NewHashed(&Schema, "tree/node", kv.Codec[Node]{Append: appendNode, Decode: decodeNode},
	func(n Node) path.Path { return n.Path }, 0)

func appendNode(b []byte, n Node) []byte {
	b = kv.AppendString(b, n.Path)
	b = kv.AppendUint(b, uint64(n.Kind))
	b = kv.AppendUint(b, n.Created)
	return kv.AppendUint(b, n.Born)
}

func decodeNode(b []byte) (Node, error) {
	d := kv.NewDecoder(b)
	n := Node{Path: path.Path(d.String()), Kind: Kind(d.Uint()), Created: d.Uint(), Born: d.Uint(), Memo: new(Memo)}
	return n, d.Err()
}

// count is how many there are of what has a limit. Made of the nodes were made at
// the index.
type count struct{ nodes, boundaries, index, made uint64 }

const theCount = kv.StringKey("nodes")

var counts = kv.NewTable(&Schema, "tree/count", kv.Codec[count]{
	Append: func(b []byte, c count) []byte {
		b = kv.AppendUint(kv.AppendUint(b, c.nodes), c.boundaries)
		return kv.AppendUint(kv.AppendUint(b, c.index), c.made)
	},
	Decode: func(b []byte) (count, error) {
		d := kv.NewDecoder(b)
		c := count{nodes: d.Uint(), boundaries: d.Uint(), index: d.Uint(), made: d.Uint()}
		return c, d.Err()
	},
}, func(count) kv.StringKey { return theCount }, kv.Resident)

// root stands for the root until something hangs on it.
var root = &Node{Path: path.Root, Memo: new(Memo)}

// Find gives the node at the path, or nil. Nobody may change it.
func Find(r kv.Reader, p path.Path) *Node {
	if n := nodes.Ref(r, p); n != nil {
		return n
	}
	if p == path.Root {
		return root
	}
	return nil
}

// Nearest gives the node at the path or, if there is none, at the nearest path
// above it that has one.
func Nearest(r kv.Reader, p path.Path) *Node {
	for {
		if n := Find(r, p); n != nil {
			return n
		}
		p = p.Parent()
	}
}

// Count gives how many nodes there are, without the root.
func Count(r kv.Reader) uint64 {
	c, _ := counts.Get(r, theCount)
	return c.nodes
}

// birthBits of Node.Born are its place among those made at one index.
const birthBits = 20

// maxMade is how many nodes may be made at one index.
const maxMade = 1<<birthBits - 1

// IndexOfBirth gives the index at which a node was made of Node.Born.
func IndexOfBirth(born uint64) uint64 { return born >> birthBits }

// bear counts one more node, and gives its Born. It refuses what there is too much of.
func bear(tx *command.Tx) (born uint64, err error) {
	c, _ := counts.Get(tx, theCount)
	if c.index != tx.Index {
		c.index, c.made = tx.Index, 0
	}
	switch {
	case c.nodes >= MaxNodes:
		return 0, fault.Exhausted.New("there are %d nodes, which is the most", c.nodes)
	case c.made >= maxMade:
		return 0, fault.Exhausted.New("%d nodes were made at index %d, which is the most", c.made, c.index)
	}
	c.nodes++
	c.made++
	counts.Put(tx.Tx, c)
	return c.index<<birthBits | c.made, nil
}

// Create makes a node, whose parent must be there and no leaf. It refuses what exists,
// and names at the top that are not among those there may be.
func Create(tx *command.Tx, p path.Path, kind Kind) error {
	if Find(tx, p) != nil {
		return fault.Exists.New("%s exists", p).With("path", string(p))
	}
	parent := Find(tx, p.Parent())
	switch {
	case parent == nil:
		return fault.NotFound.New("nothing at %s, which is to be the parent of %s", p.Parent(), p).With("path", string(p.Parent()))
	case parent.Kind == Leaf:
		return fault.Conflict.New("%s is no directory, so nothing can be below it", parent.Path).With("path", string(parent.Path))
	case parent.Path == path.Root:
		if err := checkTop(p, kind); err != nil {
			return err
		}
	}
	born, err := bear(tx)
	if err != nil {
		return err
	}
	nodes.Insert(tx.Tx, Node{Path: p, Kind: kind, Created: tx.Index, Born: born, Memo: new(Memo)})
	note(tx, Event{What: Created, Path: p})
	return nil
}

func checkTop(p path.Path, kind Kind) error {
	for _, top := range tops {
		if p == top && kind == Directory {
			return nil
		}
	}
	var names []string
	for _, top := range tops {
		names = append(names, string(top))
	}
	return fault.Invalid.New("%s: at the top there are only the directories %s", p, strings.Join(names, ", "))
}

// OpenAccount makes the node of an account, and the directories that are missing
// above it. A directory that is there becomes an account.
func OpenAccount(tx *command.Tx, p path.Path) error {
	if n := Find(tx, p); n != nil && n.Kind == Directory {
		nodes.Put(tx.Tx, Node{Path: p, Kind: Account, Created: n.Created, Born: n.Born, Memo: new(Memo)})
		note(tx, Event{What: Created, Path: p})
		return nil
	}
	if err := createParents(tx, p); err != nil {
		return err
	}
	return Create(tx, p, Account)
}

// CloseAccount takes the node of an account away. If something is below it or hangs
// on it, it becomes a directory.
func CloseAccount(tx *command.Tx, p path.Path) {
	n := Find(tx, p)
	_, hasTexts := texts.Get(tx, p)
	if !hasTexts && len(Clauses(tx, p)) == 0 && !HasChildren(tx, p) {
		Delete(tx, p)
		return
	}
	note(tx, Event{What: Removed, Path: p})
	nodes.Put(tx.Tx, Node{Path: p, Kind: Directory, Created: n.Created, Born: n.Born, Memo: new(Memo)})
}

func createParents(tx *command.Tx, p path.Path) error {
	for above := range p.Parent().Ancestors() {
		if Find(tx, above) != nil {
			continue
		}
		if err := Create(tx, above, Directory); err != nil {
			return err
		}
	}
	return nil
}

// Delete takes a node away, and what hangs on it. Nothing may be below it.
func Delete(tx *command.Tx, p path.Path) {
	note(tx, Event{What: Removed, Path: p})
	nodes.Delete(tx.Tx, p)
	texts.Delete(tx.Tx, p)
	clauseTable.Delete(tx.Tx, p)
	c, _ := counts.Get(tx, theCount)
	c.nodes--
	counts.Put(tx.Tx, c)
}

// Rename gives a node another path, which must be free, and takes what hangs on it
// along. It remains the node it was. Of a subtree, what is above is renamed first.
func Rename(tx *command.Tx, n *Node, to path.Path) {
	nodes.Delete(tx.Tx, n.Path)
	nodes.Insert(tx.Tx, Node{Path: to, Kind: n.Kind, Created: n.Created, Born: n.Born, Memo: new(Memo)})
	if of, ok := texts.Get(tx, n.Path); ok {
		texts.Delete(tx.Tx, n.Path)
		of.path = to
		texts.Put(tx.Tx, of)
	}
	if of, ok := clauseTable.Get(tx, n.Path); ok {
		clauseTable.Delete(tx.Tx, n.Path)
		of.path = to
		clauseTable.Put(tx.Tx, of)
	}
	note(tx, Event{What: Moved, Path: to, From: n.Path})
}
