package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Book makes transfers and keeps what the cluster answered to them, to hold the
// cluster to it: what it acknowledged is found for ever, what it said was never
// applied is never found. Its methods are called from one goroutine.
type Book struct {
	cluster *Cluster
	mu      sync.Mutex
	made    int
	answers map[string]answer
	last    time.Time     // of the acknowledgements
	longest time.Duration // between two of them
}

type answer uint8

const (
	acknowledged answer = iota
	refused             // with the outcome definite
	doubtful            // with the outcome unknown
)

const (
	bookAsset  = "BOOK"
	bookPayer  = "/account/book/payer"
	bookPayee  = "/account/book/payee"
	bookAmount = "1.00"
	// writers is how many transfers are under way at a time.
	writers = 4
	// lookupIDs is how many transfers are looked up at once.
	lookupIDs = 8000
)

// OpenBook opens the accounts of a book. A cluster has one book.
func (c *Cluster) OpenBook() *Book {
	c.t.Helper()
	ctx, cl := c.t.Context(), c.Dial()
	_, err := cl.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: bookAsset, Scale: 2})
	for _, path := range []string{bookPayer, bookPayee} {
		if err == nil {
			_, err = cl.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{Path: path, Asset: bookAsset, Overdraft: "unlimited"})
		}
	}
	if err != nil {
		c.t.Fatalf("open accounts: %v", err)
	}
	return &Book{cluster: c, answers: make(map[string]answer)}
}

// Write makes so many transfers, through the nodes named or any. All of them
// must be acknowledged.
func (b *Book) Write(count int, nodes ...string) {
	b.cluster.t.Helper()
	cl := b.cluster.dialNow(nodes...)
	defer cl.Close()
	numbers := make(chan struct{}, count)
	for range count {
		numbers <- struct{}{}
	}
	close(numbers)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range numbers {
				if err := b.transfer(b.cluster.t.Context(), cl); err != nil {
					b.cluster.t.Errorf("transfer: %v", err)
				}
			}
		})
	}
	group.Wait()
	if b.cluster.t.Failed() {
		b.cluster.t.FailNow()
	}
}

// During makes transfers for as long as do runs, a few hundred a second, and
// goes on after that until one more is acknowledged. It gives how many were
// acknowledged and the longest time in which none was.
func (b *Book) During(do func()) (count int, longest time.Duration) {
	b.cluster.t.Helper()
	before := len(b.Acknowledged())
	b.last, b.longest = time.Now(), 0
	cl := b.cluster.dialNow()
	defer cl.Close()
	ctx, stop := context.WithCancel(b.cluster.t.Context())
	var group sync.WaitGroup
	// What does not return must not leave the writers behind.
	defer func() { stop(); group.Wait() }()
	for range writers {
		group.Go(func() { b.keepWriting(ctx, cl) })
	}
	do()
	stop()
	group.Wait()
	if err := b.transfer(b.cluster.t.Context(), cl); err != nil {
		b.cluster.t.Fatalf("transfer after the fault: %v", err)
	}
	return len(b.Acknowledged()) - before, b.longest
}

func (b *Book) keepWriting(ctx context.Context, cl *client.Client) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
			// It is kept in the book that it had no answer.
			_ = b.transfer(ctx, cl)
		case <-ctx.Done():
			return
		}
	}
}

// WaitFor waits, inside During, until so many more transfers are acknowledged.
func (b *Book) WaitFor(count int, within time.Duration) {
	b.cluster.t.Helper()
	before := len(b.Acknowledged())
	b.cluster.eventually(within, func(context.Context) string {
		if got := len(b.Acknowledged()) - before; got < count {
			return fmt.Sprintf("%d transfers were acknowledged, want %d", got, count)
		}
		return ""
	})
}

// Try makes one transfer and gives the error of the answer.
func (b *Book) Try(ctx context.Context, cl *client.Client) error { return b.transfer(ctx, cl) }

func (b *Book) transfer(ctx context.Context, cl *client.Client) error {
	b.mu.Lock()
	b.made++
	id := fmt.Sprintf("transfer:%07d", b.made)
	b.mu.Unlock()
	_, err := cl.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: id, Debit: bookPayer, Credit: bookPayee, Amount: bookAmount},
	}})
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil:
		now := time.Now()
		b.answers[id] = acknowledged
		b.longest, b.last = max(b.longest, now.Sub(b.last)), now
	case !errors.Is(err, fault.Unavailable):
		b.cluster.t.Errorf("transfer %s: %v, want it made or a fault unavailable", id, err)
	case fault.OutcomeOf(err) == fault.Definite:
		b.answers[id] = refused
	default:
		b.answers[id] = doubtful
	}
	return err
}

// Acknowledged gives the ids of the transfers that were, in the order made.
func (b *Book) Acknowledged() []string { return b.with(acknowledged) }

func (b *Book) with(a answer) (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(b.answers)) {
		if b.answers[id] == a {
			ids = append(ids, id)
		}
	}
	return ids
}

// Audit looks every transfer up at each of the nodes named, or at all, and
// compares the books and the state hashes of these nodes.
func (b *Book) Audit(nodes ...string) {
	b.cluster.t.Helper()
	if len(nodes) == 0 {
		nodes = slices.Sorted(maps.Keys(b.cluster.nodes))
	}
	found := 0
	for _, node := range nodes {
		found = b.auditAt(node)
	}
	b.cluster.t.Logf("audit of %v: %d transfers found; %d were acknowledged, of %d nobody knew, %d were never applied",
		nodes, found, len(b.Acknowledged()), len(b.with(doubtful)), len(b.with(refused)))
	b.cluster.WantSameHash(nodes...)
}

func (b *Book) auditAt(node string) (count int) {
	b.cluster.t.Helper()
	cl := b.cluster.dialNow(node)
	defer cl.Close()
	found, err := b.find(b.cluster.t.Context(), cl, client.Latest)
	if err != nil {
		b.cluster.t.Fatalf("look transfers up at %s: %v", node, err)
	}
	b.compare(node, found, b.Acknowledged())
	res, err := cl.Ledger.TrialBalance(client.WithRead(b.cluster.t.Context(), client.Latest), &pb.TrialBalanceRequest{})
	if err != nil {
		b.cluster.t.Fatalf("trial balance at %s: %v", node, err)
	}
	for _, a := range res.Assets {
		total := fmt.Sprintf("%d.00", len(found))
		if a.Asset == bookAsset && (a.DebitsPosted != total || a.CreditsPosted != total || a.Transfers != uint64(len(found))) {
			b.cluster.t.Errorf("%s has debits of %s and credits of %s in %d transfers, want %s in the %d that are found",
				node, a.DebitsPosted, a.CreditsPosted, a.Transfers, total, len(found))
		}
	}
	return len(found)
}

// find gives the transfers that exist, by id, as the node says that the client
// is for.
func (b *Book) find(ctx context.Context, cl *client.Client, read client.Read) (map[string]*pb.Transfer, error) {
	b.mu.Lock()
	ids := slices.Sorted(maps.Keys(b.answers))
	b.mu.Unlock()
	found := make(map[string]*pb.Transfer)
	for chunk := range slices.Chunk(ids, lookupIDs) {
		res, err := cl.Ledger.Lookup(client.WithRead(ctx, read), &pb.LookupRequest{Ids: chunk})
		if err != nil {
			return nil, err
		}
		for _, recorded := range res.Transfers {
			found[recorded.Transfer.Id] = recorded.Transfer
		}
	}
	return found, nil
}

// AskUntilEnd asks the node for the state it has, again and again until it has
// ended, or for as long as within. What it answers must be right, and hold the
// transfers that are known to be in its state. It gives how often it answered.
func (b *Book) AskUntilEnd(n *Node, within time.Duration, known []string) (answers int) {
	b.cluster.t.Helper()
	b.cluster.eventually(within, func(ctx context.Context) string {
		if n.process.Process.Signal(syscall.Signal(0)) != nil {
			return ""
		}
		if found, err := b.ask(ctx, n); err == nil {
			answers++
			b.compare(n.ID, found, known)
		}
		return n.ID + " runs"
	})
	return answers
}

func (b *Book) ask(ctx context.Context, n *Node) (map[string]*pb.Transfer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cl, err := client.Dial(ctx, b.cluster.Config(n.ID))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return b.find(ctx, cl, client.Any)
}

// compare judges what a node found, of which known must be a part.
func (b *Book) compare(node string, found map[string]*pb.Transfer, known []string) {
	b.cluster.t.Helper()
	for _, id := range known {
		if _, ok := found[id]; !ok {
			b.cluster.t.Errorf("%s lost %s, which was acknowledged", node, id)
		}
	}
	for _, id := range b.with(refused) {
		if _, ok := found[id]; ok {
			b.cluster.t.Errorf("%s has %s, which was said never to be applied", node, id)
		}
	}
	for id, got := range found {
		if got.Debit != bookPayer || got.Credit != bookPayee || got.Amount != bookAmount {
			b.cluster.t.Errorf("%s has %s from %s to %s of %s, want from %s to %s of %s",
				node, id, got.Debit, got.Credit, got.Amount, bookPayer, bookPayee, bookAmount)
		}
	}
}
