package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// entry gives the log entry that the tests store at an index in a term.
func entry(index, term uint64, size int) *raft.Log {
	data := bytes.Repeat([]byte(fmt.Sprintf("entry %d of term %d;", index, term)), size/10+1)
	return &raft.Log{
		Index:      index,
		Term:       term,
		Type:       raft.LogCommand,
		Data:       data[:size],
		AppendedAt: time.Unix(1_700_000_000, int64(index)).UTC(),
	}
}

func entries(first, last, term uint64, size int) []*raft.Log {
	var logs []*raft.Log
	for i := first; i <= last; i++ {
		logs = append(logs, entry(i, term, size))
	}
	return logs
}

// thrown is what the Fatal of the tests panics with.
type thrown struct{ error }

func throw(err error) { panic(thrown{err}) }

// fatal gives the error that do ends the process with; nil if it does not.
func fatal(do func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case thrown:
			err = r.error
		default:
			panic(r)
		}
	}()
	do()
	return nil
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	return openConfig(t, Config{Path: path, Fatal: throw})
}

func openConfig(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func store(t testing.TB, s *Store, logs ...*raft.Log) {
	t.Helper()
	if err := s.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantLog(t testing.TB, s *Store, want *raft.Log) {
	t.Helper()
	var got raft.Log
	if err := s.GetLog(want.Index, &got); err != nil {
		t.Fatalf("GetLog(%d): %v", want.Index, err)
	}
	if diff := cmp.Diff(*want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("GetLog(%d) (-want +got):\n%s", want.Index, diff)
	}
}

func wantNoLog(t testing.TB, s *Store, index uint64) {
	t.Helper()
	var got raft.Log
	if err := s.GetLog(index, &got); err != raft.ErrLogNotFound {
		t.Fatalf("GetLog(%d) = %v, want %v", index, err, raft.ErrLogNotFound)
	}
}

func tempPath(t testing.TB) string {
	return filepath.Join(t.TempDir(), "raft.db")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	tests := []struct {
		name string
		c    Config
		want string
	}{
		{"no path", Config{}, "path is empty"},
		{"negative cache", Config{Path: filepath.Join(folder, "a"), CacheBytes: -1}, "must not be negative"},
		{"no folder", Config{Path: filepath.Join(folder, "none", "raft.db")}, "no such file"},
		{"a folder", Config{Path: folder}, "is not a regular file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.c)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := open(t, path)
	store(t, s, entry(1, 1, 10))

	_, err := Open(Config{Path: path})
	if want := "another process holds the lock"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second Open = %v, want an error with %q", err, want)
	}
	wantLog(t, s, entry(1, 1, 10))
	closeStore(t, s)
	wantLog(t, open(t, path), entry(1, 1, 10))
}

// No other test can tell: what was not synced is lost with the power only.
func TestEverySyncIsOn(t *testing.T) {
	t.Parallel()
	o := boltOptions("")
	if o.NoSync || o.BoltOptions.NoSync || o.BoltOptions.NoGrowSync {
		t.Errorf("a sync is off: %+v, %v", o, o.BoltOptions)
	}
}

func TestFileIsPrivate(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), os.FileMode(0o600); got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
}

func TestStoreLogsLeavesTheCallersLogs(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t))
	logs := entries(1, 3, 1, 100)
	pointers := append([]*raft.Log(nil), logs...)
	store(t, s, logs...)
	for i, want := range entries(1, 3, 1, 100) {
		if logs[i] != pointers[i] {
			t.Errorf("log %d was exchanged", i)
		}
		if diff := cmp.Diff(want, logs[i]); diff != "" {
			t.Errorf("log %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestStoreLogsRefuses(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t))
	extended := entry(2, 1, 10)
	extended.Extensions = []byte("taken")
	tests := []struct {
		name string
		log  *raft.Log
		want string
	}{
		{"extensions", extended, "log entry 2: extensions are 5 bytes"},
		{"no index", entry(0, 1, 10), "indexes begin at 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := s.StoreLogs([]*raft.Log{entry(1, 1, 10), test.log})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("StoreLogs = %v, want an error with %q", err, test.want)
			}
			wantNoLog(t, s, 1)
		})
	}
}

// Raft and its tools may use one Log for several calls. What it was given from
// the cache must not be written to when it next reads from disk.
func TestGetLogIntoAUsedLog(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := open(t, path)
	store(t, s, entry(1, 1, 100))
	closeStore(t, s)

	s = open(t, path)
	store(t, s, entry(2, 1, 100))
	var log raft.Log
	for _, index := range []uint64{2, 1} { // first from memory, then from disk
		if err := s.GetLog(index, &log); err != nil {
			t.Fatal(err)
		}
	}
	wantLog(t, s, entry(2, 1, 100))
}

func TestStableStore(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := open(t, path)
	if _, err := s.Get([]byte("vote")); err != raftboltdb.ErrKeyNotFound {
		t.Errorf("Get = %v, want %v", err, raftboltdb.ErrKeyNotFound)
	}
	// NewRaft compares the text.
	if _, err := s.GetUint64([]byte("term")); err == nil || err.Error() != "not found" {
		t.Errorf("GetUint64 = %v, want not found", err)
	}
	if err := s.Set(nil, []byte("x")); err == nil {
		t.Error("Set without a key: want an error")
	}
	for term := range uint64(3) {
		if err := errors.Join(s.SetUint64([]byte("term"), term), s.Set([]byte("vote"), []byte("node-2")), s.Set([]byte("empty"), nil)); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)

	s = open(t, path)
	if got, err := s.GetUint64([]byte("term")); got != 2 || err != nil {
		t.Errorf("GetUint64 = %d, %v, want 2", got, err)
	}
	if got, err := s.Get([]byte("vote")); string(got) != "node-2" || err != nil {
		t.Errorf("Get = %q, %v, want node-2", got, err)
	}
	if got, err := s.Get([]byte("empty")); len(got) != 0 || err != nil {
		t.Errorf("Get = %q, %v, want an empty value", got, err)
	}
	if got, err := s.GetUint64([]byte("vote")); err == nil {
		t.Errorf("GetUint64 of what is no number = %d, want an error", got)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t))
	closeStore(t, s)
	closeStore(t, s)
	calls := map[string]func() error{
		"StoreLogs":   func() error { return s.StoreLog(entry(1, 1, 10)) },
		"DeleteRange": func() error { return s.DeleteRange(1, 1) },
		"Set":         func() error { return s.Set([]byte("k"), nil) },
		"GetLog":      func() error { return s.GetLog(1, new(raft.Log)) },
		"Get":         func() error { _, err := s.Get([]byte("k")); return err },
		"LastIndex":   func() error { _, err := s.LastIndex(); return err },
	}
	for name, call := range calls {
		if err := call(); err != errClosed {
			t.Errorf("%s = %v, want %v", name, err, errClosed)
		}
	}
}

func TestObserveWrite(t *testing.T) {
	t.Parallel()
	type write struct {
		took           time.Duration
		entries, bytes int
	}
	var got []write
	clock := time.Unix(0, 0)
	s := openConfig(t, Config{
		Path:  tempPath(t),
		Fatal: throw,
		Now: func() time.Time {
			clock = clock.Add(time.Second)
			return clock
		},
		ObserveWrite: func(d time.Duration, entries, bytes int) { got = append(got, write{d, entries, bytes}) },
	})
	store(t, s, entries(1, 3, 1, 100)...)
	store(t, s)
	err := errors.Join(s.SetUint64([]byte("term"), 1), s.DeleteRange(1, 2), s.DeleteRange(2, 1), s.StoreLog(entry(4, 1, 7)))
	if err != nil {
		t.Fatal(err)
	}
	want := []write{{time.Second, 3, 300}, {time.Second, 0, 0}, {time.Second, 0, 0}, {time.Second, 1, 7}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(write{})); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if got, want := s.Stats(), (Stats{Writes: 4, Entries: 4, Bytes: 307}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

// A clock that does not answer at the end of the write keeps it in progress.
func TestStalled(t *testing.T) {
	t.Parallel()
	start := time.Unix(100, 0)
	first := true
	ending, release := make(chan struct{}), make(chan struct{})
	s := openConfig(t, Config{Path: tempPath(t), Fatal: throw, Now: func() time.Time {
		if !first {
			close(ending)
			<-release
		}
		first = false
		return start
	}})
	wantStalled := func(now time.Time, want time.Duration) {
		t.Helper()
		if got := s.Stalled(now); got != want {
			t.Errorf("Stalled = %v, want %v", got, want)
		}
	}
	wantStalled(start.Add(time.Hour), 0)

	done := make(chan error)
	go func() { done <- s.StoreLog(entry(1, 1, 10)) }()
	<-ending
	wantStalled(start.Add(9*time.Second), 9*time.Second)
	wantStalled(start.Add(-time.Second), 0)
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStalled(start.Add(time.Hour), 0)
}

// Raft reads for its followers while it appends, and deletes old entries from
// another goroutine than the one that appends.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const last = 120
	s := openConfig(t, Config{Path: tempPath(t), Fatal: throw, CacheBytes: 4000})
	appended := make(chan uint64, last)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for index := range appended {
				var got raft.Log
				err := s.GetLog(index, &got)
				if want := entry(index, 1, 200); err != raft.ErrLogNotFound && !bytes.Equal(got.Data, want.Data) {
					t.Errorf("GetLog(%d) = %q, %v, want %q", index, got.Data, err, want.Data)
				}
				if err := s.DeleteRange(1, index/2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for index := uint64(1); index <= last; index += 3 {
		store(t, s, entries(index, index+2, 1, 200)...)
		for i := range uint64(3) {
			appended <- index + i
		}
	}
	close(appended)
	group.Wait()

	wantNoLog(t, s, last/2)
	for _, want := range entries(last/2+1, last, 1, 200) {
		wantLog(t, s, want)
	}
}
