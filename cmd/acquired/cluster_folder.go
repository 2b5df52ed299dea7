package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"acquired/server/pki"
)

// clusterFolder is what the nodes of a folder of cluster init have in common.
type clusterFolder struct {
	authority *pki.Authority
	keys      clusterKeys
	gossip    []string
	nextPort  int
}

// readClusterFolder reads the authority and the nodes of the folder.
func readClusterFolder(folder string) (*clusterFolder, error) {
	certificate, err := os.ReadFile(filepath.Join(folder, "ca", "ca.crt"))
	if err != nil {
		return nil, &usageError{err}
	}
	key, err := readSecret(filepath.Join(folder, "ca", "ca.key"))
	if err != nil {
		return nil, err
	}
	f := &clusterFolder{nextPort: defaultBasePort}
	if f.authority, err = pki.LoadAuthority(certificate, key); err != nil {
		return nil, usage("%s: %w", filepath.Join(folder, "ca"), err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, &usageError{err}
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name(), "agent.yaml")
		if strings.HasPrefix(entry.Name(), ".") || !fileExists(path) {
			continue
		}
		if err := f.addConfig(path); err != nil {
			return nil, err
		}
	}
	if len(f.gossip) == 0 {
		return nil, usage("%s has no node with an agent.yaml", folder)
	}
	return f, nil
}

// addConfig learns from the configuration of one node.
func (f *clusterFolder) addConfig(path string) error {
	c, err := readAgentConfig(path)
	if err != nil {
		return err
	}
	if c.Cluster != f.authority.Cluster() {
		return usage("%s is of cluster %s, the authority of %s", path, c.Cluster, f.authority.Cluster())
	}
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return usage("%s: listen: %w", path, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return usage("%s: listen: port %q is no number", path, port)
	}
	f.nextPort = max(f.nextPort, number+portStep)
	f.gossip = append(f.gossip, c.Gossip.Listen)
	if f.keys.gossip != nil {
		return nil
	}
	if f.keys.gossip, err = readSecret(c.path(c.Gossip.Key)); err != nil {
		return err
	}
	f.keys.sealing, err = readSecret(c.path(c.SealingKey))
	return err
}

// addNode makes the folder of a node that joins.
func (f *clusterFolder) addNode(folder string, at nodeAddresses) error {
	log := logConfig{Level: "info", Format: "text"}
	return makeFolder(folder, func(folder string) error {
		return writeNode(folder, at, f.authority, f.keys, append(slices.Clone(f.gossip), at.gossip), nil, log)
	})
}
