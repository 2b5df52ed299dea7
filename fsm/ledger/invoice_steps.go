package ledger

import (
	"acquired/fsm/command"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func checkPayInvoice(s *pb.PayInvoice) error {
	if err := checkID(s.Invoice); err != nil {
		return in("invoice", err)
	}
	if err := checkHash(s.Hash); err != nil {
		return err
	}
	if err := namedAccount("debit", s.Debit); err != nil {
		return err
	}
	if err := checkPositiveIfGiven("amount", s.Amount); err != nil {
		return err
	}
	return checkEntry(s.EffectiveUnixNanos, s.Description)
}

// payInvoice pays of an invoice. Who knows its hash has seen it, and may pay
// without any other part in it.
func (o *operation) payInvoice(s *pb.PayInvoice) (result, error) {
	d, ok := o.findDocument(s.Invoice)
	if !ok || d.hash != s.Hash && !o.related().toDocument(&d) {
		return result{}, noDocument(s.Invoice)
	}
	if err := o.maySpend(s.Debit); err != nil {
		return result{}, in("debit", err)
	}
	if err := d.ofKind(invoiceDocument); err != nil {
		return result{}, err
	}
	i := mustInvoice(o.tx, d.name)
	debit, err := o.page(s.Debit)
	if err != nil {
		return result{}, in("debit", err)
	}
	m := invoiceMove{document: &d, debit: debit, credit: o.pageOf(i.receivable), asked: s.Amount, effective: s.EffectiveUnixNanos, hash: s.Hash}
	amount, err := o.moveOf(&i, &m, s.Description)
	if err != nil {
		return result{}, err
	}
	i.paid, _ = i.paid.Add(amount)
	return o.keepInvoice(&i, amount)
}

func checkCreditInvoice(s *pb.CreditInvoice) error {
	if err := checkID(s.Invoice); err != nil {
		return in("invoice", err)
	}
	if s.Amount == "" {
		return fault.Invalid.New("amount: how much is taken back is missing")
	}
	if err := checkPositive("amount", s.Amount); err != nil {
		return err
	}
	if err := checkText("description", s.Description, 1, MaxDescription); err != nil {
		return err
	}
	return checkEntry(s.EffectiveUnixNanos, s.Description)
}

// creditInvoice takes back of what is open.
func (o *operation) creditInvoice(s *pb.CreditInvoice) (result, error) {
	d, i, err := o.ownInvoice(s.Invoice)
	if err != nil {
		return result{}, err
	}
	m := invoiceMove{document: &d, debit: o.pageOf(i.revenue), credit: o.pageOf(i.receivable), asked: s.Amount, effective: s.EffectiveUnixNanos}
	amount, err := o.moveOf(&i, &m, s.Description)
	if err != nil {
		return result{}, err
	}
	i.credited, _ = i.credited.Add(amount)
	return o.keepInvoice(&i, amount)
}

func checkVoidInvoice(s *pb.VoidInvoice) error {
	if err := checkID(s.Invoice); err != nil {
		return in("invoice", err)
	}
	return checkEntry(s.EffectiveUnixNanos, s.Description)
}

// voidInvoice takes back an invoice as a whole: all of it counts as credited.
func (o *operation) voidInvoice(s *pb.VoidInvoice) (result, error) {
	d, i, err := o.ownInvoice(s.Invoice)
	if err != nil {
		return result{}, err
	}
	m := invoiceMove{document: &d, debit: o.pageOf(i.revenue), credit: o.pageOf(i.receivable), effective: s.EffectiveUnixNanos, whole: true}
	amount, err := o.moveOf(&i, &m, s.Description)
	if err != nil {
		return result{}, err
	}
	i.credited, i.void = amount, true
	return o.keepInvoice(&i, amount)
}

// ownInvoice gives an invoice whose revenue the caller may Spend.
func (o *operation) ownInvoice(name string) (d document, i invoice, err error) {
	if d, err = o.visible(name); err != nil {
		return d, i, err
	}
	if err := d.ofKind(invoiceDocument); err != nil {
		return d, i, err
	}
	i = mustInvoice(o.tx, d.name)
	return d, i, o.mayFor(&d, command.Spend, accountOf(o.tx, i.revenue).path)
}

// invoiceMove is what pays or takes back of an invoice.
type invoiceMove struct {
	document      *document
	debit, credit *page
	// asked is how much; empty is all that is open.
	asked     string
	effective int64
	// hash is what the caller has seen; empty is not asked for.
	hash string
	// whole is for what takes back the invoice before anything became of it.
	whole bool
}

// moveOf makes the entry and gives its amount.
func (o *operation) moveOf(i *invoice, m *invoiceMove, description string) (Amount, error) {
	if err := sameAsset("", []*page{m.debit}, []*page{m.credit}); err != nil {
		return Amount{}, err
	}
	amount := i.open()
	if m.asked != "" {
		var err error
		if amount, err = parseFor(m.debit, "amount", m.asked); err != nil {
			return Amount{}, err
		}
	}
	if err := mustBeOpen(m.debit, m.credit); err != nil {
		return Amount{}, err
	}
	if err := o.mustBePayable(i, m); err != nil {
		return Amount{}, err
	}
	if err := o.effectiveAt(m.effective); err != nil {
		return Amount{}, err
	}
	if left := i.open(); amount.Cmp(left) > 0 {
		scale := m.debit.section.scale
		return Amount{}, fault.Insufficient.New("of invoice %s %s %s are open, %s is asked for", i.name, left.Format(scale), i.asset, amount.Format(scale)).
			With("document", i.name)
	}
	o.now.document, o.now.description = i.name, description
	return amount, o.pay(transferred, m.debit, m.credit, amount)
}

// mustBePayable refuses an invoice that is not the one the caller has seen, or of
// which nothing is open.
func (o *operation) mustBePayable(i *invoice, m *invoiceMove) error {
	if m.hash != "" {
		if err := m.document.sameHash(m.hash); err != nil {
			return err
		}
	}
	if err := m.document.mustBe(i.state(o.tx.Time), openState, overdueState); err != nil {
		return err
	}
	if m.whole && i.open() != i.total {
		scale := mustAsset(o.tx, i.asset).scale
		return fault.Conflict.New("of invoice %s %s %s were paid and %s credited: it cannot be void, credit what is open",
			i.name, i.paid.Format(scale), i.asset, i.credited.Format(scale)).With("document", i.name)
	}
	return nil
}

func (o *operation) keepInvoice(i *invoice, amount Amount) (result, error) {
	i.version++
	invoices.Put(o.tx.Tx, *i)
	at, ok := i.deadline()
	keepDeadline(o.tx, at, ok)
	return result{amount: amount.Format(mustAsset(o.tx, i.asset).scale)}, nil
}
