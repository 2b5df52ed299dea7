package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// badInput is something that is refused, whoever asks, with what the message says.
type badInput struct {
	name string
	do   func() error
	kind fault.Kind
	says string
}

// badEstate is an estate with one of each thing that a step can be about: the holds
// "open" and "closed", the cheque "cheque", the invoices "invoice" and "paid", the
// transfers "split" and "back", which refunded "moved", and an account of EUR.
type badEstate struct {
	*estate
	cheque, invoice *pb.StepResult
}

func newBadEstate(t *testing.T) *badEstate {
	t.Helper()
	e := newEstate(t)
	e.Leaf("/user/operator")
	fsmtest.Must(e.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "EUR", Scale: 2})
	open(e.Machine, "/account/eur", "EUR", ledger.Unlimited, "")
	open(e.Machine, "/account/eur2", "EUR", "", "")
	lines := []*pb.InvoiceLine{{Description: "all", Amount: "10"}}
	results := e.must(e.Operator,
		holding(&pb.PlaceHold{Id: "open", Debit: payer, Credit: payee, Amount: "10"}),
		holding(&pb.PlaceHold{Id: "closed", Debit: payer, Credit: payee, Amount: "1"}),
		releasing(&pb.ReleaseHold{Id: "release", Hold: "closed"}),
		writing(&pb.WriteCheque{Id: "cheque", Account: payer, Recipient: "/user/operator", Resource: "job 1", Ceiling: "5"}),
		invoicing(&pb.IssueInvoice{Id: "invoice", Receivable: bank, Revenue: payee, Lines: lines}),
		invoicing(&pb.IssueInvoice{Id: "paid", Receivable: bank, Revenue: payee, Lines: lines}),
		transferring(of("moved", payer, payee, "2")), refunding(&pb.Refund{Id: "back", Of: "moved"}),
		transferring(&pb.Transfer{Id: "split", Debit: payer, Amount: "2", Shares: []*pb.Share{{Credit: payee, Weight: 1}, {Credit: bank, Weight: 1}}}),
	)
	e.must(e.Operator, payingInvoice(&pb.PayInvoice{Id: "payment", Invoice: "paid", Hash: results[5].Hash, Debit: payer}))
	return &badEstate{e, results[3], results[4]}
}

// check makes them all, and wants nothing changed by any.
func (e *badEstate) check(all []badInput) {
	e.t.Helper()
	for _, bad := range all {
		hash := e.Hash()
		err := bad.do()
		if err == nil || !errors.Is(err, bad.kind) || !strings.Contains(err.Error(), bad.says) {
			e.t.Errorf("%s: %v, want a fault.%s with %q", bad.name, err, bad.kind, bad.says)
		}
		if e.Hash() != hash {
			e.t.Errorf("%s: it changed the state", bad.name)
		}
		if err != nil && (len(err.Error()) > 600 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f })) {
			e.t.Errorf("%s: the message is not fit to be shown: %q", bad.name, err)
		}
	}
}

// step gives the making of a step that is good but for what spoil does to it.
func step[S any](e *badEstate, good func(id string) S, wrap func(S) *pb.Step, spoil func(S)) func() error {
	return func() error {
		s := good(e.id())
		spoil(s)
		return errorOf(op(e.Machine, wrap(s)))
	}
}

// wantGood wants the steps to be good when nothing spoils them, each in its own op.
func wantGood(t *testing.T, step func(e *badEstate) *pb.Step) {
	t.Helper()
	e := newBadEstate(t)
	e.must(e.Operator, step(e))
}

const (
	tooDeep   = "/account/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32"
	escape    = "a\x1b[31mb"
	notHash   = `hash "0": a hash is 64 of 0-9 and a-f`
	notScale  = "has 7 digits after the point, scale 6 allows 6"
	bothTimes = "expires_unix_nanos and lifetime_seconds are both given"
)

func TestBadTransferSteps(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	good := func(id string) *pb.Transfer { return of(id, payer, payee, "1") }
	wantGood(t, func(e *badEstate) *pb.Step { return transferring(good(e.id())) })
	bad := func(spoil func(*pb.Transfer)) func() error { return step(e, good, transferring, spoil) }
	sources := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint("/account/s", i))
		}
		return all
	}
	shares := func(all ...*pb.Share) func(*pb.Transfer) {
		return func(s *pb.Transfer) { s.Credit, s.Shares = "", all }
	}
	e.check([]badInput{
		{"nothing", func() error { return errorOf(op(e.Machine, transferring(&pb.Transfer{}))) }, fault.Invalid, `id ""`},
		{"no debit", bad(func(s *pb.Transfer) { s.Debit = "" }), fault.Invalid, `debit: path "" must begin with`},
		{"no credit", bad(func(s *pb.Transfer) { s.Credit = "" }), fault.Invalid, "credit: who is paid is missing"},
		{"credit and shares", bad(func(s *pb.Transfer) { s.Shares = []*pb.Share{{Credit: bank, Weight: 1}} }), fault.Invalid, "credit and shares are both given"},
		{"a deep path", bad(func(s *pb.Transfer) { s.Credit = tooDeep }), fault.Invalid, "has 33 segments, at most 32 are allowed"},
		{"17 more payers", bad(func(s *pb.Transfer) { s.ThenDebit = sources(17) }), fault.Invalid, "17 accounts in then_debit: there are at most 16"},
		{"a payer that is none", bad(func(s *pb.Transfer) { s.ThenDebit = []string{"/user/x"} }), fault.Invalid, "then_debit: an account is a path below /account"},
		{"a payer that is unknown", bad(func(s *pb.Transfer) { s.ThenDebit = []string{"/account/none"} }), fault.NotFound, "nothing at /account/none"},
		{"a payer twice", bad(func(s *pb.Transfer) { s.ThenDebit = []string{"am://account/payer/"} }), fault.Invalid, "account /account/payer is to pay twice"},
		{"a payer of another asset", bad(func(s *pb.Transfer) { s.ThenDebit = []string{"/account/eur"} }), fault.Invalid, "/account/eur holds EUR: a transfer stays in one asset"},
		{"a payee that pays", bad(func(s *pb.Transfer) { s.ThenDebit = []string{payee} }), fault.Invalid, "debit and credit are the same account, /account/payee"},
		{"65 shares", bad(shares(make([]*pb.Share, 65)...)), fault.Invalid, "65 shares: there are at most 64"},
		{"a share of nothing", bad(shares(&pb.Share{Credit: payee})), fault.Invalid, "share 0: it has an amount or a weight, one of them"},
		{"a share with both", bad(shares(&pb.Share{Credit: payee, Weight: 1, Amount: "1"})), fault.Invalid, "share 0: it has an amount or a weight"},
		{"a share of nobody", bad(shares(&pb.Share{Weight: 1})), fault.Invalid, `path "" must begin with`},
		{"a share twice", bad(shares(&pb.Share{Credit: payee, Weight: 1}, &pb.Share{Credit: payee, Weight: 1})), fault.Invalid, "shares: account /account/payee is given two"},
		{"a share of an unknown account", bad(shares(&pb.Share{Credit: "/account/none", Weight: 1})), fault.NotFound, "nothing at /account/none"},
		{"a negative share", bad(shares(&pb.Share{Credit: payee, Amount: "-1"})), fault.Invalid, "amounts are not negative"},
		{"shares that are less", bad(shares(&pb.Share{Credit: payee, Amount: "0.9"})), fault.Invalid, "the fixed shares are less than the amount, 1.000000 CREDIT"},
		{"shares that are more", bad(shares(&pb.Share{Credit: payee, Amount: "1.1"})), fault.Invalid, "the fixed shares are more than the amount, 1.000000 CREDIT"},
		{"up to, with a fixed share", bad(func(s *pb.Transfer) { shares(&pb.Share{Credit: payee, Amount: "1"})(s); s.UpTo = true }), fault.Invalid, "is parted by weight only"},
		{"an effective time before 1970", bad(func(s *pb.Transfer) { s.EffectiveUnixNanos = -1 }), fault.Invalid, "the effective time is before 1970"},
		{"an effective time to come", bad(func(s *pb.Transfer) { s.EffectiveUnixNanos = 1 << 62 }), fault.Conflict, "is after the log time"},
		{"a long description", bad(func(s *pb.Transfer) { s.Description = tooMuch }), fault.Invalid, "description of 257 bytes: it has 0 to 256"},
		{"an escape in a description", bad(func(s *pb.Transfer) { s.Description = escape }), fault.Invalid, `description "a\x1b[31mb" has a control character`},
		{"linked in an op", bad(func(s *pb.Transfer) { s.Linked = true }), fault.Invalid, "linked is for lists of chains"},
		{"another asset", bad(func(s *pb.Transfer) { s.Credit = "/account/eur" }), fault.Invalid, "a transfer stays in one asset"},
		{"no such asset", bad(func(s *pb.Transfer) { s.Asset = "XXX" }), fault.Invalid, `holds CREDIT, not "XXX"`},
		{"digits too many", bad(func(s *pb.Transfer) { s.Amount = "0.0000001" }), fault.Invalid, notScale},
		{"no amount", bad(func(s *pb.Transfer) { s.Amount = "" }), fault.Invalid, "amount is empty"},
		{"a sign", bad(func(s *pb.Transfer) { s.Amount = "+1" }), fault.Invalid, "must be digits 0-9"},
		{"linked without chains", func() error {
			return errorOf(transfer(e.Machine, &pb.Transfer{Id: e.id(), Debit: payer, Credit: payee, Amount: "1", Linked: true}))
		}, fault.Invalid, "linked is for lists of chains"},
		{"linked to nothing", func() error {
			return errorOf(fsmtest.Do(e.Operator, ledger.Transfer, &pb.TransferRequest{Chains: true, Transfers: []*pb.Transfer{
				{Id: e.id(), Debit: payer, Credit: payee, Amount: "1", Linked: true},
			}}))
		}, fault.Invalid, "it is linked to a next transfer, and there is none"},
	})
}

func TestBadOps(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	sends := func(steps ...*pb.Step) func() error { return func() error { return errorOf(op(e.Machine, steps...)) } }
	guards := func(g *pb.Guard) func() error {
		return func() error { return errorOf(op(e.Machine, guarding(g), transferring(of(e.id(), payer, payee, "1")))) }
	}
	funds := func(account, least string) func() error {
		return guards(&pb.Guard{Guard: &pb.Guard_Balance{Balance: &pb.BalanceGuard{Account: account, AtLeast: least}}})
	}
	version := func(account string, version uint64) func() error {
		return guards(&pb.Guard{Guard: &pb.Guard_Version{Version: &pb.VersionGuard{Account: account, Version: version}}})
	}
	document := func(name, state string) func() error {
		return guards(&pb.Guard{Guard: &pb.Guard_Document{Document: &pb.DocumentGuard{Document: name, State: state}}})
	}
	e.check([]badInput{
		{"no steps", sends(), fault.Invalid, "0 steps: an op has 1 to 1000"},
		{"1001 steps", sends(make([]*pb.Step, 1001)...), fault.Invalid, "1001 steps: an op has 1 to 1000"},
		{"a step that is none", sends(&pb.Step{}), fault.Invalid, "a step is one of those that the API names"},
		{"a step that is nothing", sends(&pb.Step{Step: &pb.Step_Transfer{}}), fault.Invalid, `id ""`},
		{"an id twice, of two kinds", sends(transferring(of("t", payer, payee, "1")), releasing(&pb.ReleaseHold{Id: "t", Hold: "open"})), fault.Invalid, `step 1 (release "t"): the id is given twice in the list`},
		{"a long id", sends(releasing(&pb.ReleaseHold{Id: strings.Repeat("x", 129), Hold: "open"})), fault.Invalid, "an id is 1 to 128 bytes"},
		{"an id of another kind", sends(releasing(&pb.ReleaseHold{Id: "moved", Hold: "open"})), fault.Conflict, "with another kind"},
		{"a guard of nothing", guards(&pb.Guard{}), fault.Invalid, "a guard is of a balance, a version, a document or a time"},
		{"a guard of an empty balance", guards(&pb.Guard{Guard: &pb.Guard_Balance{}}), fault.Invalid, `path "" must begin with`},
		{"a guard of an empty version", guards(&pb.Guard{Guard: &pb.Guard_Version{}}), fault.Invalid, `path "" must begin with`},
		{"a guard of an empty document", guards(&pb.Guard{Guard: &pb.Guard_Document{}}), fault.Invalid, `id ""`},
		{"a guard of no account", funds("/user/x", "1"), fault.Invalid, "an account is a path below /account"},
		{"a guard of an unknown account", funds("/account/none", "1"), fault.NotFound, "nothing at /account/none"},
		{"a guard of no amount", funds(payer, ""), fault.Invalid, "at_least: amount is empty"},
		{"a guard with two signs", funds(payer, "--1"), fault.Invalid, "at_least"},
		{"a guard with digits too many", funds(payer, "-0.0000001"), fault.Invalid, notScale},
		{"a guard of a balance", funds(payer, "1000"), fault.Conflict, "not at least 1000.000000"},
		{"a guard of a version", version(payer, 1000), fault.Conflict, "not 1000"},
		{"a guard of the version of an unknown account", version("/account/none", 1), fault.NotFound, "nothing at /account/none"},
		{"a guard of an unknown document", document("none", "open"), fault.NotFound, `no document "none"`},
		{"a guard of a state", document("cheque", "spent"), fault.Conflict, `document cheque is in the state open, not "spent"`},
		{"a guard of a state that is none", document("open", "elsewhere"), fault.Invalid, `state "elsewhere": it is one of open, captured, `},
		{"a guard of the version 0", version(payer, 0), fault.Invalid, "those of accounts begin at 1"},
		{"a guard of the time", guards(&pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: -5}}), fault.Conflict, "after 1969-12-31T23:59:59"},
	})
}

func TestBadHoldSteps(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	goodHold := func(id string) *pb.PlaceHold { return &pb.PlaceHold{Id: id, Debit: payer, Credit: payee, Amount: "1"} }
	goodCapture := func(id string) *pb.CaptureHold { return &pb.CaptureHold{Id: id, Hold: "open", Amount: "1"} }
	goodRelease := func(id string) *pb.ReleaseHold { return &pb.ReleaseHold{Id: id, Hold: "open", Amount: "1"} }
	goodExtend := func(id string) *pb.ExtendHold { return &pb.ExtendHold{Id: id, Hold: "open", Amount: "1"} }
	wantGood(t, func(e *badEstate) *pb.Step { return holding(goodHold(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return capturing(goodCapture(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return releasing(goodRelease(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return extending(goodExtend(e.id())) })
	hold := func(spoil func(*pb.PlaceHold)) func() error { return step(e, goodHold, holding, spoil) }
	capture := func(spoil func(*pb.CaptureHold)) func() error { return step(e, goodCapture, capturing, spoil) }
	release := func(spoil func(*pb.ReleaseHold)) func() error { return step(e, goodRelease, releasing, spoil) }
	extend := func(spoil func(*pb.ExtendHold)) func() error { return step(e, goodExtend, extending, spoil) }
	e.check([]badInput{
		{"hold: no payer", hold(func(s *pb.PlaceHold) { s.Debit = "" }), fault.Invalid, `path "" must begin with`},
		{"hold: no payee", hold(func(s *pb.PlaceHold) { s.Credit = "" }), fault.Invalid, `path "" must begin with`},
		{"hold: an unknown payer", hold(func(s *pb.PlaceHold) { s.Debit = "/account/none" }), fault.NotFound, "nothing at /account/none"},
		{"hold: an unknown payee", hold(func(s *pb.PlaceHold) { s.Credit = "/account/none" }), fault.NotFound, "credit: nothing at /account/none"},
		{"hold: for itself", hold(func(s *pb.PlaceHold) { s.Credit = payer }), fault.Invalid, "the same account, /account/payer"},
		{"hold: for another asset", hold(func(s *pb.PlaceHold) { s.Credit = "/account/eur" }), fault.Invalid, "stays in one asset"},
		{"hold: of nothing", hold(func(s *pb.PlaceHold) { s.Amount = "0.0" }), fault.Invalid, "is nothing, it must be more"},
		{"hold: no amount", hold(func(s *pb.PlaceHold) { s.Amount = "" }), fault.Invalid, "amount is empty"},
		{"hold: negative", hold(func(s *pb.PlaceHold) { s.Amount = "-1" }), fault.Invalid, "amounts are not negative"},
		{"hold: digits too many", hold(func(s *pb.PlaceHold) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"hold: two expiries", hold(func(s *pb.PlaceHold) { s.ExpiresUnixNanos, s.LifetimeSeconds = 1<<62, 5 }), fault.Invalid, bothTimes},
		{"hold: an expiry before 1970", hold(func(s *pb.PlaceHold) { s.ExpiresUnixNanos = -1 }), fault.Invalid, "the expiry is before 1970"},
		{"hold: an expiry that is over", hold(func(s *pb.PlaceHold) { s.ExpiresUnixNanos = 1 }), fault.Conflict, "is not after the log time"},
		{"hold: an expiry too far", hold(func(s *pb.PlaceHold) { s.ExpiresUnixNanos = 1<<63 - 1 }), fault.Conflict, "more than ten years after the log time"},
		{"hold: a lifetime too long", hold(func(s *pb.PlaceHold) { s.LifetimeSeconds = 1<<64 - 1 }), fault.Invalid, "lifetime of 18446744073709551615 seconds: it has at most 315619200, ten years"},
		{"hold: a delegate that is none", hold(func(s *pb.PlaceHold) { s.Delegate = "/account/x" }), fault.Invalid, "delegate: "},
		{"hold: a description", hold(func(s *pb.PlaceHold) { s.Description = tooMuch }), fault.Invalid, "description of 257 bytes"},

		{"capture: of no hold", capture(func(s *pb.CaptureHold) { s.Hold = "" }), fault.Invalid, `hold: id ""`},
		{"capture: of an unknown hold", capture(func(s *pb.CaptureHold) { s.Hold = "none" }), fault.NotFound, `no hold "none"`},
		{"capture: of a step that is no hold", capture(func(s *pb.CaptureHold) { s.Hold = "moved" }), fault.NotFound, `no hold "moved"`},
		{"capture: of a closed hold", capture(func(s *pb.CaptureHold) { s.Hold = "closed" }), fault.Conflict, "hold closed is closed: released"},
		{"capture: digits too many", capture(func(s *pb.CaptureHold) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"capture: negative", capture(func(s *pb.CaptureHold) { s.Amount = "-1" }), fault.Invalid, "amounts are not negative"},
		{"capture: too much", capture(func(s *pb.CaptureHold) { s.Amount = "11" }), fault.Insufficient, "10.000000 CREDIT remain, 11.000000 is asked for"},
		{"capture: 65 shares", capture(func(s *pb.CaptureHold) { s.Shares = make([]*pb.Share, 65) }), fault.Invalid, "65 shares"},
		{"capture: a share of nothing", capture(func(s *pb.CaptureHold) { s.Shares = []*pb.Share{{Credit: bank}} }), fault.Invalid, "share 0: it has an amount or a weight"},
		{"capture: shares that are less", capture(func(s *pb.CaptureHold) { s.Shares = []*pb.Share{{Credit: bank, Amount: "0.5"}} }), fault.Invalid, "the fixed shares are less"},
		{"capture: a fixed share of what remains", capture(func(s *pb.CaptureHold) { s.Amount, s.Shares = "", []*pb.Share{{Credit: bank, Amount: "1"}} }), fault.Invalid, "all that remains is parted by weight only"},
		{"capture: a share of another asset", capture(func(s *pb.CaptureHold) { s.Shares = []*pb.Share{{Credit: "/account/eur", Weight: 1}} }), fault.Invalid, "stays in one asset"},
		{"capture: a share of the payer", capture(func(s *pb.CaptureHold) { s.Shares = []*pb.Share{{Credit: payer, Weight: 1}} }), fault.Invalid, "the same account"},
		{"capture: a time to come", capture(func(s *pb.CaptureHold) { s.EffectiveUnixNanos = 1 << 62 }), fault.Conflict, "is after the log time"},
		{"capture: a time before 1970", capture(func(s *pb.CaptureHold) { s.EffectiveUnixNanos = -1 }), fault.Invalid, "before 1970"},
		{"capture: a description", capture(func(s *pb.CaptureHold) { s.Description = escape }), fault.Invalid, "control character"},

		{"release: of no hold", release(func(s *pb.ReleaseHold) { s.Hold = "a b" }), fault.Invalid, `hold: id "a b"`},
		{"release: of an unknown hold", release(func(s *pb.ReleaseHold) { s.Hold = "none" }), fault.NotFound, `no hold "none"`},
		{"release: of a closed hold", release(func(s *pb.ReleaseHold) { s.Hold = "closed" }), fault.Conflict, "is closed: released"},
		{"release: too much", release(func(s *pb.ReleaseHold) { s.Amount = "10.000001" }), fault.Insufficient, "10.000000 CREDIT remain"},
		{"release: digits too many", release(func(s *pb.ReleaseHold) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"release: no number", release(func(s *pb.ReleaseHold) { s.Amount = "all" }), fault.Invalid, "must be digits 0-9"},

		{"extend: of no hold", extend(func(s *pb.ExtendHold) { s.Hold = "" }), fault.Invalid, `hold: id ""`},
		{"extend: of an unknown hold", extend(func(s *pb.ExtendHold) { s.Hold = "none" }), fault.NotFound, `no hold "none"`},
		{"extend: of a closed hold", extend(func(s *pb.ExtendHold) { s.Hold = "closed" }), fault.Conflict, "is closed: released"},
		{"extend: by nothing", extend(func(s *pb.ExtendHold) { s.Amount = "" }), fault.Invalid, "neither an amount nor an expiry is given"},
		{"extend: by an amount of nothing", extend(func(s *pb.ExtendHold) { s.Amount = "0" }), fault.Invalid, "is nothing, it must be more"},
		{"extend: digits too many", extend(func(s *pb.ExtendHold) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"extend: more than there is", extend(func(s *pb.ExtendHold) { s.Amount = "1000" }), fault.Insufficient, "available, 1000.000000 is asked for"},
		{"extend: to an earlier time", extend(func(s *pb.ExtendHold) { s.ExpiresUnixNanos = 1 }), fault.Conflict, "is not after the one that hold open has"},
		{"extend: too far", extend(func(s *pb.ExtendHold) { s.ExpiresUnixNanos = 1<<63 - 1 }), fault.Conflict, "more than ten years"},
		{"extend: to before 1970", extend(func(s *pb.ExtendHold) { s.ExpiresUnixNanos = -1 }), fault.Invalid, "before 1970"},
	})
}

func TestBadRefundAndExchangeSteps(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	goodRefund := func(id string) *pb.Refund { return &pb.Refund{Id: id, Of: "split", Debit: payee, Amount: "0.5"} }
	goodExchange := func(id string) *pb.Exchange {
		return &pb.Exchange{
			Id: id, Debit: payer, BrokerCredit: bank, BrokerDebit: "/account/eur", Credit: "/account/eur2", Amount: "1", RateNumerator: 9, RateDenominator: 10,
		}
	}
	wantGood(t, func(e *badEstate) *pb.Step { return refunding(goodRefund(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return exchanging(goodExchange(e.id())) })
	refund := func(spoil func(*pb.Refund)) func() error { return step(e, goodRefund, refunding, spoil) }
	exchange := func(spoil func(*pb.Exchange)) func() error { return step(e, goodExchange, exchanging, spoil) }
	e.check([]badInput{
		{"refund: of nothing", refund(func(s *pb.Refund) { s.Of = "" }), fault.Invalid, `of: id ""`},
		{"refund: of an unknown step", refund(func(s *pb.Refund) { s.Of = "none" }), fault.NotFound, `no step "none"`},
		{"refund: of a refund", refund(func(s *pb.Refund) { s.Of = "back" }), fault.Invalid, "a refund cannot be refunded"},
		{"refund: of a hold", refund(func(s *pb.Refund) { s.Of = "open" }), fault.Invalid, "moved nothing"},
		{"refund: of an invoice", refund(func(s *pb.Refund) { s.Of = "invoice" }), fault.Invalid, "an invoice cannot be refunded"},
		{"refund: of a payment", refund(func(s *pb.Refund) { s.Of, s.Debit = "payment", "" }), fault.Invalid, "the payment of an invoice cannot be refunded"},
		{"refund: of a cheque that was not cashed", refund(func(s *pb.Refund) { s.Of = "cheque" }), fault.NotFound, `no step "cheque"`},
		{"refund: of one of two", refund(func(s *pb.Refund) { s.Debit = "" }), fault.Invalid, "moved more than one amount"},
		{"refund: of what another was paid", refund(func(s *pb.Refund) { s.Debit = "/account/eur" }), fault.Invalid, "moved nothing"},
		{"refund: to another than who paid", refund(func(s *pb.Refund) { s.Credit = bank }), fault.Invalid, "moved nothing"},
		{"refund: by no account", refund(func(s *pb.Refund) { s.Debit = "/user/x" }), fault.Invalid, "an account is a path below /account"},
		{"refund: of all twice", refund(func(s *pb.Refund) { s.Of = "moved" }), fault.Insufficient, ""},
		{"refund: too much", refund(func(s *pb.Refund) { s.Amount = "1.000001" }), fault.Insufficient, "1.000000 CREDIT were not refunded yet, 1.000001 is asked for"},
		{"refund: an amount of nothing", refund(func(s *pb.Refund) { s.Amount = "0" }), fault.Invalid, "is nothing, it must be more"},
		{"refund: digits too many", refund(func(s *pb.Refund) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"refund: a time to come", refund(func(s *pb.Refund) { s.EffectiveUnixNanos = 1 << 62 }), fault.Conflict, "is after the log time"},
		{"refund: a description", refund(func(s *pb.Refund) { s.Description = tooMuch }), fault.Invalid, "description of 257 bytes"},

		{"exchange: no payer", exchange(func(s *pb.Exchange) { s.Debit = "" }), fault.Invalid, `debit: path "" must begin with`},
		{"exchange: no broker", exchange(func(s *pb.Exchange) { s.BrokerCredit = "" }), fault.Invalid, `broker_credit: path "" must begin with`},
		{"exchange: no paying broker", exchange(func(s *pb.Exchange) { s.BrokerDebit = "" }), fault.Invalid, `broker_debit: path "" must begin with`},
		{"exchange: no payee", exchange(func(s *pb.Exchange) { s.Credit = "" }), fault.Invalid, `credit: path "" must begin with`},
		{"exchange: an unknown payee", exchange(func(s *pb.Exchange) { s.Credit = "/account/none" }), fault.NotFound, "credit: nothing at /account/none"},
		{"exchange: a broker of another asset", exchange(func(s *pb.Exchange) { s.BrokerCredit = "/account/eur" }), fault.Invalid, "stays in one asset"},
		{"exchange: a payee of another asset", exchange(func(s *pb.Exchange) { s.Credit = payee }), fault.Invalid, "stays in one asset"},
		{"exchange: in one asset", exchange(func(s *pb.Exchange) { s.BrokerDebit, s.Credit = bank, payee }), fault.Invalid, "an exchange is between two assets"},
		{"exchange: a rate of 0", exchange(func(s *pb.Exchange) { s.RateNumerator = 0 }), fault.Invalid, "rate 0/10: neither part of it is 0"},
		{"exchange: a rate over 0", exchange(func(s *pb.Exchange) { s.RateDenominator = 0 }), fault.Invalid, "rate 9/0"},
		{"exchange: less than a cent", exchange(func(s *pb.Exchange) { s.Amount = "0.01" }), fault.Invalid, "are less than the least amount of EUR"},
		{"exchange: beyond all amounts", exchange(func(s *pb.Exchange) {
			s.Amount, s.RateNumerator, s.RateDenominator = "99999999999999999999999999", 1<<64-1, 1
		}), fault.Invalid, "overflow"},
		{"exchange: nothing", exchange(func(s *pb.Exchange) { s.Amount = "0" }), fault.Invalid, "is nothing, it must be more"},
		{"exchange: digits too many", exchange(func(s *pb.Exchange) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"exchange: too much", exchange(func(s *pb.Exchange) { s.Amount = "1000" }), fault.Insufficient, "available, 1000.000000 is asked for"},
		{"exchange: a time to come", exchange(func(s *pb.Exchange) { s.EffectiveUnixNanos = 1 << 62 }), fault.Conflict, "is after the log time"},
		{"exchange: a description", exchange(func(s *pb.Exchange) { s.Description = escape }), fault.Invalid, "control character"},
	})
}

func TestBadChequeSteps(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	goodWrite := func(id string) *pb.WriteCheque {
		return &pb.WriteCheque{Id: id, Account: payer, Recipient: "/user/bob", Resource: "job 1", Ceiling: "5"}
	}
	goodCash := func(hash string) func(id string) *pb.CashCheque {
		return func(id string) *pb.CashCheque {
			return &pb.CashCheque{Id: id, Cheque: "cheque", Hash: hash, Resource: "job 1", Amount: "1", Credit: payee}
		}
	}
	goodCancel := func(id string) *pb.CancelCheque { return &pb.CancelCheque{Id: id, Cheque: "cheque"} }
	wantGood(t, func(e *badEstate) *pb.Step { return writing(goodWrite(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return cashing(goodCash(e.cheque.Hash)(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return cancelling(e.id(), "cheque") })
	write := func(spoil func(*pb.WriteCheque)) func() error { return step(e, goodWrite, writing, spoil) }
	cash := func(spoil func(*pb.CashCheque)) func() error { return step(e, goodCash(e.cheque.Hash), cashing, spoil) }
	cancel := func(spoil func(*pb.CancelCheque)) func() error {
		wrap := func(s *pb.CancelCheque) *pb.Step { return &pb.Step{Step: &pb.Step_CancelCheque{CancelCheque: s}} }
		return step(e, goodCancel, wrap, spoil)
	}
	e.check([]badInput{
		{"write: on no account", write(func(s *pb.WriteCheque) { s.Account = "" }), fault.Invalid, `account: path "" must begin with`},
		{"write: on an unknown account", write(func(s *pb.WriteCheque) { s.Account = "/account/none" }), fault.NotFound, "nothing at /account/none"},
		{"write: for nobody", write(func(s *pb.WriteCheque) { s.Recipient = "" }), fault.Invalid, "recipient: "},
		{"write: for an account", write(func(s *pb.WriteCheque) { s.Recipient = payee }), fault.Invalid, "recipient: "},
		{"write: for nothing", write(func(s *pb.WriteCheque) { s.Resource = "" }), fault.Invalid, "resource of 0 bytes: it has 1 to 256"},
		{"write: for too much text", write(func(s *pb.WriteCheque) { s.Resource = tooMuch }), fault.Invalid, "resource of 257 bytes"},
		{"write: for an escape", write(func(s *pb.WriteCheque) { s.Resource = "a\nb" }), fault.Invalid, "control character"},
		{"write: no ceiling", write(func(s *pb.WriteCheque) { s.Ceiling = "" }), fault.Invalid, "amount is empty"},
		{"write: a ceiling of nothing", write(func(s *pb.WriteCheque) { s.Ceiling = "0" }), fault.Invalid, "nothing, it must be more"},
		{"write: a negative ceiling", write(func(s *pb.WriteCheque) { s.Ceiling = "-5" }), fault.Invalid, "amounts are not negative"},
		{"write: digits too many", write(func(s *pb.WriteCheque) { s.Ceiling = "1.0000000" }), fault.Invalid, notScale},
		{"write: too many uses", write(func(s *pb.WriteCheque) { s.Uses = 1_000_001 }), fault.Invalid, "1000001 uses: a cheque has at most 1000000"},
		{"write: two expiries", write(func(s *pb.WriteCheque) { s.ExpiresUnixNanos, s.LifetimeSeconds = 1<<62, 1 }), fault.Invalid, bothTimes},
		{"write: expired", write(func(s *pb.WriteCheque) { s.ExpiresUnixNanos = 1 }), fault.Conflict, "is not after the log time"},
		{"write: for too long", write(func(s *pb.WriteCheque) { s.LifetimeSeconds = 315619201 }), fault.Invalid, "ten years"},
		{"write: a description", write(func(s *pb.WriteCheque) { s.Description = tooMuch }), fault.Invalid, "description of 257 bytes"},

		{"cash: no cheque", cash(func(s *pb.CashCheque) { s.Cheque = "" }), fault.Invalid, `cheque: id ""`},
		{"cash: an unknown cheque", cash(func(s *pb.CashCheque) { s.Cheque = "none" }), fault.NotFound, `no document "none"`},
		{"cash: an invoice", cash(func(s *pb.CashCheque) { s.Cheque = "invoice" }), fault.Invalid, "document invoice is of the type invoice, not cheque"},
		{"cash: a hold", cash(func(s *pb.CashCheque) { s.Cheque = "open" }), fault.NotFound, `no document "open"`},
		{"cash: no hash", cash(func(s *pb.CashCheque) { s.Hash = "" }), fault.Invalid, `hash ""`},
		{"cash: a short hash", cash(func(s *pb.CashCheque) { s.Hash = "0" }), fault.Invalid, notHash},
		{"cash: a hash in capitals", cash(func(s *pb.CashCheque) { s.Hash = strings.Repeat("A", 64) }), fault.Invalid, "a hash is 64 of 0-9 and a-f"},
		{"cash: another hash", cash(func(s *pb.CashCheque) { s.Hash = e.invoice.Hash }), fault.Conflict, "document cheque has another hash"},
		{"cash: no resource", cash(func(s *pb.CashCheque) { s.Resource = "" }), fault.Invalid, "resource of 0 bytes"},
		{"cash: another resource", cash(func(s *pb.CashCheque) { s.Resource = "job 2" }), fault.Conflict, `cheque cheque is for "job 1", not "job 2"`},
		{"cash: no amount", cash(func(s *pb.CashCheque) { s.Amount = "" }), fault.Invalid, "amount is empty"},
		{"cash: nothing", cash(func(s *pb.CashCheque) { s.Amount = "0" }), fault.Invalid, "nothing, it must be more"},
		{"cash: too much", cash(func(s *pb.CashCheque) { s.Amount = "5.000001" }), fault.Insufficient, "5.000000 CREDIT are left, 5.000001 is asked for"},
		{"cash: digits too many", cash(func(s *pb.CashCheque) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"cash: into no account", cash(func(s *pb.CashCheque) { s.Credit = "" }), fault.Invalid, `credit: path "" must begin with`},
		{"cash: into an unknown account", cash(func(s *pb.CashCheque) { s.Credit = "/account/none" }), fault.NotFound, "credit: nothing at /account/none"},
		{"cash: into the account it is on", cash(func(s *pb.CashCheque) { s.Credit = payer }), fault.Invalid, "the same account"},
		{"cash: into another asset", cash(func(s *pb.CashCheque) { s.Credit = "/account/eur" }), fault.Invalid, "stays in one asset"},
		{"cash: a lifetime and no hold", cash(func(s *pb.CashCheque) { s.LifetimeSeconds = 5 }), fault.Invalid, "lifetime_seconds is for a hold"},
		{"cash: a lifetime too long", cash(func(s *pb.CashCheque) { s.Hold, s.LifetimeSeconds = true, 1<<40 }), fault.Invalid, "ten years"},
		{"cash: a description", cash(func(s *pb.CashCheque) { s.Description = escape }), fault.Invalid, "control character"},

		{"cancel: no cheque", cancel(func(s *pb.CancelCheque) { s.Cheque = "" }), fault.Invalid, `cheque: id ""`},
		{"cancel: an unknown cheque", cancel(func(s *pb.CancelCheque) { s.Cheque = "none" }), fault.NotFound, `no document "none"`},
		{"cancel: an invoice", cancel(func(s *pb.CancelCheque) { s.Cheque = "invoice" }), fault.Invalid, "is of the type invoice, not cheque"},
	})
}

func TestBadInvoiceSteps(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	line := func(amount string) []*pb.InvoiceLine { return []*pb.InvoiceLine{{Description: "all", Amount: amount}} }
	goodIssue := func(id string) *pb.IssueInvoice {
		return &pb.IssueInvoice{Id: id, Receivable: bank, Revenue: payee, Lines: line("1")}
	}
	goodPay := func(hash string) func(id string) *pb.PayInvoice {
		return func(id string) *pb.PayInvoice {
			return &pb.PayInvoice{Id: id, Invoice: "invoice", Hash: hash, Debit: payer, Amount: "1"}
		}
	}
	goodCredit := func(id string) *pb.CreditInvoice {
		return &pb.CreditInvoice{Id: id, Invoice: "invoice", Amount: "1", Description: "goodwill"}
	}
	goodVoid := func(id string) *pb.VoidInvoice { return &pb.VoidInvoice{Id: id, Invoice: "invoice"} }
	goodReceipt := func(id string) *pb.IssueReceipt { return &pb.IssueReceipt{Id: id, Hold: "open"} }
	wrapReceipt := func(s *pb.IssueReceipt) *pb.Step { return receipting(s.Id, s.Hold) }
	wantGood(t, func(e *badEstate) *pb.Step { return invoicing(goodIssue(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return payingInvoice(goodPay(e.invoice.Hash)(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return crediting(goodCredit(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return voiding(goodVoid(e.id())) })
	wantGood(t, func(e *badEstate) *pb.Step { return receipting(e.id(), "open") })
	issue := func(spoil func(*pb.IssueInvoice)) func() error { return step(e, goodIssue, invoicing, spoil) }
	pay := func(spoil func(*pb.PayInvoice)) func() error {
		return step(e, goodPay(e.invoice.Hash), payingInvoice, spoil)
	}
	credit := func(spoil func(*pb.CreditInvoice)) func() error { return step(e, goodCredit, crediting, spoil) }
	void := func(spoil func(*pb.VoidInvoice)) func() error { return step(e, goodVoid, voiding, spoil) }
	receipt := func(spoil func(*pb.IssueReceipt)) func() error { return step(e, goodReceipt, wrapReceipt, spoil) }
	e.check([]badInput{
		{"issue: no receivable", issue(func(s *pb.IssueInvoice) { s.Receivable = "" }), fault.Invalid, `receivable: path "" must begin with`},
		{"issue: no revenue", issue(func(s *pb.IssueInvoice) { s.Revenue = "" }), fault.Invalid, `revenue: path "" must begin with`},
		{"issue: an unknown revenue", issue(func(s *pb.IssueInvoice) { s.Revenue = "/account/none" }), fault.NotFound, "revenue: nothing at /account/none"},
		{"issue: of itself", issue(func(s *pb.IssueInvoice) { s.Revenue = bank }), fault.Invalid, "the same account"},
		{"issue: in two assets", issue(func(s *pb.IssueInvoice) { s.Revenue = "/account/eur" }), fault.Invalid, "stays in one asset"},
		{"issue: to nobody", issue(func(s *pb.IssueInvoice) { s.Payer = "/data/x" }), fault.Invalid, "payer: /data/x is neither a principal nor an account"},
		{"issue: no lines", issue(func(s *pb.IssueInvoice) { s.Lines = nil }), fault.Invalid, "0 lines: an invoice has 1 to 256"},
		{"issue: 257 lines", issue(func(s *pb.IssueInvoice) { s.Lines = make([]*pb.InvoiceLine, 257) }), fault.Invalid, "257 lines: an invoice has 1 to 256"},
		{"issue: a line of nothing", issue(func(s *pb.IssueInvoice) { s.Lines = []*pb.InvoiceLine{nil} }), fault.Invalid, "line 0: "},
		{"issue: a line without a text", issue(func(s *pb.IssueInvoice) { s.Lines[0].Description = "" }), fault.Invalid, "line 0: description of 0 bytes: it has 1 to 256"},
		{"issue: a line without an amount", issue(func(s *pb.IssueInvoice) { s.Lines = line("") }), fault.Invalid, "line 0: "},
		{"issue: a negative line", issue(func(s *pb.IssueInvoice) { s.Lines = append(line("5"), line("-1")...) }), fault.Invalid, "line 1: "},
		{"issue: digits too many", issue(func(s *pb.IssueInvoice) { s.Lines = line("1.0000000") }), fault.Invalid, notScale},
		{"issue: lines of nothing", issue(func(s *pb.IssueInvoice) { s.Lines = append(line("0"), line("0.0")...) }), fault.Invalid, "the lines are nothing together"},
		{"issue: lines that overflow", issue(func(s *pb.IssueInvoice) {
			s.Lines = append(line("10141204801825835211973625.643007"), line("0.000001")...)
		}), fault.Invalid, "the lines overflow"},
		{"issue: due before 1970", issue(func(s *pb.IssueInvoice) { s.DueUnixNanos = -1 }), fault.Invalid, "it is due before 1970"},
		{"issue: a time to come", issue(func(s *pb.IssueInvoice) { s.EffectiveUnixNanos = 1 << 62 }), fault.Conflict, "is after the log time"},
		{"issue: a description", issue(func(s *pb.IssueInvoice) { s.Description = escape }), fault.Invalid, "control character"},

		{"pay: no invoice", pay(func(s *pb.PayInvoice) { s.Invoice = "" }), fault.Invalid, `invoice: id ""`},
		{"pay: an unknown invoice", pay(func(s *pb.PayInvoice) { s.Invoice = "none" }), fault.NotFound, `no document "none"`},
		{"pay: a cheque", pay(func(s *pb.PayInvoice) { s.Invoice, s.Hash = "cheque", e.cheque.Hash }), fault.Invalid, "is of the type cheque, not invoice"},
		{"pay: no hash", pay(func(s *pb.PayInvoice) { s.Hash = "0" }), fault.Invalid, notHash},
		{"pay: another hash", pay(func(s *pb.PayInvoice) { s.Hash = e.cheque.Hash }), fault.Conflict, "document invoice has another hash"},
		{"pay: from no account", pay(func(s *pb.PayInvoice) { s.Debit = "" }), fault.Invalid, `debit: path "" must begin with`},
		{"pay: from an unknown account", pay(func(s *pb.PayInvoice) { s.Debit = "/account/none" }), fault.NotFound, "nothing at /account/none"},
		{"pay: from what is owed", pay(func(s *pb.PayInvoice) { s.Debit = bank }), fault.Invalid, "the same account"},
		{"pay: in another asset", pay(func(s *pb.PayInvoice) { s.Debit = "/account/eur" }), fault.Invalid, "stays in one asset"},
		{"pay: nothing", pay(func(s *pb.PayInvoice) { s.Amount = "0" }), fault.Invalid, "nothing, it must be more"},
		{"pay: too much", pay(func(s *pb.PayInvoice) { s.Amount = "10.000001" }), fault.Insufficient, "10.000000 CREDIT are open, 10.000001 is asked for"},
		{"pay: digits too many", pay(func(s *pb.PayInvoice) { s.Amount = "1.0000000" }), fault.Invalid, notScale},
		{"pay: a time to come", pay(func(s *pb.PayInvoice) { s.EffectiveUnixNanos = 1 << 62 }), fault.Conflict, "is after the log time"},
		{"pay: a description", pay(func(s *pb.PayInvoice) { s.Description = tooMuch }), fault.Invalid, "description of 257 bytes"},

		{"credit: no invoice", credit(func(s *pb.CreditInvoice) { s.Invoice = "" }), fault.Invalid, `invoice: id ""`},
		{"credit: an unknown invoice", credit(func(s *pb.CreditInvoice) { s.Invoice = "none" }), fault.NotFound, `no document "none"`},
		{"credit: a paid one", credit(func(s *pb.CreditInvoice) { s.Invoice = "paid" }), fault.Conflict, "invoice paid is paid"},
		{"credit: no amount", credit(func(s *pb.CreditInvoice) { s.Amount = "" }), fault.Invalid, "amount: how much is taken back is missing"},
		{"credit: nothing", credit(func(s *pb.CreditInvoice) { s.Amount = "0" }), fault.Invalid, "nothing, it must be more"},
		{"credit: too much", credit(func(s *pb.CreditInvoice) { s.Amount = "11" }), fault.Insufficient, "10.000000 CREDIT are open"},
		{"credit: no reason", credit(func(s *pb.CreditInvoice) { s.Description = "" }), fault.Invalid, "description of 0 bytes: it has 1 to 256"},
		{"credit: digits too many", credit(func(s *pb.CreditInvoice) { s.Amount = "1.0000000" }), fault.Invalid, notScale},

		{"void: no invoice", void(func(s *pb.VoidInvoice) { s.Invoice = "" }), fault.Invalid, `invoice: id ""`},
		{"void: an unknown invoice", void(func(s *pb.VoidInvoice) { s.Invoice = "none" }), fault.NotFound, `no document "none"`},
		{"void: a cheque", void(func(s *pb.VoidInvoice) { s.Invoice = "cheque" }), fault.Invalid, "is of the type cheque, not invoice"},
		{"void: a paid one", void(func(s *pb.VoidInvoice) { s.Invoice = "paid" }), fault.Conflict, "invoice paid is paid"},
		{"void: a time to come", void(func(s *pb.VoidInvoice) { s.EffectiveUnixNanos = 1 << 62 }), fault.Conflict, "is after the log time"},
		{"void: a description", void(func(s *pb.VoidInvoice) { s.Description = tooMuch }), fault.Invalid, "description of 257 bytes"},

		{"receipt: no hold", receipt(func(s *pb.IssueReceipt) { s.Hold = "" }), fault.Invalid, `hold: id ""`},
		{"receipt: an unknown hold", receipt(func(s *pb.IssueReceipt) { s.Hold = "none" }), fault.NotFound, `no hold "none"`},
		{"receipt: a step that is no hold", receipt(func(s *pb.IssueReceipt) { s.Hold = "moved" }), fault.NotFound, `no hold "moved"`},
	})
}

func TestBadCommands(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	opens := func(change func(*pb.OpenAccountRequest)) func() error {
		return func() error {
			req := &pb.OpenAccountRequest{Path: "/account/new", Asset: "CREDIT"}
			change(req)
			return errorOf(fsmtest.Do(e.Operator, ledger.OpenAccount, req))
		}
	}
	changes := func(spoil func(*pb.ChangeAccountRequest)) func() error {
		return func() error {
			req := &pb.ChangeAccountRequest{Path: payer}
			spoil(req)
			return change(e.Machine, req)
		}
	}
	closes := func(path string) func() error { return func() error { return closing(e.Machine, path) } }
	ends := func(until int64, name string) func() error {
		return func() error {
			return errorOf(fsmtest.Do(e.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: until, Name: name}))
		}
	}
	metadata := func(key, value string) []*pb.Metadatum { return []*pb.Metadatum{{Key: key, Value: value}} }
	var many []*pb.Metadatum
	for i := range 17 {
		many = append(many, &pb.Metadatum{Key: fmt.Sprint("k", i), Value: "v"})
	}
	fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, Metadata: many[:16]})
	fsmtest.Must(e.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: 100})
	e.check([]badInput{
		{"open: a kind", opens(func(r *pb.OpenAccountRequest) { r.Kind = "odd" }), fault.Invalid, `no kind of account "odd": it is one of normal, ephemeral, transient`},
		{"open: an owner", opens(func(r *pb.OpenAccountRequest) { r.Owner = "/account/x" }), fault.Invalid, "owner: "},
		{"open: a daily limit", opens(func(r *pb.OpenAccountRequest) { r.DailyLimit = "1.0000000" }), fault.Invalid, notScale},
		{"open: a daily limit that is none", opens(func(r *pb.OpenAccountRequest) { r.DailyLimit = ledger.Unlimited }), fault.Invalid, "daily_limit: "},
		{"open: 17 metadata", opens(func(r *pb.OpenAccountRequest) { r.Metadata = many }), fault.Invalid, "17 metadata: an account has at most 16"},
		{"open: metadata without a key", opens(func(r *pb.OpenAccountRequest) { r.Metadata = metadata("", "v") }), fault.Invalid, `metadata: key ""`},
		{"open: a key in capitals", opens(func(r *pb.OpenAccountRequest) { r.Metadata = metadata("Key", "v") }), fault.Invalid, `metadata: key "Key": it is 1 to 64 of a-z, 0-9 and ._-`},
		{"open: a key twice", opens(func(r *pb.OpenAccountRequest) { r.Metadata = append(metadata("k", "v"), metadata("k", "w")...) }), fault.Invalid, `key "k" is given twice`},
		{"open: a long value", opens(func(r *pb.OpenAccountRequest) { r.Metadata = metadata("k", strings.Repeat("x", 513)) }), fault.Invalid, "metadata k of 513 bytes: it has 0 to 512"},
		{"open: an escape", opens(func(r *pb.OpenAccountRequest) { r.Metadata = metadata("k", escape) }), fault.Invalid, "control character"},
		{"open: a deep path", opens(func(r *pb.OpenAccountRequest) { r.Path = tooDeep }), fault.Invalid, "has 33 segments"},

		{"change: no path", changes(func(r *pb.ChangeAccountRequest) { r.Path = "" }), fault.Invalid, `path "" must begin with`},
		{"change: an unknown account", changes(func(r *pb.ChangeAccountRequest) { r.Path = "/account/none" }), fault.NotFound, "nothing at /account/none"},
		{"change: the folder of accounts", changes(func(r *pb.ChangeAccountRequest) { r.Path = "/account" }), fault.Invalid, "an account is a path below /account"},
		{"change: an overdraft", changes(func(r *pb.ChangeAccountRequest) { r.Overdraft = ptr("-1") }), fault.Invalid, "overdraft: "},
		{"change: a ceiling", changes(func(r *pb.ChangeAccountRequest) { r.Ceiling = ptr("1.0000000") }), fault.Invalid, notScale},
		{"change: a ceiling below the balance", changes(func(r *pb.ChangeAccountRequest) { r.Ceiling = ptr("1") }), fault.Conflict, "above a ceiling of 1.000000"},
		{"change: a daily limit", changes(func(r *pb.ChangeAccountRequest) { r.DailyLimit = ptr("x") }), fault.Invalid, "daily_limit: "},
		{"change: an owner", changes(func(r *pb.ChangeAccountRequest) { r.Owner = ptr("nobody") }), fault.Invalid, "owner: "},
		{"change: a version", changes(func(r *pb.ChangeAccountRequest) { r.IfVersion = 1 << 60 }), fault.Conflict, "not 1152921504606846976"},
		{"change: a metadatum too many", changes(func(r *pb.ChangeAccountRequest) { r.Metadata = many[16:] }), fault.Invalid, "17 metadata: an account has at most 16"},
		{"change: an escape", changes(func(r *pb.ChangeAccountRequest) { r.Metadata = metadata("k1", escape) }), fault.Invalid, "control character"},

		{"close: no path", closes(""), fault.Invalid, `path "" must begin with`},
		{"close: an unknown account", closes("/account/none"), fault.NotFound, "nothing at /account/none"},
		{"close: an account with something", closes(payer), fault.Conflict, "only an empty one is closed"},

		{"period: no end", ends(0, "x"), fault.Invalid, "until_unix_nanos: the instant up to which the period is closed is missing"},
		{"period: an end before 1970", ends(-5, "x"), fault.Invalid, "until_unix_nanos"},
		{"period: a long name", ends(200, strings.Repeat("x", 65)), fault.Invalid, "name of 65 bytes: it has 0 to 64"},
		{"period: an escape", ends(200, escape), fault.Invalid, "control character"},
		{"period: again", ends(100, ""), fault.Conflict, "the time up to 1970-01-01T00:00:00.000000100Z is closed"},
		{"period: to come", ends(1<<62, ""), fault.Conflict, "a period is closed when it is over"},
		{"a key of the cluster, by an operator", func() error {
			return errorOf(fsmtest.Do(e.Operator, ledger.PutDocumentKey, &statev1.PutDocumentKeyRequest{Verifier: "x"}))
		}, fault.Denied, "only the cluster itself does this"},
	})
}

// TestBadQueries: what is asked for that is not there, or is malformed.
func TestBadQueries(t *testing.T) {
	t.Parallel()
	e := newBadEstate(t)
	hold := func(id string) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Hold, &pb.HoldRequest{Id: id})) }
	}
	holds := func(req *pb.HoldsRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Holds, req)) }
	}
	document := func(id string) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Document, &pb.DocumentRequest{Id: id})) }
	}
	documents := func(req *pb.DocumentsRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Documents, req)) }
	}
	journal := func(req *pb.JournalRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Journal, req)) }
	}
	audit := func(req *pb.AuditRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Audit, req)) }
	}
	accounts := func(req *pb.AccountsRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.ListAccounts, req)) }
	}
	rollUp := func(req *pb.RollUpRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.RollUp, req)) }
	}
	account := func(path string) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Account, &pb.AccountRequest{Path: path})) }
	}
	balances := func(req *pb.BalanceRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Balance, req)) }
	}
	statement := func(req *pb.StatementRequest) func() error {
		return func() error { return errorOf(fsmtest.Ask(e.Operator, ledger.Statement, req)) }
	}
	e.check([]badInput{
		{"hold: no id", hold(""), fault.Invalid, `id ""`},
		{"hold: unknown", hold("none"), fault.NotFound, `no hold "none"`},
		{"holds: no account", holds(&pb.HoldsRequest{}), fault.Invalid, `path "" must begin with`},
		{"holds: an unknown account", holds(&pb.HoldsRequest{Account: "/account/none"}), fault.NotFound, "nothing at /account/none"},
		{"holds: a limit", holds(&pb.HoldsRequest{Account: payer, Limit: 1001}), fault.Invalid, "limit 1001"},
		{"holds: a cursor", holds(&pb.HoldsRequest{Account: payer, Cursor: "x"}), fault.Invalid, `cursor "x"`},
		{"document: no id", document(""), fault.Invalid, `id ""`},
		{"document: unknown", document("none"), fault.NotFound, `no document "none"`},
		{"document: a hold", document("open"), fault.NotFound, `no document "open"`},
		{"documents: no account", documents(&pb.DocumentsRequest{}), fault.Invalid, `path "" must begin with`},
		{"documents: a limit", documents(&pb.DocumentsRequest{Account: payer, Limit: 1001}), fault.Invalid, "limit 1001"},
		{"documents: a cursor", documents(&pb.DocumentsRequest{Account: payer, Cursor: "none"}), fault.Invalid, `cursor "none"`},
		{"journal: a path", journal(&pb.JournalRequest{Under: "/user"}), fault.Invalid, "accounts are below /account, not below /user"},
		{"journal: a limit", journal(&pb.JournalRequest{Limit: 10001}), fault.Invalid, "limit 10001: an answer holds at most 10000 entries"},
		{"journal: a cursor", journal(&pb.JournalRequest{Cursor: "-1"}), fault.Invalid, `cursor "-1"`},
		{"audit: an account", audit(&pb.AuditRequest{Account: "/user/x"}), fault.Invalid, "account: an account is a path below /account"},
		{"audit: a principal", audit(&pb.AuditRequest{Principal: payer}), fault.Invalid, "principal: "},
		{"audit: a limit", audit(&pb.AuditRequest{Limit: 1001}), fault.Invalid, "limit 1001"},
		{"audit: a cursor", audit(&pb.AuditRequest{Cursor: "x"}), fault.Invalid, `cursor "x"`},
		{"audit: a span", audit(&pb.AuditRequest{FromUnixNanos: 5, UntilUnixNanos: 4}), fault.Invalid, "from 5 until 4"},
		{"accounts: a path", accounts(&pb.AccountsRequest{Under: "/data"}), fault.Invalid, "accounts are below /account, not below /data"},
		{"accounts: a limit", accounts(&pb.AccountsRequest{Limit: 1001}), fault.Invalid, "limit 1001"},
		{"accounts: a cursor", accounts(&pb.AccountsRequest{Under: "/account/eur", Cursor: payer}), fault.Invalid, `cursor "/account/payer"`},
		{"roll-up: a path", rollUp(&pb.RollUpRequest{Under: "x"}), fault.Invalid, "must begin with"},
		{"roll-up: an unknown path", rollUp(&pb.RollUpRequest{Under: "/account/none"}), fault.NotFound, "nothing at /account/none"},
		{"roll-up: a time", rollUp(&pb.RollUpRequest{AtUnixNanos: -1}), fault.Invalid, "at_unix_nanos -1"},
		{"account: no path", account(""), fault.Invalid, `path "" must begin with`},
		{"account: unknown", account("/account/none"), fault.NotFound, "nothing at /account/none"},
		{"balance: a time", balances(&pb.BalanceRequest{Path: payer, AtUnixNanos: -1}), fault.Invalid, "at_unix_nanos -1"},
		{"statement: times", statement(&pb.StatementRequest{Path: payer, FromUnixNanos: 5, UntilUnixNanos: 4}), fault.Invalid, "until_unix_nanos 4 is before from_unix_nanos 5"},
		{"statement: of several assets", statement(&pb.StatementRequest{Path: "/account", Subtree: true}), fault.Invalid, "asset must say which is meant"},
		{"statement: of no account of the asset", statement(&pb.StatementRequest{Path: "/account", Subtree: true, Asset: "USD"}), fault.NotFound, ""},
	})
}
