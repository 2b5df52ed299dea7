package server_test

import (
	"strings"
	"testing"

	pb "acquired/proto/acquired/v1"
	"acquired/server/servertest"
)

// operations are all that the clauses of govern are about.
var operations = []string{"View", "Read", "Write", "Admin", "UseRole", "ApplyRole", "VouchFor", "Spend"}

// roleFor gives the role that lets one do the operation, anywhere.
func roleFor(operation string) string { return "/role/may/" + strings.ToLower(operation) }

// govern makes a role for each operation, and the clauses that ask for it on the
// root of the tree.
func govern(t *testing.T, cluster *servertest.Cluster) {
	t.Helper()
	var changes []*pb.Change
	for _, operation := range operations {
		role := roleFor(operation)
		changes = append(changes,
			&pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: role, Parents: true}}},
			servertest.Annotate("/", &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: &pb.Clause{
				Operation: operation, Sets: []*pb.RoleSet{{Roles: []*pb.RoleName{{Path: role}}}},
			}}}))
	}
	cluster.Change(changes...)
}

// workload makes a principal that may do the operations in a tree that is
// governed, and gives a credential for it.
func workload(t *testing.T, cluster *servertest.Cluster, path string, operations ...string) string {
	t.Helper()
	changes := []*pb.Change{{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: path, Parents: true}}}}
	for _, operation := range operations {
		changes = append(changes, servertest.Apply(path, roleFor(operation)))
	}
	cluster.Change(changes...)
	return cluster.Credential(path).Token
}
