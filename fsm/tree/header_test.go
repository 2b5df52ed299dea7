package tree

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

func TestInForce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		start, end, now int64
		inForce, ended  bool
		boundary        int64 // 0 is none
	}{
		{0, 0, 0, true, false, 0},
		{0, 0, math.MaxInt64, true, false, 0},
		{10, 0, 9, false, false, 10},
		{10, 0, 10, true, false, 0},
		{0, 20, 19, true, false, 20},
		{0, 20, 20, false, true, 0},
		{10, 20, 9, false, false, 10},
		{10, 20, 10, true, false, 20},
		{10, 20, 19, true, false, 20},
		{10, 20, 20, false, true, 0},
		{10, 20, 21, false, true, 0},
	} {
		h := Header{Start: test.start, End: test.end}
		at, ok := h.Boundary(test.now)
		if h.InForce(test.now) != test.inForce || h.Ended(test.now) != test.ended || ok != (test.boundary != 0) || at != test.boundary {
			t.Errorf("from %d to %d: at %d it is in force %v, ended %v, and next changes at %d, %v; want %v, %v, %d", test.start, test.end,
				test.now, h.InForce(test.now), h.Ended(test.now), at, ok, test.inForce, test.ended, test.boundary)
		}
	}
}

func TestCheckTimes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		start, end int64
		ok         bool
	}{
		{0, 0, true}, {1, 0, true}, {0, 1, true}, {1, 2, true}, {math.MaxInt64, 0, true},
		{-1, 0, false}, {0, -1, false}, {2, 1, false}, {1, 1, false}, {math.MinInt64, math.MaxInt64, false},
	} {
		err := CheckTimes(test.start, test.end)
		if test.ok != (err == nil) || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("from %d to %d: %v, want it allowed: %v", test.start, test.end, err, test.ok)
		}
	}
}

func TestCheckTag(t *testing.T) {
	t.Parallel()
	for tag, ok := range map[string]bool{
		"a": true, "ssh-pubkey": true, "0": true, "a-": true, strings.Repeat("x", MaxTag): true,
		"": false, "-a": false, "A": false, "a_b": false, "a.b": false, "a b": false, "é": false, "a\x00": false,
		strings.Repeat("x", MaxTag+1): false, strings.Repeat("é", 1000): false,
	} {
		err := CheckTag(tag)
		if ok != (err == nil) || err != nil && (fault.KindOf(err) != fault.Invalid || len(err.Error()) > 500) {
			t.Errorf("tag %.80q: %v, want it allowed: %v", tag, err, ok)
		}
	}
}

// modelText is a text of the model: a map instead of lists.
type modelText struct {
	version uint64
	end     int64
	text    string
}

type modelKey struct {
	tag    string
	unique uint64
}

// put is what PutText does, as its promise is written.
func (m modelTexts) put(k modelKey, text modelText, ifVersion int64, now int64) (modelKey, fault.Kind) {
	m.forget(now)
	if k.unique == 0 {
		k.unique = 1
		for other := range m {
			if other.tag == k.tag {
				k.unique = max(k.unique, other.unique+1)
			}
		}
	}
	was, ok := m[k]
	switch {
	case ok && ifVersion == 0:
		return k, fault.Exists
	case ifVersion > 0 && was.version != uint64(ifVersion):
		return k, fault.Conflict
	}
	text.version = was.version + 1
	m[k] = text
	return k, ""
}

// remove is what RemoveText does.
func (m modelTexts) remove(k modelKey, ifVersion int64, now int64) fault.Kind {
	m.forget(now)
	was, ok := m[k]
	switch {
	case !ok:
		return fault.NotFound
	case ifVersion > 0 && was.version != uint64(ifVersion):
		return fault.Conflict
	}
	delete(m, k)
	return ""
}

type modelTexts map[modelKey]modelText

// forget drops what has ended: it counts as absent.
func (m modelTexts) forget(now int64) {
	maps.DeleteFunc(m, func(_ modelKey, text modelText) bool { return text.end != 0 && text.end <= now })
}

func (m modelTexts) String() string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b modelKey) int {
		if a.tag != b.tag {
			return strings.Compare(a.tag, b.tag)
		}
		return int(a.unique) - int(b.unique)
	})
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%s %d version %d until %d: %s", k.tag, k.unique, m[k].version, m[k].end, m[k].text))
	}
	return strings.Join(all, "; ")
}

// TestWrites compares random writes and removals with the model.
func TestWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, model := newState(t), make(modelTexts)
		s.create("/data/")
		for i := range rapid.IntRange(1, 25).Draw(t, "steps") {
			s.now += rapid.Int64Range(0, 3).Draw(t, "wait")
			k := modelKey{rapid.SampledFrom([]string{"a", "b", "a-b"}).Draw(t, "tag"), rapid.Uint64Range(0, 4).Draw(t, "unique")}
			ifVersion := rapid.Int64Range(-1, 3).Draw(t, "version")
			before := model.String()
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				want := model.remove(k, ifVersion, s.now)
				err := s.do(func(tx *command.Tx) error { return RemoveText(tx, Data, k.tag, k.unique, ifVersion) })
				wantKind(t, fmt.Sprintf("removing %v at version %d of %s", k, ifVersion, before), err, want)
			} else {
				text := modelText{text: fmt.Sprint(i)}
				if rapid.Bool().Draw(t, "ends") {
					text.end = s.now + rapid.Int64Range(1, 5).Draw(t, "end")
				}
				var written Header
				err := s.do(func(tx *command.Tx) (err error) {
					written, err = PutText(tx, Data, Text{Header: Header{Unique: k.unique, End: text.end}, Tag: k.tag, Text: text.text}, ifVersion)
					return err
				})
				k, want := model.put(k, text, ifVersion, s.now)
				wantKind(t, fmt.Sprintf("writing %v at version %d of %s", k, ifVersion, before), err, want)
				if header := (Header{Unique: k.unique, Version: model[k].version, End: text.end}); err == nil && written != header {
					t.Fatalf("PutText gives %+v, want %+v", written, header)
				}
			}
			compareTextsTo(t, s, model)
		}
	})
}

func compareTextsTo(t *rapid.T, s *state, model modelTexts) {
	t.Helper()
	model.forget(s.now)
	var got []string
	s.read(func(r kv.Reader) {
		for _, text := range Texts(r, Data) {
			if !text.Ended(s.now) {
				got = append(got, fmt.Sprintf("%s %d version %d until %d: %s", text.Tag, text.Unique, text.Version, text.End, text.Text))
			}
		}
	})
	if want := model.String(); strings.Join(got, "; ") != want {
		t.Fatalf("there is %s, want %s", strings.Join(got, "; "), want)
	}
}

func wantKind(t *rapid.T, what string, err error, want fault.Kind) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || fault.KindOf(err) != want) {
		t.Fatalf("%s: %v, want a fault %q", what, err, want)
	}
}

func TestAnnotationsAreBounded(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/")
	put := func(text Text, ifVersion int64) func(*command.Tx) error {
		return func(tx *command.Tx) error {
			_, err := PutText(tx, Data, text, ifVersion)
			return err
		}
	}
	s.refused("a unique that is too large", fault.Invalid, put(Text{Header: Header{Unique: MaxUnique + 1}, Tag: "a"}, 0))
	s.refused("a text that is too long", fault.Invalid, put(Text{Tag: "a", Text: strings.Repeat("x", MaxText+1)}, 0))
	s.must(func(tx *command.Tx) error {
		for i := range MaxAnnotations - 1 {
			if _, err := PutText(tx, Data, Text{Tag: fmt.Sprint("tag-", i%3)}, 0); err != nil {
				return err
			}
		}
		return nil
	})
	s.must(put(Text{Header: Header{Unique: MaxUnique, End: 3000}, Tag: "a", Text: strings.Repeat("x", MaxText)}, 0))
	s.refused("one annotation too many", fault.Exhausted, put(Text{Tag: "b"}, 0))
	s.refused("one too many behind the largest", fault.Invalid, put(Text{Tag: "a"}, 0))
	s.must(put(Text{Tag: "tag-1", Header: Header{Unique: 1}, Text: "another"}, 1))
	s.now = 3000
	s.must(put(Text{Tag: "b"}, 0)) // in the place of what has ended
	s.read(func(r kv.Reader) {
		if got := len(Texts(r, Data)); got != MaxAnnotations {
			t.Errorf("there are %d annotations, want %d", got, MaxAnnotations)
		}
	})
}

func TestClausesAreBounded(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/")
	put := func(c Clause) func(*command.Tx) error {
		return func(tx *command.Tx) error {
			_, err := PutClause(tx, Data, c, 0)
			return err
		}
	}
	set := make([]path.Path, MaxSetRoles+1)
	for i := range set {
		set[i] = path.Path(fmt.Sprintf("/role/%03d", i))
	}
	s.refused("too many sets", fault.Invalid, put(Clause{Operation: command.View, Sets: make([][]path.Path, MaxSets+1)}))
	s.refused("too many roles", fault.Invalid, put(Clause{Operation: command.View, Sets: [][]path.Path{set}}))
	s.refused("an end that does not say that it widens", fault.Invalid, put(Clause{Operation: command.View, Header: Header{End: 5000}}))
	s.must(put(Clause{Operation: command.View, Header: Header{End: 5000}, EndWidens: true}))
	s.must(put(Clause{Operation: command.View, Sets: append(make([][]path.Path, MaxSets-1), set[1:])}))
	s.refused("a removal of nothing", fault.NotFound, func(tx *command.Tx) error { return RemoveClause(tx, Data, 3, 0) })
	s.refused("a removal at another version", fault.Conflict, func(tx *command.Tx) error { return RemoveClause(tx, Data, 1, 2) })
	for _, unique := range []uint64{1, 2} {
		s.must(func(tx *command.Tx) error { return RemoveClause(tx, Data, unique, AnyVersion) })
	}
	s.read(func(r kv.Reader) {
		if got := Clauses(r, Data); len(got) != 0 {
			t.Errorf("there are %v", got)
		}
	})
}

// TestClausesNaming: the index of the roles that clauses name keeps itself.
func TestClausesNaming(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/", "/data/a", "/data/b")
	naming := func(role path.Path) string {
		var all []string
		s.read(func(r kv.Reader) {
			for p := range ClausesNaming(r, role) {
				all = append(all, string(p))
			}
		})
		return strings.Join(all, " ")
	}
	want := func(a, b string) {
		t.Helper()
		if gotA, gotB := naming("/role/a"), naming("/role/b"); gotA != a || gotB != b {
			t.Errorf("the roles are named on %q and %q, want %q and %q", gotA, gotB, a, b)
		}
	}
	put := func(p path.Path, unique uint64, sets ...[]path.Path) {
		t.Helper()
		s.must(func(tx *command.Tx) error {
			_, err := PutClause(tx, p, Clause{Header: Header{Unique: unique}, Operation: command.Read, Sets: sets}, AnyVersion)
			return err
		})
	}
	stamp := func() (stamp uint64) {
		s.read(func(r kv.Reader) { stamp = ClausesStamp(r) })
		return stamp
	}
	before := stamp()
	put("/data/b", 1, []path.Path{"/role/a", "/role/b"}, []path.Path{"/role/a"})
	put("/data/a", 1, []path.Path{"/role/a"})
	put("/", 1, []path.Path{"/role/a"})
	want("/ /data/a /data/b", "/data/b")
	put("/data/b", 2, []path.Path{"/role/b"})
	put("/data/b", 1, []path.Path{"/role/c"})
	want("/ /data/a", "/data/b")
	s.must(func(tx *command.Tx) error { return RemoveClause(tx, "/data/b", 2, 0) })
	want("/ /data/a", "")
	after := stamp()
	s.must(func(tx *command.Tx) error {
		_, err := PutText(tx, Data, Text{Tag: "note"}, 0)
		return err
	})
	if before == after || stamp() != after {
		t.Errorf("the stamp of the clauses went from %d by clauses to %d and by a text to %d", before, after, stamp())
	}
}

// TestDue compares the next time at which something begins or ends with the
// least of all such times, over random writes.
func TestDue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newState(t)
		s.create("/data/")
		var times []int64
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			s.now += rapid.Int64Range(0, 20).Draw(t, "wait")
			var h Header
			if rapid.Bool().Draw(t, "starts") {
				h.Start = s.now + rapid.Int64Range(-5, 30).Draw(t, "start")
			}
			if rapid.Bool().Draw(t, "ends") {
				h.End = max(h.Start, s.now-5) + rapid.Int64Range(1, 30).Draw(t, "end")
			}
			s.must(func(tx *command.Tx) error {
				_, err := PutText(tx, Data, Text{Header: h, Tag: "note"}, 0)
				return err
			})
			times = append(times, h.Start, h.End)
			now := s.now + rapid.Int64Range(0, 30).Draw(t, "asked later")
			want := int64(math.MaxInt64)
			for _, at := range times {
				if at > now {
					want = min(want, at)
				}
			}
			s.read(func(r kv.Reader) {
				if got, ok := Due(r, now); ok != (want != math.MaxInt64) || ok && got != want {
					t.Fatalf("of the times %d, at %d the next is %d, %v; want %d", times, now, got, ok, want)
				}
			})
		}
	})
}

// TestPassedTimesAreForgotten: in small steps, as others are written.
func TestPassedTimesAreForgotten(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/")
	const before = 9
	s.must(func(tx *command.Tx) error {
		for i := range before {
			if _, err := PutText(tx, Data, Text{Header: Header{Start: 2000 + int64(i)}, Tag: "note"}, 0); err != nil {
				return err
			}
		}
		return nil
	})
	s.now = 3000
	for i, want := range []int{5 + 1, 1 + 2, 3, 4} {
		s.must(func(tx *command.Tx) error {
			_, err := PutText(tx, Data, Text{Header: Header{Start: 4000 + int64(i)}, Tag: "note"}, 0)
			return err
		})
		s.read(func(r kv.Reader) {
			if got := len(slices.Collect(boundaries.All(r))); got != want {
				t.Errorf("after %d writes %d times are remembered, want %d", i+1, got, want)
			}
		})
	}
}

// TestRecordsComeBack: with all their fields.
func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	header := Header{Unique: 1, Version: 2, Start: 3, End: 4}
	sets := [][]path.Path{{"/role/a", "/role/b"}, {}, {"/role/c"}}
	comesBack(t, clauses{}, appendClauses, decodeClauses)
	comesBack(t, clauses{"/data", []Clause{
		{Header: header, Operation: command.Meter, Local: true, EndWidens: true, Sets: sets},
		{Operation: command.View},
		{Operation: command.Read, Sets: [][]path.Path{{}}},
	}}, appendClauses, decodeClauses)
	comesBack(t, hung{}, appendTexts, decodeTexts)
	comesBack(t, hung{"/data", []Text{{Header: header, Tag: "note", Text: "x\x00y"}, {}}}, appendTexts, decodeTexts)
	comesBack(t, Event{}, appendEvent, decodeEvent)
	comesBack(t, Event{
		ID: command.ID{Index: 1, Counter: 2}, Nanos: 3, What: Moved, Path: "/data/b", From: "/data/a",
		Tag: "note", Unique: 4, Sets: sets, Hidden: true,
	}, appendEvent, decodeEvent)
	node := Node{Path: "/data/x", Kind: Account, Created: 7, Born: 8}
	got, err := decodeNode(appendNode(nil, node))
	if got.Memo == nil || err != nil {
		t.Errorf("a node comes back as %+v, %v; want it with a memo", got, err)
	}
	got.Memo = nil
	if diff := cmp.Diff(node, got); diff != "" {
		t.Errorf("a node comes back changed (-want +got):\n%s", diff)
	}
}

// comesBack tells an empty set, which nobody meets, from no set.
func comesBack[V any](t *testing.T, record V, appendTo func([]byte, V) []byte, decode func([]byte) (V, error)) {
	t.Helper()
	got, err := decode(appendTo(nil, record))
	unexported := cmp.AllowUnexported(clauses{}, hung{})
	if diff := cmp.Diff(record, got, unexported); diff != "" || err != nil {
		t.Errorf("%T comes back changed, %v (-want +got):\n%s", record, err, diff)
	}
}
