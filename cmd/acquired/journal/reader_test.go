package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// readAll gives the lines of a file.
func readAll(text string) (lines []Line, err error) {
	r := NewReader(strings.NewReader(text), "f.jsonl")
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
}

// write gives what line was read from.
func (l Line) write(f Format) []byte {
	switch {
	case l.Asset != nil:
		return f.AppendAsset(nil, *l.Asset)
	case l.Account != nil:
		return f.AppendAccount(nil, *l.Account)
	case l.Hold != nil:
		return AppendHold(nil, *l.Hold)
	case l.Document != nil:
		return AppendDocument(nil, *l.Document)
	case l.Period != nil:
		return AppendPeriod(nil, *l.Period)
	case l.Page != "":
		return AppendPage(nil, l.Page)
	case l.Begins:
		return f.AppendHeader(nil, l.After)
	}
	return f.AppendEntry(nil, l.Entry)
}

func TestReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := randomBooks(5).Draw(t, "books")
		for _, e := range b.entries {
			e.Description = oneLine(e.Description)
		}
		account := Account{
			Path: "/account/a", Asset: "USD", Kind: "normal", State: "frozen", Overdraft: "unlimited", Ceiling: "1.00", DailyLimit: "2.00",
			HoldOverdraft: true, Owner: "/user/a", Metadata: map[string]string{"k": oneLine(descriptions.Draw(t, "value"))},
		}
		text := lines{}.AppendAccount(b.render(lines{}), account)
		read, err := readAll(string(text))
		if err != nil {
			t.Fatal(err)
		}
		var assets []Asset
		var entries []*pb.JournalEntry
		var accounts []Account
		for _, line := range read {
			switch {
			case line.Asset != nil:
				assets = append(assets, *line.Asset)
			case line.Account != nil:
				accounts = append(accounts, *line.Account)
			case line.Entry != nil:
				entries = append(entries, line.Entry)
			}
		}
		if diff := cmp.Diff(b.assets, assets); diff != "" {
			t.Fatalf("assets differ (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(b.entries, entries, protocmp.Transform()); diff != "" {
			t.Fatalf("entries differ (-want +got):\n%s", diff)
		}
		if len(accounts) != 2*len(entries)+1 {
			t.Fatalf("got %d accounts of %d entries, want two each and one", len(accounts), len(entries))
		}
		if diff := cmp.Diff(account, accounts[len(accounts)-1]); diff != "" {
			t.Fatalf("the account differs (-want +got):\n%s", diff)
		}
	})
}

func TestReaderNumbersLines(t *testing.T) {
	t.Parallel()
	read, err := readAll("\r\n" + `{"type":"asset","code":"USD","scale":2}` + "\r\n  \n" + `{"type":"account","path":"/account/a","asset":"USD"}`)
	if err != nil || len(read) != 2 || read[0].Number != 2 || read[1].Number != 4 {
		t.Errorf("got %v, %v, want lines 2 and 4", read, err)
	}
}

// written gives an export of the text that ends as it should.
func written(text string) string {
	text = string(lines{}.AppendHeader(nil, "")) + text
	sum := NewSum()
	sum.Add([]byte(text))
	return string(AppendEnd([]byte(text), End{Entries: uint64(strings.Count(text, `"type":"entry"`)), Now: true, Sum: sum.String()}))
}

// TestReaderChecksTheEnd reads exports that were joined, and some that are not as
// they were written.
func TestReaderChecksTheEnd(t *testing.T) {
	t.Parallel()
	line := string(lines{}.AppendEntry(nil, entry()))
	whole := written(line + line)
	cut := whole[:strings.LastIndex(strings.TrimSpace(whole), "\n")+1]
	for _, good := range []string{
		whole, whole + whole, whole + line, cut, cut + whole, strings.ReplaceAll(whole, "\n", "\r\n\r\n"),
	} {
		if _, err := readAll(good); err != nil {
			t.Errorf("got %v of\n%s", err, good)
		}
	}
	for _, test := range []struct{ name, text, says string }{
		{"a line less", strings.Replace(whole, line, "", 1), "line 3: entries: the export wrote 2, from line 1 to here there are 1"},
		{"a line more", strings.Replace(whole, line, line+line, 1), "line 5: entries: the export wrote 2, from line 1 to here there are 3"},
		{"another digit", strings.Replace(whole, "12.50", "12.51", 1), "line 4: sha256: the lines from line 1 to here are not as they were written"},
		{"another digit in the second", whole + strings.Replace(whole, "12.50", "12.51", 1), "line 8: sha256: the lines from line 5 to here"},
		{"another version", strings.Replace(whole, `"version":1`, `"version":2,"zip":true`, 1), "line 1: version: is 2, this program reads 1"},
		{"no version", strings.Replace(whole, `,"version":1`, ``, 1), "line 1: version: is 0, this program reads 1"},
		{"more of this version", strings.Replace(whole, `"version":1`, `"version":1,"zip":true`, 1), `line 1: unknown field "zip"`},
		{"no UTF-8", strings.Replace(whole, "a run", "a \xffun", 1), "line 2: is not UTF-8"},
		{"cut off", whole[:len(whole)-20], "line 4: is cut off: unexpected end of JSON input"},
		{"cut off in the middle", strings.Replace(whole, "@ann\"}\n", "\n", 1), "line 2: is cut off: "},
	} {
		if _, err := readAll(test.text); !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "f.jsonl, "+test.says) {
			t.Errorf("%s: got %v, want an invalid fault of f.jsonl, %s", test.name, err, test.says)
		}
	}
}

// TestReaderMissesNoPart reads exports that go on with each other, and some between
// which something is missing.
func TestReaderMissesNoPart(t *testing.T) {
	t.Parallel()
	entryAt := func(index uint64, counter uint32) string {
		e := entry()
		e.Index, e.Counter = index, counter
		return string(lines{}.AppendEntry(nil, e))
	}
	part := func(after string, all ...string) string {
		return string(lines{}.AppendHeader(nil, after)) + strings.Join(all, "")
	}
	page := func(until string) string { return string(AppendPage(nil, until)) }
	for _, test := range []struct{ name, text, says string }{
		{"the beginning", part("31", entryAt(40, 0)), ""},
		{"behind a page", part("", entryAt(12, 0), page("31")) + part("31", entryAt(32, 0)), ""},
		{"behind an entry", part("", entryAt(12, 0)) + part("12.0", entryAt(12, 1)), ""},
		{"from before", part("", entryAt(12, 0), page("31")) + part("12", entryAt(32, 0)), ""},
		{"behind what the first has", part("", page("31")) + part("12", page("20")) + part("31"), ""},
		{"from the beginning", part("", entryAt(12, 0), page("31")) + part(""), ""},
		{"three", part("", page("31")) + part("31", page("40.7")) + part("40.7"), ""},
		{"behind an index of which only some is there", part("", entryAt(12, 0)) + part("12"),
			"line 3: after: the export goes on behind 12, and those before it come to 12.0: what is between is missing"},
		{"a hole", part("", entryAt(12, 0), page("31")) + part("45", entryAt(46, 0)), "line 4: after: the export goes on behind 45, and those before it come to 31: "},
		{"an entry less", part("", page("31.2")) + part("31.3"), "line 3: after: the export goes on behind 31.3, "},
		{"no cursor", part("x"), `line 1: after: "x" is no cursor`},
		{"no cursor of a page", part("", page("1.x")), `line 2: until: "1.x" is no cursor`},
		{"a page of nothing", part("", page("")), "line 2: until: is missing"},
	} {
		_, err := readAll(test.text)
		if test.says == "" && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.says != "" && (!errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "f.jsonl, "+test.says)) {
			t.Errorf("%s: got %v, want an invalid fault of f.jsonl, %s", test.name, err, test.says)
		}
	}
}

func TestReadsWhatStandsOpen(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("acquired cheque v1\nid: \"é\"\n"))
	want := []Line{
		{Number: 1, Hold: &Hold{"h", "/account/a", "/account/b", "USD", "1.00", afterEpoch, true, "/user/d", "cheque", "a; b"}},
		{Number: 2, Document: &Document{"cheque", "cheque", "open", hex.EncodeToString(sum[:]), "acquired cheque v1\nid: \"é\"\n"}},
		{Number: 3, Period: &Period{"2025", afterEpoch}},
	}
	var text []byte
	for _, line := range want {
		text = append(text, line.write(lines{})...)
	}
	got, err := readAll(string(text))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	good := string(lines{}.AppendEntry(nil, entry()))
	if _, err := readAll(good); err != nil {
		t.Fatal(err)
	}
	entryWith := func(old, new string) string {
		changed := strings.Replace(good, old, new, 1)
		if changed == good {
			t.Fatalf("%s is not in %s", old, good)
		}
		return changed
	}
	accountWith := func(field string) string {
		return `{"type":"account","path":"/account/a","asset":"USD",` + field + `}`
	}
	holdWith := func(old, new string) string {
		return strings.Replace(string(AppendHold(nil, Hold{ID: "h", Debit: "/account/a", Credit: "/account/b", Asset: "USD", Remaining: "1.00", Expires: afterEpoch})), old, new, 1)
	}
	for _, test := range []struct{ name, line, says string }{
		{"no JSON", `type`, "invalid character"},
		{"half a line", good[:40], "unexpected end of JSON input"},
		{"a list", `[]`, "a line is an object, not array"},
		{"two values", strings.TrimSpace(good) + "{}", "invalid character '{'"},
		{"no type", `{}`, `type: must be asset, account, entry or another that an export of version 1 writes, not ""`},
		{"other type", `{"type":"cheque"}`, `not "cheque"`},
		{"a field more", entryWith(`"counter"`, `"count"`), `unknown field "count"`},
		{"a type twice", `{"type":"asset","type":"asset","code":"USD","scale":2}`, `duplicate key "type"`},
		{"a field twice", `{"type":"asset","code":"USD","code":"EUR","scale":2}`, `duplicate key "code"`},
		{"a field twice, escaped", `{"type":"asset","code":"USD","c\u006fde":"EUR","scale":2}`, `duplicate key "c\u006fde"`},
		{"a field twice, of the same value", accountWith(`"path":"/account/a"`), `duplicate key "path"`},
		{"a long key twice", accountWith(`"` + strings.Repeat("x", 300) + `":1,"` + strings.Repeat("x", 300) + `":1`), `duplicate key "xxx`},
		{"a field in capitals", `{"type":"asset","code":"USD","CODE":"EUR","scale":2}`, `unknown field "CODE"`},
		{"a field with another s", `{"type":"asset","code":"USD","scale":2,"\u017fcale":3}`, `unknown field "ſcale"`},
		{"a key of metadata twice", accountWith(`"metadata":{"a":"x","b":"y","a":"z"}`), `duplicate key "a"`},
		{"half a surrogate pair", entryWith(`a run`, `\ud800`), "invalid"},
		{"nothing", `null`, "null"},
		{"a number out of range", `{"type":"asset","code":"USD","scale":1e999}`, "invalid"},
		{"text for a number", entryWith(`"index":12`, `"index":"12"`), "index: string is not"},
		{"a negative number", entryWith(`"part":1`, `"part":-1`), "part: number -1 is not"},
		{"no index", entryWith(`"index":12,`, ``), "index: is missing or 0"},
		{"no id", entryWith(`"run-7"`, `""`), `id: "" is not`},
		{"an id with a space", entryWith(`"run-7"`, `"run 7"`), `id: "run 7" is not`},
		{"a long id", entryWith(`"run-7"`, `"`+strings.Repeat("x", 129)+`"`), "id: "},
		{"a kind of no journal", entryWith(`"capture"`, `"gift"`), `kind: "gift" is none`},
		{"no path", entryWith(`"/account/centre"`, `"centre"`), "credit: path"},
		{"a path elsewhere", entryWith(`"/account/centre"`, `"/user/centre"`), "credit: "},
		{"a path with a slash at the end", entryWith(`"/account/centre"`, `"/account/centre/"`), "credit: "},
		{"one account", entryWith(`"/account/centre"`, `"/account/lab/ann"`), "credit: is the debit too"},
		{"no asset", entryWith(`"asset":"CORE-HOUR"`, `"asset":"core-hour"`), `asset: "core-hour" is not`},
		{"a negative amount", entryWith(`"12.50"`, `"-12.50"`), "amount: "},
		{"a number for an amount", entryWith(`"12.50"`, `12.50`), "amount: number is not"},
		{"too many digits", entryWith(`"12.50"`, `"0.`+strings.Repeat("1", 19)+`"`), "amount: "},
		{"too much", entryWith(`"12.50"`, `"`+strings.Repeat("9", 39)+`"`), "overflows"},
		{"no time", entryWith(`"2026-11-22T14:38:41.123456789Z"`, `"yesterday"`), `time: "yesterday" is no time`},
		{"a time too early", entryWith(`"2026-11-21T14:38:41.123456789Z"`, `"1492-10-12T00:00:00Z"`), "effective: "},
		{"a wrong hold", entryWith(`"hold-7"`, `"#"`), "hold: "},
		{"a long description", entryWith(`a run`, strings.Repeat("x", 257)), "description: is 266 bytes long"},
		{"a description of two lines", entryWith(`a run`, `a\nrun`), "description: "},
		{"a scale too large", `{"type":"asset","code":"USD","scale":19}`, "scale: must be 0 to 18, not 19"},
		{"a code in small letters", `{"type":"asset","code":"usd","scale":2}`, `code: "usd"`},
		{"an account of no asset", `{"type":"account","path":"/account/a"}`, `asset: ""`},
		{"the folder of accounts", `{"type":"account","path":"/account","asset":"USD"}`, "path: "},
		{"another kind", accountWith(`"kind":"secret"`), "kind: must be one of"},
		{"another state", accountWith(`"state":"lost"`), "state: must be one of"},
		{"a negative limit", accountWith(`"overdraft":"-1"`), "overdraft: "},
		{"a word for a ceiling", accountWith(`"ceiling":"unlimited"`), "ceiling: "},
		{"an owner who is no path", accountWith(`"owner":"ann"`), "owner: "},
		{"a value of two lines", accountWith(`"metadata":{"a":"\n"}`), "metadata a: "},
		{"a key in capitals", accountWith(`"metadata":{"A":"x"}`), "metadata: "},
		{"a long value", accountWith(`"metadata":{"a":"` + strings.Repeat("x", 513) + `"}`), "metadata a: is 513 bytes long"},
		{"a negative daily limit", accountWith(`"daily_limit":"-1"`), "daily_limit: "},
		{"a hold of one account", holdWith(`/account/b`, `/account/a`), "credit: is the debit too"},
		{"a hold without an id", holdWith(`"h"`, `""`), `id: "" is not`},
		{"a hold of no amount", holdWith(`1.00`, `much`), "remaining: "},
		{"a hold of nothing", holdWith(`1.00`, `0.00`), "remaining: is 0.00, and must be above 0"},
		{"a hold without end", holdWith(`2026-`, `x`), "expires: "},
		{"a delegate who is no path", holdWith(`"delegate":""`, `"delegate":"d"`), "delegate: "},
		{"a document of another text", `{"type":"document","id":"d","kind":"cheque","state":"open","hash":"00","text":"x"}`, "hash: is not the SHA-256"},
		{"a kind with a space", `{"type":"document","id":"d","kind":"a b","state":"open","hash":"00","text":"x"}`, `kind: "a b" is not`},
		{"a period without end", `{"type":"period","name":"x","until":""}`, "until: "},
		{"a long name of a period", `{"type":"period","name":"` + strings.Repeat("x", 65) + `","until":""}`, "name: is 65 bytes long"},
		{"a line without end", strings.Repeat("x", MaxLine+1), "is longer than 524288 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll(good + "\n" + test.line)
			if !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "f.jsonl, line 3: ") || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want an invalid fault of f.jsonl, line 3, that says %q", err, test.says)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the message has %d bytes, want at most 300", len(err.Error()))
			}
		})
	}
}

// FuzzReadJournal reads anything. What is read is written and read again, and is
// as it was; and in no other format does it break out of its place.
func FuzzReadJournal(f *testing.F) {
	f.Add(string(lines{}.AppendEntry(nil, entry())))
	f.Add(`{"type":"asset","code":"USD","scale":18}` + "\n\n" + `{"type":"account","path":"/account/a","asset":"USD","metadata":{"a":"b"}}`)
	f.Add(`{"type":"entry","index":1,"time":"1970-01-01T00:00:00+01:00","effective":"1677-09-21T00:12:43.145224192Z","kind":"hold","id":"@","debit":"/account/-","credit":"/account/+","asset":"A","amount":"0","description":"\u2028;\n(\ud800"}`)
	f.Add(`{"type":"account","path":"/account/a","asset":"A","overdraft":"unlimited","ceiling":"0.5","kind":"transient","state":"closed","owner":"/user/a"}`)
	f.Add(string(AppendHold(nil, Hold{"h", "/account/a", "/account/b", "A", "1", 1, true, "/user/d", "c", "x"})) + `{"type":"period","name":"x","until":"2026-01-01T00:00:00Z"}`)
	f.Add(written(string(lines{}.AppendEntry(nil, entry()))))
	f.Add(`{"type":"account","path":"/account/0","asset":"A","metadata":{}}`)
	f.Add(`{"TYPE":"asset","type":"entry","type":"asset","code":"A"}` + "\r\n[")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := readAll(text)
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Fatalf("got %v, want an invalid fault", err)
		}
		for _, line := range read {
			if line.End != nil {
				continue // it is the end of those before it
			}
			again, err := readAll(string(line.write(lines{})))
			if err != nil || len(again) != 1 {
				t.Fatalf("%+v: read again: got %v, %v", line, again, err)
			}
			again[0].Number = line.Number
			if diff := cmp.Diff(line, again[0], protocmp.Transform(), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("read again it differs (-first +again):\n%s", diff)
			}
			if line.Entry == nil {
				continue
			}
			if records, err := readTable(line.write(table{})); err != nil || len(records) != 1 {
				t.Fatalf("as a table: got %q, %v", records, err)
			}
			checkTransaction(t, line.Entry, string(line.write(transactions{})))
		}
	})
}

// checkTransaction finds lines that stand where only the entry could have put
// them.
func checkTransaction(t *testing.T, e *pb.JournalEntry, text string) {
	t.Helper()
	postings := 0
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n\n"), "\n") {
		switch {
		case strings.ContainsAny(line, "\r\v\f\t\u0085\u2028\u2029"):
			t.Fatalf("line %d breaks: %q", i, line)
		case i == 0 && Posts(e) && !strings.Contains(line, " * ("+e.Id+")"), i == 0 && !Posts(e) && !strings.HasPrefix(line, "; "):
			t.Fatalf("the first line is %q", line)
		case i == 0:
			if _, behind, _ := strings.Cut(line, ")"); Posts(e) && strings.Contains(behind, ";") {
				t.Fatalf("the description ends early: %q", line)
			}
		case strings.HasPrefix(line, "    account:"):
			postings++
		case !strings.HasPrefix(line, "    ; "):
			t.Fatalf("line %d is neither a tag nor a posting: %q", i, line)
		}
	}
	if want := map[bool]int{true: 2}[Posts(e)]; postings != want {
		t.Fatalf("got %d postings, want %d:\n%s", postings, want, text)
	}
}
