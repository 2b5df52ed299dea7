package server_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// checks is an open CheckStream.
type checks struct {
	stream interface {
		Send(*pb.CheckManyRequest) error
		Recv() (*pb.CheckManyResponse, error)
	}
}

func openChecks(ctx context.Context, t *testing.T, c *client.Client) *checks {
	t.Helper()
	stream, err := c.Acl.CheckStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &checks{stream}
}

// ask asks whether the caller may Read the path.
func (c *checks) ask(path string) (bool, error) {
	_ = c.stream.Send(&pb.CheckManyRequest{Paths: []string{path}, Operations: []string{"Read"}}) // the answer says what is wrong
	res, err := c.stream.Recv()
	if err != nil {
		return false, fault.FromGRPC(err)
	}
	return res.Allowed[0] == 1 && res.Visible[0], nil
}

// TestCheckStream: each request of a stream is answered from the newest state,
// and by who the caller is then.
func TestCheckStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		govern(t, cluster)
		cluster.Make("/data/a")
		workload(t, cluster, "/workload/w", "View")
		leader := leaderOf(t, cluster.Operator())
		for i := range 2 { // what was revoked ends a stream, not the next one
			stream := openChecks(t.Context(), t, cluster.As("/workload/w", leader))
			for n := range 200 {
				if allowed, err := stream.ask("/data/a"); err != nil || allowed != (i == 1) {
					t.Fatalf("request %d: %t, %v", n, allowed, err)
				}
			}
			if i == 0 {
				cluster.Change(servertest.Apply("/workload/w", roleFor("Read")))
				if allowed, err := stream.ask("/data/a"); err != nil || !allowed {
					t.Errorf("after the role was given: %t, %v", allowed, err)
				}
			}
			revoke(t, cluster, &pb.RevokeRequest{Principal: "/workload/w"})
			if _, err := stream.ask("/data/a"); !(answer{fault.Unauthenticated, "revoked"}).is(err) {
				t.Errorf("after everything was revoked: %v", err)
			}
		}
		short, err := cluster.Operator().Identity.Vouch(t.Context(), &pb.VouchRequest{Subject: "/workload/w", LifetimeSeconds: 10})
		if err != nil {
			t.Fatal(err)
		}
		stream := openChecks(t.Context(), t, cluster.DialConfig(cluster.Bearer(short.Token, leader)))
		if _, err := stream.ask("/data/a"); err != nil {
			t.Error(err)
		}
		wait(t, 10*time.Second)
		if _, err := stream.ask("/data/a"); !(answer{fault.Unauthenticated, "expired"}).is(err) {
			t.Errorf("after the credential has expired: %v", err)
		}
	})
}

// TestStreamsEndWithTheNode: a node that is stopped does not wait for streams,
// which have no end of their own.
func TestStreamsEndWithTheNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		victim := followerOf(t, cluster, cluster.Operator())
		c := cluster.Dial(victim)
		stream := openChecks(t.Context(), t, c)
		if _, err := stream.ask("/"); err != nil {
			t.Fatal(err)
		}
		watch, err := c.Acl.Watch(t.Context(), &pb.WatchRequest{After: c.Index() + 1000})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 2)
		go func() { _, err := stream.stream.Recv(); ended <- err }()
		go func() {
			for {
				if _, err := watch.Recv(); err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait()
		begin := time.Now()
		cluster.StopNode(victim)
		for range 2 {
			if err := <-ended; fault.KindOf(fault.FromGRPC(err)) != fault.Unavailable {
				t.Errorf("the node was stopped and a stream ended with %v, want it unavailable", err)
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the node stopped after %s", took)
		}
	})
}

// TestWatchersThatGo: a caller that has gone costs nothing more.
func TestWatchersThatGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1, Configure: withHTTP})
		cluster.Principal("/user/alice")
		c := cluster.As("/user/alice")
		for i := range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := c.Acl.Watch(ctx, &pb.WatchRequest{}); err != nil {
				t.Fatal(err)
			}
			cancel()
			synctest.Wait()
			watched := metric(t, cluster, "node1", "acquired_call_seconds_count", fmt.Sprintf("method=%q", pb.Acl_Watch_FullMethodName))
			if watched != float64(i+1) {
				t.Errorf("%v watches have ended, want %d", watched, i+1)
			}
		}
	})
}
