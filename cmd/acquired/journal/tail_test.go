package journal

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// fatal is what a test and a property of one have.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func mustReadTail(t fatal, text, format string) *Tail {
	t.Helper()
	tail, err := ReadTail(strings.NewReader(text), int64(len(text)), format)
	if err != nil {
		t.Fatalf("read the tail of %d bytes: %v", len(text), err)
	}
	return tail
}

// entriesAt are written in a format, each at an index and a counter of 0, or as one
// that only reserves where the index is negative.
func entriesAt(format string, indexes ...int) string {
	var text []byte
	for _, index := range indexes {
		e := entry()
		e.Index, e.Counter = uint64(max(index, -index)), 0
		if index < 0 {
			e.Kind = "hold"
		}
		text = Named(format).AppendEntry(text, e)
	}
	return string(text)
}

// header is the first that a file has.
func header(format string) string { return string(Named(format).AppendHeader(nil, "")) }

func TestTail(t *testing.T) {
	t.Parallel()
	accounts := strings.Repeat(string(lines{}.AppendAccount(nil, Account{Path: "/account/a", Asset: "USD"})), tailSize/50)
	records := strings.Repeat(entriesAt("csv", 4), tailSize/100)
	lines, table := header("jsonl"), header("csv")
	end := string(AppendEnd(nil, End{Now: true}))
	for _, test := range []struct {
		name, format, text, end string
		// cut is how many bytes at the end were cut off.
		cut int
	}{
		{"nothing was exported", "jsonl", lines + string(AppendPage(nil, "7")) + end, "7", 0},
		{"a header", "jsonl", lines, "0.0", 0},
		{"a part that follows", "jsonl", string(Named("jsonl").AppendHeader(nil, "5.1")), "5.1", 0},
		{"an entry and no page", "jsonl", lines + entriesAt("jsonl", 4), "4.0", 0},
		{"a page", "jsonl", lines + entriesAt("jsonl", 4) + string(AppendPage(nil, "9")) + end, "9", 0},
		{"two parts", "jsonl", lines + string(AppendPage(nil, "9")) + end + string(Named("jsonl").AppendHeader(nil, "5")), "9", 0},
		{"a period", "jsonl", lines + string(AppendPage(nil, "9")) + string(AppendPeriod(nil, Period{"x", 1})), "9", 0},
		{"an empty line", "jsonl", lines + entriesAt("jsonl", 4) + "\n", "4.0", 0},
		{"half a line", "jsonl", lines + entriesAt("jsonl", 4) + `{"type":"entry"`, "4.0", 15},
		{"no line break", "jsonl", strings.TrimSuffix(lines+entriesAt("jsonl", 3, 4), "\n"), "3.0", len(entriesAt("jsonl", 4)) - 1},
		{"zeros", "jsonl", lines + entriesAt("jsonl", 4) + "\x00\x00", "4.0", 2},
		{"another line", "jsonl", lines + entriesAt("jsonl", 4) + "x\n", "4.0", 2},
		{"a line without a type", "jsonl", lines + entriesAt("jsonl", 4) + "{}\n", "4.0", 3},
		{"much behind the last page", "jsonl", lines + string(AppendPage(nil, "9")) + accounts, "", 0},
		{"much before it", "jsonl", lines + accounts + string(AppendPage(nil, "9")), "9", 0},

		{"nothing was exported", "csv", table, "0.0", 0},
		{"entries", "csv", table + entriesAt("csv", 3, -4), "4.0", 0},
		{"a part", "csv", entriesAt("csv", 3), "3.0", 0},
		{"other line breaks", "csv", strings.ReplaceAll(table+entriesAt("csv", 3), "\r", ""), "3.0", 0},
		{"half a line", "csv", table + entriesAt("csv", 3) + "4,1,2026-", "3.0", 9},
		{"half a line break", "csv", strings.TrimSuffix(table+entriesAt("csv", 3, 4), "\n"), "3.0", len(entriesAt("csv", 4)) - 1},
		{"another line", "csv", table + entriesAt("csv", 3) + "4,1\r\n", "3.0", 5},
		{"much before it", "csv", table + records + entriesAt("csv", 5), "5.0", 0},

		{"nothing was exported", "hledger", transactionsHeader, "0.0", 0},
		{"entries", "hledger", transactionsHeader + entriesAt("hledger", 3, 4), "4.0", 0},
		{"a part", "hledger", "commodity USD\n\n" + entriesAt("hledger", 3), "3.0", 0},
		{"a part that posts nothing", "hledger", "commodity USD\n\n" + entriesAt("hledger", -3), "", 0},
		{"what only reserves", "hledger", transactionsHeader + entriesAt("hledger", 3, -4), "3.0", 0},
		{"half a transaction", "hledger", transactionsHeader + entriesAt("hledger", 3) + "2026-01-01 * (x)\n    ; entry: 4.0\n", "3.0", 34},
		{"no empty line", "hledger", strings.TrimSuffix(transactionsHeader+entriesAt("hledger", 3, 4), "\n"), "3.0", len(entriesAt("hledger", 4)) - 1},
	} {
		t.Run(test.format+" "+test.name, func(t *testing.T) {
			t.Parallel()
			tail := mustReadTail(t, test.text, test.format)
			if got := tail.End(); got != test.end {
				t.Errorf("got that it ends at %q, want %q", got, test.end)
			}
			if got := len(test.text) - int(tail.Whole); got != test.cut {
				t.Errorf("got that %d bytes are cut off, want %d", got, test.cut)
			}
		})
	}
}

func TestTailOfAnotherFormat(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"text": "To whom it may concern\n", "an empty line": "\n", "half a header": "index,counter,ti", "half a line of JSON": `{"type":"jour`,
		"a newer version": `{"type":"journal","version":2}` + "\n", "a long line": header("jsonl") + strings.Repeat(" ", MaxLine+1),
		"much else": header("csv") + strings.Repeat("x\n", tailSize/2), "half a title": transactionsTitle + "\n",
		"only an asset": `{"type":"asset","code":"USD","scale":2}` + "\n", "another table": "a,b\r\n1,2\r\n",
	}
	for _, format := range Names {
		texts[format] = header(format) + entriesAt(format, 3)
	}
	for _, format := range Names {
		for name, text := range texts {
			if name == format || name == "a long line" && format != "jsonl" {
				continue
			}
			tail, err := ReadTail(strings.NewReader(text), int64(len(text)), format)
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%s as %s: got %+v, %v, want an invalid fault", name, format, tail, err)
			}
		}
	}
}

func TestTailAndCursor(t *testing.T) {
	t.Parallel()
	exported := header("jsonl") + entriesAt("jsonl", 5) + string(AppendPage(nil, "9"))
	cut := header("jsonl") + entriesAt("jsonl", 5)
	for _, test := range []struct {
		text, format, cursor string
		repeats, skips       bool
	}{
		{exported, "jsonl", "0", true, false},
		{exported, "jsonl", "4", true, false},
		{exported, "jsonl", "4.9", true, false},
		{exported, "jsonl", "5.0", false, false},
		{exported, "jsonl", "5", false, false},
		{exported, "jsonl", "9", false, false},
		{exported, "jsonl", "10.0", false, true},
		{exported, "jsonl", "10", false, true},
		{exported, "jsonl", "x", false, false},
		{cut, "jsonl", "5.0", false, false},
		{cut, "jsonl", "5", false, true},
		{header("csv") + entriesAt("csv", 5), "csv", "4", true, false},
		{header("csv") + entriesAt("csv", 5), "csv", "5.0", false, false},
		{header("csv") + entriesAt("csv", 5), "csv", "10", false, false},
		{header("csv"), "csv", "0", false, false},
		{transactionsHeader + entriesAt("hledger", 5, -6), "hledger", "4", true, false},
		{transactionsHeader + entriesAt("hledger", 5, -6), "hledger", "5.0", false, false},
		{"commodity USD\n\n", "hledger", "0", false, false},
	} {
		tail := mustReadTail(t, test.text, test.format)
		if got := tail.Repeats(test.cursor); got != test.repeats {
			t.Errorf("%s that ends at %s, --after %s: repeats %v, want %v", test.format, tail.End(), test.cursor, got, test.repeats)
		}
		if got := tail.Skips(test.cursor); got != test.skips {
			t.Errorf("%s that ends at %s, --after %s: skips %v, want %v", test.format, tail.End(), test.cursor, got, test.skips)
		}
	}
}

func TestTailLacks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		format, kind string
		index        uint64
		want         bool
	}{
		{"csv", "capture", 5, false},
		{"csv", "capture", 6, true},
		{"csv", "hold", 6, true},
		{"csv", "capture", 8, true},
		{"csv", "capture", 9, false},
		{"hledger", "capture", 5, false},
		{"hledger", "capture", 6, true},
		{"hledger", "hold", 6, false},
		{"hledger", "capture", 9, false},
	} {
		tail := mustReadTail(t, header(test.format)+entriesAt(test.format, 5), test.format)
		if got := tail.Lacks(&pb.JournalEntry{Index: test.index, Kind: test.kind}, "8"); got != test.want {
			t.Errorf("%s that ends at 5.0 lacks the %s at %d, up to 8: got %v, want %v", test.format, test.kind, test.index, got, test.want)
		}
	}
}

// TestTailOfWhatWasCutOff cuts files anywhere. What is whole, and the entries behind
// the cursor at which it ends, are what was written, each entry that posts once.
func TestTailOfWhatWasCutOff(t *testing.T) {
	t.Parallel()
	for _, format := range Names {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				b := randomBooks(4).Draw(t, "books")
				for _, e := range b.entries {
					e.Description = oneLine(e.Description) // the ledger takes no line breaks
				}
				text := string(b.render(Named(format)))
				cut := text[:rapid.IntRange(len(header(format)), len(text)).Draw(t, "cut")]
				tail := mustReadTail(t, cut, format)
				end, err := placeOf("end", tail.End())
				if err != nil {
					t.Fatal(err)
				}
				joined := []byte(cut[:tail.Whole])
				for _, e := range b.entries {
					if (place{e.Index, e.Counter, true}).compare(end) > 0 {
						joined = Named(format).AppendEntry(joined, e)
					}
				}
				if diff := cmp.Diff(entriesOf(format, text), entriesOf(format, string(joined))); diff != "" {
					t.Fatalf("%d bytes of %d, whole up to %d, which ends at %s (-written +joined):\n%s", len(cut), len(text), tail.Whole, end, diff)
				}
			})
		})
	}
}

// entriesOf gives the texts of the entries of a file, of "hledger" those that post.
func entriesOf(format, text string) []string {
	separator, has := "\n", ","
	switch format {
	case "jsonl":
		has = `"type":"entry"`
	case "hledger":
		separator, has = "\n\n", "    ; entry: "
	}
	return slices.DeleteFunc(strings.Split(text, separator), func(part string) bool { return !strings.Contains(part, has) })
}
