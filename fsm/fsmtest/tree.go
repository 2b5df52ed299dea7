package fsmtest

import (
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
)

// Principal makes a principal, the directories above it included, with the roles
// applied to it, which are made too, and gives a client that acts as it: it shows
// a certificate.
func (m *Machine) Principal(p path.Path, roles ...path.Path) *Client {
	m.t.Helper()
	m.Leaf(p)
	for _, role := range roles {
		m.Leaf(role)
		m.Annotate(p, AppliedRole(role))
	}
	return m.As(command.Caller{Principal: p, Method: command.ByCertificate, Issued: m.now})
}

// Clause hangs a clause for the operation on a path, which is made as a directory
// when there is nothing. It binds all below too. The roles of its one set are
// made; without any, it is met by everybody.
func (m *Machine) Clause(p path.Path, o command.Operation, roles ...path.Path) {
	m.t.Helper()
	m.clause(p, o, false, roles)
}

// LocalClause is Clause for one that binds the path alone.
func (m *Machine) LocalClause(p path.Path, o command.Operation, roles ...path.Path) {
	m.t.Helper()
	m.clause(p, o, true, roles)
}

func (m *Machine) clause(p path.Path, o command.Operation, local bool, roles []path.Path) {
	m.t.Helper()
	clause := &pb.Clause{Operation: o.String(), Local: local}
	if len(roles) > 0 {
		set := &pb.RoleSet{}
		for _, role := range roles {
			m.Leaf(role)
			set.Roles = append(set.Roles, &pb.RoleName{Path: string(role)})
		}
		clause.Sets = append(clause.Sets, set)
	}
	m.Directory(p)
	m.Annotate(p, &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: clause}})
}

// Leaf makes a leaf, the directories above it included, where there is nothing.
func (m *Machine) Leaf(p path.Path) {
	m.t.Helper()
	m.make(p, false)
}

// Directory makes a directory, those above it included, where there is nothing.
func (m *Machine) Directory(p path.Path) {
	m.t.Helper()
	m.make(p, true)
}

func (m *Machine) make(p path.Path, directory bool) {
	m.t.Helper()
	res, err := Ask(m.Operator, acl.Check, &pb.CheckRequest{Operation: "View", Path: string(p)})
	if err != nil {
		m.t.Fatalf("is there anything at %s? %v", p, err)
	}
	if !res.Visible {
		m.Change(&pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: string(p), Directory: directory, Parents: true}}})
	}
}

// Remove removes a node that has nothing below it.
func (m *Machine) Remove(p path.Path) {
	m.t.Helper()
	m.Change(&pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: string(p)}}})
}

// Annotate hangs an annotation on a path, and gives its unique and its version.
func (m *Machine) Annotate(p path.Path, a *pb.Annotation) *pb.Changed {
	m.t.Helper()
	return m.Change(&pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: string(p), Annotation: a}}})
}

// Unannotate takes an annotation off.
func (m *Machine) Unannotate(p path.Path, tag string, unique uint64) {
	m.t.Helper()
	m.Change(&pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: string(p), Tag: tag, Unique: unique}}})
}

// Change makes a change as the operator.
func (m *Machine) Change(change *pb.Change) *pb.Changed {
	m.t.Helper()
	return Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{change}}).Changed[0]
}

// AppliedRole is the annotation that applies a role.
func AppliedRole(role path.Path) *pb.Annotation {
	return &pb.Annotation{Tag: "applied-role", Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: string(role)}}}
}
