package jepsen

import (
	"testing"

	"acquired/jepsen/cluster"
)

// TestWipedNode takes the data of a node away, once of the leader and once of
// a follower. The log of the others does not go back far enough, so it comes
// back by a copy of the state.
func TestWipedNode(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	keepLittleLog(c)
	for round := range rounds(2, 10) {
		id := victim(c, round)
		book.Write(200)
		for _, other := range c.Others(id) {
			c.Node(other).WaitFile("state/*/snapshot.json", soon) // with it the log is cut
		}
		wipe(t, c, book, id)
		book.Write(100)
		book.Audit()
	}
}

// keepLittleLog makes the nodes cut their log at every occasion. All of them
// are killed for that.
func keepLittleLog(c *cluster.Cluster) {
	for _, n := range c.Nodes() {
		n.Kill()
		n.Configure(func(config map[string]any) {
			config["limits"] = map[string]any{"snapshot_bytes": 8 << 10, "trailing_entries": 8}
		})
	}
	for _, n := range c.Nodes() {
		n.Start()
	}
	for _, n := range c.Nodes() {
		n.WaitReady(soon)
	}
}

// wipe kills a node, removes its data and starts it again, while transfers are
// made.
func wipe(t *testing.T, c *cluster.Cluster, book *cluster.Book, id string) {
	t.Helper()
	n, begin := c.Node(id), make(map[string]int)
	for name, node := range c.Nodes() {
		begin[name] = node.LogSize()
	}
	leader := ""
	book.During(func() {
		n.Kill()
		n.Wipe()
		leader = c.LeaderAmong(c.Others(id)...)
		rejoin(t, c, n)
	})
	t.Log(n.WaitLog(begin[id], "state replaced by a snapshot", soon))
	for _, line := range []string{"node joined", "node promoted to voter"} {
		t.Log(c.Node(leader).WaitLog(begin[leader], line, soon))
	}
}
