package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// What somebody tries who may call and may do little.

// newHidden gives books in which mallory may Spend from a and Read b, may View what
// is public, and may not View what is below /account/hidden.
func newHidden(t *testing.T) (m *fsmtest.Machine, mallory *fsmtest.Client) {
	t.Helper()
	m = newBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account/a", command.Spend, "/role/mallory")
	m.Clause("/account/b", command.Read, "/role/mallory")
	open(m, "/account/hidden/dollars", "USD", "", "50")
	open(m, "/account/hidden/euros", "EUR", "", "")
	m.Clause("/account/hidden", command.View, "/role/boss")
	return m, m.Principal("/user/mallory", "/role/mallory")
}

// TestFailureOfAListWithWhatStands: what a list leaves behind is not blamed on a
// transfer that stood before.
func TestFailureOfAListWithWhatStands(t *testing.T) {
	t.Parallel()
	for _, chains := range []bool{false, true} {
		m := newBooks(t)
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/through", Asset: "USD", Kind: "transient"})
		old := of("old", "/account/a", "/account/b", "1")
		pay(m, old.Id, old.Debit, old.Credit, old.Amount)
		list := []*pb.Transfer{of("new", "/account/a", "/account/through", "1"), old}
		list[0].Linked = chains
		res, err := fsmtest.Do(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: list, Chains: chains})
		if chains {
			if err != nil || len(res.Failed) != 1 || res.Failed[0].Position != 0 || res.Failed[0].Kind != string(fault.Conflict) {
				t.Errorf("the chain gives %v, %v; want a conflict at 0", res, err)
			}
		} else if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.Conflict || f.Details["position"] != "0" {
			t.Errorf("the list gives %v; want a fault.conflict at 0", err)
		}
		if again := mustOp(m, transferring(old)); len(again.Results) != 1 || !again.Results[0].Existing {
			t.Errorf("the transfer that stands is answered with %v", again)
		}
		wantSound(t, m)
	}
}

// TestNarrowerAccountsInTheJournal: who may Read a path is not shown entries between
// accounts below it that it may not Read.
func TestNarrowerAccountsInTheJournal(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account/team", command.Read, "/role/team")
	open(m, "/account/team/open", "USD", "", "")
	open(m, "/account/team/secret/pay", "USD", "", "")
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/team/secret/brief", Asset: "USD", Kind: "ephemeral"})
	m.Clause("/account/team/secret", command.Read, "/role/boss")
	member := m.Principal("/user/member", "/role/team")
	pay(m, "shown", "/account/a", "/account/team/open", "1")
	pay(m, "secret", "/account/a", "/account/team/secret/pay", "2")
	pay(m, "brief-in", "/account/a", "/account/team/secret/brief", "3")
	pay(m, "brief-out", "/account/team/secret/brief", "/account/a", "3") // and it is gone
	for client, want := range map[*fsmtest.Client]string{member: "shown", m.Operator: "shown secret brief-in brief-out"} {
		journal, err := fsmtest.Ask(client, ledger.Journal, &pb.JournalRequest{Under: "/account/team"})
		if err != nil {
			t.Fatal(err)
		}
		var entries []string
		for _, e := range journal.Entries {
			entries = append(entries, e.Id)
		}
		looked, err := fsmtest.Ask(client, ledger.Lookup, &pb.LookupRequest{
			Under: "/account/team", Ids: []string{"shown", "secret", "brief-in", "brief-out"},
		})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, r := range looked.Transfers {
			found = append(found, r.Transfer.Id)
		}
		if got := strings.Join(entries, " "); got != want {
			t.Errorf("the journal shows %q, want %q", got, want)
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("the look-up finds %q, want %q", got, want)
		}
	}
}

// TestStepsOfOthers: who has no part in a step learns of its id that it was used, and
// nothing of what for or what came of it.
func TestStepsOfOthers(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	mallory := m.Principal("/user/mallory", "/role/mallory")
	mustOp(m, place("hold", "60"))
	mustOp(m, capturing(&pb.CaptureHold{Id: "all", Hold: "hold"}))
	mustOp(m, transferring(of("made", "/account/a", "/account/b", "1")))
	wantRefused(t, m, fault.Insufficient, "0", transferring(of("failed", "/account/a", "/account/b", "1000")))
	var said string
	for _, step := range []*pb.Step{
		capturing(&pb.CaptureHold{Id: "all", Hold: "hold"}),
		capturing(&pb.CaptureHold{Id: "all", Hold: "hold", Amount: "1"}),
		transferring(of("made", "/account/a", "/account/b", "1")),
		transferring(of("made", "/account/a", "/account/b", "2")),
		transferring(of("failed", "/account/a", "/account/b", "1000")),
		transferring(of("failed", "/account/a", "/account/bank", "1000")),
	} {
		_, err := opAs(mallory, step)
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok || f.Kind != fault.Conflict || f.Details["field"] != "id" {
			t.Errorf("%v gives %v, want a fault.conflict of the id", step, err)
			continue
		}
		_, words, _ := strings.Cut(f.Message, "): ")
		if said != "" && words != said {
			t.Errorf("%v is answered with %q, another with %q", step, words, said)
		}
		said = words
	}
}

// TestHiddenPayees: an account that the caller may not View is as one that there is
// not, whatever it holds and whatever becomes of it.
func TestHiddenPayees(t *testing.T) {
	t.Parallel()
	m, mallory := newHidden(t)
	frozen := true
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/hidden/euros", Frozen: &frozen})
	for _, name := range []string{"dollars", "euros", "nothing"} {
		at := "/account/hidden/" + name
		for what, step := range map[string]*pb.Step{
			"transfer": transferring(of(name+"1", "/account/a", at, "60")),
			"share": transferring(&pb.Transfer{Id: name + "2", Debit: "/account/a", Amount: "60", Shares: []*pb.Share{
				{Credit: at, Weight: 1}, {Credit: "/account/b", Weight: 1},
			}}),
			"hold": holding(&pb.PlaceHold{Id: name + "3", Debit: "/account/a", Credit: at, Amount: "60"}),
		} {
			_, err := opAs(mallory, step)
			f, ok := errors.AsType[*fault.Fault](err)
			if !ok || f.Kind != fault.NotFound || f.Details["path"] != at || !strings.HasSuffix(f.Message, "nothing at "+at) {
				t.Errorf("a %s to %s gives %v, want that there is nothing", what, at, err)
			}
		}
	}
}

// TestRoomOfOthers: that an account has no room is said to who pays, how much it has
// only to who may Read it.
func TestRoomOfOthers(t *testing.T) {
	t.Parallel()
	m, mallory := newHidden(t)
	open(m, "/account/capped", "USD", "", "50")
	pay(m, "some", "/account/bank", "/account/capped", "12.34")
	_, err := opAs(mallory, transferring(of("too-much", "/account/a", "/account/capped", "60")))
	if !errors.Is(err, fault.Insufficient) || strings.Contains(err.Error(), "37.66") {
		t.Errorf("who may not Read the account is told %v", err)
	}
	_, err = op(m, transferring(of("too-much-2", "/account/a", "/account/capped", "60")))
	if !errors.Is(err, fault.Insufficient) || !strings.Contains(err.Error(), "37.66") {
		t.Errorf("who may is told %v", err)
	}
}

// TestCursorOfADocumentOfOthers: it is none, as one of a document that there is not.
func TestCursorOfADocumentOfOthers(t *testing.T) {
	t.Parallel()
	m, mallory := newHidden(t)
	m.Principal("/user/bob")
	mustOp(m, &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
		Id: "cheque", Account: "/account/a", Recipient: "/user/bob", Resource: "x", Ceiling: "1",
	}}})
	for _, cursor := range []string{"cheque", "nothing"} {
		_, err := fsmtest.Ask(mallory, ledger.Documents, &pb.DocumentsRequest{Account: "/account/b", Cursor: cursor})
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("the cursor %s gives %v, want a fault.invalid", cursor, err)
		}
	}
}

// TestAuditShowsNoControlCharacters: lines have what was sent, also if it was refused.
func TestAuditShowsNoControlCharacters(t *testing.T) {
	t.Parallel()
	m, mallory := newHidden(t)
	const bad = "x\x1b[2J\r\nforged\u0085"
	for _, err := range []error{
		func() error {
			_, err := opAs(mallory, transferring(of(bad, "/account/a", "/account/b", "1")))
			return err
		}(),
		func() error {
			_, err := fsmtest.Do(mallory, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/" + bad})
			return err
		}(),
	} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("it gives %v, want a fault.invalid", err)
		}
	}
	res, err := fsmtest.Ask(m.Operator, ledger.Audit, &pb.AuditRequest{Principal: "/user/mallory"})
	if err != nil || len(res.Lines) != 2 {
		t.Fatalf("the audit log has %v, %v; want two lines", res, err)
	}
	for _, l := range res.Lines {
		if strings.ContainsAny(l.What+l.Message, "\x1b\r\n\u0085") || !strings.Contains(l.What, "forged") {
			t.Errorf("a line says %q, %q", l.What, l.Message)
		}
	}
}

// TestRequestsOfTooManyEntries: a small request cannot come to very many entries.
func TestRequestsOfTooManyEntries(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	var shares []*pb.Share
	for i := range ledger.MaxShares {
		shares = append(shares, &pb.Share{Credit: fmt.Sprintf("/account/%d", i), Weight: 1})
	}
	list := &pb.TransferRequest{}
	steps := &pb.OpRequest{}
	for i := range ledger.MaxEntries/ledger.MaxShares + 1 {
		t := &pb.Transfer{Id: fmt.Sprint("t", i), Debit: "/account/a", Amount: "1", Shares: shares}
		list.Transfers = append(list.Transfers, t)
		steps.Steps = append(steps.Steps, transferring(t))
	}
	if _, err := fsmtest.Do(m.Operator, ledger.Transfer, list); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "entries") {
		t.Errorf("the list gives %.200v, want a fault.invalid", err)
	}
	if _, err := fsmtest.Do(m.Operator, ledger.Op, steps); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "entries") {
		t.Errorf("the op gives %.200v, want a fault.invalid", err)
	}
	// One less is looked at further.
	list.Transfers = list.Transfers[1:]
	if _, err := fsmtest.Do(m.Operator, ledger.Transfer, list); !errors.Is(err, fault.NotFound) {
		t.Errorf("the shorter list gives %.200v, want a fault.not_found", err)
	}
}

// TestOpAgainAfterItsAccountHasGone: who made it is answered as before, who may not
// spend there is not.
func TestOpAgainAfterItsAccountHasGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account", command.Spend, "/role/treasurer")
	treasurer, mallory := m.Principal("/user/treasurer", "/role/treasurer"), m.Principal("/user/mallory", "/role/mallory")
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"})
	fund := of("fund", "/account/a", "/account/job", "5")
	sweep := []*pb.Step{
		holding(&pb.PlaceHold{Id: "hold", Debit: "/account/job", Credit: "/account/b", Amount: "5"}),
		capturing(&pb.CaptureHold{Id: "capture", Hold: "hold"}),
	}
	mustOp(m, transferring(fund))
	for _, existing := range []bool{false, true} {
		res, err := opAs(treasurer, sweep...)
		if err != nil || len(res.Results) != 2 || res.Results[1].Amount != "5.00" || res.Results[1].Existing != existing {
			t.Errorf("who swept the account gets %v, %v; want 5.00, existing %t", res, err, existing)
		}
	}
	if _, err := opAs(mallory, sweep...); !errors.Is(err, fault.Conflict) {
		t.Errorf("another gets %v, want a fault.conflict", err)
	}
}

// TestNamesGivenToOthers: who is given the name of a principal that was removed has
// no part in its holds and cashes none of its cheques.
func TestNamesGivenToOthers(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	bob := m.Principal("/user/bob", "/role/bob")
	written := mustOp(m,
		holding(&pb.PlaceHold{Id: "hold", Debit: "/account/a", Credit: "/account/b", Amount: "50", Delegate: "/user/bob"}),
		&pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
			Id: "cheque", Account: "/account/a", Recipient: "/user/bob", Resource: "x", Ceiling: "10", Uses: 9,
		}}})
	steps := func(id string) [][]*pb.Step {
		return [][]*pb.Step{
			{capturing(&pb.CaptureHold{Id: id + "-capture", Hold: "hold", Amount: "1"})},
			{releasing(&pb.ReleaseHold{Id: id + "-release", Hold: "hold", Amount: "1"})},
			{&pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: id + "-receipt", Hold: "hold"}}}},
			{&pb.Step{Step: &pb.Step_CashCheque{CashCheque: &pb.CashCheque{
				Id: id + "-cash", Cheque: "cheque", Hash: written.Results[1].Hash, Resource: "x", Amount: "1", Credit: "/account/b",
			}}}},
		}
	}
	for _, one := range steps("bob") {
		if _, err := opAs(bob, one...); err != nil {
			t.Errorf("bob: %v gives %v", one, err)
		}
	}
	m.Remove("/user/bob")
	other := m.Principal("/user/bob", "/role/other")
	for _, one := range steps("other") {
		if _, err := opAs(other, one...); !errors.Is(err, fault.NotFound) && !errors.Is(err, fault.Denied) {
			t.Errorf("another bob: %v gives %v, want a fault.not_found or fault.denied", one, err)
		}
	}
	wantFunds(t, m, "/account/b", "2.00 -0.00 +48.00")
}

// TestAuditOfHiddenAccounts: which account a hold is of does not come out by asking
// for one's own lines about the account.
func TestAuditOfHiddenAccounts(t *testing.T) {
	t.Parallel()
	m, mallory := newHidden(t)
	mustOp(m, holding(&pb.PlaceHold{Id: "secret", Debit: "/account/a", Credit: "/account/hidden/dollars", Amount: "1"}))
	stranger := m.Principal("/user/stranger", "/role/nobody")
	for _, client := range []*fsmtest.Client{mallory, stranger} {
		_, err := opAs(client, capturing(&pb.CaptureHold{Id: "try", Hold: "secret"}))
		if client == stranger && !errors.Is(err, fault.NotFound) {
			t.Errorf("a stranger to the hold gets %v, want a fault.not_found", err)
		}
	}
	for _, at := range []string{"/account/hidden/dollars", "/account/hidden/nothing"} {
		res, err := fsmtest.Ask(stranger, ledger.Audit, &pb.AuditRequest{Principal: "/user/stranger", Account: at})
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("the lines of oneself about %s: %v, %v; want a fault.not_found", at, res, err)
		}
	}
}

// TestFailuresOfStepsOnWhatTheOpMade: they are kept, though the hold is not there any
// more; one that a guard makes is not, for who has nothing to do with the step.
func TestFailuresOfStepsOnWhatTheOpMade(t *testing.T) {
	t.Parallel()
	m, mallory := newHidden(t)
	m.Clause("/account/bank", command.Read, "/role/mallory")
	m.Clause("/account/b", command.Spend, "/role/mallory")
	steps := []*pb.Step{
		holding(&pb.PlaceHold{Id: "hold", Debit: "/account/a", Credit: "/account/b", Amount: "5"}),
		capturing(&pb.CaptureHold{Id: "capture", Hold: "hold", Amount: "6"}),
	}
	_, err := opAs(mallory, steps...)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.Insufficient || f.Details["position"] != "1" {
		t.Errorf("the op gives %v, want a fault.insufficient at 1", err)
	}
	steps[0].GetHold().Amount = "7" // there would be enough
	_, err = opAs(mallory, steps...)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Details["position"] != "1" {
		t.Errorf("the op gives %v again, want that it is refused for what became of the capture", err)
	}
	theirs := transferring(of("theirs", "/account/bank", "/account/b", "1"))
	guard := guarding(&pb.Guard{Guard: &pb.Guard_Version{Version: &pb.VersionGuard{Account: "/account/bank", Version: 9999}}})
	if _, err := opAs(mallory, guard, theirs); !errors.Is(err, fault.Conflict) {
		t.Errorf("the guard gives %v, want a fault.conflict", err)
	}
	mustOp(m, theirs)
}
