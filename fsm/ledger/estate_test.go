package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// estate is a payer with 100, a payee with nothing, and the people who may spend
// for them. Its asset has six digits after the point, as all values of Acquire.
type estate struct {
	*fsmtest.Machine
	t *testing.T
	// alice may Spend from and Read payer, bob payee. mallory may View and no more.
	alice, bob, mallory *fsmtest.Client
	made                int
}

const bank, payer, payee = "/account/bank", "/account/payer", "/account/payee"

func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{Machine: fsmtest.New(t), t: t}
	fsmtest.Must(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "CREDIT", Scale: 6})
	open(e.Machine, bank, "CREDIT", ledger.Unlimited, "")
	open(e.Machine, payer, "CREDIT", "", "")
	open(e.Machine, payee, "CREDIT", "", "")
	e.Clause("/", command.View)
	e.alice = e.owner("/user/alice", payer)
	e.bob = e.owner("/user/bob", payee)
	e.mallory = e.Principal("/user/mallory", "/role/nobody")
	e.pay(bank, payer, "100")
	return e
}

// owner gives a principal that alone may Spend from and Read the account.
func (e *estate) owner(principal, account path.Path) *fsmtest.Client {
	e.t.Helper()
	role := "/role/" + account[len("/account/"):]
	e.Clause(account, command.Spend, role)
	e.Clause(account, command.Read, role)
	return e.Principal(principal, role)
}

// id gives an id that nothing has.
func (e *estate) id() string {
	e.made++
	return fmt.Sprint("id-", e.made)
}

// pay moves an amount that must move, and gives the id of the transfer.
func (e *estate) pay(debit, credit, amount string) string {
	e.t.Helper()
	id := e.id()
	e.must(e.Operator, transferring(of(id, debit, credit, amount)))
	return id
}

// hold reserves an amount of the payer's for the payee.
func (e *estate) hold(amount string) string {
	e.t.Helper()
	id := e.id()
	e.must(e.alice, holding(&pb.PlaceHold{Id: id, Debit: payer, Credit: payee, Amount: amount}))
	return id
}

// must makes an op that is not refused.
func (e *estate) must(by *fsmtest.Client, steps ...*pb.Step) []*pb.StepResult {
	e.t.Helper()
	res, err := opAs(by, steps...)
	if err != nil {
		e.t.Fatalf("the op %v is refused: %v", steps, err)
	}
	return res.Results
}

// refused wants the op refused with the kind and a part of the message, and the
// state as it was.
func (e *estate) refused(by *fsmtest.Client, kind fault.Kind, says string, steps ...*pb.Step) {
	e.t.Helper()
	hash := e.Hash()
	_, err := opAs(by, steps...)
	if err == nil || !errors.Is(err, kind) || !strings.Contains(err.Error(), says) {
		e.t.Errorf("the op %v gives %v, want a fault.%s with %q", steps, err, kind, says)
	}
	if e.Hash() != hash {
		e.t.Errorf("the refused op %v changed the state", steps)
	}
}

// wants compares what accounts have: the balance, and what is pending to be paid
// and received, which Acquire calls liability and receivable.
func (e *estate) wants(accounts ...string) {
	e.t.Helper()
	for i := 0; i < len(accounts); i += 2 {
		b := balance(e.t, e.Machine, accounts[i])
		if got := fmt.Sprintf("%s %s %s", short(b.Balance), short(b.DebitsPending), short(b.CreditsPending)); got != accounts[i+1] {
			e.t.Errorf("%s has balance, liability, receivable %s, want %s", accounts[i], got, accounts[i+1])
		}
	}
}

// short drops the zeros at the end of an amount.
func short(amount string) string { return strings.TrimSuffix(strings.TrimRight(amount, "0"), ".") }

// holdOf gives a hold as the operator sees it.
func (e *estate) holdOf(id string) *pb.HoldResponse {
	e.t.Helper()
	h, err := fsmtest.Ask(e.Operator, ledger.Hold, &pb.HoldRequest{Id: id})
	if err != nil {
		e.t.Fatalf("hold %s: %v", id, err)
	}
	return h
}

// conserves wants debits to equal credits over all accounts, posted and pending.
func (e *estate) conserves() {
	e.t.Helper()
	res, err := fsmtest.Ask(e.Operator, ledger.TrialBalance, &pb.TrialBalanceRequest{})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, a := range res.Assets {
		if a.DebitsPosted != a.CreditsPosted || a.DebitsPending != a.CreditsPending {
			e.t.Fatalf("asset %s: debits %s and %s pending, credits %s and %s pending",
				a.Asset, a.DebitsPosted, a.DebitsPending, a.CreditsPosted, a.CreditsPending)
		}
	}
}
