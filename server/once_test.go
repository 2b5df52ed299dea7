package server_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// kept is a write that is sent again and again under its request id.
type kept struct {
	id      string
	request *pb.TransferRequest
	first   *pb.TransferResponse
}

// payOnce pays 1.00 to the account for the first time.
func payOnce(t *testing.T, c *client.Client, id, account string) *kept {
	t.Helper()
	k := &kept{id: id, request: &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: "transfer-" + id, Debit: "/account/bank", Credit: account, Amount: "1.00"},
	}}}
	var err error
	k.first, err = c.Ledger.Transfer(client.WithRequestID(t.Context(), id), k.request)
	if err != nil {
		t.Fatal(err)
	}
	if k.first.Created != 1 || k.first.Index == 0 {
		t.Fatalf("the first answer is %v", k.first)
	}
	return k
}

// again sends the same write. Only a stored answer says that the transfer was
// made: one that is applied again says that it stood already.
func (k *kept) again(t *testing.T, c *client.Client, when string) {
	t.Helper()
	res, err := c.Ledger.Transfer(client.WithRequestID(t.Context(), k.id), k.request)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if !proto.Equal(res, k.first) {
		t.Errorf("%s: the answer is %v, at first it was %v", when, res, k.first)
	}
	if c.Index() < k.first.Index {
		t.Errorf("%s: the client has seen index %d, the answer is of %d", when, c.Index(), k.first.Index)
	}
}

func TestWritesAreAppliedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		k := payOnce(t, c, "r1", "/account/a")
		for _, id := range cluster.IDs() {
			k.again(t, cluster.Dial(id), "through "+id)
		}

		cutOff(t, cluster, c, leaderOf(t, c))
		k.again(t, c, "after another was elected")

		restartAll(t, cluster)
		for _, id := range cluster.IDs() {
			k.again(t, cluster.Dial(id), "after all were restarted, through "+id)
		}
		if got := credits(t, c, client.Latest, "/account/a"); got != "1.00" {
			t.Errorf("credits are %s, want 1.00", got)
		}
		wantEqualHashes(t, c, 3)
	})
}

// TestOutcomeThatTheLeaderDoesNotKnow: what a leader wrote and nobody seemed to
// take may be committed by the next one. Then it is there, once.
func TestOutcomeThatTheLeaderDoesNotKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		leader := leaderOf(t, c)
		ctx, request := client.WithRequestID(t.Context(), "r1"), onePayment("t1")
		cluster.Deafen(leader)
		_, err := onHost(t, cluster, leader).Transfer(ctx, request)
		if !errors.Is(err, fault.Unavailable) || fault.OutcomeOf(err) != fault.Unknown {
			t.Errorf("a leader that hears nobody answers %v (%s), want the outcome unknown", err, fault.OutcomeOf(err))
		}
		missed(t, c, leader)
		if got := credits(t, c, client.Latest, "/account/a"); got != "1.00" {
			t.Errorf("credits are %s, want 1.00: the write had reached the others", got)
		}
		cluster.Heal(leader)
		cluster.WaitReady(leader)
		for _, id := range cluster.IDs() {
			if res, err := cluster.Dial(id).Ledger.Transfer(ctx, request); err != nil || res.Created != 1 {
				t.Errorf("the same write through %s: %v, %v; want the answer of the first time", id, res, err)
			}
		}
		if got := credits(t, c, client.Latest, "/account/a"); got != "1.00" {
			t.Errorf("credits are %s, want 1.00", got)
		}
		wantEqualHashes(t, c, 3)
	})
}

// TestAnswersAreInSnapshots: a node that came back with nothing answers for what
// was written before.
func TestAnswersAreInSnapshots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logCounts
		cluster := servertest.Start(t, servertest.Options{Configure: shortLogCounted(&log)})
		c := cluster.Dial()
		seed(t, c, "/account/a", "/account/b")
		k := payOnce(t, c, "r1", "/account/a")
		for i := range 100 {
			if _, err := pay(t.Context(), c, fmt.Sprint("t", i), "/account/b", "1.00"); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, 30*time.Second) // the log is cut
		victim := followerOf(t, cluster, c)
		cluster.StopNode(victim)
		cluster.Wipe(victim)
		cluster.StartNode(victim)
		waitFor(t, c, func(s *pb.StatusResponse) bool {
			n := statusOf(s, victim)
			return n.Suffrage == "voter" && n.Healthy && n.Lag == 0
		})
		if log.of("state replaced by a snapshot") == 0 {
			t.Fatal("the node received no snapshot")
		}
		makeLeader(t, c, victim)
		k.again(t, c, "by the leader that has its state from a snapshot")
		if got := credits(t, c, client.Latest, "/account/a"); got != "1.00" {
			t.Errorf("credits are %s, want 1.00", got)
		}
	})
}

func TestRequestIDsAreForOneRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a", "/account/b")
		k := payOnce(t, c, "r1", "/account/a")
		before := wantEqualHashes(t, c, 3)
		ctx := client.WithRequestID(t.Context(), "r1")
		if _, err := pay(ctx, c, "transfer-r1", "/account/a", "2.00"); !errors.Is(err, fault.Conflict) {
			t.Errorf("another amount under the same request id: %v, want a conflict", err)
		}
		_, err := c.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{Path: "/account/c", Asset: "USD"})
		if !errors.Is(err, fault.Conflict) {
			t.Errorf("another command under the same request id: %v, want a conflict", err)
		}
		if got := wantEqualHashes(t, c, 3); got != before {
			t.Errorf("the state hash became %s, it was %s", got, before)
		}
		k.again(t, c, "after the conflicts")

		// Request ids are the caller's own.
		govern(t, cluster)
		w := cluster.DialConfig(cluster.Bearer(workload(t, cluster, "/workload/w", "View", "Spend")))
		res, err := pay(client.WithRequestID(t.Context(), "r1"), w, "other", "/account/b", "1.00")
		if err != nil || res.Created != 1 {
			t.Errorf("another caller with the same request id: %v, %v", res, err)
		}
	})
}

// TestRefusalsAreKept: a write has one answer, also when it would be another
// by now.
func TestRefusalsAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a", "/account/b")
		request := &pb.TransferRequest{Transfers: []*pb.Transfer{
			{Id: "t1", Debit: "/account/a", Credit: "/account/b", Amount: "1.00"},
		}}
		ctx := client.WithRequestID(t.Context(), "r1")
		_, first := c.Ledger.Transfer(ctx, request)
		if !errors.Is(first, fault.Insufficient) {
			t.Fatalf("a payment of what is not there: %v, want it insufficient", first)
		}
		if _, err := pay(t.Context(), c, "t2", "/account/a", "5.00"); err != nil {
			t.Fatal(err)
		}
		for _, id := range cluster.IDs() {
			_, err := cluster.Dial(id).Ledger.Transfer(ctx, request)
			if !errors.Is(err, fault.Insufficient) || err.Error() != first.Error() {
				t.Errorf("sent again through %s: %v, at first it was %v", id, err, first)
			}
		}
		// The id of the transfer keeps its failure beyond the answer to the request.
		if _, err := c.Ledger.Transfer(client.WithRequestID(t.Context(), "r2"), request); !errors.Is(err, fault.Insufficient) {
			t.Errorf("the same transfer under a new request id: %v, want it insufficient", err)
		}
		request.Transfers[0].Id = "t1-again"
		if _, err := c.Ledger.Transfer(client.WithRequestID(t.Context(), "r3"), request); err != nil {
			t.Errorf("the same transfer under a new id: %v", err)
		}
	})
}

// TestOneRequestThroughManyNodes: a client may send its write to another node
// while the first one is still at it.
func TestOneRequestThroughManyNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		var clients []*client.Client
		for _, id := range cluster.IDs() {
			clients = append(clients, cluster.Dial(id))
		}
		const rounds, each = 20, 3
		for round := range rounds {
			ctx := client.WithRequestID(t.Context(), fmt.Sprint("r", round))
			answers := make([]*pb.TransferResponse, len(clients)*each)
			start := make(chan struct{})
			var sending sync.WaitGroup
			for i := range answers {
				sending.Go(func() {
					<-start
					answers[i] = mustPay(ctx, t, clients[i%len(clients)], fmt.Sprint("t", round))
				})
			}
			close(start)
			sending.Wait()
			for _, res := range answers {
				if !proto.Equal(res, answers[0]) || res.GetCreated() != 1 {
					t.Errorf("round %d: the answers are %v, want the same %d times", round, answers, len(answers))
					break
				}
			}
		}
		if got, want := credits(t, c, client.Latest, "/account/a"), fmt.Sprintf("%d.00", rounds); got != want {
			t.Errorf("credits are %s, want %s", got, want)
		}
	})
}

func mustPay(ctx context.Context, t *testing.T, c *client.Client, id string) *pb.TransferResponse {
	t.Helper()
	res, err := pay(ctx, c, id, "/account/a", "1.00")
	if err != nil {
		t.Error(err)
	}
	return res
}
