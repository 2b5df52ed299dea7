package gossip

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	maxAccepted = 64
	// Another program may have the UDP port that goes with a free TCP port.
	portAttempts = 10
)

// A transport is memberlist's own, which neither bounds the connections that it
// accepts nor ends any when it is shut down. This one does.
type transport struct {
	*memberlist.NetTransport

	// running ends when Shutdown begins, drained when nothing more can arrive.
	running context.Context
	end     context.CancelFunc
	drained chan struct{}

	streams  chan net.Conn
	relaying sync.WaitGroup

	mu       sync.Mutex
	open     map[*connection]struct{}
	accepted int // of those open

	shutdown sync.Once
}

func listen(bind netip.AddrPort, lines *log.Logger) (*transport, error) {
	config := &memberlist.NetTransportConfig{
		BindAddrs: []string{bind.Addr().String()},
		BindPort:  int(bind.Port()),
		Logger:    lines,
	}
	attempts := 1
	if bind.Port() == 0 {
		attempts = portAttempts
	}
	var err error
	for range attempts {
		var network *memberlist.NetTransport
		if network, err = memberlist.NewNetTransport(config); err == nil {
			return newTransport(network), nil
		}
	}
	return nil, fmt.Errorf("listen for gossip on %s: %w", bind, err)
}

func newTransport(network *memberlist.NetTransport) *transport {
	t := &transport{
		NetTransport: network,
		drained:      make(chan struct{}),
		streams:      make(chan net.Conn),
		open:         make(map[*connection]struct{}),
	}
	t.running, t.end = context.WithCancel(context.Background())
	t.relaying.Go(t.relay)
	return t
}

func (t *transport) port() uint16 { return uint16(t.GetAutoBindPort()) }

// StreamCh gives the connections accepted.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// DialAddressTimeout connects to the member.
func (t *transport) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(t.running, "tcp", to.Addr)
	if err != nil {
		return nil, err
	}
	return t.keep(&connection{Conn: conn, transport: t})
}

// Shutdown stops listening and ends the connections.
func (t *transport) Shutdown() error {
	var err error
	t.shutdown.Do(func() {
		t.end()
		err = t.NetTransport.Shutdown()
		close(t.drained)
		t.relaying.Wait()
		t.closeAll()
	})
	return err
}

// relay hands on the connections accepted. From when Shutdown begins it throws
// away what arrives, as the listeners end only when all of it is taken.
func (t *transport) relay() {
	for {
		select {
		case conn := <-t.NetTransport.StreamCh():
			t.hand(conn)
		case <-t.running.Done():
			t.drain()
			return
		}
	}
}

func (t *transport) hand(accepted net.Conn) {
	conn, err := t.keep(&connection{Conn: accepted, transport: t, accepted: true})
	if err != nil {
		return
	}
	select {
	case t.streams <- conn:
	case <-t.running.Done():
		_ = conn.Close()
	}
}

func (t *transport) drain() {
	for {
		select {
		case conn := <-t.NetTransport.StreamCh():
			_ = conn.Close()
		case <-t.PacketCh():
		case <-t.drained:
			return
		}
	}
}
