package identity

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Vouch answers whether the caller may obtain a credential for a principal. The
// credential is made by the node that was asked: secrets are no part of the state.
var Vouch = command.DefineQuery(&Commands, "identity.vouch", mayVouch, vouch)

// MaxVouchedSeconds is how long a credential is valid that another principal
// obtained, or that shows roles to a data service.
const MaxVouchedSeconds = 30 * 60

func mayVouch(_ kv.Reader, req *pb.VouchRequest) ([]command.Need, error) {
	p, err := ParsePrincipal(req.Subject)
	if err != nil {
		return nil, err
	}
	if err := CheckLifetime(req.LifetimeSeconds); err != nil {
		return nil, err
	}
	return []command.Need{{Operation: command.VouchFor, Path: p}}, nil
}

// CheckLifetime refuses lifetimes that a vouched credential does not have.
func CheckLifetime(seconds int64) error {
	if seconds < 0 || seconds > MaxVouchedSeconds {
		return fault.Invalid.New("it lives 1 to %d seconds, not %d", MaxVouchedSeconds, seconds)
	}
	return nil
}

func vouch(v *command.Reading, req *pb.VouchRequest) (*pb.Credential, error) {
	p, err := ParsePrincipal(req.Subject)
	if err != nil {
		return nil, err
	}
	n := tree.Find(v, p)
	switch caller := &v.Caller; {
	case n == nil:
		return nil, command.NotFound(p)
	case !IsPrincipal(n):
		return nil, fault.Conflict.New("%s is a directory, not a principal", p).With("path", string(p))
	case caller.Method == command.ByIssuer:
		return nil, fault.Denied.New("a token of an outside issuer is not enough to vouch: show a credential of the cluster or a certificate")
	case len(caller.Actors) >= MaxActors:
		return nil, fault.Denied.New("%d principals have vouched for one another already, which is the most", len(caller.Actors))
	}
	return &pb.Credential{Subject: string(p)}, nil
}

// Subject is what a new credential says of a principal.
type Subject struct {
	Born, Epoch uint64
}

// SubjectOf gives what a new credential of the principal is to say; ok is false
// when there is no such principal.
func SubjectOf(r kv.Reader, p path.Path) (s Subject, ok bool) {
	n := tree.Find(r, p)
	if !IsPrincipal(n) {
		return s, false
	}
	return Subject{Born: n.Born, Epoch: recordOf(r, p).epoch}, true
}

// ActorsOf gives the actors of a credential that the caller obtains for another
// principal.
func ActorsOf(r kv.Reader, caller *command.Caller) []command.Actor {
	self := command.Actor{Principal: caller.Principal, Epoch: recordOf(r, caller.Principal).epoch, Session: caller.Session, Key: caller.Key}
	if n := tree.Find(r, caller.Principal); !caller.Operator && n != nil {
		self.Born = n.Born
	}
	return append([]command.Actor{self}, caller.Actors...)
}
