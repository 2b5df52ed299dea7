package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"acquired/cmd/acquired/swf"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// record is a line of a log.
func record(job, runTime, processors, status, user string) string {
	return timedRecord(job, "0", runTime, processors, "-1", status, user)
}

func timedRecord(job, submit, runTime, processors, asked, status, user string) string {
	return strings.Join([]string{
		job, submit, "-1", runTime, processors, "-1", "-1", "-1", asked, "-1", status, user, "1", "-1", "-1", "-1", "-1", "-1",
	}, " ")
}

func collect(records ...string) (*jobLog, error) {
	return collectJobs(context.Background(), swf.NewReader(strings.NewReader(strings.Join(records, "\n"))))
}

func TestCollectJobs(t *testing.T) {
	t.Parallel()
	got, err := collect(
		"; MaxJobs: 7",
		"; UnixStartTime: 749458803",
		timedRecord("5", "30", "10", "4", "8", "1", "7"),
		record("2", "5", "1", "1", "-1"),
		record("3", "-1", "8", "1", "7"),
		record("4", "9", "0", "1", "9"),
		record("1", "1", "2", "1", "7"),
		record("1", "1", "1", "2", "7"),
		record("1", "1", "1", "4", "7"),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := &jobLog{
		records: 7, start: 749458803,
		jobs:     []loggedJob{{5, 30, 40, 32, 40, 0}, {2, 0, 5, 8, 5, 1}, {1, 0, 1, 4, 2, 0}},
		byNumber: []int32{2, 1, 0},
		users:    []logUser{{7, 42}, {-1, 5}},
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
	if position, ok := got.position(5); position != 0 || !ok {
		t.Errorf("position of job 5: got %d, %t, want 0", position, ok)
	}
	if position, ok := got.position(3); ok {
		t.Errorf("position of job 3, which is not charged: got %d", position)
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

// planned gives an import of the log into empty books, at a price of 1 an hour and
// core of an asset with two digits.
func planned(t *testing.T, records ...string) *importer {
	t.Helper()
	log, err := collect(records...)
	if err != nil {
		t.Fatal(err)
	}
	return plan(log)
}

func plan(log *jobLog) *importer {
	price, err := swf.ParsePrice("1", 2)
	if err != nil {
		panic(err)
	}
	return &importer{
		flags: &importFlags{prefix: "/account/lab", payee: "/account/centre", asset: "USD", name: "lab"},
		log:   log, price: price, scale: 2, began: time.Unix(2_000_000_000, 0), pending: log.events(),
		found: log.foundNone(),
	}
}

// importSteps gives the steps of an import in short.
func importSteps(t *testing.T, i *importer) (plan []string) {
	t.Helper()
	for c, err := range i.charges() {
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range i.steps(c) {
			switch s := s.Step.(type) {
			case *pb.Step_Hold:
				plan = append(plan, fmt.Sprintf("%s: hold %s of %s", s.Hold.Id, s.Hold.Amount, s.Hold.Debit))
			case *pb.Step_Extend:
				plan = append(plan, fmt.Sprintf("%s: %s more", s.Extend.Id, s.Extend.Amount))
			case *pb.Step_Capture:
				plan = append(plan, fmt.Sprintf("%s: capture %s", s.Capture.Id, s.Capture.Amount))
			case *pb.Step_IssueReceipt:
				plan = append(plan, s.IssueReceipt.Id)
			}
		}
	}
	return plan
}

func TestImportPlan(t *testing.T) {
	t.Parallel()
	i := planned(t,
		timedRecord("3", "10", "90", "1", "36", "1", "7"),  // more than it asked for
		timedRecord("1", "0", "10", "1", "-1", "1", "7"),   // ends when 3 is submitted
		timedRecord("2", "0", "18", "2", "3600", "1", "7"), // less than it asked for
	)
	want := []string{
		"swf:lab:1: hold 0.01 of /account/lab/user-7",
		"swf:lab:2: hold 2.00 of /account/lab/user-7",
		"swf:lab:1:use: capture 0.00", "swf:lab:1:receipt",
		"swf:lab:3: hold 0.01 of /account/lab/user-7",
		"swf:lab:2:use: capture 0.01", "swf:lab:2:receipt",
		"swf:lab:3:more: 0.01 more", "swf:lab:3:use: capture 0.02", "swf:lab:3:receipt",
	}
	if diff := cmp.Diff(want, importSteps(t, i)); diff != "" {
		t.Errorf("plan differs (-want +got):\n%s", diff)
	}
	if most := i.log.mostAtOnce(); most != 2 {
		t.Errorf("most jobs at once: got %d, want 2", most)
	}
	needs, err := i.needs()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/account/lab/user-7", "/account/centre"} {
		if got := needs[path]; got.most.Int64() != 201 || got.reserved.Int64() != 203 || got.mostOpen != 2 {
			t.Errorf("%s needs %s at once in %d holds, and %s in all, want 201 in 2, and 203", path, got.most, got.mostOpen, got.reserved)
		}
	}
}

// What is in the books is not made again, and counts for what is left to charge.
func TestImportPlanGoesOn(t *testing.T) {
	t.Parallel()
	i := planned(t, record("1", "18", "1", "1", "7"), record("2", "18", "1", "1", "7"))
	i.found.ended[0] = true
	i.pending = []event{3}
	if diff := cmp.Diff([]string{"swf:lab:2:use: capture 0.01", "swf:lab:2:receipt"}, importSteps(t, i)); diff != "" {
		t.Errorf("plan differs (-want +got):\n%s", diff)
	}
}

func TestImportRefusesTooMuch(t *testing.T) {
	t.Parallel()
	i := planned(t, record("3", "1", "1", "1", "3"), record("4", "9223372036854775807", "1", "1", "4"))
	for _, test := range []struct {
		price string
		fits  bool
	}{
		{"0.05", true},
		{"1000000000000000000000000000000", false},
	} {
		var err error
		if i.price, err = swf.ParsePrice(test.price, 2); err != nil {
			t.Fatal(err)
		}
		if _, err := i.needs(); (err == nil) != test.fits {
			t.Errorf("price %s: got %v, want it to fit: %t", test.price, err, test.fits)
		}
	}
}

func TestImportEffective(t *testing.T) {
	t.Parallel()
	const start = 1_999_990_000 // The import begins 10,000 seconds later.
	for _, test := range []struct {
		name                      string
		start, ended, closedUntil int64
		want                      int64
	}{
		{"long ago", start, 100, 0, start + 100},
		{"an hour ago", start, 6400, 0, start + 6400},
		{"within the hour", start, 6401, 0, 0},
		{"never", math.MaxInt64, math.MaxInt64, 0, 0},
		{"unknown", 0, 100, 0, 0},
		{"in the first open second", start, 100, start + 100, start + 100},
		{"in a closed period", start, 100, start + 101, 0},
	} {
		i := &importer{log: &jobLog{start: test.start}, began: time.Unix(start+10_000, 0), closedUntil: test.closedUntil * 1e9}
		if got := i.effective(&loggedJob{ended: test.ended}); got != test.want*1e9 {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want*1e9)
		}
	}
}

func TestImportMeans(t *testing.T) {
	t.Parallel()
	account := func(path, overdraft, ceiling string, holdOverdraft bool) *pb.AccountResponse {
		return &pb.AccountResponse{
			Path: path, State: "open", Overdraft: overdraft, Ceiling: ceiling, HoldOverdraft: holdOverdraft,
			Balance: &pb.BalanceResponse{CreditsPosted: "9.00", DebitsPosted: "4.00", DebitsPending: "3.00", CreditsPending: "1.00"},
		}
	}
	frozen := account("/account/lab/user-7", unlimited, "", true)
	frozen.State = "frozen"
	daily := func(limit, spent string) *pb.AccountResponse {
		a := account("/account/lab/user-7", unlimited, "", true)
		a.DailyLimit, a.SpentToday = limit, spent
		return a
	}
	for _, test := range []struct {
		name    string
		account *pb.AccountResponse
		need    int64
		want    string
	}{
		{"what it has", account("/account/lab/user-7", "5.00", "", false), 200, ""},
		{"the overdraft is not for holds", account("/account/lab/user-7", "5.00", "", false), 201, "has 2.00 USD available for holds, up to 2.01 are needed at once"},
		{"an overdraft for holds", account("/account/lab/user-7", "5.00", "", true), 700, ""},
		{"more than the overdraft", account("/account/lab/user-7", "5.00", "", true), 701, "has 7.00 USD available, up to 7.01"},
		{"unlimited", account("/account/lab/user-7", unlimited, "", true), 1e9, ""},
		{"unlimited but for holds", account("/account/lab/user-7", unlimited, "", false), 201, "has 2.00 USD available for holds"},
		{"a payee", account("/account/centre", "0.00", "", false), 1e9, ""},
		{"room", account("/account/centre", "0.00", "10.00", false), 400, ""},
		{"no room", account("/account/centre", "0.00", "10.00", false), 401, "has 4.00 USD of room below its ceiling, up to 4.01"},
		{"above the ceiling", account("/account/centre", "0.00", "5.00", false), 1, "has 0.00 USD of room"},
		{"frozen", frozen, 1, "/account/lab/user-7 is frozen"},
		{"frozen and nothing to do", frozen, 0, ""},
		{"what the day leaves", daily("10.00", "4.00"), 300, ""},
		{"more than the day leaves", daily("10.00", "4.01"), 300, "has 5.99 USD left of its daily limit, up to 6.00 are needed today"},
		{"a limit that was lowered", daily("1.00", "4.00"), 1, "has 0.00 USD left of its daily limit, up to 0.02 are needed today"},
	} {
		i := &importer{flags: &importFlags{payee: "/account/centre", asset: "USD"}, scale: 2}
		// All is held twice, one after the other.
		err := i.bear(test.account, &need{most: big.NewInt(test.need), reserved: big.NewInt(2 * test.need)})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// TestImportWithinTheDay refuses a log whose holds are more than the day allows before
// the first: when they are not, the same log is charged.
func TestImportWithinTheDay(t *testing.T) {
	t.Parallel()
	const user = "/account/lab/user-7"
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: user, Overdraft: unlimited, HoldOverdraft: true, DailyLimit: "29.99"})
	charge := func() error {
		// Each is held for 15.00 and charged 10.00, one after the other.
		i := planned(t, timedRecord("1", "0", "36000", "1", "54000", "1", "7"), timedRecord("2", "99999", "36000", "1", "54000", "1", "7"))
		i.client, i.notes, i.progress, i.began = c, io.Discard, newProgress(io.Discard, "jobs charged", 2), time.Now()
		i.flags.price, i.flags.batch, i.flags.scale = "1", maxSteps, 2
		_, err := i.run(t.Context())
		return err
	}
	for range 2 {
		err := charge()
		if want := "account " + user + " has 29.99 USD left of its daily limit, up to 30.00 are needed today"; !errors.Is(err, fault.Insufficient) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if accounts := allAccounts(t, c); len(accounts) != 2 {
		t.Errorf("after the refusals there are %d accounts, want 2", len(accounts))
	}
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: user, DailyLimit: proto.String("30.00")})
	if err := charge(); err != nil {
		t.Errorf("within the limit: %v", err)
	}
}

// TestImportOfManyJobs refuses a log of more jobs of a user at once than open holds may
// reserve of an account, those that are there counted, before anything is made.
func TestImportOfManyJobs(t *testing.T) {
	t.Parallel()
	const user, centre = "/account/lab/user-7", "/account/centre"
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: user, Overdraft: unlimited, HoldOverdraft: true}, &pb.OpenAccountRequest{Path: centre})
	mustOp(t, c,
		holding(&pb.PlaceHold{Id: "other", Debit: user, Credit: "/account/bank", Amount: "1"}),
		holding(&pb.PlaceHold{Id: "income", Debit: "/account/bank", Credit: user, Amount: "1"}),
	)
	all := []string{record("0", "36", "1", "1", "8")}
	for n := range ledger.MaxOpenHolds {
		all = append(all, record(number(uint64(n+1)), "36", "1", "1", "7"))
	}
	i := planned(t, all...)
	i.client, i.notes, i.progress, i.began = c, io.Discard, newProgress(io.Discard, "jobs charged", len(all)), time.Now()
	i.flags.price, i.flags.batch, i.flags.scale, i.flags.overdraft = "1", maxSteps, 2, unlimited
	_, err := i.run(t.Context())
	want := "up to 10001 open holds would reserve of account " + user + " at once, and at most 10000 may"
	if !errors.Is(err, fault.Exhausted) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if accounts := allAccounts(t, c); len(accounts) != 3 {
		t.Errorf("after the refusal there are %d accounts, want 3", len(accounts))
	}
	if _, _, err := i.findHolds(t.Context(), 1); err != nil || i.found.open[1] != 1 {
		t.Errorf("looked at again: got %d open holds, %v, want 1", i.found.open[1], err)
	}
	mustOp(t, c, &pb.Step{Step: &pb.Step_Release{Release: &pb.ReleaseHold{Id: "free", Hold: "other"}}})
	if err := i.prepare(t.Context()); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
}

// onNote does something when the user is told what was made.
type onNote func()

func (do onNote) Write(p []byte) (int, error) {
	do()
	return len(p), nil
}

// TestImportThatOthersOvertake says that the id of a hold is used up, if others reserve
// as much as can be of an account after the import looked at it.
func TestImportThatOthersOvertake(t *testing.T) {
	t.Parallel()
	const user, bank = "/account/lab/user-7", "/account/bank"
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: user, Overdraft: unlimited, HoldOverdraft: true})
	i := planned(t, record("1", "36", "1", "1", "7"))
	i.notes = onNote(func() {
		for first := range ledger.MaxOpenHolds / ledger.MaxSteps {
			var steps []*pb.Step
			for n := range ledger.MaxSteps {
				steps = append(steps, holding(&pb.PlaceHold{Id: fmt.Sprintf("h-%d-%d", first, n), Debit: user, Credit: bank, Amount: "1"}))
			}
			mustOp(t, c, steps...)
		}
	})
	i.client, i.progress, i.began = c, newProgress(io.Discard, "jobs charged", 1), time.Now()
	i.flags.price, i.flags.batch, i.flags.scale = "1", maxSteps, 2
	_, err := i.run(t.Context())
	if hint := hintOf(err); !errors.Is(err, fault.Exhausted) || !strings.Contains(hint, "the id of a step that was refused is used up") {
		t.Errorf("got %v, hint %q, want one that the id is used up", err, hint)
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
		"batch":    func(f *importFlags) { f.batch = 1001 },
		"small":    func(f *importFlags) { f.batch = 2 },
		"free":     func(f *importFlags) { f.price = "0.00" },
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

// FuzzImport: whatever the log says, each job reserves before it is charged, what
// users are charged is exactly what their jobs cost, and nothing stays reserved.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		record("1", "3600", "1", "1", "7") + "\n" + timedRecord("2", "9", "1", "128", "60", "1", "-1"),
		timedRecord("1", "9223372036854775807", "9223372036854775807", "1", "1", "1", "1") + "\n" + record("2", "1", "1", "1", "1"),
		"; UnixStartTime: 9223372036854775807\n" + timedRecord("-9223372036854775808", "-5", "1", "1", "9223372036854775807", "1", "1"),
		record("1", "1", "1", "3", "1") + "\n" + record("1", "0", "1", "1", "1"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		log, err := collect(text)
		if err != nil {
			return
		}
		i := plan(log)
		held, charged := make(map[int]*big.Int), make([]*big.Int, len(log.users))
		for user := range charged {
			charged[user] = new(big.Int)
		}
		for c, err := range i.charges() {
			if err != nil {
				t.Fatal(err) // 2^64-1 core-seconds do not cost too much at this price
			}
			job := c.event.job()
			if !c.event.ends() {
				if c.held.Sign() <= 0 {
					t.Fatalf("job %d: the hold is of %v", c.job.number, c.held)
				}
				held[job] = c.held
				continue
			}
			if held[job] == nil || new(big.Int).Add(held[job], c.more).Cmp(c.used) < 0 {
				t.Fatalf("job %d: %v is captured of %v held and %v more", c.job.number, c.used, held[job], c.more)
			}
			if nanos := i.effective(c.job); nanos < 0 || nanos > i.began.UnixNano() {
				t.Fatalf("job %d: it is effective at %d", c.job.number, nanos)
			}
			delete(held, job)
			charged[c.job.user].Add(charged[c.job.user], c.used)
		}
		if len(held) > 0 {
			t.Fatalf("%d holds stay open", len(held))
		}
		for user, got := range charged {
			if want := i.price.Total(log.users[user].coreSeconds); got.Cmp(want) != 0 {
				t.Fatalf("user %s is charged %v, want %v", log.users[user].name(), got, want)
			}
		}
	})
}
