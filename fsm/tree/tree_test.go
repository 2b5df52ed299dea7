package tree

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// state is a tree on which a test does what commands would.
type state struct {
	t     tester
	store *kv.Store
	index uint64
	now   int64
}

func newState(t tester) *state {
	return &state{t: t, store: kv.Open(kv.NewMemory(), &Schema), now: 1000}
}

// do is a command.
func (s *state) do(body func(*command.Tx) error) error {
	s.t.Helper()
	s.index++
	tx := &command.Tx{Tx: s.store.Begin(), Index: s.index, Time: s.now, Entry: new(command.Entry)}
	err := tx.Step(func() error { return body(tx) })
	tx.Commit()
	return err
}

// must is do for what must not be refused.
func (s *state) must(body func(*command.Tx) error) {
	s.t.Helper()
	if err := s.do(body); err != nil {
		s.t.Fatalf("at index %d: %v", s.index, err)
	}
}

// create makes nodes, directories where the name ends in a slash.
func (s *state) create(names ...string) {
	s.t.Helper()
	s.must(func(tx *command.Tx) error {
		for _, name := range names {
			folder, directory := strings.CutSuffix(name, "/")
			kind := Leaf
			if directory {
				kind = Directory
			}
			if err := Create(tx, path.Path(folder), kind); err != nil {
				return err
			}
		}
		return nil
	})
}

// read shows the state to body.
func (s *state) read(body func(kv.Reader)) {
	s.t.Helper()
	view := s.store.View()
	defer view.Close()
	body(view)
}

// refused wants a command to be refused, and to leave everything as it was.
func (s *state) refused(what string, want fault.Kind, body func(*command.Tx) error) {
	s.t.Helper()
	before := s.dump()
	err := s.do(body)
	if err == nil || fault.KindOf(err) != want {
		s.t.Errorf("%s: %v, want a fault.%s", what, err, want)
	}
	if after := s.dump(); after != before {
		s.t.Errorf("%s changed the state from\n%s\nto\n%s", what, before, after)
	}
}

// dump is all that the state holds.
func (s *state) dump() string {
	view := s.store.View()
	defer view.Close()
	var all strings.Builder
	for key, value := range view.Dump() {
		fmt.Fprintf(&all, "%q %x\n", key, value)
	}
	return all.String()
}

// names gives the paths of nodes.
func names(nodes func(func(*Node) bool)) (all []string) {
	for n := range nodes {
		all = append(all, string(n.Path))
	}
	return all
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/account/", "/data/", "/queue/", "/role/", "/user/", "/workload/")
	s.create("/user/team/", "/user/team/alice")
	s.read(func(r kv.Reader) {
		if got := Count(r); got != 8 {
			t.Errorf("there are %d nodes, want 8", got)
		}
		n := Find(r, "/user/team/alice")
		if n == nil || n.Kind != Leaf || n.Created != 2 || n.Memo == nil {
			t.Errorf("alice is %+v", n)
		}
		if root := Find(r, "/"); root == nil || root.Kind != Directory || root.Path != path.Root || root.Memo == nil {
			t.Errorf("the root is %+v", root)
		}
		for p, want := range map[path.Path]path.Path{
			"/user/team/alice": "/user/team/alice", "/user/team/bob/x/y": "/user/team", "/users/x": "/", "/": "/", "/user/teams": "/user",
		} {
			if got := Nearest(r, p).Path; got != want {
				t.Errorf("the nearest to %s is %s, want %s", p, got, want)
			}
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/user/", "/user/alice", "/role/")
	for _, test := range []struct {
		path path.Path
		kind Kind
		want fault.Kind
	}{
		{"/", Directory, fault.Exists},
		{"/user", Directory, fault.Exists},
		{"/user", Leaf, fault.Exists},
		{"/user/alice", Leaf, fault.Exists},
		{"/user/alice", Directory, fault.Exists},
		{"/user/team/bob", Leaf, fault.NotFound},
		{"/data/x", Leaf, fault.NotFound},
		{"/user/alice/x", Leaf, fault.Conflict},
		{"/user/alice/x", Account, fault.Conflict},
		{"/data", Leaf, fault.Invalid},
		{"/data", Account, fault.Invalid},
		{"/users", Directory, fault.Invalid},
		{"/system", Directory, fault.Invalid},
		{"/x", Leaf, fault.Invalid},
	} {
		s.refused(fmt.Sprintf("making a %s at %s", test.kind, test.path), test.want, func(tx *command.Tx) error {
			return Create(tx, test.path, test.kind)
		})
	}
}

func TestNodesAreBounded(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/user/")
	s.must(func(tx *command.Tx) error {
		counts.Put(tx.Tx, count{nodes: MaxNodes - 1}) // as if there were as many
		return Create(tx, "/user/last", Leaf)
	})
	s.refused("one node too many", fault.Exhausted, func(tx *command.Tx) error { return Create(tx, "/user/over", Leaf) })
	s.must(func(tx *command.Tx) error {
		Delete(tx, "/user/last")
		return Create(tx, "/user/over", Leaf)
	})
}

// TestBirths: no two nodes are one, though they be made at one index, by one command or
// several, and have one name after the other.
func TestBirths(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/user/")
	seen := make(map[uint64]bool)
	make := func(tx *command.Tx) error {
		err := Create(tx, "/user/x", Leaf)
		n := Find(tx, "/user/x")
		if seen[n.Born] || IndexOfBirth(n.Born) != tx.Index || n.Created != tx.Index {
			t.Errorf("at index %d %+v is made, after %v", tx.Index, n, seen)
		}
		seen[n.Born] = true
		return err
	}
	for range 2 {
		s.must(func(tx *command.Tx) error {
			err := make(tx)
			Delete(tx, "/user/x")
			return errors.Join(err, make(tx))
		})
		s.must(func(tx *command.Tx) error {
			Delete(tx, "/user/x")
			return nil
		})
	}
	s.must(func(tx *command.Tx) error {
		counts.Put(tx.Tx, count{nodes: 1, index: tx.Index, made: maxMade - 1}) // as if there were as many
		return make(tx)
	})
	s.refused("too many at one index", fault.Exhausted, func(tx *command.Tx) error {
		c, _ := counts.Get(tx, theCount)
		c.index, c.made = tx.Index, maxMade
		counts.Put(tx.Tx, c)
		return Create(tx, "/user/y", Leaf)
	})
	s.create("/user/y")
}

func TestTimesToComeAreBounded(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/user/", "/user/alice")
	write := func(tx *command.Tx, start int64) error {
		_, err := PutText(tx, "/user/alice", Text{Header: Header{Unique: 1, Start: start}, Tag: "note"}, AnyVersion)
		return err
	}
	s.must(func(tx *command.Tx) error {
		c, _ := counts.Get(tx, theCount)
		c.boundaries = MaxBoundaries - 1 // as if there were as many
		counts.Put(tx.Tx, c)
		return write(tx, tx.Time+1_000_000_000)
	})
	s.refused("one time too many", fault.Exhausted, func(tx *command.Tx) error { return write(tx, tx.Time+3_000_000_000) })
	s.must(func(tx *command.Tx) error {
		tx.Time += 2_000_000_000 // the first has passed
		return write(tx, tx.Time+4_000_000_000)
	})
}

// TestWhatIsMadeAgainIsAnother: nothing of what hung on it is left.
func TestWhatIsMadeAgainIsAnother(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/user/", "/user/alice", "/user/alice2")
	s.must(func(tx *command.Tx) error {
		if _, err := PutClause(tx, "/user/alice", Clause{Operation: command.View, Sets: [][]path.Path{{"/role/a"}}}, 0); err != nil {
			return err
		}
		_, err := PutText(tx, "/user/alice", Text{Tag: "note", Text: "x"}, 0)
		return err
	})
	s.must(func(tx *command.Tx) error {
		Delete(tx, "/user/alice")
		return nil
	})
	s.read(func(r kv.Reader) {
		if Find(r, "/user/alice") != nil || Count(r) != 2 {
			t.Errorf("alice is removed: %v is there, of %d nodes", Find(r, "/user/alice"), Count(r))
		}
	})
	s.create("/user/alice")
	s.read(func(r kv.Reader) {
		if n := Find(r, "/user/alice"); n == nil || n.Created != s.index {
			t.Errorf("alice made again is %+v, want made at %d", n, s.index)
		}
		if c, x := Clauses(r, "/user/alice"), Texts(r, "/user/alice"); len(c)+len(x) != 0 {
			t.Errorf("on alice made again there are %v and %v", c, x)
		}
		for p := range ClausesNaming(r, "/role/a") {
			t.Errorf("role a is still named on %s", p)
		}
	})
}

// TestRenameTakesAlongWhatHangs: the node is the one it was.
func TestRenameTakesAlongWhatHangs(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/", "/data/a/", "/data/a/x")
	s.must(func(tx *command.Tx) error {
		if _, err := PutClause(tx, "/data/a/x", Clause{Operation: command.Read, Sets: [][]path.Path{{"/role/a"}}}, 0); err != nil {
			return err
		}
		_, err := PutText(tx, "/data/a/x", Text{Tag: "note", Text: "x"}, 0)
		return err
	})
	s.must(func(tx *command.Tx) error {
		for _, p := range []path.Path{"/data/a", "/data/a/x"} {
			Rename(tx, Find(tx, p), "/data/b"+p[len("/data/a"):])
		}
		return nil
	})
	s.read(func(r kv.Reader) {
		if got := names(Descendants(r, "/data", "")); !slices.Equal(got, []string{"/data/b", "/data/b/x"}) {
			t.Errorf("below /data there is %q", got)
		}
		n := Find(r, "/data/b/x")
		if n == nil || n.Created != 1 || n.Kind != Leaf || Count(r) != 3 {
			t.Errorf("x is %+v, of %d nodes", n, Count(r))
		}
		if c := Clauses(r, "/data/b/x"); len(c) != 1 || c[0].Operation != command.Read {
			t.Errorf("on x there are the clauses %v", c)
		}
		if x := Texts(r, "/data/b/x"); len(x) != 1 || x[0].Text != "x" {
			t.Errorf("on x there are the texts %v", x)
		}
		if c, x := Clauses(r, "/data/a/x"), Texts(r, "/data/a/x"); len(c)+len(x) != 0 {
			t.Errorf("where x was there are %v and %v", c, x)
		}
		var naming []path.Path
		for p := range ClausesNaming(r, "/role/a") {
			naming = append(naming, p)
		}
		if len(naming) != 1 || naming[0] != "/data/b/x" {
			t.Errorf("role a is named on %q", naming)
		}
	})
}

func TestOpenAccount(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/account/", "/account/folder/", "/account/folder/x", "/account/leaf")
	open := func(p path.Path) func(*command.Tx) error {
		return func(tx *command.Tx) error { return OpenAccount(tx, p) }
	}
	s.must(open("/account/a/b/c"))
	s.must(open("/account/folder"))
	s.must(open("/account/a/b/c/d"))
	s.refused("an account where a leaf is", fault.Exists, open("/account/leaf"))
	s.refused("an account below a leaf", fault.Conflict, open("/account/leaf/x/y"))
	s.refused("an account where an account is", fault.Exists, open("/account/folder"))
	s.refused("an account at the top", fault.Invalid, open("/accounts"))
	var got []string
	s.read(func(r kv.Reader) {
		for n := range Descendants(r, Accounts, "") {
			got = append(got, fmt.Sprintf("%s %s %d", n.Path[len("/account/"):], n.Kind, n.Created))
		}
		if n := Count(r); n != uint64(len(got))+1 {
			t.Errorf("there are %d nodes, want %d", n, len(got)+1)
		}
	})
	const want = "a directory 2, a/b directory 2, a/b/c account 2, a/b/c/d account 4, folder account 1, folder/x leaf 1, leaf leaf 1"
	if strings.Join(got, ", ") != want {
		t.Errorf("there is %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestKindsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	for number, want := range []string{"directory", "leaf", "account", "unknown"} {
		if got := Kind(number).String(); got != want {
			t.Errorf("kind %d is called %s, want %s", number, got, want)
		}
	}
}
