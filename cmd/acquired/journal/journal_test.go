package journal

import (
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"acquired/cmd/acquired/journal/journaltest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// afterEpoch is 2026-11-22T14:38:41.123456789Z.
const afterEpoch = 1795358321123456789

func entry() *pb.JournalEntry {
	return &pb.JournalEntry{
		Index: 12, Counter: 3, UnixNanos: afterEpoch, EffectiveUnixNanos: afterEpoch - 24*3600*1e9,
		Kind: "capture", Id: "run-7", Part: 1, Debit: "/account/lab/ann", Credit: "/account/centre",
		Asset: "CORE-HOUR", Amount: "12.50", Hold: "hold-7", Description: "a run; of @ann",
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ format, want string }{
		{"jsonl", `{"type":"journal","version":1}
{"type":"asset","code":"CORE-HOUR","scale":2}
{"type":"account","path":"/account/centre","asset":"CORE-HOUR"}
{"type":"account","path":"/account/lab/ann","asset":"CORE-HOUR","kind":"normal","state":"open","overdraft":"unlimited","ceiling":"5.00","daily_limit":"1.00","hold_overdraft":true,"owner":"/user/ann","metadata":{"a":"1","b":"<2>"}}
{"type":"entry","index":12,"counter":3,"time":"2026-11-22T14:38:41.123456789Z","effective":"2026-11-21T14:38:41.123456789Z","kind":"capture","id":"run-7","part":1,"debit":"/account/lab/ann","credit":"/account/centre","asset":"CORE-HOUR","amount":"12.50","hold":"hold-7","document":"","of":"","description":"a run; of @ann"}
`},
		{"csv", "index,counter,time,effective,kind,id,part,debit,credit,asset,amount,hold,document,of,description\r\n" +
			"12,3,2026-11-22T14:38:41.123456789Z,2026-11-21T14:38:41.123456789Z,capture,run-7,1,/account/lab/ann,/account/centre,CORE-HOUR,12.50,hold-7,,,a run; of @ann\r\n"},
		{"hledger", transactionsHeader + `commodity "CORE-HOUR"
    format 1000.00 "CORE-HOUR"

account account:centre

account account:lab:ann

2026-11-21 * (run-7) a run, of @ann
    ; kind: capture
    ; entry: 12.3
    ; part: 1
    ; posted: 2026-11-22T14:38:41.123456789Z
    ; effective: 2026-11-21T14:38:41.123456789Z
    ; hold: hold-7
    account:centre  12.50 "CORE-HOUR"
    account:lab:ann  -12.50 "CORE-HOUR"

`},
	} {
		f := Named(test.format)
		text := f.AppendAsset(f.AppendHeader(nil, ""), Asset{"CORE-HOUR", 2})
		text = f.AppendAccount(text, Account{Path: "/account/centre", Asset: "CORE-HOUR"})
		text = f.AppendAccount(text, Account{
			Path: "/account/lab/ann", Asset: "CORE-HOUR", Kind: "normal", State: "open", Overdraft: "unlimited", Ceiling: "5.00", DailyLimit: "1.00",
			HoldOverdraft: true, Owner: "/user/ann", Metadata: map[string]string{"b": "<2>", "a": "1"},
		})
		if got := string(f.AppendEntry(text, entry())); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.format, got, test.want)
		}
	}
	if f := Named("xml"); f != nil {
		t.Errorf("xml: got the format %T, want none", f)
	}
}

func TestReservedIsCommented(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"hold", "divert", "release", "expire"} {
		e := entry()
		e.Kind = kind
		want := "; 2026-11-21 " + kind + " (run-7) 12.50 CORE-HOUR, of account:lab:ann for account:centre\n\n"
		if got := string(transactions{}.AppendEntry(nil, e)); got != want {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
	}
}

func TestTransferID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", ledger.MaxTransferID)
	for _, test := range []struct {
		id   string
		part uint32
		want string
	}{
		{"run-7", 0, "run-7"},
		{"run-7", 2, "import:2:run-7"},
		{"2:run-7", 0, "2:run-7"},
		{"import:2:run-7", 0, "import:0:import:2:run-7"},
		{"import:", 1, "import:1:import:"},
		{long, 0, long},
		{long, 1, "import:1~24da1b81d0b16df6428eee73c69fcb2a93c76bc6df706f0c6670fe6bfe800464"},
	} {
		if got := TransferID(&pb.JournalEntry{Id: test.id, Part: test.part}); got != test.want {
			t.Errorf("TransferID(%s, %d) = %s, want %s", test.id, test.part, got, test.want)
		}
	}
}

var ids = rapid.OneOf(
	rapid.StringMatching(`[A-Za-z0-9._~:/@+-]{1,128}`),
	rapid.StringMatching(`(import:)?([0-2][:~])?(import:)?[a-b]{0,2}x`),
	rapid.StringMatching(`(import:)?[a]{119,121}`),
)

func TestTransferIDsDiffer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		made := make(map[string]string)
		for range 50 {
			e := &pb.JournalEntry{Id: ids.Draw(t, "id"), Part: rapid.Uint32Range(0, 3).Draw(t, "part")}
			id := TransferID(e)
			if !stepID.MatchString(id) {
				t.Fatalf("%v: got %q, which is no id", e, id)
			}
			if other, ok := made[id]; ok && other != e.String() {
				t.Fatalf("%v and %s: both are %s", e, other, id)
			}
			made[id] = e.String()
		}
	})
}

// segments draws what a path may have in it.
var segments = rapid.OneOf(
	rapid.StringMatching(`[A-Za-z0-9._~@+-]{1,12}`),
	rapid.SampledFrom([]string{"-", "+", "@", "~", "...", "2026-01-01", "1.00", "-1.00", "USD", "a.b", "@@", "P", "D"}),
).Filter(func(s string) bool { return s != "." && s != ".." })

var accountPaths = rapid.Custom(func(t *rapid.T) string {
	return "/account/" + strings.Join(rapid.SliceOfN(segments, 1, 3).Draw(t, "segments"), "/")
})

// descriptions draws what might end a description before its time.
var descriptions = rapid.OneOf(
	rapid.StringN(0, 64, 256),
	rapid.SampledFrom([]string{
		"", " ", "a;b", "  ; date: 2020-01-01", "(code) x", "* x", "! x", "| x", "=2020-01-01", "a\nb", "\n2020-01-01 x\n a  1\n b",
		"a\r\nb", "\t; x", "\u2028x", "\u0085x", "a  b", "# x", "%", "[2020-01-01]", "\"", "'x", "=1+1", "@x", "＝1", "é", "ﬁ", "\x00",
	}),
)

// books are entries and the assets they name.
type books struct {
	assets  []Asset
	entries []*pb.JournalEntry
}

// randomBooks draws entries of a few accounts, each of an asset of its own.
func randomBooks(most int) *rapid.Generator[books] {
	return rapid.Custom(func(t *rapid.T) books {
		b := books{assets: []Asset{{"USD", 2}, {"CORE-HOUR", 18}, {"J1", 0}, {"E", 1}}}
		paths := rapid.SliceOfNDistinct(accountPaths, 8, 8, rapid.ID[string]).Draw(t, "accounts")
		for i := range rapid.IntRange(most/2, most).Draw(t, "entries") {
			asset := rapid.IntRange(0, len(b.assets)-1).Draw(t, "asset")
			debit := rapid.IntRange(0, 1).Draw(t, "debit")
			e := randomEntry().Draw(t, "entry")
			e.Index = uint64(i + 1)
			e.Debit, e.Credit = paths[2*asset+debit], paths[2*asset+1-debit]
			e.Asset = b.assets[asset].Code
			amount := ledger.Amount{Hi: rapid.Uint64Max(ledger.MaxAmount.Hi).Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
			e.Amount = amount.Format(uint8(b.assets[asset].Scale))
			b.entries = append(b.entries, e)
		}
		return b
	})
}

// randomEntry draws what does not depend on other entries.
func randomEntry() *rapid.Generator[*pb.JournalEntry] {
	reference := rapid.OneOf(rapid.Just(""), ids)
	return rapid.Custom(func(t *rapid.T) *pb.JournalEntry {
		return &pb.JournalEntry{
			Counter: rapid.Uint32().Draw(t, "counter"), Part: rapid.Uint32().Draw(t, "part"),
			UnixNanos: rapid.Int64Min(0).Draw(t, "time"), EffectiveUnixNanos: rapid.Int64Min(0).Draw(t, "effective"),
			Kind:        rapid.SampledFrom(slices.Sorted(maps.Keys(posting))).Draw(t, "kind"),
			Id:          ids.Draw(t, "id"),
			Hold:        reference.Draw(t, "hold"),
			Document:    reference.Draw(t, "document"),
			Of:          reference.Draw(t, "of"),
			Description: descriptions.Draw(t, "description"),
		}
	})
}

// render writes the books in a format.
func (b books) render(f Format) []byte {
	text := f.AppendHeader(nil, "")
	for _, a := range b.assets {
		text = f.AppendAsset(text, a)
	}
	for _, e := range b.entries {
		text = f.AppendAccount(text, Account{Path: e.Debit, Asset: e.Asset})
		text = f.AppendAccount(text, Account{Path: e.Credit, Asset: e.Asset})
		text = f.AppendEntry(text, e)
	}
	return text
}

// posted sums what the entries post, by account and asset, but for zeros.
func (b books) posted() map[string]string {
	scales := make(map[string]int)
	for _, a := range b.assets {
		scales[a.Code] = int(a.Scale)
	}
	sums := make(map[string]*big.Rat)
	for _, e := range b.entries {
		if e.Kind == "hold" || e.Kind == "divert" || e.Kind == "release" || e.Kind == "expire" {
			continue
		}
		amount, _ := new(big.Rat).SetString(e.Amount)
		for _, side := range []string{e.Debit, e.Credit} {
			key := accountName(side) + " " + e.Asset
			if sums[key] == nil {
				sums[key] = new(big.Rat)
			}
			if side == e.Credit {
				sums[key].Add(sums[key], amount)
			} else {
				sums[key].Sub(sums[key], amount)
			}
		}
	}
	balances := make(map[string]string)
	for key, sum := range sums {
		if sum.Sign() != 0 {
			balances[key] = sum.FloatString(scales[key[strings.LastIndex(key, " ")+1:]])
		}
	}
	return balances
}

// TestProgramsRead has both programs read journals of odd names, texts, times and
// amounts, and compares the balances.
func TestProgramsRead(t *testing.T) {
	t.Parallel()
	for _, program := range journaltest.Programs {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			for seed := range 4 {
				b := randomBooks(200).Example(seed)
				path := filepath.Join(t.TempDir(), "journal")
				if err := os.WriteFile(path, b.render(transactions{}), 0o600); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(b.posted(), journaltest.Balances(t, program, path)); diff != "" {
					t.Errorf("seed %d: balances differ (-want +got):\n%s", seed, diff)
				}
			}
		})
	}
}
