package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"acquired/fsm/kv"
)

// ending is a Config.Fatal: it ends the goroutine instead of the process.
type ending struct {
	mu     sync.Mutex
	errors []error
	called chan struct{}
}

func newEnding() *ending { return &ending{called: make(chan struct{})} }

func (e *ending) fatal(err error) {
	e.mu.Lock()
	e.errors = append(e.errors, err)
	e.mu.Unlock()
	close(e.called)
	runtime.Goexit()
}

// of runs f, which must be ended, and gives the error it was ended by.
func (e *ending) of(t *testing.T, f func()) error {
	t.Helper()
	returned := make(chan bool)
	go func() {
		ok := false
		defer func() { returned <- ok }()
		f()
		ok = true
	}()
	if <-returned {
		t.Fatal("there was no fatal error, want one")
	}
	return e.only(t)
}

func (e *ending) only(t *testing.T) error {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.errors) != 1 {
		t.Fatalf("fatal errors are %v, want one", e.errors)
	}
	return e.errors[0]
}

// table makes a state with one table, which has blocks of every kind we write,
// and gives the name of its file.
func table(t *testing.T, disk vfs.FS) string {
	t.Helper()
	p, err := open(Config{Dir: "state"}, disk)
	if err != nil {
		t.Fatal(err)
	}
	p.Commit([]kv.Write{set("a", "first"), set("b", "b")})
	// A version that is overwritten but still read goes to a value block.
	s := p.Snapshot()
	p.Commit([]kv.Write{set("a", "second"), set("c", strings.Repeat("c", 100))})
	p.Flush()
	s.Close()
	names, err := p.tables()
	if err != nil || len(names) != 1 {
		t.Fatalf("tables are %v, %v, want one", names, err)
	}
	closeEngine(t, p)
	return "state/" + names[0]
}

// settle waits until Pebble reads nothing by itself, so that only what the test
// does meets the damage.
func settle(p *Pebble) {
	for !p.db.Metrics().Table.InitialStatsCollectionComplete {
		runtime.Gosched()
	}
}

func size(t *testing.T, disk vfs.FS, name string) int64 {
	t.Helper()
	info, err := disk.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func flip(t *testing.T, disk vfs.FS, name string, offset int64, mask byte) {
	t.Helper()
	f, err := disk.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= mask
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsEveryBit(t *testing.T) {
	disk := vfs.NewMem()
	name := table(t, disk)
	p := openOn(t, disk, Config{Dir: "state"})
	settle(p)
	if err := p.Verify(t.Context(), 0); err != nil {
		t.Fatalf("Verify of a sound table: %v", err)
	}
	for offset := range size(t, disk, name) {
		for bit := range 8 {
			flip(t, disk, name, offset, 1<<bit)
			end := newEnding()
			p.fatal, p.failed = end.fatal, sync.Once{}
			err := end.of(t, func() { p.Verify(t.Context(), 0) })
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d bit %d: %v, want %v", offset, bit, err, ErrCorrupt)
			}
			if want := "state engine: verify: data is corrupt: file 0"; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("byte %d bit %d: %v, want %s...", offset, bit, err, want)
			}
			flip(t, disk, name, offset, 1<<bit)
		}
	}
}

func TestVerifyFindsMissingTable(t *testing.T) {
	disk := vfs.NewMem()
	name := table(t, disk)
	end := newEnding()
	p := openOn(t, disk, Config{Dir: "state", Fatal: end.fatal})
	settle(p)
	if err := disk.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := end.of(t, func() { p.Verify(t.Context(), 0) }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Verify: %v, want %v", err, ErrCorrupt)
	}
}

func TestVerifyLeavesCacheAlone(t *testing.T) {
	disk := vfs.NewMem()
	table(t, disk)
	p := openOn(t, disk, Config{Dir: "state"})
	settle(p)
	before := p.Metrics()
	if err := p.Verify(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	// Pebble itself reads a little when it has opened a table.
	if after := p.Metrics(); after.CacheBytes != before.CacheBytes {
		t.Errorf("Verify changed the cache: %+v, was %+v", after, before)
	}
}

func TestVerifyStops(t *testing.T) {
	disk := vfs.NewMem()
	table(t, disk)
	p := openOn(t, disk, Config{Dir: "state"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.Verify(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Verify at a byte a second: %v, want that the time is over", err)
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := pace{bytesPerSecond: 1000}
		for range 10 {
			if err := p.wait(t.Context(), 500); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := time.Since(start), 4500*time.Millisecond; got != want {
			t.Errorf("the last of 10 reads of 500 bytes began after %v, want %v", got, want)
		}
		time.Sleep(time.Hour)
		start = time.Now()
		for range 3 {
			if err := p.wait(t.Context(), 1000); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := time.Since(start), 2*time.Second; got != want {
			t.Errorf("after a break the last of 3 reads of 1000 bytes began after %v, want %v", got, want)
		}
	})
}

func TestReadsFindDamage(t *testing.T) {
	for name, read := range map[string]func(kv.Snapshot){
		"get": func(s kv.Snapshot) { s.Get([]byte("b")) },
		"scan": func(s kv.Snapshot) {
			for range s.Scan(nil, everything, false) {
			}
		},
		"backward": func(s kv.Snapshot) {
			for range s.Scan(nil, everything, true) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			file := table(t, disk)
			for offset := range int64(64) { // the first block, of data, and more
				flip(t, disk, file, offset, 1)
			}
			end := newEnding()
			p, err := open(Config{Dir: "state", Fatal: end.fatal}, disk)
			if err != nil {
				t.Fatal(err)
			}
			err = end.of(t, func() { read(p.Snapshot()) })
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), strings.TrimPrefix(file, "state/")) {
				t.Errorf("%v, want %v and the name of the file", err, ErrCorrupt)
			}
		})
	}
}

func TestFatalIsPanicByDefault(t *testing.T) {
	disk := vfs.NewMem()
	file := table(t, disk)
	flip(t, disk, file, 10, 1)
	p, err := open(Config{Dir: "state"}, disk)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, ErrCorrupt) {
			t.Errorf("panic with %v, want %v", err, ErrCorrupt)
		}
	}()
	p.Snapshot().Get([]byte("b"))
	t.Error("a damaged table was read, want a panic")
}

var errDisk = errors.New("the disk is broken")

func TestFailedFlushIsFatal(t *testing.T) {
	synced := []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}
	for _, test := range []struct {
		name  string
		kinds []errorfs.OpKind
		file  string // what its name contains
		want  string
	}{
		{"create table", []errorfs.OpKind{errorfs.OpCreate}, ".sst", "state engine: flush or compaction: "},
		{"write table", []errorfs.OpKind{errorfs.OpFileWrite}, ".sst", "state engine: flush or compaction: "},
		{"sync table", synced, ".sst", "state engine: flush or compaction: "},
		{"write manifest", []errorfs.OpKind{errorfs.OpFileWrite}, "MANIFEST", "state engine: internal: MANIFEST flush failed: "},
		{"sync manifest", synced, "MANIFEST", "state engine: internal: MANIFEST sync failed: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			var broken errorfs.Toggle
			broken.Injector = errorfs.InjectorFunc(func(op errorfs.Op) error {
				if slices.Contains(test.kinds, op.Kind) && strings.Contains(op.Path, test.file) {
					return errDisk
				}
				return nil
			})
			end := newEnding()
			p, err := open(Config{Dir: "state", Fatal: end.fatal}, errorfs.Wrap(vfs.NewMem(), &broken))
			if err != nil {
				t.Fatal(err)
			}
			p.Commit([]kv.Write{set("a", "1")})
			broken.On()
			flushed := make(chan struct{})
			go func() {
				p.Flush()
				close(flushed)
			}()
			select {
			case <-end.called:
			case <-flushed:
				t.Fatal("Flush returned, want that it does not")
			}
			got := end.only(t).Error()
			if !strings.HasPrefix(got, test.want) || !strings.HasSuffix(got, errDisk.Error()) {
				t.Errorf("%s, want %s... %v", got, test.want, errDisk)
			}
		})
	}
}

func TestEmptyKeyIsFatal(t *testing.T) {
	end := newEnding()
	p := openOn(t, vfs.NewMem(), Config{Dir: "state", Fatal: end.fatal})
	if err := end.of(t, func() { p.Commit([]kv.Write{set("", "value")}) }); !errors.Is(err, errEmptyKey) {
		t.Errorf("%v, want %v", err, errEmptyKey)
	}
}
