package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"acquired/fsm/command"
	pb "acquired/proto/acquired/v1"
)

// A cursor is the id of the entry that was looked at last: "INDEX.COUNTER". That of
// a statement by effective time, or of a subtree, is "AT.INDEX.COUNTER.SIDE.BALANCE":
// the place of the last line, and the balance behind it, in the smallest unit.

func formatCursor(id command.ID) string { return fmt.Sprintf("%d.%d", id.Index, id.Counter) }

func parseCursor(s string) (id command.ID, err error) {
	index, counter, _ := strings.Cut(s, ".")
	i, err1 := strconv.ParseUint(index, 10, 64)
	c, err2 := strconv.ParseUint(counter, 10, 32)
	id = command.ID{Index: i, Counter: uint32(c)}
	if err1 != nil || err2 != nil || formatCursor(id) != s {
		return id, noCursor(s)
	}
	return id, nil
}

// statementCursor is where a page goes on: before a place, in the order of time.
type statementCursor struct {
	place
	// balance is empty in a cursor that does not say it.
	balance string
}

func isPlainStatement(req *pb.StatementRequest) bool { return !req.Effective && !req.Subtree }

// parseStatementCursor gives nil for none.
func parseStatementCursor(req *pb.StatementRequest) (*statementCursor, error) {
	if req.Cursor == "" {
		return nil, nil
	}
	c := &statementCursor{}
	var err error
	if isPlainStatement(req) {
		c.id, err = parseCursor(req.Cursor)
	} else {
		*c, err = parseLongCursor(req.Cursor)
		if err == nil && !req.Effective && c.at != 0 {
			err = noCursor(req.Cursor)
		}
	}
	if err != nil {
		return nil, err
	}
	switch {
	case req.NewestFirst:
	case isPlainStatement(req):
		c.side = behind
	default:
		c.side++ // behind the line
	}
	return c, nil
}

// maxLongCursor is in bytes: three numbers of 64 bits, a side and a balance.
const maxLongCursor = 128

func parseLongCursor(s string) (statementCursor, error) {
	parts := strings.SplitN(s, ".", 5)
	if len(s) > maxLongCursor || len(parts) != 5 {
		return statementCursor{}, noCursor(s)
	}
	at, err1 := strconv.ParseInt(parts[0], 10, 64)
	id, err2 := parseCursor(parts[1] + "." + parts[2])
	on, err3 := strconv.ParseUint(parts[3], 10, 8)
	amount, err4 := parseUpTo(maxTotal, strings.TrimPrefix(parts[4], "-"), 0)
	c := statementCursor{place{at, id, side(on)}, parts[4]}
	balance := Signed{Negative: parts[4][:min(1, len(parts[4]))] == "-", Amount: amount}
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || at < 0 || c.side > paid ||
		id == (command.ID{}) || formatLongCursor(c.place, balance.Format(0)) != s {
		return statementCursor{}, noCursor(s)
	}
	return c, nil
}

func formatLongCursor(p place, balance string) string {
	return fmt.Sprintf("%d.%s.%d.%s", p.at, formatCursor(p.id), p.side, balance)
}

// cursorBehind gives the cursor for a page that goes on behind the place.
func (s *statementPage) cursorBehind(last place) string {
	if isPlainStatement(s.req) {
		return formatCursor(last.id)
	}
	return formatLongCursor(last, s.balanceInMinor())
}
