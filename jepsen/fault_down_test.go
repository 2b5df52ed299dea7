package jepsen

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestOneNodeDown takes the nodes away one after another, the leader first. Two
// of three serve everything; one of three answers reads that ask for no more
// than it has, and says of a write what became of it.
func TestOneNodeDown(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	for range rounds(1, 10) {
		first := c.LeaderAmong()
		_, longest := book.During(func() {
			c.Node(first).Kill()
			c.LeaderAmong(c.Others(first)...)
		})
		t.Logf("leader killed: no transfer was acknowledged for %s", longest.Round(time.Millisecond))
		book.Write(200, c.Others(first)...)
		book.Audit(c.Others(first)...)

		second := c.Others(first)[0]
		last := c.Others(first, second)[0]
		c.Node(second).Kill()
		wantMinorityServesNoMoreThanItMay(t, c, book, last)

		rejoin(t, c, c.Node(second))
		book.Write(200, second, last)
		rejoin(t, c, c.Node(first))
		book.Write(200)
		book.Audit()
	}
}

func wantMinorityServesNoMoreThanItMay(t *testing.T, c *cluster.Cluster, book *cluster.Book, node string) {
	t.Helper()
	cl := c.Dial(node)
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		t.Cleanup(cancel)
		return ctx
	}
	err := book.Try(short(), cl)
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || (f.Details["outcome"] != "definite" && f.Details["outcome"] != "unknown") {
		t.Errorf("a write to one node of three: %v, want a fault unavailable with its outcome", err)
	}
	t.Logf("a write to one node of three: %v (outcome %s)", err, fault.OutcomeOf(err))

	last := &pb.LookupRequest{Ids: []string{newest(t, book)}}
	_, err = cl.Ledger.Lookup(client.WithRead(short(), client.Latest), last)
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("a latest read of one node of three: %v, want a fault unavailable", err)
	}
	res, err := cl.Ledger.Lookup(client.WithRead(short(), client.Any), last)
	if err != nil || len(res.Transfers) != 1 {
		t.Errorf("a read of any state of one node of three: %v, %v, want the transfer", res, err)
	}
	status, err := cl.Cluster.Status(client.WithRead(short(), client.Any), &pb.StatusRequest{})
	if err != nil || len(status.Nodes) != 3 {
		t.Errorf("the status of one node of three: %v, %v, want that of three nodes", status, err)
	}
	if out := c.Run("cluster", "status"); !strings.Contains(out, node) {
		t.Errorf("acquired cluster status: %s, want it to name %s", out, node)
	}
}
