package jepsen

import (
	"testing"

	"acquired/jepsen/cluster"
)

// TestNodeMoves kills a node and starts it with other ports: a follower, then
// the leader. The others keep their configuration, which names the old ones.
func TestNodeMoves(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	// Two moves in all: the third node would find nobody where its configuration
	// says that the others are.
	leader := c.LeaderAmong()
	for _, id := range []string{c.Others(leader)[0], leader} {
		n := c.Node(id)
		before := n.Address()
		book.During(func() {
			n.Kill()
			n.Move()
			c.LeaderAmong(c.Others(id)...)
			rejoin(t, c, n)
		})
		for _, from := range c.Others() {
			if got := c.Status(from, id).GetAddress(); got != n.Address() {
				t.Errorf("%s has %s at %s, want %s; it was at %s", from, id, got, n.Address(), before)
			}
		}
		book.Write(100, id)
		book.Audit()
	}
}
