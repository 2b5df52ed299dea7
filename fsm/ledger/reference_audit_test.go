package ledger_test

import (
	"fmt"

	"pgregory.net/rapid"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// compareAudit compares the lines that are new with those that there must be. Each
// has a hash that no line had before: that they chain is for Verify.
func (r *referenceRun) compareAudit(t *rapid.T) {
	t.Helper()
	got, err := fsmtest.Ask(r.machine.Operator, ledger.Audit, &pb.AuditRequest{Cursor: r.auditCursor})
	if err != nil || got.Cursor != "" {
		t.Fatalf("the audit from %q: %v, %v", r.auditCursor, got, err)
	}
	for i, l := range got.Lines {
		if i < len(r.audited) { // what is in these is for people, or for Verify
			want := r.audited[i]
			want.Counter, want.What, want.Details, want.Message, want.Accounts = l.Counter, l.What, l.Details, l.Message, l.Accounts
			want.Hash, want.EntriesHash = l.Hash, l.EntriesHash
		}
		if len(l.Hash) != 64 || r.hashes[l.Hash] || (l.EntriesHash == "") != (l.Entries == 0) {
			t.Fatalf("the audit goes on with %v, whose hash is none or that of another", l)
		}
		r.hashes[l.Hash] = true
		r.auditCursor = fmt.Sprintf("%d.%d", l.Index, l.Counter)
	}
	compareAnswers(t, "the audit", got.Lines, r.audited)
	r.lines += len(r.audited)
	r.audited = nil
}

// noteAudit notes the line of a command that made the entries from the given one on.
func (r *referenceRun) noteAudit(c *statev1.Command, result fsm.Result, first int) {
	refusal := ""
	if result.Err != nil {
		refusal = string(fault.KindOf(result.Err))
	}
	if list, ok := result.Response.(*pb.TransferResponse); ok && list.Created == 0 && len(list.Failed) > 0 {
		refusal = list.Failed[0].Kind // no chain of the list was made
	}
	r.audited = append(r.audited, &pb.AuditLine{
		Index: r.plain.index, UnixNanos: r.plain.now, Principal: c.Caller.Principal, RequestId: c.RequestId,
		Command: c.Name, Refusal: refusal, Entries: uint32(len(r.plain.entries) - first),
	})
}

// verify lets the ledger work itself out from its journal: it must find nothing.
func (r *referenceRun) verify(t *rapid.T) {
	t.Helper()
	r.machine.View(func(v *command.Reading) {
		got, err := ledger.Verify(v, func(*pb.VerifyResponse) error { return nil })
		if err != nil {
			t.Fatalf("verify: %v", err)
		}
		want := &pb.VerifyResponse{
			Index: r.plain.index, Entries: uint64(len(r.plain.entries)), Lines: uint64(r.lines), Accounts: uint64(len(r.plain.at)),
			Holds: uint64(len(r.plain.holds)), Documents: uint64(len(r.plain.documents)), Assets: uint64(len(r.plain.scales)),
			Head: got.Head, Done: got.Done,
		}
		compareAnswer(t, "verify", got, want)
	})
}
