package ledger_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// pages reads a whole statement, page by page.
func pages(t fsmtest.T, m *fsmtest.Machine, path string, limit uint32, newestFirst bool) (all []*pb.StatementLine) {
	t.Helper()
	req := &pb.StatementRequest{Path: path, Limit: limit, NewestFirst: newestFirst}
	for {
		res, err := fsmtest.Ask(m.Operator, ledger.Statement, req)
		switch {
		case err != nil:
			t.Fatalf("statement %v: %v", req, err)
		case res.Path != path || res.Asset == "":
			t.Fatalf("statement %v is of %s in %s", req, res.Path, res.Asset)
		case res.Cursor != "" && (len(res.Lines) != int(limit) || res.Cursor == req.Cursor):
			t.Fatalf("statement %v has %d lines and goes on at %s", req, len(res.Lines), res.Cursor)
		}
		all = append(all, res.Lines...)
		if res.Cursor == "" {
			return all
		}
		req.Cursor = res.Cursor
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	opening := pages(t, m, "/account/a", 10, false)
	if len(opening) != 1 {
		t.Fatalf("the statement of a is %v, want the opening", opening)
	}
	lines := []*pb.StatementLine{
		{Transfer: "opening", Counterparty: "/account/bank", Credit: "100.00", Balance: "100.00"},
		{Transfer: "1", Counterparty: "/account/b", Debit: "0.01", Balance: "99.99"},
		{Transfer: "2", Counterparty: "/account/bank", Debit: "99.99", Balance: "0.00"},
		{Transfer: "3", Counterparty: "/account/b", Credit: "0.00", Balance: "0.00"},
		{Transfer: "4", Counterparty: "/account/bank", Credit: "5.00", Balance: "5.00"},
	}
	lines[0].Index, lines[0].UnixNanos = opening[0].Index, opening[0].UnixNanos
	for i, p := range []*pb.Transfer{
		of("1", "/account/a", "/account/b", "0.01"), of("2", "/account/a", "/account/bank", "99.99"),
		of("3", "/account/b", "/account/a", "0"), of("4", "/account/bank", "/account/a", "5"),
	} {
		lines[i+1].Index = pay(m, p.Id, p.Debit, p.Credit, p.Amount)
		lines[i+1].UnixNanos = m.Position().Time
	}
	for limit := range uint32(7) {
		if limit == 0 {
			continue
		}
		if diff := cmp.Diff(lines, pages(t, m, "/account/a", limit, false), protocmp.Transform()); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", limit, diff)
		}
		newest := slices.Clone(lines)
		slices.Reverse(newest)
		if diff := cmp.Diff(newest, pages(t, m, "/account/a", limit, true), protocmp.Transform()); diff != "" {
			t.Errorf("in pages of %d, newest first (-want +got):\n%s", limit, diff)
		}
	}
}

func TestStatementBelowZero(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	pay(m, "1", "/account/bank", "/account/a", "0.5")
	lines := pages(t, m, "/account/bank", 10, false)
	if len(lines) != 2 || lines[0].Balance != "-100.00" || lines[1].Balance != "-100.50" || lines[1].Debit != "0.50" || lines[1].Credit != "" {
		t.Errorf("the statement of the bank is %v", lines)
	}
}

func TestStatementOfAnAccountWithoutTransfers(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for _, newestFirst := range []bool{false, true} {
		if lines := pages(t, m, "/account/b", 1, newestFirst); len(lines) != 0 {
			t.Errorf("the statement of b is %v, want nothing", lines)
		}
	}
}

func TestStatementLimits(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	list := make([]*pb.Transfer, ledger.MaxLines+1)
	for i := range list {
		list[i] = of(fmt.Sprint(i), "/account/bank", "/account/b", "1")
	}
	accepted(t, m, uint32(len(list)), list...)
	for limit, want := range map[uint32]int{0: ledger.DefaultLines, 1: 1, 999: 999, ledger.MaxLines: ledger.MaxLines} {
		res, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: "/account/b", Limit: limit})
		if err != nil || len(res.Lines) != want || res.Cursor == "" {
			t.Errorf("limit %d gives %d lines and cursor %q, %v; want %d", limit, len(res.GetLines()), res.GetCursor(), err, want)
		}
	}
	if got := len(pages(t, m, "/account/b", ledger.MaxLines, true)); got != len(list) {
		t.Errorf("all pages have %d lines, want %d", got, len(list))
	}
}

// TestStatementGoesOnWithWhatIsNew: a cursor is a place, not a number of lines.
func TestStatementGoesOnWithWhatIsNew(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for i := range 3 {
		pay(m, fmt.Sprint(i), "/account/a", "/account/b", "1")
	}
	ask := func(req *pb.StatementRequest) (names []string, cursor string) {
		t.Helper()
		req.Path, req.Limit = "/account/b", 2
		res, err := fsmtest.Ask(m.Operator, ledger.Statement, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range res.Lines {
			names = append(names, l.Transfer)
		}
		return names, res.Cursor
	}
	oldest, oldestCursor := ask(&pb.StatementRequest{})
	newest, newestCursor := ask(&pb.StatementRequest{NewestFirst: true})
	pay(m, "3", "/account/a", "/account/b", "1")
	oldestThen, _ := ask(&pb.StatementRequest{Cursor: oldestCursor})
	newestThen, _ := ask(&pb.StatementRequest{Cursor: newestCursor, NewestFirst: true})
	got := fmt.Sprint(oldest, oldestThen, newest, newestThen)
	if want := "[0 1] [2 3] [2 1] [0]"; got != want {
		t.Errorf("the pages are %s, want %s", got, want)
	}
}
