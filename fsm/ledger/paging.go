package ledger

import (
	"strconv"
	"strings"

	"acquired/fsm/command"
	"acquired/proto/fault"
)

// What lists have in common: an answer is a page, of so many lines and bytes, and has
// a cursor from which the next goes on.

// maxAnswerBytes is where a page ends, well below the largest message.
const maxAnswerBytes = 8 << 20

// lines gives how many lines a page has by the limit of its request.
func lines(limit uint32) (int, error) {
	switch {
	case limit == 0:
		return DefaultLines, nil
	case limit > MaxLines:
		return 0, fault.Invalid.New("limit %d: an answer holds at most %d lines", limit, MaxLines)
	}
	return int(limit), nil
}

func noCursor(s string) error {
	return fault.Invalid.New("cursor %s: it is none of an earlier answer", quote(s))
}

// parseCursor reads what formatID writes.
func parseCursor(s string) (id command.ID, err error) {
	index, counter, _ := strings.Cut(s, ".")
	i, err1 := strconv.ParseUint(index, 10, 64)
	c, err2 := strconv.ParseUint(counter, 10, 32)
	id = command.ID{Index: i, Counter: uint32(c)}
	if err1 != nil || err2 != nil || formatID(id) != s {
		return id, noCursor(s)
	}
	return id, nil
}
