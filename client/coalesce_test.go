package client

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// A queueTest is a queue whose batches the test sends itself, and the calls that
// it makes, by request id. It is used in a synctest bubble.
type queueTest struct {
	*queue
	batches chan *batch
	errs    map[string]chan error
}

func newQueueTest(t *testing.T) *queueTest {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	q := &queueTest{batches: make(chan *batch), errs: make(map[string]chan error)}
	q.queue = newQueue(ctx, func(b *batch) {
		select {
		case q.batches <- b:
		case <-ctx.Done():
		}
		<-b.ctx.Done()
		b.fail(errClosed())
	})
	t.Cleanup(func() {
		cancel()
		q.close()
	})
	return q
}

// call makes a call and returns once it is in the queue, or over.
func (q *queueTest) call(ctx context.Context, id string, size int) {
	q.start(ctx, id, size)
	synctest.Wait()
}

// start makes a call.
func (q *queueTest) start(ctx context.Context, id string, size int) {
	errs := make(chan error, 1)
	q.errs[id] = errs
	go func() {
		_, err := q.do(ctx, &pb.BatchCall{RequestId: id}, size)
		errs <- err
	}()
}

// error waits for the call to end.
func (q *queueTest) error(id string) error { return <-q.errs[id] }

func idsOf(messages []*pb.BatchCall) []string {
	ids := []string{}
	for _, m := range messages {
		ids = append(ids, m.GetRequestId())
	}
	return ids
}

// answers gives an answer without a fault to each of the calls.
func answers(calls []*pb.BatchCall) []*pb.BatchAnswer {
	all := make([]*pb.BatchAnswer, len(calls))
	for i := range all {
		all[i] = &pb.BatchAnswer{Index: 1}
	}
	return all
}

func (q *queueTest) wantBatch(t *testing.T, b *batch, want ...string) []*pb.BatchCall {
	t.Helper()
	calls := b.begin()
	if diff := cmp.Diff(append([]string{}, want...), idsOf(calls)); diff != "" {
		t.Errorf("calls of the batch (-want +got):\n%s", diff)
	}
	return calls
}

func minute(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestQueueSendsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, ctx := newQueueTest(t), minute(t)
		q.call(ctx, "a", 1)
		first := <-q.batches
		q.call(ctx, "b", 1)
		second := <-q.batches
		q.call(ctx, "c", 1)
		q.call(ctx, "d", 1)
		q.wantBatch(t, first, "a")
		calls := q.wantBatch(t, second, "b")
		if err := second.end(answers(calls), nil); err != nil {
			t.Errorf("end of an answered batch: %v", err)
		}
		q.wantBatch(t, <-q.batches, "c", "d")
		if err := q.error("b"); err != nil {
			t.Errorf("answered call ends with %v", err)
		}
	})
}

func TestBatchesAreBounded(t *testing.T) {
	tests := []struct {
		name  string
		sizes []int
		want  []int // calls in each batch
	}{
		{"by number", make([]int, 2*maxBatchCalls+1), []int{maxBatchCalls, maxBatchCalls, 1}},
		{"by bytes", []int{maxBatchBytes / 2, maxBatchBytes / 2, 1, 1}, []int{2, 2}},
		{"large ones go alone", []int{1, maxBatchBytes + 1, maxBatchBytes + 1, 1, 1}, []int{1, 1, 1, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, ctx := newQueueTest(t), minute(t)
				q.call(ctx, "first", 1)
				q.call(ctx, "second", 1)
				first := <-q.batches
				<-q.batches
				for i, size := range tt.sizes {
					q.call(ctx, fmt.Sprint(i), size)
				}
				var got []int
				for b := first; len(got) < len(tt.want); {
					if err := b.end(answers(b.begin()), nil); err != nil {
						t.Fatal(err)
					}
					b = <-q.batches
					got = append(got, len(b.begin()))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("calls in each batch (-want +got):\n%s", diff)
				}
				if q.waiting.Len() != 0 || q.bytes != 0 {
					t.Errorf("%d calls of %d bytes wait at the end, want none", q.waiting.Len(), q.bytes)
				}
			})
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	tests := []struct {
		name         string
		calls, bytes int
	}{
		{"by number", maxWaitingCalls, 1},
		{"by bytes", 4, maxWaitingBytes / 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueueTest(t)
				ctx, cancel := context.WithCancel(minute(t))
				q.call(ctx, "first", 1)
				q.call(ctx, "second", 1)
				for i := range tt.calls {
					q.start(ctx, fmt.Sprint(i), tt.bytes)
				}
				synctest.Wait()
				q.call(ctx, "more", tt.bytes)
				wantFault(t, q.error("more"), fault.Exhausted, fault.Definite)
				cancel()
				synctest.Wait()
				if q.waiting.Len() != 0 || q.bytes != 0 {
					t.Errorf("%d calls of %d bytes wait after their callers left, want none", q.waiting.Len(), q.bytes)
				}
			})
		})
	}
}

// What is known of a call whose caller leaves depends on how far it has come.
func TestCallersLeave(t *testing.T) {
	silence := fault.Unserved(fault.Unknown, "no answer")
	noLeader := fault.Unserved(fault.Definite, "no leader")
	tests := []struct {
		name string
		send func(*batch)
		want fault.Outcome
	}{
		{"before an attempt", func(*batch) {}, fault.Definite},
		{"during an attempt", func(b *batch) { b.begin() }, fault.Unknown},
		{"after an attempt that nobody answered", func(b *batch) { b.begin(); _ = b.end(nil, silence) }, fault.Unknown},
		{"after an attempt that came to nothing", func(b *batch) { b.begin(); _ = b.end(nil, noLeader) }, fault.Definite},
		{"after one of each", func(b *batch) {
			b.begin()
			_ = b.end(nil, silence)
			b.begin()
			_ = b.end(nil, noLeader)
		}, fault.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueueTest(t)
				ctx, cancel := context.WithCancel(minute(t))
				q.call(ctx, "a", 1)
				b := <-q.batches
				tt.send(b)
				cancel()
				wantFault(t, q.error("a"), fault.Unavailable, tt.want)
				<-b.ctx.Done() // nobody waits for it any more
				q.wantBatch(t, b)
			})
		})
	}
}

// A caller that leaves during an attempt takes no one along.
func TestAnswerComesAfterACallerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, ctx := newQueueTest(t), minute(t)
		q.call(ctx, "a", 1)
		q.call(ctx, "b", 1)
		first := <-q.batches
		leaving, leave := context.WithCancel(ctx)
		q.call(leaving, "c", 1)
		q.call(ctx, "d", 1)
		<-q.batches
		if err := first.end(answers(first.begin()), nil); err != nil {
			t.Error(err)
		}
		b := <-q.batches
		calls := q.wantBatch(t, b, "c", "d")
		leave()
		wantFault(t, q.error("c"), fault.Unavailable, fault.Unknown)
		if err := b.end(answers(calls), nil); err != nil {
			t.Error(err)
		}
		if err := q.error("d"); err != nil {
			t.Errorf("the call that stayed ends with %v", err)
		}
	})
}

// A call that waits is taken out when its caller leaves; others are not touched.
func TestWaitingCallIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, ctx := newQueueTest(t), minute(t)
		q.call(ctx, "a", 1)
		q.call(ctx, "b", 1)
		first := <-q.batches
		q.call(ctx, "c", 1)
		leaving, leave := context.WithCancel(ctx)
		q.call(leaving, "d", 1)
		q.call(ctx, "e", 1)
		leave()
		wantFault(t, q.error("d"), fault.Unavailable, fault.Definite)
		<-q.batches
		if err := first.end(answers(first.begin()), nil); err != nil {
			t.Error(err)
		}
		q.wantBatch(t, <-q.batches, "c", "e")
	})
}

func TestCallOfACallerWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t)
		ctx, cancel := context.WithCancel(minute(t))
		cancel()
		q.call(ctx, "a", 1)
		wantFault(t, q.error("a"), fault.Unavailable, fault.Definite)
		if q.sending != 0 {
			t.Errorf("%d batches are sent, want none", q.sending)
		}
	})
}

// A batch is worth sending for as long as any of its callers waits.
func TestBatchHasTheLatestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t)
		ctx := minute(t)
		q.call(ctx, "a", 1)
		q.call(ctx, "b", 1)
		first := <-q.batches
		<-q.batches
		start := time.Now()
		for id, seconds := range map[string]time.Duration{"short": 1, "long": 20, "middle": 5} {
			limited, cancel := context.WithTimeout(ctx, seconds*time.Second)
			defer cancel()
			q.call(limited, id, 1)
		}
		if err := first.end(answers(first.begin()), nil); err != nil {
			t.Error(err)
		}
		b := <-q.batches
		if deadline, ok := b.ctx.Deadline(); !ok || deadline.Sub(start) != 20*time.Second {
			t.Errorf("deadline of the batch is after %s, want 20s", deadline.Sub(start))
		}
		wantFault(t, q.error("middle"), fault.Unavailable, fault.Definite)
		q.wantBatch(t, b, "long")
	})
}

func TestRefusalOfABatchIsThatOfItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueueTest(t)
		q.call(minute(t), "a", 1)
		b := <-q.batches
		b.begin()
		if err := b.end(nil, fault.Unauthenticated.New("token has expired")); err != nil {
			t.Errorf("a refused batch gives %v back, to be sent again", err)
		}
		wantFault(t, q.error("a"), fault.Unauthenticated, fault.Definite)
	})
}
