package logstore

import "time"

// Stats counts what was written since Open.
type Stats struct {
	Writes  uint64 // transactions: appends, deletions, and changes of term and vote
	Entries uint64 // log entries stored
	Bytes   uint64 // bytes of data in them
}

// Stats gives the counters.
func (s *Store) Stats() Stats {
	return Stats{Writes: s.writes.Load(), Entries: s.entries.Load(), Bytes: s.bytes.Load()}
}

// Stalled says how long the write in progress has been going at the time now;
// zero when there is none. It never waits for the disk.
func (s *Store) Stalled(now time.Time) time.Duration {
	began := s.began.Load()
	if began == nil {
		return 0
	}
	return max(0, now.Sub(*began))
}

// write runs one transaction that stores so many entries with so many bytes.
func (s *Store) write(operation string, entries, bytes int, transact func() error) error {
	took, err := s.timed(operation, transact)
	if err != nil {
		return err
	}
	s.writes.Add(1)
	s.entries.Add(uint64(entries))
	s.bytes.Add(uint64(bytes))
	s.observeWrite(took, entries, bytes)
	return nil
}

// timed calls Fatal with the lock held: a write that waits for it is never tried.
func (s *Store) timed(operation string, transact func() error) (time.Duration, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mustBeSound()

	began := s.now()
	s.began.Store(&began)
	defer s.began.Store(nil)
	if err := guard(transact); err != nil {
		return 0, s.answerOrFail(operation, err)
	}
	return s.now().Sub(began), nil
}
