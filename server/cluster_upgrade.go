package server

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Upgrade raises the format number. Every member must answer, and say that it
// can apply the new format: one that cannot would stop.
func (s *clusterService) Upgrade(ctx context.Context, _ *pb.UpgradeRequest) (*pb.UpgradeResponse, error) {
	if err := s.mayAdminister(ctx); err != nil {
		return nil, err
	}
	n := s.node
	newest, err := n.commonFormat(ctx)
	if err != nil {
		return nil, err
	}
	if now := n.machine.Position().Format; newest <= now {
		return &pb.UpgradeResponse{Format: now}, nil
	}
	body, err := proto.Marshal(&statev1.RaiseFormatRequest{Format: newest})
	if err != nil {
		return nil, err
	}
	results, err := n.apply(&statev1.Entry{
		UnixNanos: time.Now().UnixNano(),
		Commands: []*statev1.Command{{
			Name: system.RaiseFormat.Name, Caller: &statev1.Caller{Principal: string(command.System)}, Body: body,
		}},
	})
	if err != nil {
		return nil, err
	}
	if len(results) == 1 && results[0].Err != nil {
		return nil, results[0].Err
	}
	return &pb.UpgradeResponse{Format: newest}, nil
}

// commonFormat gives the newest format that every member can apply.
func (n *Node) commonFormat(ctx context.Context) (uint32, error) {
	r := n.raft.Load()
	if r == nil {
		return 0, notFormed()
	}
	newest := uint32(system.Format)
	for _, member := range r.GetConfiguration().Configuration().Servers {
		id := string(member.ID)
		if id == n.config.Node {
			continue
		}
		answer, err := n.peers.hello(ctx, id)
		if err != nil {
			return 0, fault.Conflict.New("node %s does not answer: all members must, to say which formats they know", id)
		}
		newest = min(newest, answer.Format)
	}
	return newest, nil
}
