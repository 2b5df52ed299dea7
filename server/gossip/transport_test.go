package gossip

import (
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

func newTestTransport(t *testing.T) (*transport, string) {
	t.Helper()
	tr, err := listen(netip.MustParseAddrPort("127.0.0.1:0"), log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Shutdown(); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return tr, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), tr.port()).String()
}

// dial connects to the address; reads end in time.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// accept gives the next connection that the transport hands on.
func accept(t *testing.T, tr *transport) net.Conn {
	t.Helper()
	select {
	case conn := <-tr.StreamCh():
		return conn
	case <-time.After(patience):
		t.Fatal("no connection is handed on")
		return nil
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	tr, address := newTestTransport(t)
	var accepted net.Conn
	for range maxAccepted {
		dial(t, address)
		accepted = accept(t, tr)
	}
	if _, err := dial(t, address).Read(make([]byte, 1)); !closedByPeer(err) {
		t.Errorf("connection %d: read gives %v, want it closed", maxAccepted+1, err)
	}
	for range 2 {
		if err := accepted.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	}
	dial(t, address)
	accept(t, tr)
	if _, err := dial(t, address).Read(make([]byte, 1)); !closedByPeer(err) {
		t.Errorf("one more in place of one closed twice: read gives %v, want it closed", err)
	}
}

func closedByPeer(err error) bool {
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

func TestShutdownEndsConnections(t *testing.T) {
	tr, address := newTestTransport(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	out, err := tr.DialAddressTimeout(memberlist.Address{Addr: mute.Addr().String()}, patience)
	if err != nil {
		t.Fatal(err)
	}
	peer := dial(t, address)
	in := accept(t, tr)
	unread := dial(t, address)

	if err := tr.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"dialled": out, "accepted": in} {
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of the connection %s gives %v, want net.ErrClosed", name, err)
		}
	}
	for name, conn := range map[string]net.Conn{"accepted": peer, "waiting": unread} {
		if _, err := conn.Read(make([]byte, 1)); !closedByPeer(err) {
			t.Errorf("peer of the connection %s reads %v, want it closed", name, err)
		}
	}
	if _, err := tr.DialAddressTimeout(memberlist.Address{Addr: mute.Addr().String()}, patience); err == nil {
		t.Error("a transport that is shut down dials, want an error")
	}
}
