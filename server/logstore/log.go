package logstore

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// FirstIndex gives the first index of the log; zero when it is empty.
func (s *Store) FirstIndex() (uint64, error) {
	return s.bound("read first index", s.bolt.FirstIndex)
}

// LastIndex gives the last index of the log; zero when it is empty.
func (s *Store) LastIndex() (uint64, error) {
	return s.bound("read last index", s.bolt.LastIndex)
}

func (s *Store) bound(operation string, read func() (uint64, error)) (index uint64, err error) {
	s.mustBeSound()
	err = guard(func() (err error) {
		index, err = read()
		return err
	})
	if err != nil {
		return 0, s.answerOrFail(operation, err)
	}
	return index, nil
}

// GetLog sets log to the entry at the index; there being none is
// raft.ErrLogNotFound. Its Data is shared with the store and with other
// callers: it must not be changed. An entry that is not what was stored, on
// disk or in memory, is fatal.
func (s *Store) GetLog(index uint64, log *raft.Log) error {
	s.mustBeSound()
	if cached, ok := s.cache.get(index); ok {
		*log = cached
	} else if err := s.readLog(index, log); err != nil {
		return s.answerOrFail(fmt.Sprintf("read log entry %d", index), err)
	}
	if err := unseal(index, log); err != nil {
		return s.fail(err)
	}
	return nil
}

// readLog never decodes into the caller's log: the decoder would reuse the
// memory of its Data, which may be shared.
func (s *Store) readLog(index uint64, log *raft.Log) error {
	var stored raft.Log
	err := guard(func() error { return s.bolt.GetLog(index, &stored) })
	if err == nil {
		*log = stored
	}
	return err
}

// StoreLog stores one entry: see StoreLogs.
func (s *Store) StoreLog(log *raft.Log) error {
	return s.StoreLogs([]*raft.Log{log})
}

// StoreLogs stores the entries, all or none, and returns when they are on disk.
// One at an index that is taken replaces what is there. The logs are not
// changed; their Data is kept, and must not be changed any more. Entries with
// Extensions or without an index are refused.
//
// The checksum stays in this store: GetLog takes it off, so the entries that a
// leader sends carry none, and each follower's store adds its own.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	sealed, bytes, err := seal(logs)
	if err != nil {
		return err
	}
	operation := fmt.Sprintf("append log entries %d to %d", logs[0].Index, logs[len(logs)-1].Index)
	return s.write(operation, len(logs), bytes, func() error {
		if err := s.bolt.StoreLogs(sealed); err != nil {
			return err
		}
		s.cache.put(sealed)
		return nil
	})
}

// DeleteRange deletes the entries from min to max, both included, all or none.
func (s *Store) DeleteRange(min, max uint64) error {
	if min > max {
		return nil
	}
	operation := fmt.Sprintf("delete log entries %d to %d", min, max)
	return s.write(operation, 0, 0, func() error {
		s.cache.delete(min, max)
		return s.bolt.DeleteRange(min, max)
	})
}
