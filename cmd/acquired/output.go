package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

// format is a form of output.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
)

// shape is what a command prints. Its JSON names are part of the API; the
// table is for people and may change.
type shape interface {
	table(w io.Writer)
}

// show prints s in the form.
func (f format) show(w io.Writer, s shape) error {
	switch f {
	case formatJSON:
		return writeJSON(w, s)
	case formatYAML:
		return writeYAML(w, s)
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	s.table(aligned)
	return aligned.Flush()
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeYAML goes by way of JSON, so that both have the same names in the same
// order.
func writeYAML(w io.Writer, value any) error {
	var encoded bytes.Buffer
	if err := writeJSON(&encoded, value); err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(encoded.Bytes(), &document); err != nil {
		return err
	}
	if err := plain(&document); err != nil {
		return err
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return err
	}
	return encoder.Close()
}

// plain takes the braces and quotes of JSON off a node. Quotes stay where YAML
// needs them, and empty lists and maps keep their braces: they have no other form.
func plain(node *yaml.Node) error {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!str":
		var quoted yaml.Node
		if err := quoted.Encode(node.Value); err != nil {
			return err
		}
		node.Style = quoted.Style
	case len(node.Content) > 0:
		node.Style = 0
	}
	for _, child := range node.Content {
		if err := plain(child); err != nil {
			return err
		}
	}
	return nil
}

// row prints the cells of a table, or the name and the value of a fact.
func row(w io.Writer, cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, cell)
	}
	fmt.Fprintln(w)
}

// orDash is for a cell that would be empty.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// described gives the elements of an answer as they are printed.
func described[T, S any](all []T, describe func(T) S) []S {
	printed := make([]S, len(all))
	for i, one := range all {
		printed[i] = describe(one)
	}
	return printed
}
