package jepsen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"acquired/jepsen/cluster"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/server/gossip"
	"acquired/server/pki"
)

// caller is somebody who calls a node on its gRPC and raft port.
type caller struct {
	name string
	// certificate is what it shows; nil is none.
	certificate *tls.Certificate
	// raft: it is answered when it speaks the protocol of raft.
	raft bool
	// hello is what it is told when it makes a call for nodes only.
	hello codes.Code
}

// TestForeignCertificates calls a node with certificates of every kind. None
// but those of nodes of the cluster get to what is for nodes.
func TestForeignCertificates(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{})
	n := c.Node("node1")
	for _, caller := range callers(t, c) {
		err := callRaft(t, n.Address(), caller.certificate)
		if (err == nil) != caller.raft {
			t.Errorf("%s: raft port: %v, want an answer: %t", caller.name, err, caller.raft)
		}
		t.Logf("%s: raft port: %v", caller.name, err)
		err = callHello(t, n.Address(), caller.certificate)
		if status.Code(err) != caller.hello {
			t.Errorf("%s: Peer.Hello: %v, want code %s", caller.name, err, caller.hello)
		}
		t.Logf("%s: Peer.Hello: %v", caller.name, err)
	}
	t.Log(n.WaitLog(0, "caller refused", soon))
	book.Write(100)
	book.Audit()
}

func callers(t *testing.T, c *cluster.Cluster) []caller {
	t.Helper()
	ca := readAuthority(t, c)
	foreign, err := pki.NewAuthority(ca.Cluster(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	operator, err := ca.IssueOperator("someone", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	node, err := ca.IssueNode("node9", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	foreignNode, err := foreign.IssueNode("node1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own := "acquired://" + ca.Cluster() + "/node/node2"
	tomorrow, yesterday := time.Now().AddDate(0, 0, 1), time.Now().AddDate(0, 0, -1)
	return []caller{
		{"a node of the cluster", pair(t, node), true, codes.OK},
		{"no certificate", nil, false, codes.Unauthenticated},
		{"an operator", pair(t, operator), false, codes.PermissionDenied},
		{"a node of another authority", pair(t, foreignNode), false, codes.Unavailable},
		{"a node of another cluster of the same authority", issue(t, ca, "acquired://other/node/node2", tomorrow), false, codes.Unavailable},
		{"an expired node", issue(t, ca, own, yesterday), false, codes.Unavailable},
		{"nobody of the same authority", issue(t, ca, "", tomorrow), false, codes.Unavailable},
		{"a role that does not exist", issue(t, ca, "acquired://"+ca.Cluster()+"/root/node2", tomorrow), false, codes.Unavailable},
	}
}

func readAuthority(t *testing.T, c *cluster.Cluster) *pki.Authority {
	t.Helper()
	certificate, err := os.ReadFile(filepath.Join(c.Dir, "ca", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(c.Dir, "ca", "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.LoadAuthority(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func pair(t *testing.T, p pki.Pair) *tls.Certificate {
	t.Helper()
	certificate, err := tls.X509KeyPair(p.CertificatePEM, p.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return &certificate
}

// issue makes a certificate that the authority would not: with another
// identity, or none, and until another time.
func issue(t *testing.T, ca *pki.Authority, identity string, until time.Time) *tls.Certificate {
	t.Helper()
	signer := pair(t, pki.Pair{CertificatePEM: ca.CertificatePEM(), KeyPEM: ca.KeyPEM()})
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "node2"},
		NotBefore: until.AddDate(-1, 0, 0), NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{pki.ServerName(ca.Cluster())},
	}
	if identity != "" {
		uri, err := url.Parse(identity)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{uri}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.Leaf, public, signer.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// strangerTLS trusts whoever answers: it is the node that must be careful.
func strangerTLS(certificate *tls.Certificate, protocol string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, NextProtos: []string{protocol},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if certificate == nil {
				return new(tls.Certificate), nil
			}
			return certificate, nil
		},
	}
}

// callRaft sends the node what a leader of long ago would send, which changes
// nothing, and gives the error if there is no answer.
func callRaft(t *testing.T, address string, certificate *tls.Certificate) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := raft.NewNetworkTransport(&strangerStream{listener, certificate}, 1, soon, io.Discard)
	defer transport.Close()
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("node2"), Addr: []byte("node2")}
	var answer raft.AppendEntriesResponse
	err = transport.AppendEntries("node1", raft.ServerAddress(address), &raft.AppendEntriesRequest{RPCHeader: header}, &answer)
	if err == nil && (answer.Term == 0 || answer.Success) {
		t.Errorf("answer of raft: %+v, want a refusal with the term", answer)
	}
	return err
}

// strangerStream is the raft.StreamLayer of a stranger.
type strangerStream struct {
	net.Listener
	certificate *tls.Certificate
}

func (s *strangerStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: timeout}, "tcp", string(address), strangerTLS(s.certificate, pki.ProtocolRaft))
}

func callHello(t *testing.T, address string, certificate *tls.Certificate) error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(strangerTLS(certificate, pki.ProtocolGRPC))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err = statev1.NewPeerClient(conn).Hello(ctx, &statev1.HelloRequest{})
	return err
}

// TestHTTP asks the HTTP port for what it has and for what it must not have.
func TestHTTP(t *testing.T) {
	t.Parallel()
	c, book := start(t, cluster.Options{Nodes: 1})
	book.Write(10)
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/healthz", 200}, {"GET", "/readyz", 200}, {"GET", "/metrics", 200}, {"HEAD", "/metrics", 200},
		{"GET", "/", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/debug/vars", 404}, {"GET", "/metrics/", 404},
		{"GET", "/acquired.v1.Cluster/Status", 404}, {"POST", "/acquired.v1.Cluster/Remove", 404},
		{"GET", "/..%2fnode.key", 404}, {"GET", "/node.key", 404},
		{"POST", "/healthz", 405}, {"PUT", "/metrics", 405}, {"DELETE", "/readyz", 405},
	} {
		got, body := ask(t, test.method, "http://"+c.Node("node1").HTTP()+test.path)
		if got != test.status {
			t.Errorf("%s %s: status %d, want %d", test.method, test.path, got, test.status)
		}
		wantNoSecret(t, c, test.path, body)
	}
}

func ask(t *testing.T, method, address string) (code int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

// wantNoSecret looks for the keys of the node, and for what is in the books.
func wantNoSecret(t *testing.T, c *cluster.Cluster, path string, body []byte) {
	t.Helper()
	secrets := [][]byte{[]byte("/account"), []byte("transfer:")}
	for _, name := range []string{"node.key", "gossip.key", "sealing.key"} {
		content, err := os.ReadFile(filepath.Join(c.Node("node1").Folder(), name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				secrets = append(secrets, line)
			}
		}
	}
	for _, secret := range secrets {
		if bytes.Contains(body, secret) {
			t.Errorf("%s tells %q", path, secret)
		}
	}
}

// TestForeignGossip lets strangers gossip with the cluster. Only one who has
// the key and names the cluster is heard.
func TestForeignGossip(t *testing.T) {
	t.Parallel()
	c, _ := start(t, cluster.Options{})
	id, key := readAuthority(t, c).Cluster(), readGossipKey(t, c)
	var strangers []*gossip.Gossip
	for node, config := range map[string]gossip.Config{
		"without-key": {Cluster: id, Key: bytes.Repeat([]byte{7}, len(key))},
		"other-label": {Cluster: "other", Key: key},
	} {
		log, logger := io.Pipe()
		config.Log = slog.New(slog.NewTextHandler(logger, nil))
		strangers = append(strangers, gossipAs(t, c, node, config))
		ignored(t, c, log)
	}
	gossipAs(t, c, "known", gossip.Config{Cluster: id, Key: key})
	for _, n := range c.Nodes() {
		c.WaitKnown(n.ID, "known", soon)
		for _, stranger := range []string{"without-key", "other-label"} {
			if got := c.Status(n.ID, stranger); got != nil {
				t.Errorf("%s knows %v, want it never heard of", n.ID, got)
			}
		}
	}
	for _, g := range strangers {
		if nodes := g.Nodes(); len(nodes) != 1 {
			t.Errorf("a stranger has heard of %v, want of itself only", nodes)
		}
	}
}

func readGossipKey(t *testing.T, c *cluster.Cluster) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.Node("node1").Folder(), "gossip.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// gossipAs joins the gossip of the cluster.
func gossipAs(t *testing.T, c *cluster.Cluster, node string, config gossip.Config) *gossip.Gossip {
	t.Helper()
	for _, n := range c.Nodes() {
		config.Join = append(config.Join, n.Gossip())
	}
	config.Node, config.Listen, config.Address = node, "127.0.0.1:0", "127.0.0.1:1"
	g, err := gossip.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		_ = g.Stop(ctx) // a goodbye that nobody hears is an error
	})
	return g
}

// ignored returns when the log of a stranger has said of every node that it
// does not answer.
func ignored(t *testing.T, c *cluster.Cluster, log *io.PipeReader) {
	t.Helper()
	late := time.AfterFunc(soon, func() { log.CloseWithError(os.ErrDeadlineExceeded) })
	defer late.Stop()
	asked := make(map[string]bool)
	lines := bufio.NewScanner(log)
	for len(asked) < len(c.Nodes()) && lines.Scan() {
		for _, n := range c.Nodes() {
			if line := lines.Text(); strings.Contains(line, "did not answer") && strings.Contains(line, n.Gossip()) {
				t.Log(line)
				asked[n.ID] = true
			}
		}
	}
	if len(asked) < len(c.Nodes()) {
		t.Fatalf("a stranger was left unanswered by %v, want by each node: %v", asked, lines.Err())
	}
	go func() { _, _ = io.Copy(io.Discard, log) }() // ends with the test
}
