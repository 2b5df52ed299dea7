package jepsen

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
)

// The tree of the benchmark of checks.
const (
	checkGroups  = 100
	checkUsers   = 5   // of a group
	checkFolders = 20  // of a group
	checkLeaves  = 100 // of a folder
)

// BenchmarkChecks is one node as a process, asked by a service what users may do.
// checks/cpu-s is how many checks one core of the node answers: its own time of
// the processor, the kernel's share included, without that of the client.
func BenchmarkChecks(b *testing.B) {
	c := cluster.Start(b, cluster.Options{Nodes: 1})
	operator := c.Dial()
	growCheckTree(b, operator)
	credential, err := operator.Identity.Vouch(b.Context(), &pb.VouchRequest{Subject: "/workload/gateway"})
	if err != nil {
		b.Fatal(err)
	}
	config := c.Config()
	config.Certificate, config.Key, config.Token = nil, nil, credential.Token
	gateway, err := client.Dial(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { gateway.Close() })
	node := c.Node("node1")

	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("many/%d", size), func(b *testing.B) {
			measureChecks(b, node, size, func(i int) error {
				_, err := gateway.Acl.CheckMany(b.Context(), checkRequest(i, size))
				return err
			})
		})
	}
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("stream/%d", size), func(b *testing.B) {
			stream, err := gateway.Acl.CheckStream(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			measureChecks(b, node, size, func(i int) error {
				if err := stream.Send(checkRequest(i, size)); err != nil {
					return err
				}
				_, err := stream.Recv()
				return err
			})
			if err := stream.CloseSend(); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("explain", func(b *testing.B) {
		measureChecks(b, node, 1, func(i int) error {
			_, err := gateway.Acl.Explain(b.Context(), &pb.ExplainRequest{Principal: checkUser(i), Operation: "Read", Path: checkPath(i * 7919)})
			return err
		})
	})
}

// measureChecks makes b.N calls, one after the other, of size checks each.
func measureChecks(b *testing.B, node *cluster.Node, size int, call func(i int) error) {
	before := cpuTime(b, node.PID())
	b.ResetTimer()
	for i := range b.N {
		if err := call(i); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	checks := float64(b.N * size)
	b.ReportMetric(checks/b.Elapsed().Seconds(), "checks/s")
	if used := cpuTime(b, node.PID()) - before; used > 0 {
		b.ReportMetric(checks/used.Seconds(), "checks/cpu-s")
	}
}

// cpuTime is how long a process has run, in user mode and in the kernel.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skipf("the processor time of a process is not known here: %v", err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // Linux counts in hundredths of a second
}

func checkUser(i int) string {
	return fmt.Sprintf("/user/group%d/user%d", i%checkGroups, i/checkGroups%checkUsers)
}

func checkPath(i int) string {
	i %= checkGroups * checkFolders * checkLeaves
	return fmt.Sprintf("/data/group%d/folder%d/file%d", i%checkGroups, i/checkGroups%checkFolders, i/checkGroups/checkFolders)
}

func checkRequest(i, size int) *pb.CheckManyRequest {
	req := &pb.CheckManyRequest{Principal: checkUser(i), Operations: []string{"Read"}}
	for j := range size {
		req.Paths = append(req.Paths, checkPath((i*size+j)*7919))
	}
	return req
}

// growCheckTree makes 200,000 files in folders of groups, each for the roles of
// its group and of its folder.
func growCheckTree(b *testing.B, operator *client.Client) {
	b.Helper()
	var changes []*pb.Change
	flush := func(most int) {
		if len(changes) < most {
			return
		}
		if _, err := operator.Acl.Change(b.Context(), &pb.ChangeRequest{Changes: changes}); err != nil {
			b.Fatal(err)
		}
		changes = nil
	}
	create := func(path string, directory bool) {
		flush(5000)
		changes = append(changes, &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: path, Directory: directory, Parents: true}}})
	}
	annotate := func(path string, a *pb.Annotation) {
		changes = append(changes, &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: path, Annotation: a}}})
	}
	clause := func(path, operation string, roles ...string) {
		of := &pb.Clause{Operation: operation}
		for _, role := range roles {
			of.Sets = append(of.Sets, &pb.RoleSet{Roles: []*pb.RoleName{{Path: role}}})
		}
		annotate(path, &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: of}})
	}
	clause("/", "View")
	create("/role/gateway", false)
	create("/workload/gateway", false)
	apply := func(path, role string) {
		annotate(path, &pb.Annotation{Tag: "applied-role", Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: role}}})
	}
	apply("/workload/gateway", "/role/gateway")
	create("/user", true)
	clause("/user", "Read", "/role/gateway")
	for g := range checkGroups {
		role := fmt.Sprintf("/role/group%d", g)
		create(role, false)
		for u := range checkUsers {
			create(checkUser(g+u*checkGroups), false)
		}
		apply(fmt.Sprintf("/user/group%d", g), role)
		for f := range checkFolders {
			folder := fmt.Sprintf("/data/group%d/folder%d", g, f)
			create(folder, true)
			clause(folder, "Read", role)
			for l := range checkLeaves {
				create(fmt.Sprintf("%s/file%d", folder, l), false)
			}
		}
	}
	flush(1)
}
