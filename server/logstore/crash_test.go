//go:build unix

package logstore

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary becomes a child that appends to this file until it ends.
const (
	childPath  = "LOGSTORE_TEST_PATH"
	childLimit = "LOGSTORE_TEST_LIMIT" // bytes the file may grow to; empty is no limit

	exitFatal = 7
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		appendUntilTheEnd(path)
	}
	os.Exit(m.Run())
}

// appendUntilTheEnd prints the last index after each append.
func appendUntilTheEnd(path string) {
	if limit, err := strconv.ParseUint(os.Getenv(childLimit), 10, 64); err == nil {
		signal.Ignore(unix.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			panic(err)
		}
	}
	s, err := Open(Config{Path: path, Fatal: func(err error) {
		fmt.Println("fatal:", err)
		os.Exit(exitFatal)
	}})
	if err != nil {
		panic(err)
	}
	last, err := s.LastIndex()
	if err != nil {
		panic(err)
	}
	for ; ; last += 3 {
		if err := s.StoreLogs(entries(last+1, last+3, 1, 2000)); err != nil {
			panic(err)
		}
		fmt.Println(last + 3)
	}
}

// child runs the child and gives the last index it acknowledged and, if it said
// so, why it ended. It is killed after so many appends, zero being never.
func child(t *testing.T, path string, killAfter int, env ...string) (acknowledged uint64, fatal string, state *os.ProcessState) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), executable)
	command.Env = append(append(os.Environ(), childPath+"="+path), env...)
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged, fatal = follow(t, output, killAfter, command.Process)
	command.Wait() // it ends with a signal or a status that the caller looks at
	if stderr.Len() > 0 {
		t.Errorf("child wrote: %s", stderr.String())
	}
	return acknowledged, fatal, command.ProcessState
}

func follow(t *testing.T, output io.Reader, killAfter int, process *os.Process) (acknowledged uint64, fatal string) {
	t.Helper()
	lines := bufio.NewScanner(output)
	for count := 1; lines.Scan(); count++ {
		if message, ok := strings.CutPrefix(lines.Text(), "fatal: "); ok {
			fatal = message
			continue
		}
		index, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Errorf("child printed: %v", err)
		}
		acknowledged = index
		if count == killAfter {
			if err := process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	return acknowledged, fatal
}

func wantAcknowledged(t *testing.T, path string, acknowledged uint64) {
	t.Helper()
	if acknowledged == 0 {
		t.Fatal("child acknowledged nothing")
	}
	s := open(t, path)
	for _, want := range entries(1, acknowledged, 1, 2000) {
		wantLog(t, s, want)
	}
	closeStore(t, s)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	acknowledged, fatal, state := child(t, path, 0, childLimit+"="+strconv.Itoa(1<<20))
	if got := state.ExitCode(); got != exitFatal {
		t.Errorf("child ended with %v, want status %d", state, exitFatal)
	}
	want := fmt.Sprintf("log store %s: append log entries %d to %d: ", path, acknowledged+1, acknowledged+3)
	if !strings.HasPrefix(fatal, want) || !strings.Contains(fatal, "file too large") {
		t.Errorf("Fatal got %q, want %q and the cause", fatal, want)
	}
	wantAcknowledged(t, path, acknowledged)
}

func TestKill(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	for _, appends := range []int{1, 20, 40} {
		acknowledged, _, state := child(t, path, appends)
		if got := state.ExitCode(); got != -1 {
			t.Errorf("child ended with %v, want it killed", state)
		}
		wantAcknowledged(t, path, acknowledged)
	}
}
