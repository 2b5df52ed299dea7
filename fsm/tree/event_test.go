package tree

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
)

// events gives the events behind an id.
func (s *state) events(after command.ID) (all []Event) {
	s.read(func(r kv.Reader) {
		for e := range Events(r, after) {
			all = append(all, e)
		}
	})
	return all
}

// brief says what an event is of.
func brief(e Event) string {
	text := fmt.Sprintf("%d.%d %s %s", e.ID.Index, e.ID.Counter, e.What, e.Path)
	if e.From != "" {
		text += " from " + string(e.From)
	}
	if e.Tag != "" {
		text += fmt.Sprintf(" %s %d", e.Tag, e.Unique)
	}
	return text
}

func TestEveryChangeIsAnEvent(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/account/", "/data/", "/data/a/")
	s.now = 2000
	s.must(func(tx *command.Tx) error {
		NoteAnnotation(tx, Annotated, "/data/a", "note", 3)
		NoteAnnotation(tx, Unannotated, "/data", "clause", 1)
		Rename(tx, Find(tx, "/data/a"), "/data/b")
		Delete(tx, "/data/b")
		return OpenAccount(tx, "/account/x/y")
	})
	s.must(func(tx *command.Tx) error { return OpenAccount(tx, "/account/x") })
	var got []string
	for _, e := range s.events(command.ID{}) {
		got = append(got, brief(e))
		if want := int64(1000); e.ID.Index > 1 && e.Nanos != 2*want || e.ID.Index == 1 && e.Nanos != want {
			t.Errorf("%s was at %d", brief(e), e.Nanos)
		}
	}
	want := []string{
		"1.1 created /account", "1.2 created /data", "1.3 created /data/a",
		"2.1 annotated /data/a note 3", "2.2 unannotated /data clause 1",
		"2.3 moved /data/b from /data/a", "2.4 removed /data/b",
		"2.5 created /account/x", "2.6 created /account/x/y", "3.1 created /account/x",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the events (-want +got):\n%s", diff)
	}
	for i, e := range s.events(command.ID{}) {
		var behind []string
		for _, later := range s.events(e.ID) {
			behind = append(behind, brief(later))
		}
		if !slices.Equal(behind, want[i+1:]) {
			t.Errorf("behind event %d there are %q, want %q", i, behind, want[i+1:])
		}
	}
}

func TestARefusalLeavesNoEvent(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.refused("a second directory of users", "exists", func(tx *command.Tx) error {
		if err := Create(tx, Users, Directory); err != nil {
			return err
		}
		return Create(tx, Users, Directory)
	})
	if got := s.events(command.ID{}); len(got) != 0 {
		t.Errorf("there are the events %v", got)
	}
}

// TestEventsKeepWhoMaySeeThem: the sets of the clauses for View that govern the
// path when the change is made.
func TestEventsKeepWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/", "/data/a/", "/data/b/")
	clause := func(p path.Path, c Clause) {
		t.Helper()
		s.must(func(tx *command.Tx) error {
			_, err := PutClause(tx, p, c, 0)
			return err
		})
	}
	of := func(names ...path.Path) Clause { return Clause{Operation: command.View, Sets: [][]path.Path{names}} }
	later, ended, local, read := of("/role/later"), of("/role/ended"), of("/role/local"), of("/role/read")
	later.Start, ended.End, ended.EndWidens, local.Local, read.Operation = 5000, 1500, true, true, command.Read
	clause("/", of("/role/root"))
	clause("/data", of("/role/x", "/role/y"))
	for _, c := range []Clause{later, ended, local, read} {
		clause("/data/a", c)
	}
	clause("/data/b", Clause{Operation: command.View})
	create := func(p path.Path) string {
		t.Helper()
		s.must(func(tx *command.Tx) error { return Create(tx, p, Leaf) })
		all := s.events(command.ID{})
		return fmt.Sprint(all[len(all)-1].Hidden, all[len(all)-1].Sets)
	}
	s.now = 1499
	wantEvent := func(p path.Path, want string) {
		t.Helper()
		if got := create(p); got != want {
			t.Errorf("the making of %s is seen by %s, want %s", p, got, want)
		}
	}
	wantEvent("/data/a/1", "false [[/role/root] [/role/x /role/y] [/role/ended]]")
	s.now = 1500
	wantEvent("/data/a/2", "false [[/role/root] [/role/x /role/y]]")
	s.now = 5000
	wantEvent("/data/a/3", "false [[/role/root] [/role/x /role/y] [/role/later]]")
	wantEvent("/data/b/1", "false [[/role/root] [/role/x /role/y]]")
	s.must(func(tx *command.Tx) error {
		NoteAnnotation(tx, Annotated, "/data/a", "note", 1)
		return nil
	})
	all := s.events(command.ID{})
	if got, want := fmt.Sprint(all[len(all)-1].Sets), "[[/role/root] [/role/x /role/y] [/role/later] [/role/local]]"; got != want {
		t.Errorf("the annotation of /data/a is seen by %s, want %s", got, want)
	}
	if all[0].Path != Data || !all[0].Hidden || all[0].Sets != nil {
		t.Errorf("what was made before there was a clause is %+v, want it hidden", all[0])
	}
}

// TestTheOldestEventsAreDropped: in a state that says it has nearly as many
// events as there may be.
func TestTheOldestEventsAreDropped(t *testing.T) {
	t.Parallel()
	s := newState(t)
	s.create("/data/")
	const made = eventLot + 10
	for half := range 2 {
		s.must(func(tx *command.Tx) error {
			for i := range made / 2 {
				NoteAnnotation(tx, Annotated, Data, "note", uint64(half*made/2+i+1))
			}
			return nil
		})
	}
	s.must(func(tx *command.Tx) error { // as if there were as many before them
		k, _ := keptEvents.Get(tx, theKept)
		k.count = MaxEvents + eventLot - 2
		keptEvents.Put(tx.Tx, k)
		return nil
	})
	note := func() {
		s.must(func(tx *command.Tx) error { NoteAnnotation(tx, Annotated, Data, "last", 1); return nil })
	}
	want := func(events int, count uint64, dropped uint64) {
		t.Helper()
		all := s.events(command.ID{})
		s.read(func(r kv.Reader) {
			k, _ := keptEvents.Get(r, theKept)
			if len(all) != events || k.count != count || EventsDropped(r) != dropped || dropped != 0 && k.oldest != all[0].ID {
				t.Errorf("%d events are kept, as %d, from %v, dropped up to %d; want %d, as %d, up to %d",
					len(all), k.count, k.oldest, EventsDropped(r), events, count, dropped)
			}
		})
	}
	note()
	want(made+2, MaxEvents+eventLot-1, 0)
	note()
	want(made+3-eventLot, MaxEvents, 3) // the first made is of index 1, the others of 2 and 3
	if e := s.events(command.ID{})[0]; e.Unique != eventLot {
		t.Errorf("the oldest event is number %d, want %d", e.Unique, eventLot)
	}
	note()
	want(made+4-eventLot, MaxEvents+1, 3)
}

func TestEventsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	var all []string
	for what := Created; what <= Unannotated; what++ {
		all = append(all, fmt.Sprintf("%d %s", uint8(what), what))
	}
	const want = "1 created, 2 removed, 3 moved, 4 annotated, 5 unannotated"
	if got := strings.Join(all, ", "); got != want {
		t.Errorf("the events are called %s, want %s", got, want)
	}
}
