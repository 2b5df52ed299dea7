package jepsen

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The log that is charged, and a small one that stands in for it.
const (
	realLog  = "../../shared/data/nasa-ipsc-1993.swf.gz"
	smallLog = "../cmd/acquired/swf/testdata/small.swf"
)

// The price is 0.05 USD a core-hour: 5 cents for 3600 core-seconds.
const (
	price          = "0.05"
	centsPerUnit   = 5
	secondsPerUnit = 3600
)

// expected is what a log must come to, computed here and not by the program
// under test.
type expected struct {
	file                      string
	records, charged, skipped int
	// moved is how many of the charges are not of nothing: a user pays for all jobs
	// together, rounded down, and for a short one often nothing that was not paid.
	moved              int
	coreSeconds, cents *big.Int
	// users are the cents of each, by the last part of the account.
	users map[string]*big.Int
}

// expect reads the real log, or the small one where that is not at hand.
func expect(t *testing.T) *expected {
	t.Helper()
	e := &expected{file: realLog}
	if _, err := os.Stat(realLog); err != nil {
		t.Logf("%s is not at hand: a small made-up log stands in for it", realLog)
		e.file = smallLog
	}
	file, err := os.Open(e.file)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text io.Reader = file
	if strings.HasSuffix(e.file, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.compute(text); err != nil {
		t.Fatalf("%s: %v", e.file, err)
	}
	return e
}

// jobUsage is what one job used.
type jobUsage struct {
	user        string
	coreSeconds *big.Int
	ended       int64
}

func (e *expected) compute(text io.Reader) error {
	e.coreSeconds, e.cents, e.users = new(big.Int), new(big.Int), make(map[string]*big.Int)
	var jobs []jobUsage
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0][0] == ';' {
			continue
		}
		e.records++
		job, charged, err := parseRecord(fields)
		if err != nil {
			return fmt.Errorf("record %d: %w", e.records, err)
		}
		if !charged {
			e.skipped++
			continue
		}
		e.charged++
		e.coreSeconds.Add(e.coreSeconds, job.coreSeconds)
		jobs = append(jobs, job)
	}
	e.charge(jobs)
	return lines.Err()
}

// charge charges the jobs in the order in which they ended.
func (e *expected) charge(jobs []jobUsage) {
	slices.SortStableFunc(jobs, func(a, b jobUsage) int { return cmp.Compare(a.ended, b.ended) })
	used := make(map[string]*big.Int)
	for _, job := range jobs {
		if used[job.user] == nil {
			used[job.user], e.users[job.user] = new(big.Int), new(big.Int)
		}
		used[job.user].Add(used[job.user], job.coreSeconds)
		cents := new(big.Int).Mul(used[job.user], big.NewInt(centsPerUnit))
		if cents.Quo(cents, big.NewInt(secondsPerUnit)); cents.Cmp(e.users[job.user]) > 0 {
			e.moved++
		}
		e.users[job.user] = cents
	}
	for _, cents := range e.users {
		e.cents.Add(e.cents, cents)
	}
}

// parseRecord leaves out what is not charged: parts of a suspended job, and what
// has no run time or no processors.
func parseRecord(fields []string) (job jobUsage, charged bool, err error) {
	if len(fields) != 18 {
		return jobUsage{}, false, fmt.Errorf("%d fields, want 18", len(fields))
	}
	number := make(map[int]int64)
	for _, i := range []int{1, 2, 3, 4, 10, 11} {
		if number[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return jobUsage{}, false, err
		}
	}
	submitted, wait, runTime, processors, status := number[1], number[2], number[3], number[4], number[10]
	if status >= 2 && status <= 4 || runTime <= 0 || processors <= 0 {
		return jobUsage{}, false, nil
	}
	job = jobUsage{
		user: "user-unknown", coreSeconds: new(big.Int).Mul(big.NewInt(runTime), big.NewInt(processors)),
		ended: submitted + max(wait, 0) + runTime,
	}
	if number[11] >= 0 {
		job.user = "user-" + strconv.FormatInt(number[11], 10)
	}
	return job, true, nil
}

// decimal spells cents with two digits after the point.
func decimal(cents *big.Int) string {
	whole, rest := new(big.Int).QuoRem(cents, big.NewInt(100), new(big.Int))
	return fmt.Sprintf("%s.%02d", whole, rest)
}
