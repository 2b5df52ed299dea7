package ledger

import (
	"errors"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func checkCashCheque(s *pb.CashCheque) error {
	if err := checkID(s.Cheque); err != nil {
		return in("cheque", err)
	}
	if err := checkHash(s.Hash); err != nil {
		return err
	}
	if err := checkText("resource", s.Resource, 1, MaxResource); err != nil {
		return err
	}
	if err := namedAccount("credit", s.Credit); err != nil {
		return err
	}
	if err := checkPositive("amount", s.Amount); err != nil {
		return err
	}
	if s.LifetimeSeconds != 0 && !s.Hold {
		return fault.Invalid.New("lifetime_seconds is for a hold, and hold is not set")
	}
	if err := checkLifetime(0, s.LifetimeSeconds); err != nil {
		return err
	}
	return checkText("description", s.Description, 0, MaxDescription)
}

// cashCheque pays of a cheque, or reserves. That it can be cashed is looked at
// before anything moves.
func (o *operation) cashCheque(s *pb.CashCheque) (result, error) {
	d, err := o.visible(s.Cheque)
	if err != nil {
		return result{}, err
	}
	if err := d.ofKind(chequeDocument); err != nil {
		return result{}, err
	}
	c := mustCheque(o.tx, d.name)
	if err := c.mustBeFor(o.tx); err != nil {
		return result{}, err
	}
	credit, err := o.page(s.Credit)
	if err != nil {
		return result{}, in("credit", err)
	}
	debit := o.pageOf(c.account)
	if err := sameAsset("", []*page{debit}, []*page{credit}); err != nil {
		return result{}, err
	}
	amount, err := parseFor(debit, "amount", s.Amount)
	if err != nil {
		return result{}, err
	}
	if err := mustBeOpen(debit, credit); err != nil {
		return result{}, err
	}
	if err := o.mustBeCashable(&d, &c, s, amount); err != nil {
		return result{}, err
	}
	made, err := o.cash(&c, s, debit, credit, amount)
	if err != nil {
		return result{}, err
	}
	c.used++
	c.cashed, _ = c.cashed.Add(amount)
	o.keepCheque(&c)
	return made, nil
}

// mustBeFor refuses everybody but the recipient.
func (c *cheque) mustBeFor(tx *command.Tx) error {
	switch to := c.recipient; {
	case to.is(tx, &tx.Caller):
		return nil
	case to.path == tx.Caller.Principal:
		return fault.Denied.New("cheque %s is for another, who was %s when it was written", c.name, to.path).With("document", c.name)
	default:
		return fault.Denied.New("cheque %s is for %s, and cashed by nobody else", c.name, to.path).With("document", c.name)
	}
}

// mustBeCashable refuses what the cheque does not promise.
func (o *operation) mustBeCashable(d *document, c *cheque, s *pb.CashCheque, amount Amount) error {
	if err := d.sameHash(s.Hash); err != nil {
		return err
	}
	if s.Resource != c.resource {
		return fault.Conflict.New("cheque %s is for %s, not %s", c.name, quote(c.resource), quote(s.Resource)).With("document", c.name)
	}
	if err := d.mustBe(c.state(o.tx.Time), openState); err != nil {
		return err
	}
	if reason := c.noGood(o.tx, o.tx.Time); reason != "" {
		return fault.Conflict.New("cheque %s bounces: %s, who wrote it, %s", c.name, c.writer.path, reason).With("document", c.name)
	}
	if left := c.left(); amount.Cmp(left) > 0 {
		scale := mustAsset(o.tx, c.asset).scale
		return fault.Insufficient.New("of cheque %s %s %s are left, %s is asked for", c.name, left.Format(scale), c.asset, amount.Format(scale)).
			With("document", c.name)
	}
	return nil
}

// cash moves the amount, or reserves it until the cheque ends at the latest. The
// recipient could have it at once, and so may capture what is reserved.
func (o *operation) cash(c *cheque, s *pb.CashCheque, debit, credit *page, amount Amount) (made result, err error) {
	if s.Hold {
		made, err = o.place(&placing{
			name: s.Id, debit: debit, credit: credit, amount: s.Amount, lifetime: s.LifetimeSeconds,
			latest: c.expires, delegate: c.recipient, document: c.name, description: s.Description,
		})
	} else {
		o.now.document, o.now.description = c.name, s.Description
		made.amount = amount.Format(debit.section.scale)
		err = o.pay(transferred, debit, credit, amount)
	}
	f, ok := errors.AsType[*fault.Fault](err)
	if ok && f.Kind == fault.Insufficient && f.Details["path"] == string(debit.path) {
		// How much there is, is none of the recipient's business.
		err = fault.Insufficient.New("cheque %s bounces: account %s has not %s %s available", c.name, debit.path, amount.Format(debit.section.scale), c.asset).
			With("document", c.name)
	}
	return made, err
}

func checkCancelCheque(s *pb.CancelCheque) error {
	if err := checkID(s.Cheque); err != nil {
		return in("cheque", err)
	}
	return nil
}

// cancelCheque ends a cheque. What was reserved by it stays.
func (o *operation) cancelCheque(s *pb.CancelCheque) (result, error) {
	d, err := o.visible(s.Cheque)
	if err != nil {
		return result{}, err
	}
	if err := d.ofKind(chequeDocument); err != nil {
		return result{}, err
	}
	c := mustCheque(o.tx, d.name)
	if !c.writer.is(o.tx, &o.tx.Caller) {
		if err := o.mayFor(&d, command.Spend, accountOf(o.tx, c.account).path); err != nil {
			return result{}, err
		}
	}
	if err := d.mustBe(c.state(o.tx.Time), openState); err != nil {
		return result{}, err
	}
	c.cancelled = true
	o.keepCheque(&c)
	return result{}, nil
}

// keepCheque writes a cheque that was changed.
func (o *operation) keepCheque(c *cheque) {
	c.version++
	cheques.Put(o.tx.Tx, *c)
	at, ok := c.deadline()
	keepDeadline(o.tx, at, ok)
}

// noGood says why the word of who wrote the cheque does not count any more; empty is that
// it does.
func (c *cheque) noGood(r kv.Reader, now int64) string {
	switch {
	case c.writer.born == 0:
		return ""
	case c.writer != partyOf(r, c.writer.path):
		return "has gone or has another name"
	case !acl.Permits(r, now, c.writer.path, command.Spend, accountOf(r, c.account).path):
		return "may not Spend from the account any more"
	}
	return ""
}
