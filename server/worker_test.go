package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// worker is a client of one node, which it reaches even while the node is cut
// off from the others.
type worker struct {
	run    *faultRun
	node   string
	ledger pb.LedgerClient
	// anywhere gives the node of a read of what was seen. A client that goes from
	// node to node must not go back in time either.
	anywhere func() pb.LedgerClient
	process  int
	random   *rand.Rand
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
	config.Dialer, config.Timeout = distant(cluster.Local(node)), 5*time.Second
	if once {
		config.Dialer, config.Timeout = distant(nextTo(cluster)), 2*time.Second
	}
	c := cluster.DialConfig(config)
	w := &worker{
		run: r, node: node, ledger: c.Ledger, process: r.history.newProcess(), random: rand.New(rand.NewPCG(1, seed)),
		known: make(map[string]amounts), doubt: make(map[string]bool),
	}
	w.anywhere = func() pb.LedgerClient { return w.ledger }
	if once {
		at := func(id string) pb.LedgerClient { return pb.NewLedgerClient(c.Node(servertest.Address(id))) }
		ids := cluster.IDs()
		w.ledger, w.anywhere = at(node), func() pb.LedgerClient { return at(ids[w.random.IntN(len(ids))]) }
	}
	return w
}

// nextTo reaches every node as if it were on the same host.
func nextTo(cluster *servertest.Cluster) dialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		host, _, _ := strings.Cut(address, ":")
		return cluster.Local(host)(ctx, address)
	}
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
	<-time.After(rand.N(60 * time.Millisecond))
	return c.Conn.Write(b)
}

func (c *distantConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	<-time.After(rand.N(60 * time.Millisecond))
	return n, err
}

func (w *worker) work(t *testing.T) {
	for _, account := range accountPaths() {
		for range stepsPerAccount {
			w.step(t, account)
			<-time.After(time.Duration(w.random.IntN(600)) * time.Millisecond)
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
		w.run.succeeded(doneTransfers)
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

func (w *worker) balance(t *testing.T, ledger pb.LedgerClient, read client.Read, account string) (shown amounts, ok bool) {
	t.Helper()
	res, err := ledger.Balance(client.WithRead(t.Context(), read), &pb.BalanceRequest{Path: account})
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
	shown, ok := w.balance(t, w.ledger, client.Latest, account)
	if !ok {
		return false
	}
	w.run.history.add(w.process, step{account, reading}, call, shown)
	w.known[account] = w.known[account].union(shown)
	w.doubt[account] = false
	w.run.succeeded(doneLatestReads)
	return true
}

// readSeen may show an old state, but never one older than the client knows.
func (w *worker) readSeen(t *testing.T, account string) {
	t.Helper()
	shown, ok := w.balance(t, w.anywhere(), client.Seen, account)
	if !ok {
		return
	}
	if known := w.known[account]; !shown.covers(known) {
		t.Errorf("%s is shown as %s to a client of %s that knows of %s", account, shown, w.node, known)
	}
	w.known[account] = w.known[account].union(shown)
	w.run.succeeded(doneSeenReads)
}
