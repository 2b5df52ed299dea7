package ledger

import (
	"cmp"
	"math"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// place is where a line is in the order of a statement. By log time that is the
// order of the journal, and at is 0. By effective time it is first that time, at.
// Of the two lines of an entry, that of who pays comes first.
type place struct {
	at   int64
	id   command.ID
	side side
}

// side says which line of an entry is meant. The numbers are part of cursors.
type side uint8

const (
	paying side = iota
	paid
	// behind is behind both.
	behind
)

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.id.Index, q.id.Index), cmp.Compare(p.id.Counter, q.id.Counter), cmp.Compare(p.side, q.side))
}

// edge parts the lines before a place from the others.
type edge struct {
	place
	effective bool
	// logged is the first id of the journal that is not before the edge, back-dated
	// entries left aside.
	logged command.ID
	// pays is the account that pays by the entry at the place, if there is one.
	pays command.ID
}

// edgeAt gives the edge before the place.
func edgeAt(v *command.Reading, p place, effective bool) edge {
	e := edge{place: p, effective: effective, logged: p.id}
	if p.id == (command.ID{}) {
		e.logged = firstAfter(v, p.at-1)
		if !effective {
			e.place = place{id: e.logged}
		}
		return e
	}
	at, _ := entries.Get(v, p.id)
	e.pays = at.debit
	if effective && at.time != p.at {
		e.logged = firstAfter(v, p.at)
	}
	return e
}

// edgeBehindAll gives the edge behind everything.
func edgeBehindAll(v *command.Reading, effective bool) edge {
	end := command.ID{Index: v.Index + 1}
	e := edge{place: place{id: end}, effective: effective, logged: end}
	if effective {
		e.at = math.MaxInt64
	}
	return e
}

// firstAfter gives an id that is behind all entries logged at the time or before,
// and not behind any later. Log time never runs back, so it is searched for, in as
// many steps as the index has bits at most.
func firstAfter(v *command.Reading, nanos int64) command.ID {
	switch {
	case nanos < 0:
		return command.ID{}
	case nanos >= v.Time:
		return command.ID{Index: v.Index + 1}
	}
	low, high := uint64(0), v.Index+1
	for low < high {
		middle := low + (high-low)/2
		e, ok := first(entries.From(v, command.ID{Index: middle}))
		if !ok || e.time > nanos {
			high = middle
			continue
		}
		low = e.id.Index + 1
	}
	return command.ID{Index: low}
}

// of gives the edge as it is for one account: the first id, and the first of
// back-dated entries, that is not before it.
func (e *edge) of(account command.ID) (command.ID, backdatedKey) {
	logged, key := e.logged, backdatedKey{e.at, e.id}
	if e.side == behind || e.side == paid && e.pays == account {
		key.id = next(key.id)
		if e.logged == e.id {
			logged = next(logged)
		}
	}
	return logged, key
}

// postedBefore gives what an account had posted before the edge.
func postedBefore(r kv.Reader, account command.ID, e *edge) posted {
	logged, key := e.of(account)
	c := countersBefore(r, account, logged)
	sum := posted{c.debitsPosted, c.creditsPosted}
	if e.effective {
		sum.take(backdatedLogged(r, account, logged))
		sum.add(backdatedBefore(r, account, key))
	}
	return sum
}

// countersBefore gives the counters of an account as the entries before an id left
// them.
func countersBefore(r kv.Reader, account, id command.ID) counters {
	e, ok := first(entriesByAccount.Scan(r, account, id, true))
	switch {
	case !ok:
		return counters{}
	case e.debit == account:
		return e.debitAfter
	}
	return e.creditAfter
}
