package ledger

import (
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Limits of cheques.
const (
	// MaxUses is how often a cheque can be cashed.
	MaxUses = 1_000_000
	// MaxResource is in bytes.
	MaxResource = 256
)

// cheque is what a cheque says that cashing it needs, and how far it was cashed.
type cheque struct {
	name    string
	account command.ID
	asset   string
	// writer has born 0 if it is an operator, who may always spend.
	writer, recipient party
	resource          string
	ceiling           Amount
	uses              uint32
	// expires is the log time in nanoseconds from which on it cannot be cashed.
	expires int64
	// used is how often it was cashed, cashed how much.
	used      uint32
	cashed    Amount
	cancelled bool
	// version counts the steps that changed it, the one that made it included.
	version uint64
}

var cheques = kv.NewTable(&Schema, "ledger/cheque", kv.Codec[cheque]{Append: appendCheque, Decode: decodeCheque},
	func(c cheque) kv.StringKey { return kv.StringKey(c.name) }, 0)

func appendCheque(b []byte, c cheque) []byte {
	b = kv.AppendString(command.AppendID(kv.AppendString(b, c.name), c.account), c.asset)
	b = kv.AppendString(appendParty(appendParty(b, c.writer), c.recipient), c.resource)
	b = kv.AppendInt(kv.AppendUint(appendAmount(b, c.ceiling), uint64(c.uses)), c.expires)
	b = appendAmount(kv.AppendUint(b, uint64(c.used)), c.cashed)
	return kv.AppendUint(kv.AppendBool(b, c.cancelled), c.version)
}

func decodeCheque(b []byte) (cheque, error) {
	d := kv.NewDecoder(b)
	c := cheque{
		name: d.String(), account: command.DecodeID(&d), asset: d.String(), writer: decodeParty(&d), recipient: decodeParty(&d),
		resource: d.String(),
		ceiling:  decodeAmount(&d), uses: uint32(d.Uint()), expires: d.Int(),
		used: uint32(d.Uint()), cashed: decodeAmount(&d), cancelled: d.Bool(), version: d.Uint(),
	}
	return c, d.Err()
}

func mustCheque(r kv.Reader, name string) cheque {
	c, ok := cheques.Get(r, kv.StringKey(name))
	if !ok {
		panic("ledger: a document without its cheque: " + name)
	}
	return c
}

const (
	openState      = "open"
	spentState     = "spent"
	cancelledState = "cancelled"
	expiredState   = "expired"
	finalState     = "final" // of what does not change
)

// state says where the cheque stands at the log time: what ended it first.
func (c *cheque) state(now int64) string {
	switch {
	case c.cancelled:
		return cancelledState
	case c.used >= c.uses, c.left().IsZero():
		return spentState
	case c.expires <= now:
		return expiredState
	}
	return openState
}

// left is how much can still be cashed.
func (c *cheque) left() Amount {
	left, ok := c.ceiling.Sub(c.cashed)
	if !ok {
		panic("ledger: more was cashed of cheque " + c.name + " than it promises")
	}
	return left
}

func checkWriteCheque(s *pb.WriteCheque) error {
	if err := namedAccount("account", s.Account); err != nil {
		return err
	}
	if _, err := identity.ParsePrincipal(s.Recipient); err != nil {
		return in("recipient", err)
	}
	if err := checkText("resource", s.Resource, 1, MaxResource); err != nil {
		return err
	}
	if err := checkPositive("ceiling", s.Ceiling); err != nil {
		return err
	}
	switch {
	case s.Uses > MaxUses:
		return fault.Invalid.New("%d uses: a cheque has at most %d", s.Uses, MaxUses)
	case s.ExpiresUnixNanos != 0 && s.LifetimeSeconds != 0:
		return fault.Invalid.New("expires_unix_nanos and lifetime_seconds are both given, and one of them says when it expires")
	}
	if err := checkLifetime(s.ExpiresUnixNanos, s.LifetimeSeconds); err != nil {
		return err
	}
	return checkText("description", s.Description, 0, MaxDescription)
}

// writeCheque promises to pay.
func (o *operation) writeCheque(s *pb.WriteCheque) (result, error) {
	writer, err := o.mayPromise(s.Account)
	if err != nil {
		return result{}, err
	}
	p, err := o.page(s.Account)
	if err != nil {
		return result{}, in("account", err)
	}
	recipient, err := o.entrust(s.Recipient)
	if err != nil {
		return result{}, in("recipient", err)
	}
	ceiling, err := parseFor(p, "ceiling", s.Ceiling)
	if err != nil {
		return result{}, err
	}
	if err := mustBeOpen(p); err != nil {
		return result{}, err
	}
	expires, err := expiry(o.tx.Time, s.ExpiresUnixNanos, s.LifetimeSeconds)
	if err != nil {
		return result{}, err
	}
	c := cheque{
		name: s.Id, account: p.id, asset: p.asset, writer: writer, recipient: recipient, resource: s.Resource,
		ceiling: ceiling, uses: max(s.Uses, 1), expires: expires, version: 1,
	}
	cheques.Insert(o.tx.Tx, c)
	at, ok := c.deadline()
	keepDeadline(o.tx, at, ok)
	return result{hash: o.file(o.chequeTerms(&c, p, s.Description))}, nil
}

// mayPromise asks whether the caller may Spend from the account now, and also without
// what only its token gives: when the cheque is cashed there is no token. It
// gives who writes it, with born 0 for an operator.
func (o *operation) mayPromise(account string) (party, error) {
	if err := o.maySpend(account); err != nil {
		return party{}, in("account", err)
	}
	who := &o.tx.Caller
	if who.Operator || who.Principal == command.System {
		return party{path: who.Principal}, nil
	}
	at, err := accountPath(account)
	if err != nil {
		return party{}, in("account", err)
	}
	if !acl.Permits(o.tx, o.tx.Time, who.Principal, command.Spend, at) {
		return party{}, fault.Denied.New("%s may Spend from %s by what its token gives alone: a cheque is good while who wrote it may do so itself",
			who.Principal, at).With("operation", command.Spend.String()).With("path", string(at))
	}
	return partyOf(o.tx, who.Principal), nil
}
