package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"acquired/fsm/kv"
)

// The log of these tests: commit n sets key n and the position. What it writes
// depends on n alone, so that an interrupted log can go on.

var positionKey = []byte("position")

func rowKey(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte("row "), n) }

// rowValue is short mostly, and sometimes as large as several memtables.
func rowValue(n uint64) []byte {
	size := n * 7919 % 300
	if n%500 == 0 {
		size = 100 << 10
	}
	return bytes.Repeat([]byte{byte(n)}, int(size))
}

func commitNumber(p *Pebble, n uint64) {
	p.Commit([]kv.Write{
		{Key: rowKey(n), Value: rowValue(n)},
		{Key: positionKey, Value: binary.BigEndian.AppendUint64(nil, n)},
	})
}

// position gives the n of the last commit that is found, and makes sure that
// exactly the commits up to it are.
func position(t interface {
	Helper()
	Fatalf(string, ...any)
}, p *Pebble) uint64 {
	t.Helper()
	s := p.Snapshot()
	defer s.Close()
	var last uint64
	if value, ok := s.Get(positionKey); ok {
		last = binary.BigEndian.Uint64(value)
	}
	next := uint64(1)
	for key, value := range s.Scan([]byte("row "), []byte("row!"), false) {
		if want := rowKey(next); !bytes.Equal(key, want) || !bytes.Equal(value, rowValue(next)) {
			t.Fatalf("position is %d, but after row %d comes %q", last, next-1, key)
		}
		next++
	}
	if next != last+1 {
		t.Fatalf("position is %d, but the rows end at %d", last, next-1)
	}
	return last
}

const (
	crashDir      = "ENGINE_TEST_CRASH_DIR"
	crashMemTable = 64 << 10
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		commitForever(dir)
	}
	os.Exit(m.Run())
}

// commitForever goes on with the log in dir until the process is killed. It
// says how far it is, and now and then which commits it knows to be durable.
func commitForever(dir string) {
	p, err := Open(Config{Dir: dir, MemTableBytes: crashMemTable})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var start uint64
	s := p.Snapshot()
	if value, ok := s.Get(positionKey); ok {
		start = binary.BigEndian.Uint64(value)
	}
	s.Close()
	for n := start + 1; ; n++ {
		commitNumber(p, n)
		switch {
		case n%1000 == 0:
			p.Flush()
			fmt.Println("durable", n)
		case n%31 == 0:
			fmt.Println("committed", n)
		}
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	var last uint64
	for range 5 {
		durable := killDuringCommits(t, dir)
		p, err := Open(Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		got := position(t, p)
		closeEngine(t, p)
		if got < durable || got < last {
			t.Fatalf("found %d after %d was durable and %d was found before", got, durable, last)
		}
		t.Logf("killed after %d was durable, found %d", durable, got)
		last = got
	}
	if last == 0 {
		t.Error("nothing was found, want that some commits were durable")
	}
}

// killDuringCommits gives the last commit that the process said was durable.
func killDuringCommits(t *testing.T, dir string) (durable uint64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for range 40 + rand.IntN(160) {
		if !lines.Scan() {
			t.Fatalf("the process ended: %v, %v", lines.Err(), child.Wait())
		}
		durable = max(durable, durableCommit(t, lines.Text()))
	}
	if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("Open while another process has it open: %v, want that it is in use", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		durable = max(durable, durableCommit(t, lines.Text()))
	}
	_ = child.Wait() // says that it was killed
	return durable
}

// durableCommit reads what the process says.
func durableCommit(t *testing.T, line string) uint64 {
	t.Helper()
	var what string
	var n uint64
	if _, err := fmt.Sscanf(line, "%s %d", &what, &n); err != nil {
		t.Fatalf("the process said %q", line)
	}
	if what == "durable" {
		return n
	}
	return 0
}

// TestPowerCut loses what was not synced, or random parts of it.
func TestPowerCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := vfs.NewCrashableMem()
		var n, durable uint64
		for range rapid.IntRange(1, 3).Draw(t, "cuts") {
			p, err := open(Config{Dir: "state", MemTableBytes: crashMemTable}, disk)
			if err != nil {
				t.Fatalf("open after a power cut: %v", err)
			}
			n = position(t, p)
			if n < durable {
				t.Fatalf("position is %d after %d was durable", n, durable)
			}
			for range rapid.IntRange(0, 8).Draw(t, "rounds") {
				for range rapid.IntRange(1, 400).Draw(t, "commits") {
					n++
					commitNumber(p, n)
				}
				if rapid.Bool().Draw(t, "flush") {
					p.Flush()
					durable = n
				}
			}
			cut := disk.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: rapid.IntRange(0, 100).Draw(t, "unsynced"),
				RNG:                 rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
			})
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			disk = cut
		}
	})
}
