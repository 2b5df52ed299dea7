package ledger

import (
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// party is a principal that a record names, and who that was: the name may be given
// to another since.
type party struct {
	path path.Path
	// born is that of its node; 0 is who was not in the tree, such as an operator.
	// Nobody is taken for that one.
	born uint64
}

// partyOf gives who has the name now. It may be nobody.
func partyOf(r kv.Reader, p path.Path) party {
	named := party{path: p}
	if n := tree.Find(r, p); n != nil {
		named.born = n.Born
	}
	return named
}

// is says whether the caller is who was named, under whatever name it goes now, and not
// another who was given the name since.
func (p party) is(r kv.Reader, caller *command.Caller) bool {
	return p.born != 0 && p.born == partyOf(r, caller.Principal).born
}

func appendParty(b []byte, p party) []byte { return kv.AppendUint(kv.AppendString(b, p.path), p.born) }

func decodeParty(d *kv.Decoder) party { return party{path.Path(d.String()), d.Uint()} }

// checkPrincipal refuses what names no principal; nothing is allowed.
func checkPrincipal(what, s string) error {
	if s == "" {
		return nil
	}
	if _, err := identity.ParsePrincipal(s); err != nil {
		return in(what, err)
	}
	return nil
}

// principalOf reads what checkPrincipal let through.
func principalOf(s string) path.Path {
	p, _ := identity.ParsePrincipal(s)
	return p
}

// entrust gives the principal that s names, to whom a step gives a right of its own.
// It must be there: whoever is given the name first would have the right. The caller
// must be able to View it, as what it names otherwise, or be it.
func (b *book) entrust(s string) (party, error) {
	at := principalOf(s)
	need := command.Need{Operation: command.View, Path: at, OrSelf: true}
	if err := acl.Allow(b.tx, &b.tx.Caller, b.tx.Time, []command.Need{need}); err != nil {
		return party{}, err
	}
	n := tree.Find(b.tx, at)
	switch {
	case n == nil:
		return party{}, command.NotFound(at)
	case !identity.IsPrincipal(n):
		return party{}, fault.Invalid.New("%s is a directory, not a principal", at)
	}
	return party{at, n.Born}, nil
}
