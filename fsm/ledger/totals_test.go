package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestANodeStopsBeforeItsBooksDoNotBalance: a damaged total is met by the next
// transfer of the asset, and nothing of that is kept.
func TestANodeStopsBeforeItsBooksDoNotBalance(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	index := uint64(0)
	apply := func(m *fsm.Machine, name string, req proto.Message) {
		t.Helper()
		body, err := proto.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: 1, Commands: []*statev1.Command{{
			Name: name, Body: body, Caller: &statev1.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		index++
		if result := m.Apply(index, 1, data)[0]; result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	pays := func(id string) *pb.TransferRequest {
		return &pb.TransferRequest{Transfers: []*pb.Transfer{of(id, "/account/a", "/account/b", "1")}}
	}
	m := fsm.New(engine)
	apply(m, ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	for _, at := range []string{"/account/a", "/account/b"} {
		apply(m, ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: at, Asset: "USD", Overdraft: "10"})
	}
	apply(m, ledger.Transfer.Name, pays("one"))

	snapshot := engine.Snapshot()
	key := []byte("ledger/asset\x00USD\x00")
	record, ok := snapshot.Get(key)
	if !ok {
		t.Fatal("the asset has no record")
	}
	engine.Commit([]kv.Write{{Key: key, Value: ledger.CreditMore(record)}})
	snapshot.Close()
	damaged := fsm.New(engine)
	before := damaged.Position()
	defer func() {
		if reason := fmt.Sprint(recover()); !strings.Contains(reason, "asset USD does not balance") {
			t.Errorf("the node stops with %q, want that the asset does not balance", reason)
		}
		if after := fsm.New(engine).Position(); after != before {
			t.Errorf("the state went from %+v to %+v", before, after)
		}
	}()
	apply(damaged, ledger.Transfer.Name, pays("two"))
	t.Error("the transfer is made")
}

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
