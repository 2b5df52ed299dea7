package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// world is a running node that was told a universe of Access Manager.
type world struct {
	cluster  *servertest.Cluster
	operator *client.Client
	// dir is the folder of the universe.
	dir   string
	nodes map[string]recordedNode
	// letters says what callers may do, as it was recorded; what a caller may not
	// View is missing.
	letters map[string]map[string]string
	// leaves are the nodes that are leaves here.
	leaves map[string]bool
}

// unmarked are the principals of new_sample that its author forgot to mark as
// leaves. They have to be principals to call, as they did.
var unmarked = []string{"am://workload/hpe/id-plugin", "am://workload/yoyodyne/id-plugin"}

// oldName gives a path as Access Manager writes it: am://user for /user.
func oldName(path string) string { return "am:/" + path }

// newWorld starts a node and loads the universe into it.
func newWorld(t *testing.T, recordings, name string) *world {
	t.Helper()
	w := startWorld(t)
	w.readUniverse(t, recordings, name)
	if _, err := w.operator.Acl.Change(t.Context(), loading(t, w.parse(t))); err != nil {
		t.Fatalf("load %s: %v", name, err)
	}
	return w
}

// startWorld starts a node that has not been told anything.
func startWorld(t *testing.T) *world {
	t.Helper()
	cluster := servertest.Start(t, servertest.Options{Nodes: 1})
	return &world{cluster: cluster, operator: cluster.Dial()}
}

// readUniverse reads what was recorded of the universe.
func (w *world) readUniverse(t *testing.T, recordings, name string) {
	t.Helper()
	w.dir = filepath.Join(recordings, name)
	w.nodes, w.letters, w.leaves = make(map[string]recordedNode), make(map[string]map[string]string), make(map[string]bool)
	file, _ := read[struct{ Nodes []recordedNode }](t, filepath.Join(w.dir, "universe.json"))
	for _, n := range file.Nodes {
		w.nodes[n.Path] = n
	}
	all, _ := read[map[string]recordedPermissions](t, filepath.Join(w.dir, "permissions.json"))
	for caller, recorded := range all {
		w.letters[caller] = recorded.Seen
	}
	for _, n := range w.parse(t).Nodes {
		w.leaves[oldName(string(n.Path))] = n.Kind == universe.Leaf
	}
}

// clearing gives the changes that remove everything. They need force, as roles go
// that are in use.
func (w *world) clearing(t *testing.T) (all []*pb.Change) {
	t.Helper()
	tops, err := w.operator.Acl.List(t.Context(), &pb.ListRequest{Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range tops.Nodes {
		one := removal(n.Path)
		one.GetRemove().Recursive = true
		all = append(all, one)
	}
	root, err := w.operator.Acl.Describe(t.Context(), &pb.DescribeRequest{Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range root.Annotations {
		all = append(all, takingOff("/", a.Tag, a.Unique))
	}
	return all
}

// parse gives the universe as it is loaded.
func (w *world) parse(t *testing.T) universe.Universe {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "universe.json"))
	if err != nil {
		t.Fatal(err)
	}
	u, _, err := universe.ParseAccessManager(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range u.Nodes {
		if slices.Contains(unmarked, oldName(string(u.Nodes[i].Path))) {
			u.Nodes[i].Kind = universe.Leaf
		}
	}
	return u
}

// loading gives the one command that loads the universe. Bare names count
// afterwards, as they did.
func loading(t *testing.T, u universe.Universe) *pb.ChangeRequest {
	t.Helper()
	plan, err := u.Changes()
	if err != nil {
		t.Fatal(err)
	}
	return &pb.ChangeRequest{Changes: plan.Changes, Force: plan.Force, Demo: proto.Bool(true)}
}

// as gives a client of a principal, for whom the operator vouches.
func (w *world) as(t *testing.T, principal string) *client.Client {
	t.Helper()
	credential, err := w.operator.Identity.Vouch(t.Context(), &pb.VouchRequest{Subject: principal})
	if err != nil {
		t.Fatalf("vouch for %s: %v", principal, err)
	}
	c, err := w.dial(t, credential.Token)
	if err != nil {
		t.Fatalf("call as %s: %v", principal, err)
	}
	return c
}

// dial gives a client that shows a token, or a bare name, or nothing.
func (w *world) dial(t *testing.T, bearer string) (*client.Client, error) {
	t.Helper()
	config := w.cluster.Config()
	config.Certificate, config.Key, config.Token = nil, nil, bearer
	c, err := client.Dial(t.Context(), config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return c, nil
}

// principals are the recorded callers that are principals here, in order.
func (w *world) principals() (all []string) {
	for caller := range w.letters {
		if w.leaves[caller] {
			all = append(all, caller)
		}
	}
	slices.Sort(all)
	return all
}

// may says whether the caller may View the path and do the operation of the
// letter, by what was recorded.
func (w *world) may(caller, letter, path string) bool {
	return strings.Contains(w.letters[caller][path], letter)
}

// sees says whether the caller may View the path, by what was recorded.
func (w *world) sees(caller, path string) bool { return w.may(caller, "V", path) }

// detail gives one of the details of a fault; empty is none.
func detail(err error, key string) string {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return ""
	}
	return f.Details[key]
}

// outcome names how a call ended: "ok", or the kind of the fault.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return string(fault.KindOf(err))
}
