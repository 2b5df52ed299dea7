package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/pki"
)

// reachTimeout is how long to look for a cluster that need not be there.
const reachTimeout = 3 * time.Second

// joinFlags say which node joins and where its files go.
type joinFlags struct {
	id string
	// files is the folder that cluster init made; empty is to admit the node only.
	files    string
	host     string
	basePort int
}

// joinedNode is what cluster join did.
type joinedNode struct {
	ID string `json:"id"`
	// Config is the agent.yaml that was written; empty is none.
	Config string `json:"config"`
	// Admitted is set when the node had been removed and may come back.
	Admitted bool `json:"admitted"`
}

func (j joinedNode) table(w io.Writer) {
	if j.Admitted {
		fmt.Fprintf(w, "%s may come back.\n", j.ID)
	}
	if j.Config != "" {
		fmt.Fprintf(w, "Start it; it joins by itself:\n\n  acquired agent --config %s\n", j.Config)
	}
}

func clusterJoinCommand(g *globals) *cobra.Command {
	var flags joinFlags
	cmd := &cobra.Command{
		Use:   "join ID",
		Short: "Make the files of one more node, or let a removed one come back",
		Long: `join makes, in the folder DIR that cluster init made, the certificate, keys and
configuration of one more node. If the cluster answers and the node was removed
before, it is admitted again. Without --files it is only admitted.`,
		Example: "  acquired cluster join node4 --files DIR",
		Args:    arguments(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.id = args[0]
			if err := pki.ValidateName("node id", flags.id); err != nil {
				return &usageError{err}
			}
			if flags.files == "" && (cmd.Flags().Changed("host") || cmd.Flags().Changed("base-port")) {
				return usage("--host and --base-port are for --files")
			}
			if flags.files == "" {
				return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
					_, err := c.Cluster.Admit(ctx, &pb.AdmitRequest{Id: flags.id})
					return joinedNode{ID: flags.id, Admitted: true}, err
				})
			}
			return g.joinFiles(cmd, flags)
		},
	}
	cmd.Flags().StringVar(&flags.files, "files", "", "folder that cluster init made")
	cmd.Flags().StringVar(&flags.host, "host", "127.0.0.1", "name or address that the node listens at and is reached at")
	cmd.Flags().IntVar(&flags.basePort, "base-port", 0, "first port of the node (default: ten above the last)")
	return cmd
}

// joinFiles makes the files of the node and lets it in, if there is anyone to
// ask.
func (g *globals) joinFiles(cmd *cobra.Command, flags joinFlags) error {
	if err := checkHost(flags.host); err != nil {
		return err
	}
	folder, err := readClusterFolder(flags.files)
	if err != nil {
		return err
	}
	if flags.basePort == 0 {
		flags.basePort = folder.nextPort
	}
	if err := checkBasePort(flags.basePort, 1); err != nil {
		return err
	}
	c, err := g.reachCluster(cmd.Context(), flags.files, folder.authority.Cluster())
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
	}
	removed, err := wasRemoved(cmd.Context(), c, flags.id)
	if err != nil {
		return err
	}
	node := filepath.Join(flags.files, flags.id)
	if err := folder.addNode(node, addressesOf(flags.id, flags.host, flags.basePort)); err != nil {
		return err
	}
	if c == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "the cluster did not answer: if %s was removed before, run acquired cluster join %s when it does\n",
			flags.id, flags.id)
	}
	if removed {
		if _, err := c.Cluster.Admit(cmd.Context(), &pb.AdmitRequest{Id: flags.id}); err != nil {
			return withHint(err, "the files are made; let the node in with acquired cluster join %s", flags.id)
		}
	}
	return g.output.show(cmd.OutOrStdout(), joinedNode{flags.id, filepath.Join(node, "agent.yaml"), removed})
}

// reachCluster connects to the cluster, with the context of the folder unless
// --context names another. It gives nil when nobody answers or no context is of
// this cluster: files can be made all the same.
func (g *globals) reachCluster(ctx context.Context, folder, cluster string) (*client.Client, error) {
	with, err := g.contextFor(folder, cluster)
	if err != nil || with == nil {
		return nil, err
	}
	if !g.flags.Changed("timeout") {
		limited, cancel := context.WithTimeout(ctx, reachTimeout)
		defer cancel()
		ctx = limited
	}
	c, err := g.dial(ctx, *with)
	if errors.Is(err, fault.Unavailable) {
		return nil, nil
	}
	return c, err
}

func (g *globals) contextFor(folder, cluster string) (*contextFile, error) {
	own := filepath.Join(folder, operatorContextFile)
	if g.context == "" && fileExists(own) {
		with, err := readContextFile(own)
		return &with, err
	}
	with, err := g.loadContext()
	switch {
	case g.context != "" && err != nil:
		return nil, err
	case g.context != "" && with.Cluster != cluster:
		return nil, usage("the context is of cluster %s, %s of %s", with.Cluster, folder, cluster)
	case err != nil, with.Cluster != cluster:
		return nil, nil
	}
	return &with, nil
}

// wasRemoved asks the cluster, nil is none, whether the node must be let in. An
// id that is a member's is refused: the member's files would lose their node.
func wasRemoved(ctx context.Context, c *client.Client, id string) (bool, error) {
	if c == nil {
		return false, nil
	}
	members, err := c.Cluster.Members(ctx, &pb.MembersRequest{})
	if err != nil {
		return false, err
	}
	for _, node := range members.Nodes {
		if node.Id == id && node.Suffrage != "none" {
			return false, withHint(fault.Exists.New("node %s is a member", id), "acquired cluster remove %s", id)
		}
	}
	return slices.Contains(members.Removed, id), nil
}
