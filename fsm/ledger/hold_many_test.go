package ledger_test

import (
	"fmt"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// placeMany places holds of 0.01 with as few ops as there may be.
func placeMany(m *fsmtest.Machine, n int, of *pb.PlaceHold) {
	for done := 0; done < n; {
		var steps []*pb.Step
		for ; len(steps) < ledger.MaxSteps && done < n; done++ {
			steps = append(steps, holding(&pb.PlaceHold{
				Id: fmt.Sprint(of.Id, done), Debit: of.Debit, Credit: of.Credit, Amount: "0.01", ExpiresUnixNanos: of.ExpiresUnixNanos,
			}))
		}
		mustOp(m, steps...)
	}
}

// TestPrecedenceOfOpenHolds: what there is not comes before what there is too much of.
func TestPrecedenceOfOpenHolds(t *testing.T) {
	t.Parallel()
	m := newBooks(unchecked{t}) // what is applied is much
	open(m, "/account/low", "USD", "", "5")
	placeMany(m, ledger.MaxOpenHolds, &pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b"}) // all that it has
	for i, left := range []string{"", "10"} {
		if left != "" {
			pay(m, "more", "/account/bank", "/account/a", left)
		}
		for _, test := range []struct {
			credit, amount string
			want           [2]fault.Kind // without and with funds
		}{
			{"/account/b", "1", [2]fault.Kind{fault.Insufficient, fault.Exhausted}},
			{"/account/b", "11", [2]fault.Kind{fault.Insufficient, fault.Insufficient}},
			{"/account/low", "6", [2]fault.Kind{fault.Insufficient, fault.Insufficient}},
			{"/account/none", "1", [2]fault.Kind{fault.NotFound, fault.NotFound}},
			{"/account/eur", "1", [2]fault.Kind{fault.Invalid, fault.Invalid}},
		} {
			id := fmt.Sprint(i, test.credit, ":", test.amount)
			_, err := op(m, holding(&pb.PlaceHold{Id: id, Debit: "/account/a", Credit: test.credit, Amount: test.amount}))
			wantKindOf(t, "one hold more, "+id, err, test.want[i])
		}
	}
	// A hold that is open can reserve more, and another take the place of one that is closed.
	mustOp(m, extending(&pb.ExtendHold{Id: "extended", Hold: "h0", Amount: "1"}), releasing(&pb.ReleaseHold{Id: "released", Hold: "h1"}),
		holding(&pb.PlaceHold{Id: "another", Debit: "/account/a", Credit: "/account/b", Amount: "1"}))
	wantSound(t, m)
}

// TestMoreHoldsExpireThanAnEntryBears: with an entry expire as many as one bears, and no
// caller is served before all have. The books are sound in between.
func TestMoreHoldsExpireThanAnEntryBears(t *testing.T) {
	t.Parallel()
	m := newBooks(unchecked{t}) // what is applied is much
	const more = 30
	expires := m.Position().Time + 3600e9
	pay(m, "fund", "/account/bank", "/account/a", "1000")
	pay(m, "fund-b", "/account/bank", "/account/b", "1000")
	placeMany(m, ledger.MaxExpired/2, &pb.PlaceHold{Id: "a", Debit: "/account/a", Credit: "/account/b", ExpiresUnixNanos: expires})
	placeMany(m, ledger.MaxExpired/2, &pb.PlaceHold{Id: "b", Debit: "/account/b", Credit: "/account/a", ExpiresUnixNanos: expires})
	placeMany(m, more, &pb.PlaceHold{Id: "c", Debit: "/account/a", Credit: "/account/b", ExpiresUnixNanos: expires + 1})
	placeMany(m, 1, &pb.PlaceHold{Id: "later", Debit: "/account/a", Credit: "/account/b", ExpiresUnixNanos: expires + 3600e9})
	request := func(id string) *statev1.Command {
		return fsmtest.Command(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{of(id, "/account/bank", "/account/b", "1")}})
	}
	before, refused := request("before"), request("refused")
	made := m.Apply(before)[0]
	if made.Err != nil {
		t.Fatal(made.Err)
	}
	left := func() (open int) {
		for _, account := range []string{"/account/a", "/account/b"} {
			req := &pb.HoldsRequest{Account: account, Limit: ledger.MaxLines}
			for more := true; more; more = req.Cursor != "" {
				page, err := fsmtest.Ask(m.Operator, ledger.Holds, req)
				if err != nil {
					t.Fatal(err)
				}
				open, req.Cursor = open+len(page.Holds), page.Cursor
			}
		}
		return open / 2 // each is of both accounts
	}
	m.Wait(3600e9)

	results := m.Apply(refused, fsmtest.Command(m.Cluster, system.Tick, &statev1.TickRequest{}), before, fsmtest.Command(m.Operator, ledger.Op, &pb.OpRequest{
		Steps: []*pb.Step{releasing(&pb.ReleaseHold{Id: "r", Hold: "c1"})},
	}))
	for i, want := range []fault.Kind{fault.Unavailable, "", "", fault.Unavailable} {
		err := results[i].Err
		wantKindOf(t, fmt.Sprint("command ", i, " while holds expire"), err, want)
		if err != nil && fault.OutcomeOf(err) != fault.Definite {
			t.Errorf("command %d gives %v, want it definite", i, err)
		}
	}
	if results[2].Index != made.Index {
		t.Errorf("what was made at index %d is answered %+v", made.Index, results[2])
	}
	m.View(func(v *command.Reading) {
		if at, due := ledger.Due(v, v.Time); !due || at > v.Time {
			t.Errorf("the next hold is due at %d, %t, the log time is %d", at, due, v.Time)
		}
	})
	if open := left(); open != more+1 {
		t.Errorf("%d holds are open behind the first entry, want %d", open, more+1)
	}
	wantSound(t, m)

	fsmtest.Must(m.Cluster, system.Tick, &statev1.TickRequest{})
	if open := left(); open != 1 {
		t.Errorf("%d holds are open behind the second entry, want 1", open)
	}
	if res := m.Apply(refused)[0]; res.Err != nil || res.Index != m.Position().Index {
		t.Errorf("what was not served before gives %+v, %v", res, res.Err)
	}
	wantSound(t, m)
}
