// Package identity holds the rules about principals: who may be given a
// credential, and by whom.
package identity

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Commands of the package.
var Commands command.Set

// Schema lists the tables of the package.
var Schema kv.Schema

// Workloads is the folder of the principals that hold tokens.
const Workloads path.Path = "/workload"

// Limits of a token.
const (
	MaxGrants          = 64
	MaxLifetimeSeconds = 30 * 24 * 60 * 60
)

// IssueToken answers whether the caller may issue the token it asks for. The
// token itself is made by the node that was asked: secrets are no part of the
// state.
var IssueToken = command.DefineQuery(&Commands, "token.issue", mayIssueToken, issueToken)

// grantable are the operations that a token may name.
var grantable = map[command.Operation]bool{
	command.View: true, command.Read: true, command.Write: true, command.Admin: true, command.Spend: true,
}

// mayIssueToken: whoever administers the subject, and holds what it gives.
func mayIssueToken(_ kv.Reader, req *pb.IssueTokenRequest) ([]command.Need, error) {
	subject, err := path.Parse(req.Subject)
	if err != nil {
		return nil, err
	}
	if !Workloads.Covers(subject) || subject == Workloads {
		return nil, fault.Invalid.New("the subject of a token is a path below %s, not %s", Workloads, subject)
	}
	needs := []command.Need{{Operation: command.Admin, Path: subject}}
	if len(req.Grants) > MaxGrants {
		return nil, fault.Invalid.New("%d grants: a token holds at most %d", len(req.Grants), MaxGrants)
	}
	for _, g := range req.Grants {
		if !grantable[command.Operation(g.Operation)] {
			return nil, fault.Invalid.New("%q is no operation that a token can grant: Admin, Read, Spend, View or Write", g.Operation)
		}
		p, err := path.Parse(g.Path)
		if err != nil {
			return nil, err
		}
		needs = append(needs, command.Need{Operation: command.Operation(g.Operation), Path: p})
	}
	if req.LifetimeSeconds < 0 || req.LifetimeSeconds > MaxLifetimeSeconds {
		return nil, fault.Invalid.New("a token lives 1 to %d seconds, not %d", MaxLifetimeSeconds, req.LifetimeSeconds)
	}
	return needs, nil
}

func issueToken(*command.Reading, *pb.IssueTokenRequest) (*pb.IssueTokenResponse, error) {
	return &pb.IssueTokenResponse{}, nil
}
