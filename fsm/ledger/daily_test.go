package ledger_test

import (
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

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
