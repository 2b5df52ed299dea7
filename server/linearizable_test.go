package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/servertest"
)

// The size of the histories: small enough that each can be decided.
const (
	eras            = 7
	accountsPerEra  = 3
	workersPerNode  = 2
	stepsPerAccount = 33 // of a worker; six workers make 198 steps
)

// TestLinearizable lets clients on every node pay and read while nodes are cut
// off, stopped and relieved of the leadership, and judges what they were told.
func TestLinearizable(t *testing.T) {
	run := &faultRun{}
	synctest.Test(t, run.do)
	checkHistory(t, run.history.operations)
	run.checkThatItMeansSomething(t)
}

// faultRun is one run of clients and faults.
type faultRun struct {
	history history
	events  logCounts
	faults  map[string]int
	workers []*worker
	took    time.Duration

	mu    sync.Mutex
	phase phase
	// given counts the amounts of each account that are used.
	given map[string]int
	// done counts steps that succeeded, unknown transfers of unknown outcome.
	done    map[phase]map[string]int
	unknown int
}

type phase string

const (
	calmBefore phase = "before the first fault"
	faulty     phase = "during a fault"
	calmAfter  phase = "after a fault"
)

const (
	aTransfer   = "transfer"
	aLatestRead = "latest read"
	aSeenRead   = "seen read"
)

func (r *faultRun) do(t *testing.T) {
	begin := time.Now()
	cluster := servertest.Start(t, servertest.Options{Configure: func(c *server.Config) {
		servertest.ShortLog(c)
		c.Log = slog.New(r.events.handler())
	}})
	operator := cluster.Dial()
	r.setUp(t, cluster, operator)
	var working sync.WaitGroup
	for _, w := range r.workers {
		working.Go(func() { w.work(t) })
	}
	done := make(chan struct{})
	go func() { working.Wait(); close(done) }()
	r.disturb(t, cluster, operator, done)
	<-done
	r.took = time.Since(begin)
	r.readAll(t, cluster)
	wantEqualHashes(t, operator, len(cluster.IDs()))
}

func (r *faultRun) setUp(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
	r.phase, r.faults, r.given = calmBefore, make(map[string]int), make(map[string]int)
	r.done = map[phase]map[string]int{calmBefore: {}, faulty: {}, calmAfter: {}}
	ctx := t.Context()
	if _, err := operator.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: "USD"}); err != nil {
		t.Fatal(err)
	}
	open := func(path, overdraft string) {
		if _, err := operator.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{Path: path, Asset: "USD", Overdraft: overdraft}); err != nil {
			t.Fatal(err)
		}
	}
	for era := range eras {
		for i := range accountsPerEra {
			open(account(era, i), "")
			open(bankOf(account(era, i)), client_unlimited)
		}
	}
	for n, id := range cluster.IDs() {
		for i := range workersPerNode {
			r.workers = append(r.workers, r.newWorker(cluster, id, i%2 == 0, uint64(n*workersPerNode+i)))
		}
	}
}
