package sshlogin

import (
	"cmp"
	"time"

	"acquired/proto/fault"
)

// Limits bound what clients may use. A zero field has the default.
type Limits struct {
	// Connections open at once: 64.
	Connections int
	// PerSource is how many of them one source may have: 8. A source is an IPv4
	// address or the /64 network of an IPv6 address.
	PerSource int
	// HandshakeTimeout is how long a connection may take to prove a key, and
	// again to be given the credential and end: 10 seconds.
	HandshakeTimeout time.Duration
	// KeysTried is how many keys may be refused before the connection is: 6.
	KeysTried int
	// SourceRate is how many connections a second one source may begin, 10, and
	// SourceBurst how many at once, 20.
	SourceRate  float64
	SourceBurst int
	// TotalRate and TotalBurst are the same for all sources together: 100, 200.
	TotalRate  float64
	TotalBurst int
	// Sources is how many sources are remembered for their rate: 4096, or one
	// more than Connections if that is more. Those not seen for longest are
	// forgotten first.
	Sources int
}

func (l Limits) complete() (Limits, error) {
	for _, limit := range []struct {
		name  string
		value float64
	}{
		{"Connections", float64(l.Connections)}, {"PerSource", float64(l.PerSource)},
		{"HandshakeTimeout", float64(l.HandshakeTimeout)}, {"KeysTried", float64(l.KeysTried)},
		{"SourceRate", l.SourceRate}, {"SourceBurst", float64(l.SourceBurst)},
		{"TotalRate", l.TotalRate}, {"TotalBurst", float64(l.TotalBurst)}, {"Sources", float64(l.Sources)},
	} {
		if !(limit.value >= 0) {
			return Limits{}, fault.Invalid.New("ssh login limit %s is %v: it must be 0 for the default or more", limit.name, limit.value)
		}
	}
	l.Connections = cmp.Or(l.Connections, 64)
	l.PerSource = cmp.Or(l.PerSource, 8)
	l.HandshakeTimeout = cmp.Or(l.HandshakeTimeout, 10*time.Second)
	l.KeysTried = cmp.Or(l.KeysTried, 6)
	l.SourceRate = cmp.Or(l.SourceRate, 10)
	l.SourceBurst = cmp.Or(l.SourceBurst, 20)
	l.TotalRate = cmp.Or(l.TotalRate, 100)
	l.TotalBurst = cmp.Or(l.TotalBurst, 200)
	l.Sources = max(cmp.Or(l.Sources, 4096), l.Connections+1)
	return l, nil
}
