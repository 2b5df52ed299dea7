package ledger_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// wantFault compares a refusal with that of the reference: its kind, the step that
// it is about, and the field of an id that was used for something else.
func wantFault(t *rapid.T, req any, err error, want *plainFault) {
	t.Helper()
	got := "nothing"
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		got = fmt.Sprintf("%s at %q, field %q", f.Kind, f.Details["position"], f.Details["field"])
	} else if err != nil {
		got = err.Error()
	}
	if got != want.String() {
		t.Fatalf("%v\nis refused with %s (%v), want %s", req, got, err, want)
	}
}

func (f *plainFault) String() string {
	if f == nil {
		return "nothing"
	}
	position := ""
	if f.position >= 0 {
		position = fmt.Sprint(f.position)
	}
	return fmt.Sprintf("%s at %q, field %q", f.kind, position, f.field)
}

// compareAnswer compares what is answered with what the reference answers.
func compareAnswer[M proto.Message](t *rapid.T, req any, got, want M) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Fatalf("%v\nis answered otherwise (-want +got):\n%s", req, cmp.Diff(want, got, protocmp.Transform()))
	}
}

// compareAnswers is compareAnswer for lists.
func compareAnswers[M proto.Message](t *rapid.T, req any, got, want []M) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b M) bool { return proto.Equal(a, b) }) {
		t.Fatalf("%v\nis answered otherwise (-want +got):\n%s", req, cmp.Diff(want, got, protocmp.Transform()))
	}
}

// compareAll compares everything that can be asked of the two ledgers but for what
// is long: statements, pages and times past.
func (r *referenceRun) compareAll(t *rapid.T) {
	t.Helper()
	r.compareJournal(t) // of holds that expired with what moved nothing
	r.compareAudit(t)
	now := r.readBooks(t)
	r.checkInvariants(t, now)
	compareAnswers(t, "the trial balance", now.totals, r.plain.trialBalanceResponse().Assets)
	var accounts []*pb.AccountResponse
	for _, p := range r.plain.paths() {
		accounts = append(accounts, r.plain.accountResponse(p))
	}
	slices.SortFunc(now.accounts, func(a, b *pb.AccountResponse) int { return strings.Compare(a.Path, b.Path) })
	compareAnswers(t, "the accounts", now.accounts, accounts)
	for id, h := range now.holds {
		compareAnswer(t, "hold "+id, h, r.plain.holdResponse(id))
	}
	for id, d := range now.documents {
		compareAnswer(t, "document "+id, d, r.plain.documentResponse(id))
	}
}

// compareJournal compares the entries that were not compared before, and learns
// their places.
func (r *referenceRun) compareJournal(t *rapid.T) {
	t.Helper()
	req := &pb.JournalRequest{Cursor: r.cursor}
	got, err := fsmtest.Ask(r.machine.Operator, ledger.Journal, req)
	if err != nil || !got.Done {
		t.Fatalf("the journal from %q: %v, %v", req.Cursor, got, err)
	}
	r.cursor = got.Cursor
	fresh := r.plain.entries[r.compared:]
	if len(got.Entries) != len(fresh) {
		t.Fatalf("the journal goes on with %v, want %d entries", got.Entries, len(fresh))
	}
	for i, e := range got.Entries {
		want := r.plain.journalEntry(&fresh[i])
		want.Counter = e.Counter
		compareAnswer(t, "the journal", e, want)
		r.plain.entries[r.compared+i].counter = e.Counter
		r.tallies.add(t, e)
	}
	r.compared = len(r.plain.entries)
}

// journalEntry gives an entry as the journal has it.
func (l *plainLedger) journalEntry(e *plainEntry) *pb.JournalEntry {
	return &pb.JournalEntry{
		Index: e.index, Counter: e.counter, UnixNanos: e.time, EffectiveUnixNanos: e.at(), Kind: e.kind, Id: e.id, Part: uint32(e.part),
		Debit: l.accounts[e.debit].path, Credit: l.accounts[e.credit].path, Asset: l.accounts[e.debit].asset,
		DebitGone: l.accounts[e.debit].gone, CreditGone: l.accounts[e.credit].gone,
		Amount: l.text(e.debit, e.amount), Hold: e.hold, Document: e.document, Of: e.of, Description: e.description,
	}
}

// at is the time at which an entry counts as having happened.
func (e *plainEntry) at() int64 {
	if e.effective == 0 || effects[e.kind].posted == 0 {
		return e.time
	}
	return e.effective
}

func (l *plainLedger) documentResponse(id string) *pb.DocumentResponse {
	d := l.documents[id]
	res := &pb.DocumentResponse{
		Id: id, Type: d.kind, State: d.state(l.now), Version: uint64(1 + d.changes), Text: d.text, Hash: d.hash,
		Index: d.index, UnixNanos: d.time,
	}
	switch d.kind {
	case "cheque":
		res.Uses, res.Cashed = d.used, l.text(d.accounts[0], d.cashed)
	case "invoice":
		res.Paid, res.Credited, res.Open = l.text(d.accounts[0], d.paid), l.text(d.accounts[0], d.credited), l.text(d.accounts[0], d.open())
	}
	return res
}

func (l *plainLedger) accountResponse(path string) *pb.AccountResponse {
	i := l.at[path]
	a := &l.accounts[i]
	res := &pb.AccountResponse{
		Path: path, Asset: a.asset, Kind: a.kind, State: a.state, Version: a.version, Overdraft: "unlimited",
		HoldOverdraft: a.holdOverdraft, Owner: a.owner, OpenedUnixNanos: a.opened, Balance: l.balanceResponse(path),
	}
	if a.overdraft != nil {
		res.Overdraft = l.text(i, a.overdraft)
	}
	if a.ceiling != nil {
		res.Ceiling = l.text(i, a.ceiling)
	}
	if a.dailyLimit != nil {
		res.DailyLimit, res.SpentToday = l.text(i, a.dailyLimit), l.text(i, a.spentToday(l.now))
	}
	for _, key := range slices.Sorted(maps.Keys(a.metadata)) {
		res.Metadata = append(res.Metadata, &pb.Metadatum{Key: key, Value: a.metadata[key]})
	}
	return res
}

// balanceResponse is what an account has now.
func (l *plainLedger) balanceResponse(path string) *pb.BalanceResponse {
	a := &l.accounts[l.at[path]]
	scale, available := l.scales[a.asset], "unlimited"
	if bound := a.spendable(l.now); bound != nil {
		available = format(bound, scale)
	}
	return &pb.BalanceResponse{
		Path: path, Asset: a.asset,
		DebitsPosted: format(a.debits, scale), CreditsPosted: format(a.credits, scale),
		DebitsPending: format(a.debitsPending, scale), CreditsPending: format(a.creditsPending, scale),
		Available: available, Balance: format(a.balance(), scale),
	}
}

func (l *plainLedger) trialBalanceResponse() *pb.TrialBalanceResponse {
	res := &pb.TrialBalanceResponse{}
	for _, code := range l.assets() {
		sum := l.totals(code)
		totals := l.totalsResponse(code, &sum, 0, false)
		for _, a := range l.accounts {
			if a.asset == code && !a.gone {
				totals.Accounts++
			}
		}
		for _, e := range l.entries {
			if effects[e.kind].posted > 0 && l.accounts[e.debit].asset == code {
				totals.Transfers++
			}
		}
		res.Assets = append(res.Assets, totals)
	}
	return res
}

func (l *plainLedger) holdResponse(id string) *pb.HoldResponse {
	h := l.holds[id]
	return &pb.HoldResponse{
		Id: id, Debit: l.accounts[h.debit].path, Credit: l.accounts[h.credit].path, Asset: l.accounts[h.debit].asset,
		Held: l.text(h.debit, h.held), Captured: l.text(h.debit, h.captured), Released: l.text(h.debit, h.released),
		Expired: l.text(h.debit, h.expired), Remaining: l.text(h.debit, h.remaining()), State: h.state(),
		PlacedUnixNanos: h.placed, ExpiresUnixNanos: h.expires, Overdraft: h.overdraft, Delegate: h.delegate.name,
		Description: h.description, Document: h.document, Index: h.index,
	}
}

// cover says whether a path is a folder or below it.
func cover(folder, path string) bool {
	return folder == "" || path == folder || strings.HasPrefix(path, folder+"/")
}
