package ledger_test

import (
	"strings"
	"testing"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func ptr[V any](v V) *V { return &v }

func change(m *fsmtest.Machine, req *pb.ChangeAccountRequest) error {
	_, err := fsmtest.Do(m.Operator, ledger.ChangeAccount, req)
	return err
}

func closing(m *fsmtest.Machine, path string) error {
	_, err := fsmtest.Do(m.Operator, ledger.CloseAccount, &pb.CloseAccountRequest{Path: path})
	return err
}

func TestLimitsAreNotSetBelowUse(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/c", "USD", "50", "500")
	pay(m, "1", "/account/c", "/account/b", "30")
	mustOp(m, holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/c", Amount: "100"}))
	for _, test := range []struct {
		req  *pb.ChangeAccountRequest
		want fault.Kind
	}{
		{&pb.ChangeAccountRequest{Path: "/account/c", Overdraft: ptr("29.99")}, fault.Conflict},
		{&pb.ChangeAccountRequest{Path: "/account/c", Overdraft: ptr("30")}, ""},
		{&pb.ChangeAccountRequest{Path: "/account/c", Ceiling: ptr("69.99")}, fault.Conflict},
		{&pb.ChangeAccountRequest{Path: "/account/c", Ceiling: ptr("70")}, ""},
		{&pb.ChangeAccountRequest{Path: "/account/c", Ceiling: ptr("")}, ""},
		{&pb.ChangeAccountRequest{Path: "/account/c", Overdraft: ptr(ledger.Unlimited)}, ""},
		{&pb.ChangeAccountRequest{Path: "/account/c", Overdraft: ptr("-1")}, fault.Invalid},
		{&pb.ChangeAccountRequest{Path: "/account/c", Owner: ptr("/role/x")}, fault.Invalid},
		{&pb.ChangeAccountRequest{Path: "/account/c", IfVersion: 1}, fault.Conflict},
		{&pb.ChangeAccountRequest{Path: "/account/none"}, fault.NotFound},
		{&pb.ChangeAccountRequest{Path: "/account/c", Metadata: []*pb.Metadatum{{Key: "A", Value: "x"}}}, fault.Invalid},
		{&pb.ChangeAccountRequest{Path: "/account/c", Metadata: []*pb.Metadatum{{Key: "a", Value: "x\x00"}}}, fault.Invalid},
	} {
		hash := m.Hash()
		wantKindOf(t, test.req.String(), change(m, test.req), test.want)
		if test.want != "" && m.Hash() != hash {
			t.Errorf("the refused change %v changed the state", test.req)
		}
	}
}

func TestFrozenAccount(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	mustOp(m, place("h", "60"), place("h2", "10"))
	wantKindOf(t, "freezing", change(m, &pb.ChangeAccountRequest{Path: "/account/b", Frozen: ptr(true)}), "")
	for _, step := range []*pb.Step{
		transferring(of("1", "/account/a", "/account/b", "1")), transferring(of("2", "/account/b", "/account/a", "0")), place("3", "1"),
		capturing(&pb.CaptureHold{Id: "4", Hold: "h"}), extending(&pb.ExtendHold{Id: "5", Hold: "h", Amount: "1"}),
		capturing(&pb.CaptureHold{Id: "6", Hold: "h", Shares: []*pb.Share{{Credit: "/account/bank", Weight: 1}}}),
	} {
		wantRefused(t, m, fault.Conflict, "0", step)
	}
	mustOp(m, releasing(&pb.ReleaseHold{Id: "r", Hold: "h"}))
	m.Wait(ledger.DefaultLifetime)
	mustOp(m, atLeast("/account/a", "100"))
	wantFunds(t, m, "/account/a", "100.00 -0.00 +0.00")
	wantKindOf(t, "thawing", change(m, &pb.ChangeAccountRequest{Path: "/account/b", Frozen: ptr(false)}), "")
	mustOp(m, transferring(of("7", "/account/a", "/account/b", "1")))
}

func TestClosedAccount(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	wantKindOf(t, "closing what is not empty", closing(m, "/account/a"), fault.Conflict)
	pay(m, "1", "/account/a", "/account/bank", "90")
	mustOp(m, place("h", "10"))
	wantKindOf(t, "closing what is reserved for", closing(m, "/account/b"), fault.Conflict)
	mustOp(m, capturing(&pb.CaptureHold{Id: "c", Hold: "h"}))
	wantKindOf(t, "closing", closing(m, "/account/a"), "")
	wantKindOf(t, "closing again", closing(m, "/account/a"), fault.Conflict)
	wantKindOf(t, "changing what is closed", change(m, &pb.ChangeAccountRequest{Path: "/account/a", Frozen: ptr(false)}), fault.Conflict)
	wantRefused(t, m, fault.Conflict, "0", transferring(of("2", "/account/bank", "/account/a", "1")))
	_, err := fsmtest.Do(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/a", Asset: "USD"})
	wantKindOf(t, "opening what is closed", err, fault.Exists)
}

// TestEphemeralAccount: it goes when it is empty, and what it did stays.
func TestEphemeralAccount(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	job := func() {
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
			Path: "/account/job/17", Asset: "USD", Kind: "ephemeral", Metadata: []*pb.Metadatum{{Key: "queue", Value: "long"}},
		})
	}
	job()
	mustOp(m, atLeast("/account/job/17", "0")) // it was not used yet
	pay(m, "1", "/account/a", "/account/job/17", "5")
	mustOp(m, transferring(of("2", "/account/job/17", "/account/b", "3")))
	mustOp(m, transferring(of("3", "/account/job/17", "/account/b", "2")))
	if _, err := fsmtest.Ask(m.Operator, ledger.Balance, &pb.BalanceRequest{Path: "/account/job/17"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the balance of what has gone gives %v", err)
	}
	m.View(func(v *command.Reading) {
		if n := tree.Find(v, "/account/job/17"); n != nil {
			t.Errorf("the node of the account is still there: %+v", n)
		}
	})
	if got, want := parts(t, m, "3"), "job/17>b 2.00"; got != want {
		t.Errorf("the transfer was %s, want %s", got, want)
	}
	// The id still answers, and the path is free for another.
	if res, err := transfer(m, of("3", "/account/job/17", "/account/b", "2")); err != nil || len(res.Existing) != 1 {
		t.Errorf("the transfer again gives %v, %v", res, err)
	}
	job()
	pay(m, "4", "/account/a", "/account/job/17", "5")
	wantFunds(t, m, "/account/job/17", "5.00 -0.00 +0.00")
	if got := trialBalance(t, m); !strings.Contains(got, "4 accounts 5 transfers") {
		t.Errorf("the trial balance is %s", got)
	}
}

// TestEphemeralAccountKeepsItsClauses: they hang on the path, which stays.
func TestEphemeralAccountKeepsItsClauses(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"})
	m.Clause("/account/job", command.View)
	pay(m, "1", "/account/a", "/account/job", "5")
	pay(m, "2", "/account/job", "/account/a", "5")
	if res, err := fsmtest.Ask(m.Operator, acl.List, &pb.ListRequest{Path: "/account"}); err != nil || !strings.Contains(res.String(), "job") {
		t.Errorf("the list of accounts is %v, %v", res, err)
	}
}

func TestTransientAccount(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/through", Asset: "USD", Kind: "transient"})
	wantRefused(t, m, fault.Conflict, "", transferring(of("1", "/account/a", "/account/through", "5")))
	wantRefused(t, m, fault.Conflict, "0", transferring(of("1", "/account/a", "/account/through", "5"))) // it is kept
	mustOp(m, transferring(of("2", "/account/a", "/account/through", "5")), transferring(of("3", "/account/through", "/account/b", "5")))
	wantFunds(t, m, "/account/through", "0.00 -0.00 +0.00")
}

// TestHoldOfWhatIsGone: a hold that has ended answers, though its payer has gone.
func TestHoldOfWhatIsGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"})
	pay(m, "1", "/account/a", "/account/job", "5")
	mustOp(m, holding(&pb.PlaceHold{Id: "h", Debit: "/account/job", Credit: "/account/b", Amount: "5"}))
	mustOp(m, capturing(&pb.CaptureHold{Id: "c", Hold: "h"}))
	for i, step := range []*pb.Step{
		capturing(&pb.CaptureHold{Id: "c2", Hold: "h", Amount: "1"}), releasing(&pb.ReleaseHold{Id: "r", Hold: "h"}),
		extending(&pb.ExtendHold{Id: "e", Hold: "h", Amount: "1"}),
	} {
		if i == 1 { // another account at the path
			fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/job", Asset: "EUR"})
		}
		wantRefused(t, m, fault.Conflict, "0", step)
	}
	wantHold(t, m, "h", "captured 5.00 5.00 0.00 0.00")
}
