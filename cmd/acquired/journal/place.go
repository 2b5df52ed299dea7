package journal

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// place is one in a journal. The zero value is its beginning.
type place struct {
	index   uint64
	counter uint32
	// known is set when it is that of an export.
	known bool
}

// placeOf reads a cursor: "INDEX.COUNTER" is an entry, "INDEX" all of an index, and
// nothing the beginning.
func placeOf(field, cursor string) (place, error) {
	if cursor == "" {
		return place{known: true}, nil
	}
	first, second, isEntry := strings.Cut(cursor, ".")
	index, err := strconv.ParseUint(first, 10, 64)
	counter := uint64(math.MaxUint32)
	if err == nil && isEntry {
		counter, err = strconv.ParseUint(second, 10, 32)
	}
	if err != nil {
		return place{}, fmt.Errorf("%s: %q is no cursor", field, shortened(cursor))
	}
	return place{index, uint32(counter), true}, nil
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.index, q.index), cmp.Compare(p.counter, q.counter))
}

func (p place) String() string {
	if p.counter == math.MaxUint32 {
		return strconv.FormatUint(p.index, 10)
	}
	return fmt.Sprintf("%d.%d", p.index, p.counter)
}

// goOn moves on with a line. An export that goes on with those before it begins
// nowhere behind where they came to.
func (r *Reader) goOn(line *Line) error {
	switch {
	case line.Begins:
		after, err := placeOf("after", line.After)
		if err != nil {
			return err
		}
		if r.reached.known && after.compare(r.reached) > 0 {
			return fmt.Errorf("after: the export goes on behind %s, and those before it come to %s: what is between is missing", after, r.reached)
		}
		r.reach(after)
	case line.Page != "":
		until, err := placeOf("until", line.Page)
		if err != nil {
			return err
		}
		r.reach(until)
	case line.Entry != nil && r.reached.known:
		r.reach(place{line.Entry.Index, line.Entry.Counter, true})
	}
	return nil
}

func (r *Reader) reach(p place) {
	if !r.reached.known || p.compare(r.reached) > 0 {
		r.reached = p
	}
}
