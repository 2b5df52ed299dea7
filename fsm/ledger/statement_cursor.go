package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"acquired/fsm/command"
	pb "acquired/proto/acquired/v1"
)

// The cursor of a plain statement is the id of the entry that was looked at last. That
// of one by effective time, or of a subtree, is
// "AT.INDEX.COUNTER.SIDE.DEBITS.CREDITS": the place of the last line, and what was
// posted until behind it, in the smallest unit. Both sums tell what was back-dated
// since; a balance would not, when it comes to nothing.

// statementCursor is where a page goes on: before a place, in the order of time.
type statementCursor struct {
	place
	// sum is nil in a cursor that does not say it.
	sum *posted
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

// maxLongCursor is in bytes: three numbers, a side and two sums.
const maxLongCursor = 160

func parseLongCursor(s string) (statementCursor, error) {
	parts := strings.SplitN(s, ".", 6)
	if len(s) > maxLongCursor || len(parts) != 6 {
		return statementCursor{}, noCursor(s)
	}
	at, err1 := strconv.ParseInt(parts[0], 10, 64)
	id, err2 := parseCursor(parts[1] + "." + parts[2])
	on, err3 := strconv.ParseUint(parts[3], 10, 8)
	debits, err4 := parseUpTo(maxTotal, parts[4], 0)
	credits, err5 := parseUpTo(maxTotal, parts[5], 0)
	c := statementCursor{place{at, id, side(on)}, &posted{debits, credits}}
	if errors.Join(err1, err2, err3, err4, err5) != nil || at < 0 || c.side > paid ||
		id == (command.ID{}) || formatLongCursor(c.place, c.sum) != s {
		return statementCursor{}, noCursor(s)
	}
	return c, nil
}

func formatLongCursor(p place, sum *posted) string {
	return fmt.Sprintf("%d.%s.%d.%s.%s", p.at, formatID(p.id), p.side, sum.debits.Format(0), sum.credits.Format(0))
}

// cursorBehind gives the cursor for a page that goes on behind the place.
func (s *statementPage) cursorBehind(last place) string {
	if isPlainStatement(s.req) {
		return formatID(last.id)
	}
	return formatLongCursor(last, &s.sum)
}
