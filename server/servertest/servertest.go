// Package servertest runs a whole cluster inside a test: real nodes, real raft,
// real TLS and real disks, over a network in memory. Inside a bubble of
// testing/synctest it runs in virtual time, so ten minutes of elections take
// seconds.
package servertest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"acquired/client"
	"acquired/server"
	"acquired/server/pki"
	"acquired/server/seal"
)

// ClusterID is the cluster of a test that names none.
const ClusterID = "test"

// Options of a cluster. The zero value is three nodes with default timing.
type Options struct {
	// Nodes is how many there are; 0 is 3.
	Nodes int
	// Cluster is the id of the cluster; empty is ClusterID.
	Cluster string
	// Configure changes the configuration of a node before it starts; nil is none.
	Configure func(*server.Config)
}

// Cluster is what Start started.
type Cluster struct {
	*Network
	t         testing.TB
	options   Options
	authority *pki.Authority
	operator  pki.Pair
	kek       seal.KEK
	dir       string
	nodes     map[string]*server.Node
	left      map[string]chan struct{}
	// asOperator is nil until it is asked for.
	asOperator *client.Client
}

// Start starts a cluster and waits until every node can serve. It is stopped
// when the test ends.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Cluster == "" {
		o.Cluster = ClusterID
	}
	authority, err := pki.NewAuthority(o.Cluster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	operator, err := authority.IssueOperator("operator", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{
		Network: newNetwork(), t: t, options: o, authority: authority, operator: operator, kek: seal.NewKEK(),
		dir: t.TempDir(), nodes: make(map[string]*server.Node), left: make(map[string]chan struct{}),
	}
	t.Cleanup(c.stopAll)
	for _, id := range c.IDs() {
		c.StartNode(id)
	}
	for _, id := range c.IDs() {
		c.WaitReady(id)
	}
	return c
}

// Address is where a node listens.
func Address(id string) string { return id + ":7400" }

// IDs gives the ids of the initial nodes: node1, node2, and so on.
func (c *Cluster) IDs() []string {
	var ids []string
	for i := range c.options.Nodes {
		ids = append(ids, "node"+strconv.Itoa(i+1))
	}
	return ids
}

// Node gives a running node.
func (c *Cluster) Node(id string) *server.Node { return c.nodes[id] }

// DataDir is where the node keeps its data.
func (c *Cluster) DataDir(id string) string { return filepath.Join(c.dir, id) }

// Authority is the authority that the nodes trust.
func (c *Cluster) Authority() *pki.Authority { return c.authority }

// KeyEncryptionKey wraps the root key of the cluster.
func (c *Cluster) KeyEncryptionKey() seal.KEK { return c.kek }

// StartNode starts a node, again or for the first time.
func (c *Cluster) StartNode(id string) {
	c.t.Helper()
	if err := c.TryStartNode(id); err != nil {
		c.t.Fatalf("start %s: %v", id, err)
	}
}

// TryStartNode is StartNode for a node that may refuse to start.
func (c *Cluster) TryStartNode(id string) error {
	c.t.Helper()
	pair, err := c.authority.IssueNode(id, time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	credentials, err := pki.LoadCredentials(c.authority.CertificatePEM(), pair.CertificatePEM, pair.KeyPEM, time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	config := server.Config{
		Node: id, Cluster: c.options.Cluster, DataDir: c.DataDir(id), Listen: Address(id), Credentials: credentials, KeyEncryptionKey: c.kek,
		Peers:        func(node string) (string, bool) { return Address(node), true },
		ListenFunc:   c.listen,
		DialFunc:     c.dialFrom(id),
		InitialNodes: c.IDs(),
		Log:          slog.New(slog.NewTextHandler(logWriter{c.t}, nil)),
		// Virtual time is made of the messages in it.
		Timing: server.Timing{Commit: 50 * time.Millisecond},
		Fatal: func(err error) {
			c.t.Errorf("%s ended: %v", id, err)
			runtime.Goexit()
		},
	}
	left := make(chan struct{})
	c.left[id] = left
	config.Left = func() { close(left) }
	if c.options.Configure != nil {
		c.options.Configure(&config)
	}
	node, err := server.Start(c.t.Context(), config)
	if err != nil {
		return err
	}
	c.nodes[id] = node
	return nil
}

// StopNode stops a node.
func (c *Cluster) StopNode(id string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := c.nodes[id].Stop(ctx); err != nil {
		c.t.Errorf("stop %s: %v", id, err)
	}
	delete(c.nodes, id)
}

// Left is closed when the node was told to leave the cluster.
func (c *Cluster) Left(id string) <-chan struct{} { return c.left[id] }

// Wipe removes everything that a stopped node had on disk.
func (c *Cluster) Wipe(id string) {
	c.t.Helper()
	if err := os.RemoveAll(c.DataDir(id)); err != nil {
		c.t.Fatal(err)
	}
}

// ShortLog is an Options.Configure with which the log is cut so early that a
// node which was away needs a snapshot.
func ShortLog(config *server.Config) {
	config.Timing.SnapshotInterval = time.Second
	config.Limits.SnapshotEntries = 50
	config.Limits.TrailingEntries = 10
}

const (
	stopTimeout  = 10 * time.Second
	readyTimeout = time.Minute
)

// WaitReady waits until the node can serve.
func (c *Cluster) WaitReady(id string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), readyTimeout)
	defer cancel()
	if err := c.nodes[id].Ready(ctx); err != nil {
		c.t.Fatalf("%s is not ready: %v", id, err)
	}
}

// Config gives the client configuration of an operator that knows the nodes, or
// all of them.
func (c *Cluster) Config(nodes ...string) client.Config {
	if len(nodes) == 0 {
		nodes = c.IDs()
	}
	var addresses []string
	for _, id := range nodes {
		addresses = append(addresses, Address(id))
	}
	return client.Config{
		Addresses: addresses, Cluster: c.options.Cluster, CA: c.authority.CertificatePEM(),
		Certificate: c.operator.CertificatePEM, Key: c.operator.KeyPEM,
		Dialer: func(ctx context.Context, address string) (net.Conn, error) { return c.dialFrom("client")(ctx, address) },
	}
}

// Dial gives a client of an operator that knows the nodes, or all of them.
func (c *Cluster) Dial(nodes ...string) *client.Client {
	c.t.Helper()
	return c.DialConfig(c.Config(nodes...))
}

// DialConfig gives a client.
func (c *Cluster) DialConfig(config client.Config) *client.Client {
	c.t.Helper()
	cl, err := client.Dial(c.t.Context(), config)
	if err != nil {
		c.t.Fatalf("dial: %v", err)
	}
	c.t.Cleanup(func() { cl.Close() })
	return cl
}

func (c *Cluster) stopAll() {
	for _, id := range c.IDs() {
		c.Heal(id)
	}
	for id := range c.nodes {
		c.StopNode(id)
	}
}

// logWriter gives the log of the nodes to the test.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(line []byte) (int, error) {
	fmt.Fprintf(w.t.Output(), "%s", line)
	return len(line), nil
}
