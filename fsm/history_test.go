package fsm_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// TestAnOldLogGivesItsOldState: what a command does, and the bytes of the
// records it makes, are a promise to the logs and the states that are out there.
// New behaviour is a new command; new fields of a record are appended to it, and
// are not written while they are zero.
func TestAnOldLogGivesItsOldState(t *testing.T) {
	t.Parallel()
	const want = "f1270f350d0924e0636107c22b8ab90689ec0b77951e6b53077399331bdf693c"
	machine := fsm.New(kv.NewMemory())
	for i, step := range []struct {
		name string
		req  proto.Message
	}{
		{system.Tick.Name, &statev1.TickRequest{}},
		{system.RaiseFormat.Name, &statev1.RaiseFormatRequest{Format: 1}},
		{system.RemoveNode.Name, &pb.RemoveRequest{Id: "node-1"}},
		{system.RemoveNode.Name, &pb.RemoveRequest{Id: "node-2"}},
		{system.AdmitNode.Name, &pb.AdmitRequest{Id: "node-1"}},
		{ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2}},
		{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/bank", Asset: "USD", Overdraft: ledger.Unlimited}},
		{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/a", Asset: "USD", Overdraft: "10", Ceiling: "1000"}},
		{ledger.Transfer.Name, &pb.TransferRequest{Transfers: []*pb.Transfer{
			{Id: "1", Debit: "/account/bank", Credit: "/account/a", Amount: "12.50"},
			{Id: "2", Debit: "/account/a", Credit: "/account/bank", Amount: "20"},
		}}},
	} {
		body, err := proto.Marshal(step.req)
		if err != nil {
			t.Fatal(err)
		}
		caller := &statev1.Caller{Principal: "/system"}
		apply(t, machine, uint64(i+1), int64(i), &statev1.Command{Name: step.name, Caller: caller, Body: body})
	}
	if got := machine.Position().Hash.String(); got != want {
		t.Errorf("the hash of the state is %s, it was %s", got, want)
	}
}
