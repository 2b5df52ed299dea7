package ledger

import (
	"iter"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Limits of a page of the journal.
const (
	// MaxJournal is the most entries in one answer; DefaultJournal is what a
	// request that names no limit gets.
	MaxJournal     = 10_000
	DefaultJournal = 1000
	// maxJournalLooks is how many entries are looked at for one answer: few of many
	// may be of the subtree that is asked for.
	maxJournalLooks = 100_000
)

func maySeeJournal(_ kv.Reader, req *pb.JournalRequest) ([]command.Need, error) {
	under, err := underAccounts(req.Under)
	if err != nil {
		return nil, err
	}
	if req.Limit > MaxJournal {
		return nil, fault.Invalid.New("limit %d: an answer holds at most %d entries", req.Limit, MaxJournal)
	}
	_, err = parseJournalCursor(req.Cursor)
	return needs(command.Read, under), err
}

// underAccounts reads a path at or below /account; nothing is /account.
func underAccounts(s string) (path.Path, error) {
	if s == "" {
		return Accounts, nil
	}
	p, err := path.Parse(s)
	if err == nil && !Accounts.Covers(p) {
		err = fault.Invalid.New("accounts are below %s, not below %s", Accounts, p)
	}
	return p, err
}

// journal gives the entries behind the cursor, in the order of the log.
func journal(v *command.Reading, req *pb.JournalRequest) (*pb.JournalResponse, error) {
	under, err := underAccounts(req.Under)
	if err != nil {
		return nil, err
	}
	at, err := parseJournalCursor(req.Cursor)
	if err != nil {
		return nil, err
	}
	limit := int(req.Limit)
	if limit == 0 {
		limit = DefaultJournal
	}
	end := endOf(v.Index)
	if req.UntilIndex != 0 && req.UntilIndex < v.Index {
		end = endOf(req.UntilIndex)
	}
	res := &pb.JournalResponse{}
	looks, size, shown := 0, 0, seenBy(v, under)
	for e := range entriesBehind(v, at) {
		if e.id.Index > end.Index {
			break
		}
		if len(res.Entries) == limit || looks == maxJournalLooks || size >= maxAnswerBytes {
			res.Cursor = formatJournalCursor(at)
			return res, nil
		}
		looks++
		at = e.id
		debit, credit := accountOf(v, e.debit), accountOf(v, e.credit)
		if !shown.either(&debit, &credit) {
			continue
		}
		described := describeEntry(v, &e, &debit, &credit)
		described.DebitGone, described.CreditGone = shown.gone(&debit), shown.gone(&credit)
		size += proto.Size(described)
		res.Entries = append(res.Entries, described)
	}
	if at.Index <= end.Index {
		at = end // and says nothing of entries that are not shown
	}
	res.Cursor, res.Done = formatJournalCursor(at), true
	return res, nil
}

// entriesBehind gives the entries with a greater id.
func entriesBehind(r kv.Reader, after command.ID) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for e := range entries.From(r, after) {
			if e.id != after && !yield(e) {
				return
			}
		}
	}
}

func describeEntry(r kv.Reader, e *entry, debit, credit *account) *pb.JournalEntry {
	return &pb.JournalEntry{
		Index: e.id.Index, Counter: e.id.Counter, UnixNanos: e.time, EffectiveUnixNanos: e.at(),
		Kind: entryKinds[e.kind], Id: e.name, Part: e.part,
		Debit: string(debit.path), Credit: string(credit.path), Asset: debit.asset,
		Amount: e.amount.Format(mustAsset(r, debit.asset).scale),
		Hold:   e.hold, Document: e.document, Of: e.of, Description: e.description,
	}
}

// parseJournalCursor reads "INDEX.COUNTER", an entry, or "INDEX", the last thing of
// an index. What is wanted is behind it. Nothing is the beginning.
func parseJournalCursor(s string) (command.ID, error) {
	if s == "" {
		return command.ID{}, nil
	}
	if strings.Contains(s, ".") {
		return parseCursor(s)
	}
	index, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(index, 10) != s {
		return command.ID{}, fault.Invalid.New("cursor %s: it is an index, or one of an earlier answer", quote(s))
	}
	return endOf(index), nil
}

// formatJournalCursor is the inverse of parseJournalCursor.
func formatJournalCursor(id command.ID) string {
	if id == endOf(id.Index) {
		return strconv.FormatUint(id.Index, 10)
	}
	return formatID(id)
}
