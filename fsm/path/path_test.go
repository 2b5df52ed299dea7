package path_test

import (
	"bytes"
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"acquired/fsm/path"
	"acquired/proto/fault"
)

func mustParse(t *testing.T, s string) path.Path {
	t.Helper()
	p, err := path.Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return p
}

func TestParse(t *testing.T) {
	t.Parallel()
	deepest := strings.Repeat("/a", path.MaxDepth)
	widest := "/" + strings.Repeat("s", path.MaxSegment)
	longest := strings.Repeat(widest, 7) + "/" + strings.Repeat("s", path.MaxLength-7*len(widest)-1)
	for input, want := range map[string]path.Path{
		"/":                     path.Root,
		"am://":                 path.Root,
		"/a":                    "/a",
		"/a/":                   "/a",
		"/a/b///":               "/a/b",
		"am://a/b":              "/a/b",
		"am://a/b/":             "/a/b",
		"/account/nasa/user-1":  "/account/nasa/user-1",
		"/A9-._~@+/...":         "/A9-._~@+/...",
		"/am/.hidden/..data":    "/am/.hidden/..data",
		deepest:                 path.Path(deepest),
		deepest + "/":           path.Path(deepest),
		widest:                  path.Path(widest),
		longest:                 path.Path(longest),
		"am:/" + longest + "//": path.Path(longest),
	} {
		got, err := path.Parse(input)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", input, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const (
		begin   = `must begin with "/" or "am://"`
		segment = "must be 1 to 64 bytes of A-Z, a-z, 0-9 and -._~@+"
		dots    = `the segments "." and ".." are not allowed`
	)
	for _, test := range []struct{ input, want string }{
		{"", `path "" ` + begin},
		{"a/b", `path "a/b" ` + begin},
		{" /a", `path " /a" ` + begin},
		{"am:/a", `path "am:/a" ` + begin},
		{"AM://a", `path "AM://a" ` + begin},
		{"http://a", `path "http://a" ` + begin},
		{"//", `path "//": segment "" ` + segment},
		{"am:///", `path "am:///": segment "" ` + segment},
		{"am:///a", `path "am:///a": segment "" ` + segment},
		{"//a", `path "//a": segment "" ` + segment},
		{"/a//b", `path "/a//b": segment "" ` + segment},
		{"/a b", `path "/a b": segment "a b" ` + segment},
		{"/a/b%2f", `path "/a/b%2f": segment "b%2f" ` + segment},
		{"/é", `path "/é": segment "é" ` + segment},
		{"/a\x00", `path "/a\x00": segment "a\x00" ` + segment},
		{"/a\xff", `path "/a\xff": segment "a\xff" ` + segment},
		{"/a:b", `path "/a:b": segment "a:b" ` + segment},
		{"/.", `path "/.": ` + dots},
		{"/a/../b", `path "/a/../b": ` + dots},
		{"am://..", `path "am://..": ` + dots},
		{"/" + strings.Repeat("s", 65), `path "/` + strings.Repeat("s", 65) + `": segment "` + strings.Repeat("s", 65) + `" ` + segment},
		{strings.Repeat("/a", 33), `path "` + strings.Repeat("/a", 33) + `" has 33 segments, at most 32 are allowed`},
		{strings.Repeat("/abc", 128) + "d", `path "` + strings.Repeat("/abc", 20) + `"... is 513 bytes long, at most 512 are allowed`},
	} {
		got, err := path.Parse(test.input)
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("Parse(%q) = %q, %v; want fault.Invalid", test.input, got, err)
			continue
		}
		if !got.IsZero() || err.Error() != test.want {
			t.Errorf("Parse(%q) = %q, %v; want the zero path and %s", test.input, got, err, test.want)
		}
	}
}

func TestParseOfNormalPathDoesNotAllocate(t *testing.T) {
	for _, input := range []string{"/", "/account/nasa/user-1", "am://account/nasa/user-1/", strings.Repeat("/a", path.MaxDepth)} {
		allocations := testing.AllocsPerRun(100, func() {
			if _, err := path.Parse(input); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 {
			t.Errorf("Parse(%q) allocates %v times, want 0", input, allocations)
		}
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		input     string
		parent    path.Path
		base      string
		depth     int
		ancestors []path.Path
	}{
		{"/", "/", "", 0, []path.Path{"/"}},
		{"/a", "/", "a", 1, []path.Path{"/", "/a"}},
		{"/a/b-c/d", "/a/b-c", "d", 3, []path.Path{"/", "/a", "/a/b-c", "/a/b-c/d"}},
	} {
		p := mustParse(t, test.input)
		if p.Parent() != test.parent || p.Base() != test.base || p.Depth() != test.depth {
			t.Errorf("%q: parent %q, base %q, depth %d; want %q, %q, %d",
				p, p.Parent(), p.Base(), p.Depth(), test.parent, test.base, test.depth)
		}
		if diff := gocmp.Diff(test.ancestors, slices.Collect(p.Ancestors())); diff != "" {
			t.Errorf("%q: ancestors (-want +got):\n%s", p, diff)
		}
	}
}

func TestAncestorsStop(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "/a/b/c")
	for most := 1; most <= 4; most++ {
		var got int
		for range p.Ancestors() {
			if got++; got == most {
				break
			}
		}
		if got != most {
			t.Errorf("took %d ancestors, want %d", got, most)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		above, below string
		want         bool
	}{
		{"/", "/", true},
		{"/", "/a/b", true},
		{"/a", "/a", true},
		{"/a", "/a/b", true},
		{"/a", "/a/b/c", true},
		{"/a", "/ab", false},
		{"/a", "/a-b", false},
		{"/a/b", "/a", false},
		{"/a", "/", false},
		{"/a", "/b/a", false},
	} {
		above, below := mustParse(t, test.above), mustParse(t, test.below)
		if got := above.Covers(below); got != test.want {
			t.Errorf("%q.Covers(%q) = %v, want %v", above, below, got, test.want)
		}
		if got := below.Under(above); got != test.want {
			t.Errorf("%q.Under(%q) = %v, want %v", below, above, got, test.want)
		}
	}
}

func TestZeroCoversNothing(t *testing.T) {
	t.Parallel()
	var zero path.Path
	if !zero.IsZero() || path.Root.IsZero() {
		t.Errorf("IsZero: zero %v, root %v; want true, false", zero.IsZero(), path.Root.IsZero())
	}
	for _, p := range []path.Path{zero, path.Root, "/a"} {
		if zero.Covers(p) || p.Covers(zero) {
			t.Errorf("zero covers %q: %v, and is covered by it: %v; want false", p, zero.Covers(p), p.Covers(zero))
		}
	}
	if zero.Parent() != zero || zero.Base() != "" || zero.Depth() != 0 {
		t.Errorf("zero: parent %q, base %q, depth %d; want none", zero.Parent(), zero.Base(), zero.Depth())
	}
	if got := slices.Collect(zero.Ancestors()); got != nil {
		t.Errorf("zero: ancestors %q, want none", got)
	}
}

// paths draws from few names, so that ancestors and near misses are common.
var paths = rapid.Custom(func(t *rapid.T) path.Path {
	segment := rapid.OneOf(
		rapid.SampledFrom([]string{"a", "b", "ab", "a-b", "a.b", "..."}),
		rapid.StringMatching(`[A-Za-z0-9\-_~@+]{1,12}`),
	)
	segments := rapid.SliceOfN(segment, 0, path.MaxDepth).Draw(t, "segments")
	p, err := path.Parse("/" + strings.Join(segments, "/"))
	if err != nil {
		t.Fatalf("Parse of well-formed segments: %v", err)
	}
	return p
})

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := paths.Draw(t, "path")
		slashes := rapid.StringMatching(`/{0,3}`).Draw(t, "slashes")
		inputs := []string{string(p), "am:/" + string(p)}
		if p != path.Root {
			inputs = append(inputs, string(p)+slashes, "am:/"+string(p)+slashes)
		}
		for _, input := range inputs {
			if got, err := path.Parse(input); err != nil || got != p {
				t.Fatalf("Parse(%q) = %q, %v; want %q", input, got, err, p)
			}
		}
		if p != path.Root {
			joined := strings.TrimSuffix(string(p.Parent()), "/") + "/" + p.Base()
			if joined != string(p) {
				t.Fatalf("parent %q and base %q make %q, want %q", p.Parent(), p.Base(), joined, p)
			}
		}
	})
}

func TestAncestorsProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, other := paths.Draw(t, "path"), paths.Draw(t, "other")
		ancestors := slices.Collect(p.Ancestors())
		if len(ancestors) != p.Depth()+1 || ancestors[0] != path.Root || ancestors[len(ancestors)-1] != p {
			t.Fatalf("%q of depth %d: ancestors %q", p, p.Depth(), ancestors)
		}
		for i, ancestor := range ancestors[1:] {
			if ancestor.Parent() != ancestors[i] {
				t.Fatalf("parent of %q is %q, want %q", ancestor, ancestor.Parent(), ancestors[i])
			}
		}
		if got, want := other.Covers(p), slices.Contains(ancestors, other); got != want {
			t.Fatalf("%q.Covers(%q) = %v, want %v", other, p, got, want)
		}
	})
}

func TestKeyProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, other := paths.Draw(t, "path"), paths.Draw(t, "other")
		key, otherKey := p.AppendKey(nil), other.AppendKey(nil)
		if got, want := bytes.Compare(key, otherKey), cmp.Compare(p, other); got != want {
			t.Fatalf("keys of %q and %q compare as %d, want %d", p, other, got, want)
		}
		if got := p.AppendKey([]byte("before")); string(got) != "before"+string(key) {
			t.Fatalf("AppendKey after %q gives %q", "before", got)
		}
		if p == other {
			return
		}
		if bytes.HasPrefix(otherKey, key) {
			t.Fatalf("key %q is a prefix of %q", key, otherKey)
		}
		below := strings.TrimSuffix(string(p), "/") + "/"
		if got, want := bytes.HasPrefix(otherKey, []byte(below)), p.Covers(other); got != want {
			t.Fatalf("key %q begins with %q: %v, want %v", otherKey, below, got, want)
		}
	})
}

// rules is what a normal path other than the root looks like, but for its
// length, its depth and its dots.
var rules = regexp.MustCompile(`^(/[A-Za-z0-9._~@+-]{1,64})+$`)

func obeysRules(s string) bool {
	if s == "/" {
		return true
	}
	names := strings.Split(s, "/")
	return rules.MatchString(s) && len(s) <= 512 && len(names)-1 <= 32 &&
		!slices.Contains(names, ".") && !slices.Contains(names, "..")
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/", "//", "/a/b", "/a/b/", "am://a", "am:///", "/a//b", "/a/../b", "/é", "/a\n", "a", "",
		strings.Repeat("/a", 33), "/" + strings.Repeat("a", 65), strings.Repeat("/abc", 129),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		p, err := path.Parse(input)
		if err != nil {
			if !errors.Is(err, fault.Invalid) || !p.IsZero() {
				t.Fatalf("Parse(%q) = %q, %v; want the zero path and fault.Invalid", input, p, err)
			}
			if obeysRules(input) {
				t.Fatalf("Parse(%q): %v; the path obeys all rules", input, err)
			}
			return
		}
		if !obeysRules(string(p)) {
			t.Fatalf("Parse(%q) = %q, which breaks a rule", input, p)
		}
		if again, err := path.Parse(string(p)); err != nil || again != p {
			t.Fatalf("Parse(%q) = %q, %v; want %q", p, again, err, p)
		}
		trimmed := strings.TrimRight(strings.Replace(input, "am:/", "", 1), "/")
		if want := cmp.Or(trimmed, "/"); string(p) != want {
			t.Fatalf("Parse(%q) = %q, want %q", input, p, want)
		}
	})
}
