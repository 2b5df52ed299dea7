package server_test

import (
	"testing"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/server/servertest"
)

// A namedFault is inflicted and over when it returns.
type namedFault struct {
	name    string
	inflict func(t *testing.T, cluster *servertest.Cluster, operator *client.Client)
}

var allFaults = []namedFault{
	{"cut the leader off", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		cutOff(t, cluster, operator, leaderOf(t, operator))
	}},
	{"deafen the leader", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		leader := leaderOf(t, operator)
		cluster.Deafen(leader)
		missed(t, operator, leader)
		wait(t, 2*time.Second)
		cluster.Heal(leader)
		cluster.WaitReady(leader)
	}},
	{"cut a follower off", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		cutOff(t, cluster, operator, followerOf(t, cluster, operator))
	}},
	{"transfer the leadership", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		makeLeader(t, operator, followerOf(t, cluster, operator))
	}},
	{"stop the leader", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		restart(t, cluster, operator, leaderOf(t, operator))
	}},
	{"stop a follower", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		restart(t, cluster, operator, followerOf(t, cluster, operator))
	}},
	{"stop all nodes", func(t *testing.T, cluster *servertest.Cluster, _ *client.Client) {
		restartAll(t, cluster)
	}},
}

// cutOff takes a node off the network, sees that it is missed, and puts it back.
func cutOff(t *testing.T, cluster *servertest.Cluster, operator *client.Client, id string) {
	t.Helper()
	cluster.Cut(id)
	missed(t, operator, id)
	wait(t, 3*time.Second)
	cluster.Heal(id)
	cluster.WaitReady(id)
}

// missed returns when the others go on without the node.
func missed(t *testing.T, operator *client.Client, id string) {
	t.Helper()
	waitFor(t, operator, func(s *pb.StatusResponse) bool {
		return !statusOf(s, id).Healthy && s.Leader != "" && s.Leader != id
	})
}

func restart(t *testing.T, cluster *servertest.Cluster, operator *client.Client, id string) {
	t.Helper()
	cluster.StopNode(id)
	missed(t, operator, id)
	wait(t, 5*time.Second)
	cluster.StartNode(id)
	cluster.WaitReady(id)
}

func restartAll(t *testing.T, cluster *servertest.Cluster) {
	t.Helper()
	for _, id := range cluster.IDs() {
		cluster.StopNode(id)
	}
	for _, id := range cluster.IDs() {
		cluster.StartNode(id)
	}
	for _, id := range cluster.IDs() {
		cluster.WaitReady(id)
	}
}

func followerOf(t *testing.T, cluster *servertest.Cluster, c *client.Client) string {
	t.Helper()
	leader := leaderOf(t, c)
	for _, id := range cluster.IDs() {
		if id != leader {
			return id
		}
	}
	t.Fatal("the cluster has no follower")
	return ""
}

func termOf(t *testing.T, c *client.Client) uint64 {
	t.Helper()
	res, err := c.Cluster.Status(client.WithRead(t.Context(), client.Any), &pb.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Term
}
