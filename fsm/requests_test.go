package fsm_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// ledgerOf gives a machine with an asset and two accounts, of which a has no floor.
func ledgerOf(t fsmtest.T) *fsmtest.Machine {
	m := fsmtest.New(t)
	fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/a", Asset: "USD", Overdraft: "unlimited"})
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/b", Asset: "USD"})
	return m
}

func pay(c *fsmtest.Client, id, from, to, amount string) *statev1.Command {
	return fsmtest.Command(c, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: id, Debit: from, Credit: to, Amount: amount},
	}})
}

// sameAnswer says whether a request that was sent again got the answer of the
// first time, and nothing else happened.
func sameAnswer(t *testing.T, again, first fsm.Result) {
	t.Helper()
	if again.Index != first.Index || again.Response != nil || string(again.Body) != string(first.Body) ||
		fmt.Sprintf("%+v", again.Err) != fmt.Sprintf("%+v", first.Err) || fault.KindOf(again.Err) != fault.KindOf(first.Err) {
		t.Errorf("sent again it gives %+v, at first it gave %+v", again, first)
	}
}

func TestARequestSentAgainGetsItsAnswer(t *testing.T) {
	t.Parallel()
	m := ledgerOf(t)
	request := pay(m.Operator, "t1", "/account/a", "/account/b", "1")
	first := m.Apply(request)[0]
	if first.Err != nil || first.Response == nil {
		t.Fatalf("the transfer gives %+v", first)
	}
	hash := m.Hash()
	for range 3 {
		sameAnswer(t, m.Apply(request)[0], first)
	}
	both := m.Apply(request, request)
	sameAnswer(t, both[0], first)
	sameAnswer(t, both[1], first)
	if m.Hash() != hash {
		t.Error("a request that was sent again changed the state")
	}
}

func TestARequestTwiceInOneEntry(t *testing.T) {
	t.Parallel()
	m := ledgerOf(t)
	request := pay(m.Operator, "t1", "/account/a", "/account/b", "1")
	results := m.Apply(request, request)
	if results[0].Err != nil || results[0].Response == nil {
		t.Fatalf("the transfer gives %+v", results[0])
	}
	sameAnswer(t, results[1], results[0])
	refused := pay(m.Operator, "t2", "/account/b", "/account/a", "9")
	results = m.Apply(refused, refused)
	if fault.KindOf(results[0].Err) != fault.Insufficient {
		t.Fatalf("the transfer gives %+v, want a fault.Insufficient", results[0])
	}
	sameAnswer(t, results[1], results[0])
}

// TestARefusalIsKept: the caller may have acted on it.
func TestARefusalIsKept(t *testing.T) {
	t.Parallel()
	m := ledgerOf(t)
	request := pay(m.Operator, "t1", "/account/b", "/account/a", "1")
	first := m.Apply(request)[0]
	if fault.KindOf(first.Err) != fault.Insufficient {
		t.Fatalf("the transfer gives %+v, want a fault.Insufficient", first)
	}
	m.Apply(pay(m.Operator, "t2", "/account/a", "/account/b", "5"))
	hash := m.Hash()
	sameAnswer(t, m.Apply(request)[0], first)
	if m.Hash() != hash {
		t.Error("a request that was refused and sent again changed the state")
	}
	if again := m.Apply(pay(m.Operator, "t1", "/account/b", "/account/a", "1"))[0]; fault.KindOf(again.Err) != fault.Insufficient {
		t.Errorf("the same transfer as a new request gives %+v, want what it was refused with", again)
	}
	if other := m.Apply(pay(m.Operator, "t3", "/account/b", "/account/a", "1"))[0]; other.Err != nil {
		t.Errorf("the transfer under another id gives %v", other.Err)
	}
}

func TestADenialIsKept(t *testing.T) {
	t.Parallel()
	m := ledgerOf(t)
	m.Clause("/account", command.View)
	by := m.Principal("/workload/x", "/role/payer")
	request := pay(by, "t1", "/account/a", "/account/b", "1")
	first := m.Apply(request)[0]
	if fault.KindOf(first.Err) != fault.Denied {
		t.Fatalf("the transfer gives %+v, want a fault.Denied", first)
	}
	m.Clause("/account", command.Spend, "/role/payer")
	sameAnswer(t, m.Apply(request)[0], first)
	if again := m.Apply(pay(by, "t1", "/account/a", "/account/b", "1"))[0]; again.Err != nil {
		t.Errorf("the same transfer as a new request gives %v", again.Err)
	}
}

func TestARequestIDIsOfOneRequest(t *testing.T) {
	t.Parallel()
	m := ledgerOf(t)
	request := pay(m.Operator, "t1", "/account/a", "/account/b", "1")
	first := m.Apply(request)[0]
	position, hash := m.Position(), m.Hash()
	body := pay(m.Operator, "t1", "/account/a", "/account/b", "2")
	name := proto.CloneOf(request)
	name.Name = ledger.OpenAccount.Name
	for _, other := range []*statev1.Command{body, name} {
		other.RequestId = request.RequestId
		got := m.Apply(other)[0]
		if fault.KindOf(got.Err) != fault.Conflict || got.Index <= position.Index || got.Body != nil {
			t.Errorf("another request under its id gives %+v, want a fault.Conflict", got)
		}
	}
	if m.Hash() != hash {
		t.Error("another request under its id changed the state")
	}
	sameAnswer(t, m.Apply(request)[0], first)
}

func TestRequestIDsAreOfOnePrincipal(t *testing.T) {
	t.Parallel()
	m := ledgerOf(t)
	request := pay(m.Operator, "t1", "/account/a", "/account/b", "1")
	first := m.Apply(request)[0]
	for i, principal := range []string{"/user/operator2", "/user", "/user/operator/x", ""} {
		other := pay(m.Operator, fmt.Sprint("other", i), "/account/a", "/account/b", "1")
		other.RequestId, other.Caller.Principal = request.RequestId, principal
		if got := m.Apply(other)[0]; got.Err != nil || got.Index == first.Index {
			t.Errorf("the same id of %q gives %+v", principal, got)
		}
	}
	sameAnswer(t, m.Apply(request)[0], first)
}

func TestWithoutARequestIDNothingIsKept(t *testing.T) {
	t.Parallel()
	m := ledgerOf(t)
	request := pay(m.Operator, "t1", "/account/a", "/account/b", "1")
	request.RequestId = ""
	first := m.Apply(request)[0]
	again := m.Apply(request)[0]
	res, err := fsmtest.Answer(t, ledger.Transfer, again)
	if err != nil || again.Index == first.Index || res.Created != 0 || len(res.Existing) != 1 {
		t.Errorf("sent again it gives %v, %v; want one existing transfer", res, err)
	}
}

// TestAnswersAreKeptForTheirAge: and not longer.
func TestAnswersAreKeptForTheirAge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		wait    int64
		applied bool
	}{{fsm.AnswerAge - 1, false}, {fsm.AnswerAge, true}, {fsm.AnswerAge + 1, true}} {
		m := fsmtest.New(t)
		m.EntryNanos = 0
		request := fsmtest.Command(m.Operator, system.RemoveNode, &pb.RemoveRequest{Id: "n1"})
		first := m.Apply(request)[0]
		m.Wait(test.wait)
		m.Apply()
		if got := m.Apply(request)[0]; (got.Response != nil) != test.applied || (got.Index != first.Index) != test.applied {
			t.Errorf("after %d ns it gives %+v, applied anew should be %v", test.wait, got, test.applied)
		}
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	const day = 24 * 3600 * 1_000_000_000
	midnight := func() int64 { return (m.Position().Time/day + 1) * day }
	due := func(want int64) {
		t.Helper()
		m.View(func(v *command.Reading) {
			if got, ok := fsm.Due(v); got != want || ok != (want != 0) {
				t.Errorf("Due gives %d, %v; want %d", got, ok, want)
			}
		})
	}
	due(0)
	m.Apply()
	due(midnight())
	m.Apply(fsmtest.Command(m.Cluster, system.Tick, &statev1.TickRequest{}))
	due(midnight()) // the cluster's own are not kept
	m.Apply(fsmtest.Command(m.Operator, system.RemoveNode, &pb.RemoveRequest{Id: "n1"}))
	one := m.Position().Time
	due(one + fsm.AnswerAge)
	m.Wait(1000)
	m.Apply(fsmtest.Command(m.Operator, system.RemoveNode, &pb.RemoveRequest{Id: "n2"}))
	two := m.Position().Time
	due(one + fsm.AnswerAge)
	m.EntryNanos = 0
	m.Wait(one + fsm.AnswerAge - two)
	m.Apply()
	due(two + fsm.AnswerAge)
	m.Wait(fsm.AnswerAge)
	m.Apply()
	due(midnight())
	m.Wait(midnight() - m.Position().Time)
	m.Apply()
	due(m.Position().Time + day)
}

// TestDueWhenAnAnnotationBeginsOrEnds: that a clause begins to hold wants an
// entry, for no time passes without one.
func TestDueWhenAnAnnotationBeginsOrEnds(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.Leaf("/data/x")
	start := m.Position().Time + fsm.AnswerAge/2
	end := start + 1000
	m.Annotate("/data/x", &pb.Annotation{
		Tag: "note", StartUnixNanos: start, EndUnixNanos: end, Content: &pb.Annotation_Text{Text: "for a while"},
	})
	m.EntryNanos = 0
	made := m.Position().Time - 1_000_000 // when /data/x was
	for _, want := range []int64{start, end, made + fsm.AnswerAge} {
		m.View(func(v *command.Reading) {
			if got, ok := fsm.Due(v); got != want || !ok {
				t.Errorf("at %d Due gives %d, %v; want %d", v.Time, got, ok, want)
			}
		})
		m.Wait(want - m.Position().Time)
		m.Apply(fsmtest.Command(m.Cluster, system.Tick, &statev1.TickRequest{}))
	}
}

// kept is an answer as the model keeps it.
type kept struct {
	request *statev1.Command
	result  fsm.Result
	time    int64
}

// TestOnceOnly sends requests of few ids at random times and compares with a
// model of what is applied, what is answered from memory and what is refused.
func TestOnceOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := fsmtest.New(t)
		answers := make(map[string]kept)
		for range rapid.IntRange(1, 12).Draw(t, "entries") {
			m.Wait(rapid.SampledFrom([]int64{0, 1, fsm.AnswerAge / 2, fsm.AnswerAge}).Draw(t, "wait"))
			commands := rapid.SliceOfN(requests(m), 0, 4).Draw(t, "commands")
			results := m.Apply(commands...)
			at := m.Position()
			for i, c := range commands {
				answers[key(c)] = compareAnswer(t, answers[key(c)], kept{c, results[i], at.Time}, at.Index)
			}
			for k, answer := range answers {
				if at.Time-answer.time >= fsm.AnswerAge {
					delete(answers, k)
				}
			}
		}
	})
}

func key(c *statev1.Command) string { return c.Caller.Principal + " " + c.RequestId }

// requests draws requests that are accepted and requests that are refused.
func requests(m *fsmtest.Machine) *rapid.Generator[*statev1.Command] {
	return rapid.Custom(func(t *rapid.T) *statev1.Command {
		caller := operator
		if rapid.Bool().Draw(t, "other") {
			caller.Principal = "/user/other"
		}
		by := m.As(caller)
		c := fsmtest.Command(by, system.RemoveNode, &pb.RemoveRequest{Id: rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node")})
		if rapid.Bool().Draw(t, "refused") {
			c = fsmtest.Command(by, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "small"})
		}
		c.RequestId = rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
		return c
	})
}

// compareAnswer gives what is kept after now came of a request, of which was is
// kept before.
func compareAnswer(t *rapid.T, was, now kept, index uint64) kept {
	refused := now.request.Name == ledger.CreateAsset.Name
	switch same := was.request != nil && now.request.Name == was.request.Name && string(now.request.Body) == string(was.request.Body); {
	case was.request == nil:
		if now.result.Index != index || (now.result.Response == nil) != refused || (fault.KindOf(now.result.Err) == fault.Invalid) != refused {
			t.Fatalf("a new request gives %+v at %d", now.result, index)
		}
		return now
	case same:
		if now.result.Index != was.result.Index || now.result.Response != nil || (now.result.Err != nil) != refused {
			t.Fatalf("sent again it gives %+v, at first it gave %+v", now.result, was.result)
		}
	default:
		if now.result.Index != index || fault.KindOf(now.result.Err) != fault.Conflict {
			t.Fatalf("another request under its id gives %+v at %d, want a fault.Conflict", now.result, index)
		}
	}
	return was
}
