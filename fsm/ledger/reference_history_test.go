package ledger_test

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// instant draws a time on one of the axes: before, between and at those of entries.
func (a *artist) instant(label string) int64 {
	if len(a.entries) == 0 || a.sometimes(8, label+" is now or never") {
		return one(a, label, 0, a.now, a.now+plainSecond, 1, a.accounts[0].opened)
	}
	e := one(a, label+" of", a.entries...)
	return max(0, one(a, label, e.time, e.at(), e.at(), e.at()-1, e.at()+1))
}

// on gives when the entry was made, on one of the axes.
func (e *plainEntry) on(effective bool) int64 {
	if effective {
		return e.at()
	}
	return e.time
}

// pathOnce draws the path of an account that is or was there, half of the time one that
// has gone, if there is one.
func (a *artist) pathOnce(label string) string {
	var all, left []string
	for _, account := range a.accounts {
		all = append(all, account.path)
		if account.gone {
			left = append(left, account.path)
		}
	}
	if len(left) > 0 && a.sometimes(2, label+" of one that has gone") {
		all = left
	}
	slices.Sort(all)
	return one(a, label, slices.Compact(all)...)
}

// instantAt draws a time at which something may have happened at a path.
func (a *artist) instantAt(path, label string) int64 {
	var all []int64
	for _, account := range a.accounts {
		if account.path == path {
			all = append(all, account.opened-1, account.opened)
		}
		if account.path == path && account.gone {
			all = append(all, account.left-1, account.left, account.left+1)
		}
	}
	if a.sometimes(2, label+" of anything") {
		return a.instant(label)
	}
	return one(a, label, all...)
}

// countersAt sums what the entries did to each account up to an instant.
func (l *plainLedger) countersAt(at int64, effective bool) []plainCounters {
	sums := make([]plainCounters, len(l.accounts))
	for i := range sums {
		sums[i] = newPlainCounters()
	}
	for _, e := range l.entries {
		if e.on(effective) <= at {
			e.add(&sums[e.debit], &sums[e.credit])
		}
	}
	return sums
}

// instantOf is the end of time for no instant.
func (l *plainLedger) instantOf(at int64) int64 {
	if at == 0 {
		return l.now
	}
	return at
}

// accountThen gives the account that was at the path at an instant, or else the one that
// is there now.
func (l *plainLedger) accountThen(path string, at int64) (i int, ok bool) {
	for i, a := range l.accounts {
		if a.path == path && a.opened <= at && (!a.gone || at < a.left) {
			return i, true
		}
	}
	i, ok = l.at[path]
	return i, ok
}

// accountLast gives the account that is at the path, or was there last.
func (l *plainLedger) accountLast(path string) int {
	last := -1
	for i, a := range l.accounts {
		if a.path == path {
			last = i
		}
	}
	return last
}

// mayRead is what is told to a caller who asks about a path, of which the nearest name
// that is left decides. Who may not Read it is told of nothing where nothing is.
func (l *plainLedger) mayRead(by plainCaller, path string) fault.Kind {
	if _, there := l.at[path]; there || by.operator {
		return by.may(l, "Read", path)
	}
	for path != "/account" {
		path = path[:strings.LastIndexByte(path, '/')]
		if _, there := l.at[path]; there && by.may(l, "Read", path) == "" {
			return ""
		}
	}
	return fault.NotFound
}

// balanceAtResponse replays the entries up to an instant.
func (l *plainLedger) balanceAtResponse(i int, at int64, effective bool) *pb.BalanceResponse {
	c := l.countersAt(l.instantOf(at), effective)[i]
	res := &pb.BalanceResponse{
		Path: l.accounts[i].path, Asset: l.accounts[i].asset, DebitsPosted: l.text(i, c.debits), CreditsPosted: l.text(i, c.credits),
		Balance: l.text(i, minus(c.credits, c.debits)),
	}
	if !effective {
		res.DebitsPending, res.CreditsPending = l.text(i, c.debitsPending), l.text(i, c.creditsPending)
	}
	return res
}

// lookBack is invariants 14 and 15, of what is drawn.
func (r *referenceRun) lookBack(t *rapid.T) {
	t.Helper()
	a := r.draw(t)
	path := a.pathOnce("path")
	for range 2 {
		at := a.instantAt(path, "at")
		r.compareBalanceAt(t, path, at, true)
		if at != 0 { // which is now, of which the accounts were asked
			r.compareBalanceAt(t, path, at, false)
		}
	}
	r.compareRollUp(t)
	r.compareStatement(t)
}

func (r *referenceRun) compareBalanceAt(t *rapid.T, path string, at int64, effective bool) {
	t.Helper()
	by := one(r.draw(t), "reader", r.callers...)
	req := &pb.BalanceRequest{Path: path, AtUnixNanos: at, Effective: effective}
	got, err := fsmtest.Ask(by.Client, ledger.Balance, req)
	kind := r.plain.mayRead(by.plainCaller, path)
	i, there := r.plain.accountThen(path, r.plain.instantOf(at))
	if kind == "" && !there {
		kind = fault.NotFound
	}
	switch {
	case kind != "":
		if err == nil || fault.KindOf(err) != kind {
			t.Fatalf("%v, asked by %s, is answered with %v, %v, want a fault %s", req, by.principal, got, err, kind)
		}
	case err != nil:
		t.Fatalf("%v, asked by %s: %v", req, by.principal, err)
	default:
		compareAnswer(t, req, got, r.plain.balanceAtResponse(i, at, effective))
		r.noteGone(path, i)
	}
}

// noteGone counts the balances of accounts that have gone.
func (r *referenceRun) noteGone(path string, account int) {
	switch _, now := r.plain.at[path]; {
	case r.plain.accounts[account].gone && now:
		r.met["balance of one in whose place another is"]++
	case r.plain.accounts[account].gone:
		r.met["balance of one that has gone"]++
	}
}

func (r *referenceRun) compareRollUp(t *rapid.T) {
	t.Helper()
	a := r.draw(t)
	req := &pb.RollUpRequest{
		Under:       one(a, "under", "", "/account", "/account/a", "/account/grid", "/account/bank"),
		AtUnixNanos: one(a, "at now", 0, a.instant("at")), Effective: a.sometimes(2, "effective"),
	}
	got, err := fsmtest.Ask(r.machine.Operator, ledger.RollUp, req)
	if err != nil {
		t.Fatalf("%v: %v", req, err)
	}
	compareAnswer(t, req, got, r.plain.rollUpResponse(req))
}

// rollUpResponse sums over the accounts that were there at the instant, and those
// that entries were back-dated to from before it.
func (l *plainLedger) rollUpResponse(req *pb.RollUpRequest) *pb.RollUpResponse {
	at := l.instantOf(req.AtUnixNanos)
	res := &pb.RollUpResponse{}
	counters := l.countersAt(at, req.Effective)
	for _, code := range l.assets() {
		sum, count := newPlainCounters(), uint64(0)
		for i, a := range l.accounts {
			c := counters[i]
			if req.Effective {
				c.debitsPending, c.creditsPending = nothing, nothing
			}
			zero := newPlainCounters()
			there := a.opened <= at || !c.sameAs(&zero)
			if a.asset == code && cover(req.Under, a.path) && there && (!a.gone || a.left > at) {
				sum.debits, sum.credits = plus(sum.debits, c.debits), plus(sum.credits, c.credits)
				sum.debitsPending, sum.creditsPending = plus(sum.debitsPending, c.debitsPending), plus(sum.creditsPending, c.creditsPending)
				count++
			}
		}
		if count > 0 {
			res.Assets = append(res.Assets, l.totalsResponse(code, &sum, count, req.Effective))
		}
	}
	return res
}

func (l *plainLedger) totalsResponse(code string, sum *plainCounters, accounts uint64, effective bool) *pb.AssetTotals {
	scale := l.scales[code]
	totals := &pb.AssetTotals{
		Asset: code, Scale: uint32(scale), Accounts: accounts,
		DebitsPosted: format(sum.debits, scale), CreditsPosted: format(sum.credits, scale),
		Balance: format(minus(sum.credits, sum.debits), scale),
	}
	if !effective {
		totals.DebitsPending, totals.CreditsPending = format(sum.debitsPending, scale), format(sum.creditsPending, scale)
	}
	return totals
}

// plainLine is a line of a statement: an entry seen from one of its accounts.
type plainLine struct {
	entry   plainEntry
	account int
	balance *big.Int // after it
}

// statement gives all lines of the accounts, in the order of one of the axes.
func (l *plainLedger) statement(accounts []int, effective bool) (all []plainLine) {
	for _, e := range l.entries {
		if effects[e.kind].posted == 0 {
			continue
		}
		for _, account := range []int{e.debit, e.credit} {
			if slices.Contains(accounts, account) {
				all = append(all, plainLine{entry: e, account: account})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b plainLine) int { return cmp.Compare(a.entry.on(effective), b.entry.on(effective)) })
	balance := nothing
	for i := range all {
		balance = plus(balance, all[i].change())
		all[i].balance = balance
	}
	return all
}

func (n *plainLine) change() *big.Int {
	if n.account == n.entry.debit {
		return minus(nothing, n.entry.amount)
	}
	return n.entry.amount
}

func (l *plainLedger) line(n *plainLine, subtree bool) *pb.StatementLine {
	e := &n.entry
	line := &pb.StatementLine{
		Index: e.index, UnixNanos: e.time, Transfer: e.id, Balance: l.text(n.account, n.balance), Kind: e.kind,
		EffectiveUnixNanos: e.at(), Description: e.description,
	}
	if n.account == e.debit {
		line.Debit, line.Counterparty = l.text(e.debit, e.amount), l.accounts[e.credit].path
	} else {
		line.Credit, line.Counterparty = l.text(e.debit, e.amount), l.accounts[e.debit].path
	}
	if subtree {
		line.Account = l.accounts[n.account].path
	}
	return line
}

// compareStatement reads a statement page by page.
func (r *referenceRun) compareStatement(t *rapid.T) {
	t.Helper()
	req, accounts := r.draw(t).statementRequest()
	if len(accounts) == 0 {
		if got, err := fsmtest.Ask(r.machine.Operator, ledger.Statement, req); err == nil || fault.KindOf(err) != fault.NotFound {
			t.Fatalf("%v is answered with %v, %v, want nothing to be found", req, got, err)
		}
		return
	}
	got, pages := r.readStatement(t, req)
	r.noteStatement(req, accounts)
	effective, from, until := req.Effective, req.FromUnixNanos, req.UntilUnixNanos
	opening, want := nothing, []*pb.StatementLine(nil)
	closing := opening
	for _, n := range r.plain.statement(accounts, effective) {
		switch on := n.entry.on(effective); {
		case on < from:
			opening, closing = n.balance, n.balance
		case until == 0 || on < until:
			want = append(want, r.plain.line(&n, req.Subtree))
			closing = n.balance
		}
	}
	first, last := pages[0], pages[len(pages)-1]
	if req.NewestFirst {
		slices.Reverse(want)
		first, last = last, first
	}
	compareAnswers(t, req, got, want)
	if o, c := r.plain.text(accounts[0], opening), r.plain.text(accounts[0], closing); first.Opening != o || last.Closing != c {
		t.Fatalf("%v opens with %s and closes with %s, want %s and %s", req, first.Opening, last.Closing, o, c)
	}
	r.checkChaining(t, req, first.Opening, last.Closing, got)
}

// checkChaining is invariant 15: each line goes on from the one before, from the
// opening balance to the closing one, which is that with which the statement of the
// time after opens.
func (r *referenceRun) checkChaining(t *rapid.T, req *pb.StatementRequest, opening, closing string, lines []*pb.StatementLine) {
	t.Helper()
	if req.NewestFirst {
		slices.Reverse(lines)
	}
	balance := minor(t, opening)
	for _, l := range lines {
		if l.Debit != "" {
			balance = minus(balance, minor(t, l.Debit))
		}
		if l.Credit != "" {
			balance = plus(balance, minor(t, l.Credit))
		}
		if minor(t, l.Balance).Cmp(balance) != 0 {
			t.Fatalf("15: %v: the line %v comes after a balance of %v", req, l, balance)
		}
	}
	if minor(t, closing).Cmp(balance) != 0 {
		t.Fatalf("15: %v closes with %s, the last line with %v", req, closing, balance)
	}
	if req.UntilUnixNanos == 0 {
		return
	}
	next := proto.CloneOf(req)
	next.FromUnixNanos, next.UntilUnixNanos, next.Limit, next.NewestFirst = req.UntilUnixNanos, 0, 1, false
	after, err := fsmtest.Ask(r.machine.Operator, ledger.Statement, next)
	if err != nil || after.Opening != closing {
		t.Fatalf("15: %v closes with %s, and %v opens with %s, %v", req, closing, next, after.GetOpening(), err)
	}
}

// noteStatement counts the statements of accounts that have gone, and of times at which
// there was none.
func (r *referenceRun) noteStatement(req *pb.StatementRequest, accounts []int) {
	there := slices.ContainsFunc(accounts, func(i int) bool {
		a := &r.plain.accounts[i]
		return (!a.gone || a.left >= req.FromUnixNanos) && (req.UntilUnixNanos == 0 || a.opened < req.UntilUnixNanos)
	})
	switch {
	case !req.Subtree && r.plain.accounts[accounts[0]].gone:
		r.met["statement of one that has gone"]++
	case req.Subtree && !there:
		r.met["statement of a time without accounts"]++
	}
}

// statementRequest draws a request and gives the accounts that it is of: none if it finds
// none.
func (a *artist) statementRequest() (req *pb.StatementRequest, accounts []int) {
	req = &pb.StatementRequest{
		Path: a.pathOnce("path"), Limit: uint32(a.from(1, 9, "limit") + len(a.entries)/40),
		NewestFirst: a.sometimes(2, "newest first"), Effective: a.sometimes(2, "effective"),
	}
	if a.sometimes(3, "from") {
		req.FromUnixNanos = max(0, a.instantAt(req.Path, "from"))
	}
	if a.sometimes(3, "until") {
		req.UntilUnixNanos = max(req.FromUnixNanos, a.instantAt(req.Path, "until"))
	}
	if !a.sometimes(3, "subtree") {
		return req, []int{a.accountLast(req.Path)}
	}
	req.Subtree = true
	req.Asset = one(a, "asset", a.asset(), a.accounts[a.accountLast(req.Path)].asset, "USD")
	req.Path = one(a, "under", "/account", "/account/a", "/account/x", "/account/x", "/account/grid", req.Path)
	if !a.isName(req.Path) {
		return req, nil
	}
	for i, account := range a.accounts {
		if account.asset == req.Asset && cover(req.Path, account.path) {
			accounts = append(accounts, i)
		}
	}
	return req, accounts
}

// isName says whether the path is that of an account, or of a directory, which stays
// when what was below it has gone.
func (l *plainLedger) isName(path string) bool {
	_, there := l.at[path]
	return there || slices.ContainsFunc(l.accounts, func(a plainAccount) bool { return a.path != path && cover(path, a.path) })
}

// readStatement gives all lines, and the pages.
func (r *referenceRun) readStatement(t *rapid.T, req *pb.StatementRequest) (lines []*pb.StatementLine, pages []*pb.StatementResponse) {
	t.Helper()
	for {
		page, err := fsmtest.Ask(r.machine.Operator, ledger.Statement, req)
		if err != nil {
			t.Fatalf("%v: %v", req, err)
		}
		if len(pages) > 0 {
			earlier, later := pages[len(pages)-1], page
			if req.NewestFirst {
				earlier, later = later, earlier
			}
			if earlier.Closing != later.Opening {
				t.Fatalf("15: %v: a page closes with %s and the next opens with %s", req, earlier.Closing, later.Opening)
			}
		}
		lines, pages = append(lines, page.Lines...), append(pages, page)
		if page.Cursor == "" {
			req.Cursor = ""
			return lines, pages
		}
		req.Cursor = page.Cursor
	}
}

func (r *referenceRun) compareLookup(t *rapid.T) {
	a := r.draw(t)
	req := &pb.LookupRequest{Under: one(a, "under", "", "", "/account/a", "/account/bank", "/")}
	for range a.from(1, 10, "ids") {
		req.Ids = append(req.Ids, a.standing())
	}
	want := &pb.LookupResponse{}
	for _, id := range req.Ids {
		for _, e := range r.plain.entries {
			debit, credit := r.plain.accounts[e.debit].path, r.plain.accounts[e.credit].path
			within := req.Under == "/" || cover(req.Under, debit) || cover(req.Under, credit)
			if e.id == id && effects[e.kind].posted > 0 && within {
				want.Transfers = append(want.Transfers, r.plain.recorded(&e))
			}
		}
	}
	got, err := fsmtest.Ask(r.machine.Operator, ledger.Lookup, req)
	if err != nil {
		t.Fatalf("%v: %v", req, err)
	}
	compareAnswer(t, req, got, want)
}

// standing draws the id of a step, mostly of one that moved something.
func (a *artist) standing() string {
	if len(a.entries) == 0 || a.sometimes(5, "any id") {
		return a.id()
	}
	return one(a, "entry", a.entries...).id
}

func (l *plainLedger) recorded(e *plainEntry) *pb.RecordedTransfer {
	effective := e.at()
	if effective == e.time {
		effective = 0
	}
	return &pb.RecordedTransfer{
		Transfer: &pb.Transfer{
			Id: e.id, Debit: l.accounts[e.debit].path, Credit: l.accounts[e.credit].path, Asset: l.accounts[e.debit].asset,
			Amount: l.text(e.debit, e.amount), EffectiveUnixNanos: effective, Description: e.description,
		},
		Index: e.index, UnixNanos: e.time,
	}
}

// compareLists reads the holds and documents of an account, page by page, and the
// periods.
func (r *referenceRun) compareLists(t *rapid.T) {
	a := r.draw(t)
	path, limit := one(a, "path", a.paths()...), uint32(a.from(1, 5, "limit"))
	at := r.plain.at[path]
	var holds, documents []string
	for req := (&pb.HoldsRequest{Account: path, Closed: a.sometimes(2, "closed"), Limit: limit}); ; {
		page, err := fsmtest.Ask(r.machine.Operator, ledger.Holds, req)
		if err != nil {
			t.Fatalf("%v: %v", req, err)
		}
		for _, h := range page.Holds {
			compareAnswer(t, req, h, r.plain.holdResponse(h.Id))
			holds = append(holds, h.Id)
		}
		if req.Cursor = page.Cursor; req.Cursor == "" {
			compareSet(t, req, holds, r.plain.holdsOf(at, req.Closed))
			break
		}
	}
	for req := (&pb.DocumentsRequest{Account: path, Limit: limit}); ; {
		page, err := fsmtest.Ask(r.machine.Operator, ledger.Documents, req)
		if err != nil {
			t.Fatalf("%v: %v", req, err)
		}
		for _, d := range page.Documents {
			compareAnswer(t, req, d, r.plain.documentResponse(d.Id))
			documents = append(documents, d.Id)
		}
		if req.Cursor = page.Cursor; req.Cursor == "" {
			compareList(t, req, documents, r.plain.documentsOf(at))
			break
		}
	}
}

func compareList(t *rapid.T, req any, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%v gives %q, want %q", req, got, want)
	}
}

// compareSet compares lists whose order is nobody's business.
func compareSet(t *rapid.T, req any, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	compareList(t, req, got, want)
}

func (l *plainLedger) holdsOf(account int, closed bool) (ids []string) {
	for _, id := range l.holdOrder {
		if h := l.holds[id]; (h.debit == account || h.credit == account) && (closed || h.ended == "") {
			ids = append(ids, id)
		}
	}
	return ids
}

func (l *plainLedger) documentsOf(account int) (ids []string) {
	for _, id := range l.documentOrder {
		if slices.Contains(l.documents[id].accounts, account) {
			ids = append(ids, id)
		}
	}
	return ids
}

// compareJournalOf reads the journal of a subtree, from an index on, page by page.
func (r *referenceRun) compareJournalOf(t *rapid.T) {
	a := r.draw(t)
	req := &pb.JournalRequest{Under: one(a, "under", "", "/account/a", "/account/grid"), Limit: uint32(a.from(1, 9, "limit"))}
	behind := uint64(a.from(0, int(r.plain.index), "behind"))
	if req.UntilIndex = uint64(a.from(0, int(r.plain.index), "until")); behind > 0 {
		req.Cursor = fmt.Sprint(behind)
	}
	var got, want []*pb.JournalEntry
	for _, e := range r.plain.entries {
		within := cover(req.Under, r.plain.accounts[e.debit].path) || cover(req.Under, r.plain.accounts[e.credit].path)
		if within && e.index > behind && (req.UntilIndex == 0 || e.index <= req.UntilIndex) {
			want = append(want, r.plain.journalEntry(&e))
		}
	}
	for done := false; !done; {
		page, err := fsmtest.Ask(r.machine.Operator, ledger.Journal, req)
		if err != nil {
			t.Fatalf("%v: %v", req, err)
		}
		got = append(got, page.Entries...)
		req.Cursor, done = page.Cursor, page.Done
	}
	compareAnswers(t, req, got, want)
}

// compareAccounts lists the accounts below a path, page by page.
func (r *referenceRun) compareAccounts(t *rapid.T) {
	a := r.draw(t)
	req := &pb.AccountsRequest{Under: one(a, "under", "", "/account", "/account/a", "/account/grid"), Limit: uint32(a.from(1, 5, "limit"))}
	var got, want []*pb.AccountResponse
	for _, p := range a.paths() {
		if cover(req.Under, p) {
			want = append(want, r.plain.accountResponse(p))
		}
	}
	for {
		page, err := fsmtest.Ask(r.machine.Operator, ledger.ListAccounts, req)
		if err != nil {
			t.Fatalf("%v: %v", req, err)
		}
		got = append(got, page.Accounts...)
		if req.Cursor = page.Cursor; req.Cursor == "" {
			break
		}
	}
	slices.SortFunc(got, func(a, b *pb.AccountResponse) int { return cmp.Compare(a.Path, b.Path) })
	compareAnswers(t, req, got, want)
}

func (r *referenceRun) comparePeriods(t *rapid.T) {
	got, err := fsmtest.Ask(r.machine.Operator, ledger.Periods, &pb.PeriodsRequest{})
	if err != nil {
		t.Fatalf("the periods: %v", err)
	}
	want := &pb.PeriodsResponse{}
	for _, p := range r.plain.periods {
		want.Periods = append(want.Periods, &pb.Period{
			Name: p.name, UntilUnixNanos: p.until, Index: p.index, UnixNanos: p.time, Principal: p.principal,
		})
	}
	compareAnswer(t, "the periods", got, want)
}
