package conformance

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// checkNodes compares what the operator sees of every node with the universe.
func (w *world) checkNodes(c *comparison) {
	for _, path := range slices.Sorted(maps.Keys(w.nodes)) {
		n := w.nodes[path]
		recorded := recordedDetails{IsDirectory: !n.Leaf, Roles: n.AppliedRoles, ACEs: n.ACEs, Annotations: n.Annotations}
		for child := range w.nodes {
			if parentOf(child) == path && child != path {
				recorded.Children = append(recorded.Children, child)
			}
		}
		here := w.describe(c, w.operator, path).withRoles(undangled)
		if len(here.loaders) > 0 {
			c.byRule("loader's-clauses")
			c.row(path+" opened for", fmt.Sprint(slices.Sorted(slices.Values(operations))), fmt.Sprint(slices.Sorted(slices.Values(here.loaders))))
		}
		here.InheritedRoles, here.InheritedACEs = nil, nil
		c.row(path, recorded.text(), here.text(), w.shapeRules(path, recorded)...)
	}
}

// shapeRules are those about what is not stored here as it was there.
func (w *world) shapeRules(path string, recorded recordedDetails) []rule {
	leaf := recorded
	leaf.IsDirectory = !w.leaves[path]
	return []rule{
		{"unmarked-leaf", w.nodes[path].Leaf != w.leaves[path], leaf.text()},
		{"role-once", true, w.onceEach(path, recorded).text()},
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
		want := recorded.text()
		rules := w.shapeRules(recorded.Path, recorded)
		if recorded.Outcome != "ok" {
			want = recorded.Outcome
			rules = []rule{{"dangling-role", recorded.Outcome == "error:dangling_role", w.withDangling(c, rows, recorded).text()}}
		}
		var here recordedDetails
		if as := clients[recorded.Caller]; as != nil {
			here = w.describe(c, as, recorded.Path)
		} else {
			c.byRule("directory-caller")
			here = w.describeFor(c, recorded.Caller, recorded.Path)
		}
		c.row(recorded.Caller+" "+recorded.Path, want, here.text(), rules...)
	}
}

// checkHidden looks, as each caller, at the paths that it may not View. There is
// one answer for them all, whether there is a node or not.
func (w *world) checkHidden(c *comparison) {
	all, _ := read[map[string]recordedPermissions](c.t, filepath.Join(w.dir, c.file))
	for _, caller := range w.principals() {
		as := w.as(c.t, caller)
		for _, path := range all[caller].NotFound {
			_, err := as.Acl.Describe(c.t.Context(), &pb.DescribeRequest{Path: path})
			here := outcome(err)
			if err != nil {
				here += ": " + strings.ReplaceAll(err.Error(), newName(path), "PATH")
			}
			c.row(caller+" "+path, "not_found: nothing at PATH", here)
		}
	}
}

// withDangling gives what is shown of a node whose details could not be shown
// there, as it has a role that does not exist. What it inherits is what the rows
// of its siblings inherit.
func (w *world) withDangling(c *comparison, rows []recordedDetails, recorded recordedDetails) recordedDetails {
	c.t.Helper()
	n := w.nodes[recorded.Path]
	i := slices.IndexFunc(rows, func(r recordedDetails) bool {
		return r.Outcome == "ok" && r.Caller == recorded.Caller && r.Path != recorded.Path && parentOf(r.Path) == parentOf(recorded.Path)
	})
	if i < 0 {
		c.t.Fatalf("%s sees no sibling of %s", recorded.Caller, recorded.Path)
	}
	shown := recordedDetails{IsDirectory: !n.Leaf, InheritedRoles: rows[i].InheritedRoles, InheritedACEs: rows[i].InheritedACEs, Annotations: n.Annotations}
	for _, role := range n.AppliedRoles {
		if _, there := w.nodes[role]; !there {
			role += dangling
		}
		shown.Roles = append(shown.Roles, role)
	}
	return shown
}

// describeFor gives what a directory would see of a path if it could call: what
// the operator sees, without what the directory may not View.
func (w *world) describeFor(c *comparison, caller, path string) recordedDetails {
	c.t.Helper()
	paths := slices.Sorted(maps.Keys(w.nodes))
	sees := make(map[string]bool)
	for i, may := range w.allowed(c, caller, paths) {
		sees[paths[i]] = may != hidden
	}
	here := w.describe(c, w.operator, path)
	here.Children = slices.DeleteFunc(here.Children, func(child string) bool { return !sees[child] })
	return here.withRoles(func(role string) string {
		if sees[role] || strings.HasSuffix(role, dangling) && sees[parentOf(role)] {
			return role
		}
		return redactedRole
	})
}

// onceEach gives the details without the roles that are on a node a second time,
// the path's own or one above it.
func (w *world) onceEach(path string, d recordedDetails) recordedDetails {
	for _, again := range twice(w.nodes[path].AppliedRoles) {
		d.Roles = without(d.Roles, again)
	}
	for path != "am://" {
		path = parentOf(path)
		for _, again := range twice(w.nodes[path].AppliedRoles) {
			d.InheritedRoles = without(d.InheritedRoles, again)
		}
	}
	return d
}

// twice gives the roles that are in the list already.
func twice(roles []string) (again []string) {
	for i, role := range roles {
		if slices.Contains(roles[:i], role) {
			again = append(again, role)
		}
	}
	return again
}

// without gives the roles without one of those that are shown as the role is.
func without(roles []string, role string) []string {
	i := slices.Index(roles, role)
	if i < 0 {
		i = slices.Index(roles, redactedRole)
	}
	if i < 0 {
		return roles
	}
	return slices.Delete(slices.Clone(roles), i, i+1)
}
