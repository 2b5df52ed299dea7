package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"time"

	"acquired/proto/fault"
)

// defaultTimeout is how long a call may take whose caller sets no limit.
const defaultTimeout = 30 * time.Second

// Config says where a cluster is and who calls. The client takes from it what
// it needs; it may be changed after Dial.
type Config struct {
	// Addresses are the host:port of one or more nodes, at least one. The first
	// is called first.
	Addresses []string
	// Cluster is the id of the cluster. Required: nodes must prove that they
	// belong to it.
	Cluster string
	// CA is the certificate of the cluster's authority in PEM, or several of which
	// any may have signed. Required.
	CA []byte
	// Certificate with Key, Token, and Name are the ways to say who calls. At most
	// one is given. A caller who gives none is a stranger, for whom there is only
	// Identity.Login.
	//
	// Certificate and Key, both in PEM, make the caller an operator or a principal.
	Certificate, Key []byte
	// Token is a credential: its bearer is its subject.
	Token string
	// Name is the path of a principal who has no proof at all. A cluster accepts
	// it only when it was told that it is a demonstration.
	Name string
	// Read is how fresh reads are that do not say it themselves. Zero is Seen.
	Read Read
	// Timeout limits calls whose context has no deadline. Zero is 30 seconds.
	Timeout time.Duration
	// Dialer opens the connections, under the TLS of the client. Nil is TCP.
	Dialer func(ctx context.Context, address string) (net.Conn, error)
}

// LogValue keeps the key and the token out of logs.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Any("addresses", c.Addresses),
		slog.String("cluster", c.Cluster),
		slog.String("read", string(c.Read)),
		slog.Duration("timeout", c.Timeout),
	)
}

// clusterID is a DNS label, as it is part of the name that nodes prove.
var clusterID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (c Config) validate() error {
	if len(c.Addresses) == 0 {
		return fault.Invalid.New("addresses of the cluster are missing: at least one is needed")
	}
	for _, address := range c.Addresses {
		if err := checkAddress(address); err != nil {
			return err
		}
	}
	if !clusterID.MatchString(c.Cluster) {
		return fault.Invalid.New("cluster id %q is not 1 to 63 of a-z, 0-9 and inner \"-\"", c.Cluster)
	}
	if err := c.Read.check(); err != nil {
		return err
	}
	if c.Timeout < 0 {
		return fault.Invalid.New("timeout %s is negative", c.Timeout)
	}
	return c.checkCaller()
}

func (c Config) checkCaller() error {
	given := 0
	for _, is := range []bool{c.isCertified(), c.Token != "", c.Name != ""} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return fault.Invalid.New("more than one of a certificate, a token and a name are given: a caller proves who it is in one way")
	case !isVisible(c.Token):
		return fault.Invalid.New("token has a character that no token has, such as a space or the end of a line")
	case c.Name != "" && (!strings.HasPrefix(c.Name, "/") || !isVisible(c.Name)):
		return fault.Invalid.New("name %q is not the path of a principal", c.Name)
	}
	return nil
}

func (c Config) isCertified() bool { return len(c.Certificate) > 0 || len(c.Key) > 0 }

func (c Config) isStranger() bool { return !c.isCertified() && c.bearer() == "" }

// bearer gives what the caller shows in a header; empty is nothing.
func (c Config) bearer() string { return c.Token + c.Name }

// checkAddress refuses what cannot be the address of a node.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || !isVisible(address) || len(address) > 261 {
		return fault.Invalid.New("address %q is not host:port", address)
	}
	return nil
}

// isVisible reports whether s can be the value of a header as it is.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// tls gives the TLS of connections to any node. The name in its certificate is
// the same for all nodes of a cluster, so the address proves nothing and need not.
func (c Config) tls() (*tls.Config, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.CA) {
		return nil, fault.Invalid.New("CA has no certificate in PEM")
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: "node." + c.Cluster + ".acquired.internal",
		RootCAs:    roots,
		NextProtos: []string{"h2"},
	}
	if !c.isCertified() {
		return config, nil
	}
	certificate, err := tls.X509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fault.Invalid.New("certificate and key of the caller: %v", err)
	}
	// Unlike Certificates this shows the certificate also to a node that knows
	// another authority. It then refuses the connection, where otherwise it would
	// take an operator for an anonymous caller.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &certificate, nil
	}
	return config, nil
}

func (c Config) timeout() time.Duration {
	if c.Timeout == 0 {
		return defaultTimeout
	}
	return c.Timeout
}

func (c Config) dialer() func(context.Context, string) (net.Conn, error) {
	if c.Dialer != nil {
		return c.Dialer
	}
	return func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}
