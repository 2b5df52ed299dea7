package sshlogin

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"google.golang.org/grpc/test/bufconn"
)

// A service is a server with what it was asked and what it logged.
type service struct {
	*Server
	hostKey ssh.Signer
	keys    map[string][]ssh.PublicKey // by principal; not changed once it runs
	thinks  time.Duration              // how long Known takes
	issue   func(ctx context.Context) error

	mu     sync.Mutex
	asked  []string // principals given to Known
	issued []string // fingerprints of keys given to Issue
	log    bytes.Buffer
}

func credentialOf(principal string) string { return "credential.of." + principal }

func (s *service) known(_ context.Context, principal string, key ssh.PublicKey) bool {
	time.Sleep(s.thinks)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, principal)
	return slices.ContainsFunc(s.keys[principal], func(k ssh.PublicKey) bool {
		return bytes.Equal(k.Marshal(), key.Marshal())
	})
}

func (s *service) credential(ctx context.Context, principal string, key ssh.PublicKey) (string, error) {
	s.mu.Lock()
	s.issued = append(s.issued, ssh.FingerprintSHA256(key))
	s.mu.Unlock()
	if s.issue != nil {
		if err := s.issue(ctx); err != nil {
			return "", err
		}
	}
	return credentialOf(principal), nil
}

// Write takes the log.
func (s *service) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

func (s *service) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func (s *service) issuedTo() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

// start starts the service and closes it when the test ends.
func (s *service) start(t *testing.T, listener net.Listener, limits Limits) {
	t.Helper()
	s.hostKey = newSigner(t, ssh.KeyAlgoED25519)
	server, err := Start(Config{
		Listener: listener,
		HostKey:  s.hostKey,
		Known:    s.known,
		Issue:    s.credential,
		Log:      slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Limits:   limits,
	})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	s.Server = server
	t.Cleanup(func() { s.close(t) })
}

func (s *service) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func newPrivateKey(t *testing.T, keyType string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch keyType {
	case ssh.KeyAlgoED25519:
		_, key, err = ed25519.GenerateKey(nil)
	case ssh.KeyAlgoECDSA256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ssh.KeyAlgoRSA:
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		t.Fatalf("no key of type %q can be made", keyType)
	}
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	return key
}

func newSigner(t *testing.T, keyType string) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(newPrivateKey(t, keyType))
	if err != nil {
		t.Fatalf("make signer: %v", err)
	}
	return signer
}

// memory is a network without sockets, so that a test has its own clock and
// ends only when all goroutines of its connections did.
type memory struct {
	arriving chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newMemory() *memory {
	return &memory{arriving: make(chan net.Conn), closed: make(chan struct{})}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.arriving:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22} }

// from is the server's end of a connection from the address.
type from struct {
	net.Conn
	address *net.TCPAddr
}

func (f from) RemoteAddr() net.Addr { return f.address }

// connected gives both ends of a connection from the address.
func connected(t *testing.T, ip string) (client, server net.Conn) {
	t.Helper()
	pipe := bufconn.Listen(1 << 20)
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := pipe.Accept() // nil if Dial gives an error
		accepted <- conn
	}()
	client, err := pipe.Dial()
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, from{<-accepted, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1000}}
}

// dial connects to the server. If it is closed, so is the connection.
func (m *memory) dial(t *testing.T, ip string) net.Conn {
	t.Helper()
	client, server := connected(t, ip)
	select {
	case m.arriving <- server:
	case <-m.closed:
		_ = client.Close()
	}
	return client
}

// connect proves one of the keys with the library's client.
func (s *service) connect(conn net.Conn, principal string, keys ...ssh.Signer) (*ssh.Client, error) {
	proved, channels, requests, err := ssh.NewClientConn(conn, "memory", &ssh.ClientConfig{
		User:            principal,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(keys...)},
		HostKeyCallback: ssh.FixedHostKey(s.hostKey.PublicKey()),
	})
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(proved, channels, requests), nil
}

// login gives what a client gets on standard output.
func (s *service) login(conn net.Conn, principal string, keys ...ssh.Signer) (string, error) {
	client, err := s.connect(conn, principal, keys...)
	if err != nil {
		return "", err
	}
	session, err := client.NewSession()
	if err != nil {
		return "", errors.Join(err, client.Close())
	}
	output, err := session.Output("")
	return string(output), errors.Join(err, client.Close())
}
