package ledger_test

import (
	"fmt"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// wantFunds compares a balance with what is pending: "balance -debits +credits".
func wantFunds(t *testing.T, m *fsmtest.Machine, path, want string) {
	t.Helper()
	b := balance(t, m, path)
	if got := fmt.Sprintf("%s -%s +%s", b.Balance, b.DebitsPending, b.CreditsPending); got != want {
		t.Errorf("%s has %s, want %s", path, got, want)
	}
}

// wantHold compares what became of a hold: "state held captured released expired".
func wantHold(t *testing.T, m *fsmtest.Machine, name, want string) {
	t.Helper()
	h, err := fsmtest.Ask(m.Operator, ledger.Hold, &pb.HoldRequest{Id: name})
	if err != nil {
		t.Fatalf("hold %s: %v", name, err)
	}
	if got := fmt.Sprintf("%s %s %s %s %s", h.State, h.Held, h.Captured, h.Released, h.Expired); got != want {
		t.Errorf("hold %s is %s, want %s", name, got, want)
	}
}

func place(id, amount string) *pb.Step {
	return holding(&pb.PlaceHold{Id: id, Debit: "/account/a", Credit: "/account/b", Amount: amount})
}

func TestHoldAndWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/c", "USD", "", "")
	mustOp(m, place("h", "60"))
	wantFunds(t, m, "/account/a", "100.00 -60.00 +0.00")
	wantFunds(t, m, "/account/b", "0.00 -0.00 +60.00")
	wantRefused(t, m, fault.Insufficient, "0", transferring(of("too-much", "/account/a", "/account/b", "40.01")))
	wantRefused(t, m, fault.Insufficient, "0", place("h2", "40.01"))

	mustOp(m, capturing(&pb.CaptureHold{Id: "c1", Hold: "h", Amount: "10"}))
	wantHold(t, m, "h", "open 60.00 10.00 0.00 0.00")
	mustOp(m, extending(&pb.ExtendHold{Id: "e1", Hold: "h", Amount: "20"}))
	wantHold(t, m, "h", "open 80.00 10.00 0.00 0.00")
	mustOp(m, releasing(&pb.ReleaseHold{Id: "r1", Hold: "h", Amount: "5"}))
	wantFunds(t, m, "/account/a", "90.00 -65.00 +0.00")
	wantRefused(t, m, fault.Insufficient, "0", capturing(&pb.CaptureHold{Id: "c2", Hold: "h", Amount: "65.01"}))

	// Split: 20.00 to c, the rest by weight to b and the bank, what is left released.
	mustOp(m, capturing(&pb.CaptureHold{Id: "c3", Hold: "h", Amount: "20.01", Final: true, Shares: []*pb.Share{
		{Credit: "/account/c", Amount: "5"}, {Credit: "/account/b", Weight: 1}, {Credit: "/account/bank", Weight: 1},
	}}))
	wantHold(t, m, "h", "captured 80.00 30.01 49.99 0.00")
	wantFunds(t, m, "/account/a", "69.99 -0.00 +0.00")
	wantFunds(t, m, "/account/b", "17.51 -0.00 +0.00")
	wantFunds(t, m, "/account/c", "5.00 -0.00 +0.00")
	for _, step := range []*pb.Step{
		capturing(&pb.CaptureHold{Id: "late1", Hold: "h"}), releasing(&pb.ReleaseHold{Id: "late2", Hold: "h"}),
		extending(&pb.ExtendHold{Id: "late3", Hold: "h", Amount: "1"}),
	} {
		wantRefused(t, m, fault.Conflict, "0", step)
	}
	// Again: the same answer, and nothing moves.
	res := mustOp(m, capturing(&pb.CaptureHold{Id: "c1", Hold: "h", Amount: "10"}))
	if r := res.Results[0]; !r.Existing || r.Amount != "10.00" {
		t.Errorf("a capture that was made is answered with %v", r)
	}
}

func TestHoldExpiresExactly(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.EntryNanos = 1
	const lifetime = 10_000_000_000
	mustOp(m, holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "60", LifetimeSeconds: lifetime / 1_000_000_000}))
	mustOp(m, capturing(&pb.CaptureHold{Id: "c", Hold: "h", Amount: "10"}))
	h, err := fsmtest.Ask(m.Operator, ledger.Hold, &pb.HoldRequest{Id: "h"})
	if err != nil {
		t.Fatal(err)
	}
	expires := h.ExpiresUnixNanos
	m.Wait(expires - m.Position().Time - 2)
	mustOp(m, capturing(&pb.CaptureHold{Id: "in-time", Hold: "h", Amount: "1"}))
	if now := m.Position().Time; now != expires-1 {
		t.Fatalf("the log time is %d, want %d", now, expires-1)
	}
	// At its expiry nobody meets it any more, not even the command of that entry.
	if _, err := op(m, capturing(&pb.CaptureHold{Id: "late", Hold: "h", Amount: "1"})); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a capture at the expiry gives %v, want a fault.conflict", err)
	}
	if now := m.Position().Time; now != expires {
		t.Fatalf("the log time is %d, want %d", now, expires)
	}
	wantHold(t, m, "h", "expired 60.00 11.00 0.00 49.00")
	wantFunds(t, m, "/account/a", "89.00 -0.00 +0.00")
	wantFunds(t, m, "/account/b", "11.00 -0.00 +0.00")
}

// TestHoldsAndOverdraft: a hold draws on the overdraft if the account says so when
// it is placed, whatever the account says later.
func TestHoldsAndOverdraft(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/c", "USD", "50", "")
	from := func(id, amount string) *pb.Step {
		return holding(&pb.PlaceHold{Id: id, Debit: "/account/c", Credit: "/account/b", Amount: amount})
	}
	wantRefused(t, m, fault.Insufficient, "0", from("h1", "0.01"))
	change := func(may bool) {
		fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/c", HoldOverdraft: &may})
	}
	change(true)
	mustOp(m, from("h2", "20"))
	change(false)
	wantRefused(t, m, fault.Insufficient, "0", from("h3", "0.01"))
	mustOp(m, extending(&pb.ExtendHold{Id: "e", Hold: "h2", Amount: "30"}))
	wantRefused(t, m, fault.Insufficient, "0", extending(&pb.ExtendHold{Id: "e2", Hold: "h2", Amount: "0.01"}))
	wantFunds(t, m, "/account/c", "0.00 -50.00 +0.00")
	// A limit below what is reserved is refused.
	lower := "49.99"
	if _, err := fsmtest.Do(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/c", Overdraft: &lower}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an overdraft below what is used is answered with %v", err)
	}
}

// TestHoldReservesRoom: for the payee, below its ceiling.
func TestHoldReservesRoom(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/capped", "USD", "", "50")
	to := func(id, amount string) *pb.Step {
		return holding(&pb.PlaceHold{Id: id, Debit: "/account/a", Credit: "/account/capped", Amount: amount})
	}
	mustOp(m, to("h1", "30"))
	wantRefused(t, m, fault.Insufficient, "0", to("h2", "20.01"))
	wantRefused(t, m, fault.Insufficient, "0", transferring(of("t", "/account/a", "/account/capped", "20.01")))
	mustOp(m, transferring(of("t2", "/account/a", "/account/capped", "20")), capturing(&pb.CaptureHold{Id: "c", Hold: "h1"}))
	wantFunds(t, m, "/account/capped", "50.00 -0.00 +0.00")
}

// TestWhoMayCapture: who may spend from the payee, or the delegate, who pays the
// payee alone. Others do not know of the hold.
func TestWhoMayCapture(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	payer, payee, reader := m.Principal("/user/payer", "/role/payer"), m.Principal("/user/payee", "/role/payee"), m.Principal("/user/reader", "/role/reader")
	delegate, stranger := m.Principal("/user/delegate"), m.Principal("/user/stranger")
	m.Clause("/", command.View)
	m.Clause("/account/a", command.Spend, "/role/payer")
	m.Clause("/account/b", command.Spend, "/role/payee")
	m.Clause("/account/b", command.Read, "/role/reader")
	step := holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "60", Delegate: "/user/delegate"})
	capture := func(id string) *pb.Step { return capturing(&pb.CaptureHold{Id: id, Hold: "h", Amount: "1"}) }
	diverted := capturing(&pb.CaptureHold{Id: "d", Hold: "h", Amount: "1", Shares: []*pb.Share{{Credit: "/account/bank", Weight: 1}}})
	more := extending(&pb.ExtendHold{Id: "e", Hold: "h", Amount: "1"})
	for i, test := range []struct {
		who  *fsmtest.Client
		step *pb.Step
		want fault.Kind
	}{
		{payee, step, fault.Denied},
		{payer, step, ""},
		{payer, capture("1"), fault.Denied},
		{stranger, capture("1"), fault.NotFound},
		{reader, capture("1"), fault.Denied},
		{stranger, more, fault.NotFound},
		{payee, capture("1"), ""},
		{delegate, capture("2"), ""},
		{delegate, diverted, fault.Denied},
		{payee, diverted, ""},
		{payee, more, fault.Denied},
		{delegate, more, fault.Denied},
		{payer, more, ""},
		{stranger, releasing(&pb.ReleaseHold{Id: "r", Hold: "h"}), fault.NotFound},
		{delegate, releasing(&pb.ReleaseHold{Id: "r", Hold: "h"}), ""},
	} {
		if _, err := opAs(test.who, test.step); err == nil && test.want != "" || err != nil && fault.KindOf(err) != test.want {
			t.Errorf("%d: %v gives %v, want %q", i, test.step, err, test.want)
		}
	}
}
