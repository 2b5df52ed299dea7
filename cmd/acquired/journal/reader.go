package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// MaxLine bounds a line, in bytes. It has room for the longest document, with all
// that can be escaped.
const MaxLine = 512 << 10

// Line is a line of a file. Of what follows the number one is set, and After only with
// Begins.
type Line struct {
	// Number is that of the line in the file, from 1.
	Number int
	// Begins is set where an export begins, which goes on behind the cursor After; empty
	// is the beginning of the journal. What lines before it say of what stands open is
	// out of date.
	Begins bool
	After  string
	// Page is the cursor up to which the entries before it are all there are.
	Page     string
	Asset    *Asset
	Account  *Account
	Entry    *pb.JournalEntry
	Hold     *Hold
	Document *Document
	Period   *Period
	End      *End
}

// Reader reads the format "jsonl", one line at a time. Each line is checked for
// itself: what a field may be is what the ledger takes. Where an export ends, its
// lines are checked together: they are those that were written. Where one goes on with
// another, no entry is missing in between.
type Reader struct {
	name   string
	lines  *bufio.Scanner
	number int
	// begun is the line where the export began, entries and sum are those since.
	begun   int
	entries uint64
	sum     Sum
	// reached is how far the exports came.
	reached place
}

// NewReader reads r; name is the file's, for errors.
func NewReader(r io.Reader, name string) *Reader {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, MaxLine)
	return &Reader{name: name, lines: scanner, begun: 1, sum: NewSum()}
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
		if err == nil {
			err = r.follow(&line, text)
		}
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

// follow notes a line, and refuses an end of other lines than those before it.
func (r *Reader) follow(line *Line, text []byte) error {
	if err := r.goOn(line); err != nil {
		return err
	}
	switch {
	case line.Begins:
		r.begun, r.entries, r.sum = r.number, 0, NewSum()
	case line.Entry != nil:
		r.entries++
	case line.End != nil && line.End.Entries != r.entries:
		return fmt.Errorf("entries: the export wrote %d, from line %d to here there are %d", line.End.Entries, r.begun, r.entries)
	case line.End != nil && line.End.Sum != r.sum.String():
		return fmt.Errorf("sha256: the lines from line %d to here are not as they were written", r.begun)
	case line.End != nil:
		r.begun, r.entries, r.sum = r.number+1, 0, NewSum()
		return nil
	}
	r.sum.Add(text)
	r.sum.Add([]byte{'\n'})
	return nil
}

func parseLine(text []byte) (Line, error) {
	if !utf8.Valid(text) {
		return Line{}, errors.New("is not UTF-8")
	}
	kind, err := typeOf(text)
	if err != nil {
		return Line{}, err
	}
	switch kind {
	case typeJournal:
		return parseJournal(text)
	case typePage:
		return parsePage(text)
	case typeAsset:
		return parseAsset(text)
	case typeAccount:
		return parseAccount(text)
	case typeEntry:
		return parseEntry(text)
	case typeHold:
		return parseHold(text)
	case typeDocument:
		return parseDocument(text)
	case typePeriod:
		return parsePeriod(text)
	case typeEnd:
		return parseEnd(text)
	}
	return Line{}, fmt.Errorf("type: must be asset, account, entry or another that an export of version %d writes, not %q",
		version, shortened(kind))
}

// fieldName is how fields of lines are spelled.
var fieldName = regexp.MustCompile(`^[a-z0-9_]+$`)

// typeOf gives the type of a line. It refuses an object that has a key twice, or one in
// capitals: package json would take "code", "code" and "Code" for the same field, and
// keep the last.
func typeOf(text []byte) (string, error) {
	var line structpb.Struct
	if err := protojson.Unmarshal(text, &line); err != nil {
		return "", whatIsWrong(text, err)
	}
	for _, name := range slices.Sorted(maps.Keys(line.Fields)) {
		if !fieldName.MatchString(name) {
			return "", fmt.Errorf("unknown field %q", shortened(name))
		}
	}
	return line.Fields["type"].GetStringValue(), nil
}

// whatIsWrong gives what package json finds wrong with a line, or else what else was
// found, without the place in the line.
func whatIsWrong(text []byte, found error) error {
	var object struct{}
	if err := json.Unmarshal(text, &object); err != nil {
		return plainError(err)
	}
	message := found.Error()
	if _, behind, ok := strings.Cut(message, "): "); ok {
		message = behind
	}
	return errors.New(shortened(strings.Replace(message, "map key", "key", 1)))
}

// parseJournal looks at the version before other fields, which another version may
// have.
func parseJournal(text []byte) (Line, error) {
	var l journalLine
	if err := json.Unmarshal(text, &l); err != nil {
		return Line{}, plainError(err)
	}
	if l.Version != version {
		return Line{}, fmt.Errorf("version: is %d, this program reads %d", l.Version, version)
	}
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	_, err := placeOf("after", l.After)
	return Line{Begins: true, After: l.After}, err
}

func parsePage(text []byte) (Line, error) {
	var l pageLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	if l.Until == "" {
		return Line{}, errors.New("until: is missing")
	}
	_, err := placeOf("until", l.Until)
	return Line{Page: l.Until}, err
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
		l.Path, l.Asset, l.Kind, l.State, l.Overdraft, l.Ceiling, l.DailyLimit, l.HoldOverdraft, l.Owner, l.Metadata,
	}}, nil
}

func parseHold(text []byte) (Line, error) {
	var l holdLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	if err := l.check(); err != nil {
		return Line{}, err
	}
	expires, err := parseTime("expires", l.Expires)
	if err != nil {
		return Line{}, err
	}
	return Line{Hold: &Hold{
		l.ID, l.Debit, l.Credit, l.Asset, l.Remaining, expires, l.Overdraft, l.Delegate, l.Document, l.Description,
	}}, nil
}

func parseDocument(text []byte) (Line, error) {
	var l documentLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	if err := l.check(); err != nil {
		return Line{}, err
	}
	return Line{Document: &Document{l.ID, l.Kind, l.State, l.Hash, l.Text}}, nil
}

func parsePeriod(text []byte) (Line, error) {
	var l periodLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	if err := checkText("name", l.Name, ledger.MaxPeriodName); err != nil {
		return Line{}, err
	}
	until, err := parseTime("until", l.Until)
	return Line{Period: &Period{l.Name, until}}, err
}

func parseEnd(text []byte) (Line, error) {
	var l endLine
	if err := decode(text, &l); err != nil {
		return Line{}, err
	}
	return Line{End: &End{l.Entries, l.Now, l.Sum}}, nil
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
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), err.Error() == "unexpected end of JSON input":
		return errors.New("is cut off: unexpected end of JSON input")
	}
	return errors.New(shortened(strings.TrimPrefix(err.Error(), "json: ")))
}

// shortened keeps messages short whatever the input.
func shortened(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
