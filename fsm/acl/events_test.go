package acl_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// watched gives all changes behind an index as lines, and checks that each page
// ends with an index.
func watched(t *testing.T, m *fsmtest.Machine, c *fsmtest.Client, after uint64, under string) (lines []string) {
	t.Helper()
	for {
		res, err := fsmtest.Ask(c, acl.Watch, &pb.WatchRequest{After: after, Under: under})
		if err != nil {
			t.Fatalf("Watch behind %d: %v", after, err)
		}
		for _, e := range res.Events {
			if e.Index <= after || e.Index > res.Index {
				t.Fatalf("a page of what is behind %d up to %d has %v", after, res.Index, e)
			}
			line := e.What + " " + e.Path
			if e.From != "" {
				line += " from " + e.From
			}
			if e.Tag != "" {
				line += fmt.Sprintf(" %s %d", e.Tag, e.Unique)
			}
			lines = append(lines, line)
		}
		switch newest := m.Position().Index; {
		case res.Index == newest:
			return lines
		case res.Index <= after || res.Index > newest:
			t.Fatalf("a page of what is behind %d ends at %d, the newest is %d", after, res.Index, newest)
		}
		after = res.Index
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/r"))
	before := m.Position().Index
	res := must(t, alice, leafAt("/data/d/e/x"), annotated("/data/d/e", textNote("t", 0)))
	between := m.Position()
	must(t, alice, move("/data/d/e", "f"))
	must(t, alice, annotated("/user/alice", roleNote("/role/r", 0)), takenOff("/data/d/f", "t", 1, 0), removal("/data/d/f", true))
	if _, err := fsmtest.Do(alice, acl.Change, all(leafAt("/data/d/g"), &pb.Change{})); err == nil {
		t.Fatal("what is no change is made")
	}

	first := []string{"created /data/d/e", "created /data/d/e/x", "annotated /data/d/e t 1"}
	moved := []string{"moved /data/d/f from /data/d/e", "moved /data/d/f/x from /data/d/e/x"}
	last := []string{
		"annotated /user/alice applied-role 2", "unannotated /data/d/f t 1", "removed /data/d/f/x", "removed /data/d/f",
	}
	for _, c := range []*fsmtest.Client{alice, m.Operator} {
		for _, test := range []struct {
			after uint64
			under string
			want  []string
		}{
			{before, "", slices.Concat(first, moved, last)},
			{before, "/", slices.Concat(first, moved, last)},
			{between.Index, "", slices.Concat(moved, last)},
			{between.Index, "/data", slices.Concat(moved, last[1:])},
			{before, "/data/d/e", slices.Concat(first, moved)}, // also what leaves it
			{before, "/data/d/f", slices.Concat(moved, last[1:])},
			{before, "/data/d/f/x", []string{moved[1], last[2]}},
			{before, "/user/alic", nil},
			{before, "/user", last[:1]},
			{m.Position().Index, "", nil},
		} {
			if diff := cmp.Diff(test.want, watched(t, m, c, test.after, test.under)); diff != "" {
				t.Errorf("behind %d under %q (-want +got): %s", test.after, test.under, diff)
			}
		}
	}
	page, err := fsmtest.Ask(alice, acl.Watch, &pb.WatchRequest{After: before})
	if err != nil {
		t.Fatal(err)
	}
	if e := page.Events[0]; e.Index != res.Index || e.UnixNanos != between.Time {
		t.Errorf("what was done at index %d, %d is shown as %v", res.Index, between.Time, e)
	}
}

// TestWatchShowsWhatCouldBeSeen: by the clauses of then and the roles of now.
func TestWatchShowsWhatCouldBeSeen(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.Clause("/user", command.View)
	m.Clause("/data", command.View, "/role/seer")
	bob := m.Principal("/user/bob")
	start := m.Position().Index
	see := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, watched(t, m, bob, start, "/data")); diff != "" {
			t.Errorf("%s (-want +got): %s", what, diff)
		}
	}
	must(t, m.Operator, leafAt("/data/x"))
	see("without the role")
	m.Principal("/user/bob", "/role/seer")
	see("with the role", "created /data/x")
	must(t, m.Operator, onlyAt("/data/y"), annotated("/data/y", localClause("View", "/role/seer")))
	must(t, m.Operator, leafAt("/role/other"))
	hide := all(annotated("/data/y", localClause("View", "/role/other")), annotated("/data/y", textNote("t", 0)))
	hide.Force = true
	fsmtest.Must(m.Operator, acl.Change, hide)
	see("of what is hidden by now", "created /data/x", "created /data/y", "annotated /data/y clause 1")

	bare := all(takenOff("/data", "clause", 1, 0), annotated("/data/x", textNote("t", 0)))
	bare.Force = true
	fsmtest.Must(m.Operator, acl.Change, bare)
	see("where no clause lets anybody see", "created /data/x", "created /data/y", "annotated /data/y clause 1")
	if got := watched(t, m, m.Operator, start, "/data/x"); !slices.Contains(got, "annotated /data/x t 1") {
		t.Errorf("an operator is shown %v", got)
	}
	must(t, m.Operator, takenOff("/user/bob", "applied-role", 1, 0))
	see("when the role is taken")
}

// TestWatchDoesNotSplitAnIndex: a page is as long as it must be.
func TestWatchDoesNotSplitAnIndex(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	blind := m.Principal("/user/blind")
	must(t, m.Operator, leafAt("/role/nobody"))
	m.Clause("/data/hidden", command.View, "/role/alice")
	start := m.Position().Index
	var want []string
	for command, n := range []int{1, acl.WatchPage - 2, 3, 2*acl.WatchPage + 1, 1} {
		var changes []*pb.Change
		for i := range n {
			p := fmt.Sprintf("/data/hidden/%d-%d", command, i)
			changes = append(changes, onlyAt(p))
			want = append(want, "created "+p)
		}
		must(t, alice, changes...)
	}
	if diff := cmp.Diff(want, watched(t, m, alice, start, "")); diff != "" {
		t.Errorf("in pages (-want +got): %s", diff)
	}
	page, err := fsmtest.Ask(alice, acl.Watch, &pb.WatchRequest{After: start})
	if err != nil || len(page.Events) != acl.WatchPage+2 {
		t.Errorf("the first page has %d changes, %v; want %d", len(page.GetEvents()), err, acl.WatchPage+2)
	}
	if got := watched(t, m, blind, start, ""); got != nil {
		t.Errorf("who may see none of it is shown %.300v", got)
	}
	empty, err := fsmtest.Ask(blind, acl.Watch, &pb.WatchRequest{After: start})
	if err != nil || empty.Index != page.Index {
		t.Errorf("the first page of who sees nothing ends at %d, %v; want %d", empty.GetIndex(), err, page.Index)
	}
}

func TestWatchAheadOfTheState(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	newest := m.Position().Index
	for _, after := range []uint64{newest, newest + 1, 1<<64 - 1} {
		res, err := fsmtest.Ask(alice, acl.Watch, &pb.WatchRequest{After: after})
		if err != nil || res.Index != after || len(res.Events) != 0 {
			t.Errorf("behind %d there is %v, %v", after, res, err)
		}
	}
	if _, err := fsmtest.Ask(alice, acl.Watch, &pb.WatchRequest{Under: "data"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("under no path: %v", err)
	}
}

// TestWatchOfWhatIsNotKept begins with a state that has dropped what it did up to
// index 70.
func TestWatchOfWhatIsNotKept(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	kept := command.AppendID(kv.AppendUint(nil, 1), command.ID{Index: 70, Counter: 5})
	engine.Commit([]kv.Write{{Key: []byte("tree/events_kept\x00events\x00"), Value: kv.AppendUint(kept, 70)}})
	view := fsm.New(engine).View(operator())
	defer view.Close()
	for after, want := range map[uint64]bool{0: true, 69: true, 70: false, 71: false} {
		res, err := fsm.Ask(view, acl.Watch, &pb.WatchRequest{After: after})
		switch f, _ := err.(*fault.Fault); {
		case !want && err != nil:
			t.Errorf("behind %d: %v", after, err)
		case want && (f == nil || f.Kind != fault.Conflict || f.Details["after"] != "70"):
			t.Errorf("behind %d: got %v, %v; want a conflict that names index 70", after, res, err)
		}
	}
}
