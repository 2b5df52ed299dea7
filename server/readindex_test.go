package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"acquired/client"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// onHost gives a client that runs beside the node: it reaches that one, also
// while it is cut off, and no other. Each call is made once.
func onHost(t *testing.T, cluster *servertest.Cluster, node string) pb.LedgerClient {
	t.Helper()
	config := cluster.Config(node)
	config.Dialer = cluster.Local(node)
	return pb.NewLedgerClient(cluster.DialConfig(config).Node(servertest.Address(node)))
}

func readOnce(t *testing.T, ledger pb.LedgerClient, read client.Read) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	res, err := ledger.Balance(client.WithRead(ctx, read), &pb.BalanceRequest{Path: "/account/a"})
	return res.GetCreditsPosted(), err
}

func wantUnserved(t *testing.T, who string, got string, err error) {
	t.Helper()
	if !errors.Is(err, fault.Unavailable) || fault.OutcomeOf(err) != fault.Definite {
		t.Errorf("%s: %s, %v; want it unavailable", who, got, err)
	}
}

// TestLeaderThatWasReplaced: it still believes that it leads, and answers what
// it has to those who ask for any state, but to nobody who asks for the latest.
func TestLeaderThatWasReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: stubborn("node1")})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		makeLeader(t, c, "node1")
		old := onHost(t, cluster, "node1")
		if got, err := readOnce(t, old, client.Latest); got != "0.00" || err != nil {
			t.Fatalf("the leader shows %s, %v", got, err)
		}
		cluster.Cut("node1")
		others := cluster.Dial("node2", "node3")
		if _, err := pay(t.Context(), others, "t1", "/account/a", "1.00"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			got, err := readOnce(t, old, client.Latest)
			wantUnserved(t, "the leader that was replaced", got, err)
		}
		if got, err := readOnce(t, old, client.Any); got != "0.00" || err != nil {
			t.Errorf("the old state is %s, %v; want 0.00", got, err)
		}
		wantLeads(t, cluster, "node1")

		cluster.Heal("node1")
		for tries := 0; ; tries++ {
			got, err := readOnce(t, old, client.Latest)
			if err == nil && got == "1.00" {
				break
			}
			wantUnserved(t, "the leader that is back", got, err)
			if tries == 100 {
				t.Fatal("the node that is back never answers")
			}
			wait(t, 10*time.Millisecond)
		}
	})
}

// wantLeads makes sure that a node takes itself for the leader.
func wantLeads(t *testing.T, cluster *servertest.Cluster, node string) {
	t.Helper()
	config := cluster.Config(node)
	config.Dialer = cluster.Local(node)
	if got := leaderOf(t, cluster.DialConfig(config)); got != node {
		t.Errorf("%s takes %s for the leader: the test shows nothing", node, got)
	}
}

// TestWhoConfirmsALeader: a follower that asks stands for its own vote if it is
// in the leader's term. Nobody else is counted without being asked.
func TestWhoConfirmsALeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		leader, follower, term := leaderOf(t, c), followerOf(t, cluster, c), termOf(t, c)
		ask := func(as string, term uint64) error {
			pair, err := cluster.Authority().IssueNode(as, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err = statev1.NewPeerClient(wireTo(t, cluster, leader, &pair)).ReadIndex(ctx, &statev1.ReadIndexRequest{Term: term})
			return fault.FromGRPC(err)
		}
		cluster.Cut(leader) // nobody else answers it, and it has not noticed yet
		for _, test := range []struct {
			as        string
			term      uint64
			confirmed bool
		}{
			{follower, term, true},
			{follower, term + 1, false},
			{follower, 0, false},
			{leader, term, false},
			{"node9", term, false},
			{follower, term, true},
		} {
			err := ask(test.as, test.term)
			if test.confirmed && err != nil || !test.confirmed && !errors.Is(err, fault.Unavailable) {
				t.Errorf("asked by %s in term %d of %d: %v, want it confirmed: %v", test.as, test.term, term, err, test.confirmed)
			}
		}
	})
}

// TestLatestReadsNeedAQuorum: the leader and another node of three are one, of
// five they are not.
func TestLatestReadsNeedAQuorum(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{3, 5} {
		synctest.Test(t, func(t *testing.T) {
			cluster := servertest.Start(t, servertest.Options{Nodes: nodes})
			c := cluster.Dial()
			seed(t, c, "/account/a")
			leader, follower := leaderOf(t, c), followerOf(t, cluster, c)
			clients := map[string]pb.LedgerClient{leader: onHost(t, cluster, leader), follower: onHost(t, cluster, follower)}
			for _, id := range cluster.IDs() {
				if clients[id] == nil {
					cluster.Cut(id)
				}
			}
			for id, ledger := range clients {
				switch got, err := readOnce(t, ledger, client.Latest); {
				case nodes == 5:
					wantUnserved(t, id+" with one other of five", got, err)
				case err != nil || got != "0.00":
					t.Errorf("%s with one other of three: %s, %v; want 0.00", id, got, err)
				}
			}
		})
	}
}

// TestReadsShareRounds: those that wait while a round is under way are answered
// by the one after.
func TestReadsShareRounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: withHTTP})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		leader, follower := leaderOf(t, c), followerOf(t, cluster, c)
		ledger := onHost(t, cluster, follower)
		rounds := func() float64 {
			return metric(t, cluster, leader, "acquired_call_seconds_count", `method="/acquired.state.v1.Peer/ReadIndex"`)
		}
		before := rounds()
		// No time goes by: the leader stays the leader, and the first round waits
		// for a connection to it.
		cluster.Cut(leader)
		synctest.Wait()
		const reads = 100
		results := make(chan error, reads)
		for range reads {
			go func() {
				_, err := readOnce(t, ledger, client.Latest)
				results <- err
			}()
		}
		synctest.Wait()
		cluster.Heal(leader)
		for range reads {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if got := rounds() - before; got < 1 || got > 2 {
			t.Errorf("%d reads took %v rounds, want one, or two if some came while it was under way", reads, got)
		}
	})
}
