package sshlogin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"acquired/proto/fault"
)

func newTestAdmission(t *testing.T, limits Limits) *admission {
	t.Helper()
	complete, err := limits.complete()
	if err != nil {
		t.Fatalf("limits: %v", err)
	}
	return newAdmission(complete)
}

func mustAdmit(t *testing.T, a *admission, from netip.Prefix, want string) {
	t.Helper()
	if got := a.admit(from); got != want {
		t.Errorf("admit from %v: got %q, want %q", from, got, want)
	}
}

func prefix(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 32)
}

func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newTestAdmission(t, Limits{SourceRate: 1, SourceBurst: 2, TotalRate: 2, TotalBurst: 3})
		admit := func(from netip.Prefix, want string) {
			t.Helper()
			mustAdmit(t, a, from, want)
			if want == "" {
				a.release(from)
			}
		}
		admit(prefix(1), "")
		admit(prefix(1), "")
		for range 10 { // takes nothing of what others share
			admit(prefix(1), "rate of the source")
		}
		admit(prefix(2), "")
		admit(prefix(2), "rate")
		time.Sleep(time.Second)
		admit(prefix(1), "")
		admit(prefix(1), "rate of the source")
		admit(prefix(3), "")
		admit(prefix(3), "rate")
	})
}

func TestConnectionsAreCounted(t *testing.T) {
	t.Parallel()
	a := newTestAdmission(t, Limits{Connections: 3, PerSource: 2})
	mustAdmit(t, a, prefix(1), "")
	mustAdmit(t, a, prefix(1), "")
	mustAdmit(t, a, prefix(1), "connections of the source")
	mustAdmit(t, a, prefix(2), "")
	mustAdmit(t, a, prefix(2), "connections")
	a.release(prefix(1))
	mustAdmit(t, a, prefix(2), "")
}

func TestSourcesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newTestAdmission(t, Limits{Connections: 2, Sources: 4, SourceRate: 0.001, SourceBurst: 1})
		mustAdmit(t, a, prefix(0), "") // stays
		for n := range 100 {
			from := prefix(1 + n)
			mustAdmit(t, a, from, "")
			a.release(from)
			mustAdmit(t, a, from, "rate of the source")
			if got := len(a.sources); got > 4 || got != a.recent.Len() {
				t.Fatalf("%d sources in the map, %d in the list, want the same and at most 4", got, a.recent.Len())
			}
		}
		mustAdmit(t, a, prefix(0), "rate of the source") // seen just now
		mustAdmit(t, a, prefix(100), "rate of the source")
		mustAdmit(t, a, prefix(1), "") // forgotten
		a.release(prefix(1))
		a.release(prefix(0))
		if a.open != 0 {
			t.Errorf("%d connections are open, want 0", a.open)
		}
	})
}

func TestSourceSeenAgainIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newTestAdmission(t, Limits{Connections: 1, Sources: 2, SourceRate: 0.001, SourceBurst: 1})
		for _, c := range []struct {
			from int
			want string
		}{{1, ""}, {2, ""}, {1, "rate of the source"}, {3, ""}, {1, "rate of the source"}, {2, ""}} {
			mustAdmit(t, a, prefix(c.from), c.want)
			if c.want == "" {
				a.release(prefix(c.from))
			}
		}
	})
}

func TestSourceOf(t *testing.T) {
	t.Parallel()
	tcp := func(ip, zone string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Zone: zone, Port: 1} }
	for _, c := range []struct {
		address net.Addr
		want    string
	}{
		{tcp("192.0.2.1", ""), "192.0.2.1/32"},
		{tcp("::ffff:192.0.2.1", ""), "192.0.2.1/32"},
		{tcp("2001:db8::1", ""), "2001:db8::/64"},
		{tcp("2001:db8::ffff:1", ""), "2001:db8::/64"},
		{tcp("2001:db8:0:1::1", ""), "2001:db8:0:1::/64"},
		{tcp("fe80::1", "eth0"), "fe80::/64"},
		{&net.TCPAddr{}, "invalid Prefix"},
		{&net.UnixAddr{Name: "x"}, "invalid Prefix"},
	} {
		if got := sourceOf(c.address).String(); got != c.want {
			t.Errorf("source of %v: got %s, want %s", c.address, got, c.want)
		}
	}
}

func TestLimitsDefaults(t *testing.T) {
	t.Parallel()
	got, err := Limits{}.complete()
	want := Limits{
		Connections: 64, PerSource: 8, HandshakeTimeout: 10 * time.Second, KeysTried: 6,
		SourceRate: 10, SourceBurst: 20, TotalRate: 100, TotalBurst: 200, Sources: 4096,
	}
	if err != nil || got != want {
		t.Errorf("limits: got %+v, %v, want %+v", got, err, want)
	}
	if got, err := (Limits{Connections: 5000}).complete(); err != nil || got.Sources != 5001 {
		t.Errorf("limits of 5000 connections: got %+v, %v, want 5001 sources", got, err)
	}
	zero := 0.0
	for _, bad := range []float64{-1, zero / zero} {
		if _, err := (Limits{TotalRate: bad}).complete(); !errors.Is(err, fault.Invalid) {
			t.Errorf("limits with rate %s: got %v, want fault %q", fmt.Sprint(bad), err, fault.Invalid)
		}
	}
}
