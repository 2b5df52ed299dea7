package fsm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// log applies entries one behind the other.
type log struct {
	t       *testing.T
	engine  *kv.Memory
	machine *Machine
	time    int64
}

func newLog(t *testing.T) *log {
	engine := kv.NewMemory()
	return &log{t: t, engine: engine, machine: New(engine)}
}

func (l *log) apply(commands ...*statev1.Command) []Result {
	l.t.Helper()
	data, err := EncodeEntry(&statev1.Entry{UnixNanos: l.time, Commands: commands})
	if err != nil {
		l.t.Fatal(err)
	}
	return l.machine.Apply(l.machine.Position().Index+1, 1, data)
}

// request is a command that is never refused.
func request(t *testing.T, id int) *statev1.Command {
	t.Helper()
	body, err := proto.Marshal(&pb.RemoveRequest{Id: fmt.Sprint(id)})
	if err != nil {
		t.Fatal(err)
	}
	return &statev1.Command{
		Name: system.RemoveNode.Name, Body: body, RequestId: fmt.Sprint(id),
		Caller: &statev1.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate},
	}
}

// set changes where the state says it is, as if much had been answered.
func (l *log) set(change func(*position)) {
	store := kv.Open(l.engine, schemas()...)
	tx := store.Begin()
	at := positionOf(tx)
	change(&at)
	positions.Put(tx, at)
	tx.Commit()
	store.Retire()
	l.machine = New(l.engine)
}

// kept gives how many answers are in the table, and how large they are.
func (l *log) kept() (n, size uint64) {
	view := l.machine.View(command.Caller{})
	defer view.Close()
	for a := range answers.All(view) {
		n++
		size += uint64(len(a.response))
	}
	return n, size
}

func (l *log) wantKept(n int) {
	l.t.Helper()
	found, size := l.kept()
	view := l.machine.View(command.Caller{})
	defer view.Close()
	if at := positionOf(view); found != uint64(n) || at.answers != found || at.answerBytes != size {
		l.t.Errorf("%d answers of %d bytes are kept, the position says %d of %d; want %d", found, size, at.answers, at.answerBytes, n)
	}
}

// TestOldAnswersGoInSmallSteps: an entry after a long silence must not take
// long.
func TestOldAnswersGoInSmallSteps(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	var first []*statev1.Command
	for i := range 200 {
		first = append(first, request(t, i))
	}
	l.apply(first...)
	l.wantKept(200)
	l.time = AnswerAge
	for _, want := range []int{136, 72} {
		l.apply()
		l.wantKept(want)
	}
	l.apply(request(t, 1000))
	l.wantKept(72 - 66 + 1)
	l.apply()
	l.wantKept(1)
	l.apply()
	l.wantKept(1)
}

// TestTheOldestAnswersGoWhenThereAreTooMany reaches the limits by a state that
// says it has kept nearly as many.
func TestTheOldestAnswersGoWhenThereAreTooMany(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(*position){
		"number": func(at *position) { at.answers = AnswerLimit },
		"size":   func(at *position) { at.answerBytes = AnswerBytes },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			for i := range 10 {
				l.apply(request(t, i))
			}
			l.set(fill)
			l.apply()
			if n, _ := l.kept(); n != 10 {
				t.Fatalf("at the limit %d answers are kept, want 10", n)
			}
			l.apply(request(t, 10), request(t, 11))
			if n, _ := l.kept(); n != 10 {
				t.Fatalf("two behind the limit %d answers are kept, want 10", n)
			}
			results := l.apply(request(t, 2), request(t, 11), request(t, 0))
			for i, applied := range []bool{false, false, true} {
				if (results[i].Response != nil) != applied {
					t.Errorf("request %d sent again gives %+v, applied anew should be %v", i, results[i], applied)
				}
			}
		})
	}
}

// define gives the machine a command of the test's own.
func (l *log) define(name string, since uint32, run func(*command.Tx) error) *statev1.Command {
	var set command.Set
	body := func(tx *command.Tx, _ *statev1.TickRequest) (*statev1.TickResponse, error) {
		return &statev1.TickResponse{}, run(tx)
	}
	d := command.Define(&set, name, command.Public[*statev1.TickRequest], body)
	d.Since = since
	l.machine.commands[name] = d.Definition
	return &statev1.Command{
		Name: name, RequestId: name,
		Caller: &statev1.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate},
	}
}

func TestCommandsWaitForTheirFormat(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	accept := func(*command.Tx) error { return nil }
	for since := range uint32(2) {
		if got := l.apply(l.define(fmt.Sprint("test.since", since), since, accept))[0]; got.Err != nil {
			t.Errorf("a command of format %d gives %v in a cluster of format 1", since, got.Err)
		}
	}
	next := l.define("test.next", 2, accept)
	before := l.machine.Position().Hash
	got := l.apply(next)[0]
	if fault.KindOf(got.Err) != fault.Unavailable || fault.OutcomeOf(got.Err) != fault.Definite {
		t.Errorf("a command of format 2 gives %v in a cluster of format 1, want a definite fault.Unavailable", got.Err)
	}
	if l.machine.Position().Hash != before {
		t.Error("a command that was not served changed the state")
	}
	// The answer is not kept: it is served once the cluster can.
	l.define("test.next", 1, accept)
	if got := l.apply(next)[0]; got.Err != nil {
		t.Errorf("sent again it gives %v", got.Err)
	}
}

func TestARefusalTakesBackItsChangesOnly(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	refused := l.define("test.refused", 0, func(tx *command.Tx) error {
		if _, err := system.RemoveNode.Run(tx, &pb.RemoveRequest{Id: "refused"}); err != nil {
			return err
		}
		return fmt.Errorf("wrapped: %w", fault.Exists.New("it exists").With("key", "value"))
	})
	results := l.apply(request(t, 1), refused, request(t, 2))
	f, ok := results[1].Err.(*fault.Fault)
	if !ok || f.Kind != fault.Exists || f.Details["key"] != "value" || results[1].Body != nil || results[1].Response != nil {
		t.Errorf("the refused command gives %+v", results[1])
	}
	view := l.machine.View(command.Caller{})
	defer view.Close()
	if got := strings.Join(system.RemovedNodes(view), " "); got != "1 2" {
		t.Errorf("the nodes %s are removed, want 1 and 2", got)
	}
}

func TestAnErrorThatIsNoFaultStopsTheNode(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	broken := l.define("test.broken", 0, func(*command.Tx) error { return errors.New("disk full") })
	defer func() {
		if got := fmt.Sprint(recover()); got != "command test.broken: its error is no fault: disk full" {
			t.Errorf("it panicked with %s", got)
		}
	}()
	l.apply(broken)
	t.Error("an error that is no fault was taken for an answer")
}

func TestPositionsComeBack(t *testing.T) {
	t.Parallel()
	for _, p := range []position{{}, {index: 1, term: 2, time: -3, answers: 4, answerBytes: 5, oldestAnswer: command.ID{Index: 6, Counter: 7}}} {
		if got, err := decodePosition(appendPosition(nil, p)); err != nil || got != p {
			t.Errorf("%+v comes back as %+v, %v", p, got, err)
		}
	}
}

func TestAnswersComeBack(t *testing.T) {
	t.Parallel()
	for _, a := range []answer{
		{},
		{id: command.ID{Index: 7, Counter: 2}, principal: "/user/x", request: "r", digest: "\x00\xff", time: -5, response: []byte{1, 0}},
		{refusal: &fault.Fault{Kind: fault.Denied, Message: "no"}},
		{refusal: fault.Denied.New("no").With("b", "2").With("a", "1").With("", "")},
	} {
		got, err := decodeAnswer(appendAnswer(nil, a))
		if err != nil || fmt.Sprintf("%+v", flat(got)) != fmt.Sprintf("%+v", flat(a)) {
			t.Errorf("%+v comes back as %+v, %v", flat(a), flat(got), err)
		}
	}
}

// flat makes an answer without a pointer.
func flat(a answer) [2]any {
	refusal := fault.Fault{}
	if a.refusal != nil {
		refusal = *a.refusal
	}
	a.refusal = nil
	return [2]any{a, refusal}
}

func FuzzDecodeAnswer(f *testing.F) {
	f.Add(appendAnswer(nil, answer{id: command.ID{Index: 1, Counter: 1}, response: []byte("x")}))
	f.Add(appendAnswer(nil, answer{refusal: fault.Denied.New("no").With("a", "1")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := decodeAnswer(data)
		if err != nil {
			return
		}
		again, err := decodeAnswer(appendAnswer(nil, a))
		if err != nil || fmt.Sprintf("%+v", flat(again)) != fmt.Sprintf("%+v", flat(a)) {
			t.Errorf("%+v comes back as %+v, %v", flat(a), flat(again), err)
		}
	})
}

func TestNamesAreOfOneCommand(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, d := range domains {
		for _, definition := range append(d.commands.Commands, d.commands.Queries...) {
			if seen[definition.Name] {
				t.Errorf("two commands or queries are named %s", definition.Name)
			}
			seen[definition.Name] = true
		}
	}
}
