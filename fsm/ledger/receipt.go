package ledger

import (
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Limits of receipts.
const (
	// MaxReceiptEntries is how many payments of a hold a receipt lists.
	MaxReceiptEntries = 100
	// MaxOpReceiptEntries is how many the receipts of an op list together.
	MaxOpReceiptEntries = 1000
)

// paymentsByHold leads to the entries that posted of what a hold reserved.
var paymentsByHold = kv.NewIndex(&Schema, entries, "ledger/payment_by_hold", func(e entry, add func(kv.StringKey)) {
	if e.kind == captured || e.kind == paidOut {
		add(kv.StringKey(e.hold))
	}
})

func checkIssueReceipt(s *pb.IssueReceipt) error {
	if err := checkID(s.Hold); err != nil {
		return in("hold", err)
	}
	return nil
}

// issueReceipt states what was captured of a hold so far, open or not.
func (o *operation) issueReceipt(s *pb.IssueReceipt) (result, error) {
	h, err := o.holdForPayee(s.Hold)
	if err != nil {
		return result{}, err
	}
	var made result
	err = o.tx.Grow(func() (int, error) {
		paid, err := paymentsOf(o.tx, &h)
		if err != nil {
			return 0, err
		}
		if o.receipted += len(paid); o.receipted > MaxOpReceiptEntries {
			return 0, fault.Exhausted.New("the receipts of the op list more than %d payments: issue them in several", MaxOpReceiptEntries).
				With("hold", h.name)
		}
		terms := o.receiptTerms(&h, paid)
		made.hash = o.file(terms)
		return len(terms.lines), nil
	})
	return made, err
}

// paymentsOf gives the entries that posted of what the hold reserved, in order.
// Together they are what was captured: if not, the node stops.
func paymentsOf(r kv.Reader, h *hold) (all []entry, err error) {
	var sum Amount
	for e := range paymentsByHold.Scan(r, kv.StringKey(h.name), nil, false) {
		if len(all) == MaxReceiptEntries {
			return nil, fault.Exhausted.New("hold %s paid more than %d times, which is the most that a receipt lists", h.name, MaxReceiptEntries).
				With("hold", h.name)
		}
		all = append(all, e)
		sum, _ = sum.Add(e.amount)
	}
	if sum != h.captured {
		panic("ledger: what hold " + h.name + " paid is not what was captured of it")
	}
	return all, nil
}
