package server

import (
	"context"
	"crypto/subtle"
	"time"

	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/token"
)

type identityService struct {
	pb.UnimplementedIdentityServer
	node *Node
}

func (s *identityService) Whoami(ctx context.Context, req *pb.WhoamiRequest) (*pb.WhoamiResponse, error) {
	return read(ctx, s.node, acl.Whoami, req)
}

// newest gives the newest state of the cluster, for the caller of ctx: who is
// given a credential must be entitled to it now, not as far as this node knows.
// The view is to be closed.
func (n *Node) newest(ctx context.Context, caller command.Caller) (*command.Reading, error) {
	if err := n.freshen(ctx, &call{consistency: readLatest}); err != nil {
		return nil, err
	}
	return n.machine.View(caller), nil
}

// Vouch signs here: a credential is a secret, and secrets stay out of the log.
func (s *identityService) Vouch(ctx context.Context, req *pb.VouchRequest) (*pb.Credential, error) {
	caller := callOf(ctx).caller
	v, err := s.node.newest(ctx, caller)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	setIndex(ctx, v.Index)
	subject, err := fsm.Ask(v, identity.Vouch, req)
	if err != nil {
		return nil, err
	}
	claims := token.Claims{
		ID: token.NewID(), Subject: subject.Subject, Method: command.ByVouching, Actors: actorsOf(identity.ActorsOf(v, &caller)),
	}
	return s.node.issue(ctx, v, claims, lifetimeOf(req.LifetimeSeconds), caller.Expires)
}

func actorsOf(actors []command.Actor) (all []token.Actor) {
	for _, a := range actors {
		all = append(all, token.Actor{Subject: string(a.Principal), Born: a.Born, Epoch: a.Epoch, Session: a.Session, KeyID: a.Key})
	}
	return all
}

// Delegate signs what shows roles. It has the session and the actors of the
// caller's own credential, with which it ends.
func (s *identityService) Delegate(ctx context.Context, req *pb.DelegateRequest) (*pb.DelegateResponse, error) {
	caller := callOf(ctx).caller
	v, err := s.node.newest(ctx, caller)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	setIndex(ctx, v.Index)
	res, err := fsm.Ask(v, acl.Delegate, req)
	if err != nil || res.Provider != "" {
		return res, err
	}
	at, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	claims := token.Claims{
		ID: caller.Session, Delegated: true, Subject: string(caller.Principal), Method: caller.Method,
		Roles: res.Roles, Node: string(at), Actors: actorsOf(caller.Actors),
	}
	if claims.ID == "" {
		claims.ID = token.NewID()
	}
	signed, err := s.node.issue(ctx, v, claims, lifetimeOf(req.LifetimeSeconds), caller.Expires)
	if err != nil {
		return nil, err
	}
	res.Token, res.ExpiresUnix = signed.Token, signed.ExpiresUnix
	return res, nil
}

// Inspect says what a credential is to this node. Whoever holds it may ask.
func (s *identityService) Inspect(ctx context.Context, req *pb.InspectRequest) (*pb.InspectResponse, error) {
	if err := s.node.freshen(ctx, callOf(ctx)); err != nil {
		return nil, err
	}
	if err := s.node.standing(ctx, callOf(ctx).caller); err != nil {
		return nil, err
	}
	v := s.node.machine.View(command.Caller{})
	defer v.Close()
	setIndex(ctx, v.Index)
	claims, err := s.node.tokens.Verify(req.Token, time.Now(), verifyingKey(v))
	if err != nil {
		return &pb.InspectResponse{Reason: err.Error()}, nil
	}
	caller, err := callerOfClaims(claims)
	if err == nil {
		err = s.node.stands(v, caller, claims.Delegated)
	}
	if err != nil {
		return &pb.InspectResponse{Reason: err.Error()}, nil
	}
	res := &pb.InspectResponse{
		Valid: true, Subject: claims.Subject, Session: claims.ID, Audience: claims.Audience,
		IssuedUnix: claims.IssuedAt.Unix(), ExpiresUnix: claims.ExpiresAt.Unix(), Method: claims.Method,
		Delegated: claims.Delegated, Path: claims.Node, Roles: claims.Roles,
	}
	for _, a := range claims.Actors {
		res.Actors = append(res.Actors, a.Subject)
	}
	return res, nil
}

// stands is identity.Standing of a credential. A delegated one has the method of
// the proof that it was given for, and counts as a credential whatever that was.
func (n *Node) stands(v *command.Reading, caller command.Caller, delegated bool) error {
	if delegated {
		caller.Method = command.ByVouching
	}
	return identity.Standing(v, &caller, v.Time)
}

func (s *identityService) Revoke(ctx context.Context, req *pb.RevokeRequest) (*pb.RevokeResponse, error) {
	return propose(ctx, s.node, identity.Revoke, req)
}

// PutIssuer checks the keys, and seals a secret, before anything is in the log.
func (s *identityService) PutIssuer(ctx context.Context, req *pb.PutIssuerRequest) (*pb.PutIssuerResponse, error) {
	algorithm := req.GetIssuer().GetAlgorithm()
	if _, err := token.ParseKeys(token.Algorithm(algorithm), req.Keys); err != nil {
		return nil, err
	}
	record := &statev1.RecordIssuerRequest{Issuer: req.Issuer, Keys: req.Keys}
	if req.Issuer.Issuer == token.Audience(s.node.config.Cluster) {
		return nil, fault.Invalid.New("issuer %s is this cluster itself", req.Issuer.Issuer)
	}
	if token.Algorithm(algorithm) == token.HS256 {
		if err := s.sealSecret(record); err != nil {
			return nil, err
		}
	}
	return propose(ctx, s.node, identity.RecordIssuer, record)
}

// sealSecret puts the sealed secret in the place of the secret. One that is there
// already stays as it was sealed: what is sent again must be the same request.
func (s *identityService) sealSecret(record *statev1.RecordIssuerRequest) error {
	name, secret := record.Issuer.Issuer, record.Keys
	v := s.node.machine.View(command.Caller{})
	defer v.Close()
	root, err := s.node.keyring.rootKey(v)
	if err != nil {
		return err
	}
	record.RootKey = root.ID()
	if there, ok := identity.IssuerNamed(v, name); ok && there.RootKey == root.ID() {
		opened, err := root.Open(purposeIssuer, name, there.Keys)
		if err == nil && subtle.ConstantTimeCompare(opened, secret) == 1 {
			record.Keys = there.Keys
			return nil
		}
	}
	record.Keys, err = root.Seal(purposeIssuer, name, secret)
	return err
}

func (s *identityService) RemoveIssuer(ctx context.Context, req *pb.RemoveIssuerRequest) (*pb.RemoveIssuerResponse, error) {
	return propose(ctx, s.node, identity.RemoveIssuer, req)
}

func (s *identityService) Issuers(ctx context.Context, req *pb.IssuersRequest) (*pb.IssuersResponse, error) {
	return read(ctx, s.node, identity.Issuers, req)
}

func (s *identityService) SigningKeys(ctx context.Context, req *pb.SigningKeysRequest) (*pb.SigningKeysResponse, error) {
	return read(ctx, s.node, identity.SigningKeys, req)
}

func (s *identityService) RevokeSigningKey(ctx context.Context, req *pb.RevokeSigningKeyRequest) (*pb.RevokeSigningKeyResponse, error) {
	return propose(ctx, s.node, identity.RevokeSigningKey, req)
}
