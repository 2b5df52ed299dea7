package gossip

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/hashicorp/memberlist"

	"acquired/proto/fault"
)

func TestStartRefusesBadConfig(t *testing.T) {
	tests := map[string]func(*Config){
		"no node":               func(c *Config) { c.Node = "" },
		"long node":             func(c *Config) { c.Node = strings.Repeat("a", maxNode+1) },
		"node with a space":     func(c *Config) { c.Node = "a b" },
		"record too long":       func(c *Config) { c.Node = strings.Repeat("<", maxNode) },
		"no cluster":            func(c *Config) { c.Cluster = "" },
		"long cluster":          func(c *Config) { c.Cluster = strings.Repeat("a", memberlist.LabelMaxSize+1) },
		"no key":                func(c *Config) { c.Key = nil },
		"short key":             func(c *Config) { c.Key = c.Key[:16] },
		"no listen":             func(c *Config) { c.Listen = "" },
		"listen without a port": func(c *Config) { c.Listen = "127.0.0.1" },
		"listen on a big port":  func(c *Config) { c.Listen = "127.0.0.1:65536" },
		"no address":            func(c *Config) { c.Address = "" },
		"address without host":  func(c *Config) { c.Address = ":7000" },
		"address everywhere":    func(c *Config) { c.Address = "0.0.0.0:7000" },
		"address with port 0":   func(c *Config) { c.Address = "a.example:0" },
		"long address":          func(c *Config) { c.Address = strings.Repeat("a", maxAddress) + ":7000" },
		"join without a port":   func(c *Config) { c.Join = []string{"a.example"} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			c := config("a")
			change(&c)
			_, err := Start(t.Context(), c)
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("Start = %v, want fault.Invalid", err)
			}
		})
	}
}

func TestEndpoints(t *testing.T) {
	tests := []struct{ listen, address, bind, advertise string }{
		{"127.0.0.1:0", "10.0.0.1:7000", "127.0.0.1:0", "127.0.0.1"},
		{"[::1]:7946", "10.0.0.1:7000", "[::1]:7946", "::1"},
		{"[::ffff:127.0.0.1]:7946", "10.0.0.1:7000", "127.0.0.1:7946", "127.0.0.1"},
		{":7946", "10.0.0.1:7000", "[::]:7946", "10.0.0.1"},
		{"[::]:7946", "10.0.0.1:7000", "[::]:7946", "10.0.0.1"},
		{"0.0.0.0:7946", "10.0.0.1:7000", "0.0.0.0:7946", "10.0.0.1"},
	}
	for _, test := range tests {
		c := config("a")
		c.Listen, c.Address = test.listen, test.address
		bind, advertise, err := c.endpoints(t.Context())
		if bind != netip.MustParseAddrPort(test.bind) || advertise != netip.MustParseAddr(test.advertise) || err != nil {
			t.Errorf("endpoints of %s at %s = %v, %v, %v, want %s, %s", test.listen, test.address, bind, advertise, err, test.bind, test.advertise)
		}
	}
}

func TestListenOnAHostName(t *testing.T) {
	c := config("a")
	c.Listen = "localhost:0"
	bind, advertise, err := c.endpoints(t.Context())
	if !bind.Addr().IsLoopback() || advertise != bind.Addr() || err != nil {
		t.Errorf("endpoints of localhost = %v, %v, %v, want a loopback IP twice", bind, advertise, err)
	}
}
