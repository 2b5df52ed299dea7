package ledger

import (
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// givenBack is how much was refunded of what an entry moved.
type givenBack struct {
	entry  command.ID
	amount Amount
}

var refunds = kv.NewTable(&Schema, "ledger/refund", kv.Codec[givenBack]{Append: appendGivenBack, Decode: decodeGivenBack},
	func(g givenBack) command.ID { return g.entry }, 0)

func appendGivenBack(b []byte, g givenBack) []byte {
	return appendAmount(command.AppendID(b, g.entry), g.amount)
}

func decodeGivenBack(b []byte) (givenBack, error) {
	d := kv.NewDecoder(b)
	g := givenBack{entry: command.DecodeID(&d), amount: decodeAmount(&d)}
	return g, d.Err()
}

func checkRefund(s *pb.Refund) error {
	if err := checkID(s.Of); err != nil {
		return in("of", err)
	}
	for _, account := range [...]struct{ field, path string }{{"debit", s.Debit}, {"credit", s.Credit}} {
		if account.path == "" {
			continue
		}
		if err := namedAccount(account.field, account.path); err != nil {
			return err
		}
	}
	if err := checkPositiveIfGiven("amount", s.Amount); err != nil {
		return err
	}
	return checkEntry(s.EffectiveUnixNanos, s.Description)
}

// refund moves back what an entry of a step moved.
func (o *operation) refund(s *pb.Refund) (result, error) {
	e, err := o.refundable(s)
	if err != nil {
		return result{}, err
	}
	debit, credit := o.pageOf(e.credit), o.pageOf(e.debit)
	back, left := o.givenBackOf(&e)
	amount := left
	if s.Amount != "" {
		if amount, err = parseFor(debit, "amount", s.Amount); err != nil {
			return result{}, err
		}
	}
	if err := mustBeOpen(debit, credit); err != nil {
		return result{}, err
	}
	if err := o.effectiveAt(s.EffectiveUnixNanos); err != nil {
		return result{}, err
	}
	if amount.IsZero() || amount.Cmp(left) > 0 {
		return result{}, refundedBefore(debit, e.name, left, amount)
	}
	o.now.document, o.now.of, o.now.description = s.Id, s.Of, s.Description
	if err := o.pay(refunded, debit, credit, amount); err != nil {
		return result{}, err
	}
	back.amount, _ = back.amount.Add(amount)
	refunds.Put(o.tx.Tx, back)
	text := amount.Format(debit.section.scale)
	return result{amount: text, hash: o.file(o.refundTerms(s, debit, credit, text))}, nil
}

// givenBackOf gives what was refunded of an entry and what was not.
func (o *operation) givenBackOf(e *entry) (back givenBack, left Amount) {
	back, _ = refunds.Get(o.tx, e.id)
	back.entry = e.id
	left, ok := e.amount.Sub(back.amount)
	if !ok {
		panic("ledger: more was refunded of step " + e.name + " than it moved")
	}
	return back, left
}

// refundedBefore refuses to give back more than is left.
func refundedBefore(p *page, name string, left, amount Amount) error {
	if left.IsZero() {
		return fault.Insufficient.New("all that step %s moved was refunded", name).With("of", name)
	}
	scale := p.section.scale
	return fault.Insufficient.New("of step %s %s %s were not refunded yet, %s is asked for", name, left.Format(scale), p.asset, amount.Format(scale)).
		With("of", name)
}

// refundable gives the entry that is meant: the one that fits of those that the
// step posted to accounts from which the caller may Spend. Who has nothing to do
// with the accounts of the step is told of none.
func (o *operation) refundable(s *pb.Refund) (entry, error) {
	if s.Debit != "" {
		if err := o.maySpend(s.Debit); err != nil {
			return entry{}, in("debit", err)
		}
	}
	was, _ := steps.Get(o.tx, kv.StringKey(s.Of))
	of := o.movedBy(s.Of)
	if of == nil || !of.known {
		return entry{}, noStep(s.Of)
	}
	if len(of.mine) == 0 {
		return entry{}, fault.Denied.New("%s may not Spend what step %s paid", o.tx.Caller.Principal, s.Of).With("of", s.Of)
	}
	if why := stepKinds[was.kind].unrefundable; why != "" {
		return entry{}, fault.Invalid.New("step %s: %s", s.Of, why).With("of", s.Of)
	}
	var meant *entry
	for i := range of.mine {
		e := &of.mine[i]
		switch {
		case !e.kind.posts(), !o.fits(s.Debit, e.credit), !o.fits(s.Credit, e.debit):
		case meant != nil:
			return entry{}, fault.Invalid.New("step %s moved more than one amount: say which by debit, who was paid, and credit, who paid", s.Of).With("of", s.Of)
		default:
			meant = e
		}
	}
	if meant == nil {
		return entry{}, fault.Invalid.New("step %s moved nothing of the kind that could be refunded", s.Of).With("of", s.Of)
	}
	return *meant, nil
}

// moved are the entries of a step, and what they are to the caller.
type moved struct {
	// known: the caller may know of one of them.
	known bool
	// mine are those of which the caller may Spend what was paid.
	mine []entry
}

// movedBy gives what the step moved, which is looked at once; nil if there are no entries.
func (o *operation) movedBy(name string) *moved {
	if m, ok := o.moved[name]; ok {
		return m
	}
	all := entriesOf(o.tx, name)
	if len(all) == 0 {
		return nil // the op may make them yet
	}
	m := &moved{}
	for i := range all {
		m.known = m.known || o.related().toEntry(&all[i])
	}
	if m.known {
		m.mine = slices.DeleteFunc(all, func(e entry) bool { return !o.mayGiveBack(&e) })
	}
	if o.moved == nil {
		o.moved = make(map[string]*moved)
	}
	o.moved[name] = m
	return m
}

// mayGiveBack says whether the caller may Spend what was paid. Of an account that
// is gone everybody is told so who may know of the entry.
func (o *operation) mayGiveBack(e *entry) bool {
	if _, ok := accounts.Get(o.tx, e.credit); !ok {
		return o.related().toEntry(e)
	}
	return o.may(command.Spend, accountOf(o.tx, e.credit).path) == nil
}

// fits says whether a path that may be empty is that of the account.
func (o *operation) fits(s string, id command.ID) bool {
	if s == "" {
		return true
	}
	at, err := accountPath(s)
	return err == nil && accountOf(o.tx, id).path == at
}

func noStep(name string) error {
	return fault.NotFound.New("no step %s", quote(name)).With("of", name)
}
