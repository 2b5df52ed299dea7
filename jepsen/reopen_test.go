package jepsen

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
)

var reopenSizes = flag.String("reopen", "", "numbers of transfers, with commas between; TestReopen fills a node with each and times its reopening")

// TestReopen fills a node with transfers, ends it gracefully and then by force,
// and prints how long it takes to serve again and how much memory it has then.
// It asserts nothing of time: it is a measurement.
func TestReopen(t *testing.T) {
	if *reopenSizes == "" {
		t.Skip("no sizes given: make reopen")
	}
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	node, filled := c.Node("node1"), 0
	prepareAccounts(t, c.Dial())
	for size := range strings.SplitSeq(*reopenSizes, ",") {
		transfers, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		fill(t, c.Dial(), filled, transfers)
		t.Logf("%d transfers: %.0f a second, resident %s", transfers, float64(transfers-filled)/time.Since(begin).Seconds(), resident(t, node.PID()))
		filled = transfers
		begin = time.Now()
		node.Stop()
		t.Logf("%d transfers: stopped in %s", transfers, time.Since(begin).Round(time.Millisecond))
		t.Logf("%d transfers: after a stop serves in %s", transfers, reopen(t, c, node))
		fill(t, c.Dial(), filled, filled+20*listLength)
		filled += 20 * listLength
		node.Kill()
		t.Logf("%d transfers: after kill -9 serves in %s", transfers, reopen(t, c, node))
	}
}

const (
	listLength = 8190
	accounts   = 10_000
)

func prepareAccounts(t testing.TB, cl *client.Client) {
	t.Helper()
	if _, err := cl.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: "USD", Scale: 2}); err != nil {
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(256)
	for i := range accounts {
		group.Go(func() error {
			_, err := cl.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{Path: accountPath(i), Asset: "USD", Overdraft: "unlimited"})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func accountPath(i int) string { return fmt.Sprintf("/account/site/user-%d", i%accounts) }

// fill makes the transfers from one number up to another.
func fill(t *testing.T, cl *client.Client, from, to int) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for start := from; start < to; start += listLength {
		group.Go(func() error {
			req := &pb.TransferRequest{}
			for i := start; i < min(start+listLength, to); i++ {
				req.Transfers = append(req.Transfers, &pb.Transfer{
					Id: fmt.Sprintf("job:%d", i), Debit: accountPath(i), Credit: accountPath(i*7 + 1), Amount: "0.25",
				})
			}
			_, err := cl.Ledger.Transfer(ctx, req)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// reopen starts the node and says how long it took until it answered a latest
// read, and how large it is.
func reopen(t *testing.T, c *cluster.Cluster, node *cluster.Node) string {
	t.Helper()
	begin := time.Now()
	node.Start()
	node.WaitReady(time.Minute)
	took := time.Since(begin)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := c.Dial().Ledger.TrialBalance(client.WithRead(ctx, client.Latest), &pb.TrialBalanceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if a := res.Assets[0]; a.DebitsPosted != a.CreditsPosted {
		t.Fatalf("the books do not balance: %v", a)
	}
	return fmt.Sprintf("%s with %d transfers, resident %s", took.Round(time.Millisecond), res.Assets[0].Transfers, resident(t, node.PID()))
}

// resident is the memory of a process, now and at its highest.
func resident(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []string
	for line := range bytes.Lines(status) {
		if bytes.HasPrefix(line, []byte("VmRSS")) || bytes.HasPrefix(line, []byte("VmHWM")) {
			sizes = append(sizes, strings.Join(strings.Fields(string(line)), " "))
		}
	}
	return strings.Join(sizes, ", ")
}
