package jepsen

import (
	"fmt"
	"sync/atomic"
	"testing"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
)

// BenchmarkCluster is three nodes as processes, and one client with so many
// callers, each of which makes one transfer, or one read, after the other.
func BenchmarkCluster(b *testing.B) {
	c := cluster.Start(b, cluster.Options{})
	cl := c.Dial()
	prepareAccounts(b, cl)
	var made atomic.Int64
	transfer := func(b *testing.B) error {
		i := int(made.Add(1))
		_, err := cl.Ledger.Transfer(b.Context(), &pb.TransferRequest{Transfers: []*pb.Transfer{
			{Id: fmt.Sprintf("bench:%d", i), Debit: accountPath(i), Credit: accountPath(i*7 + 1), Amount: "0.25"},
		}})
		return err
	}
	read := func(mode client.Read) func(*testing.B) error {
		return func(b *testing.B) error {
			ctx := client.WithRead(b.Context(), mode)
			_, err := cl.Ledger.Balance(ctx, &pb.BalanceRequest{Path: accountPath(int(made.Add(1)))})
			return err
		}
	}
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("transfer/callers=%d", callers), func(b *testing.B) { callInParallel(b, callers, transfer) })
		b.Run(fmt.Sprintf("latest/callers=%d", callers), func(b *testing.B) { callInParallel(b, callers, read(client.Latest)) })
		b.Run(fmt.Sprintf("seen/callers=%d", callers), func(b *testing.B) { callInParallel(b, callers, read(client.Seen)) })
	}
}

// callInParallel does b.N calls from so many goroutines at once.
func callInParallel(b *testing.B, callers int, call func(*testing.B) error) {
	var next atomic.Int64
	done := make(chan error, callers)
	for range callers {
		go func() {
			var err error
			for err == nil && next.Add(1) <= int64(b.N) {
				err = call(b)
			}
			done <- err
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
