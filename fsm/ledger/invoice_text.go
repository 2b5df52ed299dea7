package ledger

import (
	"strconv"

	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
)

// invoiceTerms writes an invoice as document.go says.
func (o *operation) invoiceTerms(i *invoice, s *pb.IssueInvoice, receivable, revenue *page, parts []Amount) *terms {
	scale := receivable.section.scale
	t := o.begin(invoiceDocument)
	t.account("receivable", &receivable.account)
	t.account("revenue", &revenue.account)
	t.line("asset", i.asset)
	o.payerTerm(t, s.Payer)
	t.line("total", i.total.Format(scale))
	if i.due != 0 {
		t.line("due", instant(i.due))
	}
	t.description(s.Description)
	for at, line := range s.Lines {
		t.line("line", parts[at].Format(scale)+" "+strconv.QuoteToASCII(line.Description))
	}
	return t
}

// payerTerm writes who is to pay. An account or a principal that there is has a part
// in the document; one that there is not may be made by anybody later, and has none.
func (o *operation) payerTerm(t *terms, payer string) {
	if payer == "" {
		return
	}
	at, err := path.Parse(payer)
	if err != nil {
		panic("ledger: a payer that was checked is no path: " + err.Error())
	}
	if !Accounts.Covers(at) {
		t.party("payer", partyOf(o.tx, at))
		return
	}
	t.line("payer", string(at))
	if a, ok := accountsByPath.Find(o.tx, at); ok {
		t.name(a.id)
	}
}
