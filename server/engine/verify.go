package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// Verify reads all tables from disk and compares every byte with its checksum,
// so that damage to data that nobody reads is found while other nodes still
// have it. It leaves the block cache alone and reads no more than
// bytesPerSecond; zero is as fast as it can. What is in memory only is not
// verified.
//
// Damage is fatal, as it is for every read. Otherwise the error is that of ctx,
// or nil.
func (p *Pebble) Verify(ctx context.Context, bytesPerSecond int64) error {
	tables, err := p.tables()
	if err != nil {
		p.fail("verify", err)
	}
	pace := pace{bytesPerSecond: bytesPerSecond}
	for _, table := range tables {
		err := p.verifyTable(ctx, &pace, table)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) && !p.has(table) {
			continue // compacted away since it was listed
		}
		if err != nil {
			p.fail("verify", fmt.Errorf("file %s: %w", table, err))
		}
	}
	return nil
}

// tables gives the names of the files of all tables, without repetition.
func (p *Pebble) tables() ([]string, error) {
	levels, err := p.db.SSTables()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, level := range levels {
		for _, table := range level {
			names = append(names, table.BackingSSTNum.String()+".sst")
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (p *Pebble) has(table string) bool {
	tables, err := p.tables()
	return err != nil || slices.Contains(tables, table)
}

func (p *Pebble) verifyTable(ctx context.Context, pace *pace, name string) error {
	file, err := p.disk.Open(p.disk.PathJoin(p.dir, name))
	if err != nil {
		return err
	}
	source, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	// A reader of its own, because the one of the database reads from the cache.
	// It checks what it reads here: the footer, the properties and the index.
	reader, err := sstable.NewReader(ctx, source, p.options.MakeReaderOptions())
	if err != nil {
		return errors.Join(err, source.Close())
	}
	defer reader.Close()
	layout, err := reader.Layout()
	if err != nil {
		return err
	}
	return verifyBlocks(ctx, pace, source, layout)
}

// verifyBlocks also makes sure that there is no byte outside of the blocks.
func verifyBlocks(ctx context.Context, pace *pace, source objstorage.Readable, layout *sstable.Layout) error {
	footer := make([]byte, layout.Footer.Length)
	if err := source.ReadAt(ctx, footer, int64(layout.Footer.Offset)); err != nil {
		return err
	}
	checksum := block.ChecksumType(footer[0])
	var buffer []byte
	var offset uint64
	for _, b := range blocks(layout) {
		if b.Offset != offset {
			return fmt.Errorf("%w: blocks end at byte %d and go on at %d", pebble.ErrCorruption, offset, b.Offset)
		}
		length := b.Length + block.TrailerLen
		if err := pace.wait(ctx, int64(length)); err != nil {
			return err
		}
		buffer = slices.Grow(buffer[:0], int(length))[:length]
		if err := source.ReadAt(ctx, buffer, int64(b.Offset)); err != nil {
			return err
		}
		if err := block.ValidateChecksum(checksum, buffer, b); err != nil {
			return err
		}
		offset += length
	}
	if offset != layout.Footer.Offset {
		return fmt.Errorf("%w: blocks end at byte %d and the footer begins at %d", pebble.ErrCorruption, offset, layout.Footer.Offset)
	}
	return nil
}

// blocks gives the blocks of a table in the order they are in.
func blocks(l *sstable.Layout) []block.Handle {
	all := []block.Handle{l.TopIndex, l.RangeDel, l.RangeKey, l.ValueIndex, l.Properties, l.MetaIndex, l.BlobReferenceIndex}
	all = append(all, l.Index...)
	all = append(all, l.ValueBlock...)
	for _, b := range l.Filter {
		all = append(all, b.Handle)
	}
	for _, b := range l.Data {
		all = append(all, b.Handle)
	}
	all = slices.DeleteFunc(all, func(b block.Handle) bool { return b.Length == 0 })
	slices.SortFunc(all, func(a, b block.Handle) int { return cmp.Compare(a.Offset, b.Offset) })
	return all
}

// pace keeps reads at a rate. Time in which nothing was read is not made up for.
type pace struct {
	bytesPerSecond int64 // none if not positive
	next           time.Time
}

// wait returns when n bytes more may be read, or ctx is done.
func (p *pace) wait(ctx context.Context, n int64) error {
	if p.bytesPerSecond <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	timer := time.NewTimer(p.next.Sub(now))
	defer timer.Stop()
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.bytesPerSecond))
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
