package ledger

import (
	"acquired/fsm/command"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func checkCapture(s *pb.CaptureHold) error {
	if err := checkID(s.Hold); err != nil {
		return in("hold", err)
	}
	if err := checkSome("amount", s.Amount); err != nil {
		return err
	}
	if err := checkEntry(s.EffectiveUnixNanos, s.Description); err != nil {
		return err
	}
	for _, share := range s.Shares {
		if s.Amount == "" && share.Amount != "" {
			return fault.Invalid.New("shares: all that remains is parted by weight only")
		}
	}
	return checkShares(s.Shares)
}

func checkRelease(s *pb.ReleaseHold) error {
	if err := checkID(s.Hold); err != nil {
		return in("hold", err)
	}
	return checkSome("amount", s.Amount)
}

func checkExtend(s *pb.ExtendHold) error {
	if err := checkID(s.Hold); err != nil {
		return in("hold", err)
	}
	if s.Amount == "" && s.ExpiresUnixNanos == 0 {
		return fault.Invalid.New("neither an amount nor an expiry is given, by which it is extended")
	}
	if err := checkPositiveIfGiven("amount", s.Amount); err != nil {
		return err
	}
	return checkLifetime(s.ExpiresUnixNanos, 0)
}

// captureHold moves of what is held to the payee, or to those that the shares name.
func (o *operation) captureHold(s *pb.CaptureHold) (result, error) {
	h, err := o.holdForPayee(s.Hold)
	if err != nil {
		return result{}, err
	}
	debit, credit := o.pageOf(h.debit), o.pageOf(h.credit)
	paid, err := o.capturedFor(s, debit, credit)
	if err != nil {
		return result{}, err
	}
	amount, err := partOf(&h, debit, s.Amount)
	if err != nil {
		return result{}, err
	}
	if _, err := paid.part(amount); err != nil {
		return result{}, err
	}
	if err := mustBeOpenHold(&h); err != nil {
		return result{}, err
	}
	if err := mustBeOpen(append([]*page{debit, credit}, paid.pages...)...); err != nil {
		return result{}, err
	}
	if err := o.effectiveAt(s.EffectiveUnixNanos); err != nil {
		return result{}, err
	}
	if err := mustRemain(&h, debit, amount); err != nil {
		return result{}, err
	}
	was := h
	o.now.hold, o.now.document, o.now.description = h.name, h.document, s.Description
	if err := o.capture(debit, credit, paid, amount); err != nil {
		return result{}, err
	}
	h.take(amount, &h.captured, holdCaptured)
	if s.Final {
		if err := o.releaseRest(&h, debit, credit); err != nil {
			return result{}, err
		}
	}
	o.writeHold(&was, &h)
	return result{amount: amount.Format(debit.section.scale)}, nil
}

// releaseRest gives back what a final capture leaves. The hold ends as captured, if
// anything was.
func (o *operation) releaseRest(h *hold, debit, credit *page) error {
	rest := h.remaining()
	if rest.IsZero() {
		return nil
	}
	if err := o.enter(released, debit, credit, rest); err != nil {
		return err
	}
	last := holdCaptured
	if h.captured.IsZero() {
		last = holdReleased
	}
	h.take(rest, &h.released, last)
	return nil
}

// capturedFor gives who is paid by a capture. A delegate pays the payee; who pays
// others spends what is the payee's.
func (o *operation) capturedFor(s *pb.CaptureHold, debit, credit *page) (payees, error) {
	if len(s.Shares) == 0 {
		return payees{pages: []*page{credit}}, nil
	}
	if !credit.gone {
		if err := o.may(command.Spend, credit.path); err != nil {
			return payees{}, err
		}
	}
	paid, err := o.payees("", s.Shares)
	if err != nil {
		return payees{}, err
	}
	return paid, sameAsset("", []*page{debit}, paid.pages)
}

// partOf reads an amount of a hold; empty is all that remains.
func partOf(h *hold, debit *page, s string) (Amount, error) {
	if s == "" {
		return h.remaining(), nil
	}
	return parseFor(debit, "amount", s)
}

func mustRemain(h *hold, debit *page, amount Amount) error {
	if rest := h.remaining(); amount.Cmp(rest) > 0 {
		scale := debit.section.scale
		return fault.Insufficient.New("of hold %s %s %s remain, %s is asked for", h.name, rest.Format(scale), h.asset, amount.Format(scale)).
			With("hold", h.name)
	}
	return nil
}

// capture makes the entries of a capture: one for the payee of the hold, and two
// for each other, as what is pending is pending for the payee.
func (b *book) capture(debit, credit *page, paid payees, amount Amount) error {
	parts, err := paid.part(amount)
	if err != nil || amount.IsZero() {
		return err
	}
	for i, to := range paid.pages {
		if to == credit { // which has the room reserved
			continue
		}
		if err := b.canTake(to, parts[i]); err != nil {
			return err
		}
	}
	for i, to := range paid.pages {
		switch {
		case parts[i].IsZero():
		case to == credit:
			err = b.enter(captured, debit, credit, parts[i])
		default:
			err = b.divert(debit, credit, to, parts[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *book) divert(debit, credit, to *page, amount Amount) error {
	if err := b.enter(diverted, debit, credit, amount); err != nil {
		return err
	}
	return b.enter(paidOut, debit, to, amount)
}

// releaseHold gives back of what is held.
func (o *operation) releaseHold(s *pb.ReleaseHold) (result, error) {
	h, err := o.holdForPayee(s.Hold)
	if err != nil {
		return result{}, err
	}
	debit, credit := o.pageOf(h.debit), o.pageOf(h.credit)
	amount, err := partOf(&h, debit, s.Amount)
	if err != nil {
		return result{}, err
	}
	if err := mustBeOpenHold(&h); err != nil {
		return result{}, err
	}
	if err := mustRemain(&h, debit, amount); err != nil {
		return result{}, err
	}
	was := h
	o.now.hold, o.now.document = h.name, h.document
	if !amount.IsZero() {
		if err := o.enter(released, debit, credit, amount); err != nil {
			return result{}, err
		}
	}
	h.take(amount, &h.released, holdReleased)
	o.writeHold(&was, &h)
	return result{amount: amount.Format(debit.section.scale)}, nil
}

// extendHold reserves more, or for longer.
func (o *operation) extendHold(s *pb.ExtendHold) (result, error) {
	h, ok := findHold(o.tx, s.Hold)
	if !ok {
		return result{}, noHold(s.Hold)
	}
	payer := accountOf(o.tx, h.debit).path
	if err := o.may(command.Spend, payer); err != nil {
		return result{}, o.hide(&h, err)
	}
	debit, credit := o.pageOf(h.debit), o.pageOf(h.credit)
	was, more := h, Amount{}
	if s.Amount != "" {
		var err error
		if more, err = parseFor(debit, "amount", s.Amount); err != nil {
			return result{}, err
		}
	}
	if err := mustBeOpenHold(&h); err != nil {
		return result{}, err
	}
	if err := mustBeOpen(debit, credit); err != nil {
		return result{}, err
	}
	if h.document != "" {
		return result{}, fault.Conflict.New("hold %s came of document %s: it is of what was cashed, and ends with it", h.name, h.document).With("hold", h.name)
	}
	if err := o.prolong(&h, s.ExpiresUnixNanos); err != nil {
		return result{}, err
	}
	o.now.hold, o.now.document = h.name, h.document
	if !more.IsZero() {
		if err := o.reserve(&h, debit, credit, more); err != nil {
			return result{}, err
		}
	}
	o.writeHold(&was, &h)
	return result{amount: more.Format(debit.section.scale)}, nil
}

// prolong gives the hold a later expiry.
func (o *operation) prolong(h *hold, expires int64) error {
	if expires == 0 {
		return nil
	}
	if expires <= h.expires {
		return fault.Conflict.New("the expiry, %s, is not after the one that hold %s has, %s", instant(expires), h.name, instant(h.expires)).With("hold", h.name)
	}
	expires, err := expiry(o.tx.Time, expires, 0)
	if err != nil {
		return err
	}
	h.expires = expires
	return nil
}
