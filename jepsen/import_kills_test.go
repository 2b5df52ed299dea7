package jepsen

import (
	"bytes"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
)

// importing is an import that runs as a process.
type importing struct {
	process        *exec.Cmd
	stdout, stderr bytes.Buffer
	// ended is closed when it has; err is then how.
	ended chan struct{}
	err   error
}

// startImport starts an import that calls the node first.
func startImport(t *testing.T, c *cluster.Cluster, node string, args ...string) *importing {
	t.Helper()
	i := &importing{ended: make(chan struct{})}
	i.process = c.Command(t.Context(), append([]string{"--context", c.ContextVia(node)}, args...)...)
	i.process.Stdout, i.process.Stderr = &i.stdout, &i.stderr
	if err := i.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(i.ended)
		i.err = i.process.Wait()
	}()
	t.Cleanup(func() { <-i.ended }) // the context of the test has ended it
	return i
}

func (i *importing) running() bool {
	select {
	case <-i.ended:
		return false
	default:
		return true
	}
}

// wait gives what the import printed once it has ended, which must be well.
func (i *importing) wait(t *testing.T) []byte {
	t.Helper()
	<-i.ended
	if i.err != nil {
		t.Fatalf("import: %v\n%s", i.err, i.stderr.String())
	}
	return i.stdout.Bytes()
}

// TestImportKilled kills the import itself, again and again, and each time runs
// it again through another node, with requests of another size every other time.
// The rest is charged by two imports at once.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	e, kills := expect(t), rounds(5, 25)
	c := cluster.Start(t, cluster.Options{})
	cl, nodes := c.Dial(), c.Others()
	made := 0
	for run := range kills {
		i := startImport(t, c, nodes[run%len(nodes)], importArgs(e, "nasa", "--batch", batchOf(e, []int{100, 71}[run%2]))...)
		made = waitForTransfers(t, cl, i, max(made+1, (run+1)*e.moved/(kills+1)))
		if err := i.process.Process.Kill(); err != nil {
			t.Fatalf("kill: %v", err)
		}
		<-i.ended
		t.Logf("import killed, with %d of %d charges made", made, e.moved)
	}
	if made >= e.moved {
		t.Fatalf("all %d charges were made before the last kill: no import was cut short", e.moved)
	}
	last := []*importing{
		startImport(t, c, nodes[0], importArgs(e, "nasa", "--batch", "300")...),
		startImport(t, c, nodes[1], importArgs(e, "nasa", "--batch", "410")...),
	}
	for _, i := range last {
		wantSummary(t, i.wait(t), e, -1)
	}
	wantBooks(t, c, e, "nasa")
	wantSummary(t, runVia(c, nodes[0], importArgs(e, "nasa")...), e, 0)
	wantBooks(t, c, e, "nasa")
	wantHolds(t, c, e, "nasa")
	wantSound(t, c)
}

// batchOf is the size of requests, or less for a short log: an import takes so many of
// them that it can be killed in the middle.
func batchOf(e *expected, most int) string {
	return strconv.Itoa(max(2, min(most, e.moved/40)))
}

// waitForTransfers waits until the cluster has made so many charges, and gives
// how many. The import must not end before.
func waitForTransfers(t *testing.T, cl *client.Client, i *importing, count int) (made int) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		trial, err := cl.Ledger.TrialBalance(latest(t), &pb.TrialBalanceRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(trial.Assets) > 0 {
			made = int(trial.Assets[0].Transfers)
		}
		if made >= count {
			return made
		}
		if !i.running() {
			t.Fatalf("the import ended with %d charges made, want it to run until there are %d: %v\n%s", made, count, i.err, i.stderr.String())
		}
		<-poll.C
	}
}
