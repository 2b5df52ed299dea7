package universe

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"acquired/proto/fault"
)

// maxJSONDepth is more than a file can need.
const maxJSONDepth = 16

// readJSON gives a JSON file as the tree that a YAML file gives, so that one
// parser reads both. YAML itself would refuse some of JSON.
func (p *parser) readJSON(data []byte) (*yaml.Node, error) {
	if !utf8.Valid(data) {
		return nil, fault.Invalid.New("%s: the file is not UTF-8", p.name)
	}
	r := jsonReader{parser: p, data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.decoder.UseNumber()
	top, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, r.errorf("there is more behind the end")
	}
	return top, nil
}

type jsonReader struct {
	*parser
	data    []byte
	decoder *json.Decoder
	// line is the one of the byte at counted.
	line, counted int
}

// next reads a token; here is the line that it ends on.
func (r *jsonReader) next() (json.Token, error) {
	token, err := r.decoder.Token()
	at := int(r.decoder.InputOffset())
	r.line += bytes.Count(r.data[r.counted:at], []byte("\n"))
	r.counted = at
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, r.errorf("the file ends too early")
	case err != nil:
		return nil, r.errorf("%s", err)
	}
	return token, nil
}

func (r *jsonReader) errorf(format string, args ...any) error {
	return r.parser.errorf(&yaml.Node{Line: r.line}, format, args...)
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	token, err := r.next()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line}
	switch token := token.(type) {
	case json.Delim:
		return n, r.inside(n, token, depth)
	case string:
		n.Tag, n.Value = "!!str", token
	case json.Number:
		n.Tag, n.Value = "!!int", token.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", "false"
		if token {
			n.Value = "true"
		}
	case nil:
		n.Tag = "!!null"
	}
	return n, nil
}

// inside reads what is between two braces or brackets.
func (r *jsonReader) inside(n *yaml.Node, open json.Delim, depth int) error {
	if depth == maxJSONDepth {
		return r.errorf("it is nested more than %d deep", maxJSONDepth)
	}
	n.Kind, n.Tag = yaml.MappingNode, "!!map"
	if open == '[' {
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	}
	for r.decoder.More() {
		below, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, below)
	}
	_, err := r.next()
	return err
}

// appendJSON writes a tree as JSON. What is in flow style is on one line.
func appendJSON(b *bytes.Buffer, n *yaml.Node, indent string) {
	open, end, step := "{", "}", 2
	switch n.Kind {
	case yaml.ScalarNode:
		appendJSONScalar(b, n)
		return
	case yaml.SequenceNode:
		open, end, step = "[", "]", 1
	}
	if len(n.Content) == 0 {
		b.WriteString(open + end)
		return
	}
	inner, first, between, last := indent+"  ", "\n"+indent+"  ", ",\n"+indent+"  ", "\n"+indent
	if n.Style&yaml.FlowStyle != 0 {
		inner, first, between, last = indent, "", ", ", ""
	}
	b.WriteString(open + first)
	for i := 0; i < len(n.Content); i += step {
		if i > 0 {
			b.WriteString(between)
		}
		if step == 2 {
			appendJSONScalar(b, n.Content[i])
			b.WriteString(": ")
		}
		appendJSON(b, n.Content[i+step-1], inner)
	}
	b.WriteString(last + end)
}

func appendJSONScalar(b *bytes.Buffer, n *yaml.Node) {
	if n.Tag != "!!str" {
		b.WriteString(n.Value)
		return
	}
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(n.Value) // a string into memory
	b.Truncate(b.Len() - 1)
}
