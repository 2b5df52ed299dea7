package ledger

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func checkGuard(g *pb.Guard) error {
	if g.Guard == nil {
		return fault.Invalid.New("a guard is of a balance, a version, a document or a time")
	}
	switch g := g.Guard.(type) {
	case *pb.Guard_Document:
		if err := checkID(g.Document.GetDocument()); err != nil {
			return in("document", err)
		}
		return checkState(g.Document.GetState())
	case *pb.Guard_Version:
		if err := checkAccounts(g.Version.GetAccount()); err != nil {
			return in("account", err)
		}
		if g.Version.GetVersion() == 0 {
			return fault.Invalid.New("version 0: those of accounts begin at 1")
		}
	case *pb.Guard_Balance:
		if err := checkAccounts(g.Balance.GetAccount()); err != nil {
			return in("account", err)
		}
		return checkAmount("at_least", strings.TrimPrefix(g.Balance.GetAtLeast(), "-"))
	}
	return nil
}

// states are those in which a document or hold can be.
var states = slices.Concat(holdStates[:], []string{
	spentState, cancelledState, overdueState, paidState, creditedState, voidState, finalState,
})

func checkState(s string) error {
	if !slices.Contains(states, s) {
		return fault.Invalid.New("state %s: it is one of %s", quote(s), strings.Join(states, ", "))
	}
	return nil
}

// guard refuses the op unless what the guard says is so.
func (o *operation) guard(g *pb.Guard) error {
	switch g := g.Guard.(type) {
	case *pb.Guard_Balance:
		return o.guardBalance(g.Balance)
	case *pb.Guard_Version:
		return o.guardVersion(g.Version)
	case *pb.Guard_Document:
		return o.guardDocument(g.Document)
	case *pb.Guard_NotAfterUnixNanos:
		if o.tx.Time > g.NotAfterUnixNanos {
			return fault.Conflict.New("the log time is %s, after %s", instant(o.tx.Time), instant(g.NotAfterUnixNanos))
		}
	}
	return nil
}

// readable gives an account that the caller may Read.
func (o *operation) readable(s string) (*page, error) {
	at, err := accountPath(s)
	if err != nil {
		return nil, err
	}
	if err := o.may(command.Read, at); err != nil {
		return nil, err
	}
	return o.page(s)
}

func (o *operation) guardBalance(g *pb.BalanceGuard) error {
	p, err := o.readable(g.Account)
	if err != nil {
		return err
	}
	digits, negative := strings.CutPrefix(g.AtLeast, "-")
	amount, err := parseFor(p, "at_least", digits)
	if err != nil {
		return err
	}
	if least := (Signed{Negative: negative, Amount: amount}); p.balance().Cmp(least) < 0 {
		return fault.Conflict.New("account %s has a balance of %s %s, not at least %s",
			p.path, p.balance().Format(p.section.scale), p.asset, least.Format(p.section.scale)).With("path", string(p.path))
	}
	return nil
}

func (o *operation) guardVersion(g *pb.VersionGuard) error {
	p, err := o.readable(g.Account)
	if err != nil {
		return err
	}
	if p.before.version != g.Version {
		return fault.Conflict.New("account %s has version %d, not %d", p.path, p.before.version, g.Version).With("path", string(p.path))
	}
	return nil
}

func (o *operation) guardDocument(g *pb.DocumentGuard) error {
	state, err := o.stateOf(g.Document)
	if err != nil {
		return err
	}
	if state != g.State {
		return fault.Conflict.New("document %s is in the state %s, not %s", g.Document, state, quote(g.State)).With("document", g.Document)
	}
	return nil
}

// stateOf gives the state of a hold or document that the caller has a part in.
func (o *operation) stateOf(name string) (string, error) {
	if h, ok := findHold(o.tx, name); ok && o.related().toHold(&h) {
		return h.state.String(), nil
	}
	d, err := o.visible(name)
	if err != nil {
		return "", err
	}
	return d.state(o.tx, o.tx.Time), nil
}

func noDocument(name string) error {
	return fault.NotFound.New("no document %s", quote(name)).With("document", name)
}
