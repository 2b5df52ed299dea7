package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// agentConfig is agent.yaml. An unknown key is an error; relative paths start
// at the folder of the file.
type agentConfig struct {
	// Node is the node's id, and Cluster its cluster's; the certificate has both.
	Node    string `yaml:"node"`
	Cluster string `yaml:"cluster"`
	// Data is the folder of the node's log and state. It is made if need be.
	Data string `yaml:"data"`
	// Listen is the host:port of gRPC and raft.
	Listen string `yaml:"listen"`
	// Advertise is where others reach it; empty is Listen.
	Advertise string `yaml:"advertise"`
	// HTTP is the host:port of health and metrics; empty is none.
	HTTP   string       `yaml:"http"`
	Gossip gossipConfig `yaml:"gossip"`
	TLS    tlsConfig    `yaml:"tls"`
	// SSH is the host:port of logins with ssh; empty is none.
	SSH string `yaml:"ssh"`
	// SealingKey is the file of the key that wraps the key which seals secrets in
	// the log, the same on all nodes.
	SealingKey string `yaml:"sealing_key"`
	// InitialNodes are who forms the cluster; empty is a node that joins one.
	InitialNodes []string     `yaml:"initial_nodes"`
	Log          logConfig    `yaml:"log"`
	Limits       limitsConfig `yaml:"limits,omitempty"`

	// folder is where the file is.
	folder string
}

type gossipConfig struct {
	// Listen is a host:port, both TCP and UDP.
	Listen string `yaml:"listen"`
	// Join are the gossip addresses of other nodes; the node's own may be among them.
	Join []string `yaml:"join"`
	// Key is the file of the key that gossip is encrypted with, the same on all nodes.
	Key string `yaml:"key"`
}

type tlsConfig struct {
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

type logConfig struct {
	// Level is debug, info, warn or error; empty is info.
	Level string `yaml:"level"`
	// Format is text or json; empty is text.
	Format string `yaml:"format"`
}

// limitsConfig says how much of the log stays on disk. A longer one lets a node
// that was away for longer catch up from it, rather than by a copy of the state.
type limitsConfig struct {
	// The log is cut after so many entries or bytes since it was cut last; 0 is
	// 16384 entries, 134217728 bytes.
	SnapshotEntries uint64 `yaml:"snapshot_entries,omitempty"`
	SnapshotBytes   uint64 `yaml:"snapshot_bytes,omitempty"`
	// TrailingEntries stay behind a cut; 0 is 10240.
	TrailingEntries uint64 `yaml:"trailing_entries,omitempty"`
}

func readAgentConfig(path string) (agentConfig, error) {
	file, err := os.Open(path)
	if err != nil {
		return agentConfig{}, &usageError{err}
	}
	defer file.Close()
	content, err := readBounded(file, path)
	if err != nil {
		return agentConfig{}, err
	}
	var c agentConfig
	if err := decodeStrict(content, &c); err != nil {
		return agentConfig{}, usage("%s: %w", path, err)
	}
	if c.folder, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return agentConfig{}, err
	}
	if err := c.validate(); err != nil {
		return agentConfig{}, usage("%s: %w", path, err)
	}
	return c, nil
}

// validate refuses what is missing; whether the values are good is for the
// server to say.
func (c agentConfig) validate() error {
	for _, required := range []struct{ key, value string }{
		{"node", c.Node},
		{"cluster", c.Cluster},
		{"data", c.Data},
		{"listen", c.Listen},
		{"gossip.listen", c.Gossip.Listen},
		{"gossip.key", c.Gossip.Key},
		{"tls.ca", c.TLS.CA},
		{"tls.certificate", c.TLS.Certificate},
		{"tls.key", c.TLS.Key},
		{"sealing_key", c.SealingKey},
	} {
		if required.value == "" {
			return fmt.Errorf("%s is missing", required.key)
		}
	}
	_, err := c.Log.level()
	if err != nil {
		return err
	}
	if f := c.Log.Format; f != "" && f != "text" && f != "json" {
		return fmt.Errorf("log.format %q is not text or json", f)
	}
	return nil
}

// encode gives the content of the file.
func (c agentConfig) encode() ([]byte, error) {
	var content bytes.Buffer
	encoder := yaml.NewEncoder(&content)
	encoder.SetIndent(2)
	if err := encoder.Encode(c); err != nil {
		return nil, err
	}
	err := encoder.Close()
	return content.Bytes(), err
}

// path gives a path of the file from where the process is.
func (c agentConfig) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.folder, p)
}

func (l logConfig) level() (slog.Level, error) {
	var level slog.Level
	switch l.Level {
	case "", "info":
		level = slog.LevelInfo
	case "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return 0, fmt.Errorf("log.level %q is not debug, info, warn or error", l.Level)
	}
	return level, nil
}
