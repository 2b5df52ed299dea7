package server_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"acquired/client"
	"acquired/fsm"
	"acquired/fsm/kv"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/engine"
	"acquired/server/servertest"
)

// ending is a node that ended itself.
type ending struct {
	node string
	err  error
}

// endings gives an Options.Configure that collects nodes which end themselves.
func endings() (chan ending, func(*server.Config)) {
	ended := make(chan ending, 16)
	return ended, func(c *server.Config) {
		node := c.Node
		c.Fatal = func(err error) {
			ended <- ending{node, err}
			runtime.Goexit()
		}
	}
}

// stateOf is the folder of the state of a node.
func stateOf(t *testing.T, cluster *servertest.Cluster, node string) string {
	t.Helper()
	states := filepath.Join(cluster.DataDir(node), "state")
	current, err := os.ReadFile(filepath.Join(states, "CURRENT"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(states, string(current), "db")
}

func openEngine(t *testing.T, dir string) *engine.Pebble {
	t.Helper()
	e, err := engine.Open(engine.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closeEngine(t *testing.T, e *engine.Pebble) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// alterRecord changes the n-th record of a table as a fault of a machine could,
// before the checksums of the disk: one bit of its last byte but one.
func alterRecord(t *testing.T, dir, table string, n int) {
	t.Helper()
	changeRecord(t, dir, table, n, func(record []byte) []byte {
		record[len(record)-2] ^= 1
		return record
	})
}

func changeRecord(t *testing.T, dir, table string, n int, change func([]byte) []byte) {
	t.Helper()
	e := openEngine(t, dir)
	defer closeEngine(t, e)
	var write kv.Write
	snapshot := e.Snapshot()
	for key, value := range snapshot.Scan([]byte(table), append([]byte(table), 0xff), false) {
		if n--; n == 0 {
			write = kv.Write{Key: bytes.Clone(key), Value: change(bytes.Clone(value))}
			break
		}
	}
	snapshot.Close()
	if write.Key == nil {
		t.Fatalf("table %q has no record %d", table, n)
	}
	e.Commit([]kv.Write{write})
}

// applyAlone makes a node that is stopped apply an entry that is in no log.
func applyAlone(t *testing.T, dir string) {
	t.Helper()
	body, err := proto.Marshal(&pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: "forged", Debit: "/account/bank", Credit: "/account/a", Amount: "1000.00"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	e := openEngine(t, dir)
	defer closeEngine(t, e)
	m := fsm.New(e)
	defer m.Close()
	at := m.Position()
	entry, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: at.Time, Commands: []*statev1.Command{{
		Name: "ledger.transfer", Caller: &statev1.Caller{Principal: "/user/operator", Operator: true, Method: "certificate"}, RequestId: "forged", Body: body,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if results := m.Apply(at.Index+1, at.Term, entry); len(results) != 1 || results[0].Err != nil {
		t.Fatalf("the entry gives %v", results)
	}
}

// wantQuarantined waits until the node ends itself, and sees that it does not
// come back before its data is moved away.
func wantQuarantined(t *testing.T, cluster *servertest.Cluster, c *client.Client, ended <-chan ending, node, reason string) {
	t.Helper()
	select {
	case end := <-ended:
		if end.node != node || !strings.Contains(end.err.Error(), "quarantined") || !strings.Contains(end.err.Error(), reason) {
			t.Errorf("%s ended: %v; want %s quarantined: %s", end.node, end.err, node, reason)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s did not end in a minute", node)
	}
	cluster.StopNode(node)
	mark, err := os.ReadFile(filepath.Join(cluster.DataDir(node), "quarantine"))
	if err != nil || !strings.Contains(string(mark), reason) {
		t.Errorf("the mark of %s is %q, %v; want it to say %q", node, mark, err, reason)
	}
	err = cluster.TryStartNode(node)
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "quarantine") || !strings.Contains(err.Error(), cluster.DataDir(node)) {
		t.Fatalf("start of %s: %v, want a conflict that names the quarantine and the folder", node, err)
	}
	if _, err := pay(t.Context(), c, "without-"+node, "/account/a", "1.00"); err != nil {
		t.Errorf("the others do not go on: %v", err)
	}
	cluster.Wipe(node)
	cluster.StartNode(node)
	cluster.WaitReady(node)
	waitFor(t, c, func(s *pb.StatusResponse) bool { return statusOf(s, node).Suffrage == "voter" })
	wantEqualHashes(t, c, 3)
	select {
	case end := <-ended:
		t.Errorf("%s ended as well: %v", end.node, end.err)
	default:
	}
}

// TestRecordsThatChanged: what changed on one node, and was not changed by a
// command, is found when the node reads its state through.
func TestRecordsThatChanged(t *testing.T) {
	t.Parallel()
	for table, n := range map[string]int{"ledger/account\x00": 2, "ledger/entry\x00": 7} {
		synctest.Test(t, func(t *testing.T) {
			ended, configure := endings()
			cluster := servertest.Start(t, servertest.Options{Configure: configure})
			c := cluster.Dial()
			fill(t, c)
			victim := followerOf(t, cluster, c)
			cluster.StopNode(victim)
			alterRecord(t, stateOf(t, cluster, victim), table, n)
			cluster.StartNode(victim)
			wantQuarantined(t, cluster, c, ended, victim, "the records sum to")
		})
	}
}

// TestRecordThatCannotBeRead: who asks for it is told that it is no fault of theirs, and
// the node goes on.
func TestRecordThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended, configure := endings()
		cluster := servertest.Start(t, servertest.Options{Configure: configure})
		c := cluster.Dial()
		fill(t, c)
		victim := followerOf(t, cluster, c)
		cluster.StopNode(victim)
		changeRecord(t, stateOf(t, cluster, victim), "ledger/audit\x00", 2, func(record []byte) []byte { return record[:len(record)/2] })
		cluster.StartNode(victim)
		cluster.WaitReady(victim)
		asked := cluster.Dial(victim)
		_, err := asked.Ledger.Audit(client.WithRead(t.Context(), client.Any), &pb.AuditRequest{})
		if !errors.Is(err, fault.Internal) || strings.Contains(err.Error(), "ledger/audit") {
			t.Errorf("the audit log: %v, want a fault.Internal that says nothing of it", err)
		}
		if _, err := asked.Ledger.Journal(client.WithRead(t.Context(), client.Any), &pb.JournalRequest{}); err != nil {
			t.Errorf("the journal behind it: %v", err)
		}
		select {
		case end := <-ended:
			t.Errorf("%s ended: %v", end.node, end.err)
		default:
		}
	})
}

// TestNodeThatAppliedSomethingElse: it is told from the others by its hash, as
// soon as there is a quorum that agrees on another.
func TestNodeThatAppliedSomethingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended, configure := endings()
		cluster := servertest.Start(t, servertest.Options{Configure: configure})
		c := cluster.Dial()
		fill(t, c)
		leader := leaderOf(t, c)
		victim := followerOf(t, cluster, c)
		cluster.StopNode(victim)
		applyAlone(t, stateOf(t, cluster, victim))
		third := otherThan(cluster, leader, victim)
		cluster.StopNode(third)
		cluster.StartNode(victim)
		cluster.WaitReady(victim)
		if _, err := pay(t.Context(), c, "two-of-three", "/account/a", "1.00"); err != nil {
			t.Fatal(err)
		}
		wait(t, time.Minute)
		select {
		case end := <-ended:
			t.Fatalf("%s ended without a quorum that knows better: %v", end.node, end.err)
		default:
		}
		cluster.StartNode(third)
		wantQuarantined(t, cluster, c, ended, victim, "that of a quorum to")
	})
}

func otherThan(cluster *servertest.Cluster, ids ...string) string {
	for _, id := range cluster.IDs() {
		if !slices.Contains(ids, id) {
			return id
		}
	}
	return ""
}
