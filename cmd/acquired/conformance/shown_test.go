package conformance

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
)

// redactedRole is how Access Manager shows a role that the caller may not View.
const redactedRole = "## Redacted role ##"

// dangling marks a role that does not exist.
const dangling = " (dangling)"

// describe gives what a caller, who may View it, sees of a path.
func (w *world) describe(c *comparison, as *client.Client, path string) recordedDetails {
	c.t.Helper()
	here, err := detailsOf(c.t.Context(), as, path)
	if err != nil {
		c.t.Fatalf("details of %s: %v", path, err)
	}
	return here
}

// detailsOf gives what a caller sees of a path, as Access Manager says it.
func detailsOf(ctx context.Context, as *client.Client, path string) (shown recordedDetails, err error) {
	res, err := as.Acl.Describe(ctx, &pb.DescribeRequest{Path: path})
	if err != nil {
		return shown, err
	}
	list, err := as.Acl.List(ctx, &pb.ListRequest{Path: path})
	if err != nil {
		return shown, err
	}
	shown.IsDirectory = res.Node.Kind != "leaf"
	for _, n := range list.Nodes {
		shown.Children = append(shown.Children, oldName(n.Path))
	}
	for _, a := range res.Annotations {
		switch content := a.Content.(type) {
		case *pb.Annotation_Role:
			shown.Roles = append(shown.Roles, shownRole(content.Role))
		case *pb.Annotation_Clause:
			if isLoaders(res.Node.Path, a) {
				shown.loaders = append(shown.loaders, content.Clause.Operation)
				continue
			}
			shown.ACEs = append(shown.ACEs, shownClause(content.Clause))
		case *pb.Annotation_Text:
			shown.Annotations = append(shown.Annotations, recordedAnnotation{Tag: a.Tag, Data: content.Text, Version: strconv.FormatUint(a.Version, 10)})
		}
	}
	for _, i := range res.Inherited {
		switch content := i.Annotation.Content.(type) {
		case *pb.Annotation_Role:
			shown.InheritedRoles = append(shown.InheritedRoles, shownRole(content.Role))
		case *pb.Annotation_Clause:
			if !isLoaders(i.At, i.Annotation) {
				shown.InheritedACEs = append(shown.InheritedACEs, shownClause(content.Clause))
			}
		}
	}
	return shown, nil
}

// isLoaders says whether the annotation is one of the clauses that the loader adds
// to the root, as Access Manager allows what nothing forbids.
func isLoaders(path string, a *pb.Annotation) bool {
	return path == "/" && a.GetClause() != nil && a.Unique >= universe.OpenUnique && a.Unique < universe.OpenUnique+uint64(len(operations))
}

func shownRole(name *pb.RoleName) string {
	switch {
	case name.GetRedacted():
		return redactedRole
	case name.GetDangling():
		return oldName(name.Path) + dangling
	}
	return oldName(name.GetPath())
}

func undangled(role string) string { return strings.TrimSuffix(role, dangling) }

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

// withRoles gives the details with each role shown in another way.
func (d recordedDetails) withRoles(show func(string) string) recordedDetails {
	each := func(roles []string) (all []string) {
		for _, role := range roles {
			all = append(all, show(role))
		}
		return all
	}
	clauses := func(aces []recordedACE) (all []recordedACE) {
		for _, ace := range aces {
			one := recordedACE{Operation: ace.Operation, Local: ace.Local}
			for _, set := range ace.ACLs {
				one.ACLs = append(one.ACLs, each(set))
			}
			all = append(all, one)
		}
		return all
	}
	d.Roles, d.InheritedRoles = each(d.Roles), each(d.InheritedRoles)
	d.ACEs, d.InheritedACEs = clauses(d.ACEs), clauses(d.InheritedACEs)
	return d
}

// text gives the details as lines in an order that does not depend on how they
// were told.
func (d recordedDetails) text() string {
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
		all = append(all, ace.text())
	}
	for _, ace := range d.InheritedACEs {
		all = append(all, "inherited "+ace.text())
	}
	for _, a := range d.Annotations {
		all = append(all, fmt.Sprintf("annotation %s %q", a.Tag, a.Data))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func (a recordedACE) text() string {
	var sets []string
	for _, set := range a.ACLs {
		sets = append(sets, fmt.Sprintf("%q", slices.Sorted(slices.Values(set))))
	}
	slices.Sort(sets)
	return fmt.Sprintf("clause %v local=%t %s", a.Operation, a.Local, sets)
}

// parentOf gives the parent of a path of Access Manager.
func parentOf(path string) string {
	at := strings.LastIndexByte(path, '/')
	return path[:max(at, len("am://"))]
}

// newName gives a path of Access Manager as it is here.
func newName(path string) string { return path[len("am:/"):] }
