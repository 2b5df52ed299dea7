package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func clusterCommand(g *globals) *cobra.Command {
	return nounCommand("cluster", "Make, watch and change a cluster of nodes",
		clusterInitCommand(g),
		clusterStatusCommand(g),
		clusterMembersCommand(g),
		clusterHashCommand(g),
		clusterJoinCommand(g),
		clusterLeaveCommand(g),
		clusterRemoveCommand(g),
		clusterTransferLeaderCommand(g),
		clusterUpgradeCommand(g),
		clusterSnapshotCommand(g),
	)
}

// clusterStatus is the cluster as one of its nodes sees it.
type clusterStatus struct {
	Cluster string `json:"cluster"`
	// Node is the one that answered.
	Node string `json:"node"`
	// Leader is empty when the node knows of none.
	Leader string       `json:"leader"`
	Term   uint64       `json:"term"`
	Index  uint64       `json:"index"`
	Format uint32       `json:"format"`
	Nodes  []nodeStatus `json:"nodes"`
}

type nodeStatus struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	// Suffrage is "voter", "nonvoter" or "none".
	Suffrage string `json:"suffrage"`
	Healthy  bool   `json:"healthy"`
	Applied  uint64 `json:"applied"`
	// Lag is how many entries it is behind.
	Lag     uint64 `json:"lag"`
	Version string `json:"version"`
}

func describeNodes(nodes []*pb.NodeStatus) []nodeStatus {
	described := make([]nodeStatus, len(nodes))
	for i, n := range nodes {
		described[i] = nodeStatus{n.Id, n.Address, n.Suffrage, n.Healthy, n.Applied, n.Lag, n.Version}
	}
	return described
}

func nodeTable(w io.Writer, leader string, nodes []nodeStatus) {
	row(w, "NODE", "ADDRESS", "SUFFRAGE", "HEALTHY", "APPLIED", "LAG", "VERSION")
	for _, n := range nodes {
		name := n.ID
		if name == leader {
			name += " (leader)"
		}
		row(w, name, n.Address, n.Suffrage, yesNo(n.Healthy), number(n.Applied), number(n.Lag), orDash(n.Version))
	}
}

func (s clusterStatus) table(w io.Writer) {
	leader := s.Leader
	if leader == "" {
		leader = "none known"
	}
	fmt.Fprintf(w, "cluster %s, leader %s, term %d, index %d, format %d (says %s)\n\n",
		s.Cluster, leader, s.Term, s.Index, s.Format, s.Node)
	nodeTable(w, s.Leader, s.Nodes)
}

func clusterStatusCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say who leads and how far each node is",
		Long:  "status is answered by any node, which says what it can even without a leader.",
		Args:  arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				s, err := c.Cluster.Status(ctx, &pb.StatusRequest{})
				if err != nil {
					return nil, err
				}
				return clusterStatus{s.ClusterId, s.Node, s.Leader, s.Term, s.Index, s.Format, describeNodes(s.Nodes)}, nil
			})
		},
	}
}

// clusterMembers are the nodes and those that may not come back unasked.
type clusterMembers struct {
	Nodes   []nodeStatus `json:"nodes"`
	Removed []string     `json:"removed"`
}

func (m clusterMembers) table(w io.Writer) {
	nodeTable(w, "", m.Nodes)
	if len(m.Removed) > 0 {
		fmt.Fprintf(w, "\nremoved: %s\n", strings.Join(m.Removed, " "))
	}
}

func clusterMembersCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "members",
		Short: "List the nodes, and those that were removed",
		Args:  arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				m, err := c.Cluster.Members(ctx, &pb.MembersRequest{})
				if err != nil {
					return nil, err
				}
				return clusterMembers{describeNodes(m.Nodes), append([]string{}, m.Removed...)}, nil
			})
		},
	}
}

// clusterHash is the state of each node in brief.
type clusterHash struct {
	Nodes []nodeHash `json:"nodes"`
}

type nodeHash struct {
	ID    string `json:"id"`
	Index uint64 `json:"index"`
	Hash  string `json:"hash"`
	// Error is why there is no hash.
	Error string `json:"error,omitempty"`
}

func (h clusterHash) table(w io.Writer) {
	row(w, "NODE", "INDEX", "HASH")
	for _, n := range h.Nodes {
		if n.Error != "" {
			row(w, n.ID, "-", n.Error)
			continue
		}
		row(w, n.ID, number(n.Index), n.Hash)
	}
}

// verify refuses nodes that are at the same index in different states.
func (h clusterHash) verify() error {
	first := make(map[uint64]nodeHash)
	for _, n := range h.Nodes {
		if n.Error != "" {
			continue
		}
		other, seen := first[n.Index]
		if !seen {
			first[n.Index] = n
			continue
		}
		if other.Hash != n.Hash {
			return fault.Conflict.New("%s and %s differ at index %d", other.ID, n.ID, n.Index)
		}
	}
	return nil
}

func clusterHashCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "hash",
		Short: "Compare the state of all nodes",
		Long:  "hash asks every node for the hash of its state at one index. It ends with status 1 if two differ.",
		Args:  arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var hashes clusterHash
			err := g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Cluster.Hash(ctx, &pb.HashRequest{})
				if err != nil {
					return nil, hintRead(err)
				}
				hashes.Nodes = make([]nodeHash, len(answer.Nodes))
				for i, n := range answer.Nodes {
					hashes.Nodes[i] = nodeHash{n.Id, n.Index, n.Hash, n.Error}
				}
				return hashes, nil
			})
			if err != nil {
				return err
			}
			return hashes.verify()
		},
	}
}

// leftNode is a node that left.
type leftNode struct {
	ID string `json:"id"`
}

func (l leftNode) table(w io.Writer) { row(w, "left", l.ID) }

func clusterLeaveCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "leave ID",
		Short: "Take a live node out of the cluster and end it",
		Args:  arguments(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				_, err := c.Cluster.Leave(ctx, &pb.LeaveRequest{Id: args[0]})
				return leftNode{args[0]}, hintMembers(err)
			})
		},
	}
}

// removedNode is a node that was taken out.
type removedNode struct {
	ID    string `json:"id"`
	Index uint64 `json:"index"`
}

func (r removedNode) table(w io.Writer) {
	row(w, "removed", r.ID)
	row(w, "index", number(r.Index))
}

func clusterRemoveCommand(g *globals) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a node, usually a dead one, out of the cluster",
		Args:  arguments(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Cluster.Remove(ctx, &pb.RemoveRequest{Id: args[0], Force: force})
				if err != nil {
					return nil, hintMembers(err)
				}
				return removedNode{args[0], answer.Index}, nil
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "even if fewer than a majority of the nodes that stay answer")
	return cmd
}

// newLeader is who leads after a transfer.
type newLeader struct {
	// Leader is empty when none was asked for and it has not spoken yet.
	Leader string `json:"leader"`
}

func (l newLeader) table(w io.Writer) { row(w, "leader", orDash(l.Leader)) }

func clusterTransferLeaderCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "transfer-leader [ID]",
		Short: "Let another node lead; without ID, the one that is furthest",
		Args:  arguments(0, 1, "at most ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				request := &pb.TransferLeaderRequest{}
				if len(args) > 0 {
					request.Id = args[0]
				}
				answer, err := c.Cluster.TransferLeader(ctx, request)
				if err != nil {
					return nil, hintMembers(err)
				}
				return newLeader{cmp.Or(answer.Leader, request.Id)}, nil
			})
		},
	}
}

// hintMembers says where the ids of nodes are from.
func hintMembers(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return withHint(err, "acquired cluster members")
	}
	return err
}
