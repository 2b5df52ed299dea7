package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
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
	for _, l := range lines {
		l.Kind = "transfer"
	}
	for i, p := range []*pb.Transfer{
		of("1", "/account/a", "/account/b", "0.01"), of("2", "/account/a", "/account/bank", "99.99"),
		of("3", "/account/b", "/account/a", "0"), of("4", "/account/bank", "/account/a", "5"),
	} {
		lines[i+1].Index = pay(m, p.Id, p.Debit, p.Credit, p.Amount)
		lines[i+1].UnixNanos = m.Position().Time
	}
	for _, l := range lines {
		l.EffectiveUnixNanos = l.UnixNanos
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

// TestStatementCursors: a cursor is one of an answer to the same kind of statement.
func TestStatementCursors(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	pay(m, "1", "/account/a", "/account/b", "1")
	cursorOf := func(req *pb.StatementRequest) string {
		t.Helper()
		req.Limit = 1
		res, err := fsmtest.Ask(m.Operator, ledger.Statement, req)
		if err != nil || res.Cursor == "" {
			t.Fatalf("statement %v: %v, %v", req, res, err)
		}
		return res.Cursor
	}
	plain := cursorOf(&pb.StatementRequest{Path: "/account/a"})
	effective := cursorOf(&pb.StatementRequest{Path: "/account/a", Effective: true})
	below := cursorOf(&pb.StatementRequest{Path: "/account", Subtree: true, Asset: "USD"})
	for _, cursor := range []string{
		"x", "1", "1.2.3", "1.2.3.0", plain + ".0.0.0", plain + ".0.0.0.0.0", effective + "0.1", effective + ".0", "0" + effective, "-" + effective,
		below + "-", "1.0.0.0.0.0", "1.11.1.2.0.0", "1.11.1.0.-0.0", "1.11.1.0.0.-0", "1.11.1.0.01.0", "1.11.1.0.0.01", "1.11.1.0.1.0.5",
		"1.11.1.0.1", "1.11.1.0.1.", "1.11.1.0..1", "1.11.1.-1.0.0", "9223372036854775808.1.1.0.0.0", "1.11.1.0.0." + strings.Repeat("9", 160),
		"1.11.1.0.0.170141183460469231731687303715884105728", "1.11.1.0.170141183460469231731687303715884105728.0",
	} {
		for _, req := range []*pb.StatementRequest{
			{Path: "/account/a", Effective: true}, {Path: "/account", Subtree: true, Asset: "USD"},
			{Path: "/account/a", Effective: true, NewestFirst: true},
		} {
			req.Cursor = cursor
			_, err := fsmtest.Ask(m.Operator, ledger.Statement, req)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "it is none of an earlier answer") {
				t.Errorf("%v: %v, want the cursor to be invalid", req, err)
			}
		}
	}
	for _, req := range []*pb.StatementRequest{
		{Path: "/account/a", Cursor: effective}, {Path: "/account/a", Cursor: below}, {Path: "/account/a", Effective: true, Cursor: plain},
		{Path: "/account", Subtree: true, Asset: "USD", Cursor: effective},
	} {
		if _, err := fsmtest.Ask(m.Operator, ledger.Statement, req); !errors.Is(err, fault.Invalid) {
			t.Errorf("%v: %v, want the cursor to be invalid", req, err)
		}
	}
}

// TestStatementCursorsOutsideOfTheTime: a cursor leads to no line that is not asked
// for.
func TestStatementCursorsOutsideOfTheTime(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	var cursors []string
	var times []int64
	for i := range 4 {
		cursors = append(cursors, fmt.Sprint(pay(m, fmt.Sprint(i), "/account/a", "/account/b", "1"), ".1"))
		times = append(times, m.Position().Time)
	}
	for _, newestFirst := range []bool{false, true} {
		cursor, at, want := cursors[0], times[2], "2 98.00 97.00"
		if newestFirst {
			cursor, at, want = cursors[3], times[1], "1 99.00 98.00"
		}
		res, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{
			Path: "/account/a", Cursor: cursor, NewestFirst: newestFirst, FromUnixNanos: at, UntilUnixNanos: at + 1,
		})
		if err != nil || len(res.Lines) != 1 || fmt.Sprint(res.Lines[0].Transfer, " ", res.Opening, " ", res.Closing) != want {
			t.Errorf("newest first %v, the statement behind %s is %v, %v; want %s", newestFirst, cursor, res, err, want)
		}
	}
}

// TestStatementPagesThatDoNotFit: pages chain, or are refused. What is back-dated to
// behind the edge between two pages changes nothing at it.
func TestStatementPagesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for newestFirst, lines := range map[bool]int{false: 2, true: 1} {
		m := newBooks(t)
		first := m.Position().Time
		pay(m, "1", "/account/a", "/account/b", "1")
		pay(m, "2", "/account/a", "/account/b", "2")
		now := m.Position().Time
		ask := func(cursor string) (*pb.StatementResponse, error) {
			return fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{
				Path: "/account/a", Effective: true, Limit: 2, NewestFirst: newestFirst, Cursor: cursor,
			})
		}
		page, err := ask("")
		if err != nil {
			t.Fatal(err)
		}
		edge := page.Closing
		if newestFirst {
			edge = page.Opening
		}
		backdate(m, "behind", "/account/a", "/account/b", "4", now)
		next, err := ask(page.Cursor)
		if err != nil || len(next.Lines) != lines || newestFirst && next.Closing != edge || !newestFirst && next.Opening != edge {
			t.Errorf("newest first %v, the page behind %s is %v, %v", newestFirst, edge, next, err)
		}
		backdate(m, "before", "/account/a", "/account/b", "8", first)
		_, err = ask(page.Cursor)
		wantKindOf(t, "the next page, with more before it", err, fault.Conflict)
	}
}

// TestStatementPagesMissNothing: what was back-dated to before a page is seen, though it
// comes to nothing.
func TestStatementPagesMissNothing(t *testing.T) {
	t.Parallel()
	for _, req := range []*pb.StatementRequest{
		{Path: "/account/a", Effective: true, Limit: 2},
		{Path: "/account", Subtree: true, Asset: "USD", Effective: true, Limit: 3},
	} {
		m := newBooks(t)
		first := m.Position().Time
		pay(m, "1", "/account/a", "/account/b", "1")
		pay(m, "2", "/account/a", "/account/b", "2")
		page, err := fsmtest.Ask(m.Operator, ledger.Statement, req)
		if err != nil || page.Cursor == "" {
			t.Fatalf("%v: %v, %v", req, page, err)
		}
		backdate(m, "there", "/account/a", "/account/b", "7", first)
		backdate(m, "back", "/account/b", "/account/a", "7", first)
		req.Cursor = page.Cursor
		_, err = fsmtest.Ask(m.Operator, ledger.Statement, req)
		wantKindOf(t, fmt.Sprint("the next page of ", req), err, fault.Conflict)
	}
}

// TestStatementPagesMayBeShort: of what posts nothing only so much is looked at for
// a page.
func TestStatementPagesMayBeShort(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const steps = ledger.MaxSteps / 2
	for i := range 6 {
		req := &pb.OpRequest{}
		for j := range steps {
			id := fmt.Sprint(i, "-", j)
			req.Steps = append(req.Steps,
				&pb.Step{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{Id: "h" + id, Debit: "/account/a", Credit: "/account/b", Amount: "1"}}},
				&pb.Step{Step: &pb.Step_Release{Release: &pb.ReleaseHold{Id: "r" + id, Hold: "h" + id}}})
		}
		fsmtest.Must(m.Operator, ledger.Op, req)
	}
	pay(m, "last", "/account/a", "/account/b", "1")
	for _, req := range []*pb.StatementRequest{
		{Path: "/account/a"}, {Path: "/account/a", NewestFirst: true}, {Path: "/account/a", Effective: true}, {Path: "/account", Subtree: true, Asset: "USD", Effective: true},
	} {
		var sizes []int
		closing := ""
		for {
			res, err := fsmtest.Ask(m.Operator, ledger.Statement, req)
			if err != nil {
				t.Fatal(err)
			}
			if closing != "" && !req.NewestFirst && res.Opening != closing {
				t.Errorf("the statement %v goes on from %s at %s", req, closing, res.Opening)
			}
			sizes = append(sizes, len(res.Lines))
			closing = res.Closing
			if req.Cursor = res.Cursor; res.Cursor == "" {
				break
			}
		}
		want := "[1 1]"
		if req.Subtree {
			want = "[2 0 2]" // each entry is looked at twice
		}
		if got := fmt.Sprint(sizes); got != want {
			t.Errorf("the pages of %v have %s lines, want %s", req, got, want)
		}
	}
}
