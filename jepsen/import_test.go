package jepsen

import (
	"context"
	"encoding/json"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
)

const payee = "/account/centre"

// importArgs charge the log under a name that is also that of the accounts.
func importArgs(e *expected, name string, more ...string) []string {
	args := []string{
		"ledger", "import-swf", e.file, "--asset", "USD", "--price", price, "--per", "core-hour",
		"--from", "/account/" + name, "--to", payee, "-o", "json",
	}
	return append(args, more...)
}

// summary is what an import prints, as far as it can be computed here.
type summary struct {
	Records       int    `json:"records"`
	Charged       int    `json:"charged"`
	Skipped       int    `json:"skipped"`
	Users         int    `json:"users"`
	CoreSeconds   uint64 `json:"core_seconds"`
	Total         string `json:"total"`
	Created       int    `json:"charges_created"`
	Existing      int    `json:"charges_existing"`
	TrialBalance  string `json:"trial_balance"`
	OthersDebited int    `json:"accounts_with_other_debits"`
}

// latest is for reads of all that was acknowledged before.
func latest(t *testing.T) context.Context { return client.WithRead(t.Context(), client.Latest) }

// wantSummary compares what an import printed with what the log comes to.
// Created is how many jobs it must have charged, -1 for any number.
func wantSummary(t *testing.T, printed []byte, e *expected, created int) {
	t.Helper()
	var got summary
	if err := json.Unmarshal(printed, &got); err != nil {
		t.Fatalf("import: %v\n%s", err, printed)
	}
	if created < 0 {
		created = got.Created
	}
	want := summary{
		Records: e.records, Charged: e.charged, Skipped: e.skipped, Users: len(e.users), CoreSeconds: e.coreSeconds.Uint64(),
		Total: decimal(e.cents), Created: created, Existing: e.charged - created, TrialBalance: "zero",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("import: summary differs (-want +got):\n%s", diff)
	}
}

// wantBooks reads every account through every node: each must have been charged
// exactly once for each of the imports.
func wantBooks(t *testing.T, c *cluster.Cluster, e *expected, imports ...string) {
	t.Helper()
	count := int64(len(imports))
	total := decimal(new(big.Int).Mul(e.cents, big.NewInt(count)))
	for id := range c.Nodes() {
		cl := c.Dial(id)
		for _, name := range imports {
			for user, cents := range e.users {
				wantBalance(t, id, cl, "/account/"+name+"/"+user, decimal(cents), "0.00")
			}
		}
		wantBalance(t, id, cl, payee, "0.00", total)
		trial, err := cl.Ledger.TrialBalance(latest(t), &pb.TrialBalanceRequest{})
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if len(trial.Assets) != 1 {
			t.Fatalf("%s: got totals of %d assets, want 1: %v", id, len(trial.Assets), trial.Assets)
		}
		got := trial.Assets[0]
		if got.DebitsPosted != total || got.CreditsPosted != total || got.DebitsPending != "0.00" || got.CreditsPending != "0.00" {
			t.Errorf("%s: trial balance: got %v, want %s on both sides and nothing pending", id, got, total)
		}
		if want := uint64(count) * uint64(e.moved); got.Transfers != want {
			t.Errorf("%s: got %d transfers, want %d", id, got.Transfers, want)
		}
		if want := uint64(count)*uint64(len(e.users)) + 1; got.Accounts != want {
			t.Errorf("%s: got %d accounts, want %d", id, got.Accounts, want)
		}
	}
}

func wantBalance(t *testing.T, node string, cl *client.Client, path, debits, credits string) {
	t.Helper()
	got, err := cl.Ledger.Balance(latest(t), &pb.BalanceRequest{Path: path})
	if err != nil {
		t.Fatalf("%s: %s: %v", node, path, err)
	}
	if got.DebitsPosted != debits || got.CreditsPosted != credits || got.DebitsPending != "0.00" || got.CreditsPending != "0.00" {
		t.Errorf("%s: %s: got %v, want debits %s, credits %s and nothing pending", node, path, got, debits, credits)
	}
}

// wantSound requires that all nodes are well and have the same state.
func wantSound(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, n := range c.Nodes() {
		n.WaitReady(soon)
		c.WaitVoter(n.ID, soon)
	}
	var hashes struct {
		Nodes []struct {
			ID, Hash, Error string
			Index           uint64
		}
	}
	if err := json.Unmarshal([]byte(c.Run("cluster", "hash", "-o", "json")), &hashes); err != nil {
		t.Fatal(err)
	}
	if len(hashes.Nodes) != len(c.Nodes()) {
		t.Errorf("got hashes of %d nodes, want %d", len(hashes.Nodes), len(c.Nodes()))
	}
	for _, n := range hashes.Nodes {
		if first := hashes.Nodes[0]; n.Error != "" || n.Hash == "" || n.Hash != first.Hash || n.Index != first.Index {
			t.Errorf("the nodes differ: %+v", hashes.Nodes)
			break
		}
	}
}

// TestImport charges a real log through a follower, and then again through
// every node.
func TestImport(t *testing.T) {
	t.Parallel()
	e := expect(t)
	c := cluster.Start(t, cluster.Options{})
	follower := c.Others(c.ActingLeader().ID)[0]
	wantSummary(t, runVia(c, follower, importArgs(e, "nasa")...), e, e.charged)
	wantBooks(t, c, e, "nasa")
	wantSound(t, c)
	for id := range c.Nodes() {
		wantSummary(t, runVia(c, id, importArgs(e, "nasa")...), e, 0)
	}
	wantBooks(t, c, e, "nasa")
	wantHolds(t, c, e, "nasa")
	wantSound(t, c)
}

// runVia runs the command line, which calls the node first.
func runVia(c *cluster.Cluster, node string, args ...string) []byte {
	return []byte(c.Run(append([]string{"--context", c.ContextVia(node)}, args...)...))
}
