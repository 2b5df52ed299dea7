package acl

import (
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Check answers whether a principal may do an operation on a path.
var Check = command.DefineQuery(&Commands, "acl.check", mayCheck, answerCheck)

// CheckMany answers of one principal, for many paths, several operations each.
var CheckMany = command.DefineQuery(&Commands, "acl.check_many", mayCheckMany, answerCheckMany)

// Capabilities gives the operations that a principal may do on a path.
var Capabilities = command.DefineQuery(&Commands, "acl.capabilities", mayAskCapabilities, answerCapabilities)

// MaxChecks is how many paths times operations a CheckMany asks about.
const MaxChecks = 10_000

// May says whether a principal may do an operation at a path, and whether the
// path exists and the principal may View it. It is what Check answers, for
// programs that hold the state themselves and have proved who the principal is:
// the caller of the view is not looked at. It does not allocate.
func May(v *command.Reading, principal path.Path, o command.Operation, p path.Path) (allowed, visible bool) {
	n := tree.Find(v, principal)
	if n == nil {
		return false, false
	}
	who := subject{r: v, now: v.Time, principal: principal, closure: identity.Held(v, n, v.Time)}
	return who.check(o, p)
}

func mayCheck(_ kv.Reader, req *pb.CheckRequest) ([]command.Need, error) {
	return mayAskAbout(req.Principal)
}

func mayCheckMany(_ kv.Reader, req *pb.CheckManyRequest) ([]command.Need, error) {
	if len(req.Paths)*len(req.Operations) > MaxChecks || len(req.Paths) > MaxChecks || len(req.Operations) > command.OperationCount {
		return nil, fault.Invalid.New("%d paths times %d operations: a request asks about at most %d, and for each operation once",
			len(req.Paths), len(req.Operations), MaxChecks)
	}
	return mayAskAbout(req.Principal)
}

func mayAskCapabilities(_ kv.Reader, req *pb.CapabilitiesRequest) ([]command.Need, error) {
	return mayAskAbout(req.Principal)
}

// question is what one subject may do, as far as another, who asks, may know it.
type question struct {
	about subject
	// asker is nil for who asks about itself.
	asker *subject
}

func ask(v *command.Reading, principal string) (question, error) {
	about, err := named(v, principal)
	if err != nil {
		return question{}, err
	}
	q := question{about: about}
	if principal != "" && about.principal != v.Caller.Principal {
		asker := callerOf(v)
		q.asker = &asker
	}
	return q, nil
}

// check is subject.check; what the asker may not View does not exist.
func (q *question) check(o command.Operation, p path.Path) (allowed, visible bool) {
	if q.asker != nil && !q.asker.sees(p) {
		return false, false
	}
	return q.about.check(o, p)
}

func answerCheck(v *command.Reading, req *pb.CheckRequest) (*pb.CheckResponse, error) {
	q, err := ask(v, req.Principal)
	if err != nil {
		return nil, err
	}
	o, err := command.ParseOperation(req.Operation)
	if err != nil {
		return nil, err
	}
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	allowed, visible := q.check(o, p)
	return &pb.CheckResponse{Allowed: allowed, Visible: visible}, nil
}

func answerCheckMany(v *command.Reading, req *pb.CheckManyRequest) (*pb.CheckManyResponse, error) {
	q, err := ask(v, req.Principal)
	if err != nil {
		return nil, err
	}
	var room [command.OperationCount]command.Operation
	operations := room[:0]
	for _, name := range req.Operations {
		o, err := command.ParseOperation(name)
		if err != nil {
			return nil, err
		}
		operations = append(operations, o)
	}
	res := &pb.CheckManyResponse{Allowed: make([]uint32, len(req.Paths)), Visible: make([]bool, len(req.Paths))}
	for i, name := range req.Paths {
		p, err := path.Parse(name)
		if err != nil {
			return nil, err
		}
		for j, o := range operations {
			allowed, visible := q.check(o, p)
			if !visible {
				break
			}
			res.Visible[i] = true
			if allowed {
				res.Allowed[i] |= 1 << j
			}
		}
		if len(operations) == 0 {
			_, res.Visible[i] = q.check(command.View, p)
		}
	}
	return res, nil
}

func answerCapabilities(v *command.Reading, req *pb.CapabilitiesRequest) (*pb.CapabilitiesResponse, error) {
	q, err := ask(v, req.Principal)
	if err != nil {
		return nil, err
	}
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	if _, visible := q.check(command.View, p); !visible {
		return nil, command.NotFound(p)
	}
	res := &pb.CapabilitiesResponse{}
	for _, o := range command.Operations() {
		if allowed, _ := q.check(o, p); allowed {
			res.Operations = append(res.Operations, o.String())
		}
	}
	return res, nil
}
