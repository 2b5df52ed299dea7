package ledger_test

import (
	"errors"
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestHoldThatOutlivesItsAccounts: it is closed then, and nothing more comes of it.
func TestHoldThatOutlivesItsAccounts(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		m := newBooks(t)
		job := &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"}
		fsmtest.Must(m.Operator, ledger.OpenAccount, job)
		mustOp(m,
			transferring(of("fund", "/account/a", "/account/job", "5")),
			holding(&pb.PlaceHold{Id: "hold", Debit: "/account/job", Credit: "/account/b", Amount: "5"}),
		)
		mustOp(m, capturing(&pb.CaptureHold{Id: "all", Hold: "hold"}))
		if _, err := fsmtest.Ask(m.Operator, ledger.Balance, &pb.BalanceRequest{Path: "/account/job"}); !errors.Is(err, fault.NotFound) {
			t.Fatalf("the account that was emptied: %v, want it gone", err)
		}
		if back {
			fsmtest.Must(m.Operator, ledger.OpenAccount, job)
		}
		for name, step := range map[string]*pb.Step{
			"capture": capturing(&pb.CaptureHold{Id: "x1", Hold: "hold", Amount: "1"}),
			"release": releasing(&pb.ReleaseHold{Id: "x2", Hold: "hold", Amount: "1"}),
			"extend":  extending(&pb.ExtendHold{Id: "x3", Hold: "hold", Amount: "1"}),
		} {
			if _, err := op(m, step); !errors.Is(err, fault.Conflict) {
				t.Errorf("%s of a hold whose account has gone, and is back %t: %v, want fault.Conflict", name, back, err)
			}
		}
	}
}
