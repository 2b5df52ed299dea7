package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
)

// The steps of an op. A new kind is one more of these and a field of the API.

func defineMoves() {
	defineStep(stepOf[*pb.Transfer]{
		check:    checkTransferStep,
		make:     (*operation).makeTransferStep,
		concerns: func(o *operation, s *pb.Transfer) bool { return o.maySpendNear(payersOf(s)...) },
		entries:  entriesAtMost,
		isWider:  func(s *pb.Transfer) bool { return !isPlain(s) },
	})
	defineStep(stepOf[*pb.PlaceHold]{
		check:    checkPlace,
		make:     (*operation).placeHold,
		concerns: func(o *operation, s *pb.PlaceHold) bool { return o.maySpendNear(s.Debit) },

		unrefundable: "it moved nothing, as it is a hold: release it, or refund one of its captures",
	})
	defineStep(stepOf[*pb.CaptureHold]{
		check:    checkCapture,
		make:     (*operation).captureHold,
		concerns: func(o *operation, s *pb.CaptureHold) bool { return o.concernedByHold(s.Hold) },
		behind:   func(r kv.Reader, s *pb.CaptureHold) []command.ID { return behindHold(r, s.Hold) },
		entries:  func(s *pb.CaptureHold) int { return 2 + 2*len(s.Shares) },
		isWider:  func(s *pb.CaptureHold) bool { return len(s.Shares) > 0 },
	})
	defineStep(stepOf[*pb.ReleaseHold]{
		check:    checkRelease,
		make:     (*operation).releaseHold,
		concerns: func(o *operation, s *pb.ReleaseHold) bool { return o.concernedByHold(s.Hold) },
		behind:   func(r kv.Reader, s *pb.ReleaseHold) []command.ID { return behindHold(r, s.Hold) },
	})
	defineStep(stepOf[*pb.ExtendHold]{
		check:    checkExtend,
		make:     (*operation).extendHold,
		concerns: func(o *operation, s *pb.ExtendHold) bool { return o.concernedByHold(s.Hold) },
		behind:   func(r kv.Reader, s *pb.ExtendHold) []command.ID { return behindHold(r, s.Hold) },
	})
	defineStep(stepOf[*pb.Refund]{
		check:        checkRefund,
		make:         (*operation).refund,
		concerns:     func(o *operation, s *pb.Refund) bool { return o.concernedByEntries(s.Of) },
		behind:       func(r kv.Reader, s *pb.Refund) []command.ID { return behindEntries(r, s.Of) },
		unrefundable: "a refund cannot be refunded: transfer it again",
	})
	defineStep(stepOf[*pb.Exchange]{
		check:        checkExchange,
		make:         (*operation).exchange,
		concerns:     func(o *operation, s *pb.Exchange) bool { return o.maySpendNear(s.Debit, s.BrokerDebit) },
		unrefundable: "an exchange has two sides and cannot be refunded: exchange it back",
	})
}

func defineDocuments() {
	defineStep(stepOf[*pb.WriteCheque]{
		check:    checkWriteCheque,
		make:     (*operation).writeCheque,
		concerns: func(o *operation, s *pb.WriteCheque) bool { return o.maySpendNear(s.Account) },
	})
	defineStep(stepOf[*pb.CashCheque]{
		check:    checkCashCheque,
		make:     (*operation).cashCheque,
		concerns: func(o *operation, s *pb.CashCheque) bool { return o.concernedByDocument(s.Cheque) },
		behind:   func(r kv.Reader, s *pb.CashCheque) []command.ID { return behindCheque(r, s.Cheque) },
	})
	defineStep(stepOf[*pb.CancelCheque]{
		check:    checkCancelCheque,
		make:     (*operation).cancelCheque,
		concerns: func(o *operation, s *pb.CancelCheque) bool { return o.concernedByDocument(s.Cheque) },
		behind:   func(r kv.Reader, s *pb.CancelCheque) []command.ID { return behindCheque(r, s.Cheque) },
	})
	defineStep(stepOf[*pb.IssueInvoice]{
		check:        checkIssueInvoice,
		make:         (*operation).issueInvoice,
		concerns:     func(o *operation, s *pb.IssueInvoice) bool { return o.maySpendNear(s.Receivable) },
		isWider:      func(s *pb.IssueInvoice) bool { return s.Payer != "" },
		unrefundable: "an invoice cannot be refunded: void it, or credit what is open",
	})
	defineStep(stepOf[*pb.PayInvoice]{
		check:        checkPayInvoice,
		make:         (*operation).payInvoice,
		concerns:     func(o *operation, s *pb.PayInvoice) bool { return o.maySpendNear(s.Debit) },
		behind:       func(r kv.Reader, s *pb.PayInvoice) []command.ID { return behindInvoice(r, s.Invoice) },
		unrefundable: "the payment of an invoice cannot be refunded, as the invoice counts it: credit what is open, or transfer it back",
	})
	defineStep(stepOf[*pb.CreditInvoice]{
		check:        checkCreditInvoice,
		make:         (*operation).creditInvoice,
		concerns:     func(o *operation, s *pb.CreditInvoice) bool { return o.concernedByDocument(s.Invoice) },
		behind:       func(r kv.Reader, s *pb.CreditInvoice) []command.ID { return behindInvoice(r, s.Invoice) },
		unrefundable: "a credit note cannot be refunded: issue an invoice again",
	})
	defineStep(stepOf[*pb.VoidInvoice]{
		check:        checkVoidInvoice,
		make:         (*operation).voidInvoice,
		concerns:     func(o *operation, s *pb.VoidInvoice) bool { return o.concernedByDocument(s.Invoice) },
		behind:       func(r kv.Reader, s *pb.VoidInvoice) []command.ID { return behindInvoice(r, s.Invoice) },
		unrefundable: "what took back an invoice cannot be refunded: issue an invoice again",
	})
	defineStep(stepOf[*pb.IssueReceipt]{
		check:    checkIssueReceipt,
		make:     (*operation).issueReceipt,
		concerns: func(o *operation, s *pb.IssueReceipt) bool { return o.concernedByHold(s.Hold) },
		behind:   func(r kv.Reader, s *pb.IssueReceipt) []command.ID { return behindHold(r, s.Hold) },
	})
}
