package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

const (
	// An entry is filled up to these, unless a single command is larger.
	maxEntryCommands = 512
	maxEntryBytes    = 512 << 10
	// entriesInFlight lets the leader write one entry while its followers write
	// the one before.
	entriesInFlight = 3
)

// batcher puts the commands that are waiting into one log entry. It has no
// timer: a command that comes alone goes at once, and under load commands wait
// for a place in flight, which fills entries.
type batcher struct {
	node    *Node
	queue   chan *proposal
	bytes   atomic.Int64 // queued
	places  chan struct{}
	stop    chan struct{}
	running sync.WaitGroup
}

// proposal is a command on its way into the log.
type proposal struct {
	command *statev1.Command
	size    int64
	// state decides the race between the batcher, which takes the proposal, and
	// a caller that gives up.
	state atomic.Int32
	done  chan outcome
}

const (
	waiting int32 = iota
	taken
	abandoned
)

type outcome struct {
	result fsm.Result
	// err says why there is no result.
	err error
}

func newBatcher(n *Node) *batcher {
	b := &batcher{
		node: n, queue: make(chan *proposal, n.config.Limits.QueuedCommands),
		places: make(chan struct{}, entriesInFlight), stop: make(chan struct{}),
	}
	b.running.Go(b.run)
	return b
}

// propose puts the command into the log and gives what became of it. The error
// is a fault that says whether the outcome is definite or unknown.
func (b *batcher) propose(ctx context.Context, c *statev1.Command) (fsm.Result, error) {
	p, err := b.submit(c)
	if err != nil {
		return fsm.Result{}, err
	}
	return p.wait(ctx)
}

// submit queues the command, or refuses it when too much is waiting.
func (b *batcher) submit(c *statev1.Command) (*proposal, error) {
	p := &proposal{command: c, size: int64(proto.Size(c)), done: make(chan outcome, 1)}
	if b.bytes.Add(p.size) > b.node.config.Limits.QueuedBytes {
		b.bytes.Add(-p.size)
		return nil, busy("%d bytes of commands are waiting", b.node.config.Limits.QueuedBytes)
	}
	select {
	case b.queue <- p:
		return p, nil
	default:
		b.bytes.Add(-p.size)
		return nil, busy("%d commands are waiting", cap(b.queue))
	}
}

func (p *proposal) wait(ctx context.Context) (fsm.Result, error) {
	select {
	case o := <-p.done:
		return o.result, o.err
	case <-ctx.Done():
		if p.state.CompareAndSwap(waiting, abandoned) {
			return fsm.Result{}, fault.Unserved(fault.Definite, "the deadline passed before the command was proposed")
		}
		return fsm.Result{}, fault.Unserved(fault.Unknown, "the deadline passed before the command was answered")
	}
}

func busy(format string, args ...any) error {
	return fault.Unserved(fault.Definite, "the node is busy: "+format, args...)
}

func stopping() error { return fault.Unserved(fault.Definite, "the node is stopping") }

func (b *batcher) run() {
	var first *proposal // taken from the queue and found too large for an entry
	for {
		select {
		case b.places <- struct{}{}:
		case <-b.stop:
			b.refuseAll(first)
			return
		}
		if first == nil {
			select {
			case first = <-b.queue:
			case <-b.stop:
				b.refuseAll(nil)
				return
			}
		}
		var batch []*proposal
		batch, first = b.fill(first)
		b.running.Go(func() {
			b.commit(batch)
			<-b.places
		})
	}
}

// fill gives the proposals of one entry, and the one that did not fit.
func (b *batcher) fill(next *proposal) (batch []*proposal, left *proposal) {
	var size int64
	for {
		if len(batch) > 0 && size+next.size > maxEntryBytes {
			return batch, next
		}
		b.bytes.Add(-next.size)
		if next.state.CompareAndSwap(waiting, taken) {
			batch = append(batch, next)
			size += next.size
		}
		if len(batch) == maxEntryCommands {
			return batch, nil
		}
		select {
		case next = <-b.queue:
		default:
			return batch, nil
		}
	}
}

func (b *batcher) refuseAll(first *proposal) {
	for p := first; ; {
		if p != nil && p.state.CompareAndSwap(waiting, taken) {
			p.done <- outcome{err: stopping()}
		}
		select {
		case p = <-b.queue:
		default:
			return
		}
	}
}

func (b *batcher) commit(batch []*proposal) {
	if len(batch) == 0 {
		return
	}
	entry := &statev1.Entry{UnixNanos: time.Now().UnixNano()}
	for _, p := range batch {
		entry.Commands = append(entry.Commands, p.command)
	}
	results, err := b.node.apply(entry)
	if err == nil && len(results) != len(batch) {
		err = fault.Unserved(fault.Unknown, "the entry was applied before")
	}
	for i, p := range batch {
		o := outcome{err: err}
		if err == nil {
			o.result = results[i]
		}
		p.done <- o
	}
}

// apply puts an entry into the log, waits until it is applied here, and gives
// the results of its commands.
func (n *Node) apply(entry *statev1.Entry) ([]fsm.Result, error) {
	r := n.raft.Load()
	if r == nil || r.State() != raft.Leader {
		return nil, n.notLeader()
	}
	data, err := fsm.EncodeEntry(entry)
	if err != nil {
		return nil, err
	}
	n.metrics.proposed(entry, len(data))
	future := r.Apply(data, enqueueTimeout)
	if err := future.Error(); err != nil {
		return nil, n.applyError(err)
	}
	results, _ := future.Response().([]fsm.Result)
	return results, nil
}

// enqueueTimeout bounds the wait for raft's own queue.
const enqueueTimeout = 5 * time.Second

// applyError tells the errors with which raft says that the entry is not in the
// log from those after which nobody knows.
func (n *Node) applyError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return n.notLeader()
	case errors.Is(err, raft.ErrEnqueueTimeout), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fault.Unserved(fault.Definite, "%v", err)
	}
	return fault.Unserved(fault.Unknown, "%v", err)
}

// refuse makes the batcher take nothing more.
func (b *batcher) refuse() { close(b.stop) }

// wait returns when everything that was taken is answered, which may need raft
// to be shut down.
func (b *batcher) wait() { b.running.Wait() }
