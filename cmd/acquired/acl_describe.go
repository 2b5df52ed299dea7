package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// description is what hangs on a path and what it inherits.
type description struct {
	Node        listedNode            `json:"node"`
	Annotations []annotation          `json:"annotations"`
	Inherited   []inheritedAnnotation `json:"inherited"`
}

// annotation is a clause, an applied role or a text.
type annotation struct {
	Tag     string  `json:"tag"`
	Unique  uint64  `json:"unique"`
	Version uint64  `json:"version"`
	Start   string  `json:"start,omitempty"`
	End     string  `json:"end,omitempty"`
	Clause  *clause `json:"clause,omitempty"`
	Role    *role   `json:"role,omitempty"`
	Text    *string `json:"text,omitempty"`
}

// inheritedAnnotation also says where it hangs.
type inheritedAnnotation struct {
	At         string     `json:"at"`
	Annotation annotation `json:"annotation"`
}

// clause restricts an operation to those who hold a role of each set.
type clause struct {
	Operation string   `json:"operation"`
	Local     bool     `json:"local"`
	Sets      [][]role `json:"sets"`
	EndWidens bool     `json:"end_widens"`
}

// role has no path when it is redacted.
type role struct {
	Path     string `json:"path,omitempty"`
	Redacted bool   `json:"redacted,omitempty"`
	// Dangling: there is no such role.
	Dangling bool `json:"dangling,omitempty"`
}

func (r role) String() string {
	switch {
	case r.Redacted:
		return "(hidden role)"
	case r.Dangling:
		return r.Path + " (does not exist)"
	}
	return r.Path
}

func describeRoles(names []*pb.RoleName) []role {
	roles := make([]role, len(names))
	for i, n := range names {
		roles[i] = role{n.Path, n.Redacted, n.Dangling}
	}
	return roles
}

func describeSets(sets []*pb.RoleSet) [][]role {
	described := make([][]role, len(sets))
	for i, set := range sets {
		described[i] = describeRoles(set.Roles)
	}
	return described
}

func describeAnnotation(a *pb.Annotation) annotation {
	described := annotation{
		Tag: a.Tag, Unique: a.Unique, Version: a.Version,
		Start: formatNanos(a.StartUnixNanos), End: formatNanos(a.EndUnixNanos),
	}
	switch content := a.Content.(type) {
	case *pb.Annotation_Clause:
		c := content.Clause
		described.Clause = &clause{c.Operation, c.Local, describeSets(c.Sets), c.EndWidens}
	case *pb.Annotation_Role:
		described.Role = &describeRoles([]*pb.RoleName{content.Role})[0]
	case *pb.Annotation_Text:
		described.Text = &content.Text
	}
	return described
}

func describePath(answer *pb.DescribeResponse) description {
	d := description{
		Node:        describeNode(answer.Node),
		Annotations: make([]annotation, len(answer.Annotations)),
		Inherited:   make([]inheritedAnnotation, len(answer.Inherited)),
	}
	for i, a := range answer.Annotations {
		d.Annotations[i] = describeAnnotation(a)
	}
	for i, a := range answer.Inherited {
		d.Inherited[i] = inheritedAnnotation{a.At, describeAnnotation(a.Annotation)}
	}
	return d
}

// setsText says who a clause is met by.
func setsText(sets [][]role) string {
	if len(sets) == 0 {
		return "everyone"
	}
	all := make([]string, len(sets))
	for i, set := range sets {
		names := make([]string, len(set))
		for j, r := range set {
			names[j] = r.String()
		}
		all[i] = strings.Join(names, " or ")
		if len(set) == 0 {
			all[i] = "nobody"
		}
	}
	return strings.Join(all, ", and ")
}

// text is the annotation in a line.
func (a annotation) text() string {
	switch {
	case a.Clause != nil:
		text := a.Clause.Operation + ": " + setsText(a.Clause.Sets)
		if a.Clause.Local {
			text += " (here only)"
		}
		return text
	case a.Role != nil:
		return a.Role.String()
	case a.Text != nil:
		return oneLine(*a.Text)
	}
	return ""
}

// times says from when to when the annotation holds, if not always.
func (a annotation) times() string {
	var parts []string
	if a.Start != "" {
		parts = append(parts, "from "+a.Start)
	}
	if a.End != "" {
		parts = append(parts, "until "+a.End)
	}
	if a.Clause != nil && a.Clause.EndWidens {
		parts = append(parts, "then more may be allowed")
	}
	return strings.Join(parts, ", ")
}

// lineLength is how much of a text stands in a table.
const lineLength = 100

// printable makes what anybody may have written fit to be printed.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(text) {
		return strconv.Quote(text)
	}
	return text
}

// oneLine is printable, cut to a length that a table has room for.
func oneLine(text string) string {
	text = printable(text)
	if runes := []rune(text); len(runes) > lineLength {
		text = string(runes[:lineLength]) + "…"
	}
	return text
}

func (d description) table(w io.Writer) {
	row(w, "path", d.Node.Path)
	row(w, "kind", d.Node.Kind)
	if d.Node.Created != 0 { // the root always was
		row(w, "created", "at index "+number(d.Node.Created))
	}
	here := make([]inheritedAnnotation, len(d.Annotations))
	for i, a := range d.Annotations {
		here[i] = inheritedAnnotation{"", a}
	}
	all := slices.Concat(here, d.Inherited)
	section(w, "roles", all, func(a annotation) bool { return a.Role != nil })
	section(w, "clauses", all, func(a annotation) bool { return a.Clause != nil })
	section(w, "annotations", all, func(a annotation) bool { return a.Text != nil })
}

// section prints the annotations of a sort; those that hang here have their
// name, others the place they are inherited from.
func section(w io.Writer, title string, all []inheritedAnnotation, is func(annotation) bool) {
	first := true
	for _, a := range all {
		if !is(a.Annotation) {
			continue
		}
		if first {
			fmt.Fprintf(w, "\n%s\n", title)
			first = false
		}
		where := "#" + annotationName(a.Annotation.Tag, a.Annotation.Unique)
		if a.At != "" {
			where = "inherited from " + a.At
		}
		cells := []string{"  " + a.Annotation.text(), where}
		if times := a.Annotation.times(); times != "" {
			cells = append(cells, times)
		}
		row(w, cells...)
	}
}

func aclDescribeCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "describe PATH",
		Short: "Say what hangs on a path and what it inherits",
		Long: `describe shows the roles, clauses and other annotations of a path, those in force
and those to come, and what holds here from above. Behind "#" is the name of an
annotation, as acl rm takes it.

A clause is met by who holds one role of each set; all clauses for an operation
must be met, and there must be one. A role that you may not View is "(hidden
role)".`,
		Example: "  acquired acl describe /data/physics",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Acl.Describe(ctx, &pb.DescribeRequest{Path: args[0]})
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				return describePath(answer), nil
			})
		},
	}
}
