package ledger

import "iter"

// item is an entry as a statement meets it.
type item struct {
	place
	entry
	account *account
	// counts says that it is a line here. What posts nothing is none, and what is
	// back-dated is none where it was logged, if the order is by effective time.
	counts bool
}

// items gives what is between the edges, in the order of the statement.
func (s *statementPage) items() iter.Seq[item] {
	var streams []stream
	for i := range s.accounts {
		a := &s.accounts[i]
		streams = append(streams, func(behind *item) iter.Seq[item] { return s.inside(s.logged(a, behind)) })
		if s.req.Effective {
			streams = append(streams, func(behind *item) iter.Seq[item] { return s.inside(s.backdated(a, behind)) })
		}
	}
	if len(streams) == 1 {
		return streams[0](nil)
	}
	return merge(streams, s.ahead)
}

// ahead says that p is read before q.
func (s *statementPage) ahead(p, q place) bool {
	if s.req.NewestFirst {
		return p.compare(q) > 0
	}
	return p.compare(q) < 0
}

// inside leaves out what is not between the edges.
func (s *statementPage) inside(all iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for it := range all {
			before, beyond := it.compare(s.low.place) < 0, it.compare(s.high.place) >= 0
			if s.req.NewestFirst {
				before, beyond = beyond, before
			}
			if before {
				continue
			}
			if beyond || !yield(it) {
				return
			}
		}
	}
}

// logged gives the entries of an account in the order of the log, from the edge on
// or behind an item.
func (s *statementPage) logged(a *account, behind *item) iter.Seq[item] {
	after := previous(s.low.logged)
	if s.req.NewestFirst {
		after = next(s.high.logged)
	}
	if behind != nil {
		after = behind.place.id
	}
	return func(yield func(item) bool) {
		for e := range entriesByAccount.Scan(s.v, a.id, after, s.req.NewestFirst) {
			it := item{place: place{id: e.id, side: sideOf(&e, a)}, entry: e, account: a, counts: e.kind.posts()}
			if s.req.Effective {
				it.place.at = e.time
				it.counts = it.counts && e.effective == 0
			}
			if !yield(it) {
				return
			}
		}
	}
}

// backdated gives the entries of an account that have an effective time of their
// own, in the order of it, from the edge on or behind an item.
func (s *statementPage) backdated(a *account, behind *item) iter.Seq[item] {
	after := backdatedKey{s.low.at, previous(s.low.id)}
	if s.req.NewestFirst {
		after = backdatedKey{s.high.at, next(s.high.id)}
	}
	if behind != nil {
		after = backdatedKey{behind.place.at, behind.place.id}
	}
	return func(yield func(item) bool) {
		for b := range backdatedByAccount.Scan(s.v, a.id, after, s.req.NewestFirst) {
			e, _ := entries.Get(s.v, b.key.id)
			it := item{place: place{at: b.key.effective, id: e.id, side: sideOf(&e, a)}, entry: e, account: a, counts: true}
			if !yield(it) {
				return
			}
		}
	}
}

func sideOf(e *entry, a *account) side {
	if e.debit == a.id {
		return paying
	}
	return paid
}
