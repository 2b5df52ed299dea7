package universe

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"acquired/fsm/command"
	"acquired/fsm/path"
)

// kindOpen is the kind of a node of which its file does not say it.
const kindOpen Kind = 0xff

func (p *parser) universe(top *yaml.Node) (Universe, error) {
	var u Universe
	var lines []*yaml.Node
	found := false
	err := p.mapping(top, "a file", field{"nodes", func(n *yaml.Node) (err error) {
		found = true
		u.Nodes, lines, err = p.nodes(n)
		return err
	}})
	if err != nil {
		return Universe{}, err
	}
	if !found {
		return Universe{}, p.errorf(top, "the file has no nodes; they are below \"nodes:\"")
	}
	above := parents(u.Nodes)
	for i := range u.Nodes {
		n := &u.Nodes[i]
		if n.Kind == kindOpen {
			n.Kind = defaultKind(n.Path, above[n.Path])
		}
		if err := n.check(above[n.Path]); err != nil {
			return Universe{}, p.errorf(lines[i], "%s: %w", n.Path, err)
		}
	}
	sortNodes(u.Nodes)
	return u, nil
}

// nodes gives the nodes in the order of the file, and where each is.
func (p *parser) nodes(n *yaml.Node) (all []Node, lines []*yaml.Node, err error) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil, nil, nil
	}
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		return nil, nil, p.errorf(n, "nodes are written as paths, each with what hangs on it")
	}
	if count := len(n.Content) / 2; count > MaxNodes {
		return nil, nil, p.errorf(n, "%d nodes: a file has at most %d", count, MaxNodes)
	}
	seen := make(map[path.Path]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		node, err := p.node(key, n.Content[i+1])
		if err != nil {
			return nil, nil, err
		}
		if seen[node.Path] {
			return nil, nil, p.errorf(key, "%s is there twice", node.Path)
		}
		seen[node.Path] = true
		all, lines = append(all, node), append(lines, key)
	}
	return all, lines, nil
}

func (p *parser) node(key, body *yaml.Node) (n Node, err error) {
	if n.Path, err = p.path(key); err != nil {
		return n, err
	}
	n.Kind = kindOpen
	if strings.HasSuffix(key.Value, "/") {
		n.Kind = Directory
	}
	if body.Kind == yaml.ScalarNode && body.ShortTag() == "!!null" {
		return n, nil
	}
	err = p.mapping(body, "a node",
		field{"kind", func(v *yaml.Node) error { return p.kind(v, &n) }},
		field{"roles", func(v *yaml.Node) error { return p.roles(v, &n) }},
		field{"clauses", func(v *yaml.Node) error {
			return p.list(v, "clauses", func(item *yaml.Node) error { return p.clause(item, &n) })
		}},
		field{"annotations", func(v *yaml.Node) error {
			return p.list(v, "annotations", func(item *yaml.Node) error { return p.annotation(item, &n) })
		}},
	)
	return n, err
}

func (p *parser) kind(v *yaml.Node, n *Node) error {
	kind, ok := parseKind(v.Value)
	switch {
	case !ok || v.Kind != yaml.ScalarNode:
		return p.errorf(v, "a kind is directory, leaf or account, not %.40q", v.Value)
	case n.Kind == Directory && kind != Directory:
		return p.errorf(v, "%s is written as a directory, with a slash at its end", n.Path)
	}
	n.Kind = kind
	return nil
}

// roles reads a list of roles, or one alone.
func (p *parser) roles(v *yaml.Node, n *Node) error {
	if v.Kind != yaml.SequenceNode {
		return p.appliedRole(v, n)
	}
	err := p.list(v, "roles", func(item *yaml.Node) error { return p.appliedRole(item, n) })
	slices.SortStableFunc(n.Roles, func(a, b Role) int { return strings.Compare(string(a.Role), string(b.Role)) })
	return err
}

func (p *parser) appliedRole(v *yaml.Node, n *Node) (err error) {
	var r Role
	if v.Kind == yaml.ScalarNode {
		r.Role, err = p.role(v)
	} else {
		err = p.mapping(v, "a role",
			field{"role", func(v *yaml.Node) (err error) { r.Role, err = p.role(v); return err }},
			p.time("start", &r.Start), p.time("end", &r.End),
		)
	}
	switch {
	case err != nil:
		return err
	case r.Role == "":
		return p.errorf(v, "the role is missing")
	}
	if err := r.check(); err != nil {
		return p.at(v, err)
	}
	n.Roles = append(n.Roles, r)
	return nil
}

// clause reads a clause; of several operations it makes one clause each.
func (p *parser) clause(v *yaml.Node, n *Node) error {
	var c Clause
	var operations []command.Operation
	told := false
	err := p.mapping(v, "a clause",
		field{"allow", func(v *yaml.Node) (err error) { operations, err = p.operations(v); return err }},
		field{"to", func(v *yaml.Node) (err error) { told = true; c.Sets, err = p.sets(v); return err }},
		p.flag("local", &c.Local), p.unique(&c.Unique),
		p.time("start", &c.Start), p.time("end", &c.End), p.flag("end_widens", &c.EndWidens),
	)
	switch {
	case err != nil:
		return err
	case operations == nil:
		return p.errorf(v, "the clause does not say which operations it is to allow")
	case !told:
		return p.errorf(v, "the clause does not say to whom: everyone, nobody, or roles")
	case c.Unique != 0 && len(operations) > 1:
		return p.errorf(v, "the unique %d is for one operation, here are %d", c.Unique, len(operations))
	}
	if err := c.check(); err != nil {
		return p.at(v, err)
	}
	for _, c.Operation = range operations {
		n.Clauses = append(n.Clauses, c)
	}
	return nil
}

func (p *parser) operations(v *yaml.Node) ([]command.Operation, error) {
	if v.Kind != yaml.SequenceNode {
		o, err := p.operation(v)
		return []command.Operation{o}, err
	}
	var all []command.Operation
	err := p.list(v, "allow", func(item *yaml.Node) error {
		o, err := p.operation(item)
		if err == nil && slices.Contains(all, o) {
			err = p.errorf(item, "%s is there twice", o)
		}
		all = append(all, o)
		return err
	})
	return all, err
}

// Words that stand for no sets, and for one set without roles.
const (
	wordEveryone = "everyone"
	wordNobody   = "nobody"
)

// sets reads to whom a clause allows something.
func (p *parser) sets(v *yaml.Node) ([][]path.Path, error) {
	switch {
	case v.Kind == yaml.ScalarNode && v.Value == wordEveryone:
		return nil, nil
	case v.Kind == yaml.ScalarNode && v.Value == wordNobody:
		return [][]path.Path{nil}, nil
	case v.Kind == yaml.ScalarNode:
		role, err := p.role(v)
		return [][]path.Path{{role}}, err
	case v.Kind != yaml.SequenceNode || len(v.Content) == 0:
		return nil, p.errorf(v, "to is everyone, nobody, a role, a list of roles, or a list of such lists")
	case v.Content[0].Kind != yaml.SequenceNode:
		set, err := p.set(v)
		return [][]path.Path{set}, err
	}
	var all [][]path.Path
	err := p.list(v, "to", func(item *yaml.Node) error {
		if item.Kind != yaml.SequenceNode {
			return p.errorf(item, "to is a list of roles or a list of lists, not a mixture")
		}
		set, err := p.set(item)
		all = append(all, set)
		return err
	})
	return all, err
}

func (p *parser) set(v *yaml.Node) ([]path.Path, error) {
	var set []path.Path
	err := p.list(v, "a set of roles", func(item *yaml.Node) error {
		if item.Kind == yaml.SequenceNode {
			return p.errorf(item, "to is a list of roles or a list of lists, not a mixture")
		}
		role, err := p.role(item)
		set = append(set, role)
		return err
	})
	return normalSet(set), err
}

func (p *parser) annotation(v *yaml.Node, n *Node) error {
	var a Annotation
	err := p.mapping(v, "an annotation",
		field{"tag", func(v *yaml.Node) (err error) { a.Tag, err = p.text(v, "a tag"); return err }},
		field{"text", func(v *yaml.Node) (err error) { a.Text, err = p.text(v, "a text"); return err }},
		p.unique(&a.Unique), p.time("start", &a.Start), p.time("end", &a.End),
	)
	if err != nil {
		return err
	}
	if err := a.check(); err != nil {
		return p.at(v, err)
	}
	n.Annotations = append(n.Annotations, a)
	return nil
}
