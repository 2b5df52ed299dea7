package jepsen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"acquired/fsm"
	"acquired/jepsen/cluster"
	"acquired/server/engine"
)

// TestSIGTERM asks the leader to end while transfers are made: it hands over,
// ends well, and has everything on disk.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	for range rounds(1, 20) {
		leader := c.Node(c.LeaderAmong())
		applied := c.Status(leader.ID, leader.ID).GetApplied()
		begin := leader.LogSize()
		count, longest := book.During(func() {
			leader.Stop()
			c.LeaderAmong(c.Others(leader.ID)...)
		})
		t.Logf("%d transfers while the leader ended, none for %s", count, longest.Round(time.Millisecond))
		if line := leader.WaitLog(begin, "leadership handed over", soon); !strings.HasSuffix(line, "error=<nil>") {
			t.Errorf("%s, want no error", line)
		}
		leader.WaitLog(begin, "node stopped", soon)
		if got := stateIndex(t, leader); got < applied {
			t.Errorf("the state on disk is at index %d, want at least %d", got, applied)
		}
		book.Audit(c.Others(leader.ID)...)
		rejoin(t, c, leader)
		book.Audit()
	}
}

// openState opens the state of a node that does not run.
func openState(t *testing.T, n *cluster.Node) *engine.Pebble {
	t.Helper()
	e, err := engine.Open(engine.Config{Dir: stateFolder(t, n)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func stateFolder(t *testing.T, n *cluster.Node) string {
	t.Helper()
	states := filepath.Join(n.DataDir(), "state")
	current, err := os.ReadFile(filepath.Join(states, "CURRENT"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(states, string(current), "db")
}

func stateIndex(t *testing.T, n *cluster.Node) uint64 {
	t.Helper()
	e := openState(t, n)
	machine := fsm.New(e)
	index := machine.Position().Index
	machine.Close()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return index
}
