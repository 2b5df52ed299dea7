package jepsen

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"acquired/jepsen/check"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
)

const (
	// Each group of processes, two at each of three nodes, shares a counter. It is
	// left for another before the search for an order gets long.
	groups          = 4
	mostOperations  = 150
	additionsShare  = 0.4 // of the operations of a process that adds
	countersOpened  = 16  // ahead of their use
	counterPayer    = "/account/counters/payer"
	counterAsset    = "COUNT"
	counterPath     = "/account/counters/counter-%d"
	finalReadWithin = 30 * time.Second

	// pace is between two operations of a process, and hotPace at a node that has
	// just been resumed.
	pace    = 20 * time.Millisecond
	hotPace = 2 * time.Millisecond
	// answerWithin is shorter than a pause, so that reads go on being sent to a
	// node that is stopped. In half of the groups additions are no more patient,
	// and are sent again. In the others they are not, and wait for the node to go
	// on: what it then says of those that it had begun must be true.
	answerWithin  = time.Second
	resendFor     = 5 * time.Second
	patientWithin = longestPause + 2*time.Second
)

// workload is processes that add to counters and read them.
type workload struct {
	history *check.History
	// dir is kept when the test fails.
	dir string
	// hot is the node that has just been resumed; nil is none.
	hot      atomic.Pointer[string]
	counters chan string
	groups   []*group
	stop     chan struct{}
	running  sync.WaitGroup
	end      func() // stops the processes and waits for them
}

// group is the processes that share a counter.
type group struct {
	workload *workload
	mu       sync.Mutex
	used     []string
	// operations and additions are those on the last of used.
	operations, additions int
}

// startWorkload starts the processes. They stop when the test ends.
func startWorkload(t *testing.T, c *cluster.Cluster, random *rand.Rand) *workload {
	t.Helper()
	dir, err := os.MkdirTemp("", "acquired-history-")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	w := &workload{history: check.NewHistory(file), dir: dir, counters: make(chan string, countersOpened), stop: make(chan struct{})}
	w.end = sync.OnceFunc(func() { close(w.stop); w.running.Wait() })
	t.Cleanup(func() {
		w.end()
		file.Close()
		if t.Failed() {
			t.Logf("the history is in %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	w.openCounters(t, c)
	for i := range groups {
		g := &group{workload: w}
		w.groups = append(w.groups, g)
		for _, id := range c.Others() {
			// One of the two only reads: what it is answered depends on nothing that
			// it has seen elsewhere.
			for _, share := range []float64{0, additionsShare} {
				p, r := newProcess(c, w.history, id), rand.New(rand.NewPCG(random.Uint64(), 0))
				if patient := i%2 == 0; patient {
					p.AddTimeout, p.Resend = patientWithin, 0
				}
				w.running.Go(func() { g.run(t, p, share, r) })
			}
		}
	}
	return w
}

// openCounters opens accounts ahead of their use.
func (w *workload) openCounters(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	cl := c.Dial()
	_, err := cl.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: counterAsset})
	if err == nil {
		_, err = cl.Ledger.OpenAccount(t.Context(), &pb.OpenAccountRequest{Path: counterPayer, Asset: counterAsset, Overdraft: "unlimited"})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.running.Go(func() {
		for i := 0; ; i++ {
			path := fmt.Sprintf(counterPath, i)
			if _, err := cl.Ledger.OpenAccount(t.Context(), &pb.OpenAccountRequest{Path: path, Asset: counterAsset}); err != nil {
				t.Errorf("open %s: %v", path, err)
				close(w.counters)
				return
			}
			select {
			case w.counters <- path:
			case <-w.stop:
				return
			}
		}
	})
}

func newProcess(c *cluster.Cluster, h *check.History, node string) *check.Client {
	return &check.Client{
		History: h, Node: node, Ledger: pb.NewLedgerClient(c.Dial(node).Node(c.Node(node).Address())),
		Payer: counterPayer, Timeout: answerWithin, AddTimeout: answerWithin, Resend: resendFor,
	}
}

// run does operations, of which a share are additions, until the workload stops.
func (g *group) run(t *testing.T, p *check.Client, share float64, random *rand.Rand) {
	for {
		counter, number, ok := g.next(random.Float64() < share)
		if !ok {
			return
		}
		if number < 0 {
			p.Read(t.Context(), counter)
		} else {
			p.Add(t.Context(), counter, number)
		}
		wait := pace
		if node := g.workload.hot.Load(); node != nil && *node == p.Node {
			wait = hotPace
		}
		select {
		case <-time.After(wait):
		case <-g.workload.stop:
			return
		}
	}
}

// next gives the counter for an operation, and the number of the addition, or -1
// for a read. It gives false when the workload has stopped.
func (g *group) next(add bool) (counter string, number int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.used) == 0 || g.operations == mostOperations {
		select {
		case counter, ok := <-g.workload.counters:
			if !ok {
				return "", 0, false
			}
			g.used = append(g.used, counter)
			g.operations, g.additions = 0, 0
		case <-g.workload.stop:
			return "", 0, false
		}
	}
	g.operations++
	number = -1
	if add && g.additions < check.MaxAdds {
		number = g.additions
		g.additions++
	}
	return g.used[len(g.used)-1], number, true
}

// finish stops the processes and reads every counter once more at every node,
// which must answer: what was acknowledged before is then part of the history.
func (w *workload) finish(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	w.end()
	for _, id := range c.Others() {
		p := newProcess(c, w.history, id)
		p.Timeout = finalReadWithin
		for _, g := range w.groups {
			for _, counter := range g.used {
				if outcome := p.Read(t.Context(), counter); outcome == check.Failed {
					t.Fatalf("%s did not answer the last read of %s", id, counter)
				}
			}
		}
	}
}
