package ledger

import (
	"bytes"
	"fmt"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// ChainEnd is how far the audit log was looked at.
type ChainEnd struct {
	id    command.ID
	hash  string
	lines uint64
}

// CheckChain goes through the lines behind the end, and gives the new one, or what is
// wrong: a line that does not chain, or that is not told from what it is when a bit of
// its record is altered. Which bit that is depends on the line, so that over many it
// is any.
func CheckChain(r kv.Reader, end ChainEnd) (ChainEnd, string) {
	for l := range auditsBehind(r, end.id) {
		if l.chained(end.hash) != l.hash {
			return end, fmt.Sprintf("audit line %s does not chain", formatID(l.id))
		}
		record := appendAudit(nil, l)
		at := (int(l.hash[0])<<8 + int(l.hash[1])) % len(record)
		record[at] ^= 1 << (l.hash[2] % 8)
		if altered, err := decodeAudit(record); err == nil && altered.chained(end.hash) == altered.hash {
			return end, fmt.Sprintf("audit line %s chains as well with byte %d altered", formatID(l.id), at)
		}
		end = ChainEnd{l.id, l.hash, end.lines + 1}
	}
	if head, _ := auditHeads.Get(r, theAuditHead); head.hash != end.hash || head.lines != end.lines {
		return end, fmt.Sprintf("the chain ends with %x after %d lines, its head says %x after %d", end.hash, end.lines, head.hash, head.lines)
	}
	return end, ""
}

// ReadsAsEntry says whether a record is read as the journal entry whose record the
// other is. With a bit altered it may be: 0 can be written in two bytes, and what is
// missing at the end is 0. The state hash, which is of the bytes, tells them apart.
func ReadsAsEntry(altered, record []byte) bool {
	e, err := decodeEntry(altered)
	return err == nil && bytes.Equal(appendEntry(nil, e), record)
}
