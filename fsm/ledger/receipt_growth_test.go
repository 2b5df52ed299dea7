package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestReceiptsOfAnEntryAreBounded: a step of a few bytes lists a hundred payments to
// accounts with long names, and an entry of the log has many commands. Those that come too
// late are made when they are sent again.
func TestReceiptsOfAnEntryAreBounded(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	long := "/account/" + strings.Repeat(strings.Repeat("x", 64)+"/", 7)
	mustOp(m, holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "1"}))
	for part := range 2 {
		capture := &pb.CaptureHold{Id: fmt.Sprint("capture", part), Hold: "h", Amount: "0.50"}
		for i := range ledger.MaxReceiptEntries / 2 {
			at := fmt.Sprint(long, part, "-", i)
			open(m, at, "USD", "", "")
			capture.Shares = append(capture.Shares, &pb.Share{Credit: at, Weight: 1})
		}
		mustOp(m, capturing(capture))
	}
	var all []*statev1.Command
	for n := range 60 {
		req := &pb.OpRequest{Steps: []*pb.Step{
			{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: fmt.Sprint("receipt", n), Hold: "h"}}},
		}}
		all = append(all, fsmtest.Command(m.Operator, ledger.Op, req))
	}
	receipt := func(n int) *pb.DocumentResponse {
		res, _ := fsmtest.Ask(m.Operator, ledger.Document, &pb.DocumentRequest{Id: fmt.Sprint("receipt", n)})
		return res
	}
	made := 0
	for _, result := range m.Apply(all...) {
		if result.Err == nil {
			made++
		} else if !errors.Is(result.Err, fault.Unavailable) {
			t.Fatal(result.Err)
		}
	}
	first := receipt(0)
	if first == nil || made > command.MaxGrowth/len(first.Text)+1 || made < command.MaxGrowth/len(first.Text)/2 || receipt(made) != nil {
		t.Fatalf("%d receipts of %d bytes are made with one entry", made, len(first.GetText()))
	}
	for i, result := range m.Apply(all[made:]...) {
		if result.Err != nil || receipt(made+i) == nil {
			t.Errorf("receipt %d, sent again: %v", made+i, result.Err)
		}
	}
}
