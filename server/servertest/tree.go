package servertest

import (
	"errors"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Operator is a client of an operator that knows all nodes. It is the same each
// time.
func (c *Cluster) Operator() *client.Client {
	c.t.Helper()
	if c.asOperator == nil {
		c.asOperator = c.Dial()
	}
	return c.asOperator
}

// Change makes changes of the tree, all or none, in the name of an operator.
func (c *Cluster) Change(changes ...*pb.Change) *pb.ChangeResponse {
	c.t.Helper()
	res, err := c.Operator().Acl.Change(c.t.Context(), &pb.ChangeRequest{Changes: changes})
	if err != nil {
		c.t.Fatalf("change the tree: %v", err)
	}
	return res
}

// Make creates leaves and the directories above them, except those that exist.
func (c *Cluster) Make(leaves ...string) {
	c.t.Helper()
	for _, leaf := range leaves {
		_, err := c.Operator().Acl.Change(c.t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{{
			Change: &pb.Change_Create{Create: &pb.CreateNode{Path: leaf, Parents: true}},
		}}})
		if err != nil && !errors.Is(err, fault.Exists) {
			c.t.Fatalf("create %s: %v", leaf, err)
		}
	}
}

// Principal creates a principal that holds the roles, which are created too.
func (c *Cluster) Principal(path string, roles ...string) {
	c.t.Helper()
	c.Make(roles...)
	c.Make(path)
	if len(roles) == 0 {
		return
	}
	changes := make([]*pb.Change, len(roles))
	for i, role := range roles {
		changes[i] = Apply(path, role)
	}
	c.Change(changes...)
}

// Clause restricts the operation, from the path down, to those who hold one of
// the roles, which are created; without any it is open to everybody.
func (c *Cluster) Clause(path, operation string, roles ...string) {
	c.t.Helper()
	c.Make(roles...)
	clause := &pb.Clause{Operation: operation}
	if len(roles) > 0 {
		clause.Sets = []*pb.RoleSet{{Roles: roleNames(roles)}}
	}
	c.Change(Annotate(path, &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: clause}}))
}

func roleNames(roles []string) (names []*pb.RoleName) {
	for _, role := range roles {
		names = append(names, &pb.RoleName{Path: role})
	}
	return names
}

// Apply is the change that gives a role to what is at the path.
func Apply(path, role string) *pb.Change {
	return Annotate(path, &pb.Annotation{Tag: "applied-role", Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: role}}})
}

// Text is the change that writes a text on the path.
func Text(path, tag, text string) *pb.Change {
	return Annotate(path, &pb.Annotation{Tag: tag, Content: &pb.Annotation_Text{Text: text}})
}

// Annotate is the change that writes an annotation, whatever is there.
func Annotate(path string, annotation *pb.Annotation) *pb.Change {
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: path, Annotation: annotation, IfVersion: -1}}}
}

// Remove is the change that removes the node at the path.
func Remove(path string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: path}}}
}

// Credential obtains a credential for a principal by the word of an operator.
func (c *Cluster) Credential(principal string) *pb.Credential {
	c.t.Helper()
	credential, err := c.Operator().Identity.Vouch(c.t.Context(), &pb.VouchRequest{Subject: principal})
	if err != nil {
		c.t.Fatalf("vouch for %s: %v", principal, err)
	}
	return credential
}

// Bearer gives the configuration of a client that shows a token and knows the
// nodes, or all of them.
func (c *Cluster) Bearer(token string, nodes ...string) client.Config {
	config := c.Config(nodes...)
	config.Certificate, config.Key, config.Token = nil, nil, token
	return config
}

// As gives a client of a principal, with a credential of its own.
func (c *Cluster) As(principal string, nodes ...string) *client.Client {
	c.t.Helper()
	return c.DialConfig(c.Bearer(c.Credential(principal).Token, nodes...))
}
