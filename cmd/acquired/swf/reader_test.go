package swf

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"acquired/proto/fault"
)

// readAll gives all records, and the error that ended them unless it is io.EOF.
func readAll(r *Reader) ([]Record, error) {
	var records []Record
	for {
		record, err := r.Read()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, record)
	}
}

func zip(t *testing.T, text string) string {
	t.Helper()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped.String()
}

// line gives a record whose fields are all 1, but for the field at the position.
func line(position int, text string) string {
	fields := strings.Fields(strings.Repeat("1 ", len(fieldNames)))
	fields[position-1] = text
	return strings.Join(fields, " ")
}

func TestRead(t *testing.T) {
	t.Parallel()
	const log = "; Computer: none\n\n" +
		"1 2 3 4 5 6.99 7 8 9 10 11 12 13 14 15 16 17 18\n" +
		" \t\r\n  ; a comment in the middle\n" +
		"\t-1   -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -9223372036854775808  \r\n" +
		"9223372036854775807 0 0 0 0 -0.5 0 0 0 0 0 0 0 0 0 0 0 0"
	want := []Record{
		{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
		{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, math.MinInt64},
		{Job: math.MaxInt64},
	}
	for name, source := range map[string]io.Reader{
		"plain":             strings.NewReader(log),
		"byte by byte":      iotest.OneByteReader(strings.NewReader(log)),
		"end with data":     iotest.DataErrReader(strings.NewReader(log)),
		"gzip":              strings.NewReader(zip(t, log)),
		"gzip in two":       strings.NewReader(zip(t, log[:40]) + zip(t, log[40:])),
		"gzip byte by byte": iotest.OneByteReader(strings.NewReader(zip(t, log))),
	} {
		got, err := readAll(NewReader(source))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: records (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	for _, log := range []string{"", "\n", "; only a comment", zip(t, "")} {
		got, err := NewReader(strings.NewReader(log)).Read()
		if err != io.EOF {
			t.Errorf("Read of %q = %v, %v; want io.EOF", log, got, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ log, want string }{
		{"1 2 3", "line 1: a record has 18 fields, not 3"},
		{";\n\n" + line(1, "1 1"), "line 3: a record has 18 fields, not 19"},
		{"\x1f", `line 1: field 1 (job) is "\x1f", it must be a whole number of 64 bits`},
		{line(1, "one"), `line 1: field 1 (job) is "one", it must be a whole number of 64 bits`},
		{line(4, "12.00"), `line 1: field 4 (run time) is "12.00", it must be a whole number of 64 bits`},
		{line(5, "1e3"), `line 1: field 5 (allocated processors) is "1e3", it must be a whole number of 64 bits`},
		{line(6, "12."), `line 1: field 6 (average cpu time) is "12.", it must be a decimal number of 64 bits`},
		{line(6, ".5"), `line 1: field 6 (average cpu time) is ".5", it must be a decimal number of 64 bits`},
		{line(6, "1.2.3"), `line 1: field 6 (average cpu time) is "1.2.3", it must be a decimal number of 64 bits`},
		{line(6, "NaN"), `line 1: field 6 (average cpu time) is "NaN", it must be a decimal number of 64 bits`},
		{line(18, "9223372036854775808"), `line 1: field 18 (think time) is "9223372036854775808", it must be a whole number of 64 bits`},
		{line(12, strings.Repeat("x", 50)), `line 1: field 12 (user) is "` + strings.Repeat("x", 40) + `", it must be a whole number of 64 bits`},
		{";\n;" + strings.Repeat("x", MaxLine), "line 2: lines are at most 65536 bytes long"},
	} {
		for _, log := range []string{test.log, zip(t, test.log)} {
			got, err := readAll(NewReader(strings.NewReader(log)))
			if !errors.Is(err, fault.Invalid) || err.Error() != test.want || len(got) > 0 {
				t.Errorf("Read of %.60q = %v, %v; want fault.Invalid %s", test.log, got, err, test.want)
			}
		}
	}
}

func TestReadErrorIsFinal(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader(line(1, "1") + "\n" + line(1, "x") + "\n" + line(1, "3") + "\n"))
	if first, err := r.Read(); err != nil || first.Job != 1 {
		t.Fatalf("first Read = %v, %v; want job 1", first, err)
	}
	_, second := r.Read()
	if record, third := r.Read(); second == nil || third != second {
		t.Errorf("Read after %v = %v, %v; want the same error", second, record, third)
	}
}

func TestReadLongestLine(t *testing.T) {
	t.Parallel()
	comment := ";" + strings.Repeat("x", MaxLine-2) + "\n"
	got, err := readAll(NewReader(strings.NewReader(comment + line(1, "7"))))
	if err != nil || len(got) != 1 || got[0].Job != 7 {
		t.Errorf("after a line of %d bytes: %v, %v; want job 7", len(comment), got, err)
	}
}

func TestReadBoundsTheLog(t *testing.T) {
	t.Parallel()
	record := line(1, "1") + "\n"
	log := strings.Repeat(record, 3)
	for _, source := range []string{log, zip(t, log)} {
		r := NewReader(strings.NewReader(source))
		r.left = int64(2 * len(record))
		got, err := readAll(r)
		const want = "line 3: the log is too long, at most 1073741824 bytes are read"
		if !errors.Is(err, fault.Invalid) || err.Error() != want || len(got) != 2 {
			t.Errorf("read %d records, %v; want 2 and %s", len(got), err, want)
		}
	}
}

func TestReadPassesErrorsOfTheSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	zipped := zip(t, strings.Repeat(line(1, "1")+"\n", 100))
	corrupt := []byte(zipped)
	corrupt[len(corrupt)-8]++ // The first byte of the checksum.
	for name, test := range map[string]struct {
		source io.Reader
		want   error
	}{
		"at once":       {iotest.ErrReader(broken), broken},
		"later":         {io.MultiReader(strings.NewReader("; half a li"), iotest.ErrReader(broken)), broken},
		"only once":     {iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(";\n"))), iotest.ErrTimeout},
		"cut magic":     {strings.NewReader(zipped[:2]), io.ErrUnexpectedEOF},
		"cut gzip":      {strings.NewReader(zipped[:len(zipped)-1]), io.ErrUnexpectedEOF},
		"corrupt gzip":  {bytes.NewReader(corrupt), gzip.ErrChecksum},
		"bad gzip head": {strings.NewReader("\x1f\x8bxxxxxxxxxxxx"), gzip.ErrHeader},
	} {
		if _, err := readAll(NewReader(test.source)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]int{
		"":                                                   0,
		"; MaxRecords: 12\n; MaxJobs: 10\n":                  12,
		"; MaxJobs: 10\n; MaxRecords: 12\n":                  12,
		";MaxJobs:10\r\n":                                    10,
		"; MaxRecords: 0\n; MaxJobs: 10\n":                   10,
		"; MaxRecords: many\n; MaxJobs: -3\n":                0,
		"; MaxRecords: 99999999999999999999\n":               0,
		"; MaxNodes: 64\n; Note: MaxJobs: 5\n; MaxRecords\n": 0,
	} {
		r := NewReader(strings.NewReader(log + line(1, "1")))
		if _, err := r.Read(); err != nil {
			t.Errorf("%q: %v", log, err)
		}
		if got := r.Records(); got != want {
			t.Errorf("Records after %q = %d, want %d", log, got, want)
		}
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]int64{
		"":                                       0,
		"; UnixStartTime: 749458803\n":           749458803,
		"; UnixStartTime: -1\n":                  0,
		"; UnixStartTime: 9223372036854775807\n": MaxTime,
		"; StartTime: Fri Oct 01 00:00:03 PDT 1993\n":          0,
		"; UnixStartTime: 1\n; UnixStartTime: sometime then\n": 1,
	} {
		r := NewReader(strings.NewReader(log + line(1, "1")))
		if _, err := r.Read(); err != nil {
			t.Errorf("%q: %v", log, err)
		}
		if got := r.Start(); got != want {
			t.Errorf("Start after %q = %d, want %d", log, got, want)
		}
	}
}

// summary is what a log amounts to.
type summary struct {
	Announced, Records, Users   int
	SkipRunTime, SkipProcessors int
	CoreSeconds                 uint64
}

func summarize(t *testing.T, source io.Reader) summary {
	t.Helper()
	r := NewReader(source)
	records, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	got := summary{Announced: r.Records(), Records: len(records)}
	users := make(map[int64]bool)
	for _, record := range records {
		users[record.User] = true
		coreSeconds, skip := record.CoreSeconds()
		switch skip {
		case "":
			got.CoreSeconds += coreSeconds
		case SkipRunTime:
			got.SkipRunTime++
		case SkipProcessors:
			got.SkipProcessors++
		default:
			t.Errorf("job %d: skip %q", record.Job, skip)
		}
	}
	got.Users = len(users)
	return got
}

func TestSmallLog(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/small.swf")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	want := summary{Announced: 200, Records: 200, Users: 12, SkipRunTime: 6, SkipProcessors: 2, CoreSeconds: 25_211_073}
	if diff := cmp.Diff(want, summarize(t, file)); diff != "" {
		t.Errorf("small log (-want +got):\n%s", diff)
	}
}

func TestRealLog(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../../../../shared/data/nasa-ipsc-1993.swf.gz")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the log of the NASA iPSC/860 is not at hand:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	want := summary{Announced: 18_239, Records: 18_239, Users: 69, SkipRunTime: 173, CoreSeconds: 474_238_015}
	if diff := cmp.Diff(want, summarize(t, file)); diff != "" {
		t.Errorf("real log (-want +got):\n%s", diff)
	}
}

func TestCoreSeconds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		runTime, processors int64
		want                uint64
		skip                string
	}{
		{1, 1, 1, ""},
		{3600, 128, 460_800, ""},
		{math.MaxInt64, 2, math.MaxUint64 - 1, ""},
		{math.MaxInt64, 3, 0, SkipOverflow},
		{0, 1, 0, SkipRunTime},
		{-1, 1, 0, SkipRunTime},
		{-1, -1, 0, SkipRunTime},
		{1, 0, 0, SkipProcessors},
		{1, -1, 0, SkipProcessors},
		{1, math.MinInt64, 0, SkipProcessors},
	} {
		record := Record{RunTime: test.runTime, AllocatedProcessors: test.processors}
		if got, skip := record.CoreSeconds(); got != test.want || skip != test.skip {
			t.Errorf("%d s on %d processors = %d, %q; want %d, %q", test.runTime, test.processors, got, skip, test.want, test.skip)
		}
	}
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		submit, wait, run int64
		submitted, ended  int64
	}{
		{10, 5, 20, 10, 35},
		{10, -1, 20, 10, 30},
		{-1, -1, 20, 0, 20},
		{math.MinInt64, math.MinInt64, -1, 0, 0},
		{math.MaxInt64, math.MaxInt64, math.MaxInt64, MaxTime, 3 * MaxTime},
		{math.MaxInt64, -1, 1, MaxTime, MaxTime + 1},
	} {
		submitted, ended := Record{Submit: test.submit, Wait: test.wait, RunTime: test.run}.Lifetime()
		if submitted != test.submitted || ended != test.ended {
			t.Errorf("submitted at %d, %d s of wait, %d s of run: %d to %d, want %d to %d",
				test.submit, test.wait, test.run, submitted, ended, test.submitted, test.ended)
		}
	}
}

func TestAskedCoreSeconds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		askedTime, askedProcessors, ran, allocated int64
		want                                       uint64
	}{
		{100, 4, 10, 8, 400},
		{100, -1, 10, 8, 800},
		{-1, 4, 10, 8, 60},
		{0, 0, 11, 2, 34},
		{-1, -1, 1, 1, 2},
		{-1, -1, math.MaxInt64, 1, 13835058055282163711},
		{-1, -1, math.MaxInt64, 2, math.MaxUint64},
		{math.MaxInt64, math.MaxInt64, 1, 1, math.MaxUint64},
		{-1, -1, -1, -1, 0},
	} {
		record := Record{RequestedTime: test.askedTime, RequestedProcessors: test.askedProcessors, RunTime: test.ran, AllocatedProcessors: test.allocated}
		if got := record.AskedCoreSeconds(); got != test.want {
			t.Errorf("%d s on %d processors, %d s on %d used: %d, want %d",
				test.askedTime, test.askedProcessors, test.ran, test.allocated, got, test.want)
		}
	}
}

// format writes a record as a line of a log.
func format(r Record) string {
	return fmt.Sprintln(r.Job, r.Submit, r.Wait, r.RunTime, r.AllocatedProcessors, r.AverageCPUTime,
		r.UsedMemory, r.RequestedProcessors, r.RequestedTime, r.RequestedMemory, r.Status, r.User, r.Group,
		r.Executable, r.Queue, r.Partition, r.PrecedingJob, r.ThinkTime)
}

func TestReadRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Make[Record](), 1, 10).Draw(t, "records")
		var log strings.Builder
		for _, record := range want {
			log.WriteString(format(record))
		}
		got, err := readAll(NewReader(strings.NewReader(log.String())))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v; records (-want +got):\n%s", err, diff)
		}
	})
}

var (
	wholeNumber   = regexp.MustCompile(`^[+-]?[0-9]+$`)
	decimalNumber = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)
)

// readPlain is readAll by other means, for a plain log. The line is that of the
// first mistake, 0 if there is none.
func readPlain(log string) (records []Record, line int) {
	for number, text := range strings.SplitAfter(log, "\n") {
		fields := strings.Fields(text)
		switch {
		case len(text) > MaxLine, len(text) == MaxLine && !strings.HasSuffix(text, "\n"):
			return records, number + 1
		case len(fields) == 0, strings.HasPrefix(fields[0], ";"):
			continue
		case len(fields) != 18:
			return records, number + 1
		}
		var record Record
		value := reflect.ValueOf(&record).Elem()
		for i, field := range fields {
			form := wholeNumber
			if i == 5 {
				form = decimalNumber
			}
			whole, _, _ := strings.Cut(field, ".")
			n, ok := new(big.Int).SetString(whole, 10)
			if !form.MatchString(field) || !ok || !n.IsInt64() {
				return records, number + 1
			}
			value.Field(i).SetInt(n.Int64())
		}
		records = append(records, record)
	}
	return records, 0
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"", "; MaxJobs: 3\n", line(1, "1"), line(6, "12.00") + "\r\n" + line(6, "-1.5"), line(4, "1.0"), "1 2 3\n",
		";" + strings.Repeat("x", MaxLine), "\x1f\x8b", line(1, "99999999999999999999"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, log string) {
		if strings.HasPrefix(log, "\x1f\x8b") {
			if _, err := readAll(NewReader(strings.NewReader(log))); err == nil && len(log) < 18 {
				t.Fatalf("Read of %q found no error, too short for gzip", log)
			}
			return
		}
		want, mistake := readPlain(log)
		for _, source := range []string{log, zip(t, log)} {
			got, err := readAll(NewReader(strings.NewReader(source)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%v; records (-want +got):\n%s", err, diff)
			}
			if mistake == 0 && err == nil {
				continue
			}
			if !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), fmt.Sprintf("line %d: ", mistake)) {
				t.Fatalf("Read: %v; want fault.Invalid at line %d", err, mistake)
			}
		}
	})
}
