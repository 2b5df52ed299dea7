package ledger_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// TestAuditOfNarrowerAccounts: who may Read /account sees of accounts below it that are
// narrower what others see of them: nothing, or that one's own was moved with one.
func TestAuditOfNarrowerAccounts(t *testing.T) {
	t.Parallel()
	m, member := auditedBooks(t)
	auditor := m.Principal("/user/auditor", "/role/auditor")
	for _, hidden := range []bool{false, true} {
		at := fmt.Sprint("/account/secret-", hidden)
		open(m, at+"/x", "USD", "50", "")
		pay(m, at+"-opening", "/account/bank", at+"/x", "50")
		open(m, at+"/y", "USD", "", "")
		m.Clause(path.Path(at), command.Read, "/role/boss")
		if hidden {
			m.Clause(path.Path(at), command.View, "/role/boss")
		}
		before := auditInPages(t, auditor, &pb.AuditRequest{})
		pay(m, at+"-inside", at+"/x", at+"/y", "1")
		mustOp(m, holding(&pb.PlaceHold{Id: at + "-hold", Debit: at + "/x", Credit: at + "/y", Amount: "1"}))
		if _, err := op(m, transferring(of(at+"-refused", at+"/x", at+"/y", "100"))); err == nil {
			t.Fatal("100 were paid of 50")
		}
		fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{
			of(at+"-beside", "/account/a", "/account/b", "1"), of(at+"-beside2", at+"/x", at+"/y", "1"),
		}})
		pay(m, at+"-across", "/account/a", at+"/x", "1")
		pay(m, at+"-outside", "/account/a", "/account/b", "1")
		if err := payAs(member, at+"-own", at+"/x", at+"/y", "1"); (err == nil) == hidden {
			t.Errorf("the member pays from %s/x: %v", at, err)
		}
		all := auditInPages(t, auditor, &pb.AuditRequest{})
		all = all[len(before):]
		want := []string{"", "transfer " + at + "-across", "transfer " + at + "-outside"}
		if len(all) != len(want) {
			t.Fatalf("the auditor sees %s, want %q", whatOf(all), want)
		}
		for i, l := range all {
			if isWhole := l.Hash != "" && l.Details != ""; l.What != want[i] || isWhole != (i == 2) {
				t.Errorf("line %d is %v, want %q, and its details: %t", i, l, want[i], i == 2)
			}
		}
		for _, l := range auditInPages(t, m.Operator, &pb.AuditRequest{}) {
			if l.Hash == "" {
				t.Errorf("an operator does not see the whole of %v", l)
			}
		}
	}
}

// TestAuditLineOfManyAccounts: a line of as many accounts as an op can name is one that
// can be read again.
func TestAuditLineOfManyAccounts(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	var steps []*pb.Step
	for n := 0; n < ledger.MaxEntries; {
		var opening []*statev1.Command
		nothing := &pb.Transfer{Id: fmt.Sprint("nothing", n), Debit: "/account/a", Amount: "0"}
		for ; len(nothing.Shares) < ledger.MaxShares && n < ledger.MaxEntries; n++ {
			at := fmt.Sprint("/account/many/", n)
			nothing.Shares = append(nothing.Shares, &pb.Share{Credit: at, Weight: 1})
			opening = append(opening, fsmtest.Command(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: at, Asset: "USD"}))
		}
		for _, result := range m.Apply(opening...) {
			if result.Err != nil {
				t.Fatal(result.Err)
			}
		}
		steps = append(steps, transferring(nothing))
	}
	mustOp(m, steps...)
	all := auditInPages(t, m.Operator, &pb.AuditRequest{Principal: "/user/operator"})
	last := all[len(all)-1]
	if len(last.Accounts) != 1+ledger.MaxEntries {
		t.Errorf("the line has %d accounts, want %d", len(last.Accounts), 1+ledger.MaxEntries)
	}
	if size := proto.Size(last); size > 1<<20 {
		t.Errorf("the line has %d bytes", size)
	}
}
