package jepsen

import (
	"testing"
	"time"

	"acquired/jepsen/cluster"
)

// TestAllKilled kills all nodes at once, again and again, while transfers are
// made. That is less than a power cut: what the system has not written yet, it
// still writes.
func TestAllKilled(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	for range rounds(3, 30) {
		count, longest := book.During(func() {
			book.WaitFor(50, soon)
			for _, n := range c.Nodes() {
				n.Kill()
			}
			for _, n := range c.Nodes() {
				n.Start()
			}
			c.LeaderAmong()
		})
		t.Logf("%d transfers, none for %s", count, longest.Round(time.Millisecond))
		book.Audit()
	}
}
