package tree

import (
	"iter"
	"strings"

	"acquired/fsm/kv"
	"acquired/fsm/path"
)

// Children gives the children of the path in order, beginning behind after; an
// empty after begins with the first. What is below the children is skipped, not
// read.
func Children(r kv.Reader, of, after path.Path) iter.Seq[*Node] {
	prefix := below(of)
	return func(yield func(*Node) bool) {
		from := max(prefix, string(after))
		for {
			next := ""
			for n := range nodes.From(r, path.Path(from)) {
				if n.Path == path.Root || n.Path == after {
					continue
				}
				if !strings.HasPrefix(string(n.Path), prefix) {
					return
				}
				if i := strings.IndexByte(string(n.Path[len(prefix):]), '/'); i >= 0 {
					next = behindBelow(n.Path[:len(prefix)+i])
					break
				}
				if !yield(&n) {
					return
				}
			}
			if next == "" {
				return
			}
			from = next
		}
	}
}

// Descendants gives all that is below the path, in order, beginning behind after;
// an empty after begins with the first. A directory may come after some of what
// is below its sibling: "/a-b" is between "/a" and "/a/b".
func Descendants(r kv.Reader, of, after path.Path) iter.Seq[*Node] {
	return DescendantsBut(r, of, after, fertile)
}

// DescendantsBut is Descendants without what is below the nodes that are barren.
// Barren is asked of the path itself and of what is below it, and must hold below
// a node for which it holds. What is skipped is not read.
func DescendantsBut(r kv.Reader, of, after path.Path, barren func(path.Path) bool) iter.Seq[*Node] {
	prefix := below(of)
	return func(yield func(*Node) bool) {
		from := prefix
		if string(after) > from {
			from = string(after)
		}
		asked, is := path.Path(""), false
		for from != "" {
			next := ""
			for n := range nodes.From(r, path.Path(from)) {
				if n.Path == path.Root || n.Path == after {
					continue
				}
				if !strings.HasPrefix(string(n.Path), prefix) {
					return
				}
				if parent := n.Path.Parent(); parent != asked {
					asked, is = parent, barren(parent)
				}
				if is {
					next = behindBelow(asked)
					break
				}
				if !yield(&n) {
					return
				}
			}
			from = next
		}
	}
}

// behindBelow is the first key behind all that is below the path: what begins with
// "/a/" sorts before "/a0".
func behindBelow(p path.Path) string {
	prefix := below(p)
	return prefix[:len(prefix)-1] + "0"
}

// Subtree is Descendants with the node at the path itself first, if there is one
// and it is behind after.
func Subtree(r kv.Reader, of, after path.Path) iter.Seq[*Node] {
	return SubtreeBut(r, of, after, fertile)
}

// SubtreeBut is to Subtree what DescendantsBut is to Descendants.
func SubtreeBut(r kv.Reader, of, after path.Path, barren func(path.Path) bool) iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n := Find(r, of); n != nil && after == "" && !yield(n) {
			return
		}
		for n := range DescendantsBut(r, of, after, barren) {
			if !yield(n) {
				return
			}
		}
	}
}

func fertile(path.Path) bool { return false }

// HasChildren says whether anything is below the path.
func HasChildren(r kv.Reader, of path.Path) bool {
	for range Descendants(r, of, "") {
		return true
	}
	return false
}

func below(p path.Path) string {
	if p == path.Root {
		return "/"
	}
	return string(p) + "/"
}
