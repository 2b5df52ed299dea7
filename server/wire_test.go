package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"acquired/server/pki"
	"acquired/server/servertest"
)

// wireTo connects to a node as somebody who does not use the Go client: no
// retries, no headers but those in the context, nothing checked beforehand. No
// pair is no certificate.
func wireTo(t *testing.T, cluster *servertest.Cluster, node string, pair *pki.Pair) *grpc.ClientConn {
	t.Helper()
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: pki.ServerName(cluster.Authority().Cluster()), RootCAs: roots(cluster),
		NextProtos: []string{pki.ProtocolGRPC},
	}
	if pair != nil {
		certificate, err := tls.X509KeyPair(pair.CertificatePEM, pair.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	}
	conn, err := grpc.NewClient("passthrough:///"+servertest.Address(node),
		grpc.WithTransportCredentials(credentials.NewTLS(config)), grpc.WithDisableRetry(),
		grpc.WithContextDialer(cluster.Local(node)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func roots(cluster *servertest.Cluster) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cluster.Authority().CertificatePEM())
	return pool
}

// dialContext is for net/http, which names networks.
func dialContext(cluster *servertest.Cluster, node string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := cluster.Local(node)
	return func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) }
}

// withHeaders gives a context for calls with those headers, in pairs.
func withHeaders(ctx context.Context, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}
