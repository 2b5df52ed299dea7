package ledger_test

import (
	"math/big"
	"slices"
	"strings"

	pb "acquired/proto/acquired/v1"
)

// documentStep draws a step that makes or changes a document.
func (a *artist) documentStep(kind string) *pb.Step {
	switch kind {
	case "refund":
		return &pb.Step{Step: &pb.Step_Refund{Refund: a.refundStep()}}
	case "exchange":
		return &pb.Step{Step: &pb.Step_Exchange{Exchange: a.exchangeStep()}}
	case "write_cheque":
		return &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: a.chequeStep()}}
	case "cash_cheque":
		return &pb.Step{Step: &pb.Step_CashCheque{CashCheque: a.cashStep()}}
	case "cancel_cheque":
		return &pb.Step{Step: &pb.Step_CancelCheque{CancelCheque: &pb.CancelCheque{Id: a.id(), Cheque: a.document("cheque", kind)}}}
	case "issue_invoice":
		return &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: a.invoiceStep()}}
	case "pay_invoice":
		return &pb.Step{Step: &pb.Step_PayInvoice{PayInvoice: a.payStep()}}
	case "credit_invoice":
		p := &pb.CreditInvoice{Id: a.id(), Invoice: a.document("invoice", kind), EffectiveUnixNanos: a.effective(), Description: a.unless("why", "late", "")}
		p.Amount = a.within("amount", a.assetOf(a.receivable(p.Invoice)), a.openOf(p.Invoice))
		return &pb.Step{Step: &pb.Step_CreditInvoice{CreditInvoice: p}}
	case "void_invoice":
		p := &pb.VoidInvoice{Id: a.id(), Invoice: a.document("invoice", kind), EffectiveUnixNanos: a.effective(), Description: a.description()}
		return &pb.Step{Step: &pb.Step_VoidInvoice{VoidInvoice: p}}
	}
	return &pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: a.id(), Hold: a.paidHold()}}}
}

// ofUse says of documents whether the caller could make a step of the kind with them.
func (a *artist) ofUse(kind string) func(*plainDocument) bool {
	run := &plainRun{plainLedger: a.plainLedger, caller: a.caller}
	canSpend := func(account int) bool { return a.caller.may(a.plainLedger, "Spend", a.accounts[account].path) == "" }
	switch kind {
	case "cash_cheque":
		return func(d *plainDocument) bool { return run.isCaller(d.recipient) && d.hash != "" }
	case "cancel_cheque":
		return func(d *plainDocument) bool {
			return run.knows(d.id) && (run.isCaller(d.writer) || canSpend(d.accounts[0]))
		}
	case "pay_invoice":
		return func(d *plainDocument) bool { return d.hash != "" }
	case "credit_invoice":
		return func(d *plainDocument) bool { return run.knows(d.id) && canSpend(d.accounts[1]) }
	case "void_invoice":
		return func(d *plainDocument) bool {
			return run.knows(d.id) && canSpend(d.accounts[1]) && d.paid.Sign() == 0 && d.credited.Sign() == 0
		}
	}
	return func(d *plainDocument) bool { return run.knows(d.id) }
}

// openDocuments gives the open documents of the type, or of any, that are of use, those
// of which something happened already more than once.
func (a *artist) openDocuments(kind string, ofUse func(*plainDocument) bool) (all []string) {
	for _, id := range a.documentOrder {
		d := a.documents[id]
		state := d.state(a.now)
		if (kind == "" || d.kind == kind) && (state == "open" || state == "overdue") && ofUse(&d) {
			all = append(all, slices.Repeat([]string{id}, 1+3*min(d.changes, 5))...)
		}
	}
	return all
}

// document draws a document of the type, or of any, mostly an open one that is of use
// for a step of the kind.
func (a *artist) document(of, kind string) string {
	if of == "document" {
		of = ""
	}
	if open := a.openDocuments(of, a.ofUse(kind)); len(open) > 0 && !a.sometimes(12, "any document") {
		return one(a, "document", open...)
	}
	all := []string{"nothing"}
	for _, id := range a.documentOrder {
		if of == "" || a.documents[id].kind == of {
			all = append(all, id)
		}
	}
	return one(a, "any document", all...)
}

func (a *artist) hashOf(document string) string {
	hash := a.documents[document].hash
	if hash == "" || a.sometimes(15, "another hash") {
		return strings.Repeat("0", 64)
	}
	return hash
}

// receivable gives the path of the account that an invoice is to be paid to.
func (a *artist) receivable(invoice string) string {
	if d, ok := a.documents[invoice]; ok && d.kind == "invoice" {
		return a.accounts[d.accounts[0]].path
	}
	return "/account/bank"
}

// openOf is what is open of an invoice; nil is none.
func (a *artist) openOf(invoice string) *big.Int {
	if d, ok := a.documents[invoice]; ok && d.kind == "invoice" {
		return d.open()
	}
	return nil
}

// paidHold draws a hold for a receipt, more often than not one that was captured twice.
func (a *artist) paidHold() string {
	var paid []string
	for _, id := range a.holdOrder {
		if h := a.holds[id]; len(a.capturesOf(id)) > 1 && a.canCapture(&h) {
			paid = append(paid, id)
		}
	}
	if len(paid) > 0 && !a.sometimes(3, "any hold for a receipt") {
		return one(a, "paid", paid...)
	}
	return a.hold(a.canCapture)
}

// capturesOf gives the ids of the captures that posted of a hold.
func (l *plainLedger) capturesOf(hold string) (ids []string) {
	for _, i := range l.paidOf(hold) {
		if id := l.entries[i].id; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// refundStep draws a refund of something that moved, mostly of what is left of it.
func (a *artist) refundStep() *pb.Refund {
	p := &pb.Refund{Id: a.id(), Of: "nothing", EffectiveUnixNanos: a.effective(), Description: a.description()}
	moved := a.toRefund()
	if len(moved) == 0 || a.sometimes(20, "of nothing") {
		return p
	}
	e := one(a, "moved", moved...)
	p.Of = e.id
	if !a.sometimes(3, "whoever was paid") {
		p.Debit = a.accounts[e.credit].path
	}
	if !a.sometimes(3, "whoever paid") {
		p.Credit = a.accounts[e.debit].path
	}
	if a.sometimes(30, "somebody else") {
		p.Debit = a.path("debit", "")
	}
	back := a.refunded(e.id, plainMove{debit: e.debit, credit: e.credit})
	if back.Sign() == 0 || a.sometimes(3, "a part of the rest") {
		p.Amount = a.somePart("amount", a.accounts[e.debit].asset, minus(e.amount, back))
	}
	return p
}

// toRefund gives entries that may be refunded, those that were in part more than once.
func (a *artist) toRefund() (moved []plainEntry) {
	for _, e := range a.entries {
		if effects[e.kind].posted == 0 || !refundable[stepName(a.steps[e.id].body)] && !a.sometimes(10, "of another kind") {
			continue
		}
		payee := &a.accounts[e.credit]
		back := a.refunded(e.id, plainMove{debit: e.debit, credit: e.credit})
		left := minus(e.amount, back)
		switch {
		case a.sometimes(15, "whatever moved"):
		case payee.gone || a.accounts[e.debit].gone || left.Sign() <= 0 || !a.canPay(payee):
			continue
		case back.Sign() > 0:
			moved = append(moved, e, e, e)
		}
		moved = append(moved, e)
	}
	return moved
}

func (a *artist) exchangeStep() *pb.Exchange {
	from, to := one(a, "from", "USD", "GRID"), one(a, "to", "UNIT", "GRID", "USD")
	if from == to && !a.sometimes(10, "the same asset") {
		to = "UNIT"
	}
	p := &pb.Exchange{Id: a.id(), EffectiveUnixNanos: a.effective(), Description: a.description()}
	p.Debit = a.account("debit", from, a.canPay)
	p.BrokerCredit = a.account("broker credit", from, a.canTake, p.Debit)
	p.BrokerDebit = a.account("broker debit", to, a.canPay)
	p.Credit = a.account("credit", to, a.canTake, p.BrokerDebit)
	p.Amount = a.within("amount", from, a.spendable(p.Debit))
	p.RateNumerator = one(a, "numerator", uint64(1), 1, 2, 3, 100, 1<<64-1)
	p.RateDenominator = one(a, "denominator", uint64(1), 1, 3, 7, 100, 1<<64-1)
	if a.sometimes(30, "no rate") {
		p.RateNumerator = 0
	}
	return p
}

func (a *artist) chequeStep() *pb.WriteCheque {
	c := &pb.WriteCheque{
		Id: a.id(), Account: a.account("account", "", a.canPay), Recipient: a.recipient(), Description: a.description(),
		Resource: one(a, "resource", "job 1", "job 1", "job 2"), Uses: one(a, "uses", uint32(0), 1, 2, 3, 5, 5, 1_000_000),
	}
	c.Ceiling = a.positive("ceiling", a.assetOf(c.Account))
	c.ExpiresUnixNanos, c.LifetimeSeconds = a.expiry()
	return c
}

// recipient draws who may cash a cheque.
func (a *artist) recipient() string {
	return one(a, "recipient", a.caller.principal, a.caller.principal, a.caller.principal, "/user/alice")
}

func (a *artist) cashStep() *pb.CashCheque {
	p := &pb.CashCheque{Id: a.id(), Cheque: a.document("cheque", "cash_cheque"), Description: a.description()}
	p.Hash = a.hashOf(p.Cheque)
	p.Resource = one(a, "resource", "job 1", "job 1", "job 2")
	from, asset := "", "USD"
	var bound *big.Int
	if d, ok := a.documents[p.Cheque]; ok && d.kind == "cheque" {
		from = a.accounts[d.accounts[0]].path
		asset = a.accounts[d.accounts[0]].asset
		bound = lesser(minus(d.ceiling, d.cashed), a.spendable(from))
		if !a.sometimes(15, "another resource") {
			p.Resource = d.resource
		}
	}
	p.Credit = a.account("credit", asset, a.canTake, from)
	p.Amount = a.within("amount", asset, bound)
	if p.Hold = a.sometimes(3, "as a hold"); p.Hold || a.sometimes(40, "lifetime anyhow") {
		p.LifetimeSeconds = one(a, "lifetime", uint64(0), 3, 20)
	}
	return p
}

func (a *artist) invoiceStep() *pb.IssueInvoice {
	p := &pb.IssueInvoice{Id: a.id(), EffectiveUnixNanos: a.effective(), Description: a.description()}
	p.Receivable = a.account("receivable", "", a.canPay)
	asset := a.assetOf(p.Receivable)
	p.Revenue = a.account("revenue", asset, a.canTake, p.Receivable)
	p.Payer = one(a, "payer", "/user/alice", "/account/a")
	for range a.from(1, 3, "lines") {
		amount := a.within("line amount", asset, a.spendable(p.Receivable))
		p.Lines = append(p.Lines, &pb.InvoiceLine{Description: a.unless("line", "hours", ""), Amount: a.unless("line amount", amount, "0")})
	}
	if a.sometimes(2, "due") {
		p.DueUnixNanos = a.now + int64(a.from(-1, 20, "due in"))*plainSecond
	}
	return p
}

func (a *artist) payStep() *pb.PayInvoice {
	p := &pb.PayInvoice{Id: a.id(), Invoice: a.document("invoice", "pay_invoice"), EffectiveUnixNanos: a.effective(), Description: a.description()}
	p.Hash = a.hashOf(p.Invoice)
	receivable := a.receivable(p.Invoice)
	asset := a.assetOf(receivable)
	p.Debit = a.account("debit", asset, a.canPay, receivable)
	bound := a.openOf(p.Invoice)
	if bound != nil {
		bound = lesser(bound, a.spendable(p.Debit))
	}
	p.Amount = a.somePart("amount", asset, bound)
	return p
}
