package ledger

import (
	"fmt"

	"acquired/fsm/command"
)

// receiptTerms writes a receipt as document.go says.
func (o *operation) receiptTerms(h *hold, paid []entry) *terms {
	scale := mustAsset(o.tx, h.asset).scale
	debit, credit := accountOf(o.tx, h.debit), accountOf(o.tx, h.credit)
	t := o.begin(receiptDocument)
	t.line("hold", h.name)
	t.account("debit", &debit)
	t.account("credit", &credit)
	t.line("asset", h.asset)
	if h.delegate != (party{}) {
		t.party("delegate", h.delegate)
	}
	t.line("held", h.held.Format(scale))
	t.line("captured", h.captured.Format(scale))
	t.line("released", h.released.Format(scale))
	t.line("expired", h.expired.Format(scale))
	t.line("remaining", h.remaining().Format(scale))
	for _, p := range sumsByPayee(paid) {
		payee := accountOf(o.tx, p.account)
		t.line("paid", fmt.Sprintf("%s %s", payee.path, p.amount.Format(scale)))
		t.name(p.account)
	}
	for _, e := range paid {
		payee := accountOf(o.tx, e.credit)
		t.line("entry", fmt.Sprintf("%d.%d %s %s %s %s", e.id.Index, e.id.Counter, instant(e.at()), e.name, payee.path, e.amount.Format(scale)))
	}
	return t
}

// payeeSum is what an account was paid.
type payeeSum struct {
	account command.ID
	amount  Amount
}

// sumsByPayee gives what each was paid, in the order in which they were first.
func sumsByPayee(paid []entry) (sums []payeeSum) {
	at := make(map[command.ID]int)
	for _, e := range paid {
		i, ok := at[e.credit]
		if !ok {
			i = len(sums)
			at[e.credit] = i
			sums = append(sums, payeeSum{account: e.credit})
		}
		sums[i].amount, _ = sums[i].amount.Add(e.amount)
	}
	return sums
}
