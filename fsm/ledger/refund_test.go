package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func refund(id, of, amount string) *pb.Step {
	return refunding(&pb.Refund{Id: id, Of: of, Amount: amount})
}

func TestRefundText(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	pay(m, "t1", "/account/a", "/account/b", "10")
	r := mustOp(m, refunding(&pb.Refund{
		Id: "back", Of: "t1", Debit: "/account/b", Credit: "am://account/a", Amount: "2.5", EffectiveUnixNanos: 1_600_000_000_000_000_000, Description: "broken",
	})).Results[0]
	got := documentOf(t, m, "back")
	wantText(t, got,
		"acquired refund v1", "id: back", "time: "+plainInstant(got.UnixNanos), "by: /user/operator", "effective: 2020-09-13T12:26:40Z",
		"of: t1", "debit: /account/b", "credit: /account/a", "asset: USD", "amount: 2.50", `description: "broken"`)
	if r.Hash != got.Hash || r.Amount != "2.50" || got.Type != "refund" || got.State != "final" || got.Version != 1 {
		t.Errorf("the refund gives %v, the document is %v", r, got)
	}
	wantBalance(t, m, "/account/a", "-10.00 +102.50 92.50")
	wantBalance(t, m, "/account/b", "-2.50 +10.00 7.50")
}

func TestRefundsAreAtMostWhatWasMoved(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	pay(m, "t1", "/account/a", "/account/b", "10")
	mustOp(m, refund("r1", "t1", "4"))
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "of step t1 6.00 USD were not refunded yet, 6.01 is asked for", refund("r2", "t1", "6.01"))
	if r := mustOp(m, refund("r3", "t1", "")).Results[0]; r.Amount != "6.00" {
		t.Errorf("refunding the rest gives %v", r)
	}
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "all that step t1 moved was refunded", refund("r4", "t1", ""))
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "all that step t1 moved was refunded", refund("r5", "t1", "0.01"))
	if r := mustOp(m, refund("r1", "t1", "4")).Results[0]; !r.Existing || r.Amount != "4.00" || r.Hash != documentOf(t, m, "r1").Hash {
		t.Errorf("a refund that was made is answered with %v", r)
	}
	wantBalance(t, m, "/account/a", "-10.00 +110.00 100.00")

	// Who was paid must have it, but for what is given back nobody is too poor.
	pay(m, "t2", "/account/a", "/account/b", "10")
	pay(m, "spent", "/account/b", "/account/bank", "9")
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "account /account/b has 1.00 USD available, 10.00 is asked for", refund("r6", "t2", ""))
	freeze(m, "/account/a")
	wantRefusedAs(t, m, m.Operator, fault.Conflict, "account /account/a is frozen", refund("r7", "t2", "1"))
}

// TestRefundPicksAnEntry: of a step that moved several amounts, the one that is
// named, and each up to its own amount.
func TestRefundPicksAnEntry(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/c", "USD", "", "")
	pay(m, "more", "/account/bank", "/account/c", "7")
	mustOp(m, transferring(&pb.Transfer{Id: "t", Debit: "/account/c", ThenDebit: []string{"/account/a"}, Amount: "10", Shares: []*pb.Share{
		{Credit: "/account/b", Amount: "8"}, {Credit: "/account/bank", Weight: 1},
	}})) // c pays 7 to b, a pays 1 to b and 2 to the bank
	mustOp(m, place("h", "20"), capturing(&pb.CaptureHold{Id: "k", Hold: "h", Amount: "20", Shares: []*pb.Share{
		{Credit: "/account/b", Amount: "5"}, {Credit: "/account/bank", Weight: 1},
	}}))
	for _, test := range []struct {
		of, debit, credit, want string
		says                    string
	}{
		{"t", "", "", "", "step t moved more than one amount"},
		{"t", "/account/b", "", "", "step t moved more than one amount"},
		{"t", "", "/account/a", "", "step t moved more than one amount"},
		{"t", "/account/bank", "/account/c", "", "step t moved nothing"},
		{"t", "/account/a", "", "", "step t moved nothing"},
		{"t", "/account/b", "/account/c", "7.00", ""},
		{"t", "/account/b", "/account/a", "1.00", ""},
		{"t", "/account/bank", "", "2.00", ""},
		{"k", "", "", "", "step k moved more than one amount"},
		{"k", "/account/b", "", "5.00", ""},
		{"k", "/account/bank", "", "15.00", ""},
	} {
		s := refunding(&pb.Refund{Id: fmt.Sprint("r", test.want), Of: test.of, Debit: test.debit, Credit: test.credit})
		if test.says != "" {
			wantRefusedAs(t, m, m.Operator, fault.Invalid, test.says, s)
			continue
		}
		if r := mustOp(m, s).Results[0]; r.Amount != test.want {
			t.Errorf("refunding %v gives %v, want %s", s, r, test.want)
		}
	}
	wantFunds(t, m, "/account/a", "100.00 -0.00 +0.00")
	wantFunds(t, m, "/account/c", "7.00 -0.00 +0.00")
	wantFunds(t, m, "/account/b", "0.00 -0.00 +0.00")
}

// TestWhatCannotBeRefunded: steps that moved nothing, and those whose document
// counts what they moved.
func TestWhatCannotBeRefunded(t *testing.T) {
	t.Parallel()
	m := invoiceBooks(t)
	open(m, "/account/euros", "EUR", "", "")
	hashes := mustOp(m, anInvoice("i"), operatorsCheque("c"), place("h", "1"), anInvoice("i2")).Results
	mustOp(m, payingInvoice(&pb.PayInvoice{Id: "payment", Invoice: "i", Hash: hashes[0].Hash, Debit: "/account/a", Amount: "10"}),
		crediting(&pb.CreditInvoice{Id: "note", Invoice: "i", Amount: "5", Description: "d"}), voiding(&pb.VoidInvoice{Id: "void", Invoice: "i2"}),
		exchanging(anExchange("x", "1")), refund("back", "opening", "1"),
		cashing(&pb.CashCheque{Id: "cashed", Cheque: "c", Hash: hashes[1].Hash, Resource: "disk", Amount: "3", Credit: "/account/b"}))
	for of, says := range map[string]string{
		"i": "void it, or credit what is open", "payment": "credit what is open, or transfer it back", "note": "issue an invoice again",
		"void": "issue an invoice again", "x": "exchange it back", "back": "a refund cannot be refunded: transfer it again", "h": "step h: it moved nothing",
	} {
		wantRefusedAs(t, m, m.Operator, fault.Invalid, says, refund("new", of, ""))
	}
	for _, of := range []string{"c", "nothing"} { // a cheque moves nothing, and has no entries
		wantRefusedAs(t, m, m.Operator, fault.NotFound, fmt.Sprintf("no step %q", of), refund("new", of, ""))
	}
	for says, s := range map[string]*pb.Refund{
		"of: id":                          {Of: ""},
		"debit: an account is a path":     {Of: "opening", Debit: "/user/x"},
		"credit: path":                    {Of: "opening", Credit: "x"},
		"effective time is before 1970":   {Of: "opening", EffectiveUnixNanos: -1},
		"the amount is nothing":           {Of: "opening", Amount: "0"},
		"description of 257 bytes: it ha": {Of: "opening", Description: strings.Repeat("x", 257)},
	} {
		s.Id = "new"
		wantRefusedAs(t, m, m.Operator, fault.Invalid, says, refunding(s))
	}
	// What a cheque paid can be refunded, and is not promised again.
	mustOp(m, refund("r", "cashed", ""))
	wantCheque(t, m, "c", "open 2 1 3.00")
}

// TestWhoRefunds: who may Spend from who was paid. Others hear of the step what
// they know.
func TestWhoRefunds(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	pay(d.Machine, "sale", "/account/team/x", "/account/shop/till", "10")
	pay(d.Machine, "other", "/account/a", "/account/b", "10")
	for _, test := range []struct {
		name      string
		by        *fsmtest.Client
		of, debit string
		want      fault.Kind
		says      string
	}{
		{"who paid", d.alice, "sale", "", fault.Denied, "/user/alice may not Spend what step sale paid"},
		{"who paid, by name", d.alice, "sale", "/account/shop/till", fault.Denied, "debit: /user/alice may not Spend /account/shop/till"},
		{"who reads", d.auditor, "sale", "", fault.Denied, "may not Spend what step sale paid"},
		{"a stranger", d.stranger, "sale", "", fault.NotFound, `no step "sale"`},
		{"a stranger, of nothing", d.stranger, "none", "", fault.NotFound, `no step "none"`},
		{"the shop, of another step", d.shop, "other", "", fault.NotFound, `no step "other"`},
		{"the shop, with its account", d.shop, "other", "/account/shop/till", fault.NotFound, `no step "other"`},
		{"the shop, of an account that is not there", d.shop, "sale", "/account/x", fault.NotFound, "debit: nothing at /account/x"},
	} {
		wantRefusedAs(t, d.Machine, test.by, test.want, test.says, refunding(&pb.Refund{Id: "new", Of: test.of, Debit: test.debit}))
	}
	mustOpAs(d.shop, refunding(&pb.Refund{Id: "back", Of: "sale", Debit: "/account/shop/till", Credit: "/account/team/x"}))
	wantBalance(t, d.Machine, "/account/team/x", "-10.00 +1010.00 1000.00")

	// Who was paid one amount of several does not hear of the others.
	mustOp(d.Machine, transferring(&pb.Transfer{Id: "shares", Debit: "/account/team/x", Amount: "3", Shares: []*pb.Share{
		{Credit: "/account/shop/till", Amount: "1"}, {Credit: "/account/b", Amount: "2"},
	}}))
	if r := mustOpAs(d.shop, refund("its-own", "shares", "")).Results[0]; r.Amount != "1.00" {
		t.Errorf("the shop refunds %v", r)
	}
	d.Clause("/account/b", command.View, "/role/nobody")
	wantRefusedAs(t, d.Machine, d.shop, fault.NotFound, "debit: nothing at /account/b", refunding(&pb.Refund{Id: "new", Of: "shares", Debit: "/account/b"}))
}

func TestRefundToAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	for _, paid := range []bool{false, true} {
		m := newBooks(t)
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/once", Asset: "USD", Kind: "ephemeral"})
		pay(m, "in", "/account/a", "/account/once", "10")
		pay(m, "out", "/account/once", "/account/b", "10")
		of := "in"
		if paid {
			of = "out"
		}
		wantRefusedAs(t, m, m.Operator, fault.Conflict, "account /account/once is gone", refund("new", of, ""))
		open(m, "/account/once", "USD", ledger.Unlimited, "") // another
		wantRefusedAs(t, m, m.Operator, fault.Conflict, "account /account/once is gone", refund("newer", of, ""))
	}
}

// TestRefundsNeverPassWhatWasMoved: whatever is tried, of transfers and captures
// with several payees.
func TestRefundsNeverPassWhatWasMoved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newBooks(t)
		mustOp(m, place("h", "30"))
		paths := []string{"/account/b", "/account/bank"}
		moved, back := make(map[string]int), make(map[string]int)
		captured := 0
		for i := range rapid.IntRange(2, 12).Draw(t, "steps") {
			id := fmt.Sprint("step-", i)
			if len(moved) == 0 || rapid.IntRange(0, 3).Draw(t, "capture") == 0 {
				one, two := rapid.IntRange(0, 5).Draw(t, "one"), rapid.IntRange(0, 5).Draw(t, "two")
				_, err := op(m, capturing(&pb.CaptureHold{Id: id, Hold: "h", Amount: fmt.Sprint(one + two), Shares: []*pb.Share{
					{Credit: paths[0], Amount: fmt.Sprint(one)}, {Credit: paths[1], Amount: fmt.Sprint(two)},
				}}))
				if (err == nil) != (captured+one+two <= 30 && captured < 30) {
					t.Fatalf("capturing %d and %d behind %d: %v", one, two, captured, err)
				}
				if err == nil {
					captured += one + two
					moved[id+paths[0]], moved[id+paths[1]] = one, two
				}
				continue
			}
			of := fmt.Sprint("step-", rapid.IntRange(0, i-1).Draw(t, "of"))
			from, amount := rapid.SampledFrom(paths).Draw(t, "from"), rapid.IntRange(1, 6).Draw(t, "amount")
			_, err := op(m, refunding(&pb.Refund{Id: id, Of: of, Debit: from, Amount: fmt.Sprint(amount)}))
			if fits := back[of+from]+amount <= moved[of+from]; (err == nil) != fits {
				t.Fatalf("refunding %d of %s from %s, of which %d of %d were: %v", amount, of, from, back[of+from], moved[of+from], err)
			}
			if err == nil {
				back[of+from] += amount
			}
		}
		sum := 0
		for _, n := range back {
			sum += n
		}
		if got, want := balance(t, m, "/account/a").Balance, fmt.Sprintf("%d.00", 100-captured+sum); got != want {
			t.Fatalf("who paid has %s, want %s", got, want)
		}
	})
}
