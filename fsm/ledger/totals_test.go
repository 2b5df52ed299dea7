package ledger_test

import (
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestTotalsThatAreFull: it takes 2^24 full accounts to fill the totals of an asset,
// so here they are full with less. No test runs beside this one.
func TestTotalsThatAreFull(t *testing.T) {
	t.Cleanup(ledger.SetMaxTotal(ledger.Amount{Lo: 1_000_00}))
	m := newBooks(t)
	for _, path := range []string{"/account/x", "/account/y"} {
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
			Path: path, Asset: "EUR", Overdraft: ledger.Unlimited, HoldOverdraft: true,
		})
	}
	open(m, "/account/z", "EUR", "", "")
	reserve := func(id, debit, amount string) *pb.Step {
		return holding(&pb.PlaceHold{Id: id, Debit: debit, Credit: "/account/z", Amount: amount})
	}
	// An op may take much off what is pending and reserve as much anew: the totals
	// are never as large as both together.
	mustOp(m, reserve("old", "/account/x", "900"))
	mustOp(m, reserve("little", "/account/y", "1"), releasing(&pb.ReleaseHold{Id: "release", Hold: "old"}), reserve("new", "/account/y", "900"))
	wantFunds(t, m, "/account/x", "0.00 -0.00 +0.00")
	wantFunds(t, m, "/account/z", "0.00 -0.00 +901.00")
	wantRefused(t, m, fault.Exhausted, "0", reserve("most", "/account/x", "900"))
	wantRefused(t, m, fault.Exhausted, "1", transferring(of("one", "/account/x", "/account/z", "1000")), transferring(of("two", "/account/y", "/account/z", "0.01")))
	mustOp(m, transferring(of("three", "/account/x", "/account/z", "1000")))
	wantRefused(t, m, fault.Exhausted, "0", transferring(of("four", "/account/y", "/account/z", "0.01")))
	pay(m, "five", "/account/bank", "/account/a", "1") // another asset is not full
	wantSound(t, m)
}
