package ledger_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// The acceptance cases of Acquire about money, each under the name it has there.
// Where what is promised here is another thing, the test shows that and its
// comment says why. X12 is in acquire_cheque_test.go; X8, X22 and X24 need several
// nodes and are in server, where X26 is too.
//
// The other cases X are not about money, and have no test of their name. X14 to X18 are
// about files and jobs, of which the ledger knows nothing. What the rest ask for is
// in tests of who a caller is, and of writes that are sent again:
//
//	X1   a login that was used is refused, by the node where it was: server.TestLogin
//	X2   proofs have their time: token.TestValidity, identity.TestProofsEndByLogTime
//	X3   nothing of a session counts once it is revoked, what it did stands:
//	     identity.TestARevocationEndsWhatWasIssuedBefore, server.TestCredentialsEndEverywhere
//	X4   no stranger revokes: identity.TestWhoMayRevoke, server.TestPrincipalRevokesItself
//	X5   a request, of whatever kind, is applied once, through any nodes: fsm.TestOnceOnly,
//	     server.TestOneRequestThroughManyNodes, server.TestRequestIDsAreForOneRequest
//	X19  keys end at once: server.TestSigningKeyRevoked, server.TestKeysRotate
//	X20  roles of groups and lists of them: identity.TestRolesAreInherited,
//	     identity.TestRolesOfDirectoriesCount, acl.TestAgreesWithTheReference
//	X21  no call opens what is sealed, what is refused is refused alike:
//	     server.TestWhoMayCallWhat, which lists them all, server.TestLogin,
//	     seal.TestOpenElsewhere
//	X23  sessions and logins that were only begun end: identity.TestProofsEndByLogTime,
//	     sshlogin.TestSilentClientsAreEnded

// TestAcquireT1: a transaction is null by default. Here nothing is guessed: a
// transfer that says nothing is refused, one of nothing is written "0".
func TestAcquireT1(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.refused(e.alice, fault.Invalid, `id ""`, transferring(&pb.Transfer{}))
	e.refused(e.alice, fault.Invalid, "amount is empty", transferring(of(e.id(), payer, payee, "")))
	e.must(e.alice, transferring(of(e.id(), payer, payee, "0")))
	e.wants(payer, "100 0 0", payee, "0 0 0")
}

// TestAcquireT2: a transaction comes back from JSON as it was, and from the books
// as it was sent.
func TestAcquireT2(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	sent := &pb.Transfer{Id: "t2", Debit: payer, Credit: payee, Amount: "12.500000", Asset: "CREDIT", Description: `a "quoted" text, ünïcode`}
	throughJSON(t, sent)
	e.must(e.alice, transferring(sent))
	res, err := fsmtest.Ask(e.Operator, ledger.Lookup, &pb.LookupRequest{Ids: []string{"t2"}})
	if err != nil || len(res.Transfers) != 1 {
		t.Fatalf("the transfer is looked up as %v, %v", res, err)
	}
	if diff := cmp.Diff(sent, res.Transfers[0].Transfer, protocmp.Transform()); diff != "" {
		t.Errorf("the transfer came back different (-sent +got):\n%s", diff)
	}
}

// throughJSON wants a message to come back from JSON as it was.
func throughJSON(t *testing.T, m proto.Message) {
	t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil || !json.Valid(text) {
		t.Fatalf("%T as JSON: %s, %v", m, text, err)
	}
	back := m.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(text, back); err != nil || !proto.Equal(m, back) {
		t.Errorf("%s came back from JSON as %v, %v", text, back, err)
	}
}

// TestAcquireT3: a description that is missing fails a transaction there. Here it
// may be left out, as programs have nothing to say; what cannot be shown is refused.
func TestAcquireT3(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.must(e.alice, transferring(of(e.id(), payer, payee, "1")))
	describing := func(text string) *pb.Step {
		return transferring(&pb.Transfer{Id: e.id(), Debit: payer, Credit: payee, Amount: "1", Description: text})
	}
	e.must(e.alice, describing(strings.Repeat("x", ledger.MaxDescription)))
	e.refused(e.alice, fault.Invalid, "description of 257 bytes: it has 0 to 256", describing(strings.Repeat("x", ledger.MaxDescription+1)))
	e.refused(e.alice, fault.Invalid, "control character", describing("a\x1b[2Jb"))
	e.wants(payer, "98 0 0", payee, "2 0 0")
}

// TestAcquireT4: negative values fail, wherever an amount is given.
func TestAcquireT4(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hold := e.hold("10")
	for _, amount := range []string{"-1", "-0", "-0.000001", "-999999.999999"} {
		for _, step := range []*pb.Step{
			transferring(of(e.id(), payer, payee, amount)),
			holding(&pb.PlaceHold{Id: e.id(), Debit: payer, Credit: payee, Amount: amount}),
			extending(&pb.ExtendHold{Id: e.id(), Hold: hold, Amount: amount}),
			capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: amount}),
			releasing(&pb.ReleaseHold{Id: e.id(), Hold: hold, Amount: amount}),
		} {
			e.refused(e.Operator, fault.Invalid, "amounts are not negative", step)
		}
	}
	e.wants(payer, "100 10 0", payee, "0 0 10")
}

// TestAcquireT5: amounts compare with each other and with plain numbers, exactly.
func TestAcquireT5(t *testing.T) {
	t.Parallel()
	parse := func(s string) ledger.Amount {
		a, err := ledger.ParseAmount(s, 6)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ordered := []string{"0", "0.000001", "0.1", "1", "1.000001", "99999999999.999999", "100000000000", "999999999999999.999999"}
	for i, x := range ordered {
		for j, y := range ordered {
			if got, want := parse(x).Cmp(parse(y)), min(1, max(-1, i-j)); got != want {
				t.Errorf("%s compares to %s as %d, want %d", x, y, got, want)
			}
		}
	}
	if got := parse("2.5"); got != (ledger.Amount{Lo: 2_500_000}) || got != parse("2.500000") {
		t.Errorf("2.5 is %v, want 2500000 millionths", got)
	}
}

// TestAcquireT6: the parts of an amount sum to it. There is no largest transaction
// here, so nothing is split because it is large; what is split is so among payees.
func TestAcquireT6(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	random := rand.New(rand.NewSource(6))
	before := balance(t, e.Machine, bank)
	sum := ledger.Amount{}
	for range 25 {
		amount := ledger.Amount{Lo: 900_000_000_000 + uint64(random.Int63n(99_100_000_000_000))}
		shares := make([]*pb.Share, 1+random.Intn(7))
		for i := range shares {
			account := fmt.Sprint("/account/part/", i)
			if _, err := fsmtest.Ask(e.Operator, ledger.Balance, &pb.BalanceRequest{Path: account}); err != nil {
				open(e.Machine, account, "CREDIT", "", "")
			}
			shares[i] = &pb.Share{Credit: account, Weight: 1 + uint64(random.Intn(1000))}
		}
		id := e.id()
		results := e.must(e.Operator, transferring(&pb.Transfer{Id: id, Debit: bank, Shares: shares, Amount: amount.Format(6)}))
		if results[0].Amount != amount.Format(6) {
			t.Errorf("%s in %d parts moved %s", amount.Format(6), len(shares), results[0].Amount)
		}
		if got := e.sumOf(id); got != amount {
			t.Errorf("the parts of %s sum to %s", amount.Format(6), got.Format(6))
		}
		sum, _ = sum.Add(amount)
	}
	paid, _ := ledger.ParseAmount(before.DebitsPosted, 6)
	if want, _ := paid.Add(sum); balance(t, e.Machine, bank).DebitsPosted != want.Format(6) {
		t.Errorf("the payer paid %s in all, want %s", balance(t, e.Machine, bank).DebitsPosted, want.Format(6))
	}
}

// sumOf adds up what the entries of a step posted.
func (e *estate) sumOf(id string) (sum ledger.Amount) {
	e.t.Helper()
	res, err := fsmtest.Ask(e.Operator, ledger.Lookup, &pb.LookupRequest{Ids: []string{id}})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, recorded := range res.Transfers {
		amount, err := ledger.ParseAmount(recorded.Transfer.Amount, 6)
		if err != nil {
			e.t.Fatal(err)
		}
		sum, _ = sum.Add(amount)
	}
	return sum
}

// TestAcquireA1: an account that was made is read back as it was made, with nothing
// in it. Its name is its path; a description is metadata.
func TestAcquireA1(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	made := &pb.OpenAccountRequest{
		Path: "/account/users/ann/main", Asset: "CREDIT", Owner: "/user/ann",
		Metadata: []*pb.Metadatum{{Key: "description", Value: "primary user account"}, {Key: "name", Value: "main"}},
	}
	fsmtest.Must(e.Operator, ledger.OpenAccount, made)
	got, err := fsmtest.Ask(e.Operator, ledger.Account, &pb.AccountRequest{Path: made.Path})
	const none = "0.000000"
	want := &pb.AccountResponse{
		Path: made.Path, Asset: "CREDIT", Kind: "normal", State: "open", Version: 1, Overdraft: none, Owner: made.Owner,
		Metadata: made.Metadata, OpenedUnixNanos: e.Position().Time,
		Balance: &pb.BalanceResponse{
			Path: made.Path, Asset: "CREDIT", DebitsPosted: none, CreditsPosted: none, DebitsPending: none, CreditsPending: none,
			Available: none, Balance: none,
		},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("the account is, %v (-want +got):\n%s", err, diff)
	}
	again := proto.CloneOf(made)
	_, err = fsmtest.Do(e.Operator, ledger.OpenAccount, again)
	wantKindOf(t, "the account made again, which there gave the first", err, fault.Exists)
}

// TestAcquireA3: groups are folders. A name that is shown to people, in any script and
// with quotes, is metadata, as a path must read the same to everybody; what is listed
// is what can be got.
func TestAcquireA3(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	names := []string{"main", `the "other" one`, "Ünïcödé, 日本語"}
	for _, group := range []string{"/account/group", "/account/users/ann", "/account/6f0c-guid"} {
		for i, name := range names {
			fsmtest.Must(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
				Path: fmt.Sprint(group, "/", i), Asset: "CREDIT", Metadata: []*pb.Metadatum{{Key: "name", Value: name}},
			})
		}
		res, err := fsmtest.Ask(e.Operator, ledger.ListAccounts, &pb.AccountsRequest{Under: group})
		if err != nil || len(res.Accounts) != len(names) {
			t.Fatalf("in %s there are %v, %v", group, res, err)
		}
		for i, listed := range res.Accounts {
			got, err := fsmtest.Ask(e.Operator, ledger.Account, &pb.AccountRequest{Path: listed.Path})
			if err != nil || !proto.Equal(listed, got) || got.Metadata[0].Value != names[i] {
				t.Errorf("%v is listed, %v is got, %v", listed, got, err)
			}
		}
	}
	for _, path := range []string{"/account/ünï/main", "/account/a b/main", `/account/"a"/main`} {
		_, err := fsmtest.Do(e.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: path, Asset: "CREDIT"})
		wantKindOf(t, "an account at "+path, err, fault.Invalid)
	}
}

// TestAcquireA2: an overdraft limit is set and read back, and obeyed. It can be
// lowered to what is used of it and no further.
func TestAcquireA2(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	set := func(overdraft string) error {
		_, err := fsmtest.Do(e.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: payer, Overdraft: &overdraft})
		return err
	}
	for _, overdraft := range []string{"150", "0.000001", "1000000", ledger.Unlimited, "", "150"} {
		if err := set(overdraft); err != nil {
			t.Errorf("an overdraft of %q is refused: %v", overdraft, err)
		}
	}
	if got := balance(t, e.Machine, payer).Available; got != "250.000000" {
		t.Errorf("with 100 and an overdraft of 150, %s is available", got)
	}
	e.refused(e.alice, fault.Insufficient, "250.000000 CREDIT available", transferring(of(e.id(), payer, payee, "250.000001")))
	e.must(e.alice, transferring(of(e.id(), payer, payee, "250")))
	e.wants(payer, "-150 0 0")
	hash := e.Hash()
	for overdraft, want := range map[string]fault.Kind{"149.999999": fault.Conflict, "-1": fault.Invalid, "150.0000001": fault.Invalid} {
		wantKindOf(t, "an overdraft of "+overdraft, set(overdraft), want)
	}
	if e.Hash() != hash {
		t.Error("a refused overdraft changed the state")
	}
}

// TestAcquireU1: an authorisation is good once, and for what it names. Here the id
// of a step is what can be used once: the same step again moves nothing, another
// under its id is refused. There is no test key: who acts is proven to the server.
func TestAcquireU1(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	once := transferring(of("once", payer, payee, "5"))
	if res := e.must(e.alice, once); res[0].Existing {
		t.Errorf("the first time it is answered %v", res)
	}
	if res := e.must(e.alice, proto.CloneOf(once)); !res[0].Existing || res[0].Amount != "5.000000" {
		t.Errorf("a copy of it is answered %v, want what was answered at first", res)
	}
	e.refused(e.alice, fault.Conflict, "with another credit", transferring(of("once", payer, bank, "5")))
	e.refused(e.alice, fault.Conflict, "with another kind", holding(&pb.PlaceHold{Id: "once", Debit: payer, Credit: payee, Amount: "5"}))
	e.wants(payer, "95 0 0", payee, "5 0 0")
}

// TestAcquireX6: decimals are exact, sums too. Nothing is rounded: a digit too many
// is refused where Acquire would round half to even.
func TestAcquireX6(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	open(e.Machine, "/account/sum", "CREDIT", "", "")
	sum := ledger.Amount{}
	for _, amount := range []string{
		"0.000001", "0.1", "0.2", "0.7", "0.123456", "123456789012.123456", "99999999999.999999", "999999999999999.999999", "1",
	} {
		e.pay(bank, "/account/sum", amount)
		parsed, err := ledger.ParseAmount(amount, 6)
		if err != nil {
			t.Fatal(err)
		}
		sum, _ = sum.Add(parsed)
		if got, want := balance(t, e.Machine, "/account/sum").Balance, sum.Format(6); got != want {
			t.Errorf("after %s the balance is %s, want %s", amount, got, want)
		}
	}
	e.wants("/account/sum", "1000223456789014.246911 0 0")
	for _, amount := range []string{"0.1234565", "0.1234575", "0.0000001", "1.0000000"} {
		e.refused(e.Operator, fault.Invalid, "7 digits after the point, scale 6 allows 6", transferring(of(e.id(), bank, payee, amount)))
	}
}

// TestAcquireX7: parts are made all or none, in lists, in shares and in captures.
func TestAcquireX7(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	open(e.Machine, "/account/small", "CREDIT", "", "1")
	hold := e.hold("10")
	shares := func() []*pb.Share {
		return []*pb.Share{{Credit: bank, Amount: "4"}, {Credit: "/account/small", Amount: "6"}}
	}
	for _, steps := range [][]*pb.Step{
		{transferring(of(e.id(), payer, payee, "50")), transferring(of(e.id(), payer, payee, "50"))},
		{transferring(of(e.id(), payer, payee, "50")), capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "11"})},
		{transferring(&pb.Transfer{Id: e.id(), Debit: payer, Amount: "10", Shares: shares()})},
		{capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "10", Shares: shares()})},
	} {
		e.refused(e.Operator, fault.Insufficient, "", steps...)
	}
	e.wants(payer, "100 10 0", payee, "0 0 10", "/account/small", "0 0 0", bank, "-100 0 0")
	refused(t, e.Machine, fault.Insufficient, "2", of("x7-1", payer, payee, "1"), of("x7-2", payer, payee, "1"), of("x7-3", payer, payee, "100"))
	e.wants(payer, "100 10 0", payee, "0 0 10")
}

// TestAcquireX9: an entry that comes late, or is dated back, is never lost: the
// balance has it at once, and that of the past has it on the axis of effective time.
func TestAcquireX9(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	start := e.Position().Time
	e.Wait(3600e9)
	e.pay(bank, payee, "1")
	e.Wait(3600e9)
	e.must(e.Operator, transferring(&pb.Transfer{Id: e.id(), Debit: bank, Credit: payee, Amount: "5", EffectiveUnixNanos: start + 60e9}))
	e.wants(payee, "6 0 0")
	for _, test := range []struct {
		at        int64
		effective bool
		want      string
	}{
		{start + 59e9, true, "0.000000"}, {start + 60e9, true, "5.000000"}, {start + 3601e9, true, "6.000000"},
		{start + 60e9, false, "0.000000"}, {start + 3601e9, false, "1.000000"}, {e.Position().Time, false, "6.000000"},
	} {
		b, err := fsmtest.Ask(e.Operator, ledger.Balance, &pb.BalanceRequest{Path: payee, AtUnixNanos: test.at, Effective: test.effective})
		if err != nil || b.Balance != test.want {
			t.Errorf("%d s on, effective %v, the balance is %s, %v; want %s", (test.at-start)/1e9, test.effective, b.GetBalance(), err, test.want)
		}
	}
}

// TestAcquireX10: what was not captured returns when the hold expires, with nobody
// doing anything, and what comes after it is refused.
func TestAcquireX10(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.EntryNanos = 1
	hold := e.id()
	e.must(e.alice, holding(&pb.PlaceHold{Id: hold, Debit: payer, Credit: payee, Amount: "60", LifetimeSeconds: 3600}))
	expires := e.holdOf(hold).ExpiresUnixNanos
	e.Wait(expires - e.Position().Time - 2)
	e.must(e.bob, capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "10"}))
	// A nanosecond later the whole of what is left can be spent.
	e.must(e.alice, transferring(of(e.id(), payer, bank, "90")))
	if now := e.Position().Time; now != expires {
		t.Fatalf("the log time is %d, want %d", now, expires)
	}
	e.wants(payer, "0 0 0", payee, "10 0 0")
	if h := e.holdOf(hold); h.State != "expired" || h.Expired != "50.000000" || h.Captured != "10.000000" {
		t.Errorf("the hold is %v", h)
	}
	for _, late := range []*pb.Step{
		capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "1"}), releasing(&pb.ReleaseHold{Id: e.id(), Hold: hold}),
	} {
		e.refused(e.bob, fault.Conflict, "is closed: expired", late)
	}
}

// TestAcquireX11: only who may spend from the account that is paid, or the delegate
// that the hold names, captures and releases.
func TestAcquireX11(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	meter, other := e.Principal("/workload/meter"), e.Principal("/workload/other")
	hold := e.id()
	e.must(e.alice, holding(&pb.PlaceHold{Id: hold, Debit: payer, Credit: payee, Amount: "60", Delegate: "/workload/meter"}))
	capture := func() *pb.Step { return capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "1"}) }
	release := func() *pb.Step { return releasing(&pb.ReleaseHold{Id: e.id(), Hold: hold, Amount: "1"}) }
	for _, step := range []func() *pb.Step{capture, release} {
		e.refused(e.alice, fault.Denied, "", step())
		e.refused(e.mallory, fault.NotFound, "no hold", step())
		e.refused(other, fault.NotFound, "no hold", step())
		e.must(e.bob, step())
		e.must(meter, step())
	}
	// The delegate captures for the payee of the hold and not for somebody else.
	e.refused(meter, fault.Denied, "", capturing(&pb.CaptureHold{Id: e.id(), Hold: hold, Amount: "1", Shares: []*pb.Share{{Credit: bank, Weight: 1}}}))
	e.refused(meter, fault.Denied, "may not Spend /account/payer", extending(&pb.ExtendHold{Id: e.id(), Hold: hold, Amount: "1"}))
	e.wants(payer, "98 56 0", payee, "2 0 56")
}

// TestAcquireX13: to look for an account made one there, for anybody. Here neither a
// look-up nor a payment of one that is not there makes anything.
func TestAcquireX13(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	const none = "/account/users/ann/main"
	list := func() *pb.AccountsResponse {
		res, err := fsmtest.Ask(e.Operator, ledger.ListAccounts, &pb.AccountsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	hash, before := e.Hash(), list()
	for name, asks := range map[string]struct {
		by   *fsmtest.Client
		want fault.Kind
	}{
		"the operator":           {e.Operator, fault.NotFound},
		"alice":                  {e.alice, fault.NotFound},
		"mallory":                {e.mallory, fault.NotFound},
		"who says only a name":   {e.As(command.Caller{Principal: "/user/alice"}), fault.Unauthenticated},
		"who says not even that": {e.As(command.Caller{}), fault.Unauthenticated},
	} {
		by := asks.by
		for what, look := range map[string]func() error{
			"account":   func() error { return looked(by, ledger.Account, &pb.AccountRequest{Path: none}) },
			"balance":   func() error { return looked(by, ledger.Balance, &pb.BalanceRequest{Path: none}) },
			"statement": func() error { return looked(by, ledger.Statement, &pb.StatementRequest{Path: none}) },
			"holds":     func() error { return looked(by, ledger.Holds, &pb.HoldsRequest{Account: none}) },
			"documents": func() error { return looked(by, ledger.Documents, &pb.DocumentsRequest{Account: none}) },
		} {
			if err := look(); fault.KindOf(err) != asks.want {
				t.Errorf("%s looks for the %s of an account that is not there: %v, want a fault.%s", name, what, err, asks.want)
			}
		}
	}
	for _, step := range []*pb.Step{
		transferring(of(e.id(), payer, none, "1")), transferring(of(e.id(), none, payer, "1")),
		holding(&pb.PlaceHold{Id: e.id(), Debit: payer, Credit: none, Amount: "1"}),
	} {
		e.refused(e.alice, fault.NotFound, "nothing at "+none, step)
		e.refused(e.Operator, fault.NotFound, "nothing at "+none, step)
	}
	if diff := cmp.Diff(before, list(), protocmp.Transform()); diff != "" || e.Hash() != hash {
		t.Errorf("to look for an account changed the state (-before +after):\n%s", diff)
	}
	open(e.Machine, none, "CREDIT", "", "") // nothing is in the way
}

func looked[Req, Res proto.Message](by *fsmtest.Client, q command.Query[Req, Res], req Req) error {
	_, err := fsmtest.Ask(by, q, req)
	return err
}

// TestAcquireX25: every movement of money conserves the sum over all accounts, and
// what payers hold is what payees may receive.
func TestAcquireX25(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	accounts := []string{bank, payer, payee, "/account/x", "/account/y"}
	open(e.Machine, "/account/x", "CREDIT", "50", "")
	open(e.Machine, "/account/y", "CREDIT", "", "200")
	random := rand.New(rand.NewSource(25))
	pick := func() string { return accounts[random.Intn(len(accounts))] }
	amount := func() string { return ledger.Amount{Lo: uint64(random.Int63n(40_000_000))}.Format(6) }
	var holds []string
	done := 0
	for range 400 {
		id := e.id()
		var step *pb.Step
		switch n := random.Intn(6); {
		case n < 2 || len(holds) == 0:
			step = holding(&pb.PlaceHold{Id: id, Debit: pick(), Credit: pick(), Amount: amount(), LifetimeSeconds: 1 + uint64(random.Intn(60))})
		case n == 2:
			step = capturing(&pb.CaptureHold{Id: id, Hold: holds[random.Intn(len(holds))], Amount: amount(), Final: random.Intn(2) == 0})
		case n == 3:
			step = releasing(&pb.ReleaseHold{Id: id, Hold: holds[random.Intn(len(holds))], Amount: amount()})
		default:
			step = transferring(of(id, pick(), pick(), amount()))
		}
		e.Wait(random.Int63n(3e9))
		if _, err := opAs(e.Operator, step); err == nil {
			done++
			if step.GetHold() != nil {
				holds = append(holds, id)
			}
		}
		e.conserves()
	}
	if done < 100 {
		t.Errorf("%d of 400 steps were made: it shows little", done)
	}
}

// TestAcquireX26: a request sent again, under its id, gets the same answer, and is
// made once; so does a refused one.
func TestAcquireX26(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	for _, amount := range []string{"60", "1000"} {
		request := fsmtest.Command(e.alice, ledger.Op, &pb.OpRequest{Steps: []*pb.Step{transferring(of(e.id(), payer, payee, amount))}})
		first := e.Apply(request)[0]
		hash := e.Hash()
		e.Wait(3600e9)
		for _, again := range e.Apply(request, request) {
			if again.Index != first.Index || !slices.Equal(again.Body, first.Body) || fmt.Sprint(again.Err) != fmt.Sprint(first.Err) {
				t.Errorf("of %s, sent again, it is %+v, at first it was %+v", amount, again, first)
			}
		}
		if e.Hash() != hash {
			t.Errorf("of %s, sent again, it changed the state", amount)
		}
	}
	e.wants(payer, "40 0 0", payee, "60 0 0")
}
