package ledger

import (
	pb "acquired/proto/acquired/v1"
)

// refundTerms writes a refund as document.go says.
func (o *operation) refundTerms(s *pb.Refund, debit, credit *page, amount string) *terms {
	t := o.begin(refundDocument)
	t.line("of", s.Of)
	t.account("debit", &debit.account)
	t.account("credit", &credit.account)
	t.line("asset", debit.asset)
	t.line("amount", amount)
	t.description(s.Description)
	return t
}
