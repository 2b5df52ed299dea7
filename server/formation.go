package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/time/rate"

	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// formation is how a node without a log becomes a member. It must not give a
// vote before it is one: a node that lost its disk has forgotten how it voted,
// and with the vote of one that forgot, a leader could be elected that lacks
// acknowledged writes. So raft does not start before one of these holds:
//
//   - a cluster runs: its leader took the node in, as a non-voter;
//   - all initial nodes answer, and none has a log yet: they form a cluster.
//
// A node that hears of neither waits.
func (n *Node) form(ctx context.Context) error {
	retry := time.NewTicker(formationInterval)
	defer retry.Stop()
	// Reasons name ports that change with every attempt.
	said, say := "", rate.Sometimes{First: 3, Interval: 10 * time.Second}
	for {
		bootstrap, err := n.tryToForm(ctx)
		if err == nil {
			return n.startRaft(bootstrap)
		}
		if errors.Is(err, fault.Denied) {
			return err
		}
		if err.Error() != said {
			say.Do(func() {
				said = err.Error()
				n.log.LogAttrs(ctx, slog.LevelInfo, "waiting for the cluster", slog.String("reason", said))
			})
		}
		select {
		case <-retry.C:
		case <-n.nodesChanged():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const formationInterval = 250 * time.Millisecond

// nodesChanged is closed when gossip hears of a node. Without gossip it never is.
func (n *Node) nodesChanged() <-chan struct{} {
	if n.gossip == nil {
		return nil
	}
	return n.gossip.Changed()
}

// tryToForm returns nil when raft may start, and whether as an initial node of
// a new cluster.
func (n *Node) tryToForm(ctx context.Context) (bootstrap bool, err error) {
	others := n.knownNodes()
	answers, silent := n.peers.greet(ctx, others)
	for _, answer := range answers {
		if answer.Phase == phaseRunning {
			return false, n.joinThrough(ctx, answers)
		}
	}
	if len(n.config.InitialNodes) == 0 {
		return false, errors.New("no node of the cluster answers" + why(silent))
	}
	for _, id := range n.config.InitialNodes {
		if _, ok := answers[id]; !ok && id != n.config.Node {
			return false, fmt.Errorf("initial node %s does not answer (%v); a new cluster forms when all of them do", id, silent[id])
		}
	}
	return true, nil
}

// why gives the reason of one of the nodes that do not answer.
func why(silent map[string]error) string {
	if len(silent) == 0 {
		return ""
	}
	id := slices.Min(slices.Collect(maps.Keys(silent)))
	return fmt.Sprintf("; %s: %v", id, silent[id])
}

// knownNodes are the other nodes that the configuration or gossip names.
func (n *Node) knownNodes() []string {
	ids := slices.Clone(n.config.InitialNodes)
	if n.gossip != nil {
		for _, node := range n.gossip.Nodes() {
			ids = append(ids, node.ID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == n.config.Node })
}

// joinThrough asks the leader that the nodes name to take this node in.
func (n *Node) joinThrough(ctx context.Context, answers map[string]*statev1.HelloResponse) error {
	err := errors.New("the cluster has no leader now")
	for _, answer := range answers {
		if answer.Leader == "" || answer.Leader == n.config.Node {
			continue
		}
		if err = n.join(ctx, answer.Leader, true); err == nil {
			return nil
		}
	}
	return err
}

func (n *Node) join(ctx context.Context, leader string, empty bool) error {
	ctx, cancel := context.WithTimeout(ctx, membershipTimeout)
	defer cancel()
	client, err := n.peers.peer(leader)
	if err != nil {
		return err
	}
	_, err = client.Join(ctx, &statev1.JoinRequest{Address: n.address, Empty: empty})
	return fault.FromGRPC(err)
}

// initialConfiguration is the same on all initial nodes, which makes it safe
// that each of them writes it.
func (n *Node) initialConfiguration() raft.Configuration {
	ids := slices.Clone(n.config.InitialNodes)
	slices.Sort(ids)
	var c raft.Configuration
	for _, id := range ids {
		// The address of a node is its id: see stream.
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	return c
}
