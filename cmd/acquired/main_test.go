package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"acquired": main})
}

// TestScripts runs each file of testdata as a session at the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ACQUIRED_HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("ACQUIRED_CONTEXT", "")
			env.Setenv("SSH_AUTH_SOCK", "")
			// Else a binary with the race detector sleeps for a second as it ends.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("BASE_PORT", strconv.Itoa(freePorts(t)))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":     exitStatus,
			"perm":       permissions,
			"eventually": eventually,
			"oneday":     oneDay,
			"sshkeys":    sshKeys,
			"sshagent":   sshAgent,
		},
	})
}

// exitStatus is "status N COMMAND...": the command must end with status N.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status: got %d, want %d", got, want)
	}
}

// permissions is "perm MODE FILE...": the files must have those permissions.
func permissions(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: perm mode file...")
	}
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("permissions of %s: got %s, want %s", name, got, args[0])
		}
	}
}

// eventually is "eventually COMMAND...": the command is run again until it
// succeeds. It is for what another process is about to do.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: eventually command [args...]")
	}
	var err error
	await(ts, func() bool {
		err = ts.Exec(args[0], args[1:]...)
		return err == nil
	}, func() string { return fmt.Sprintf("%s: got %v, want it to succeed", args[0], err) })
}

// patience bounds the wait for what must come. It costs time only when a test fails, so it
// is long enough for a machine that is busy with others.
const patience = 3 * time.Minute

// await polls until done, and fails with what why says when patience ends.
func await(ts *testscript.TestScript, done func() bool, why func() string) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-limit.C:
			ts.Fatalf("%s", why())
		}
	}
}

// oneDay is "oneday": what follows is of one day of UTC. See waitForRoom.
func oneDay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: oneday")
	}
	waitForRoom()
}

// waitForRoom waits for midnight, UTC, if that is near: a test of what is counted in a
// day, on real nodes, would find nothing counted behind it.
func waitForRoom() {
	const room = 2 * time.Minute
	now := time.Now()
	if left := now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now); left < room {
		<-time.After(left)
	}
}

// nextPort keeps the scripts of one run apart, and portsOfRun those of runs at
// the same time. Both stay below the ports that the system hands out.
var (
	nextPort   atomic.Int32
	portsOfRun = 12000 + os.Getpid()%64*250
)

// freePorts gives the first of four ports in a row that nobody listens at.
func freePorts(t *testing.T) int {
	t.Helper()
	for {
		offset := int(nextPort.Add(1)) * portStep
		if offset > 4000 {
			t.Fatal("no four ports in a row are free")
		}
		if base := portsOfRun + offset; isFree(base) && isFree(base+1) && isFree(base+2) && isFree(base+3) {
			return base
		}
	}
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
