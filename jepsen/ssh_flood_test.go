package jepsen

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"acquired/client"
	"acquired/jepsen/cluster"
	pb "acquired/proto/acquired/v1"
)

const (
	floodUser = "/user/flood/alice"
	// floodConnections are kept up at a time, from floodSource.
	floodConnections = 300
	floodSource      = "127.0.0.1"
	otherSource      = "127.0.0.2"
	// floodPace is between two connections of one of them.
	floodPace = 200 * time.Millisecond
)

// TestSSHFlood floods the port for logins of whoever leads. People still log in,
// from elsewhere meanwhile and from anywhere afterwards, and the node leads on and
// serves everybody else.
func TestSSHFlood(t *testing.T) {
	program, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("ssh, the client that people log in with, is not installed")
	}
	c, book := start(t, cluster.Options{})
	l := newLogin(t, c, program)
	leader := c.ActingLeader()
	elections := c.Elections()
	l.wantLogin(t, leader, floodSource)
	count, longest := book.During(func() {
		begin := leader.LogSize()
		end := flood(t, leader.SSH())
		l.wantLogin(t, leader, otherSource)
		book.WaitFor(100, soon)
		leader.WaitLog(begin, "turned away", soon)
		end()
	})
	t.Logf("%d transfers during the flood, none for %s", count, longest.Round(time.Millisecond))
	l.wantLogin(t, leader, floodSource)
	if got := c.ActingLeader(); got != leader || c.Elections() != elections {
		t.Errorf("%s leads after %d elections, want %s after %d as before the flood", got.ID, c.Elections(), leader.ID, elections)
	}
	book.Audit()
}

// login is a principal who logs in with the ssh program.
type login struct {
	program, identity string
	// stranger shows nothing: what it calls with is in the call.
	stranger *client.Client
}

func newLogin(t *testing.T, c *cluster.Cluster, program string) *login {
	t.Helper()
	key := newKey(t)
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	l := &login{program: program, identity: filepath.Join(t.TempDir(), "identity")}
	if err := os.WriteFile(l.identity, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = c.Dial().Acl.Change(t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{
		create(floodUser), text(floodUser, "ssh-pubkey", authorizedKey(t, key)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config()
	config.Certificate, config.Key = nil, nil
	if l.stranger, err = client.Dial(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.stranger.Close() })
	return l
}

// wantLogin logs in at the node, from the address, until it is let in. What it is
// given then must be good.
func (l *login) wantLogin(t *testing.T, n *cluster.Node, from string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	attempts := 1
	token, err := l.try(ctx, n, from)
	for ; err != nil && ctx.Err() == nil; attempts++ {
		lasts(ctx, floodPace)
		token, err = l.try(ctx, n, from)
	}
	if err != nil {
		t.Fatalf("login from %s: %v", from, err)
	}
	who, err := l.stranger.Identity.Whoami(client.WithRead(bearer(t.Context(), token), client.Latest), &pb.WhoamiRequest{})
	if err != nil || who.Principal != floodUser || who.Method != "ssh" {
		t.Errorf("who logged in is %v, %v, want %s by ssh", who, err, floodUser)
	}
	t.Logf("login from %s at attempt %d", from, attempts)
}

func (l *login) try(ctx context.Context, n *cluster.Node, from string) (token string, err error) {
	host, port, err := net.SplitHostPort(n.SSH())
	if err != nil {
		return "", err
	}
	output, err := exec.CommandContext(ctx, l.program, "-F", "/dev/null", "-b", from, "-i", l.identity, "-p", port, "-l", floodUser,
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", host).Output()
	return strings.TrimSpace(string(output)), err
}

// flood keeps connections up that say nothing, or begin to speak, or speak
// nonsense, and returns when all have been begun. A connection that is ended is
// begun again, until end is called.
func flood(t *testing.T, address string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var (
		group       sync.WaitGroup
		connections atomic.Int64
	)
	begun := make(chan struct{}, floodConnections)
	for i := range floodConnections {
		first := sync.OnceFunc(func() { begun <- struct{}{} })
		words := []string{"", "SSH-2.0-flood\r\n", "GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 1<<16)}[i%3]
		group.Go(func() {
			for ctx.Err() == nil {
				if connectOnce(ctx, address, words, first) {
					connections.Add(1)
				}
				lasts(ctx, floodPace)
			}
		})
	}
	end = sync.OnceFunc(func() {
		cancel()
		group.Wait()
		t.Logf("flood of %d connections", connections.Load())
	})
	t.Cleanup(end)
	late := time.After(soon)
	for i := range floodConnections {
		select {
		case <-begun:
		case <-late:
			t.Fatalf("%d of %d connections of the flood could be made within %s", i, floodConnections, soon)
		}
	}
	return end
}

// connectOnce says its words and listens until the connection is ended. It calls
// begun when it has one, and reports whether.
func connectOnce(ctx context.Context, address, words string, begun func()) bool {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(floodSource)}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	begun()
	closed := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() { closed(); conn.Close() }()
	// The node may have ended it before.
	_, _ = io.WriteString(conn, words)
	_, _ = io.Copy(io.Discard, conn)
	return true
}
