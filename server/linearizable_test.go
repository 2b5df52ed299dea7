package server_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"acquired/client"
	"acquired/server"
	"acquired/server/servertest"
)

// The size of the histories: small enough that each can be judged.
const (
	accountCount    = 10
	workersPerNode  = 2
	stepsPerAccount = 33 // of each of six workers: 198
)

// TestLinearizable lets clients at every node pay and read while nodes are cut
// off, stopped and relieved of the leadership, and judges what they were told.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	run := newFaultRun()
	synctest.Test(t, run.do)
	checkHistory(t, run.history.operations)
	run.checkItMeansSomething(t)
}

// faultRun is one run of clients and faults.
type faultRun struct {
	history history
	log     logCounts
	faults  map[string]int
	terms   uint64
	took    time.Duration

	mu    sync.Mutex
	phase phase
	// given counts the amounts of each account that were used.
	given map[string]int
	// done counts what succeeded.
	done    map[phase]map[string]int
	unknown int // transfers
}

type phase string

const (
	beforeFaults phase = "before the first fault"
	duringFault  phase = "during a fault"
	afterFault   phase = "after a fault"
)

const (
	doneTransfers   = "transfers"
	doneLatestReads = "latest reads"
	doneSeenReads   = "seen reads"
)

func newFaultRun() *faultRun {
	return &faultRun{
		phase: beforeFaults, faults: make(map[string]int), given: make(map[string]int),
		done: map[phase]map[string]int{beforeFaults: {}, duringFault: {}, afterFault: {}},
	}
}

func accountPaths() (paths []string) {
	for i := range accountCount {
		paths = append(paths, fmt.Sprintf("/account/%d", i))
	}
	return paths
}

func (r *faultRun) do(t *testing.T) {
	begin := time.Now()
	cluster := servertest.Start(t, servertest.Options{Configure: func(c *server.Config) {
		shortLogCounted(&r.log)(c)
		// A node that was stopped needs a snapshot when it comes back.
		c.Limits.SnapshotEntries, c.Limits.TrailingEntries = 15, 5
	}})
	operator := cluster.Dial()
	seedScale(t, operator, 0, accountPaths()...)
	term := termOf(t, operator)
	over := r.startWorkers(t, cluster)
	r.disturb(t, cluster, operator, over)
	r.took = time.Since(begin)
	r.terms = termOf(t, operator) - term
	r.readAll(t, cluster)
	wantEqualHashes(t, operator, len(cluster.IDs()))
}

// startWorkers gives a channel that is closed when the workers are done.
func (r *faultRun) startWorkers(t *testing.T, cluster *servertest.Cluster) <-chan struct{} {
	t.Helper()
	var working sync.WaitGroup
	for n, id := range cluster.IDs() {
		for i := range workersPerNode {
			w := r.newWorker(t, cluster, id, i == 0, uint64(n*workersPerNode+i))
			working.Go(func() { w.work(t) })
		}
	}
	over := make(chan struct{})
	go func() {
		working.Wait()
		close(over)
	}()
	return over
}

// disturb inflicts fault after fault until over is closed.
func (r *faultRun) disturb(t *testing.T, cluster *servertest.Cluster, operator *client.Client, over <-chan struct{}) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	wait(t, 10*time.Second)
	for {
		for _, i := range random.Perm(len(allFaults)) {
			select {
			case <-over:
				return
			case <-time.After(4 * time.Second):
			}
			f := allFaults[i]
			r.enter(duringFault)
			f.inflict(t, cluster, operator)
			r.enter(afterFault)
			r.faults[f.name]++
		}
	}
}

// readAll adds to each history what every node shows at last.
func (r *faultRun) readAll(t *testing.T, cluster *servertest.Cluster) {
	t.Helper()
	for n, id := range cluster.IDs() {
		w := r.newWorker(t, cluster, id, true, uint64(100+n))
		for _, account := range accountPaths() {
			for tries := 0; !w.readLatest(t, account); tries++ {
				if tries == 10 {
					t.Fatalf("%s does not show %s at last", id, account)
				}
			}
		}
	}
}

// checkItMeansSomething: a history in which nothing happened is linearizable.
func (r *faultRun) checkItMeansSomething(t *testing.T) {
	t.Helper()
	t.Logf("%v of virtual time, faults %v, %d terms, %d snapshots received, done %v, %d transfers unknown",
		r.took, r.faults, r.terms, r.log.of("state replaced by a snapshot"), r.done, r.unknown)
	if least := 150 * time.Second; r.took < least {
		t.Errorf("the run took %v of virtual time, want %v or more", r.took, least)
	}
	for _, f := range allFaults {
		if r.faults[f.name] < 2 {
			t.Errorf("fault %q happened %d times, want 2 or more", f.name, r.faults[f.name])
		}
	}
	if least := uint64(r.faults["cut the leader off"] + r.faults["deafen the leader"] + r.faults["stop the leader"]); r.terms < least {
		t.Errorf("%d terms, want %d or more", r.terms, least)
	}
	if r.log.of("state replaced by a snapshot") == 0 {
		t.Error("no node received a snapshot")
	}
	all := 0
	for phase, done := range r.done {
		for _, what := range []string{doneTransfers, doneLatestReads, doneSeenReads} {
			if done[what] < 10 {
				t.Errorf("%d %s succeeded %s, want 10 or more", done[what], what, phase)
			}
		}
		all += done[doneTransfers]
	}
	if r.unknown == 0 || r.unknown > all*3/100 {
		t.Errorf("%d transfers of unknown outcome to %d acknowledged ones, want some and at most 3 in 100", r.unknown, all)
	}
	parts, quiet := byAccount(r.history.operations), 0
	for _, part := range parts {
		if overlapping(part) == 0 {
			quiet++
		}
	}
	if quiet*4 > len(parts) {
		t.Errorf("on %d of %d accounts no read was concurrent with a transfer, want a quarter of them at most", quiet, len(parts))
	}
}

// overlapping counts reads that began or ended while a transfer was under way.
func overlapping(operations []porcupine.Operation) (reads int) {
	for _, read := range operations {
		if read.Input.(step).amount != reading {
			continue
		}
		for _, o := range operations {
			if o.Input.(step).amount != reading && o.Call < read.Return && read.Call < o.Return {
				reads++
				break
			}
		}
	}
	return reads
}

func (r *faultRun) enter(p phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = p
}

func (r *faultRun) succeeded(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[r.phase][what]++
}

// give gives an amount that the account has not been paid yet.
func (r *faultRun) give(account string) (amount int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	amount = r.given[account]
	if amount == mostAmounts {
		return 0, false
	}
	r.given[account]++
	return amount, true
}
