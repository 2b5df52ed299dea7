package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"acquired/fsm/command"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/pki"
)

// hashTimeout is how long a node that is behind may take to catch up. Raft calls
// a node that was away again after 10 s at the most.
const hashTimeout = 15 * time.Second

// clusterService is what operators do to nodes.
type clusterService struct {
	pb.UnimplementedClusterServer
	node *Node
}

// mayObserve and mayAdminister ask the access evaluator, of the newest state
// that this node has: they must answer without a leader.
func (s *clusterService) mayObserve(ctx context.Context) error {
	_, err := ask(ctx, s.node, system.Observe, &pb.StatusRequest{})
	return err
}

func (s *clusterService) mayAdminister(ctx context.Context) error {
	_, err := ask(ctx, s.node, system.Administer, &pb.StatusRequest{})
	return err
}

func (s *clusterService) Status(ctx context.Context, _ *pb.StatusRequest) (*pb.StatusResponse, error) {
	if err := s.mayObserve(ctx); err != nil {
		return nil, err
	}
	n := s.node
	at := n.machine.Position()
	res := &pb.StatusResponse{
		ClusterId: n.config.Cluster, Node: n.config.Node, Leader: n.leaderID(),
		Index: at.Index, Format: at.Format, Nodes: n.nodeStatuses(ctx),
	}
	if r := n.raft.Load(); r != nil {
		res.Term = r.CurrentTerm()
	}
	return res, nil
}

// nodeStatuses asks every node of the configuration, and those that gossip
// knows besides.
func (n *Node) nodeStatuses(ctx context.Context) []*pb.NodeStatus {
	var configuration raft.Configuration
	if r := n.raft.Load(); r != nil {
		configuration = r.GetConfiguration().Configuration()
	}
	ids := append(n.knownNodes(), n.config.Node)
	for _, server := range configuration.Servers {
		ids = append(ids, string(server.ID))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	answers := n.peers.helloAll(ctx, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == n.config.Node }))
	answers[n.config.Node] = n.hello()
	var newest uint64
	for _, answer := range answers {
		newest = max(newest, answer.Applied)
	}
	var statuses []*pb.NodeStatus
	for _, id := range ids {
		statuses = append(statuses, n.nodeStatus(id, configuration, answers[id], newest))
	}
	return statuses
}

func (n *Node) nodeStatus(id string, configuration raft.Configuration, answer *statev1.HelloResponse, newest uint64) *pb.NodeStatus {
	status := &pb.NodeStatus{Id: id, Suffrage: "none"}
	status.Address, _ = n.addressOf(id)
	if member, suffrage := memberOf(configuration, id); member {
		status.Suffrage = "voter"
		if suffrage != raft.Voter {
			status.Suffrage = "nonvoter"
		}
	}
	if answer != nil {
		status.Healthy = !answer.Unsound && answer.Phase != phaseFresh
		status.Applied, status.Version = answer.Applied, answer.Version
		status.Lag = newest - answer.Applied
	}
	return status
}

func (s *clusterService) Members(ctx context.Context, _ *pb.MembersRequest) (*pb.MembersResponse, error) {
	if err := s.mayObserve(ctx); err != nil {
		return nil, err
	}
	view := s.node.machine.View(command.Caller{})
	defer view.Close()
	return &pb.MembersResponse{Nodes: s.node.nodeStatuses(ctx), Removed: system.RemovedNodes(view)}, nil
}

// Hash asks all members for their hash at the index that this node is at.
func (s *clusterService) Hash(ctx context.Context, _ *pb.HashRequest) (*pb.HashResponse, error) {
	if err := s.mayObserve(ctx); err != nil {
		return nil, err
	}
	n := s.node
	r := n.raft.Load()
	if r == nil {
		return nil, notFormed()
	}
	if err := n.freshen(ctx, callOf(ctx)); err != nil {
		return nil, err
	}
	var ids []string
	for _, server := range r.GetConfiguration().Configuration().Servers {
		ids = append(ids, string(server.ID))
	}
	ctx, cancel := context.WithTimeout(ctx, hashTimeout)
	defer cancel()
	index := n.machine.Position().Index
	res := &pb.HashResponse{}
	for _, answer := range n.hashesAt(ctx, ids, index) {
		hash := &pb.NodeHash{Id: answer.node, Index: index}
		if answer.err != nil {
			hash.Error = fault.FromGRPC(answer.err).Error()
		} else {
			hash.Hash = answer.hash.String()
		}
		res.Nodes = append(res.Nodes, hash)
	}
	slices.SortFunc(res.Nodes, func(a, b *pb.NodeHash) int { return strings.Compare(a.Id, b.Id) })
	return res, nil
}

func (s *clusterService) Admit(ctx context.Context, req *pb.AdmitRequest) (*pb.AdmitResponse, error) {
	if err := pki.ValidateName("node id", req.Id); err != nil {
		return nil, err
	}
	return propose(ctx, s.node, system.AdmitNode, req)
}

// Leave is Remove for a node that is well: it answers, and it is told to end.
func (s *clusterService) Leave(ctx context.Context, req *pb.LeaveRequest) (*pb.LeaveResponse, error) {
	if err := s.mayAdminister(ctx); err != nil {
		return nil, err
	}
	if req.Id != s.node.config.Node {
		if _, err := s.node.peers.hello(ctx, req.Id); err != nil {
			return nil, fault.Conflict.New("node %q does not answer: remove it instead", req.Id)
		}
	}
	if _, err := s.Remove(ctx, &pb.RemoveRequest{Id: req.Id}); err != nil {
		return nil, err
	}
	return &pb.LeaveResponse{}, nil
}

func (s *clusterService) Remove(ctx context.Context, req *pb.RemoveRequest) (*pb.RemoveResponse, error) {
	n := s.node
	r := n.raft.Load()
	if r == nil {
		return nil, notFormed()
	}
	if err := s.mayAdminister(ctx); err != nil {
		return nil, err
	}
	configuration := r.GetConfiguration().Configuration()
	if member, _ := memberOf(configuration, req.Id); !member {
		return nil, fault.NotFound.New("no node %q in the cluster", req.Id)
	}
	if err := n.checkQuorumWithout(ctx, configuration, req); err != nil {
		return nil, err
	}
	res, err := propose(ctx, n, system.RemoveNode, req)
	if err != nil {
		return nil, err
	}
	n.expel(ctx)
	return res, nil
}

// checkQuorumWithout refuses to take out a node when those that would be left
// could not decide anything.
func (n *Node) checkQuorumWithout(ctx context.Context, configuration raft.Configuration, req *pb.RemoveRequest) error {
	view := n.machine.View(command.Caller{})
	defer view.Close()
	var left []string
	for _, server := range configuration.Servers {
		id := string(server.ID)
		if server.Suffrage == raft.Voter && id != req.Id && !system.Removed(view, id) {
			left = append(left, id)
		}
	}
	if len(left) == 0 {
		return fault.Conflict.New("node %s is the only voter: nobody would be left", req.Id)
	}
	others := slices.DeleteFunc(slices.Clone(left), func(id string) bool { return id == n.config.Node })
	answering := len(n.peers.helloAll(ctx, others)) + len(left) - len(others)
	if quorum := len(left)/2 + 1; answering < quorum && !req.Force {
		return fault.Conflict.New("without node %s, %d of %d voters answer and %d are needed: the cluster would stop; force it if that is meant",
			req.Id, answering, len(left), quorum)
	}
	return nil
}

func (s *clusterService) TransferLeader(ctx context.Context, req *pb.TransferLeaderRequest) (*pb.TransferLeaderResponse, error) {
	if err := s.mayAdminister(ctx); err != nil {
		return nil, err
	}
	n := s.node
	r := n.raft.Load()
	if r == nil {
		return nil, notFormed()
	}
	if req.Id == n.config.Node {
		return &pb.TransferLeaderResponse{Leader: req.Id}, nil
	}
	future := r.LeadershipTransfer
	if req.Id != "" {
		if err := n.checkTarget(ctx, r, req.Id); err != nil {
			return nil, err
		}
		future = func() raft.Future {
			return r.LeadershipTransferToServer(raft.ServerID(req.Id), raft.ServerAddress(req.Id))
		}
	}
	if err := future().Error(); err != nil {
		return nil, fault.Unserved(fault.Definite, "leadership was not transferred: %v", err)
	}
	leader, err := n.nextLeader(ctx)
	if err != nil {
		return nil, err
	}
	return &pb.TransferLeaderResponse{Leader: leader}, nil
}

// nextLeader waits until another node leads.
func (n *Node) nextLeader(ctx context.Context) (string, error) {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if leader := n.leaderID(); leader != "" && leader != n.config.Node {
			return leader, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return "", fault.Unserved(fault.Unknown, "leadership was given up and no other node has taken it yet")
		}
	}
}

// checkTarget refuses a leader that would first have to catch up.
func (n *Node) checkTarget(ctx context.Context, r *raft.Raft, id string) error {
	member, suffrage := memberOf(r.GetConfiguration().Configuration(), id)
	if !member || suffrage != raft.Voter {
		return fault.NotFound.New("no voter %q in the cluster", id)
	}
	answer, err := n.peers.hello(ctx, id)
	if err != nil {
		return fault.Conflict.New("node %s does not answer", id)
	}
	if lag := n.machine.Position().Index - min(answer.Applied, n.machine.Position().Index); lag > promotionLag {
		return fault.Conflict.New("node %s is %d entries behind; at most %d are allowed", id, lag, promotionLag)
	}
	return nil
}
