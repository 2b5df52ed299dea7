package server

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// A latest read needs an index that holds every write acknowledged, and every
// state shown, before the read began. The leader has one: what is committed, once
// it has applied an entry of its own term. What it has applied would not do: a
// follower may be ahead of it there, and may have shown what it has.
//
// What the leader does not know by itself is whether it still is the leader:
// another may have been elected while it was stopped. So a quorum of voters must
// say that they are in its term still, and say it after the read began. A voter
// makes a higher term durable before it grants a vote in it, so no leader of a
// higher term can have been elected before they were asked.
//
// The follower that asks says its own term with the question: in a cluster of
// three, that and the leader itself are a quorum, and a read costs one round
// trip. No clock is involved, and no answer to an older question counts.

// readIndexTimeout bounds one round. The caller's own deadline holds besides.
const readIndexTimeout = 3 * time.Second

// readIndexer gives indexes for latest reads. Reads that arrive while a round
// is in progress share the next one: its question is asked after they arrived.
type readIndexer struct {
	node *Node
	mu   sync.Mutex
	next *readRound // not begun yet
	busy bool
}

type readRound struct {
	done  chan struct{}
	index uint64
	err   error
}

// index gives an index that holds every write that was acknowledged, and every
// state that a latest read was answered from, anywhere, before the call.
func (r *readIndexer) index(ctx context.Context) (uint64, error) {
	r.mu.Lock()
	if r.next == nil {
		r.next = &readRound{done: make(chan struct{})}
	}
	round := r.next
	if !r.busy {
		r.busy = true
		r.node.running.Go(r.run)
	}
	r.mu.Unlock()
	select {
	case <-round.done:
		return round.index, round.err
	case <-ctx.Done():
		return 0, fault.Unserved(fault.Definite, "no quorum confirmed the leader in time")
	}
}

// run does rounds for as long as somebody waits for one.
func (r *readIndexer) run() {
	for {
		r.mu.Lock()
		round := r.next
		r.next = nil
		r.busy = round != nil
		r.mu.Unlock()
		if round == nil {
			return
		}
		ctx, cancel := context.WithTimeout(r.node.life, readIndexTimeout)
		round.index, round.err = r.node.readIndex(ctx)
		cancel()
		close(round.done)
	}
}

// readIndex asks the leader, which may be this node.
func (n *Node) readIndex(ctx context.Context) (uint64, error) {
	rf := n.raft.Load()
	if rf == nil {
		return 0, notFormed()
	}
	term := rf.CurrentTerm()
	if n.isLeader() {
		return n.confirm(ctx, "", 0)
	}
	leader := n.leaderID()
	if leader == "" || leader == n.config.Node {
		return 0, n.notLeader()
	}
	client, err := n.peers.peer(leader)
	if err != nil {
		return 0, fault.Unserved(fault.Definite, "%v", err)
	}
	res, err := client.ReadIndex(ctx, &statev1.ReadIndexRequest{Term: term}, grpc.WaitForReady(true))
	if err != nil {
		return 0, fault.Unserved(fault.Definite, "the leader did not confirm the read: %v", fault.FromGRPC(err))
	}
	return res.Index, nil
}

// confirm gives the index of the newest committed command on this node, as the
// leader, once a quorum confirmed its term. The node that asks counts with the
// term it was in.
func (n *Node) confirm(ctx context.Context, asker string, askerTerm uint64) (uint64, error) {
	rf := n.raft.Load()
	if rf == nil {
		return 0, notFormed()
	}
	term := rf.CurrentTerm()
	at, committed := n.machine.Position(), rf.CommitIndex()
	if rf.State() != raft.Leader {
		return 0, n.notLeader()
	}
	if at.Term != term {
		return 0, fault.Unserved(fault.Definite, "the leader has only just been elected")
	}
	index, err := n.newestCommand(at.Index, committed)
	if err != nil {
		return 0, err
	}
	voters, err := n.voters(rf)
	if err != nil {
		return 0, err
	}
	return index, n.confirmTerm(ctx, voters, term, asker, askerTerm)
}

// newestCommand gives the index of the newest command at or before the committed
// one. The state comes to that index, and not to those of entries that are only
// for raft. All commands up to the applied index are in the state.
func (n *Node) newestCommand(applied, committed uint64) (uint64, error) {
	for index := committed; index > applied; index-- {
		var entry raft.Log
		if err := n.logs.GetLog(index, &entry); err != nil {
			return 0, fault.Unserved(fault.Definite, "log entry %d: %v", index, err)
		}
		if entry.Type == raft.LogCommand {
			return index, nil
		}
	}
	return applied, nil
}

// confirmTerm returns nil once more than half of the voters are in the term.
func (n *Node) confirmTerm(ctx context.Context, voters []string, term uint64, asker string, askerTerm uint64) error {
	need := len(voters)/2 + 1
	var ask []string
	for _, voter := range voters {
		switch {
		case voter == n.config.Node, voter == asker && askerTerm == term:
			need--
		default:
			ask = append(ask, voter)
		}
	}
	if need <= 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan bool, len(ask))
	for _, voter := range ask {
		go func() { answers <- n.termOf(ctx, voter) == term }()
	}
	for range ask {
		select {
		case confirmed := <-answers:
			if confirmed {
				need--
			}
		case <-ctx.Done():
			return fault.Unserved(fault.Definite, "no quorum confirmed the leader in time")
		}
		if need <= 0 {
			return nil
		}
	}
	return fault.Unserved(fault.Definite, "no quorum confirmed the leader: it may have been replaced")
}

// termOf gives the term that a node is in, or 0.
func (n *Node) termOf(ctx context.Context, node string) uint64 {
	client, err := n.peers.peer(node)
	if err != nil {
		return 0
	}
	res, err := client.ConfirmTerm(ctx, &statev1.ConfirmTermRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return 0
	}
	return res.Term
}

// voters gives the ids of the voters of the newest configuration.
func (n *Node) voters(rf *raft.Raft) ([]string, error) {
	future := rf.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, fault.Unserved(fault.Definite, "%v", err)
	}
	var voters []string
	for _, s := range future.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			voters = append(voters, string(s.ID))
		}
	}
	return voters, nil
}

func notFormed() error {
	return fault.Unserved(fault.Definite, "this node is not part of a cluster yet")
}
