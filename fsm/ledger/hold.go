package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// hold reserves an amount until it is captured, released or expires.
type hold struct {
	name string
	// id is that of its first entry.
	id            command.ID
	debit, credit command.ID
	asset         string
	// held is all that was ever reserved; the others are what became of it.
	held, captured, released, expired Amount
	// Log times in nanoseconds.
	placed, expires int64
	// overdraft is whether it may use that of the payer.
	overdraft bool
	state     holdState
	// delegate may capture and release it, too; none has no path.
	delegate party
	// document is the cheque that it came of.
	document    string
	description string
}

// holdState: a hold is open while something remains. The numbers are stored.
type holdState uint8

const (
	holdOpen holdState = iota
	// The others say what took the last of it.
	holdCaptured
	holdReleased
	holdExpired
)

var holdStates = [...]string{holdOpen: "open", holdCaptured: "captured", holdReleased: "released", holdExpired: "expired"}

func (s holdState) String() string { return holdStates[s] }

// remaining is what is still reserved.
func (h *hold) remaining() Amount {
	left, ok := h.rest()
	if !ok {
		panic("ledger: more became of hold " + h.name + " than was held")
	}
	return left
}

// rest is remaining for what may be wrong: ok is false when more became of the hold
// than was held.
func (h *hold) rest() (left Amount, ok bool) {
	left = h.held
	for _, part := range [...]Amount{h.captured, h.released, h.expired} {
		if left, ok = left.Sub(part); !ok {
			return Amount{}, false
		}
	}
	return left, true
}

// take notes that an amount of the hold went one way. The last of it closes it.
func (h *hold) take(amount Amount, into *Amount, last holdState) {
	*into, _ = into.Add(amount)
	if h.remaining().IsZero() {
		h.state = last
	}
}

// holdsOf leads to the holds of an account, the open ones by themselves.
type holdsOf struct {
	account command.ID
	open    bool
}

// AppendKey implements kv.Key.
func (k holdsOf) AppendKey(b []byte) []byte { return kv.AppendBool(k.account.AppendKey(b), !k.open) }

// lapse is when an open hold expires.
type lapse struct {
	nanos int64
	hold  string
}

// AppendKey implements kv.Key. Times are not negative.
func (l lapse) AppendKey(b []byte) []byte {
	return kv.StringKey(l.hold).AppendKey(kv.AppendUint64Key(b, uint64(l.nanos)))
}

var (
	holds = kv.NewTable(&Schema, "ledger/hold", kv.Codec[hold]{Append: appendHold, Decode: decodeHold},
		func(h hold) kv.StringKey { return kv.StringKey(h.name) }, 0)

	holdsByAccount = kv.NewIndex(&Schema, holds, "ledger/hold_by_account", func(h hold, add func(holdsOf)) {
		add(holdsOf{h.debit, h.state == holdOpen})
		add(holdsOf{h.credit, h.state == holdOpen})
	})

	lapses = kv.NewTable(&Schema, "ledger/lapse", kv.Codec[lapse]{
		Append: func(b []byte, l lapse) []byte { return kv.AppendString(kv.AppendInt(b, l.nanos), l.hold) },
		Decode: func(b []byte) (lapse, error) {
			d := kv.NewDecoder(b)
			l := lapse{d.Int(), d.String()}
			return l, d.Err()
		},
	}, func(l lapse) lapse { return l }, kv.Resident)
)

func appendHold(b []byte, h hold) []byte {
	b = command.AppendID(kv.AppendString(b, h.name), h.id)
	b = kv.AppendString(command.AppendID(command.AppendID(b, h.debit), h.credit), h.asset)
	for _, amount := range [...]Amount{h.held, h.captured, h.released, h.expired} {
		b = appendAmount(b, amount)
	}
	b = kv.AppendInt(kv.AppendInt(b, h.placed), h.expires)
	b = kv.AppendUint(kv.AppendBool(b, h.overdraft), uint64(h.state))
	return kv.AppendString(kv.AppendString(appendParty(b, h.delegate), h.document), h.description)
}

func decodeHold(b []byte) (hold, error) {
	d := kv.NewDecoder(b)
	h := hold{
		name: d.String(), id: command.DecodeID(&d), debit: command.DecodeID(&d), credit: command.DecodeID(&d), asset: d.String(),
		held: decodeAmount(&d), captured: decodeAmount(&d), released: decodeAmount(&d), expired: decodeAmount(&d),
		placed: d.Int(), expires: d.Int(), overdraft: d.Bool(), state: holdState(d.Uint()),
		delegate: decodeParty(&d), document: d.String(), description: d.String(),
	}
	return h, d.Err()
}

func findHold(r kv.Reader, name string) (hold, bool) { return holds.Get(r, kv.StringKey(name)) }

// writeHold writes a hold that is new or was changed, when it lapses, and how many
// there are.
func (b *book) writeHold(was, is *hold) {
	if was.expires != 0 && (was.expires != is.expires || is.state != holdOpen) {
		lapses.Delete(b.tx.Tx, lapse{was.expires, is.name})
	}
	if is.state == holdOpen && was.expires != is.expires {
		lapses.Put(b.tx.Tx, lapse{is.expires, is.name})
	}
	payer := b.pageOf(is.debit)
	switch {
	case was.expires == 0:
		payer.openHolds++
	case is.state != holdOpen:
		payer.openHolds--
	}
	holds.Put(b.tx.Tx, *is)
}

func checkPlace(s *pb.PlaceHold) error {
	if err := checkAccounts(s.Debit, s.Credit); err != nil {
		return err
	}
	if err := checkPositive("amount", s.Amount); err != nil {
		return err
	}
	if s.ExpiresUnixNanos != 0 && s.LifetimeSeconds != 0 {
		return fault.Invalid.New("expires_unix_nanos and lifetime_seconds are both given, and one of them says when it expires")
	}
	if err := checkLifetime(s.ExpiresUnixNanos, s.LifetimeSeconds); err != nil {
		return err
	}
	if err := checkPrincipal("delegate", s.Delegate); err != nil {
		return err
	}
	return checkText("description", s.Description, 0, MaxDescription)
}

func checkLifetime(expires int64, seconds uint64) error {
	switch {
	case expires < 0:
		return fault.Invalid.New("the expiry is before 1970")
	case seconds > MaxLifetime/second:
		return fault.Invalid.New("lifetime of %d seconds: it has at most %d, ten years", seconds, MaxLifetime/second)
	}
	return nil
}

// expiry gives the log time at which something lapses that is made now.
func expiry(now, expires int64, seconds uint64) (int64, error) {
	switch {
	case seconds != 0:
		return now + int64(seconds)*second, nil
	case expires == 0:
		return now + DefaultLifetime, nil
	case expires <= now:
		return 0, fault.Conflict.New("the expiry, %s, is not after the log time, %s", instant(expires), instant(now))
	case expires-now > MaxLifetime:
		return 0, fault.Conflict.New("the expiry, %s, is more than ten years after the log time, %s", instant(expires), instant(now))
	}
	return expires, nil
}

// placeHold reserves an amount.
func (o *operation) placeHold(s *pb.PlaceHold) (result, error) {
	if err := o.maySpend(s.Debit); err != nil {
		return result{}, in("debit", err)
	}
	h := &placing{
		name: s.Id, amount: s.Amount, expires: s.ExpiresUnixNanos, lifetime: s.LifetimeSeconds, description: s.Description,
	}
	var err error
	if s.Delegate != "" {
		if h.delegate, err = o.entrust(s.Delegate); err != nil {
			return result{}, in("delegate", err)
		}
	}
	if h.debit, h.credit, err = o.pair(s.Debit, s.Credit, ""); err != nil {
		return result{}, err
	}
	return o.place(h)
}

// placing is a hold that is to be placed.
type placing struct {
	name, amount  string
	debit, credit *page // of one asset
	expires       int64
	lifetime      uint64
	// latest is an expiry that it does not outlive; 0 is none.
	latest      int64
	delegate    party
	document    string
	description string
}

func (b *book) place(s *placing) (result, error) {
	debit, credit := s.debit, s.credit
	amount, err := parseFor(debit, "amount", s.amount)
	if err != nil {
		return result{}, err
	}
	if err := mustBeOpen(debit, credit); err != nil {
		return result{}, err
	}
	expires, err := expiry(b.tx.Time, s.expires, s.lifetime)
	if err != nil {
		return result{}, err
	}
	if s.latest != 0 {
		expires = min(expires, s.latest)
	}
	h := hold{
		name: s.name, debit: debit.id, credit: credit.id, asset: debit.asset, placed: b.tx.Time, expires: expires,
		overdraft: debit.holdOverdraft, delegate: s.delegate, document: s.document, description: s.description,
	}
	b.now.hold, b.now.document, b.now.description = h.name, s.document, s.description
	if err := b.reserve(&h, debit, credit, amount); err != nil {
		return result{}, err
	}
	h.id = b.now.first
	b.writeHold(&hold{}, &h)
	return result{amount: amount.Format(debit.section.scale)}, nil
}

// pair gives two accounts of one asset; if asset is not empty, of that.
func (b *book) pair(debitPath, creditPath, asset string) (debit, credit *page, err error) {
	if debit, err = b.page(debitPath); err != nil {
		return nil, nil, in("debit", err)
	}
	if credit, err = b.page(creditPath); err != nil {
		return nil, nil, in("credit", err)
	}
	return debit, credit, sameAsset(asset, []*page{debit}, []*page{credit})
}

// reserve makes an amount pending for the hold.
func (b *book) reserve(h *hold, debit, credit *page, amount Amount) error {
	if available, bounded := debit.spendableByHold(h.overdraft); bounded && amount.Cmp(available) > 0 {
		return shortForHold(debit, h.overdraft, available, amount)
	}
	if err := b.canTake(credit, amount); err != nil {
		return err
	}
	if debit.openHolds >= MaxOpenHolds && h.held.IsZero() {
		return fault.Exhausted.New("%d open holds reserve of account %s, which is the most", debit.openHolds, debit.path).
			With("path", string(debit.path))
	}
	if !grow(&h.held, amount) {
		return fault.Exhausted.New("a hold is of at most %s %s: overflow", MaxAmount.Format(debit.section.scale), debit.asset)
	}
	return b.enter(reserved, debit, credit, amount)
}

// shortForHold is short for what cannot be reserved. That the overdraft does not count
// is said, as a balance counts it.
func shortForHold(p *page, overdraft bool, available, amount Amount) error {
	if left, limited := p.leftToday(); overdraft || !p.unlimited && p.overdraft.IsZero() || limited && left == available {
		return short(p, available, amount)
	}
	scale := p.section.scale
	return fault.Insufficient.New("account %s has %s %s available without its overdraft, of which holds may use none, %s is asked for",
		p.path, available.Format(scale), p.asset, amount.Format(scale)).With("path", string(p.path))
}

// holdForPayee gives a hold for whose payee the caller acts: it may Spend from that
// account, or is the delegate.
func (o *operation) holdForPayee(name string) (hold, error) {
	h, ok := findHold(o.tx, name)
	if !ok {
		return h, noHold(name)
	}
	payee := accountOf(o.tx, h.credit).path
	if !h.delegate.is(o.tx, &o.tx.Caller) {
		if err := o.may(command.Spend, payee); err != nil {
			return h, o.hide(&h, err)
		}
	}
	return h, nil
}

func mustBeOpenHold(h *hold) error {
	if h.state != holdOpen {
		return fault.Conflict.New("hold %s is closed: %s", h.name, h.state).With("hold", h.name).With("state", h.state.String())
	}
	return nil
}

// hide makes of a refusal what somebody may be told who may not know of the hold.
func (o *operation) hide(h *hold, err error) error {
	if !o.related().toHold(h) || fault.KindOf(err) != fault.Denied {
		return noHold(h.name)
	}
	return err
}

func noHold(name string) error {
	return fault.NotFound.New("no hold %s", quote(name)).With("hold", name)
}
