package journal

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	pb "acquired/proto/acquired/v1"
)

// transactions is the format "hledger", which both hledger and ledger read.
//
//   - An entry that posts is a transaction of two postings. A credit is a positive
//     amount and a debit a negative one, so that the balance of an account is
//     what the ledger says: credits less debits posted.
//   - An entry that only changes what is pending is a comment.
//   - The date is that of the effective time, in UTC. The code is the id of the
//     step. The rest of the entry is in tags.
//   - An account is its path with ":" for "/". Segments of a path need no escape:
//     none has a space or ":" and none stands at the beginning, where ( [ * ; and
//     digits mean something.
//   - A description loses what would end it: line breaks and other control
//     characters become spaces, and ";" a comma.
type transactions struct{}

const transactionsHeader = `; The journal of a ledger of acquired. A credit is a positive amount, a debit a
; negative one. What is only reserved, not posted, is in comments.

tag kind
tag entry
tag part
tag posted
tag effective
tag hold
tag document
tag of

`

func (transactions) AppendHeader(text []byte, _ string) []byte {
	return append(text, transactionsHeader...)
}

// AppendAsset gives the number of digits where there are any: neither program
// reads a format without digits that the other reads, and both take a commodity
// without a format to have none.
func (transactions) AppendAsset(text []byte, a Asset) []byte {
	symbol := commodity(a.Code)
	text = fmt.Appendf(text, "commodity %s\n", symbol)
	if a.Scale > 0 {
		text = fmt.Appendf(text, "    format 1000.%s %s\n", strings.Repeat("0", int(a.Scale)), symbol)
	}
	return append(text, '\n')
}

func (transactions) AppendAccount(text []byte, a Account) []byte {
	return fmt.Appendf(text, "account %s\n\n", accountName(a.Path))
}

func (t transactions) AppendEntry(text []byte, e *pb.JournalEntry) []byte {
	date := time.Unix(0, e.EffectiveUnixNanos).UTC().Format(time.DateOnly)
	if !Posts(e) {
		return fmt.Appendf(text, "; %s %s (%s) %s %s, of %s for %s\n\n",
			date, e.Kind, e.Id, e.Amount, e.Asset, accountName(e.Debit), accountName(e.Credit))
	}
	text = fmt.Appendf(text, "%s * (%s)", date, e.Id)
	if description := oneLine(e.Description); description != "" {
		text = fmt.Appendf(text, " %s", description)
	}
	text = appendTags(append(text, '\n'), e)
	text = fmt.Appendf(text, "    %s  %s %s\n", accountName(e.Credit), e.Amount, commodity(e.Asset))
	return fmt.Appendf(text, "    %s  %s %s\n\n", accountName(e.Debit), negative(e.Amount), commodity(e.Asset))
}

// appendTags appends those that say something.
func appendTags(text []byte, e *pb.JournalEntry) []byte {
	text = fmt.Appendf(text, "    ; kind: %s\n    ; entry: %d.%d\n", e.Kind, e.Index, e.Counter)
	if e.Part > 0 {
		text = fmt.Appendf(text, "    ; part: %d\n", e.Part)
	}
	text = fmt.Appendf(text, "    ; posted: %s\n", formatTime(e.UnixNanos))
	if e.EffectiveUnixNanos != e.UnixNanos {
		text = fmt.Appendf(text, "    ; effective: %s\n", formatTime(e.EffectiveUnixNanos))
	}
	for _, tag := range []struct{ name, value string }{{"hold", e.Hold}, {"document", e.Document}, {"of", e.Of}} {
		if tag.value != "" {
			text = fmt.Appendf(text, "    ; %s: %s\n", tag.name, tag.value)
		}
	}
	return text
}

// accountName is for a path: "/account/lab/ann" is "account:lab:ann".
func accountName(path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ":")
}

// commodity quotes codes with more than letters.
func commodity(code string) string {
	if strings.ContainsFunc(code, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		return `"` + code + `"`
	}
	return code
}

func negative(amount string) string {
	if strings.Trim(amount, "0.") == "" {
		return amount
	}
	return "-" + amount
}

// oneLine leaves of a description what can stand behind a code.
func oneLine(description string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == ';':
			return ','
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, description))
}
