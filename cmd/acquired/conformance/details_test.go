package conformance

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
)

// redactedRole is how Access Manager shows a role that the caller may not View.
const redactedRole = "## Redacted role ##"

// checkNodes asks the operator for all nodes, and compares what is on them with
// the universe.
func (w *world) checkNodes(c *comparison) {
	for _, path := range slices.Sorted(maps.Keys(w.nodes)) {
		n := w.nodes[path]
		recorded := recordedDetails{IsDirectory: !n.Leaf, Roles: n.AppliedRoles, ACEs: n.ACEs, Annotations: n.Annotations}
		for child := range w.nodes {
			if parentOf(child) == path && child != path {
				recorded.Children = append(recorded.Children, child)
			}
		}
		want := recorded.lines()
		here, err := describe(c, w.operator, path)
		if err != nil {
			c.t.Fatalf("describe %s: %v", path, err)
		}
		here = slices.DeleteFunc(here, func(line string) bool { return strings.HasPrefix(line, "inherited ") })
		c.row(path, text(want), text(undangled(here)),
			rule{"unmarked-leaf", n.Leaf != w.leaves[path], text(asLeaf(want))},
			rule{"role-once", hasTwice(n), text(w.onceEach(path, want))})
	}
}

// checkDetails looks at each path as each caller.
func (w *world) checkDetails(c *comparison) {
	rows, _ := read[[]recordedDetails](c.t, filepath.Join(w.dir, c.file))
	clients := make(map[string]*client.Client)
	for _, caller := range w.principals() {
		clients[caller] = w.as(c.t, caller)
	}
	for _, recorded := range rows {
		caller, path := recorded.Caller, recorded.Path
		want := recorded.lines()
		if recorded.Outcome == "error:dangling_role" {
			want = []string{recorded.Outcome}
		}
		var here []string
		var err error
		if as := clients[caller]; as != nil {
			here, err = describe(c, as, path)
		} else {
			c.leftOut("directory-caller")
			here, err = w.describeFor(c, caller, path)
		}
		if err != nil {
			here = []string{outcome(err)}
		}
		c.row(caller+" "+path, text(want), text(here),
			rule{"dangling", recorded.Outcome == "error:dangling_role", text(w.shownDangling(rows, recorded))},
			rule{"unmarked-leaf", w.nodes[path].Leaf != w.leaves[path], text(asLeaf(want))},
			rule{"role-once", true, text(w.onceEach(path, want))})
	}
	for caller, as := range clients {
		w.checkHidden(c, caller, as)
	}
}

// checkHidden looks at the paths that the caller may not View: there is one answer
// for them all, whether there is a node or not.
func (w *world) checkHidden(c *comparison, caller string, as *client.Client) {
	c.t.Helper()
	all, _ := read[map[string]recordedPermissions](c.t, filepath.Join(w.dir, "permissions.json"))
	for _, path := range all[caller].NotFound {
		_, err := as.Acl.Describe(c.t.Context(), &pb.DescribeRequest{Path: path})
		here := outcome(err)
		if err != nil {
			here += ": " + strings.ReplaceAll(err.Error(), newName(path), "PATH")
		}
		c.row(caller+" "+path, "not_found: nothing at PATH", here)
	}
}

// describe gives what a caller sees of a path, in the lines of recordedDetails.
func describe(c *comparison, as *client.Client, path string) ([]string, error) {
	c.t.Helper()
	res, err := as.Acl.Describe(c.t.Context(), &pb.DescribeRequest{Path: path})
	if err != nil {
		return nil, err
	}
	list, err := as.Acl.List(c.t.Context(), &pb.ListRequest{Path: path})
	if err != nil {
		return nil, err
	}
	shown := recordedDetails{IsDirectory: res.Node.Kind != "leaf"}
	for _, n := range list.Nodes {
		shown.Children = append(shown.Children, oldName(n.Path))
	}
	for _, a := range res.Annotations {
		switch content := a.Content.(type) {
		case *pb.Annotation_Role:
			shown.Roles = append(shown.Roles, shownRole(content.Role))
		case *pb.Annotation_Clause:
			if !loaders(path, a) {
				shown.ACEs = append(shown.ACEs, shownClause(content.Clause))
			}
		case *pb.Annotation_Text:
			shown.Annotations = append(shown.Annotations, recordedAnnotation{Tag: a.Tag, Data: content.Text})
		}
	}
	for _, i := range res.Inherited {
		switch content := i.Annotation.Content.(type) {
		case *pb.Annotation_Role:
			shown.InheritedRoles = append(shown.InheritedRoles, shownRole(content.Role))
		case *pb.Annotation_Clause:
			if !loaders(oldName(i.At), i.Annotation) {
				shown.InheritedACEs = append(shown.InheritedACEs, shownClause(content.Clause))
			}
		}
	}
	return shown.lines(), nil
}

// loaders says whether the annotation is one of the clauses on the root that the
// loader adds, as Access Manager allows what nothing forbids.
func loaders(path string, a *pb.Annotation) bool {
	return path == "am://" && a.GetClause() != nil && a.Unique >= universe.OpenUnique && a.Unique < universe.OpenUnique+uint64(len(operations))
}

func shownRole(name *pb.RoleName) string {
	switch {
	case name.Redacted:
		return redactedRole
	case name.Dangling:
		return oldName(name.Path) + dangling
	}
	return oldName(name.Path)
}

// dangling marks a role that does not exist.
const dangling = " (dangling)"

func shownClause(clause *pb.Clause) recordedACE {
	ace := recordedACE{Operation: strings.ToUpper(clause.Operation), Local: clause.Local}
	for _, set := range clause.Sets {
		var names []string
		for _, role := range set.Roles {
			names = append(names, shownRole(role))
		}
		ace.ACLs = append(ace.ACLs, names)
	}
	return ace
}

// lines gives what there is in an order that does not depend on how it was told.
func (d recordedDetails) lines() []string {
	all := []string{fmt.Sprintf("directory %t", d.IsDirectory)}
	for _, child := range d.Children {
		all = append(all, "child "+child)
	}
	for _, role := range d.Roles {
		all = append(all, "role "+role)
	}
	for _, role := range d.InheritedRoles {
		all = append(all, "inherited role "+role)
	}
	for _, ace := range d.ACEs {
		all = append(all, ace.line())
	}
	for _, ace := range d.InheritedACEs {
		all = append(all, "inherited "+ace.line())
	}
	for _, a := range d.Annotations {
		all = append(all, fmt.Sprintf("annotation %s %q", a.Tag, a.Data))
	}
	slices.Sort(all)
	return all
}

func (a recordedACE) line() string {
	var sets []string
	for _, set := range a.ACLs {
		sets = append(sets, fmt.Sprintf("%q", slices.Sorted(slices.Values(set))))
	}
	slices.Sort(sets)
	return fmt.Sprintf("clause %s local=%t %s", a.Operation, a.Local, sets)
}

func text(lines []string) string { return strings.Join(lines, "\n") }

// parentOf gives the parent of a path of Access Manager.
func parentOf(path string) string {
	at := strings.LastIndexByte(path, '/')
	return path[:max(at, len("am://"))]
}

// newName gives a path of Access Manager as it is here.
func newName(path string) string { return path[len("am:/"):] }

// asLeaf gives the lines for a node that is a leaf here.
func asLeaf(lines []string) []string {
	return replaced(lines, "directory true", "directory false")
}

func replaced(lines []string, from, to string) []string {
	all := slices.Clone(lines)
	for i, line := range all {
		if line == from {
			all[i] = to
		}
	}
	slices.Sort(all)
	return all
}

// undangled gives the lines without the marks of roles that do not exist.
func undangled(lines []string) []string {
	var all []string
	for _, line := range lines {
		all = append(all, strings.TrimSuffix(line, dangling))
	}
	return all
}

// twice gives the roles that are applied to the node again, once for each time.
func twice(n recordedNode) (again []string) {
	for i, role := range n.AppliedRoles {
		if slices.Contains(n.AppliedRoles[:i], role) {
			again = append(again, role)
		}
	}
	return again
}

func hasTwice(n recordedNode) bool { return len(twice(n)) > 0 }

// onceEach gives the lines without the roles that are on a node a second time,
// the path's own or one above it.
func (w *world) onceEach(path string, lines []string) []string {
	all := slices.Clone(lines)
	for at, prefix := path, "role "; ; at, prefix = parentOf(at), "inherited role " {
		for _, role := range twice(w.nodes[at]) {
			i := slices.Index(all, prefix+role)
			if i < 0 {
				i = slices.Index(all, prefix+redactedRole)
			}
			if i >= 0 {
				all = slices.Delete(all, i, i+1)
			}
		}
		if at == "am://" {
			return all
		}
	}
}

// describeFor gives what a directory would see of a path if it could call: what
// the operator sees, without what the directory may not View.
func (w *world) describeFor(c *comparison, caller, path string) ([]string, error) {
	c.t.Helper()
	here, err := describe(c, w.operator, path)
	if err != nil {
		return nil, err
	}
	paths := slices.Sorted(maps.Keys(w.nodes))
	sees := make(map[string]bool)
	for i, may := range w.allowed(c, caller, paths) {
		sees[paths[i]] = may != hidden
	}
	var shown []string
	for _, line := range here {
		if child, ok := strings.CutPrefix(line, "child "); ok && !sees[child] {
			continue
		}
		shown = append(shown, line)
	}
	return redact(shown, func(role string) bool { return sees[role] || w.nodes[role].Path == "" && sees[parentOf(role)] }), nil
}

// redact hides the roles that are not seen.
func redact(lines []string, sees func(role string) bool) []string {
	var all []string
	for _, line := range lines {
		head, role, ok := strings.Cut(line, "role am://")
		if name := "am://" + strings.TrimSuffix(role, dangling); ok && !sees(name) {
			line = head + "role " + redactedRole
		}
		if strings.Contains(line, "clause ") {
			line = redactClause(line, sees)
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}
