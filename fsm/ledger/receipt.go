package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// MaxReceiptEntries is how many payments the receipts of an op list together.
const MaxReceiptEntries = 1000

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
	h, ok := findHold(o.tx, s.Hold)
	if !ok {
		return result{}, noHold(s.Hold)
	}
	if h.delegate.IsZero() || h.delegate != o.tx.Caller.Principal {
		if err := o.may(command.Spend, accountOf(o.tx, h.credit).path); err != nil {
			return result{}, o.hide(&h, err)
		}
	}
	paid, err := paymentsOf(o.tx, &h, MaxReceiptEntries-o.receipted)
	if err != nil {
		return result{}, err
	}
	o.receipted += len(paid)
	return result{hash: o.file(o.receiptTerms(&h, paid))}, nil
}

// paymentsOf gives the entries that posted of what the hold reserved, in order, if
// they are at most so many.
// Together they are what was captured: if not, the node stops.
func paymentsOf(r kv.Reader, h *hold, most int) (all []entry, err error) {
	var sum Amount
	for e := range paymentsByHold.Scan(r, kv.StringKey(h.name), nil, false) {
		if len(all) == most {
			return nil, fault.Exhausted.New("with those of hold %s the receipts list more than %d payments, which is the most of an op", h.name, MaxReceiptEntries).
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
