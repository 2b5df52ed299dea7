package ledger_test

import (
	"bytes"
	"math/big"
	"strings"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// What holds of any sound ledger, asked of what it answers and not of the
// reference. The numbers are those of the list that the ledger is built to. After
// every step
//
//	1   debits are credits per asset: checkTotals
//	2   likewise, as every command is applied whole before anything is asked
//	3   accounts are within their limits: checkLimits
//	4   nothing of a hold is lost: checkHold
//	5   what is pending is what the open holds have: checkPending
//	6   what is closed stays so: checkHoldAgainst
//	7   the records sum to the state hash: checkState. That the log gives the same
//	    state from nothing, behind a copy, and opened again is looked at once, when a
//	    run ends, by fsmtest
//	8   a request that is sent again under its id gets its answer, and changes
//	    nothing: with each entry of requests one of earlier entries is, while its
//	    answer must be remembered. Steps are sent again under their ids as they are
//	    drawn
//	9   what is refused leaves the state hash as it was, if nothing else is in its
//	    entry of the log, and no journal entries else: send
//	10  refunds are at most what moved, receipts at most what was captured, cheques at
//	    most what they promise: tallies.add and checkDocument
//	11  invoices are the sum of their lines and what was posted: checkDocument
//	14  the balance of one drawn account at two drawn instants, on both axes, and a
//	    drawn sum over accounts are those of the journal: lookBack
//	15  a drawn statement chains, line by line, page by page, and if it has an end with
//	    the statement of what follows: lookBack
//	16  each new audit line chains, and is told from one with a bit altered:
//	    checkState. The whole of the books is worked out again after one step in
//	    wholeEvery and when a run ends, then with a bit altered too
//	20  no hold is open after its time, or expired before it: checkHold
//	21  every refusal is the one of the first rule that is broken: wantFault, and all
//	    kinds together in happened
//	22  what was asked for in decimals is what moved, and what is answered is written
//	    at the scale of the asset: checkMoved and checkDecimals
//
// Of the holds and documents that could not change any more the step before, and of
// these only, a few are looked at after each step, and all after one in wholeEvery.
//
// 12 and 13 are of rated usage and grants, which a ledger has not; the nearest to
// them, that shares sum to what they part, is in 22. 17 to 19 and 23 on are of what is
// around a ledger.

// wholeEvery is after how many steps all is looked at that is too much for every step.
const wholeEvery = 16

// books is what a ledger says of itself. It has all holds and documents that it was
// asked of.
type books struct {
	totals    []*pb.AssetTotals
	accounts  []*pb.AccountResponse
	holds     map[string]*pb.HoldResponse
	documents map[string]*pb.DocumentResponse
}

func newBooksOf() *books {
	return &books{holds: make(map[string]*pb.HoldResponse), documents: make(map[string]*pb.DocumentResponse)}
}

// minor reads an amount in minor units.
func minor(t *rapid.T, s string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(strings.Replace(s, ".", "", 1), 10)
	if !ok {
		t.Fatalf("%q is no amount", s)
	}
	return n
}

func (r *referenceRun) readBooks(t *rapid.T) *books {
	t.Helper()
	b := newBooksOf()
	totals, err := fsmtest.Ask(r.machine.Operator, ledger.TrialBalance, &pb.TrialBalanceRequest{})
	if err != nil {
		t.Fatalf("the trial balance: %v", err)
	}
	all, err := fsmtest.Ask(r.machine.Operator, ledger.ListAccounts, &pb.AccountsRequest{Limit: 1000})
	if err != nil || all.Cursor != "" {
		t.Fatalf("the accounts: %v, %v", all.GetCursor(), err)
	}
	b.totals, b.accounts = totals.Assets, all.Accounts
	for _, id := range r.toRead(t, r.plain.holdOrder, func(id string) bool { return isOver(r.before.holds[id]) }) {
		if b.holds[id], err = fsmtest.Ask(r.machine.Operator, ledger.Hold, &pb.HoldRequest{Id: id}); err != nil {
			t.Fatalf("hold %s: %v", id, err)
		}
	}
	for _, id := range r.toRead(t, r.plain.documentOrder, func(id string) bool { return isFinal(r.before.documents[id]) }) {
		if b.documents[id], err = fsmtest.Ask(r.machine.Operator, ledger.Document, &pb.DocumentRequest{Id: id}); err != nil {
			t.Fatalf("document %s: %v", id, err)
		}
	}
	return b
}

// isOver says whether nothing can change a hold, or a document, any more. What was
// not read yet is not.
func isOver(h *pb.HoldResponse) bool { return h != nil && h.State != "open" }

func isFinal(d *pb.DocumentResponse) bool {
	return d != nil && d.State != "open" && d.State != "overdue"
}

// toRead gives those that may have changed, and of the others some, or all.
func (r *referenceRun) toRead(t *rapid.T, ids []string, settled func(string) bool) (some []string) {
	const few = 4
	var others []string
	for _, id := range ids {
		if settled(id) {
			others = append(others, id)
		} else {
			some = append(some, id)
		}
	}
	if len(others) <= few || r.steps%wholeEvery == 0 {
		return append(some, others...)
	}
	at := r.draw(t).from(0, len(others)-few, "settled ones")
	return append(some, others[at:at+few]...)
}

// checkInvariants looks at the ledger now, at what was so before, and at the past.
func (r *referenceRun) checkInvariants(t *rapid.T, now *books) {
	t.Helper()
	now.checkTotals(t)
	for id, h := range now.holds {
		now.checkHold(t, h, r.machine.Position().Time)
		r.before.checkHoldAgainst(t, id, h)
		r.before.holds[id] = h
	}
	now.checkPending(t)
	for _, a := range now.accounts {
		checkLimits(t, a)
	}
	for id, d := range now.documents {
		r.checkDocument(t, d)
		if was := r.before.documents[id]; was != nil && (was.Text != d.Text || was.Hash != d.Hash || was.Version > d.Version) {
			t.Fatalf("the document %v was %v", d, was)
		}
		r.before.documents[id] = d
	}
	now.checkDecimals(t)
	r.checkState(t)
	r.lookBack(t)
	r.steps++
}

// checkTotals is invariants 1 and 2: debits are credits, posted and pending. That
// they are the sums of the accounts, those that are gone included, is for the
// reference.
func (b *books) checkTotals(t *rapid.T) {
	t.Helper()
	for _, a := range b.totals {
		if a.DebitsPosted != a.CreditsPosted || a.DebitsPending != a.CreditsPending {
			t.Fatalf("1: %v does not balance", a)
		}
	}
}

// pendingSums are of the open holds of an account.
type pendingSums struct{ debits, credits *big.Int }

func sumsOf(all map[string]*pendingSums, path string) *pendingSums {
	if all[path] == nil {
		all[path] = &pendingSums{nothing, nothing}
	}
	return all[path]
}

// checkPending is invariant 5.
func (b *books) checkPending(t *rapid.T) {
	t.Helper()
	pending := make(map[string]*pendingSums)
	for _, h := range b.holds {
		if h.State == "open" {
			debit, credit := sumsOf(pending, h.Debit), sumsOf(pending, h.Credit)
			debit.debits, credit.credits = plus(debit.debits, minor(t, h.Remaining)), plus(credit.credits, minor(t, h.Remaining))
		}
	}
	for _, a := range b.accounts {
		sums := sumsOf(pending, a.Path)
		if minor(t, a.Balance.DebitsPending).Cmp(sums.debits) != 0 || minor(t, a.Balance.CreditsPending).Cmp(sums.credits) != 0 {
			t.Fatalf("5: %v has pending what its open holds do not have: %v and %v", a, sums.debits, sums.credits)
		}
	}
}

// checkHold is invariant 4, and 20: nothing is open after its time, and nothing
// expired before it.
func (b *books) checkHold(t *rapid.T, h *pb.HoldResponse, now int64) {
	t.Helper()
	out := plus(plus(minor(t, h.Captured), minor(t, h.Released)), minor(t, h.Expired))
	remaining := minor(t, h.Remaining)
	if remaining.Sign() < 0 || plus(out, remaining).Cmp(minor(t, h.Held)) != 0 || (h.State == "open") != (remaining.Sign() > 0) {
		t.Fatalf("4: %v", h)
	}
	if h.State == "open" && h.ExpiresUnixNanos <= now || minor(t, h.Expired).Sign() > 0 && h.ExpiresUnixNanos > now {
		t.Fatalf("20: at %d: %v", now, h)
	}
}

// checkHoldAgainst is invariant 6: what is closed stays as it is.
func (b *books) checkHoldAgainst(t *rapid.T, id string, now *pb.HoldResponse) {
	t.Helper()
	if was := b.holds[id]; isOver(was) && !proto.Equal(was, now) {
		t.Fatalf("6: the hold %v was closed: %v", now, was)
	}
}

// checkLimits is invariant 3.
func checkLimits(t *rapid.T, a *pb.AccountResponse) {
	t.Helper()
	if strings.HasPrefix(a.Balance.Available, "-") {
		t.Fatalf("3: %v is below its floor", a)
	}
	have := plus(minor(t, a.Balance.Balance), minor(t, a.Balance.CreditsPending))
	if a.Ceiling != "" && have.Cmp(minor(t, a.Ceiling)) > 0 {
		t.Fatalf("3: %v is above its ceiling", a)
	}
	if (a.State == "closed" || a.Kind == "transient") && have.Sign() != 0 {
		t.Fatalf("3: %v is not empty", a)
	}
}

// checkDecimals is invariant 22, as far as what is answered goes.
func (b *books) checkDecimals(t *rapid.T) {
	t.Helper()
	scales := make(map[string]int)
	for _, a := range b.totals {
		scales[a.Asset] = int(a.Scale)
		wantScale(t, int(a.Scale), a.DebitsPosted, a.CreditsPosted, a.DebitsPending, a.CreditsPending, a.Balance)
	}
	for _, a := range b.accounts {
		has := a.Balance
		wantScale(t, scales[a.Asset], has.DebitsPosted, has.CreditsPosted, has.DebitsPending, has.CreditsPending, has.Balance)
		for _, limit := range []string{has.Available, a.Overdraft, a.Ceiling, a.DailyLimit, a.SpentToday} {
			if limit != "" && limit != ledger.Unlimited {
				wantScale(t, scales[a.Asset], limit)
			}
		}
	}
}

// wantScale wants amounts in the one form that there is at a scale.
func wantScale(t *rapid.T, scale int, amounts ...string) {
	t.Helper()
	for _, s := range amounts {
		digits, _ := strings.CutPrefix(s, "-")
		_, fraction, _ := strings.Cut(digits, ".")
		if !plainDecimal.MatchString(digits) || len(fraction) != scale || digits != s && strings.Trim(digits, "0.") == "" {
			t.Fatalf("22: %q is not how an amount is written at the scale %d", s, scale)
		}
	}
}

// checkState is invariants 7 and 16.
func (r *referenceRun) checkState(t *rapid.T) {
	t.Helper()
	r.machine.View(func(v *command.Reading) {
		if err := v.Verify(nil); err != nil {
			t.Fatalf("7: %v", err)
		}
		problem := ""
		if r.chainedTo, problem = ledger.CheckChain(v, r.chainedTo); problem != "" {
			t.Fatalf("16: %s", problem)
		}
	})
	if r.steps%wholeEvery == wholeEvery-1 {
		r.verify(t)
	}
}

// end is of a whole run: the books are worked out again, and a copy of them with a bit
// altered in the journal or the audit log is found to be wrong.
func (r *referenceRun) end(t *rapid.T) {
	t.Helper()
	r.verify(t)
	engine, at := copyOf(r.machine)
	var records []kv.Write
	snapshot := engine.Snapshot()
	for _, table := range []string{"ledger/entry\x00", "ledger/audit\x00"} {
		for key, value := range snapshot.Scan([]byte(table), []byte(table+"\xff"), false) {
			records = append(records, kv.Write{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		}
	}
	snapshot.Close()
	a := r.draw(t)
	altered := one(a, "record", records...)
	was := bytes.Clone(altered.Value)
	altered.Value[a.from(0, len(was)-1, "byte")] ^= 1 << a.from(0, 7, "bit")
	if ledger.ReadsAsEntry(altered.Value, was) {
		return
	}
	engine.Commit([]kv.Write{altered})
	at.View = kv.Open(engine, &ledger.Schema, &tree.Schema).View()
	defer at.View.Close()
	res, err := ledger.Verify(&at, func(*pb.VerifyResponse) error { return nil })
	if err != nil || len(res.Findings) == 0 {
		t.Fatalf("16: nothing is found, %v, with a bit altered in the record %x of %q", err, altered.Value, altered.Key)
	}
}

// checkDocument is invariants 10 and 11, as far as a document says.
func (r *referenceRun) checkDocument(t *rapid.T, d *pb.DocumentResponse) {
	t.Helper()
	switch d.Type {
	case "cheque":
		if minor(t, d.Cashed).Cmp(minor(t, term(d, "ceiling"))) > 0 || minor(t, term(d, "uses")).Cmp(big.NewInt(int64(d.Uses))) < 0 {
			t.Fatalf("10: more was cashed than promised: %v", d)
		}
		if cashed := sumOf(r.tallies.since, d.Id); cashed.Cmp(minor(t, d.Cashed)) != 0 {
			t.Fatalf("10: of %v %v was cashed", d, cashed)
		}
	case "invoice":
		r.checkInvoice(t, d)
	case "receipt":
		r.checkReceipt(t, d)
	case "refund":
		if posted := sumOf(r.tallies.made, d.Id); posted.Cmp(minor(t, term(d, "amount"))) != 0 {
			t.Fatalf("10: of %v %v went back", d, posted)
		}
	}
}

// checkInvoice is invariant 11: what it demands is what was posted, and so is what was
// paid and taken back.
func (r *referenceRun) checkInvoice(t *rapid.T, d *pb.DocumentResponse) {
	t.Helper()
	total, lines := minor(t, term(d, "total")), nothing
	for _, line := range terms(d, "line") {
		amount, _, _ := strings.Cut(line, " ")
		lines = plus(lines, minor(t, amount))
	}
	settled := plus(minor(t, d.Paid), minor(t, d.Credited))
	if total.Cmp(lines) != 0 || plus(settled, minor(t, d.Open)).Cmp(total) != 0 || minor(t, d.Open).Sign() < 0 {
		t.Fatalf("11: %v", d)
	}
	if posted, back := sumOf(r.tallies.made, d.Id), sumOf(r.tallies.since, d.Id); posted.Cmp(total) != 0 || back.Cmp(settled) != 0 {
		t.Fatalf("11: of %v %v was posted and %v settled", d, posted, back)
	}
}

// checkReceipt is invariant 10 of a receipt: it is for what was captured, and that is
// at most what was held.
func (r *referenceRun) checkReceipt(t *rapid.T, d *pb.DocumentResponse) {
	t.Helper()
	paid := nothing
	for _, line := range terms(d, "paid") {
		_, amount, _ := strings.Cut(line, " ")
		paid = plus(paid, minor(t, amount))
	}
	captured := minor(t, term(d, "captured"))
	if paid.Cmp(captured) != 0 || captured.Cmp(minor(t, term(d, "held"))) > 0 {
		t.Fatalf("10: %v", d)
	}
	if h := r.before.holds[term(d, "hold")]; captured.Cmp(minor(t, h.Captured)) > 0 {
		t.Fatalf("10: the receipt %v is for more than was captured of %v", d, h)
	}
}

// terms gives the values that the text of a document has under the key.
func terms(d *pb.DocumentResponse, key string) (values []string) {
	for line := range strings.Lines(d.Text) {
		if value, ok := strings.CutPrefix(line, key+": "); ok {
			values = append(values, strings.TrimSuffix(value, "\n"))
		}
	}
	return values
}

func term(d *pb.DocumentResponse, key string) string { return strings.Join(terms(d, key), " ") }
