package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

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

// restored is the state of the cluster after a restore.
type restored struct {
	Index uint64 `json:"index"`
	Hash  string `json:"hash"`
}

func (r restored) table(w io.Writer) {
	row(w, "index", number(r.Index))
	row(w, "hash", r.Hash)
}

func snapshotRestoreCommand(g *globals) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the state of the whole cluster by a snapshot",
		Long: `restore replaces the state of the whole cluster: what was written since the
snapshot was saved is lost. The file is checked before anything is sent.`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return &usageError{err}
			}
			defer file.Close()
			s, err := inspectOpen(file, args[0])
			if err != nil {
				return err
			}
			with, err := g.loadContext()
			if err != nil {
				return err
			}
			if !yes {
				if err := confirmRestore(cmd, s, with.Cluster); err != nil {
					return err
				}
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := restoreSnapshot(ctx, c, file)
				if err != nil {
					return nil, err
				}
				return restored{answer.Index, answer.Hash}, nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirmRestore asks the person at the terminal.
func confirmRestore(cmd *cobra.Command, s snapshot, cluster string) error {
	in := cmd.InOrStdin()
	if !isTerminal(in) {
		return usage("restore replaces the state of cluster %s and there is no terminal to ask at: say --yes", cluster)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "This replaces the state of cluster %s by that of cluster %s at index %d, saved %s.\nType yes to go on: ",
		cluster, s.Cluster, s.Index, s.Time)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != "yes" {
		return fault.Denied.New("nothing was restored")
	}
	return nil
}

// restoreSnapshot sends the file to the leader. A node that is not the leader
// says who is; as that may change, the answer is followed a few times.
func restoreSnapshot(ctx context.Context, c *client.Client, file io.ReadSeeker) (*pb.RestoreSnapshotResponse, error) {
	const redirects = 3
	to := c.Cluster
	for attempt := 0; ; attempt++ {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		answer, err := sendSnapshot(ctx, to, file)
		leader := leaderAddress(err)
		if leader == "" || attempt == redirects {
			return answer, hintRestore(err)
		}
		to = pb.NewClusterClient(c.Node(leader))
	}
}

func sendSnapshot(ctx context.Context, to pb.ClusterClient, file io.Reader) (*pb.RestoreSnapshotResponse, error) {
	// Ends the stream when the file cannot be read.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := to.RestoreSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	if err := sendChunks(stream, file); err != nil {
		return nil, err
	}
	return stream.CloseAndRecv()
}

// sendChunks ends early, without an error, when the node has ended the stream:
// its answer says why.
func sendChunks(stream grpc.ClientStreamingClient[pb.SnapshotChunk, pb.RestoreSnapshotResponse], file io.Reader) error {
	chunk := make([]byte, maxChunk)
	for {
		n, err := file.Read(chunk)
		if n > 0 {
			sent := stream.Send(&pb.SnapshotChunk{Data: chunk[:n]})
			if errors.Is(sent, io.EOF) {
				return nil
			}
			if sent != nil {
				return sent
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// leaderAddress gives where the leader is, if err says that the write was not
// taken and by whom it would be.
func leaderAddress(err error) string {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != fault.Unavailable {
		return ""
	}
	return f.Details["leader_address"]
}

func hintRestore(err error) error {
	if err != nil && fault.OutcomeOf(err) == fault.Unknown {
		return withHint(err, "it may have been restored: see acquired cluster hash, or restore the same file again")
	}
	return err
}
