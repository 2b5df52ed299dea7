package acl

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// WhatCan gives the paths on which a principal may do an operation, in order:
// those for which Check says so to the caller.
var WhatCan = command.DefineQuery(&Commands, "acl.what_can", mayAskWhatCan, answerWhatCan)

func mayAskWhatCan(_ kv.Reader, req *pb.WhatCanRequest) ([]command.Need, error) {
	return mayAskAbout(req.Principal)
}

func answerWhatCan(v *command.Reading, req *pb.WhatCanRequest) (*pb.WhatCanResponse, error) {
	q, err := ask(v, req.Principal)
	if err != nil {
		return nil, err
	}
	o, err := command.ParseOperation(req.Operation)
	if err != nil {
		return nil, err
	}
	page, err := parsePathPage(req.Under, req.Cursor, req.Limit)
	if err != nil {
		return nil, err
	}
	barren := func(p path.Path) bool { return q.barren(o, p) }
	for n := range tree.SubtreeBut(v, page.under, page.after, barren) {
		if allowed, _ := q.check(o, n.Path); allowed && !page.add(n.Path) {
			break
		}
	}
	return &pb.WhatCanResponse{Paths: page.lines, Cursor: page.cursor}, nil
}

// barren says that check allows the operation nowhere below the path.
func (q *question) barren(o command.Operation, p path.Path) bool {
	return q.about.barren(p, command.View, o) || q.asker != nil && q.asker.barren(p, command.View)
}

// barren says that the subject may not do one of the operations anywhere below the
// path, where there is a node. What is below can only narrow a policy; where there
// is none, a clause is needed.
func (s *subject) barren(p path.Path, operations ...command.Operation) bool {
	if s.operator {
		return false
	}
	below := rightsOf(s.r, tree.Find(s.r, p), s.now).Below
	missing := false
	for _, o := range operations {
		needed := below.Self[o]
		if needed != nil && !s.closure.Meets(needed) {
			return true
		}
		missing = missing || needed == nil
	}
	if !missing {
		return false
	}
	for range tree.ClausesBelow(s.r, p) {
		return false
	}
	return true
}
