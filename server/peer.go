package server

import (
	"context"
	"log/slog"

	"github.com/hashicorp/raft"

	"acquired/fsm/command"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// peerService is what nodes ask of this one.
type peerService struct {
	statev1.UnimplementedPeerServer
	node *Node
}

// The phases of a node.
const (
	phaseFresh   = "fresh"
	phaseForming = "forming"
	phaseRunning = "running"
)

func (s *peerService) Hello(context.Context, *statev1.HelloRequest) (*statev1.HelloResponse, error) {
	return s.node.hello(), nil
}

func (n *Node) hello() *statev1.HelloResponse {
	res := &statev1.HelloResponse{
		Id: n.config.Node, ClusterId: n.config.Cluster, Phase: phaseFresh,
		Address: n.address, Version: n.version, Format: system.Format,
		Applied: n.machine.Position().Index, Leader: n.leaderID(), Unsound: n.stalled(),
	}
	if r := n.raft.Load(); r != nil {
		res.Term = r.CurrentTerm()
		res.Phase = phaseRunning
		// The first entry is the configuration with which the cluster was formed.
		if r.LastIndex() <= 1 {
			res.Phase = phaseForming
		}
	}
	return res
}

func (s *peerService) ReadIndex(ctx context.Context, req *statev1.ReadIndexRequest) (*statev1.ReadIndexResponse, error) {
	index, err := s.node.confirm(ctx, callOf(ctx).node, req.Term)
	if err != nil {
		return nil, err
	}
	return &statev1.ReadIndexResponse{Index: index}, nil
}

func (s *peerService) ConfirmTerm(context.Context, *statev1.ConfirmTermRequest) (*statev1.ConfirmTermResponse, error) {
	r := s.node.raft.Load()
	if r == nil {
		return nil, notFormed()
	}
	return &statev1.ConfirmTermResponse{Term: r.CurrentTerm()}, nil
}

func (s *peerService) HashAt(ctx context.Context, req *statev1.HashAtRequest) (*statev1.HashAtResponse, error) {
	if err := s.node.applied.wait(ctx, req.Index); err != nil {
		return nil, err
	}
	hash, ok := s.node.machine.HashAt(req.Index)
	if !ok {
		return nil, fault.NotFound.New("node %s no longer knows its hash at index %d", s.node.config.Node, req.Index)
	}
	return &statev1.HashAtResponse{Index: req.Index, Hash: hash.Bytes()}, nil
}

// Join makes the calling node a member: as a non-voter first, promoted when it
// has caught up. A node with nothing on disk that is a voter has forgotten its
// votes, so it is taken out before it is added.
func (s *peerService) Join(ctx context.Context, req *statev1.JoinRequest) (*statev1.JoinResponse, error) {
	n, id := s.node, callOf(ctx).node
	r := n.raft.Load()
	if r == nil || !n.isLeader() {
		return nil, n.notLeader()
	}
	view := n.machine.View(command.Caller{})
	removed := system.Removed(view, id)
	view.Close()
	if removed {
		return nil, fault.Denied.New("node %s was taken out of the cluster; `acquired cluster join %s` lets it come back", id, id)
	}
	n.membership.Lock()
	defer n.membership.Unlock()
	configuration := r.GetConfiguration().Configuration()
	member, suffrage := memberOf(configuration, id)
	if member && suffrage == raft.Voter && req.Empty {
		if err := n.changed(r.RemoveServer(raft.ServerID(id), 0, membershipTimeout)); err != nil {
			return nil, err
		}
		member = false
	}
	if !member {
		if err := n.changed(r.AddNonvoter(raft.ServerID(id), raft.ServerAddress(id), 0, membershipTimeout)); err != nil {
			return nil, err
		}
		n.log.LogAttrs(ctx, slog.LevelInfo, "node joined", slog.String("node", id), slog.String("address", req.Address))
	}
	return &statev1.JoinResponse{}, nil
}

// changed waits for a change of the configuration.
func (n *Node) changed(future raft.IndexFuture) error {
	if err := future.Error(); err != nil {
		return n.applyError(err)
	}
	return nil
}

func memberOf(c raft.Configuration, id string) (member bool, suffrage raft.ServerSuffrage) {
	for _, s := range c.Servers {
		if string(s.ID) == id {
			return true, s.Suffrage
		}
	}
	return false, raft.Nonvoter
}

func (s *peerService) Leave(ctx context.Context, _ *statev1.PeerLeaveRequest) (*statev1.PeerLeaveResponse, error) {
	s.node.log.LogAttrs(ctx, slog.LevelInfo, "this node was taken out of the cluster", slog.String("by", callOf(ctx).node))
	s.node.left()
	return &statev1.PeerLeaveResponse{}, nil
}
