package gossip

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/memberlist"
)

// patience bounds the wait for what must come.
const patience = 30 * time.Second

// config gives a Config on loopback; the node serves at "<node>.example:7000".
func config(node string, join ...string) Config {
	return Config{
		Node:    node,
		Cluster: "estate",
		Listen:  "127.0.0.1:0",
		Address: node + ".example:7000",
		Join:    join,
		Key:     bytes.Repeat([]byte{1}, keySize),
	}
}

// node gives the Node that config makes.
func node(id string, alive bool) Node {
	return Node{ID: id, Address: id + ".example:7000", Alive: alive}
}

// start starts the member and stops it when the test ends.
func start(t *testing.T, c Config) *Gossip {
	t.Helper()
	g, err := Start(t.Context(), c)
	if err != nil {
		t.Fatalf("Start(%q): %v", c.Node, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := g.Stop(ctx); err != nil {
			t.Errorf("Stop(%q): %v", c.Node, err)
		}
	})
	return g
}

// kill ends the member without goodbye.
func kill(t *testing.T, g *Gossip) {
	t.Helper()
	g.stop.Do(func() {
		defer close(g.stopped)
		g.endJoining()
		if err := g.list.Shutdown(); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		g.joining.Wait()
		g.log.close()
	})
}

// await waits until the member knows exactly these nodes.
func await(t *testing.T, g *Gossip, want ...Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		changed := g.Changed()
		difference := cmp.Diff(want, g.Nodes())
		if difference == "" {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("nodes known to %q (-want +got):\n%s", g.node, difference)
		}
	}
}

// journal takes what a member logs.
type journal struct {
	mu      sync.Mutex
	text    strings.Builder
	written chan struct{}
}

func newJournal() *journal { return &journal{written: make(chan struct{})} }

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.written)
	j.written = make(chan struct{})
	return j.text.Write(line)
}

func (j *journal) read() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String(), j.written
}

// await waits until the text was logged.
func (j *journal) await(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		got, written := j.read()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-written:
		case <-ctx.Done():
			t.Fatalf("logged:\n%swant %q", got, text)
		}
	}
}

func TestFindEachOther(t *testing.T) {
	a := start(t, config("a"))
	b := start(t, config("b", a.ListenAddress()))
	c := start(t, config("c", b.ListenAddress()))
	for _, g := range []*Gossip{a, b, c} {
		await(t, g, node("a", true), node("b", true), node("c", true))
	}
	if got, ok := a.Address("c"); got != "c.example:7000" || !ok {
		t.Errorf("Address(c) = %q, %v, want c.example:7000, true", got, ok)
	}
	if got, ok := a.Address("d"); got != "" || ok {
		t.Errorf("Address(d) = %q, %v, want none", got, ok)
	}
	if err := c.join(t.Context(), c.ListenAddress()); err != nil {
		t.Errorf("joining oneself: %v", err)
	}
	await(t, c, node("a", true), node("b", true), node("c", true))
}

func TestJoinIsRetried(t *testing.T) {
	a := start(t, config("a"))
	door := newDoor(t, a.ListenAddress())
	logged := newJournal()
	c := config("b", door.address())
	c.Log = logged.logger()
	b := start(t, c)
	logged.await(t, `level=WARN msg="gossip host did not answer"`)
	await(t, b, node("b", true))
	door.open()
	await(t, a, node("a", true), node("b", true))
	await(t, b, node("a", true), node("b", true))
}

// A door hangs up on who connects until it is opened, then leads to a member.
type door struct {
	listener net.Listener
	opened   chan struct{}
}

func newDoor(t *testing.T, to string) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: listener, opened: make(chan struct{})}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	running.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { d.pass(in, to) })
		}
	})
	return d
}

func (d *door) address() string { return d.listener.Addr().String() }

func (d *door) open() { close(d.opened) }

func (d *door) pass(in net.Conn, to string) {
	defer in.Close()
	select {
	case <-d.opened:
	default:
		return
	}
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

func TestStrangerIsNotAdmitted(t *testing.T) {
	tests := map[string]func(*Config){
		"another key":     func(c *Config) { c.Key = bytes.Repeat([]byte{2}, keySize) },
		"another cluster": func(c *Config) { c.Cluster = "another" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			a := start(t, config("a"))
			logged := newJournal()
			c := config("stranger", a.ListenAddress())
			c.Log = logged.logger()
			change(&c)
			stranger := start(t, c)
			logged.await(t, "gossip host did not answer")

			// A friend is admitted, so the stranger could have been.
			friend := start(t, config("friend", a.ListenAddress(), stranger.ListenAddress()))
			await(t, a, node("a", true), node("friend", true))
			await(t, friend, node("a", true), node("friend", true))
			await(t, stranger, node("stranger", true))
		})
	}
}

func TestBadRecordIsIgnored(t *testing.T) {
	logged := newJournal()
	c := config("a")
	c.Log = logged.logger()
	a := start(t, c)

	m := timing()
	m.Name = "b"
	m.BindAddr, m.BindPort = "127.0.0.1", 0
	m.Label = c.Cluster
	m.SecretKey = c.Key
	m.LogOutput = io.Discard
	m.Delegate = delegate{metadata: []byte("not a record")}
	b, err := memberlist.Create(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	if _, err := b.Join([]string{a.ListenAddress()}); err != nil {
		t.Fatal(err)
	}
	logged.await(t, "ignoring alive message for 'b': decode gossip record")
	await(t, a, node("a", true))
}

func TestRestartElsewhereIsBelieved(t *testing.T) {
	a := start(t, config("a"))
	b := start(t, config("b", a.ListenAddress()))
	c := start(t, config("c", a.ListenAddress()))
	for _, g := range []*Gossip{a, b, c} {
		await(t, g, node("a", true), node("b", true), node("c", true))
	}
	kill(t, c)
	again := config("c", a.ListenAddress())
	again.Address = "elsewhere.example:7001"
	c = start(t, again)
	for _, g := range []*Gossip{a, b, c} {
		await(t, g, node("a", true), node("b", true), Node{ID: "c", Address: "elsewhere.example:7001", Alive: true})
	}
}

func TestSilentNodeKeepsItsAddress(t *testing.T) {
	a := start(t, config("a"))
	b := start(t, config("b", a.ListenAddress()))
	await(t, a, node("a", true), node("b", true))
	kill(t, b)
	await(t, a, node("a", true), node("b", false))
	if got, ok := a.Address("b"); got != "b.example:7000" || !ok {
		t.Errorf("Address(b) = %q, %v, want b.example:7000, true", got, ok)
	}
}

func TestStopSaysGoodbye(t *testing.T) {
	logged := newJournal()
	c := config("a")
	c.Log = logged.logger()
	a := start(t, c)
	b := start(t, config("b", a.ListenAddress()))
	await(t, a, node("a", true), node("b", true))
	await(t, b, node("a", true), node("b", true))
	if err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, a, node("a", true), node("b", false))
	if text, _ := logged.read(); strings.Contains(text, "Marking b") {
		t.Errorf("logged:\n%swant none found dead that said goodbye", text)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	a := start(t, config("a"))
	b := start(t, config("b", a.ListenAddress()))
	await(t, a, node("a", true), node("b", true))
	await(t, b, node("a", true), node("b", true))
	for _, g := range []*Gossip{a, b, a} {
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for running() {
		if runtime.Gosched(); ctx.Err() != nil {
			t.Fatalf("still running:\n%s", stacks())
		}
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// running answers whether a goroutine of memberlist's or ours is left.
func running() bool {
	text := stacks()
	return strings.Contains(text, "hashicorp/memberlist.") || strings.Contains(text, "gossip.(*")
}

func TestStopHeedsContext(t *testing.T) {
	a := start(t, config("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.stop.Do(func() {}) // nobody is stopping it
	if err := a.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop = %v, want context.Canceled", err)
	}
	a.shutDown()
}
