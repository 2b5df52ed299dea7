package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func show(t *testing.T, f format, s shape) string {
	t.Helper()
	var out bytes.Buffer
	if err := f.show(&out, s); err != nil {
		t.Fatalf("show %s: %v", f, err)
	}
	return out.String()
}

func TestShow(t *testing.T) {
	t.Parallel()
	filled := trialBalance{Assets: []assetTotals{{
		Asset: "NO", Scale: 2, DebitsPosted: "12.50", CreditsPosted: "12.50", DebitsPending: "0.00", CreditsPending: "0.00",
		Accounts: 2, Transfers: 1 << 63,
	}}}
	tests := []struct {
		name  string
		form  format
		shape shape
		want  string
	}{
		{"empty list in JSON", formatJSON, trialBalance{Assets: []assetTotals{}}, "{\n  \"assets\": []\n}\n"},
		{"empty list in YAML", formatYAML, trialBalance{Assets: []assetTotals{}}, "assets: []\n"},
		{"index is a number", formatJSON, written{Index: 7}, "{\n  \"index\": 7\n}\n"},
		{"what looks like something else stays a string", formatYAML, filled, `assets:
  - asset: "NO"
    scale: 2
    debits_posted: "12.50"
    credits_posted: "12.50"
    debits_pending: "0.00"
    credits_pending: "0.00"
    accounts: 2
    transfers: 9223372036854775808
`},
		{"no escapes for HTML", formatJSON, newLeader{Leader: "<a&b>"}, "{\n  \"leader\": \"<a&b>\"\n}\n"},
		{"table", formatTable, clusterMembers{
			Nodes: []nodeStatus{{ID: "node1", Address: "127.0.0.1:7400", Suffrage: "voter", Healthy: true, Applied: 9}},
		}, `NODE   ADDRESS         SUFFRAGE  HEALTHY  APPLIED  LAG  VERSION
node1  127.0.0.1:7400  voter     yes      9        0    -
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, show(t, test.form, test.shape)); diff != "" {
				t.Errorf("output differs (-want +got):\n%s", diff)
			}
		})
	}
}

// A statement that is printed page by page is the same document as one that is
// printed at once.
func TestStatementPages(t *testing.T) {
	t.Parallel()
	lines := []statementLine{
		{Index: 1, Transfer: "a: b", Debit: "1.00", Balance: "-1.00"},
		{Index: 2, Transfer: "b", Credit: "2.00", Balance: "1.00"},
		{Index: 3, Transfer: "c", Credit: "3.00", Balance: "4.00"},
	}
	tests := []struct {
		name  string
		pages [][]statementLine
	}{
		{"no line", [][]statementLine{{}}},
		{"one page", [][]statementLine{lines}},
		{"two pages", [][]statementLine{lines[:2], lines[2:]}},
		{"empty last page", [][]statementLine{lines, {}}},
	}
	decoders := map[format]func([]byte, any) error{formatJSON: json.Unmarshal, formatYAML: yaml.Unmarshal}
	for _, test := range tests {
		for form, decode := range decoders {
			t.Run(test.name+" "+string(form), func(t *testing.T) {
				t.Parallel()
				whole := statement{Path: "/account/a", Asset: "USD", Lines: []statementLine{}}
				var paged bytes.Buffer
				printer := statementPrinter{w: &paged, output: form}
				for _, page := range test.pages {
					whole.Lines = append(whole.Lines, page...)
					if err := printer.print(statement{Path: whole.Path, Asset: whole.Asset, Lines: page}); err != nil {
						t.Fatal(err)
					}
				}
				if err := printer.end(); err != nil {
					t.Fatal(err)
				}
				var got, want any
				if err := decode(paged.Bytes(), &got); err != nil {
					t.Fatalf("decode pages: %v\n%s", err, paged.Bytes())
				}
				if err := decode([]byte(show(t, form, whole)), &want); err != nil {
					t.Fatalf("decode whole: %v", err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("pages differ from the whole (-whole +pages):\n%s", diff)
				}
			})
		}
	}
}
