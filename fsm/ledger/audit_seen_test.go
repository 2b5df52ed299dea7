package ledger_test

import (
	"fmt"
	"strings"
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

// auditedHidden has accounts of 100 of overdraft below /account/hidden, which the auditor
// may not View.
func auditedHidden(t *testing.T) (m *fsmtest.Machine, auditor *fsmtest.Client) {
	t.Helper()
	m = newBooks(t)
	m.Clause("/", command.View)
	open(m, "/account/hidden/dollars", "USD", "100", "")
	open(m, "/account/hidden/more", "USD", "100", "")
	m.Clause("/account/hidden", command.View, "/role/boss")
	m.Clause("/account", command.Read, "/role/auditor")
	return m, m.Principal("/user/auditor", "/role/auditor")
}

func wantNothingHidden(t *testing.T, what string, auditor *fsmtest.Client) {
	t.Helper()
	for _, l := range auditInPages(t, auditor, &pb.AuditRequest{}) {
		if strings.Contains(l.What+l.Details+l.Message, "hidden") {
			t.Errorf("%s: the auditor is shown %v", what, l)
		}
	}
}

// TestAuditOfNamesThatAreHidden: nor does it say more of those that a step names and of
// which there are no entries.
func TestAuditOfNamesThatAreHidden(t *testing.T) {
	t.Parallel()
	m, auditor := auditedHidden(t)
	up := of("merger-up", "/account/hidden/more", "/account/hidden/dollars", "5")
	up.UpTo = true
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: up.Debit, Overdraft: ptr("0")})
	fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{up}})
	mustOp(m, &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: &pb.IssueInvoice{
		Id: "inv", Receivable: "/account/bank", Revenue: "/account/b", Payer: "/account/hidden/dollars",
		Lines: []*pb.InvoiceLine{{Description: "x", Amount: "1"}},
	}}})
	wantNothingHidden(t, "what moved nothing, and a payer", auditor)
}

// TestAuditOfRefusedShares: who tries to capture what is held of an account is in its audit
// lines, for however many accounts it was to be.
func TestAuditOfRefusedShares(t *testing.T) {
	t.Parallel()
	m, mallory := newHidden(t)
	open(m, "/account/victim", "USD", "", "")
	pay(m, "v", "/account/bank", "/account/victim", "10")
	mustOp(m, &pb.Step{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{Id: "h", Debit: "/account/victim", Credit: "/account/bank", Amount: "5"}}})
	for _, shares := range []int{1, 64} {
		s := &pb.CaptureHold{Id: fmt.Sprintf("steal%d", shares), Hold: "h"}
		for i := range shares {
			s.Shares = append(s.Shares, &pb.Share{Credit: fmt.Sprintf("/account/nothing/n%d", i), Weight: 1})
		}
		if _, err := fsmtest.Do(mallory, ledger.Op, &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_Capture{Capture: s}}}}); err == nil {
			t.Fatal("it is captured")
		}
		res, err := fsmtest.Ask(m.Operator, ledger.Audit, &pb.AuditRequest{Account: "/account/victim", Principal: "/user/mallory"})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, l := range res.Lines {
			found = found || l.What == "capture "+s.Id
		}
		if !found {
			t.Errorf("the refused capture with %d shares is not in the audit of the account that was to pay", shares)
		}
	}
}

// TestAuditOfWhatMovedNothing: it is in the lines of its accounts.
func TestAuditOfWhatMovedNothing(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	up := func(id string) *pb.Transfer {
		t := of(id, "/account/b", "/account/a", "5")
		t.UpTo = true
		return t
	}
	mustOp(m, transferring(up("op-up")))
	if _, err := transfer(m, up("list-up")); err != nil {
		t.Fatal(err)
	}
	res, err := fsmtest.Ask(m.Operator, ledger.Audit, &pb.AuditRequest{Account: "/account/b"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range res.Lines {
		got = append(got, l.What)
	}
	if fmt.Sprint(got) != fmt.Sprint([]string{"open /account/b, asset USD", "transfer op-up", "transfer list-up"}) {
		t.Errorf("lines %q", got)
	}
}

// TestAuditOfGuardsInFront: nor what a step says that was refused with another, behind
// guards.
func TestAuditOfGuardsInFront(t *testing.T) {
	t.Parallel()
	m, auditor := auditedHidden(t)
	var steps []*pb.Step
	for range 20 {
		steps = append(steps, &pb.Step{Step: &pb.Step_Guard{Guard: &pb.Guard{
			Guard: &pb.Guard_Balance{Balance: &pb.BalanceGuard{Account: "/account/b", AtLeast: "0"}},
		}}})
	}
	steps = append(steps, transferring(of("s", "/account/hidden/more", "/account/hidden/dollars", "1")),
		transferring(of("refused", "/account/a", "/account/b", "999999")))
	if _, err := op(m, steps...); err == nil {
		t.Fatal("999999 were paid")
	}
	wantNothingHidden(t, "behind guards", auditor)
	if all := auditInPages(t, m.Operator, &pb.AuditRequest{Account: "/account/hidden/more"}); len(all) != 2 {
		t.Errorf("/account/hidden/more has the lines %s, want that it was opened, and the op", whatOf(all))
	}
}

// TestAuditPagesOfALongEntry: who is no operator needs hardly more pages, though the
// entries of each line are looked at.
func TestAuditPagesOfALongEntry(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account", command.Read, "/role/auditor")
	kim := m.Principal("/user/kim", "/role/auditor")
	var all []*statev1.Command
	for n := range 400 {
		req := &pb.OpRequest{}
		for i := range 30 {
			req.Steps = append(req.Steps, transferring(of(fmt.Sprintf("t%d.%d", n, i), "/account/bank", "/account/a", "1")))
		}
		all = append(all, fsmtest.Command(m.Operator, ledger.Op, req))
	}
	m.Apply(all...)
	pages, lines := 0, 0
	req := &pb.AuditRequest{Limit: 1000}
	for {
		res, err := fsmtest.Ask(kim, ledger.Audit, req)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		lines += len(res.Lines)
		if req.Cursor = res.Cursor; req.Cursor == "" {
			break
		}
	}
	if pages > 5 {
		t.Errorf("%d lines take %d pages", lines, pages)
	}
}

// TestAuditOfListsOfOthers: nor of those that a list names and that it did not move: what
// was made before, and chains that were taken back.
func TestAuditOfListsOfOthers(t *testing.T) {
	t.Parallel()
	const more, dollars = "/account/hidden/more", "/account/hidden/dollars"
	made, linked := of("made", more, dollars, "5"), of("linked", more, dollars, "5")
	linked.Linked = true
	refused, beside := of("refused", "/account/a", "/account/b", "999999"), of("open", "/account/bank", "/account/a", "1")
	for name, list := range map[string][]*pb.Transfer{
		"made before":                   {made, beside},
		"a chain beside another":        {linked, refused, beside},
		"a chain, and nothing else was": {linked, refused},
	} {
		m, auditor := auditedHidden(t)
		pay(m, made.Id, made.Debit, made.Credit, made.Amount)
		fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: list, Chains: list[0].Linked})
		wantNothingHidden(t, name, auditor)
	}
}
