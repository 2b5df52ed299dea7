package acl

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// Describe gives what hangs on a path and what it inherits.
var Describe = command.DefineQuery(&Commands, "acl.describe", mayDescribe, answerDescribe)

func mayDescribe(_ kv.Reader, req *pb.DescribeRequest) ([]command.Need, error) {
	return mayView(req.Path)
}

func answerDescribe(v *command.Reading, req *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	who := callerOf(v)
	n := tree.Find(v, p)
	if n == nil {
		return nil, command.NotFound(p)
	}
	res := &pb.DescribeResponse{Node: shown(n), Annotations: who.annotations(p)}
	for above := range p.Ancestors() {
		if above == p {
			break
		}
		for _, a := range who.inherited(above) {
			res.Inherited = append(res.Inherited, &pb.InheritedAnnotation{At: string(above), Annotation: a})
		}
	}
	return res, nil
}

// annotations gives what hangs on the path and has not ended, as the subject may
// see it.
func (s *subject) annotations(p path.Path) (all []*pb.Annotation) {
	for _, role := range identity.Applied(s.r, p) {
		if !role.Ended(s.now) {
			all = append(all, s.showRole(role))
		}
	}
	for _, clause := range tree.Clauses(s.r, p) {
		if !clause.Ended(s.now) {
			all = append(all, s.showClause(clause))
		}
	}
	for _, text := range tree.Texts(s.r, p) {
		if !text.Ended(s.now) {
			a := showHeader(text.Tag, text.Header)
			a.Content = &pb.Annotation_Text{Text: text.Text}
			all = append(all, a)
		}
	}
	// Each list is in order already, but tags of texts may be between the others.
	slices.SortStableFunc(all, func(a, b *pb.Annotation) int { return strings.Compare(a.Tag, b.Tag) })
	return all
}

// inherited gives the applied roles and clauses of a directory that hold below
// it.
func (s *subject) inherited(p path.Path) (all []*pb.Annotation) {
	for _, role := range identity.Applied(s.r, p) {
		if role.InForce(s.now) {
			all = append(all, s.showRole(role))
		}
	}
	for _, clause := range tree.Clauses(s.r, p) {
		if clause.InForce(s.now) && !clause.Local {
			all = append(all, s.showClause(clause))
		}
	}
	return all
}

func showHeader(tag string, h tree.Header) *pb.Annotation {
	return &pb.Annotation{Tag: tag, Unique: h.Unique, Version: h.Version, StartUnixNanos: h.Start, EndUnixNanos: h.End}
}

func (s *subject) showRole(role identity.AppliedRole) *pb.Annotation {
	a := showHeader(tagRole, role.Header)
	a.Content = &pb.Annotation_Role{Role: s.roleName(role.Role)}
	return a
}

func (s *subject) showClause(clause tree.Clause) *pb.Annotation {
	shown := &pb.Clause{Operation: clause.Operation.String(), Local: clause.Local, EndWidens: clause.EndWidens}
	for _, set := range clause.Sets {
		shown.Sets = append(shown.Sets, &pb.RoleSet{Roles: s.roleNames(set)})
	}
	a := showHeader(tagClause, clause.Header)
	a.Content = &pb.Annotation_Clause{Clause: shown}
	return a
}

// roleNames shows roles, the redacted ones last: their place would tell how they
// are called.
func (s *subject) roleNames(set []path.Path) (names []*pb.RoleName) {
	var redacted []*pb.RoleName
	for _, role := range set {
		name := s.roleName(role)
		if name.Redacted {
			redacted = append(redacted, name)
			continue
		}
		names = append(names, name)
	}
	return append(names, redacted...)
}

// roleName shows a role. One that the subject may not View is redacted. One that
// does not exist is shown to those who could View it if it did.
func (s *subject) roleName(role path.Path) *pb.RoleName {
	if !s.meets(command.View, role) {
		return &pb.RoleName{Redacted: true}
	}
	return &pb.RoleName{Path: string(role), Dangling: tree.Find(s.r, role) == nil}
}
