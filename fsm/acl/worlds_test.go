package acl_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/fsmtest"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// second is by how much log time goes on with every entry of a random world.
const second = 1_000_000_000

// workshop makes a random world, in a machine and as plain data alike.
type workshop struct {
	t    *testing.T
	rand *rand.Rand
	m    *fsmtest.Machine
	w    world
	// before is what the machine holds, without the changes of the next command.
	before world
	// now is the log time of the next entry.
	now int64
	// changes are those of the next command.
	changes []*pb.Change
	changed []*pb.Changed
	// ever are all paths that there ever were, and some that there never were.
	ever []string
}

// firstSeed is the seed of the first random world of a test: that of ACQUIRED_SEED,
// or any.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("ACQUIRED_SEED")
	if text == "" {
		return uint64(rand.Uint32())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("ACQUIRED_SEED: %v", err)
	}
	return seed
}

// tops are the folders of random worlds, and how much is below each.
var tops = []struct {
	path  string
	nodes int
}{{"/role", 10}, {"/user", 12}, {"/workload", 4}, {"/data", 24}, {"/queue", 3}}

func newWorkshop(t *testing.T, seed uint64) *workshop {
	t.Helper()
	s := &workshop{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), m: fsmtest.New(t), w: world{"/": {}},
		ever: []string{"/", "/account", "/role/gone", "/role/gone/too", "/data/none", "/user/none", "/data/~/a/b/c"},
	}
	s.m.EntryNanos = second
	return s
}

// furnish makes what is there at first, in a few commands.
func (s *workshop) furnish() {
	s.t.Helper()
	for _, top := range tops {
		s.create(top.path, false)
	}
	s.apply()
	for _, top := range tops {
		for range top.nodes {
			s.grow(top.path)
		}
	}
	s.apply()
	s.openRoot()
	for _, p := range s.w.paths() {
		s.hang(p)
	}
	s.apply()
}

// openRoot lets most worlds begin open: much is visible in them.
func (s *workshop) openRoot() {
	for _, o := range operations {
		if s.oneIn(5) || o == "View" && s.oneIn(3) {
			continue
		}
		n := note{tag: "clause", operation: o}
		if s.oneIn(4) {
			n.sets = [][]string{s.someRoles()}
		}
		s.write("/", n)
	}
}

func (s *workshop) oneIn(n int) bool { return s.rand.IntN(n) == 0 }

func pick[A any](s *workshop, from []A) A { return from[s.rand.IntN(len(from))] }

// names sort and prefix each other in all ways that a list could get wrong.
var names = strings.Fields("a a- a-b a.b a+ a0 a~ aa A Ab _ @ 0 00 ... - -- .a ab a-b-c ~ z")

// grow makes a node somewhere below the top.
func (s *workshop) grow(top string) {
	var directories []string
	for _, p := range s.w.paths() {
		if within(top, p) && !s.w[p].leaf && len(way(p)) < 8 {
			directories = append(directories, p, p)
		}
	}
	p := pick(s, directories[len(directories)/3:]) + "/" + pick(s, names)
	if s.w[p] == nil {
		s.create(p, !s.oneIn(3))
	}
}

func (s *workshop) create(p string, leaf bool) {
	s.w[p] = &place{leaf: leaf}
	s.ever = append(s.ever, p)
	s.add(&pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p, Directory: !leaf}}}, &pb.Changed{})
}

// hang hangs a few annotations on a node.
func (s *workshop) hang(p string) {
	few := func(one, two int) int {
		if !s.oneIn(one) {
			return 0
		}
		return 1 + s.rand.IntN(two)
	}
	for range few(3, 3) {
		s.write(p, s.clause())
	}
	roles := few(8, 2)
	if within("/user", p) || within("/workload", p) {
		roles = s.rand.IntN(4)
	}
	for range roles {
		s.writeRole(p)
	}
	for range few(4, 2) {
		s.write(p, s.timed(note{tag: pick(s, []string{"a", "b", "clauses", "zz", "ssh-pubkey"}), text: pick(s, names)}))
	}
}

// clause gives one at random: no sets, sets without roles, dangling roles and all.
func (s *workshop) clause() note {
	n := note{tag: "clause", operation: pick(s, operations), local: s.oneIn(3)}
	if s.oneIn(3) {
		n.operation = "View"
	}
	for range s.rand.IntN(4) {
		n.sets = append(n.sets, s.someRoles())
	}
	return s.timed(n)
}

func (s *workshop) someRoles() []string {
	if s.oneIn(12) {
		return nil
	}
	set := make([]string, 1+s.rand.IntN(4))
	for i := range set {
		set[i] = s.role()
	}
	return set
}

// role gives a role, sometimes one that is not there.
func (s *workshop) role() string {
	if s.oneIn(12) {
		return pick(s, []string{"/role/gone", "/role/gone/too", "/role/a/gone"})
	}
	var roles []string
	for _, p := range s.w.paths() {
		if within("/role", p) && s.w[p].leaf {
			roles = append(roles, p)
		}
	}
	if len(roles) == 0 {
		return "/role/gone"
	}
	return pick(s, roles)
}

// timed lets some annotations begin later, end, or have ended.
func (s *workshop) timed(n note) note {
	if s.oneIn(4) {
		n.start = s.now + int64(s.rand.IntN(24)-8)*second
	}
	if s.oneIn(4) {
		n.end = s.now + int64(s.rand.IntN(30)-8)*second
	}
	if n.end <= n.start {
		n.end = 0
	}
	return n
}

// writeRole applies a role that is not applied to the node yet.
func (s *workshop) writeRole(p string) {
	n := s.timed(note{tag: "applied-role", role: s.role()})
	if s.w[p] != nil && !slices.ContainsFunc(s.w[p].notes, func(o note) bool { return o.role == n.role && !o.ended(s.now) }) {
		s.write(p, n)
	}
}

// write hangs an annotation on a node: a new one, or one in place of another when
// its unique is given.
func (s *workshop) write(p string, n note) {
	at := s.w[p]
	s.dropEnded(at)
	asked := n
	if n.unique == 0 {
		for _, other := range at.notes {
			if other.tag == n.tag {
				n.unique = max(n.unique, other.unique)
			}
		}
		n.unique++
	}
	n.version = 1
	i := slices.IndexFunc(at.notes, func(o note) bool { return o.tag == n.tag && o.unique == n.unique })
	if i >= 0 {
		n.version = at.notes[i].version + 1
		at.notes[i] = n
	} else {
		at.notes = append(at.notes, n)
	}
	s.add(&pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: p, Annotation: asked.annotation(), IfVersion: -1}}},
		&pb.Changed{Unique: n.unique, Version: n.version})
}

// dropEnded: what has ended makes room for what is written.
func (s *workshop) dropEnded(at *place) {
	at.notes = slices.DeleteFunc(at.notes, func(n note) bool { return n.ended(s.now) })
}

func (s *workshop) add(one *pb.Change, changed *pb.Changed) {
	s.changes = append(s.changes, one)
	s.changed = append(s.changed, changed)
}

// apply makes the changes in the machine, in one command.
func (s *workshop) apply() {
	s.t.Helper()
	if len(s.changes) > 0 {
		change := fsmtest.Command(s.m.Operator, acl.Change, &pb.ChangeRequest{Changes: s.changes, Force: true})
		results := s.m.Apply(slices.Concat(s.attempts(), []*statev1.Command{change}, s.attempts())...)
		i := slices.IndexFunc(results, func(r fsm.Result) bool { return r.Err == nil })
		if i < 0 || slices.ContainsFunc(results[i+1:], func(r fsm.Result) bool { return r.Err == nil }) {
			s.t.Fatalf("%v: not one command is applied, but %+v", s.changes, results)
		}
		res := results[i].Response.(*pb.ChangeResponse)
		for i, got := range res.Changed {
			if want := s.changed[i]; got.Unique != want.Unique || got.Version != want.Version {
				s.t.Fatalf("%v wrote %v, want %v", s.changes[i], got, want)
			}
		}
		for _, at := range s.w {
			if at.created == 0 && at != s.w["/"] {
				at.created = res.Index
			}
		}
	}
	s.changes, s.changed, s.before = nil, nil, s.w.clone()
	s.now = s.m.Position().Time + second
}

// attempts are commands of principals that change this and that, as far as they
// may, and are refused in the end: all is taken back, and what was worked out on
// the way must not show later.
func (s *workshop) attempts() (commands []*statev1.Command) {
	principals := s.before.principals()
	if len(principals) == 0 {
		return nil
	}
	for range s.rand.IntN(3) {
		who := somebody{path: pick(s, principals)}
		paths := s.before.paths()
		if !s.oneIn(3) {
			paths = slices.DeleteFunc(paths, func(p string) bool { return !s.before.may(who, "Admin", p, s.now) })
		}
		var changes []*pb.Change
		for range 1 + s.rand.IntN(3) {
			changes = append(changes, s.anyChange(pick(s, append(paths, "/"))))
		}
		changes = append(changes, &pb.Change{}) // which is none
		client := s.m.As(who.caller())
		commands = append(commands, fsmtest.Command(client, acl.Change, &pb.ChangeRequest{Changes: changes}))
	}
	return commands
}

// anyChange gives one at the path that may be allowed or not.
func (s *workshop) anyChange(p string) *pb.Change {
	switch s.rand.IntN(8) {
	case 0:
		return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p + "/new", Parents: true}}}
	case 1:
		return &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: p, Recursive: true}}}
	case 2:
		return &pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: p, Name: "new"}}}
	case 3:
		if notes := s.before[p].notes; len(notes) > 0 {
			n := pick(s, notes)
			return &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: p, Tag: n.tag, Unique: n.unique}}}
		}
	case 4:
		n := note{tag: "applied-role", role: s.role()}
		return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: p, Annotation: n.annotation()}}}
	}
	n := s.clause()
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: p, Annotation: n.annotation(), IfVersion: -1}}}
}

// mutate makes a few changes of what is there.
func (s *workshop) mutate() {
	s.t.Helper()
	for range 1 + s.rand.IntN(4) {
		s.mutateOnce()
		if s.oneIn(2) {
			s.apply()
		}
	}
	if s.oneIn(3) {
		wait := int64(s.rand.IntN(6)) * second
		s.apply()
		s.m.Wait(wait)
		s.now += wait
	}
	s.write(pick(s, s.w.paths()), s.clause()) // log time goes on with an entry
	s.apply()
}

func (s *workshop) mutateOnce() {
	p := pick(s, s.w.paths())
	at := s.w[p]
	switch s.rand.IntN(8) {
	case 0, 1:
		s.write(p, s.clause())
	case 2:
		s.writeRole(p)
	case 3, 4:
		s.takeOff(p)
	case 5:
		s.grow(pick(s, tops).path)
	case 6:
		if len(way(p)) > 2 {
			s.move(p, above(p)+"/"+pick(s, names))
		}
	default:
		if len(way(p)) > 3 || len(way(p)) > 2 && at.leaf {
			s.remove(p)
		}
	}
}

// takeOff removes an annotation, or writes another clause in its place.
func (s *workshop) takeOff(p string) {
	at := s.w[p]
	s.dropEnded(at)
	if len(at.notes) == 0 {
		return
	}
	i := s.rand.IntN(len(at.notes))
	old := at.notes[i]
	if old.tag == "clause" && s.oneIn(3) {
		n := s.clause()
		n.unique = old.unique
		s.write(p, n)
		return
	}
	at.notes = slices.Delete(at.notes, i, i+1)
	s.add(&pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: p, Tag: old.tag, Unique: old.unique}}}, &pb.Changed{})
}

func (s *workshop) move(from, to string) {
	if s.w[to] != nil {
		return
	}
	for _, p := range s.w.paths() {
		if within(from, p) {
			s.w[to+p[len(from):]] = s.w[p]
			s.ever = append(s.ever, to+p[len(from):])
			delete(s.w, p)
		}
	}
	name := to[strings.LastIndexByte(to, '/')+1:]
	s.add(&pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: from, Name: name}}}, &pb.Changed{})
}

func (s *workshop) remove(top string) {
	for _, p := range s.w.paths() {
		if within(top, p) {
			delete(s.w, p)
		}
	}
	s.add(&pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: top, Recursive: true}}}, &pb.Changed{})
}

// holders gives who can hold roles: principals and the directories above them.
func (w world) holders() (all []string) {
	for _, p := range w.paths() {
		if within("/user", p) || within("/workload", p) {
			all = append(all, p)
		}
	}
	return all
}

// principals gives who can call.
func (w world) principals() []string {
	return slices.DeleteFunc(w.holders(), func(p string) bool { return !w[p].leaf })
}
