// Package logstore keeps the Raft log of a node, and the term and vote that
// must outlive a restart, in one bbolt file through raft-boltdb.
//
// It adds what neither raft nor raft-boltdb does:
//
//   - The first storage error ends the process (Config.Fatal). Raft goes on
//     after a failed write, and an fsync that follows a failed one may succeed
//     although the data is lost.
//   - Every entry and every value carries a checksum. Without one a flipped bit
//     in a stored command makes the state of this node differ from its peers'
//     silently, and goes on to them if this node leads.
//   - The recent entries stay in memory, bounded by their bytes, also when old
//     ones are deleted.
//   - A write that hangs can be seen from outside (Stalled): raft's main loop is
//     inside that write and its heartbeats still go out, so nobody else notices.
//
// One thing cannot be told: when the newer of bbolt's two meta pages is damaged
// while the node is down, bbolt goes on from the older one, as it must after a
// torn write, and the last transaction is gone.
package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	defaultCacheBytes = 32 << 20
	cacheEntries      = 8192
	fileMode          = 0o600
	lockTimeout       = 2 * time.Second
)

// Config says where the log is and what to do when it fails.
type Config struct {
	// Path is the file, usually raft.db. Its folder must exist; the file is made,
	// readable by its owner only, if it does not. An empty file counts as none.
	Path string

	// CacheBytes bounds the data of the recent entries that are held in memory;
	// zero is 32 MiB. Not more than 8192 entries are held in any case.
	CacheBytes int

	// Fatal ends the process: it is called with the first storage error, and
	// again with the same one by whoever uses the store after that, perhaps at
	// the same time. It must not return. Nil panics with the error.
	Fatal func(error)

	// Now is the clock that writes are timed with; nil is time.Now.
	Now func() time.Time

	// ObserveWrite is told of every write that succeeded: how long it took, and
	// how many log entries with how many bytes of data it stored. Both are zero
	// for deleting entries and for the term and the vote. It runs on raft's main
	// loop and must be quick. Nil is none.
	ObserveWrite func(d time.Duration, entries, bytes int)
}

// Store is the log and the stable store of one node. It is safe for concurrent use.
//
// It is no raft.MonotonicLogStore: raft-boltdb allows gaps between indexes, and
// raft leaves one after a restore instead of deleting the whole log first.
type Store struct {
	path         string
	bolt         *raftboltdb.BoltStore
	cache        *cache
	fatal        func(error)
	now          func() time.Time
	observeWrite func(d time.Duration, entries, bytes int)

	// writing is held during a write, so that none can succeed after another
	// failed, and so that there is one beginning to stamp.
	writing sync.Mutex
	began   atomic.Pointer[time.Time] // nil when no write is in progress

	failure atomic.Pointer[error] // the first storage error

	writes, entries, bytes atomic.Uint64
}

var (
	_ raft.LogStore    = (*Store)(nil)
	_ raft.StableStore = (*Store)(nil)
)

// Open opens the store, or makes it. It reads the structure of the file first:
// a file that is damaged or used by another process is an error and is left as
// it was.
func Open(c Config) (*Store, error) {
	if c.Path == "" {
		return nil, errors.New("open log store: path is empty")
	}
	if c.CacheBytes < 0 {
		return nil, fmt.Errorf("open log store %s: cache of %d bytes: must not be negative", c.Path, c.CacheBytes)
	}
	bolt, err := openFile(c.Path)
	if err != nil {
		return nil, fmt.Errorf("open log store %s: %w", c.Path, err)
	}
	s := &Store{
		path:         c.Path,
		bolt:         bolt,
		cache:        newCache(cmp.Or(c.CacheBytes, defaultCacheBytes), cacheEntries),
		fatal:        c.Fatal,
		now:          c.Now,
		observeWrite: c.ObserveWrite,
	}
	if s.fatal == nil {
		s.fatal = func(err error) { panic(err) }
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.observeWrite == nil {
		s.observeWrite = func(time.Duration, int, int) {}
	}
	return s, nil
}

func openFile(path string) (*raftboltdb.BoltStore, error) {
	isNew, err := absentOrEmpty(path)
	if err != nil {
		return nil, err
	}
	if !isNew {
		if err := checkFile(path); err != nil {
			return nil, explain(err)
		}
	}
	var bolt *raftboltdb.BoltStore
	err = guard(func() (err error) {
		bolt, err = raftboltdb.New(boltOptions(path))
		return err
	})
	if err != nil {
		return nil, explain(err)
	}
	if isNew {
		if err := syncFolder(filepath.Dir(path)); err != nil {
			return nil, errors.Join(err, bolt.Close())
		}
	}
	return bolt, nil
}

// boltOptions leaves every sync of bbolt on.
func boltOptions(path string) raftboltdb.Options {
	return raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout: lockTimeout,
			// Writing the free list with every append costs more the longer it is.
			// Without it Open walks the file to find the free pages: bounded, as
			// snapshots keep the log short.
			NoFreelistSync: true,
			// The array type searches the list from its beginning for each page.
			FreelistType: bbolt.FreelistMapType,
		},
		// The format of raft's transport and of every later raft-boltdb.
		MsgpackUseNewTimeFormat: true,
	}
}

func absentOrEmpty(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, errors.New("is not a regular file")
	}
	return info.Size() == 0, nil
}

// syncFolder makes the name of a new file durable, which syncing the file need not do.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// explain says what the short errors of bbolt mean.
func explain(err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("another process holds the lock of the file (waited %s)", lockTimeout)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// Close waits for what is in progress and closes the file. What needs the file
// afterwards gets an error, which is not fatal.
func (s *Store) Close() error {
	if err := s.bolt.Close(); err != nil {
		return fmt.Errorf("close log store %s: %w", s.path, err)
	}
	return nil
}
