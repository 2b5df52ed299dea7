package acl_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestWhatIsHiddenChangesNothing makes pairs of worlds that differ only in what
// somebody may not View, and compares byte for byte what it is told in both,
// answers and refusals alike.
//
// Two things do tell, and must: a name in a directory that one may Write is free
// or taken, and a role that one may remove is free or in use. The worlds of a pair
// do not differ in those.
func TestWhatIsHiddenChangesNothing(t *testing.T) {
	t.Parallel()
	pairs := 8
	if os.Getenv("ACQUIRED_LONG") == "1" {
		pairs *= 10
	}
	made, seed := 0, firstSeed(t)
	for i := uint64(0); made < pairs && i < 10*uint64(pairs) && !t.Failed(); i++ {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+i), func(t *testing.T) {
			s := newWorkshop(t, seed+i)
			s.furnish()
			if p, ok := s.pair(); ok {
				made++
				p.compare(s)
			}
		})
	}
	if made < pairs && !t.Failed() {
		t.Errorf("%d pairs of worlds are made, want %d: hide more", made, pairs)
	}
}

// pair is two worlds that are one to who.
type pair struct {
	who  somebody
	a, b world
	now  int64
	// known is what who may know of a.
	known knowledge
}

// knowledge is what somebody may know of a world.
type knowledge struct {
	shown   []proto.Message
	allowed []bool
}

// pair makes another world of the one there is, in many small steps.
func (s *workshop) pair() (pair, bool) {
	p := pair{a: s.w.clone(), now: s.now + 60*second}
	for _, at := range p.a {
		for i := range at.notes {
			at.notes[i].version = 1
		}
	}
	p.b = p.a.clone()
	principals := p.a.principals()
	if len(principals) == 0 {
		return p, false
	}
	p.who = somebody{path: pick(s, principals)}
	steps := 0
	for range 40 {
		other := p.b.clone()
		p.disguise(s, other)
		if other.canBeMade() && p.alike(other) {
			p.b = other
			steps++
		}
	}
	return p, steps > 10 && len(p.a.list(p.who, "/", true, p.now)) > 5
}

// canBeMade says whether every role that is named and exists is a leaf: a change
// names no other.
func (w world) canBeMade() bool {
	isRole := func(name string) bool { return name == "" || w[name] == nil || w[name].leaf }
	for _, at := range w {
		for _, n := range at.notes {
			named := slices.Concat(append(slices.Clone(n.sets), []string{n.role})...)
			if slices.ContainsFunc(named, func(name string) bool { return !isRole(name) }) {
				return false
			}
		}
	}
	return true
}

// disguise changes a world in a place that may be hidden.
func (p *pair) disguise(s *workshop, w world) {
	hidden := slices.DeleteFunc(w.paths(), func(at string) bool { return w.sees(p.who, at, p.now) || len(way(at)) < 3 })
	if len(hidden) == 0 || s.oneIn(4) {
		p.addHidden(s, w, pick(s, w.paths()))
		return
	}
	at := pick(s, hidden)
	switch s.rand.IntN(6) {
	case 0:
		p.addHidden(s, w, at)
	case 1:
		maps.DeleteFunc(w, func(below string, _ *place) bool { return within(at, below) })
	case 2, 3:
		w.rename(at, above(at)+"/"+pick(s, names)+pick(s, []string{"", "-hidden"}))
	case 4:
		w[at].notes = slices.Delete(w[at].notes, 0, min(1, len(w[at].notes)))
	default:
		w.hangOn(at, s.clause())
		if role := s.role(); within("/user", at) && !slices.ContainsFunc(w[at].notes, func(n note) bool { return n.role == role }) {
			w.hangOn(at, note{tag: "applied-role", role: role})
		}
	}
}

// addHidden makes a node that nobody may View.
func (p *pair) addHidden(s *workshop, w world, parent string) {
	at := parent + "/" + pick(s, names)
	if w[parent].leaf || parent == "/" || w[at] != nil {
		return
	}
	w[at] = &place{leaf: s.oneIn(2)}
	w.hangOn(at, note{tag: "clause", operation: "View", sets: [][]string{{}}})
	w.hangOn(at, s.clause())
	w.hangOn(at, note{tag: "applied-role", role: s.role()})
}

// hangOn hangs a new annotation on a node.
func (w world) hangOn(p string, n note) {
	n.version = 1
	for _, other := range w[p].notes {
		if other.tag == n.tag {
			n.unique = max(n.unique, other.unique)
		}
	}
	n.unique++
	w[p].notes = append(w[p].notes, n)
}

// rename gives a node and all below it another name, and roles wherever they are
// named.
func (w world) rename(from, to string) {
	if w[to] != nil {
		return
	}
	renamed := func(p string) string {
		if within(from, p) {
			return to + p[len(from):]
		}
		return p
	}
	for _, p := range w.paths() {
		at := w[p]
		delete(w, p)
		w[renamed(p)] = at
		for i := range at.notes {
			n := &at.notes[i]
			if n.role != "" {
				n.role = renamed(n.role)
			}
			n.sets = slices.Clone(n.sets)
			for j, set := range n.sets {
				n.sets[j] = slices.Clone(set)
				for k, role := range set {
					n.sets[j][k] = renamed(role)
				}
			}
		}
	}
}

// alike says whether the reference shows who the same in a world as in a.
func (p *pair) alike(w world) bool {
	for _, at := range slices.Concat(p.a.paths(), w.paths()) {
		if (p.a[at] == nil) != (w[at] == nil) && p.mayWriteAbove(at) {
			return false
		}
		if within("/role", at) && p.a.uses(at) != w.uses(at) && p.mayWriteAbove(at) {
			return false
		}
	}
	if p.known.shown == nil {
		p.known = p.knows(p.a)
	}
	known := p.knows(w)
	return slices.Equal(p.known.allowed, known.allowed) && slices.EqualFunc(p.known.shown, known.shown, proto.Equal)
}

// knows gives all that who may know of a world: what it sees, and what it and
// those about whom it may ask may do there.
func (p *pair) knows(w world) (known knowledge) {
	var askable []map[string]bool // the roles of each
	for _, other := range w.holders() {
		if other == p.who.path || w.may(p.who, "Read", other, p.now) {
			askable = append(askable, w.held(other, p.now))
		}
	}
	nodes := w.list(p.who, "/", true, p.now)
	for _, n := range append(nodes, &pb.Node{Path: "/"}) {
		known.shown = append(known.shown, n)
		if n.Path != "/" {
			known.shown = append(known.shown, w.describe(p.who, n.Path, p.now))
		}
		for _, o := range operations {
			clauses := w.governing(o, n.Path, p.now)
			for _, roles := range askable {
				known.allowed = append(known.allowed, met(clauses, roles))
			}
		}
	}
	return known
}

// mayWriteAbove says whether who may take the name away, or one above it.
func (p *pair) mayWriteAbove(at string) bool {
	steps := way(at)
	return slices.ContainsFunc(steps[:len(steps)-1], func(step string) bool { return p.a.may(p.who, "Write", step, p.now) })
}

// uses says whether anything names the role.
func (w world) uses(role string) bool {
	for _, at := range w {
		for _, n := range at.notes {
			if n.role == role || slices.Contains(slices.Concat(n.sets...), role) {
				return true
			}
		}
	}
	return false
}

// compare makes both worlds and asks both the same.
func (p *pair) compare(s *workshop) {
	s.t.Helper()
	a, b := p.build(s, p.a), p.build(s, p.b)
	paths := slices.Concat(p.a.paths(), p.b.paths(), []string{"/role/gone", "/user/none", "/data/none/x", "/data/a/none"})
	slices.Sort(paths)
	paths = slices.Compact(paths)
	questions := p.questions(paths)
	changes := make([]*pb.Change, 500)
	for i := range changes {
		changes[i] = p.anyChange(s, paths)
	}
	failures := 0
	same := func(what fmt.Stringer, inA, inB []byte) {
		s.t.Helper()
		if bytes.Equal(inA, inB) {
			return
		}
		if failures++; failures < 5 {
			s.t.Errorf("%+v, at %d: %v is answered in the one world\n\t%q\nand in the other\n\t%q", p.who, p.now, what, inA, inB)
		}
	}
	toldA, toldB := tryAll(a, p.who, changes), tryAll(b, p.who, changes)
	for i, change := range changes {
		same(change, toldA[i], toldB[i])
	}
	a.View(func(va *command.Reading) {
		b.View(func(vb *command.Reading) {
			for _, q := range questions {
				same(q, q.ask(va, p.who), q.ask(vb, p.who))
			}
		})
	})
}

// build makes a machine that holds the world. What is in both has the same index.
func (p *pair) build(s *workshop, w world) *fsmtest.Machine {
	s.t.Helper()
	m := fsmtest.New(s.t)
	var nodes, notes []*pb.Change
	for _, at := range w.paths() {
		if at != "/" {
			nodes = append(nodes, &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: at, Directory: !w[at].leaf}}})
		}
		for _, n := range w[at].notes {
			notes = append(notes, &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: at, Annotation: n.annotation()}}})
		}
	}
	for _, changes := range [][]*pb.Change{nodes, notes} {
		fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: changes, Force: true})
	}
	m.Wait(p.now - m.Position().Time - m.EntryNanos)
	return m
}

// tryAll tries each change in a command of its own, which is refused in any case:
// what follows the change in it is none. It gives the refusals.
func tryAll(m *fsmtest.Machine, who somebody, changes []*pb.Change) (told [][]byte) {
	client := m.As(who.caller())
	var commands []*statev1.Command
	for _, change := range changes {
		commands = append(commands, fsmtest.Command(client, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{change, {}}}))
	}
	for _, result := range m.Apply(commands...) {
		told = append(told, encoded(result.Response, result.Err))
	}
	return told
}

// encoded gives an answer or all that a refusal says.
func encoded(res proto.Message, err error) []byte {
	if err == nil {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(res)
		return fmt.Append(b, err)
	}
	f, ok := err.(*fault.Fault)
	if !ok {
		return fmt.Append(nil, err)
	}
	b := fmt.Appendf(nil, "%s: %s", f.Kind, f.Message)
	for _, key := range f.DetailKeys() {
		b = fmt.Appendf(b, "; %s=%s", key, f.Details[key])
	}
	return b
}

// question is something to ask.
type question struct {
	name string
	ask  func(v *command.Reading, who somebody) []byte
}

func (q question) String() string { return q.name }

func asking[Req, Res proto.Message](q command.Query[Req, Res], req Req) question {
	return question{fmt.Sprintf("%s{%v}", q.Name, req), func(v *command.Reading, who somebody) []byte {
		res, err := ask(v, who, q, req)
		return encoded(res, err)
	}}
}

// questions are all that there are about the paths.
func (p *pair) questions(paths []string) (all []question) {
	all = append(all, asking(acl.CheckMany, &pb.CheckManyRequest{Paths: paths, Operations: operations}))
	for _, at := range paths {
		all = append(all,
			asking(acl.Describe, &pb.DescribeRequest{Path: at}),
			asking(acl.Capabilities, &pb.CapabilitiesRequest{Path: at}),
			asking(acl.List, &pb.ListRequest{Path: at}),
			asking(acl.List, &pb.ListRequest{Path: at, Limit: 2}),
			asking(acl.List, &pb.ListRequest{Path: at, Recursive: true, Limit: 3}),
			asking(acl.List, &pb.ListRequest{Path: at, Recursive: true}),
			asking(acl.List, &pb.ListRequest{Path: "/", Recursive: true, Cursor: at, Limit: 2}))
		if within("/user", at) || within("/workload", at) {
			all = append(all,
				asking(acl.CheckMany, &pb.CheckManyRequest{Principal: at, Paths: paths, Operations: operations}),
				asking(acl.Check, &pb.CheckRequest{Principal: at, Operation: "Read", Path: "/data"}),
				asking(acl.Capabilities, &pb.CapabilitiesRequest{Principal: at, Path: "/data"}))
		}
	}
	return all
}

// anyChange gives a change of any sort, of something that is there or not. Most
// are of what who may change something about.
func (p *pair) anyChange(s *workshop, paths []string) *pb.Change {
	at := pick(s, paths)
	for range 5 {
		if p.a.may(p.who, pick(s, []string{"Admin", "Write"}), at, p.now) {
			break
		}
		at = pick(s, paths)
	}
	unique := uint64(s.rand.IntN(4))
	switch s.rand.IntN(8) {
	case 0, 1:
		return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{
			Path: at + pick(s, []string{"", "/new", "/new/er"}), Directory: s.oneIn(2), Parents: s.oneIn(2),
		}}}
	case 2:
		return &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: pick(s, paths), Recursive: s.oneIn(2)}}}
	case 3:
		name := pick(s, paths)
		return &pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: pick(s, paths), Name: name[strings.LastIndexByte(name, '/')+1:]}}}
	case 4, 5:
		tag := pick(s, []string{"clause", "clause", "applied-role", "a", "zz"})
		return &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: at, Tag: tag, Unique: unique}}}
	}
	n := p.anyNote(s, paths)
	n.unique = unique
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: at, Annotation: n.annotation(), IfVersion: int64(s.rand.IntN(3) - 1)}}}
}

func (p *pair) anyNote(s *workshop, paths []string) note {
	role := func() string {
		for {
			if r := pick(s, paths); within("/role", r) && r != "/role" {
				return r
			}
		}
	}
	switch s.rand.IntN(4) {
	case 0:
		return note{tag: "applied-role", role: role()}
	case 1:
		return note{tag: "a", text: "text"}
	case 2:
		return note{tag: "clause", operation: pick(s, operations)}
	}
	return note{tag: "clause", operation: pick(s, operations), sets: [][]string{{role(), role()}}}
}
