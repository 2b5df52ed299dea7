package jepsen

import (
	"bytes"
	"fmt"
	"os/exec"
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

// betweenKills is from one kill of a leader to the next.
const betweenKills = 2 * time.Second

// TestImportUnderKills charges the log while whoever leads is killed every two
// seconds and started again. The import is one process that is never started
// again. Where it is done too soon, the log is charged once more, to other
// accounts and by way of another node.
func TestImportUnderKills(t *testing.T) {
	t.Parallel()
	e, wanted := expect(t), rounds(5, 20)
	c := cluster.Start(t, cluster.Options{})
	ids := c.Others(c.ActingLeader().ID)
	ids = append(ids, c.Others(ids...)...) // the leader last
	var (
		names []string
		kills int
	)
	begin, elections := time.Now(), c.Elections()
	next := time.NewTicker(betweenKills)
	defer next.Stop()
	for kills < wanted {
		name, first := fmt.Sprintf("nasa-%d", len(names)+1), ids[len(names)%len(ids)]
		names = append(names, name)
		i := startImport(t, c, first, importArgs(e, name, "--batch", "25", "--timeout", "2m")...)
		during := killLeaders(t, c, i, next.C)
		wantSummary(t, i.wait(t), e, -1)
		t.Logf("import %s, first through %s: %d leaders killed", name, first, during)
		kills += during
	}
	t.Logf("%d imports in %s: %d leaders killed, %d elections", len(names), time.Since(begin).Round(time.Second), kills, c.Elections()-elections)
	if got := c.Elections() - elections; got < kills/2 {
		t.Errorf("got %d elections after %d kills of a leader, want at least half as many: were they leaders?", got, kills)
	}
	wantSound(t, c)
	wantBooks(t, c, e, names...)
}

// killLeaders kills the leader and starts it again, each time that next says so
// and for as long as the import runs, and says how often.
func killLeaders(t *testing.T, c *cluster.Cluster, i *importing, next <-chan time.Time) (kills int) {
	t.Helper()
	for {
		select {
		case <-next:
		case <-i.ended:
			return kills
		}
		leader := c.ActingLeader()
		if !i.running() {
			return kills
		}
		leader.Kill()
		leader.Start()
		kills++
	}
}

// TestImportKilled kills the import itself, again and again, and each time runs
// it again through another node, mostly with --resume.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	e, kills := expect(t), rounds(5, 25)
	c := cluster.Start(t, cluster.Options{})
	cl, nodes := c.Dial(), c.Others()
	args := importArgs(e, "nasa", "--batch", "10")
	made := 0
	for run := range kills {
		more := []string{"--resume"}
		if run == 0 || run == kills/2 {
			more = nil
		}
		i := startImport(t, c, nodes[run%len(nodes)], append(args, more...)...)
		made = waitForTransfers(t, cl, i, max(made+1, (run+1)*e.charged/(kills+1)))
		if err := i.process.Process.Kill(); err != nil {
			t.Fatalf("kill: %v", err)
		}
		<-i.ended
		t.Logf("import killed, with %d of %d jobs charged", made, e.charged)
	}
	if made >= e.charged {
		t.Fatalf("all %d jobs were charged before the last kill: no import was cut short", e.charged)
	}
	i := startImport(t, c, nodes[kills%len(nodes)], append(args, "--resume")...)
	wantSummary(t, i.wait(t), e, -1)
	wantBooks(t, c, e, "nasa")
	wantSummary(t, runVia(c, nodes[0], importArgs(e, "nasa")...), e, 0)
	wantBooks(t, c, e, "nasa")
	wantSound(t, c)
}

// waitForTransfers waits until the cluster has made so many transfers, and gives
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
			t.Fatalf("the import ended with %d transfers made, want it to run until there are %d: %v\n%s", made, count, i.err, i.stderr.String())
		}
		<-poll.C
	}
}
