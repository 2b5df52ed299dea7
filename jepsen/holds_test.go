package jepsen

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// betweenKills is from one kill of a leader to the next.
const betweenKills = 2 * time.Second

// receiptsApart is every how manyth receipt the short profile verifies.
const receiptsApart = 23

// TestHoldsUnderKills charges the log while whoever leads is killed every two
// seconds and started again: each job is a hold from its submission to its end,
// many of them at a time. The import is one process that is never started again.
// Where it is done too soon, the log is charged once more, to other accounts and
// by way of another node.
func TestHoldsUnderKills(t *testing.T) {
	t.Parallel()
	e, wanted := expect(t), rounds(5, 20)
	c := cluster.Start(t, cluster.Options{})
	ids := c.Others(c.ActingLeader().ID)
	ids = append(ids, c.Others(ids...)...) // the leader last
	var (
		names []string
		kills int
	)
	begin, elections := time.Now(), c.Elections()
	next := time.NewTicker(betweenKills)
	defer next.Stop()
	for kills < wanted {
		name, first := fmt.Sprintf("nasa-%d", len(names)+1), ids[len(names)%len(ids)]
		names = append(names, name)
		i := startImport(t, c, first, importArgs(e, name, "--batch", strconv.Itoa(rounds(1000, 60)), "--timeout", "2m")...)
		during := killLeaders(t, c, i, next.C)
		wantSummary(t, i.wait(t), e, e.charged)
		t.Logf("import %s, first through %s: %d leaders killed", name, first, during)
		kills += during
	}
	t.Logf("%d imports in %s: %d leaders killed, %d elections", len(names), time.Since(begin).Round(time.Second), kills, c.Elections()-elections)
	if got := c.Elections() - elections; got < kills/2 {
		t.Errorf("got %d elections after %d kills of a leader, want at least half as many: were they leaders?", got, kills)
	}
	wantSound(t, c)
	wantBooks(t, c, e, names...)
	wantHolds(t, c, e, names...)
	wantReceipts(t, c, e, names...)
	wantVerified(t, c)
}

// killLeaders kills the leader and starts it again, each time that next says so
// and for as long as the import runs, and says how often.
func killLeaders(t *testing.T, c *cluster.Cluster, i *importing, next <-chan time.Time) (kills int) {
	t.Helper()
	for {
		select {
		case <-next:
		case <-i.ended:
			return kills
		}
		leader := c.ActingLeader()
		if !i.running() {
			return kills
		}
		leader.Kill()
		leader.Start()
		kills++
	}
}

// wantHolds goes through the holds of every account, of another node for each
// import: one a job, none of them open, and captured of them what the user owes.
func wantHolds(t *testing.T, c *cluster.Cluster, e *expected, imports ...string) {
	t.Helper()
	nodes := c.Others()
	for n, name := range imports {
		cl, count := c.Dial(nodes[n%len(nodes)]), 0
		for user, cents := range e.users {
			captured := new(big.Int)
			for _, h := range holdsOf(t, cl, "/account/"+name+"/"+user) {
				count++
				captured.Add(captured, centsOf(t, h.Captured))
				used := new(big.Int).Add(centsOf(t, h.Captured), centsOf(t, h.Released))
				if h.State == "open" || h.Remaining != "0.00" || h.Expired != "0.00" || h.Credit != payee || used.Cmp(centsOf(t, h.Held)) != 0 {
					t.Errorf("hold %s is not captured and released: %v", h.Id, h)
				}
			}
			if captured.Cmp(cents) != 0 {
				t.Errorf("captured of the holds of /account/%s/%s: %s, want %s", name, user, decimal(captured), decimal(cents))
			}
		}
		if count != e.charged {
			t.Errorf("%s has %d holds, want one for each of %d jobs", name, count, e.charged)
		}
	}
	open, err := c.Dial().Ledger.Holds(latest(t), &pb.HoldsRequest{Account: payee})
	if err != nil || len(open.Holds) > 0 {
		t.Errorf("open holds for %s: %v, %v, want none", payee, open, err)
	}
}

// holdsOf gives all holds of an account.
func holdsOf(t *testing.T, cl *client.Client, account string) (all []*pb.HoldResponse) {
	t.Helper()
	request := &pb.HoldsRequest{Account: account, Closed: true, Limit: 1000}
	for {
		page, err := cl.Ledger.Holds(latest(t), request)
		if err != nil {
			t.Fatalf("holds of %s: %v", account, err)
		}
		all = append(all, page.Holds...)
		if request.Cursor = page.Cursor; page.Cursor == "" {
			return all
		}
	}
}

func centsOf(t *testing.T, amount string) *big.Int {
	t.Helper()
	whole, fraction, ok := strings.Cut(amount, ".")
	cents, isNumber := new(big.Int).SetString(whole+fraction, 10)
	if !ok || len(fraction) != 2 || !isNumber {
		t.Fatalf("%q is no amount of dollars and cents", amount)
	}
	return cents
}

// wantReceipts gets the receipts of the holds, each from another node than the one
// before, and verifies them offline, with the keys that the cluster publishes. The
// short profile takes a part of them.
func wantReceipts(t *testing.T, c *cluster.Cluster, e *expected, imports ...string) {
	t.Helper()
	keys, clients := documentKeys(t, c.Dial()), make([]*client.Client, 0, len(c.Nodes()))
	for _, id := range c.Others() {
		clients = append(clients, c.Dial(id))
	}
	verified, number := 0, 0
	for _, name := range imports {
		for user := range e.users {
			for _, h := range holdsOf(t, clients[0], "/account/"+name+"/"+user) {
				if number++; number%rounds(receiptsApart, 1) != 0 {
					continue
				}
				wantReceipt(t, clients[verified%len(clients)], h, keys)
				verified++
			}
		}
	}
	if verified == 0 {
		t.Error("no receipt was verified")
	}
	t.Logf("%d receipts of %d verified", verified, number)
}

func wantReceipt(t *testing.T, cl *client.Client, h *pb.HoldResponse, keys []string) {
	t.Helper()
	answer, err := cl.Ledger.Document(latest(t), &pb.DocumentRequest{Id: h.Id + ":receipt"})
	if err != nil {
		t.Fatalf("receipt of %s: %v", h.Id, err)
	}
	d, err := client.OpenDocument([]byte(answer.Note), keys...)
	if err != nil {
		t.Errorf("receipt of %s: %v\n%s", h.Id, err, answer.Note)
		return
	}
	for key, want := range map[string]string{
		"hold": h.Id, "debit": h.Debit, "credit": h.Credit, "asset": h.Asset, "held": h.Held,
		"captured": h.Captured, "released": h.Released, "expired": "0.00", "remaining": "0.00",
	} {
		if got := d.Value(key); d.Type != "receipt" || got != want {
			t.Errorf("%s of %s says %s: %s, want a receipt with %s", d.Type, h.Id, key, got, want)
		}
	}
	altered := strings.Replace(answer.Note, "captured: ", "captured: 1", 1)
	if _, err := client.OpenDocument([]byte(altered), keys...); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("an altered receipt of %s: %v, want it refused as unauthenticated", h.Id, err)
	}
}

func documentKeys(t *testing.T, cl *client.Client) (keys []string) {
	t.Helper()
	answer, err := cl.Ledger.DocumentKeys(latest(t), &pb.DocumentKeysRequest{})
	if err != nil {
		t.Fatalf("keys of documents: %v", err)
	}
	for _, key := range answer.Keys {
		keys = append(keys, key.Verifier)
	}
	return keys
}

// wantVerified makes each node work out its books again from its journal. All must
// find nothing wrong, and come to the same end of the audit.
func wantVerified(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	heads := make(map[string][]string)
	for _, id := range c.Others() {
		var found struct {
			Entries, Holds, Documents uint64
			Findings                  []string
			Head                      string
		}
		printed := c.Run("ledger", "verify", id, "-o", "json")
		if err := json.Unmarshal([]byte(printed), &found); err != nil {
			t.Fatalf("ledger verify %s: %v\n%s", id, err, printed)
		}
		if len(found.Findings) > 0 || found.Entries == 0 || found.Holds == 0 || found.Documents == 0 || found.Head == "" {
			t.Errorf("ledger verify %s: %s\nwant entries, holds and documents, and no findings", id, printed)
		}
		heads[found.Head] = append(heads[found.Head], id)
	}
	if len(heads) != 1 {
		t.Errorf("the audits of the nodes end differently: %v", heads)
	}
}
