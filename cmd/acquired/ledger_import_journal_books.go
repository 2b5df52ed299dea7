package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// journalBooks are what the lines of a file come to. They grow with the accounts and
// the open holds of the ledger, not with its entries.
type journalBooks struct {
	file string
	// assets and accounts are those that the lines name; codes and keys have them
	// in the order of the file.
	assets   map[string]*importedAsset
	accounts map[exportKey]*importedAccount
	codes    []string
	keys     []exportKey
	// first is the first entry, nil when there is none.
	first *pb.JournalEntry

	posted, skipped uint64
	skippedKinds    map[string]uint64
	// bound are those posted that belong to a refund, an exchange, an invoice or a
	// cheque, and will be nothing but transfers.
	bound uint64
	// latest is the entry posted that is effective the latest, from line latestLine;
	// nil when there is none.
	latest     *pb.JournalEntry
	latestLine int
	// parts are the exports that were joined, and after is where the first began.
	parts int
	after string

	// holds, documents and periods are what stood at the end of the last export.
	// Documents are counted by kind and state; open has names of those that are not
	// final, the first of them.
	holds     []*importedHold
	documents map[string]uint64
	open      []string
	periods   []importedPeriod

	// begun is set when an export began and did not end; end is the last.
	begun bool
	end   *journal.End
	// index and counter are those of the last entry; uneven is what the entries with
	// the index leave in transient accounts.
	index   uint64
	counter uint32
	uneven  unevenAccounts
	// overlap is set when entries are not in the order of a journal: some may be there
	// twice.
	overlap bool
}

type importedAsset struct {
	// scale is what a line says, or else the most digits that an amount has.
	scale    uint32
	declared bool
	// exists is set for one that the cluster has.
	exists bool
	// line is where the scale is from.
	line int
}

type importedHold struct {
	journal.Hold
	line int
	// exists is set for one that the cluster has.
	exists bool
	// nobody is the delegate of the file, if the cluster has none of the name.
	nobody string
}

type importedPeriod struct {
	journal.Period
	line int
}

// readBooks reads the file to its end. What is wrong with it is wrong usage, and what
// is yet to come a conflict.
func readBooks(ctx context.Context, file *os.File, name string) (*journalBooks, error) {
	b := &journalBooks{
		file: name, assets: make(map[string]*importedAsset), accounts: make(map[exportKey]*importedAccount),
		skippedKinds: make(map[string]uint64), documents: make(map[string]uint64), uneven: make(unevenAccounts),
	}
	err := eachLine(ctx, file, name, b.add)
	b.settle()
	switch {
	case err != nil:
		return b, err
	case b.begun:
		err := usage("%s has no end: its export was interrupted, or lines are missing", name)
		return b, withHint(err, "ledger export --after goes on with it")
	case len(b.codes) == 0:
		return b, usage("%s has nothing in it", name)
	}
	if err := b.checkAmounts(); err != nil {
		return b, err
	}
	return b, b.checkTimes(time.Now().UnixNano())
}

// eachLine gives the lines of the file from its beginning.
func eachLine(ctx context.Context, file *os.File, name string, do func(journal.Line) error) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return usage("%s is read twice, and must be a file, or - for standard input: %w", name, err)
	}
	reader := journal.NewReader(file, name)
	for {
		line, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &usageError{err}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(line); err != nil {
			return err
		}
	}
}

func (b *journalBooks) add(line journal.Line) error {
	switch {
	case line.Begins:
		if b.parts++; b.parts == 1 {
			b.after = line.After
		}
		b.begun, b.end = true, nil
		b.forgetOpen()
	case line.End != nil:
		if b.begun, b.end = false, line.End; !line.End.Now {
			b.forgetOpen()
		}
	case line.Page != "":
	case line.Asset != nil:
		return b.addAsset(line.Number, line.Asset)
	case line.Account != nil:
		return b.addAccount(line.Number, *line.Account)
	case line.Hold != nil:
		return b.addHold(line.Number, line.Hold)
	case line.Document != nil:
		b.addDocument(line.Document)
	case line.Period != nil:
		b.periods = append(b.periods, importedPeriod{*line.Period, line.Number})
	default:
		return b.addEntry(line.Number, line.Entry)
	}
	return nil
}

// forgetOpen forgets what stood open: it is that of entries that are not the last.
func (b *journalBooks) forgetOpen() {
	b.holds, b.periods, b.open = nil, nil, nil
	clear(b.documents)
}

func (b *journalBooks) addAsset(line int, a *journal.Asset) error {
	known := b.asset(line, a.Code)
	if known.declared && known.scale != a.Scale {
		return b.wrong(line, "scale", "asset %s has %d digits here and %d on line %d", a.Code, a.Scale, known.scale, known.line)
	}
	if known.scale > a.Scale {
		return b.wrong(line, "scale", "asset %s has %d digits here, and an amount before has %d", a.Code, a.Scale, known.scale)
	}
	*known = importedAsset{scale: a.Scale, declared: true, line: line}
	return nil
}

func (b *journalBooks) asset(line int, code string) *importedAsset {
	if b.assets[code] == nil {
		b.assets[code] = &importedAsset{line: line}
		b.codes = append(b.codes, code)
	}
	return b.assets[code]
}

// addAccount takes the particulars of an account. Of joined exports the last says
// what is newest.
func (b *journalBooks) addAccount(line int, a journal.Account) error {
	b.asset(line, a.Asset)
	key := exportKey{a.Path, a.Asset}
	known := b.accounts[key]
	if known == nil {
		known = &importedAccount{Account: a, line: line}
		b.accounts[key] = known
		b.keys = append(b.keys, key)
	}
	if a.Kind != "" {
		known.Account = a
	}
	return nil
}

func (b *journalBooks) addHold(line int, h *journal.Hold) error {
	for _, path := range []string{h.Debit, h.Credit} {
		if err := b.addAccount(line, journal.Account{Path: path, Asset: h.Asset}); err != nil {
			return err
		}
	}
	b.holds = append(b.holds, &importedHold{Hold: *h, line: line})
	return nil
}

func (b *journalBooks) addDocument(d *journal.Document) {
	b.documents[d.Kind+" "+d.State]++
	if (d.State == "open" || d.State == "overdue") && len(b.open) < mostNotes {
		b.open = append(b.open, d.Kind+" "+d.ID)
	}
}

func (b *journalBooks) addEntry(line int, e *pb.JournalEntry) error {
	if b.first == nil {
		b.first = e
	}
	if cmp.Or(cmp.Compare(e.Index, b.index), cmp.Compare(e.Counter, b.counter)) <= 0 {
		b.overlap = true
	}
	if e.Index != b.index {
		b.settle()
	}
	b.index, b.counter = e.Index, e.Counter
	of, digits := b.asset(line, e.Asset), journal.ScaleOf(e.Amount)
	if of.declared && digits > of.scale {
		return b.wrong(line, "amount", "%s has %d digits after the point, %s has %d", e.Amount, digits, e.Asset, of.scale)
	}
	of.scale = max(of.scale, digits)
	for _, path := range []string{e.Debit, e.Credit} {
		if err := b.addAccount(line, journal.Account{Path: path, Asset: e.Asset}); err != nil {
			return err
		}
	}
	if !journal.Posts(e) {
		b.skipped++
		b.skippedKinds[e.Kind]++
		return nil
	}
	b.posted++
	if b.latest == nil || effectiveOf(e) > effectiveOf(b.latest) {
		b.latest, b.latestLine = e, line
	}
	if e.Of != "" || e.Document != "" {
		b.bound++
	}
	b.uneven.move(b.account(e.Debit, e.Asset), b.account(e.Credit, e.Asset), e.Amount, ledger.MaxScale)
	return nil
}

func (b *journalBooks) account(path, asset string) *importedAccount {
	return b.accounts[exportKey{path, asset}]
}

// settle finds transient accounts that the entries of an index do not leave empty:
// of those the file does not have all entries.
func (b *journalBooks) settle() {
	for a := range b.uneven {
		a.lingers = true
	}
	clear(b.uneven)
}

// checkAmounts checks the limits of the accounts and the holds now that all scales
// are known, and that an account is of one asset at a time.
func (b *journalBooks) checkAmounts() error {
	stays := make(map[string]*importedAccount)
	for _, key := range b.keys {
		a := b.accounts[key]
		for _, limit := range []struct{ field, amount string }{
			{"overdraft", a.Overdraft}, {"ceiling", a.Ceiling}, {"daily_limit", a.DailyLimit},
		} {
			if limit.amount == "" || limit.amount == unlimited {
				continue
			}
			if err := b.checkAmount(a.line, limit.field, limit.amount, a.Asset); err != nil {
				return err
			}
		}
		if a.State == "gone" {
			continue
		}
		if other := stays[a.Path]; other != nil {
			return b.wrong(a.line, "asset", "account %s holds %s here and %s on line %d: one path cannot be both again",
				a.Path, a.Asset, other.Asset, other.line)
		}
		stays[a.Path] = a
	}
	for _, h := range b.holds {
		if err := b.checkAmount(h.line, "remaining", h.Remaining, h.Asset); err != nil {
			return err
		}
	}
	return nil
}

func (b *journalBooks) checkAmount(line int, field, amount, asset string) error {
	if _, err := ledger.ParseAmount(amount, uint8(b.assets[asset].scale)); err != nil {
		return b.wrong(line, field, "%w", err)
	}
	return nil
}

// checkTimes refuses what the cluster would refuse when other things are made: what
// is later than now, holds that last longer than one can, and periods that are not in
// the order of time.
func (b *journalBooks) checkTimes(now int64) error {
	if e := b.latest; e != nil && effectiveOf(e) > now {
		return fault.Conflict.New("%s, line %d: transfer %s is effective %s, and now it is %s",
			b.file, b.latestLine, journal.TransferID(e), formatNanos(effectiveOf(e)), formatNanos(now))
	}
	for _, h := range b.holds {
		if h.Expires-now > ledger.MaxLifetime+int64(clocksDiffer) {
			return fault.Conflict.New("%s, line %d: hold %s expires %s, and now it is %s: a hold lasts ten years at most",
				b.file, h.line, h.ID, formatNanos(h.Expires), formatNanos(now))
		}
	}
	for i, p := range b.periods {
		if i > 0 && p.Until <= b.periods[i-1].Until {
			return b.wrong(p.line, "until", "period %q ends %s, and the one on line %d ends %s: each ends later than the one before",
				p.Name, formatNanos(p.Until), b.periods[i-1].line, formatNanos(b.periods[i-1].Until))
		}
		if p.Until > now {
			return fault.Conflict.New("%s, line %d: period %q ends %s, and now it is %s: a period is closed when it is over",
				b.file, p.line, p.Name, formatNanos(p.Until), formatNanos(now))
		}
	}
	return nil
}

// wrong is what is wrong with a field of a line, seen beside the other lines.
func (b *journalBooks) wrong(line int, field, format string, args ...any) error {
	return usage("%s, line %d: %s: "+format, append([]any{b.file, line, field}, args...)...)
}
