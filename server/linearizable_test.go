package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/servertest"
)

// The size of the histories: small enough that each can be judged.
const (
	accounts        = 10
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
	before phase = "before the first fault"
	during phase = "during a fault"
	after  phase = "after a fault"
)

const (
	transfers   = "transfers"
	latestReads = "latest reads"
	seenReads   = "seen reads"
)

func newFaultRun() *faultRun {
	return &faultRun{
		phase: before, faults: make(map[string]int), given: make(map[string]int),
		done: map[phase]map[string]int{before: {}, during: {}, after: {}},
	}
}

func accountPaths() (paths []string) {
	for i := range accounts {
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
	if least := 3 * time.Minute; r.took < least {
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
		for _, what := range []string{transfers, latestReads, seenReads} {
			if done[what] < 10 {
				t.Errorf("%d %s succeeded %s, want 10 or more", done[what], what, phase)
			}
		}
		all += done[transfers]
	}
	if r.unknown == 0 || r.unknown > all*3/100 {
		t.Errorf("%d transfers of unknown outcome to %d acknowledged ones, want some and at most 3 in 100", r.unknown, all)
	}
	for _, part := range byAccount(r.history.operations) {
		if overlapping(part) == 0 {
			t.Errorf("%s: no read was concurrent with a transfer", part[0].Input.(step).account)
		}
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

// worker is a client at a node: it reaches no other, and it reaches this one
// even while the node is cut off from the others.
type worker struct {
	run     *faultRun
	node    string
	ledger  pb.LedgerClient
	process int
	random  *rand.Rand
	// known is what the client was shown, and what it was told is done.
	known map[string]amounts
	// doubt: it does not know what became of a transfer, so it reads before it
	// pays again.
	doubt map[string]bool
}

// newWorker makes a client that makes each call once, or one that tries again
// and gathers its writes.
func (r *faultRun) newWorker(t *testing.T, cluster *servertest.Cluster, node string, once bool, seed uint64) *worker {
	t.Helper()
	config := cluster.Config(node)
	config.Dialer = distant(cluster.Local(node))
	config.Timeout = 5 * time.Second
	if once {
		config.Timeout = 2 * time.Second
	}
	c := cluster.DialConfig(config)
	w := &worker{
		run: r, node: node, ledger: c.Ledger, process: r.history.newProcess(), random: rand.New(rand.NewPCG(1, seed)),
		known: make(map[string]amounts), doubt: make(map[string]bool),
	}
	if once {
		w.ledger = pb.NewLedgerClient(c.Node(servertest.Address(node)))
	}
	return w
}

// distant makes connections on which what is sent and what is received takes
// its time. In memory a call takes none, and no two would be concurrent.
func distant(dial dialFunc) dialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return &distantConn{conn}, nil
	}
}

type dialFunc = func(ctx context.Context, address string) (net.Conn, error)

type distantConn struct{ net.Conn }

func (c *distantConn) Write(b []byte) (int, error) {
	<-time.After(rand.N(20 * time.Millisecond))
	return c.Conn.Write(b)
}

func (c *distantConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	<-time.After(rand.N(20 * time.Millisecond))
	return n, err
}

func (w *worker) work(t *testing.T) {
	for _, account := range accountPaths() {
		for range stepsPerAccount {
			w.step(t, account)
			<-time.After(time.Duration(w.random.IntN(800)) * time.Millisecond)
		}
	}
}

func (w *worker) step(t *testing.T, account string) {
	switch choice := w.random.IntN(10); {
	case choice == 0:
		w.readSeen(t, account)
	case choice < 5 || w.doubt[account]:
		w.readLatest(t, account)
	default:
		w.pay(t, account)
	}
}

func (w *worker) pay(t *testing.T, account string) {
	amount, ok := w.run.give(account)
	if !ok {
		return
	}
	asked, call := step{account, amount}, w.run.history.now()
	_, err := w.ledger.Transfer(t.Context(), &pb.TransferRequest{Transfers: []*pb.Transfer{{
		Id: fmt.Sprintf("%s:%d", account, amount), Debit: "/account/bank", Credit: account, Amount: amounts{}.with(amount).String(),
	}}})
	switch {
	case err == nil:
		w.run.history.add(w.process, asked, call, amounts{})
		w.known[account] = w.known[account].with(amount)
		w.run.succeeded(transfers)
	case fault.OutcomeOf(err) == fault.Unknown:
		w.run.history.addUnknown(w.process, asked, call)
		w.process = w.run.history.newProcess()
		w.doubt[account] = true
		w.run.mu.Lock()
		w.run.unknown++
		w.run.mu.Unlock()
	}
	// A transfer that was refused for good is no part of the history: if it took
	// effect nevertheless, a read shows what nobody made.
	w.wantNoneButUnavailable(t, err)
}

func (w *worker) wantNoneButUnavailable(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, fault.Unavailable) {
		t.Errorf("%s answers %v, a fault of the kind %s", w.node, err, fault.KindOf(err))
	}
}

func (w *worker) balance(t *testing.T, read client.Read, account string) (shown amounts, ok bool) {
	t.Helper()
	res, err := w.ledger.Balance(client.WithRead(t.Context(), read), &pb.BalanceRequest{Path: account})
	if err != nil {
		w.wantNoneButUnavailable(t, err)
		return shown, false
	}
	shown, err = parseAmounts(res.CreditsPosted)
	if err != nil {
		t.Errorf("%s of %s: %v", w.node, account, err)
	}
	return shown, err == nil
}

// readLatest reports whether there was an answer.
func (w *worker) readLatest(t *testing.T, account string) bool {
	t.Helper()
	call := w.run.history.now()
	shown, ok := w.balance(t, client.Latest, account)
	if !ok {
		return false
	}
	w.run.history.add(w.process, step{account, reading}, call, shown)
	w.known[account] = w.known[account].union(shown)
	w.doubt[account] = false
	w.run.succeeded(latestReads)
	return true
}

// readSeen may show an old state, but never one older than the client knows.
func (w *worker) readSeen(t *testing.T, account string) {
	t.Helper()
	shown, ok := w.balance(t, client.Seen, account)
	if !ok {
		return
	}
	if known := w.known[account]; !shown.covers(known) {
		t.Errorf("%s shows %s at %s to a client that knows of %s", w.node, account, shown, known)
	}
	w.known[account] = w.known[account].union(shown)
	w.run.succeeded(seenReads)
}

// A namedFault is inflicted and over when it returns.
type namedFault struct {
	name    string
	inflict func(t *testing.T, cluster *servertest.Cluster, operator *client.Client)
}

var allFaults = []namedFault{
	{"cut the leader off", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		cutOff(t, cluster, operator, leaderOf(t, operator))
	}},
	{"deafen the leader", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		leader := leaderOf(t, operator)
		cluster.Deafen(leader)
		missed(t, operator, leader)
		wait(t, 2*time.Second)
		cluster.Heal(leader)
		cluster.WaitReady(leader)
	}},
	{"cut a follower off", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		cutOff(t, cluster, operator, followerOf(t, cluster, operator))
	}},
	{"transfer the leadership", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		makeLeader(t, operator, followerOf(t, cluster, operator))
	}},
	{"stop the leader", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		restart(t, cluster, operator, leaderOf(t, operator))
	}},
	{"stop a follower", func(t *testing.T, cluster *servertest.Cluster, operator *client.Client) {
		restart(t, cluster, operator, followerOf(t, cluster, operator))
	}},
	{"stop all nodes", func(t *testing.T, cluster *servertest.Cluster, _ *client.Client) {
		restartAll(t, cluster)
	}},
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
			r.enter(during)
			f.inflict(t, cluster, operator)
			r.enter(after)
			r.faults[f.name]++
		}
	}
}

// cutOff takes a node off the network, sees that it is missed, and puts it back.
func cutOff(t *testing.T, cluster *servertest.Cluster, operator *client.Client, id string) {
	t.Helper()
	cluster.Cut(id)
	missed(t, operator, id)
	wait(t, 3*time.Second)
	cluster.Heal(id)
	cluster.WaitReady(id)
}

// missed returns when the others go on without the node.
func missed(t *testing.T, operator *client.Client, id string) {
	t.Helper()
	waitFor(t, operator, func(s *pb.StatusResponse) bool {
		return !statusOf(s, id).Healthy && s.Leader != "" && s.Leader != id
	})
}

func restart(t *testing.T, cluster *servertest.Cluster, operator *client.Client, id string) {
	t.Helper()
	cluster.StopNode(id)
	missed(t, operator, id)
	wait(t, 5*time.Second)
	cluster.StartNode(id)
	cluster.WaitReady(id)
}

func restartAll(t *testing.T, cluster *servertest.Cluster) {
	t.Helper()
	for _, id := range cluster.IDs() {
		cluster.StopNode(id)
	}
	for _, id := range cluster.IDs() {
		cluster.StartNode(id)
	}
	for _, id := range cluster.IDs() {
		cluster.WaitReady(id)
	}
}

func followerOf(t *testing.T, cluster *servertest.Cluster, c *client.Client) string {
	t.Helper()
	leader := leaderOf(t, c)
	for _, id := range cluster.IDs() {
		if id != leader {
			return id
		}
	}
	t.Fatal("the cluster has no follower")
	return ""
}

func termOf(t *testing.T, c *client.Client) uint64 {
	t.Helper()
	res, err := c.Cluster.Status(client.WithRead(t.Context(), client.Any), &pb.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Term
}

// logCounts counts the lines of a log by message.
type logCounts struct {
	mu    sync.Mutex
	lines map[string]int
}

// count gives a handler that counts what it hands on.
func (c *logCounts) count(to slog.Handler) slog.Handler { return countingHandler{to, c} }

func (c *logCounts) of(message string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines[message]
}

type countingHandler struct {
	slog.Handler
	counts *logCounts
}

func (h countingHandler) Handle(ctx context.Context, record slog.Record) error {
	h.counts.mu.Lock()
	if h.counts.lines == nil {
		h.counts.lines = make(map[string]int)
	}
	h.counts.lines[record.Message]++
	h.counts.mu.Unlock()
	return h.Handler.Handle(ctx, record)
}

func (h countingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return countingHandler{h.Handler.WithAttrs(attrs), h.counts}
}

// shortLogCounted is servertest.ShortLog with a log that is counted.
func shortLogCounted(counts *logCounts) func(*server.Config) {
	return func(c *server.Config) {
		servertest.ShortLog(c)
		c.Log = slog.New(counts.count(c.Log.Handler()))
	}
}
