package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"acquired/fsm"
	"acquired/server/engine"
)

// replica is the raft.FSM of a node: it hands committed entries to the machine.
// Whatever the machine cannot apply ends the node.
type replica struct {
	node *Node
}

var _ raft.BatchingFSM = replica{}

// ApplyBatch applies entries in order. The response to an entry is its
// []fsm.Result.
func (r replica) ApplyBatch(logs []*raft.Log) []any {
	defer r.stopOnPanic()
	responses := make([]any, len(logs))
	for i, log := range logs {
		if log.Type != raft.LogCommand {
			continue
		}
		begin := time.Now()
		results := r.node.machine.Apply(log.Index, log.Term, log.Data)
		r.node.metrics.applied(results, time.Since(begin))
		responses[i] = results
	}
	r.node.applied.announce()
	return responses
}

// Apply implements raft.FSM.
func (r replica) Apply(log *raft.Log) any { return r.ApplyBatch([]*raft.Log{log})[0] }

// stopOnPanic ends the process with a clear line: the machine panics on what it
// must not guess about, and so does the store that reads damaged records.
func (r replica) stopOnPanic() {
	if reason := recover(); reason != nil {
		r.node.fatal(fmt.Errorf("this node cannot apply the log: %v", reason))
	}
}

// Snapshot implements raft.FSM. Every entry before this call is in the engine,
// so Persist has only to flush it.
func (r replica) Snapshot() (raft.FSMSnapshot, error) { return flush{&r.node.held}, nil }

type flush struct{ held *held }

func (f flush) Persist(sink raft.SnapshotSink) error {
	f.held.use((*engine.Pebble).Flush)
	return sink.Close()
}

func (flush) Release() {}

// Restore makes the state that a sink received the one that is served. Until
// CURRENT is replaced, a crash leaves the state before; after that, the new one
// with the record that belongs to it.
func (r replica) Restore(stream io.ReadCloser) error {
	defer stream.Close()
	defer r.stopOnPanic()
	received, ok := unwrap(stream).(*receivedState)
	if !ok {
		return fmt.Errorf("restore: the snapshot is none that this node received")
	}
	n := r.node
	defer n.received.Delete(received.name)
	if err := n.adopt(received); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	at := n.machine.Position()
	n.log.LogAttrs(context.Background(), slog.LevelInfo, "state replaced by a snapshot",
		slog.Uint64("index", at.Index), slog.String("hash", at.Hash.String()), slog.String("from", received.manifest.Node))
	n.applied.announce()
	return nil
}

func unwrap(stream io.ReadCloser) io.ReadCloser {
	for {
		w, ok := stream.(raft.ReadCloserWrapper)
		if !ok {
			return stream
		}
		stream = w.WrappedReadCloser()
	}
}

func (n *Node) adopt(received *receivedState) error {
	next, err := n.openEngine(received.name)
	if err != nil {
		return err
	}
	if err := n.prepare(next, received); err != nil {
		next.Close()
		return err
	}
	before := n.states.current()
	if err := n.states.adopt(received.name); err != nil {
		next.Close()
		return err
	}
	if err := n.held.replace(next, func() { n.machine.Replace(next) }); err != nil {
		n.log.LogAttrs(context.Background(), slog.LevelWarn, "the state before did not close", slog.Any("error", err))
	}
	return n.states.remove(before)
}

// prepare makes a received state complete: what its archive says must be what
// it is, it must not be behind the index that raft takes it for, and its record
// goes beside it.
func (n *Node) prepare(next *engine.Pebble, received *receivedState) error {
	if err := fsm.Check(next, received.manifest.Index, received.manifest.Hash); err != nil {
		return err
	}
	fsm.Advance(next, received.record.Index, received.record.Term)
	next.Flush()
	return n.states.setRecord(received.name, received.record)
}

func (n *Node) openEngine(state string) (*engine.Pebble, error) {
	return engine.Open(engine.Config{
		Dir: n.states.engine(state), CacheBytes: n.config.Limits.CacheBytes, Fatal: n.fatal, Log: n.log,
	})
}
