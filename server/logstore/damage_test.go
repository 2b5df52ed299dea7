package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"pgregory.net/rapid"
)

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// flip changes one bit in each place of the file that has the text: bbolt also
// leaves older copies of its pages there.
func flip(t testing.TB, path string, text []byte) {
	t.Helper()
	data := readFile(t, path)
	count := 0
	for at := 0; ; at++ {
		next := bytes.Index(data[at:], text)
		if next < 0 {
			break
		}
		at += next
		data[at] ^= 0x10
		count++
	}
	if count == 0 {
		t.Fatalf("%q is not in the file", text)
	}
	writeFile(t, path, data)
}

func TestFlippedBitOfAnEntry(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := open(t, path)
	store(t, s, entries(1230, 1240, 7, 300)...)
	closeStore(t, s)
	flip(t, path, entry(1234, 7, 300).Data[10:])

	s = open(t, path)
	wantLog(t, s, entry(1233, 7, 300))
	err := fatal(func() { s.GetLog(1234, new(raft.Log)) })
	if want := "log entry 1234: checksum does not match: the disk or memory of this node is faulty"; err == nil || err.Error() != want {
		t.Fatalf("Fatal got %v, want %q", err, want)
	}

	// Whatever is tried while the process ends meets the same end.
	calls := map[string]func(){
		"StoreLogs":   func() { s.StoreLog(entry(1241, 7, 10)) },
		"DeleteRange": func() { s.DeleteRange(1234, 1234) },
		"GetLog":      func() { s.GetLog(1233, new(raft.Log)) },
		"FirstIndex":  func() { s.FirstIndex() },
		"LastIndex":   func() { s.LastIndex() },
		"Set":         func() { s.Set([]byte("k"), nil) },
		"Get":         func() { s.Get([]byte("k")) },
	}
	for name, call := range calls {
		if again := fatal(call); again != err {
			t.Errorf("Fatal of %s got %v, want the first error again", name, again)
		}
	}
}

func TestFlippedBitOfAValue(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := open(t, path)
	if err := s.Set([]byte("LastVoteCand"), []byte("a candidate to vote for")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	flip(t, path, []byte("to vote for"))

	s = open(t, path)
	err := fatal(func() { s.Get([]byte("LastVoteCand")) })
	if want := `value of "LastVoteCand": checksum does not match`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Fatal got %v, want %q", err, want)
	}
}

// The node that changes an entry in memory, be it by a fault or by a bug, must
// not pass it on.
func TestChangedEntryInMemory(t *testing.T) {
	t.Parallel()
	s := open(t, tempPath(t))
	log := entry(1, 1, 100)
	store(t, s, log)
	log.Data[50] ^= 1
	err := fatal(func() { s.GetLog(1, new(raft.Log)) })
	if want := "log entry 1: checksum does not match"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Fatal got %v, want %q", err, want)
	}
}

// TestWrongEntries stores through raft-boltdb alone what a fault could leave.
func TestWrongEntries(t *testing.T) {
	t.Parallel()
	sealed := func(log *raft.Log) *raft.Log {
		logs, _, err := seal([]*raft.Log{log})
		if err != nil {
			t.Fatal(err)
		}
		return logs[0]
	}
	otherTerm, otherType, moved := *sealed(entry(5, 1, 10)), *sealed(entry(5, 1, 10)), *sealed(entry(5, 1, 10))
	otherTerm.Term++
	otherType.Type = raft.LogNoop
	moved.Index++
	tests := []struct {
		name  string
		log   *raft.Log
		index uint64
		want  string
	}{
		{"no checksum", entry(5, 1, 10), 5, "log entry 5: checksum does not match"},
		{"another term", &otherTerm, 5, "log entry 5: checksum does not match"},
		{"another type", &otherType, 5, "log entry 5: checksum does not match"},
		{"another index", &moved, 6, "log entry 6: checksum does not match"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := tempPath(t)
			bolt, err := raftboltdb.NewBoltStore(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(bolt.StoreLog(test.log), bolt.Close()); err != nil {
				t.Fatal(err)
			}
			s := open(t, path)
			got := fatal(func() { s.GetLog(test.index, new(raft.Log)) })
			if got == nil || !strings.Contains(got.Error(), test.want) {
				t.Errorf("Fatal got %v, want %q", got, test.want)
			}
		})
	}
}

// TestEntryInAnothersPlace changes the key that an entry is stored under.
func TestEntryInAnothersPlace(t *testing.T) {
	t.Parallel()
	const index = 0x6162636465666768 // its key stands in no other place
	path := tempPath(t)
	s := open(t, path)
	store(t, s, entry(index, 1, 10))
	closeStore(t, s)
	data := readFile(t, path)
	key := binary.BigEndian.AppendUint64(nil, index)
	// The key stands before its value, an encoded map, which has the index too.
	at := bytes.Index(data, append(key, 0x86))
	if at < 0 {
		t.Fatal("key not found")
	}
	data[at+7] ^= 1
	writeFile(t, path, data)

	s = open(t, path)
	err := fatal(func() { s.GetLog(index^1, new(raft.Log)) })
	if want := fmt.Sprintf("log entry %d: entry %d is in its place: the disk or memory of this node is faulty", uint64(index^1), uint64(index)); err == nil || err.Error() != want {
		t.Errorf("Fatal got %v, want %q", err, want)
	}
}

func TestFatalMustNotReturn(t *testing.T) {
	t.Parallel()
	for name, ignore := range map[string]func(error){"returning": func(error) {}, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			s := openConfig(t, Config{Path: tempPath(t), Fatal: ignore})
			log := entry(1, 1, 100)
			store(t, s, log)
			log.Data[0] ^= 1
			defer func() {
				err, ok := recover().(error)
				if !ok || !strings.Contains(err.Error(), "log entry 1: checksum") {
					t.Errorf("panicked with %v, want the storage error", err)
				}
			}()
			err := s.GetLog(1, new(raft.Log))
			t.Errorf("GetLog returned %v, want a panic", err)
		})
	}
}

// sample gives a file with branches, leaves, long and short entries and values.
func sample(t testing.TB) ([]byte, []*raft.Log) {
	t.Helper()
	path := tempPath(t)
	s := open(t, path)
	for first := uint64(1); first <= 400; first += 40 {
		store(t, s, entries(first, first+39, first, int(first)+30)...)
	}
	store(t, s, entry(401, 401, 20_000))
	if err := errors.Join(s.DeleteRange(1, 100), s.SetUint64([]byte("term"), 17), s.Set([]byte("vote"), []byte("node-2"))); err != nil {
		t.Fatal(err)
	}
	var logs []*raft.Log
	for i := uint64(101); i <= 400; i++ {
		first := (i-1)/40*40 + 1
		logs = append(logs, entry(i, first, int(first)+30))
	}
	logs = append(logs, entry(401, 401, 20_000))
	for _, log := range logs {
		wantLog(t, s, log)
	}
	closeStore(t, s)
	return readFile(t, path), logs
}

func TestOpenDamagedFile(t *testing.T) {
	t.Parallel()
	good, _ := sample(t)
	size := os.Getpagesize()
	changed := func(change func(data []byte)) []byte {
		data := bytes.Clone(good)
		change(data)
		return data
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"one byte", good[:1], "the file is damaged: invalid database"},
		{"one page", good[:size], "file size too small"},
		{"meta pages only", good[:2*size], "the file is damaged: it has"},
		{"half", good[:len(good)/2], "the file is damaged: it has"},
		{"text", bytes.Repeat([]byte("this is no log. "), 4096), "the file is damaged: invalid database"},
		{"zeros", make([]byte, len(good)), "the file is damaged: invalid database"},
		{"all pages but the meta pages zero", changed(func(data []byte) { clear(data[2*size:]) }), "is in its place"},
		{"all pages but the meta pages ones", changed(func(data []byte) {
			for i := range data[2*size:] {
				data[2*size+i] = 0xff
			}
		}), "is in its place"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := tempPath(t)
			writeFile(t, path, test.data)
			_, err := Open(Config{Path: path, Fatal: throw})
			if err == nil || !strings.Contains(err.Error(), "open log store "+path) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open = %v, want an error with %q", err, test.want)
			}
			if !bytes.Equal(readFile(t, path), test.data) {
				t.Error("Open changed the file")
			}
			// Nothing keeps the file locked: the good one can be put back.
			writeFile(t, path, good)
			closeStore(t, open(t, path))
		})
	}
}

// TestDamageWhileOpen: bbolt reads the file through a memory map.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	good, logs := sample(t)
	size := os.Getpagesize()
	damages := map[string]func(t *testing.T, path string){
		"cut off": func(t *testing.T, path string) {
			if err := os.Truncate(path, int64(2*size)); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, path string) {
			writeFile(t, path, append(bytes.Clone(good[:2*size]), bytes.Repeat([]byte{0xff}, len(good)-2*size)...))
		},
	}
	calls := map[string]func(s *Store){
		"GetLog":      func(s *Store) { s.GetLog(logs[0].Index, new(raft.Log)) },
		"LastIndex":   func(s *Store) { s.LastIndex() },
		"StoreLogs":   func(s *Store) { s.StoreLog(entry(1000, 500, 10)) },
		"DeleteRange": func(s *Store) { s.DeleteRange(100, 200) },
		"Set":         func(s *Store) { s.Set([]byte("term"), nil) },
		"Get":         func(s *Store) { s.Get([]byte("term")) },
	}
	for damage, do := range damages {
		for name, call := range calls {
			t.Run(damage+"/"+name, func(t *testing.T) {
				path := tempPath(t)
				writeFile(t, path, good)
				s := open(t, path)
				do(t, path)
				err := fatal(func() { call(s) })
				if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "log store "+path) {
					t.Errorf("Fatal got %v, want %v with the path", err, errDamaged)
				}
			})
		}
	}
}

// TestRandomDamage: whatever happens to the file, the store answers with what
// was stored, or with nothing, or ends the process with a message.
func TestRandomDamage(t *testing.T) {
	t.Parallel()
	good, logs := sample(t)
	// Bytes after the last page that was ever used decide nothing.
	used := len(bytes.TrimRight(good, "\x00"))
	size := os.Getpagesize()
	folder, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Clone(good)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			at := rapid.IntRange(0, used-1).Draw(t, "at")
			if rapid.Bool().Draw(t, "page head") {
				at = min(used-1, at/size*size+at%64)
			}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0, 1:
				data[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			case 2:
				sector := data[at/512*512:]
				clear(sector[:512])
			case 3:
				copy(data[at/size*size:], good[rapid.IntRange(0, used/size-1).Draw(t, "page")*size:][:size])
			}
		}
		runs++
		path := filepath.Join(folder, fmt.Sprintf("raft-%d.db", runs))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		checkDamaged(t, path, logs)
	})
}

func checkDamaged(t *rapid.T, path string, logs []*raft.Log) {
	s, err := Open(Config{Path: path, Fatal: throw, CacheBytes: 1})
	if err != nil {
		if !errors.Is(err, errDamaged) {
			t.Fatalf("Open: %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	defer os.Remove(path)
	defer s.Close()
	ended := fatal(func() {
		if _, err := s.LastIndex(); err != nil {
			t.Fatal(err)
		}
		for _, want := range logs {
			var got raft.Log
			err := s.GetLog(want.Index, &got)
			if err != nil && err != raft.ErrLogNotFound {
				t.Fatalf("GetLog(%d): %v", want.Index, err)
			}
			if err == nil && (got.Index != want.Index || got.Term != want.Term || got.Type != want.Type || !bytes.Equal(got.Data, want.Data)) {
				t.Fatalf("GetLog(%d) = %+v, want %+v", want.Index, got, *want)
			}
		}
	})
	if ended == nil {
		ended = fatal(func() {
			if err := errors.Join(s.StoreLog(entry(math.MaxInt64, 500, 100)), s.DeleteRange(0, 300)); err != nil {
				t.Fatal(err)
			}
		})
	}
	if ended != nil && !strings.Contains(ended.Error(), "log ") {
		t.Fatalf("Fatal got %v, want it to say what is wrong", ended)
	}
}
