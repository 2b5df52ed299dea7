package main

import (
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// bookLine gives an entry from one account to another.
func bookLine(id, debit, credit, asset, amount string) string {
	return `{"type":"entry","index":5,"counter":0,"time":"2020-01-02T00:00:00Z","effective":"2020-01-01T00:00:00Z","kind":"transfer","id":"` +
		id + `","part":0,"debit":"` + debit + `","credit":"` + credit + `","asset":"` + asset + `","amount":"` + amount + `"}`
}

func booksOf(t *testing.T, lines ...string) (*journalBooks, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return readBooks(t.Context(), file, "f")
}

func TestReadBooks(t *testing.T) {
	t.Parallel()
	books, err := booksOf(t,
		`{"type":"asset","code":"USD","scale":2}`,
		`{"type":"account","path":"/account/a","asset":"USD","kind":"normal","state":"open","overdraft":"1.00"}`,
		bookLine("1", "/account/a", "/account/b", "USD", "1.00"),
		strings.Replace(bookLine("2", "/account/a", "/account/b", "USD", "1.00"), `"transfer"`, `"hold"`, 1),
		bookLine("3", "/account/c", "/account/d", "RUN", "7"),
		`{"type":"account","path":"/account/a","asset":"USD","kind":"normal","state":"frozen","overdraft":"2.00"}`,
		`{"type":"account","path":"/account/a","asset":"USD"}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	if books.posted != 2 || books.skipped != 1 || books.skippedKinds["hold"] != 1 {
		t.Errorf("got %d posted, %d skipped, want 2 and 1 hold", books.posted, books.skipped)
	}
	want := []exportKey{{"/account/a", "USD"}, {"/account/b", "USD"}, {"/account/c", "RUN"}, {"/account/d", "RUN"}}
	if !slices.Equal(books.keys, want) {
		t.Errorf("got the accounts %v, want %v", books.keys, want)
	}
	if a := books.account("/account/a", "USD"); a.Overdraft != "2.00" || a.State != "frozen" || a.line != 2 {
		t.Errorf("got %+v, want what the last line with particulars says", a)
	}
	if usd, run := books.assets["USD"], books.assets["RUN"]; usd.scale != 2 || !usd.declared || run.scale != 0 || run.declared {
		t.Errorf("got %+v and %+v, want scale 2 as declared and 0 as seen", usd, run)
	}
}

func TestReadBooksRefuses(t *testing.T) {
	t.Parallel()
	entry := bookLine("1", "/account/a", "/account/b", "USD", "1.00")
	for _, test := range []struct {
		name  string
		lines []string
		says  string
	}{
		{"nothing", nil, "f has nothing in it"},
		{"a wrong line", []string{entry, "", "x"}, "f, line 3: invalid character"},
		{"two scales", []string{`{"type":"asset","code":"USD","scale":2}`, `{"type":"asset","code":"USD","scale":3}`},
			"f, line 2: scale: asset USD has 3 digits here and 2 on line 1"},
		{"a scale too small for what was before", []string{entry, `{"type":"asset","code":"USD","scale":1}`},
			"f, line 2: scale: asset USD has 1 digits here, and an amount before has 2"},
		{"an amount too fine", []string{`{"type":"asset","code":"USD","scale":1}`, entry},
			"f, line 2: amount: 1.00 has 2 digits after the point, USD has 1"},
		{"an account of two assets", []string{entry, bookLine("2", "/account/b", "/account/c", "EUR", "1.00")},
			"f, line 2: asset: account /account/b holds EUR here and USD on line 1"},
		{"a limit too fine", []string{`{"type":"account","path":"/account/a","asset":"USD","kind":"normal","overdraft":"0.125"}`, entry},
			"f, line 1: overdraft: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := booksOf(t, test.lines...)
			var used *usageError
			if !errors.As(err, &used) || !strings.HasPrefix(err.Error(), test.says) {
				t.Errorf("got %v, want wrong usage: %s", err, test.says)
			}
		})
	}
}

func TestStandings(t *testing.T) {
	t.Parallel()
	s, err := standingOf(&pb.AccountResponse{State: "open", Ceiling: "10.00", Overdraft: "2.00", Balance: &pb.BalanceResponse{
		Available: "4.00", Balance: "3.00", DebitsPosted: "2.00", CreditsPosted: "5.00", DebitsPending: "1.00", CreditsPending: "1.00",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		debit, credit int64
		kind          fault.Kind
	}{
		{debit: 401, kind: fault.Insufficient},
		{credit: 601, kind: fault.Insufficient},
		{debit: 400},
		{debit: 1, kind: fault.Insufficient},
		{credit: 1000},
		{credit: 1, kind: fault.Insufficient},
		{debit: 1000},
	} {
		refused := s.debit(big.NewInt(step.debit))
		if step.credit > 0 {
			refused = s.credit(big.NewInt(step.credit))
		}
		if got := refused != nil; got != (step.kind != "") || got && refused.Kind != step.kind {
			t.Errorf("%+v: got %v", step, refused)
		}
	}
	s.state = "frozen"
	if refused := s.credit(big.NewInt(0)); refused == nil || refused.Kind != fault.Conflict {
		t.Errorf("frozen: got %v, want a conflict", refused)
	}
	var free *standing
	if refused := free.debit(big.NewInt(1)); refused != nil {
		t.Errorf("an account without limits: got %v", refused)
	}
	s, err = standingOf(&pb.AccountResponse{State: "open", HoldOverdraft: true, Overdraft: unlimited, Balance: &pb.BalanceResponse{
		DebitsPosted: "0", CreditsPosted: "0", DebitsPending: "0", CreditsPending: "0",
	}})
	if err != nil || s.available != nil || s.room != nil || s.debit(big.NewInt(1)) != nil {
		t.Errorf("unlimited: got %+v, %v, want no bounds", s, err)
	}
}

// TestStandingsOfADay spends no more than the daily limit leaves, whatever comes in.
func TestStandingsOfADay(t *testing.T) {
	t.Parallel()
	answer := &pb.AccountResponse{State: "open", Overdraft: "1.00", DailyLimit: "10.00", SpentToday: "4.00", Balance: &pb.BalanceResponse{
		Available: "6.00", DebitsPosted: "4.00", CreditsPosted: "12.00", DebitsPending: "1.00",
	}}
	s, err := standingOf(answer)
	if err != nil {
		t.Fatal(err)
	}
	if s.available.Int64() != 800 || s.own.Int64() != 700 || s.today.Int64() != 600 {
		t.Errorf("got %s available, %s own, %s today, want 800, 700 and 600", s.available, s.own, s.today)
	}
	for _, step := range []struct {
		do      func(*big.Int) *fault.Fault
		amount  int64
		refused bool
	}{{s.debit, 601, true}, {s.credit, 1000, false}, {s.debit, 601, true}, {s.reserve, 200, false}, {s.debit, 401, true}, {s.debit, 400, false}, {s.debit, 0, false}} {
		if refused := step.do(big.NewInt(step.amount)); (refused != nil) != step.refused {
			t.Errorf("%d: got %v, want a refusal: %v", step.amount, refused, step.refused)
		}
	}
	answer.SpentToday = "11.00"
	if s, err = standingOf(answer); err != nil || s.today.Sign() != 0 {
		t.Errorf("a limit that was lowered: got %s today, %v, want 0", s.today, err)
	}
}

// TestHoldsWithoutOverdraft reserves of what an account has, not of its overdraft.
func TestHoldsWithoutOverdraft(t *testing.T) {
	t.Parallel()
	s := &standing{state: "open", available: big.NewInt(500), own: big.NewInt(200)}
	for _, step := range []struct {
		reserve int64
		refused bool
	}{{201, true}, {150, false}, {51, true}, {50, false}} {
		if refused := s.reserve(big.NewInt(step.reserve)); (refused != nil) != step.refused {
			t.Errorf("reserve %d: got %v, want a refusal: %v", step.reserve, refused, step.refused)
		}
	}
	if refused := s.debit(big.NewInt(300)); refused != nil || s.available.Sign() != 0 || s.own.Int64() != -300 {
		t.Errorf("debit the overdraft: got %v, %s available, %s own", refused, s.available, s.own)
	}
}

// importerOfTwo imports a file of two accounts.
func importerOfTwo() *journalImporter {
	return &journalImporter{books: &journalBooks{
		file: "f", assets: map[string]*importedAsset{"USD": {scale: 2}},
		accounts: map[exportKey]*importedAccount{{"a", "USD"}: {}, {"b", "USD"}: {}},
	}}
}

// TestListsAreBounded fills lists with the longest transfers and with short ones.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ description, most int }{{0, importListLength}, {64 << 10, 15}} {
		var l importList
		i := importerOfTwo()
		for n := 0; ; n++ {
			transfer := &pb.Transfer{
				Id: number(uint64(n)), Debit: "a", Credit: "b", Asset: "USD", Amount: "1", Description: strings.Repeat("x", test.description),
			}
			if !l.fits(transfer) {
				break
			}
			if err := i.addTransfer(&l, journal.Line{Number: n, Entry: &pb.JournalEntry{}}, transfer); err != nil {
				t.Fatal(err)
			}
		}
		if size := proto.Size(&pb.TransferRequest{Transfers: l.transfers}); len(l.transfers) != test.most || size > importListSize {
			t.Errorf("description of %d: got %d transfers of %d bytes, want %d of at most %d",
				test.description, len(l.transfers), size, test.most, importListSize)
		}
	}
}

// TestListsLeaveTransientAccountsEmpty makes lists longer rather than cut them where
// a transient account is not empty.
func TestListsLeaveTransientAccountsEmpty(t *testing.T) {
	t.Parallel()
	var l importList
	i := importerOfTwo()
	i.books.account("a", "USD").Kind = "transient"
	for n := 0; ; n++ {
		transfer := &pb.Transfer{Id: number(uint64(n)), Debit: "a", Credit: "b", Asset: "USD", Amount: "1"}
		if n%7 == 0 {
			transfer.Debit, transfer.Credit, transfer.Amount = "b", "a", "6"
		}
		if !l.fits(transfer) {
			break
		}
		i.put(&l, n, "", transfer)
	}
	if got := len(l.transfers); got != 1001 || len(l.uneven) != 0 {
		t.Errorf("got %d transfers and %d accounts that are not empty, want 1001, the first number from %d that leaves none",
			got, len(l.uneven), importListLength)
	}
	i.put(&l, 1002, "", &pb.Transfer{Id: "half", Debit: "b", Credit: "a", Asset: "USD", Amount: "6"})
	if err := i.bear(t.Context(), &l); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "f, lines 0 to 1002: account") {
		t.Errorf("got %v, want a conflict", err)
	}
	if l.fits(&pb.Transfer{Debit: "a", Credit: "b", Asset: "EUR"}) {
		t.Error("a list goes on where an account is one of another asset")
	}
}

func TestListHasAnIDOnce(t *testing.T) {
	t.Parallel()
	var l importList
	i := importerOfTwo()
	add := func(line int, amount string) error {
		return i.addTransfer(&l, journal.Line{Number: line, Entry: &pb.JournalEntry{}},
			&pb.Transfer{Id: "a", Debit: "a", Credit: "b", Asset: "USD", Amount: amount})
	}
	for range 2 {
		if err := add(3, "1.00"); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.transfers) != 1 || i.done.Existing != 1 {
		t.Errorf("got %d transfers and %d existing, want one each", len(l.transfers), i.done.Existing)
	}
	err := add(5, "2.00")
	if want := "f, line 5: id: a is that of another transfer on line 3"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRefusalsNameTheLine(t *testing.T) {
	t.Parallel()
	i := &journalImporter{books: &journalBooks{file: "f"}}
	l := &importList{lines: []int{4, 9}}
	for _, test := range []struct{ position, want string }{
		{"1", "f, line 9: no"}, {"2", "no"}, {"-1", "no"}, {"", "no"},
	} {
		err := i.inLine(l, fault.Insufficient.New("no").With("position", test.position))
		if err.Error() != test.want || !errors.Is(err, fault.Insufficient) {
			t.Errorf("position %q: got %v, want %s", test.position, err, test.want)
		}
	}
}

func TestDifferingField(t *testing.T) {
	t.Parallel()
	of := func() *pb.Transfer {
		return &pb.Transfer{Debit: "/account/a", Credit: "/account/b", Asset: "USD", Amount: "1.00", EffectiveUnixNanos: 1, Description: "x"}
	}
	if field, _, _ := differingField(of(), of()); field != "" {
		t.Errorf("equal ones differ in %s", field)
	}
	for want, change := range map[string]func(*pb.Transfer){
		"debit":       func(t *pb.Transfer) { t.Debit = "/account/c" },
		"credit":      func(t *pb.Transfer) { t.Credit = "/account/c" },
		"asset":       func(t *pb.Transfer) { t.Asset = "EUR" },
		"amount":      func(t *pb.Transfer) { t.Amount = "2.00" },
		"effective":   func(t *pb.Transfer) { t.EffectiveUnixNanos = 2 },
		"description": func(t *pb.Transfer) { t.Description = "y" },
	} {
		other := of()
		change(other)
		if field, was, is := differingField(of(), other); field != want || was == is {
			t.Errorf("got %s, %q and %q, want %s", field, was, is, want)
		}
	}
}
