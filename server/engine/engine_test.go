package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"acquired/fsm/kv"
	"acquired/fsm/kv/kvtest"
	"acquired/server/archive"
)

// openOn opens a state that is closed when the test ends.
func openOn(t *testing.T, fs vfs.FS, c Config) *Pebble {
	t.Helper()
	p, err := open(c, fs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, p) })
	return p
}

func closeEngine(t *testing.T, p *Pebble) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// everything is after every key that these tests use.
var everything = []byte{0xff}

// content gives all pairs of an engine, one a line.
func content(engine kv.Engine) string {
	s := engine.Snapshot()
	defer s.Close()
	var b strings.Builder
	for key, value := range s.Scan(nil, everything, false) {
		fmt.Fprintf(&b, "%s=%s\n", key, value)
	}
	return b.String()
}

func set(key, value string) kv.Write { return kv.Write{Key: []byte(key), Value: []byte(value)} }

func remove(key string) kv.Write { return kv.Write{Key: []byte(key), Delete: true} }

// flushing is an engine that has nothing in memory.
type flushing struct{ *Pebble }

func (f flushing) Commit(writes []kv.Write) {
	f.Pebble.Commit(writes)
	f.Flush()
}

func TestEngine(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		kvtest.TestEngine(t, func(t *testing.T) kv.Engine {
			return openOn(t, vfs.Default, Config{Dir: t.TempDir()})
		})
	})
	t.Run("tables", func(t *testing.T) {
		kvtest.TestEngine(t, func(t *testing.T) kv.Engine {
			return flushing{openOn(t, vfs.NewMem(), Config{Dir: "state"})}
		})
	})
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	p, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		p.Commit([]kv.Write{set(fmt.Sprintf("key %04d", i), "value"), set("last", fmt.Sprint(i))})
	}
	want := content(p)
	closeEngine(t, p)

	if got := content(openOn(t, vfs.Default, Config{Dir: dir})); got != want {
		t.Errorf("after reopening got\n%s\nwant\n%s", got, want)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("mode of the folder is %o, want 700", got)
	}
}

func TestCheckpoint(t *testing.T) {
	dir := t.TempDir()
	p := openOn(t, vfs.Default, Config{Dir: filepath.Join(dir, "state")})
	p.Commit([]kv.Write{set("a", "1"), set("b", "2")})
	p.Flush()
	p.Commit([]kv.Write{set("c", "3"), remove("a")})
	want := content(p)

	copied := filepath.Join(dir, "copy")
	if err := p.Checkpoint(copied); err != nil {
		t.Fatal(err)
	}
	if err := p.Checkpoint(copied); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second checkpoint into the same folder: %v, want that it exists", err)
	}
	p.Commit([]kv.Write{set("b", "changed"), set("d", "4")})
	p.Flush()

	c := openOn(t, vfs.Default, Config{Dir: copied})
	if diff := cmp.Diff(want, content(c)); diff != "" {
		t.Errorf("checkpoint differs (-want +got):\n%s", diff)
	}
	c.Commit([]kv.Write{set("e", "5")})
	if diff := cmp.Diff("b=changed\nc=3\nd=4\n", content(p)); diff != "" {
		t.Errorf("original differs (-want +got):\n%s", diff)
	}
}

// TestArchive sends a checkpoint to another node.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	p := openOn(t, vfs.Default, Config{Dir: filepath.Join(dir, "state")})
	p.Commit([]kv.Write{set("a", "1"), set("b", "2")})
	sent := filepath.Join(dir, "sent")
	if err := p.Checkpoint(sent); err != nil {
		t.Fatal(err)
	}
	files, err := archive.Files(sent)
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := archive.Write(&stream, archive.Manifest{Files: files}, sent); err != nil {
		t.Fatal(err)
	}
	received := filepath.Join(dir, "received")
	if _, err := archive.Extract(&stream, received); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(content(p), content(openOn(t, vfs.Default, Config{Dir: received}))); diff != "" {
		t.Errorf("what was received differs (-want +got):\n%s", diff)
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	openOn(t, vfs.Default, Config{Dir: used})
	unlockable := t.TempDir()
	if err := os.Mkdir(filepath.Join(unlockable, "LOCK"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, dir, want string }{
		{"no folder", file, "state engine: create folder: "},
		{"in use", used, "state engine: folder " + used + " is in use"},
		{"no lock", unlockable, "state engine: lock folder: open " + unlockable},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(Config{Dir: test.dir})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("Open: %v, want %q", err, test.want)
			}
		})
	}
}

func TestOpenDamaged(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
	}{
		{"table is missing", func(t *testing.T, dir string) {
			if err := os.Remove(only(t, dir, "*.sst")); err != nil {
				t.Fatal(err)
			}
		}},
		{"table is cut", func(t *testing.T, dir string) {
			if err := os.Truncate(only(t, dir, "*.sst"), 100); err != nil {
				t.Fatal(err)
			}
		}},
		{"manifest is overwritten", func(t *testing.T, dir string) {
			current, err := os.ReadFile(only(t, dir, "marker.manifest.*"))
			if err != nil {
				t.Fatal(err)
			}
			if len(current) != 0 {
				t.Fatalf("the marker has content %q", current)
			}
			name := filepath.Ext(only(t, dir, "marker.manifest.*"))[1:]
			if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{7}, 4096), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			p, err := Open(Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			p.Commit([]kv.Write{set("a", strings.Repeat("long", 1000))})
			closeEngine(t, p)

			test.damage(t, dir)
			if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("Open: %v, want %v", err, ErrCorrupt)
			}
			if _, err := Open(Config{Dir: dir}); err == nil || strings.Contains(err.Error(), "in use") {
				t.Errorf("second Open: %v, want the same error: the folder is not in use", err)
			}
		})
	}
}

// only gives the one file that matches.
func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 1 {
		t.Fatalf("%s matches %q, want one file", pattern, names)
	}
	return names[0]
}

// TestConcurrent is for the race detector: everything that may run while Commit
// runs does, until compactions have removed tables that Verify has listed, too.
func TestConcurrent(t *testing.T) {
	p := openOn(t, vfs.NewMem(), Config{Dir: "state", MemTableBytes: 64 << 10})
	var group sync.WaitGroup
	for _, work := range []func(){
		func() { compareHalves(t, p) },
		func() { p.Flush() },
		func() { p.Metrics() },
		func() {
			if err := p.Verify(t.Context(), 0); err != nil {
				t.Errorf("Verify: %v", err)
			}
		},
	} {
		group.Go(func() {
			for n := 0; n < 50 || p.Metrics().Compactions == 0; n++ {
				work()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		value := fmt.Sprint(i)
		p.Commit([]kv.Write{set("left", value), set("right", value), set(fmt.Sprintf("row %d", i), strings.Repeat(value, 100))})
	}
}

// compareHalves reads two keys that are always written as one.
func compareHalves(t *testing.T, p *Pebble) {
	s := p.Snapshot()
	defer s.Close()
	var group sync.WaitGroup
	var left, right []byte
	group.Go(func() { left, _ = s.Get([]byte("left")) })
	group.Go(func() {
		for _, value := range s.Scan([]byte("right"), []byte("right\x00"), true) {
			right = bytes.Clone(value)
		}
	})
	group.Wait()
	if !bytes.Equal(left, right) {
		t.Errorf("a snapshot has %q and %q, want equal values", left, right)
	}
}

func TestLog(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		var output bytes.Buffer
		log := slog.New(slog.NewTextHandler(&output, &slog.HandlerOptions{Level: level}))
		p, err := open(Config{Dir: "state", Log: log}, vfs.NewMem())
		if err != nil {
			t.Fatal(err)
		}
		p.Commit([]kv.Write{set("a", "1")})
		closeEngine(t, p)
		if got := strings.Contains(output.String(), `level=DEBUG msg="state engine" event="[JOB`); got != want {
			t.Errorf("at level %v the log has events: %v, want %v\n%s", level, got, want, output.String())
		}
	}
}

func TestMetrics(t *testing.T) {
	p := openOn(t, vfs.NewMem(), Config{Dir: "state"})
	p.Commit([]kv.Write{set("a", strings.Repeat("long", 1000))})
	before := p.Metrics()
	p.Flush()
	for range 2 {
		s := p.Snapshot()
		s.Get([]byte("a"))
		s.Close()
	}
	after := p.Metrics()
	if before.MemTableBytes == 0 {
		t.Errorf("MemTableBytes is 0 after a commit")
	}
	if after.DiskBytes <= before.DiskBytes || after.Flushes != before.Flushes+1 {
		t.Errorf("a flush changed the metrics from %+v to %+v, want more bytes on disk and one flush more", before, after)
	}
	if after.CacheBytes == 0 || after.CacheMisses == 0 || after.CacheHits == 0 {
		t.Errorf("two reads of a table: %+v, want a cache that is used", after)
	}
}

func TestMetricsOfStalls(t *testing.T) {
	// While a table cannot be written, memory fills up and commits wait.
	gate := make(chan struct{})
	slow := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			<-gate
		}
		return nil
	})
	p := openOn(t, errorfs.Wrap(vfs.NewMem(), slow), Config{Dir: "state", MemTableBytes: 64 << 10})
	var group sync.WaitGroup
	group.Go(func() {
		for i := range 400 {
			p.Commit([]kv.Write{set(fmt.Sprint(i), strings.Repeat("x", 1<<10))})
		}
	})
	for p.Metrics().WriteStalls == 0 {
		runtime.Gosched()
	}
	if got := p.Metrics().WriteStallTime; got <= 0 {
		t.Errorf("during a stall WriteStallTime is %v, want more than nothing", got)
	}
	close(gate)
	group.Wait()
}
