package engine

import "time"

// Metrics says how an engine is doing. Counts are since Open.
type Metrics struct {
	// DiskBytes is the size of the files, those included that are only kept
	// because a snapshot or a scan still reads them.
	DiskBytes uint64
	// MemTableBytes is what is in memory and not flushed yet.
	MemTableBytes uint64
	// Flushes and Compactions are how many are done.
	Flushes, Compactions int64
	// CompactionDebtBytes is how much would have to be compacted to be at rest.
	CompactionDebtBytes uint64
	// ReadAmplification is how many places a read has to look into at most.
	ReadAmplification int
	// WriteStalls is how often commits had to wait for flushes or compactions,
	// and WriteStallTime for how long in all.
	WriteStalls    int64
	WriteStallTime time.Duration
	// CacheBytes is the size of the block cache; hits and misses are of blocks.
	CacheBytes             int64
	CacheHits, CacheMisses int64
}

// Metrics measures. It takes no time to speak of.
func (p *Pebble) Metrics() Metrics {
	m := p.db.Metrics()
	count, total := p.stalls.read()
	return Metrics{
		DiskBytes:           m.DiskSpaceUsage(),
		MemTableBytes:       m.MemTable.Size,
		Flushes:             m.Flush.Count,
		Compactions:         m.Compact.Count,
		CompactionDebtBytes: m.Compact.EstimatedDebt,
		ReadAmplification:   m.ReadAmp(),
		WriteStalls:         count,
		WriteStallTime:      total,
		CacheBytes:          m.BlockCache.Size,
		CacheHits:           m.BlockCache.Hits,
		CacheMisses:         m.BlockCache.Misses,
	}
}
