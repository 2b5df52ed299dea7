package jepsen

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"acquired/jepsen/cluster"
	"acquired/server/pki"
)

// TestForeignAgent starts an agent of another cluster, which is told to find the
// nodes of this one.
func TestForeignAgent(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	dir := filepath.Join(t.TempDir(), "foreign")
	c.Run("cluster", "init", dir, "--base-port", "19000")
	stranger := c.Stranger("node3", filepath.Join(dir, "node3"))
	stranger.Configure(func(config map[string]any) {
		var join []string
		for _, n := range c.Nodes() {
			join = append(join, n.Gossip())
		}
		config["gossip"].(map[string]any)["join"] = join
	})
	refuse(t, c, book, stranger, "gossip host did not answer")
	for _, n := range c.Nodes() {
		if log := n.Log(); bytes.Contains(log, []byte(stranger.Address())) {
			t.Errorf("%s heard of the stranger:\n%s", n.ID, log)
		}
	}
}

// TestImpostor starts an agent that says that it is a node of this cluster, and
// has all secrets of that node but what the authority signed. With the key of
// gossip it can make the others look for the node where it is not: they find
// that out, and the cluster goes on.
func TestImpostor(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	own, err := pki.NewAuthority(readAuthority(t, c).Cluster(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := own.IssueNode("node3", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"ca.crt": own.CertificatePEM(), "node.crt": forged.CertificatePEM, "node.key": forged.KeyPEM}
	for _, name := range []string{"agent.yaml", "gossip.key", "sealing.key"} {
		if files[name], err = os.ReadFile(filepath.Join(c.Node("node3").Folder(), name)); err != nil {
			t.Fatal(err)
		}
	}
	stolen := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(stolen, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refuse(t, c, book, c.Stranger("node3", stolen), "certificate signed by unknown authority")
	t.Log(c.Node("node1").WaitLog(0, "caller refused", soon))
}

// refuse runs a stranger, which must say why it waits and not become a member,
// while the cluster serves.
func refuse(t *testing.T, c *cluster.Cluster, book *cluster.Book, stranger *cluster.Node, why string) {
	t.Helper()
	stranger.Move()
	count, longest := book.During(func() {
		stranger.Start()
		t.Log(stranger.WaitLog(0, why, soon))
		book.WaitFor(300, soon)
		if err := stranger.Ready(t.Context()); err == nil {
			t.Error("a stranger became a member")
		}
		stranger.Kill()
	})
	t.Logf("%d transfers, none for %s", count, longest.Round(time.Millisecond))
	for _, n := range c.Nodes() {
		c.WaitVoter(n.ID, soon)
	}
	book.Audit()
}
