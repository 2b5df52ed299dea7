package pki

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
)

// The protocols on the one TLS listener of a node, as ALPN calls them.
const (
	// ProtocolRaft is the log replication, between nodes only.
	ProtocolRaft = "acquired-raft/1"
	// ProtocolGRPC is the API, for everyone, and the calls between nodes.
	ProtocolGRPC = "h2"
)

// ServerTLS gives the configuration of a listener that serves both protocols.
// A caller that offers ProtocolRaft must present the certificate of a node of
// this cluster. A caller that offers ProtocolGRPC may present a certificate,
// which then must be of this cluster; without one it is anonymous until it
// authenticates otherwise. Every other caller is refused. After the handshake
// ConnectionState().NegotiatedProtocol says which of the two it is, and
// IdentityOf the first of PeerCertificates, if any, says who.
func (c *Credentials) ServerTLS() *tls.Config {
	raft := c.serve(ProtocolRaft, tls.RequireAndVerifyClientCert, c.admitNode)
	grpc := c.serve(ProtocolGRPC, tls.VerifyClientCertIfGiven, c.admitMember)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			switch {
			case slices.Contains(hello.SupportedProtos, ProtocolRaft):
				return raft, nil
			case slices.Contains(hello.SupportedProtos, ProtocolGRPC):
				return grpc, nil
			}
			return nil, fmt.Errorf("caller offers neither of the protocols %q and %q", ProtocolRaft, ProtocolGRPC)
		},
	}
}

// serve is the server side of one protocol. It gives no session tickets: a
// ticket earned on one protocol would also be taken on the other.
func (c *Credentials) serve(protocol string, auth tls.ClientAuthType, admit func(tls.ConnectionState) error) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{protocol},
		Certificates:           []tls.Certificate{c.Certificate},
		ClientAuth:             auth,
		ClientCAs:              c.Roots,
		SessionTicketsDisabled: true,
		VerifyConnection:       admit,
	}
}

// admitNode refuses all but nodes of this cluster.
func (c *Credentials) admitNode(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("caller presents no certificate")
	}
	identity, err := c.identityOf(state)
	if err != nil {
		return err
	}
	if identity.Role != RoleNode {
		return fmt.Errorf("%s is not a node", identity.uri())
	}
	return nil
}

// admitMember refuses certificates that are not of this cluster.
func (c *Credentials) admitMember(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	_, err := c.identityOf(state)
	return err
}

func (c *Credentials) identityOf(state tls.ConnectionState) (Identity, error) {
	identity, err := IdentityOf(state.PeerCertificates[0])
	if err != nil {
		return Identity{}, err
	}
	if identity.Cluster != c.Cluster {
		return Identity{}, fmt.Errorf("%s is not of the cluster %s", identity.uri(), c.Cluster)
	}
	return identity, nil
}

// RaftClientTLS gives the configuration with which to call a node over
// ProtocolRaft. The handshake fails unless the node nodeID answers, whatever
// the address; an empty nodeID is any node of the cluster.
func (c *Credentials) RaftClientTLS(nodeID string) *tls.Config { return c.call(ProtocolRaft, nodeID) }

// PeerClientTLS is RaftClientTLS for ProtocolGRPC.
func (c *Credentials) PeerClientTLS(nodeID string) *tls.Config { return c.call(ProtocolGRPC, nodeID) }

func (c *Credentials) call(protocol, nodeID string) *tls.Config {
	name := ServerName(c.Cluster)
	if nodeID != "" {
		name = nodeServerName(c.Cluster, nodeID)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{protocol},
		ServerName: name,
		RootCAs:    c.Roots,
		// Unlike Certificates this presents the certificate to every server, also
		// to one that asks for those of another authority. Such a server refuses
		// it, where otherwise it would take the node for an anonymous caller.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &c.Certificate, nil
		},
		// A server that knows no ALPN answers without choosing a protocol.
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.NegotiatedProtocol != protocol {
				return fmt.Errorf("server speaks the protocol %q, not %q", state.NegotiatedProtocol, protocol)
			}
			return nil
		},
	}
}
