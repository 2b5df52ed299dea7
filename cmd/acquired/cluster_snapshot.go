package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/archive"
)

// maxChunk is how much of a snapshot one message carries, in bytes.
const maxChunk = 256 << 10

func clusterSnapshotCommand(g *globals) *cobra.Command {
	return nounCommand("snapshot", "Save, look at and restore the state of a cluster",
		snapshotSaveCommand(g),
		snapshotInspectCommand(g),
		snapshotRestoreCommand(g),
	)
}

// snapshot is what a file of a snapshot says of itself.
type snapshot struct {
	File string `json:"file"`
	// Size is in bytes, without the wrapping.
	Size    uint64 `json:"size"`
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	Index   uint64 `json:"index"`
	Term    uint64 `json:"term"`
	Format  uint64 `json:"format"`
	Hash    string `json:"hash"`
	Time    string `json:"time"`
	Version string `json:"version"`
	// Verified is always true: a file whose parts do not have the hashes that
	// its manifest says is refused.
	Verified bool `json:"verified"`
}

func (s snapshot) table(w io.Writer) {
	row(w, "file", s.File)
	row(w, "size", number(s.Size))
	row(w, "cluster", s.Cluster)
	row(w, "node", s.Node)
	row(w, "index", number(s.Index))
	row(w, "term", number(s.Term))
	row(w, "format", number(s.Format))
	row(w, "hash", s.Hash)
	row(w, "time", s.Time)
	row(w, "version", orDash(s.Version))
	row(w, "verified", "all parts are as the manifest says")
}

// inspectSnapshot reads all of the file and checks it against its manifest.
func inspectSnapshot(path string) (snapshot, error) {
	file, err := os.Open(path)
	if err != nil {
		return snapshot{}, &usageError{err}
	}
	defer file.Close()
	return inspectOpen(file, path)
}

func inspectOpen(file io.Reader, path string) (snapshot, error) {
	manifest, err := archive.Inspect(bufio.NewReaderSize(file, maxChunk))
	if err != nil {
		return snapshot{}, fmt.Errorf("snapshot %s: %w", path, err)
	}
	s := snapshot{
		File: path, Cluster: manifest.Cluster, Node: manifest.Node, Index: manifest.Index, Term: manifest.Term,
		Format: uint64(manifest.Format), Hash: manifest.Hash, Version: manifest.Version, Verified: true,
		Time: time.Unix(0, manifest.UnixNanos).UTC().Format(time.RFC3339),
	}
	for _, part := range manifest.Files {
		s.Size += uint64(part.Size)
	}
	return s, nil
}

func snapshotInspectCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE",
		Short: "Check a snapshot and say what it holds; needs no cluster",
		Args:  arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := inspectSnapshot(args[0])
			if err != nil {
				return err
			}
			return g.output.show(cmd.OutOrStdout(), s)
		},
	}
}

func snapshotSaveCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "save FILE",
		Short: "Save the state of the cluster to a new file",
		Long: `save writes to FILE.partial, checks what it wrote and then renames it, so that a
file with the name FILE is always a whole snapshot.`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if fileExists(args[0]) {
				return fault.Exists.New("%s exists", args[0])
			}
			c, err := g.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			s, err := saveSnapshot(cmd.Context(), c, args[0])
			if err != nil {
				return hintRead(err)
			}
			return g.output.show(cmd.OutOrStdout(), s)
		},
	}
}

func saveSnapshot(ctx context.Context, c *client.Client, path string) (snapshot, error) {
	partial := path + ".partial"
	if err := receiveSnapshot(ctx, c, partial); err != nil {
		return snapshot{}, errors.Join(err, os.Remove(partial))
	}
	s, err := inspectSnapshot(partial)
	if err != nil {
		return s, err
	}
	s.File = path
	// A link, unlike a rename, does not replace a file that came to be meanwhile.
	if err := os.Link(partial, path); err != nil {
		return s, err
	}
	return s, errors.Join(os.Remove(partial), syncFolder(filepath.Dir(path)))
}

// receiveSnapshot writes the stream to the file and to the disk. The file is
// there when it returns, whatever the error.
func receiveSnapshot(ctx context.Context, c *client.Client, path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return &usageError{err}
	}
	stream, err := c.Cluster.SaveSnapshot(ctx, &pb.SaveSnapshotRequest{})
	for err == nil {
		var chunk *pb.SnapshotChunk
		if chunk, err = stream.Recv(); err == nil {
			_, err = file.Write(chunk.Data)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return closed(file, err)
}

// syncFolder makes the names in a folder last.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return closed(folder, nil)
}
