package ledger_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestAcquireL1: a direct transfer takes v from one and gives v to the other, in
// one record with one time, that of the log.
func TestAcquireL1(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	id := e.pay(payer, payee, "12.345678")
	e.wants(payer, "87.654322 0 0", payee, "12.345678 0 0")
	res, err := fsmtest.Ask(e.Operator, ledger.Lookup, &pb.LookupRequest{Ids: []string{id}})
	want := &pb.LookupResponse{Transfers: []*pb.RecordedTransfer{{
		Transfer: &pb.Transfer{Id: id, Debit: payer, Credit: payee, Amount: "12.345678", Asset: "CREDIT"},
		Index:    e.Position().Index, UnixNanos: e.Position().Time,
	}}}
	if diff := cmp.Diff(want, res, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("the record is, %v (-want +got):\n%s", err, diff)
	}
}

// TestAcquireL2: a refund restores what both had, posted and pending, and leads to what
// it gave back. What was refunded does not change: it is refused a second time.
func TestAcquireL2(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.hold("10")
	paid := e.pay(payer, payee, "12.345678")
	e.wants(payer, "87.654322 10 0", payee, "12.345678 0 10")
	refund := e.id()
	e.must(e.bob, refunding(&pb.Refund{Id: refund, Of: paid}))
	e.wants(payer, "100 10 0", payee, "0 0 10")
	d, err := fsmtest.Ask(e.alice, ledger.Document, &pb.DocumentRequest{Id: refund})
	if err != nil || d.Type != "refund" || d.State != "final" || !strings.Contains(d.Text, "\nof: "+paid+"\n") || !strings.Contains(d.Text, "\namount: 12.345678\n") {
		t.Errorf("the refund is %v, %v", d, err)
	}
	j := e.journal()
	if last := j[len(j)-1]; last.Kind != "refund" || last.Of != paid || last.Debit != payee || last.Credit != payer {
		t.Errorf("the last entry of the journal is %v", last)
	}
	e.refused(e.bob, fault.Insufficient, "all that step "+paid+" moved was refunded", refunding(&pb.Refund{Id: e.id(), Of: paid}))
}

// journal gives all entries.
func (e *estate) journal() []*pb.JournalEntry {
	e.t.Helper()
	res, err := fsmtest.Ask(e.Operator, ledger.Journal, &pb.JournalRequest{Limit: 10000})
	if err != nil || !res.Done {
		e.t.Fatalf("the journal: done %v, %v", res.GetDone(), err)
	}
	return res.Entries
}

// TestAcquireL3: what is provisional is a liability of the payer and a receivable
// of the payee; the balances stay.
func TestAcquireL3(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.hold("30.5")
	e.wants(payer, "100 30.5 0", payee, "0 0 30.5")
	if got := balance(t, e.Machine, payer).Available; got != "69.500000" {
		t.Errorf("beside a liability of 30.5, %s is available", got)
	}
	if got := balance(t, e.Machine, payee).Available; got != "0.000000" {
		t.Errorf("of a receivable %s is available, want nothing", got)
	}
}

// TestAcquireL4: a receipt above what is held is refused.
func TestAcquireL4(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold := e.hold("30.5")
	e.refused(e.bob, fault.Insufficient, "30.500000 CREDIT remain, 30.500001 is asked for",
		capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "30.500001"}))
	e.wants(payer, "100 30.5 0", payee, "0 0 30.5")
}

// TestAcquireL5: a receipt for all or a part moves that part and frees the rest, and
// leads to what it is for.
func TestAcquireL5(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewSource(5))
	for range 20 {
		held := ledger.Amount{Lo: 1 + uint64(random.Int63n(100_000_000))}
		paid := held
		if random.Intn(4) > 0 {
			paid = ledger.Amount{Lo: uint64(random.Int63n(int64(held.Lo)))}
		}
		e := newEstate(t)
		hold, receipt := e.hold(held.Format(6)), e.id()
		results := e.must(e.bob, capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: paid.Format(6), Final: true}), receipting(receipt, hold))
		e.wants(payer, signed(100_000_000-int64(paid.Lo))+" 0 0", payee, signed(int64(paid.Lo))+" 0 0")
		h, released := e.holdOf(hold), ledger.Net(held, paid).Format(6)
		if h.State == "open" || h.Captured != paid.Format(6) || h.Released != released || h.Remaining != "0.000000" {
			t.Errorf("of %s held and %s captured there is %v", held.Format(6), paid.Format(6), h)
		}
		d, err := fsmtest.Ask(e.alice, ledger.Document, &pb.DocumentRequest{Id: receipt})
		says := fmt.Sprintf("\nheld: %s\ncaptured: %s\nreleased: %s\n", held.Format(6), paid.Format(6), released)
		if err != nil || d.Hash != results[1].Hash || !strings.Contains(d.Text, "\nhold: "+hold+"\n") || !strings.Contains(d.Text, says) {
			t.Errorf("the receipt is %v, %v; want it to say %q", d, err, says)
		}
	}
}

// TestAcquireL6: notes, receipts, refunds and records come back from JSON as they were.
func TestAcquireL6(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold, paid := e.hold("10"), e.pay(payer, payee, "20")
	e.must(e.bob, capturing(&pb.CaptureHold{Id: "capture", Hold: hold, Amount: "4", Final: true}), receipting("receipt", hold),
		refunding(&pb.Refund{Id: "refund", Of: paid, Amount: "3", Description: "too \"much\""}))
	throughJSON(t, e.holdOf(hold))
	for _, id := range []string{"receipt", "refund"} {
		d, err := fsmtest.Ask(e.bob, ledger.Document, &pb.DocumentRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		throughJSON(t, d)
	}
	for _, entry := range e.journal() {
		throughJSON(t, entry)
	}
	statement, err := fsmtest.Ask(e.bob, ledger.Statement, &pb.StatementRequest{Path: payee})
	if err != nil {
		t.Fatal(err)
	}
	throughJSON(t, statement)
}

// TestAcquireL7: fifty transfers at random times of a year, some in the last moment of
// an hour, come in any order; the balance at each time is exact, whatever came later.
// Then random parts of what is provisional are receipted, and nothing is left pending.
func TestAcquireL7(t *testing.T) {
	t.Parallel()
	const hour, year = int64(3600e9), 365 * 24 * int64(3600e9)
	e := newEstate(t)
	e.pay(bank, payer, "10000")
	start := e.Position().Time
	e.Wait(year)
	random := rand.New(rand.NewSource(7))
	type movement struct{ at, millionths int64 }
	var all []movement
	var holds []string
	for i := range 50 {
		at := start + random.Int63n(year)
		if i%5 == 0 {
			at = at/hour*hour + 3599_090_000_000 // xx:59:59.09
		}
		m := movement{max(at, start+1), random.Int63n(1_000_000_000)}
		debit, credit, amount := bank, payee, ledger.Amount{Lo: uint64(m.millionths)}.Format(6)
		if i%3 == 2 {
			debit, credit, m.millionths = payee, bank, -m.millionths
		}
		if i%7 == 6 {
			holds = append(holds, e.id())
			e.must(e.Operator, holding(&pb.PlaceHold{Id: holds[len(holds)-1], Debit: payer, Credit: payee, Amount: amount}))
			continue
		}
		if balance(t, e.Machine, payee).Available == "0.000000" || m.millionths < 0 && !e.has(payee, -m.millionths) {
			debit, credit, m.millionths = bank, payee, max(m.millionths, -m.millionths)
		}
		id := e.id()
		e.must(e.Operator, transferring(&pb.Transfer{Id: id, Debit: debit, Credit: credit, Amount: amount, EffectiveUnixNanos: m.at}))
		res, err := fsmtest.Ask(e.Operator, ledger.Lookup, &pb.LookupRequest{Ids: []string{id}})
		if err != nil || res.Transfers[0].UnixNanos != e.Position().Time || res.Transfers[0].Transfer.EffectiveUnixNanos != m.at {
			t.Errorf("the record of %s is %v, %v", id, res, err)
		}
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b movement) int { return int(min(1, max(-1, a.at-b.at))) })
	sum := int64(0)
	for i, m := range all {
		sum += m.millionths
		if i+1 < len(all) && all[i+1].at == m.at {
			continue
		}
		for _, check := range []struct{ at, want int64 }{{m.at, sum}, {m.at - 1, sum - m.millionths}} {
			b, err := fsmtest.Ask(e.Operator, ledger.Balance, &pb.BalanceRequest{Path: payee, AtUnixNanos: check.at, Effective: true})
			if err != nil || short(b.Balance) != signed(check.want) {
				t.Errorf("at %d the balance is %s, %v; want %s", check.at, b.GetBalance(), err, signed(check.want))
			}
		}
	}
	for _, hold := range holds {
		held := e.holdOf(hold).Remaining
		amount, err := ledger.ParseAmount(held, 6)
		if err != nil {
			t.Fatal(err)
		}
		part := random.Int63n(int64(amount.Lo) + 1)
		e.must(e.bob, capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: ledger.Amount{Lo: uint64(part)}.Format(6), Final: true}))
		sum += part
	}
	e.wants(payee, signed(sum)+" 0 0")
	e.conserves()
}

// has says whether the account has that much.
func (e *estate) has(account string, millionths int64) bool {
	e.t.Helper()
	available, err := ledger.ParseAmount(balance(e.t, e.Machine, account).Available, 6)
	if err != nil {
		e.t.Fatal(err)
	}
	return available.Cmp(ledger.Amount{Lo: uint64(millionths)}) >= 0
}

// TestAcquireL8 in one machine: any interleaving of transfers ends in the sum of
// their effects. That of clients that race is in server.
func TestAcquireL8(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	open(e.Machine, "/account/left", "CREDIT", ledger.Unlimited, "")
	open(e.Machine, "/account/right", "CREDIT", ledger.Unlimited, "")
	random := rand.New(rand.NewSource(8))
	net := int64(0)
	for range 5 {
		var list []*pb.Transfer
		for range 10 {
			v := random.Int63n(10_000_000)
			amount := ledger.Amount{Lo: uint64(v)}.Format(6)
			if random.Intn(2) == 0 {
				list, net = append(list, of(e.id(), "/account/left", "/account/right", amount)), net+v
			} else {
				list, net = append(list, of(e.id(), "/account/right", "/account/left", amount)), net-v
			}
		}
		accepted(t, e.Machine, 10, list...)
	}
	right := signed(net)
	left := signed(-net)
	e.wants("/account/right", right+" 0 0", "/account/left", left+" 0 0")
}

// signed writes millionths as a number, without zeros at the end.
func signed(millionths int64) string {
	s := ledger.Net(ledger.Amount{Lo: uint64(max(0, millionths))}, ledger.Amount{Lo: uint64(max(0, -millionths))})
	return short(s.Format(6))
}
