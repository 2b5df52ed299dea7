package client

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"acquired/proto/fault"
	"acquired/server/pki"
)

// An operator's Config, complete and right.
func operatorConfig(t *testing.T) Config {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.IssueOperator("alice", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Addresses:   []string{"n1:7400", "[::1]:7400"},
		Cluster:     "test",
		CA:          authority.CertificatePEM(),
		Certificate: pair.CertificatePEM,
		Key:         pair.KeyPEM,
	}
}

func TestConfig(t *testing.T) {
	good := operatorConfig(t)
	tests := []struct {
		name   string
		change func(*Config)
		want   string // in the message; empty is no error
	}{
		{"operator", func(*Config) {}, ""},
		{"workload", func(c *Config) { c.Certificate, c.Key, c.Token = nil, nil, "abc.def" }, ""},
		{"address given twice", func(c *Config) { c.Addresses = append(c.Addresses, c.Addresses...) }, ""},
		{"no address", func(c *Config) { c.Addresses = nil }, "addresses"},
		{"no port", func(c *Config) { c.Addresses = []string{"n1"} }, `"n1" is not host:port`},
		{"no host", func(c *Config) { c.Addresses = []string{":7400"} }, `":7400" is not host:port`},
		{"space in address", func(c *Config) { c.Addresses = []string{"n 1:7400"} }, "is not host:port"},
		{"no cluster", func(c *Config) { c.Cluster = "" }, "cluster id"},
		{"cluster that is a longer name", func(c *Config) { c.Cluster = "a.b" }, `cluster id "a.b"`},
		{"cluster with an end of line", func(c *Config) { c.Cluster = "test\n" }, "cluster id"},
		{"no CA", func(c *Config) { c.CA = nil }, "CA has no certificate"},
		{"name alone", func(c *Config) { c.Certificate, c.Key, c.Name = nil, nil, "/user/a" }, ""},
		{"stranger", func(c *Config) { c.Certificate, c.Key = nil, nil }, ""},
		{"certificate and token", func(c *Config) { c.Token = "abc" }, "more than one"},
		{"certificate and name", func(c *Config) { c.Name = "/user/a" }, "more than one"},
		{"token and name", func(c *Config) { c.Certificate, c.Key, c.Token, c.Name = nil, nil, "secret", "/user/a" }, "more than one"},
		{"name that is no path", func(c *Config) { c.Certificate, c.Key, c.Name = nil, nil, "alice" }, `name "alice" is not the path`},
		{"name with a space", func(c *Config) { c.Certificate, c.Key, c.Name = nil, nil, "/user/a b" }, "is not the path"},
		{"certificate without key", func(c *Config) { c.Key = nil }, "certificate and key"},
		{"token with an end of line", func(c *Config) { c.Certificate, c.Key, c.Token = nil, nil, "secret\n" }, "token has a character"},
		{"unknown read", func(c *Config) { c.Read = "fresh" }, `read "fresh"`},
		{"negative timeout", func(c *Config) { c.Timeout = -time.Second }, "timeout -1s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := good
			tt.change(&config)
			err := config.validate()
			if err == nil {
				_, err = config.tls()
			}
			if tt.want == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want an invalid fault that speaks of %q and tells no secret", err, tt.want)
			}
		})
	}
}

func TestConfigInLogs(t *testing.T) {
	config := operatorConfig(t)
	config.Token = "secret"
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).InfoContext(t.Context(), "dial", slog.Any("config", config))
	if !strings.Contains(log.String(), "config.cluster=test") {
		t.Errorf("log does not name the cluster: %s", &log)
	}
	for _, secret := range []string{"secret", "PRIVATE"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("log tells %q: %s", secret, &log)
		}
	}
}
