package engine

import (
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// format is the version of the files on disk. A folder is never downgraded, so
// it is raised only when every release that may have to open the folder knows
// the new one. This one gives every byte of a table a checksum, the footer
// included. The next one is for values in files of their own, which we do not
// use.
const format = pebble.FormatTableFormatV6

const (
	bloomBitsPerKey = 10        // one lookup in a hundred reads a block for nothing
	blockBytes      = 16 << 10  // what a lookup reads and unpacks for one key
	indexBlockBytes = 256 << 10 // so that most tables have an index of one level
)

// tableBytes is the size of the tables of each level. It stays small, because a
// lookup that misses the cache reads the filter of a whole table, and because a
// damaged table is what a report can name.
var tableBytes = [...]int64{4 << 20, 8 << 20, 16 << 20, 32 << 20, 32 << 20, 32 << 20, 32 << 20}

func (p *Pebble) pebbleOptions(c Config) *pebble.Options {
	log := logger{p, c.Log}
	events := pebble.TeeEventListener(pebble.MakeLoggingEventListener(log), p.events())
	o := &pebble.Options{
		FS:                 p.disk,
		Lock:               p.lock,
		Logger:             log,
		EventListener:      &events,
		FormatMajorVersion: format,
		DisableWAL:         true, // the raft log is one

		CacheSize:    c.CacheBytes,
		MemTableSize: c.MemTableBytes,
		// Room for bursts: with the default of 2 every flush stops the commits.
		MemTableStopWritesThreshold: 4,
		// Tables are of 32 MiB mostly, so this keeps a state of 30 GB open.
		MaxOpenFiles: 1000,

		// A read looks into every sublevel of level 0, so it is kept short; but
		// commits only stop when compaction is far behind, not at each peak.
		L0CompactionThreshold: 2,
		L0StopWritesThreshold: 24,
		// Bigger steps at the top and level 0 in parts: less is written twice.
		LBaseMaxBytes:   64 << 20,
		TargetFileSizes: tableBytes,
		FlushSplitBytes: 2 << 20,

		// A second compaction starts only when the first does not keep up. More
		// would take the processors away from the commits.
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 2 },
		// Deleting many files at once makes other writes to some disks wait.
		TargetByteDeletionRate: 128 << 20,
	}
	// Fast compression where data is rewritten often, zstd where most of it rests.
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	// The tables of format, rather than those of an older one, need this.
	o.Experimental.EnableColumnarBlocks = func() bool { return true }
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockBytes
		o.Levels[i].IndexBlockSize = indexBlockBytes
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	}
	o.EnsureDefaults()
	return o
}

// private is a file system whose folders are for the owner only. Pebble would
// let everybody read the folder of a checkpoint.
type private struct{ vfs.FS }

func (p private) MkdirAll(dir string, _ os.FileMode) error { return p.FS.MkdirAll(dir, 0o700) }

func (p private) Unwrap() vfs.FS { return p.FS }
