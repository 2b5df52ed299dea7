package ledger

import (
	"encoding/hex"
	"iter"
	"math"
	"sort"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// maxAuditLooks is how many lines, and entries and accounts of them, are looked at for one
// answer.
const maxAuditLooks = 10_000

// goneByPath leads to the accounts that were at a path, in the order in which they
// were opened.
var goneByPath = kv.NewIndex(&Schema, gone, "ledger/account_gone_by_path",
	func(a account, add func(path.Path)) { add(a.path) })

// maySeeAudit: whoever may Read what is asked about. A principal may ask about
// itself, which the query looks at.
func maySeeAudit(_ kv.Reader, req *pb.AuditRequest) ([]command.Need, error) {
	if err := checkAudit(req); err != nil {
		return nil, err
	}
	if req.Principal != "" {
		return []command.Need{{Operation: command.Anyone, Path: path.Root}}, nil
	}
	return needs(command.Read, auditedPath(req)), nil
}

func checkAudit(req *pb.AuditRequest) error {
	if _, err := lines(req.Limit); err != nil {
		return err
	}
	if req.Account != "" {
		if _, err := accountPath(req.Account); err != nil {
			return in("account", err)
		}
	}
	if req.Principal != string(command.System) {
		if err := checkPrincipal("principal", req.Principal); err != nil {
			return err
		}
	}
	if from, until := req.FromUnixNanos, req.UntilUnixNanos; from < 0 || until < 0 || until != 0 && until <= from {
		return fault.Invalid.New("from %d until %d: it is a time since 1970 and one after it", from, until)
	}
	_, err := parseAuditCursor(req.Cursor)
	return err
}

// auditedPath is what the caller must be allowed to Read.
func auditedPath(req *pb.AuditRequest) path.Path {
	if req.Account == "" {
		return Accounts
	}
	p, _ := accountPath(req.Account)
	return p
}

func parseAuditCursor(s string) (command.ID, error) {
	if s == "" {
		return command.ID{}, nil
	}
	return parseCursor(s)
}

// listAudit gives the lines behind the cursor that are as is asked.
func listAudit(v *command.Reading, req *pb.AuditRequest) (*pb.AuditResponse, error) {
	// Whose account it was is in the lines of who asks for it, whatever was refused.
	if req.Principal != "" && (req.Account != "" || req.Principal != string(v.Caller.Principal)) {
		if err := acl.Allow(v, &v.Caller, v.Time, needs(command.Read, auditedPath(req))); err != nil {
			return nil, err
		}
	}
	limit, _ := lines(req.Limit)
	after, _ := parseAuditCursor(req.Cursor)
	if from := beginOf(v, req.FromUnixNanos); after.Index < from.Index {
		after = from
	}
	shown := auditSeenBy(v, req)
	res := &pb.AuditResponse{}
	looks, size := 0, 0
	for l := range auditLines(v, req, after) {
		switch {
		case req.UntilUnixNanos != 0 && l.time >= req.UntilUnixNanos:
			return res, nil
		case len(res.Lines) == limit, looks+shown.looks >= maxAuditLooks, size >= maxAnswerBytes:
			res.Cursor = formatID(after)
			return res, nil
		}
		looks++
		shown.behind, after = after, l.id
		if req.Principal != "" && l.principal != path.Path(req.Principal) {
			continue
		}
		if much := shown.of(&l); much != nothing {
			described := describeAudit(&l, much, shown.isOwn(&l))
			size += proto.Size(described)
			res.Lines = append(res.Lines, described)
		}
	}
	return res, nil
}

// describeAudit describes a line to who is shown that much of it, as whose own it may be.
func describeAudit(l *auditLine, much sight, own bool) *pb.AuditLine {
	described := &pb.AuditLine{
		Index: l.id.Index, Counter: l.id.Counter, UnixNanos: l.time, Principal: string(l.principal), RequestId: l.request,
		Command: l.command, Refusal: l.kind, Entries: l.entries,
	}
	if much == whole || own || !l.ofSeveral() {
		described.What = l.what
	}
	for _, a := range l.actors {
		described.Actors = append(described.Actors, string(a))
	}
	if much == whole { // they may name accounts of others, and hashes tell of what they have, by trial
		described.Message, described.Details = l.message, l.details
		described.EntriesHash, described.Hash = hex.EncodeToString([]byte(l.digest)), hex.EncodeToString([]byte(l.hash))
		for _, p := range l.accounts {
			described.Accounts = append(described.Accounts, string(p))
		}
	}
	return described
}

// auditLines gives the lines behind the id that the narrowest part of the request
// is about: its account, or else its principal. The rest of it is for the caller to
// look at.
func auditLines(r kv.Reader, req *pb.AuditRequest, after command.ID) iter.Seq[auditLine] {
	switch {
	case req.Account != "":
		return auditOfAccount(r, auditedPath(req), after)
	case req.Principal != "":
		return auditsByPrincipal.Scan(r, path.Path(req.Principal), after, false)
	}
	return auditsBehind(r, after)
}

func auditsBehind(r kv.Reader, after command.ID) iter.Seq[auditLine] {
	return func(yield func(auditLine) bool) {
		for l := range audits.From(r, after) {
			if l.id != after && !yield(l) {
				return
			}
		}
	}
}

// auditOfAccount gives the lines that name the account, and those of the commands
// that made entries of it.
func auditOfAccount(r kv.Reader, at path.Path, after command.ID) iter.Seq[auditLine] {
	return func(yield func(auditLine) bool) {
		for {
			named, ok := first(auditsByAccount.Scan(r, at, after, false))
			if e, moved := firstEntryAt(r, at, after); moved {
				line, found := first(auditsBehind(r, e.id)) // a command's line is behind its entries
				if found && (!ok || isBefore(line.id, named.id)) {
					named, ok = line, true
				}
			}
			if !ok || !yield(named) {
				return
			}
			after = named.id
		}
	}
}

// firstEntryAt gives the first entry behind the id of an account that is or was at
// the path. One came after the other, so the accounts are in the order of their
// entries.
func firstEntryAt(r kv.Reader, at path.Path, after command.ID) (entry, bool) {
	last, was := first(goneByPath.Scan(r, at, after, true))
	if was {
		if e, ok := first(entriesByAccount.Scan(r, last.id, after, false)); ok {
			return e, true
		}
	}
	for a := range goneByPath.Scan(r, at, after, false) {
		if e, ok := first(entriesByAccount.Scan(r, a.id, after, false)); ok {
			return e, true
		}
	}
	a, ok := accountsByPath.Find(r, at)
	if !ok {
		return entry{}, false
	}
	return first(entriesByAccount.Scan(r, a.id, after, false))
}

func first[V any](all iter.Seq[V]) (v V, ok bool) {
	for v := range all {
		return v, true
	}
	return v, false
}

// beginOf gives an id that is before all lines of the time and later, and behind
// all that are earlier.
func beginOf(v *command.Reading, nanos int64) command.ID {
	if nanos <= 0 {
		return command.ID{}
	}
	// Log time is that of the entry of the log and never runs back.
	index := sort.Search(int(min(v.Index, math.MaxInt-1))+1, func(i int) bool {
		l, ok := first(audits.From(v, command.ID{Index: uint64(i)}))
		return !ok || l.time >= nanos
	})
	if index == 0 {
		return command.ID{}
	}
	return endOf(uint64(index) - 1)
}
