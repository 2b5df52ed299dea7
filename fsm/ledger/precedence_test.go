package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// obstacle is something for which a step is refused: it is put in its way, or into
// the step.
type obstacle[S proto.Message] struct {
	kind fault.Kind
	says string
	put  func(e *estate, s S)
	// by is who then asks; nil is who asks otherwise.
	by func(e *estate) *fsmtest.Client
}

// wantPrecedence wants the step made when nothing is in its way, refused for each of
// the obstacles, and of each two for the one that is first in the list.
func wantPrecedence[S proto.Message](t *testing.T, begin func(e *estate) (S, *fsmtest.Client), send func(*fsmtest.Client, S) error, obstacles []obstacle[S]) {
	t.Helper()
	try := func(put ...int) error {
		e := newEstate(t)
		s, by := begin(e)
		for _, i := range put {
			if o := obstacles[i]; o.by != nil {
				by = o.by(e)
			} else {
				o.put(e, s)
			}
		}
		return send(by, s)
	}
	if err := try(); err != nil {
		t.Errorf("with nothing in the way it gives %v", err)
	}
	for i, first := range obstacles {
		for j := range obstacles[i:] {
			err := try(slices.Compact([]int{i, i + j})...)
			if err == nil || !errors.Is(err, first.kind) || !strings.Contains(err.Error(), first.says) {
				t.Errorf("%q and %q at once give %v, want a fault.%s of the first", first.says, obstacles[i+j].says, err, first.kind)
			}
		}
	}
}

func sendStep[S proto.Message](wrap func(S) *pb.Step) func(*fsmtest.Client, S) error {
	return func(by *fsmtest.Client, s S) error { return errorOf(opAs(by, wrap(s))) }
}

var tooMuch = strings.Repeat("x", ledger.MaxDescription+1)

// useID uses the id "new".
func useID(e *estate) { e.must(e.Operator, transferring(of("new", bank, payee, "0"))) }

func setCeiling(e *estate, account, ceiling string) {
	fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: account, Ceiling: &ceiling})
}

func byMallory(e *estate) *fsmtest.Client { return e.mallory }

// The obstacles of a transfer whose payer can pay 5 before its counter is full.
var (
	malformed = obstacle[*pb.Transfer]{fault.Invalid, "description of", func(_ *estate, s *pb.Transfer) { s.Description = tooMuch }, nil}
	idUsed    = obstacle[*pb.Transfer]{fault.Conflict, "the id was used before", func(e *estate, _ *pb.Transfer) { useID(e) }, nil}
	notOnes   = obstacle[*pb.Transfer]{fault.Denied, "may not Spend", nil, byMallory}

	ofAccounts = []obstacle[*pb.Transfer]{
		{fault.Invalid, "holds BIG, not", func(_ *estate, s *pb.Transfer) { s.Asset = "USD" }, nil},
		{fault.Conflict, "is frozen", func(e *estate, s *pb.Transfer) { freeze(e.Machine, s.Debit) }, nil},
		{fault.Conflict, "is after the log time", func(e *estate, s *pb.Transfer) { s.EffectiveUnixNanos = e.Position().Time + 1e15 }, nil},
		{fault.Insufficient, "may spend 3 BIG more today", func(e *estate, s *pb.Transfer) {
			fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: s.Debit, DailyLimit: ptr("3")})
		}, nil},
		{fault.Insufficient, "below its ceiling", func(e *estate, s *pb.Transfer) { setCeiling(e, s.Credit, "4") }, nil},
		{fault.Exhausted, "overflow", func(_ *estate, s *pb.Transfer) { s.Amount = "6" }, nil},
	}
)

func beginTransfer(e *estate) (*pb.Transfer, *fsmtest.Client) {
	e.big()
	e.pay("/account/big1", "/account/big2", "10141204801825835211973625643002") // 2^103 - 6
	e.Wait(24 * 3600 * 1e9)                                                     // a daily limit is of another day
	return of("new", "/account/big1", "/account/big3", "5"), e.Operator
}

func TestPrecedenceOfTransfers(t *testing.T) {
	t.Parallel()
	wantPrecedence(t, beginTransfer, sendStep(transferring), append([]obstacle[*pb.Transfer]{malformed, idUsed, notOnes}, ofAccounts...))
	// A list of transfers asks what the caller may before it looks at ids.
	list := func(by *fsmtest.Client, s *pb.Transfer) error {
		return errorOf(fsmtest.Do(by, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{s}}))
	}
	wantPrecedence(t, beginTransfer, list, append([]obstacle[*pb.Transfer]{malformed, notOnes, idUsed}, ofAccounts...))
}

func TestPrecedenceOfHolds(t *testing.T) {
	t.Parallel()
	begin := func(e *estate) (*pb.PlaceHold, *fsmtest.Client) {
		return &pb.PlaceHold{Id: "new", Debit: payer, Credit: payee, Amount: "50"}, e.alice
	}
	wantPrecedence(t, begin, sendStep(holding), []obstacle[*pb.PlaceHold]{
		{fault.Invalid, "description of", func(_ *estate, s *pb.PlaceHold) { s.Description = tooMuch }, nil},
		{fault.Conflict, "the id was used before", func(e *estate, _ *pb.PlaceHold) { useID(e) }, nil},
		{fault.Denied, "may not Spend", nil, byMallory},
		{fault.NotFound, "nothing at /account/none", func(_ *estate, s *pb.PlaceHold) { s.Credit = "/account/none" }, nil},
		{fault.Conflict, "is frozen", func(e *estate, s *pb.PlaceHold) { freeze(e.Machine, s.Debit) }, nil},
		{fault.Conflict, "is not after the log time", func(_ *estate, s *pb.PlaceHold) { s.ExpiresUnixNanos = 1 }, nil},
		{fault.Insufficient, "40.000000 CREDIT available", func(e *estate, s *pb.PlaceHold) { s.Amount = "100.5"; e.drain("40") }, nil},
		{fault.Insufficient, "below its ceiling", func(e *estate, _ *pb.PlaceHold) { setCeiling(e, payee, "4") }, nil},
	})
}

// drain leaves that much with the payer, whatever state it is in.
func (e *estate) drain(left string) {
	e.t.Helper()
	thaw := func(frozen bool) {
		fsmtest.Must(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, Frozen: &frozen})
	}
	a, err := fsmtest.Ask(e.Operator, ledger.Account, &pb.AccountRequest{Path: payer})
	if err != nil {
		e.t.Fatal(err)
	}
	thaw(false)
	id := e.id()
	e.must(e.Operator, transferring(&pb.Transfer{Id: id, Debit: payer, Credit: bank, Amount: "100000", UpTo: true}))
	e.pay(bank, payer, left)
	thaw(a.State == "frozen")
}

func TestPrecedenceOfCaptures(t *testing.T) {
	t.Parallel()
	begin := func(e *estate) (*pb.CaptureHold, *fsmtest.Client) {
		open(e.Machine, "/account/third", "CREDIT", "", "")
		return &pb.CaptureHold{Id: "new", Hold: e.hold("50"), Amount: "10", Shares: []*pb.Share{{Credit: "/account/third", Weight: 1}}}, e.bob
	}
	wantPrecedence(t, begin, sendStep(capturing), []obstacle[*pb.CaptureHold]{
		{fault.Invalid, "description of", func(_ *estate, s *pb.CaptureHold) { s.Description = tooMuch }, nil},
		{fault.Conflict, "the id was used before", func(e *estate, _ *pb.CaptureHold) { useID(e) }, nil},
		{fault.Denied, "may not Spend", nil, func(e *estate) *fsmtest.Client { return e.alice }},
		{fault.NotFound, "nothing at /account/none", func(_ *estate, s *pb.CaptureHold) {
			s.Shares = append(s.Shares, &pb.Share{Credit: "/account/none", Weight: 1})
		}, nil},
		{fault.Conflict, "is closed: released", func(e *estate, s *pb.CaptureHold) {
			e.must(e.bob, releasing(&pb.ReleaseHold{Id: e.id(), Hold: s.Hold}))
		}, nil},
		{fault.Conflict, "is frozen", func(e *estate, _ *pb.CaptureHold) { freeze(e.Machine, payer) }, nil},
		{fault.Conflict, "is after the log time", func(e *estate, s *pb.CaptureHold) { s.EffectiveUnixNanos = e.Position().Time + 1e15 }, nil},
		{fault.Insufficient, "50.000000 CREDIT remain", func(_ *estate, s *pb.CaptureHold) { s.Amount = "50.5" }, nil},
		{fault.Insufficient, "below its ceiling", func(e *estate, _ *pb.CaptureHold) { setCeiling(e, "/account/third", "4") }, nil},
	})
}

func TestPrecedenceOfCashing(t *testing.T) {
	t.Parallel()
	begin := func(e *estate) (*pb.CashCheque, *fsmtest.Client) {
		c := e.write().cash().GetCashCheque()
		c.Id = "new"
		return c, e.bob
	}
	wantPrecedence(t, begin, sendStep(cashing), []obstacle[*pb.CashCheque]{
		{fault.Invalid, "lifetime_seconds is for a hold", func(_ *estate, s *pb.CashCheque) { s.LifetimeSeconds = 1 }, nil},
		{fault.Conflict, "the id was used before", func(e *estate, _ *pb.CashCheque) { useID(e) }, nil},
		{fault.Denied, "cashed by nobody else", nil, func(e *estate) *fsmtest.Client { return e.Operator }},
		{fault.NotFound, "nothing at /account/none", func(_ *estate, s *pb.CashCheque) { s.Credit = "/account/none" }, nil},
		{fault.Conflict, "is frozen", func(e *estate, _ *pb.CashCheque) { freeze(e.Machine, payer) }, nil},
		{fault.Conflict, "has another hash", func(_ *estate, s *pb.CashCheque) { s.Hash = strings.Repeat("0", 64) }, nil},
		{fault.Conflict, `is for "job 1"`, func(_ *estate, s *pb.CashCheque) { s.Resource = "job 2" }, nil},
		{fault.Conflict, "is cancelled", func(e *estate, s *pb.CashCheque) { e.must(e.alice, cancelling(e.id(), s.Cheque)) }, nil},
		{fault.Conflict, "who wrote it, has gone", func(e *estate, _ *pb.CashCheque) { e.Remove("/user/alice") }, nil},
		{fault.Insufficient, "CREDIT are left", func(_ *estate, s *pb.CashCheque) { s.Amount = "51" }, nil},
		{fault.Insufficient, "has not", func(e *estate, _ *pb.CashCheque) { e.drain("10") }, nil},
		{fault.Insufficient, "below its ceiling", func(e *estate, _ *pb.CashCheque) { setCeiling(e, payee, "4") }, nil},
	})
}

// TestPrecedenceOverAnOp: what is wrong in any state with any step comes before what
// stands under any id, and that before what the steps meet, in their order.
func TestPrecedenceOverAnOp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, position string
		kind           fault.Kind
		second         *pb.Step
	}{
		{"malformed", "1", fault.Invalid, transferring(&pb.Transfer{Id: "second", Debit: payer, Credit: payee, Amount: "1", Description: tooMuch})},
		{"of an id that was used", "1", fault.Conflict, transferring(of("new", payer, payee, "2"))},
		{"denied", "0", fault.Insufficient, transferring(of("second", bank, payee, "1"))},
		{"of an unknown account", "0", fault.Insufficient, transferring(of("second", payer, "/account/none", "1"))},
		{"short too", "0", fault.Insufficient, transferring(of("second", payer, payee, "2000"))},
	} {
		e := newEstate(t)
		useID(e)
		e.Clause(bank, command.Spend, "/role/banker")
		_, err := opAs(e.alice, transferring(of("first", payer, payee, "1000")), test.second)
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok || f.Kind != test.kind || f.Details["position"] != test.position {
			t.Errorf("a first step that is short, and a second that is %s, give %+v", test.name, f)
		}
	}
}

// TestDigitsBeforeWhatIsGone: what is wrong in any state comes before accounts that take
// part in nothing, and is not kept.
func TestDigitsBeforeWhatIsGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"})
	pay(m, "in", "/account/a", "/account/job", "5")
	pay(m, "out", "/account/job", "/account/b", "5") // and it is gone
	_, err := op(m, &pb.Step{Step: &pb.Step_Refund{Refund: &pb.Refund{Id: "back", Of: "in", Amount: "1.001"}}})
	f, ok := errors.AsType[*fault.Fault](err)
	if _, kept := f.Details["kept_as"]; !ok || kept || f.Kind != fault.Invalid {
		t.Errorf("a refund of 1.001 USD of an account that is gone gives %v, kept: %t, want invalid, not kept", err, kept)
	}
}

// TestRoomBeforeOverflow: all who are paid have room before the first is paid.
func TestRoomBeforeOverflow(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/big1", Asset: "BIG", Overdraft: ledger.Unlimited, HoldOverdraft: true})
	open(m, "/account/big2", "BIG", ledger.Unlimited, "")
	open(m, "/account/full", "BIG", "", "")
	open(m, "/account/narrow", "BIG", "", "0")
	open(m, "/account/payee", "BIG", "", "")
	pay(m, "fill", "/account/big2", "/account/full", maxAmount)
	mustOp(m, &pb.Step{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{Id: "h", Debit: "/account/big1", Credit: "/account/payee", Amount: "10"}}})
	shares := []*pb.Share{{Credit: "/account/full", Amount: "1"}, {Credit: "/account/narrow", Amount: "1"}}
	_, err := op(m, &pb.Step{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "c", Hold: "h", Amount: "2", Shares: shares}}})
	if fault.KindOf(err) != fault.Insufficient {
		t.Errorf("a capture for an account that is full and one without room gives %v, want insufficient", err)
	}
	_, err = transfer(m, &pb.Transfer{Id: "t", Debit: "/account/big1", Amount: "2", Shares: shares})
	if fault.KindOf(err) != fault.Insufficient {
		t.Errorf("a transfer to the same gives %v, want insufficient", err)
	}
}

// TestPositionOfAPayer: a list that is refused for an account that pays says which transfer
// it is of.
func TestPositionOfAPayer(t *testing.T) {
	t.Parallel()
	_, mallory := newHidden(t)
	for _, debit := range []string{"/account/b", "/account/nothing"} {
		list := []*pb.Transfer{of("x1", "/account/a", "/account/b", "1"), of("x2", debit, "/account/a", "1")}
		_, err := fsmtest.Do(mallory, ledger.Transfer, &pb.TransferRequest{Transfers: list})
		f, _ := errors.AsType[*fault.Fault](err)
		if f.Details["position"] != "1" {
			t.Errorf("a list whose second transfer is of %s gives %v, details %v", debit, f, f.Details)
		}
	}
}

// TestLongAsset: no refusal has a text as long as what was asked for.
func TestLongAsset(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	_, err := fsmtest.Do(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/x", Asset: strings.Repeat("A", 8<<20)})
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != fault.Invalid || len(f.Details["asset"])+len(f.Message) > 1000 {
		t.Errorf("an asset of 8 MiB is refused as %s, in %d bytes", fault.KindOf(err), len(f.Details["asset"])+len(f.Message))
	}
}
