package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// rolledUp gives a roll-up in short: the asset, how many accounts, the balance.
func rolledUp(t *testing.T, by *fsmtest.Client, req *pb.RollUpRequest) string {
	t.Helper()
	res, err := fsmtest.Ask(by, ledger.RollUp, req)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, a := range res.Assets {
		all = append(all, fmt.Sprintf("%s %d %s", a.Asset, a.Accounts, a.Balance))
	}
	return strings.Join(all, ", ")
}

func TestRollUp(t *testing.T) {
	t.Parallel()
	m := newTeam(t) // x has -1.00
	open(m, "/account/team/sub/z", "EUR", "", "")
	open(m, "/account/teams", "USD", "", "")
	pay(m, "z", "/account/eur", "/account/team/sub/z", "7")
	pay(m, "s", "/account/bank", "/account/teams", "9")
	then := m.Position().Time
	pay(m, "y", "/account/bank", "/account/team/y", "3")
	open(m, "/account/team/later", "USD", "", "")
	for _, test := range []struct{ under, now, then string }{
		{"", "EUR 2 0.00, USD 7 0.00", "EUR 2 0.00, USD 6 0.00"},
		{"/account/team", "EUR 1 7.00, USD 3 2.00", "EUR 1 7.00, USD 2 -1.00"},
		{"/account/team/x", "USD 1 -1.00", "USD 1 -1.00"},
		{"/account/team/later", "USD 1 0.00", ""},
		{"/account/none", "nothing at /account/none", "nothing at /account/none"},
		{"/data", "accounts are below /account, not below /data", "accounts are below /account, not below /data"},
	} {
		if got := rolledUp(t, m.Operator, &pb.RollUpRequest{Under: test.under}); got != test.now {
			t.Errorf("below %q there is %s, want %s", test.under, got, test.now)
		}
		for _, effective := range []bool{false, true} {
			if got := rolledUp(t, m.Operator, &pb.RollUpRequest{Under: test.under, AtUnixNanos: then, Effective: effective}); got != test.then {
				t.Errorf("below %q there was, by effective time %v, %s, want %s", test.under, effective, got, test.then)
			}
		}
	}
}

// TestRollUpOfWhatHasGone: an account that has gone is in the sums of the time when
// it was there.
func TestRollUpOfWhatHasGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	ephemeral := func() {
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/team/e", Asset: "USD", Kind: "ephemeral"})
	}
	ephemeral()
	pay(m, "in", "/account/a", "/account/team/e", "4")
	held := m.Position().Time
	pay(m, "out", "/account/team/e", "/account/b", "4")
	went := m.Position().Time
	ephemeral()
	pay(m, "again", "/account/a", "/account/team/e", "6")
	for _, test := range []struct {
		at   int64
		want string
	}{{held - 1, "USD 1 0.00"}, {held, "USD 1 4.00"}, {went - 1, "USD 1 4.00"}, {went, ""}, {0, "USD 1 6.00"}} {
		for _, effective := range []bool{false, true} {
			if got := rolledUp(t, m.Operator, &pb.RollUpRequest{Under: "/account/team", AtUnixNanos: test.at, Effective: effective}); got != test.want {
				t.Errorf("at %d, by effective time %v, there is %q, want %q", test.at, effective, got, test.want)
			}
		}
	}
	lines, opening, closing := wholeStatement(t, m.Operator, &pb.StatementRequest{Path: "/account/team", Subtree: true, Limit: 2})
	if len(lines) != 3 || opening != "0.00" || closing != "6.00" || lines[1].Debit != "4.00" || lines[1].Account != "/account/team/e" {
		t.Errorf("the statement goes from %s to %s: %v", opening, closing, lines)
	}
	if lines, _, _ := wholeStatement(t, m.Operator, &pb.StatementRequest{Path: "/account/b", Limit: 1}); len(lines) != 1 || lines[0].Counterparty != "/account/team/e" {
		t.Errorf("what the account that has gone paid is %v", lines)
	}
}

// TestSumsOfHiddenAccounts: what the caller may not View is not there for it. What
// it may View and not Read is never left out without a word.
func TestSumsOfHiddenAccounts(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	open(m, "/account/team/secret", "USD", "", "")
	pay(m, "s", "/account/bank", "/account/team/secret", "50")
	pay(m, "y", "/account/bank", "/account/team/y", "3")
	m.Clause("/", command.View)
	m.Clause("/account/team", command.Read, "/role/reader")
	m.Clause("/account/team/secret", command.View, "/role/insider")
	reader := m.Principal("/workload/reader", "/role/reader")
	insider := m.Principal("/workload/insider", "/role/reader", "/role/insider")
	stranger := m.Principal("/workload/stranger")
	statement := func(by *fsmtest.Client) string {
		res, err := fsmtest.Ask(by, ledger.Statement, &pb.StatementRequest{Path: "/account/team", Subtree: true})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(len(res.Lines), " ", res.Closing)
	}
	const denied = " may not Read /account/team"
	for _, test := range []struct {
		who             string
		by              *fsmtest.Client
		sums, statement string
	}{
		{"who sees the secret", insider, "USD 3 52.00", "3 52.00"},
		{"who does not", reader, "USD 2 2.00", "2 2.00"},
		{"who may not Read the team", stranger, "/workload/stranger" + denied, "/workload/stranger" + denied},
		{"the operator", m.Operator, "USD 3 52.00", "3 52.00"},
	} {
		if got := rolledUp(t, test.by, &pb.RollUpRequest{Under: "/account/team"}); got != test.sums {
			t.Errorf("for %s there is %s, want %s", test.who, got, test.sums)
		}
		if got := statement(test.by); got != test.statement {
			t.Errorf("for %s the statement has %s, want %s", test.who, got, test.statement)
		}
	}
	m.Clause("/account/team/y", command.Read, "/role/other")
	const want = "/workload/insider" + denied + "/y"
	if got := rolledUp(t, insider, &pb.RollUpRequest{Under: "/account/team"}); got != want {
		t.Errorf("with an account that it may not Read there is %s, want %s", got, want)
	}
	if got := statement(insider); got != want {
		t.Errorf("with an account that it may not Read the statement has %s, want %s", got, want)
	}
}

// TestHiddenAccountsThatHaveGone: a name with a rule of its own stays, and rules.
func TestHiddenAccountsThatHaveGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for _, path := range []string{"/account/team/e", "/account/team/secret"} {
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: path, Asset: "USD", Kind: "ephemeral"})
	}
	m.Clause("/", command.View)
	m.Clause("/account", command.Read)
	m.Clause("/account/team/secret", command.View, "/role/insider")
	pay(m, "1", "/account/a", "/account/team/e", "1")
	pay(m, "2", "/account/a", "/account/team/secret", "2")
	then := m.Position().Time
	pay(m, "3", "/account/team/e", "/account/b", "1")
	pay(m, "4", "/account/team/secret", "/account/b", "2")
	for who, want := range map[*fsmtest.Client]string{
		m.Principal("/workload/insider", "/role/insider"): "USD 2 3.00",
		m.Principal("/workload/reader"):                   "USD 1 1.00",
	} {
		if got := rolledUp(t, who, &pb.RollUpRequest{Under: "/account/team", AtUnixNanos: then}); got != want {
			t.Errorf("there was %s, want %s", got, want)
		}
	}
}

func TestSubtreeStatementsAreBounded(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	for _, code := range []string{"USD", "EUR"} {
		fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: code, Scale: 2})
	}
	for i := range ledger.MaxStatementAccounts {
		open(m, fmt.Sprint("/account/team/", i), "USD", "", "")
	}
	ask := func(path, asset string) error {
		_, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: path, Subtree: true, Asset: asset})
		return err
	}
	wantKindOf(t, "as many accounts as there may be", ask("/account", ""), "")
	open(m, "/account/team/eur", "EUR", "", "")
	for _, test := range []struct {
		what, path, asset string
		kind              fault.Kind
		want              string
	}{
		{"two assets", "/account/team", "", fault.Invalid, "the accounts at and below /account/team hold USD and EUR: asset must say which is meant"},
		{"one of them", "/account/team", "USD", "", ""},
		{"the other", "/account/team", "EUR", "", ""},
		{"none of them", "/account/team", "XXX", fault.NotFound, `no account of "XXX" at and below /account/team`},
		{"another than the account's", "/account/team/1", "EUR", fault.NotFound, `no account of "EUR"`},
		{"a path that is none", "/account/none", "", fault.NotFound, "nothing at /account/none"},
		{"a path of others", "/data", "", fault.Invalid, "accounts are below /account"},
	} {
		err := ask(test.path, test.asset)
		wantKindOf(t, test.what, err, test.kind)
		if err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.what, err, test.want)
		}
	}
	m.Wait(1000)
	before := m.Position().Time
	open(m, "/account/team/more", "USD", "", "")
	if err := ask("/account", "USD"); !errors.Is(err, fault.Exhausted) || !strings.Contains(err.Error(), fmt.Sprintf("more than %d accounts of USD", ledger.MaxStatementAccounts)) {
		t.Errorf("one account too many: %v", err)
	}
	if _, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: "/account", Subtree: true, Asset: "USD", UntilUnixNanos: before}); err != nil {
		t.Errorf("before there was one account too many: %v", err)
	}
	m.Directory("/account/empty")
	wantKindOf(t, "a folder without accounts", ask("/account/empty", ""), fault.NotFound)
}
