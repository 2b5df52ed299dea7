package servertest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc/test/bufconn"
)

// Network joins the nodes of a test in memory, so that a cluster can run where
// no socket can: in virtual time. A node can be cut off from the others, or made
// deaf to them.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*bufconn.Listener
	// cut holds the hosts that nobody reaches and that reach nobody.
	cut   map[string]bool
	conns map[*conn]struct{}
	// deaf holds hosts to which nothing gets through; each channel is closed when
	// that is over.
	deaf map[string]chan struct{}
}

// pipeBytes is how much is on the way between two nodes.
const pipeBytes = 256 << 10

func newNetwork() *Network {
	return &Network{
		listeners: make(map[string]*bufconn.Listener), cut: make(map[string]bool), conns: make(map[*conn]struct{}),
		deaf: make(map[string]chan struct{}),
	}
}

// conn is the end of a connection at the host that made it.
type conn struct {
	net.Conn
	network  *Network
	from, to string
	once     sync.Once
	closed   chan struct{}
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.untilHeard(c.from)
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	c.untilHeard(c.to)
	return c.Conn.Write(b)
}

// untilHeard waits until the host is not deaf, or the connection is closed.
func (c *conn) untilHeard(host string) {
	c.network.mu.Lock()
	over, deaf := c.network.deaf[host]
	c.network.mu.Unlock()
	if !deaf {
		return
	}
	select {
	case <-over:
	case <-c.closed:
	}
}

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

type listener struct {
	*bufconn.Listener
	network *Network
	at      string
}

func (l *listener) Addr() net.Addr { return address(l.at) }

func (l *listener) Close() error {
	l.network.mu.Lock()
	if l.network.listeners[l.at] == l.Listener {
		delete(l.network.listeners, l.at)
	}
	l.network.mu.Unlock()
	return l.Listener.Close()
}

// listen is the server.Config.ListenFunc of all nodes.
func (n *Network) listen(_ context.Context, at string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.listeners[at]; ok {
		return nil, fmt.Errorf("%s: address in use", at)
	}
	l := bufconn.Listen(pipeBytes)
	n.listeners[at] = l
	return &listener{l, n, at}, nil
}

func hostOf(address string) string {
	host, _, _ := strings.Cut(address, ":")
	return host
}

// dialFrom gives the server.Config.DialFunc of a host.
func (n *Network) dialFrom(from string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, at string) (net.Conn, error) {
		to := hostOf(at)
		l, ok := n.reach(from, to, at)
		if !ok {
			return nil, fmt.Errorf("%s: connection refused", at)
		}
		raw, err := l.DialContext(ctx)
		if err != nil {
			return nil, err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.cut[from] || n.cut[to] {
			raw.Close()
			return nil, fmt.Errorf("%s: connection refused", at)
		}
		c := &conn{Conn: raw, network: n, from: from, to: to, closed: make(chan struct{})}
		n.conns[c] = struct{}{}
		return c, nil
	}
}

func (n *Network) reach(from, to, at string) (*bufconn.Listener, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, ok := n.listeners[at]
	return l, ok && !n.cut[from] && !n.cut[to]
}

// Local gives a dialer on the host itself: it reaches the host even while it is
// cut off.
func (n *Network) Local(host string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, to string) (net.Conn, error) {
		n.mu.Lock()
		l, ok := n.listeners[to]
		n.mu.Unlock()
		if !ok || hostOf(to) != host {
			return nil, fmt.Errorf("%s: connection refused", to)
		}
		return l.DialContext(ctx)
	}
}

// Cut takes the host off the network: its connections break and no new ones
// can be made, until Heal.
func (n *Network) Cut(host string) {
	n.mu.Lock()
	n.cut[host] = true
	var broken []*conn
	for c := range n.conns {
		if c.from == host || c.to == host {
			broken = append(broken, c)
		}
	}
	n.mu.Unlock()
	for _, c := range broken {
		c.Close()
	}
}

// Deafen keeps from the host what others send, until Heal. What it sends itself
// arrives. Nothing is lost: it comes late.
func (n *Network) Deafen(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deaf[host] == nil {
		n.deaf[host] = make(chan struct{})
	}
}

// Heal ends what Cut and Deafen began.
func (n *Network) Heal(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, host)
	if over, ok := n.deaf[host]; ok {
		close(over)
		delete(n.deaf, host)
	}
}
