package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Steps of ops in short.
func transferring(t *pb.Transfer) *pb.Step { return &pb.Step{Step: &pb.Step_Transfer{Transfer: t}} }
func holding(s *pb.PlaceHold) *pb.Step     { return &pb.Step{Step: &pb.Step_Hold{Hold: s}} }
func capturing(s *pb.CaptureHold) *pb.Step { return &pb.Step{Step: &pb.Step_Capture{Capture: s}} }
func releasing(s *pb.ReleaseHold) *pb.Step { return &pb.Step{Step: &pb.Step_Release{Release: s}} }
func extending(s *pb.ExtendHold) *pb.Step  { return &pb.Step{Step: &pb.Step_Extend{Extend: s}} }

func guarding(g *pb.Guard) *pb.Step { return &pb.Step{Step: &pb.Step_Guard{Guard: g}} }

func atLeast(account, amount string) *pb.Step {
	return guarding(&pb.Guard{Guard: &pb.Guard_Balance{Balance: &pb.BalanceGuard{Account: account, AtLeast: amount}}})
}

func op(m *fsmtest.Machine, steps ...*pb.Step) (*pb.OpResponse, error) {
	return opAs(m.Operator, steps...)
}

func opAs(c *fsmtest.Client, steps ...*pb.Step) (*pb.OpResponse, error) {
	return fsmtest.Do(c, ledger.Op, &pb.OpRequest{Steps: steps})
}

// mustOp makes an op that must not be refused.
func mustOp(m *fsmtest.Machine, steps ...*pb.Step) *pb.OpResponse {
	return fsmtest.Must(m.Operator, ledger.Op, &pb.OpRequest{Steps: steps})
}

// wantRefused wants the op refused at the position, and the state as it was.
func wantRefused(t *testing.T, m *fsmtest.Machine, kind fault.Kind, position string, steps ...*pb.Step) *fault.Fault {
	t.Helper()
	hash := m.Hash()
	_, err := op(m, steps...)
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != kind || f.Details["position"] != position {
		t.Fatalf("the op %v gives %v (%+v), want a fault.%s at position %q", steps, err, f, kind, position)
	}
	if m.Hash() != hash {
		t.Errorf("the refused op %v changed the state", steps)
	}
	return f
}

func TestOpIsAllOrNone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	f := wantRefused(t, m, fault.Insufficient, "1",
		transferring(of("1", "/account/a", "/account/b", "60")), transferring(of("2", "/account/a", "/account/b", "60")))
	if want := `step 1 (transfer "2"): account /account/a has 40.00 USD available, 60.00 is asked for`; f.Message != want {
		t.Errorf("the op is refused with %q, want %q", f.Message, want)
	}
	wantBalance(t, m, "/account/a", "-0.00 +100.00 100.00")
	res := mustOp(m, transferring(of("1", "/account/a", "/account/b", "60")), atLeast("/account/b", "60"), transferring(of("3", "/account/b", "/account/bank", "1")))
	index := m.Position().Index
	want := &pb.OpResponse{Index: index, Results: []*pb.StepResult{{Index: index, Amount: "60.00"}, {Index: index}, {Index: index, Amount: "1.00"}}}
	if diff := cmp.Diff(want, res, protocmp.Transform()); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
}

// TestOpAgain: an op that stands answers what it answered, guards or not.
func TestOpAgain(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	steps := []*pb.Step{
		atLeast("/account/a", "100"),
		transferring(of("1", "/account/a", "/account/b", "60")),
		holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "10.5"}),
		transferring(&pb.Transfer{Id: "2", Debit: "/account/b", Credit: "/account/bank", Amount: "100", UpTo: true}),
	}
	first := mustOp(m, steps...)
	hash := m.Hash()
	again := mustOp(m, steps...)
	if m.Hash() != hash {
		t.Errorf("an op that stands changed the state")
	}
	want := &pb.OpResponse{Index: m.Position().Index, Results: []*pb.StepResult{
		{},
		{Index: first.Index, Amount: "60.00", Existing: true},
		{Index: first.Index, Amount: "10.50", Existing: true},
		{Index: first.Index, Amount: "60.00", Existing: true},
	}}
	if diff := cmp.Diff(want, again, protocmp.Transform()); diff != "" {
		t.Errorf("the answer to the op again (-want +got):\n%s", diff)
	}
	// Half of it is another op.
	f := wantRefused(t, m, fault.Conflict, "1", steps[1], transferring(of("new", "/account/a", "/account/b", "1")))
	if f.Details["field"] != "steps" {
		t.Errorf("an op of which a part stands is refused with %+v", f)
	}
	for field, step := range map[string]*pb.Step{
		"kind":        holding(&pb.PlaceHold{Id: "1", Debit: "/account/a", Credit: "/account/b", Amount: "60"}),
		"amount":      holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "10.51"}),
		"debit":       transferring(of("1", "/account/b", "/account/a", "60")),
		"then_debit":  transferring(&pb.Transfer{Id: "1", Debit: "/account/a", Credit: "/account/b", Amount: "60", ThenDebit: []string{"/account/bank"}}),
		"up_to":       transferring(of("2", "/account/b", "/account/bank", "100")),
		"description": transferring(&pb.Transfer{Id: "1", Debit: "/account/a", Credit: "/account/b", Amount: "60", Description: "x"}),
	} {
		if f := wantRefused(t, m, fault.Conflict, "0", step); f.Details["field"] != field {
			t.Errorf("the step %v is refused for the field %q, want %q", step, f.Details["field"], field)
		}
	}
	// Equal amounts are equal however they are written.
	mustOp(m, transferring(of("1", "/account/a", "/account/b", "60.00")))
}

// TestFailuresAreKept: a step that failed for the state fails for ever.
func TestFailuresAreKept(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	step := transferring(of("1", "/account/b", "/account/a", "5"))
	first := wantRefused(t, m, fault.Insufficient, "0", step)
	pay(m, "funds", "/account/bank", "/account/b", "50")
	again := wantRefused(t, m, fault.Insufficient, "1", transferring(of("other", "/account/b", "/account/a", "1")), step)
	if again.Details["path"] != first.Details["path"] || again.Details["failed_index"] == "" {
		t.Errorf("refused again with %+v, at first %+v", again, first)
	}
	if f := wantRefused(t, m, fault.Conflict, "0", transferring(of("1", "/account/b", "/account/a", "6"))); f.Details["field"] != "amount" {
		t.Errorf("another transfer under the id is refused with %+v", f)
	}
	// The list of transfers knows it too.
	refused(t, m, fault.Insufficient, "0", of("1", "/account/b", "/account/a", "5"))
	// What comes to nothing for who asks, or how, is not kept.
	wantRefused(t, m, fault.NotFound, "0", transferring(of("2", "/account/b", "/account/none", "5")))
	wantRefused(t, m, fault.Invalid, "0", transferring(of("2", "/account/b", "/account/a", "5.001")))
	mustOp(m, transferring(of("2", "/account/b", "/account/a", "5")))
	// A guard speaks for the op.
	wantRefused(t, m, fault.Conflict, "0", atLeast("/account/b", "1000"), transferring(of("3", "/account/b", "/account/a", "5")))
	wantRefused(t, m, fault.Conflict, "0", transferring(of("3", "/account/b", "/account/a", "5")))
}

func TestGuards(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	version := func(account string, v uint64) *pb.Step {
		return guarding(&pb.Guard{Guard: &pb.Guard_Version{Version: &pb.VersionGuard{Account: account, Version: v}}})
	}
	document := func(name, state string) *pb.Step {
		return guarding(&pb.Guard{Guard: &pb.Guard_Document{Document: &pb.DocumentGuard{Document: name, State: state}}})
	}
	notAfter := func(nanos int64) *pb.Step {
		return guarding(&pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: nanos}})
	}
	mustOp(m, holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "10"}))
	now := m.Position().Time
	for _, step := range []*pb.Step{
		atLeast("/account/a", "100"), atLeast("/account/a", "-1"), atLeast("/account/bank", "-100.00"),
		version("/account/a", 3), document("h", "open"), notAfter(now + 1_000_000_000),
	} {
		if _, err := op(m, step); err != nil {
			t.Errorf("the guard %v: %v", step, err)
		}
	}
	for _, test := range []struct {
		kind fault.Kind
		step *pb.Step
	}{
		{fault.Conflict, atLeast("/account/a", "100.01")},
		{fault.Conflict, atLeast("/account/bank", "-99.99")},
		{fault.Conflict, version("/account/a", 2)},
		{fault.Conflict, document("h", "captured")},
		{fault.NotFound, document("none", "open")},
		{fault.NotFound, atLeast("/account/none", "1")},
		{fault.Invalid, atLeast("/account/a", "--1")},
		{fault.Invalid, atLeast("/account/a", "1.001")},
		{fault.Invalid, guarding(&pb.Guard{})},
		{fault.Conflict, notAfter(now)},
	} {
		wantRefused(t, m, test.kind, "0", test.step)
	}
}
