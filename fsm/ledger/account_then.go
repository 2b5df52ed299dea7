package ledger

import (
	"math"
	"sort"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// Ephemeral accounts come and go: at one path one follows another, also in another
// asset. What is asked about the past is about the account that was there then.

// mayReadThen is the rule of queries about an account that may have gone: whoever may
// Read it. Of one that has gone the nearest name that is left decides, which lastGone
// asks. Who may not Read that name is told what it is told of a path where nothing
// ever was, or of one that it may not View.
func mayReadThen(r kv.Reader, account string) ([]command.Need, error) {
	p, err := accountPath(account)
	if err != nil {
		return nil, err
	}
	if tree.Find(r, p) != nil {
		return needs(command.Read, p), nil
	}
	return []command.Need{{Operation: command.View, Path: tree.Nearest(r, p).Path, For: p}}, nil
}

// accountThen gives the account that was at a path at an instant of log time, of which 0
// is now and so is what is to come. If there was none it gives the one that is there
// now.
func accountThen(v *command.Reading, p path.Path, nanos int64) (account, error) {
	now := nanos == 0 || nanos >= v.Time
	a, is := accountsByPath.Find(v, p)
	if is && (now || a.opened <= nanos) {
		return a, nil
	}
	last, was := lastGone(v, p)
	if was && !now {
		if then, ok := goneThen(v, &last, nanos); ok {
			return then, nil
		}
	}
	switch {
	case is:
		return a, nil
	case was:
		return account{}, fault.NotFound.New("nothing at %s: what was there has gone", p).With("path", string(p)).With("state", "gone")
	}
	return account{}, command.NotFound(p)
}

// accountLast gives the account at a path or, if none is there now, the last one that
// was.
func accountLast(v *command.Reading, p path.Path) (account, error) {
	if a, ok := accountsByPath.Find(v, p); ok {
		return a, nil
	}
	if a, ok := lastGone(v, p); ok {
		return a, nil
	}
	return account{}, command.NotFound(p)
}

// lastGone gives the last account that went from a path, if the caller may know of it.
func lastGone(v *command.Reading, p path.Path) (account, bool) {
	if !mayNow(v, command.Read, tree.Nearest(v, p).Path) {
		return account{}, false
	}
	return first(goneByPath.Scan(v, p, nil, true))
}

// goneThen gives the account that was there at the instant where last was, if it has
// gone. Ids are in the order of the log, whose time never runs back, so it is searched
// for, in as many steps as the index has bits at most.
func goneThen(v *command.Reading, last *account, nanos int64) (account, bool) {
	a := *last
	if a.opened > nanos {
		index := sort.Search(int(min(a.id.Index, math.MaxInt)), func(i int) bool {
			after, ok := first(goneByPath.Scan(v, a.path, endOf(uint64(i)), false))
			return !ok || after.opened > nanos
		})
		var ok bool
		if a, ok = first(goneByPath.Scan(v, a.path, command.ID{Index: uint64(index) + 1}, true)); !ok {
			return account{}, false
		}
	}
	return a, nanos < wentAt(v, a.id)
}

// wentAt gives the log time at which an account went: that of its last entry, which left
// it empty.
func wentAt(r kv.Reader, account command.ID) int64 {
	e, _ := first(entriesByAccount.Scan(r, account, nil, true))
	return e.time
}
