package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"acquired/fsm"
	"acquired/server/archive"
	"acquired/server/engine"
)

// snapshots is the raft.SnapshotStore of a node. Nothing is ever copied to make
// a snapshot of the state for the node itself: the engine flushes, and the
// record beside it says up to where the log may be cut. For a follower that is
// too far behind, a checkpoint of the engine is streamed as an archive. It may
// be newer than the record says; what of the log it holds already, the state
// machine skips.
type snapshots struct {
	node *Node
	made atomic.Uint64 // names folders
}

var _ raft.SnapshotStore = (*snapshots)(nil)

// List gives the one snapshot there is: what the engine holds.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	record, ok, err := s.node.states.record()
	if err != nil || !ok {
		return nil, err
	}
	return []*raft.SnapshotMeta{record.meta(s.node.states.current(), 0)}, nil
}

// Create gives the sink for a snapshot. Raft does not say whether it is one of
// the node itself, to which nothing will be written, or one that comes from
// elsewhere; see sink.
func (s *snapshots) Create(_ raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{
		store: s, name: s.newName(index),
		record: snapshotRecord{
			Index: index, Term: term,
			Configuration: raft.EncodeConfiguration(configuration), ConfigurationIndex: configurationIndex,
		},
	}, nil
}

func (s *snapshots) newName(index uint64) string {
	return strconv.FormatUint(index, 10) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatUint(s.made.Add(1), 10)
}

// Open gives the state of the node as a stream, or a state that a sink received.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if received, ok := s.node.received.Load(id); ok {
		r := received.(*receivedState)
		return r.record.meta(id, 0), r, nil
	}
	record, ok, err := s.node.states.record()
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, errors.New("no snapshot")
	}
	stream, size, err := s.node.openArchive()
	if err != nil {
		return nil, nil, err
	}
	return record.meta(id, size), stream, nil
}

// sink takes a snapshot. With nothing written to it before Close, it is one of
// the node itself; otherwise it extracts the archive that is written, beside
// the state that is served.
type sink struct {
	store  *snapshots
	name   string
	record snapshotRecord

	archive  *io.PipeWriter
	done     chan error // of the extraction
	manifest archive.Manifest
}

func (s *sink) ID() string { return s.name }

func (s *sink) Write(b []byte) (int, error) {
	if s.archive == nil {
		if err := s.begin(); err != nil {
			return 0, err
		}
	}
	return s.archive.Write(b)
}

func (s *sink) begin() error {
	states := s.store.node.states
	if err := states.make(s.name); err != nil {
		return err
	}
	reader, writer := io.Pipe()
	s.archive, s.done = writer, make(chan error, 1)
	go func() {
		manifest, err := archive.Extract(reader, states.engine(s.name))
		s.manifest = manifest
		reader.CloseWithError(err) // a sender that goes on is told at once
		s.done <- err
	}()
	return nil
}

// Close ends the snapshot. One of the node itself has been flushed by Persist,
// so its record may now be written.
func (s *sink) Close() error {
	states := s.store.node.states
	if s.archive == nil {
		return states.setRecord(states.current(), s.record)
	}
	s.archive.Close()
	if err := <-s.done; err != nil {
		return errors.Join(fmt.Errorf("receive snapshot: %w", err), states.remove(s.name))
	}
	s.store.node.received.Store(s.name, &receivedState{sink: s})
	return nil
}

// Cancel ends the snapshot as if it had not begun.
func (s *sink) Cancel() error {
	if s.archive == nil {
		return nil
	}
	s.archive.CloseWithError(errors.New("canceled"))
	<-s.done
	return s.store.node.states.remove(s.name)
}

// receivedState is a state that was received whole and is not served yet. As a
// stream it is empty: the replica takes it as it is.
type receivedState struct {
	*sink
}

func (*receivedState) Read([]byte) (int, error) { return 0, io.EOF }
func (*receivedState) Close() error             { return nil }

// openArchive gives the state of the node as a stream of a known size. The
// checkpoint behind it goes when the stream is closed.
func (n *Node) openArchive() (io.ReadCloser, int64, error) {
	dir := filepath.Join(n.data.in(temporary), "checkpoint-"+n.snapshots.newName(0))
	manifest, err := n.checkpoint(dir)
	if err != nil {
		return nil, 0, err
	}
	size, err := archive.Size(manifest)
	if err != nil {
		return nil, 0, errors.Join(err, os.RemoveAll(dir))
	}
	reader, writer := io.Pipe()
	go func() {
		writer.CloseWithError(archive.Write(writer, manifest, dir))
		os.RemoveAll(dir)
	}()
	return reader, size, nil
}

// checkpoint makes dir a copy of the state at one index and says what it is.
func (n *Node) checkpoint(dir string) (manifest archive.Manifest, err error) {
	n.held.use(func(e *engine.Pebble) {
		e.Flush() // so that the pause is short
		n.machine.Pause(func(at fsm.Position) {
			manifest = archive.Manifest{
				Cluster: n.config.Cluster, Node: n.config.Node, Version: n.version,
				Index: at.Index, Term: at.Term, StateFormat: at.Format, Hash: at.Hash.String(),
				UnixNanos: time.Now().UnixNano(),
			}
			err = e.Checkpoint(dir)
		})
	})
	if err != nil {
		return manifest, fmt.Errorf("checkpoint: %w", err)
	}
	manifest.Files, err = archive.Files(dir)
	return manifest, err
}
