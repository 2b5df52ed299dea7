package jepsen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"acquired/jepsen/cluster"
)

// TestSecondProcess starts agents on data that is not theirs to use.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	node1, node2 := c.Node("node1"), c.Node("node2")
	book.During(func() {
		c.WantRefused(secondConfig(t, node1, node1.DataDir()), "is in use by another process")
	})
	book.Write(100, "node1")
	book.Audit()

	node2.Kill()
	c.WantRefused(secondConfig(t, node1, node2.DataDir()), "is of node node2 in cluster")
	c.WantRefused(foreignConfig(t, c, node2.DataDir()), "is of node node2 in cluster")
	rejoin(t, c, node2)
	book.Write(100, "node2")
	book.Audit()
}

// secondConfig gives a configuration as that of the node, for its data or
// other, and with ports of its own.
func secondConfig(t *testing.T, n *cluster.Node, data string) string {
	t.Helper()
	addresses := []string{n.Address(), n.Gossip(), n.HTTP(), n.SSH()}
	content, err := os.ReadFile(n.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	second := string(content)
	for _, address := range addresses {
		second = strings.ReplaceAll(second, address, "127.0.0.1:0")
	}
	return writeConfig(t, n.Folder(), second, data)
}

// foreignConfig gives the configuration of a node with the same id in a cluster
// of its own, with the data named.
func foreignConfig(t *testing.T, c *cluster.Cluster, data string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "foreign")
	c.Run("cluster", "init", dir, "--nodes", "3", "--base-port", "19000")
	folder := filepath.Join(dir, "node2")
	content, err := os.ReadFile(filepath.Join(folder, "agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return writeConfig(t, folder, string(content), data)
}

func writeConfig(t *testing.T, folder, content, data string) (path string) {
	t.Helper()
	changed := strings.Replace(content, "\ndata: data\n", "\ndata: "+data+"\n", 1)
	if changed == content {
		t.Fatalf("the configuration has no data: %s", content)
	}
	path = filepath.Join(folder, "second.yaml")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
