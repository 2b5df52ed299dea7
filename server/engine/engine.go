// Package engine keeps the state of a node on disk: Pebble as a kv.Engine.
//
// Pebble runs without its write-ahead log, because the raft log is one. What
// Commit was given stays in memory until a flush writes it to tables; flushes
// happen by themselves when memory fills up, and when Flush is called. A batch
// is never split between two flushes and flushes are in the order of the
// commits, so what is found after a crash is exactly what the first n commits
// left, for some n. A batch that carries its raft index says which n.
//
// Storage that fails ends the process. Any error, and any block whose checksum
// does not match, goes to Config.Fatal; no method that kv.Engine names has an
// error to return.
package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"acquired/fsm/kv"
)

// ErrCorrupt is in the chain of every error that says that what is on disk is
// not what was written. Only fetching the state from another node helps.
var ErrCorrupt = errors.New("data is corrupt")

// Config says where a Pebble is and how much memory it may use.
type Config struct {
	// Dir is the folder of the state, which nothing else may use. It is created,
	// readable by the owner only, if it is missing.
	Dir string
	// CacheBytes bounds the cache of what was read from disk. Zero is 128 MiB.
	// Where keys are looked up in no order it should have room for their filters,
	// 1.25 MB for a million keys; with less, lookups are several times slower.
	CacheBytes int64
	// MemTableBytes is how much is kept in memory before it is flushed; up to
	// four times as much is held while flushes are behind. Zero is 32 MiB.
	MemTableBytes uint64
	// Fatal is called with the first storage error, on any goroutine. It must
	// end the process and not return, and must not use the engine. Nil panics.
	Fatal func(error)
	// Log gets what Pebble says about itself, at debug level. Nil discards it.
	Log *slog.Logger
}

const (
	defaultCacheBytes    = 128 << 20
	defaultMemTableBytes = 32 << 20
)

// Pebble is a kv.Engine on disk. All methods but Commit and Close may be called
// from any goroutine, also while Commit runs. None may be called after Close or
// be running when Close is called.
type Pebble struct {
	dir     string
	disk    vfs.FS
	db      *pebble.DB
	options *pebble.Options
	lock    *pebble.Lock
	stalls  stalls

	fatal  func(error)
	failed sync.Once
}

var _ kv.Engine = (*Pebble)(nil)

// Open opens the state in c.Dir, or creates an empty one. The error says so if
// the folder is in use, and is an ErrCorrupt if files are damaged or missing.
func Open(c Config) (*Pebble, error) { return open(c, vfs.Default) }

// open is Open on any file system.
func open(c Config, disk vfs.FS) (*Pebble, error) {
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCacheBytes
	}
	if c.MemTableBytes == 0 {
		c.MemTableBytes = defaultMemTableBytes
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pebble{dir: c.Dir, disk: private{disk}, fatal: c.Fatal}
	if err := p.disk.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("state engine: create folder: %w", err)
	}
	var err error
	if p.lock, err = lock(c.Dir, p.disk); err != nil {
		return nil, err
	}
	p.options = p.pebbleOptions(c)
	if p.db, err = pebble.Open(c.Dir, p.options); err != nil {
		return nil, errors.Join(describe("open", err), p.lock.Close())
	}
	return p, nil
}

func lock(dir string, disk vfs.FS) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, disk)
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("state engine: lock folder: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("state engine: folder %s is in use, by another process or in this one: %w", dir, err)
	}
	return lock, nil
}

// Snapshot implements kv.Engine. It may also be called while Commit runs; the
// snapshot then has all writes of that commit or none.
func (p *Pebble) Snapshot() kv.Snapshot { return &snapshot{p, p.db.NewSnapshot()} }

// Commit implements kv.Engine. It waits for the disk only when flushes or
// compactions are so far behind that memory is full.
func (p *Pebble) Commit(writes []kv.Write) {
	batch := p.db.NewBatchWithSize(encodedBytes(writes))
	for i := range writes {
		if err := add(batch, &writes[i]); err != nil {
			p.fail("commit", err)
		}
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		p.fail("commit", err)
	}
	if err := batch.Close(); err != nil {
		p.fail("commit", err)
	}
}

// encodedBytes is about how long the batch of the writes is: enough that a large
// one is not copied again and again as it grows.
func encodedBytes(writes []kv.Write) int {
	const perWrite = 8 // kind and lengths
	n := perWrite * (len(writes) + 2)
	for i := range writes {
		n += len(writes[i].Key) + len(writes[i].Value)
	}
	return n
}

// errEmptyKey is for a caller with a bug: Pebble cannot write a table that has
// the empty key alone in a block, and would say so much later.
var errEmptyKey = errors.New("a key is empty")

func add(batch *pebble.Batch, w *kv.Write) error {
	switch {
	case len(w.Key) == 0:
		return errEmptyKey
	case w.Delete:
		return batch.Delete(w.Key, nil)
	}
	return batch.Set(w.Key, w.Value, nil)
}

// Flush returns when everything that was committed before is durable.
func (p *Pebble) Flush() {
	if err := p.db.Flush(); err != nil {
		p.fail("flush", err)
	}
}

// Checkpoint flushes and makes dir a copy of the state, which Open can open. It
// has everything that was committed before the call, and may have commits that
// were made meanwhile, in order and whole. The tables are hard links where that
// is possible: a checkpoint takes little room at first, and more the longer it
// is kept. dir must not exist; after an error it does not exist either.
func (p *Pebble) Checkpoint(dir string) error {
	p.Flush()
	if err := p.db.Checkpoint(dir); err != nil {
		return describe("checkpoint", err)
	}
	return nil
}

// Close flushes and closes. It is called once, after all snapshots are closed.
func (p *Pebble) Close() error {
	p.Flush()
	if err := errors.Join(p.db.Close(), p.lock.Close()); err != nil {
		return describe("close", err)
	}
	return nil
}

// fail ends the process. It never returns: whoever else fails waits for the end.
func (p *Pebble) fail(operation string, err error) {
	err = describe(operation, err)
	if p.fatal != nil {
		p.failed.Do(func() { p.fatal(err) })
	}
	panic(err)
}

func describe(operation string, err error) error {
	if corrupt(err) {
		return fmt.Errorf("state engine: %s: %w: %w", operation, ErrCorrupt, err)
	}
	return fmt.Errorf("state engine: %s: %w", operation, err)
}

// corrupt also knows the damage that Pebble does not mark as such: tables that
// are missing, or not as long as they were.
func corrupt(err error) bool {
	return pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) ||
		strings.Contains(err.Error(), "object size mismatch")
}
