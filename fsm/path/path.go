// Package path holds the names of things. Everything that can be named has a
// place in one tree, such as "/account/nasa/user-1", and one access rule
// governs it all, so what a path may look like is said here and nowhere else.
package path

import (
	"iter"
	"strconv"
	"strings"

	"acquired/proto/fault"
)

// Limits of a path.
const (
	// MaxLength is in bytes, after normalisation.
	MaxLength = 512
	// MaxDepth is in segments.
	MaxDepth = 32
	// MaxSegment is in bytes.
	MaxSegment = 64
)

// oldScheme begins the paths of the system before this one.
const oldScheme = "am://"

// Path is a normalised absolute path: "/" or "/a/b". Two paths name the same
// thing exactly when they are equal. The zero value is no path: it covers
// nothing and nothing covers it. Only Parse makes a Path from input.
type Path string

// Root is the top of the tree.
const Root Path = "/"

// Parse gives the path that s names: "/a/b", or "am://a/b" for the same.
// Trailing slashes are cut, but "//" is refused rather than taken for the root.
// The path shares the bytes of s. The error is a fault.Invalid.
func Parse(s string) (Path, error) {
	normal := s
	if strings.HasPrefix(s, oldScheme) {
		normal = s[len(oldScheme)-1:]
	}
	if normal == "/" {
		return Root, nil
	}
	if !strings.HasPrefix(normal, "/") {
		return "", fault.Invalid.New(`path %s must begin with "/" or "am://"`, quote(s))
	}
	segments := strings.TrimRight(normal[1:], "/")
	if err := checkSegments(s, segments); err != nil {
		return "", err
	}
	return Path(normal[:1+len(segments)]), nil
}

// checkSegments checks what follows the first slash of the path that input names.
func checkSegments(input, segments string) error {
	if length := 1 + len(segments); length > MaxLength {
		return fault.Invalid.New("path %s is %d bytes long, at most %d are allowed", quote(input), length, MaxLength)
	}
	if depth := 1 + strings.Count(segments, "/"); depth > MaxDepth {
		return fault.Invalid.New("path %s has %d segments, at most %d are allowed", quote(input), depth, MaxDepth)
	}
	for segment := range strings.SplitSeq(segments, "/") {
		if segment == "." || segment == ".." {
			return fault.Invalid.New(`path %s: the segments "." and ".." are not allowed`, quote(input))
		}
		if !wellFormed(segment) {
			return fault.Invalid.New("path %s: segment %s must be 1 to %d bytes of A-Z, a-z, 0-9 and -._~@+",
				quote(input), quote(segment), MaxSegment)
		}
	}
	return nil
}

func wellFormed(segment string) bool {
	for i := range len(segment) {
		if !allowed(segment[i]) {
			return false
		}
	}
	return len(segment) >= 1 && len(segment) <= MaxSegment
}

func allowed(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~@+", c) >= 0
}

// quote keeps messages short whatever the input.
func quote(s string) string {
	const most = 80
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(s[:most]) + "..."
}

// IsZero says whether p is the zero value, which is no path.
func (p Path) IsZero() bool { return p == "" }

// Parent gives the path one segment shorter. The root's parent is the root.
func (p Path) Parent() Path {
	if p.IsZero() {
		return p
	}
	return p[:max(1, strings.LastIndexByte(string(p), '/'))]
}

// Base gives the last segment. The root has none: its base is empty.
func (p Path) Base() string {
	return string(p[strings.LastIndexByte(string(p), '/')+1:])
}

// Depth gives the number of segments. The root has none.
func (p Path) Depth() int {
	if p == Root {
		return 0
	}
	return strings.Count(string(p), "/")
}

// Covers says whether p is other or an ancestor of it. "/a" covers "/a/b" and
// does not cover "/ab".
func (p Path) Covers(other Path) bool {
	if p.IsZero() || !strings.HasPrefix(string(other), string(p)) {
		return false
	}
	return p == Root || len(other) == len(p) || other[len(p)] == '/'
}

// Under says whether p is other or a descendant of it.
func (p Path) Under(other Path) bool { return other.Covers(p) }

// Ancestors gives the paths that cover p, from the root down to p itself.
func (p Path) Ancestors() iter.Seq[Path] {
	return func(yield func(Path) bool) {
		if p.IsZero() || !yield(Root) || p == Root {
			return
		}
		for i := 1; i < len(p); i++ {
			if p[i] == '/' && !yield(p[:i]) {
				return
			}
		}
		yield(p)
	}
}

// AppendKey appends the bytes that stand for p in an ordered key: the path and
// a zero byte, so that no path's key is a prefix of another's. Keys sort as
// paths do. The keys of the descendants of p are those that begin with p and a
// slash; they need not follow directly on the key of p, as "/a-b" sorts
// between "/a" and "/a/b".
func (p Path) AppendKey(key []byte) []byte {
	return append(append(key, p...), 0)
}
