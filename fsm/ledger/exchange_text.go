package ledger

import (
	"fmt"

	pb "acquired/proto/acquired/v1"
)

// exchangeTerms writes an exchange as document.go says.
func (o *operation) exchangeTerms(d *deal, s *pb.Exchange) *terms {
	t := o.begin(exchangeDocument)
	t.account("debit", &d.debit.account)
	t.account("broker_credit", &d.brokerCredit.account)
	t.line("given_asset", d.debit.asset)
	t.line("given", d.given.Format(d.debit.section.scale))
	t.account("broker_debit", &d.brokerDebit.account)
	t.account("credit", &d.credit.account)
	t.line("got_asset", d.credit.asset)
	t.line("got", d.got.Format(d.credit.section.scale))
	t.line("rate", fmt.Sprintf("%d/%d", s.RateNumerator, s.RateDenominator))
	t.line("remainder", d.remainder.String())
	t.description(s.Description)
	return t
}
