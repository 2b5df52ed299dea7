package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/credentials"

	"acquired/server/pki"
)

const (
	handshakeTimeout = 5 * time.Second
	// maxHandshakes bounds what strangers can make a node do at once,
	// maxConnections how many callers it holds, and maxAnonymous how many of them
	// without a certificate: they must not keep the nodes of the cluster out.
	maxHandshakes  = 256
	maxConnections = 4096
	maxAnonymous   = 2048
)

// splitter serves two protocols on one TLS listener: the handshake names the
// protocol, and each has a listener of its own behind it.
type splitter struct {
	tcp        net.Listener
	tls        *tls.Config
	raft, grpc *queueListener
	handshakes *semaphore.Weighted
	ctx        context.Context // of the handshakes in progress
	cancel     context.CancelFunc
	running    sync.WaitGroup
	// refused is told of handshakes that failed.
	refused func(from net.Addr, err error)

	mu        sync.Mutex
	conns     map[*accepted]struct{} // open; nil when closed
	anonymous int
}

// accepted is a connection that the splitter closes when it is closed itself.
type accepted struct {
	net.Conn
	from      *splitter
	anonymous bool // from.mu guards it
}

func (c *accepted) Close() error {
	c.from.forget(c)
	return c.Conn.Close()
}

func (s *splitter) forget(c *accepted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; !ok {
		return
	}
	delete(s.conns, c)
	if c.anonymous {
		s.anonymous--
	}
}

// countAnonymous counts a connection without a certificate, or refuses one too
// many.
func (s *splitter) countAnonymous(c *accepted) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; !ok || s.anonymous == maxAnonymous {
		return false
	}
	c.anonymous = true
	s.anonymous++
	return true
}

// keep gives the connection to the splitter, or refuses one too many.
func (s *splitter) keep(raw net.Conn) (*accepted, bool) {
	c := &accepted{Conn: raw, from: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil || len(s.conns) == maxConnections {
		return nil, false
	}
	s.conns[c] = struct{}{}
	return c, true
}

func newSplitter(tcp net.Listener, config *tls.Config, refused func(net.Addr, error)) *splitter {
	ctx, cancel := context.WithCancel(context.Background())
	s := &splitter{
		tcp: tcp, tls: config, handshakes: semaphore.NewWeighted(maxHandshakes), ctx: ctx, cancel: cancel,
		raft: newQueueListener(tcp.Addr()), grpc: newQueueListener(tcp.Addr()),
		conns: make(map[*accepted]struct{}), refused: refused,
	}
	s.running.Go(s.accept)
	return s
}

func (s *splitter) accept() {
	for {
		conn, err := s.tcp.Accept()
		if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // a connection that ended before it began
		}
		if s.handshakes.Acquire(s.ctx, 1) != nil {
			conn.Close()
			return
		}
		kept, ok := s.keep(conn)
		if !ok {
			conn.Close()
			s.handshakes.Release(1)
			continue
		}
		s.running.Go(func() {
			defer s.handshakes.Release(1)
			s.shake(kept)
		})
	}
}

func (s *splitter) shake(raw *accepted) {
	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Server(raw, s.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		s.refused(raw.RemoteAddr(), err)
		return
	}
	state, to := conn.ConnectionState(), s.grpc
	if state.NegotiatedProtocol == pki.ProtocolRaft {
		to = s.raft
	}
	if len(state.PeerCertificates) == 0 && !s.countAnonymous(raw) {
		conn.Close()
		return
	}
	to.hand(conn)
}

func (s *splitter) close() {
	s.cancel()
	s.tcp.Close()
	s.raft.Close()
	s.grpc.Close()
	s.running.Wait()
	s.mu.Lock()
	left := s.conns
	s.conns = nil
	s.mu.Unlock()
	for c := range left {
		c.Conn.Close()
	}
}

// queueListener is a net.Listener of connections that are handed to it.
type queueListener struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newQueueListener(address net.Addr) *queueListener {
	return &queueListener{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *queueListener) hand(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.closed:
		conn.Close()
	}
}

func (l *queueListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *queueListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *queueListener) Addr() net.Addr { return l.address }

// shaken are the server credentials of connections whose handshake is done.
type shaken struct {
	credentials.TransportCredentials
}

func newShaken(config *tls.Config) credentials.TransportCredentials {
	return shaken{credentials.NewTLS(config)}
}

func (shaken) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return nil, nil, errors.New("connection is not TLS")
	}
	return conn, credentials.TLSInfo{
		State:          t.ConnectionState(),
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

func (s shaken) Clone() credentials.TransportCredentials {
	return shaken{s.TransportCredentials.Clone()}
}

// stream is the raft.StreamLayer of a node. To raft the address of a node is
// its id; where the node is now is looked up when it is called, and its
// certificate proves that it is the one.
type stream struct {
	*queueListener
	node  string
	dial  func(ctx context.Context, node string) (net.Conn, error)
	creds *pki.Credentials
}

type nodeAddress string

func (nodeAddress) Network() string  { return "acquired" }
func (a nodeAddress) String() string { return string(a) }

func (s *stream) Addr() net.Addr { return nodeAddress(s.node) }

func (s *stream) Dial(node raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	raw, err := s.dial(ctx, string(node))
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, s.creds.RaftClientTLS(string(node)))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}
