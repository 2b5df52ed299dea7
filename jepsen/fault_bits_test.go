package jepsen

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/jepsen/cluster"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// damage ends a node, changes what it has on disk, and starts it. It must end
// by itself with a line that has the text, and give no wrong answer before. The
// others go on, and without its data it comes back.
type damage struct {
	// killed nodes have to read the log again; others have all in their state.
	killed bool
	change func(*testing.T, *cluster.Book, *cluster.Node)
	text   string
	// forgets: the node lacks what it had, until it finds out.
	forgets bool
	// quarantined nodes refuse to start again.
	quarantined bool
}

func (d damage) test(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	for round := range rounds(1, 10) {
		d.inflict(t, c, book, c.Node(victim(c, round)))
		book.Write(100)
		book.Audit()
	}
}

func (d damage) inflict(t *testing.T, c *cluster.Cluster, book *cluster.Book, n *cluster.Node) {
	t.Helper()
	var known []string
	if d.killed {
		n.Kill()
	} else {
		book.Audit(n.ID)
		n.Stop()
		known = book.Acknowledged()
	}
	if d.forgets {
		known = nil
	}
	c.LeaderAmong(c.Others(n.ID)...)
	d.change(t, book, n)
	begin := n.LogSize()
	n.Start()
	t.Logf("%s answered %d times and ended", n.ID, book.AskUntilEnd(n, soon, known))
	n.WantEnd(soon, begin, statusFatal, d.text)
	_, longest := book.During(func() { book.WaitFor(20, soon) })
	t.Logf("no transfer was acknowledged for %s", longest.Round(time.Millisecond))
	book.Audit(c.Others(n.ID)...)
	if d.quarantined {
		c.WantRefused(n.ConfigFile(), "is in quarantine: ")
	}
	n.Wipe()
	rejoin(t, c, n)
}

// TestFlippedBitInLog changes a bit of an entry that the state lacks.
func TestFlippedBitInLog(t *testing.T) {
	damage{killed: true, change: flipBitInLog, text: "checksum does not match"}.test(t)
}

// flipBitInLog changes a bit of the newest entry. Where the file has older
// copies of the page, which nobody reads, it is changed in them as well.
func flipBitInLog(t *testing.T, book *cluster.Book, n *cluster.Node) {
	t.Helper()
	changeFile(t, filepath.Join(n.DataDir(), "raft.db"), func(content []byte) {
		id := []byte(newest(t, book))
		copies := 0
		for at := bytes.Index(content, id); at >= 0; at = bytes.Index(content, id) {
			content[at] ^= 1 << 5
			copies++
		}
		if copies == 0 {
			t.Fatalf("%s is not in the log of %s", id, n.ID)
		}
	})
}

// TestFlippedBitInState changes a bit of a table of the state.
func TestFlippedBitInState(t *testing.T) {
	damage{change: flipBitInState, text: "data is corrupt"}.test(t)
}

func flipBitInState(t *testing.T, _ *cluster.Book, n *cluster.Node) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(stateFolder(t, n), "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables of %s: %v, %v, want some", n.ID, tables, err)
	}
	largest := slices.MaxFunc(tables, func(a, b string) int { return int(fileSize(t, a) - fileSize(t, b)) })
	changeFile(t, largest, func(content []byte) { content[len(content)/2] ^= 1 << 3 })
}

// TestChangedRecord changes a record where no checksum of a block tells.
func TestChangedRecord(t *testing.T) {
	damage{change: changeRecord, text: "quarantined: ", quarantined: true}.test(t)
}

// changeRecord changes the last byte of an entry of the journal, which no entry writes again.
func changeRecord(t *testing.T, _ *cluster.Book, n *cluster.Node) {
	t.Helper()
	e := openState(t, n)
	snapshot := e.Snapshot()
	var write kv.Write
	for key, value := range snapshot.Scan([]byte("ledger/entry\x00"), []byte("ledger/entry\x01"), false) {
		write = kv.Write{Key: bytes.Clone(key), Value: bytes.Clone(value)}
		break
	}
	snapshot.Close()
	if write.Key == nil {
		t.Fatalf("%s has no entry of the journal", n.ID)
	}
	write.Value[len(write.Value)-1] ^= 1
	e.Commit([]kv.Write{write})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDivergedState makes the state of a node another one than that of the
// others, and sound in itself: as if the node had applied another entry.
func TestDivergedState(t *testing.T) {
	damage{change: applyOtherEntry, text: "that of a quorum", forgets: true, quarantined: true}.test(t)
}

func applyOtherEntry(t *testing.T, book *cluster.Book, n *cluster.Node) {
	t.Helper()
	body, err := proto.Marshal(&pb.CreateAssetRequest{Code: "OTHER"})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := fsm.EncodeEntry(&statev1.Entry{Commands: []*statev1.Command{{
		Name: "ledger.create_asset", RequestId: "other", Body: body,
		Caller: &statev1.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	e := openState(t, n)
	machine := fsm.New(e)
	at := machine.Position()
	results := machine.Apply(at.Index+1, at.Term, entry)
	if len(results) != 1 || results[0].Err != nil {
		t.Fatalf("the other entry: %+v, want it applied", results)
	}
	machine.Close()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	// The others have an entry of their own at that index.
	book.Write(10)
}

func changeFile(t *testing.T, path string, change func(content []byte)) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(content)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
