package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft"
)

// stateDir is where the states are. The file CURRENT names the one that the
// node serves; a state from a snapshot is made beside it, complete, before
// CURRENT is replaced. Each state is a folder with
//
//	db/             the engine
//	snapshot.json   up to where the log may be cut
//
// so a state and what raft is told of it change in one step.
type stateDir struct {
	path string
	mu   sync.Mutex
	name string // content of CURRENT
}

const (
	currentFile  = "CURRENT"
	engineFolder = "db"
	snapshotFile = "snapshot.json"
	firstState   = "first"
)

// snapshotRecord is the content of snapshot.json: what raft needs to know of
// the log before the index, which the engine holds durably.
type snapshotRecord struct {
	Index, Term        uint64
	Configuration      []byte // as raft encodes it
	ConfigurationIndex uint64
}

func openStateDir(path string) (*stateDir, error) {
	s := &stateDir{path: path}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(path, currentFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := s.make(firstState); err != nil {
			return nil, err
		}
		if err := s.adopt(firstState); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		s.name = string(b)
	}
	return s, s.clean()
}

// clean removes the states that CURRENT does not name: what a crash left.
func (s *stateDir) clean() error {
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != s.name {
			if err := os.RemoveAll(filepath.Join(s.path, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stateDir) make(name string) error { return os.MkdirAll(filepath.Join(s.path, name), 0o700) }

// adopt makes the named state the one that is served after a restart.
func (s *stateDir) adopt(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := syncDir(filepath.Join(s.path, name)); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(s.path, currentFile), []byte(name)); err != nil {
		return err
	}
	s.name = name
	return nil
}

func (s *stateDir) remove(name string) error { return os.RemoveAll(filepath.Join(s.path, name)) }

func (s *stateDir) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name
}

func (s *stateDir) engine(name string) string { return filepath.Join(s.path, name, engineFolder) }

// record gives the snapshot record of the state that is served; ok is false
// when it has none.
func (s *stateDir) record() (r snapshotRecord, ok bool, err error) {
	b, err := os.ReadFile(filepath.Join(s.path, s.current(), snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("%s: %w", snapshotFile, err)
	}
	return r, true, nil
}

func (s *stateDir) setRecord(name string, r snapshotRecord) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.path, name, snapshotFile), b)
}

func (r snapshotRecord) meta(id string, size int64) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: id, Index: r.Index, Term: r.Term,
		Configuration: raft.DecodeConfiguration(r.Configuration), ConfigurationIndex: r.ConfigurationIndex,
		Size: size,
	}
}
