package ledger

import (
	"strconv"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Limits of invoices.
const (
	// MaxInvoiceLines is how many lines an invoice has.
	MaxInvoiceLines = 256
	// MaxLineDescription is in bytes.
	MaxLineDescription = 256
)

// invoice is what an invoice demands, and what became of it.
type invoice struct {
	name                string
	receivable, revenue command.ID
	asset               string
	// total is the sum of the lines: what was paid and credited of it is not open.
	total, paid, credited Amount
	// due is the log time in nanoseconds from which on it is overdue; 0 is never.
	due  int64
	void bool
	// version counts the steps that changed it, the one that made it included.
	version uint64
}

var invoices = kv.NewTable(&Schema, "ledger/invoice", kv.Codec[invoice]{Append: appendInvoice, Decode: decodeInvoice},
	func(i invoice) kv.StringKey { return kv.StringKey(i.name) }, 0)

func appendInvoice(b []byte, i invoice) []byte {
	b = command.AppendID(command.AppendID(kv.AppendString(b, i.name), i.receivable), i.revenue)
	b = kv.AppendString(b, i.asset)
	b = appendAmount(appendAmount(appendAmount(b, i.total), i.paid), i.credited)
	return kv.AppendUint(kv.AppendBool(kv.AppendInt(b, i.due), i.void), i.version)
}

func decodeInvoice(b []byte) (invoice, error) {
	d := kv.NewDecoder(b)
	i := invoice{
		name: d.String(), receivable: command.DecodeID(&d), revenue: command.DecodeID(&d), asset: d.String(),
		total: decodeAmount(&d), paid: decodeAmount(&d), credited: decodeAmount(&d),
		due: d.Int(), void: d.Bool(), version: d.Uint(),
	}
	return i, d.Err()
}

func mustInvoice(r kv.Reader, name string) invoice {
	i, ok := invoices.Get(r, kv.StringKey(name))
	if !ok {
		panic("ledger: a document without its invoice: " + name)
	}
	return i
}

const (
	overdueState  = "overdue"
	paidState     = "paid"
	creditedState = "credited"
	voidState     = "void"
)

// state says where the invoice stands at the log time. One of which a part was paid
// and the rest credited is paid.
func (i *invoice) state(now int64) string {
	isOpen := !i.open().IsZero()
	switch {
	case i.void:
		return voidState
	case isOpen && i.due != 0 && i.due <= now:
		return overdueState
	case isOpen:
		return openState
	case i.paid.IsZero():
		return creditedState
	}
	return paidState
}

// open is what is still demanded.
func (i *invoice) open() Amount {
	left, ok := i.total.Sub(i.paid)
	if ok {
		left, ok = left.Sub(i.credited)
	}
	if !ok {
		panic("ledger: more was paid and credited of invoice " + i.name + " than it demands")
	}
	return left
}

func checkIssueInvoice(s *pb.IssueInvoice) error {
	if err := namedAccount("receivable", s.Receivable); err != nil {
		return err
	}
	if err := namedAccount("revenue", s.Revenue); err != nil {
		return err
	}
	if err := checkPayer(s.Payer); err != nil {
		return err
	}
	if n := len(s.Lines); n < 1 || n > MaxInvoiceLines {
		return fault.Invalid.New("%d lines: an invoice has 1 to %d", n, MaxInvoiceLines)
	}
	for at, line := range s.Lines {
		if err := checkText("description", line.Description, 1, MaxLineDescription); err != nil {
			return in(inLine(at), err)
		}
		if err := checkAmount(inLine(at), line.Amount); err != nil {
			return err
		}
	}
	if s.DueUnixNanos < 0 {
		return fault.Invalid.New("it is due before 1970")
	}
	return checkEntry(s.EffectiveUnixNanos, s.Description)
}

// checkPayer refuses what names neither a principal nor an account. It may be empty.
func checkPayer(s string) error {
	if s == "" {
		return nil
	}
	p, err := path.Parse(s)
	if err == nil && !identity.IsPrincipalPath(p) && (!Accounts.Covers(p) || p == Accounts) {
		err = fault.Invalid.New("%s is neither a principal nor an account", p)
	}
	return in("payer", err)
}

func inLine(at int) string { return "line " + strconv.Itoa(at) }

// issueInvoice demands payment.
func (o *operation) issueInvoice(s *pb.IssueInvoice) (result, error) {
	if err := o.maySpend(s.Receivable); err != nil {
		return result{}, in("receivable", err)
	}
	receivable, err := o.page(s.Receivable)
	if err != nil {
		return result{}, in("receivable", err)
	}
	revenue, err := o.page(s.Revenue)
	if err != nil {
		return result{}, in("revenue", err)
	}
	if err := sameAsset("", []*page{receivable}, []*page{revenue}); err != nil {
		return result{}, err
	}
	parts, total, err := sumOf(receivable, s.Lines)
	if err != nil {
		return result{}, err
	}
	if err := mustBeOpen(receivable, revenue); err != nil {
		return result{}, err
	}
	if err := o.effectiveAt(s.EffectiveUnixNanos); err != nil {
		return result{}, err
	}
	o.now.document, o.now.description = s.Id, s.Description
	if err := o.pay(transferred, receivable, revenue, total); err != nil {
		return result{}, err
	}
	i := invoice{
		name: s.Id, receivable: receivable.id, revenue: revenue.id, asset: receivable.asset,
		total: total, due: s.DueUnixNanos, version: 1,
	}
	invoices.Insert(o.tx.Tx, i)
	at, ok := i.deadline()
	keepDeadline(o.tx, at, ok)
	hash := o.file(o.invoiceTerms(&i, s, receivable, revenue, parts))
	return result{amount: total.Format(receivable.section.scale), hash: hash}, nil
}

// sumOf reads the amounts of the lines, and gives their sum too, which is more than
// nothing.
func sumOf(p *page, all []*pb.InvoiceLine) (parts []Amount, total Amount, err error) {
	for at, line := range all {
		amount, err := parseFor(p, "amount", line.Amount)
		if err != nil {
			return nil, total, in(inLine(at), err)
		}
		if !grow(&total, amount) {
			return nil, total, fault.Invalid.New("the lines overflow: together they are at most %s %s", MaxAmount.Format(p.section.scale), p.asset)
		}
		parts = append(parts, amount)
	}
	if total.IsZero() {
		return nil, total, fault.Invalid.New("the lines are nothing together, they must be more")
	}
	return parts, total, nil
}
