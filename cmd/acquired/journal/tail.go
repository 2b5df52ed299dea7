package journal

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// tailSize is how much is read of the end of a file. Behind the last entry there may
// be many accounts, holds and documents.
const tailSize = 4 << 20

// Tail says where a file ends that an export is to go on with, as far as its last
// 4 MiB say. The format "jsonl" says up to which cursor nothing is missing. The
// others say no more than which entry is the last: in "hledger", which that posts.
type Tail struct {
	// Whole is how many bytes of the file there are up to the end of what was written
	// whole: lines, or in "hledger" transactions. What is behind was cut off.
	Whole int64

	format        string
	last, reached place
	// begun is the entry of the transaction that is being read.
	begun place
}

// ReadTail reads the end of a file of size bytes. What does not begin as a file of the
// format, or as a part that goes on with one, is an Invalid fault.
func ReadTail(file io.ReaderAt, size int64, format string) (*Tail, error) {
	head, err := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), MaxLine).ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read its first line: %w", err)
	}
	if err != nil || !begins(format, withoutBreak(head)) {
		return nil, fault.Invalid.New("its first line is none with which the format %s begins", format)
	}
	t := &Tail{format: format}
	from := max(0, size-tailSize)
	if err := t.read(file, from, size); err != nil {
		return nil, err
	}
	if t.Whole == 0 {
		return nil, fault.Invalid.New("its last %d bytes are nothing that is whole in the format %s", size-from, format)
	}
	return t, nil
}

// begins says whether a file can begin with the line: as a whole, or as a part that
// has no header.
func begins(format string, line []byte) bool {
	switch format {
	case "csv":
		part := Tail{format: format}
		return part.follow(line) && part.last.known
	case "hledger":
		return string(line) == transactionsTitle || bytes.HasPrefix(line, []byte("commodity "))
	}
	first, err := parseLine(line)
	return err == nil && first.Begins
}

// transactionsTitle is the first line of a file.
var transactionsTitle, _, _ = strings.Cut(transactionsHeader, "\n")

func withoutBreak(line []byte) []byte { return bytes.TrimRight(line, "\r\n") }

// read follows the lines behind an offset. The first may be the rest of one, and says
// nothing then that later lines do not.
func (t *Tail) read(file io.ReaderAt, from, size int64) error {
	lines := bufio.NewReaderSize(io.NewSectionReader(file, from, size-from), MaxLine)
	for at := from; ; {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return fault.Invalid.New("it has a line that is longer than %d bytes", MaxLine)
		case err != nil:
			return fmt.Errorf("read its end: %w", err)
		}
		at += int64(len(line))
		if t.follow(withoutBreak(line)) {
			t.Whole = at
		}
	}
}

// follow notes a line, and says whether what was written is whole up to its end.
func (t *Tail) follow(line []byte) bool {
	switch {
	case t.format == "hledger":
		return t.followTransaction(line)
	case len(line) == 0:
		return true
	case t.format == "csv":
		return t.followRecord(line)
	}
	return t.followLine(line)
}

// followLine leaves to who reads the file what else is wrong with a line.
func (t *Tail) followLine(text []byte) bool {
	var l struct {
		Type    string `json:"type"`
		After   string `json:"after"`
		Until   string `json:"until"`
		Index   uint64 `json:"index"`
		Counter uint32 `json:"counter"`
	}
	if json.Unmarshal(text, &l) != nil {
		return false
	}
	var err error
	var reached place
	switch l.Type {
	case typeJournal:
		reached, err = placeOf("after", l.After)
	case typePage:
		reached, err = placeOf("until", l.Until)
	case typeEntry:
		reached = place{l.Index, l.Counter, true}
		t.last = later(t.last, reached)
	}
	t.reached = later(t.reached, reached)
	return err == nil && l.Type != ""
}

// followRecord reads a line by itself: no field of an entry has a line break.
func (t *Tail) followRecord(line []byte) bool {
	record, err := csv.NewReader(bytes.NewReader(line)).Read()
	if err != nil || len(record) != len(columns) {
		return false
	}
	if slices.Equal(record, columns) {
		t.last = later(t.last, place{known: true})
		return true
	}
	last, err := placeOf("index", record[0]+"."+record[1])
	t.last = later(t.last, last)
	return err == nil
}

// followTransaction takes for whole what an empty line follows.
func (t *Tail) followTransaction(line []byte) bool {
	if entry, ok := strings.CutPrefix(string(line), "    ; entry: "); ok {
		t.begun, _ = placeOf("entry", entry)
	}
	if string(line) == transactionsTitle {
		t.begun = place{known: true}
	}
	if len(line) > 0 {
		return false
	}
	t.last, t.begun = later(t.last, t.begun), place{}
	return true
}

// later gives the later of two places, or the one that is known.
func later(p, q place) place {
	if !p.known || q.known && q.compare(p) > 0 {
		return q
	}
	return p
}

// End is the cursor from which an export can go on. It is empty if no line that says
// it is near the end.
func (t *Tail) End() string {
	end := t.last
	if t.format == "jsonl" {
		end = t.reached
	}
	if !end.known {
		return ""
	}
	return end.String()
}

// Last is the cursor of the last entry.
func (t *Tail) Last() string { return t.last.String() }

// Repeats says whether the file certainly has entries behind the cursor: an export
// that goes on there writes them again.
func (t *Tail) Repeats(cursor string) bool {
	after, err := placeOf("after", cursor)
	return err == nil && t.last.known && t.last.compare(after) > 0
}

// Skips says whether the file says that it does not go as far as the cursor.
func (t *Tail) Skips(cursor string) bool {
	after, err := placeOf("after", cursor)
	return err == nil && t.reached.known && after.compare(t.reached) > 0
}

// Lacks says whether an entry is certainly not in the file, and is none of those
// behind the cursor.
func (t *Tail) Lacks(e *pb.JournalEntry, cursor string) bool {
	after, err := placeOf("after", cursor)
	is := place{e.Index, e.Counter, true}
	return err == nil && t.last.known && is.compare(t.last) > 0 && is.compare(after) <= 0 && (Posts(e) || t.format == "csv")
}
