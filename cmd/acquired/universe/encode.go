package universe

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"acquired/fsm/path"
)

// EncodeYAML gives the file that Parse reads as u, in its canonical form: equal
// universes give equal bytes.
func (u Universe) EncodeYAML() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(u.document()); err != nil {
		return nil, fmt.Errorf("encode as YAML: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("encode as YAML: %w", err)
	}
	return b.Bytes(), nil
}

// EncodeJSON is EncodeYAML for JSON.
func (u Universe) EncodeJSON() []byte {
	var b bytes.Buffer
	appendJSON(&b, u.document(), "")
	b.WriteByte('\n')
	return b.Bytes()
}

func (u Universe) document() *yaml.Node {
	nodes := slices.Clone(u.Nodes)
	sortNodes(nodes)
	above := parents(nodes)
	all := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := range nodes {
		n := &nodes[i]
		body := n.body(above[n.Path])
		name := string(n.Path)
		if n.Kind == Directory && defaultKind(n.Path, above[n.Path]) != Directory {
			name += "/"
		}
		all.Content = append(all.Content, scalar(name), body)
	}
	if len(all.Content) == 0 {
		all.Style = yaml.FlowStyle
	}
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{scalar("nodes"), all}}
}

// body is what is written of a node behind its path.
func (n *Node) body(parent bool) *yaml.Node {
	b := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if n.Kind != Directory && n.Kind != defaultKind(n.Path, parent) {
		put(b, "kind", scalar(n.Kind.String()))
	}
	if len(n.Roles) > 0 {
		put(b, "roles", rolesNode(n.Roles))
	}
	if len(n.Clauses) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range n.Clauses {
			list.Content = append(list.Content, n.Clauses[i].node())
		}
		put(b, "clauses", list)
	}
	if len(n.Annotations) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range n.Annotations {
			list.Content = append(list.Content, n.Annotations[i].node())
		}
		put(b, "annotations", list)
	}
	if len(b.Content) == 0 {
		b.Style = yaml.FlowStyle
	}
	return b
}

func rolesNode(roles []Role) *yaml.Node {
	list := flow(yaml.SequenceNode)
	roles = slices.Clone(roles)
	slices.SortStableFunc(roles, func(a, b Role) int { return strings.Compare(string(a.Role), string(b.Role)) })
	for _, r := range roles {
		item := scalar(string(r.Role))
		if r.Period != (Period{}) {
			item = flow(yaml.MappingNode)
			put(item, "role", scalar(string(r.Role)))
			r.Period.put(item)
		}
		list.Content = append(list.Content, item)
	}
	return list
}

func (c *Clause) node() *yaml.Node {
	n := flow(yaml.MappingNode)
	put(n, "allow", scalar(c.Operation.String()))
	put(n, "to", setsNode(c.Sets))
	if c.Local {
		put(n, "local", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	putUnique(n, c.Unique)
	c.Period.put(n)
	if c.EndWidens {
		put(n, "end_widens", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	return n
}

// setsNode chooses the shortest of the forms that mean the same.
func setsNode(sets [][]path.Path) *yaml.Node {
	switch {
	case len(sets) == 0:
		return scalar(wordEveryone)
	case len(sets) == 1 && len(sets[0]) == 0:
		return scalar(wordNobody)
	case len(sets) == 1 && len(sets[0]) == 1:
		return scalar(string(sets[0][0]))
	case len(sets) == 1:
		return setNode(sets[0])
	}
	list := flow(yaml.SequenceNode)
	for _, set := range sets {
		list.Content = append(list.Content, setNode(set))
	}
	return list
}

func setNode(set []path.Path) *yaml.Node {
	list := flow(yaml.SequenceNode)
	for _, role := range normalSet(slices.Clone(set)) {
		list.Content = append(list.Content, scalar(string(role)))
	}
	return list
}

func (a *Annotation) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	put(n, "tag", scalar(a.Tag))
	if !strings.Contains(a.Text, "\n") {
		n.Style = yaml.FlowStyle
	}
	if a.Text != "" {
		put(n, "text", scalar(a.Text))
	}
	putUnique(n, a.Unique)
	a.Period.put(n)
	return n
}

func (p Period) put(to *yaml.Node) {
	if p.Start != 0 {
		put(to, "start", scalar(timeText(p.Start)))
	}
	if p.End != 0 {
		put(to, "end", scalar(timeText(p.End)))
	}
}

func putUnique(to *yaml.Node, unique uint64) {
	if unique != 0 {
		put(to, "unique", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatUint(unique, 10)})
	}
}

func put(to *yaml.Node, key string, value *yaml.Node) {
	to.Content = append(to.Content, scalar(key), value)
}

func flow(kind yaml.Kind) *yaml.Node {
	tag := "!!map"
	if kind == yaml.SequenceNode {
		tag = "!!seq"
	}
	return &yaml.Node{Kind: kind, Tag: tag, Style: yaml.FlowStyle}
}

// scalar is a text. Texts of several lines are written as such when they are
// plain, and otherwise in quotes.
func scalar(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	if strings.Contains(s, "\n") {
		n.Style = yaml.LiteralStyle
		for line := range strings.SplitSeq(s, "\n") {
			if strings.TrimSpace(line) != line || strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' }) {
				n.Style = yaml.DoubleQuotedStyle
			}
		}
	}
	return n
}
