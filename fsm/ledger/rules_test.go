package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// attempt is something that a caller does with the ledger.
type attempt struct {
	name      string
	do        func(*fsmtest.Client) error
	operation command.Operation // that it takes
	on        path.Path         // where it takes it
}

// attempts are one or more for every command and query, on the accounts of
// newTeam.
func attempts() []attempt {
	made := 0
	next := func() string { // a name that nothing has yet
		made++
		return fmt.Sprint("NEW-", made)
	}
	transferFrom := func(debits ...string) func(*fsmtest.Client) error {
		return func(by *fsmtest.Client) error {
			var list []*pb.Transfer
			for _, debit := range debits {
				list = append(list, of(next(), debit, "/account/b", "0"))
			}
			_, err := fsmtest.Do(by, ledger.Transfer, &pb.TransferRequest{Transfers: list})
			return err
		}
	}
	createAsset := func(by *fsmtest.Client) error {
		_, err := fsmtest.Do(by, ledger.CreateAsset, &pb.CreateAssetRequest{Code: next()})
		return err
	}
	openIn := func(folder string) func(*fsmtest.Client) error {
		return func(by *fsmtest.Client) error {
			_, err := fsmtest.Do(by, ledger.OpenAccount, &pb.OpenAccountRequest{Path: folder + "/" + next(), Asset: "USD"})
			return err
		}
	}
	openBelow := func(folder string) func(*fsmtest.Client) error {
		return func(by *fsmtest.Client) error { return openIn(folder + "/" + next() + "/x")(by) }
	}
	lookup := func(under string) func(*fsmtest.Client) error {
		return func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.Lookup, &pb.LookupRequest{Ids: []string{"standing"}, Under: under})
			return err
		}
	}
	balance := func(of string) func(*fsmtest.Client) error {
		return func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.Balance, &pb.BalanceRequest{Path: of})
			return err
		}
	}
	statement := func(of string) func(*fsmtest.Client) error {
		return func(by *fsmtest.Client) error {
			_, err := fsmtest.Ask(by, ledger.Statement, &pb.StatementRequest{Path: of})
			return err
		}
	}
	totals := func(by *fsmtest.Client) error {
		_, err := fsmtest.Ask(by, ledger.TrialBalance, &pb.TrialBalanceRequest{})
		return err
	}

	return []attempt{
		{"create an asset", createAsset, command.Admin, "/account"},
		{"open an account", openIn("/account/team"), command.Write, "/account/team"},
		{"open an account at the top", openIn("/account"), command.Write, "/account"},
		{"open an account below another", openIn("/account/team/x"), command.Write, "/account/team/x"},
		{"open an account in folders that are missing", openBelow("/account/team"), command.Write, "/account/team"},
		{"pay", transferFrom("/account/team/x"), command.Spend, "/account/team/x"},
		{"pay from another account", transferFrom("/account/bank"), command.Spend, "/account/bank"},
		{"pay from two accounts", transferFrom("/account/team/x", "/account/team/y"), command.Spend, "/account/team"},
		{"pay from two accounts, one another's", transferFrom("/account/bank", "/account/team/x"), command.Spend, "/account/bank"},
		{"look up everywhere", lookup(""), command.Read, "/account"},
		{"look up at the root", lookup("/"), command.Read, "/"},
		{"look up under a folder", lookup("/account/team"), command.Read, "/account/team"},
		{"look up under another folder", lookup("/account/a"), command.Read, "/account/a"},
		{"see a balance", balance("/account/team/x"), command.Read, "/account/team/x"},
		{"see another balance", balance("/account/a"), command.Read, "/account/a"},
		{"see a statement", statement("/account/team/x"), command.Read, "/account/team/x"},
		{"see another statement", statement("/account/a"), command.Read, "/account/a"},
		{"see the trial balance", totals, command.Read, "/account"},
	}
}

// newTeam is newBooks with two accounts of a team.
func newTeam(t *testing.T) *fsmtest.Machine {
	t.Helper()
	m := newBooks(t)
	open(m, "/account/team/x", "USD", ledger.Unlimited, "")
	open(m, "/account/team/y", "USD", "", "")
	pay(m, "standing", "/account/team/x", "/account/a", "1")
	return m
}

// TestWhoMayDoWhat: every command and query of the ledger, in trees with one
// clause beside that for View. Who holds the role of the clause may do what it
// covers, and is denied the rest; who sees nothing finds nothing.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	for _, operation := range []command.Operation{command.Read, command.Write, command.Spend, command.Admin} {
		for _, on := range []path.Path{"/", "/account", "/account/team", "/account/tea", "/workload"} {
			t.Run(fmt.Sprint(operation, on), func(t *testing.T) {
				t.Parallel()
				m := newTeam(t)
				m.Clause("/", command.View, "/role/viewer")
				m.Clause(on, operation, "/role/doer")
				both := m.Principal("/workload/both", "/role/viewer", "/role/doer")
				viewer := m.Principal("/workload/viewer", "/role/viewer")
				doer := m.Principal("/workload/doer", "/role/doer")
				for _, test := range attempts() {
					want := fault.Denied
					if test.operation == operation && on.Covers(test.on) {
						want = ""
					}
					wantKindOf(t, test.name+" with both roles", test.do(both), want)
					wantKindOf(t, test.name+" with the role for View", test.do(viewer), fault.Denied)
					wantKindOf(t, test.name+" without the role for View", test.do(doer), fault.NotFound)
					wantKindOf(t, test.name+" as an operator", test.do(m.Operator), "")
				}
			})
		}
	}
}

// wantKindOf wants an error of the kind; "" is no error.
func wantKindOf(t *testing.T, what string, err error, want fault.Kind) {
	t.Helper()
	got := fault.Kind("")
	if err != nil {
		got = fault.KindOf(err)
	}
	if got != want {
		t.Errorf("%s: %v, want a fault %q", what, err, want)
	}
}

// TestWithoutAnyClauseNothingIsThere: nobody but an operator may do what no
// clause speaks of.
func TestWithoutAnyClauseNothingIsThere(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	by := m.Principal("/workload/x", "/role/viewer")
	for _, test := range attempts() {
		wantKindOf(t, test.name+" without any clause", test.do(by), fault.NotFound)
	}
	m.Clause("/", command.View)
	for _, test := range attempts() {
		wantKindOf(t, test.name+" with a clause for View alone", test.do(by), fault.Denied)
	}
}

// TestEveryDebitNeedsSpend: of all accounts that pay, whatever is paid.
func TestEveryDebitNeedsSpend(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.Clause("/account", command.View)
	m.Clause("/account/team/x", command.Spend, "/role/payer")
	by := m.Principal("/workload/x", "/role/payer")
	pay := func(transfers ...*pb.Transfer) error {
		_, err := fsmtest.Do(by, ledger.Transfer, &pb.TransferRequest{Transfers: transfers})
		return err
	}
	const mine, other = "/account/team/x", "/account/team/y"
	wantKindOf(t, "paying", pay(of("1", mine, other, "1")), "")
	wantKindOf(t, "being paid", pay(of("2", other, mine, "0")), fault.Denied)
	wantKindOf(t, "paying, and being paid", pay(of("3", mine, other, "1"), of("4", other, mine, "0")), fault.Denied)
	wantKindOf(t, "paying in another spelling", pay(of("5", "am:/"+mine+"/", other, "1")), "")
	wantBalance(t, m, other, "-0.00 +2.00 2.00")
}

// TestWhereAccountsAreOpened: it takes Write on the nearest directory that there
// is. A local clause there counts, and not below.
func TestWhereAccountsAreOpened(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	m.LocalClause("/account/team", command.Write, "/role/opener")
	m.LocalClause("/account/other/x", command.Write, "/role/opener")
	m.Directory("/account/team/folder")
	by := m.Principal("/workload/x", "/role/opener")
	for _, test := range []struct {
		path, name string
		want       fault.Kind
	}{
		{"/account/other/x", "with Write on what becomes the account alone", fault.Denied},
		{"/account/other/y", "beside it", fault.Denied},
		{"/account/other/x/y", "below it", ""},
		{"/account/x", "above all of them", fault.Denied},
		{"/account/team/a", "in the directory", ""},
		{"/account/team/folder", "in place of a directory in it", ""},
		{"/account/team/folder/a", "in a directory in it", fault.Denied},
		{"/account/team/b/c/d", "where directories are missing", ""},
		{"/account/team/b/c/e", "where they are not any more", fault.Denied},
		{"/account/team/a/b", "below an account", fault.Denied},
		{"/account/team", "in place of the directory", fault.Denied},
		{"/account/teams/a", "in one that begins the same", fault.Denied},
	} {
		_, err := fsmtest.Do(by, ledger.OpenAccount, &pb.OpenAccountRequest{Path: test.path, Asset: "USD"})
		wantKindOf(t, "opening "+test.path+", "+test.name, err, test.want)
	}
}

// TestAccountsAreNodes: an account is a name of the tree, and what is in its
// place matters.
func TestAccountsAreNodes(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Directory("/account/folder")
	m.Leaf("/account/leaf")
	open(m, "/account/x/y/z", "USD", "", "")
	open(m, "/account/folder", "USD", "", "")
	wantNodes(t, m, "a account, b account, bank account, eur account, folder account, leaf leaf, x directory, x/y directory, x/y/z account")
	for path, want := range map[string]fault.Kind{
		"/account/leaf":   fault.Exists,
		"/account/leaf/x": fault.Conflict,
		"/account/folder": fault.Exists,
	} {
		before := m.Hash()
		_, err := fsmtest.Do(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: path, Asset: "USD"})
		wantKindOf(t, "opening "+path, err, want)
		if m.Hash() != before {
			t.Errorf("opening %s changed the state", path)
		}
	}
	open(m, "/account/x", "USD", "", "")
	open(m, "/account/x/y", "USD", "", "")
	wantNodes(t, m, "a account, b account, bank account, eur account, folder account, leaf leaf, x account, x/y account, x/y/z account")
}

// wantNodes compares what there is below /account.
func wantNodes(t *testing.T, m *fsmtest.Machine, want string) {
	t.Helper()
	var all []string
	m.View(func(v *command.Reading) {
		for n := range tree.Descendants(v, tree.Accounts, "") {
			all = append(all, fmt.Sprint(n.Path[len("/account/"):], " ", n.Kind))
		}
	})
	if got := strings.Join(all, ", "); got != want {
		t.Errorf("below /account there is %s, want %s", got, want)
	}
}

// TestHiddenAccounts: whether an account exists is told to those only who may
// see it.
func TestHiddenAccounts(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.Read)
	m.Clause("/", command.Spend)
	m.LocalClause("/account", command.View)
	nobody := m.Principal("/workload/x")
	ask := func(path string) string {
		_, balance := fsmtest.Ask(nobody, ledger.Balance, &pb.BalanceRequest{Path: path})
		_, statement := fsmtest.Ask(nobody, ledger.Statement, &pb.StatementRequest{Path: path})
		_, transfer := fsmtest.Do(nobody, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{of("1", path, "/account/b", "1")}})
		return fmt.Sprintf("%v / %v / %v", balance, statement, transfer)
	}
	hidden, missing := ask("/account/a"), ask("/account/x")
	if want := "nothing at /account/x / nothing at /account/x / nothing at /account/x"; missing != want {
		t.Errorf("of an account that does not exist nobody hears %s, want %s", missing, want)
	}
	if want := "nothing at /account/a / nothing at /account/a / nothing at /account/a"; hidden != want {
		t.Errorf("of an account that is hidden nobody hears %s, want %s", hidden, want)
	}
}
