package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// add is an addition to the one counter that was answered.
func add(number, from, to int) Operation {
	return Operation{
		Node: "node1", Counter: "c", Kind: Add, Amount: Amount(number), Outcome: OK,
		Call: time.Duration(from), Return: time.Duration(to),
	}
}

// read is a read that was answered with the additions of those numbers.
func read(from, to int, numbers ...int) Operation {
	o := Operation{Node: "node2", Counter: "c", Kind: Read, Outcome: OK, Call: time.Duration(from), Return: time.Duration(to)}
	for _, number := range numbers {
		o.Value += Amount(number)
	}
	return o
}

// became gives the operation with another outcome.
func (o Operation) became(outcome Outcome) Operation {
	o.Outcome = outcome
	return o
}

// on gives the operation on another counter.
func (o Operation) on(counter string) Operation {
	o.Counter = counter
	return o
}

func TestJudgeAccepts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		history []Operation
	}{
		{"nothing", nil},
		{"one after the other", []Operation{add(0, 1, 2), read(3, 4, 0), add(1, 5, 6), read(7, 8, 0, 1)}},
		{"an addition is not seen while it is under way", []Operation{add(0, 1, 9), read(2, 3)}},
		{"an addition is seen before it is acknowledged", []Operation{add(0, 1, 9), read(2, 3, 0)}},
		{"reads at once see different values", []Operation{add(0, 1, 9), read(2, 6, 0), read(2, 6)}},
		{"additions at once are seen in either order", []Operation{add(0, 1, 9), add(1, 1, 9), read(2, 3, 1), read(4, 5, 0, 1)}},
		{"an unknown addition was applied", []Operation{add(0, 1, 2).became(Unknown), read(3, 4, 0)}},
		{"an unknown addition was not applied", []Operation{add(0, 1, 2).became(Unknown), read(3, 4)}},
		{"an unknown addition is applied late", []Operation{add(0, 1, 2).became(Unknown), read(3, 4), read(5, 6, 0)}},
		{"an addition without an end is unknown", []Operation{add(0, 1, 0).became(""), read(3, 4), read(5, 6, 0)}},
		{"a failed addition was not applied", []Operation{add(0, 1, 2).became(Failed), read(3, 4)}},
		{"a failed read says nothing", []Operation{add(0, 1, 2), read(3, 4).became(Failed)}},
		{"counters are apart", []Operation{add(0, 1, 2), read(3, 4).on("d"), add(0, 5, 6).on("d"), read(7, 8, 0).on("d")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := Judge(test.history, nil, time.Minute)
			if err := v.Err(); err != nil || v.Result != porcupine.Ok {
				t.Errorf("got %s, %v; want %s", v.Result, err, porcupine.Ok)
			}
		})
	}
}

func TestJudgeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		history []Operation
		// says is part of the finding; it is empty where two operations do not tell.
		says string
	}{
		{"a stale read", []Operation{add(0, 1, 2), read(3, 4, 0), add(1, 5, 6), read(7, 8, 0)}, "acknowledged 0s before"},
		{"a lost write", []Operation{add(0, 1, 2), add(1, 3, 4), read(5, 6, 1), read(7, 8, 1)}, "it lacks add #0"},
		{"a doubled write", []Operation{add(0, 1, 2), read(3, 4, 0, 0)}, "holds add #0 at node1 c (0s to 0s), ok 2 times"},
		{"a doubled write of unknown outcome", []Operation{add(2, 1, 2).became(Unknown), read(3, 4, 2, 2)}, "2 times"},
		{"a write that was said to have failed", []Operation{add(0, 1, 2).became(Failed), read(3, 4, 0)}, "said not to be applied"},
		{"a write from the future", []Operation{read(1, 2, 0), add(0, 3, 4)}, "made later"},
		{"a write that nobody made", []Operation{add(0, 1, 2), read(3, 4, 0, 5)}, "which nobody added"},
		{"a value that goes back", []Operation{add(0, 1, 9), read(2, 3, 0), read(4, 5)}, "had seen more"},
		{"a write that was seen and then unknown", []Operation{add(0, 1, 2).became(Unknown), read(3, 4, 0), read(5, 6)}, "had seen more"},
		{"two reads at once that order two writes oppositely", []Operation{add(0, 1, 9), add(1, 1, 9), read(2, 8, 0), read(2, 8, 1)}, ""},
		{"an answer that cannot be", []Operation{read(1, 2).became(Wrong)}, "read {} at node2"},
		{"a stale read among good counters", []Operation{add(0, 1, 2), read(3, 4, 0), add(0, 1, 2).on("d"), read(3, 4).on("d")}, "node2 d"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := Judge(test.history, nil, time.Minute)
			err := v.Err()
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want an error that says %q", err, test.says)
			}
			if wrong := test.history[0].Outcome == Wrong; !wrong && v.Result != porcupine.Illegal {
				t.Errorf("search: got %s, want %s", v.Result, porcupine.Illegal)
			}
			if test.says == "" && len(v.Findings) > 0 {
				t.Errorf("got findings %q, want none: two operations do not tell", v.Findings)
			}
		})
	}
}

// Every operation overlaps every other and the last read is impossible, so the
// search cannot end soon. That it gave up must not pass for a success.
func TestJudgeGivesUp(t *testing.T) {
	t.Parallel()
	var history []Operation
	for i := range MaxAdds {
		history = append(history, add(i, 1, 1000))
	}
	for i := range MaxAdds {
		history = append(history, read(2, 999, i, (i+1)%MaxAdds))
	}
	v := Judge(history, nil, 50*time.Millisecond)
	if v.Result != porcupine.Unknown {
		t.Errorf("search: got %s, want %s", v.Result, porcupine.Unknown)
	}
	if v.Err() == nil {
		t.Error("got no error, want one: nothing was shown")
	}
}

// A history that a correct counter made is accepted; with any one of its
// settled reads made stale it is refused.
func TestJudgeFindsOneStaleRead(t *testing.T) {
	t.Parallel()
	good := simulate()
	if err := Judge(good, nil, time.Minute).Err(); err != nil {
		t.Fatalf("correct history: %v", err)
	}
	planted := 0
	for i, o := range good {
		if o.Kind != Read || o.Value == 0 {
			continue
		}
		bad := append([]Operation(nil), good...)
		bad[i].Value = 0
		if Judge(bad, nil, time.Minute).Err() == nil {
			t.Errorf("%s answered {}: not found", o)
		}
		planted++
	}
	if planted < MaxAdds {
		t.Errorf("planted %d stale reads, want at least %d", planted, MaxAdds)
	}
}

// simulate gives what four processes see of a counter: an operation takes
// effect halfway between its call and its return.
func simulate() (history []Operation) {
	var value uint64
	for step := range 4 * MaxAdds {
		from, to := 10*step, 10*step+8+7*(step%4)
		o := read(from, to)
		if step%4 == 0 {
			o = add(step/4, from, from+8)
			value += o.Amount
		} else {
			o.Value = value
		}
		o.Process = step % 4
		history = append(history, o)
	}
	return history
}

func TestDraw(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "history.html")
	faults := []Fault{{Node: "node1", What: "paused", From: 1, To: 3}}
	if err := Judge([]Operation{add(0, 1, 2), read(3, 4)}, faults, 0).Draw(page); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"node1: add {#0}: ok", "node2: read {}", "paused"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind Kind
		err  error
		want Outcome
	}{
		{Add, nil, OK},
		{Read, nil, OK},
		{Add, fault.Unserved(fault.Definite, "no leader"), Failed},
		{Add, fault.Unserved(fault.Unknown, "leadership lost"), Unknown},
		{Add, fault.Unavailable.New("nothing is said of the outcome"), Unknown},
		{Read, fault.Unserved(fault.Definite, "no quorum"), Failed},
		{Read, fault.Unserved(fault.Unknown, "no answer"), Failed},
		{Read, fault.NotFound.New("no account"), Wrong},
		{Add, fault.Conflict.New("id used"), Wrong},
		{Add, fault.Internal.New("internal error"), Wrong},
		{Add, errors.New("an answer that cannot be"), Wrong},
	}
	for _, test := range tests {
		if got := OutcomeOf(test.kind, test.err); got != test.want {
			t.Errorf("%s that ended with %v: got %s, want %s", test.kind, test.err, got, test.want)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := NewHistory(&out)
	number := h.Call(Operation{Process: h.Process(), Node: "node1", Counter: "c", Kind: Add, Amount: 4})
	end := h.Begin("node1", "paused")
	end()
	h.Return(number, Unknown, 0, "no answer")
	if err := h.Err(); err != nil {
		t.Fatal(err)
	}
	o := h.Operations()[0]
	f := h.Faults()[0]
	if !(o.Call <= f.From && f.From <= f.To && f.To <= o.Return) {
		t.Errorf("the clock ran back: operation %d to %d, fault %d to %d", o.Call, o.Return, f.From, f.To)
	}
	called := o
	called.Return, called.Outcome, called.Reason = 0, "", ""
	var want []string
	for _, line := range []any{called, f, o} {
		b, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(b))
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(out.String()), "\n")); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s", diff)
	}
	failing := NewHistory(brokenWriter{})
	failing.Call(o)
	if !errors.Is(failing.Err(), io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", failing.Err(), io.ErrClosedPipe)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// wire is a connection on which the answers of a list arrive, in its order.
type wire struct {
	answers []reply
	ids     map[string]bool
}

// reply is an error, or what a write or a read is answered.
type reply struct {
	err     error
	created uint32
	index   uint64
	value   string
}

func (w *wire) Invoke(_ context.Context, _ string, request, response any, _ ...grpc.CallOption) error {
	answer := w.answers[0]
	w.answers = w.answers[1:]
	switch r := response.(type) {
	case *pb.TransferResponse:
		w.ids[request.(*pb.TransferRequest).Transfers[0].Id] = true
		r.Created, r.Index = answer.created, answer.index
	case *pb.BalanceResponse:
		r.CreditsPosted = answer.value
	}
	return answer.err
}

func (*wire) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fault.Invalid.New("there are no streams")
}

// process is a client at the other end of the wire.
func (w *wire) process(resend time.Duration) *Client {
	w.ids = make(map[string]bool)
	return &Client{
		History: NewHistory(io.Discard), Node: "node1", Ledger: pb.NewLedgerClient(w),
		Timeout: time.Minute, AddTimeout: time.Minute, Resend: resend,
	}
}

func TestClientAdd(t *testing.T) {
	t.Parallel()
	done := reply{created: 1, index: 7}
	definite, unknown := reply{err: fault.Unserved(fault.Definite, "no leader")}, reply{err: fault.Unserved(fault.Unknown, "lost")}
	denied := reply{err: fault.Denied.New("no")}
	// Of these two, only the second is sent again once it is answered.
	const once, twice = 4, 3
	tests := []struct {
		name    string
		number  int
		resend  time.Duration
		answers []reply
		want    Outcome
	}{
		{"answered", once, 0, []reply{done}, OK},
		{"refused", once, 0, []reply{definite}, Failed},
		{"unknown", twice, 0, []reply{unknown}, Unknown},
		{"unknown, then answered", once, time.Hour, []reply{unknown, done}, OK},
		{"unknown, then refused, then answered", once, time.Hour, []reply{unknown, definite, done}, OK},
		{"unknown, then refused for as long as it was tried", once, pauseBetweenAttempts, []reply{unknown, definite}, Unknown},
		{"unknown, then denied", once, time.Hour, []reply{unknown, denied}, Wrong},
		{"made before", once, 0, []reply{{index: 7}}, Wrong},
		{"answered twice the same", twice, 0, []reply{done, done}, OK},
		{"answered, and then not", twice, 0, []reply{done, unknown}, OK},
		{"answered, and then with another index", twice, 0, []reply{done, {created: 1, index: 8}}, Wrong},
		{"answered, and then found made before", twice, 0, []reply{done, {index: 7}}, Wrong},
		{"answered, and then denied", twice, 0, []reply{done, denied}, Wrong},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := &wire{answers: test.answers}
			c := w.process(test.resend)
			if got := c.Add(t.Context(), "/account/c", test.number); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if len(w.answers) > 0 || len(w.ids) != 1 {
				t.Errorf("%d answers were not asked for, ids %v; want none and one id", len(w.answers), w.ids)
			}
			o := c.History.Operations()[0]
			if o.Amount != Amount(test.number) || o.Outcome != test.want || (o.Reason == "") != (test.want == OK) {
				t.Errorf("recorded %+v, want amount %d, outcome %s, and a reason unless it is ok", o, Amount(test.number), test.want)
			}
		})
	}
}

// A process whose addition may still be under way does nothing else.
func TestClientProcesses(t *testing.T) {
	t.Parallel()
	five := reply{value: "5"}
	w := &wire{answers: []reply{five, {err: fault.Unserved(fault.Unknown, "lost")}, five, {err: fault.Unavailable.New("away")}}}
	c, ctx := w.process(0), t.Context()
	outcomes := []Outcome{c.Read(ctx, "c"), c.Add(ctx, "c", 0), c.Read(ctx, "c"), c.Read(ctx, "c")}
	if diff := cmp.Diff([]Outcome{OK, Unknown, OK, Failed}, outcomes); diff != "" {
		t.Errorf("outcomes differ (-want +got):\n%s", diff)
	}
	var got []string
	for _, o := range c.History.Operations() {
		got = append(got, fmt.Sprintf("%d %s %d", o.Process, o.Kind, o.Value))
	}
	want := []string{"0 read 5", "0 add 0", "1 read 5", "1 read 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations differ (-want +got):\n%s", diff)
	}
}

func TestCover(t *testing.T) {
	t.Parallel()
	at := func(node string, o Operation) Operation {
		o.Node = node
		return o
	}
	history := []Operation{
		at("a", add(0, 1, 4)),
		at("b", read(2, 3)),                  // overlaps
		at("b", read(5, 6, 0)),               // does not
		at("a", read(12, 25).became(Failed)), // waits for the end of the fault
		at("a", read(15, 22, 0)),             // waits and is answered
		at("b", add(1, 13, 14)),              // during the fault of the other
		at("b", read(13, 14)),                // likewise, and overlaps
		at("a", read(21, 23, 0, 1)),          // fresh
		at("a", read(22, 24).became(Failed)), // fresh, unanswered
		at("a", read(31, 32, 0, 1)),
	}
	got := Cover(history, []Fault{{Node: "a", What: "paused", From: 10, To: 20}}, 10)
	want := Coverage{
		Answered:     map[string]Tally{"a": {Adds: 1, Reads: 3}, "b": {Adds: 1, Reads: 3}},
		DuringFaults: map[string]Tally{"b": {Adds: 1, Reads: 1}},
		Concurrent:   2,
		Waiting:      2, WaitingAnswered: 1,
		Fresh: 2, FreshAnswered: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("coverage differs (-want +got):\n%s", diff)
	}
}
