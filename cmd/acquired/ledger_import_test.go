package main

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/cmd/acquired/swf"
	"acquired/proto/fault"
)

// record is a line of a log.
func record(job, runTime, processors, status, user string) string {
	return strings.Join([]string{
		job, "0", "-1", runTime, processors, "-1", "-1", "-1", "-1", "-1", status, user, "1", "-1", "-1", "-1", "-1", "-1",
	}, " ")
}

func collect(records ...string) (*jobLog, error) {
	return collectJobs(context.Background(), swf.NewReader(strings.NewReader(strings.Join(records, "\n"))))
}

func TestCollectJobs(t *testing.T) {
	t.Parallel()
	got, err := collect(
		"; MaxJobs: 7",
		record("1", "10", "4", "1", "7"),
		record("2", "5", "1", "1", "-1"),
		record("3", "-1", "8", "1", "7"),
		record("4", "9", "0", "1", "9"),
		record("5", "1", "2", "1", "7"),
		record("5", "1", "1", "2", "7"),
		record("5", "1", "1", "4", "7"),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := &jobLog{
		records: 7,
		jobs:    []loggedJob{{1, 40, 0}, {2, 5, 1}, {5, 2, 0}},
		users:   []logUser{{7, 42}, {-1, 5}},
		skipped: map[string]uint64{
			skipPart: 2, swf.SkipRunTime: 1, swf.SkipProcessors: 1,
		},
		coreSeconds: 47,
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(jobLog{}, loggedJob{}, logUser{})); diff != "" {
		t.Errorf("log differs (-want +got):\n%s", diff)
	}
	if got.skips() != 4 {
		t.Errorf("skipped: got %d, want 4", got.skips())
	}
	if name := got.users[1].name(); name != "unknown" {
		t.Errorf("user -1: got name %q, want %q", name, "unknown")
	}
}

func TestCollectJobsRefuses(t *testing.T) {
	t.Parallel()
	const most = "9223372036854775807"
	tests := []struct {
		name    string
		records []string
		says    string
	}{
		{"a job twice", []string{record("8", "1", "1", "1", "1"), record("9", "1", "1", "1", "1"), record("8", "2", "1", "1", "2")},
			"job 8 occurs more than once"},
		{"more than can be", []string{record("1", most, "2", "1", "1"), record("2", most, "2", "1", "2")}, "job 2: the core-seconds"},
		{"what is no record", []string{"1 2 3"}, "18 fields"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := collect(test.records...)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want an invalid fault that says %q", err, test.says)
			}
		})
	}
}

func TestCheckCharges(t *testing.T) {
	t.Parallel()
	log := &jobLog{users: []logUser{{3, 1}, {4, 1 << 63}}}
	for _, test := range []struct {
		price string
		fits  bool
	}{
		{"0.05", true},
		{"1000000000000000000000000000000", false},
	} {
		price, err := swf.ParsePrice(test.price, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.checkCharges(price); (err == nil) != test.fits {
			t.Errorf("price %s: got %v, want it to fit: %t", test.price, err, test.fits)
		}
	}
}

func TestImportFlags(t *testing.T) {
	t.Parallel()
	good := importFlags{prefix: "/account/nasa/", payee: "/account/centre", price: "0.05", batch: 1000}
	filled := good
	if err := filled.complete(); err != nil {
		t.Fatal(err)
	}
	if filled.prefix != "/account/nasa" || filled.name != "nasa" {
		t.Errorf("got prefix %q and log %q, want %q and %q", filled.prefix, filled.name, "/account/nasa", "nasa")
	}
	for name, spoil := range map[string]func(*importFlags){
		"prefix":   func(f *importFlags) { f.prefix = "/user/nasa" },
		"no payee": func(f *importFlags) { f.payee = "/account/" },
		"price":    func(f *importFlags) { f.price = "-1" },
		"batch":    func(f *importFlags) { f.batch = 8191 },
		"log":      func(f *importFlags) { f.name = "na sa" },
	} {
		f := good
		spoil(&f)
		if err := f.complete(); failureOf(err).status != statusUsage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
}

func TestDescribeTrialBalance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		totals assetTotals
		want   string
	}{
		{"even", assetTotals{Scale: 2, DebitsPosted: "1.50", CreditsPosted: "1.50", DebitsPending: "0.00", CreditsPending: "0.00"}, "zero"},
		{"debits", assetTotals{Scale: 2, DebitsPosted: "1.50", CreditsPosted: "1.00", DebitsPending: "0.00", CreditsPending: "0.00"}, "0.50"},
		{"credits", assetTotals{Scale: 0, DebitsPosted: "1", CreditsPosted: "3", DebitsPending: "0", CreditsPending: "0"}, "-2"},
		{"offset by pending", assetTotals{Scale: 0, DebitsPosted: "1", CreditsPosted: "3", DebitsPending: "2", CreditsPending: "0"}, "0"},
	}
	for _, test := range tests {
		got, err := describeTrialBalance(test.totals)
		if err != nil || got != test.want {
			t.Errorf("%s: got %q and %v, want %q", test.name, got, err, test.want)
		}
	}
}

// What an account must have is what was computed; more is for others only if
// the account is not ours alone.
func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		fresh           bool
		booked          string
		other, mismatch bool
	}{
		{"equal", true, "5.00", false, false},
		{"less", false, "4.99", false, true},
		{"more", false, "5.01", true, false},
		{"more on a new account", true, "5.01", false, true},
	}
	for _, test := range tests {
		i := &importer{scale: 2, fresh: map[string]bool{"/account/a": test.fresh}}
		other, err := i.compare("/account/a", "debits", test.booked, big.NewInt(500))
		if err != nil || other != test.other || (len(i.mismatches) > 0) != test.mismatch {
			t.Errorf("%s: got other %t, mismatches %v, error %v; want other %t, mismatch %t",
				test.name, other, i.mismatches, err, test.other, test.mismatch)
		}
	}
}
