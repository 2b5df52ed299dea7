package pki

import (
	"crypto/ed25519"
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
	"time"
)

const (
	authorityYears = 10
	nodeYears      = 5
	operatorYears  = 1

	// backdating lets certificates of nodes be used at once by machines whose clocks
	// are behind. Those of callers are dated back by less: what a caller showed is
	// revoked by the time it was made.
	backdating       = time.Hour
	callerBackdating = time.Minute

	// commonNamePrefix, followed by the cluster id, is the common name of an authority.
	commonNamePrefix = "acquired "

	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// Authority is the certificate authority of one cluster. Its key makes nodes and
// operators, so it belongs on no node. An Authority does not change and may be
// used from any goroutine.
type Authority struct {
	cluster     string
	certificate *x509.Certificate
	key         ed25519.PrivateKey
	pair        Pair
}

// Pair is a certificate and its private key, both in PEM. The key is in PKCS #8
// and secret: a file that holds it has mode 0600.
type Pair struct {
	CertificatePEM []byte
	KeyPEM         []byte
}

// LogValue keeps the key out of logs.
func (p Pair) LogValue() slog.Value { return slog.StringValue("certificate and key") }

// NewAuthority makes the authority of a new cluster. Its certificate is valid
// from an hour before now for 10 years. A bad cluster id is an Invalid fault.
func NewAuthority(clusterID string, now time.Time) (*Authority, error) {
	if err := ValidateName("cluster id", clusterID); err != nil {
		return nil, err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of authority: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonNamePrefix + clusterID},
		NotBefore:             now.Add(-backdating),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            0,
		MaxPathLenZero:        true,
	}
	pair, err := sign(template, template, public, key, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of authority: %w", err)
	}
	return LoadAuthority(pair.CertificatePEM, pair.KeyPEM)
}

// LoadAuthority reads what CertificatePEM and KeyPEM gave, and keeps the slices.
// A certificate that is not that of an authority and a key that is not its own
// are errors.
func LoadAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	loaded, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	key, ok := loaded.PrivateKey.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("load authority: key is a %T, not Ed25519", loaded.PrivateKey)
	}
	cluster, ok := strings.CutPrefix(loaded.Leaf.Subject.CommonName, commonNamePrefix)
	if !ok || !loaded.Leaf.IsCA {
		return nil, errors.New("load authority: certificate is not that of the authority of a cluster")
	}
	if err := ValidateName("cluster id", cluster); err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	return &Authority{
		cluster:     cluster,
		certificate: loaded.Leaf,
		key:         key,
		pair:        Pair{CertificatePEM: certPEM, KeyPEM: keyPEM},
	}, nil
}

// Cluster gives the id of the cluster.
func (a *Authority) Cluster() string { return a.cluster }

// CertificatePEM gives the certificate, which everyone in the cluster needs. The
// slice must not be changed.
func (a *Authority) CertificatePEM() []byte { return a.pair.CertificatePEM }

// KeyPEM gives the private key in PKCS #8. It is secret. The slice must not be
// changed.
func (a *Authority) KeyPEM() []byte { return a.pair.KeyPEM }

// LogValue keeps the key out of logs.
func (a *Authority) LogValue() slog.Value {
	return slog.GroupValue(slog.String("cluster", a.cluster))
}

// IssueNode makes the key and certificate of a node, for 5 years or until the
// authority's own certificate ends. A bad node id is an Invalid fault.
func (a *Authority) IssueNode(nodeID string, now time.Time) (Pair, error) {
	return a.issue(Identity{Cluster: a.cluster, Role: RoleNode, Name: nodeID}, &x509.Certificate{
		NotAfter:    now.AddDate(nodeYears, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{ServerName(a.cluster), nodeServerName(a.cluster, nodeID)},
	}, now)
}

// IssueOperator makes the key and certificate of an operator, for one year or
// until the authority's own certificate ends. It cannot serve. A bad name is an
// Invalid fault.
func (a *Authority) IssueOperator(name string, now time.Time) (Pair, error) {
	return a.issue(Identity{Cluster: a.cluster, Role: RoleOperator, Name: name}, &x509.Certificate{
		NotAfter:    now.AddDate(operatorYears, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, now)
}

// IssuePrincipal makes the key and certificate of a user or workload of the access
// tree, for one year or until the authority's own certificate ends. It cannot
// serve. A path that is not one of a principal is an Invalid fault.
func (a *Authority) IssuePrincipal(path string, now time.Time) (Pair, error) {
	return a.issue(Identity{Cluster: a.cluster, Role: RolePrincipal, Name: path}, &x509.Certificate{
		NotAfter:    now.AddDate(operatorYears, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, now)
}

// IssuedAt gives the earliest time at which the certificate of a caller may have
// been made. One that IssueOperator or IssuePrincipal made is up to a minute
// younger.
func IssuedAt(certificate *x509.Certificate) time.Time { return certificate.NotBefore }

// issue completes the template, which says what differs between roles.
func (a *Authority) issue(identity Identity, template *x509.Certificate, now time.Time) (Pair, error) {
	if err := identity.validate(); err != nil {
		return Pair{}, err
	}
	if now.Before(a.certificate.NotBefore) || now.After(a.certificate.NotAfter) {
		return Pair{}, fmt.Errorf("certificate of authority of %s is valid from %s to %s only", a.cluster,
			a.certificate.NotBefore.Format(time.RFC3339), a.certificate.NotAfter.Format(time.RFC3339))
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make key of %s: %w", identity.uri(), err)
	}
	template.Subject = pkix.Name{CommonName: identity.Name}
	template.URIs = []*url.URL{identity.uri()}
	template.NotBefore = now.Add(-callerBackdating)
	if identity.Role == RoleNode {
		template.NotBefore = now.Add(-backdating)
	}
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	pair, err := sign(template, a.certificate, public, key, a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate of %s: %w", identity.uri(), err)
	}
	return pair, nil
}

// sign makes the certificate of public, under a serial number that is random,
// and encodes it with its key.
func sign(template, parent *x509.Certificate, public ed25519.PublicKey, key, signer ed25519.PrivateKey) (Pair, error) {
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return Pair{}, err
	}
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		CertificatePEM: pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate}),
		KeyPEM:         pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: encodedKey}),
	}, nil
}
