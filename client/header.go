package client

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"

	"google.golang.org/grpc/metadata"

	"acquired/proto/fault"
)

// The headers of the API.
const (
	headerAuthorization = "authorization"
	headerRequestID     = "acquired-request-id"
	headerRead          = "acquired-read"
	headerSeen          = "acquired-seen"
	headerIndex         = "acquired-index"
)

// maxRequestID is the length of the longest request id, in bytes.
const maxRequestID = 64

// Read is how fresh the state must be that a read is answered from. The zero
// value is Seen.
type Read string

const (
	// Seen is at least as new as anything the client has seen: it reads its own
	// writes, and never goes back in time.
	Seen Read = "seen"
	// Latest holds every write, by anyone, that was answered before the read began.
	Latest Read = "latest"
	// Any is what the node has, without waiting; it answers without a leader too.
	Any Read = "any"
)

func (r Read) check() error {
	switch r {
	case "", Seen, Latest, Any:
		return nil
	}
	return fault.Invalid.New("read %q is none of %q, %q and %q", string(r), string(Seen), string(Latest), string(Any))
}

type (
	readKey      struct{}
	requestIDKey struct{}
)

// WithRead gives a context for reads of that freshness, whatever Config says.
func WithRead(ctx context.Context, read Read) context.Context {
	return context.WithValue(ctx, readKey{}, read)
}

// WithRequestID gives a context for one write that carries the request id, 1
// to 64 visible ASCII characters. A write made again with the id it had before
// is the same write: it does not take effect twice and gets the stored answer.
// A caller that keeps the id can so go on after it was restarted. Two different
// writes must never have the same id. Reads ignore it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// readOf gives the freshness of a read made with ctx.
func (c *Client) readOf(ctx context.Context) (Read, error) {
	read, ok := ctx.Value(readKey{}).(Read)
	if !ok {
		read = c.read
	}
	if read == "" {
		read = Seen
	}
	return read, read.check()
}

// requestIDOf gives the request id of a write made with ctx: a new one unless
// the caller chose it.
func requestIDOf(ctx context.Context) (string, error) {
	id, ok := ctx.Value(requestIDKey{}).(string)
	if !ok {
		return strings.ToLower(rand.Text()), nil
	}
	if id == "" || len(id) > maxRequestID || !isVisible(id) {
		return "", fault.Invalid.New("request id %q is not 1 to %d visible ASCII characters", id, maxRequestID)
	}
	return id, nil
}

// describe gives ctx with the headers of a call of the method.
func (c *Client) describe(ctx context.Context, m method) (context.Context, error) {
	if m.read {
		read, err := c.readOf(ctx)
		return c.outgoing(ctx, headerRead, string(read)), err
	}
	id, err := requestIDOf(ctx)
	return c.outgoing(ctx, headerRequestID, id), err
}

// outgoing gives ctx with the headers that every call has, and with those in pairs.
func (c *Client) outgoing(ctx context.Context, pairs ...string) context.Context {
	if c.bearer != "" {
		pairs = append(pairs, headerAuthorization, "Bearer "+c.bearer)
	}
	if seen := c.Index(); seen > 0 {
		pairs = append(pairs, headerSeen, strconv.FormatUint(seen, 10))
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// Index gives the newest index the client has seen in any answer; 0 is none.
func (c *Client) Index() uint64 { return c.index.Load() }

// see keeps the index if it is the newest.
func (c *Client) see(index uint64) {
	for seen := c.index.Load(); index > seen; seen = c.index.Load() {
		if c.index.CompareAndSwap(seen, index) {
			return
		}
	}
}

// indexOf gives the index in the header of an answer; 0 is none.
func indexOf(header metadata.MD) uint64 {
	values := header.Get(headerIndex)
	if len(values) == 0 {
		return 0
	}
	index, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil {
		return 0
	}
	return index
}
