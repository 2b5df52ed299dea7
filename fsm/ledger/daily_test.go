package ledger_test

import (
	"fmt"
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestVerifyOfDailyLimits: what was spent follows from the journal, whenever the limit
// was set, changed or taken away; and so do versions.
func TestVerifyOfDailyLimits(t *testing.T) {
	t.Parallel()
	const day = 86400e9
	m := newBooks(t)
	m.Wait(day - m.Position().Time%day)
	pay(m, "funds", "/account/bank", "/account/a", "900")
	made := 0
	spend := func(amount string) {
		made++
		mustOp(m, transferring(of(fmt.Sprint(made), "/account/a", "/account/b", amount)))
	}
	limit := func(amount string) {
		fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/a", DailyLimit: &amount})
	}
	for _, step := range []struct {
		what, spent string
		do          func()
	}{
		{"before there was a limit", "", func() { spend("10") }},
		{"when it is set", "10.00", func() { limit("50") }},
		{"under it", "30.00", func() { spend("20") }},
		{"when it is changed", "30.00", func() { limit("60") }},
		{"by a hold that is given back at once", "37.00", func() {
			mustOp(m, place("h", "7"), releasing(&pb.ReleaseHold{Id: "r", Hold: "h"}))
		}},
		{"by what is given back", "37.00", func() {
			pay(m, "there", "/account/bank", "/account/a", "3")
			mustOp(m, refunding(&pb.Refund{Id: "back", Of: "there"}))
		}},
		{"by nothing", "37.00", func() { spend("0") }},
		{"when it is taken away", "", func() { limit(""); spend("5") }},
		{"when it is set anew", "46.00", func() { limit("60"); spend("4") }},
		{"by a hold that stays", "55.00", func() { mustOp(m, place("h2", "9")) }},
		{"the day after", "0.00", func() { m.Wait(day); m.Apply() }},
		{"by a capture", "0.00", func() { mustOp(m, capturing(&pb.CaptureHold{Id: "c", Hold: "h2", Amount: "5"})) }},
		{"on another day", "2.00", func() { spend("2") }},
	} {
		step.do()
		wantSound(t, m)
		a, err := fsmtest.Ask(m.Operator, ledger.Account, &pb.AccountRequest{Path: "/account/a"})
		if err != nil || a.SpentToday != step.spent {
			t.Errorf("%s: %v, %v, want %q spent", step.what, a, err, step.spent)
		}
	}
}

// TestDailyLimit: transfers and holds of a day are together at most the limit,
// and midnight of log time, UTC, begins a new day.
func TestDailyLimit(t *testing.T) {
	t.Parallel()
	const day = 86400e9
	m := newBooks(t)
	m.Wait(day - m.Position().Time%day) // a day has just begun
	pay(m, "funds", "/account/bank", "/account/a", "900")
	wantKindOf(t, "the limit", change(m, &pb.ChangeAccountRequest{Path: "/account/a", DailyLimit: ptr("50")}), "")
	mustOp(m, transferring(of("1", "/account/a", "/account/b", "20")), place("h", "20"))
	wantRefused(t, m, fault.Insufficient, "0", transferring(of("2", "/account/a", "/account/b", "10.01")))
	wantRefused(t, m, fault.Insufficient, "0", place("h2", "10.01"))
	wantRefused(t, m, fault.Insufficient, "0", extending(&pb.ExtendHold{Id: "e", Hold: "h", Amount: "10.01"}))
	// What is released was spent, what is captured was spent before.
	mustOp(m, capturing(&pb.CaptureHold{Id: "c", Hold: "h", Amount: "15", Final: true}))
	wantRefused(t, m, fault.Insufficient, "0", transferring(of("3", "/account/a", "/account/b", "10.01")))
	res, err := transfer(m, &pb.Transfer{Id: "4", Debit: "/account/a", Credit: "/account/b", Amount: "100", UpTo: true})
	if err != nil || res.Moved[0].Amount != "10.00" {
		t.Errorf("as much as there is today is %v, %v", res, err)
	}
	wantFunds(t, m, "/account/a", "955.00 -0.00 +0.00")
	// A lower limit is one for what is to come.
	wantKindOf(t, "a lower limit", change(m, &pb.ChangeAccountRequest{Path: "/account/a", DailyLimit: ptr("30")}), "")
	wantRefused(t, m, fault.Insufficient, "0", transferring(of("5", "/account/a", "/account/b", "0.01")))
	m.Wait(day)
	wantRefused(t, m, fault.Insufficient, "0", transferring(of("6", "/account/a", "/account/b", "30.01")))
	mustOp(m, transferring(of("7", "/account/a", "/account/b", "30")))
	wantKindOf(t, "no limit", change(m, &pb.ChangeAccountRequest{Path: "/account/a", DailyLimit: ptr("")}), "")
	mustOp(m, transferring(of("8", "/account/a", "/account/b", "500")))
	hash := m.Hash()
	_, err = fsmtest.Do(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/x", Asset: "USD", DailyLimit: "1.001"})
	if fault.KindOf(err) != fault.Invalid || m.Hash() != hash {
		t.Errorf("a limit with too many digits gives %v", err)
	}
}
