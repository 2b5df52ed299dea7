package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

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
