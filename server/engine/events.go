package engine

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// events listens to what happens on Pebble's own goroutines.
func (p *Pebble) events() pebble.EventListener {
	return pebble.EventListener{
		BackgroundError: func(err error) { p.fail("flush or compaction", err) },
		// The read, flush or compaction that met it gets an error as well. This
		// does not depend on it, and knows the file.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			p.fail("read", fmt.Errorf("file %s: %w", filepath.Base(info.Path), info.Details))
		},
		WriteStallBegin: func(pebble.WriteStallBeginInfo) { p.stalls.begin() },
		WriteStallEnd:   p.stalls.end,
	}
}

// stalls measures how long commits had to wait for flushes and compactions.
type stalls struct {
	mu    sync.Mutex
	count int64
	total time.Duration // of those that are over
	since time.Time     // zero while commits do not wait
}

func (s *stalls) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.since = time.Now()
}

func (s *stalls) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += time.Since(s.since)
	s.since = time.Time{}
}

func (s *stalls) read() (count int64, total time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total = s.total
	if !s.since.IsZero() {
		total += time.Since(s.since)
	}
	return s.count, total
}
