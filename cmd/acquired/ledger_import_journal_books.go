package main

import (
	"context"
	"errors"
	"io"
	"os"

	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// journalBooks are what the lines of a file come to.
type journalBooks struct {
	file string
	// assets and accounts are those that the lines name, by code and path; codes
	// and paths have them in the order of the file.
	assets   map[string]*importedAsset
	accounts map[string]*importedAccount
	codes    []string
	paths    []string
	// first is the first entry, nil when there is none.
	first *pb.JournalEntry

	posted, skipped uint64
	skippedKinds    map[string]uint64
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

type importedAccount struct {
	journal.Account
	// line is the first that names it.
	line int
	// was is what was there before the import, nil for nothing.
	was *pb.AccountResponse
}

// readBooks reads the file to its end. What is wrong with it is wrong usage.
func readBooks(ctx context.Context, file *os.File, name string) (*journalBooks, error) {
	b := &journalBooks{
		file: name, assets: make(map[string]*importedAsset), accounts: make(map[string]*importedAccount),
		skippedKinds: make(map[string]uint64),
	}
	err := eachLine(ctx, file, name, b.add)
	if err == nil {
		err = b.checkLimits()
	}
	if err == nil && b.first == nil {
		err = usage("%s has no entries", name)
	}
	return b, err
}

// eachLine gives the lines of the file from its beginning.
func eachLine(ctx context.Context, file *os.File, name string, do func(journal.Line) error) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return usage("%s is read twice, and must be a file: %w", name, err)
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
	case line.Asset != nil:
		return b.addAsset(line.Number, line.Asset)
	case line.Account != nil:
		return b.addAccount(line.Number, *line.Account)
	}
	return b.addEntry(line.Number, line.Entry)
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
	known := b.accounts[a.Path]
	if known == nil {
		known = &importedAccount{Account: a, line: line}
		b.accounts[a.Path] = known
		b.paths = append(b.paths, a.Path)
	}
	if known.Asset != a.Asset {
		return b.wrong(line, "asset", "account %s holds %s here and %s on line %d: one path cannot be both again",
			a.Path, a.Asset, known.Asset, known.line)
	}
	if a.Kind != "" {
		known.Account = a
	}
	return nil
}

func (b *journalBooks) addEntry(line int, e *pb.JournalEntry) error {
	if b.first == nil {
		b.first = e
	}
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
	if journal.Posts(e) {
		b.posted++
		return nil
	}
	b.skipped++
	b.skippedKinds[e.Kind]++
	return nil
}

// checkLimits checks the limits of the accounts now that all scales are known.
func (b *journalBooks) checkLimits() error {
	for _, path := range b.paths {
		a := b.accounts[path]
		scale := b.assets[a.Asset].scale
		for _, limit := range []struct{ field, amount string }{{"overdraft", a.Overdraft}, {"ceiling", a.Ceiling}} {
			if limit.amount == "" || limit.amount == unlimited {
				continue
			}
			if _, err := ledger.ParseAmount(limit.amount, uint8(scale)); err != nil {
				return b.wrong(a.line, limit.field, "%w", err)
			}
		}
	}
	return nil
}

// wrong is what is wrong with a field of a line, seen beside the other lines.
func (b *journalBooks) wrong(line int, field, format string, args ...any) error {
	return usage("%s, line %d: %s: "+format, append([]any{b.file, line, field}, args...)...)
}
