package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/servertest"
)

// inFlight is how many entries the batcher has on their way at a time.
const inFlight = 3

func limited(limits server.Limits) servertest.Options {
	return servertest.Options{Configure: func(c *server.Config) { c.Limits = limits }}
}

// held is a leader that is cut off and does not know it yet: what it is asked to
// write waits. No time goes by meanwhile.
type held struct {
	cluster *servertest.Cluster
	leader  string
	// client calls the leader once and no other node.
	client pb.LedgerClient
	dialed *client.Client
	calls  []*heldCall
}

// heldCall is a payment of 1.00 that is under way.
type heldCall struct {
	id   string
	done chan struct{}
	err  error // valid when done is closed
}

func hold(t *testing.T, cluster *servertest.Cluster, operator *client.Client) *held {
	t.Helper()
	h := &held{cluster: cluster, leader: leaderOf(t, operator)}
	config := cluster.Config(h.leader)
	config.Dialer = cluster.Local(h.leader)
	h.dialed = cluster.DialConfig(config)
	h.client = pb.NewLedgerClient(h.dialed.Node(servertest.Address(h.leader)))
	cluster.Cut(h.leader)
	return h
}

// pay starts a payment and returns when it has its answer or waits for one.
func (h *held) pay(ctx context.Context) *heldCall {
	c := &heldCall{id: fmt.Sprint("held", len(h.calls)), done: make(chan struct{})}
	h.calls = append(h.calls, c)
	go func() {
		defer close(c.done)
		_, c.err = h.client.Transfer(client.WithRequestID(ctx, c.id), onePayment(c.id))
	}()
	synctest.Wait()
	return c
}

func onePayment(id string) *pb.TransferRequest {
	return &pb.TransferRequest{Transfers: []*pb.Transfer{{Id: id, Debit: "/account/bank", Credit: "/account/a", Amount: "1.00"}}}
}

func (c *heldCall) waits() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

func wantBusy(t *testing.T, err error, limit string) {
	t.Helper()
	if !errors.Is(err, fault.Unavailable) || fault.OutcomeOf(err) != fault.Definite || !strings.Contains(err.Error(), "busy: "+limit) {
		t.Errorf("%v (%s), want it unavailable, definite, busy: %s", err, fault.OutcomeOf(err), limit)
	}
}

// finish puts the leader back and sees that every payment is made once: those
// that waited by themselves, those that were refused when they come again.
func (h *held) finish(t *testing.T, operator *client.Client) {
	t.Helper()
	h.cluster.Heal(h.leader)
	for _, c := range h.calls {
		<-c.done
		if _, err := operator.Ledger.Transfer(client.WithRequestID(t.Context(), c.id), onePayment(c.id)); err != nil {
			t.Errorf("%s comes again: %v", c.id, err)
		}
	}
	if got, want := credits(t, operator, client.Latest, "/account/a"), fmt.Sprintf("%d.00", len(h.calls)); got != want {
		t.Errorf("credits are %s, want %s", got, want)
	}
	wantEqualHashes(t, operator, 3)
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limits server.Limits
		queued int
		says   string
	}{
		"by commands": {server.Limits{QueuedCommands: 4}, 4, "4 commands are waiting"},
		"by bytes":    {server.Limits{QueuedBytes: 500}, 4, "500 bytes of commands are waiting"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := servertest.Start(t, limited(test.limits))
			operator := cluster.Dial()
			seed(t, operator, "/account/a")
			h := hold(t, cluster, operator)
			for i := range inFlight + test.queued {
				if c := h.pay(t.Context()); !c.waits() {
					t.Fatalf("%s: payment %d does not wait: %v", name, i, c.err)
				}
			}
			for range 5 {
				c := h.pay(t.Context())
				if c.waits() {
					t.Fatalf("%s: %s waits, want it refused", name, c.id)
				}
				wantBusy(t, c.err, test.says)
			}
			h.finish(t, operator)
			for _, c := range h.calls[:inFlight+test.queued] {
				if c.err != nil {
					t.Errorf("%s: %s waited for nothing: %v", name, c.id, c.err)
				}
			}
		})
	}
}

func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 5
		cluster := servertest.Start(t, limited(server.Limits{Calls: calls}))
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		h := hold(t, cluster, operator)
		for i := range calls {
			if c := h.pay(t.Context()); !c.waits() {
				t.Fatalf("payment %d does not wait: %v", i, c.err)
			}
		}
		wantBusy(t, h.pay(t.Context()).err, "5 calls are in progress")
		_, err := h.client.Balance(client.WithRead(t.Context(), client.Any), &pb.BalanceRequest{Path: "/account/a"})
		wantBusy(t, err, "5 calls are in progress")
		stream, err := pb.NewClusterClient(h.dialed.Node(servertest.Address(h.leader))).SaveSnapshot(t.Context(), &pb.SaveSnapshotRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		wantBusy(t, err, "5 calls are in progress")
		health := grpc_health_v1.NewHealthClient(wireTo(t, cluster, h.leader, nil))
		if _, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Errorf("a busy node does not say how it is: %v", err)
		}
		h.finish(t, operator)
	})
}

// TestNodesHavePlacesOfTheirOwn: callers who fill a leader keep no other node
// from reading.
func TestNodesHavePlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 5
		cluster := servertest.Start(t, limited(server.Limits{Calls: calls}))
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		leader := leaderOf(t, operator)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		filler := pb.NewLedgerClient(wireTo(t, cluster, leader, nil))
		token := workload(t, cluster, "/workload/slow")
		for range calls {
			go func() {
				// It waits for a state that never comes.
				ctx := withHeaders(ctx, append(bearer(token), "acquired-seen", "1000000")...)
				_, _ = filler.Balance(ctx, &pb.BalanceRequest{Path: "/account/a"})
			}()
		}
		synctest.Wait()
		_, err := filler.Balance(withHeaders(ctx, bearer(token)...), &pb.BalanceRequest{Path: "/account/a"})
		wantBusy(t, fault.FromGRPC(err), "5 calls are in progress")
		for _, id := range cluster.IDs() {
			if id != leader {
				credits(t, cluster.Dial(id), client.Latest, "/account/a")
			}
		}
	})
}

// TestDeadlines: whose time runs out in the queue knows that nothing happened;
// whose time runs out later does not know.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: stubborn("node1")})
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		govern(t, cluster)
		token := workload(t, cluster, "/workload/w", "View", "Spend")
		makeLeader(t, operator, "node1")
		cluster.Cut("node1")
		// Without a deadline of its own, the call hears of that of the node.
		ledger := pb.NewLedgerClient(wireTo(t, cluster, "node1", nil))
		const calls = inFlight + 4
		results := make(chan error, calls)
		begin := time.Now()
		for i := range calls {
			go func() {
				_, err := ledger.Transfer(withHeaders(t.Context(), bearer(token)...), onePayment(fmt.Sprint("short", i)))
				results <- fault.FromGRPC(err)
			}()
			synctest.Wait()
		}
		outcomes := make(map[string]int)
		for range calls {
			err := <-results
			outcomes[fmt.Sprintf("%s, %s: %v", fault.KindOf(err), fault.OutcomeOf(err), err)]++
		}
		if took := time.Since(begin); took != server.DefaultTimeout {
			t.Errorf("the answers came after %v, want them after %v", took, server.DefaultTimeout)
		}
		const (
			queued   = "unavailable, definite: the deadline passed before the command was proposed"
			proposed = "unavailable, unknown: the deadline passed before the command was answered"
		)
		if outcomes[queued] != calls-inFlight || outcomes[proposed] != inFlight {
			t.Errorf("the outcomes are %v, want %d times %q and %d times %q", outcomes, inFlight, proposed, calls-inFlight, queued)
		}
		cluster.Heal("node1")
		wantOnlyFirst(t, operator, inFlight)
	})
}

// stubborn is an Options.Configure with which the node, once it leads, goes on
// believing so for a minute after it was cut off.
func stubborn(node string) func(*server.Config) {
	return func(c *server.Config) {
		if c.Node == node {
			c.Timing.Heartbeat = 2 * time.Minute
		}
	}
}

// makeLeader makes a node lead, and returns when it serves.
func makeLeader(t *testing.T, c *client.Client, node string) {
	t.Helper()
	if _, err := c.Cluster.TransferLeader(t.Context(), &pb.TransferLeaderRequest{Id: node}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, func(s *pb.StatusResponse) bool { return s.Leader == node })
	if _, err := c.Ledger.TrialBalance(client.WithRead(t.Context(), client.Latest), &pb.TrialBalanceRequest{}); err != nil {
		t.Fatal(err)
	}
}

// TestAbandonedCallsAreNotMade: a caller that has gone gets nothing done behind
// its back.
func TestAbandonedCallsAreNotMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		h := hold(t, cluster, operator)
		for range inFlight {
			h.pay(t.Context())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for range 4 {
			h.pay(ctx)
		}
		wait(t, 150*time.Millisecond)
		cluster.Heal(h.leader)
		for i, c := range h.calls {
			if <-c.done; (c.err == nil) != (i < inFlight) {
				t.Errorf("%s: %v", c.id, c.err)
			}
		}
		if got := credits(t, operator, client.Latest, "/account/a"); got != "3.00" {
			t.Errorf("credits are %s, want 3.00", got)
		}
		h.finish(t, operator)
	})
}

// wantOnlyFirst sees that no payment with a definite outcome was made, and that
// those of unknown outcome can be made certain.
func wantOnlyFirst(t *testing.T, c *client.Client, unknown int) {
	t.Helper()
	wait(t, 10*time.Second)
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprint("short", i))
	}
	res, err := c.Ledger.Lookup(client.WithRead(t.Context(), client.Latest), &pb.LookupRequest{Ids: ids})
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range res.Transfers {
		var n int
		if _, err := fmt.Sscanf(made.Transfer.Id, "short%d", &n); err != nil || n >= unknown {
			t.Errorf("%s was made, its outcome was definite", made.Transfer.Id)
		}
	}
	for i := range unknown {
		if _, err := c.Ledger.Transfer(t.Context(), onePayment(fmt.Sprint("short", i))); err != nil {
			t.Error(err)
		}
	}
	if got, want := credits(t, c, client.Latest, "/account/a"), fmt.Sprintf("%d.00", unknown); got != want {
		t.Errorf("credits are %s, want %s", got, want)
	}
}

// TestShortQueueServesMany: a client that comes again gets everything done.
func TestShortQueueServesMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, limited(server.Limits{QueuedCommands: 16, Calls: 8}))
		c := cluster.Dial()
		seed(t, c, "/account/a")
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		const payments = 200
		results := make(chan error, payments)
		for i := range payments {
			go func() {
				_, err := pay(ctx, c, fmt.Sprint("t", i), "/account/a", "1.00")
				results <- err
			}()
		}
		for range payments {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if got, want := credits(t, c, client.Latest, "/account/a"), fmt.Sprintf("%d.00", payments); got != want {
			t.Errorf("credits are %s, want %s", got, want)
		}
	})
}
