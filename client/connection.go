package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"acquired/proto/fault"
)

// maxLearned is how many addresses a client knows beyond those of its Config.
const maxLearned = 16

const (
	connectTimeout = 2 * time.Second
	// gRPC pings no more often than that.
	pingEvery   = 10 * time.Second
	pingTimeout = 2 * time.Second
)

// opener gives the function that opens the connection to an address. It does
// not wait for the connection, which is made when it is needed.
func opener(security *tls.Config, dialer func(context.Context, string) (net.Conn, error)) func(string) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(security)),
		grpc.WithContextDialer(dialer),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: pingEvery, Timeout: pingTimeout, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: firstPause, Multiplier: 2, Jitter: 0.2, MaxDelay: longestPause},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		// The retries are ours: only we know what is safe to send again.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
	}
	return func(address string) (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///"+address, options...)
	}
}

// A node is the connection to one address.
type node struct {
	address string
	conn    *grpc.ClientConn

	// mu of nodes guards what follows.
	learned bool
	calls   int // under way
}

// ready waits until the connection stands, or is known not to: then the call
// that is made on it says why. What fails before was not sent.
func (n *node) ready(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return fault.Unserved(fault.Definite, "%s: no connection in time", n.address)
		}
		state := n.conn.GetState()
		switch state {
		case connectivity.Ready, connectivity.TransientFailure, connectivity.Shutdown:
			return nil
		case connectivity.Idle:
			n.conn.Connect()
		}
		n.conn.WaitForStateChange(ctx, state)
	}
}

// nodes are the addresses that a client knows, as a ring. One of them is
// preferred: it is where calls begin, and go on when one has failed.
type nodes struct {
	open func(address string) (*grpc.ClientConn, error)

	mu        sync.Mutex
	ring      []*node // those of the Config, then those learned, oldest first
	preferred *node
	closed    bool
}

func newNodes(addresses []string, open func(string) (*grpc.ClientConn, error)) (*nodes, error) {
	s := &nodes{open: open}
	for _, address := range addresses {
		if s.find(address) != nil {
			continue
		}
		if err := s.add(&node{address: address}); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	s.preferred = s.ring[0]
	return s, nil
}

// pick gives the node at the address hint, or the preferred one if hint is
// empty or cannot be called. The caller releases it.
func (s *nodes) pick(hint string) (*node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed()
	}
	n := s.preferred
	if hint != "" {
		if hinted, err := s.learn(hint); err == nil {
			n = hinted
		}
	}
	n.calls++
	return n, nil
}

// named gives the node at the address. The caller releases it.
func (s *nodes) named(address string) (*node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed()
	}
	n, err := s.learn(address)
	if err != nil {
		return nil, err
	}
	n.calls++
	return n, nil
}

// hold counts one call more on a node that is held already.
func (s *nodes) hold(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.calls++
}

// release ends what pick, named or hold began.
func (s *nodes) release(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.calls--
}

// answered makes the node the preferred one.
func (s *nodes) answered(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.ring, n) {
		s.preferred = n
	}
}

// failed makes the next node preferred, if this one was. All calls that failed
// here go to the same next one, and so come to every node in turn.
func (s *nodes) failed(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == s.preferred {
		s.preferred = s.ring[(slices.Index(s.ring, n)+1)%len(s.ring)]
	}
}

// close ends all connections, and the calls on them.
func (s *nodes) close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	// Calls release their nodes as they end, so this must not hold the lock.
	var errs []error
	for _, n := range s.ring {
		errs = append(errs, n.conn.Close())
	}
	return errors.Join(errs...)
}

// learn finds the node at the address, or adds it. mu is held.
func (s *nodes) learn(address string) (*node, error) {
	if n := s.find(address); n != nil {
		return n, nil
	}
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	if err := s.makeRoom(); err != nil {
		return nil, err
	}
	n := &node{address: address, learned: true}
	return n, s.add(n)
}

func (s *nodes) find(address string) *node {
	i := slices.IndexFunc(s.ring, func(n *node) bool { return n.address == address })
	if i < 0 {
		return nil
	}
	return s.ring[i]
}

// makeRoom forgets the oldest learned address that no call uses, once there are
// too many. mu is held.
func (s *nodes) makeRoom() error {
	learned, idle := 0, -1
	for i, n := range s.ring {
		if !n.learned {
			continue
		}
		learned++
		if idle < 0 && n.calls == 0 && n != s.preferred {
			idle = i
		}
	}
	switch {
	case learned < maxLearned:
		return nil
	case idle < 0:
		return fault.Exhausted.New("calls are under way to %d nodes beyond those configured: that is the limit", maxLearned)
	}
	// It has no calls that could wait for the lock.
	_ = s.ring[idle].conn.Close()
	s.ring = slices.Delete(s.ring, idle, idle+1)
	return nil
}

func (s *nodes) add(n *node) error {
	conn, err := s.open(n.address)
	if err != nil {
		return fault.Invalid.New("address %q: %v", n.address, err)
	}
	n.conn = conn
	s.ring = append(s.ring, n)
	return nil
}

func errClosed() error { return fault.Unserved(fault.Definite, "the client is closed") }
