package server

import (
	"context"
	"errors"

	"acquired/fsm"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

type batchService struct {
	pb.UnimplementedBatchServer
	node *Node
}

// Execute puts all calls on their way at once, so that they share log entries,
// and answers when each has its answer.
func (s *batchService) Execute(ctx context.Context, req *pb.BatchRequest) (*pb.BatchResponse, error) {
	if n := len(req.Calls); n < 1 || n > MaxBatchCalls {
		return nil, fault.Invalid.New("%d calls: a batch holds 1 to %d", n, MaxBatchCalls)
	}
	proposals := make([]*proposal, len(req.Calls))
	res := &pb.BatchResponse{Answers: make([]*pb.BatchAnswer, len(req.Calls))}
	for i, c := range req.Calls {
		p, err := s.submit(ctx, c)
		if err != nil {
			res.Answers[i] = refused(err)
			continue
		}
		proposals[i] = p
	}
	var newest uint64
	for i, p := range proposals {
		if p == nil {
			continue
		}
		result, err := p.wait(ctx)
		if err != nil {
			res.Answers[i] = refused(err)
			continue
		}
		res.Answers[i] = answer(result)
		newest = max(newest, result.Index)
	}
	setIndex(ctx, newest)
	return res, nil
}

func (s *batchService) submit(ctx context.Context, c *pb.BatchCall) (*proposal, error) {
	if err := checkRequestID(c.RequestId); err != nil {
		return nil, err
	}
	d, ok := s.node.machine.Command(c.Command)
	switch {
	case !ok:
		return nil, fault.Invalid.New("no command %q", cut(c.Command))
	case d.Alone:
		return nil, fault.Invalid.New("command %s is not taken in a batch", d.Name)
	}
	if err := s.node.checkBody(d, c.Body); err != nil {
		return nil, err
	}
	return s.node.batcher.submit(&statev1.Command{
		Name: d.Name, Caller: fsm.EncodeCaller(&callOf(ctx).caller), RequestId: c.RequestId, Body: c.Body,
	})
}

func answer(r fsm.Result) *pb.BatchAnswer {
	if r.Err != nil {
		a := refused(r.Err)
		a.Index = r.Index
		return a
	}
	return &pb.BatchAnswer{Index: r.Index, Body: r.Body}
}

func refused(err error) *pb.BatchAnswer {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		f = fault.Internal.New("internal error")
	}
	return &pb.BatchAnswer{Fault: &pb.Fault{Kind: string(f.Kind), Message: f.Message, Details: f.Details}}
}
