package acl

import (
	"math"
	"slices"
	"strconv"

	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Watch gives the changes behind an index, one page at a time: all up to the index
// of the answer. What has one index is never split. Behind the newest index there
// is nothing, so a page is then empty and ends where it began.
//
// A caller is shown a change at a path that it could View when the change was
// made, judged by the clauses of then and by the roles that it holds now.
//
// Where changes are not kept any more it is refused with a fault.Conflict, whose
// detail "after" is the first index that can be asked for. Who watches then has to
// look at the tree again.
var Watch = command.DefineQuery(&Commands, "acl.watch", command.Public[*pb.WatchRequest], answerWatch)

// WatchPage is how many changes a page looks at before it ends with an index.
const WatchPage = 1000

func answerWatch(v *command.Reading, req *pb.WatchRequest) (*pb.WatchResponse, error) {
	under := path.Root
	if req.Under != "" {
		var err error
		if under, err = path.Parse(req.Under); err != nil {
			return nil, err
		}
	}
	if dropped := tree.EventsDropped(v); req.After < dropped {
		return nil, fault.Conflict.New("changes up to index %d are not kept any more, and those behind %d were asked for", dropped, req.After).
			With("after", strconv.FormatUint(dropped, 10))
	}
	w := watcher{subject: callerOf(v)}
	res := &pb.WatchResponse{Index: max(req.After, v.Index)}
	looked, last := 0, req.After
	for e := range tree.Events(v, command.ID{Index: req.After, Counter: math.MaxUint32}) {
		if looked >= WatchPage && e.ID.Index != last {
			res.Index = last
			break
		}
		looked, last = looked+1, e.ID.Index
		if (under.Covers(e.Path) || under.Covers(e.From)) && w.mayKnow(&e) {
			res.Events = append(res.Events, shownEvent(&e))
		}
	}
	return res, nil
}

// watcher is somebody to whom changes are shown.
type watcher struct {
	subject
	// sets are those of the event before, and needs the policy made of them.
	sets  [][]path.Path
	needs *policy.Policy
}

// mayKnow says whether the watcher may know of the event. The name that a moved
// node had is no more than its new one: its clauses, and those above it, were the
// same under both.
func (w *watcher) mayKnow(e *tree.Event) bool {
	if w.operator {
		return true
	}
	if e.Hidden {
		return false
	}
	if w.needs == nil || !slices.EqualFunc(w.sets, e.Sets, slices.Equal) {
		w.sets, w.needs = e.Sets, policy.And(nil, namesOf(e.Sets)...)
	}
	return w.closure.Meets(w.needs)
}

func namesOf(sets [][]path.Path) [][]string {
	names := make([][]string, len(sets))
	for i, set := range sets {
		for _, role := range set {
			names[i] = append(names[i], string(role))
		}
	}
	return names
}

func shownEvent(e *tree.Event) *pb.Event {
	return &pb.Event{
		Index: e.ID.Index, UnixNanos: e.Nanos, What: e.What.String(), Path: string(e.Path), From: string(e.From),
		Tag: e.Tag, Unique: e.Unique,
	}
}
