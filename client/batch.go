package client

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// write makes a call of a command, together with others.
func (c *Client) write(ctx context.Context, m method, body []byte, response any) error {
	answer, ok := response.(proto.Message)
	if !ok {
		return fault.Invalid.New("response of %s is a %T, not a protobuf message", m.name, response)
	}
	id, err := requestIDOf(ctx)
	if err != nil {
		return err
	}
	message := &pb.BatchCall{Command: m.command, RequestId: id, Body: body}
	size := proto.Size(&pb.BatchRequest{Calls: []*pb.BatchCall{message}})
	if err := checkSize(m, size); err != nil {
		return err
	}
	body, err = c.writes.do(ctx, message, size)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(body, answer); err != nil {
		return fault.Internal.New("%s took effect, but its answer cannot be read: %v", m.command, err)
	}
	return nil
}

// sendBatch sends the batch as often as it takes, until each call is over.
func (c *Client) sendBatch(b *batch) {
	err := c.retry(b.ctx, true, func(ctx context.Context, n *node) error {
		calls := b.begin()
		if len(calls) == 0 {
			return nil
		}
		response := new(pb.BatchResponse)
		_, err := c.send(c.outgoing(ctx), n, pb.Batch_Execute_FullMethodName, &pb.BatchRequest{Calls: calls}, response)
		// Before a caller has its answer, its next read must ask for this index.
		for _, answer := range response.GetAnswers() {
			c.see(answer.GetIndex())
		}
		return b.end(response.GetAnswers(), err)
	})
	if err != nil {
		b.fail(err)
	}
}

// A batch is calls that are sent together, until each has its answer.
type batch struct {
	queue *queue
	// ctx is what the batch is sent under. It ends at the latest deadline of the
	// calls, when none of their callers waits any longer, and with the client.
	ctx    context.Context
	cancel context.CancelFunc

	// calls belongs to the one goroutine that sends the batch.
	calls []*call
	// mu of the queue guards unanswered, the number of calls that are not over.
	unanswered int
}

// begin gives the calls to send in the next attempt; none if no caller waits.
// From here until end, the outcome of each is unknown.
func (b *batch) begin() []*pb.BatchCall {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	b.calls = slices.DeleteFunc(b.calls, func(c *call) bool { return c.over })
	messages := make([]*pb.BatchCall, len(b.calls))
	for i, c := range b.calls {
		c.sent = true
		messages[i] = c.message
	}
	return messages
}

// end takes the answers to an attempt, in the order of begin, or the error that
// it ended with. It gives back an Unavailable fault if calls must be sent again.
func (b *batch) end(answers []*pb.BatchAnswer, err error) error {
	if err == nil && len(answers) != len(b.calls) {
		err = fault.Unserved(fault.Unknown, "%d answers to a batch of %d calls", len(answers), len(b.calls))
	}
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	var again error
	for i, c := range b.calls {
		if c.over {
			continue
		}
		body, index, refusal := []byte(nil), uint64(0), err
		if err == nil {
			body, index, refusal = answers[i].GetBody(), answers[i].GetIndex(), faultOf(answers[i].GetFault())
		}
		if unavailable := c.note(body, index, refusal); unavailable != nil {
			again = unavailable
		}
	}
	return again
}

// fail ends the calls that are not over with err.
func (b *batch) fail(err error) {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	for _, c := range b.calls {
		if !c.over {
			c.settle(nil, conclude(err, c.open, 0))
		}
	}
}

// faultOf gives the fault in an answer as an error; nil stays nil.
func faultOf(f *pb.Fault) error {
	if f == nil {
		return nil
	}
	return &fault.Fault{Kind: fault.Kind(f.GetKind()), Message: f.GetMessage(), Details: f.GetDetails()}
}
