package server

import (
	"context"
	"log/slog"
	"time"

	"acquired/fsm/identity"
	pb "acquired/proto/acquired/v1"
	"acquired/server/token"
)

type tokenService struct {
	pb.UnimplementedTokenServer
	node *Node
}

// Issue asks the state whether the caller may, and signs here: a token is a
// secret, and secrets stay out of the log.
func (s *tokenService) Issue(ctx context.Context, req *pb.IssueTokenRequest) (*pb.IssueTokenResponse, error) {
	if _, err := read(ctx, s.node, identity.IssueToken, req); err != nil {
		return nil, err
	}
	var grants []token.Grant
	for _, g := range req.Grants {
		grants = append(grants, token.Grant{Operation: g.Operation, Path: g.Path})
	}
	signed, claims, err := s.node.tokens.Issue(req.Subject, grants, time.Duration(req.LifetimeSeconds)*time.Second, time.Now())
	if err != nil {
		return nil, err
	}
	s.node.log.LogAttrs(ctx, slog.LevelInfo, "token issued",
		slog.String("by", string(callOf(ctx).caller.Principal)), slog.Any("claims", claims))
	return &pb.IssueTokenResponse{Token: signed, ExpiresUnix: claims.ExpiresAt.Unix()}, nil
}

// Inspect says what a token is to this node. Whoever holds it may ask.
func (s *tokenService) Inspect(_ context.Context, req *pb.InspectTokenRequest) (*pb.InspectTokenResponse, error) {
	claims, err := s.node.tokens.Verify(req.Token, time.Now())
	if err != nil {
		return &pb.InspectTokenResponse{Reason: err.Error()}, nil
	}
	res := &pb.InspectTokenResponse{
		Valid: true, Id: claims.ID, Subject: claims.Subject, Audience: claims.Audience,
		IssuedUnix: claims.IssuedAt.Unix(), ExpiresUnix: claims.ExpiresAt.Unix(),
	}
	for _, g := range claims.Grants {
		res.Grants = append(res.Grants, &pb.Grant{Operation: g.Operation, Path: g.Path})
	}
	return res, nil
}
