package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

const (
	// membershipTimeout bounds one change of the configuration.
	membershipTimeout = 10 * time.Second
	leaderInterval    = 500 * time.Millisecond
	// A non-voter is promoted when it is at most this many entries behind.
	promotionLag = 256
)

func (n *Node) isLeader() bool {
	r := n.raft.Load()
	return r != nil && r.State() == raft.Leader
}

// leaderID gives the id of the leader, or "" when the node knows of none.
func (n *Node) leaderID() string {
	r := n.raft.Load()
	if r == nil {
		return ""
	}
	_, id := r.LeaderWithID()
	return string(id)
}

// sinceLeader says how long ago the node heard of the leader.
func (n *Node) sinceLeader() (time.Duration, bool) {
	r := n.raft.Load()
	switch {
	case r == nil:
		return 0, false
	case r.State() == raft.Leader:
		return 0, true
	case r.LastContact().IsZero():
		return 0, false
	}
	return time.Since(r.LastContact()), true
}

// watchLeadership does what a leader does, for as long as the node is one. The
// channel keeps only the newest change: lead looks at the term by itself.
func (n *Node) watchLeadership(notify <-chan bool) {
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case leading := <-notify:
			stop()
			stop = func() {}
			term := n.raft.Load().CurrentTerm()
			n.log.LogAttrs(n.life, slog.LevelInfo, "leadership changed", slog.Bool("leader", leading), slog.Uint64("term", term))
			if !leading {
				continue
			}
			ctx, cancel := context.WithCancel(n.life)
			done := make(chan struct{})
			go func() { defer close(done); n.lead(ctx) }()
			stop = func() { cancel(); <-done }
		case <-n.life.Done():
			return
		}
	}
}

// lead runs on the leader. Its first entry shows that all entries of earlier
// terms are applied; until then latest reads are refused.
func (n *Node) lead(ctx context.Context) {
	n.tick(ctx)
	n.keepKeys(ctx)
	ticker := time.NewTicker(leaderInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if n.machine.Position().Term != n.raft.Load().CurrentTerm() || n.due() {
			n.tick(ctx)
		}
		n.keepKeys(ctx)
		n.expel(ctx)
		n.promote(ctx)
	}
}

func (n *Node) tick(ctx context.Context) {
	_, err := n.apply(&statev1.Entry{
		UnixNanos: time.Now().UnixNano(),
		Commands: []*statev1.Command{{
			Name: system.Tick.Name, Caller: &statev1.Caller{Principal: string(command.System)},
		}},
	})
	if err != nil && ctx.Err() == nil {
		n.log.LogAttrs(ctx, slog.LevelWarn, "tick was not applied", slog.Any("error", err))
	}
}

// due says whether something waits for the log time to move on.
func (n *Node) due() bool {
	view := n.machine.View(command.Caller{})
	defer view.Close()
	at, ok := fsm.Due(view)
	return ok && at <= time.Now().UnixNano()
}

// holdsOverdue says for how long the hold that was to expire first has waited for the log
// time to move on; 0 if none waits.
func (n *Node) holdsOverdue() time.Duration {
	view := n.machine.View(command.Caller{})
	defer view.Close()
	at, ok := ledger.Due(view, view.Time)
	if !ok {
		return 0
	}
	return max(0, time.Duration(time.Now().UnixNano()-at))
}

// promote gives a vote to non-voters that have caught up.
func (n *Node) promote(ctx context.Context) {
	r := n.raft.Load()
	future := r.GetConfiguration()
	if future.Error() != nil {
		return
	}
	applied := n.machine.Position().Index
	for _, s := range future.Configuration().Servers {
		if s.Suffrage != raft.Nonvoter {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, helloTimeout)
		answer, err := n.peers.hello(ask, string(s.ID))
		cancel()
		if err != nil || answer.Unsound || answer.Applied+promotionLag < applied {
			continue
		}
		n.membership.Lock()
		err = n.changed(r.AddVoter(s.ID, s.Address, 0, membershipTimeout))
		n.membership.Unlock()
		n.log.LogAttrs(ctx, slog.LevelInfo, "node promoted to voter", slog.String("node", string(s.ID)), slog.Any("error", err))
	}
}

// expel takes out of the configuration what the state says is removed, and
// tells the nodes. A leader that is removed itself hands over first.
func (n *Node) expel(ctx context.Context) {
	view := n.machine.View(command.Caller{})
	removed := system.RemovedNodes(view)
	view.Close()
	r := n.raft.Load()
	for _, id := range removed {
		member, _ := memberOf(r.GetConfiguration().Configuration(), id)
		switch {
		case !member:
			continue
		case id == n.config.Node:
			err := r.LeadershipTransfer().Error()
			n.log.LogAttrs(ctx, slog.LevelInfo, "leadership handed over before leaving", slog.Any("error", err))
			return
		}
		n.membership.Lock()
		err := n.changed(r.RemoveServer(raft.ServerID(id), 0, membershipTimeout))
		n.membership.Unlock()
		n.log.LogAttrs(ctx, slog.LevelInfo, "node taken out", slog.String("node", id), slog.Any("error", err))
		if err == nil {
			n.dismiss(ctx, id)
		}
	}
}

// dismiss tells a node that it is no member any more; it may be dead.
func (n *Node) dismiss(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	client, err := n.peers.peer(id)
	if err == nil {
		_, err = client.Leave(ctx, &statev1.PeerLeaveRequest{})
	}
	if err != nil {
		n.log.LogAttrs(ctx, slog.LevelInfo, "the node that was taken out does not answer", slog.String("node", id), slog.Any("error", err))
	}
}

// watchMembership looks for the cluster when no leader calls. The cluster may
// have taken the node out while it was away, or not know it any more.
func (n *Node) watchMembership() {
	ticker := time.NewTicker(membershipInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-n.life.Done():
			return
		}
		if n.leaderID() != "" {
			continue
		}
		for _, answer := range n.peers.helloAll(n.life, n.knownNodes()) {
			if answer.Leader == "" || answer.Leader == n.config.Node {
				continue
			}
			if err := n.join(n.life, answer.Leader, false); errors.Is(err, fault.Denied) {
				n.fatal(err)
				return
			}
			break
		}
	}
}

const membershipInterval = 2 * time.Second
