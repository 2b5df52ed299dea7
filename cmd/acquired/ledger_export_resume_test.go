package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
)

// exportOf exports to a file as the command does.
func exportOf(ctx context.Context, c *client.Client, file, format string, request *pb.JournalRequest) (*exporter, error) {
	ctx = client.WithRead(ctx, client.Latest)
	flags := exportFlags{file: file, format: format}
	proto.Merge(&flags.request, request)
	out, err := openExportOf(ctx, c, &flags)
	if err != nil {
		return nil, err
	}
	x := newExporter(c, &flags, out)
	return x, out.close(x.run(ctx))
}

// mustExport exports to a file, and gives the cursor to go on from.
func mustExport(t *testing.T, c *client.Client, file, format string, request *pb.JournalRequest) string {
	t.Helper()
	x, err := exportOf(t.Context(), c, file, format, request)
	if err != nil {
		t.Fatalf("export %s --after %q: %v (%s)", format, request.Cursor, err, hintOf(err))
	}
	return x.request.Cursor
}

// wantRefused requires that an export does not go on with a file, names it, says why
// and what to do, and leaves it as it is. It gives the hint.
func wantRefused(t *testing.T, c *client.Client, file, format string, request *pb.JournalRequest, says string) string {
	t.Helper()
	before := readFile(t, file)
	_, err := exportOf(t.Context(), c, file, format, request)
	if _, ok := errors.AsType[*usageError](err); !ok || !strings.HasPrefix(err.Error(), file) || !strings.Contains(err.Error(), says) {
		t.Fatalf("%s --after %s: got %v, want wrong usage of %s: %s", format, request.Cursor, err, file, says)
	}
	if hintOf(err) == "" {
		t.Errorf("%s --after %s: %v: it does not say what to do", format, request.Cursor, err)
	}
	if diff := cmp.Diff(before, readFile(t, file)); diff != "" {
		t.Errorf("%s --after %s: the file was changed (-before +after):\n%s", format, request.Cursor, diff)
	}
	return hintOf(err)
}

// startRows starts a cluster with entries p1 to p9, that with each third account is of
// y, and with a hold behind p5. It gives the indexes of the entries.
func startRows(t *testing.T) (*client.Client, map[string]uint64) {
	t.Helper()
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/x"}, &pb.OpenAccountRequest{Path: "/account/y"})
	at := make(map[string]uint64)
	for n := 1; n <= 9; n++ {
		to, id := "/account/x", fmt.Sprint("p", n)
		if n%3 == 0 {
			to = "/account/y"
		}
		at[id] = mustOp(t, c, paying(id, "/account/bank", to, "1")).Index
		if n == 5 {
			at["held"] = mustOp(t, c, holding(&pb.PlaceHold{Id: "held", Debit: "/account/bank", Credit: "/account/x", Amount: "1"})).Index
		}
		openAccount(t, c, &pb.OpenAccountRequest{Path: fmt.Sprint("/account/other-", n), Asset: "USD"})
	}
	return c, at
}

// TestExportGoesOnWithItsFile goes on where the file ends, by the cursor of the export,
// by an index at which nothing is, and by that of the last entry.
func TestExportGoesOnWithItsFile(t *testing.T) {
	t.Parallel()
	c, at := startRows(t)
	for _, format := range journal.Names {
		var whole bytes.Buffer
		exportTo(t, c, &whole, format, &pb.JournalRequest{})
		for _, cursor := range []string{"", number(at["p6"] + 1), number(at["p6"]), number(at["p6"]) + ".1"} {
			file := filepath.Join(t.TempDir(), "parts")
			said := mustExport(t, c, file, format, &pb.JournalRequest{UntilIndex: at["p6"] + 1})
			if cursor == "" {
				cursor = said
			}
			end := mustExport(t, c, file, format, &pb.JournalRequest{Cursor: cursor})
			if diff := cmp.Diff(namedOnce(format, whole.String()), namedOnce(format, readFile(t, file))); diff != "" {
				t.Errorf("%s --after %s: the parts are not the whole (-whole +parts):\n%s", format, cursor, diff)
			}
			mustExport(t, c, file, format, &pb.JournalRequest{Cursor: end})
		}
	}
}

// TestExportGoesOnOnlyWhereItsFileEnds refuses a cursor with which entries would be
// there twice, or not at all.
func TestExportGoesOnOnlyWhereItsFileEnds(t *testing.T) {
	t.Parallel()
	c, at := startRows(t)
	for _, format := range journal.Names {
		file := filepath.Join(t.TempDir(), "part")
		mustExport(t, c, file, format, &pb.JournalRequest{UntilIndex: at["p6"]})
		last := number(at["p6"]) + ".1"
		for _, before := range []string{"0", number(at["p6"] - 1), number(at["p1"]) + ".1"} {
			says := fmt.Sprintf("has the entry %s already, which is behind %s", last, before)
			if hint := wantRefused(t, c, file, format, &pb.JournalRequest{Cursor: before}, says); !strings.HasPrefix(hint, "go on with --after "+number(at["p6"])) {
				t.Errorf("got the hint %q, want the end of the file", hint)
			}
		}
		for _, behind := range []string{number(at["p7"]), number(at["p7"]) + ".1", number(at["p9"])} {
			says := fmt.Sprintf("ends before the entry %d.1, which --after %s would leave out", at["p7"], behind)
			if format == "jsonl" {
				says = fmt.Sprintf("goes as far as %d: what is between it and %s would be missing", at["p6"], behind)
			}
			if hint := wantRefused(t, c, file, format, &pb.JournalRequest{Cursor: behind}, says); !strings.HasPrefix(hint, "go on with --after "+number(at["p6"])) {
				t.Errorf("got the hint %q, want the end of the file", hint)
			}
		}
		empty := filepath.Join(t.TempDir(), "empty")
		mustExport(t, c, empty, format, &pb.JournalRequest{UntilIndex: 1})
		wantRefused(t, c, empty, format, &pb.JournalRequest{Cursor: number(at["p1"])}, number(at["p1"]))
		mustExport(t, c, empty, format, &pb.JournalRequest{Cursor: "1"})
	}
}

// TestExportUnderGoesOn goes on with the entries of one account: those of others are
// not missing.
func TestExportUnderGoesOn(t *testing.T) {
	t.Parallel()
	c, at := startRows(t)
	for _, format := range journal.Names {
		var whole bytes.Buffer
		exportTo(t, c, &whole, format, &pb.JournalRequest{Under: "/account/y"})
		file := filepath.Join(t.TempDir(), "part")
		mustExport(t, c, file, format, &pb.JournalRequest{Under: "/account/y", UntilIndex: at["p5"]})
		wantRefused(t, c, file, format, &pb.JournalRequest{Under: "/account/y", Cursor: number(at["p6"])}, number(at["p6"]))
		wantRefused(t, c, file, format, &pb.JournalRequest{Under: "/account/y", Cursor: number(at["p2"])}, number(at["p3"])+".1 already")
		mustExport(t, c, file, format, &pb.JournalRequest{Under: "/account/y", Cursor: number(at["p4"]), UntilIndex: at["p8"]})
		mustExport(t, c, file, format, &pb.JournalRequest{Under: "/account/y", Cursor: number(at["p8"])})
		if diff := cmp.Diff(namedOnce(format, whole.String()), namedOnce(format, readFile(t, file))); diff != "" {
			t.Errorf("%s: the parts are not the whole (-whole +parts):\n%s", format, diff)
		}
	}
}

// TestExportGoesOnWithAPart goes on with files that are parts themselves.
func TestExportGoesOnWithAPart(t *testing.T) {
	t.Parallel()
	c, at := startRows(t)
	for _, format := range journal.Names {
		var whole bytes.Buffer
		exportTo(t, c, &whole, format, &pb.JournalRequest{Cursor: number(at["p2"])})
		file := filepath.Join(t.TempDir(), "part")
		mustExport(t, c, file, format, &pb.JournalRequest{Cursor: number(at["p2"]), UntilIndex: at["p5"]})
		mustExport(t, c, file, format, &pb.JournalRequest{Cursor: number(at["p5"])})
		if diff := cmp.Diff(namedOnce(format, whole.String()), namedOnce(format, readFile(t, file))); diff != "" {
			t.Errorf("%s: the parts are not the whole (-whole +parts):\n%s", format, diff)
		}
		fresh := filepath.Join(t.TempDir(), "empty")
		writeText(t, fresh, "")
		mustExport(t, c, fresh, format, &pb.JournalRequest{Cursor: number(at["p2"])})
	}
}

func TestExportGoesOnInOneFormat(t *testing.T) {
	t.Parallel()
	c, at := startRows(t)
	for _, was := range append(journal.Names, "text") {
		file := filepath.Join(t.TempDir(), was)
		if was == "text" {
			writeText(t, file, "To whom it may concern\n")
		} else {
			mustExport(t, c, file, was, &pb.JournalRequest{UntilIndex: at["p6"]})
		}
		for _, format := range journal.Names {
			if format != was {
				wantRefused(t, c, file, format, &pb.JournalRequest{Cursor: number(at["p6"])}, "its first line is none with which the format "+format+" begins")
			}
		}
	}
}

// TestExportGoesOnBehindHalfALine does with files that were cut off what the hint says.
func TestExportGoesOnBehindHalfALine(t *testing.T) {
	t.Parallel()
	c, at := startRows(t)
	for _, format := range journal.Names {
		var whole bytes.Buffer
		exportTo(t, c, &whole, format, &pb.JournalRequest{})
		text := whole.String()
		for _, cut := range []int{
			len(journal.Named(format).AppendHeader(nil, "")) + 5, strings.Index(text, "p1") + 1, strings.Index(text, "p4") + 30, strings.LastIndex(text, "held"),
			strings.Index(text, "p9"), len(text) - 1,
		} {
			file := filepath.Join(t.TempDir(), "cut")
			writeText(t, file, text[:cut])
			hint := wantRefused(t, c, file, format, &pb.JournalRequest{Cursor: number(at["p9"])}, " is cut off: its last ")
			var size int64
			var cursor string
			if _, err := fmt.Sscanf(hint, "truncate -s %d "+file+", and go on with --after %s", &size, &cursor); err != nil {
				t.Fatalf("%s cut at %d: got the hint %q: %v", format, cut, hint, err)
			}
			if err := os.Truncate(file, size); err != nil {
				t.Fatal(err)
			}
			mustExport(t, c, file, format, &pb.JournalRequest{Cursor: cursor})
			got := readFile(t, file)
			if format == "jsonl" {
				readLines(t, got)
			}
			if diff := cmp.Diff(onlyEntries(format, text), onlyEntries(format, got)); diff != "" {
				t.Errorf("%s cut at %d, %s: entries differ (-whole +parts):\n%s", format, cut, hint, diff)
			}
		}
	}
}

// onlyEntries gives the parts of a text that are entries which post.
func onlyEntries(format, text string) (entries []string) {
	separator := "\n"
	if format == "hledger" {
		separator = "\n\n"
	}
	for _, part := range strings.Split(text, separator) {
		if strings.Contains(part, `"type":"entry"`) || strings.Contains(part, ",transfer,") || strings.Contains(part, "; entry: ") {
			entries = append(entries, part)
		}
	}
	return entries
}

// TestExportGoesOnAtANodeThatLagsBehindItsFile asks again what may be missing.
func TestExportGoesOnAtANodeThatLagsBehindItsFile(t *testing.T) {
	t.Parallel()
	c, at := startRows(t)
	file := filepath.Join(t.TempDir(), "part")
	mustExport(t, c, file, "csv", &pb.JournalRequest{UntilIndex: at["p6"]})
	c.Ledger = &lagging{LedgerClient: c.Ledger}
	wantRefused(t, c, file, "csv", &pb.JournalRequest{Cursor: number(at["p7"])}, "would leave out")
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
