package ledger_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// refused wants the list refused for the transfer at the position.
func refused(t *testing.T, m *fsmtest.Machine, kind fault.Kind, position string, transfers ...*pb.Transfer) {
	t.Helper()
	hash := m.Hash()
	_, err := transfer(m, transfers...)
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != kind || f.Details["position"] != position {
		t.Errorf("the transfers %v give %v (%+v), want a fault.%s at position %q", transfers, err, f, kind, position)
	}
	if m.Hash() != hash {
		t.Errorf("the refused transfers %v changed the state", transfers)
	}
}

// accepted wants the list to make n transfers.
func accepted(t *testing.T, m *fsmtest.Machine, n uint32, transfers ...*pb.Transfer) {
	t.Helper()
	res, err := transfer(m, transfers...)
	if err != nil || res.Created != n || res.Index != m.Position().Index {
		t.Errorf("the transfers %v give %v, %v; want %d made at %d", transfers, res, err, n, m.Position().Index)
	}
}

func TestFloor(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const a, b = "/account/a", "/account/b"
	refused(t, m, fault.Insufficient, "0", of("1+", a, b, "100.01"))
	accepted(t, m, 1, of("1", a, b, "100.00"))
	wantBalance(t, m, a, "-100.00 +100.00 0.00")
	refused(t, m, fault.Insufficient, "0", of("2", a, b, "0.01"))

	open(m, "/account/overdrawn", "USD", "10", "")
	refused(t, m, fault.Insufficient, "0", of("3+", "/account/overdrawn", b, "10.01"))
	accepted(t, m, 2, of("3", "/account/overdrawn", b, "4"), of("4", "/account/overdrawn", b, "6"))
	wantBalance(t, m, "/account/overdrawn", "-10.00 +0.00 0.00")
	refused(t, m, fault.Insufficient, "0", of("5+", "/account/overdrawn", b, "0.01"))
	accepted(t, m, 1, of("5", b, "/account/overdrawn", "10.50"))
	wantBalance(t, m, "/account/overdrawn", "-10.00 +10.50 10.50")
}

func TestCeiling(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const a, c = "/account/a", "/account/capped"
	open(m, c, "USD", "5", "10")
	refused(t, m, fault.Insufficient, "0", of("1+", a, c, "10.01"))
	accepted(t, m, 1, of("1", a, c, "10"))
	refused(t, m, fault.Insufficient, "0", of("2+", a, c, "0.01"))
	accepted(t, m, 1, of("2", c, a, "15")) // to the floor
	refused(t, m, fault.Insufficient, "1", of("3", a, c, "15"), of("3+", a, c, "0.01"))
	accepted(t, m, 1, of("3", a, c, "15"))
	wantBalance(t, m, c, "-15.00 +25.00 15.00")

	open(m, "/account/shut", "USD", "", "0")
	refused(t, m, fault.Insufficient, "0", of("5+", a, "/account/shut", "0.01"))
	accepted(t, m, 1, of("5", a, "/account/shut", "0"))
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	accepted(t, m, 1, of("1", "/account/bank", "/account/a", "1000000000000000000000000000"))
	wantBalance(t, m, "/account/bank", "-1000000000000000000000000100.00 +0.00 unlimited")
	wantBalance(t, m, "/account/a", "-0.00 +1000000000000000000000000100.00 1000000000000000000000000100.00")
}

func TestNothingIsATransferToo(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	accepted(t, m, 2, of("1", "/account/b", "/account/a", "0"), of("2", "/account/b", "/account/a", "0.00"))
	wantBalance(t, m, "/account/b", "-0.00 +0.00 0.00")
	res, err := transfer(m, of("1", "/account/b", "/account/a", "0.0"))
	if err != nil || res.Created != 0 || len(res.Existing) != 1 {
		t.Errorf("a transfer of nothing sent again gives %v, %v", res, err)
	}
	refused(t, m, fault.Conflict, "0", of("1", "/account/b", "/account/a", "1"))
}

// TestAllOrNone: a list that is refused anywhere leaves nothing.
func TestAllOrNone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const bank, a, b = "/account/bank", "/account/a", "/account/b"
	refused(t, m, fault.Insufficient, "1", of("1", bank, b, "10"), of("2+", a, b, "1000"), of("3", bank, b, "10"))
	refused(t, m, fault.NotFound, "2", of("1", bank, b, "10"), of("2", a, b, "1"), of("3", bank, "/account/x", "10"))
	refused(t, m, fault.Invalid, "1", of("1", bank, b, "10"), of("2", a, b, "x"))
	wantBalance(t, m, b, "-0.00 +0.00 0.00")
	res, err := fsmtest.Ask(m.Operator, ledger.Lookup, &pb.LookupRequest{Ids: []string{"1", "2", "3"}})
	if err != nil || len(res.Transfers) != 0 {
		t.Errorf("of refused lists there are %v, %v", res, err)
	}
	accepted(t, m, 3, of("1", bank, b, "10"), of("2", a, b, "1"), of("3", b, a, "11"))
	wantBalance(t, m, b, "-11.00 +11.00 0.00")
}

// TestTransfersOfAListFollowEachOther: each is checked behind those before it.
func TestTransfersOfAListFollowEachOther(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const bank, a, b = "/account/bank", "/account/a", "/account/b"
	refused(t, m, fault.Insufficient, "0", of("1+", b, a, "50"), of("2", bank, b, "50"))
	refused(t, m, fault.Insufficient, "2", of("1", bank, b, "50"), of("2", b, a, "50"), of("3", b, a, "0.01"))
	accepted(t, m, 2, of("1", bank, b, "50"), of("2", b, a, "50"))
	wantBalance(t, m, b, "-50.00 +50.00 0.00")
}

// TestExistingTransfers: what stands is not made again, whatever else has
// happened since, and is said to stand.
func TestExistingTransfers(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const a, b = "/account/a", "/account/b"
	first := pay(m, "1", a, b, "60")
	second := pay(m, "2", a, b, "40")
	hash := m.Hash()
	res, err := transfer(m, of("1", a, b, "60.00"))
	want := &pb.TransferResponse{Index: m.Position().Index, Existing: []*pb.ExistingTransfer{{Position: 0, Index: first}}}
	if diff := cmp.Diff(want, res, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("sent again, %v (-want +got):\n%s", err, diff)
	}
	if m.Hash() != hash {
		t.Error("a transfer that stands changed the state")
	}
	res, err = transfer(m, of("3", b, a, "1"), of("2", "am://account/a", b+"/", "40"), of("4", b, a, "2"), of("1", a, b, "60"))
	want = &pb.TransferResponse{Index: m.Position().Index, Created: 2, Existing: []*pb.ExistingTransfer{
		{Position: 1, Index: second}, {Position: 3, Index: first},
	}}
	if diff := cmp.Diff(want, res, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("a list of new and old, %v (-want +got):\n%s", err, diff)
	}
	wantBalance(t, m, b, "-3.00 +100.00 97.00")
	for field, other := range map[string]*pb.Transfer{
		"debit":  of("1", "/account/bank", b, "60"),
		"credit": of("1", a, "/account/bank", "60"),
		"amount": of("1", a, b, "60.01"),
	} {
		_, err := transfer(m, of("5", b, a, "1"), other)
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok || f.Kind != fault.Conflict || f.Details["field"] != field || f.Details["position"] != "1" {
			t.Errorf("another %s gives %+v, want a fault.Conflict", field, f)
		}
	}
}

// TestARefusalBurnsTheID: what was refused for the state it met is refused for
// ever under its id, so that nobody has to wonder whether a transfer that was given
// up may yet be made. What is malformed, unknown or not allowed may be sent again.
func TestARefusalBurnsTheID(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const bank, a, b = "/account/bank", "/account/a", "/account/b"
	open(m, "/account/full", "BIG", ledger.Unlimited, "")
	open(m, "/account/big", "BIG", ledger.Unlimited, "")
	pay(m, "full", "/account/full", "/account/big", maxAmount)
	for _, test := range []struct {
		kind     fault.Kind
		transfer *pb.Transfer
	}{
		{fault.Conflict, &pb.Transfer{Id: "2", Debit: bank, Credit: a, Amount: "1", EffectiveUnixNanos: m.Position().Time + 1e9}},
		{fault.Insufficient, of("1", b, a, "9")},
		{fault.Exhausted, of("3", "/account/full", "/account/big", "1")},
	} {
		// The first of the list is not burnt: nothing was wrong with it.
		refused(t, m, test.kind, "1", of("0", bank, b, "1"), test.transfer)
		at := m.Position().Index
		m.Wait(2e9)
		pay(m, "funds"+test.transfer.Id, bank, b, "5")
		refused(t, m, test.kind, "0", test.transfer)
		_, err := transfer(m, test.transfer)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Details["failed_index"] != fmt.Sprint(at) {
			t.Errorf("transfer %s failed at %d, again it is %+v", test.transfer.Id, at, f)
		}
		other := of(test.transfer.Id, bank, "/account/eur", "1")
		_, err = transfer(m, other)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.Conflict || f.Details["field"] == "" {
			t.Errorf("another transfer under a burnt id gives %+v", f)
		}
	}
	accepted(t, m, 1, of("0", bank, b, "1"))

	refused(t, m, fault.NotFound, "0", of("4", bank, "/account/new", "1"))
	open(m, "/account/new", "USD", "", "")
	accepted(t, m, 1, of("4", bank, "/account/new", "1"))
	refused(t, m, fault.Invalid, "0", of("5", bank, a, "1.001"))
	accepted(t, m, 1, of("5", bank, a, "1.01"))
}

func TestPathsAreNormalised(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	accepted(t, m, 2, of("1", "am://account/a", "/account/b/", "1"), of("2", "/account/a", "am://account/b", "1"))
	wantBalance(t, m, "/account/a", "-2.00 +100.00 98.00")
	wantBalance(t, m, "/account/b", "-0.00 +2.00 2.00")
}

func TestTheAssetFieldMayBeGiven(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	accepted(t, m, 1, &pb.Transfer{Id: "1", Debit: "/account/a", Credit: "/account/b", Amount: "1", Asset: "USD"})
}

func TestTransferIDs(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/@+-"
	longest := fmt.Sprintf("%0*d", ledger.MaxTransferID, 1)
	accepted(t, m, 4, of(all, "/account/a", "/account/b", "1"), of(longest, "/account/a", "/account/b", "1"),
		of("x", "/account/a", "/account/b", "1"), of("X", "/account/a", "/account/b", "1"))
}

// TestTheLongestList: and no transfer more.
func TestTheLongestList(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	list := make([]*pb.Transfer, ledger.MaxTransfers)
	for i := range list {
		list[i] = of(fmt.Sprint(i), "/account/bank", "/account/a", "0.01")
	}
	accepted(t, m, ledger.MaxTransfers, list...)
	wantBalance(t, m, "/account/a", "-0.00 +181.90 181.90")
	res, err := transfer(m, list...)
	if err != nil || res.Created != 0 || len(res.Existing) != len(list) {
		t.Errorf("sent again %d are made, %d stand, %v", res.GetCreated(), len(res.GetExisting()), err)
	}
}

// TestCountersThatAreFull: a counter holds 2^103 - 1. That one is full is nobody
// else's trouble.
func TestCountersThatAreFull(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const one, two, three, four = "/account/1", "/account/2", "/account/3", "/account/4"
	for _, path := range []string{one, two, three, four} {
		open(m, path, "BIG", ledger.Unlimited, "")
	}
	const half = "5070602400912917605986812821503" // 2^102 - 1
	accepted(t, m, 2, of("1", one, two, half), of("2", one, two, half))
	refused(t, m, fault.Exhausted, "0", of("3+", one, two, "2"))
	refused(t, m, fault.Exhausted, "0", of("4+", one, three, "2")) // the debits of one are full
	refused(t, m, fault.Exhausted, "0", of("5+", three, two, "2")) // the credits of two are full
	accepted(t, m, 1, of("6", three, four, maxAmount))             // other accounts are not
	accepted(t, m, 1, of("3", one, two, "1"))
	wantBalance(t, m, two, "-0 +"+maxAmount+" unlimited")
	refused(t, m, fault.Exhausted, "0", of("8+", three, four, "1"))
	wantSound(t, m)
	accepted(t, m, 1, of("4", three, four, "0"))
	accepted(t, m, 1, of("5", "/account/bank", "/account/a", "1")) // another asset is not full
}

func TestLookup(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/team/x", "USD", "", "")
	times := make(map[string]int64)
	indexes := make(map[string]uint64)
	for _, p := range []*pb.Transfer{
		of("1", "/account/a", "/account/b", "1"), of("2", "/account/a", "/account/team/x", "2.5"), of("3", "/account/team/x", "/account/b", "0"),
	} {
		indexes[p.Id] = pay(m, p.Id, p.Debit, p.Credit, p.Amount)
		times[p.Id] = m.Position().Time
	}
	recorded := func(id, debit, credit, amount string) *pb.RecordedTransfer {
		p := of(id, debit, credit, amount)
		p.Asset = "USD"
		return &pb.RecordedTransfer{Transfer: p, Index: indexes[id], UnixNanos: times[id]}
	}
	one := recorded("1", "/account/a", "/account/b", "1.00")
	two := recorded("2", "/account/a", "/account/team/x", "2.50")
	three := recorded("3", "/account/team/x", "/account/b", "0.00")
	for _, test := range []struct {
		name, under string
		ids         []string
		want        []*pb.RecordedTransfer
	}{
		{"all", "", []string{"1", "2", "3"}, []*pb.RecordedTransfer{one, two, three}},
		{"in the order asked for", "", []string{"3", "1"}, []*pb.RecordedTransfer{three, one}},
		{"what does not exist is left out", "", []string{"x", "2", "y", "11", "/"}, []*pb.RecordedTransfer{two}},
		{"nothing", "", []string{"x"}, nil},
		{"as often as asked for", "", []string{"1", "1"}, []*pb.RecordedTransfer{one, one}},
		{"under an account, either side", "/account/team", []string{"1", "2", "3"}, []*pb.RecordedTransfer{two, three}},
		{"under everything", "/", []string{"1"}, []*pb.RecordedTransfer{one}},
		{"under what begins the same", "/account/te", []string{"1", "2", "3"}, nil},
		{"under something else", "/user", []string{"1", "2", "3"}, nil},
		{"under one account", "am://account/b/", []string{"1", "2", "3"}, []*pb.RecordedTransfer{one, three}},
	} {
		res, err := fsmtest.Ask(m.Operator, ledger.Lookup, &pb.LookupRequest{Ids: test.ids, Under: test.under})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, res.GetTransfers(), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestTrialBalance(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/e", "EUR", "", "")
	accepted(t, m, 3, of("1", "/account/a", "/account/b", "1"), of("2", "/account/eur", "/account/e", "7.5"), of("3", "/account/b", "/account/a", "0"))
	const want = "BIG/0 -0 +0 (-0 +0) 0 accounts 0 transfers; " +
		"EUR/2 -7.50 +7.50 (-0.00 +0.00) 2 accounts 1 transfers; " +
		"USD/2 -101.00 +101.00 (-0.00 +0.00) 3 accounts 3 transfers"
	if got := trialBalance(t, m); got != want {
		t.Errorf("the trial balance is %s, want %s", got, want)
	}
}
