package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// visit opens an ephemeral account, pays it from the other and lets it pay back, so that
// it goes. It gives when it was opened, paid and gone.
func visit(m *fsmtest.Machine, id, path, asset, other, amount string) (opened, paid, left int64) {
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: path, Asset: asset, Kind: "ephemeral"})
	opened = m.Position().Time
	pay(m, id+"-in", other, path, amount)
	paid = m.Position().Time
	pay(m, id+"-out", path, other, amount)
	return opened, paid, m.Position().Time
}

// had gives a balance in short: the asset and what is left of it, or the refusal.
func had(by *fsmtest.Client, path string, at int64, effective bool) string {
	res, err := fsmtest.Ask(by, ledger.Balance, &pb.BalanceRequest{Path: path, AtUnixNanos: at, Effective: effective})
	if err != nil {
		return refusal(err)
	}
	return res.Asset + " " + res.Balance
}

// refusal gives all that is told of a refusal.
func refusal(err error) string {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprint(f.Kind, ": ", f.Message, " ", f.Details)
}

const (
	job       = "/account/team/job"
	nothingAt = "not_found: nothing at " + job + " map[path:" + job + "]"
	hasGone   = "not_found: nothing at " + job + ": what was there has gone map[path:" + job + " state:gone]"
)

// TestBalanceOfTheAccountThatWasThere: it is that of the account that was at the path at
// the instant, whichever is there now.
func TestBalanceOfTheAccountThatWasThere(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	if got := had(m.Operator, job, 0, false); got != nothingAt {
		t.Errorf("where nothing ever was there is %s, want %s", got, nothingAt)
	}
	opened1, paid1, left1 := visit(m, "1", job, "USD", "/account/bank", "5")
	opened2, paid2, left2 := visit(m, "2", job, "EUR", "/account/eur", "7")
	opened3, paid3, left3 := visit(m, "3", job, "USD", "/account/bank", "9")
	check := func(what string, others string) {
		t.Helper()
		for _, test := range []struct {
			at   int64
			want string
		}{
			{1, others}, {opened1 - 1, others}, {opened1, "USD 0.00"}, {paid1 - 1, "USD 0.00"}, {paid1, "USD 5.00"}, {left1 - 1, "USD 5.00"}, {left1, others},
			{opened2 - 1, others}, {opened2, "EUR 0.00"}, {paid2, "EUR 7.00"}, {left2 - 1, "EUR 7.00"}, {left2, others},
			{opened3 - 1, others}, {opened3, "USD 0.00"}, {paid3, "USD 9.00"}, {left3 - 1, "USD 9.00"}, {left3, others}, {0, others},
		} {
			for _, effective := range []bool{false, true} {
				if got := had(m.Operator, job, test.at, effective); got != test.want {
					t.Errorf("%s, at %d, by effective time %v, there is %s, want %s", what, test.at, effective, got, test.want)
				}
			}
		}
	}
	check("nothing is there", hasGone)
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: job, Asset: "EUR"})
	check("another is there", "EUR 0.00")
	pay(m, "4", "/account/eur", job, "4")
	if got := had(m.Operator, job, 0, false); got != "EUR 4.00" {
		t.Errorf("there is %s, want that of the account that is there", got)
	}
}

// TestBalanceThatBecameKnownOfWhatHasGone: what was back-dated into the time of another
// account is not that one's.
func TestBalanceThatBecameKnownOfWhatHasGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	before := m.Position().Time
	opened, paid, _ := visit(m, "1", job, "USD", "/account/bank", "5")
	open(m, job, "USD", "", "")
	backdate(m, "2", "/account/bank", job, "3", before)
	for at, want := range map[int64]string{before - 1: "USD 0.00", before: "USD 3.00", opened: "USD 0.00", paid: "USD 5.00", 0: "USD 3.00"} {
		if got := had(m.Operator, job, at, true); got != want {
			t.Errorf("at %d there is %s, want %s", at, got, want)
		}
	}
}

// TestWhoIsToldOfWhatHasGone: who may Read the nearest name that is left. Others are told
// what they are told of a path where nothing ever was, or of what they may not View.
func TestWhoIsToldOfWhatHasGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const kept, secret = "/account/team/kept", "/account/team/secret"
	_, paid, _ := visit(m, "1", job, "USD", "/account/bank", "5")
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: kept, Asset: "USD", Kind: "ephemeral"})
	open(m, secret, "USD", "", "")
	m.Clause("/", command.View)
	m.Clause("/account/team", command.Read, "/role/reader", "/role/boss")
	m.Clause(kept, command.Read, "/role/boss")
	m.Clause(secret, command.View, "/role/boss")
	pay(m, "2-in", "/account/bank", kept, "5")
	pay(m, "2-out", kept, "/account/bank", "5") // its rule leaves the name behind
	keptAt := m.Position().Time - 1
	statement := func(by *fsmtest.Client, path string) string {
		res, err := fsmtest.Ask(by, ledger.Statement, &pb.StatementRequest{Path: path})
		if err != nil {
			return refusal(err)
		}
		return fmt.Sprint(len(res.Lines), " lines")
	}
	nobody, reader := m.Principal("/user/nobody"), m.Principal("/user/reader", "/role/reader")
	boss := m.Principal("/user/boss", "/role/boss", "/role/reader")
	for _, by := range []*fsmtest.Client{boss, m.Operator} {
		if got, lines := had(by, kept, keptAt, false), statement(by, kept); got != "USD 5.00" || lines != "2 lines" {
			t.Errorf("of a name that stays there was %s, in %s", got, lines)
		}
	}
	denied := "denied: /user/reader may not Read " + kept
	if got, lines := had(reader, kept, keptAt, false), statement(reader, kept); !strings.HasPrefix(got, denied) || !strings.HasPrefix(lines, denied) {
		t.Errorf("of a name with a rule there is %s, and the statement %s; want %s", got, lines, denied)
	}
	if got, lines := had(reader, job, paid, false), statement(reader, job); got != "USD 5.00" || lines != "2 lines" {
		t.Errorf("who may Read the folder finds %s, in %s", got, lines)
	}
	for _, path := range []string{job, secret, "/account/team/none"} {
		for _, at := range []int64{0, paid} {
			want := strings.ReplaceAll(nothingAt, job, path)
			if got, lines := had(nobody, path, at, false), statement(nobody, path); got != want || lines != want {
				t.Errorf("at %d of %s it is told %s, and the statement %s; want %s", at, path, got, lines, want)
			}
		}
	}
	m.Clause("/account/team", command.View, "/role/reader")
	if got, lines := had(nobody, job, paid, false), statement(nobody, job); got != nothingAt || lines != nothingAt {
		t.Errorf("who may not View the folder is told %s, and the statement %s", got, lines)
	}
}

// TestBalanceOfAPathThatWasUsedOften reads little, however often an account came and went.
func TestBalanceOfAPathThatWasUsedOften(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 0, 0)
	var held []int64
	for i := range 500 {
		h.apply(ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: job, Asset: "USD", Kind: "ephemeral"})
		for _, transfer := range []*pb.Transfer{
			of(fmt.Sprint("in-", i), "/account/a", job, fmt.Sprint(i+1)), of(fmt.Sprint("out-", i), job, "/account/a", fmt.Sprint(i+1)),
		} {
			h.apply(ledger.Transfer.Name, &pb.TransferRequest{Transfers: []*pb.Transfer{transfer}})
		}
		held = append(held, h.now()-1)
	}
	view := h.machine.View(operator)
	defer view.Close()
	most := 0
	for i, at := range held {
		h.engine.reads = 0
		res, err := fsm.Ask(view, ledger.Balance, &pb.BalanceRequest{Path: job, AtUnixNanos: at})
		if want := fmt.Sprint(i+1, ".00"); err != nil || res.Balance != want {
			t.Fatalf("of account %d: %v, %v, want %s", i, res, err, want)
		}
		most = max(most, h.engine.reads)
	}
	if t.Logf("at most %d reads", most); most > 100 {
		t.Errorf("a balance takes %d reads", most)
	}
}

// TestStatementOfWhatHasGone: of the last account that was at the path, until another is.
func TestStatementOfWhatHasGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	visit(m, "1", job, "USD", "/account/bank", "5")
	_, paid, _ := visit(m, "2", job, "EUR", "/account/eur", "7")
	for _, req := range []*pb.StatementRequest{{}, {Effective: true}, {NewestFirst: true}, {Asset: "EUR"}} {
		req.Path, req.Limit = job, 1
		lines, opening, closing := wholeStatement(t, m.Operator, req)
		if len(lines) != 2 || lines[0].Transfer != "2-in" || lines[0].Balance != "7.00" || lines[1].Transfer != "2-out" || opening != "0.00" || closing != "0.00" {
			t.Errorf("%v goes from %s to %s: %v", req, opening, closing, lines)
		}
	}
	lines, opening, _ := wholeStatement(t, m.Operator, &pb.StatementRequest{Path: job, FromUnixNanos: paid + 1, Limit: 1})
	if len(lines) != 1 || opening != "7.00" {
		t.Errorf("from within it begins with %s: %v", opening, lines)
	}
	_, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: job, Asset: "USD"})
	wantKindOf(t, "the asset of the one before", err, fault.Invalid)
	_, err = fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: "/account/team/none"})
	wantKindOf(t, "where nothing ever was", err, fault.NotFound)

	page, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: job, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	open(m, job, "USD", "", "")
	if lines := pages(t, m, job, 1, false); len(lines) != 0 {
		t.Errorf("the statement of the account that is there is %v, want nothing", lines)
	}
	_, err = fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: job, Limit: 1, Cursor: page.Cursor})
	wantKindOf(t, "the next page, when another account is there", err, fault.Conflict)
}

// TestStatementOfATimeWithoutAccounts is empty, if the caller may know of one at another
// time.
func TestStatementOfATimeWithoutAccounts(t *testing.T) {
	t.Parallel()
	const folder = "/account/team"
	m := newBooks(t)
	before := m.Position().Time
	_, _, left := visit(m, "1", job, "USD", "/account/bank", "5")
	visit(m, "2", "/account/team/secret/job", "EUR", "/account/eur", "7")
	m.Clause("/", command.View)
	m.Clause("/account", command.Read)
	m.Clause("/account/team/secret", command.Read, "/role/boss")
	reader, boss := m.Principal("/user/reader"), m.Principal("/user/boss", "/role/boss")
	later := m.Position().Time + 1
	check := func(what string, by *fsmtest.Client, asset, want string) {
		t.Helper()
		for _, req := range []*pb.StatementRequest{
			{FromUnixNanos: later}, {FromUnixNanos: later, Effective: true}, {FromUnixNanos: later, UntilUnixNanos: later + 1, NewestFirst: true},
		} {
			req.Path, req.Subtree, req.Asset = folder, true, asset
			if got := shortly(by, req); got != want {
				t.Errorf("%s: the statement of %q is %s, want %s", what, asset, got, want)
			}
		}
	}
	const empty, none = "0 lines of USD, from 0.00 to 0.00", "not_found: no account"
	check("who may Read all", boss, "USD", empty)
	check("who may Read all", boss, "EUR", "0 lines of EUR, from 0.00 to 0.00")
	check("who may Read all", boss, "", "invalid: the accounts at and below /account/team hold USD and EUR: asset must say which is meant map[]")
	check("who may Read all", boss, "BIG", none+` of "BIG" at and below /account/team map[]`)
	check("who may Read all", boss, "XXX", none+` of "XXX" at and below /account/team map[]`)
	check("who may not Read one", reader, "USD", empty)
	check("who may not Read one", reader, "EUR", none+` of "EUR" at and below /account/team map[]`)
	check("who may not Read one", reader, "", empty)
	m.Clause("/account/team/secret", command.View, "/role/boss")
	check("who may not View one", reader, "EUR", none+` of "EUR" at and below /account/team map[]`)
	check("who may not View one", reader, "", empty)
	check("who may View it", boss, "EUR", "0 lines of EUR, from 0.00 to 0.00")

	early := &pb.StatementRequest{Path: folder, Subtree: true, Asset: "USD", UntilUnixNanos: before}
	if got := shortly(reader, early); got != empty {
		t.Errorf("before all accounts the statement is %s, want %s", got, empty)
	}
	whole := &pb.StatementRequest{Path: folder, Subtree: true, Asset: "USD", FromUnixNanos: before, UntilUnixNanos: left + 1}
	if got, want := shortly(reader, whole), "2 lines of USD, from 0.00 to 0.00"; got != want {
		t.Errorf("in its time the statement is %s, want %s", got, want)
	}
	m.Directory("/account/empty")
	if got, want := shortly(boss, &pb.StatementRequest{Path: "/account/empty", Subtree: true, FromUnixNanos: later}), none+" at and below /account/empty map[]"; got != want {
		t.Errorf("where no account ever was the statement is %s, want %s", got, want)
	}
}

// shortly gives a statement in short.
func shortly(by *fsmtest.Client, req *pb.StatementRequest) string {
	res, err := fsmtest.Ask(by, ledger.Statement, req)
	if err != nil {
		return refusal(err)
	}
	return fmt.Sprintf("%d lines of %s, from %s to %s", len(res.Lines), res.Asset, res.Opening, res.Closing)
}
