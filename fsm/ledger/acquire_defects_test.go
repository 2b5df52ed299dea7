package ledger_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// What was found to be wrong with the money of Acquire, or promised and not there,
// each shown as it is here. Races are in server, cheques in acquire_cheque_test.go.

// TestAcquireDefectBinaryFloat: every value went through a binary float there:
// large ones came out different, or were refused.
func TestAcquireDefectBinaryFloat(t *testing.T) {
	t.Parallel()
	for _, amount := range []string{
		"99999999999.999999", "999999999999999.999999", "123456789012.123456", "9000000000.000001", "0.123456", "0.000001", "0.1",
	} {
		e := newEstate(t)
		e.pay(bank, payee, amount)
		b := balance(t, e.Machine, payee)
		if want := amount + strings.Repeat("0", 6-len(amount[strings.Index(amount, ".")+1:])); b.Balance != want || b.CreditsPosted != want {
			t.Errorf("%s came out as %s", amount, b.Balance)
		}
		e.pay(payee, bank, amount)
		if got := balance(t, e.Machine, payee).Balance; got != "0.000000" { // and not "-0.000000"
			t.Errorf("%s and back leaves %s", amount, got)
		}
	}
}

// TestAcquireDefectLowerBound: a balance could not go below -1e12 though the bound
// was meant to be -1e15. Here the bound is the overdraft, and nothing else.
func TestAcquireDefectLowerBound(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	open(e.Machine, "/account/deep", "CREDIT", "999999999999999.999999", "")
	e.pay("/account/deep", payee, "999999999999999.999999")
	e.wants("/account/deep", "-999999999999999.999999 0 0", payee, "999999999999999.999999 0 0")
	e.refused(e.Operator, fault.Insufficient, "0.000000 CREDIT available", transferring(of(e.id(), "/account/deep", payee, "0.000001")))
}

// TestAcquireDefectUncheckedValue: a transaction that was read from JSON could have
// any value, as only the constructor looked. Here what arrives is looked at.
func TestAcquireDefectUncheckedValue(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	for _, amount := range []string{"-5", "1e3", "NaN", "Infinity", "0x10", "1000000000000000000000000000000000000000000"} {
		sent := &pb.Transfer{}
		text := `{"id":"json","debit":"` + payer + `","credit":"` + payee + `","amount":"` + amount + `"}`
		if err := protojson.Unmarshal([]byte(text), sent); err != nil {
			t.Fatal(err)
		}
		e.refused(e.alice, fault.Invalid, "amount", transferring(sent))
	}
}

// TestAcquireDefectGroupPrefix: a listing of a group picked up those whose name
// begins the same, and failed. Here it ends with the folder.
func TestAcquireDefectGroupPrefix(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	for _, account := range []string{"/account/team/x", "/account/team/y", "/account/team2/x", "/account/team-b/x", "/account/tea/x", "/account/teams"} {
		open(e.Machine, account, "CREDIT", "", "")
		e.pay(bank, account, "1")
	}
	res, err := fsmtest.Ask(e.Operator, ledger.ListAccounts, &pb.AccountsRequest{Under: "/account/team"})
	var listed []string
	for _, a := range res.GetAccounts() {
		listed = append(listed, a.Path)
	}
	if got := strings.Join(listed, " "); err != nil || got != "/account/team/x /account/team/y" {
		t.Errorf("below /account/team there is %s, %v", got, err)
	}
	sums, err := fsmtest.Ask(e.Operator, ledger.RollUp, &pb.RollUpRequest{Under: "/account/team"})
	if err != nil || len(sums.Assets) != 1 || sums.Assets[0].Accounts != 2 || sums.Assets[0].Balance != "2.000000" {
		t.Errorf("rolled up below /account/team there is %v, %v", sums, err)
	}
}

// TestAcquireDefectDailyLimit: a daily limit was taken, and neither kept nor obeyed.
// Here all limits of an account are kept, and obeyed from the command on that sets
// them; a day is one of log time in UTC.
func TestAcquireDefectDailyLimit(t *testing.T) {
	t.Parallel()
	const day = int64(24 * 3600e9)
	e := newEstate(t)
	e.Wait(day - e.Position().Time%day)
	overdraft, ceiling, daily := "10", "60", "30"
	fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, DailyLimit: &daily, Overdraft: &overdraft})
	fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payee, Ceiling: &ceiling})
	a, err := fsmtest.Ask(e.Operator, ledger.Account, &pb.AccountRequest{Path: payer})
	if err != nil || a.DailyLimit != "30.000000" || a.Overdraft != "10.000000" {
		t.Errorf("the limits are kept as %v, %v", a, err)
	}
	e.must(e.alice, transferring(of(e.id(), payer, payee, "20")))
	e.hold("10")
	e.refused(e.alice, fault.Insufficient, "may spend 0.000000 CREDIT more today", transferring(of(e.id(), payer, payee, "0.000001")))
	e.Wait(day)
	e.must(e.alice, transferring(of(e.id(), payer, payee, "29")))
	e.refused(e.alice, fault.Insufficient, "may spend 1.000000 CREDIT more today",
		holding(&pb.PlaceHold{Id: e.id(), Debit: payer, Credit: payee, Amount: "1.000001"}))
	e.refused(e.Operator, fault.Insufficient, "room for 1.000000", transferring(of(e.id(), bank, payee, "1.000001")))
	e.wants(payer, "51 10 0", payee, "49 0 10")
}

// TestAcquireDefectGrantsOfNoUse: who was allowed to draw on an account of somebody
// else could not, as the account was looked for among the caller's own.
func TestAcquireDefectGrantsOfNoUse(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.refused(e.mallory, fault.Denied, "may not Spend /account/payer", transferring(of(e.id(), payer, payee, "1")))
	e.Annotate("/user/mallory", fsmtest.AppliedRole("/role/payer"))
	e.must(e.mallory, transferring(of(e.id(), payer, payee, "1")))
	e.wants(payee, "1 0 0")
}

// TestAcquireDefectLateStamp: an entry stamped earlier than the roll-up of its hour
// was ignored for ever. Here a back-dated entry counts at once: in the balance, in
// those of the past on the effective axis, in roll-ups and in statements.
func TestAcquireDefectLateStamp(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hour := e.Position().Time
	e.pay(bank, payee, "1")
	e.Wait(2 * 3600e9)
	e.pay(bank, payee, "2")
	at := hour + 3600e9
	wants := func(want string) {
		t.Helper()
		b, err := fsmtest.Ask(e.Operator, ledger.Balance, &pb.BalanceRequest{Path: payee, AtUnixNanos: at, Effective: true})
		if err != nil || b.Balance != want {
			t.Errorf("an hour on the balance is %s, %v; want %s", b.GetBalance(), err, want)
		}
		sums, err := fsmtest.Ask(e.Operator, ledger.RollUp, &pb.RollUpRequest{Under: payee, AtUnixNanos: at, Effective: true})
		if err != nil || len(sums.Assets) != 1 || sums.Assets[0].Balance != want {
			t.Errorf("an hour on the roll-up is %v, %v; want %s", sums, err, want)
		}
	}
	wants("1.000000")
	e.must(e.Operator, transferring(&pb.Transfer{Id: "late", Debit: bank, Credit: payee, Amount: "5", EffectiveUnixNanos: at - 1}))
	wants("6.000000")
	e.wants(payee, "8 0 0")
	s, err := fsmtest.Ask(e.Operator, ledger.Statement, &pb.StatementRequest{Path: payee, Effective: true})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range s.Lines {
		lines = append(lines, short(l.Credit)+" "+short(l.Balance))
	}
	if got := strings.Join(lines, ", "); got != "1 1, 5 6, 2 8" {
		t.Errorf("the statement by effective time is %s", got)
	}
}

// TestAcquireDefectSubtractionAdds: to subtract from a balance added to it.
func TestAcquireDefectSubtractionAdds(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold := e.hold("30")
	e.must(e.bob, capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "12"}))
	e.wants(payer, "88 18 0", payee, "12 0 18")
	e.must(e.bob, releasing(&pb.ReleaseHold{Id: e.id(), Hold: hold, Amount: "8"}))
	e.wants(payer, "88 10 0", payee, "12 0 10")
	e.pay(payee, bank, "7")
	e.wants(payee, "5 0 10", bank, "-93 0 0")
	five, three := ledger.Amount{Lo: 5}, ledger.Amount{Lo: 3}
	if left, ok := five.Sub(three); !ok || left != (ledger.Amount{Lo: 2}) {
		t.Errorf("5 less 3 is %v, %v", left, ok)
	}
	if _, ok := three.Sub(five); ok {
		t.Error("3 less 5 is an amount")
	}
}

// TestAcquireDefectReceiptByIgnored: what nobody receipted stayed reserved for ever,
// and a receipt thirty days late was taken. There, what was less than an hour away
// was refused; here any time after that of the log will do, up to ten years.
func TestAcquireDefectReceiptByIgnored(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold, brief := e.hold("60"), e.id()
	e.must(e.alice, holding(&pb.PlaceHold{Id: brief, Debit: payer, Credit: payee, Amount: "40", LifetimeSeconds: 59 * 60}))
	e.refused(e.alice, fault.Insufficient, "0.000000 CREDIT available", transferring(of(e.id(), payer, bank, "1")))
	e.Wait(59 * 60e9)
	e.must(e.alice, transferring(of(e.id(), payer, bank, "40")))
	e.Wait(30 * 24 * 3600e9)
	e.must(e.alice, transferring(of(e.id(), payer, bank, "60")))
	e.refused(e.bob, fault.Conflict, "is closed: expired", capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "1"}))
	e.wants(payer, "0 0 0", payee, "0 0 0")
	e.refused(e.Operator, fault.Conflict, "is not after the log time",
		holding(&pb.PlaceHold{Id: e.id(), Debit: bank, Credit: payee, Amount: "1", ExpiresUnixNanos: e.Position().Time}))
	e.refused(e.Operator, fault.Invalid, "ten years",
		holding(&pb.PlaceHold{Id: e.id(), Debit: bank, Credit: payee, Amount: "1", LifetimeSeconds: 3653*24*3600 + 1}))
}

// TestAcquireDefectZeroAndNegative: a value of zero crashed the caller, a negative
// one was dropped without a word.
func TestAcquireDefectZeroAndNegative(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.must(e.alice, transferring(of(e.id(), payer, payee, "0")), transferring(of(e.id(), payer, payee, "0.000000")))
	e.refused(e.alice, fault.Invalid, "amounts are not negative",
		transferring(of(e.id(), payer, payee, "5")), transferring(of(e.id(), payer, payee, "-5")))
	e.refused(e.alice, fault.Invalid, "is nothing, it must be more", holding(&pb.PlaceHold{Id: e.id(), Debit: payer, Credit: payee, Amount: "0"}))
	e.wants(payer, "100 0 0", payee, "0 0 0")
}

// TestAcquireDefectSelfTransfer: the ledger let an account pay itself, only the
// remote call did not.
func TestAcquireDefectSelfTransfer(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold := e.hold("10")
	for _, step := range []*pb.Step{
		transferring(of(e.id(), payer, payer, "1")),
		transferring(of(e.id(), payer, "am:/"+payer+"/", "1")),
		transferring(&pb.Transfer{Id: e.id(), Debit: payer, ThenDebit: []string{payee}, Credit: payee, Amount: "1"}),
		transferring(&pb.Transfer{Id: e.id(), Debit: payer, Amount: "1", Shares: []*pb.Share{{Credit: payee, Weight: 1}, {Credit: payer, Weight: 1}}}),
		holding(&pb.PlaceHold{Id: e.id(), Debit: payer, Credit: payer, Amount: "1"}),
		capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Shares: []*pb.Share{{Credit: payer, Weight: 1}}}),
	} {
		e.refused(e.Operator, fault.Invalid, "same account", step)
	}
}

// TestAcquireDefectUnauthorisedReceipt: neither a receipt nor a refund looked at its
// authorisation: any token of anybody would do.
func TestAcquireDefectUnauthorisedReceipt(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold, paid := e.hold("10"), e.pay(payer, payee, "20")
	for _, step := range []func() *pb.Step{
		func() *pb.Step { return capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "1"}) },
		func() *pb.Step { return releasing(&pb.ReleaseHold{Id: e.id(), Hold: hold, Amount: "1"}) },
		func() *pb.Step { return receipting(e.id(), hold) },
		func() *pb.Step { return refunding(&pb.Refund{Id: e.id(), Of: paid, Amount: "1"}) },
	} {
		// Who paid may not take it back; who has no part in it is told of nothing.
		e.refused(e.alice, fault.Denied, "", step())
		e.refused(e.mallory, fault.NotFound, "", step())
		e.must(e.bob, step())
	}
	e.wants(payer, "80 8 0", payee, "20 0 8")
}

// TestAcquireDefectReceiptOnce: a receipt is given once. One of nothing cancels.
func TestAcquireDefectReceiptOnce(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold, none := e.hold("10"), e.hold("5")
	e.must(e.bob, capturing(&pb.CaptureHold{Id: "receipt", Hold: hold, Amount: "4", Final: true}))
	if again := e.must(e.bob, capturing(&pb.CaptureHold{Id: "receipt", Hold: hold, Amount: "4", Final: true})); !again[0].Existing {
		t.Errorf("the receipt sent again is answered %v", again)
	}
	e.refused(e.bob, fault.Conflict, "is closed: captured", capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "4"}))
	e.must(e.bob, capturing(&pb.CaptureHold{Id: e.id(), Hold: none, Amount: "0", Final: true}))
	if h := e.holdOf(none); h.State != "released" || h.Released != "5.000000" {
		t.Errorf("of the hold of which nothing was captured there is %v", h)
	}
	e.wants(payer, "96 0 0", payee, "4 0 0")
}

// TestAcquireDefectRefundOfRefund: a refund could be refunded, and that again. Here
// it cannot: who wants to pay again transfers again.
func TestAcquireDefectRefundOfRefund(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	paid, back := e.pay(payer, payee, "20"), e.id()
	e.must(e.bob, refunding(&pb.Refund{Id: back, Of: paid}))
	e.refused(e.alice, fault.Invalid, "a refund cannot be refunded", refunding(&pb.Refund{Id: e.id(), Of: back}))
	e.refused(e.bob, fault.Insufficient, "was refunded", refunding(&pb.Refund{Id: e.id(), Of: paid}))
	e.wants(payer, "100 0 0", payee, "0 0 0")
}

// TestAcquireDefectRefundBreachesOverdraft: a refund never failed for lack of funds
// there. Here it is paid like all else, of what the account has.
func TestAcquireDefectRefundBreachesOverdraft(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	paid := e.pay(payer, payee, "20")
	e.pay(payee, bank, "15")
	e.refused(e.bob, fault.Insufficient, "5.000000 CREDIT available", refunding(&pb.Refund{Id: e.id(), Of: paid}))
	e.must(e.bob, refunding(&pb.Refund{Id: e.id(), Of: paid, Amount: "5"}))
	e.wants(payer, "85 0 0", payee, "0 0 0")
}

// TestAcquireDefectHalfDone: when a later part of a transaction failed, the first had
// been debited and never credited, and the undoing failed too: 6 units were gone.
func TestAcquireDefectHalfDone(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	parts := func(second string) []*pb.Step {
		return []*pb.Step{transferring(of("part-1", payer, payee, "6")), transferring(of(second, payer, payee, "95"))}
	}
	e.refused(e.alice, fault.Insufficient, "step 1", parts("part-2")...)
	e.wants(payer, "100 0 0", payee, "0 0 0")
	e.conserves()
	// The first part is as if never asked for: its id is free.
	e.pay(bank, payer, "1")
	e.must(e.alice, parts("part-3")...)
	e.wants(payer, "0 0 0", payee, "101 0 0")
}

// TestAcquireDefectDepositSign: the debt that was to be invoiced after a deposit was
// worked out as the balance before it and the deposit together, with the wrong sign,
// and no invoice was ever made. Here the deposit, the check of the debt and the
// invoice are one op.
func TestAcquireDefectDepositSign(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	const billing, owed = "/account/billing", "/account/owed"
	open(e.Machine, billing, "CREDIT", "150", "")
	open(e.Machine, owed, "CREDIT", ledger.Unlimited, "")
	deposit := func() []*pb.Step {
		return []*pb.Step{transferring(of(e.id(), billing, payee, "30")), atLeast(billing, "-50")}
	}
	e.must(e.Operator, deposit()...)
	e.wants(billing, "-30 0 0", payee, "30 0 0")
	e.refused(e.Operator, fault.Conflict, "has a balance of -60.000000 CREDIT, not at least -50.000000", deposit()...)
	invoice := e.id()
	issue := &pb.IssueInvoice{Id: invoice, Receivable: owed, Revenue: billing, Payer: "/user/bob", Lines: []*pb.InvoiceLine{{Description: "deposits", Amount: "60"}}}
	both := deposit()
	results := e.must(e.Operator, both[0], invoicing(issue), both[1])
	e.wants(billing, "0 0 0", payee, "60 0 0", owed, "-60 0 0")
	// Paid from outside: real money is an account like another.
	e.must(e.Operator, payingInvoice(&pb.PayInvoice{Id: e.id(), Invoice: invoice, Hash: results[1].Hash, Debit: bank}))
	e.wants(billing, "0 0 0", payee, "60 0 0", owed, "0 0 0", bank, "-160 0 0")
	e.conserves()
}

// TestAcquireDefectWithdraw: to withdraw was not implemented. Here it is a transfer to
// the account that stands for the money outside.
func TestAcquireDefectWithdraw(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.must(e.alice, transferring(of(e.id(), payer, bank, "40")))
	e.refused(e.alice, fault.Insufficient, "60.000000 CREDIT available", transferring(of(e.id(), payer, bank, "60.000001")))
	e.wants(payer, "60 0 0", bank, "-60 0 0")
}

// TestAcquireDefectOverdraftOverNetwork: no call could change an overdraft, or give an
// account to anybody but its maker.
func TestAcquireDefectOverdraftOverNetwork(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.Clause(payer, command.Admin, "/role/manager")
	manager := e.Principal("/user/manager", "/role/manager")
	overdraft := "25"
	fsmtest.Must(manager, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, Overdraft: &overdraft})
	_, err := fsmtest.Do(e.alice, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, Overdraft: &overdraft})
	wantKindOf(t, "an overdraft set by who may only spend", err, fault.Denied)
	e.must(e.alice, transferring(of(e.id(), payer, payee, "125")))
}
