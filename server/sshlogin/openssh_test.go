package sshlogin

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// openSSH is the client that people have.
type openSSH struct {
	path    string
	service *service
	folder  string // of identities
}

// startOpenSSH starts a service for principals with a key of the type each. The
// name of the identity is the last part of the principal's.
func startOpenSSH(t *testing.T, keys map[string]string) *openSSH {
	t.Helper()
	path, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("the OpenSSH client is not installed")
	}
	o := &openSSH{path: path, folder: t.TempDir(), service: &service{keys: map[string][]ssh.PublicKey{"/user/empty": nil}}}
	for principal, keyType := range keys {
		o.service.keys[principal] = []ssh.PublicKey{o.identity(t, filepath.Base(principal), keyType)}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	o.service.start(t, listener, Limits{SourceRate: 1000, SourceBurst: 1000})
	return o
}

// identity writes a private key and gives the public one.
func (o *openSSH) identity(t *testing.T, name, keyType string) ssh.PublicKey {
	t.Helper()
	key := newPrivateKey(t, keyType)
	block, err := ssh.MarshalPrivateKey(key, name)
	if err != nil {
		t.Fatalf("encode identity: %v", err)
	}
	if err := os.WriteFile(filepath.Join(o.folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatalf("write identity: %v", err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatalf("public key: %v", err)
	}
	return public
}

type result struct {
	stdout, stderr string
	status         int
}

// run logs in as the principal with the identity.
func (o *openSSH) run(t *testing.T, principal, identity string, arguments ...string) result {
	t.Helper()
	command := o.command(t, principal, identity, arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("run %s: %v", o.path, err)
	} else if ok {
		return result{stdout.String(), stderr.String(), exit.ExitCode()}
	}
	return result{stdout.String(), stderr.String(), 0}
}

// command gives the command of a login. The arguments go before the host or,
// from "--" on, behind it.
func (o *openSSH) command(t *testing.T, principal, identity string, arguments ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(o.service.Addr().String())
	if err != nil {
		t.Fatalf("address: %v", err)
	}
	before, behind := arguments, []string(nil)
	for i, argument := range arguments {
		if argument == "--" {
			before, behind = arguments[:i], arguments[i+1:]
			break
		}
	}
	line := []string{"-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "GlobalKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes",
		"-o", "LogLevel=ERROR", "-i", filepath.Join(o.folder, identity), "-p", port, "-l", principal}
	line = append(append(append(line, before...), host), behind...)
	return exec.CommandContext(t.Context(), o.path, line...)
}

func TestOpenSSH(t *testing.T) {
	t.Parallel()
	o := startOpenSSH(t, map[string]string{
		"/user/ed25519": ssh.KeyAlgoED25519, "/user/ecdsa": ssh.KeyAlgoECDSA256, "/user/rsa": ssh.KeyAlgoRSA,
	})
	o.identity(t, "stranger", ssh.KeyAlgoED25519)

	for _, name := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(name, func(t *testing.T) {
			principal := "/user/" + name
			want := result{stdout: credentialOf(principal) + "\n"}
			if got := o.run(t, principal, name); got != want {
				t.Errorf("login: got %+v, want %+v", got, want)
			}
		})
	}
	const principal, identity = "/user/ed25519", "ed25519"
	granted := credentialOf(principal)
	for _, c := range []struct {
		name      string
		arguments []string
		want      result
	}{
		{"command", []string{"--", "rm", "-rf", "/"}, result{stdout: granted + "\n"}},
		{"terminal", []string{"-tt"}, result{stdout: granted + "\r\n"}},
		{"environment", []string{"-o", "SetEnv=LANG=C", "-A", "-X"}, result{stdout: granted + "\n"}},
		{"own MACs", []string{"-m", "hmac-sha2-256-etm@openssh.com"}, result{stdout: granted + "\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := o.run(t, principal, identity, c.arguments...); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	for name, arguments := range map[string][]string{
		"sftp":              {"-s", "--", "sftp"},
		"forward of stdin":  {"-W", "127.0.0.1:1"},
		"remote forwarding": {"-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"},
		"old cipher":        {"-c", "aes128-cbc"},
		"SHA-1 signature":   {"-o", "PubkeyAcceptedAlgorithms=ssh-rsa"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := o.run(t, principal, identity, arguments...); got.status == 0 || got.stdout != "" {
				t.Errorf("got %+v, want nothing and a failure", got)
			}
		})
	}
}

// A client cannot tell why it was refused.
func TestOpenSSHRefusalsAreAlike(t *testing.T) {
	t.Parallel()
	o := startOpenSSH(t, map[string]string{"/user/alice": ssh.KeyAlgoED25519})
	o.identity(t, "stranger", ssh.KeyAlgoED25519)
	want := o.run(t, "/user/alice", "stranger")
	if want.status != 255 || want.stdout != "" || !strings.Contains(want.stderr, "/user/alice@127.0.0.1: Permission denied (publickey).") {
		t.Errorf("wrong key: got %+v, want status 255 and permission denied", want)
	}
	for _, principal := range []string{"/user/empty", "/user/nobody", "nonsense", "/user/" + strings.Repeat("x", MaxPrincipal)} {
		got := o.run(t, principal, "stranger")
		got.stderr = strings.ReplaceAll(got.stderr, principal, "/user/alice")
		if got != want {
			t.Errorf("login as %.80q: got %+v, want %+v", principal, got, want)
		}
	}
}

// The client listens for the port that it would forward, whatever the server
// says, and asks it when something connects.
func TestOpenSSHForwardsNothing(t *testing.T) {
	t.Parallel()
	o := startOpenSSH(t, map[string]string{"/user/alice": ssh.KeyAlgoED25519})
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	reached := make(chan bool, 1)
	go func() {
		conn, err := target.Accept()
		if err == nil {
			_ = conn.Close()
		}
		reached <- err == nil
	}()
	socket := filepath.Join(o.folder, "socket")
	command := o.command(t, "/user/alice", "alice", "-N", "-v", "-L", socket+":"+target.Addr().String())
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatalf("pipe: %v", err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("start %s: %v", o.path, err)
	}
	lines := bufio.NewScanner(stderr)
	waitLine(t, lines, "Entering interactive session")
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatalf("dial what the client listens at: %v", err)
	}
	waitLine(t, lines, "administratively prohibited")
	_ = conn.Close()
	_ = target.Close()
	if <-reached {
		t.Error("the target of a forwarding was reached")
	}
	_ = command.Process.Kill()
	_ = command.Wait() // killed
}

func waitLine(t *testing.T, lines *bufio.Scanner, part string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), part) {
			return
		}
	}
	t.Fatalf("the client ended without saying %q", part)
}

// The flood is of real connections from one source, which the honest client is
// at as well.
func TestFloodOfSockets(t *testing.T) {
	t.Parallel()
	key := newSigner(t, ssh.KeyAlgoED25519)
	s := &service{keys: map[string][]ssh.PublicKey{alice: {key.PublicKey()}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s.start(t, listener, Limits{HandshakeTimeout: 2 * time.Second, SourceRate: 1000, SourceBurst: 1000, TotalRate: 1000, TotalBurst: 1000})
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		return conn
	}
	for range 500 {
		conn := dial()
		defer conn.Close()
	}
	want := credentialOf(alice) + "\n"
	for { // until the test times out
		if got, err := s.login(dial(), alice, key); err == nil && got == want {
			return
		}
	}
}
