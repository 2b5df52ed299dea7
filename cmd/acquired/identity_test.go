package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"acquired/client"
)

// sshKeys is "sshkeys NAME [PASSPHRASE]": makes a new private key in the file
// NAME and its public key in NAME.pub.
func sshKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: sshkeys name [passphrase]")
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	ts.Check(err)
	var block *pem.Block
	if len(args) > 1 {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(args[1]))
	} else {
		block, err = ssh.MarshalPrivateKey(private, "")
	}
	ts.Check(err)
	key, err := ssh.NewPublicKey(public)
	ts.Check(err)
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + args[0] + "@home\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(block), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pub"), []byte(line), 0o600))
}

// sshAgent is "sshagent NAME...": from now on there is an ssh agent that has the
// keys of the files.
func sshAgent(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: sshagent name...")
	}
	keys := agent.NewKeyring()
	for _, name := range args {
		key, err := ssh.ParseRawPrivateKey([]byte(ts.ReadFile(name)))
		ts.Check(err)
		ts.Check(keys.Add(agent.AddedKey{PrivateKey: key}))
	}
	folder, err := os.MkdirTemp("", "agent")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(folder) })
	socket := folder + "/s" // the path of a socket is short
	listener, err := net.Listen("unix", socket)
	ts.Check(err)
	ended := make(chan struct{})
	ts.Defer(func() {
		_ = listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = agent.ServeAgent(keys, conn) // until the command ends
			_ = conn.Close()
		}
	}()
	ts.Setenv("SSH_AUTH_SOCK", socket)
}

// What is signed must be what a node builds from the request.
func TestLoginRequest(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 999)
	request, err := loginRequest("c1", "/user/a", signer, now)
	if err != nil {
		t.Fatal(err)
	}
	if request.Principal != "/user/a" || request.Unix != 1_800_000_000 || len(request.Nonce) != nonceSize {
		t.Errorf("request of %q at %d with a nonce of %d bytes; want /user/a, 1800000000, %d",
			request.Principal, request.Unix, len(request.Nonce), nonceSize)
	}
	key, err := ssh.ParsePublicKey(request.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var signature ssh.Signature
	if err := ssh.Unmarshal(request.Signature, &signature); err != nil {
		t.Fatal(err)
	}
	statement := client.LoginStatement("c1", "/user/a", request.Unix, request.Nonce)
	if err := key.Verify(statement, &signature); err != nil {
		t.Errorf("the signature is not over the statement: %v", err)
	}
}
