package ledger

import (
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// checkStep refuses what is wrong with a step in any state. Its id was looked at.
func checkStep(s *pb.Step) error {
	switch s := s.Step.(type) {
	case *pb.Step_Transfer:
		if s.Transfer.GetLinked() {
			return fault.Invalid.New("linked is for lists of chains: an op is made whole or not at all")
		}
		return checkTransfer(s.Transfer, nil)
	case *pb.Step_Hold:
		return checkPlace(s.Hold)
	case *pb.Step_Capture:
		return checkCapture(s.Capture)
	case *pb.Step_Release:
		return checkRelease(s.Release)
	case *pb.Step_Extend:
		return checkExtend(s.Extend)
	case *pb.Step_Refund:
		return checkRefund(s.Refund)
	case *pb.Step_Exchange:
		return checkExchange(s.Exchange)
	case *pb.Step_WriteCheque:
		return checkWriteCheque(s.WriteCheque)
	case *pb.Step_CashCheque:
		return checkCashCheque(s.CashCheque)
	case *pb.Step_CancelCheque:
		return checkCancelCheque(s.CancelCheque)
	case *pb.Step_IssueInvoice:
		return checkIssueInvoice(s.IssueInvoice)
	case *pb.Step_PayInvoice:
		return checkPayInvoice(s.PayInvoice)
	case *pb.Step_CreditInvoice:
		return checkCreditInvoice(s.CreditInvoice)
	case *pb.Step_VoidInvoice:
		return checkVoidInvoice(s.VoidInvoice)
	case *pb.Step_IssueReceipt:
		return checkIssueReceipt(s.IssueReceipt)
	}
	panic("ledger: a step of the API that nobody checks")
}

// makeStep makes a step whose id is free. It asks whether the caller may, then
// whether the state lets it.
func (o *operation) makeStep(s *pb.Step) (result, error) {
	switch s := s.Step.(type) {
	case *pb.Step_Hold:
		return o.placeHold(s.Hold)
	case *pb.Step_Capture:
		return o.captureHold(s.Capture)
	case *pb.Step_Release:
		return o.releaseHold(s.Release)
	case *pb.Step_Extend:
		return o.extendHold(s.Extend)
	case *pb.Step_Refund:
		return o.refund(s.Refund)
	case *pb.Step_Exchange:
		return o.exchange(s.Exchange)
	case *pb.Step_WriteCheque:
		return o.writeCheque(s.WriteCheque)
	case *pb.Step_CashCheque:
		return o.cashCheque(s.CashCheque)
	case *pb.Step_CancelCheque:
		return o.cancelCheque(s.CancelCheque)
	case *pb.Step_IssueInvoice:
		return o.issueInvoice(s.IssueInvoice)
	case *pb.Step_PayInvoice:
		return o.payInvoice(s.PayInvoice)
	case *pb.Step_CreditInvoice:
		return o.creditInvoice(s.CreditInvoice)
	case *pb.Step_VoidInvoice:
		return o.voidInvoice(s.VoidInvoice)
	case *pb.Step_IssueReceipt:
		return o.issueReceipt(s.IssueReceipt)
	}
	panic("ledger: a step of the API that nobody makes")
}
