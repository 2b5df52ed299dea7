package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// seed makes the asset and the accounts of a test: /account/bank may go below
// zero, the others may not.
func seed(t *testing.T, c *client.Client, accounts ...string) {
	t.Helper()
	seedScale(t, c, 2, accounts...)
}

func seedScale(t *testing.T, c *client.Client, scale uint32, accounts ...string) {
	t.Helper()
	ctx := t.Context()
	if _, err := c.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: "USD", Scale: scale}); err != nil {
		t.Fatal(err)
	}
	open := func(path, overdraft string) {
		t.Helper()
		if _, err := c.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{Path: path, Asset: "USD", Overdraft: overdraft}); err != nil {
			t.Fatal(err)
		}
	}
	open("/account/bank", "unlimited")
	for _, path := range accounts {
		open(path, "")
	}
}

// pay moves an amount from the bank.
func pay(ctx context.Context, c *client.Client, id, to, amount string) (*pb.TransferResponse, error) {
	return c.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: id, Debit: "/account/bank", Credit: to, Amount: amount},
	}})
}

func credits(t *testing.T, c *client.Client, read client.Read, path string) string {
	t.Helper()
	res, err := c.Ledger.Balance(client.WithRead(t.Context(), read), &pb.BalanceRequest{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return res.CreditsPosted
}

// wantEqualHashes compares the state of all nodes at one index, and gives its
// hash.
// wantEqualHashes gives a node that was cut off a minute to answer: the leader tries to
// reach it every ten seconds or so.
func wantEqualHashes(t *testing.T, c *client.Client, nodes int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var res *pb.HashResponse
	for silent := true; silent && ctx.Err() == nil; {
		var err error
		if res, err = c.Cluster.Hash(client.WithRead(ctx, client.Latest), &pb.HashRequest{}); err != nil {
			t.Fatal(err)
		}
		silent = slices.ContainsFunc(res.Nodes, func(n *pb.NodeHash) bool { return n.Error != "" })
	}
	if len(res.Nodes) != nodes {
		t.Fatalf("hashes of %d nodes, want %d: %v", len(res.Nodes), nodes, res.Nodes)
	}
	for _, n := range res.Nodes {
		if n.Error != "" || n.Hash != res.Nodes[0].Hash || n.Index != res.Nodes[0].Index {
			t.Fatalf("the nodes differ: %v", res.Nodes)
		}
	}
	return res.Nodes[0].Hash
}

func leaderOf(t *testing.T, c *client.Client) string {
	t.Helper()
	for {
		res, err := c.Cluster.Status(client.WithRead(t.Context(), client.Any), &pb.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if res.Leader != "" {
			return res.Leader
		}
		wait(t, 100*time.Millisecond)
	}
}

// wait lets time go by: virtual time, as all tests that use it run in a bubble.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal("the test ended")
	}
}

func TestEveryNodeServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		seed(t, cluster.Dial(), "/account/a")
		for i, id := range cluster.IDs() {
			c := cluster.Dial(id)
			res, err := pay(t.Context(), c, fmt.Sprint("t", i), "/account/a", "1.50")
			if err != nil {
				t.Fatalf("write through %s: %v", id, err)
			}
			if c.Index() < res.Index {
				t.Errorf("the client saw index %d, its write has %d", c.Index(), res.Index)
			}
			want := []string{"1.50", "3.00", "4.50"}[i]
			if got := credits(t, c, client.Seen, "/account/a"); got != want {
				t.Errorf("%s does not show its own writes: %s, want %s", id, got, want)
			}
		}
		for _, id := range cluster.IDs() {
			if got := credits(t, cluster.Dial(id), client.Latest, "/account/a"); got != "4.50" {
				t.Errorf("latest on %s is %s, want 4.50", id, got)
			}
		}
		wantEqualHashes(t, cluster.Dial(), 3)
	})
}

func TestLeaderLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		for i := range 5 {
			leader := leaderOf(t, c)
			cluster.Cut(leader)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if _, err := pay(ctx, c, fmt.Sprint("t", i), "/account/a", "1.00"); err != nil {
				t.Fatalf("write without %s: %v", leader, err)
			}
			// The one that was the leader must not answer from the past.
			_, err := askCut(ctx, t, cluster, leader)
			if err == nil {
				t.Errorf("%s is cut off and answered a latest read", leader)
			}
			cancel()
			cluster.Heal(leader)
			cluster.WaitReady(leader)
		}
		if got := credits(t, c, client.Latest, "/account/a"); got != "5.00" {
			t.Errorf("credits are %s, want 5.00", got)
		}
		wantEqualHashes(t, c, 3)
	})
}

// askCut asks a node that is cut off for a latest read, by its own process.
func askCut(ctx context.Context, t *testing.T, cluster *servertest.Cluster, id string) (*pb.BalanceResponse, error) {
	t.Helper()
	config := cluster.Config(id)
	config.Dialer = cluster.Local(id)
	c := cluster.DialConfig(config)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return c.Ledger.Balance(client.WithRead(ctx, client.Latest), &pb.BalanceRequest{Path: "/account/a"})
}

func TestNodeComesBackEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: servertest.ShortLog})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		for i := range 200 {
			if _, err := pay(t.Context(), c, fmt.Sprint("t", i), "/account/a", "1.00"); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, time.Minute) // the log is cut
		victim := "node2"
		cluster.StopNode(victim)
		cluster.Wipe(victim)
		cluster.StartNode(victim)
		cluster.WaitReady(victim)
		waitFor(t, c, func(s *pb.StatusResponse) bool {
			n := statusOf(s, victim)
			return n.Suffrage == "voter" && n.Healthy && n.Lag == 0
		})
		wantEqualHashes(t, c, 3)
		if got := credits(t, cluster.Dial(victim), client.Latest, "/account/a"); got != "200.00" {
			t.Errorf("credits on the node that came back are %s, want 200.00", got)
		}
	})
}

func statusOf(s *pb.StatusResponse, id string) *pb.NodeStatus {
	for _, n := range s.Nodes {
		if n.Id == id {
			return n
		}
	}
	return &pb.NodeStatus{}
}

func waitFor(t *testing.T, c *client.Client, holds func(*pb.StatusResponse) bool) {
	t.Helper()
	var last *pb.StatusResponse
	for range 600 {
		s, err := c.Cluster.Status(client.WithRead(t.Context(), client.Any), &pb.StatusRequest{})
		if err == nil && holds(s) {
			return
		}
		last = s
		wait(t, 100*time.Millisecond)
	}
	t.Fatalf("it did not come to that in a minute: %v", last)
}

func TestLeaveRemoveAdmit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		leader := leaderOf(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Cluster.Leave(ctx, &pb.LeaveRequest{Id: leader}); err != nil {
			t.Fatalf("the leader leaves: %v", err)
		}
		<-cluster.Left(leader)
		cluster.StopNode(leader)
		waitFor(t, c, func(s *pb.StatusResponse) bool {
			return statusOf(s, leader).Suffrage != "voter" && s.Leader != leader && s.Leader != ""
		})
		if _, err := pay(ctx, c, "t1", "/account/a", "1.00"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Cluster.Admit(ctx, &pb.AdmitRequest{Id: leader}); err != nil {
			t.Fatal(err)
		}
		cluster.StartNode(leader)
		waitFor(t, c, func(s *pb.StatusResponse) bool { return statusOf(s, leader).Suffrage == "voter" })
		wantEqualHashes(t, c, 3)
		_, err := c.Cluster.Remove(ctx, &pb.RemoveRequest{Id: "node9"})
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("remove an unknown node: %v, want not found", err)
		}
	})
}

func TestTransferLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		leader := leaderOf(t, c)
		next := cluster.IDs()[0]
		if next == leader {
			next = cluster.IDs()[1]
		}
		if _, err := c.Cluster.TransferLeader(t.Context(), &pb.TransferLeaderRequest{Id: next}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, c, func(s *pb.StatusResponse) bool { return s.Leader == next })
	})
}
