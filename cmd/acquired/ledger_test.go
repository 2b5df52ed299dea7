package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/testing/protocmp"

	pb "acquired/proto/acquired/v1"
)

func TestParseInstant(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC)
	tests := []struct {
		given string
		want  time.Time
	}{
		{"2026-11-01", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		{"2026-11-01T10:00:00.000000001+02:00", time.Date(2026, 11, 1, 8, 0, 0, 1, time.UTC)},
		{"+8h", now.Add(8 * time.Hour)},
		{"-90m", now.Add(-90 * time.Minute)},
		{"+7d", now.Add(7 * 24 * time.Hour)},
		{"-7d", now.Add(-7 * 24 * time.Hour)},
	}
	for _, test := range tests {
		got, err := parseInstant("at", test.given, now)
		if err != nil || got != test.want.UnixNano() {
			t.Errorf("%s: got %d, %v, want %d", test.given, got, err, test.want.UnixNano())
		}
	}
	if got, err := parseInstant("at", "", now); err != nil || got != 0 {
		t.Errorf("nothing: got %d, %v, want 0", got, err)
	}
	for _, wrong := range []string{
		"yesterday", "7d", "8h", "+", "-", "+-8h", "--8h", "+8", "+1.5d", "+-7d", "-d", "+106752d",
		"-30000d", "+100000d", "1960-01-01", "2262-01-01", "+99999999999999999999d",
	} {
		if got, err := parseInstant("at", wrong, now); err == nil || !strings.HasPrefix(err.Error(), "--at ") {
			t.Errorf("%s: got %d, %v, want wrong usage of --at", wrong, got, err)
		}
	}
}

// A time that is counted from now makes another step of the same command: the help
// of each that writes says so.
func TestHelpOfTimes(t *testing.T) {
	t.Parallel()
	found := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		writes := cmd.Flags().Lookup("request-id") != nil
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if !writes || !strings.Contains(flag.Usage, instantForm) {
				return
			}
			found++
			if !strings.Contains(flag.Usage, writtenInstantForm) {
				t.Errorf("%s: --%s does not say that a time from now is another at each try: use writtenInstantForm", cmd.CommandPath(), flag.Name)
			}
		})
		for _, verb := range cmd.Commands() {
			visit(verb)
		}
	}
	visit(ledgerCommand(defaultGlobals()))
	if found == 0 {
		t.Error("found no times")
	}
}

func TestExpiryFlags(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name            string
		flags           expiryFlags
		expires         int64
		seconds         uint64
		lifetimeMessage string
	}{
		{"neither", expiryFlags{}, 0, 0, ""},
		{"lifetime", expiryFlags{lifetime: "36h"}, 0, 36 * 3600, ""},
		{"days", expiryFlags{lifetime: "3650d"}, 0, 3650 * 86400, ""},
		{"end", expiryFlags{expires: "+1h"}, now.Add(time.Hour).UnixNano(), 0, ""},
		{"both", expiryFlags{"1h", "+1h"}, 0, 0, "--for and --expires do not go together"},
		{"nothing", expiryFlags{lifetime: "0s"}, 0, 0, `--for "0s" is not whole seconds, such as 90m, 36h or 7d`},
		{"part of a second", expiryFlags{lifetime: "1500ms"}, 0, 0, `--for "1500ms" is not whole seconds, such as 90m, 36h or 7d`},
		{"back", expiryFlags{lifetime: "-1h"}, 0, 0, `--for "-1h" is not whole seconds, such as 90m, 36h or 7d`},
	}
	for _, test := range tests {
		expires, seconds, err := test.flags.parse(now)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if expires != test.expires || seconds != test.seconds || message != test.lifetimeMessage {
			t.Errorf("%s: got %d, %d, %q, want %d, %d, %q",
				test.name, expires, seconds, message, test.expires, test.seconds, test.lifetimeMessage)
		}
	}
}

// What is sent again has the index of the first time.
func TestTransferIndex(t *testing.T) {
	t.Parallel()
	existing := func(indexes ...uint64) (all []*pb.ExistingTransfer) {
		for i, index := range indexes {
			all = append(all, &pb.ExistingTransfer{Position: uint32(i), Index: index})
		}
		return all
	}
	one, two := []*pb.Transfer{{Id: "a"}}, []*pb.Transfer{{Id: "a"}, {Id: "b"}}
	tests := []struct {
		name   string
		asked  []*pb.Transfer
		answer *pb.TransferResponse
		want   uint64
	}{
		{"one that is made", one, &pb.TransferResponse{Index: 9, Created: 1}, 9},
		{"one that stood", one, &pb.TransferResponse{Index: 9, Existing: existing(3)}, 3},
		{"a list that stood", two, &pb.TransferResponse{Index: 9, Existing: existing(5, 3)}, 5},
		{"a list of which one stood", two, &pb.TransferResponse{Index: 9, Created: 1, Existing: existing(5)}, 9},
	}
	for _, test := range tests {
		if got := describeTransfer(test.asked, test.answer); got.Index != test.want {
			t.Errorf("%s: got the index %d, want %d", test.name, got.Index, test.want)
		}
	}
}

func TestParseShare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		given string
		want  *pb.Share
	}{
		{"/account/a=1.50", &pb.Share{Credit: "/account/a", Amount: "1.50"}},
		{"/account/a:3", &pb.Share{Credit: "/account/a", Weight: 3}},
		{"am://account/a:18446744073709551615", &pb.Share{Credit: "am://account/a", Weight: 1<<64 - 1}},
		{"am://account/a=1", &pb.Share{Credit: "am://account/a", Amount: "1"}},
		{"/account/a", nil},
		{"/account/a:", nil},
		{"/account/a=", nil},
		{"=1", nil},
		{":1", nil},
		{"/account/a:0", nil},
		{"/account/a:-1", nil},
		{"/account/a:1.5", nil},
		{"/account/a:18446744073709551616", nil},
		{"am://account/a", nil},
		{"", nil},
	}
	for _, test := range tests {
		got, ok := parseShare(test.given)
		if ok != (test.want != nil) {
			t.Errorf("%q: got %v, %t, want %v", test.given, got, ok, test.want)
			continue
		}
		if diff := cmp.Diff(test.want, got, protocmp.Transform()); ok && diff != "" {
			t.Errorf("%q differs (-want +got):\n%s", test.given, diff)
		}
	}
}

func TestReadSteps(t *testing.T) {
	t.Parallel()
	want := []*pb.Step{
		{Step: &pb.Step_Guard{Guard: &pb.Guard{Guard: &pb.Guard_Balance{Balance: &pb.BalanceGuard{Account: "/account/a", AtLeast: "-100.00"}}}}},
		{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{Id: "7", Debit: "/account/a", Credit: "/account/b", Amount: "12.50", LifetimeSeconds: 3600}}},
		{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{
			Id: "c1", Hold: "7", Final: true, EffectiveUnixNanos: 1793404800000000001,
			Shares: []*pb.Share{{Credit: "/account/c", Weight: 18446744073709551615}},
		}}},
	}
	const asYAML = `
- guard: {balance: {account: /account/a, at_least: -100.00}}
- hold:
    id: 7
    debit: /account/a
    credit: /account/b
    amount: 12.50   # keeps its digits
    lifetime_seconds: 3600
- capture: {id: c1, hold: "7", final: true, effective_unix_nanos: 1793404800000000001, shares: [{credit: /account/c, weight: 18446744073709551615}]}
`
	const asLines = `
{"guard":{"balance":{"account":"/account/a","at_least":"-100.00"}}}

{"hold":{"id":"7","debit":"/account/a","credit":"/account/b","amount":"12.50","lifetime_seconds":3600}}
{"capture":{"id":"c1","hold":"7","final":true,"effective_unix_nanos":"1793404800000000001","shares":[{"credit":"/account/c","weight":"18446744073709551615"}]}}`
	for name, content := range map[string]string{"YAML": asYAML, "lines": asLines} {
		got, err := readSteps(strings.NewReader(content), "-")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: steps differ (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadStepsRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"nothing", "", "standard input has no steps"},
		{"an empty list", "[]", "standard input has no steps"},
		{"a text", "pay", "standard input is neither a YAML list of steps nor lines of JSON"},
		{"a map", "steps: []", "standard input is neither a YAML list of steps nor lines of JSON"},
		{"no step", "- {}", "standard input, line 1: it is no step: a step is one of transfer, guard, hold,"},
		{"an unknown step", "- {pay: {}}", `standard input, line 1: unknown field "pay"`},
		{"an unknown field", "- {transfer: {id: a}}\n- {transfer: {colour: red}}", `standard input, line 2: unknown field "colour"`},
		{"a field twice", "- transfer: {id: a, id: b}", "standard input, line 1: id is there twice"},
		{"two steps in one", `{"transfer":{"id":"a"},"release":{"id":"a"}}`, "standard input, line 1: error parsing"},
		{"no id", "- transfer: {debit: /account/a}", "standard input, line 1: id is missing: without one, an op that is sent again would be made again"},
		{"no id in a line", "{\"transfer\":{\"id\":\"a\"}}\n{\"release\":{}}", "standard input, line 2: id is missing"},
		{"a field of two words", "- {transfer: {id: a, up_to: perhaps}}", "standard input, line 1: invalid value for bool field up_to: "},
		{"a second document", "- transfer: {id: a}\n---\n- transfer: {id: b}\n", "standard input: line 2: a second YAML document begins: an op is one list"},
		{"a second document that is wrong", "- transfer: {id: a}\n---\n- {transfer\n", "standard input: yaml: line "},
		{"a number for an amount", `{"transfer":{"id":"a","amount":1.5}}`, "standard input, line 1: invalid value for string field amount: 1.5"},
		{"half a line", `{"transfer":`, "standard input, line 1: unexpected EOF"},
		{"too many", strings.Repeat("- transfer: {id: a}\n", maxSteps+1), "standard input has 1001 steps, at most 1000 are allowed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			steps, err := readSteps(strings.NewReader(test.content), "-")
			if err == nil || failureOf(err).status != statusUsage || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, %v, want wrong usage: %s", steps, err, test.want)
			}
		})
	}
}

func TestReadTransfersRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content, want string }{
		{"nothing", "\n", "list has no transfers"},
		{"no id", `{"debit":"/account/a"}`, "list, line 1: id is missing: without one, a list that is sent again would be made again"},
		{"a field of two words", "\n" + `{"id":"a","up_to":"perhaps"}`, "list, line 2: invalid value for bool field up_to: "},
		{"a line that is too long", `{"id":"a"}` + "\n" + strings.Repeat(" ", maxTransferLine+1), "list, line 2: it is longer than 65536 bytes"},
		{"too many", strings.Repeat(`{"id":"a"}`+"\n", maxTransfers+1), "list has more than 8190 transfers, the most that one request may have"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			transfers, err := readTransfers(strings.NewReader(test.content), "list")
			if err == nil || failureOf(err).status != statusUsage || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, %v, want wrong usage: %s", transfers, err, test.want)
			}
		})
	}
}

func TestVerifierKeys(t *testing.T) {
	t.Parallel()
	var want []string
	for _, name := range []string{"other", "research", "research", "research"} {
		_, verifier, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, verifier)
	}
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("# old\n"+want[1]+"\n\n  "+want[2]+"  \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := keysFlag{[]string{want[0], file, "-"}}
	got, err := keys.verifiers(strings.NewReader(want[3] + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys differ (-want +got):\n%s", diff)
	}
	for _, test := range []struct{ key, in, want string }{
		{"-", "# none\n", "standard input has no keys"},
		{"other+3+c", "", `--key: "other+3+c" must be "NAME+HASH+KEY"`},
	} {
		keys = keysFlag{[]string{test.key}}
		if got, err := keys.verifiers(strings.NewReader(test.in)); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("the key %s: got %v, %v, want %s", test.key, got, err, test.want)
		}
	}
}

// A list is as long as the limit says, however short the pages are.
func TestGather(t *testing.T) {
	t.Parallel()
	const there = 2345
	tests := []struct {
		name   string
		flags  listFlags
		first  int
		last   int
		cursor string
	}{
		{"all", listFlags{}, 0, there, ""},
		{"some", listFlags{most: 10}, 0, 10, "10"},
		{"more than a page", listFlags{most: 1200}, 0, 1200, "1200"},
		{"as many as there are", listFlags{most: there}, 0, there, ""},
		{"more than there are", listFlags{most: there + 1}, 0, there, ""},
		{"from a cursor on", listFlags{most: 10, cursor: "2340"}, 2340, there, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			got, cursor, err := gather(&test.flags, func(cursor string, limit uint32) ([]int, string, error) {
				if limit < 1 || limit > maxLedgerPage {
					t.Errorf("limit: got %d, want 1 to %d", limit, maxLedgerPage)
				}
				at, err := strconv.Atoi("0" + cursor)
				if err != nil {
					return nil, "", err
				}
				var page []int
				// Every other page is short.
				for most := int(limit) / (1 + asked%2); len(page) < most && at < there; at++ {
					page = append(page, at)
				}
				asked++
				if at == there {
					return page, "", nil
				}
				return page, strconv.Itoa(at), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if cursor != test.cursor || len(got) != test.last-test.first || got[0] != test.first || got[len(got)-1] != test.last-1 {
				t.Errorf("got %d from %d to %d and the cursor %q, want %d from %d to %d and %q", len(got), got[0], got[len(got)-1], cursor,
					test.last-test.first, test.first, test.last-1, test.cursor)
			}
		})
	}
}

func TestVerifiedLedger(t *testing.T) {
	t.Parallel()
	good := verifiedLedger{Node: "node1", Findings: []string{}}
	if err := good.verify(); err != nil {
		t.Errorf("without findings: got %v, want none", err)
	}
	bad := verifiedLedger{Node: "node1", Findings: []string{"account /account/a: \x1b[2J", "hold h"}}
	err := bad.verify()
	if err == nil || err.Error() != "the books of node1 have 2 findings" || failureOf(err).status != statusRefused {
		t.Errorf("with findings: got %v, want that there are 2, and status %d", err, statusRefused)
	}
	want := "findings         2\n  \"account /account/a: \\x1b[2J\"\n  hold h\n"
	if got := show(t, formatTable, bad); !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end with %q", got, want)
	}
}

// A statement that is printed page by page begins and ends with the same
// balances as the time that it is of, in whichever order.
func TestStatementBalances(t *testing.T) {
	t.Parallel()
	const (
		object = `],"opening":"0.00","closing":"3.00","cursor":""}` + "\n"
		head   = "INDEX    TIME  TRANSFER  KIND  COUNTERPARTY  DEBIT  CREDIT  BALANCE USD  DESCRIPTION\n"
	)
	older := statement{Asset: "USD", Lines: []statementLine{{Index: 1, Balance: "1.00"}}, Opening: "0.00", Closing: "1.00"}
	newer := statement{Asset: "USD", Lines: []statementLine{{Index: 2, Balance: "3.00"}}, Opening: "1.00", Closing: "3.00"}
	tests := []struct {
		name        string
		output      format
		newestFirst bool
		want        string
	}{
		{"JSON", formatJSON, false, object},
		{"JSON, newest first", formatJSON, true, object},
		{"table", formatTable, false, head +
			"opening                                                     0.00         -\n" +
			"1                                                           1.00         -\n" +
			"2                    3.00  -\n" +
			"closing              3.00  -\n"},
		{"table, newest first", formatTable, true, head +
			"closing                                                     3.00         -\n" +
			"2                                                           3.00         -\n" +
			"1                    1.00  -\n" +
			"opening              0.00  -\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pages := []statement{older, newer}
			if test.newestFirst {
				pages = []statement{newer, older}
			}
			pages[0].Cursor = "more"
			if got := printPages(t, test.output, test.newestFirst, pages); !strings.HasSuffix(got, test.want) {
				t.Errorf("got\n%swant it to end with\n%s", got, test.want)
			}
		})
	}
}

// A statement has as many lines as the limit says, however short the pages are.
func TestGatherStatement(t *testing.T) {
	t.Parallel()
	for _, newestFirst := range []bool{false, true} {
		// Line i brings the balance from i to i+1; every other page is empty.
		const lines = 6
		request := &pb.StatementRequest{Limit: 4, NewestFirst: newestFirst}
		asked, at := 0, 0
		got, err := gatherStatement(request, func() (*pb.StatementResponse, error) {
			before := at
			answer := &pb.StatementResponse{Cursor: "more"}
			for ; asked%2 == 1 && len(answer.Lines) < min(3, int(request.Limit)) && at < lines; at++ {
				answer.Lines = append(answer.Lines, &pb.StatementLine{Index: uint64(at)})
			}
			asked++
			answer.Opening, answer.Closing = strconv.Itoa(before), strconv.Itoa(at)
			if newestFirst {
				answer.Opening, answer.Closing = strconv.Itoa(lines-at), strconv.Itoa(lines-before)
			}
			return answer, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		opening, closing := "0", "4"
		if newestFirst {
			opening, closing = "2", "6"
		}
		if len(got.Lines) != 4 || got.Opening != opening || got.Closing != closing || got.Cursor != "more" {
			t.Errorf("newest first %t: got %d lines from %s to %s and the cursor %q, want 4 from %s to %s and more",
				newestFirst, len(got.Lines), got.Opening, got.Closing, got.Cursor, opening, closing)
		}
	}
}

// printPages gives the pages of a statement as they are printed one by one.
func printPages(t *testing.T, output format, newestFirst bool, pages []statement) string {
	t.Helper()
	var out strings.Builder
	printer := statementPrinter{w: &out, output: output}
	for _, page := range pages {
		page.newestFirst = newestFirst
		if err := printer.print(page); err != nil {
			t.Fatal(err)
		}
	}
	if err := printer.end(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
