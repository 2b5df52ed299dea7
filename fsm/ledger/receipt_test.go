package ledger_test

import (
	"fmt"
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestReceiptText: of a hold of which parts went to several, in several steps.
func TestReceiptText(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/c", "USD", "", "")
	m.Principal("/user/delegate")
	hold := place("h", "60")
	hold.GetHold().Delegate = "/user/delegate"
	first := mustOp(m, hold, capturing(&pb.CaptureHold{Id: "k1", Hold: "h", Amount: "10", Shares: []*pb.Share{
		{Credit: "/account/c", Amount: "4"}, {Credit: "/account/b", Weight: 1},
	}}))
	when := plainInstant(m.Position().Time)
	second := mustOp(m, capturing(&pb.CaptureHold{Id: "k2", Hold: "h", Amount: "5.5", EffectiveUnixNanos: 1600000000000000000}), releasing(&pb.ReleaseHold{Id: "r", Hold: "h", Amount: "1"}))
	res := mustOp(m, receipting("r1", "h")).Results[0]
	got := documentOf(t, m, "r1")
	if res.Hash != got.Hash || res.Amount != "" || got.Type != "receipt" || got.State != "final" {
		t.Errorf("issuing the receipt gives %v, the document is %v", res, got)
	}
	wantText(t, got,
		"acquired receipt v1", "id: r1", "time: "+plainInstant(got.UnixNanos), "by: /user/operator", "hold: h", "debit: /account/a", "credit: /account/b",
		"asset: USD", "delegate: /user/delegate", "held: 60.00", "captured: 15.50", "released: 1.00", "expired: 0.00", "remaining: 43.50",
		"paid: /account/c 4.00", "paid: /account/b 11.50",
		fmt.Sprintf("entry: %d.3 %s k1 /account/c 4.00", first.Index, when), fmt.Sprintf("entry: %d.4 %s k1 /account/b 6.00", first.Index, when),
		fmt.Sprintf("entry: %d.1 2020-09-13T12:26:40Z k2 /account/b 5.50", second.Index))

	// A later one says more, and the first what it said.
	mustOp(m, releasing(&pb.ReleaseHold{Id: "rest", Hold: "h"}), receipting("r2", "h"))
	if again := documentOf(t, m, "r1"); again.Text != got.Text || again.Hash != got.Hash {
		t.Errorf("the first receipt says %s, it said %s", again.Text, got.Text)
	}
	if text := documentOf(t, m, "r2").Text; lineOf(text, "released") != "44.50" || lineOf(text, "remaining") != "0.00" {
		t.Errorf("the second receipt says %s", text)
	}
}

// TestReceiptOfNothing: it says that nothing was paid.
func TestReceiptOfNothing(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	mustOp(m, place("h", "60"), receipting("r1", "h"), releasing(&pb.ReleaseHold{Id: "r", Hold: "h"}), receipting("r2", "h"))
	for id, want := range map[string]string{"r1": "0.00 0.00", "r2": "0.00 60.00"} {
		text := documentOf(t, m, id).Text
		if got := lineOf(text, "captured") + " " + lineOf(text, "released"); got != want || lineOf(text, "paid") != "" {
			t.Errorf("receipt %s says %s, want %s", id, text, want)
		}
	}
}

// TestWhoIssuesReceipts: who may capture, of an open hold or of one that was.
func TestWhoIssuesReceipts(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	mustOpAs(d.alice, holding(&pb.PlaceHold{Id: "h", Debit: "/account/team/x", Credit: "/account/shop/till", Amount: "10", Delegate: "/user/auditor"}))
	mustOpAs(d.alice, holding(&pb.PlaceHold{Id: "h2", Debit: "/account/team/x", Credit: "/account/shop/till", Amount: "10"}))
	mustOpAs(d.shop, capturing(&pb.CaptureHold{Id: "k", Hold: "h"}), receipting("r1", "h"))
	mustOpAs(d.auditor, receipting("r2", "h"))
	for _, hold := range []string{"h", "h2"} {
		wantRefusedAs(t, d.Machine, d.alice, fault.Denied, "/user/alice may not Spend /account/shop/till", receipting("new", hold))
		wantRefusedAs(t, d.Machine, d.stranger, fault.NotFound, fmt.Sprintf("no hold %q", hold), receipting("new", hold))
	}
	wantRefusedAs(t, d.Machine, d.auditor, fault.Denied, "may not Spend /account/shop/till", receipting("new", "h2"))
	wantRefusedAs(t, d.Machine, d.shop, fault.NotFound, `no hold "k"`, receipting("new", "k"))
	wantRefusedAs(t, d.Machine, d.shop, fault.Invalid, "hold: id", receipting("new", ""))
}

// TestPayeesSeeReceipts: also those who were paid in place of the payee.
func TestPayeesSeeReceipts(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	mustOp(d.Machine, place("h", "10"), capturing(&pb.CaptureHold{Id: "k", Hold: "h", Amount: "10", Shares: []*pb.Share{
		{Credit: "/account/shop/till", Amount: "10"},
	}}), receipting("r", "h"))
	if _, err := fsmtest.Ask(d.shop, ledger.Document, &pb.DocumentRequest{Id: "r"}); err != nil {
		t.Errorf("the shop, which was paid, asks for the receipt: %v", err)
	}
	res, err := fsmtest.Ask(d.Operator, ledger.Documents, &pb.DocumentsRequest{Account: "/account/shop/till"})
	if err != nil || len(res.Documents) != 1 {
		t.Errorf("the documents of the shop are %v, %v, want the receipt", res, err)
	}
}

// TestReceiptsAreBounded: a hold may be captured any number of times, and a receipt
// lists only so many.
func TestReceiptsAreBounded(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	mustOp(m, place("h", "50"))
	all := make([]*pb.Step, ledger.MaxReceiptEntries)
	for i := range all {
		all[i] = capturing(&pb.CaptureHold{Id: fmt.Sprint("k", i), Hold: "h", Amount: "0.01"})
	}
	mustOp(m, all...)
	mustOp(m, receipting("r", "h"))
	if got := lineOf(documentOf(t, m, "r").Text, "paid"); got != "/account/b 1.00" {
		t.Errorf("the receipt says that %s was paid", got)
	}
	mustOp(m, capturing(&pb.CaptureHold{Id: "more", Hold: "h", Amount: "0.01"}))
	wantRefusedAs(t, m, m.Operator, fault.Exhausted, "hold h paid more than 100 times", receipting("new", "h"))
}
