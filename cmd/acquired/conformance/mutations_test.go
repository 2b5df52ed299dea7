package conformance

import (
	"context"
	"errors"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// neverMade is a path that no universe has.
const neverMade = "/data/never-made"

// attempt is a change that a caller tried, and what there is to compare.
type attempt struct {
	row, recorded string
	change        *pb.Change
	// outcomeOf names how it ended.
	outcomeOf func(error) string
	rules     []rule
}

// try makes the changes and takes them back: behind each comes one that is always
// refused, and a command makes all its changes or none. So no attempt meets what
// another made, and they can be made in any order.
func try(t *testing.T, as *client.Client, all []attempt) []error {
	t.Helper()
	refused := make([]error, len(all))
	var g errgroup.Group
	g.SetLimit(256)
	for i, one := range all {
		g.Go(func() error {
			refused[i] = tryOne(t.Context(), as, one.change)
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
	return refused
}

func tryOne(ctx context.Context, as *client.Client, change *pb.Change) error {
	_, err := as.Acl.Change(ctx, &pb.ChangeRequest{Changes: []*pb.Change{change, removal(neverMade)}})
	switch {
	case err == nil:
		return errors.New("a change was made, which should be taken back")
	case errors.Is(err, fault.NotFound) && detail(err, "path") == neverMade:
		return nil
	}
	return err
}

// checkMutations tries every recorded change of the tree. The file has a part for
// each kind of change, which differences.txt names with it.
func (w *world) checkMutations(t *testing.T, listed *differences, universe string) {
	all, _ := read[recordedMutations](t, filepath.Join(w.dir, "mutations.json"))
	clients := make(map[string]*client.Client)
	before := w.export(t)
	numbers := numbersOf(before)
	for _, part := range []struct {
		name     string
		callers  iter.Seq[string]
		attempts func(caller string) []attempt
	}{
		{"create", maps.Keys(all.Create), func(caller string) []attempt { return w.creations(caller, all.Create[caller]) }},
		{"delete", maps.Keys(all.Delete), func(caller string) []attempt { return w.removals(caller, all.Delete[caller]) }},
		{"annotate", maps.Keys(all.Annotate), func(caller string) []attempt { return w.notes(caller, all.Annotate[caller]) }},
		{"apply-role", maps.Keys(all.ApplyRole), func(caller string) []attempt { return w.applications(caller, all.ApplyRole[caller]) }},
		{"add-ace", maps.Keys(all.AddACE), func(caller string) []attempt { return w.additions(caller, all.AddACE[caller]) }},
		{"remove-ace", maps.Keys(all.RemoveACE), func(caller string) []attempt {
			return w.clauseRemovals(t, numbers, caller, all.RemoveACE[caller])
		}},
		{"remove-applied-role", maps.Keys(all.RemoveAppliedRole), func(caller string) []attempt {
			return w.roleRemovals(t, numbers, caller, all.RemoveAppliedRole[caller])
		}},
	} {
		c := listed.compare(t, universe, "mutations.json "+part.name)
		for _, caller := range slices.Sorted(part.callers) {
			if clients[caller] == nil {
				clients[caller] = w.as(t, caller)
			}
			attempts := part.attempts(caller)
			for i, err := range try(t, clients[caller], attempts) {
				one := attempts[i]
				c.row(caller+" "+one.row, one.recorded, one.outcomeOf(err), one.rules...)
			}
		}
	}
	if diff := cmp.Diff(before, w.export(t), protocmp.Transform()); diff != "" {
		t.Errorf("some of it was made (-before +after):\n%s", diff)
	}
}

func creation(path string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: path}}}
}

func removal(path string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: path}}}
}

func writing(path string, a *pb.Annotation) *pb.Change {
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: path, Annotation: a}}}
}

func takingOff(path, tag string, unique uint64) *pb.Change {
	return &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: path, Tag: tag, Unique: unique}}}
}

// creations are leaves that are made in each parent. There the local clauses of
// the parent did not count.
func (w *world) creations(caller string, recorded outcomes) (all []attempt) {
	for was, parent := range recorded.each() {
		all = append(all, attempt{
			row: parent, recorded: was, change: creation(strings.TrimSuffix(parent, "/") + "/made-here"),
			outcomeOf: func(err error) string {
				if errors.Is(err, fault.Conflict) {
					return "parent_not_directory"
				}
				return outcome(err)
			},
			rules: []rule{
				{"hidden-is-missing", !w.sees(caller, parent), "not_found"},
				{"parent-is-target", !w.may(caller, "W", parent), "denied"},
				{"fixed-tops", parent == "am://", "invalid"},
				{"unmarked-leaf", w.nodes[parent].Leaf != w.leaves[parent], "parent_not_directory"},
			},
		})
	}
	return all
}

// removals are nodes that are removed. There the local clauses of the parent did
// not count.
func (w *world) removals(caller string, recorded outcomes) (all []attempt) {
	for was, path := range recorded.each() {
		seen, parent := w.sees(caller, path), parentOf(path)
		all = append(all, attempt{
			row: path, recorded: was, change: removal(path),
			outcomeOf: func(err error) string {
				if errors.Is(err, fault.Conflict) && detail(err, "used_by") == "" && w.hasChildren(path) {
					return "not_empty"
				}
				return outcome(err)
			},
			rules: []rule{
				{"hidden-is-missing", !seen, "not_found"},
				{"parent-is-target", seen && w.sees(caller, parent) && !w.may(caller, "W", parent), "denied"},
				{"used-roles-stay", was == "ok" && w.isUsed(path), "conflict"},
			},
		})
	}
	return all
}

func (w *world) hasChildren(path string) bool {
	for other := range w.nodes {
		if other != path && parentOf(other) == path {
			return true
		}
	}
	return false
}

// isUsed says whether the role is applied somewhere or named by a clause.
func (w *world) isUsed(role string) bool {
	for _, n := range w.nodes {
		if slices.Contains(n.AppliedRoles, role) {
			return true
		}
		for _, ace := range n.ACEs {
			if slices.Contains(slices.Concat(ace.ACLs...), role) {
				return true
			}
		}
	}
	return false
}

// notes are texts that are written on each path.
func (w *world) notes(caller string, recorded outcomes) (all []attempt) {
	for was, path := range recorded.each() {
		all = append(all, attempt{
			row: path, recorded: was, change: writing(path, &pb.Annotation{Tag: "tried", Content: &pb.Annotation_Text{Text: "x"}}),
			outcomeOf: outcome,
			rules:     []rule{{"hidden-is-missing", !w.sees(caller, path), "not_found"}},
		})
	}
	return all
}

// applications are roles that are applied to paths.
func (w *world) applications(caller string, recorded map[string]outcomes) (all []attempt) {
	for _, path := range slices.Sorted(maps.Keys(recorded)) {
		for was, role := range recorded[path].each() {
			change := writing(path, &pb.Annotation{Tag: "applied-role", Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: role}}})
			one := w.withRole(caller, path, role, was, change)
			has := slices.Contains(w.nodes[path].AppliedRoles, role)
			one.rules = append(one.rules, rule{"role-once", was == "ok" && has, "exists"})
			all = append(all, one)
		}
	}
	return all
}

// additions are clauses for Read with one set of one role.
func (w *world) additions(caller string, recorded map[string]outcomes) (all []attempt) {
	for _, path := range slices.Sorted(maps.Keys(recorded)) {
		for was, role := range recorded[path].each() {
			clause := &pb.Clause{Operation: "Read", Sets: []*pb.RoleSet{{Roles: []*pb.RoleName{{Path: role}}}}}
			change := writing(path, &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: clause}})
			all = append(all, w.withRole(caller, path, role, was, change))
		}
	}
	return all
}

// withRole is an attempt with a path and a role.
func (w *world) withRole(caller, path, role, was string, change *pb.Change) attempt {
	return attempt{
		row: path + "#" + role, recorded: was, change: change,
		outcomeOf: func(err error) string { return roleOutcome(err, path) },
		rules: []rule{
			{"hidden-is-missing", was == "denied_path" && !w.sees(caller, path), "path_not_found"},
			{"hidden-is-missing", was == "denied_role" && !w.sees(caller, role), "role_not_found"},
		},
	}
}

// roleOutcome tells what is wrong with the path from what is wrong with a role.
func roleOutcome(err error, path string) string {
	of := "role"
	if detail(err, "annotation") == "" && detail(err, "path") == newName(path) {
		of = "path"
	}
	switch {
	case errors.Is(err, fault.Denied):
		return "denied_" + of
	case errors.Is(err, fault.NotFound):
		return of + "_not_found"
	}
	return outcome(err)
}

// clauseRemovals are clauses that are taken off; each is named by its place among
// those of the node. A role that the caller may not View is no secret there: the
// clause is shown to it with that role redacted.
func (w *world) clauseRemovals(t *testing.T, numbers map[string]uint64, caller string, recorded outcomes) (all []attempt) {
	t.Helper()
	for was, name := range recorded.each() {
		path, index, _ := strings.Cut(name, "#")
		at, err := strconv.Atoi(index)
		if err != nil {
			t.Fatal(err)
		}
		ace := w.nodes[path].ACEs[at]
		all = append(all, attempt{
			row: name, recorded: was, change: takingOff(path, "clause", numberOf(t, numbers, path+"#"+ace.text())),
			outcomeOf: func(err error) string { return roleOutcome(err, path) },
			rules: []rule{
				{"hidden-is-missing", was == "denied_path" && !w.sees(caller, path), "path_not_found"},
			},
		})
	}
	return all
}

// roleRemovals are applied roles that are taken off.
func (w *world) roleRemovals(t *testing.T, numbers map[string]uint64, caller string, recorded outcomes) (all []attempt) {
	t.Helper()
	for was, name := range recorded.each() {
		path, role, _ := strings.Cut(name, "#")
		all = append(all, attempt{
			row: name, recorded: was, change: takingOff(path, "applied-role", numberOf(t, numbers, name)),
			outcomeOf: func(err error) string { return roleOutcome(err, path) },
			rules: []rule{
				{"hidden-is-missing", was == "denied_path" && !w.sees(caller, path), "path_not_found"},
				{"dangling-role", was == "error:dangling_role", w.danglingRemoval(caller, role)},
			},
		})
	}
	return all
}

// danglingRemoval says how it ends to take off a role that does not exist: as if it
// did, and nothing hung on it.
func (w *world) danglingRemoval(caller, role string) string {
	if w.may(caller, "P", parentOf(role)) {
		return "ok"
	}
	return "denied_role"
}

// numbersOf gives the numbers of the clauses and applied roles of all nodes, by path
// and what they are.
func numbersOf(exported *pb.ExportResponse) map[string]uint64 {
	all := make(map[string]uint64)
	for _, n := range exported.Nodes {
		for _, a := range n.Annotations {
			what := undangled(shownRole(a.GetRole()))
			if a.GetClause() != nil {
				what = shownClause(a.GetClause()).text()
			}
			if !isLoaders(n.Node.Path, a) {
				all[oldName(n.Node.Path)+"#"+what] = a.Unique
			}
		}
	}
	return all
}

// numberOf gives one of them.
func numberOf(t *testing.T, numbers map[string]uint64, name string) uint64 {
	t.Helper()
	number, ok := numbers[name]
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return number
}
