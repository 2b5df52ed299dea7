package ledger_test

import (
	"fmt"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestWhoMayDoWhat: every command and query of the ledger, by callers with one
// grant each. A caller with another grant on the way is denied; one without
// finds nothing there.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/team/x", "USD", ledger.Unlimited, "")
	open(m, "/account/team/y", "USD", "", "")
	pay(m, "standing", "/account/team/x", "/account/a", "1")

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

	for _, test := range []struct {
		name      string
		do        func(*fsmtest.Client) error
		operation command.Operation // that it takes
		on        path.Path         // where it takes it
	}{
		{"create an asset", createAsset, command.Admin, "/account"},
		{"open an account", openIn("/account/team"), command.Write, "/account/team"},
		{"open an account at the top", openIn("/account"), command.Write, "/account"},
		{"open an account below another", openIn("/account/team/x"), command.Write, "/account/team/x"},
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
	} {
		if err := test.do(m.Operator); err != nil {
			t.Errorf("an operator may not %s: %v", test.name, err)
		}
		if err := test.do(m.Workload("/workload/x")); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s without a grant: %v, want a fault.NotFound", test.name, err)
		}
		for _, operation := range []command.Operation{command.View, command.Read, command.Write, command.Spend, command.Admin} {
			for _, on := range []path.Path{"/", "/account", "/account/team", "/account/tea", "/workload"} {
				err := test.do(m.Workload("/workload/x", command.Grant{Operation: operation, Path: on}))
				what := fmt.Sprintf("%s with %s on %s", test.name, operation, on)
				switch {
				case !on.Covers(test.on):
					if fault.KindOf(err) != fault.NotFound {
						t.Errorf("%s: %v, want a fault.NotFound", what, err)
					}
				case operation != test.operation:
					if fault.KindOf(err) != fault.Denied {
						t.Errorf("%s: %v, want a fault.Denied", what, err)
					}
				case err != nil:
					t.Errorf("%s: %v, want it allowed", what, err)
				}
			}
		}
	}
}

// TestOpeningTakesWriteOnTheFolder: on the account itself is not enough.
func TestOpeningTakesWriteOnTheFolder(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	by := m.Workload("/workload/x", command.Grant{Operation: command.Write, Path: "/account/team/x"})
	_, err := fsmtest.Do(by, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/team/x", Asset: "USD"})
	if fault.KindOf(err) != fault.NotFound {
		t.Errorf("opening an account with Write on itself gives %v, want a fault.NotFound", err)
	}
}

// TestHiddenAccounts: whether an account exists is told to those only who may
// see it.
func TestHiddenAccounts(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	nobody := m.Workload("/workload/x")
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
