package gossip

import (
	"errors"
	"net"
)

var (
	errStopped = errors.New("gossip is stopped")
	errTooMany = errors.New("too many gossip connections")
)

// A connection is known to its transport, which closes it when it is shut down.
type connection struct {
	net.Conn
	transport *transport
	accepted  bool
}

// Close closes the connection. It may be called again.
func (c *connection) Close() error {
	t := c.transport
	t.mu.Lock()
	if _, open := t.open[c]; open {
		delete(t.open, c)
		if c.accepted {
			t.accepted--
		}
	}
	t.mu.Unlock()
	return c.Conn.Close()
}

// keep gives the connection, or closes it where there is no place for it. The
// bound is for those accepted: anyone may connect, before showing the key.
func (t *transport) keep(c *connection) (net.Conn, error) {
	if err := t.register(c); err != nil {
		return nil, errors.Join(err, c.Conn.Close())
	}
	return c, nil
}

func (t *transport) register(c *connection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running.Err() != nil {
		return errStopped
	}
	if c.accepted {
		if t.accepted >= maxAccepted {
			return errTooMany
		}
		t.accepted++
	}
	t.open[c] = struct{}{}
	return nil
}

// closeAll closes what is open. Nothing is registered any more.
func (t *transport) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		_ = c.Conn.Close()
	}
	clear(t.open)
}
