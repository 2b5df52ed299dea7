package logstore

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	bbolterrors "go.etcd.io/bbolt/errors"
)

var (
	errClosed  = errors.New("log store is closed")
	errDamaged = errors.New("the file is damaged")
)

// guard turns what bbolt does on some damage into an error: it panics, or reads
// beyond the end of the file through its memory map. The same happens when the
// disk cannot give a mapped page. It cannot catch what bbolt does in a goroutine
// of its own: to open a file, for which there is checkFile, and to roll back a
// commit that failed, where a damaged file ends the process without a message.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return do()
}

// answerOrFail gives back an error that is an answer, as it is: raft compares
// them by identity or by text. Any other ends the process.
func (s *Store) answerOrFail(operation string, err error) error {
	switch {
	case errors.Is(err, raft.ErrLogNotFound), errors.Is(err, raftboltdb.ErrKeyNotFound):
		return err
	case errors.Is(err, bbolterrors.ErrDatabaseNotOpen):
		return errClosed
	}
	return s.fail(fmt.Errorf("log store %s: %s: %w", s.path, operation, err))
}

// fail never returns; it has a result so that callers can return it.
func (s *Store) fail(err error) error {
	s.failure.CompareAndSwap(nil, &err)
	err = *s.failure.Load()
	s.fatal(err)
	panic(fmt.Errorf("log store: Fatal returned after: %w", err))
}

// mustBeSound keeps a store that failed from being used while the process ends.
func (s *Store) mustBeSound() {
	if err := s.failure.Load(); err != nil {
		s.fail(*err)
	}
}
