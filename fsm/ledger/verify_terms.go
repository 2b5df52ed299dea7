package ledger

import (
	"slices"
	"strconv"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// readTerms compares what is kept of a document with what its text says, which has
// its hash and does not change.
func (c *verifier) readTerms(d *document) {
	text := termsOf(d.text)
	c.readNamed(d, text)
	c.readParties(d, text)
	switch d.kind {
	case chequeDocument:
		if record, ok := cheques.Get(c.v, kv.StringKey(d.name)); ok {
			c.compareTerms(d, text, c.termsOfCheque(&record))
		}
	case invoiceDocument:
		if record, ok := invoices.Get(c.v, kv.StringKey(d.name)); ok {
			c.compareTerms(d, text, c.termsOfInvoice(&record))
		}
	}
}

// term is a line of a text.
type term struct{ key, value string }

// termsOf gives the lines of a text behind the first.
func termsOf(text string) (all []term) {
	_, text, _ = strings.Cut(text, "\n")
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		all = append(all, term{key, value})
	}
	return all
}

// valueOf gives the value of the first of the terms with the key; empty is none.
func valueOf(all []term, key string) string {
	for _, t := range all {
		if t.key == key {
			return t.value
		}
	}
	return ""
}

// Keys of lines that name accounts, and principals. A payer is either.
var (
	accountKeys = []string{"account", "receivable", "revenue", "debit", "credit", "broker_debit", "broker_credit", "paid"}
	partyKeys   = []string{"by", "recipient", "delegate"}
)

const payerKey = "payer"

// readNamed: a document is listed with the accounts that its lines name. A payer that
// was no account then is none of them.
func (c *verifier) readNamed(d *document, text []term) {
	var named, listed []path.Path
	for _, t := range text {
		at, _, _ := strings.Cut(t.value, " ")
		if slices.Contains(accountKeys, t.key) || t.key == payerKey && Accounts.Covers(path.Path(at)) {
			named = append(named, path.Path(at))
		}
	}
	for _, id := range d.accounts {
		at := c.pathOf(id)
		listed = append(listed, at)
		if !slices.Contains(named, at) || !isBefore(id, d.id) {
			c.find("document %s: it is listed with account %s (%s), which its text does not name", quote(d.name), at, formatID(id))
		}
	}
	for _, at := range named {
		if !slices.Contains(listed, at) && string(at) != valueOf(text, payerKey) {
			c.find("document %s: its text names account %s, with which it is not listed", quote(d.name), at)
		}
	}
}

// pathOf gives the path of an account, empty for one that there is not.
func (c *verifier) pathOf(id command.ID) path.Path {
	a, ok := accounts.Get(c.v, id)
	if !ok {
		a, _ = gone.Get(c.v, id)
	}
	return a.path
}

// readParties: its principals are those that its lines name, and who they were then.
func (c *verifier) readParties(d *document, text []term) {
	var named []path.Path
	for _, t := range text {
		if slices.Contains(partyKeys, t.key) || t.key == payerKey && !Accounts.Covers(path.Path(t.value)) {
			named = append(named, path.Path(t.value))
		}
	}
	same := slices.EqualFunc(d.parties, named, func(p party, at path.Path) bool { return p.path == at && tree.IndexOfBirth(p.born) <= d.id.Index })
	if !same {
		c.find("document %s: its principals are %s, its text names %s", quote(d.name), textOf(d.parties), named)
		return
	}
	switch d.kind {
	case receiptDocument:
		c.readDelegate(d, valueOf(text, "hold"))
	case chequeDocument:
		c.readPartiesOfCheque(d)
	}
}

// The first of the principals is who made the document.

func (c *verifier) readDelegate(d *document, hold string) {
	h, ok := findHold(c.v, hold)
	if ok && len(d.parties) > 1 && d.parties[1] != h.delegate {
		c.find("document %s: its principals are %s, the delegate of its hold is %s", quote(d.name), textOf(d.parties), textOf([]party{h.delegate}))
	}
}

func (c *verifier) readPartiesOfCheque(d *document) {
	record, ok := cheques.Get(c.v, kv.StringKey(d.name))
	if !ok || len(d.parties) != 2 {
		return // which is found where they are counted, and where the text is read
	}
	by := d.parties[0]
	if record.writer.born == 0 { // an operator, whether in the tree or not
		by.born = 0
	}
	if kept := []party{record.writer, record.recipient}; !slices.Equal(kept, []party{by, d.parties[1]}) {
		c.find("cheque %s: it is by and for %s, its document names %s", quote(d.name), textOf(kept), textOf(d.parties))
	}
}

// textOf lists principals, with what tells them from others of the name.
func textOf(all []party) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString(string(p.path) + "#" + strconv.FormatUint(p.born, 10) + " ")
	}
	return strings.TrimSpace(b.String())
}

// compareTerms wants the lines of the text to say what the record does.
func (c *verifier) compareTerms(d *document, text, record []term) {
	for _, t := range record {
		if is := valueOf(text, t.key); is != t.value {
			c.find("document %s: its text has the %s %s, its record %s", quote(d.name), t.key, quote(is), quote(t.value))
		}
	}
}

func (c *verifier) termsOfCheque(record *cheque) []term {
	return []term{
		{"account", string(c.pathOf(record.account))},
		{"asset", record.asset},
		{"resource", strconv.QuoteToASCII(record.resource)},
		{"ceiling", record.ceiling.Format(c.scaleOf(record.asset))},
		{"uses", strconv.FormatUint(uint64(record.uses), 10)},
		{"expires", instant(record.expires)},
	}
}

func (c *verifier) termsOfInvoice(record *invoice) []term {
	due := ""
	if record.due != 0 {
		due = instant(record.due)
	}
	return []term{
		{"receivable", string(c.pathOf(record.receivable))},
		{"revenue", string(c.pathOf(record.revenue))},
		{"asset", record.asset},
		{"total", record.total.Format(c.scaleOf(record.asset))},
		{"due", due},
	}
}
