package server_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"acquired/server"
	"acquired/server/servertest"
)

// loopback is where a node listens for ssh, on a port of its own.
const loopback = "127.0.0.1:0"

// withSSH is an Options.Configure with which logins come over TCP.
func withSSH(c *server.Config) {
	inMemory := c.ListenFunc
	c.SSHListen = loopback
	c.ListenFunc = func(ctx context.Context, address string) (net.Listener, error) {
		if address != loopback {
			return inMemory(ctx, address)
		}
		var tcp net.ListenConfig
		return tcp.Listen(ctx, "tcp", address)
	}
}

// newIdentity writes a private key for the OpenSSH client into the file.
func newIdentity(t *testing.T, file string) ssh.PublicKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// runSSH logs in with the OpenSSH client.
func runSSH(t *testing.T, node *server.Node, principal, identity string) (stdout, stderr string, err error) {
	t.Helper()
	host, port, err := net.SplitHostPort(node.SSHAddress())
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "ssh", "-F", "/dev/null",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-i", identity, "-p", port, "-l", principal, host)
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	err = command.Run()
	return out.String(), errors.String(), err
}

// TestLoginWithOpenSSH: what the ssh program prints is a credential of the
// principal whose key it was.
func TestLoginWithOpenSSH(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("the OpenSSH client is not installed")
	}
	cluster := servertest.Start(t, servertest.Options{Nodes: 1, Configure: withSSH})
	node, folder := cluster.Node("node1"), t.TempDir()
	mine, stranger := filepath.Join(folder, "mine"), filepath.Join(folder, "stranger")
	cluster.Principal("/user/alice")
	authorize(t, cluster, "/user/alice", newIdentity(t, mine))
	newIdentity(t, stranger)

	stdout, stderr, err := runSSH(t, node, "/user/alice", mine)
	if err != nil {
		t.Fatalf("ssh: %v\n%s", err, stderr)
	}
	newBearers(t, cluster).wantGood(t, "login", strings.TrimSpace(stdout), "/user/alice")
	if shown := tokenShown(t, cluster, strings.TrimSpace(stdout)); shown.Method != "ssh" {
		t.Errorf("the credential is %v", shown)
	}

	refused := ""
	for _, test := range []struct{ name, principal, identity string }{
		{"another key", "/user/alice", stranger},
		{"an unknown principal", "/user/nobody", mine},
		{"no principal", "/role/x", mine},
		{"no path", "root", mine},
	} {
		stdout, stderr, err := runSSH(t, node, test.principal, test.identity)
		stderr = strings.ReplaceAll(stderr, test.principal, "NAME")
		if err == nil || stdout != "" {
			t.Errorf("%s: ssh prints %q, %v, want it refused", test.name, stdout, err)
		}
		if refused == "" {
			refused = stderr
		}
		if stderr != refused {
			t.Errorf("%s: ssh says %q, for others %q", test.name, stderr, refused)
		}
	}
}
