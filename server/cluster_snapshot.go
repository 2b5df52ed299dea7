package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/system"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/archive"
	"acquired/server/engine"
)

// snapshotChunk is how much of a snapshot is in one message.
const snapshotChunk = 256 << 10

func (s *clusterService) SaveSnapshot(_ *pb.SaveSnapshotRequest, stream grpc.ServerStreamingServer[pb.SnapshotChunk]) error {
	ctx := stream.Context()
	if err := s.mayAdminister(ctx); err != nil {
		return err
	}
	if err := s.node.freshen(ctx, callOf(ctx)); err != nil {
		return err
	}
	state, _, err := s.node.openArchive()
	if err != nil {
		return err
	}
	defer state.Close()
	buffer := make([]byte, snapshotChunk)
	for {
		read, err := io.ReadFull(state, buffer)
		if read > 0 {
			if err := stream.Send(&pb.SnapshotChunk{Data: buffer[:read]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// RestoreSnapshot replaces the state of the cluster. What is sent is kept and
// verified as a whole before anything changes: raft ends a leader that fails
// half-way.
func (s *clusterService) RestoreSnapshot(stream grpc.ClientStreamingServer[pb.SnapshotChunk, pb.RestoreSnapshotResponse]) error {
	ctx := stream.Context()
	n := s.node
	if err := s.mayAdminister(ctx); err != nil {
		return err
	}
	r := n.raft.Load()
	if r == nil || !n.isLeader() {
		return n.notLeader()
	}
	path := filepath.Join(n.data.in(temporary), "restore-"+n.snapshots.newName(0))
	defer os.Remove(path)
	size, err := receive(stream, path)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	manifest, err := n.tryArchive(file)
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	meta := &raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Index: manifest.Index, Term: manifest.Term, Size: size}
	if err := r.Restore(meta, file, membershipTimeout); err != nil {
		return n.applyError(err)
	}
	at := n.machine.Position()
	return stream.SendAndClose(&pb.RestoreSnapshotResponse{Index: at.Index, Hash: at.Hash.String()})
}

// tryArchive opens the state in an archive beside the one that is served, and
// gives the manifest. Raft ends a leader that cannot take over what it was given,
// so an archive that does not hold what it says must be refused before.
func (n *Node) tryArchive(file io.Reader) (archive.Manifest, error) {
	dir := filepath.Join(n.data.in(temporary), "try-"+n.snapshots.newName(0))
	manifest, err := archive.Extract(file, dir)
	if err != nil {
		return manifest, err
	}
	defer os.RemoveAll(dir)
	if manifest.StateFormat > system.Format {
		return manifest, fault.Conflict.New("the snapshot has format %d, this release knows up to %d", manifest.StateFormat, system.Format)
	}
	if err := tryState(dir, manifest); err != nil {
		return manifest, fault.Invalid.New("snapshot: %v", err)
	}
	return manifest, nil
}

// tryCacheBytes is enough to read a state once.
const tryCacheBytes = 8 << 20

// tryState turns a state that cannot be read into an error.
func tryState(dir string, manifest archive.Manifest) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	e, err := engine.Open(engine.Config{Dir: dir, CacheBytes: tryCacheBytes})
	if err != nil {
		return err
	}
	defer e.Close()
	if err := fsm.Check(e, manifest.Index, manifest.Hash); err != nil {
		return err
	}
	// All nodes will have this state, so none could tell that it is damaged.
	m := fsm.New(e)
	defer m.Close()
	view := m.View(command.Caller{})
	defer view.Close()
	return view.Verify(nil)
}

func receive(stream grpc.ClientStreamingServer[pb.SnapshotChunk, pb.RestoreSnapshotResponse], path string) (size int64, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
		if _, err := file.Write(chunk.Data); err != nil {
			return 0, fmt.Errorf("keep the snapshot: %w", err)
		}
		size += int64(len(chunk.Data))
	}
}
