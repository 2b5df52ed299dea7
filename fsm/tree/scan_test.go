package tree

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
)

// segments sort in all ways about the slash: "a-b", "a.b" and "a+" before what is
// below "a", "a0" and "a_" behind it.
var segments = rapid.SampledFrom([]string{"a", "a-b", "a.b", "a0", "a+", "a_", "a~", "a@", "aa", "b", "A", "0", "-"})

// somewhere draws a path below /data.
var somewhere = rapid.Custom(func(t *rapid.T) path.Path {
	return path.Path("/data/" + strings.Join(rapid.SliceOfN(segments, 1, 4).Draw(t, "segments"), "/"))
})

// drawTree gives a tree of some paths, and the paths below the root in order.
func drawTree(t *rapid.T) (*state, []path.Path) {
	s := newState(t)
	s.create("/data/", "/user/")
	s.must(func(tx *command.Tx) error {
		for _, p := range rapid.SliceOfN(somewhere, 0, 25).Draw(t, "paths") {
			for above := range p.Ancestors() {
				if Find(tx, above) == nil {
					if err := Create(tx, above, Directory); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	var all []path.Path
	s.read(func(r kv.Reader) {
		for n := range nodes.All(r) {
			all = append(all, n.Path)
		}
	})
	return s, all
}

// wanted gives those of the paths that a scan should give.
func wanted(all []path.Path, after path.Path, in func(path.Path) bool) (some []string) {
	for _, p := range all {
		if in(p) && p > after {
			some = append(some, string(p))
		}
	}
	return some
}

// TestScans compares what is below a path with what is filtered out of all paths,
// from any place on.
func TestScans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, all := drawTree(t)
		places := rapid.OneOf(rapid.SampledFrom(append([]path.Path{path.Root}, all...)), somewhere)
		of := places.Draw(t, "of")
		after := rapid.OneOf(rapid.Just(path.Path("")), places).Draw(t, "after")
		below := func(p path.Path) bool { return of.Covers(p) && p != of }
		child := func(p path.Path) bool { return below(p) && p.Parent() == of }
		s.read(func(r kv.Reader) {
			if got, want := names(Descendants(r, of, after)), wanted(all, after, below); !slices.Equal(got, want) {
				t.Fatalf("below %s behind %q there is %q, want %q", of, after, got, want)
			}
			if got, want := names(Children(r, of, after)), wanted(all, after, child); !slices.Equal(got, want) {
				t.Fatalf("the children of %s behind %q are %q, want %q", of, after, got, want)
			}
			if got, want := HasChildren(r, of), slices.ContainsFunc(all, below); got != want {
				t.Fatalf("%s has children: %v, want %v", of, got, want)
			}
			want := wanted(all, "", below)
			if Find(r, of) != nil {
				want = append([]string{string(of)}, want...)
			}
			if got := names(Subtree(r, of, "")); !slices.Equal(got, want) {
				t.Fatalf("the subtree of %s is %q, want %q", of, got, want)
			}
		})
	})
}

// TestPages: what is read page by page is what is read at once.
func TestPages(t *testing.T) {
	t.Parallel()
	scans := map[string]func(kv.Reader, path.Path, path.Path) func(func(*Node) bool){
		"children": func(r kv.Reader, of, after path.Path) func(func(*Node) bool) { return Children(r, of, after) },
		"below":    func(r kv.Reader, of, after path.Path) func(func(*Node) bool) { return Descendants(r, of, after) },
		"subtree":  func(r kv.Reader, of, after path.Path) func(func(*Node) bool) { return Subtree(r, of, after) },
	}
	rapid.Check(t, func(t *rapid.T) {
		s, all := drawTree(t)
		of := rapid.SampledFrom(append([]path.Path{path.Root}, all...)).Draw(t, "of")
		size := rapid.IntRange(1, 4).Draw(t, "size")
		s.read(func(r kv.Reader) {
			for name, scan := range scans {
				var got []string
				after := path.Path("")
				for range len(all) + 2 {
					page := names(scan(r, of, after))
					if page = page[:min(size, len(page))]; len(page) == 0 {
						break
					}
					got = append(got, page...)
					after = path.Path(page[len(page)-1])
				}
				if want := names(scan(r, of, "")); !slices.Equal(got, want) {
					t.Fatalf("%s of %s in pages of %d: %q, want %q", name, of, size, got, want)
				}
			}
		})
	})
}

// TestScansSeeTheTransaction: a command sees what those before it in the entry
// made, and may change the tree while it reads it.
func TestScansSeeTheTransaction(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/", "/data/a/", "/data/a/x", "/data/b")
	s.must(func(tx *command.Tx) error {
		Delete(tx, "/data/b")
		if err := Create(tx, "/data/a-b", Leaf); err != nil {
			return err
		}
		for n := range Descendants(tx, "/data", "") {
			if n.Path == "/data/a" {
				Delete(tx, "/data/a/x")
			}
		}
		if got := names(Descendants(tx, "/data", "")); !slices.Equal(got, []string{"/data/a", "/data/a-b"}) {
			t.Errorf("below /data there is %q", got)
		}
		return nil
	})
}

// TestClausesBelow compares with a filter, as TestScans does.
func TestClausesBelow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, all := drawTree(t)
		all = append([]path.Path{path.Root}, all...)
		with := rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID).Draw(t, "with clauses")
		s.must(func(tx *command.Tx) error {
			for _, p := range with {
				if _, err := PutClause(tx, p, Clause{Operation: command.View}, 0); err != nil {
					return err
				}
			}
			return nil
		})
		slices.Sort(with)
		of := rapid.SampledFrom(all).Draw(t, "of")
		var got []string
		s.read(func(r kv.Reader) {
			for p := range ClausesBelow(r, of) {
				got = append(got, string(p))
			}
		})
		if want := wanted(with, "", func(p path.Path) bool { return of.Covers(p) && p != of }); !slices.Equal(got, want) {
			t.Fatalf("clauses hang below %s on %q, want %q", of, got, want)
		}
	})
}
