package ledger

import (
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// related says what somebody has to do with: accounts that it may Read or Spend from, of
// those that have gone the nearest names that are left, and the holds and documents that
// name one of these or itself. Each account is judged once, so it is good for one command
// or query.
type related struct {
	r      kv.Reader
	caller *command.Caller
	may    func(path.Path) bool
	known  map[command.ID]bool
}

func relatedTo(r kv.Reader, caller *command.Caller, now int64) *related {
	return &related{
		r: r, caller: caller, known: make(map[command.ID]bool),
		may: acl.MayOne(r, caller, now, command.Read, command.Spend),
	}
}

func (s *related) toAccount(id command.ID) bool {
	is, ok := s.known[id]
	if !ok {
		is = s.may(tree.Nearest(s.r, accountOf(s.r, id).path).Path)
		s.known[id] = is
	}
	return is
}

// toHold says that the caller is the delegate, or has to do with the payer or the payee.
// An operator sees through accounts that have gone.
func (s *related) toHold(h *hold) bool {
	return s.caller.Operator || h.delegate.is(s.r, s.caller) || s.toAccount(h.debit) || s.toAccount(h.credit)
}

// toDocument says that it names the caller, or an account that the caller has to do with.
func (s *related) toDocument(d *document) bool {
	if s.caller.Operator {
		return true
	}
	for _, p := range d.parties {
		if p.is(s.r, s.caller) {
			return true
		}
	}
	for _, id := range d.accounts {
		if s.toAccount(id) {
			return true
		}
	}
	return false
}

// toEntry says that the caller has to do with one of its accounts.
func (s *related) toEntry(e *entry) bool {
	return s.caller.Operator || s.toAccount(e.debit) || s.toAccount(e.credit)
}
