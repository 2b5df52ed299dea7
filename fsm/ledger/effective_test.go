package ledger_test

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// The balances and statements again, worked out from all entries of the journal.

// wholeJournal gives all entries.
func wholeJournal(t fsmtest.T, m *fsmtest.Machine) (all []*pb.JournalEntry) {
	t.Helper()
	req := &pb.JournalRequest{}
	for {
		res, err := fsmtest.Ask(m.Operator, ledger.Journal, req)
		if err != nil {
			t.Fatalf("journal: %v", err)
		}
		all = append(all, res.Entries...)
		if res.Done {
			return all
		}
		req.Cursor = res.Cursor
	}
}

func posts(e *pb.JournalEntry) bool {
	return slices.Contains([]string{"transfer", "refund", "exchange", "payout", "capture"}, e.Kind)
}

// timeOf gives the time of an entry on an axis.
func timeOf(e *pb.JournalEntry, effective bool) int64 {
	if effective {
		return e.EffectiveUnixNanos
	}
	return e.UnixNanos
}

func isBelow(path, under string) bool { return path == under || strings.HasPrefix(path, under+"/") }

// summed gives the debits and credits, at scale 2, of the accounts at and below a
// path that entries before an instant posted; until 0 is all entries.
func summed(journal []*pb.JournalEntry, under string, until int64, effective bool) (debits, credits *big.Int) {
	debits, credits = new(big.Int), new(big.Int)
	for _, e := range journal {
		if !posts(e) || until != 0 && timeOf(e, effective) >= until {
			continue
		}
		if isBelow(e.Debit, under) {
			debits.Add(debits, parse(e.Amount, 2))
		}
		if isBelow(e.Credit, under) {
			credits.Add(credits, parse(e.Amount, 2))
		}
	}
	return debits, credits
}

func balanceOf(debits, credits *big.Int) string { return format(new(big.Int).Sub(credits, debits), 2) }

// linesOf gives the lines of a statement in the order of time.
func linesOf(journal []*pb.JournalEntry, req *pb.StatementRequest) (lines []*pb.StatementLine) {
	journal = slices.Clone(journal)
	slices.SortStableFunc(journal, func(a, b *pb.JournalEntry) int {
		return cmp.Compare(timeOf(a, req.Effective), timeOf(b, req.Effective))
	})
	debits, credits := summed(journal, req.Path, max(req.FromUnixNanos, 1), req.Effective)
	add := func(e *pb.JournalEntry, account, other string, sum *big.Int, side func(*pb.StatementLine) *string) {
		if !isBelow(account, req.Path) {
			return
		}
		sum.Add(sum, parse(e.Amount, 2))
		l := &pb.StatementLine{
			Index: e.Index, UnixNanos: e.UnixNanos, EffectiveUnixNanos: e.EffectiveUnixNanos, Transfer: e.Id, Kind: e.Kind,
			Counterparty: other, Description: e.Description, Balance: balanceOf(debits, credits),
		}
		if *side(l) = e.Amount; req.Subtree {
			l.Account = account
		}
		lines = append(lines, l)
	}
	for _, e := range journal {
		at := timeOf(e, req.Effective)
		if !posts(e) || at < req.FromUnixNanos || req.UntilUnixNanos != 0 && at >= req.UntilUnixNanos {
			continue
		}
		add(e, e.Debit, e.Credit, debits, func(l *pb.StatementLine) *string { return &l.Debit })
		add(e, e.Credit, e.Debit, credits, func(l *pb.StatementLine) *string { return &l.Credit })
	}
	return lines
}

// wholeStatement reads a statement page by page, and gives its lines in the order
// of time and its balances. The pages must chain.
func wholeStatement(t fsmtest.T, by *fsmtest.Client, req *pb.StatementRequest) (lines []*pb.StatementLine, opening, closing string) {
	t.Helper()
	for page := 0; ; page++ {
		res, err := fsmtest.Ask(by, ledger.Statement, req)
		switch {
		case err != nil:
			t.Fatalf("statement %v: %v", req, err)
		case req.NewestFirst && page > 0 && res.Closing != opening, !req.NewestFirst && page > 0 && res.Opening != closing:
			t.Fatalf("page %d of statement %v goes from %s to %s, the one before from %s to %s", page, req, res.Opening, res.Closing, opening, closing)
		case res.Cursor != "" && len(res.Lines) != int(req.Limit), page > 0 && len(res.Lines) == 0:
			t.Fatalf("page %d of statement %v has %d lines and goes on at %s", page, req, len(res.Lines), res.Cursor)
		}
		if page == 0 || req.NewestFirst {
			opening = res.Opening
		}
		if page == 0 || !req.NewestFirst {
			closing = res.Closing
		}
		lines = append(lines, res.Lines...)
		if res.Cursor == "" {
			break
		}
		req.Cursor = res.Cursor
	}
	if req.NewestFirst {
		slices.Reverse(lines)
	}
	return lines, opening, closing
}

// timeline is a machine that random things happen to, at random times.
type timeline struct {
	t    *rapid.T
	m    *fsmtest.Machine
	made int
	// times are those of entries, on both axes.
	times []int64
	// hold is one that is open, or empty.
	hold string
}

var timelineAccounts = []string{"/account/bank", "/account/team/x", "/account/team/y", "/account/team/e"}

func newTimeline(t *rapid.T) *timeline {
	l := &timeline{t: t, m: fsmtest.New(t)}
	fsmtest.Must(l.m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	for _, account := range timelineAccounts[:3] {
		open(l.m, account, "USD", ledger.Unlimited, "")
	}
	pay(l.m, "opening", "/account/bank", "/account/team/x", "1000")
	l.times = []int64{l.m.Position().Time}
	return l
}

// step lets something happen, that is back-dated or not, at the log time of the
// step before or later.
func (l *timeline) step() {
	l.m.EntryNanos = rapid.SampledFrom([]int64{0, 0, 1, 2, 1000}).Draw(l.t, "wait")
	l.made++
	switch rapid.IntRange(0, 5).Draw(l.t, "what") {
	case 0:
		l.placeOrRelease()
	case 1:
		l.empty()
	default:
		l.transfer()
	}
	l.times = append(l.times, l.m.Position().Time)
}

func (l *timeline) account(what string) string {
	return rapid.SampledFrom(timelineAccounts).Draw(l.t, what)
}

// transfer makes some transfers at once. An account that is gone is opened again.
func (l *timeline) transfer() {
	if exists := l.balance("/account/team/e"); exists == "" {
		fsmtest.Must(l.m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
			Path: "/account/team/e", Asset: "USD", Kind: "ephemeral", Overdraft: ledger.Unlimited,
		})
	}
	req := &pb.TransferRequest{}
	now := l.m.Position().Time + l.m.EntryNanos
	for i := range rapid.IntRange(1, 3).Draw(l.t, "transfers") {
		debit := l.account("debit")
		credit := l.account("credit")
		if debit == credit {
			continue
		}
		transfer := of(fmt.Sprint("t", l.made, "-", i), debit, credit, fmt.Sprint(rapid.IntRange(0, 9).Draw(l.t, "amount")))
		transfer.Description = fmt.Sprint(i)
		if rapid.Bool().Draw(l.t, "back-date") {
			at := rapid.SampledFrom(append(l.times, now, now-1, now-300, now-1<<40, 1)).Draw(l.t, "effective")
			transfer.EffectiveUnixNanos = min(at, now)
			l.times = append(l.times, at)
		}
		req.Transfers = append(req.Transfers, transfer)
	}
	if len(req.Transfers) > 0 {
		fsmtest.Must(l.m.Operator, ledger.Transfer, req)
	}
}

// balance is empty when there is no account.
func (l *timeline) balance(path string) string {
	res, err := fsmtest.Ask(l.m.Operator, ledger.Balance, &pb.BalanceRequest{Path: path})
	if err != nil {
		return ""
	}
	return res.Balance
}

// empty pays what the ephemeral account has, and it goes.
func (l *timeline) empty() {
	amount := l.balance("/account/team/e")
	debit, credit := "/account/team/e", "/account/team/y"
	if strings.HasPrefix(amount, "-") {
		debit, credit, amount = credit, debit, amount[1:]
	}
	if amount != "" && amount != "0.00" {
		pay(l.m, fmt.Sprint("empty", l.made), debit, credit, amount)
	}
}

func (l *timeline) placeOrRelease() {
	step := &pb.Step{Step: &pb.Step_Release{Release: &pb.ReleaseHold{Id: fmt.Sprint("r", l.made), Hold: l.hold}}}
	if l.hold == "" {
		l.hold = fmt.Sprint("h", l.made)
		step = &pb.Step{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{Id: l.hold, Debit: "/account/team/x", Credit: "/account/team/y", Amount: "1"}}}
	} else {
		if rapid.Bool().Draw(l.t, "capture") {
			step = &pb.Step{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: fmt.Sprint("c", l.made), Hold: l.hold}}}
		}
		l.hold = ""
	}
	if _, err := fsmtest.Do(l.m.Operator, ledger.Op, &pb.OpRequest{Steps: []*pb.Step{step}}); err != nil && step.GetHold() == nil {
		l.t.Fatalf("%v: %v", step, err)
	} else if err != nil {
		l.hold = "" // x has nothing to reserve
	}
}

// instant is at, just before or just behind something.
func (l *timeline) instant(what string) int64 {
	return max(1, rapid.SampledFrom(l.times).Draw(l.t, what)+rapid.Int64Range(-1, 1).Draw(l.t, what+" beside"))
}

func TestTimelines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newTimeline(t)
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			l.step()
		}
		journal := wholeJournal(t, l.m)
		for range 4 {
			l.compareBalance(journal)
			l.compareStatement(journal)
		}
	})
}

// compareBalance compares what an account had, and all of the team, at an instant.
func (l *timeline) compareBalance(journal []*pb.JournalEntry) {
	at, effective := l.instant("at"), rapid.Bool().Draw(l.t, "by effective time")
	account := rapid.SampledFrom(timelineAccounts[:3]).Draw(l.t, "account")
	got, err := fsmtest.Ask(l.m.Operator, ledger.Balance, &pb.BalanceRequest{Path: account, AtUnixNanos: at, Effective: effective})
	if err != nil {
		l.t.Fatalf("balance: %v", err)
	}
	debits, credits := summed(journal, account, at+1, effective)
	want := &pb.BalanceResponse{
		Path: account, Asset: "USD", DebitsPosted: format(debits, 2), CreditsPosted: format(credits, 2), Balance: balanceOf(debits, credits),
	}
	if !effective {
		want.DebitsPending, want.CreditsPending = pendingOf(journal, account, at)
	}
	if diff := gocmp.Diff(want, got, protocmp.Transform()); diff != "" {
		l.t.Fatalf("%s at %d, by effective time %v (-want +got):\n%s", account, at, effective, diff)
	}
	sums, err := fsmtest.Ask(l.m.Operator, ledger.RollUp, &pb.RollUpRequest{Under: "/account/team", AtUnixNanos: at, Effective: effective})
	if err != nil {
		l.t.Fatalf("roll-up: %v", err)
	}
	sum := "0.00"
	for _, a := range sums.Assets {
		sum = a.Balance
	}
	if debits, credits := summed(journal, "/account/team", at+1, effective); sum != balanceOf(debits, credits) {
		l.t.Fatalf("rolled up at %d, by effective time %v: %v, want %s", at, effective, sums, balanceOf(debits, credits))
	}
}

func pendingOf(journal []*pb.JournalEntry, account string, at int64) (debits, credits string) {
	d, c := new(big.Int), new(big.Int)
	for _, e := range journal {
		change, ok := map[string]int64{"hold": 1, "capture": -1, "divert": -1, "release": -1, "expire": -1}[e.Kind]
		if !ok || e.UnixNanos > at {
			continue
		}
		amount := new(big.Int).Mul(parse(e.Amount, 2), big.NewInt(change))
		if e.Debit == account {
			d.Add(d, amount)
		}
		if e.Credit == account {
			c.Add(c, amount)
		}
	}
	return format(d, 2), format(c, 2)
}

// compareStatement compares the lines between two instants, in two statements of
// which one begins where the other ends.
func (l *timeline) compareStatement(journal []*pb.JournalEntry) {
	edges := []int64{0, l.instant("between"), 0}
	if rapid.Bool().Draw(l.t, "from") {
		edges[0] = min(l.instant("from is"), edges[1])
	}
	if rapid.Bool().Draw(l.t, "until") {
		edges[2] = max(l.instant("until is"), edges[1])
	}
	ask := &pb.StatementRequest{
		Path: rapid.SampledFrom(timelineAccounts[:3]).Draw(l.t, "account"), Effective: rapid.Bool().Draw(l.t, "by effective time"),
		NewestFirst: rapid.Bool().Draw(l.t, "newest first"), Limit: rapid.SampledFrom([]uint32{1, 2, 3, 1000}).Draw(l.t, "limit"),
	}
	if ask.Subtree = rapid.Bool().Draw(l.t, "subtree"); ask.Subtree {
		ask.Path = rapid.SampledFrom([]string{"/account", "/account/team", "/account/team/x"}).Draw(l.t, "under")
	}
	before := ""
	for i := range 2 {
		req := &pb.StatementRequest{
			Path: ask.Path, Effective: ask.Effective, NewestFirst: ask.NewestFirst, Limit: ask.Limit, Subtree: ask.Subtree,
			FromUnixNanos: edges[i], UntilUnixNanos: edges[i+1],
		}
		lines, opening, closing := wholeStatement(l.t, l.m.Operator, req)
		want := linesOf(journal, req)
		if diff := gocmp.Diff(want, lines, protocmp.Transform()); diff != "" {
			l.t.Fatalf("statement %v (-want +got):\n%s", req, diff)
		}
		debits, credits := summed(journal, req.Path, max(req.FromUnixNanos, 1), req.Effective)
		end, endCredits := summed(journal, req.Path, req.UntilUnixNanos, req.Effective)
		if opening != balanceOf(debits, credits) || closing != balanceOf(end, endCredits) || i > 0 && opening != before {
			l.t.Fatalf("statement %v goes from %s to %s, want %s to %s; the one before ended with %q",
				req, opening, closing, balanceOf(debits, credits), balanceOf(end, endCredits), before)
		}
		before = closing
	}
}
