package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"acquired/server/pki"
	"acquired/server/seal"
)

const (
	// maxInitialNodes is more than anyone should form a cluster of: every write
	// waits for a majority.
	maxInitialNodes = 9
	defaultBasePort = 7400
	// Nodes on one host are portStep ports apart; a node uses its base port for
	// gRPC and raft and the three after it.
	portStep = 10

	gossipKeySize = 32
)

// nodeAddresses are where one node listens.
type nodeAddresses struct {
	id                        string
	listen, gossip, http, ssh string
}

func addressesOf(id, host string, port int) nodeAddresses {
	at := func(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	// Who is to log in from elsewhere has to say so in agent.yaml.
	ssh := net.JoinHostPort("127.0.0.1", strconv.Itoa(port+3))
	return nodeAddresses{id, at(port), at(port + 1), at(port + 2), ssh}
}

// checkHost refuses what others cannot reach.
func checkHost(host string) error {
	if host == "" || strings.ContainsAny(host, "/ ") {
		return usage("--host %q is not a name or an address", host)
	}
	if address, err := netip.ParseAddr(host); err == nil && address.IsUnspecified() {
		return usage("--host %s is no address that others can reach", host)
	}
	return nil
}

func checkBasePort(port, nodes int) error {
	if most := 65535 - 3 - portStep*(nodes-1); port < 1 || port > most {
		return usage("--base-port %d is not 1 to %d", port, most)
	}
	return nil
}

// clusterKeys are the secrets that all nodes of a cluster share.
type clusterKeys struct {
	// gossip and sealing are the contents of their files.
	gossip, sealing []byte
}

func newClusterKeys() (clusterKeys, error) {
	key := make([]byte, gossipKeySize)
	if _, err := rand.Read(key); err != nil {
		return clusterKeys{}, fmt.Errorf("make gossip key: %w", err)
	}
	return clusterKeys{gossip: []byte(base64.StdEncoding.EncodeToString(key) + "\n"), sealing: seal.NewKEK().Encode()}, nil
}

// parseGossipKey reads the content of gossip.key.
func parseGossipKey(content []byte) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(content)))
	if err != nil {
		return nil, fmt.Errorf("gossip key is not base64: %w", err)
	}
	if len(key) != gossipKeySize {
		return nil, fmt.Errorf("gossip key is %d bytes, not %d", len(key), gossipKeySize)
	}
	return key, nil
}

// newClusterID gives 16 random characters of a-z and 2-7.
func newClusterID() (string, error) {
	random := make([]byte, 10)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make cluster id: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(random)), nil
}

// writeNode makes the folder of one node: its certificate, the shared keys and
// agent.yaml. An empty initial is a node that joins.
func writeNode(folder string, at nodeAddresses, authority *pki.Authority, keys clusterKeys, join, initial []string, log logConfig) error {
	pair, err := authority.IssueNode(at.id, time.Now())
	if err != nil {
		return err
	}
	config, err := agentConfig{
		Node:         at.id,
		Cluster:      authority.Cluster(),
		Data:         "data",
		Listen:       at.listen,
		HTTP:         at.http,
		Gossip:       gossipConfig{Listen: at.gossip, Join: join, Key: "gossip.key"},
		TLS:          tlsConfig{CA: "ca.crt", Certificate: "node.crt", Key: "node.key"},
		SSH:          at.ssh,
		SealingKey:   "sealing.key",
		InitialNodes: initial,
		Log:          log,
	}.encode()
	if err != nil {
		return err
	}
	return writeFolder(folder, []namedFile{
		{"ca.crt", authority.CertificatePEM()},
		{"node.crt", pair.CertificatePEM},
		{"node.key", pair.KeyPEM},
		{"gossip.key", keys.gossip},
		{"sealing.key", keys.sealing},
		{"agent.yaml", config},
	})
}

func writeAuthority(folder string, authority *pki.Authority) error {
	return writeFolder(folder, []namedFile{
		{"ca.crt", authority.CertificatePEM()},
		{"ca.key", authority.KeyPEM()},
	})
}

type namedFile struct {
	name    string
	content []byte
}

// writeFolder makes a folder and its files. All are for their owner only: the
// certificates, too, say who runs what.
func writeFolder(folder string, files []namedFile) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, file := range files {
		if err := writeSecret(filepath.Join(folder, file.name), file.content); err != nil {
			return err
		}
	}
	return nil
}

// operatorContext issues a certificate to an operator and gives the context
// that speaks with it.
func operatorContext(authority *pki.Authority, name string, addresses []string) (contextFile, error) {
	pair, err := authority.IssueOperator(name, time.Now())
	if err != nil {
		return contextFile{}, err
	}
	return contextFile{
		Cluster:     authority.Cluster(),
		Addresses:   addresses,
		CA:          string(authority.CertificatePEM()),
		Certificate: string(pair.CertificatePEM),
		Key:         string(pair.KeyPEM),
	}, nil
}
