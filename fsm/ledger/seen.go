package ledger

import (
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// seen says which entries the caller of a query may be shown: those of an account
// at or below a path that it may Read.
type seen struct {
	v     *command.Reading
	under path.Path
	known map[command.ID]bool
}

func seenBy(v *command.Reading, under path.Path) *seen {
	return &seen{v: v, under: under, known: make(map[command.ID]bool)}
}

// either says whether one of the accounts is one that the caller may Read.
func (s *seen) either(debit, credit *account) bool { return s.may(debit) || s.may(credit) }

// may asks for each account once. Of one that has gone the nearest name that is left
// decides.
func (s *seen) may(a *account) bool {
	if !s.under.Covers(a.path) {
		return false
	}
	may, ok := s.known[a.id]
	if !ok {
		may = s.mayAt(a.path)
		s.known[a.id] = may
	}
	return may
}

// gone says whether the account is there no more, and the caller may know of it.
func (s *seen) gone(a *account) bool {
	_, there := accounts.Get(s.v, a.id)
	return !there && s.mayAt(a.path)
}

// mayAt is may of what is or was at a path.
func (s *seen) mayAt(p path.Path) bool {
	at := tree.Nearest(s.v, p).Path
	return acl.Allow(s.v, &s.v.Caller, s.v.Time, needs(command.Read, at)) == nil
}
