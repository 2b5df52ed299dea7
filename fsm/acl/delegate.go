package acl

import (
	"encoding/json"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Delegate answers what a data service may know of the caller at a path. It is of
// the service Identity and lives here because it asks what the caller may do.
var Delegate = command.DefineQuery(&Commands, "identity.delegate", mayDelegate, answerDelegate)

// MaxDelegatedRoles is how many roles a path delegates.
const MaxDelegatedRoles = 64

// mayDelegate: who may do with the data what the data service is to do for it.
func mayDelegate(_ kv.Reader, req *pb.DelegateRequest) ([]command.Need, error) {
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	if !tree.Data.Covers(p) || p == tree.Data {
		return nil, fault.Invalid.New("data is a path below %s, not %s", tree.Data, p)
	}
	if len(req.Operations) > command.OperationCount {
		return nil, fault.Invalid.New("%d operations: there are %d", len(req.Operations), command.OperationCount-1)
	}
	if err := identity.CheckLifetime(req.LifetimeSeconds); err != nil {
		return nil, err
	}
	needs := []command.Need{{Operation: command.View, Path: p}}
	for _, name := range req.Operations {
		o, err := command.ParseOperation(name)
		if err != nil {
			return nil, err
		}
		needs = append(needs, command.Need{Operation: o, Path: p})
	}
	return needs, nil
}

func answerDelegate(v *command.Reading, req *pb.DelegateRequest) (*pb.DelegateResponse, error) {
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	if v.Caller.Operator {
		return nil, fault.Denied.New("an operator holds no roles that could be delegated: ask as a principal")
	}
	named, err := delegatedAt(v, p)
	if err != nil {
		return nil, err
	}
	res := &pb.DelegateResponse{}
	if len(named) == 0 {
		res.Provider, err = providerOf(v, p)
		return res, err
	}
	for _, role := range heldOf(v, named) {
		res.Roles = append(res.Roles, string(role))
	}
	return res, nil
}

// delegatedAt gives the roles that the path names for delegation.
func delegatedAt(v *command.Reading, p path.Path) (roles []path.Path, err error) {
	for _, text := range tree.Texts(v, p) {
		if text.Tag != tree.TagDataInfo || !text.InForce(v.Time) {
			continue
		}
		var info struct {
			DelegatedAttributes []string `json:"delegatedAttributes"`
		}
		if json.Unmarshal([]byte(text.Text), &info) != nil || len(info.DelegatedAttributes) > MaxDelegatedRoles {
			return nil, fault.Conflict.New("the annotation %s of %s is not JSON with a list delegatedAttributes of at most %d roles", tree.TagDataInfo, p, MaxDelegatedRoles)
		}
		for _, name := range info.DelegatedAttributes {
			role, err := parseRole(&pb.RoleName{Path: name})
			if err != nil {
				return nil, err
			}
			roles = append(roles, role)
		}
		return roles, nil
	}
	return nil, fault.Conflict.New("%s has no annotation %s that says what is delegated", p, tree.TagDataInfo).With("path", string(p))
}

// providerOf gives the text of the nearest credential provider at or above the
// path.
func providerOf(v *command.Reading, p path.Path) (string, error) {
	text := ""
	for above := range p.Ancestors() {
		for _, t := range tree.Texts(v, above) {
			if t.Tag == tree.TagProvider && t.InForce(v.Time) {
				text = t.Text
				break
			}
		}
	}
	if text == "" {
		return "", fault.NotFound.New("no credential provider for %s", p).With("path", string(p))
	}
	return text, nil
}
