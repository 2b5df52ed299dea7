package ledger

import (
	"fmt"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// book holds the accounts and assets that a command works on. What it changes of
// them reaches the state in close.
type book struct {
	tx       *command.Tx
	byPath   map[string]*page
	accounts []*page // in the order in which they were met
	// transients are those that must be left empty.
	transients []*page
	assets     []*section
	// allowed are the needs that the caller was found to have.
	allowed map[command.Need]struct{}
	// now is what the entries that are being made belong to.
	now origin
	// made counts the entries that were made, written are their records.
	made    uint32
	written []byte
	// undo are pages as they were before each entry of the chain; nil outside of chains.
	undo []saved
}

// origin is what the entries of a step have in common.
type origin struct {
	name        string
	entries     uint32
	first       command.ID
	effective   int64
	description string
	// What they belong to.
	hold, document, of string
}

// page is an account of the book, as it was and as it is.
type page struct {
	account
	before  account
	section *section
	// viewed: the caller was found to be able to View it.
	viewed bool
	// gone: the state names it, and it is there no more.
	gone bool
}

// section is an asset of the book.
type section struct {
	asset
	// sums are what the totals will be.
	sums counters
}

func openBook(tx *command.Tx) *book {
	return &book{tx: tx, byPath: make(map[string]*page)}
}

// page gives the account that s names, which the caller must be able to View.
func (b *book) page(s string) (*page, error) {
	if p, ok := b.byPath[s]; ok && p.viewed {
		return p, nil
	}
	parsed, err := accountPath(s)
	if err != nil {
		return nil, err
	}
	if err := b.may(command.View, parsed); err != nil {
		return nil, err
	}
	p, ok := b.byPath[string(parsed)]
	if !ok {
		if p, err = b.load(parsed); err != nil {
			return nil, err
		}
	}
	p.viewed = true
	b.byPath[s] = p
	return p, nil
}

// pageOf gives an account that the state names, which the caller need not View. One that
// has gone takes part in nothing: mustBeOpen refuses it.
func (b *book) pageOf(id command.ID) *page {
	a, ok := accounts.Get(b.tx, id)
	if !ok {
		a = accountOf(b.tx, id)
		return &page{account: a, before: a, section: b.section(mustAsset(b.tx, a.asset)), gone: true}
	}
	if p, ok := b.byPath[string(a.path)]; ok {
		return p
	}
	p, err := b.load(a.path)
	if err != nil {
		panic("ledger: an account that is there is not found")
	}
	return p
}

func (b *book) load(at path.Path) (*page, error) {
	a, of, err := findAccount(b.tx, at)
	if err != nil {
		return nil, err
	}
	a.meetDay(b.tx.Time)
	p := &page{account: a, before: a, section: b.section(of)}
	b.accounts = append(b.accounts, p)
	b.byPath[string(at)] = p
	if p.kind == transient {
		b.transients = append(b.transients, p)
	}
	return p, nil
}

func (b *book) section(of asset) *section {
	for _, s := range b.assets {
		if s.code == of.code {
			return s
		}
	}
	s := &section{asset: of, sums: of.totals}
	b.assets = append(b.assets, s)
	return s
}

// may returns nil when the caller may do the operation on the path.
func (b *book) may(operation command.Operation, at path.Path) error {
	need := command.Need{Operation: operation, Path: at}
	if _, ok := b.allowed[need]; ok {
		return nil
	}
	if err := acl.Allow(b.tx, &b.tx.Caller, b.tx.Time, []command.Need{need}); err != nil {
		return err
	}
	if b.allowed == nil {
		b.allowed = make(map[command.Need]struct{})
	}
	b.allowed[need] = struct{}{}
	return nil
}

// maySpend is may for the accounts that pay, as they are named.
func (b *book) maySpend(all ...string) error {
	for _, s := range all {
		p, err := accountPath(s)
		if err != nil {
			return err
		}
		if err := b.may(command.Spend, p); err != nil {
			return err
		}
	}
	return nil
}

// mustBeOpen refuses accounts that take part in nothing.
func mustBeOpen(all ...*page) error {
	for _, p := range all {
		if p.gone {
			return fault.Conflict.New("account %s is gone", p.path).With("path", string(p.path))
		}
		if p.state != open {
			return fault.Conflict.New("account %s is %s", p.path, accountStates[p.state]).With("path", string(p.path))
		}
	}
	return nil
}

// canPay refuses an amount that the account has not available for the kind of
// entry.
func canPay(kind entryKind, p *page, amount Amount) error {
	available, bounded := p.spendable()
	if kind == refunded { // to give back is not to spend
		available, bounded = p.available()
	}
	if !bounded || amount.Cmp(available) <= 0 {
		return nil
	}
	return short(p, available, amount)
}

func short(p *page, available, amount Amount) error {
	scale := p.section.scale
	if left, limited := p.leftToday(); limited && left == available {
		return fault.Insufficient.New("account %s may spend %s %s more today, of %s a day, %s is asked for",
			p.path, left.Format(scale), p.asset, p.dailyLimit.Format(scale), amount.Format(scale)).With("path", string(p.path))
	}
	return fault.Insufficient.New("account %s has %s %s available, %s is asked for",
		p.path, available.Format(scale), p.asset, amount.Format(scale)).With("path", string(p.path))
}

// canTake refuses an amount that would lift the account over its ceiling. How much
// room there is, is for those who may Read the account.
func (b *book) canTake(p *page, amount Amount) error {
	room, bounded := p.room()
	if !bounded || amount.Cmp(room) <= 0 {
		return nil
	}
	scale := p.section.scale
	if b.may(command.Read, p.path) != nil {
		return fault.Insufficient.New("account %s has no room for %s %s below its ceiling", p.path, amount.Format(scale), p.asset).
			With("path", string(p.path))
	}
	return fault.Insufficient.New("account %s has room for %s %s below its ceiling, %s is asked for",
		p.path, room.Format(scale), p.asset, amount.Format(scale)).With("path", string(p.path))
}

// pay posts an amount that nothing was reserved for.
func (b *book) pay(kind entryKind, debit, credit *page, amount Amount) error {
	if err := canPay(kind, debit, amount); err != nil {
		return err
	}
	if err := b.canTake(credit, amount); err != nil {
		return err
	}
	return b.enter(kind, debit, credit, amount)
}

// enter makes an entry. Whether the accounts can bear it was looked at.
func (b *book) enter(kind entryKind, debit, credit *page, amount Amount) error {
	if debit.gone || credit.gone {
		panic("ledger: an entry of an account that is gone")
	}
	b.save(debit)
	b.save(credit)
	if !kind.change(&debit.counters, amount, true, MaxAmount) {
		return full(debit)
	}
	if !kind.change(&credit.counters, amount, false, MaxAmount) {
		return full(credit)
	}
	if s := debit.section; !kind.change(&s.sums, amount, true, maxTotal) || !kind.change(&s.sums, amount, false, maxTotal) {
		return fault.Exhausted.New("the totals of asset %s go to %s: overflow", s.code, maxTotal.Format(s.scale))
	}
	debit.spend(kind, amount)
	e := entry{
		id: b.tx.NewID(), name: b.now.name, part: b.now.entries, kind: kind,
		debit: debit.id, credit: credit.id, amount: amount, time: b.tx.Time,
		debitAfter: debit.counters, creditAfter: credit.counters,
		hold: b.now.hold, document: b.now.document, of: b.now.of, description: b.now.description,
	}
	if kind.posts() {
		debit.section.transfers++
		if b.now.effective != b.tx.Time {
			e.effective = b.now.effective
		}
	}
	if b.now.entries == 0 {
		b.now.first = e.id
	}
	b.now.entries++
	b.made++
	b.written = appendEntry(b.written, e)
	entries.Insert(b.tx.Tx, e)
	if e.effective != 0 {
		noteBackdated(b.tx, &e)
	}
	return nil
}

func full(p *page) error {
	return fault.Exhausted.New("the counters of account %s go to %s %s: overflow", p.path, MaxAmount.Format(p.section.scale), p.asset).
		With("path", string(p.path))
}

// close writes what was changed. The totals of the assets are made from what
// happened to the accounts, not from the entries, and must come out even.
func (b *book) close() error {
	if err := b.mustLeaveEmpty(); err != nil {
		return err
	}
	b.total()
	for _, p := range b.accounts {
		if p.account != p.before {
			b.keep(p)
		}
	}
	for _, s := range b.assets {
		if was, _ := assets.Get(b.tx, kv.StringKey(s.code)); s.asset != was {
			s.mustBalance()
			assets.Put(b.tx.Tx, s.asset)
		}
	}
	return nil
}

// total makes the totals. What the accounts had is taken off before what they have
// is added: on the way a sum could be larger than it ever is.
func (b *book) total() {
	for _, p := range b.accounts {
		if !p.section.totals.adjust(p.before.counters, counters{}) {
			panic("ledger: an account of asset " + p.asset + " has more than all of them")
		}
	}
	for _, p := range b.accounts {
		if !p.section.totals.adjust(counters{}, p.counters) {
			panic("ledger: the totals of asset " + p.asset + " overflow")
		}
	}
	for _, s := range b.assets {
		if s.totals != s.sums {
			panic("ledger: the totals of asset " + s.code + " are not the sums of its entries")
		}
	}
}

// mustLeaveEmpty refuses to leave something in transient accounts.
func (b *book) mustLeaveEmpty() error {
	for _, p := range b.transients {
		if !p.empty() {
			return fault.Conflict.New("account %s is transient and must be left empty: it has %s", p.path, p.holdings(p.section.scale)).
				With("path", string(p.path))
		}
	}
	return nil
}

// keep writes an account that was changed.
func (b *book) keep(p *page) {
	p.version++
	if p.kind == ephemeral && p.empty() && p.counters != p.before.counters {
		leave(b.tx, p.account)
		p.section.accounts--
		return
	}
	accounts.Put(b.tx.Tx, p.account)
}

// adjust adds what an account's counters became and takes off what they were.
func (c *counters) adjust(before, after counters) bool {
	return move(&c.debitsPosted, before.debitsPosted, after.debitsPosted) &&
		move(&c.creditsPosted, before.creditsPosted, after.creditsPosted) &&
		move(&c.debitsPending, before.debitsPending, after.debitsPending) &&
		move(&c.creditsPending, before.creditsPending, after.creditsPending)
}

func move(total *Amount, before, after Amount) bool {
	sum, ok := total.Add(after)
	if !ok {
		return false
	}
	if sum, ok = sum.Sub(before); !ok || sum.Cmp(maxTotal) > 0 {
		return false
	}
	*total = sum
	return true
}

// mustBalance stops a node whose books do not balance.
func (a *asset) mustBalance() {
	if a.totals.debitsPosted != a.totals.creditsPosted || a.totals.debitsPending != a.totals.creditsPending {
		panic(fmt.Sprintf("ledger: asset %s does not balance: debits %s posted %s pending, credits %s posted %s pending", a.code,
			a.totals.debitsPosted.Format(a.scale), a.totals.debitsPending.Format(a.scale),
			a.totals.creditsPosted.Format(a.scale), a.totals.creditsPending.Format(a.scale)))
	}
}

// saved is a page as it was before an entry of a chain.
type saved struct {
	page      *page
	account   account
	transfers uint64
	sums      counters
}

func (b *book) save(p *page) {
	if b.undo != nil {
		b.undo = append(b.undo, saved{p, p.account, p.section.transfers, p.section.sums})
	}
}

// attempt makes a chain. What it changed is taken back when it is refused.
func (b *book) attempt(do func() error) error {
	made, written := b.made, len(b.written)
	b.undo = make([]saved, 0, 8)
	err := b.tx.Step(do)
	if err != nil {
		for i := len(b.undo) - 1; i >= 0; i-- {
			u := b.undo[i]
			u.page.account, u.page.section.transfers, u.page.section.sums = u.account, u.transfers, u.sums
		}
		b.made, b.written = made, b.written[:written]
	}
	b.undo = nil
	return err
}
