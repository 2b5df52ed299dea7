package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"acquired/proto/fault"
)

// A data directory:
//
//	lock         held while a process uses the directory
//	node.json    whose it is
//	raft.db      the log, the term and the vote
//	state/       see stateDir
//	temporary/   emptied at every start
//	quarantine   why the node must not serve any more, if it must not
type dataDir struct {
	path string
	lock *os.File
}

const (
	lockFile       = "lock"
	identityFile   = "node.json"
	logFile        = "raft.db"
	stateFolder    = "state"
	temporary      = "temporary"
	quarantineFile = "quarantine"
)

// owner is the content of node.json.
type owner struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
}

// openDataDir makes the directory if need be, locks it, and checks that it is
// this node's.
func openDataDir(path string, own owner) (d *dataDir, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d = &dataDir{path: path, lock: lock}
	defer func() {
		if err != nil {
			lock.Close() // what is returned is nil then
		}
	}()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fault.Conflict.New("data directory %s is in use by another process", path)
	}
	if reason, err := os.ReadFile(d.in(quarantineFile)); err == nil {
		return nil, fault.Conflict.New("data directory %s is in quarantine: %s; move it away and start the node again: it rejoins and copies the state of the others", path, reason)
	}
	if err := d.checkIdentity(own); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(d.in(temporary)); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return d, os.MkdirAll(d.in(temporary), 0o700)
}

func (d *dataDir) in(name string) string { return filepath.Join(d.path, name) }

func (d *dataDir) checkIdentity(own owner) error {
	b, err := os.ReadFile(d.in(identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		b, err := json.Marshal(own)
		if err != nil {
			return err
		}
		return writeFile(d.in(identityFile), b)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	var found owner
	if err := json.Unmarshal(b, &found); err != nil {
		return fault.Conflict.New("data directory %s: %s is damaged: %v", d.path, identityFile, err)
	}
	if found != own {
		return fault.Conflict.New("data directory %s is of node %s in cluster %s, not of node %s in cluster %s",
			d.path, found.Node, found.Cluster, own.Node, own.Cluster)
	}
	return nil
}

// quarantine marks the directory: no process serves from it any more.
func (d *dataDir) quarantine(reason string) error {
	return writeFile(d.in(quarantineFile), []byte(reason))
}

// close gives the lock up.
func (d *dataDir) close() { d.lock.Close() }

// writeFile replaces a file so that after a crash it is whole, old or new.
func writeFile(path string, content []byte) error {
	partial := path + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(partial, path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes what was created, renamed or removed in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closed := d.Close(); err == nil {
		err = closed
	}
	return err
}
