package sshlogin

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
)

const (
	// maxAhead is how many packets the library is given that it has not shown to
	// have used. It keeps 16 of them; a seventeenth blocks the goroutine that
	// reads, and when the library gives up on the connection, before or after
	// the proof, that goroutine stays for ever with all the packets it holds.
	maxAhead = 12
	// maxRead is how many bytes a connection may send until it is answered. A
	// login with 6 keys of the greatest size takes less than a third of it.
	maxRead = 128 << 10
)

// A pacedConn reads no further than its limits allow until the library answers
// or the connection is closed, so that what a client can make the library keep
// is bounded and is given back. Packets are told apart by their length, which
// with AES-GCM is in clear: no other cipher may be served.
type pacedConn struct {
	net.Conn
	frames frames // of the one goroutine that reads

	mu       sync.Mutex
	turn     *sync.Cond
	ahead    int // packets read that were not used yet, as far as is known
	read     int // bytes
	draining bool
	closed   bool
}

func newPacedConn(conn net.Conn) *pacedConn {
	c := &pacedConn{Conn: conn}
	c.turn = sync.NewCond(&c.mu)
	return c
}

// Read reads at most to the end of a packet.
func (c *pacedConn) Read(p []byte) (int, error) {
	left, draining := c.await()
	if draining {
		return c.discard(p)
	}
	n, err := c.Conn.Read(p[:min(len(p), left, c.frames.left())])
	packets := c.frames.take(p[:n])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += n
	c.ahead += packets
	return n, err
}

// await waits until more may be read, and gives how much.
func (c *pacedConn) await() (left int, draining bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for (c.ahead >= maxAhead || c.read >= maxRead) && !c.draining && !c.closed {
		c.turn.Wait()
	}
	return max(maxRead-c.read, 1), c.draining // 1: a closed one gives its error
}

// discard reads until the client ends the connection.
func (c *pacedConn) discard(p []byte) (int, error) {
	for {
		if _, err := c.Conn.Read(p); err != nil {
			return 0, err
		}
	}
}

// Write writes an answer: the library writes one packet at a time, and one for
// each that it reads.
func (c *pacedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.used()
	return n, err
}

// used tells that a packet was used.
func (c *pacedConn) used() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = max(c.ahead-1, 0)
	c.turn.Broadcast()
}

// drain throws away what the client still sends. The library only learns when
// the client ends the connection.
func (c *pacedConn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	c.turn.Broadcast()
}

// Close closes the connection.
func (c *pacedConn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.turn.Broadcast()
	return err
}

// frames finds the ends of packets in what a client sends: lines up to its
// version, then packets in clear, then, from its first NEWKEYS on, packets
// sealed with AES-GCM. The zero value is the beginning.
type frames struct {
	versioned bool
	line      []byte // at most 4 bytes of the line
	head      []byte // of the packet
	body      int    // bytes of the packet that are to come behind the head
	sealed    bool
}

const (
	// headSize has the length in 4 bytes, the length of the padding and, in
	// clear, the type. No packet is shorter.
	headSize    = 6
	tagSize     = 16
	typeNewKeys = 21
)

// left is how many bytes come, at least, before something else begins.
func (f *frames) left() int {
	switch {
	case !f.versioned:
		return 1
	case len(f.head) < headSize:
		return headSize - len(f.head)
	}
	return f.body
}

// take takes what was read, at most left bytes, and gives how many packets are
// complete with it: 0 or 1.
func (f *frames) take(p []byte) (packets int) {
	switch {
	case len(p) == 0:
		return 0
	case !f.versioned:
		f.takeVersion(p[0])
		return 0
	case len(f.head) < headSize:
		f.takeHead(p)
	default:
		f.body -= len(p)
	}
	if len(f.head) < headSize || f.body > 0 {
		return 0
	}
	f.sealed = f.sealed || f.head[headSize-1] == typeNewKeys
	f.head = f.head[:0]
	return 1
}

func (f *frames) takeVersion(b byte) {
	if b == '\n' {
		f.versioned = bytes.Equal(f.line, []byte("SSH-"))
		f.line = f.line[:0]
	} else if len(f.line) < 4 {
		f.line = append(f.line, b)
	}
}

// takeHead finds the length. The library refuses one that is out of all
// bounds, so that nothing hangs on it here.
func (f *frames) takeHead(p []byte) {
	f.head = append(f.head, p...)
	if len(f.head) < headSize {
		return
	}
	f.body = int(binary.BigEndian.Uint32(f.head)) + 4 - headSize
	if f.sealed {
		f.body += tagSize
	}
}
