package universe

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// OpenUnique is the unique of the first of the seven clauses that
// ParseAccessManager hangs on the root; those of the others follow.
const OpenUnique = 9_000_000_000_000_001

// openOperations are those that Access Manager has.
var openOperations = []command.Operation{
	command.View, command.Read, command.Write, command.Admin, command.UseRole, command.ApplyRole, command.VouchFor,
}

// oldFile is what the store of Access Manager holds, as a file.
type oldFile struct {
	Nodes []oldNode `json:"nodes"`
}

type oldNode struct {
	Path         string          `json:"path"`
	Leaf         bool            `json:"leaf"`
	AppliedRoles []string        `json:"applied_roles"`
	ACEs         []oldACE        `json:"aces"`
	Annotations  []oldAnnotation `json:"annotations"`
}

type oldACE struct {
	Operation string     `json:"op"`
	Local     bool       `json:"local"`
	ACLs      [][]string `json:"acls"`
}

type oldAnnotation struct {
	Tag  string `json:"tag"`
	Data string `json:"data"`
}

// ParseAccessManager reads a universe of Access Manager, which allows whatever no
// clause forbids. For the same answers, a clause for each of its operations that
// is met by everybody is added to the root. The error is a fault.Invalid; what
// was changed or is doubtful is noted.
func ParseAccessManager(data []byte) (Universe, []Note, error) {
	if len(data) > MaxSize {
		return Universe{}, nil, fault.Invalid.New("the file has %d bytes, at most %d are read", len(data), MaxSize)
	}
	var file oldFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		at := d.InputOffset()
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = syntax.Offset
		}
		return Universe{}, nil, fault.Invalid.New("line %d: %s", lineAt(data, at), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Universe{}, nil, fault.Invalid.New("line %d: there is more behind the end", lineAt(data, d.InputOffset()))
	}
	if len(file.Nodes) >= MaxNodes {
		return Universe{}, nil, fault.Invalid.New("%d nodes: a file has fewer than %d", len(file.Nodes), MaxNodes)
	}
	var c converter
	if err := c.convert(file.Nodes); err != nil {
		return Universe{}, nil, err
	}
	return c.universe, c.notes, nil
}

func lineAt(data []byte, offset int64) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

// converter makes a universe of one of Access Manager.
type converter struct {
	universe Universe
	notes    []Note
}

func (c *converter) note(p path.Path, text string) {
	c.notes = append(c.notes, Note{Path: p, Text: text})
}

func (c *converter) convert(nodes []oldNode) error {
	for i := range nodes {
		n, err := c.node(&nodes[i])
		if err != nil {
			return fault.Invalid.New("node %.80q: %s", nodes[i].Path, err)
		}
		c.universe.Nodes = append(c.universe.Nodes, n)
	}
	c.openRoot()
	sortNodes(c.universe.Nodes)
	above := parents(c.universe.Nodes)
	for i := range c.universe.Nodes {
		n := &c.universe.Nodes[i]
		if i > 0 && c.universe.Nodes[i-1].Path == n.Path {
			return fault.Invalid.New("node %s is there twice", n.Path)
		}
		if n.Kind == Directory && !above[n.Path] && len(n.Roles) > 0 && n.Path.Depth() > 1 && inPrincipals(n.Path) {
			c.note(n.Path, "holds a role and has nothing below it, and is no principal: it is not marked as a leaf")
		}
		if n.Kind == Leaf && above[n.Path] {
			n.Kind = Directory
			c.note(n.Path, "is marked as a leaf and has something below it: it becomes a directory")
		}
		if err := n.check(above[n.Path]); err != nil {
			return fault.Invalid.New("node %s: %s", n.Path, err)
		}
	}
	c.noteDangling()
	return nil
}

func inPrincipals(p path.Path) bool { return p.Under("/user") || p.Under("/workload") }

func (c *converter) node(old *oldNode) (n Node, err error) {
	if n.Path, err = path.Parse(old.Path); err != nil {
		return n, err
	}
	if old.Leaf {
		n.Kind = Leaf
	}
	if err := c.roles(&n, old.AppliedRoles); err != nil {
		return n, err
	}
	for _, ace := range old.ACEs {
		clause := Clause{Local: ace.Local}
		if clause.Operation, err = command.ParseOperation(ace.Operation); err != nil {
			return n, err
		}
		for _, names := range ace.ACLs {
			set, err := paths(names)
			if err != nil {
				return n, err
			}
			clause.Sets = append(clause.Sets, normalSet(set))
		}
		n.Clauses = append(n.Clauses, clause)
	}
	for _, a := range old.Annotations {
		n.Annotations = append(n.Annotations, Annotation{Tag: a.Tag, Text: a.Data})
		if a.Tag == "principal" || a.Tag == "role" || a.Tag == "data" {
			n.Kind = Leaf // the files that it starts from mark leaves so
		}
	}
	return n, nil
}

func paths(names []string) ([]path.Path, error) {
	all := make([]path.Path, len(names))
	for i, name := range names {
		var err error
		if all[i], err = path.Parse(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (c *converter) roles(n *Node, names []string) error {
	applied, err := paths(names)
	if err != nil {
		return err
	}
	once := normalSet(applied)
	if len(once) < len(names) {
		c.note(n.Path, "has a role twice: it is applied once")
	}
	for _, role := range once {
		n.Roles = append(n.Roles, Role{Role: role})
	}
	return nil
}

// openRoot adds the clauses that allow what no other clause forbids.
func (c *converter) openRoot() {
	nodes := c.universe.Nodes
	at := slices.IndexFunc(nodes, func(n Node) bool { return n.Path == path.Root })
	if at < 0 {
		at, nodes = len(nodes), append(nodes, Node{Path: path.Root})
	}
	var names []string
	for i, o := range openOperations {
		nodes[at].Clauses = append(nodes[at].Clauses, Clause{Unique: OpenUnique + uint64(i), Operation: o})
		names = append(names, o.String())
	}
	c.universe.Nodes = nodes
	c.note(path.Root, "gets clauses that allow "+strings.Join(names, ", ")+" to everyone, as Access Manager does where nothing forbids it")
}

func (c *converter) noteDangling() {
	there := make(map[path.Path]bool)
	for i := range c.universe.Nodes {
		there[c.universe.Nodes[i].Path] = true
	}
	for i := range c.universe.Nodes {
		n := &c.universe.Nodes[i]
		for _, role := range n.named() {
			if !there[role] {
				there[role] = true // say it once
				c.note(n.Path, "names the role "+string(role)+", which does not exist")
			}
		}
	}
}

// named gives the roles that are applied to the node or that its clauses name. A
// role may occur again.
func (n *Node) named() []path.Path {
	var all []path.Path
	for _, r := range n.Roles {
		all = append(all, r.Role)
	}
	for i := range n.Clauses {
		all = append(all, slices.Concat(n.Clauses[i].Sets...)...)
	}
	return all
}
