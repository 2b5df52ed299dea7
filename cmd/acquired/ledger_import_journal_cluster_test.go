package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// importFile imports a file, and says what became of it.
func importFile(ctx context.Context, t *testing.T, c *client.Client, path string, notes io.Writer, dryRun bool) (*importedJournal, error) {
	t.Helper()
	return importWith(ctx, t, c, path, notes, importJournalFlags{dryRun: dryRun})
}

func importWith(
	ctx context.Context, t *testing.T, c *client.Client, path string, notes io.Writer, flags importJournalFlags,
) (*importedJournal, error) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	books, err := readBooks(ctx, file, path)
	if err != nil {
		return nil, err
	}
	i := newJournalImporter(c, file, books, notes, flags)
	err = i.run(ctx)
	return &i.done, err
}

func mustImport(t *testing.T, c *client.Client, path string, dryRun bool) *importedJournal {
	t.Helper()
	done, err := importFile(t.Context(), t, c, path, io.Discard, dryRun)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// sameAccounts requires that the accounts are the same in both clusters. An
// ephemeral one may have been another before.
func sameAccounts(t *testing.T, from, to *client.Client) {
	t.Helper()
	all := func(c *client.Client) []*pb.AccountResponse {
		accounts := allAccounts(t, c)
		for _, a := range accounts {
			a.Version, a.OpenedUnixNanos = 0, 0
			if a.Kind == "ephemeral" {
				a.Balance.DebitsPosted, a.Balance.CreditsPosted = "", ""
			}
			if a.DailyLimit != "" {
				a.Balance.Available, a.SpentToday = "", "" // the day begins anew
			}
		}
		return accounts
	}
	if diff := cmp.Diff(all(from), all(to), protocmp.Transform()); diff != "" {
		t.Errorf("accounts differ (-exported +imported):\n%s", diff)
	}
}

// postedEntries gives what the journal posts, as transfers with the ids that id
// gives them.
func postedEntries(t *testing.T, c *client.Client, id func(*pb.JournalEntry) string) (all []*pb.Transfer) {
	t.Helper()
	for _, e := range wholeJournal(t, c) {
		if journal.Posts(e) {
			transfer := transferOf(e)
			transfer.Id = id(e)
			all = append(all, transfer)
		}
	}
	return all
}

// changeAccount changes an account of the test.
func changeAccount(t *testing.T, c *client.Client, change *pb.ChangeAccountRequest) {
	t.Helper()
	if _, err := c.Ledger.ChangeAccount(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

// cancelWriter ends a context when something is written.
type cancelWriter context.CancelFunc

func (w cancelWriter) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}

// TestImportMakesTheBooksAgain imports books of all kinds of entries into an empty
// cluster: first dry, then interrupted, then to the end, and once more.
func TestImportMakesTheBooksAgain(t *testing.T) {
	t.Parallel()
	from, to := startLedger(t), startLedger(t)
	fillBooks(t, from, 3, 300)
	spendAndClose(t, from)
	path := exportFileOf(t, from, "jsonl")

	dry := mustImport(t, to, path, true)
	if dry.Created != dry.Posted || dry.Existing != 0 || dry.Assets != len(bookAssets) || dry.Posted+dry.Skipped != dry.Entries {
		t.Errorf("dry run: got %+v, want all to be created", dry)
	}
	totals, err := to.Ledger.TrialBalance(client.WithRead(t.Context(), client.Latest), &pb.TrialBalanceRequest{})
	if err != nil || len(totals.Assets) != 0 {
		t.Errorf("after a dry run: got %v, %v, want no asset", totals, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if _, err := importFile(ctx, t, to, path, cancelWriter(cancel), false); err == nil {
		t.Error("interrupted: got no error")
	}
	done := mustImport(t, to, path, false)
	if done.Created != dry.Posted || len(done.Notes) != 1 || !strings.Contains(done.Notes[0], " are transfers: ") {
		t.Errorf("import: got %+v, want %d transfers and a note that some were more than that", done, dry.Posted)
	}
	sameAccounts(t, from, to)
	want, got := postedEntries(t, from, journal.TransferID), postedEntries(t, to, (*pb.JournalEntry).GetId)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("posted entries differ (-exported +imported):\n%s", diff)
	}

	before := len(wholeJournal(t, to))
	again := mustImport(t, to, path, false)
	if again.Created != 0 || again.Existing != dry.Posted || again.Assets+again.Accounts != 0 {
		t.Errorf("second import: got %+v, want that all exists", again)
	}
	if after := len(wholeJournal(t, to)); after != before {
		t.Errorf("second import: it made %d entries", after-before)
	}
	sameAccounts(t, from, to)

	if _, err := importFile(t.Context(), t, from, path, io.Discard, false); !errors.Is(err, fault.Conflict) {
		t.Errorf("a cluster's own journal: got %v, want a conflict", err)
	}
}

// spendAndClose leaves an account frozen, one closed, and one with limits that it
// was not within all the time, and with all the metadata that there can be.
func spendAndClose(t *testing.T, c *client.Client) {
	t.Helper()
	usd := func(name string) string { return bookAccount("USD", name) }
	for _, path := range []string{usd("frozen"), usd("closed"), usd("poor")} {
		if _, err := c.Ledger.OpenAccount(t.Context(), &pb.OpenAccountRequest{Path: path, Asset: "USD", Overdraft: "100"}); err != nil {
			t.Fatal(err)
		}
		for _, transfer := range []*pb.Transfer{
			{Id: path + ":out", Debit: path, Credit: usd("bank"), Amount: "99"},
			{Id: path + ":in", Debit: usd("bank"), Credit: path, Amount: "99"},
		} {
			if _, err := c.Ledger.Transfer(t.Context(), &pb.TransferRequest{Transfers: []*pb.Transfer{transfer}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	limits := &pb.ChangeAccountRequest{Path: usd("poor"), Overdraft: proto.String("0"), Ceiling: proto.String("0.50")}
	for i := range 16 {
		limits.Metadata = append(limits.Metadata, &pb.Metadatum{Key: number(uint64(i)), Value: "x"})
	}
	changeAccount(t, c, limits)
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: usd("frozen"), Frozen: proto.Bool(true)})
	if _, err := c.Ledger.CloseAccount(t.Context(), &pb.CloseAccountRequest{Path: usd("closed")}); err != nil {
		t.Fatal(err)
	}
}

// writeBooks writes a file of one entry: ann pays the centre an amount.
func writeBooks(t *testing.T, amount string) string {
	t.Helper()
	path := t.TempDir() + "/f"
	text := bookLine("1", "/account/ann", "/account/centre", "USD", amount) + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImportUsesUpNoID refuses what an account cannot bear before it is sent: when
// the account can, the same file is imported.
func TestImportUsesUpNoID(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	if _, err := c.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: "USD", Scale: 2}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/account/ann", "/account/centre"} {
		if _, err := c.Ledger.OpenAccount(t.Context(), &pb.OpenAccountRequest{Path: path, Asset: "USD", Ceiling: "4"}); err != nil {
			t.Fatal(err)
		}
	}
	path := writeBooks(t, "5.00")
	for _, step := range []struct {
		kind fault.Kind
		says string
		then *pb.ChangeAccountRequest
	}{
		{fault.Insufficient, "account /account/ann has less available",
			&pb.ChangeAccountRequest{Path: "/account/ann", Overdraft: proto.String("5"), Frozen: proto.Bool(true)}},
		{fault.Conflict, "account /account/ann is frozen", &pb.ChangeAccountRequest{Path: "/account/ann", Frozen: proto.Bool(false)}},
		{fault.Insufficient, "account /account/centre has less room", &pb.ChangeAccountRequest{Path: "/account/centre", Ceiling: proto.String("5")}},
	} {
		for _, dryRun := range []bool{true, false} {
			_, err := importFile(t.Context(), t, c, path, io.Discard, dryRun)
			if !errors.Is(err, step.kind) || !strings.Contains(err.Error(), ", line 1: transfer 1: "+step.says) {
				t.Fatalf("dry run %v: got %v, want %s: %s", dryRun, err, step.kind, step.says)
			}
		}
		changeAccount(t, c, step.then)
	}
	if done := mustImport(t, c, path, false); done.Created != 1 {
		t.Errorf("got %+v, want the transfer", done)
	}
	if done := mustImport(t, c, writeBooks(t, "5"), false); done.Existing != 1 {
		t.Errorf("the amount spelled otherwise: got %+v, want that it exists", done)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		make  func(c *client.Client) error
		kind  fault.Kind
		wants string
	}{
		{"an asset of another scale", func(c *client.Client) error {
			_, err := c.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: "USD", Scale: 1})
			return err
		}, fault.Conflict, ", line 1: asset USD has scale 2 here and 1 in the cluster"},
		{"an account of another asset", func(c *client.Client) error {
			_, err := c.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: "EUR", Scale: 2})
			if err != nil {
				return err
			}
			_, err = c.Ledger.OpenAccount(t.Context(), &pb.OpenAccountRequest{Path: "/account/centre", Asset: "EUR"})
			return err
		}, fault.Conflict, ", line 1: account /account/centre holds USD here and EUR in the cluster"},
		{"another transfer of the id", func(c *client.Client) error {
			_, err := importFile(t.Context(), t, c, writeBooks(t, "6.00"), io.Discard, false)
			return err
		}, fault.Conflict, `, line 1: amount: transfer 1 was made before with "6.00", not "5.00"`},
		{"a closed period", func(c *client.Client) error {
			_, err := c.Ledger.ClosePeriod(t.Context(), &pb.ClosePeriodRequest{UntilUnixNanos: 1577923200_000000000, Name: "2019"})
			return err
		}, fault.Conflict, ", line 1: transfer 1 is effective 2020-01-01T00:00:00Z, and what was before 2020-01-02T00:00:00Z is closed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startLedger(t)
			if err := test.make(c); err != nil {
				t.Fatal(err)
			}
			path, before := writeBooks(t, "5.00"), len(wholeJournal(t, c))
			for _, dryRun := range []bool{true, false} {
				_, err := importFile(t.Context(), t, c, path, io.Discard, dryRun)
				if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.wants) {
					t.Errorf("dry run %v: got %v, want %s: %s", dryRun, err, test.kind, test.wants)
				}
			}
			if after := len(wholeJournal(t, c)); after != before {
				t.Errorf("it made %d entries", after-before)
			}
		})
	}
}

// TestImportOfWhatIsToCome refuses what the cluster would refuse as too late, or out of
// order, before anything is made.
func TestImportOfWhatIsToCome(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	asset, entry := `{"type":"asset","code":"USD","scale":2}`, bookLine("1", "/account/ann", "/account/centre", "USD", "5.00")
	period := func(name, until string) string {
		return `{"type":"period","name":"` + name + `","until":"` + until + `T00:00:00Z"}`
	}
	later := strings.Replace(bookLine("2", "/account/ann", "/account/centre", "USD", "5.00"), "2020-01-01", "2200-01-01", 1)
	unset := strings.NewReplacer("2020-01-01", "1970-01-01", "2020-01-02", "2200-01-01").Replace(entry)
	for _, test := range []struct {
		name   string
		lines  []string
		status int
		says   string
	}{
		{"an entry", []string{asset, entry, later, entry}, statusRefused, ", line 3: transfer 2 is effective 2200-01-01T00:00:00Z, and now it is 2"},
		{"an entry by its log time", []string{asset, unset}, statusRefused, ", line 2: transfer 1 is effective 2200-01-01T00:00:00Z, and now it is 2"},
		{"a period", []string{asset, entry, period("x", "2025-01-01"), period("y", "2200-01-01")}, statusRefused,
			`, line 4: period "y" ends 2200-01-01T00:00:00Z, and now it is 2`},
		{"a period of before", []string{asset, entry, period("x", "2025-01-01"), period("y", "2024-01-01")}, statusUsage,
			`, line 4: until: period "y" ends 2024-01-01T00:00:00Z, and the one on line 3 ends 2025-01-01T00:00:00Z: `},
		{"a period twice", []string{asset, entry, period("x", "2025-01-01"), period("x", "2025-01-01")}, statusUsage, `, line 4: until: period "x" ends `},
	} {
		path := writeLines(t, test.lines...)
		for _, dryRun := range []bool{true, false} {
			_, err := importFile(t.Context(), t, c, path, io.Discard, dryRun)
			if err == nil || failureOf(err).status != test.status || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s, dry run %v: got %v, want status %d: %s", test.name, dryRun, err, test.status, test.says)
			}
		}
	}
	if totals, err := askTrialBalance(client.WithRead(t.Context(), client.Latest), c); err != nil || len(totals.Assets) != 0 {
		t.Errorf("after the refusals: got %v, %v, want no asset", totals, err)
	}
	if done := mustImport(t, c, writeLines(t, asset, entry, period("x", "2024-01-01"), period("y", "2025-01-01")), false); done.Created != 1 || done.Periods != 2 {
		t.Errorf("got %+v, want the transfer and both periods", done)
	}
}

// TestPeriodsOfJoinedExports takes those of the last: the same are in each of them.
func TestPeriodsOfJoinedExports(t *testing.T) {
	t.Parallel()
	_, from := startUSD(t)
	if _, err := from.Ledger.ClosePeriod(t.Context(), &pb.ClosePeriodRequest{UntilUnixNanos: 1577923200_000000000, Name: "2019"}); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, exportFileOf(t, from, "jsonl"))
	if done := mustImport(t, startLedger(t), writeLines(t, whole+whole), false); done.Periods != 1 {
		t.Errorf("got %+v, want the period", done)
	}
}

// TestImportOfAPart imports the journal of one account: who paid it is known by
// nothing else, and cannot have its limits.
func TestImportOfAPart(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	path := t.TempDir() + "/part"
	whole := []string{
		`{"type":"asset","code":"USD","scale":2}`,
		`{"type":"account","path":"/account/ann","asset":"USD","kind":"transient","state":"open","overdraft":"1.00"}`,
		`{"type":"account","path":"/account/centre","asset":"USD","kind":"normal","state":"closed","overdraft":"0.00"}`,
		bookLine("1", "/account/ann", "/account/centre", "USD", "5.00"),
		bookLine("2", "/account/gone", "/account/centre", "USD", "5.00"),
	}
	if err := os.WriteFile(path, []byte(strings.Join(whole, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	done := mustImport(t, c, path, false)
	notes := strings.Join(done.Notes, "\n")
	for _, want := range []string{
		"/account/ann is a normal account: it was transient", "/account/ann has no limits: ",
		"/account/centre stays open: it was closed, but ", "1 accounts have no limits: the file does not say theirs",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}
	for _, a := range allAccounts(t, c) {
		if len(a.Metadata) != 0 {
			t.Errorf("account %s is not finished: %v", a.Path, a.Metadata)
		}
	}
}

// writeLines writes a file of lines.
func writeLines(t *testing.T, lines ...string) string {
	t.Helper()
	path := t.TempDir() + "/f"
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImportWithinADailyLimit refuses what is more than a day allows before it is
// sent: what comes in on the way gives nothing of it back.
func TestImportWithinADailyLimit(t *testing.T) {
	t.Parallel()
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/d1", DailyLimit: "10"}, &pb.OpenAccountRequest{Path: "/account/d2"})
	waitForRoom()
	mustOp(t, c, paying("seed", "/account/bank", "/account/d1", "100"), paying("spent", "/account/d1", "/account/d2", "1"))
	asset := `{"type":"asset","code":"USD","scale":2}`
	in := bookLine("i-a", "/account/bank", "/account/d1", "USD", "50.00")
	path := writeLines(t, asset, in, bookLine("i-b", "/account/d1", "/account/d2", "USD", "5.00"),
		bookLine("i-c", "/account/d1", "/account/d2", "USD", "4.01"))
	for _, dryRun := range []bool{true, false} {
		_, err := importFile(t.Context(), t, c, path, io.Discard, dryRun)
		if !errors.Is(err, fault.Insufficient) || !strings.Contains(err.Error(), ", line 4: transfer i-c: account /account/d1 may spend less today") {
			t.Errorf("dry run %v: got %v, want that it may spend less today", dryRun, err)
		}
	}
	hold := openHoldLine("h", "/account/d1", "/account/d2", "9.01", time.Hour)
	for _, dryRun := range []bool{true, false} {
		_, err := importFile(t.Context(), t, c, writeLines(t, asset, hold), io.Discard, dryRun)
		if !errors.Is(err, fault.Insufficient) || !strings.Contains(err.Error(), "hold h: account /account/d1 may spend less today") {
			t.Errorf("a hold, dry run %v: got %v, want that it may spend less today", dryRun, err)
		}
	}
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: "/account/d1", DailyLimit: proto.String("10.01")})
	if done := mustImport(t, c, path, true); done.Created != 3 {
		t.Errorf("dry run: got %+v, want the three transfers", done)
	}
	if done := mustImport(t, c, path, false); done.Created != 3 {
		t.Errorf("got %+v, want the three transfers, whose ids were not used up", done)
	}
}

// TestImportOfAPathThatWasUsedAgain: an account that went, and at its path one of another
// asset that stays.
func TestImportOfAPathThatWasUsedAgain(t *testing.T) {
	t.Parallel()
	_, from := startUSD(t, &pb.OpenAccountRequest{Path: "/account/e", Kind: "ephemeral"})
	mustOp(t, from, paying("in", "/account/bank", "/account/e", "1"), paying("out", "/account/e", "/account/bank", "1"))
	if _, err := from.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: "EUR", Scale: 2}); err != nil {
		t.Fatal(err)
	}
	for _, account := range []*pb.OpenAccountRequest{{Path: "/account/e", Asset: "EUR", Ceiling: "7"}, {Path: "/account/f", Asset: "EUR", Overdraft: unlimited}} {
		if _, err := from.Ledger.OpenAccount(t.Context(), account); err != nil {
			t.Fatal(err)
		}
	}
	unused, used := exportFileOf(t, from, "jsonl"), ""
	mustOp(t, from, paying("later", "/account/f", "/account/e", "2"))
	used = exportFileOf(t, from, "jsonl")
	for _, path := range []string{unused, used} {
		to := startLedger(t)
		mustImport(t, to, path, true)
		mustImport(t, to, path, false)
		mustImport(t, to, path, false)
		if path == used {
			sameAccounts(t, from, to)
		}
	}
}

// TestImportOfWrongLines refuses what the cluster would not take before anything is
// made of the file.
func TestImportOfWrongLines(t *testing.T) {
	t.Parallel()
	asset := `{"type":"asset","code":"USD","scale":2}`
	for _, test := range []struct{ line, says string }{
		{`{"type":"account","path":"/account/z","asset":"USD","kind":"normal","owner":"/data/x"}`, "f, line 2: owner: a principal is a path below"},
		{strings.ReplaceAll(bookLine("1", "/account/a", "/account/b", "USD", "1.00"), `"effective":"2020-01-01`, `"effective":"1960-01-01`),
			"f, line 2: effective: 1960-01-01T00:00:00Z is before 1970"},
	} {
		var used *usageError
		if _, err := booksOf(t, asset, test.line); !errors.As(err, &used) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("got %v, want wrong usage: %s", err, test.says)
		}
	}
}

// TestExportsOfUnfinishedImports exports and imports accounts between imports: where
// an import stands is of no other cluster.
func TestExportsOfUnfinishedImports(t *testing.T) {
	t.Parallel()
	first, second := startLedger(t), startLedger(t)
	marked := `{"type":"account","path":"/account/centre","asset":"USD","kind":"normal","state":"open","overdraft":"0","metadata":{"a":"b","` + unfinishedKey + `":"yes"}}`
	path := writeLines(t, marked, bookLine("1", "/account/ann", "/account/centre", "USD", "5.00"))
	if _, err := importWith(t.Context(), t, first, path, io.Discard, importJournalFlags{unfinished: true}); err != nil {
		t.Fatal(err)
	}
	exported := exportFileOf(t, first, "jsonl")
	if strings.Contains(readFile(t, exported), unfinishedKey) {
		t.Errorf("the export has where an import stands:\n%s", readFile(t, exported))
	}
	mustImport(t, second, exported, false)
	mustImport(t, first, path, false)
	for _, c := range []*client.Client{first, second} {
		for _, a := range allAccounts(t, c) {
			if slices.ContainsFunc(a.Metadata, func(m *pb.Metadatum) bool { return m.Key == unfinishedKey }) {
				t.Errorf("account %s is not finished: %v", a.Path, a.Metadata)
			}
		}
	}
}

// TestImportOverFrozenAccounts leaves an account alone that somebody froze, whatever
// the file says of it, and sends nothing that it would refuse.
func TestImportOverFrozenAccounts(t *testing.T) {
	t.Parallel()
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/z", Overdraft: "5"}, &pb.OpenAccountRequest{Path: "/account/centre"})
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: "/account/z", Frozen: proto.Bool(true)})
	closed := `{"type":"account","path":"/account/z","asset":"USD","kind":"normal","state":"closed","overdraft":"0"}`
	asset := `{"type":"asset","code":"USD","scale":2}`
	for _, dryRun := range []bool{true, false} {
		done := mustImport(t, c, writeLines(t, asset, closed), dryRun)
		if want := []string{"/account/z" + frozenNote}; !slices.Equal(done.Notes, want) {
			t.Errorf("dry run %v: got the notes %q, want %q", dryRun, done.Notes, want)
		}
	}
	paid := writeLines(t, asset, closed, bookLine("1", "/account/centre", "/account/new", "USD", "0.00"), bookLine("2", "/account/z", "/account/new", "USD", "1.00"))
	for _, dryRun := range []bool{true, false} {
		_, err := importFile(t.Context(), t, c, paid, io.Discard, dryRun)
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), ", line 4: transfer 2: account /account/z is frozen") {
			t.Errorf("dry run %v: got %v, want that it is frozen", dryRun, err)
		}
	}
	is, err := c.Ledger.Account(client.WithRead(t.Context(), client.Latest), &pb.AccountRequest{Path: "/account/z"})
	if err != nil || is.State != "frozen" || is.Overdraft != "5.00" {
		t.Errorf("got %v, %v, want it as it was", is, err)
	}
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: "/account/new", Frozen: proto.Bool(true)})
	more := writeLines(t, asset, bookLine("3", "/account/bank", "/account/new", "USD", "1.00"))
	if _, err := importFile(t.Context(), t, c, more, io.Discard, false); !errors.Is(err, fault.Conflict) ||
		!strings.Contains(err.Error(), ", line 2: transfer 3: account /account/new is frozen") {
		t.Errorf("an unfinished account that was frozen: got %v, want a conflict before it is sent", err)
	}
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: "/account/new", Frozen: proto.Bool(false)})
	if done := mustImport(t, c, more, false); done.Created != 1 {
		t.Errorf("got %+v, want the transfer, whose id was not used up", done)
	}
}

// TestImportSaysWhatRefundsBecome imports a refund: it counts no more.
func TestImportSaysWhatRefundsBecome(t *testing.T) {
	t.Parallel()
	_, from := startUSD(t, &pb.OpenAccountRequest{Path: "/account/d", Overdraft: "9"})
	_, to := startUSD(t)
	mustOp(t, from, paying("r", "/account/bank", "/account/d", "4"))
	refund := func(id, amount string) *pb.Step {
		return &pb.Step{Step: &pb.Step_Refund{Refund: &pb.Refund{Id: id, Of: "r", Amount: amount}}}
	}
	mustOp(t, from, refund("back", "3"))
	path := exportFileOf(t, from, "jsonl")
	const note = "1 entries of refunds, exchanges, invoices and cheques are transfers: what was refunded does not count, and all can be refunded"
	for _, dryRun := range []bool{true, false, false} {
		if done := mustImport(t, to, path, dryRun); !slices.Equal(done.Notes, []string{note}) {
			t.Errorf("dry run %v: got the notes %q, want %q", dryRun, done.Notes, note)
		}
	}
	mustOp(t, to, refund("all", "4")) // as the note says
}

// TestImportOfALaterPart says that the file is not of all entries.
func TestImportOfALaterPart(t *testing.T) {
	t.Parallel()
	_, from := startUSD(t, &pb.OpenAccountRequest{Path: "/account/x"})
	to := startLedger(t)
	mustOp(t, from, paying("1", "/account/bank", "/account/x", "4"))
	after := number(wholeJournal(t, from)[0].Index)
	mustOp(t, from, paying("2", "/account/bank", "/account/x", "4"))
	var part bytes.Buffer
	exportTo(t, from, &part, "jsonl", &pb.JournalRequest{Cursor: after})
	done := mustImport(t, to, writeLines(t, part.String()), true)
	if want := "the file begins behind " + after + ": what was before is not in it"; !slices.Contains(done.Notes, want) {
		t.Errorf("got the notes %q, want %q", done.Notes, want)
	}
}

// TestImportKeepsMarkedLimits opens an account with the mark of an import that was not
// finished, and limits of its own: they bound what is imported, and stay.
func TestImportKeepsMarkedLimits(t *testing.T) {
	t.Parallel()
	_, c := startUSD(t, &pb.OpenAccountRequest{
		Path: "/account/m", Ceiling: "10", DailyLimit: "5", Metadata: []*pb.Metadatum{{Key: unfinishedKey, Value: "yes"}},
	})
	asset := `{"type":"asset","code":"USD","scale":2}`
	account := `{"type":"account","path":"/account/m","asset":"USD","kind":"normal","state":"open","overdraft":"unlimited"}`
	for _, dryRun := range []bool{true, false} {
		_, err := importFile(t.Context(), t, c, writeLines(t, asset, account, bookLine("a", "/account/bank", "/account/m", "USD", "50.00")), io.Discard, dryRun)
		if !errors.Is(err, fault.Insufficient) || !strings.Contains(err.Error(), ", line 3: transfer a: account /account/m has less room below its ceiling") {
			t.Errorf("dry run %v: got %v, want that it has less room", dryRun, err)
		}
	}
	mustImport(t, c, writeLines(t, asset, account, bookLine("a", "/account/bank", "/account/m", "USD", "10.00")), false)
	is, err := c.Ledger.Account(client.WithRead(t.Context(), client.Latest), &pb.AccountRequest{Path: "/account/m"})
	if err != nil || is.Overdraft != "0.00" || is.Ceiling != "10.00" || is.DailyLimit != "5.00" {
		t.Errorf("got %v, %v, want its own limits", is, err)
	}
}
