package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	"acquired/cmd/acquired/journal/journaltest"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// startLedger starts a node for a test of the ledger alone.
func startLedger(t *testing.T) *client.Client {
	t.Helper()
	return servertest.Start(t, servertest.Options{Nodes: 1}).Operator()
}

// exportTo writes the journal, in pages that no reader should notice.
func exportTo(t *testing.T, c *client.Client, w io.Writer, format string, request *pb.JournalRequest) *exporter {
	t.Helper()
	x := pagedExporter(c, w, format, request)
	if err := x.run(client.WithRead(t.Context(), client.Latest)); err != nil {
		t.Fatalf("export %s: %v", format, err)
	}
	return x
}

func pagedExporter(c *client.Client, w io.Writer, format string, request *pb.JournalRequest) *exporter {
	x := newExporter(c, &exportFlags{format: format}, &exportFile{w: w})
	request.Limit = 7
	x.request = request
	return x
}

// exportFileOf exports to a file and gives its path.
func exportFileOf(t *testing.T, c *client.Client, format string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	out, err := openExport(path, false)
	if err != nil {
		t.Fatal(err)
	}
	x := newExporter(c, &exportFlags{format: format}, out)
	if err := out.close(x.run(client.WithRead(t.Context(), client.Latest))); err != nil {
		t.Fatalf("export %s: %v", format, err)
	}
	return path
}

// postedBalances gives the balances that are not zero, as hledger names them.
func postedBalances(t *testing.T, c *client.Client) map[string]string {
	t.Helper()
	balances := make(map[string]string)
	for _, a := range allAccounts(t, c) {
		if strings.Trim(a.Balance.Balance, "-0.") != "" {
			name := strings.ReplaceAll(strings.TrimPrefix(a.Path, "/"), "/", ":")
			balances[name+" "+a.Asset] = a.Balance.Balance
		}
	}
	return balances
}

// wantPrograms has the programs read the journal and compares the balances.
func wantPrograms(t *testing.T, c *client.Client) {
	t.Helper()
	path, want := exportFileOf(t, c, "hledger"), postedBalances(t, c)
	for _, program := range journaltest.Programs {
		t.Run(program, func(t *testing.T) {
			if diff := cmp.Diff(want, journaltest.Balances(t, program, path)); diff != "" {
				t.Errorf("balances differ (-cluster +%s):\n%s", program, diff)
			}
		})
	}
}

// TestExport exports books of all kinds of entries and holds what is read of them
// against the cluster.
func TestExport(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	fillBooks(t, c, 1, 400)
	wantPrograms(t, c)
	t.Run("jsonl", func(t *testing.T) { wantWholeJournal(t, c) })
	for _, format := range journal.Names {
		t.Run("parts of "+format, func(t *testing.T) { wantParts(t, c, format) })
	}
}

// wholeJournal asks for the journal in one page after another, by itself.
func wholeJournal(t *testing.T, c *client.Client) (all []*pb.JournalEntry) {
	t.Helper()
	request := &pb.JournalRequest{}
	for {
		page, err := c.Ledger.Journal(client.WithRead(t.Context(), client.Latest), request)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Entries...)
		if page.Done {
			return all
		}
		request.Cursor = page.Cursor
	}
}

// wantWholeJournal requires that the lines have every entry, and before it the
// asset and the accounts that it names.
func wantWholeJournal(t *testing.T, c *client.Client) {
	t.Helper()
	var text bytes.Buffer
	exportTo(t, c, &text, "jsonl", &pb.JournalRequest{})
	reader := journal.NewReader(&text, "journal")
	named, kinds := make(map[string]bool), make(map[string]bool)
	var entries []*pb.JournalEntry
	for {
		line, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Asset != nil:
			named[line.Asset.Code] = true
		case line.Account != nil:
			named[line.Account.Path] = true
			if line.Account.Kind != "normal" || line.Account.State != "open" || line.Account.Overdraft == "" {
				t.Errorf("got %+v, want its kind, state and limits", line.Account)
			}
		case line.Entry != nil:
			entries = append(entries, line.Entry)
			kinds[line.Entry.Kind] = true
			if !named[line.Entry.Asset] || !named[line.Entry.Debit] || !named[line.Entry.Credit] {
				t.Errorf("line %d: what entry %s names does not stand before it", line.Number, line.Entry.Id)
			}
		}
	}
	if diff := cmp.Diff(wholeJournal(t, c), entries, protocmp.Transform()); diff != "" {
		t.Errorf("entries differ (-cluster +export):\n%s", diff)
	}
	if len(kinds) != 9 {
		t.Errorf("the books have entries of %v, want all nine kinds", kinds)
	}
}

// interrupter ends a context with the last of a number of pages.
type interrupter struct {
	bytes.Buffer
	pages int
	end   context.CancelFunc
}

func (w *interrupter) Write(page []byte) (int, error) {
	if w.pages--; w.pages == 0 {
		w.end()
	}
	return w.Buffer.Write(page)
}

// wantParts requires that an interrupted export says where to go on, and that
// what is written then makes the whole, by its cursor as by an index.
func wantParts(t *testing.T, c *client.Client, format string) {
	t.Helper()
	var whole bytes.Buffer
	x := exportTo(t, c, &whole, format, &pb.JournalRequest{})
	for _, pages := range []int{1, 5, 11} {
		ctx, cancel := context.WithCancel(client.WithRead(t.Context(), client.Latest))
		first := &interrupter{pages: pages, end: cancel}
		err := pagedExporter(c, first, format, &pb.JournalRequest{}).run(ctx)
		_, cursor, said := strings.Cut(hintOf(err), "go on with --after ")
		if !said {
			t.Fatalf("after %d pages: got %v, hint %q, want a cursor to go on from", pages, err, hintOf(err))
		}
		exportTo(t, c, first, format, &pb.JournalRequest{Cursor: cursor})
		if diff := cmp.Diff(namedOnce(format, whole.String()), namedOnce(format, first.String())); diff != "" {
			t.Errorf("interrupted after %d pages: the parts are not the whole (-whole +parts):\n%s", pages, diff)
		}
	}
	var parts bytes.Buffer
	entries := wholeJournal(t, c)
	middle := entries[len(entries)/2].Index
	exportTo(t, c, &parts, format, &pb.JournalRequest{UntilIndex: middle})
	exportTo(t, c, &parts, format, &pb.JournalRequest{Cursor: number(middle)})
	if diff := cmp.Diff(namedOnce(format, whole.String()), namedOnce(format, parts.String())); diff != "" {
		t.Errorf("split at index %d: the parts are not the whole (-whole +parts):\n%s", middle, diff)
	}
	rest := exportTo(t, c, &parts, format, &pb.JournalRequest{Cursor: x.request.Cursor})
	if rest.entries != 0 {
		t.Errorf("behind the whole: got %d entries, want none", rest.entries)
	}
}

// namedOnce takes away what names an asset or an account again, and where a part
// begins and ends.
func namedOnce(format, text string) string {
	separator, names, bounds := "\n", []string{`{"type":"asset"`, `{"type":"account"`}, []string{`{"type":"journal"`, `{"type":"page"`, `{"type":"end"`}
	if format == "hledger" {
		separator, names, bounds = "\n\n", []string{"commodity ", "account "}, nil
	}
	begins := func(part string, with []string) bool {
		return slices.ContainsFunc(with, func(s string) bool { return strings.HasPrefix(part, s) })
	}
	met := make(map[string]bool)
	var kept []string
	for _, part := range strings.Split(text, separator) {
		if begins(part, bounds) || begins(part, names) && met[part] {
			continue
		}
		met[part] = true
		kept = append(kept, part)
	}
	return strings.Join(kept, separator)
}

// TestExportOfWhatIsGone exports the journal of an account that went, and of another
// that has its path now and holds another asset.
func TestExportOfWhatIsGone(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	fillBooks(t, c, 4, 0)
	for _, asset := range []string{"USD", "CORE-HOUR"} {
		_, err := c.Ledger.OpenAccount(t.Context(), &pb.OpenAccountRequest{Path: "/account/job", Asset: asset, Kind: "ephemeral", Owner: "/user/ann"})
		if err != nil {
			t.Fatal(err)
		}
		in := &pb.Transfer{Id: asset + ":in", Debit: bookAccount(asset, "bank"), Credit: "/account/job", Amount: "2"}
		out := &pb.Transfer{Id: asset + ":out", Debit: "/account/job", Credit: bookAccount(asset, "bank"), Amount: "2"}
		if asset == "CORE-HOUR" {
			out.Amount = "1"
		}
		for _, transfer := range []*pb.Transfer{in, out} {
			if _, err := c.Ledger.Transfer(t.Context(), &pb.TransferRequest{Transfers: []*pb.Transfer{transfer}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantPrograms(t, c)
	var text bytes.Buffer
	exportTo(t, c, &text, "jsonl", &pb.JournalRequest{Under: "/account/job"})
	for _, want := range []string{
		`{"type":"account","path":"/account/job","asset":"USD","kind":"ephemeral","state":"gone"}`,
		`{"type":"account","path":"/account/job","asset":"CORE-HOUR","kind":"ephemeral","state":"open","overdraft":"0.000000000000000000","owner":"/user/ann"}`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("the export does not have the line %s:\n%s", want, text.String())
		}
	}
}

// TestExportUnder exports what an account and what a subtree has to do with.
func TestExportUnder(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	fillBooks(t, c, 2, 60)
	all := wholeJournal(t, c)
	for _, under := range []string{"/account/usd/ann", "/account/usd", "/account/x/@x"} {
		var want []*pb.JournalEntry
		for _, e := range all {
			if strings.HasPrefix(e.Debit+"/", under+"/") || strings.HasPrefix(e.Credit+"/", under+"/") {
				want = append(want, e)
			}
		}
		var text bytes.Buffer
		exportTo(t, c, &text, "jsonl", &pb.JournalRequest{Under: under})
		var got []*pb.JournalEntry
		for reader := journal.NewReader(&text, "journal"); ; {
			line, err := reader.Read()
			if err != nil {
				break
			}
			if line.Entry != nil {
				got = append(got, line.Entry)
			}
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || len(want) == 0 {
			t.Errorf("%s: %d entries differ (-cluster +export):\n%s", under, len(want), diff)
		}
	}
}

func TestExportFileIsWholePages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	for _, goOn := range []bool{false, true} {
		out, err := openExport(path, goOn)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.write([]byte("whole\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := out.file.WriteString("ha"); err != nil {
			t.Fatal(err)
		}
		if err := out.close(io.ErrShortWrite); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("close: got %v, want the error that it was given", err)
		}
	}
	if got := readFile(t, path); got != "whole\nwhole\n" {
		t.Errorf("got %q, want the two whole pages", got)
	}
	if _, err := openExport(path, false); !errors.Is(err, fault.Exists) {
		t.Errorf("a file that exists: got %v, want %v", err, fault.Exists)
	}
	nothing := filepath.Join(t.TempDir(), "nothing")
	out, err := openExport(nothing, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.close(io.ErrShortWrite); !errors.Is(err, io.ErrShortWrite) || fileExists(nothing) {
		t.Errorf("a file of nothing: got %v, and it exists: %v", err, fileExists(nothing))
	}
}

// meddler makes an entry when something is written that holds a text.
type meddler struct {
	bytes.Buffer
	text   string
	meddle func()
}

func (w *meddler) Write(page []byte) (int, error) {
	if w.meddle != nil && bytes.Contains(page, []byte(w.text)) {
		w.meddle()
		w.meddle = nil
	}
	return w.Buffer.Write(page)
}

// TestExportSaysWhetherItIsOfNow exports while entries are made, and up to an index:
// what stands open then is not what the entries come to.
func TestExportSaysWhetherItIsOfNow(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	fillBooks(t, c, 6, 0)
	bank, ann := bookAccount("USD", "bank"), bookAccount("USD", "ann")
	mustOp(t, c, holding(&pb.PlaceHold{Id: "held", Debit: bank, Credit: ann, Amount: "1"}))
	w := &meddler{text: `{"type":"hold"`, meddle: func() { mustOp(t, c, paying("meddled", bank, ann, "1")) }}
	x := exportTo(t, c, w, "jsonl", &pb.JournalRequest{})
	if !x.moved || !strings.Contains(w.String(), `"now":false`) || strings.Contains(w.String(), "meddled") {
		t.Errorf("while entries are made: moved %v, got\n%s\nwant that it is not of now", x.moved, w.String())
	}
	var text bytes.Buffer
	exportTo(t, c, &text, "jsonl", &pb.JournalRequest{UntilIndex: 1 << 40})
	if !strings.Contains(text.String(), `"now":false`) || strings.Contains(text.String(), `"type":"hold"`) {
		t.Errorf("up to an index: got\n%s\nwant that it is not of now", text.String())
	}
	x = exportTo(t, c, w, "jsonl", &pb.JournalRequest{Cursor: x.request.Cursor})
	if x.moved || x.entries != 1 || !strings.Contains(w.String(), `"now":true`) {
		t.Errorf("going on: moved %v, %d entries, want the one that was made, of now", x.moved, x.entries)
	}
	books := readBooksOf(t, w.String())
	if len(books.holds) != 1 || books.holds[0].ID != "held" || books.posted == 0 {
		t.Errorf("got the holds %v of %d entries, want the one that is open, once", books.holds, books.posted)
	}
	if books := readBooksOf(t, text.String()); len(books.holds) != 0 || books.end.Now {
		t.Errorf("up to an index: got the holds %v, want none", books.holds)
	}
}

func readBooksOf(t *testing.T, text string) *journalBooks {
	t.Helper()
	books, err := booksOf(t, strings.TrimSuffix(text, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return books
}

// TestExportForgetsNames bounds what an export keeps: what it forgot is named again.
func TestExportForgetsNames(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	fillBooks(t, c, 8, 10)
	var whole, text bytes.Buffer
	exportTo(t, c, &whole, "jsonl", &pb.JournalRequest{})
	x := pagedExporter(c, &text, "jsonl", &pb.JournalRequest{})
	for n := range mostNamed {
		x.named[exportKey{asset: number(uint64(n))}] = nameWritten{}
	}
	if err := x.run(client.WithRead(t.Context(), client.Latest)); err != nil {
		t.Fatal(err)
	}
	if len(x.named) > mostNamed {
		t.Errorf("it keeps %d names, want at most %d", len(x.named), mostNamed)
	}
	if diff := cmp.Diff(namedOnce("jsonl", whole.String()), namedOnce("jsonl", text.String())); diff != "" {
		t.Errorf("exports differ (-keeping all names +forgetting):\n%s", diff)
	}
}
