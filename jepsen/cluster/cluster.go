// Package cluster runs the real program: agents as processes of their own, on
// loopback, with files of their own, and the command line as people use it.
package cluster

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// Options of a cluster. The zero value is three nodes.
type Options struct {
	// Nodes is how many there are; 0 is 3.
	Nodes int
	// DataDir gives where a node keeps its data; nil is beside its
	// configuration.
	DataDir func(node string) string
	// Configure changes the agent.yaml of each node before its first start; nil
	// changes nothing.
	Configure func(map[string]any)
}

// Cluster is made by Start.
type Cluster struct {
	// Dir is what `acquired cluster init` wrote.
	Dir      string
	BasePort int
	t        testing.TB
	nodes    map[string]*Node
}

// Start makes a cluster, starts its nodes and waits until they can serve. The
// nodes are killed when the test ends; their logs are shown when it failed.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	c := &Cluster{Dir: filepath.Join(t.TempDir(), "cluster"), BasePort: freePorts(t, 10*o.Nodes), t: t, nodes: make(map[string]*Node)}
	run(t, "", "cluster", "init", c.Dir, "--nodes", strconv.Itoa(o.Nodes), "--base-port", strconv.Itoa(c.BasePort))
	for i := range o.Nodes {
		n := c.Add("node" + strconv.Itoa(i+1))
		if o.DataDir != nil {
			n.Configure(func(config map[string]any) { config["data"] = o.DataDir(n.ID) })
		}
		if o.Configure != nil {
			n.Configure(o.Configure)
		}
		n.Start()
	}
	for _, n := range c.nodes {
		n.WaitReady(time.Minute)
	}
	return c
}

// Ports are below those that systems give to who connects: one of these may be
// taken while the node that has it is down.
const firstPort, endOfPorts = 20000, 32000

// given is where the next ports are looked for. No test of a process gets the
// ports of another one, whose nodes may be down.
var given struct {
	sync.Mutex
	next int
}

// freePorts finds a range of ports of which none is in use.
func freePorts(t testing.TB, count int) int {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	for range 100 {
		if given.next == 0 || given.next+count > endOfPorts {
			given.next = firstPort + rand.IntN(endOfPorts-firstPort-count)
		}
		base := given.next
		given.next += count
		if allFree(base, count) {
			return base
		}
	}
	t.Fatalf("no %d free ports", count)
	return 0
}

func allFree(base, count int) bool {
	for port := base; port < base+count; port++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// Add takes up a node whose files stand in the folder of the cluster.
func (c *Cluster) Add(id string) *Node {
	c.t.Helper()
	n := &Node{ID: id, cluster: c, t: c.t, config: filepath.Join(c.Dir, id, "agent.yaml"), log: filepath.Join(c.t.TempDir(), id+".log")}
	c.nodes[id] = n
	c.t.Cleanup(func() {
		n.Kill()
		if c.t.Failed() {
			c.t.Logf("log of %s:\n%s", id, tail(n.Log(), 40))
		}
	})
	return n
}

// Node gives a node.
func (c *Cluster) Node(id string) *Node { return c.nodes[id] }

// Nodes gives the nodes by id.
func (c *Cluster) Nodes() map[string]*Node { return c.nodes }

// Context is the file with which the command line speaks to the cluster as its
// operator.
func (c *Cluster) Context() string { return filepath.Join(c.Dir, "operator.context") }

// Run runs the command line as the operator. It fails the test unless the
// command exits with 0, and gives what it printed.
func (c *Cluster) Run(args ...string) string {
	c.t.Helper()
	return run(c.t, c.Context(), args...)
}

// Command gives a run of the command line that is not started.
func (c *Cluster) Command(ctx context.Context, args ...string) *exec.Cmd {
	return command(ctx, Binary(c.t), c.Context(), args...)
}

func run(t testing.TB, contextFile string, args ...string) string {
	t.Helper()
	cmd := command(t.Context(), Binary(t), contextFile, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("acquired %q: %v\n%s", args, err, stderr.String())
	}
	return stdout.String()
}

func command(ctx context.Context, binary, contextFile string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "ACQUIRED_CONTEXT="+contextFile)
	return cmd
}

// Config gives the client configuration of the operator, for the nodes named or
// for all.
func (c *Cluster) Config(nodes ...string) client.Config {
	c.t.Helper()
	var file struct {
		Cluster, CA, Certificate, Key string
		Addresses                     []string
	}
	b, err := os.ReadFile(c.Context())
	if err == nil {
		err = yaml.Unmarshal(b, &file)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	addresses := file.Addresses
	if len(nodes) > 0 {
		addresses = nil
		for _, id := range nodes {
			addresses = append(addresses, c.nodes[id].Address())
		}
	}
	return client.Config{
		Addresses: addresses, Cluster: file.Cluster, CA: []byte(file.CA),
		Certificate: []byte(file.Certificate), Key: []byte(file.Key),
	}
}

// Dial gives a client of the operator for the nodes named, or for all.
func (c *Cluster) Dial(nodes ...string) *client.Client {
	c.t.Helper()
	cl, err := client.Dial(c.t.Context(), c.Config(nodes...))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { cl.Close() })
	return cl
}

// Leader asks the nodes that run which of them leads, until one says so.
func (c *Cluster) Leader(ctx context.Context) (string, error) {
	cl, err := client.Dial(ctx, c.Config())
	if err != nil {
		return "", err
	}
	defer cl.Close()
	for {
		s, err := cl.Cluster.Status(client.WithRead(ctx, client.Any), &pb.StatusRequest{})
		if err == nil && s.Leader != "" {
			return s.Leader, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
}

func tail(b []byte, lines int) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '\n' {
			lines--
		}
		if lines < 0 {
			return b[i+1:]
		}
	}
	return b
}
