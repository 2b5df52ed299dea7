package jepsen

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"acquired/jepsen/cluster"
)

// failStorage makes the storage of a node fail while transfers are made: the
// node must end with a line that has the text, and the others go on. Once heal
// has made its storage good again, it comes back.
func failStorage(t *testing.T, c *cluster.Cluster, book *cluster.Book, id, text string, fail func(*cluster.Node), heal func()) {
	t.Helper()
	n := c.Node(id)
	begin := n.LogSize()
	_, longest := book.During(func() {
		fail(n)
		n.WantEnd(soon, begin, statusFatal, text)
		c.LeaderAmong(c.Others(id)...)
	})
	t.Logf("storage of %s failed: no transfer was acknowledged for %s", id, longest.Round(time.Millisecond))
	book.Write(100)
	book.Audit(c.Others(id)...)
	heal()
	rejoin(t, c, n)
	book.Audit()
}

// TestFailingWrite makes the system refuse the writes of the leader, and then of
// a follower, by limiting how large its files may be.
func TestFailingWrite(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	for round := range rounds(2, 10) {
		failStorage(t, c, book, victim(c, round), "file too large", func(n *cluster.Node) { limitFiles(t, n) }, func() {})
	}
}

// limitFiles makes writes fail that go behind the beginning of a file. There is
// room for the node to say so in its log. A process started later has no limit.
func limitFiles(t *testing.T, n *cluster.Node) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Prlimit(n.PID(), unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = uint64(n.LogSize()) + 64<<10
	if err := unix.Prlimit(n.PID(), unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

// TestFailingSync makes every sync of a node's files fail.
func TestFailingSync(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace, which makes syncs fail, is not installed")
	}
	c, book := start(t, cluster.Options{})
	for round := range rounds(2, 10) {
		var injected func()
		failStorage(t, c, book, victim(c, round), "input/output error",
			func(n *cluster.Node) { injected = failSyncs(t, n) }, func() { injected() })
	}
}

// failSyncs attaches strace to the node, with which it ends. What it gives is to
// be called then, and makes sure that an error was injected.
func failSyncs(t *testing.T, n *cluster.Node) (injected func()) {
	t.Helper()
	strace := exec.CommandContext(t.Context(), "strace", "-f", "-p", strconv.Itoa(n.PID()),
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
	output, err := strace.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	if !lines.Scan() || !strings.Contains(lines.Text(), "attached") {
		t.Skipf("strace may not attach to a process here: %s", lines.Text())
	}
	return func() {
		errors := 0
		for lines.Scan() {
			if strings.Contains(lines.Text(), "(INJECTED)") {
				errors++
			}
		}
		if err := strace.Wait(); err != nil || errors == 0 {
			t.Errorf("strace: %v, %d syncs failed, want some", err, errors)
		}
	}
}
