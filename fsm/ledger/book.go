package ledger

import (
	"fmt"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// book holds the accounts and assets that a command works on. What it changes
// reaches the state in close, all of it or nothing.
type book struct {
	tx       *command.Tx
	byPath   map[string]*page
	accounts []*page // in the order in which they were met
	assets   []*section
	made     []movement
	names    map[string]struct{} // met in the list
}

// page is an account of the book, as it was and as it is.
type page struct {
	account
	before  counters
	section *section
}

// section is an asset of the book.
type section struct {
	asset
	made uint64
}

func openBook(tx *command.Tx) *book {
	return &book{tx: tx, byPath: make(map[string]*page), names: make(map[string]struct{})}
}

// page gives the account that s names.
func (b *book) page(s string) (*page, error) {
	if p, ok := b.byPath[s]; ok {
		return p, nil
	}
	parsed, err := accountPath(s)
	if err != nil {
		return nil, err
	}
	p, ok := b.byPath[string(parsed)]
	if !ok {
		if p, err = b.load(parsed); err != nil {
			return nil, err
		}
		b.byPath[string(parsed)] = p
	}
	b.byPath[s] = p
	return p, nil
}

func (b *book) load(at path.Path) (*page, error) {
	a, of, err := findAccount(b.tx, at)
	if err != nil {
		return nil, err
	}
	p := &page{account: a, before: a.counters, section: b.section(of)}
	b.accounts = append(b.accounts, p)
	return p, nil
}

func (b *book) section(of asset) *section {
	for _, s := range b.assets {
		if s.code == of.code {
			return s
		}
	}
	s := &section{asset: of}
	b.assets = append(b.assets, s)
	return s
}

// post moves the amount and notes it under the name.
func (b *book) post(name string, debit, credit *page, amount Amount) error {
	if available, bounded := debit.available(); bounded && amount.Cmp(available) > 0 {
		scale := debit.section.scale
		return fault.Insufficient.New("account %s has %s %s available, %s is asked for",
			debit.path, available.Format(scale), debit.asset, amount.Format(scale)).With("path", string(debit.path))
	}
	if room, bounded := credit.room(); bounded && amount.Cmp(room) > 0 {
		scale := credit.section.scale
		return fault.Insufficient.New("account %s has room for %s %s below its ceiling, %s is asked for",
			credit.path, room.Format(scale), credit.asset, amount.Format(scale)).With("path", string(credit.path))
	}
	if !grow(&debit.debitsPosted, amount) {
		return full(debit)
	}
	if !grow(&credit.creditsPosted, amount) {
		return full(credit)
	}
	b.made = append(b.made, movement{
		id: b.tx.NewID(), name: name, debit: debit.id, credit: credit.id, amount: amount, time: b.tx.Time,
		debitAfter:  posted{debit.debitsPosted, debit.creditsPosted},
		creditAfter: posted{credit.debitsPosted, credit.creditsPosted},
	})
	debit.section.made++
	return nil
}

// grow adds to a counter, up to MaxAmount.
func grow(counter *Amount, by Amount) bool {
	sum, ok := counter.Add(by)
	if !ok || sum.Cmp(MaxAmount) > 0 {
		return false
	}
	*counter = sum
	return true
}

func full(p *page) error {
	return fault.Exhausted.New("the counters of account %s go to %s %s: overflow", p.path, MaxAmount.Format(p.section.scale), p.asset).
		With("path", string(p.path))
}

// close writes what was changed. The totals of the assets are made from what
// happened to the accounts, not from the transfers, and must come out even.
func (b *book) close() error {
	for _, p := range b.accounts {
		if p.counters == p.before {
			continue
		}
		if !p.section.totals.adjust(p.before, p.counters) {
			return fault.Exhausted.New("the totals of asset %s go to %s: overflow", p.asset, MaxAmount.Format(p.section.scale))
		}
		accounts.Put(b.tx.Tx, p.account)
	}
	for _, m := range b.made {
		movements.Insert(b.tx.Tx, m)
	}
	for _, s := range b.assets {
		if s.made == 0 {
			continue
		}
		s.transfers += s.made
		s.mustBalance()
		assets.Put(b.tx.Tx, s.asset)
	}
	return nil
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
	if sum, ok = sum.Sub(before); !ok || sum.Cmp(MaxAmount) > 0 {
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

// standing gives the movement with the name that the state already has.
func standing(r kv.Reader, name string) (movement, bool) {
	return movementsByName.Find(r, kv.StringKey(name))
}
