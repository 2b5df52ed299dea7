package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// TestLeaderBehindItsFollowers: a command is committed and a follower shows what
// it did before the leader has applied it. From then on nobody may be shown the
// state before, the one who asks the leader included. It runs in real time, as
// virtual time stands still while a goroutine waits for a lock.
func TestLeaderBehindItsFollowers(t *testing.T) {
	t.Parallel()
	cluster := servertest.Start(t, servertest.Options{})
	c := cluster.Dial()
	seed(t, c, "/account/a")
	leader := leaderOf(t, c)
	follower := followerOf(t, cluster, c)
	paid := make(chan error, 1)
	cluster.Node(leader).WhileBehind(func() {
		go func() {
			_, err := pay(t.Context(), c, "t1", "/account/a", "1.00")
			paid <- err
		}()
		waitForCredits(t, cluster.Dial(follower), "1.00")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ledger := pb.NewLedgerClient(cluster.Dial(leader).Node(servertest.Address(leader)))
		res, err := ledger.Balance(client.WithRead(ctx, client.Latest), &pb.BalanceRequest{Path: "/account/a"})
		if !errors.Is(err, fault.Unavailable) {
			t.Errorf("the leader answered %v, %v before it had applied what a follower showed; want it unavailable", res, err)
		}
	})
	if err := <-paid; err != nil {
		t.Fatal(err)
	}
	if got := credits(t, cluster.Dial(leader), client.Latest, "/account/a"); got != "1.00" {
		t.Errorf("latest on the leader is %s, want 1.00", got)
	}
}

// waitForCredits waits until the node that the client is for has come so far. It
// may not know of the account yet.
func waitForCredits(t *testing.T, c *client.Client, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		res, err := c.Ledger.Balance(client.WithRead(ctx, client.Any), &pb.BalanceRequest{Path: "/account/a"})
		if err != nil && !errors.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		if res.GetCreditsPosted() == want {
			return
		}
		<-poll.C
	}
}
