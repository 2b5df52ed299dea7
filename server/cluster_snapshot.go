package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"acquired/fsm/system"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/archive"
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
	manifest, err := archive.Inspect(file)
	if err != nil {
		return err
	}
	if manifest.StateFormat > system.Format {
		return fault.Conflict.New("the snapshot has format %d, this release knows up to %d", manifest.StateFormat, system.Format)
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
