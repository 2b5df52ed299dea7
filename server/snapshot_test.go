package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/archive"
	"acquired/server/servertest"
)

// save takes a snapshot from the node.
func save(t *testing.T, c *client.Client, node string) []byte {
	t.Helper()
	stream, err := pb.NewClusterClient(c.Node(servertest.Address(node))).SaveSnapshot(t.Context(), &pb.SaveSnapshotRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all.Bytes()
		}
		if err != nil {
			t.Fatalf("snapshot of %s: %v", node, err)
		}
		all.Write(chunk.Data)
	}
}

// restore sends a snapshot to the node.
func restore(ctx context.Context, c *client.Client, node string, snapshot []byte) (*pb.RestoreSnapshotResponse, error) {
	const chunk = 100_000
	stream, err := pb.NewClusterClient(c.Node(servertest.Address(node))).RestoreSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	for from := 0; from < len(snapshot); from += chunk {
		if stream.Send(&pb.SnapshotChunk{Data: snapshot[from:min(from+chunk, len(snapshot))]}) != nil {
			break // the answer says why
		}
	}
	return stream.CloseAndRecv()
}

func inspect(t *testing.T, snapshot []byte) archive.Manifest {
	t.Helper()
	manifest, err := archive.Inspect(bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

// contents is all that the ledger shows.
type contents struct {
	Totals     *pb.TrialBalanceResponse
	Balances   []*pb.BalanceResponse
	Statements []*pb.StatementResponse
}

func contentsOf(t *testing.T, c *client.Client, accounts ...string) (all contents) {
	t.Helper()
	ctx := client.WithRead(t.Context(), client.Latest)
	var err error
	if all.Totals, err = c.Ledger.TrialBalance(ctx, &pb.TrialBalanceRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, account := range accounts {
		balance, err := c.Ledger.Balance(ctx, &pb.BalanceRequest{Path: account})
		if err != nil {
			t.Fatal(err)
		}
		statement, err := c.Ledger.Statement(ctx, &pb.StatementRequest{Path: account, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		all.Balances, all.Statements = append(all.Balances, balance), append(all.Statements, statement)
	}
	return all
}

var savedAccounts = []string{"/account/bank", "/account/a", "/account/b"}

// fill makes a book with payments and a write whose answer is kept.
func fill(t *testing.T, c *client.Client) *kept {
	t.Helper()
	seed(t, c, "/account/a", "/account/b")
	for i := range 20 {
		if _, err := pay(t.Context(), c, fmt.Sprint("t", i), savedAccounts[1+i%2], "1.00"); err != nil {
			t.Fatal(err)
		}
	}
	return payOnce(t, c, "r1", "/account/a")
}

func TestRestoreIntoAnotherCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := servertest.Start(t, servertest.Options{})
		source := from.Dial()
		k := fill(t, source)
		want, hash := contentsOf(t, source, savedAccounts...), wantEqualHashes(t, source, 3)
		snapshots := make(map[string][]byte)
		for _, id := range from.IDs() {
			snapshots[id] = save(t, source, id)
			manifest := inspect(t, snapshots[id])
			if manifest.Cluster != servertest.ClusterID || manifest.Node != id || manifest.Hash != hash || manifest.Index < k.first.Index {
				t.Errorf("the snapshot of %s says %+v, want hash %s", id, manifest, hash)
			}
		}
		for node, snapshot := range snapshots {
			restoreAnew(t, snapshot, k, want, "other-"+node)
		}
	})
}

// restoreAnew restores the snapshot into a new cluster with that id.
func restoreAnew(t *testing.T, snapshot []byte, k *kept, want contents, id string) {
	t.Helper()
	cluster := servertest.Start(t, servertest.Options{Cluster: id})
	c := cluster.Dial()
	manifest := inspect(t, snapshot)
	res, err := restore(t.Context(), c, leaderOf(t, c), snapshot)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	if res.Hash != manifest.Hash || res.Index <= manifest.Index {
		t.Errorf("%s is at index %d with the hash %s, want an index above %d and %s", id, res.Index, res.Hash, manifest.Index, manifest.Hash)
	}
	wantRestored(t, cluster, c, manifest.Hash, want)
	k.again(t, c, id)
	goOn(t, cluster, c, res.Index)
	restartAll(t, cluster)
	if got := credits(t, c, client.Latest, "/account/a"); got != "12.00" {
		t.Errorf("%s: after a restart the credits are %s, want 12.00", id, got)
	}
	wantEqualHashes(t, c, 3)
}

// wantRestored looks at every node.
func wantRestored(t *testing.T, cluster *servertest.Cluster, c *client.Client, hash string, want contents) {
	t.Helper()
	if got := wantEqualHashes(t, c, 3); got != hash {
		t.Errorf("the nodes have the hash %s, want %s", got, hash)
	}
	for _, id := range cluster.IDs() {
		if diff := cmp.Diff(want, contentsOf(t, cluster.Dial(id), savedAccounts...), protocmp.Transform()); diff != "" {
			t.Errorf("%s does not show what was saved (-want +got):\n%s", id, diff)
		}
	}
}

// goOn writes through every node.
func goOn(t *testing.T, cluster *servertest.Cluster, c *client.Client, index uint64) {
	t.Helper()
	for _, id := range cluster.IDs() {
		res, err := pay(t.Context(), cluster.Dial(id), "after-"+id, "/account/b", "1.00")
		if err != nil {
			t.Fatal(err)
		}
		if res.Index <= index {
			t.Errorf("a write after the restore is at index %d, the restore at %d", res.Index, index)
		}
		index = res.Index
	}
	if _, err := pay(t.Context(), c, "after", "/account/a", "1.00"); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreIntoALongerLog: the indexes of the cluster go on from where they
// are, also when the snapshot is of an earlier one.
func TestRestoreIntoALongerLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		k := fill(t, c)
		want := contentsOf(t, c, savedAccounts...)
		snapshot := save(t, c, leaderOf(t, c))
		for i := range 50 {
			if _, err := pay(t.Context(), c, fmt.Sprint("gone", i), "/account/a", "1.00"); err != nil {
				t.Fatal(err)
			}
		}
		newest := c.Index()
		res, err := restore(t.Context(), c, leaderOf(t, c), snapshot)
		if err != nil {
			t.Fatal(err)
		}
		manifest := inspect(t, snapshot)
		if res.Index <= newest || res.Hash != manifest.Hash {
			t.Errorf("the cluster is at index %d with the hash %s, want an index above %d and %s", res.Index, res.Hash, newest, manifest.Hash)
		}
		wantRestored(t, cluster, c, manifest.Hash, want)
		k.again(t, c, "after the restore")
		if created, err := pay(t.Context(), c, "gone0", "/account/b", "1.00"); err != nil || created.Created != 1 {
			t.Errorf("a transfer that was not saved: %v, %v; want it made anew", created, err)
		}
		goOn(t, cluster, c, res.Index)
		wantEqualHashes(t, c, 3)
	})
}

// TestRestoreReachesANodeThatWasAway: it must not go on with what the others
// have given up.
func TestRestoreReachesANodeThatWasAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		fill(t, c)
		want := contentsOf(t, c, savedAccounts...)
		snapshot := save(t, c, leaderOf(t, c))
		if _, err := pay(t.Context(), c, "gone", "/account/a", "1.00"); err != nil {
			t.Fatal(err)
		}
		away := followerOf(t, cluster, c)
		cluster.Cut(away)
		leader := leaderOf(t, c)
		if _, err := restore(t.Context(), c, leader, snapshot); err != nil {
			t.Fatal(err)
		}
		cluster.Heal(away)
		waitFor(t, c, func(s *pb.StatusResponse) bool { return statusOf(s, away).Healthy && statusOf(s, away).Lag == 0 })
		wantRestored(t, cluster, c, inspect(t, snapshot).Hash, want)
	})
}

func TestDamagedSnapshots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		fill(t, c)
		leader := leaderOf(t, c)
		good := save(t, c, leader)
		before, term := wantEqualHashes(t, c, 3), termOf(t, c)
		for name, damaged := range damage(t, good) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			res, err := restore(ctx, c, leader, damaged)
			cancel()
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%s: %v, %v; want it invalid", name, res, err)
			}
			if after := wantEqualHashes(t, c, 3); after != before {
				t.Errorf("%s: the state hash is %s, it was %s", name, after, before)
			}
		}
		if leaderOf(t, c) != leader || termOf(t, c) != term {
			t.Error("another node leads")
		}
		if left, err := os.ReadDir(filepath.Join(cluster.DataDir(leader), "temporary")); err != nil || len(left) > 0 {
			t.Errorf("left behind are %v, %v", left, err)
		}
		if _, err := pay(t.Context(), c, "after", "/account/a", "1.00"); err != nil {
			t.Error(err)
		}
	})
}

// damage gives snapshots that are none.
func damage(t *testing.T, good []byte) map[string][]byte {
	t.Helper()
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	changed := func(change func(dir string, m *archive.Manifest)) []byte { return rewrite(t, good, change) }
	return map[string][]byte{
		"nothing":                    {},
		"a flipped bit at the begin": flip(700),
		"a flipped bit in a file":    flip(len(good) / 2),
		"a flipped bit at the end":   flip(len(good) - 1100),
		"the end is missing":         good[:len(good)-1],
		"the half is missing":        good[:len(good)/2],
		"more than a snapshot":       append(bytes.Clone(good), 0),
		"other bytes":                bytes.Repeat([]byte("x"), 1<<20),
		"whole, of another hash": changed(func(_ string, m *archive.Manifest) {
			m.Hash = "00" + m.Hash[2:]
		}),
		"whole, of another index": changed(func(_ string, m *archive.Manifest) { m.Index++ }),
		"whole, with another record": changed(func(dir string, m *archive.Manifest) {
			alterRecord(t, dir, "ledger/account\x00", 2)
			var err error
			if m.Files, err = archive.Files(dir); err != nil {
				t.Fatal(err)
			}
		}),
		"whole, without a state": changed(func(dir string, m *archive.Manifest) {
			for _, f := range m.Files {
				if err := os.Remove(filepath.Join(dir, f.Name)); err != nil {
					t.Fatal(err)
				}
			}
			m.Files = nil
		}),
	}
}

// rewrite makes an archive that is whole, from one that was changed.
func rewrite(t *testing.T, snapshot []byte, change func(dir string, m *archive.Manifest)) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	manifest, err := archive.Extract(bytes.NewReader(snapshot), dir)
	if err != nil {
		t.Fatal(err)
	}
	change(dir, &manifest)
	var all bytes.Buffer
	if err := archive.Write(&all, manifest, dir); err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

func TestWhoMayRestore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		c := cluster.Dial()
		fill(t, c)
		govern(t, cluster)
		powerless, reader := workload(t, cluster, "/workload/powerless"), workload(t, cluster, "/workload/reader", "View", "Read")
		leader, follower := leaderOf(t, c), followerOf(t, cluster, c)
		snapshot, before := save(t, c, leader), wantEqualHashes(t, c, 3)

		_, err := restore(t.Context(), c, follower, snapshot)
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok || f.Kind != fault.Unavailable || f.Details["leader_address"] != servertest.Address(leader) || fault.OutcomeOf(err) != fault.Definite {
			t.Errorf("a follower answers %v, want it unavailable, definite, with the address of %s", err, leader)
		}
		for name, test := range map[string]struct {
			token string
			want  fault.Kind
		}{
			"no role":      {powerless, fault.NotFound},
			"another role": {reader, fault.Denied},
		} {
			w := cluster.DialConfig(cluster.Bearer(test.token))
			if _, err := restore(t.Context(), w, leader, snapshot); !errors.Is(err, test.want) {
				t.Errorf("restore with %s: %v, want %s", name, err, test.want)
			}
			stream, err := w.Cluster.SaveSnapshot(t.Context(), &pb.SaveSnapshotRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			if !errors.Is(err, test.want) {
				t.Errorf("save with %s: %v, want %s", name, err, test.want)
			}
		}
		if after := wantEqualHashes(t, c, 3); after != before {
			t.Errorf("the state hash is %s, it was %s", after, before)
		}
	})
}
