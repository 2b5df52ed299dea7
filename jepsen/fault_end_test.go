package jepsen

import (
	"os"
	"testing"
	"time"

	"acquired/jepsen/cluster"
)

// soon is long enough for whatever a node does without waiting for a timeout of
// minutes, on a busy machine.
const soon = time.Minute

// statusFatal is the exit status of an agent that met what it must not survive.
const statusFatal = 4

// rounds is how often a test injects its fault: a few times, or many when
// ACQUIRED_LONG=1.
func rounds(few, many int) int {
	if os.Getenv("ACQUIRED_LONG") == "1" {
		return many
	}
	return few
}

// victim gives the leader in even rounds and a follower in odd ones.
func victim(c *cluster.Cluster, round int) string {
	leader := c.LeaderAmong()
	if round%2 == 0 {
		return leader
	}
	return c.Others(leader)[0]
}

// newest gives the id of the transfer that was acknowledged last.
func newest(t *testing.T, book *cluster.Book) string {
	t.Helper()
	ids := book.Acknowledged()
	if len(ids) == 0 {
		t.Fatal("no transfer was acknowledged")
	}
	return ids[len(ids)-1]
}

// start makes a cluster of three with a book in it.
func start(t *testing.T, o cluster.Options) (*cluster.Cluster, *cluster.Book) {
	t.Helper()
	c := cluster.Start(t, o)
	book := c.OpenBook()
	book.Write(300)
	return c, book
}

// rejoin starts a node and waits until it is a member as the others are.
func rejoin(t *testing.T, c *cluster.Cluster, n *cluster.Node) {
	t.Helper()
	n.Start()
	n.WaitReady(soon)
	c.WaitVoter(n.ID, soon)
}
