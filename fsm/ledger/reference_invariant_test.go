package ledger_test

import (
	"math/big"
	"strings"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// What holds of any sound ledger, asked of what it answers and not of the
// reference, after every step. The numbers are those of the list that the ledger is
// built to; of the others
//
//	7   fsmtest applies every log again, from nothing and behind a copy
//	8   steps are sent again under their ids and requests under theirs: compareAnswer,
//	    sendAgain
//	12  nothing is rated here; the nearest is that shares sum to what they part, which
//	    the entries of the journal show against the reference
//	13  there are no grants: who pays first is the order of then_debit, likewise
//	14  compareBalanceAt and compareRollUp
//	15  compareStatement
//	16  verify and compareAudit
//	21  wantFault for each refusal, and happened for all of them together
//	22  every amount of an answer is compared as text with that of the reference
//
// and 17 to 19 and 23 on are of what is around a ledger.

// books is what a ledger says of itself.
type books struct {
	totals    []*pb.AssetTotals
	accounts  []*pb.AccountResponse
	holds     map[string]*pb.HoldResponse
	documents map[string]*pb.DocumentResponse
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
	b := &books{holds: make(map[string]*pb.HoldResponse), documents: make(map[string]*pb.DocumentResponse)}
	totals, err := fsmtest.Ask(r.machine.Operator, ledger.TrialBalance, &pb.TrialBalanceRequest{})
	if err != nil {
		t.Fatalf("the trial balance: %v", err)
	}
	all, err := fsmtest.Ask(r.machine.Operator, ledger.ListAccounts, &pb.AccountsRequest{Limit: 1000})
	if err != nil {
		t.Fatalf("the accounts: %v", err)
	}
	b.totals, b.accounts = totals.Assets, all.Accounts
	for _, id := range r.plain.holdOrder {
		if b.holds[id], err = fsmtest.Ask(r.machine.Operator, ledger.Hold, &pb.HoldRequest{Id: id}); err != nil {
			t.Fatalf("hold %s: %v", id, err)
		}
	}
	for _, id := range r.plain.documentOrder {
		if b.documents[id], err = fsmtest.Ask(r.machine.Operator, ledger.Document, &pb.DocumentRequest{Id: id}); err != nil {
			t.Fatalf("document %s: %v", id, err)
		}
	}
	return b
}

// checkInvariants looks at the ledger now, and at what was so before.
func (r *referenceRun) checkInvariants(t *rapid.T, now *books) {
	t.Helper()
	now.checkTotals(t)
	pending := make(map[string]*pendingSums)
	for id, h := range now.holds {
		now.checkHold(t, h, r.machine.Position().Time)
		r.before.checkHoldAgainst(t, id, h)
		if h.State == "open" {
			sumsOf(pending, h.Debit).debits = plus(sumsOf(pending, h.Debit).debits, minor(t, h.Remaining))
			sumsOf(pending, h.Credit).credits = plus(sumsOf(pending, h.Credit).credits, minor(t, h.Remaining))
		}
	}
	for _, a := range now.accounts {
		checkLimits(t, a)
		if sums := sumsOf(pending, a.Path); minor(t, a.Balance.DebitsPending).Cmp(sums.debits) != 0 || minor(t, a.Balance.CreditsPending).Cmp(sums.credits) != 0 {
			t.Fatalf("5: %v has pending what its open holds do not have: %v and %v", a, sums.debits, sums.credits)
		}
	}
	for id, d := range now.documents {
		checkDocument(t, d)
		if was := r.before.documents[id]; was != nil && (was.Text != d.Text || was.Hash != d.Hash || was.Version > d.Version) {
			t.Fatalf("the document %v was %v", d, was)
		}
	}
	r.before = now
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
	if was := b.holds[id]; was != nil && was.State != "open" && !proto.Equal(was, now) {
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

// checkDocument is invariants 10 and 11, as far as a document says.
func checkDocument(t *rapid.T, d *pb.DocumentResponse) {
	t.Helper()
	switch d.Type {
	case "cheque":
		if minor(t, d.Cashed).Cmp(minor(t, term(d, "ceiling"))) > 0 || minor(t, term(d, "uses")).Cmp(big.NewInt(int64(d.Uses))) < 0 {
			t.Fatalf("10: more was cashed than promised: %v", d)
		}
	case "invoice":
		total, lines := minor(t, term(d, "total")), nothing
		for _, line := range terms(d, "line") {
			amount, _, _ := strings.Cut(line, " ")
			lines = plus(lines, minor(t, amount))
		}
		sum := plus(plus(minor(t, d.Paid), minor(t, d.Credited)), minor(t, d.Open))
		if total.Cmp(lines) != 0 || sum.Cmp(total) != 0 {
			t.Fatalf("11: %v", d)
		}
	case "receipt":
		paid := nothing
		for _, line := range terms(d, "paid") {
			_, amount, _ := strings.Cut(line, " ")
			paid = plus(paid, minor(t, amount))
		}
		captured := minor(t, term(d, "captured"))
		if paid.Cmp(captured) != 0 || captured.Cmp(minor(t, term(d, "held"))) > 0 {
			t.Fatalf("10: %v", d)
		}
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
