package ledger

import (
	"crypto/sha256"
	"encoding/hex"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// Cheques, invoices and refunded entries are followed until nothing of them is
// left, as holds are.
type documentTallies struct {
	cheques  map[string]*chequeTally
	invoices map[string]*invoiceTally
	refunds  map[command.ID]*Amount
	// Those of which nothing is left.
	spent, settled, refunded uint64
}

func newDocumentTallies() documentTallies {
	return documentTallies{
		cheques: make(map[string]*chequeTally), invoices: make(map[string]*invoiceTally), refunds: make(map[command.ID]*Amount),
	}
}

// chequeTally is what the entries make of a cheque, invoiceTally of an invoice.
type chequeTally struct {
	record *cheque
	used   uint32
	cashed Amount
}

type invoiceTally struct {
	record                *invoice
	total, paid, credited Amount
	steps                 uint64
}

// readDocumentEntry works an entry into the document that it belongs to.
func (c *verifier) readDocumentEntry(e *entry) {
	switch {
	case e.kind == refunded:
		c.readRefund(e)
	case e.document == "" || e.kind == exchanged:
	case e.kind == transferred || e.kind == reserved && e.hold == e.name:
		if cheque, ok := cheques.Get(c.v, kv.StringKey(e.document)); ok {
			c.readCashing(e, &cheque)
		} else if invoice, ok := invoices.Get(c.v, kv.StringKey(e.document)); ok {
			c.readInvoiceEntry(e, &invoice)
		} else {
			c.find("entry %s: there is no document %s, to which it belongs", formatID(e.id), quote(e.document))
		}
	}
}

func (c *verifier) readCashing(e *entry, record *cheque) {
	t, ok := c.documents.cheques[record.name]
	if !ok {
		t = &chequeTally{record: record}
		c.documents.cheques[record.name] = t
	}
	t.used++
	grow(&t.cashed, e.amount)
	if e.debit != record.account || e.time >= record.expires {
		c.find("entry %s: it cashes cheque %s, which is of another account or had expired", formatID(e.id), quote(record.name))
	}
	if t.used >= record.uses || t.cashed.Cmp(record.ceiling) >= 0 {
		c.documents.spent++
		c.compareCheque(t)
		delete(c.documents.cheques, record.name)
	}
}

func (c *verifier) compareCheque(t *chequeTally) {
	record, scale := t.record, c.scaleOf(t.record.asset)
	if t.used != record.used || t.cashed != record.cashed {
		c.find("cheque %s: its entries cash %s in %d uses, it says %s in %d", quote(record.name), t.cashed.Format(scale), t.used,
			record.cashed.Format(scale), record.used)
	}
	if t.used > record.uses || t.cashed.Cmp(record.ceiling) > 0 {
		c.find("cheque %s: %s was cashed of it in %d uses, its most is %s in %d", quote(record.name), t.cashed.Format(scale), t.used,
			record.ceiling.Format(scale), record.uses)
	}
	changes := 1 + uint64(record.used)
	if record.cancelled {
		changes++
	}
	if record.version != changes {
		c.find("cheque %s: it was changed by %d steps, its version is %d", quote(record.name), changes, record.version)
	}
}

func (c *verifier) readInvoiceEntry(e *entry, record *invoice) {
	t, ok := c.documents.invoices[record.name]
	if !ok {
		t = &invoiceTally{record: record}
		c.documents.invoices[record.name] = t
	}
	t.steps++
	into := &t.total
	switch s, _ := steps.Get(c.v, kv.StringKey(e.name)); s.kind {
	case "issue_invoice":
	case "pay_invoice":
		into = &t.paid
	case "credit_invoice", "void_invoice":
		into = &t.credited
	default:
		c.find("entry %s: step %s does nothing to invoice %s", formatID(e.id), quote(e.name), quote(record.name))
	}
	grow(into, e.amount)
	pays, takes := record.receivable, record.revenue
	if into == &t.paid {
		pays, takes = e.debit, record.receivable
	} else if into == &t.credited {
		pays, takes = takes, pays
	}
	if e.debit != pays || e.credit != takes {
		c.find("entry %s: it is between other accounts than invoice %s", formatID(e.id), quote(record.name))
	}
	if done, _ := t.paid.Add(t.credited); done.Cmp(t.total) >= 0 {
		c.documents.settled++
		c.compareInvoice(t)
		delete(c.documents.invoices, record.name)
	}
}

func (c *verifier) compareInvoice(t *invoiceTally) {
	record, scale := t.record, c.scaleOf(t.record.asset)
	if t.total != record.total || t.paid != record.paid || t.credited != record.credited || t.steps != record.version {
		c.find("invoice %s: its entries make it %s, %s paid and %s credited in %d steps, it says %s, %s and %s in %d", quote(record.name),
			t.total.Format(scale), t.paid.Format(scale), t.credited.Format(scale), t.steps,
			record.total.Format(scale), record.paid.Format(scale), record.credited.Format(scale), record.version)
	}
	if done, _ := t.paid.Add(t.credited); done.Cmp(t.total) > 0 || record.void && (!t.paid.IsZero() || t.credited != t.total) {
		c.find("invoice %s: of %s %s was paid and %s credited, and it is void: %t", quote(record.name), t.total.Format(scale),
			t.paid.Format(scale), t.credited.Format(scale), record.void)
	}
}

// readRefund works a refund into the entry that it takes back.
func (c *verifier) readRefund(e *entry) {
	var back *entry
	for _, was := range entriesOf(c.v, e.of) {
		if was.kind.posts() && was.debit == e.credit && was.credit == e.debit {
			back = &was
			break
		}
	}
	if back == nil || !isBefore(back.id, e.id) {
		c.find("entry %s: it refunds what step %s did not move", formatID(e.id), quote(e.of))
		return
	}
	sum, ok := c.documents.refunds[back.id]
	if !ok {
		sum = &Amount{}
		c.documents.refunds[back.id] = sum
	}
	grow(sum, e.amount)
	if sum.Cmp(back.amount) >= 0 {
		c.documents.refunded++
		c.compareRefunds(back, *sum)
		delete(c.documents.refunds, back.id)
	}
}

func (c *verifier) compareRefunds(of *entry, sum Amount) {
	scale := c.scaleOf(accountOf(c.v, of.debit).asset)
	if kept, _ := refunds.Get(c.v, of.id); kept.amount != sum {
		c.find("step %s: %s of it was refunded, kept is %s", quote(of.name), sum.Format(scale), kept.amount.Format(scale))
	}
	if sum.Cmp(of.amount) > 0 {
		c.find("step %s: %s of it was refunded, it moved %s", quote(of.name), sum.Format(scale), of.amount.Format(scale))
	}
}

// readDocuments compares the documents with their hashes, the steps that made them
// and what they name, and what is kept of them with what the entries left.
func (c *verifier) readDocuments() error {
	made := make(map[documentKind]uint64)
	for d := range documents.All(c.v) {
		c.res.Documents++
		made[d.kind]++
		sum := sha256.Sum256([]byte(d.text))
		s, _ := steps.Get(c.v, kv.StringKey(d.name))
		if hex.EncodeToString(sum[:]) != d.hash || s.hash != d.hash {
			c.find("document %s: its text hashes to %x, it says %s, and the step that made it %s", quote(d.name), sum, quote(d.hash), quote(s.hash))
		} else {
			c.readTerms(&d)
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	if err := c.readCheques(made[chequeDocument]); err != nil {
		return err
	}
	if err := c.readInvoices(made[invoiceDocument]); err != nil {
		return err
	}
	if err := c.countDeadlines(); err != nil {
		return err
	}
	return c.readRefunds()
}

// readDeadline: a document that is not settled has its deadline kept.
func (c *verifier) readDeadline(d deadline, ok bool) {
	if !ok {
		return
	}
	c.deadlines++
	if _, kept := deadlines.Get(c.v, d); !kept {
		c.find("document %s: nothing is kept of its deadline, %s", quote(d.document), instant(d.nanos))
	}
}

// countDeadlines: no others are kept.
func (c *verifier) countDeadlines() error {
	kept, err := counted(c, deadlines.All(c.v))
	if err != nil {
		return err
	}
	if kept != c.deadlines {
		c.find("documents: %d have a deadline, and %d deadlines are kept", c.deadlines, kept)
	}
	return nil
}

func (c *verifier) readCheques(documents uint64) error {
	count, spent := uint64(0), uint64(0)
	for record := range cheques.All(c.v) {
		count++
		c.readDeadline(record.deadline())
		t, ok := c.documents.cheques[record.name]
		switch {
		case ok:
			c.compareCheque(t)
		case record.used >= record.uses || record.cashed.Cmp(record.ceiling) >= 0:
			spent++
		default:
			c.compareCheque(&chequeTally{record: &record})
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	if count != documents || spent != c.documents.spent {
		c.find("cheques: there are %d, %d of them spent, for %d documents, and entries that spend %d", count, spent, documents, c.documents.spent)
	}
	return nil
}

func (c *verifier) readInvoices(documents uint64) error {
	count, settled := uint64(0), uint64(0)
	for record := range invoices.All(c.v) {
		count++
		c.readDeadline(record.deadline())
		if t, ok := c.documents.invoices[record.name]; ok {
			c.compareInvoice(t)
		} else if done, _ := record.paid.Add(record.credited); done == record.total {
			settled++
		} else {
			c.compareInvoice(&invoiceTally{record: &record})
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	if count != documents || settled != c.documents.settled {
		c.find("invoices: there are %d, %d of them settled, for %d documents, and entries that settle %d", count, settled, documents, c.documents.settled)
	}
	return nil
}

func (c *verifier) readRefunds() error {
	whole := uint64(0)
	for kept := range refunds.All(c.v) {
		of, ok := entries.Get(c.v, kept.entry)
		sum, part := c.documents.refunds[kept.entry]
		switch {
		case !ok:
			c.find("refund of entry %s: there is no such entry", formatID(kept.entry))
		case part:
			c.compareRefunds(&of, *sum)
			delete(c.documents.refunds, kept.entry)
		case kept.amount == of.amount:
			whole++
		default:
			c.compareRefunds(&of, Amount{})
		}
		if err := c.proceed(); err != nil {
			return err
		}
	}
	if n := len(c.documents.refunds); n > 0 || whole != c.documents.refunded {
		c.find("refunds: of %d entries nothing is kept; %d were refunded as a whole, kept are %d", n, c.documents.refunded, whole)
	}
	return nil
}
