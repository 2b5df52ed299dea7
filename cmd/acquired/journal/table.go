package journal

import (
	"strconv"
	"strings"
	"unicode/utf8"

	pb "acquired/proto/acquired/v1"
)

// table is the format "csv", that of RFC 4180: lines end with CR LF, and a field
// with a comma, a quote or a line break is quoted.
//
// A spreadsheet may take a field for a formula that begins with one of = + - @, of
// ordinary or of full width, a tab or a line break. Such a field gets a ' in front,
// and so does one that begins with a ': who takes one ' off, where there is one, has
// what was written.
type table struct{}

// columns are the names of the fields of an entry.
var columns = []string{
	"index", "counter", "time", "effective", "kind", "id", "part", "debit", "credit", "asset", "amount",
	"hold", "document", "of", "description",
}

func (table) AppendHeader(text []byte, _ string) []byte { return appendRecord(text, columns) }

func (table) AppendAsset(text []byte, _ Asset) []byte { return text }

func (table) AppendAccount(text []byte, _ Account) []byte { return text }

func (table) AppendEntry(text []byte, e *pb.JournalEntry) []byte {
	return appendRecord(text, []string{
		strconv.FormatUint(e.Index, 10), strconv.FormatUint(uint64(e.Counter), 10),
		formatTime(e.UnixNanos), formatTime(e.EffectiveUnixNanos),
		e.Kind, e.Id, strconv.FormatUint(uint64(e.Part), 10), e.Debit, e.Credit, e.Asset, e.Amount,
		e.Hold, e.Document, e.Of, e.Description,
	})
}

func appendRecord(text []byte, fields []string) []byte {
	for i, field := range fields {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendField(text, field)
	}
	return append(text, '\r', '\n')
}

// formulaStarts are what a field must not begin with.
const formulaStarts = "=+-@\t\r\n'＝＋－＠"

func appendField(text []byte, field string) []byte {
	if first, _ := utf8.DecodeRuneInString(field); field != "" && strings.ContainsRune(formulaStarts, first) {
		field = "'" + field
	}
	if !strings.ContainsAny(field, "\",\r\n") {
		return append(text, field...)
	}
	text = append(text, '"')
	text = append(text, strings.ReplaceAll(field, `"`, `""`)...)
	return append(text, '"')
}
