package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/tree"
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
		return o.maySpendNear(append([]string{s.Transfer.Debit}, s.Transfer.ThenDebit...)...)
	case *pb.Step_Hold:
		return o.maySpendNear(s.Hold.Debit)
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
		return o.maySpendNear(s.Exchange.Debit, s.Exchange.BrokerDebit)
	case *pb.Step_WriteCheque:
		return o.maySpendNear(s.WriteCheque.Account)
	case *pb.Step_CashCheque:
		return o.concernedByDocument(s.CashCheque.Cheque)
	case *pb.Step_CancelCheque:
		return o.concernedByDocument(s.CancelCheque.Cheque)
	case *pb.Step_IssueInvoice:
		return o.maySpendNear(s.IssueInvoice.Receivable)
	case *pb.Step_PayInvoice:
		return o.maySpendNear(s.PayInvoice.Debit)
	case *pb.Step_CreditInvoice:
		return o.concernedByDocument(s.CreditInvoice.Invoice)
	case *pb.Step_VoidInvoice:
		return o.concernedByDocument(s.VoidInvoice.Invoice)
	}
	panic("ledger: a step of the API that concerns nobody")
}

// maySpendNear is maySpend; of an account that has gone the nearest name that is left
// decides.
func (o *operation) maySpendNear(all ...string) bool {
	for _, s := range all {
		p, err := accountPath(s)
		if err != nil || o.may(command.Spend, tree.Nearest(o.tx, p).Path) != nil {
			return false
		}
	}
	return true
}

func (o *operation) concernedByHold(name string) bool {
	h, ok := findHold(o.tx, name)
	if !ok {
		return o.concernedByMaking(name)
	}
	return mayReadHold(o.tx, &o.tx.Caller, o.tx.Time, &h)
}

// concernedByMaking: what is not there the op may make, in a step that the caller
// has to do with.
func (o *operation) concernedByMaking(name string) bool {
	for _, s := range o.steps {
		if body := identifiedOf(s); body == nil || body.GetId() != name {
			continue
		}
		switch s := s.Step.(type) {
		case *pb.Step_Transfer, *pb.Step_Hold, *pb.Step_WriteCheque, *pb.Step_IssueInvoice:
			return o.concerned(&pb.Step{Step: s})
		}
	}
	return false
}

func (o *operation) concernedByDocument(name string) bool {
	if _, ok := findDocument(o.tx, name); !ok {
		return o.concernedByMaking(name)
	}
	_, err := o.visible(name)
	return err == nil
}

func (o *operation) concernedByEntries(name string) bool {
	all := entriesOf(o.tx, name)
	if len(all) == 0 {
		return o.concernedByMaking(name)
	}
	for _, e := range all {
		if hasToDoWith(o.tx, &o.tx.Caller, o.tx.Time, e.debit, e.credit) {
			return true
		}
	}
	return false
}
