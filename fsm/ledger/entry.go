package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// entryKind says what an entry does to its two accounts. The numbers are stored.
type entryKind uint8

const (
	// transferred, refunded, exchanged and paidOut post the amount.
	transferred entryKind = iota
	refunded
	exchanged
	// paidOut goes to another account than the payee of the hold.
	paidOut
	// reserved makes pending what is held.
	reserved
	// captured posts to the payee of a hold what was pending.
	captured
	// diverted, released and lapsed take it off pending. What is diverted is
	// posted by paidOut entries.
	diverted
	released
	lapsed
)

var entryKinds = [...]string{
	transferred: "transfer", refunded: "refund", exchanged: "exchange", paidOut: "payout", reserved: "hold",
	captured: "capture", diverted: "divert", released: "release", lapsed: "expire",
}

// posts says whether the amount is posted.
func (k entryKind) posts() bool { return k <= paidOut || k == captured }

// frees says whether the amount is taken off what is pending.
func (k entryKind) frees() bool { return k >= captured }

// change works an entry of the kind into the counters of the account that pays or is
// paid, or into the totals of the asset. It gives false, and leaves them of no use, if
// one would be above most. What is freed was reserved: if not, the node stops.
func (k entryKind) change(c *counters, amount Amount, pays bool, most Amount) bool {
	posted, pending := &c.creditsPosted, &c.creditsPending
	if pays {
		posted, pending = &c.debitsPosted, &c.debitsPending
	}
	if k.frees() {
		left, ok := pending.Sub(amount)
		if !ok {
			panic("ledger: more is to be freed than is pending")
		}
		*pending = left
	}
	if k == reserved {
		return growTo(pending, amount, most)
	}
	return !k.posts() || growTo(posted, amount, most)
}

// grow adds to a counter, up to MaxAmount.
func grow(counter *Amount, by Amount) bool { return growTo(counter, by, MaxAmount) }

func growTo(counter *Amount, by, most Amount) bool {
	sum, ok := counter.Add(by)
	if !ok || sum.Cmp(most) > 0 {
		return false
	}
	*counter = sum
	return true
}

// accountOf gives the account that an entry names, also one that is gone.
func accountOf(r kv.Reader, id command.ID) account {
	if a, ok := accounts.Get(r, id); ok {
		return a
	}
	a, ok := gone.Get(r, id)
	if !ok {
		panic("ledger: an entry of an unknown account")
	}
	return a
}
