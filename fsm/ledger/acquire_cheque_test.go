package ledger_test

import (
	"strings"
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// The acceptance cases of Acquire about cheques, and what was wrong with them.

// written is a cheque of alice's over 50 for bob.
type written struct {
	e        *estate
	id, hash string
}

// write writes it, with what change makes of it.
func (e *estate) write(change ...func(*pb.WriteCheque)) *written {
	e.t.Helper()
	s := &pb.WriteCheque{Id: e.id(), Account: payer, Recipient: "/user/bob", Resource: "job 1", Ceiling: "50"}
	for _, one := range change {
		one(s)
	}
	results := e.must(e.alice, writing(s))
	return &written{e, s.Id, results[0].Hash}
}

// cash gives the step that cashes 20 of it, with what change makes of it.
func (c *written) cash(change ...func(*pb.CashCheque)) *pb.Step {
	s := &pb.CashCheque{Id: c.e.id(), Cheque: c.id, Hash: c.hash, Resource: "job 1", Amount: "20", Credit: payee}
	for _, one := range change {
		one(s)
	}
	return cashing(s)
}

// is compares where the cheque stands: state, uses, cashed.
func (c *written) is(state string, uses uint32, cashed string) {
	c.e.t.Helper()
	d, err := fsmtest.Ask(c.e.bob, ledger.Document, &pb.DocumentRequest{Id: c.id})
	if err != nil || d.Type != "cheque" || d.State != state || d.Uses != uses || short(d.Cashed) != cashed {
		c.e.t.Errorf("the cheque is %v, %v; want %s, %d uses, %s cashed", d, err, state, uses, cashed)
	}
}

func amountOf(amount string) func(*pb.CashCheque) {
	return func(s *pb.CashCheque) { s.Amount = amount }
}

// TestAcquireX12: what a cheque does not promise is refused, each with its reason,
// and moves nothing; what it promises is good until it expires.
func TestAcquireX12(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	c := e.write()
	e.refused(e.bob, fault.Conflict, `is for "job 1", not "job 2"`, c.cash(func(s *pb.CashCheque) { s.Resource = "job 2" }))
	e.refused(e.alice, fault.Denied, "is for /user/bob", c.cash())
	e.refused(e.mallory, fault.NotFound, "no document", c.cash())
	e.refused(e.Operator, fault.Denied, "is for /user/bob", c.cash())
	e.refused(e.bob, fault.Insufficient, "50.000000 CREDIT are left, 50.000001 is asked for", c.cash(amountOf("50.000001")))
	e.refused(e.bob, fault.Conflict, "has another hash", c.cash(func(s *pb.CashCheque) { s.Hash = strings.Repeat("0", 64) }))
	c.is("open", 0, "0")

	first := c.cash()
	e.must(e.bob, first)
	c.is("spent", 1, "20")
	e.refused(e.bob, fault.Conflict, "is spent", c.cash())
	if again := e.must(e.bob, first); !again[0].Existing || again[0].Amount != "20.000000" {
		t.Errorf("the cashing sent again is answered %v", again)
	}
	e.wants(payer, "80 0 0", payee, "20 0 0")

	late := e.write(func(s *pb.WriteCheque) { s.LifetimeSeconds = 3600 })
	e.Wait(3600e9)
	e.refused(e.bob, fault.Conflict, "is expired", late.cash())
	e.wants(payer, "80 0 0", payee, "20 0 0")
}

// TestAcquireDefectChequeResource: the resource was compared with itself, so that
// every one would do.
func TestAcquireDefectChequeResource(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	c := e.write()
	for _, resource := range []string{"job 2", "job 1 ", "Job 1", "job", "job 11"} {
		e.refused(e.bob, fault.Conflict, `is for "job 1"`, c.cash(func(s *pb.CashCheque) { s.Resource = resource }))
	}
	e.refused(e.bob, fault.Invalid, "resource", c.cash(func(s *pb.CashCheque) { s.Resource = "" }))
	c.is("open", 0, "0")
	e.must(e.bob, c.cash())
}

// TestAcquireDefectChequeExpiry: the date was never looked at. Here a cheque is good
// to the last nanosecond before it, and not at it.
func TestAcquireDefectChequeExpiry(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.EntryNanos = 1
	expires := e.Position().Time + 3600e9
	c := e.write(func(s *pb.WriteCheque) { s.ExpiresUnixNanos, s.Uses = expires, 3 })
	e.Wait(expires - e.Position().Time - 2)
	e.must(e.bob, c.cash(amountOf("1")))
	if e.Position().Time != expires-1 {
		t.Fatalf("the log time is %d, want %d", e.Position().Time, expires-1)
	}
	c.is("open", 1, "1")
	e.refused(e.bob, fault.Conflict, "is expired", c.cash(amountOf("1")))
	c.is("expired", 1, "1")
	e.wants(payee, "1 0 0")
}

// TestAcquireDefectChequeSecondCashing: the second cashing moved the money, then found
// that it was the second, failed to undo it, and left another hold. Here all that can
// be wrong is looked at before anything moves. That two nodes cash it at once is in
// server.
func TestAcquireDefectChequeSecondCashing(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	held := func(s *pb.CashCheque) { s.Hold = true }
	for i, c := range []*written{e.write(), e.write(func(s *pb.WriteCheque) { s.Uses = 2 }), e.write(func(s *pb.WriteCheque) { s.Ceiling = "20" })} {
		e.must(e.bob, c.cash(held))
		if i == 1 {
			e.must(e.bob, c.cash(held, amountOf("5")))
		}
		e.refused(e.bob, fault.Conflict, "is spent", c.cash(held, amountOf("1")))
		e.refused(e.bob, fault.Conflict, "is spent", c.cash(amountOf("1")))
	}
	e.wants(payer, "100 65 0", payee, "0 0 65")
}

// TestAcquireDefectChequeWeeks: a time of 3600 within which to receipt was read as
// weeks, and ended in 2095. It is in seconds here, and never later than the cheque.
func TestAcquireDefectChequeWeeks(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	c := e.write(func(s *pb.WriteCheque) { s.Uses, s.LifetimeSeconds = 3, 7200 })
	ends := e.Position().Time + 7200e9
	cash := func(seconds uint64) *pb.HoldResponse {
		step := c.cash(amountOf("1"), func(s *pb.CashCheque) { s.Hold, s.LifetimeSeconds = true, seconds })
		e.must(e.bob, step)
		return e.holdOf(step.GetCashCheque().Id)
	}
	if h := cash(3600); h.ExpiresUnixNanos != h.PlacedUnixNanos+3600e9 {
		t.Errorf("a hold of 3600 s lasts %d ns", h.ExpiresUnixNanos-h.PlacedUnixNanos)
	}
	for _, seconds := range []uint64{0, 10_000} {
		if h := cash(seconds); h.ExpiresUnixNanos != ends {
			t.Errorf("a hold of %d s ends %d ns after the cheque", seconds, h.ExpiresUnixNanos-ends)
		}
	}
	e.Wait(7200e9)
	e.must(e.alice, transferring(of(e.id(), payer, bank, "100")))
}

// TestAcquireDefectChequeStale: a cheque could not be cashed later than two hours
// after it was signed, whatever it said.
func TestAcquireDefectChequeStale(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	c := e.write(func(s *pb.WriteCheque) { s.LifetimeSeconds = 365 * 24 * 3600 })
	e.Wait(364 * 24 * 3600e9)
	e.must(e.bob, c.cash())
	e.wants(payer, "80 0 0", payee, "20 0 0")
}

// TestAcquireDefectChequeAnyAccount: the account that was paid was the one that the
// casher named, whoever that was. Who is paid is still the recipient's to say, as the
// cheque is made out to a principal; but nobody else can cash it.
func TestAcquireDefectChequeAnyAccount(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	open(e.Machine, "/account/mallory", "CREDIT", "", "")
	open(e.Machine, "/account/bobs-other", "CREDIT", "", "")
	c := e.write()
	into := func(account string) func(*pb.CashCheque) { return func(s *pb.CashCheque) { s.Credit = account } }
	e.refused(e.mallory, fault.NotFound, "no document", c.cash(into("/account/mallory")))
	e.refused(e.alice, fault.Denied, "cashed by nobody else", c.cash(into("/account/bobs-other")))
	e.refused(e.bob, fault.Invalid, "same account", c.cash(into(payer)))
	e.refused(e.bob, fault.NotFound, "nothing at /account/none", c.cash(into("/account/none")))
	e.must(e.bob, c.cash(into("/account/bobs-other")))
	e.wants("/account/bobs-other", "20 0 0", "/account/mallory", "0 0 0")
}

// TestAcquireDefectChequeUnrecorded: nothing was recorded when a cheque was written,
// and that it needs a receipt was kept and read by nobody. Here it is a document; it
// may bounce, and then is good as before; cashed as a hold it needs a capture.
func TestAcquireDefectChequeUnrecorded(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	c := e.write(func(s *pb.WriteCheque) { s.Ceiling, s.Uses = "500", 2 })
	d, err := fsmtest.Ask(e.alice, ledger.Document, &pb.DocumentRequest{Id: c.id})
	if err != nil || d.Hash != c.hash || !strings.HasPrefix(d.Text, "acquired cheque v1\nid: "+c.id+"\n") {
		t.Errorf("the cheque is on record as %v, %v", d, err)
	}
	e.refused(e.bob, fault.Insufficient, "bounces: account /account/payer has not 200.000000 CREDIT available", c.cash(amountOf("200")))
	c.is("open", 0, "0")
	hold := c.cash(amountOf("90"), func(s *pb.CashCheque) { s.Hold = true })
	e.must(e.bob, hold)
	e.wants(payer, "100 90 0", payee, "0 0 90")
	e.must(e.bob, capturing(&pb.CaptureHold{Id: e.id(), Hold: hold.GetCashCheque().Id, Amount: "70", Final: true}))
	e.wants(payer, "30 0 0", payee, "70 0 0")
	e.pay(bank, payer, "200")
	e.must(e.bob, c.cash(amountOf("200")))
	c.is("spent", 2, "290")
}

// TestAcquireDefectChequeOutlivesRights: there the signature alone counted. Here a
// cheque is good while who wrote it may spend, and is who it was.
func TestAcquireDefectChequeOutlivesRights(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	c := e.write(func(s *pb.WriteCheque) { s.Uses = 3 })
	e.must(e.bob, c.cash(amountOf("1")))
	e.Remove("/user/alice")
	e.refused(e.bob, fault.Conflict, "bounces", c.cash(amountOf("1")))
	e.Principal("/user/alice", "/role/payer") // another of the same name
	e.refused(e.bob, fault.Conflict, "bounces", c.cash(amountOf("1")))
	c.is("open", 1, "1")
	e.wants(payee, "1 0 0")
}
