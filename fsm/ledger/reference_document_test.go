package ledger_test

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// plainDocument is a document. Its text lacks its list of entries until it is sealed.
type plainDocument struct {
	id, kind, hash, text string
	// listed are the entries that a receipt lists.
	listed   []int
	accounts []int        // that it names
	parties  []plainParty // likewise
	index    uint64
	time     int64
	changes  int // of where it stands
	// Of a cheque.
	writer, recipient     plainParty
	resource              string
	ceiling, cashed       *big.Int
	uses, used            uint32
	expires               int64
	cancelled, byOperator bool
	// Of an invoice.
	total, paid, credited *big.Int
	due                   int64
	void                  bool
}

func (d *plainDocument) open() *big.Int { return minus(minus(d.total, d.paid), d.credited) }

// state gives where the document stands at a log time.
func (d *plainDocument) state(now int64) string {
	switch d.kind {
	case "cheque":
		switch {
		case d.cancelled:
			return "cancelled"
		case d.used >= d.uses || d.cashed.Cmp(d.ceiling) >= 0:
			return "spent"
		case now >= d.expires:
			return "expired"
		}
		return "open"
	case "invoice":
		return d.invoiceState(now)
	}
	return "final"
}

func (d *plainDocument) invoiceState(now int64) string {
	switch {
	case d.void:
		return "void"
	case d.open().Sign() == 0 && d.paid.Sign() > 0:
		return "paid"
	case d.open().Sign() == 0:
		return "credited"
	case d.due != 0 && now >= d.due:
		return "overdue"
	}
	return "open"
}

// addDocument makes a document with what was written.
func (r *plainRun) addDocument(t *plainTerms, d plainDocument) {
	d.index, d.time, d.text, d.accounts = r.index, r.now, t.text.String(), t.accounts
	d.parties = t.parties
	r.documents[d.id] = d
	r.documentOrder = append(r.documentOrder, d.id)
}

func malformedDocumentStep(s *pb.Step) bool {
	switch s := s.Step.(type) {
	case *pb.Step_Refund:
		p := s.Refund
		return p.Amount != "" && !positive(p.Amount) || p.Debit != "" && !isAccount(p.Debit) || p.Credit != "" && !isAccount(p.Credit)
	case *pb.Step_Exchange:
		p := s.Exchange
		return !positive(p.Amount) || !isAccount(p.Debit, p.BrokerCredit, p.BrokerDebit, p.Credit) || p.RateNumerator == 0 || p.RateDenominator == 0
	case *pb.Step_WriteCheque:
		p := s.WriteCheque
		return !positive(p.Ceiling) || !isAccount(p.Account) || p.Resource == "" || p.Uses > 1_000_000 ||
			p.ExpiresUnixNanos != 0 && p.LifetimeSeconds != 0
	case *pb.Step_CashCheque:
		return !positive(s.CashCheque.Amount) || !isHash(s.CashCheque.Hash) || s.CashCheque.Resource == "" ||
			!isAccount(s.CashCheque.Credit) || !s.CashCheque.Hold && s.CashCheque.LifetimeSeconds != 0
	case *pb.Step_IssueInvoice:
		p := s.IssueInvoice
		return !isAccount(p.Receivable, p.Revenue) || len(p.Lines) == 0 ||
			slices.ContainsFunc(p.Lines, func(l *pb.InvoiceLine) bool { return l.Description == "" || !isAmount(l.Amount) })
	case *pb.Step_PayInvoice:
		return s.PayInvoice.Amount != "" && !positive(s.PayInvoice.Amount) || !isHash(s.PayInvoice.Hash) || !isAccount(s.PayInvoice.Debit)
	case *pb.Step_CreditInvoice:
		return !positive(s.CreditInvoice.Amount) || s.CreditInvoice.Description == ""
	}
	return false
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// document makes a step that makes or changes a document.
func (r *plainRun) document(s *pb.Step) (amount, hash string, f *plainFault) {
	switch s := s.Step.(type) {
	case *pb.Step_Refund:
		amount, f = r.refund(s.Refund)
	case *pb.Step_Exchange:
		amount, f = r.exchange(s.Exchange)
	case *pb.Step_WriteCheque:
		amount, f = r.writeCheque(s.WriteCheque)
	case *pb.Step_IssueInvoice:
		amount, f = r.issueInvoice(s.IssueInvoice)
	case *pb.Step_IssueReceipt:
		amount, f = r.issueReceipt(s.IssueReceipt)
	case *pb.Step_CashCheque:
		amount, f = r.cashCheque(s.CashCheque)
		return amount, "", f
	case *pb.Step_CancelCheque:
		return "", "", r.cancelCheque(s.CancelCheque)
	case *pb.Step_PayInvoice:
		amount, f = r.payInvoice(s.PayInvoice)
		return amount, "", f
	case *pb.Step_CreditInvoice:
		amount, f = r.creditInvoice(s.CreditInvoice)
		return amount, "", f
	case *pb.Step_VoidInvoice:
		amount, f = r.voidInvoice(s.VoidInvoice)
		return amount, "", f
	}
	return amount, toLearn, f
}

// toLearn stands for a hash that is known once the document is sealed.
const toLearn = "to learn"

// plainMove is how much a step moved from one account to another.
type plainMove struct {
	debit, credit int
	amount        *big.Int
}

// movesOf gives what a step posted, one for each pair of accounts.
func (l *plainLedger) movesOf(step string) (all []plainMove) {
	for _, e := range l.entries {
		if e.id != step || effects[e.kind].posted == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(m plainMove) bool { return m.debit == e.debit && m.credit == e.credit })
		if i < 0 {
			all = append(all, plainMove{e.debit, e.credit, e.amount})
		} else {
			all[i].amount = plus(all[i].amount, e.amount)
		}
	}
	return all
}

// refunded gives how much of a move went back.
func (l *plainLedger) refunded(step string, m plainMove) *big.Int {
	sum := nothing
	for _, e := range l.entries {
		if e.kind == "refund" && e.of == step && e.debit == m.credit && e.credit == m.debit {
			sum = plus(sum, e.amount)
		}
	}
	return sum
}

// refundable are the steps that can be refunded.
var refundable = map[string]bool{"transfer": true, "capture": true, "cash_cheque": true}

// moveToRefund gives the one move of a step that a refund means, of those that the
// caller may give back.
func (r *plainRun) moveToRefund(p *pb.Refund) (m plainMove, f *plainFault) {
	if p.Debit != "" {
		if f := r.spend(p.Debit); f != nil {
			return m, f
		}
	}
	known, mine := false, false
	for _, e := range r.entries {
		if e.id == p.Of {
			known = known || r.hasPart(e.debit, e.credit)
			mine = mine || r.mayGiveBack(e.debit, e.credit)
		}
	}
	was, stands := r.steps[p.Of]
	switch {
	case !stands || !known: // what expired has the id of a hold that stands
		return m, refuse(fault.NotFound)
	case !mine:
		return m, refuse(fault.Denied)
	}
	moves := slices.DeleteFunc(r.movesOf(p.Of), func(m plainMove) bool {
		return !r.mayGiveBack(m.debit, m.credit) || p.Debit != "" && r.accounts[m.credit].path != plainPath(p.Debit) ||
			p.Credit != "" && r.accounts[m.debit].path != plainPath(p.Credit)
	})
	if len(moves) != 1 || !refundable[stepName(was.body)] {
		return m, refuse(fault.Invalid)
	}
	return moves[0], nil
}

// mayGiveBack says whether the caller may give back what was paid to the account;
// that it is gone it is told if it has a part in it.
func (r *plainRun) mayGiveBack(debit, credit int) bool {
	if r.accounts[credit].gone {
		return r.hasPart(debit, credit)
	}
	return r.spend(r.accounts[credit].path) == nil
}

// stepName gives the name that a step has in the list of steps.
func stepName(step proto.Message) string {
	all := (&pb.Step{}).ProtoReflect().Descriptor().Fields()
	for i := range all.Len() {
		if all.Get(i).Message() == step.ProtoReflect().Descriptor() {
			return string(all.Get(i).Name())
		}
	}
	return ""
}

func (r *plainRun) refund(p *pb.Refund) (string, *plainFault) {
	m, f := r.moveToRefund(p)
	if f != nil {
		return "", f
	}
	left := minus(m.amount, r.refunded(p.Of, m))
	amount := left
	if p.Amount != "" {
		amount = parse(p.Amount, r.scaleOf(m.debit))
	}
	if amount == nil {
		return "", refuse(fault.Invalid)
	}
	e := plainEntry{
		kind: "refund", id: p.Id, debit: m.credit, credit: m.debit, amount: amount, of: p.Of, document: p.Id,
		effective: p.EffectiveUnixNanos, description: p.Description,
	}
	if f := r.couldMove(e); f != nil {
		return "", f
	}
	if exceeds(amount, left) || amount.Sign() == 0 {
		return "", refuse(fault.Insufficient)
	}
	if f := r.moveNow(e); f != nil {
		return "", f
	}
	t := r.terms("refund", p.Id, p.EffectiveUnixNanos)
	t.line("of", p.Of)
	t.account("debit", m.credit)
	t.account("credit", m.debit)
	t.line("asset", r.accounts[m.debit].asset)
	t.line("amount", r.text(m.debit, amount))
	t.quoted("description", p.Description)
	r.addDocument(t, plainDocument{id: p.Id, kind: "refund"})
	return r.text(m.debit, amount), nil
}

// moveNow posts an entry if its accounts, time and amount allow.
func (r *plainRun) moveNow(entries ...plainEntry) *plainFault {
	if f := r.couldMove(entries...); f != nil {
		return f
	}
	for _, e := range entries {
		bound := r.accounts[e.debit].spendable(r.now)
		if e.kind == "refund" {
			bound = r.accounts[e.debit].available()
		}
		if exceeds(e.amount, bound) {
			return refuse(fault.Insufficient)
		}
	}
	for _, e := range entries {
		if exceeds(e.amount, r.accounts[e.credit].room()) {
			return refuse(fault.Insufficient)
		}
	}
	for i, e := range entries {
		e.part = i
		r.post(e)
	}
	for _, e := range entries {
		if f := r.fits(e.debit, e.credit); f != nil {
			return f
		}
	}
	return nil
}

// couldMove looks at the accounts and the time of entries, not at their amounts.
func (r *plainRun) couldMove(entries ...plainEntry) *plainFault {
	for _, e := range entries {
		if f := r.usable(e.debit, e.credit); f != nil {
			return f
		}
	}
	return r.inOpenPeriod(entries[0].effective)
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func (r *plainRun) exchange(p *pb.Exchange) (string, *plainFault) {
	if f := r.spend(p.Debit, p.BrokerDebit); f != nil {
		return "", f
	}
	all, f := r.find(p.Debit, p.BrokerCredit, p.BrokerDebit, p.Credit)
	if f != nil {
		return "", f
	}
	scale, f := r.oneAsset("", all[:1], all[1:2])
	if f != nil {
		return "", f
	}
	other, f := r.oneAsset("", all[2:3], all[3:])
	if f != nil {
		return "", f
	}
	amount := parse(p.Amount, scale)
	if amount == nil || r.accounts[all[0]].asset == r.accounts[all[2]].asset {
		return "", refuse(fault.Invalid)
	}
	product := new(big.Int).Mul(amount, new(big.Int).SetUint64(p.RateNumerator))
	product.Mul(product, power(other))
	divisor := new(big.Int).Mul(power(scale), new(big.Int).SetUint64(p.RateDenominator))
	gets, rest := new(big.Int).QuoRem(product, divisor, new(big.Int))
	if gets.Sign() == 0 || exceeds(gets, most) {
		return "", refuse(fault.Invalid)
	}
	e := plainEntry{
		kind: "exchange", id: p.Id, debit: all[0], credit: all[1], amount: amount, document: p.Id,
		effective: p.EffectiveUnixNanos, description: p.Description,
	}
	back := e
	back.debit, back.credit, back.amount = all[2], all[3], gets
	if f := r.moveNow(e, back); f != nil {
		return "", f
	}
	t := r.terms("exchange", p.Id, p.EffectiveUnixNanos)
	t.account("debit", all[0])
	t.account("broker_credit", all[1])
	t.line("given_asset", r.accounts[all[0]].asset)
	t.line("given", format(amount, scale))
	t.account("broker_debit", all[2])
	t.account("credit", all[3])
	t.line("got_asset", r.accounts[all[3]].asset)
	t.line("got", format(gets, other))
	t.line("rate", fmt.Sprintf("%d/%d", p.RateNumerator, p.RateDenominator))
	t.line("remainder", new(big.Rat).SetFrac(rest, divisor).String())
	t.quoted("description", p.Description)
	r.addDocument(t, plainDocument{id: p.Id, kind: "exchange"})
	return format(gets, other), nil
}

func (r *plainRun) writeCheque(p *pb.WriteCheque) (string, *plainFault) {
	if f := r.spend(p.Account); f != nil {
		return "", f
	}
	all, f := r.find(p.Account)
	if f != nil {
		return "", f
	}
	recipient, f := r.entrusted(p.Recipient)
	if f != nil {
		return "", f
	}
	ceiling := parse(p.Ceiling, r.scaleOf(all[0]))
	if ceiling == nil {
		return "", refuse(fault.Invalid)
	}
	expires, f := r.endOf(p.ExpiresUnixNanos, p.LifetimeSeconds)
	if f != nil {
		return "", f
	}
	if f := r.usable(all...); f != nil {
		return "", f
	}
	t := r.terms("cheque", p.Id, 0)
	t.account("account", all[0])
	t.line("asset", r.accounts[all[0]].asset)
	t.party("recipient", recipient)
	t.quoted("resource", p.Resource)
	t.line("ceiling", r.text(all[0], ceiling))
	t.line("uses", fmt.Sprint(max(1, p.Uses)))
	t.line("expires", plainInstant(expires))
	t.quoted("description", p.Description)
	r.addDocument(t, plainDocument{
		id: p.Id, kind: "cheque", writer: r.who(r.caller.principal), recipient: recipient, resource: p.Resource,
		ceiling: ceiling, cashed: nothing, uses: max(1, p.Uses), expires: expires, byOperator: r.caller.operator,
	})
	return "", nil
}

// spendFor is spend for an account of a document in which the caller has a part: it
// is told that it may not, whatever it sees.
func (r *plainRun) spendFor(account int) *plainFault {
	if r.spend(r.accounts[account].path) != nil {
		return refuse(fault.Denied)
	}
	return nil
}

// ofKind gives a document of a kind.
func (r *plainRun) ofKind(kind, id string) (plainDocument, *plainFault) {
	d, ok := r.documents[id]
	if !ok || !r.knows(id) {
		return d, refuse(fault.NotFound)
	}
	if d.kind != kind {
		return d, refuse(fault.Invalid)
	}
	return d, nil
}

func (r *plainRun) cashCheque(p *pb.CashCheque) (string, *plainFault) {
	d, f := r.ofKind("cheque", p.Cheque)
	if f != nil {
		return "", f
	}
	if !r.isCaller(d.recipient) {
		return "", refuse(fault.Denied)
	}
	all, f := r.find(p.Credit)
	if f != nil {
		return "", f
	}
	from := d.accounts[0]
	scale, f := r.oneAsset("", d.accounts, all)
	if f != nil {
		return "", f
	}
	amount := parse(p.Amount, scale)
	if amount == nil {
		return "", refuse(fault.Invalid)
	}
	if f := r.usable(from, all[0]); f != nil {
		return "", f
	}
	gone := !d.byOperator && r.who(d.writer.name) != d.writer
	if d.hash != p.Hash || d.resource != p.Resource || d.state(r.now) != "open" || gone {
		return "", refuse(fault.Conflict)
	}
	if exceeds(plus(d.cashed, amount), d.ceiling) {
		return "", refuse(fault.Insufficient)
	}
	if p.Hold {
		f = r.holdOfCheque(&d, p, from, all[0], amount)
	} else {
		f = r.moveNow(plainEntry{
			kind: "transfer", id: p.Id, debit: from, credit: all[0], amount: amount, document: d.id, description: p.Description,
		})
	}
	if f != nil {
		return "", f
	}
	d.cashed, d.used, d.changes = plus(d.cashed, amount), d.used+1, d.changes+1
	r.documents[d.id] = d
	return format(amount, scale), nil
}

func (r *plainRun) holdOfCheque(d *plainDocument, p *pb.CashCheque, from, to int, amount *big.Int) *plainFault {
	expires, f := r.endOf(0, p.LifetimeSeconds)
	if f != nil {
		return f
	}
	h := plainHold{
		id: p.Id, delegate: d.recipient, description: p.Description, document: d.id, debit: from, credit: to, expires: min(expires, d.expires),
	}
	return r.reserve(h, p.Id, amount)
}

func (r *plainRun) cancelCheque(p *pb.CancelCheque) *plainFault {
	d, f := r.ofKind("cheque", p.Cheque)
	if f != nil {
		return f
	}
	if d.byOperator || !r.isCaller(d.writer) {
		if f := r.spendFor(d.accounts[0]); f != nil {
			return f
		}
	}
	if d.state(r.now) != "open" {
		return refuse(fault.Conflict)
	}
	d.cancelled, d.changes = true, d.changes+1
	r.documents[d.id] = d
	return nil
}

func (r *plainRun) issueInvoice(p *pb.IssueInvoice) (string, *plainFault) {
	if f := r.spend(p.Receivable); f != nil {
		return "", f
	}
	all, f := r.find(p.Receivable, p.Revenue)
	if f != nil {
		return "", f
	}
	scale, f := r.oneAsset("", all[:1], all[1:])
	if f != nil {
		return "", f
	}
	total := nothing
	for _, line := range p.Lines {
		amount := parse(line.Amount, scale)
		if amount == nil {
			return "", refuse(fault.Invalid)
		}
		total = plus(total, amount)
	}
	if total.Sign() == 0 || exceeds(total, most) {
		return "", refuse(fault.Invalid)
	}
	e := plainEntry{
		kind: "transfer", id: p.Id, debit: all[0], credit: all[1], amount: total, document: p.Id,
		effective: p.EffectiveUnixNanos, description: p.Description,
	}
	if f := r.moveNow(e); f != nil {
		return "", f
	}
	t := r.terms("invoice", p.Id, p.EffectiveUnixNanos)
	t.account("receivable", all[0])
	t.account("revenue", all[1])
	t.line("asset", r.accounts[all[0]].asset)
	switch {
	case isAccount(p.Payer):
		t.line("payer", p.Payer)
	case p.Payer != "":
		t.party("payer", r.who(p.Payer))
	}
	if i, ok := r.at[plainPath(p.Payer)]; ok {
		t.names(i)
	}
	t.line("total", format(total, scale))
	if p.DueUnixNanos != 0 {
		t.line("due", plainInstant(p.DueUnixNanos))
	}
	t.quoted("description", p.Description)
	for _, line := range p.Lines {
		t.line("line", format(parse(line.Amount, scale), scale)+" "+strconv.QuoteToASCII(line.Description))
	}
	r.addDocument(t, plainDocument{
		id: p.Id, kind: "invoice", total: total, paid: nothing, credited: nothing, due: p.DueUnixNanos,
	})
	return format(total, scale), nil
}

// ofOpen gives how much of what an invoice has open is meant.
func (r *plainRun) ofOpen(d *plainDocument, s string) (*big.Int, *plainFault) {
	amount := d.open()
	if s != "" {
		amount = parse(s, r.scaleOf(d.accounts[0]))
	}
	if amount == nil {
		return nil, refuse(fault.Invalid)
	}
	return amount, nil
}

// moveOpen posts an entry that pays or takes back of an open invoice.
func (r *plainRun) moveOpen(d *plainDocument, e plainEntry, hash string) *plainFault {
	if f := r.usable(e.debit, e.credit); f != nil {
		return f
	}
	if state := d.state(r.now); hash != d.hash || state != "open" && state != "overdue" {
		return refuse(fault.Conflict)
	}
	if f := r.couldMove(e); f != nil {
		return f
	}
	if exceeds(e.amount, d.open()) {
		return refuse(fault.Insufficient)
	}
	return r.moveNow(e)
}

func (r *plainRun) payInvoice(p *pb.PayInvoice) (string, *plainFault) {
	d, ok := r.documents[p.Invoice]
	if !ok || d.hash != p.Hash && !r.knows(p.Invoice) {
		return "", refuse(fault.NotFound)
	}
	if f := r.spend(p.Debit); f != nil {
		return "", f
	}
	if d.kind != "invoice" {
		return "", refuse(fault.Invalid)
	}
	all, f := r.find(p.Debit)
	if f != nil {
		return "", f
	}
	if _, f := r.oneAsset("", all, d.accounts[:1]); f != nil {
		return "", f
	}
	amount, f := r.ofOpen(&d, p.Amount)
	if f != nil {
		return "", f
	}
	e := plainEntry{
		kind: "transfer", id: p.Id, debit: all[0], credit: d.accounts[0], amount: amount, document: d.id,
		effective: p.EffectiveUnixNanos, description: p.Description,
	}
	if f := r.moveOpen(&d, e, p.Hash); f != nil {
		return "", f
	}
	d.paid, d.changes = plus(d.paid, amount), d.changes+1
	r.documents[d.id] = d
	return r.text(all[0], amount), nil
}

func (r *plainRun) creditInvoice(p *pb.CreditInvoice) (string, *plainFault) {
	d, f := r.ofKind("invoice", p.Invoice)
	if f != nil {
		return "", f
	}
	if f := r.spendFor(d.accounts[1]); f != nil {
		return "", f
	}
	amount, f := r.ofOpen(&d, p.Amount)
	if f != nil {
		return "", f
	}
	if f := r.takeBack(&d, p.Id, amount, p.EffectiveUnixNanos, p.Description); f != nil {
		return "", f
	}
	return r.text(d.accounts[0], amount), nil
}

// takeBack moves back what an invoice demanded.
func (r *plainRun) takeBack(d *plainDocument, id string, amount *big.Int, effective int64, description string) *plainFault {
	e := plainEntry{
		kind: "transfer", id: id, debit: d.accounts[1], credit: d.accounts[0], amount: amount, document: d.id,
		effective: effective, description: description,
	}
	if f := r.moveOpen(d, e, d.hash); f != nil {
		return f
	}
	d.credited, d.changes = plus(d.credited, amount), d.changes+1
	r.documents[d.id] = *d
	return nil
}

func (r *plainRun) voidInvoice(p *pb.VoidInvoice) (string, *plainFault) {
	d, f := r.ofKind("invoice", p.Invoice)
	if f != nil {
		return "", f
	}
	if f := r.spendFor(d.accounts[1]); f != nil {
		return "", f
	}
	if f := r.usable(d.accounts[0], d.accounts[1]); f != nil {
		return "", f
	}
	if d.paid.Sign() > 0 || d.credited.Sign() > 0 {
		return "", refuse(fault.Conflict)
	}
	total := d.total
	if f := r.takeBack(&d, p.Id, total, p.EffectiveUnixNanos, p.Description); f != nil {
		return "", f
	}
	d.void = true
	r.documents[d.id] = d
	return r.text(d.accounts[0], total), nil
}

func (r *plainRun) issueReceipt(p *pb.IssueReceipt) (string, *plainFault) {
	h, ok := r.holds[p.Hold]
	if !ok {
		return "", refuse(fault.NotFound)
	}
	if !r.isCaller(h.delegate) {
		if f := r.spendOfHold(&h, h.credit); f != nil {
			return "", f
		}
	}
	t := r.terms("receipt", p.Id, 0)
	t.line("hold", h.id)
	t.account("debit", h.debit)
	t.account("credit", h.credit)
	t.line("asset", r.accounts[h.debit].asset)
	if h.delegate.name != "" {
		t.party("delegate", h.delegate)
	}
	for _, part := range []struct {
		key    string
		amount *big.Int
	}{{"held", h.held}, {"captured", h.captured}, {"released", h.released}, {"expired", h.expired}, {"remaining", h.remaining()}} {
		t.line(part.key, r.text(h.debit, part.amount))
	}
	paid := r.paidOf(h.id)
	r.writePaid(t, paid)
	r.addDocument(t, plainDocument{id: p.Id, kind: "receipt", listed: paid})
	return "", nil
}

// paidOf gives the entries that posted of a hold.
func (l *plainLedger) paidOf(hold string) (all []int) {
	for i, e := range l.entries {
		if e.hold == hold && effects[e.kind].posted > 0 {
			all = append(all, i)
		}
	}
	return all
}
