package server

import (
	"context"
	"io"

	"google.golang.org/grpc"

	"acquired/fsm/acl"
	pb "acquired/proto/acquired/v1"
)

type aclService struct {
	pb.UnimplementedAclServer
	node *Node
}

func (s *aclService) Change(ctx context.Context, req *pb.ChangeRequest) (*pb.ChangeResponse, error) {
	return propose(ctx, s.node, acl.Change, req)
}

func (s *aclService) Check(ctx context.Context, req *pb.CheckRequest) (*pb.CheckResponse, error) {
	return read(ctx, s.node, acl.Check, req)
}

func (s *aclService) CheckMany(ctx context.Context, req *pb.CheckManyRequest) (*pb.CheckManyResponse, error) {
	return read(ctx, s.node, acl.CheckMany, req)
}

// CheckStream answers in turn. The caller's proof is looked at again for each
// request.
func (s *aclService) CheckStream(stream grpc.BidiStreamingServer[pb.CheckManyRequest, pb.CheckManyResponse]) error {
	ctx, cancel := s.node.whileServing(stream.Context())
	defer cancel()
	for {
		req, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.node.stillGood(ctx); err != nil {
			return err
		}
		if err := s.node.freshen(ctx, callOf(ctx)); err != nil {
			return err
		}
		res, err := ask(ctx, s.node, acl.CheckMany, req)
		if err != nil {
			return err
		}
		if err := stream.Send(res); err != nil {
			return err
		}
	}
}

func (s *aclService) Capabilities(ctx context.Context, req *pb.CapabilitiesRequest) (*pb.CapabilitiesResponse, error) {
	return read(ctx, s.node, acl.Capabilities, req)
}

func (s *aclService) List(ctx context.Context, req *pb.ListRequest) (*pb.ListResponse, error) {
	return read(ctx, s.node, acl.List, req)
}

func (s *aclService) Describe(ctx context.Context, req *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return read(ctx, s.node, acl.Describe, req)
}

func (s *aclService) Simulate(ctx context.Context, req *pb.SimulateRequest) (*pb.SimulateResponse, error) {
	return read(ctx, s.node, acl.Simulate, req)
}

func (s *aclService) Export(ctx context.Context, req *pb.ExportRequest) (*pb.ExportResponse, error) {
	return read(ctx, s.node, acl.Export, req)
}

func (s *aclService) Explain(ctx context.Context, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	return read(ctx, s.node, acl.Explain, req)
}

func (s *aclService) WhoCan(ctx context.Context, req *pb.WhoCanRequest) (*pb.WhoCanResponse, error) {
	return read(ctx, s.node, acl.WhoCan, req)
}

func (s *aclService) WhatCan(ctx context.Context, req *pb.WhatCanRequest) (*pb.WhatCanResponse, error) {
	return read(ctx, s.node, acl.WhatCan, req)
}
