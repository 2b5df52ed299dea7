package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Leaf("/user/alice")
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
		Path: "/account/x", Asset: "USD", Overdraft: "5", Ceiling: "20", DailyLimit: "7", Kind: "ephemeral", HoldOverdraft: true, Owner: "/user/alice",
		Metadata: []*pb.Metadatum{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}},
	})
	opened := m.Position().Time
	pay(m, "1", "/account/x", "/account/b", "1.5")
	frozen := true
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/x", Frozen: &frozen})
	want := &pb.AccountResponse{
		Path: "/account/x", Asset: "USD", Kind: "ephemeral", State: "frozen", Version: 3, Overdraft: "5.00", Ceiling: "20.00", DailyLimit: "7.00", SpentToday: "1.50",
		HoldOverdraft: true, Owner: "/user/alice", OpenedUnixNanos: opened,
		Metadata: []*pb.Metadatum{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}},
		Balance: &pb.BalanceResponse{
			Path: "/account/x", Asset: "USD", DebitsPosted: "1.50", CreditsPosted: "0.00", DebitsPending: "0.00", CreditsPending: "0.00",
			Available: "3.50", Balance: "-1.50",
		},
	}
	got, err := fsmtest.Ask(m.Operator, ledger.Account, &pb.AccountRequest{Path: "/account/x"})
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("the account is %v (-want +got):\n%s", err, diff)
	}
	m.Wait(24 * 3600 * 1_000_000_000)
	pay(m, "tomorrow", "/account/a", "/account/b", "0")
	got, err = fsmtest.Ask(m.Operator, ledger.Account, &pb.AccountRequest{Path: "/account/x"})
	if err != nil || got.SpentToday != "0.00" || got.DailyLimit != "7.00" {
		t.Errorf("on the next day the account is %v, %v", got, err)
	}
	bank, err := fsmtest.Ask(m.Operator, ledger.Account, &pb.AccountRequest{Path: "/account/bank"})
	if err != nil || bank.Overdraft != ledger.Unlimited || bank.Ceiling != "" || bank.State != "open" || bank.Kind != "normal" {
		t.Errorf("the bank is %v, %v", bank, err)
	}
	for path, kind := range map[string]fault.Kind{"/account/none": fault.NotFound, "/account": fault.Invalid, "x": fault.Invalid} {
		_, err := fsmtest.Ask(m.Operator, ledger.Account, &pb.AccountRequest{Path: path})
		wantKindOf(t, "the account "+path, err, kind)
	}
}

// listed gives the accounts below a path, in pages. No page may be empty but the
// last.
func listed(t *testing.T, by *fsmtest.Client, under string, limit uint32) string {
	t.Helper()
	var all []string
	req := &pb.AccountsRequest{Under: under, Limit: limit}
	for {
		res, err := fsmtest.Ask(by, ledger.ListAccounts, req)
		if err != nil {
			return err.Error()
		}
		if len(res.Accounts) > int(limit) || res.Cursor != "" && len(res.Accounts) == 0 {
			t.Fatalf("a page behind %q of %d has %d accounts and goes on at %q", req.Cursor, limit, len(res.Accounts), res.Cursor)
		}
		for _, a := range res.Accounts {
			all = append(all, a.Path)
		}
		if res.Cursor == "" {
			return strings.Join(all, " ")
		}
		req.Cursor = res.Cursor
	}
}

func TestListAccounts(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	open(m, "/account/team", "USD", "", "")
	open(m, "/account/teams", "USD", "", "")
	m.Directory("/account/team/folder")
	m.Leaf("/account/team/leaf")
	open(m, "/account/team/z/deep", "EUR", "", "")
	fsmtest.Must(m.Operator, ledger.CloseAccount, &pb.CloseAccountRequest{Path: "/account/team/y"})
	for limit := range uint32(8) {
		if limit == 0 {
			continue
		}
		for under, want := range map[string]string{
			"":                "/account/a /account/b /account/bank /account/eur /account/team /account/team/x /account/team/y /account/team/z/deep /account/teams",
			"/account/team":   "/account/team /account/team/x /account/team/y /account/team/z/deep",
			"/account/team/x": "/account/team/x",
			"/account/none":   "nothing at /account/none",
			"/user":           "accounts are below /account, not below /user",
		} {
			if got := listed(t, m.Operator, under, limit); got != want {
				t.Errorf("below %q, in pages of %d, there is %s, want %s", under, limit, got, want)
			}
		}
	}
}

func TestListAccountsThatMayBeRead(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.Clause("/", command.View)
	m.Clause("/account/a", command.View, "/role/insider")
	m.Clause("/account/team", command.Read, "/role/reader")
	m.Clause("/account/team/y", command.View, "/role/insider")
	m.Clause("/account/b", command.Read, "/role/reader")
	reader := m.Principal("/workload/reader", "/role/reader")
	for limit := range uint32(4) {
		if got, want := listed(t, reader, "", limit+1), "/account/b /account/team/x"; got != want {
			t.Errorf("it may Read %s, want %s", got, want)
		}
	}
	if got, want := listed(t, reader, "/account/team/y", 1), "nothing at /account/team/y"; got != want {
		t.Errorf("below what is hidden there is %s, want %s", got, want)
	}
}

func TestAccountsRefuses(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	for _, req := range []*pb.AccountsRequest{
		{Limit: 1001}, {Under: "x"}, {Cursor: "x"}, {Cursor: "/account/"}, {Cursor: "/data/x"},
		{Under: "/account/team", Cursor: "/account/a"}, {Cursor: "am://account/a"},
	} {
		if _, err := fsmtest.Ask(m.Operator, ledger.ListAccounts, req); !errors.Is(err, fault.Invalid) {
			t.Errorf("%v: %v, want it invalid", req, err)
		}
	}
}

// manyNames makes leaves in a directory below /account.
func manyNames(m *fsmtest.Machine, directory string, n int) {
	req := &pb.ChangeRequest{}
	for i := range n {
		req.Changes = append(req.Changes, &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{
			Path: fmt.Sprint(directory, "/", i), Parents: true,
		}}})
	}
	for part := range slices.Chunk(req.Changes, acl.MaxChanges) {
		fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: part})
	}
}

// TestLongListsOfNames: a page of accounts ends after many names, and its cursor is
// none that the caller may not View.
func TestLongListsOfNames(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/z", "USD", "", "")
	manyNames(m, "/account/many", 4985)
	for i := range 20 { // on both sides of the last name of a page
		m.Clause(path.Path(fmt.Sprint("/account/n/", i)), command.View, "/role/nobody")
	}
	m.Directory("/account/shown/x")
	m.Clause("/", command.View)
	m.Clause("/account", command.Read)
	reader := m.Principal("/workload/reader")
	page, err := fsmtest.Ask(reader, ledger.ListAccounts, &pb.AccountsRequest{})
	if err != nil || len(page.Accounts) != 4 || page.Cursor != "/account/shown" {
		t.Fatalf("the first page has %d accounts and goes on at %q, %v", len(page.GetAccounts()), page.GetCursor(), err)
	}
	page, err = fsmtest.Ask(reader, ledger.ListAccounts, &pb.AccountsRequest{Cursor: page.Cursor})
	if err != nil || len(page.Accounts) != 1 || page.Cursor != "" {
		t.Errorf("the last page is %v, %v", page, err)
	}
}

// TestListsPassOverWhatIsHidden: names below a directory below which the caller may View
// or Read nothing do not count, however many there are.
func TestListsPassOverWhatIsHidden(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for _, at := range []string{"/account/hidden/x", "/account/shy/x", "/account/unread/x", "/account/z"} {
		open(m, at, "USD", "", "")
	}
	manyNames(m, "/account/hidden", 5010)
	manyNames(m, "/account/unread", 5010)
	m.Clause("/", command.View)
	m.Clause("/account", command.Read)
	m.Clause("/account/hidden", command.View, "/role/nobody")
	m.Clause("/account/unread", command.Read, "/role/nobody")
	m.LocalClause("/account/shy", command.View, "/role/nobody") // and not what is below
	reader := m.Principal("/workload/reader")
	for cursor, want := range map[string]string{
		"":                  "/account/a /account/b /account/bank /account/eur /account/shy/x /account/z",
		"/account/hidden":   "/account/shy/x /account/z", // which a cursor may have become since
		"/account/hidden/3": "/account/shy/x /account/z",
		"/account/unread/3": "/account/z",
	} {
		page, err := fsmtest.Ask(reader, ledger.ListAccounts, &pb.AccountsRequest{Cursor: cursor})
		var got []string
		for _, a := range page.GetAccounts() {
			got = append(got, a.Path)
		}
		if strings.Join(got, " ") != want || page.GetCursor() != "" || err != nil {
			t.Errorf("behind %q there is %q, and more behind %q, %v, want all of %s", cursor, got, page.GetCursor(), err, want)
		}
	}
}

// TestRollUpIsBounded makes 100,001 names, with ACQUIRED_LONG=1 only.
func TestRollUpIsBounded(t *testing.T) {
	t.Parallel()
	if os.Getenv("ACQUIRED_LONG") != "1" {
		t.Skip("ACQUIRED_LONG is not 1")
	}
	m := fsmtest.New(t)
	manyNames(m, "/account/names", 100_000-2) // with /account and /account/names
	if got := rolledUp(t, m.Operator, &pb.RollUpRequest{}); got != "" {
		t.Errorf("as many names as there may be sum to %s", got)
	}
	manyNames(m, "/account/more", 1)
	_, err := fsmtest.Ask(m.Operator, ledger.RollUp, &pb.RollUpRequest{})
	wantKindOf(t, "one name too many", err, fault.Exhausted)
}

// TestWhoMayReadTimeAndAccounts: in trees with one clause beside that for View, as
// TestWhoMayDoWhat.
func TestWhoMayReadTimeAndAccounts(t *testing.T) {
	t.Parallel()
	asks := []struct {
		name string
		do   func(*fsmtest.Client) error
		on   path.Path
		view bool // View will do
	}{
		{"an account", func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.Account, &pb.AccountRequest{Path: "/account/team/x"})
			return err
		}, "/account/team/x", false},
		{"the accounts", func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.ListAccounts, &pb.AccountsRequest{})
			return err
		}, "/account", true},
		{"a roll-up", func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.RollUp, &pb.RollUpRequest{Under: "/account/team"})
			return err
		}, "/account/team", false},
		{"a roll-up of all", func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.RollUp, &pb.RollUpRequest{})
			return err
		}, "/account", false},
		{"a statement of a subtree", func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.Statement, &pb.StatementRequest{Path: "/account/team", Subtree: true})
			return err
		}, "/account/team", false},
		{"the periods", func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.Periods, &pb.PeriodsRequest{})
			return err
		}, "/account", false},
	}
	for _, operation := range []command.Operation{command.Read, command.Spend} {
		for _, on := range []path.Path{"/", "/account", "/account/team", "/workload"} {
			t.Run(fmt.Sprint(operation, on), func(t *testing.T) {
				t.Parallel()
				m := newTeam(t)
				m.Clause("/", command.View, "/role/viewer")
				m.Clause(on, operation, "/role/doer")
				both := m.Principal("/workload/both", "/role/viewer", "/role/doer")
				viewer := m.Principal("/workload/viewer", "/role/viewer")
				doer := m.Principal("/workload/doer", "/role/doer")
				for _, test := range asks {
					want, toViewer := fault.Denied, fault.Denied
					if test.view {
						want, toViewer = "", ""
					}
					if operation == command.Read && on.Covers(test.on) {
						want = ""
					}
					wantKindOf(t, test.name+" with both roles", test.do(both), want)
					wantKindOf(t, test.name+" with the role for View", test.do(viewer), toViewer)
					wantKindOf(t, test.name+" without the role for View", test.do(doer), fault.NotFound)
					wantKindOf(t, test.name+" as an operator", test.do(m.Operator), "")
				}
			})
		}
	}
}
