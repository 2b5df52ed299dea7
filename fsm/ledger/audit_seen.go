package ledger

import (
	"acquired/fsm/acl"
	"acquired/fsm/command"
	pb "acquired/proto/acquired/v1"
)

// sight is how much of an audit line somebody is shown.
type sight uint8

const (
	nothing sight = iota
	// part is that there was such a command, and what it did if that was one thing.
	part
	whole
)

// auditSeen says how much the caller of a query is shown of audit lines that come in
// their order.
type auditSeen struct {
	*seen
	self party
	// ofAccount says that the caller may Read an account that each line is about.
	ofAccount bool
	// all says that the caller may Read all accounts but for those that are narrower.
	all bool
	// behind is before the entries of the line, looks how many entries and accounts were
	// looked at.
	behind command.ID
	looks  int
}

func auditSeenBy(v *command.Reading, req *pb.AuditRequest) *auditSeen {
	return &auditSeen{
		seen: seenBy(v, Accounts), self: partyOf(v, v.Caller.Principal), ofAccount: req.Account != "",
		all: acl.Allow(v, &v.Caller, v.Time, needs(command.Read, Accounts)) == nil,
	}
}

// isOwn says whether the caller did it, and not another who had the name before.
func (s *auditSeen) isOwn(l *auditLine) bool { return l.by() == s.self }

// of gives the whole of a line to who may Read all accounts that it is about, and part
// of it to who may Read one, or whose own it is.
func (s *auditSeen) of(l *auditLine) sight {
	read, about := 0, 0
	if s.all {
		read, about = s.readable(l)
	}
	switch {
	case s.all && read == about && (s.v.Caller.Operator || !l.cut()):
		return whole
	case s.ofAccount, read > 0, s.isOwn(l):
		return part
	}
	return nothing
}

// readable gives how many accounts a line is about, and how many of those the caller may
// Read. One counts each time that it is named.
func (s *auditSeen) readable(l *auditLine) (read, about int) {
	if s.v.Caller.Operator {
		return 0, 0
	}
	count := func(may bool) {
		about++
		if may {
			read++
		}
	}
	s.looks += len(l.accounts)
	for _, p := range l.accounts {
		count(s.mayAt(p))
	}
	for _, e := range s.entriesOf(l) {
		debit, credit := accountOf(s.v, e.debit), accountOf(s.v, e.credit)
		count(s.may(&debit))
		count(s.may(&credit))
	}
	return read, about
}

// entriesOf gives the entries of a line, the last before it.
func (s *auditSeen) entriesOf(l *auditLine) (found []entry) {
	if l.entries == 0 {
		return nil
	}
	begin := command.ID{Index: l.id.Index}
	if isBefore(begin, s.behind) {
		begin = s.behind
	}
	for e := range entries.From(s.v, begin) {
		if !isBefore(e.id, l.id) {
			break
		}
		s.looks++
		found = append(found, e)
	}
	return found[max(0, len(found)-int(l.entries)):]
}
