package ledger

import (
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// maxBelow is how many names and accounts that are gone are looked at for a sum.
const maxBelow = 100_000

// departure says when an account went. Sums and statements of the time before
// include it.
type departure struct {
	key  departureKey
	path path.Path
}

type departureKey struct {
	index   uint64
	account command.ID
}

// AppendKey implements kv.Key.
func (k departureKey) AppendKey(b []byte) []byte {
	return k.account.AppendKey(kv.AppendUint64Key(b, k.index))
}

func appendDeparture(b []byte, d departure) []byte {
	return kv.AppendString(command.AppendID(kv.AppendUint(b, d.key.index), d.key.account), d.path)
}

func decodeDeparture(b []byte) (departure, error) {
	d := kv.NewDecoder(b)
	x := departure{key: departureKey{d.Uint(), command.DecodeID(&d)}, path: path.Path(d.String())}
	return x, d.Err()
}

var (
	departures = kv.NewTable(&Schema, "ledger/departure", kv.Codec[departure]{Append: appendDeparture, Decode: decodeDeparture},
		func(d departure) departureKey { return d.key }, 0)

	// departuresBelow leads from a path to what went at and below it.
	departuresBelow = kv.NewIndex(&Schema, departures, "ledger/departure_below", func(d departure, add func(path.Path)) {
		for above := range d.path.Ancestors() {
			if Accounts.Covers(above) {
				add(above)
			}
		}
	})
)

// noteDeparture keeps that an account goes.
func noteDeparture(tx *command.Tx, a *account) {
	departures.Insert(tx.Tx, departure{departureKey{tx.Index, a.id}, a.path})
}

// below are the accounts at and below a path, as far as the caller of a query may
// know of them. What it may not View is not there for it. What it may View and not
// Read, it is denied: a sum never leaves out an account that the caller knows of.
type below struct {
	v     *command.Reading
	under path.Path
	// since is the index from which on accounts that have gone are among them.
	since uint64
	// looked counts what was looked at.
	looked int
}

// each calls do for every account, until it gives an error.
func (b *below) each(do func(*account) error) error {
	for n := range tree.SubtreeBut(b.v, b.under, "", acl.BarrenFor(b.v, command.View)) {
		if err := b.look(); err != nil {
			return err
		}
		if n.Kind != tree.Account {
			continue
		}
		a, _, err := findAccount(b.v, n.Path)
		if err != nil {
			return err
		}
		if err := b.visit(&a, n.Path, do); err != nil {
			return err
		}
	}
	return b.eachGone(do)
}

// eachGone: the nearest name that is left says who may know of an account that has
// gone. One with a rule of its own leaves its name behind.
func (b *below) eachGone(do func(*account) error) error {
	for d := range departuresBelow.Scan(b.v, b.under, departureKey{index: b.since}, false) {
		if err := b.look(); err != nil {
			return err
		}
		a := accountOf(b.v, d.key.account)
		if err := b.visit(&a, tree.Nearest(b.v, d.path).Path, do); err != nil {
			return err
		}
	}
	return nil
}

// assetBefore gives the asset of the accounts that had gone before since: the one that is
// wanted, or the only one. Those that the caller may not Read never were.
func (b *below) assetBefore(wanted string) (string, error) {
	found, shown := "", seenBy(b.v, b.under)
	for d := range departuresBelow.Scan(b.v, b.under, nil, false) {
		if d.key.index >= b.since {
			break
		}
		if err := b.look(); err != nil {
			return "", err
		}
		a := accountOf(b.v, d.key.account)
		switch {
		case a.asset == found, wanted != "" && a.asset != wanted, !shown.may(&a):
		case wanted != "":
			return wanted, nil
		case found != "":
			return "", b.severalAssets(found, a.asset)
		default:
			found = a.asset
		}
	}
	switch {
	case wanted != "":
		return "", fault.NotFound.New("no account of %s at and below %s", quote(wanted), b.under)
	case found == "":
		return "", fault.NotFound.New("no account at and below %s", b.under)
	}
	return found, nil
}

func (b *below) severalAssets(one, other string) error {
	return fault.Invalid.New("the accounts at and below %s hold %s and %s: asset must say which is meant", b.under, one, other)
}

// visit calls do for an account, if the rule of the path lets the caller View it.
func (b *below) visit(a *account, p path.Path, do func(*account) error) error {
	err := acl.Allow(b.v, &b.v.Caller, b.v.Time, needs(command.Read, p))
	switch {
	case err == nil:
		return do(a)
	case fault.KindOf(err) == fault.NotFound:
		return nil
	}
	return err
}

func (b *below) look() error {
	if b.looked++; b.looked > maxBelow {
		return fault.Exhausted.New("at and below %s there are more than %d names, accounts that have gone since included: "+
			"ask for what is below it one by one", b.under, maxBelow)
	}
	return nil
}
