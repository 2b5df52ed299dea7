package sshlogin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"acquired/proto/fault"
)

const (
	alice = "/user/alice"
	near  = "192.0.2.1"
	far   = "192.0.2.2"
)

// inMemory runs the test with a service that knows a key of alice's. The test
// ends only when all goroutines of the server and of its clients did.
func inMemory(t *testing.T, limits Limits, test func(t *testing.T, s *service, network *memory, key ssh.Signer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		key := newSigner(t, ssh.KeyAlgoED25519)
		s := &service{keys: map[string][]ssh.PublicKey{alice: {key.PublicKey()}}}
		network := newMemory()
		s.start(t, network, limits)
		test(t, s, network, key)
	})
}

func (s *service) mustLogin(t *testing.T, conn net.Conn, key ssh.Signer) {
	t.Helper()
	got, err := s.login(conn, alice, key)
	if want := credentialOf(alice) + "\n"; err != nil || got != want {
		t.Errorf("login: got %q, %v, want %q", got, err, want)
	}
}

func (s *service) mustBeRefused(t *testing.T, conn net.Conn, principal string, keys ...ssh.Signer) {
	t.Helper()
	if got, err := s.login(conn, principal, keys...); err == nil || got != "" {
		t.Errorf("login: got %q, %v, want an error", got, err)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		s.mustLogin(t, network.dial(t, near), key)
		s.mustBeRefused(t, network.dial(t, near), alice, newSigner(t, ssh.KeyAlgoED25519))
		s.mustBeRefused(t, network.dial(t, near), "/user/bob", key)
		s.mustBeRefused(t, network.dial(t, near), "", key)
		s.close(t)
		if diff := cmp.Diff([]string{ssh.FingerprintSHA256(key.PublicKey())}, s.issuedTo()); diff != "" {
			t.Errorf("credentials issued (-want +got):\n%s", diff)
		}
	})
}

// swapped is a key that is offered as one and proved as another.
type swapped struct {
	ssh.Signer
	offered ssh.PublicKey
	calls   int
}

func (s *swapped) PublicKey() ssh.PublicKey { return &swappedKey{s.Signer.PublicKey(), s} }

type swappedKey struct {
	ssh.PublicKey
	of *swapped
}

// Marshal is called to offer the key, to compare the answer, and for the proof.
func (k *swappedKey) Marshal() []byte {
	k.of.calls++
	if k.of.calls <= 2 {
		return k.of.offered.Marshal()
	}
	return k.PublicKey.Marshal()
}

func TestOfferedKeyIsNotProved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second, stranger := newSigner(t, ssh.KeyAlgoED25519), newSigner(t, ssh.KeyAlgoED25519), newSigner(t, ssh.KeyAlgoED25519)
		s := &service{keys: map[string][]ssh.PublicKey{alice: {first.PublicKey(), second.PublicKey()}}}
		network := newMemory()
		s.start(t, network, Limits{})
		s.mustLogin(t, network.dial(t, near), &swapped{Signer: second, offered: first.PublicKey()})
		s.mustLogin(t, network.dial(t, near), first)
		s.mustBeRefused(t, network.dial(t, near), alice, &swapped{Signer: stranger, offered: first.PublicKey()})
		s.close(t)
		want := []string{ssh.FingerprintSHA256(second.PublicKey()), ssh.FingerprintSHA256(first.PublicKey())}
		if diff := cmp.Diff(want, s.issuedTo()); diff != "" {
			t.Errorf("credentials issued for keys (-want +got):\n%s", diff)
		}
	})
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		s.issue = func(context.Context) error { return fault.Denied.New("the secret reason") }
		client, err := s.connect(network.dial(t, near), alice, key)
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		defer client.Close()
		session, err := client.NewSession()
		if err != nil {
			t.Fatalf("NewSession: %v", err)
		}
		var stderr strings.Builder
		session.Stderr = &stderr
		output, err := session.Output("")
		exit, ok := errors.AsType[*ssh.ExitError](err)
		if !ok || exit.ExitStatus() != 1 || len(output) != 0 {
			t.Errorf("session: got %q, %v, want nothing and status 1", output, err)
		}
		if want := "acquired: no credential was issued\n"; stderr.String() != want {
			t.Errorf("standard error: got %q, want %q", &stderr, want)
		}
	})
}

func TestOneSessionAndNothingElse(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		client, err := s.connect(network.dial(t, near), alice, key)
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		defer client.Close()
		for _, channelType := range []string{"direct-tcpip", "x11", "auth-agent@openssh.com", "nonsense"} {
			if _, _, err := client.OpenChannel(channelType, nil); !refusedChannel(err) {
				t.Errorf("channel %s: got %v, want it refused", channelType, err)
			}
		}
		for _, request := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "keepalive@openssh.com"} {
			if ok, _, err := client.SendRequest(request, true, nil); ok || err != nil {
				t.Errorf("request %s: got %v, %v, want it refused", request, ok, err)
			}
		}
		channel, requests, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatalf("first session: %v", err)
		}
		go ssh.DiscardRequests(requests)
		if _, _, err := client.OpenChannel("session", nil); !refusedChannel(err) {
			t.Errorf("second session: got %v, want it refused", err)
		}
		for _, request := range []string{"env", "subsystem", "auth-agent-req@openssh.com", "x11-req", "nonsense"} {
			if ok, err := channel.SendRequest(request, true, nil); ok || err != nil {
				t.Errorf("session request %s: got %v, %v, want it refused", request, ok, err)
			}
		}
		// More than the server reads ahead, and none is answered.
		for range 4 * maxAhead {
			if _, err := channel.SendRequest("env", false, nil); err != nil {
				t.Fatalf("session request without reply: %v", err)
			}
			if _, _, err := client.SendRequest("no-more-sessions@openssh.com", false, nil); err != nil {
				t.Fatalf("request without reply: %v", err)
			}
		}
		for _, request := range []string{"pty-req", "shell"} {
			if ok, err := channel.SendRequest(request, true, nil); !ok || err != nil {
				t.Errorf("session request %s: got %v, %v, want it granted", request, ok, err)
			}
		}
		got, err := io.ReadAll(channel)
		if want := credentialOf(alice) + "\r\n"; err != nil || string(got) != want {
			t.Errorf("session gave %q, %v, want %q", got, err, want)
		}
		if n := len(s.issuedTo()); n != 1 {
			t.Errorf("%d credentials issued, want 1", n)
		}
	})
}

func refusedChannel(err error) bool {
	refused, ok := errors.AsType[*ssh.OpenChannelError](err)
	return ok && refused.Reason == ssh.Prohibited
}

// A client that sends more than is read of it is answered as well, and its end
// is noticed.
func TestInputIsIgnored(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		written := make(chan struct{})
		s.issue = func(context.Context) error {
			<-written
			return nil
		}
		client, err := s.connect(network.dial(t, near), alice, key)
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		channel, requests, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatalf("open session: %v", err)
		}
		go ssh.DiscardRequests(requests)
		for range 3 { // one is answered
			if _, err := channel.SendRequest("shell", false, nil); err != nil {
				t.Fatalf("shell: %v", err)
			}
		}
		for range 4 * maxAhead {
			if _, err := channel.Write(make([]byte, 4096)); err != nil {
				t.Fatalf("write: %v", err)
			}
		}
		close(written)
		got, err := io.ReadAll(channel)
		if want := credentialOf(alice) + "\n"; err != nil || string(got) != want {
			t.Errorf("session gave %q, %v, want %q", got, err, want)
		}
		_ = client.Close()
		synctest.Wait()
		s.mustServe(t, 0)
		if n := len(s.issuedTo()); n != 1 {
			t.Errorf("%d credentials issued, want 1", n)
		}
	})
}

// mustServe compares how many connections the server has.
func (s *service) mustServe(t *testing.T, want int) {
	t.Helper()
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	if got := s.admission.open; got != want {
		t.Errorf("%d connections are open, want %d", got, want)
	}
}

func TestSessionLeft(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		client, err := s.connect(network.dial(t, near), alice, key)
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		defer client.Close()
		channel, requests, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatalf("open session: %v", err)
		}
		go ssh.DiscardRequests(requests)
		s.mustServe(t, 1)
		if err := channel.Close(); err != nil {
			t.Fatalf("close session: %v", err)
		}
		synctest.Wait()
		s.mustServe(t, 0)
		if got := s.issuedTo(); len(got) != 0 {
			t.Errorf("credentials issued for %v, want none", got)
		}
	})
}

func TestSilentClientsAreEnded(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		begun := time.Now()
		for name, speak := range map[string]func(conn net.Conn){
			"silent":            func(net.Conn) {},
			"version":           func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-x\r\n") },
			"part of a packet":  func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-x\r\n\x00\x00\x01\x00\x04") },
			"without a session": func(conn net.Conn) { _, _ = s.connect(conn, alice, key) },
		} {
			conn := network.dial(t, near)
			speak(conn)
			if _, err := io.Copy(io.Discard, conn); err != nil && name != "without a session" {
				t.Errorf("%s: read: %v", name, err)
			}
		}
		// All were served one after the other.
		if took, most := time.Since(begun), 4*10*time.Second; took > most {
			t.Errorf("clients were ended after %v, want at most %v", took, most)
		}
	})
}

func TestNonsenseIsEnded(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		for name, text := range map[string]string{
			"HTTP":             "GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 300),
			"long line":        strings.Repeat("x", 2*maxRead),
			"many lines":       strings.Repeat("\n", 2*maxRead),
			"no first packet":  "SSH-2.0-x\r\n" + strings.Repeat("\x00", 100),
			"a great packet":   "SSH-2.0-x\r\n" + strings.Repeat("\xff", 2*maxRead),
			"keys without end": "SSH-2.0-x\r\n" + strings.Repeat("\x00\x00\x00\x0c\x0a\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 100),
		} {
			conn := network.dial(t, near)
			_, _ = io.WriteString(conn, text) // the server may be gone before the end
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("%s: read: %v", name, err)
			}
		}
		s.mustLogin(t, network.dial(t, near), key)
	})
}

func TestFloodFillsItsOwnBounds(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		begun := time.Now()
		for range 500 {
			network.dial(t, near)
		}
		s.mustLogin(t, network.dial(t, far), key)
		s.mustBeRefused(t, network.dial(t, near), alice, key)
		if took := time.Since(begun); took != 0 {
			t.Errorf("a login beside the flood took %v, want 0", took)
		}
		time.Sleep(s.limits.HandshakeTimeout)
		synctest.Wait()
		s.mustLogin(t, network.dial(t, near), key)
		if log := s.logged(); !strings.Contains(log, "turned away") || strings.Count(log, "turned away") > 3 {
			t.Errorf("log of 500 connections turned away is not a few lines:\n%s", log)
		}
	})
}

func TestConnectionsFull(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{Connections: 2}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		network.dial(t, "192.0.2.3")
		silent := network.dial(t, "192.0.2.4")
		s.mustBeRefused(t, network.dial(t, near), alice, key)
		_ = silent.Close()
		synctest.Wait()
		s.mustLogin(t, network.dial(t, near), key)
	})
}

func TestKeysTried(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		var strangers []ssh.Signer
		for range 6 {
			strangers = append(strangers, newSigner(t, ssh.KeyAlgoED25519))
		}
		s.mustBeRefused(t, network.dial(t, near), alice, append(strangers, key)...)
		s.mustLogin(t, network.dial(t, near), key)
		got, err := s.login(network.dial(t, near), alice, append(strangers[:5:5], key)...)
		if want := credentialOf(alice) + "\n"; err != nil || got != want {
			t.Errorf("login with the sixth key: got %q, %v, want %q", got, err, want)
		}
	})
}

func TestPrincipalIsBoundedAndQuoted(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		longest := strings.Repeat("\n", MaxPrincipal)
		for _, principal := range []string{longest, longest + "x", strings.Repeat("y", maxRead/2)} {
			s.mustBeRefused(t, network.dial(t, near), principal, key)
		}
		s.close(t)
		s.mu.Lock()
		defer s.mu.Unlock()
		if diff := cmp.Diff([]string{longest}, s.asked); diff != "" {
			t.Errorf("Known was asked (-want +got):\n%s", diff)
		}
		log := s.log.String()
		if lines := strings.Count(log, "\n"); lines != 3 || strings.Contains(log, strings.Repeat("y", maxLogged+1)) {
			t.Errorf("log has %d lines, want 3 with at most %d bytes of each principal:\n%s", lines, maxLogged, log)
		}
	})
}

func TestLogHasNoCredential(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		s.mustLogin(t, network.dial(t, near), key)
		s.close(t)
		log := s.logged()
		if strings.Contains(log, credentialOf("")) {
			t.Errorf("log has the credential:\n%s", log)
		}
		for _, part := range []string{"ssh login accepted", near, alice, ssh.FingerprintSHA256(key.PublicKey())} {
			if !strings.Contains(log, part) {
				t.Errorf("log lacks %q:\n%s", part, log)
			}
		}
	})
}

func TestWeakAlgorithmsAreRefused(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		rsaKey := newSigner(t, ssh.KeyAlgoRSA).(ssh.AlgorithmSigner)
		s.keys["/user/rsa"] = []ssh.PublicKey{rsaKey.PublicKey()}
		for _, c := range []struct {
			signature string
			wantErr   bool
		}{{ssh.KeyAlgoRSASHA512, false}, {ssh.KeyAlgoRSASHA256, false}, {ssh.KeyAlgoRSA, true}} {
			signer, err := ssh.NewSignerWithAlgorithms(rsaKey, []string{c.signature})
			if err != nil {
				t.Fatalf("signer for %s: %v", c.signature, err)
			}
			if _, err := s.login(network.dial(t, near), "/user/rsa", signer); (err != nil) != c.wantErr {
				t.Errorf("login with %s: got %v, want an error: %v", c.signature, err, c.wantErr)
			}
		}
		certificate := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
		if err := certificate.SignCert(rand.Reader, key); err != nil {
			t.Fatalf("sign certificate: %v", err)
		}
		certified, err := ssh.NewCertSigner(certificate, key)
		if err != nil {
			t.Fatalf("signer for certificate: %v", err)
		}
		s.keys["/user/certified"] = []ssh.PublicKey{certificate}
		s.mustBeRefused(t, network.dial(t, near), "/user/certified", certified)
		for _, config := range []ssh.Config{
			{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1}},
			{KeyExchanges: []string{ssh.KeyExchangeDH14SHA256}},
			{Ciphers: []string{ssh.InsecureCipherAES128CBC}},
			{Ciphers: []string{ssh.CipherAES128CTR}},
		} {
			_, _, _, err := ssh.NewClientConn(network.dial(t, near), "memory", &ssh.ClientConfig{
				Config: config, User: alice, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
				HostKeyCallback: ssh.FixedHostKey(s.hostKey.PublicKey()),
			})
			if err == nil {
				t.Errorf("connection with %v: no error", config)
			}
		}
	})
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		for name, method := range map[string][]ssh.AuthMethod{
			"none":                 nil,
			"password":             {ssh.Password("secret")},
			"keyboard-interactive": {ssh.KeyboardInteractive(func(_, _ string, q []string, _ []bool) ([]string, error) { return q, nil })},
		} {
			_, _, _, err := ssh.NewClientConn(network.dial(t, near), "memory", &ssh.ClientConfig{
				User: alice, Auth: method, HostKeyCallback: ssh.FixedHostKey(s.hostKey.PublicKey()),
			})
			if err == nil {
				t.Errorf("method %s: no error", name)
			}
		}
		if n := len(s.asked); n != 0 {
			t.Errorf("Known was asked %d times, want 0", n)
		}
	})
}

func TestCloseEndsAll(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		issuing := make(chan struct{})
		s.issue = func(ctx context.Context) error {
			close(issuing)
			<-ctx.Done()
			return ctx.Err()
		}
		network.dial(t, near) // says nothing
		idle, err := s.connect(network.dial(t, near), alice, key)
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		answered := make(chan error)
		conn := network.dial(t, near)
		go func() {
			_, err := s.login(conn, alice, key)
			answered <- err
		}()
		<-issuing
		begun := time.Now()
		s.close(t)
		if took := time.Since(begun); took != 0 {
			t.Errorf("Close took %v, want 0", took)
		}
		if err := <-answered; err == nil {
			t.Error("login while the server closed: no error")
		}
		if err := idle.Wait(); err == nil {
			t.Error("idle connection ended without an error")
		}
		s.close(t) // again
	})
}

func TestCloseGivesUp(t *testing.T) {
	t.Parallel()
	inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
		issuing, stuck := make(chan struct{}), make(chan struct{})
		s.issue = func(context.Context) error {
			close(issuing)
			<-stuck
			return nil
		}
		answered := make(chan error)
		conn := network.dial(t, near)
		go func() {
			_, err := s.login(conn, alice, key)
			answered <- err
		}()
		<-issuing
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: got %v, want %v", err, context.DeadlineExceeded)
		}
		close(stuck)
		<-answered
	})
}

// failing gives errors before each connection.
type failing struct {
	*memory
	failures int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.failures > 0 {
		f.failures--
		return nil, errors.New("too many open files")
	}
	return f.memory.Accept()
}

func TestAcceptErrorsAreRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newSigner(t, ssh.KeyAlgoED25519)
		s := &service{keys: map[string][]ssh.PublicKey{alice: {key.PublicKey()}}}
		network := newMemory()
		begun := time.Now()
		s.start(t, &failing{network, 20}, Limits{})
		s.mustLogin(t, network.dial(t, near), key)
		// 5 ms, doubled each time up to 1 s.
		if took, want := time.Since(begun), 13275*time.Millisecond; took != want {
			t.Errorf("20 failures took %v, want %v", took, want)
		}
		if got := strings.Count(s.logged(), "too many open files"); got != 20 {
			t.Errorf("log has %d failures, want 20", got)
		}
	})
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	good := Config{
		Listener: newMemory(),
		HostKey:  newSigner(t, ssh.KeyAlgoED25519),
		Known:    func(context.Context, string, ssh.PublicKey) bool { return false },
		Issue:    func(context.Context, string, ssh.PublicKey) (string, error) { return "", nil },
	}
	for name, spoil := range map[string]func(*Config){
		"Listener":         func(c *Config) { c.Listener = nil },
		"HostKey":          func(c *Config) { c.HostKey = nil },
		"Known":            func(c *Config) { c.Known = nil },
		"Issue":            func(c *Config) { c.Issue = nil },
		"Connections":      func(c *Config) { c.Limits.Connections = -1 },
		"HandshakeTimeout": func(c *Config) { c.Limits.HandshakeTimeout = -1 },
		"SourceRate":       func(c *Config) { c.Limits.SourceRate = -0.5 },
	} {
		config := good
		spoil(&config)
		_, err := Start(config)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("Start without %s: got %v, want fault %q that names it", name, err, fault.Invalid)
		}
	}
}
