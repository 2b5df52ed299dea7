package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

// founding is when the authorities of tests with a fixed date are made.
var founding = time.Date(2031, time.March, 1, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T, cluster string, now time.Time) *Authority {
	t.Helper()
	authority, err := NewAuthority(cluster, now)
	if err != nil {
		t.Fatalf("new authority of %s: %v", cluster, err)
	}
	return authority
}

func issueNode(t *testing.T, authority *Authority, id string, now time.Time) Pair {
	t.Helper()
	pair, err := authority.IssueNode(id, now)
	if err != nil {
		t.Fatalf("issue node %s: %v", id, err)
	}
	return pair
}

func issueOperator(t *testing.T, authority *Authority, name string, now time.Time) Pair {
	t.Helper()
	pair, err := authority.IssueOperator(name, now)
	if err != nil {
		t.Fatalf("issue operator %s: %v", name, err)
	}
	return pair
}

func parse(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(certPEM)
	if block == nil || len(rest) != 0 {
		t.Fatalf("certificate is not one PEM block: %q", certPEM)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatalf("parse certificate: %v", err)
	}
	return certificate
}

func TestValidateName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "7", "n1", "eu-west-1", "a--b", strings.Repeat("x", 63)} {
		if err := ValidateName("node id", name); err != nil {
			t.Errorf("ValidateName(%q) = %v, want no error", name, err)
		}
	}
	bad := []string{
		"", "-", "-a", "a-", "A", "a.b", "a/b", "a_b", "a b", "a\n", "é", "a\x00", "*", strings.Repeat("x", 64),
	}
	for _, name := range bad {
		err := ValidateName("node id", name)
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("ValidateName(%q) = %v, want an invalid fault", name, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "node id ") {
			t.Errorf("ValidateName(%q) = %q, want a message that begins with what is invalid", name, err)
		}
	}
}

func TestAuthorityCertificate(t *testing.T) {
	t.Parallel()
	certificate := parse(t, newAuthority(t, "demo", founding).CertificatePEM())

	if got, want := certificate.Subject.CommonName, "acquired demo"; got != want {
		t.Errorf("common name: got %q, want %q", got, want)
	}
	if !certificate.IsCA || certificate.MaxPathLen != 0 || !certificate.MaxPathLenZero {
		t.Errorf("got CA %t with path length %d, want true with 0", certificate.IsCA, certificate.MaxPathLen)
	}
	if got, want := certificate.KeyUsage, x509.KeyUsageCertSign; got != want {
		t.Errorf("key usage: got %b, want %b", got, want)
	}
	checkValidity(t, certificate, founding.Add(-time.Hour), founding.AddDate(10, 0, 0))
}

func checkValidity(t *testing.T, certificate *x509.Certificate, from, to time.Time) {
	t.Helper()
	if !certificate.NotBefore.Equal(from) || !certificate.NotAfter.Equal(to) {
		t.Errorf("validity: got %s to %s, want %s to %s", certificate.NotBefore, certificate.NotAfter, from, to)
	}
}

func TestIssuedCertificates(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", founding)
	clientAndServer := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}

	tests := []struct {
		name     string
		pair     Pair
		identity Identity
		names    []string
		usage    []x509.ExtKeyUsage
		until    time.Time
	}{{
		name:     "node",
		pair:     issueNode(t, authority, "n1", founding),
		identity: Identity{Cluster: "demo", Role: RoleNode, Name: "n1"},
		names:    []string{"node.demo.acquired.internal", "n1.node.demo.acquired.internal"},
		usage:    clientAndServer,
		until:    founding.AddDate(5, 0, 0),
	}, {
		name:     "operator",
		pair:     issueOperator(t, authority, "ada", founding),
		identity: Identity{Cluster: "demo", Role: RoleOperator, Name: "ada"},
		usage:    []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		until:    founding.AddDate(1, 0, 0),
	}, {
		name:     "node that would outlive the authority",
		pair:     issueNode(t, authority, "n2", founding.AddDate(8, 0, 0)),
		identity: Identity{Cluster: "demo", Role: RoleNode, Name: "n2"},
		names:    []string{"node.demo.acquired.internal", "n2.node.demo.acquired.internal"},
		usage:    clientAndServer,
		until:    founding.AddDate(10, 0, 0),
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			certificate := parse(t, test.pair.CertificatePEM)
			identity, err := IdentityOf(certificate)
			if err != nil {
				t.Fatalf("identity: %v", err)
			}
			if diff := cmp.Diff(test.identity, identity); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.names, certificate.DNSNames); diff != "" {
				t.Errorf("DNS names (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.usage, certificate.ExtKeyUsage); diff != "" {
				t.Errorf("extended key usage (-want +got):\n%s", diff)
			}
			if certificate.IsCA || certificate.KeyUsage != x509.KeyUsageDigitalSignature {
				t.Errorf("got CA %t and key usage %b, want false and %b", certificate.IsCA, certificate.KeyUsage, x509.KeyUsageDigitalSignature)
			}
			if !certificate.NotAfter.Equal(test.until) {
				t.Errorf("valid until: got %s, want %s", certificate.NotAfter, test.until)
			}
			if _, err := tls.X509KeyPair(test.pair.CertificatePEM, test.pair.KeyPEM); err != nil {
				t.Errorf("key of certificate: %v", err)
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", founding)
	if _, err := NewAuthority("Demo", founding); !errors.Is(err, fault.Invalid) {
		t.Errorf("authority of a bad cluster id: got %v, want an invalid fault", err)
	}
	if _, err := authority.IssueNode("n1/../n2", founding); !errors.Is(err, fault.Invalid) {
		t.Errorf("node of a bad id: got %v, want an invalid fault", err)
	}
	if _, err := authority.IssueOperator("", founding); !errors.Is(err, fault.Invalid) {
		t.Errorf("operator of no name: got %v, want an invalid fault", err)
	}
	if _, err := authority.IssueNode("n1", founding.AddDate(10, 0, 1)); err == nil {
		t.Error("authority issued a certificate after its own had ended")
	}
	if _, err := authority.IssueNode("n1", founding.AddDate(0, 0, -1)); err == nil {
		t.Error("authority issued a certificate before its own begins")
	}
}

func TestLoadAuthority(t *testing.T) {
	t.Parallel()
	now := time.Now()
	first, second := newAuthority(t, "demo", now), newAuthority(t, "demo", now)
	node := issueNode(t, first, "n1", now)

	loaded, err := LoadAuthority(first.CertificatePEM(), first.KeyPEM())
	if err != nil {
		t.Fatalf("load authority: %v", err)
	}
	if got := loaded.Cluster(); got != "demo" {
		t.Errorf("cluster: got %q, want %q", got, "demo")
	}
	pair := issueNode(t, loaded, "n2", now)
	if _, err := LoadCredentials(first.CertificatePEM(), pair.CertificatePEM, pair.KeyPEM, now); err != nil {
		t.Errorf("certificate issued by the loaded authority: %v", err)
	}

	refused := map[string]Pair{
		"key of another authority":    {first.CertificatePEM(), second.KeyPEM()},
		"certificate of a node":       node,
		"no certificate":              {nil, first.KeyPEM()},
		"no key":                      {first.CertificatePEM(), nil},
		"key that is not Ed25519":     otherAuthority(t, "acquired demo"),
		"authority of something else": otherAuthority(t, "demo"),
	}
	for name, pair := range refused {
		if _, err := LoadAuthority(pair.CertificatePEM, pair.KeyPEM); err == nil {
			t.Errorf("%s: loaded, want an error", name)
		}
	}
}

// otherAuthority makes an authority as other software would.
func otherAuthority(t *testing.T, commonName string) Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return Pair{
		CertificatePEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		KeyPEM:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	}
}

func TestIdentityOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		uris []string
		want Identity
	}{
		{"node", []string{"acquired://demo/node/n1"}, Identity{"demo", RoleNode, "n1"}},
		{"operator", []string{"acquired://demo/operator/ada"}, Identity{"demo", RoleOperator, "ada"}},
		{"none", nil, Identity{}},
		{"two", []string{"acquired://demo/node/n1", "acquired://demo/node/n2"}, Identity{}},
		{"two schemes", []string{"acquired://demo/node/n1", "spiffe://demo/node/n1"}, Identity{}},
		{"other scheme", []string{"spiffe://demo/node/n1"}, Identity{}},
		{"opaque", []string{"acquired:demo/node/n1"}, Identity{}},
		{"other role", []string{"acquired://demo/root/n1"}, Identity{}},
		{"role in upper case", []string{"acquired://demo/Node/n1"}, Identity{}},
		{"no name", []string{"acquired://demo/node/"}, Identity{}},
		{"no role", []string{"acquired://demo//n1"}, Identity{}},
		{"no cluster", []string{"acquired:///node/n1"}, Identity{}},
		{"too short", []string{"acquired://demo/node"}, Identity{}},
		{"too long", []string{"acquired://demo/node/n1/"}, Identity{}},
		{"dots", []string{"acquired://demo/operator/../node/n1"}, Identity{}},
		{"escaped name", []string{"acquired://demo/node/%6e1"}, Identity{}},
		{"escaped slash", []string{"acquired://demo/node%2fn1"}, Identity{}},
		{"user", []string{"acquired://root@demo/node/n1"}, Identity{}},
		{"port", []string{"acquired://demo:1/node/n1"}, Identity{}},
		{"query", []string{"acquired://demo/node/n1?a"}, Identity{}},
		{"fragment", []string{"acquired://demo/node/n1#a"}, Identity{}},
		{"upper case", []string{"acquired://demo/node/N1"}, Identity{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			certificate := &x509.Certificate{}
			for _, text := range test.uris {
				uri, err := url.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				certificate.URIs = append(certificate.URIs, uri)
			}
			got, err := IdentityOf(certificate)
			if wantError := test.want == (Identity{}); (err != nil) != wantError {
				t.Fatalf("got error %v, want an error: %t", err, wantError)
			}
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestLoadCredentials(t *testing.T) {
	t.Parallel()
	authority, foreign := newAuthority(t, "demo", founding), newAuthority(t, "demo", founding)
	ca := authority.CertificatePEM()
	node, other := issueNode(t, authority, "n1", founding), issueNode(t, authority, "n2", founding)
	operator := issueOperator(t, authority, "ada", founding)
	both := append(bytes.Clone(foreign.CertificatePEM()), ca...)

	tests := []struct {
		name          string
		ca, cert, key []byte
		now           time.Time
		refused       string
	}{
		{"good", ca, node.CertificatePEM, node.KeyPEM, founding, ""},
		{"last day", ca, node.CertificatePEM, node.KeyPEM, founding.AddDate(5, 0, -1), ""},
		{"one of two authorities", both, node.CertificatePEM, node.KeyPEM, founding, ""},
		{"expired", ca, node.CertificatePEM, node.KeyPEM, founding.AddDate(5, 0, 1), "expired"},
		{"not yet valid", ca, node.CertificatePEM, node.KeyPEM, founding.Add(-2 * time.Hour), "not yet valid"},
		{"foreign authority", foreign.CertificatePEM(), node.CertificatePEM, node.KeyPEM, founding, "unknown authority"},
		{"operator", ca, operator.CertificatePEM, operator.KeyPEM, founding, "acquired://demo/operator/ada is not a node"},
		{"key of another", ca, node.CertificatePEM, other.KeyPEM, founding, "private key does not match"},
		{"no authority", nil, node.CertificatePEM, node.KeyPEM, founding, "no PEM block"},
		{"node as authority", node.CertificatePEM, node.CertificatePEM, node.KeyPEM, founding, "not that of an authority"},
		{"key as authority", authority.KeyPEM(), node.CertificatePEM, node.KeyPEM, founding, "PEM block is a PRIVATE KEY"},
		{"authority as node", ca, ca, authority.KeyPEM(), founding, "0 URI names"},
		{"certificate and key exchanged", ca, node.KeyPEM, node.CertificatePEM, founding, "certificate and key of node"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			credentials, err := LoadCredentials(test.ca, test.cert, test.key, test.now)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Fatalf("got error %v, want one with %q", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatalf("load: %v", err)
			}
			if credentials.Cluster != "demo" || credentials.Node != "n1" {
				t.Errorf("got node %q of cluster %q, want n1 of demo", credentials.Node, credentials.Cluster)
			}
		})
	}
}

func TestKeysAreNotLogged(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", founding)
	pair := issueNode(t, authority, "n1", founding)
	credentials, err := LoadCredentials(authority.CertificatePEM(), pair.CertificatePEM, pair.KeyPEM, founding)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).LogAttrs(t.Context(), slog.LevelInfo, "made",
			slog.Any("authority", authority), slog.Any("pair", pair), slog.Any("credentials", credentials))
	}
	for _, encoded := range [][]byte{authority.KeyPEM(), pair.KeyPEM} {
		key, err := x509.ParsePKCS8PrivateKey(decodePEM(t, encoded))
		if err != nil {
			t.Fatal(err)
		}
		base64Line := strings.Split(string(encoded), "\n")[1]
		for _, secret := range []string{base64Line, strings.Trim(fmt.Sprint(key), "[]")} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("log holds a private key:\n%s", log.String())
			}
		}
	}
}

func decodePEM(t *testing.T, encoded []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(encoded)
	if block == nil {
		t.Fatalf("no PEM block in %q", encoded)
	}
	return block.Bytes
}
