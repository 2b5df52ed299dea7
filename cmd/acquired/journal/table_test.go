package journal

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFieldsAreNoFormulas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ field, want string }{
		{"", ""},
		{"plain", "plain"},
		{"a=1", "a=1"},
		{"=1+1", "'=1+1"},
		{"+1", "'+1"},
		{"-1", "'-1"},
		{"@sum", "'@sum"},
		{"＝1", "'＝1"},
		{"'quoted", "''quoted"},
		{"\t=1", "'\t=1"},
		{"\r=1", "\"'\r=1\""},
		{`=cmd|"x",1`, `"'=cmd|""x"",1"`},
		{"a,b", `"a,b"`},
		{"a\nb", "\"a\nb\""},
	} {
		if got := string(appendField(nil, test.field)); got != test.want {
			t.Errorf("%q: got %q, want %q", test.field, got, test.want)
		}
	}
}

// readTable reads what table writes, and takes back what it did about formulas.
func readTable(text []byte) ([][]string, error) {
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord = len(columns)
	records, err := reader.ReadAll()
	for _, record := range records {
		for i, field := range record {
			record[i] = strings.TrimPrefix(field, "'")
		}
	}
	return records, err
}

func TestTableIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := randomBooks(5).Draw(t, "books")
		text := b.render(table{})
		records, err := readTable(text)
		if err != nil || len(records) != len(b.entries)+1 || !slices.Equal(records[0], columns) {
			t.Fatalf("got %v, %q, want %v and %d entries", err, records, columns, len(b.entries))
		}
		for i, e := range b.entries {
			// The reader of the standard library reads CR LF in a field as LF.
			e.Description = strings.ReplaceAll(e.Description, "\r\n", "\n")
			want := []string{
				formatTime(e.UnixNanos), formatTime(e.EffectiveUnixNanos), e.Kind, e.Id, e.Debit, e.Credit,
				e.Asset, e.Amount, e.Hold, e.Document, e.Of, e.Description,
			}
			got := slices.Delete(slices.Clone(records[i+1][2:]), 4, 5)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("entry %d differs (-want +got):\n%s", i, diff)
			}
		}
		raw, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range slices.Concat(raw...) {
			if first, _ := utf8.DecodeRuneInString(field); field != "" && strings.ContainsRune("=+-@＝＋－＠\t\r\n", first) {
				t.Fatalf("the field %q is a formula", field)
			}
		}
	})
}
