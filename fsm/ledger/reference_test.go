package ledger_test

import (
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"acquired/proto/fault"
)

// The reference: the ledger once more, said as plainly as can be, with lists, maps
// and integers of any size. It shares nothing with what it is compared with. A
// value in it is never changed in place, so a clone is shallow.

// plainLedger is a state of the reference. index and now are those of the log
// entry that it is working on, or was.
type plainLedger struct {
	index uint64
	now   int64

	scales    map[string]int
	accounts  []plainAccount // all there ever were, in order
	at        map[string]int // those that there are, by path
	entries   []plainEntry
	steps     map[string]plainStep
	refusals  map[string]plainStep // those kept
	holds     map[string]plainHold
	documents map[string]plainDocument
	// people are the principals that there are, with the index at which each was made.
	people map[string]uint64
	// holdOrder and documentOrder are their ids in the order in which they were made.
	holdOrder, documentOrder []string
	periods                  []plainPeriod
}

// plainAccount is an account. A limit of nil is no bound.
type plainAccount struct {
	path, asset, kind, owner string
	state                    string
	gone                     bool
	left                     int64 // when it was gone
	overdraft, ceiling       *big.Int
	// dailyLimit bounds spent, which is of the day with that number.
	dailyLimit, spent *big.Int
	day               int64
	holdOverdraft     bool
	metadata          map[string]string
	opened            int64
	version           uint64
	plainCounters
}

type plainCounters struct {
	debits, credits, debitsPending, creditsPending *big.Int
}

// plainEntry is an entry of the journal. Accounts are positions in the list of all.
type plainEntry struct {
	index           uint64
	counter         uint32 // learnt from the journal
	time, effective int64
	kind, id        string
	part            int
	debit, credit   int
	amount          *big.Int
	hold, document  string
	of, description string
}

// plainStep is what stands under an id, or the refusal that is kept there.
type plainStep struct {
	body         proto.Message // in canonical form
	index        uint64
	amount, hash string
	refused      fault.Kind
}

type plainHold struct {
	id, description, document         string
	delegate                          plainParty
	debit, credit                     int
	placed, expires                   int64
	overdraft                         bool
	held, captured, released, expired *big.Int
	ended                             string
	index                             uint64
}

// plainParty is a principal, and when the one that was meant was made: 0 is nobody.
type plainParty struct {
	name string
	born uint64
}

// who gives who has a name now.
func (l *plainLedger) who(name string) plainParty { return plainParty{name, l.people[name]} }

// isCaller says whether the caller is the one that was meant.
func (r *plainRun) isCaller(p plainParty) bool {
	return p.born != 0 && p == r.who(r.caller.principal)
}

// entrusted gives who is given a right by name. Alice sees nobody but herself.
func (r *plainRun) entrusted(name string) (plainParty, *plainFault) {
	p := r.who(name)
	if p.born == 0 || name != r.caller.principal && !r.caller.operator {
		return p, refuse(fault.NotFound)
	}
	return p, nil
}

func (h *plainHold) remaining() *big.Int {
	return minus(minus(minus(h.held, h.captured), h.released), h.expired)
}

func (h *plainHold) state() string {
	if h.ended == "" {
		return "open"
	}
	return h.ended
}

type plainPeriod struct {
	name        string
	until, time int64
	index       uint64
	principal   string
}

// plainFault is why something is refused. kept says that the id remembers it.
type plainFault struct {
	kind     fault.Kind
	field    string
	position int // -1 is none
	kept     bool
}

func refuse(kind fault.Kind) *plainFault {
	return &plainFault{kind: kind, position: -1, kept: kind == fault.Insufficient || kind == fault.Conflict || kind == fault.Exhausted}
}

func newPlainLedger() *plainLedger {
	return &plainLedger{
		scales: make(map[string]int), at: make(map[string]int),
		steps: make(map[string]plainStep), refusals: make(map[string]plainStep),
		holds: make(map[string]plainHold), documents: make(map[string]plainDocument), people: make(map[string]uint64),
	}
}

func (l *plainLedger) clone() *plainLedger {
	c := *l
	c.scales, c.at = maps.Clone(l.scales), maps.Clone(l.at)
	c.accounts, c.entries = slices.Clone(l.accounts), slices.Clip(l.entries)
	c.steps, c.refusals = maps.Clone(l.steps), maps.Clone(l.refusals)
	c.holds, c.documents = maps.Clone(l.holds), maps.Clone(l.documents)
	c.holdOrder, c.documentOrder = slices.Clip(l.holdOrder), slices.Clip(l.documentOrder)
	c.periods = slices.Clip(l.periods)
	return &c
}

// Arithmetic that leaves its operands alone.
var (
	nothing = new(big.Int)
	most    = minus(new(big.Int).Lsh(big.NewInt(1), 103), big.NewInt(1))
)

func plus(a, b *big.Int) *big.Int {
	if b.Sign() == 0 {
		return a
	}
	return new(big.Int).Add(a, b)
}

func minus(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }

func lesser(a, b *big.Int) *big.Int {
	if b == nil || a.Cmp(b) < 0 {
		return a
	}
	return b
}

var plainDecimal = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// isAmount says whether s can be an amount of some asset.
func isAmount(s string) bool { return len(s) <= 60 && plainDecimal.MatchString(s) }

// parse gives nil for what is no amount at the scale.
func parse(s string, scale int) *big.Int {
	whole, fraction, _ := strings.Cut(s, ".")
	if !isAmount(s) || len(fraction) > scale {
		return nil
	}
	amount, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", scale-len(fraction)), 10)
	if amount.Cmp(most) > 0 {
		return nil
	}
	return amount
}

func format(amount *big.Int, scale int) string {
	sign, digits := "", new(big.Int).Abs(amount).String()
	if amount.Sign() < 0 {
		sign = "-"
	}
	if scale == 0 {
		return sign + digits
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

func (l *plainLedger) scaleOf(account int) int { return l.scales[l.accounts[account].asset] }

// text gives the amount as an account of that number has it.
func (l *plainLedger) text(account int, amount *big.Int) string {
	return format(amount, l.scaleOf(account))
}

func (a *plainAccount) balance() *big.Int { return minus(a.credits, a.debits) }

// available is what may be debited, or reserved with the overdraft; nil is no bound.
func (a *plainAccount) available() *big.Int {
	if a.overdraft == nil {
		return nil
	}
	return plus(minus(a.balance(), a.debitsPending), a.overdraft)
}

// plainDay is in nanoseconds.
const plainDay = 24 * 3600 * plainSecond

// spentToday is what was spent on the day of a log time.
func (a *plainAccount) spentToday(now int64) *big.Int {
	if a.day != now/plainDay {
		return nothing
	}
	return a.spent
}

// withinDay bounds an amount, of which nil is no bound, by the daily limit.
func (a *plainAccount) withinDay(bound *big.Int, now int64) *big.Int {
	if a.dailyLimit == nil {
		return bound
	}
	left := minus(a.dailyLimit, a.spentToday(now))
	if left.Sign() < 0 {
		left = nothing
	}
	return lesser(left, bound)
}

// spendable is what may be debited at a log time; nil is no bound.
func (a *plainAccount) spendable(now int64) *big.Int { return a.withinDay(a.available(), now) }

// reservable is what a hold may reserve at a log time.
func (a *plainAccount) reservable(overdraft bool, now int64) *big.Int {
	if overdraft {
		return a.spendable(now)
	}
	own := minus(a.balance(), a.debitsPending)
	if own.Sign() < 0 {
		own = nothing
	}
	return a.withinDay(own, now)
}

// spend counts an entry of the kind.
func (a *plainAccount) spend(kind string, amount *big.Int, now int64) {
	if kind != "transfer" && kind != "exchange" && kind != "hold" {
		return
	}
	if a.spent, a.day = plus(a.spentToday(now), amount), now/plainDay; exceeds(a.spent, most) {
		a.spent = most
	}
}

// room is what may be credited or reserved for the account; nil is no bound.
func (a *plainAccount) room() *big.Int {
	if a.ceiling == nil {
		return nil
	}
	return minus(a.ceiling, plus(a.balance(), a.creditsPending))
}

func (a *plainAccount) isEmpty() bool {
	return a.balance().Sign() == 0 && a.debitsPending.Sign() == 0 && a.creditsPending.Sign() == 0
}

func exceeds(amount, bound *big.Int) bool { return bound != nil && amount.Cmp(bound) > 0 }

// effect is what an entry does to the counters of its two accounts.
type effect struct{ posted, pending int }

var effects = map[string]effect{
	"transfer": {posted: 1}, "refund": {posted: 1}, "exchange": {posted: 1}, "payout": {posted: 1},
	"hold": {pending: 1}, "capture": {posted: 1, pending: -1},
	"divert": {pending: -1}, "release": {pending: -1}, "expire": {pending: -1},
}

func times(n int, amount *big.Int) *big.Int {
	if n == 0 {
		return nothing
	}
	return new(big.Int).Mul(big.NewInt(int64(n)), amount)
}

// add makes what an entry does to two accounts.
func (e *plainEntry) add(debit, credit *plainCounters) {
	by := effects[e.kind]
	debit.debits = plus(debit.debits, times(by.posted, e.amount))
	debit.debitsPending = plus(debit.debitsPending, times(by.pending, e.amount))
	credit.credits = plus(credit.credits, times(by.posted, e.amount))
	credit.creditsPending = plus(credit.creditsPending, times(by.pending, e.amount))
}

// fits says whether the counters are all at most 2^103 - 1.
func (c *plainCounters) fits() bool {
	return !exceeds(c.debits, most) && !exceeds(c.credits, most) &&
		!exceeds(c.debitsPending, most) && !exceeds(c.creditsPending, most)
}

func newPlainCounters() plainCounters { return plainCounters{nothing, nothing, nothing, nothing} }

// assets gives the codes in order.
func (l *plainLedger) assets() []string { return slices.Sorted(maps.Keys(l.scales)) }

// totals are the sums over all accounts of an asset, those that are gone included.
func (l *plainLedger) totals(asset string) plainCounters {
	sum := newPlainCounters()
	for _, a := range l.accounts {
		if a.asset == asset {
			sum.debits, sum.credits = plus(sum.debits, a.debits), plus(sum.credits, a.credits)
			sum.debitsPending = plus(sum.debitsPending, a.debitsPending)
			sum.creditsPending = plus(sum.creditsPending, a.creditsPending)
		}
	}
	return sum
}
