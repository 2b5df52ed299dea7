package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Credentials are what a node proves itself with and what it checks others by.
// They do not change and may be used from any goroutine. LoadCredentials makes
// them; the zero value is of no use.
type Credentials struct {
	// Cluster is the id of the cluster and Node that of the node, both from the
	// certificate.
	Cluster string
	Node    string
	// Certificate is that of the node, with its private key and with Leaf set.
	Certificate tls.Certificate
	// Roots are the authorities that the node trusts.
	Roots *x509.CertPool
}

// LogValue keeps the key out of logs.
func (c *Credentials) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("cluster", c.Cluster),
		slog.String("node", c.Node),
		slog.Time("expires", c.Certificate.Leaf.NotAfter),
	)
}

// LoadCredentials reads the credentials of a node. caPEM may hold several
// authorities, of which any may have signed, so that the authority can be
// replaced without a halt. It is an error if the certificate is not signed by
// one of them, is not valid at now, is not that of a node, or does not belong to
// the key.
func LoadCredentials(caPEM, certPEM, keyPEM []byte, now time.Time) (*Credentials, error) {
	roots, err := parseRoots(caPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate of authority: %w", err)
	}
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate and key of node: %w", err)
	}
	identity, err := IdentityOf(certificate.Leaf)
	if err != nil {
		return nil, fmt.Errorf("certificate of node: %w", err)
	}
	if identity.Role != RoleNode {
		return nil, fmt.Errorf("certificate of node: %s is not a node", identity.uri())
	}
	if err := verifyNode(certificate.Leaf, identity, roots, now); err != nil {
		return nil, fmt.Errorf("certificate of node %s: %w", identity.Name, err)
	}
	return &Credentials{
		Cluster:     identity.Cluster,
		Node:        identity.Name,
		Certificate: certificate,
		Roots:       roots,
	}, nil
}

// verifyNode checks what others will check when the node serves them and when
// it calls them.
func verifyNode(leaf *x509.Certificate, identity Identity, roots *x509.CertPool, now time.Time) error {
	for _, name := range []string{ServerName(identity.Cluster), nodeServerName(identity.Cluster, identity.Name)} {
		if err := leaf.VerifyHostname(name); err != nil {
			return err
		}
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parseRoots reads one or more certificates of authorities. It is stricter than
// x509.CertPool, which skips what it cannot read and takes any certificate.
func parseRoots(caPEM []byte) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	block, rest := pem.Decode(caPEM)
	if block == nil {
		return nil, errors.New("no PEM block found")
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if block.Type != certificateBlock {
			return nil, fmt.Errorf("PEM block is a %s, not a %s", block.Type, certificateBlock)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if !certificate.IsCA {
			return nil, fmt.Errorf("certificate of %s is not that of an authority", certificate.Subject)
		}
		roots.AddCert(certificate)
	}
	return roots, nil
}
