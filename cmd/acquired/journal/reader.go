package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// MaxLine bounds a line, in bytes. It has room for all that an account may have,
// with every character escaped.
const MaxLine = 128 << 10

// Line is a line of a file. One of Asset, Account and Entry is set.
type Line struct {
	// Number is that of the line in the file, from 1.
	Number  int
	Asset   *Asset
	Account *Account
	Entry   *pb.JournalEntry
}

// Reader reads the format "jsonl", one line at a time. Each line is checked for
// itself: what a field may be is what the ledger takes.
type Reader struct {
	name   string
	lines  *bufio.Scanner
	number int
}

// NewReader reads r; name is the file's, for errors.
func NewReader(r io.Reader, name string) *Reader {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, MaxLine)
	return &Reader{name: name, lines: scanner}
}

// Read gives the next line that is not empty, and io.EOF after the last. An
// Invalid fault names the file, the line and the field.
func (r *Reader) Read() (Line, error) {
	for r.lines.Scan() {
		r.number++
		text := bytes.TrimSpace(r.lines.Bytes())
		if len(text) == 0 {
			continue
		}
		line, err := parseLine(text)
		if err != nil {
			return Line{}, fault.Invalid.New("%s, line %d: %v", r.name, r.number, err)
		}
		line.Number = r.number
		return line, nil
	}
	switch err := r.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Line{}, fault.Invalid.New("%s, line %d: it is longer than %d bytes", r.name, r.number+1, MaxLine)
	case err != nil:
		return Line{}, fmt.Errorf("read %s: %w", r.name, err)
	}
	return Line{}, io.EOF
}

func parseLine(text []byte) (Line, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Line{}, plainError(err)
	}
	switch head.Type {
	case typeAsset:
		return parseAsset(text)
	case typeAccount:
		return parseAccount(text)
	case typeEntry:
		return parseEntry(text)
	}
	return Line{}, fmt.Errorf("type: must be %s, %s or %s, not %q", typeAsset, typeAccount, typeEntry, shortened(head.Type))
}

func parseAsset(text []byte) (Line, error) {
	var l assetLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	if err := l.check(); err != nil {
		return Line{}, err
	}
	return Line{Asset: &Asset{l.Code, l.Scale}}, nil
}

func parseAccount(text []byte) (Line, error) {
	var l accountLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	if err := l.check(); err != nil {
		return Line{}, err
	}
	return Line{Account: &Account{
		l.Path, l.Asset, l.Kind, l.State, l.Overdraft, l.Ceiling, l.HoldOverdraft, l.Owner, l.Metadata,
	}}, nil
}

func parseEntry(text []byte) (Line, error) {
	var l entryLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	if err := l.check(); err != nil {
		return Line{}, err
	}
	logTime, err := parseTime("time", l.Time)
	if err != nil {
		return Line{}, err
	}
	effective, err := parseTime("effective", l.Effective)
	if err != nil {
		return Line{}, err
	}
	return Line{Entry: &pb.JournalEntry{
		Index: l.Index, Counter: l.Counter, UnixNanos: logTime, EffectiveUnixNanos: effective,
		Kind: l.Kind, Id: l.ID, Part: l.Part, Debit: l.Debit, Credit: l.Credit, Asset: l.Asset, Amount: l.Amount,
		Hold: l.Hold, Document: l.Document, Of: l.Of, Description: l.Description,
	}}, nil
}

// decode refuses fields that the line does not have: they may be from a version
// that says more than this one would keep.
func decode(text []byte, line any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return plainError(decoder.Decode(line))
}

// plainError says it without the names of Go.
func plainError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("a line is an object, not %s", wrong.Value)
		}
		return fmt.Errorf("%s: %s is not what the field holds", wrong.Field, shortened(wrong.Value))
	}
	if err != nil {
		return errors.New(shortened(strings.TrimPrefix(err.Error(), "json: ")))
	}
	return nil
}

// shortened keeps messages short whatever the input.
func shortened(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
