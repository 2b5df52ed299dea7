package cluster

import (
	"context"
	"maps"
	"slices"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// interval is how often what is waited for is looked at.
const interval = 20 * time.Millisecond

// dialNow is Dial for where the nodes are now, which may not be where they were
// when the context of the operator was made. The caller closes the client.
func (c *Cluster) dialNow(nodes ...string) *client.Client {
	c.t.Helper()
	if len(nodes) == 0 {
		nodes = slices.Sorted(maps.Keys(c.nodes))
	}
	cl, err := client.Dial(c.t.Context(), c.Config(nodes...))
	if err != nil {
		c.t.Fatal(err)
	}
	return cl
}

// eventually waits until ok gives "", and otherwise fails with what it gave last.
func (c *Cluster) eventually(within time.Duration, ok func(context.Context) (missing string)) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), within)
	defer cancel()
	poll := time.NewTicker(interval)
	defer poll.Stop()
	for {
		missing := ok(ctx)
		if missing == "" {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			c.t.Fatalf("after %s: %s", within, missing)
		}
	}
}

// LeaderAmong waits until one of the nodes named, or of all, leads.
func (c *Cluster) LeaderAmong(nodes ...string) (leader string) {
	c.t.Helper()
	if len(nodes) == 0 {
		nodes = slices.Sorted(maps.Keys(c.nodes))
	}
	cl := c.dialNow(nodes...)
	defer cl.Close()
	c.eventually(time.Minute, func(ctx context.Context) string {
		status, err := cl.Cluster.Status(client.WithRead(ctx, client.Any), &pb.StatusRequest{})
		if err != nil {
			return err.Error()
		}
		if leader = status.Leader; !slices.Contains(nodes, leader) {
			return "the leader is " + leader + ", want one of the nodes asked"
		}
		return ""
	})
	return leader
}

// Others are the nodes without those named, in order.
func (c *Cluster) Others(than ...string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.nodes)), func(id string) bool { return slices.Contains(than, id) })
}

// Status is what a node says of a node.
func (c *Cluster) Status(from, of string) *pb.NodeStatus {
	c.t.Helper()
	cl := c.dialNow(from)
	defer cl.Close()
	res, err := cl.Cluster.Status(client.WithRead(c.t.Context(), client.Any), &pb.StatusRequest{})
	if err != nil {
		c.t.Fatalf("status of %s: %v", from, err)
	}
	for _, status := range res.Nodes {
		if status.Id == of {
			return status
		}
	}
	return nil
}

// WaitVoter waits until the other nodes find the node well, with a vote, and
// with all that they have.
func (c *Cluster) WaitVoter(id string, within time.Duration) {
	c.t.Helper()
	cl := c.dialNow(c.Others(id)...)
	defer cl.Close()
	c.eventually(within, func(ctx context.Context) string {
		res, err := cl.Cluster.Status(client.WithRead(ctx, client.Any), &pb.StatusRequest{})
		if err != nil {
			return err.Error()
		}
		for _, status := range res.Nodes {
			if status.Id == id && status.Healthy && status.Suffrage == "voter" && status.Lag == 0 {
				return ""
			}
		}
		return id + " is no voter that has caught up: " + res.String()
	})
}

// WaitKnown waits until a node knows of another one, member or not.
func (c *Cluster) WaitKnown(by, id string, within time.Duration) {
	c.t.Helper()
	c.eventually(within, func(context.Context) string {
		if c.Status(by, id) == nil {
			return by + " does not know of " + id
		}
		return ""
	})
}

// WantSameHash fails the test unless the nodes named have the same state hash,
// at one index.
func (c *Cluster) WantSameHash(nodes ...string) {
	c.t.Helper()
	cl := c.dialNow(nodes...)
	defer cl.Close()
	res, err := cl.Cluster.Hash(client.WithRead(c.t.Context(), client.Latest), &pb.HashRequest{})
	if err != nil {
		c.t.Fatalf("compare hashes: %v", err)
	}
	hashes, seen := make(map[string]bool), 0
	for _, n := range res.Nodes {
		if !slices.Contains(nodes, n.Id) {
			continue
		}
		seen++
		hashes[n.Hash] = true
	}
	if seen != len(nodes) || len(hashes) != 1 || hashes[""] {
		c.t.Errorf("state hashes: %v, want the same one on each of %v", res.Nodes, nodes)
	}
}
