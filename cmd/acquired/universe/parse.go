package universe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// Parse reads a file: JSON if its first character is a brace, else YAML. Name is
// what messages call it. What is unknown is refused, and so are anchors and
// aliases. The error is a fault.Invalid that says the line.
func Parse(data []byte, name string) (Universe, error) {
	if len(data) > MaxSize {
		return Universe{}, fault.Invalid.New("%s has %d bytes, at most %d are read", name, len(data), MaxSize)
	}
	p := parser{name: name}
	top, err := p.read(data)
	if err != nil {
		return Universe{}, err
	}
	return p.universe(top)
}

// parser reads one file.
type parser struct {
	name string
}

// read gives the one document of the file.
func (p *parser) read(data []byte) (*yaml.Node, error) {
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return p.readJSON(data)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fault.Invalid.New("%s: the file is empty; it begins with \"nodes:\"", p.name)
	case err != nil:
		return nil, p.malformed(err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, p.malformed(err)
		}
		return nil, p.at(&more, fault.Invalid.New("a file is one document, this is a second one"))
	}
	if err := p.refuseAliases(&doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, fault.Invalid.New("%s: the file is empty; it begins with \"nodes:\"", p.name)
	}
	return doc.Content[0], nil
}

// malformed gives what is no YAML the form of all errors here.
func (p *parser) malformed(err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if line, rest, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok {
		if _, err := strconv.Atoi(line); err == nil {
			return fault.Invalid.New("%s:%s: %s", p.name, line, rest)
		}
	}
	return fault.Invalid.New("%s: %s", p.name, message)
}

func (p *parser) refuseAliases(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return p.at(n, fault.Invalid.New("anchors and aliases are not allowed"))
	}
	for _, below := range n.Content {
		if err := p.refuseAliases(below); err != nil {
			return err
		}
	}
	return nil
}

// at says where in the file an error is.
func (p *parser) at(n *yaml.Node, err error) error {
	return fault.Invalid.New("%s:%d: %s", p.name, n.Line, err)
}

func (p *parser) errorf(n *yaml.Node, format string, args ...any) error {
	return p.at(n, fmt.Errorf(format, args...))
}

// field is a key that a mapping may have, and what reads its value.
type field struct {
	key  string
	read func(*yaml.Node) error
}

// mapping reads a mapping that has only these keys, each at most once.
func (p *parser) mapping(n *yaml.Node, what string, fields ...field) error {
	if n.Kind != yaml.MappingNode || n.ShortTag() != "!!map" {
		return p.errorf(n, "%s is written as keys and values", what)
	}
	seen := make([]bool, len(fields))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
		switch {
		case at < 0 || key.Kind != yaml.ScalarNode:
			return p.errorf(key, "unknown key %.40q: %s has %s", key.Value, what, keys(fields))
		case seen[at]:
			return p.errorf(key, "key %q is there twice", key.Value)
		}
		seen[at] = true
		if err := fields[at].read(n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func keys(fields []field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.key)
	}
	return strings.Join(names, ", ")
}

// list reads each item of a list.
func (p *parser) list(n *yaml.Node, what string, read func(*yaml.Node) error) error {
	if n.Kind != yaml.SequenceNode || n.ShortTag() != "!!seq" {
		return p.errorf(n, "%s is a list", what)
	}
	for _, item := range n.Content {
		if err := read(item); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) text(n *yaml.Node, what string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return "", p.errorf(n, "%s is a text; what looks like something else needs quotes", what)
	}
	return n.Value, nil
}

func (p *parser) flag(key string, to *bool) field {
	return field{key, func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(to) != nil {
			return p.errorf(n, "%s is true or false", key)
		}
		return nil
	}}
}

func (p *parser) unique(to *uint64) field {
	return field{"unique", func(n *yaml.Node) error {
		unique, err := strconv.ParseUint(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || unique == 0 || unique > maxUnique {
			return p.at(n, badUnique)
		}
		*to = unique
		return nil
	}}
}

func (p *parser) time(key string, to *int64) field {
	return field{key, func(n *yaml.Node) (err error) {
		if n.Kind != yaml.ScalarNode {
			return p.errorf(n, "%s is a time", key)
		}
		if *to, err = parseTime(n.Value); err != nil {
			return p.at(n, err)
		}
		return nil
	}}
}

func (p *parser) path(n *yaml.Node) (path.Path, error) {
	name, err := p.text(n, "a path")
	if err != nil {
		return "", err
	}
	parsed, err := path.Parse(name)
	if err != nil {
		return "", p.at(n, err)
	}
	return parsed, nil
}

// role reads the path of a role.
func (p *parser) role(n *yaml.Node) (path.Path, error) {
	role, err := p.path(n)
	if err != nil {
		return "", err
	}
	if err := checkRole(role); err != nil {
		return "", p.at(n, err)
	}
	return role, nil
}

func (p *parser) operation(n *yaml.Node) (command.Operation, error) {
	name, err := p.text(n, "an operation")
	if err != nil {
		return 0, err
	}
	o, err := command.ParseOperation(name)
	if err != nil {
		return 0, p.at(n, err)
	}
	return o, nil
}
