package swf

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"acquired/proto/fault"
)

// Limits of a log.
const (
	// MaxLine is in bytes, the end of the line included.
	MaxLine = 64 << 10
	// MaxLog is in bytes, after decompression.
	MaxLog = 1 << 30
	// MaxTime is in seconds: what is later is taken for this. The sum of the times
	// of a record cannot overflow.
	MaxTime = 1 << 60
)

// Reader reads the records of a log in order, in memory that does not depend
// on the length of the log. It does not look for job numbers that occur twice.
type Reader struct {
	source io.Reader
	// lines is nil before the first line is read.
	lines *bufio.Reader
	// left is how many bytes of the log may follow.
	left    int64
	line    int
	header  header
	failure error
}

// NewReader gives a reader of the log in source, which is plain text or gzip.
// Read reads ahead in source; to close it is up to the caller.
func NewReader(source io.Reader) *Reader {
	return &Reader{source: source, left: MaxLog}
}

// Read gives the next record, or io.EOF after the last. A line that is no
// record, or a limit that is exceeded, is a fault.Invalid that names the line.
// An error is final: Read gives it again.
func (r *Reader) Read() (Record, error) {
	if r.failure != nil {
		return Record{}, r.failure
	}
	record, err := r.next()
	r.failure = err
	return record, err
}

// Records gives the number of records that the header announces, 0 if it does
// not say. It is known once Read has given a record, and is no more than a
// claim: fit for a progress bar.
func (r *Reader) Records() int { return r.header.records() }

// Start gives the instant that the header says the times of the log count from,
// in seconds since 1970, 0 if it does not say. It is known once Read has given a
// record, and is at most MaxTime.
func (r *Reader) Start() int64 { return r.header.start }

func (r *Reader) next() (Record, error) {
	for {
		line, err := r.nextLine()
		if err != nil {
			return Record{}, err
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case line[0] == ';':
			r.header.add(string(line[1:]))
		default:
			return parseRecord(line, r.line)
		}
	}
}

// nextLine gives a line that is valid until the next call.
func (r *Reader) nextLine() ([]byte, error) {
	if r.lines == nil {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	line, err := r.lines.ReadSlice('\n')
	r.line++
	r.left -= int64(len(line))
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fault.Invalid.New("line %d: lines are at most %d bytes long", r.line, MaxLine)
	case r.left < 0:
		return nil, fault.Invalid.New("line %d: the log is too long, at most %d bytes are read", r.line, MaxLog)
	case err == nil, err == io.EOF && len(line) > 0:
		return line, nil
	case err == io.EOF:
		return nil, io.EOF
	}
	return nil, fmt.Errorf("read line %d: %w", r.line, err)
}

// open looks at the first bytes to tell gzip from plain text.
func (r *Reader) open() error {
	r.lines = bufio.NewReaderSize(r.source, MaxLine)
	magic, err := r.lines.Peek(2)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read line 1: %w", err)
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return nil
	}
	unzipped, err := gzip.NewReader(r.lines)
	if err != nil {
		return fmt.Errorf("open gzip: %w", err)
	}
	r.lines = bufio.NewReaderSize(unzipped, MaxLine)
	return nil
}

// header keeps what is read from the header comments, 0 where they are silent.
type header struct {
	maxRecords, maxJobs int
	start               int64
}

// add takes "MaxRecords: 18239". Comments are for people: what cannot be
// understood is passed over.
func (h *header) add(comment string) {
	key, value, _ := strings.Cut(comment, ":")
	number, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil || number < 0 {
		return
	}
	switch strings.TrimSpace(key) {
	case "MaxRecords":
		h.maxRecords = int(number)
	case "MaxJobs":
		h.maxJobs = int(number)
	case "UnixStartTime":
		h.start = min(number, MaxTime)
	}
}

// records prefers MaxRecords: a job that was suspended has several records.
func (h *header) records() int {
	if h.maxRecords > 0 {
		return h.maxRecords
	}
	return h.maxJobs
}

// fieldNames are in the order of a line.
var fieldNames = [...]string{
	"job", "submit time", "wait time", "run time", "allocated processors", "average cpu time", "used memory",
	"requested processors", "requested time", "requested memory", "status", "user", "group", "executable",
	"queue", "partition", "preceding job", "think time",
}

// averageCPUTime is the one field that logs give with a fraction.
const averageCPUTime = 5

func parseRecord(line []byte, number int) (Record, error) {
	var f [len(fieldNames)]int64
	var count int
	for text := range bytes.FieldsSeq(line) {
		if count < len(f) {
			value, err := parseField(text, count, number)
			if err != nil {
				return Record{}, err
			}
			f[count] = value
		}
		count++
	}
	if count != len(f) {
		return Record{}, fault.Invalid.New("line %d: a record has %d fields, not %d", number, len(f), count)
	}
	return Record{
		Job: f[0], Submit: f[1], Wait: f[2], RunTime: f[3], AllocatedProcessors: f[4], AverageCPUTime: f[5],
		UsedMemory: f[6], RequestedProcessors: f[7], RequestedTime: f[8], RequestedMemory: f[9], Status: f[10],
		User: f[11], Group: f[12], Executable: f[13], Queue: f[14], Partition: f[15], PrecedingJob: f[16],
		ThinkTime: f[17],
	}, nil
}

func parseField(text []byte, position, line int) (int64, error) {
	whole, rule := text, "a whole number"
	if position == averageCPUTime {
		whole, rule = cutFraction(text), "a decimal number"
	}
	value, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil {
		const most = 40
		return 0, fault.Invalid.New("line %d: field %d (%s) is %q, it must be %s of 64 bits",
			line, position+1, fieldNames[position], text[:min(len(text), most)], rule)
	}
	return value, nil
}

// cutFraction gives what is before the point, or text itself when it is not
// digits that follow the point.
func cutFraction(text []byte) []byte {
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	if len(fraction) == 0 || len(bytes.Trim(fraction, "0123456789")) > 0 {
		return text
	}
	return whole
}
