package ledger_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plainTerms are the text of a document that is being written, and the accounts that
// it names.
type plainTerms struct {
	ledger   *plainLedger
	text     strings.Builder
	accounts []int
	// parties are the principals that it names.
	parties []plainParty
}

// terms begins the text of a document.
func (r *plainRun) terms(kind, id string, effective int64) *plainTerms {
	t := &plainTerms{ledger: r.plainLedger}
	fmt.Fprintf(&t.text, "acquired %s v1\n", kind)
	t.line("id", id)
	t.line("time", plainInstant(r.now))
	t.party("by", r.who(r.caller.principal))
	if effective != 0 && effective != r.now {
		t.line("effective", plainInstant(effective))
	}
	return t
}

// plainInstant writes a log time.
func plainInstant(nanos int64) string {
	text := time.Unix(0, nanos).UTC().Format("2006-01-02T15:04:05.000000000Z")
	return strings.Replace(text, ".000000000Z", "Z", 1)
}

func (t *plainTerms) line(key, value string) { fmt.Fprintf(&t.text, "%s: %s\n", key, value) }

func (t *plainTerms) account(key string, i int) {
	t.line(key, t.ledger.accounts[i].path)
	t.names(i)
}

func (t *plainTerms) party(key string, p plainParty) {
	t.line(key, p.name)
	t.parties = append(t.parties, p)
}

func (t *plainTerms) names(i int) {
	if !slices.Contains(t.accounts, i) {
		t.accounts = append(t.accounts, i)
	}
}

// quoted writes a free text, if there is any.
func (t *plainTerms) quoted(key, value string) {
	if value != "" {
		t.line(key, strconv.QuoteToASCII(value))
	}
}

// writePaid writes who was paid how much by the entries together.
func (l *plainLedger) writePaid(t *plainTerms, paid []int) {
	var order []int
	sums := make(map[int]*big.Int)
	for _, i := range paid {
		e := l.entries[i]
		if sums[e.credit] == nil {
			order, sums[e.credit] = append(order, e.credit), nothing
		}
		sums[e.credit] = plus(sums[e.credit], e.amount)
	}
	for _, account := range order {
		t.line("paid", l.accounts[account].path+" "+l.text(account, sums[account]))
		t.names(account)
	}
}

// seal ends the texts of the documents that were made, once the places of the
// entries in the journal are known, and hashes them.
func (l *plainLedger) seal() {
	for _, id := range l.documentOrder {
		d := l.documents[id]
		if d.hash != "" {
			continue
		}
		for _, i := range d.listed {
			e := l.entries[i]
			d.text += fmt.Sprintf("entry: %d.%d %s %s %s %s\n", e.index, e.counter, plainInstant(e.at()), e.id, l.accounts[e.credit].path, l.text(e.credit, e.amount))
		}
		sum := sha256.Sum256([]byte(d.text))
		d.hash = hex.EncodeToString(sum[:])
		l.documents[id] = d
		was := l.steps[id]
		was.hash = d.hash
		l.steps[id] = was
	}
}
