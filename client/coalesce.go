package client

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	// maxSending is how many batches are under way at a time. With two, one is on
	// its way while the cluster works on the other; with more they would be smaller.
	maxSending    = 2
	maxBatchCalls = 512
	maxBatchBytes = 1 << 20

	maxWaitingCalls = 8192
	maxWaitingBytes = 64 << 20
)

// A queue gathers writes into batches. It has no timer: a write that finds the
// way free is sent at once, and what comes while batches are under way waits for
// one of them to end and then goes together.
type queue struct {
	ctx  context.Context // what batches are sent under; it ends with the client
	send func(*batch)    // returns when no call of the batch is without an answer

	senders sync.WaitGroup

	mu      sync.Mutex
	waiting *list.List // of *call, oldest first
	bytes   int        // of those waiting
	sending int        // batches
	closed  bool
}

func newQueue(ctx context.Context, send func(*batch)) *queue {
	return &queue{ctx: ctx, send: send, waiting: list.New()}
}

// A call is a write and, in the end, its answer.
type call struct {
	message  *pb.BatchCall
	size     int // in a batch, in bytes
	deadline time.Time
	done     chan struct{} // closed when body and err are set

	// mu of the queue guards what follows. After done is closed body and err do
	// not change and may be read without it.
	place *list.Element // among those waiting; nil once it is in a batch
	batch *batch        // nil while it waits
	sent  bool          // in an attempt that is under way
	open  bool          // an attempt was sent and it is not known what became of it
	over  bool
	body  []byte
	err   error // until the call is over, the Unavailable fault of the last attempt
}

// do sends the message, in a batch, and waits for its answer until ctx ends. ctx
// has a deadline. size is that of the message in a batch, in bytes.
func (q *queue) do(ctx context.Context, message *pb.BatchCall, size int) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, fault.Unserved(fault.Definite, "%s; the call was not sent", reasonOf(ctx.Err()))
	}
	deadline, _ := ctx.Deadline()
	c := &call{message: message, size: size, deadline: deadline, done: make(chan struct{})}
	if err := q.add(c); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		q.withdraw(c, reasonOf(ctx.Err()))
	}
	return c.body, c.err
}

func (q *queue) add(c *call) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return errClosed()
	case q.waiting.Len() >= maxWaitingCalls:
		return fault.Exhausted.New("%d calls wait to be sent: that is the limit", maxWaitingCalls)
	case q.bytes+c.size > maxWaitingBytes:
		return fault.Exhausted.New("calls of %d bytes wait to be sent: with this one of %d they would be over the limit of %d", q.bytes, c.size, maxWaitingBytes)
	}
	c.place = q.waiting.PushBack(c)
	q.bytes += c.size
	if q.sending < maxSending {
		q.sending++
		first := q.take()
		q.senders.Go(func() { q.run(first) })
	}
	return nil
}

// run sends the batch, and then what has come to wait meanwhile, until there is
// nothing.
func (q *queue) run(b *batch) {
	for b != nil {
		q.send(b)
		b.cancel()
		b = q.next()
	}
}

// next gives the batch to send after one has ended, or nil.
func (q *queue) next() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting.Len() == 0 {
		q.sending--
		return nil
	}
	return q.take()
}

// take makes a batch of the calls that have waited longest. At least one must
// wait. mu is held.
func (q *queue) take() *batch {
	b := &batch{queue: q}
	bytes, latest := 0, time.Time{}
	for e := q.waiting.Front(); e != nil && len(b.calls) < maxBatchCalls; e = q.waiting.Front() {
		c := e.Value.(*call)
		if len(b.calls) > 0 && bytes+c.size > maxBatchBytes {
			break
		}
		q.remove(c)
		c.batch = b
		b.calls = append(b.calls, c)
		bytes += c.size
		if c.deadline.After(latest) {
			latest = c.deadline
		}
	}
	b.unanswered = len(b.calls)
	b.ctx, b.cancel = context.WithDeadline(q.ctx, latest)
	return b
}

// remove takes a call out of those waiting. mu is held.
func (q *queue) remove(c *call) {
	q.waiting.Remove(c.place)
	q.bytes -= c.size
	c.place = nil
}

// withdraw ends a call whose caller waits no longer, unless it is over.
func (q *queue) withdraw(c *call, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case c.over:
	case c.place != nil:
		q.remove(c)
		c.settle(nil, fault.Unserved(fault.Definite, "%s; the call was waiting to be sent", reason))
	case c.err != nil:
		c.settle(nil, conclude(fault.Unavailable.New("%s; the last attempt: %v", reason, c.err), c.sent || c.open, 0))
	default:
		c.settle(nil, conclude(fault.Unavailable.New("%s", reason), c.sent || c.open, 0))
	}
}

// close ends the calls that wait and waits for the batches under way, which end
// because ctx has.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	for e := q.waiting.Front(); e != nil; e = q.waiting.Front() {
		c := e.Value.(*call)
		q.remove(c)
		c.settle(nil, errClosed())
	}
	q.mu.Unlock()
	q.senders.Wait()
}

// settle gives a call its answer. mu is held.
func (c *call) settle(body []byte, err error) {
	c.over, c.body, c.err = true, body, err
	close(c.done)
	if c.batch == nil {
		return
	}
	c.batch.unanswered--
	if c.batch.unanswered == 0 {
		c.batch.cancel()
	}
}

// note takes in how an attempt ended that the call was in. An answer ends the
// call; an Unavailable fault does not and is given back. mu is held.
func (c *call) note(body []byte, index uint64, err error) error {
	c.sent = false
	if !errors.Is(err, fault.Unavailable) {
		c.settle(body, conclude(err, c.open, index))
		return nil
	}
	c.open = c.open || isOpen(err)
	c.err = err
	return err
}
