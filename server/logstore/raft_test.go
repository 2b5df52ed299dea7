package logstore

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/raft"
)

// applied tells of each command that a node applies.
type applied chan uint64

func (a applied) Apply(log *raft.Log) any {
	a <- log.Index
	return nil
}

func (a applied) Snapshot() (raft.FSMSnapshot, error) { return nil, fmt.Errorf("no snapshots") }
func (a applied) Restore(io.ReadCloser) error         { return fmt.Errorf("no snapshots") }

const commands = 60

type node struct {
	store   *Store
	raft    *raft.Raft
	applied applied
	leader  chan bool
}

// startNode runs raft over loopback TCP: the entries go through its encoding.
func startNode(t *testing.T, id string, servers *raft.Configuration) *node {
	t.Helper()
	// The cache is small: raft reads some entries from memory and some from disk.
	n := &node{
		store:   openConfig(t, Config{Path: tempPath(t), CacheBytes: 1000}),
		applied: make(applied, 2*commands),
		leader:  make(chan bool, 16),
	}
	transport, err := raft.NewTCPTransport("127.0.0.1:0", nil, 2, 10*time.Second, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c := raft.DefaultConfig()
	c.LocalID, c.LogOutput, c.NotifyCh = raft.ServerID(id), io.Discard, n.leader
	// Long enough for the leader to stay on a busy machine.
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 2*time.Second, 2*time.Second, 2*time.Second
	n.raft, err = raft.NewRaft(c, n.applied, n.store, n.store, raft.NewDiscardSnapshotStore(), transport)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.raft.Shutdown().Error(); err != nil {
			t.Error(err)
		}
		transport.Close()
	})
	servers.Servers = append(servers.Servers, raft.Server{ID: c.LocalID, Address: transport.LocalAddr()})
	return n
}

// Each node must seal the entries itself, and a leader must not send its seals.
func TestUnderRaft(t *testing.T) {
	t.Parallel()
	var servers raft.Configuration
	nodes := []*node{startNode(t, "a", &servers), startNode(t, "b", &servers), startNode(t, "c", &servers)}
	if err := nodes[0].raft.BootstrapCluster(servers).Error(); err != nil {
		t.Fatal(err)
	}
	leader := nodes[0]
	for !<-leader.leader { // the only one that knows the servers
	}
	var last raft.ApplyFuture
	for i := range commands {
		last = leader.raft.Apply(bytes.Repeat([]byte{byte(i)}, 100), 0)
	}
	if err := last.Error(); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		for <-n.applied != last.Index() {
		}
	}
	for index := uint64(1); index <= last.Index(); index++ {
		wantSameLog(t, nodes, index)
	}
}

func wantSameLog(t *testing.T, nodes []*node, index uint64) {
	t.Helper()
	var want raft.Log
	for i, n := range nodes {
		var got raft.Log
		if err := n.store.GetLog(index, &got); err != nil {
			t.Fatalf("GetLog(%d) of node %d: %v", index, i, err)
		}
		if got.Extensions != nil {
			t.Errorf("entry %d of node %d has the extensions %x", index, i, got.Extensions)
		}
		if i == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(raft.Log{}, "AppendedAt")); diff != "" {
			t.Errorf("entry %d of node %d (-node 0 +node %d):\n%s", index, i, i, diff)
		}
	}
}
