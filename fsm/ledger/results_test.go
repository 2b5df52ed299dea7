package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// result is a row of the table of results in docs/api.md.
type result struct{ kind, cause, details, kept string }

// resultsOf reads the table.
func resultsOf(t *testing.T) (rows []result) {
	t.Helper()
	document, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n## Results of the ledger\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, result{strings.Trim(cells[1], "`"), cells[2], strings.ReplaceAll(cells[3], "`", ""), cells[4]})
	}
	if len(rows) < 50 {
		t.Fatalf("the table of results has %d rows", len(rows))
	}
	return rows
}

// reached is how a result of the table is reached. What it gives does it, and again
// when it is called again: it gives the result, or a fault.
type reached struct {
	kind, cause string
	try         func(e *estate) func() (string, error)
}

// TestResults: every row of the table of results in docs/api.md is reached, with the
// details that it says, and what it says is kept is; and nothing is reached that is
// in no row.
func TestResults(t *testing.T) {
	t.Parallel()
	rows := resultsOf(t)
	cases := slices.Concat(madeResults, invalidResults, stateInvalidResults, unseenResults, idResults, conflictResults, commandResults, shortResults, fullResults)
	known := make(map[string]bool)
	for _, c := range cases {
		name := c.kind + ": " + c.cause
		if known[name] {
			t.Errorf("%s: there are two cases", name)
		}
		known[name] = true
		at := slices.IndexFunc(rows, func(r result) bool { return r.kind == c.kind && r.cause == c.cause })
		if at < 0 {
			t.Errorf("%s: docs/api.md has no such row", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.wants(t, rows[at])
		})
	}
	for _, r := range rows {
		if !known[r.kind+": "+r.cause] {
			t.Errorf("%s: %s: docs/api.md has a row and there is no case", r.kind, r.cause)
		}
	}
}

func (c *reached) wants(t *testing.T, want result) {
	e := newEstate(t)
	try := c.try(e)
	hash := e.Hash()
	got, err := try()
	f := c.compare(t, want, got, err, "failed_index")
	if f == nil {
		return
	}
	if kept := f.Details["kept_as"] != ""; kept != (want.kept == "yes") {
		t.Errorf("it says that it is kept: %t, and kept it is: %s", kept, want.kept)
	}
	if e.Hash() != hash {
		t.Error("it changed the state hash")
	}
	index := fmt.Sprint(e.Position().Index)
	e.Wait(1e9)
	got, err = try()
	// The position is that of the id under which it is kept.
	switch again := c.compare(t, want, got, err, "failed_index", "position"); {
	case again == nil:
	case want.kept == "yes" && again.Details["failed_index"] != index:
		t.Errorf("again it says that it failed at %q, want %s", again.Details["failed_index"], index)
	case want.kept == "no" && again.Details["failed_index"] != f.Details["failed_index"]:
		t.Errorf("it is kept: %+v", again)
	}
}

// compare wants the kind and the details of the row, but for some.
func (c *reached) compare(t *testing.T, want result, got string, err error, but ...string) *fault.Fault {
	t.Helper()
	if err == nil {
		if got != want.kind {
			t.Fatalf("it gives %s, want %s", got, want.kind)
		}
		return nil
	}
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || string(f.Kind) != want.kind {
		t.Fatalf("it gives %v (%s), want %s", err, fault.KindOf(err), want.kind)
	}
	other := func(key string) bool { return key == "" || key == "kept_as" || slices.Contains(but, key) }
	keys := slices.DeleteFunc(f.DetailKeys(), other)
	if wanted := slices.DeleteFunc(strings.Split(want.details, ", "), other); !slices.Equal(keys, wanted) {
		t.Errorf("%v has the details %q, want %q", err, keys, wanted)
	}
	return f
}

// byOp gives a case of an op of the operator.
func byOp(kind, cause string, steps func(e *estate) []*pb.Step) reached {
	return byOpAs(kind, cause, func(e *estate) (*fsmtest.Client, []*pb.Step) { return e.Operator, steps(e) })
}

// byStep is byOp for one step.
func byStep(kind, cause string, step func(e *estate) *pb.Step) reached {
	return byOp(kind, cause, func(e *estate) []*pb.Step { return []*pb.Step{step(e)} })
}

func byOpAs(kind, cause string, op func(e *estate) (*fsmtest.Client, []*pb.Step)) reached {
	return reached{kind, cause, func(e *estate) func() (string, error) {
		by, steps := op(e)
		return func() (string, error) {
			res, err := opAs(by, steps...)
			if err == nil && res.Results[0].Existing {
				return "existing", nil
			}
			return "made", err
		}
	}}
}

// byCall gives a case of another command.
func byCall(kind, cause string, call func(e *estate) func() error) reached {
	return reached{kind, cause, func(e *estate) func() (string, error) {
		do := call(e)
		return func() (string, error) { return "made", do() }
	}}
}

// paidHold gives a hold of which so many payments were captured.
func (e *estate) paidHold(payments int) string {
	hold := e.hold("50")
	var steps []*pb.Step
	for range payments {
		steps = append(steps, capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "0.000001"}))
	}
	e.must(e.bob, steps...)
	return hold
}

func paying(amount string) *pb.Step { return transferring(of("new", payer, payee, amount)) }

// change gives a transfer with what is changed of it.
func changed(change func(*pb.Transfer)) *pb.Step {
	s := of("new", payer, payee, "1")
	change(s)
	return transferring(s)
}

var madeResults = []reached{
	{"made", "nothing is in the way", func(e *estate) func() (string, error) {
		return func() (string, error) {
			_, err := opAs(e.alice, transferring(of(e.id(), payer, payee, "1")))
			return "made", err
		}
	}},
	byOp("existing", "the id stands with the same body: the answer is that of the first time, and guards are not asked", func(e *estate) []*pb.Step {
		steps := []*pb.Step{paying("60"), atLeast(payer, "40")}
		e.must(e.Operator, steps...)
		e.pay(payer, payee, "40")
		return steps
	}),
	{"failed", "a chain of a list with `chains` that is not made, while others are", func(e *estate) func() (string, error) {
		return func() (string, error) {
			res, err := fsmtest.Do(e.alice, ledger.Transfer, &pb.TransferRequest{Chains: true, Transfers: []*pb.Transfer{
				of("one", payer, payee, "1000"), of("two", payer, payee, "1"),
			}})
			if err == nil && len(res.Failed) == 1 && res.Failed[0].Kind == "insufficient" && int(res.Created)+len(res.Existing) == 1 {
				return "failed", nil
			}
			return "made", err
		}
	}},
}

var invalidResults = []reached{
	byCall("invalid", "the list is empty or too long", func(e *estate) func() error {
		return func() error {
			if _, err := op(e.Machine); err == nil {
				return err
			}
			_, err := op(e.Machine, make([]*pb.Step, ledger.MaxSteps+1)...)
			return err
		}
	}),
	byStep("invalid", "the step is none of those of the API", func(*estate) *pb.Step { return &pb.Step{} }),
	byStep("invalid", "an id is malformed", func(*estate) *pb.Step { return changed(func(s *pb.Transfer) { s.Id = "a b" }) }),
	byOp("invalid", "an id is given twice in the list", func(*estate) []*pb.Step { return []*pb.Step{paying("1"), paying("1")} }),
	byStep("invalid", "a path names no account", func(*estate) *pb.Step { return changed(func(s *pb.Transfer) { s.Debit = "/user/alice" }) }),
	byStep("invalid", "a path names no principal", func(*estate) *pb.Step {
		return holding(&pb.PlaceHold{Id: "new", Debit: payer, Credit: payee, Amount: "1", Delegate: "/account/x"})
	}),
	byStep("invalid", "an amount is malformed", func(*estate) *pb.Step { return paying("1,5") }),
	byStep("invalid", "an amount is nothing and must be more", func(*estate) *pb.Step {
		return holding(&pb.PlaceHold{Id: "new", Debit: payer, Credit: payee, Amount: "0"})
	}),
	byStep("invalid", "a text is missing, too long, or has control characters", func(*estate) *pb.Step {
		return changed(func(s *pb.Transfer) { s.Description = "\x1b" })
	}),
	byStep("invalid", "fields exclude each other, or one of several is missing", func(*estate) *pb.Step {
		return changed(func(s *pb.Transfer) { s.Shares = []*pb.Share{{Credit: payee, Weight: 1}} })
	}),
	byStep("invalid", "a list in a step is too long", func(*estate) *pb.Step {
		return changed(func(s *pb.Transfer) { s.ThenDebit = make([]string, ledger.MaxSources+1) })
	}),
	byStep("invalid", "a number is over its limit", func(*estate) *pb.Step {
		return holding(&pb.PlaceHold{Id: "new", Debit: payer, Credit: payee, Amount: "1", LifetimeSeconds: 1 << 40})
	}),
	byStep("invalid", "a time is before 1970", func(*estate) *pb.Step { return changed(func(s *pb.Transfer) { s.EffectiveUnixNanos = -1 }) }),
	byStep("invalid", "a hash is none", func(*estate) *pb.Step {
		return cashing(&pb.CashCheque{Id: "new", Cheque: "c", Hash: "0", Resource: "x", Amount: "1", Credit: payee})
	}),
	byStep("invalid", "a rate has a part of 0", func(*estate) *pb.Step { return swapping("1", 1, 0) }),
}

// swapping exchanges an amount of the payer's for COIN, which have no digits.
func swapping(amount string, numerator, denominator uint64) *pb.Step {
	return exchanging(&pb.Exchange{
		Id: "new", Debit: payer, BrokerCredit: bank, BrokerDebit: "/account/coins", Credit: "/account/purse", Amount: amount,
		RateNumerator: numerator, RateDenominator: denominator,
	})
}

// coins opens the accounts that swapping needs.
func (e *estate) coins() {
	e.t.Helper()
	fsmtest.Must(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "COIN"})
	open(e.Machine, "/account/coins", "COIN", ledger.Unlimited, "")
	open(e.Machine, "/account/purse", "COIN", "", "")
}

var stateInvalidResults = []reached{
	byStep("invalid", "more digits than the asset has", func(*estate) *pb.Step { return paying("1.0000001") }),
	byStep("invalid", "one account on both sides, or twice on one", func(*estate) *pb.Step { return changed(func(s *pb.Transfer) { s.Credit = payer }) }),
	byStep("invalid", "accounts of different assets, or not of the one that is named", func(*estate) *pb.Step {
		return changed(func(s *pb.Transfer) { s.Asset = "USD" })
	}),
	byOp("invalid", "the steps come to more than 10,000 entries", func(e *estate) (steps []*pb.Step) {
		shares := make([]*pb.Share, ledger.MaxShares)
		for i := range shares {
			shares[i] = &pb.Share{Credit: fmt.Sprint("/account/share/", i), Weight: 1}
		}
		for range ledger.MaxEntries/ledger.MaxShares + 1 {
			steps = append(steps, transferring(&pb.Transfer{Id: e.id(), Debit: payer, Amount: "1", Shares: shares}))
		}
		return steps
	}),
	byStep("invalid", "shares do not make up the amount", func(*estate) *pb.Step {
		return changed(func(s *pb.Transfer) { s.Credit, s.Shares = "", []*pb.Share{{Credit: payee, Amount: "0.5"}} })
	}),
	byStep("invalid", "what is exchanged is less than the least amount of the other asset, or overflows", func(e *estate) *pb.Step {
		e.coins()
		return swapping("0.000001", 1, 1)
	}),
	byStep("invalid", "a document of another type than the step is for", func(e *estate) *pb.Step {
		c := e.write()
		return payingInvoice(&pb.PayInvoice{Id: "new", Invoice: c.id, Hash: c.hash, Debit: payer})
	}),
	byStep("invalid", "a step that cannot be refunded, or of which it is not said which amount", func(e *estate) *pb.Step {
		back := e.id()
		e.must(e.bob, refunding(&pb.Refund{Id: back, Of: e.pay(payer, payee, "5")}))
		return refunding(&pb.Refund{Id: "new", Of: back})
	}),
	byCall("invalid", "an asset, an account, a limit or a period is malformed", func(e *estate) func() error {
		return func() error {
			for _, err := range []error{
				errorOf(fsmtest.Do(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "usd"})),
				errorOf(fsmtest.Do(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/x", Asset: "CREDIT", Kind: "odd"})),
				errorOf(fsmtest.Do(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, Overdraft: ptr("-1")})),
			} {
				if !errors.Is(err, fault.Invalid) {
					return fmt.Errorf("one of them gives %w", err)
				}
			}
			return errorOf(fsmtest.Do(e.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{}))
		}
	}),
}

func errorOf[T any](_ T, err error) error { return err }

var unseenResults = []reached{
	byStep("not_found", "an account is not there, or the caller may not View it", func(*estate) *pb.Step {
		return changed(func(s *pb.Transfer) { s.Credit = "/account/none" })
	}),
	byStep("not_found", "a recipient or delegate is not there, or the caller may not View it", func(*estate) *pb.Step {
		return holding(&pb.PlaceHold{Id: "new", Debit: payer, Credit: payee, Amount: "1", Delegate: "/user/none"})
	}),
	byStep("not_found", "a hold is not there, or the caller has no part in it", func(*estate) *pb.Step {
		return releasing(&pb.ReleaseHold{Id: "new", Hold: "none"})
	}),
	byStep("not_found", "a document is not there, or the caller has no part in it", func(*estate) *pb.Step { return cancelling("new", "none") }),
	byStep("not_found", "a step to refund is not there, or the caller has no part in it", func(*estate) *pb.Step {
		return refunding(&pb.Refund{Id: "new", Of: "none"})
	}),
	byCall("not_found", "an asset is not there", func(e *estate) func() error {
		return func() error {
			return errorOf(fsmtest.Do(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/x", Asset: "NONE"}))
		}
	}),
	byCall("not_found", "the account to change is not there", func(e *estate) func() error {
		return func() error { return closing(e.Machine, "/account/none") }
	}),
	byCall("exists", "an asset of the code", func(e *estate) func() error {
		return func() error {
			return errorOf(fsmtest.Do(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "CREDIT"}))
		}
	}),
	byCall("exists", "an account, or another node, at the path", func(e *estate) func() error {
		e.Leaf("/account/leaf")
		return func() error {
			if err := errorOf(fsmtest.Do(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: payer, Asset: "CREDIT"})); !errors.Is(err, fault.Exists) {
				return err
			}
			return errorOf(fsmtest.Do(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/leaf", Asset: "CREDIT"}))
		}
	}),
	byOpAs("denied", "the caller may View an account, and may not do to it what the step needs", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		return e.mallory, []*pb.Step{paying("1")}
	}),
	byCall("denied", "the caller may not do to an account what the call needs", func(e *estate) func() error {
		return func() error {
			return errorOf(fsmtest.Do(e.mallory, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, Frozen: ptr(true)}))
		}
	}),
	byOpAs("denied", "a cheque is for another", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		return e.alice, []*pb.Step{e.write().cash()}
	}),
	byOpAs("denied", "a document names the caller, who may not View the account", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		c := e.write()
		e.Clause(payer, command.View, "/role/payer")
		return e.bob, []*pb.Step{cancelling("new", c.id)}
	}),
	byOpAs("denied", "what is to be refunded is another's to give back", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		return e.alice, []*pb.Step{refunding(&pb.Refund{Id: "new", Of: e.pay(payer, payee, "5")})}
	}),
}

var idResults = []reached{
	byStep("conflict", "the id was used for another step", func(e *estate) *pb.Step {
		e.must(e.Operator, paying("1"))
		return paying("2")
	}),
	byStep("conflict", "the id of what failed, with another body", func(e *estate) *pb.Step {
		e.refused(e.Operator, fault.Insufficient, "", paying("1000"))
		return paying("2")
	}),
	byOpAs("conflict", "the id of an op was used, and the caller has nothing to do with what its step names", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		e.must(e.Operator, paying("1"))
		return e.mallory, []*pb.Step{paying("1")}
	}),
	byOp("conflict", "some steps of the op stand, and others do not", func(e *estate) []*pb.Step {
		e.must(e.Operator, paying("1"))
		return []*pb.Step{paying("1"), transferring(of("other", payer, payee, "1"))}
	}),
}

var conflictResults = []reached{
	byStep("conflict", "an account is frozen or closed", func(e *estate) *pb.Step {
		freeze(e.Machine, payer)
		return paying("1")
	}),
	byStep("conflict", "an account is gone", func(e *estate) *pb.Step {
		fsmtest.Must(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/brief", Asset: "CREDIT", Kind: "ephemeral"})
		paid := e.pay(payer, "/account/brief", "1")
		e.pay("/account/brief", payee, "1")
		return refunding(&pb.Refund{Id: "new", Of: paid})
	}),
	byStep("conflict", "a hold is closed", func(e *estate) *pb.Step {
		hold := e.hold("1")
		e.must(e.bob, releasing(&pb.ReleaseHold{Id: e.id(), Hold: hold}))
		return capturing(&pb.CaptureHold{Id: "new", Hold: hold})
	}),
	byOpAs("conflict", "a document is in no state for the step", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		c := e.write()
		e.must(e.alice, cancelling(e.id(), c.id))
		return e.bob, []*pb.Step{c.cash()}
	}),
	byOpAs("conflict", "the hash is not that of the document", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		return e.bob, []*pb.Step{e.write().cash(func(s *pb.CashCheque) { s.Hash = strings.Repeat("0", 64) })}
	}),
	byOpAs("conflict", "the resource is not that of the cheque", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		return e.bob, []*pb.Step{e.write().cash(func(s *pb.CashCheque) { s.Resource = "job 2" })}
	}),
	byOpAs("conflict", "a cheque bounces: who wrote it may not Spend any more, has gone or has another name", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		c := e.write()
		e.Remove("/user/alice")
		return e.bob, []*pb.Step{c.cash()}
	}),
	byStep("conflict", "an invoice is to be void of which something was paid or credited", func(e *estate) *pb.Step {
		invoice, hash := e.invoice("10")
		e.must(e.Operator, payingInvoice(&pb.PayInvoice{Id: e.id(), Invoice: invoice, Hash: hash, Debit: payer, Amount: "1"}))
		return voiding(&pb.VoidInvoice{Id: "new", Invoice: invoice})
	}),
	byOp("conflict", "a guard of an account does not hold", func(e *estate) []*pb.Step { return []*pb.Step{atLeast(payer, "101"), paying("1")} }),
	byOp("conflict", "a guard of a document or hold does not hold", func(e *estate) []*pb.Step {
		return []*pb.Step{inState(e.hold("1"), "captured"), paying("1")}
	}),
	byOp("conflict", "a guard of the time does not hold", func(e *estate) []*pb.Step {
		late := &pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: e.Position().Time}}
		return []*pb.Step{guarding(late), paying("1")}
	}),
	byStep("conflict", "an effective time is after the log time, or in a closed period", func(e *estate) *pb.Step {
		fsmtest.Must(e.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: e.Position().Time})
		return changed(func(s *pb.Transfer) { s.EffectiveUnixNanos = e.Position().Time - 1e9 })
	}),
	byStep("conflict", "an expiry is not after the log time, or more than ten years after it", func(e *estate) *pb.Step {
		return holding(&pb.PlaceHold{Id: "new", Debit: payer, Credit: payee, Amount: "1", ExpiresUnixNanos: e.Position().Time})
	}),
	byStep("conflict", "an expiry is not after the one before", func(e *estate) *pb.Step {
		hold := e.hold("1")
		return extending(&pb.ExtendHold{Id: "new", Hold: hold, ExpiresUnixNanos: e.holdOf(hold).ExpiresUnixNanos})
	}),
	byOpAs("conflict", "a hold that came of a cheque is to be extended", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		hold := e.id()
		e.must(e.bob, e.write().cash(func(s *pb.CashCheque) { s.Id, s.Hold = hold, true }))
		return e.alice, []*pb.Step{extending(&pb.ExtendHold{Id: "new", Hold: hold, Amount: "1"})}
	}),
	byStep("conflict", "a transient account is left with something in it", func(e *estate) *pb.Step {
		fsmtest.Must(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/through", Asset: "CREDIT", Kind: "transient"})
		return changed(func(s *pb.Transfer) { s.Credit = "/account/through" })
	}),
}

// invoice issues one to be paid, and gives its id and hash.
func (e *estate) invoice(amount string) (id, hash string) {
	e.t.Helper()
	id = e.id()
	results := e.must(e.Operator, invoicing(&pb.IssueInvoice{
		Id: id, Receivable: bank, Revenue: payee, Lines: []*pb.InvoiceLine{{Description: "all", Amount: amount}},
	}))
	return id, results[0].Hash
}

var commandResults = []reached{
	byCall("conflict", "the account has another version", func(e *estate) func() error {
		return func() error { return change(e.Machine, &pb.ChangeAccountRequest{Path: payer, IfVersion: 77}) }
	}),
	byCall("conflict", "a limit is below what is used of it", func(e *estate) func() error {
		return func() error { return change(e.Machine, &pb.ChangeAccountRequest{Path: payer, Ceiling: ptr("99")}) }
	}),
	byCall("conflict", "the account to change or close is closed, or not empty", func(e *estate) func() error {
		open(e.Machine, "/account/shut", "CREDIT", "", "")
		if err := closing(e.Machine, "/account/shut"); err != nil {
			e.t.Fatal(err)
		}
		return func() error {
			for _, err := range []error{closing(e.Machine, payer), closing(e.Machine, "/account/shut")} {
				if !errors.Is(err, fault.Conflict) {
					return err
				}
			}
			return change(e.Machine, &pb.ChangeAccountRequest{Path: "/account/shut", Frozen: ptr(true)})
		}
	}),
	byCall("conflict", "a period ends in a closed one, or after the log time", func(e *estate) func() error {
		end := func(nanos int64) error {
			return errorOf(fsmtest.Do(e.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: nanos}))
		}
		if err := end(5); err != nil {
			e.t.Fatal(err)
		}
		return func() error {
			if err := end(e.Position().Time + 1e12); !errors.Is(err, fault.Conflict) {
				return err
			}
			return end(5)
		}
	}),
}

var shortResults = []reached{
	byStep("insufficient", "an account has not enough", func(*estate) *pb.Step { return paying("100.000001") }),
	byStep("insufficient", "an account may not spend so much today", func(e *estate) *pb.Step {
		fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, DailyLimit: ptr("5")})
		return paying("6")
	}),
	byStep("insufficient", "several accounts have not enough together", func(*estate) *pb.Step {
		return transferring(&pb.Transfer{Id: "new", Debit: payer, ThenDebit: []string{payee}, Credit: bank, Amount: "101"})
	}),
	byStep("insufficient", "an account has no room below its ceiling", func(e *estate) *pb.Step {
		fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payee, Ceiling: ptr("5")})
		return paying("6")
	}),
	byStep("insufficient", "less remains of a hold", func(e *estate) *pb.Step {
		return capturing(&pb.CaptureHold{Id: "new", Hold: e.hold("5"), Amount: "6"})
	}),
	byOpAs("insufficient", "less is left of a cheque", func(e *estate) (*fsmtest.Client, []*pb.Step) {
		return e.bob, []*pb.Step{e.write().cash(amountOf("51"))}
	}),
	byStep("insufficient", "less is open of an invoice", func(e *estate) *pb.Step {
		invoice, hash := e.invoice("10")
		return payingInvoice(&pb.PayInvoice{Id: "new", Invoice: invoice, Hash: hash, Debit: payer, Amount: "11"})
	}),
	byStep("insufficient", "less is left to refund", func(e *estate) *pb.Step {
		return refunding(&pb.Refund{Id: "new", Of: e.pay(payer, payee, "5"), Amount: "6"})
	}),
}

// big opens four accounts of BIG, which has no digits after the point.
func (e *estate) big() {
	e.t.Helper()
	fsmtest.Must(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "BIG"})
	for _, path := range []string{"/account/big1", "/account/big2", "/account/big3", "/account/big4"} {
		open(e.Machine, path, "BIG", ledger.Unlimited, "")
	}
}

// full is big when the first has paid the second all that a counter holds.
func (e *estate) full() (debit, credit string) {
	e.t.Helper()
	e.big()
	e.pay("/account/big1", "/account/big2", maxAmount)
	return "/account/big1", "/account/big2"
}

var fullResults = []reached{
	byStep("exhausted", "a counter of an account is full", func(e *estate) *pb.Step {
		debit, credit := e.full()
		return transferring(of("new", debit, credit, "1"))
	}),
	byStep("exhausted", "all that a hold ever reserved is more than a counter holds", func(e *estate) *pb.Step {
		_, debit := e.full()
		hold := e.id()
		e.must(e.Operator, holding(&pb.PlaceHold{Id: hold, Debit: debit, Credit: "/account/big3", Amount: maxAmount}),
			releasing(&pb.ReleaseHold{Id: e.id(), Hold: hold, Amount: "5"}))
		return extending(&pb.ExtendHold{Id: "new", Hold: hold, Amount: "1"})
	}),
	byStep("exhausted", "a receipt of a hold that paid more than 100 times", func(e *estate) *pb.Step {
		return receipting("new", e.paidHold(ledger.MaxReceiptEntries+1))
	}),
	byOp("exhausted", "the receipts of an op list more than 1000 payments", func(e *estate) (steps []*pb.Step) {
		hold := e.paidHold(ledger.MaxReceiptEntries)
		for range ledger.MaxOpReceiptEntries/ledger.MaxReceiptEntries + 1 {
			steps = append(steps, receipting(e.id(), hold))
		}
		return steps
	}),
	byStep("exhausted", "10,000 open holds reserve of an account", func(e *estate) *pb.Step {
		for range ledger.MaxOpenHolds / ledger.MaxSteps {
			var steps []*pb.Step
			for range ledger.MaxSteps {
				steps = append(steps, holding(&pb.PlaceHold{Id: e.id(), Debit: payer, Credit: payee, Amount: "0.000001"}))
			}
			e.must(e.alice, steps...)
		}
		return holding(&pb.PlaceHold{Id: "new", Debit: payer, Credit: payee, Amount: "1"})
	}),
	byCall("exhausted", "there are as many assets, periods or keys as there can be", func(e *estate) func() error {
		for i := range ledger.MaxAssets - 1 {
			fsmtest.Must(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: fmt.Sprint("A", i)})
		}
		return func() error {
			return errorOf(fsmtest.Do(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "MORE"}))
		}
	}),
}
