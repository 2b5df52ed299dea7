package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/server/engine"
)

// compareHashes checks, again and again, that the state of this node is that of
// the others. A node whose state differs from the one that a quorum agrees on
// must not serve: it marks its data and ends.
func (n *Node) compareHashes() {
	// What happened to the data of a node happened while it was away.
	ticker := time.NewTicker(min(firstHashCheck, n.config.Timing.HashCheck))
	defer ticker.Stop()
	var checked uint64
	for {
		select {
		case <-ticker.C:
			ticker.Reset(n.config.Timing.HashCheck)
		case <-n.life.Done():
			return
		}
		at := n.machine.Position()
		if at.Index == checked || at.Index == 0 {
			continue
		}
		agreed, ok := n.agreedHash(at.Index)
		switch {
		case !ok:
			continue
		case agreed != at.Hash:
			n.quarantine(fmt.Errorf("at index %d the state of this node hashes to %s, that of a quorum to %s", at.Index, at.Hash, agreed))
			return
		}
		checked = at.Index
	}
}

// firstHashCheck is how soon a node that starts compares.
const firstHashCheck = time.Second

// agreedHash gives the hash that a quorum of voters has at the index. ok is false
// when there is none: nodes are away, or are not so far yet.
func (n *Node) agreedHash(index uint64) (agreed kv.Hash, ok bool) {
	r := n.raft.Load()
	if r == nil {
		return agreed, false
	}
	voters, err := n.voters(r)
	if err != nil {
		return agreed, false
	}
	ctx, cancel := context.WithTimeout(n.life, n.config.Timing.HashCheck)
	defer cancel()
	count := make(map[kv.Hash]int)
	for _, answer := range n.hashesAt(ctx, voters, index) {
		if answer.err == nil {
			count[answer.hash]++
		}
	}
	for hash, nodes := range count {
		if nodes > len(voters)/2 {
			return hash, true
		}
	}
	return agreed, false
}

type hashAnswer struct {
	node string
	hash kv.Hash
	err  error
}

// hashesAt asks the nodes, this one included, for their hash at an index.
func (n *Node) hashesAt(ctx context.Context, nodes []string, index uint64) []hashAnswer {
	answers := make(chan hashAnswer, len(nodes))
	for _, node := range nodes {
		go func() {
			hash, err := n.hashOf(ctx, node, index)
			answers <- hashAnswer{node, hash, err}
		}()
	}
	var all []hashAnswer
	for range nodes {
		all = append(all, <-answers)
	}
	return all
}

func (n *Node) hashOf(ctx context.Context, node string, index uint64) (kv.Hash, error) {
	if node == n.config.Node {
		if err := n.applied.wait(ctx, index); err != nil {
			return kv.Hash{}, err
		}
		hash, ok := n.machine.HashAt(index)
		if !ok {
			return hash, fmt.Errorf("node %s no longer knows its hash at index %d", node, index)
		}
		return hash, nil
	}
	client, err := n.peers.peer(node)
	if err != nil {
		return kv.Hash{}, err
	}
	if err := reach(ctx, client); err != nil {
		return kv.Hash{}, err
	}
	res, err := client.HashAt(ctx, &statev1.HashAtRequest{Index: index})
	if err != nil {
		return kv.Hash{}, err
	}
	hash, ok := kv.HashFromBytes(res.Hash)
	if !ok {
		return hash, fmt.Errorf("node %s gave a hash of %d bytes", node, len(res.Hash))
	}
	return hash, nil
}

// reach waits until the node answers. One that is behind may take longer for its
// hash than one that is down should hold up the others.
func reach(ctx context.Context, client statev1.PeerClient) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	_, err := client.Hello(ctx, &statev1.HelloRequest{}, grpc.WaitForReady(true))
	return err
}

// reachTimeout is longer than the pauses between attempts to connect to a node.
const reachTimeout = 2 * helloTimeout

// quarantine ends the node for good: its data must not be served again.
func (n *Node) quarantine(reason error) {
	if err := n.data.quarantine(reason.Error()); err != nil {
		n.log.LogAttrs(n.life, slog.LevelError, "write the quarantine mark", slog.Any("error", err))
	}
	n.fatal(fmt.Errorf("quarantined: %w", reason))
}

// scrub reads the whole state, slowly, so that what changed on a disk is found
// before somebody needs it: first the blocks, by their checksums, and then the
// records, by the state hash.
func (n *Node) scrub() {
	ticker := time.NewTicker(scrubInterval)
	defer ticker.Stop()
	for {
		n.held.useForLong(n.life, func(ctx context.Context, e *engine.Pebble) {
			// The engine ends the process when it finds damage. What it returns
			// besides is that the node stops, or that the state is replaced.
			if e.Verify(ctx, scrubBytesPerSecond) == nil {
				n.sumRecords(ctx)
			}
		})
		select {
		case <-ticker.C:
		case <-n.life.Done():
			return
		}
	}
}

const (
	scrubInterval       = 24 * time.Hour
	scrubBytesPerSecond = 64 << 20
)

// sumRecords compares the records with the state hash.
func (n *Node) sumRecords(ctx context.Context) {
	view := n.machine.View(command.Caller{})
	defer view.Close()
	limit := rate.NewLimiter(scrubBytesPerSecond, scrubBytesPerSecond)
	waiting := 0
	err := view.Verify(func(bytes int) error {
		if waiting += bytes; waiting < scrubBytesPerSecond/64 {
			return nil
		}
		taken := waiting
		waiting = 0
		return limit.WaitN(ctx, taken)
	})
	if _, damaged := errors.AsType[*kv.DamageError](err); damaged {
		n.quarantine(fmt.Errorf("at index %d %w", view.Index, err))
	}
	n.log.LogAttrs(ctx, slog.LevelDebug, "state read through", slog.Uint64("index", view.Index), slog.Any("error", err))
}

// stalled says whether a write to the log takes suspiciously long.
func (n *Node) stalled() bool { return n.logs.Stalled(time.Now()) > n.config.Timing.DiskStall/4 }

// watchDisk ends a node whose disk hangs: as a leader it would keep its
// followers quiet and serve nobody.
func (n *Node) watchDisk() {
	ticker := time.NewTicker(n.config.Timing.DiskStall / 8)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-n.life.Done():
			return
		}
		if stalled := n.logs.Stalled(time.Now()); stalled > n.config.Timing.DiskStall {
			n.fatal(fmt.Errorf("a write to the log has taken %s: the disk hangs", stalled))
			return
		}
	}
}
