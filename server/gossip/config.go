package gossip

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"

	"github.com/hashicorp/memberlist"

	"acquired/proto/fault"
)

// Config says who this node is and where to look for the others. Node, Cluster,
// Listen, Address and Key are required.
type Config struct {
	// Node is this node's id: 1 to 128 visible ASCII characters.
	Node string
	// Cluster is the cluster's id, up to 255 bytes. It goes in clear with every
	// packet, and packets of other clusters are dropped.
	Cluster string
	// Listen is the host:port to listen on, with UDP and with TCP. Port 0 is a
	// free one. With no host, 0.0.0.0 or :: it listens everywhere, and the
	// others are told the host of Address with this port.
	Listen string
	// Address is the host:port at which this node serves. The others are told it.
	Address string
	// Join lists the host:port of members to ask for the others. This node may
	// be among them. They are asked again for ever, at longer intervals, up to
	// half a minute: clusters that lost sight of each other so find together
	// again. Empty waits to be asked.
	Join []string
	// Key encrypts what the members say, with AES-256: 32 bytes, the same on all
	// of them. It is copied.
	Key []byte
	// Log takes what is worth telling, within a bound. Nil discards it.
	Log *slog.Logger
}

const keySize = 32

func (c Config) check() error {
	if err := checkNode(c.Node); err != nil {
		return err
	}
	if n := len(c.Cluster); n == 0 || n > memberlist.LabelMaxSize {
		return fault.Invalid.New("gossip cluster id has %d bytes: it must have 1 to %d", n, memberlist.LabelMaxSize)
	}
	if n := len(c.Key); n != keySize {
		return fault.Invalid.New("gossip key has %d bytes: it must have %d", n, keySize)
	}
	if err := checkAddress(c.Address); err != nil {
		return err
	}
	for _, address := range c.Join {
		if err := checkAddress(address); err != nil {
			return err
		}
	}
	return nil
}

// checkAddress answers whether the address is a host:port that can be dialled.
func checkAddress(address string) error {
	if len(address) > maxAddress {
		return fault.Invalid.New("address has %d bytes: it must have at most %d", len(address), maxAddress)
	}
	host, port, err := splitAddress(address)
	switch {
	case err != nil:
		return err
	case wildcard(host):
		return fault.Invalid.New("address %q names no host", address)
	case port == 0:
		return fault.Invalid.New("address %q has port 0: it must have 1 to 65535", address)
	}
	return nil
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fault.Invalid.New("address %q is not host:port", address)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fault.Invalid.New("address %q has port %q: it must be a number up to 65535", address, text)
	}
	return host, uint16(number), nil
}

// wildcard answers whether a listener on the host listens everywhere.
func wildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// endpoints gives where to listen, and the IP that the others are told.
func (c Config) endpoints(ctx context.Context) (bind netip.AddrPort, advertise netip.Addr, err error) {
	host, port, err := splitAddress(c.Listen)
	if err != nil {
		return bind, advertise, err
	}
	if !wildcard(host) {
		advertise, err = resolve(ctx, host)
		return netip.AddrPortFrom(advertise, port), advertise, err
	}
	everywhere := netip.IPv6Unspecified()
	if host == "0.0.0.0" {
		everywhere = netip.IPv4Unspecified()
	}
	host, _, err = splitAddress(c.Address)
	if err != nil {
		return bind, advertise, err
	}
	advertise, err = resolve(ctx, host)
	return netip.AddrPortFrom(everywhere, port), advertise, err
}

// resolve gives the first IP of the host.
func resolve(ctx context.Context, host string) (netip.Addr, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find gossip host %q: %w", host, err)
	}
	return ips[0].Unmap(), nil
}
