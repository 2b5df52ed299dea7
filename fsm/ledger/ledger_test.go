package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// maxAmount is the most that a counter holds, 2^103 - 1.
const maxAmount = "10141204801825835211973625643007"

// newBooks gives a machine with the assets USD and EUR, of two digits, and BIG,
// of none; /account/bank and /account/eur, without a floor; and /account/a and
// /account/b, with the default limits. Account a has 100.00.
func newBooks(t fsmtest.T) *fsmtest.Machine {
	t.Helper()
	m := fsmtest.New(t)
	for _, req := range []*pb.CreateAssetRequest{{Code: "USD", Scale: 2}, {Code: "EUR", Scale: 2}, {Code: "BIG"}} {
		fsmtest.Must(m.Operator, ledger.CreateAsset, req)
	}
	open(m, "/account/bank", "USD", ledger.Unlimited, "")
	open(m, "/account/eur", "EUR", ledger.Unlimited, "")
	open(m, "/account/a", "USD", "", "")
	open(m, "/account/b", "USD", "", "")
	m.Leaf("/user/operator")
	pay(m, "opening", "/account/bank", "/account/a", "100")
	return m
}

func open(m *fsmtest.Machine, path, asset, overdraft, ceiling string) {
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: path, Asset: asset, Overdraft: overdraft, Ceiling: ceiling})
}

// of gives a transfer.
func of(id, debit, credit, amount string) *pb.Transfer {
	return &pb.Transfer{Id: id, Debit: debit, Credit: credit, Amount: amount}
}

func transfer(m *fsmtest.Machine, transfers ...*pb.Transfer) (*pb.TransferResponse, error) {
	return fsmtest.Do(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: transfers})
}

// pay makes a transfer that must not be refused, and gives its index.
func pay(m *fsmtest.Machine, id, debit, credit, amount string) uint64 {
	return fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{of(id, debit, credit, amount)}}).Index
}

func balance(t fsmtest.T, m *fsmtest.Machine, path string) *pb.BalanceResponse {
	t.Helper()
	res, err := fsmtest.Ask(m.Operator, ledger.Balance, &pb.BalanceRequest{Path: path})
	if err != nil {
		t.Fatalf("balance of %s: %v", path, err)
	}
	return res
}

// wantBalance compares what an account has: debits, credits and what is available.
func wantBalance(t *testing.T, m *fsmtest.Machine, path, want string) {
	t.Helper()
	b := balance(t, m, path)
	if got := fmt.Sprintf("-%s +%s %s", b.DebitsPosted, b.CreditsPosted, b.Available); got != want {
		t.Errorf("%s has %s, want %s", path, got, want)
	}
	if b.Path != path || strings.Trim(b.DebitsPending+b.CreditsPending, "0.") != "" {
		t.Errorf("the balance of %s is %v", path, b)
	}
}

// trialBalance gives all there is in short.
func trialBalance(t fsmtest.T, m *fsmtest.Machine) string {
	t.Helper()
	res, err := fsmtest.Ask(m.Operator, ledger.TrialBalance, &pb.TrialBalanceRequest{})
	if err != nil {
		t.Fatalf("trial balance: %v", err)
	}
	var all []string
	for _, a := range res.Assets {
		all = append(all, fmt.Sprintf("%s/%d -%s +%s (-%s +%s) %d accounts %d transfers", a.Asset, a.Scale,
			a.DebitsPosted, a.CreditsPosted, a.DebitsPending, a.CreditsPending, a.Accounts, a.Transfers))
	}
	return strings.Join(all, "; ")
}

// TestBadInput: bad input gets its own kind of answer and changes nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/big1", "BIG", ledger.Unlimited, "")
	open(m, "/account/big2", "BIG", "", "")
	open(m, "/account/narrow", "USD", "5", "10")
	pay(m, "big", "/account/big1", "/account/big2", maxAmount)
	pay(m, "t0", "/account/a", "/account/b", "1")

	list := func(transfers ...*pb.Transfer) func() error {
		return func() error {
			_, err := transfer(m, transfers...)
			return err
		}
	}
	one := func(debit, credit, amount string) func() error { return list(of("new", debit, credit, amount)) }
	kept := func(id, debit, credit, amount string) func() error { return list(of(id, debit, credit, amount)) }
	id := func(id string) func() error { return list(of(id, "/account/a", "/account/b", "1")) }
	asset := func(code string, scale uint32) func() error {
		return func() error {
			_, err := fsmtest.Do(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: code, Scale: scale})
			return err
		}
	}
	account := func(path, asset, overdraft, ceiling string) func() error {
		return func() error {
			_, err := fsmtest.Do(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
				Path: path, Asset: asset, Overdraft: overdraft, Ceiling: ceiling,
			})
			return err
		}
	}
	lookup := func(under string, ids ...string) func() error {
		return func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.Lookup, &pb.LookupRequest{Under: under, Ids: ids})
			return err
		}
	}
	statement := func(req *pb.StatementRequest) func() error {
		return func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.Statement, req)
			return err
		}
	}
	read := func(path string) func() error {
		return func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.Balance, &pb.BalanceRequest{Path: path})
			return err
		}
	}
	const a, b = "/account/a", "/account/b"
	long := strings.Repeat("x", ledger.MaxTransferID+1)
	deep := "/account" + strings.Repeat("/x", 299)
	many := make([]*pb.Transfer, ledger.MaxTransfers+1)
	manyIDs := make([]string, len(many))
	for i := range many {
		manyIDs[i] = fmt.Sprint("many", i)
		many[i] = of(manyIDs[i], a, b, "0")
	}
	tooLong := strings.Repeat("1", 61)

	for _, test := range []struct {
		name string
		do   func() error
		kind fault.Kind
		want string // part of the message
	}{
		{"an unknown account pays", one("/account/x", b, "1"), fault.NotFound, `transfer 0 ("new"): debit: nothing at /account/x`},
		{"an unknown account is paid", one(a, "/account/x", "1"), fault.NotFound, `transfer 0 ("new"): credit: nothing at /account/x`},
		{"an account below an account", one(a, a+"/x", "1"), fault.NotFound, "nothing at /account/a/x"},
		{"another asset", one(a, "/account/eur", "1"), fault.Invalid, "account /account/a holds USD, account /account/eur holds EUR"},
		{
			"an asset field that does not match", list(&pb.Transfer{Id: "new", Debit: a, Credit: b, Amount: "1", Asset: "EUR"}),
			fault.Invalid, `account /account/a holds USD, not "EUR"`,
		},
		{
			"an asset field that names nothing", list(&pb.Transfer{Id: "new", Debit: a, Credit: b, Amount: "1", Asset: "XXX"}),
			fault.Invalid, `account /account/a holds USD, not "XXX"`,
		},
		{"the same account", one(a, a, "1"), fault.Invalid, "debit and credit are the same account, /account/a"},
		{"the same account in two ways", one(a, "am://account/a/", "1"), fault.Invalid, "the same account"},

		{"a negative amount", one(a, b, "-1"), fault.Invalid, "amounts are not negative"},
		{"too many digits", one(a, b, "1.001"), fault.Invalid, `amount in USD: amount "1.001" has 3 digits after the point, scale 2 allows 2`},
		{"too many digits, zeros", one(a, b, "1.000"), fault.Invalid, "scale 2 allows 2"},
		{"an amount over the most", one("/account/big1", "/account/big2", "10141204801825835211973625643008"), fault.Invalid, "overflows"},
		{"2^128", one("/account/big1", "/account/big2", "340282366920938463463374607431768211456"), fault.Invalid, "overflows"},
		{"2^128 + 1", one("/account/big1", "/account/big2", "340282366920938463463374607431768211457"), fault.Invalid, "overflows"},
		{"an amount that overflows at its scale", one(a, b, maxAmount), fault.Invalid, "overflows"},
		{"an amount that is too long", one(a, b, tooLong), fault.Invalid, "amount is 61 bytes long, at most 60 are allowed"},
		{"no amount", one(a, b, ""), fault.Invalid, "amount is empty"},
		{"an amount with an exponent", one(a, b, "1e2"), fault.Invalid, "digits 0-9"},
		{"an amount with a comma", one(a, b, "1,50"), fault.Invalid, "digits 0-9"},
		{"an amount with a leading zero", one(a, b, "01"), fault.Invalid, "leading zeros"},

		{"no transfers", list(), fault.Invalid, "0 transfers: a request holds 1 to 8190"},
		{"too many transfers", list(many...), fault.Invalid, "8191 transfers: a request holds 1 to 8190"},
		{"an id used with another debit", list(of("t0", b, "/account/bank", "1")), fault.Conflict, "with another debit"},
		{"an id used with another credit", list(of("t0", a, "/account/bank", "1")), fault.Conflict, "with another credit"},
		{"an id used with another amount", list(of("t0", a, b, "1.01")), fault.Conflict, "with another amount"},
		{"an id used the other way round", list(of("t0", b, a, "1")), fault.Conflict, "with another debit"},
		{"an id twice", list(of("n1", a, b, "1"), of("n2", a, b, "1"), of("n1", a, b, "1")), fault.Invalid, `transfer 2 ("n1"): the id is given twice in the list`},
		{"an id twice with other bodies", list(of("n1", a, b, "1"), of("n1", b, a, "1")), fault.Invalid, "twice in the list"},
		{"an id twice that stands already", list(of("t0", a, b, "1"), of("t0", a, b, "1")), fault.Invalid, "twice in the list"},
		{"no id", id(""), fault.Invalid, `id "": an id is 1 to 128 bytes`},
		{"an id that is too long", id(long), fault.Invalid, "an id is 1 to 128 bytes"},
		{"an id with a space", id("a b"), fault.Invalid, `id "a b"`},
		{"an id with a zero byte", id("a\x00"), fault.Invalid, `id "a\x00"`},
		{"an id that is not ASCII", id("é"), fault.Invalid, "an id is 1 to 128 bytes"},
		{"an id with a quote", id(`"`), fault.Invalid, "an id is 1 to 128 bytes"},

		{"a path with ..", one("/account/../x", b, "1"), fault.Invalid, `the segments "." and ".." are not allowed`},
		{"a credit path with ..", one(a, "/account/../x", "1"), fault.Invalid, `credit: path "/account/../x"`},
		{"a path with two slashes", one("/account//a", b, "1"), fault.Invalid, "segment"},
		{"a path of 300 levels", one(deep, b, "1"), fault.Invalid, "at most"},
		{"a credit path of 300 levels", one(a, deep, "1"), fault.Invalid, "at most"},
		{"the folder of accounts", one("/account", b, "1"), fault.Invalid, "an account is a path below /account, not /account"},
		{"the folder of accounts is paid", one(a, "/account/", "1"), fault.Invalid, "an account is a path below /account"},
		{"a path outside", one("/user/x", b, "1"), fault.Invalid, "an account is a path below /account, not /user/x"},
		{"a path that begins the same", one(a, "/accounts/x", "1"), fault.Invalid, "an account is a path below /account"},
		{"no path", one("", b, "1"), fault.Invalid, `path "" must begin with`},
		{"a relative path", one("account/a", b, "1"), fault.Invalid, "must begin with"},

		{"more than there is", kept("k1", a, b, "99.01"), fault.Insufficient, "account /account/a has 99.00 USD available, 99.01 is asked for"},
		{"more than the overdraft", kept("k2", "/account/narrow", b, "5.01"), fault.Insufficient, "account /account/narrow has 5.00 USD available"},
		{"more than the ceiling", kept("k3", a, "/account/narrow", "10.01"), fault.Insufficient, "account /account/narrow has room for 10.00 USD below its ceiling"},
		{"more than a counter holds", kept("k4", "/account/big1", "/account/big2", "1"), fault.Exhausted, "overflow"},

		{"an asset that exists", asset("USD", 2), fault.Exists, "asset USD exists"},
		{"an asset that exists at another scale", asset("USD", 3), fault.Exists, "asset USD exists"},
		{"no asset code", asset("", 0), fault.Invalid, `asset "": a code is 1 to 16`},
		{"a long asset code", asset("ABCDEFGHIJKLMNOPQ", 0), fault.Invalid, "a code is 1 to 16"},
		{"an asset code in small letters", asset("usd", 0), fault.Invalid, "a code is 1 to 16"},
		{"an asset code that begins with a digit", asset("1USD", 0), fault.Invalid, "begins with a letter"},
		{"an asset code that begins with a dash", asset("-USD", 0), fault.Invalid, "begins with a letter"},
		{"an asset code with a slash", asset("US/D", 0), fault.Invalid, "a code is 1 to 16"},
		{"an asset code with a zero byte", asset("USD\x00", 0), fault.Invalid, "a code is 1 to 16"},
		{"scale 19", asset("NEW", 19), fault.Invalid, "scale 19: an asset has 0 to 18 digits"},
		{"scale 2^32 - 1", asset("NEW", 1<<32-1), fault.Invalid, "scale 4294967295"},
		{"scale 256", asset("NEW", 256), fault.Invalid, "scale 256"},

		{"an account that exists", account(a, "USD", "", ""), fault.Exists, "account /account/a exists"},
		{"an account that exists, in another way", account("am://account/a/", "EUR", "", ""), fault.Exists, "account /account/a exists"},
		{"an account of an unknown asset", account("/account/new", "XXX", "", ""), fault.NotFound, `no asset "XXX"`},
		{"an account of no asset", account("/account/new", "", "", ""), fault.Invalid, `asset "": a code is 1 to 16 of`},
		{"an account outside", account("/user/x", "USD", "", ""), fault.Invalid, "an account is a path below /account"},
		{"the folder of accounts as one", account("/account", "USD", "", ""), fault.Invalid, "an account is a path below /account"},
		{"an account with ..", account("/account/../x", "USD", "", ""), fault.Invalid, "not allowed"},
		{"an account of 300 levels", account(deep, "USD", "", ""), fault.Invalid, "at most"},
		{"a negative overdraft", account("/account/new", "USD", "-1", ""), fault.Invalid, `overdraft: amount "-1"`},
		{"an overdraft with too many digits", account("/account/new", "USD", "1.234", ""), fault.Invalid, "overdraft: amount"},
		{"an overdraft that is no number", account("/account/new", "USD", "Unlimited", ""), fault.Invalid, `overdraft: amount "Unlimited"`},
		{"an overdraft over the most", account("/account/new", "USD", maxAmount, ""), fault.Invalid, "overflows"},
		{"a negative ceiling", account("/account/new", "USD", "", "-1"), fault.Invalid, `ceiling: amount "-1"`},
		{"an unlimited ceiling", account("/account/new", "USD", "", ledger.Unlimited), fault.Invalid, `ceiling: amount "unlimited"`},
		{"a ceiling with too many digits", account("/account/new", "USD", "", "1.234"), fault.Invalid, "ceiling: amount"},

		{"lookup of nothing", lookup(""), fault.Invalid, "0 transfer ids: a request holds 1 to 8190"},
		{"lookup of too many", lookup("", manyIDs...), fault.Invalid, "8191 transfer ids: a request holds 1 to 8190"},
		{"lookup of a bad id", lookup("", "t0", "a b"), fault.Invalid, `id 1: id "a b"`},
		{"lookup under no path", lookup("x", "t0"), fault.Invalid, "must begin with"},

		{"the balance of no account", read("/account/x"), fault.NotFound, "nothing at /account/x"},
		{"the balance of all accounts", read("/account"), fault.Invalid, "below /account"},
		{"the statement of no account", statement(&pb.StatementRequest{Path: "/account/x"}), fault.NotFound, "nothing at /account/x"},
		{"a statement of 1001 lines", statement(&pb.StatementRequest{Path: a, Limit: 1001}), fault.Invalid, "limit 1001: an answer holds at most 1000 lines"},
		{"a cursor of letters", statement(&pb.StatementRequest{Path: a, Cursor: "x"}), fault.Invalid, `cursor "x": it is none of an earlier answer`},
		{"a cursor of one number", statement(&pb.StatementRequest{Path: a, Cursor: "1"}), fault.Invalid, `cursor "1"`},
		{"a cursor of three numbers", statement(&pb.StatementRequest{Path: a, Cursor: "1.2.3"}), fault.Invalid, `cursor "1.2.3"`},
		{"a cursor with a sign", statement(&pb.StatementRequest{Path: a, Cursor: "+1.2"}), fault.Invalid, `cursor "+1.2"`},
		{"a cursor with a zero before", statement(&pb.StatementRequest{Path: a, Cursor: "1.02"}), fault.Invalid, `cursor "1.02"`},
		{"a cursor over 64 bits", statement(&pb.StatementRequest{Path: a, Cursor: "18446744073709551616.0"}), fault.Invalid, "cursor"},
		{"a cursor over 32 bits", statement(&pb.StatementRequest{Path: a, Cursor: "1.4294967296"}), fault.Invalid, "cursor"},
	} {
		hash, before := m.Hash(), trialBalance(t, m)
		accounts := balances(t, m)
		err := test.do()
		if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want a fault.%s with %q", test.name, err, test.kind, test.want)
		}
		if after := trialBalance(t, m); m.Hash() != hash || after != before || balances(t, m) != accounts {
			t.Errorf("%s: the books went from %s to %s", test.name, before, after)
		}
	}
}

// balances gives what the accounts of newBooks have.
func balances(t *testing.T, m *fsmtest.Machine) string {
	t.Helper()
	var all []string
	for _, path := range []string{"/account/bank", "/account/eur", "/account/a", "/account/b"} {
		b := balance(t, m, path)
		all = append(all, b.DebitsPosted, b.CreditsPosted, b.Available)
	}
	return strings.Join(all, " ")
}

func TestCreateAsset(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	for code, scale := range map[string]uint32{"A": 0, "USD": 2, "CORE-HOUR": 6, "A123456789012345": 18} {
		res := fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: code, Scale: scale})
		if want := m.Position().Index; res.Index != want {
			t.Errorf("asset %s is made at %d, want %d", code, res.Index, want)
		}
	}
	const want = "A/0 -0 +0 (-0 +0) 0 accounts 0 transfers; " +
		"A123456789012345/18 -0.000000000000000000 +0.000000000000000000 (-0.000000000000000000 +0.000000000000000000) 0 accounts 0 transfers; " +
		"CORE-HOUR/6 -0.000000 +0.000000 (-0.000000 +0.000000) 0 accounts 0 transfers; " +
		"USD/2 -0.00 +0.00 (-0.00 +0.00) 0 accounts 0 transfers"
	if got := trialBalance(t, m); got != want {
		t.Errorf("the trial balance is %s, want %s", got, want)
	}
}

func TestOpenAccount(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for _, test := range []struct{ path, overdraft, ceiling, want string }{
		{"/account/1", "", "", "0.00"},
		{"/account/2", "0", "0", "0.00"},
		{"/account/3", "12.5", "", "12.50"},
		{"/account/4", ledger.Unlimited, "1", "unlimited"},
		{"/account/x/y/z", "1", "2", "1.00"},
	} {
		res := fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
			Path: test.path, Asset: "USD", Overdraft: test.overdraft, Ceiling: test.ceiling,
		})
		if want := m.Position().Index; res.Index != want {
			t.Errorf("%s is opened at %d, want %d", test.path, res.Index, want)
		}
		wantBalance(t, m, test.path, "-0.00 +0.00 "+test.want)
	}
	if got := trialBalance(t, m); !strings.Contains(got, "USD/2 -100.00 +100.00 (-0.00 +0.00) 8 accounts 1 transfers") {
		t.Errorf("the trial balance is %s", got)
	}
}

func TestAssetsAreBounded(t *testing.T) {
	m := fsmtest.New(t)
	for i := range ledger.MaxAssets {
		fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: fmt.Sprint("A", i)})
	}
	before := m.Hash()
	_, err := fsmtest.Do(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "ONE-MORE"})
	if !errors.Is(err, fault.Exhausted) {
		t.Errorf("one asset too many: %v, want exhausted", err)
	}
	if after := m.Hash(); after != before {
		t.Errorf("the refusal changed the state hash from %s to %s", before, after)
	}
}
