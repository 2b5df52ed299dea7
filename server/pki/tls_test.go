package pki

import (
	"crypto/ed25519"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// result is what both ends of a connection met. In TLS 1.3 a caller that is
// refused learns it only when it first reads, so each end of a connection does
// more than the handshake.
type result struct {
	server, client error
	// Both are as the client sees them, after it has read.
	protocol string
	resumed  bool
}

// connect makes the handshake and sends one byte from the server to the client.
func connect(t *testing.T, server, client *tls.Config) result {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	served := make(chan error, 1)
	go func() { served <- serveByte(listener, server) }()

	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	connection := tls.Client(raw, client)
	_, clientErr := connection.Read(make([]byte, 1))
	raw.Close()
	state := connection.ConnectionState()
	return result{server: <-served, client: clientErr, protocol: state.NegotiatedProtocol, resumed: state.DidResume}
}

func serveByte(listener net.Listener, config *tls.Config) error {
	raw, err := listener.Accept()
	if err != nil {
		return err
	}
	defer raw.Close()
	if _, err := tls.Server(raw, config).Write([]byte{1}); err != nil {
		// Closing with something unread could cost the client the alert.
		io.Copy(io.Discard, raw)
		return err
	}
	return nil
}

// caller is a client that, unlike ours, presents whatever it is given.
func caller(t *testing.T, authority *Authority, protocol string, pair *Pair) *tls.Config {
	t.Helper()
	roots, err := parseRoots(authority.CertificatePEM())
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: roots, ServerName: ServerName(authority.Cluster())}
	if protocol != "" {
		config.NextProtos = []string{protocol}
	}
	if pair != nil {
		certificate, err := tls.X509KeyPair(pair.CertificatePEM, pair.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		}
	}
	return config
}

func loadCredentials(t *testing.T, authority *Authority, pair Pair, now time.Time) *Credentials {
	t.Helper()
	credentials, err := LoadCredentials(authority.CertificatePEM(), pair.CertificatePEM, pair.KeyPEM, now)
	if err != nil {
		t.Fatalf("load credentials: %v", err)
	}
	return credentials
}

// nodeCredentials are those of a node that is issued now.
func nodeCredentials(t *testing.T, authority *Authority, id string) *Credentials {
	t.Helper()
	now := time.Now()
	return loadCredentials(t, authority, issueNode(t, authority, id, now), now)
}

func TestServerAdmits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	past := now.AddDate(-6, 0, 0)
	authority, foreign := newAuthority(t, "demo", past), newAuthority(t, "demo", past)
	stray := &Authority{cluster: "other", certificate: authority.certificate, key: authority.key}
	server := nodeCredentials(t, authority, "n1").ServerTLS()

	node, operator := issueNode(t, authority, "n2", now), issueOperator(t, authority, "ada", now)
	foreignNode := issueNode(t, foreign, "n2", now)
	strayNode, strayOperator := issueNode(t, stray, "n2", now), issueOperator(t, stray, "ada", now)
	expired := issueNode(t, authority, "n2", past)
	nameless := signed(t, authority)

	tests := []struct {
		name     string
		protocol string
		pair     *Pair
		refused  string
	}{
		{"node on h2", ProtocolGRPC, &node, ""},
		{"operator on h2", ProtocolGRPC, &operator, ""},
		{"anonymous on h2", ProtocolGRPC, nil, ""},
		{"foreign authority on h2", ProtocolGRPC, &foreignNode, "certificate"},
		{"node of another cluster on h2", ProtocolGRPC, &strayNode, "not of the cluster demo"},
		{"operator of another cluster on h2", ProtocolGRPC, &strayOperator, "not of the cluster demo"},
		{"expired on h2", ProtocolGRPC, &expired, "expired"},
		{"no identity on h2", ProtocolGRPC, &nameless, "0 URI names"},

		{"node on raft", ProtocolRaft, &node, ""},
		{"operator on raft", ProtocolRaft, &operator, "acquired://demo/operator/ada is not a node"},
		{"anonymous on raft", ProtocolRaft, nil, "didn't provide a certificate"},
		{"foreign authority on raft", ProtocolRaft, &foreignNode, "certificate"},
		{"node of another cluster on raft", ProtocolRaft, &strayNode, "not of the cluster demo"},
		{"expired on raft", ProtocolRaft, &expired, "expired"},
		{"no identity on raft", ProtocolRaft, &nameless, "0 URI names"},

		{"no protocol", "", &node, "offers neither"},
		{"another protocol", "http/1.1", &node, "offers neither"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := connect(t, server, caller(t, authority, test.protocol, test.pair))
			if test.refused != "" {
				checkRefused(t, "server", got.server, test.refused)
				checkRefused(t, "client", got.client, "remote error")
				return
			}
			if got.server != nil || got.client != nil {
				t.Fatalf("got errors %v at the server, %v at the client, want none", got.server, got.client)
			}
			if got.protocol != test.protocol {
				t.Errorf("protocol: got %q, want %q", got.protocol, test.protocol)
			}
		})
	}
}

// signed is a certificate that the authority signed and that says nothing of
// its holder.
func signed(t *testing.T, authority *Authority) Pair {
	t.Helper()
	node := issueNode(t, authority, "n9", time.Now())
	loaded, err := tls.X509KeyPair(node.CertificatePEM, node.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	template := *loaded.Leaf
	template.URIs = nil
	key := authority.key
	pair, err := sign(&template, authority.certificate, authority.certificate.PublicKey.(ed25519.PublicKey), key, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func checkRefused(t *testing.T, who string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want one with %q", who, err, want)
	}
}

func TestServerPrefersRaft(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", time.Now())
	server := nodeCredentials(t, authority, "n1").ServerTLS()
	operator := issueOperator(t, authority, "ada", time.Now())

	both := caller(t, authority, ProtocolGRPC, &operator)
	both.NextProtos = []string{ProtocolGRPC, ProtocolRaft}
	checkRefused(t, "server", connect(t, server, both).server, "is not a node")
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", time.Now())
	credentials := nodeCredentials(t, authority, "n1")

	for _, protocol := range []string{ProtocolRaft, ProtocolGRPC} {
		node := issueNode(t, authority, "n2", time.Now())
		old := caller(t, authority, protocol, &node)
		old.MaxVersion = tls.VersionTLS12
		checkRefused(t, "server of "+protocol, connect(t, credentials.ServerTLS(), old).server, "unsupported versions")
	}

	old := &tls.Config{Certificates: []tls.Certificate{credentials.Certificate}, MaxVersion: tls.VersionTLS12}
	checkRefused(t, "client", connect(t, old, credentials.PeerClientTLS("n1")).client, "protocol version")
}

func TestSessionsAreNotResumed(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", time.Now())
	server := nodeCredentials(t, authority, "n1").ServerTLS()
	for _, protocol := range []string{ProtocolRaft, ProtocolGRPC} {
		node := issueNode(t, authority, "n2", time.Now())
		client := caller(t, authority, protocol, &node)
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for range 2 {
			got := connect(t, server, client)
			if got.server != nil || got.client != nil {
				t.Fatalf("%s: got errors %v at the server, %v at the client, want none", protocol, got.server, got.client)
			}
			if got.resumed {
				t.Errorf("%s: session was resumed", protocol)
			}
		}
	}
}

func TestClientPinsNode(t *testing.T) {
	t.Parallel()
	now := time.Now()
	past := now.AddDate(-6, 0, 0)
	authority, foreign := newAuthority(t, "demo", past), newAuthority(t, "demo", past)
	stray := &Authority{cluster: "other", certificate: authority.certificate, key: authority.key}
	client := nodeCredentials(t, authority, "n1")

	server := nodeCredentials(t, authority, "n2").ServerTLS()
	expired := loadCredentials(t, authority, issueNode(t, authority, "n2", past), past).ServerTLS()
	strayServer := loadCredentials(t, authority, issueNode(t, stray, "n2", now), now).ServerTLS()
	foreignServer := nodeCredentials(t, foreign, "n2").ServerTLS()
	operator := operatorServing(t, authority)

	tests := []struct {
		name    string
		node    string
		server  *tls.Config
		refused string
	}{
		{"the node", "n2", server, ""},
		{"any node", "", server, ""},
		{"another node", "n3", server, "not n3.node.demo.acquired.internal"},
		{"id that is a name of more", "node", server, "not node.node.demo.acquired.internal"},
		{"operator as any node", "", operator, "certificate"},
		{"operator as the node", "ada", operator, "certificate"},
		{"expired", "n2", expired, "expired"},
		{"another cluster", "n2", strayServer, "not n2.node.demo.acquired.internal"},
		{"any node of another cluster", "", strayServer, "not node.demo.acquired.internal"},
		{"foreign authority", "n2", foreignServer, "certificate"},
	}
	for _, test := range tests {
		for protocol, config := range map[string]*tls.Config{
			ProtocolRaft: client.RaftClientTLS(test.node),
			ProtocolGRPC: client.PeerClientTLS(test.node),
		} {
			t.Run(test.name+" on "+protocol, func(t *testing.T) {
				t.Parallel()
				got := connect(t, test.server, config)
				if test.refused != "" {
					checkRefused(t, "client", got.client, test.refused)
					return
				}
				if got.server != nil || got.client != nil {
					t.Fatalf("got errors %v at the server, %v at the client, want none", got.server, got.client)
				}
				if got.protocol != protocol {
					t.Errorf("protocol: got %q, want %q", got.protocol, protocol)
				}
			})
		}
	}
}

// operatorServing is a server with the certificate of an operator, as one who
// stole it could run.
func operatorServing(t *testing.T, authority *Authority) *tls.Config {
	t.Helper()
	pair := issueOperator(t, authority, "ada", time.Now())
	certificate, err := tls.X509KeyPair(pair.CertificatePEM, pair.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{ProtocolRaft, ProtocolGRPC},
	}
}

func TestClientWantsItsProtocol(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", time.Now())
	credentials := nodeCredentials(t, authority, "n1")
	silent := &tls.Config{Certificates: []tls.Certificate{credentials.Certificate}}
	for _, client := range []*tls.Config{credentials.RaftClientTLS("n1"), credentials.PeerClientTLS("n1")} {
		checkRefused(t, "client", connect(t, silent, client).client, "server speaks the protocol \"\"")
	}
}

func TestClientOfForeignAuthorityIsNotAnonymous(t *testing.T) {
	t.Parallel()
	authority, foreign := newAuthority(t, "demo", time.Now()), newAuthority(t, "other", time.Now())
	server := nodeCredentials(t, authority, "n1").ServerTLS()

	// It trusts the server, but presents what the server does not ask for.
	client := nodeCredentials(t, foreign, "n1").PeerClientTLS("")
	client.RootCAs = caller(t, authority, ProtocolGRPC, nil).RootCAs
	client.ServerName = ServerName("demo")
	checkRefused(t, "server", connect(t, server, client).server, "certificate")
}
