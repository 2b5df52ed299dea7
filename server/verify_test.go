package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// verified gives the last message of a verification.
func verified(t *testing.T, c *client.Client) (last *pb.VerifyResponse, err error) {
	t.Helper()
	stream, err := c.Ledger.Verify(client.WithRead(t.Context(), client.Latest), &pb.VerifyRequest{})
	if err != nil {
		return nil, err
	}
	for {
		res, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		if last != nil && last.Done {
			t.Errorf("behind the last message of a verification there is %v", res)
		}
		last = res
	}
}

// TestVerifyBooks: each node works out its own, and comes to the same.
func TestVerifyBooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Operator()
		seed(t, operator, "/account/a")
		for i := range 10 {
			if _, err := pay(t.Context(), operator, fmt.Sprint("t", i), "/account/a", "1"); err != nil {
				t.Fatal(err)
			}
		}
		head := ""
		for _, id := range cluster.IDs() {
			res, err := verified(t, cluster.Dial(id))
			if err != nil {
				t.Fatalf("verify %s: %v", id, err)
			}
			if !res.Done || len(res.Findings) > 0 || res.Entries != 10 || res.Accounts != 2 || res.Assets != 1 || res.Index == 0 {
				t.Errorf("%s says %v", id, res)
			}
			if head == "" {
				head = res.Head
			}
			if len(res.Head) != 64 || res.Head != head {
				t.Errorf("the chain of %s ends with %s, of another with %s", id, res.Head, head)
			}
		}
	})
}

// TestOneVerificationAtATime: it reads all that a node has.
func TestOneVerificationAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial("node1")
		release := cluster.Node("node1").HoldVerification()
		if _, err := verified(t, c); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("a second verification: %v, want fault.Exhausted", err)
		}
		if _, err := verified(t, cluster.Dial("node2")); err != nil {
			t.Errorf("a verification by another node: %v", err)
		}
		release()
		if _, err := verified(t, c); err != nil {
			t.Errorf("a verification behind another: %v", err)
		}
	})
}

// TestRestoreEndsWhatReadsForLong: all of it.
func TestRestoreEndsWhatReadsForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1})
		operator := cluster.Operator()
		seed(t, operator, "/account/a")
		snapshot := save(t, operator, "node1")
		node := cluster.Node("node1")
		var reading sync.WaitGroup
		for range 3 {
			reading.Go(func() { node.ReadForLong(func(ctx context.Context) { <-ctx.Done() }) })
		}
		synctest.Wait()
		if _, err := restore(t.Context(), operator, "node1", snapshot); err != nil {
			t.Fatal(err)
		}
		reading.Wait()
		if res, err := verified(t, operator); err != nil || len(res.Findings) > 0 {
			t.Errorf("a verification of the restored state: %v, %v", res, err)
		}
		ended := make(chan struct{})
		go node.ReadForLong(func(ctx context.Context) {
			defer close(ended)
			if ctx.Err() != nil {
				t.Error("what reads behind a restore is ended at once")
			}
		})
		<-ended
	})
}
