package ledger

import (
	pb "acquired/proto/acquired/v1"
)

// concerned says whether the caller has to do with what a step names. Who has not is
// told of an id that it was used, and nothing of what for.
func (o *operation) concerned(s *pb.Step) bool {
	if o.tx.Caller.Operator {
		return true
	}
	switch s := s.Step.(type) {
	case *pb.Step_Transfer:
		return o.maySpend(append([]string{s.Transfer.Debit}, s.Transfer.ThenDebit...)...) == nil
	case *pb.Step_Hold:
		return o.maySpend(s.Hold.Debit) == nil
	case *pb.Step_Capture:
		return o.concernedByHold(s.Capture.Hold)
	case *pb.Step_Release:
		return o.concernedByHold(s.Release.Hold)
	case *pb.Step_Extend:
		return o.concernedByHold(s.Extend.Hold)
	case *pb.Step_IssueReceipt:
		return o.concernedByHold(s.IssueReceipt.Hold)
	case *pb.Step_Refund:
		return o.concernedByEntries(s.Refund.Of)
	case *pb.Step_Exchange:
		return o.maySpend(s.Exchange.Debit, s.Exchange.BrokerDebit) == nil
	case *pb.Step_WriteCheque:
		return o.maySpend(s.WriteCheque.Account) == nil
	case *pb.Step_CashCheque:
		return o.concernedByDocument(s.CashCheque.Cheque)
	case *pb.Step_CancelCheque:
		return o.concernedByDocument(s.CancelCheque.Cheque)
	case *pb.Step_IssueInvoice:
		return o.maySpend(s.IssueInvoice.Receivable) == nil
	case *pb.Step_PayInvoice:
		return o.maySpend(s.PayInvoice.Debit) == nil
	case *pb.Step_CreditInvoice:
		return o.concernedByDocument(s.CreditInvoice.Invoice)
	case *pb.Step_VoidInvoice:
		return o.concernedByDocument(s.VoidInvoice.Invoice)
	}
	panic("ledger: a step of the API that concerns nobody")
}

func (o *operation) concernedByHold(name string) bool {
	h, ok := findHold(o.tx, name)
	return ok && mayReadHold(o.tx, &o.tx.Caller, o.tx.Time, &h)
}

func (o *operation) concernedByDocument(name string) bool {
	_, err := o.visible(name)
	return err == nil
}

func (o *operation) concernedByEntries(name string) bool {
	for _, e := range entriesOf(o.tx, name) {
		if hasToDoWith(o.tx, &o.tx.Caller, o.tx.Time, e.debit, e.credit) {
			return true
		}
	}
	return false
}
