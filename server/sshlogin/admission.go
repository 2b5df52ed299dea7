package sshlogin

import (
	"container/list"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// An admission counts the connections and says which may begin. A source that
// is at its own limit takes nothing from what the others share.
type admission struct {
	limits Limits
	total  *rate.Limiter

	mu      sync.Mutex
	open    int
	sources map[netip.Prefix]*list.Element // of *source
	recent  *list.List                     // the one seen last is at the front
}

type source struct {
	prefix netip.Prefix
	open   int
	rate   *rate.Limiter
}

func newAdmission(limits Limits) *admission {
	return &admission{
		limits:  limits,
		total:   rate.NewLimiter(rate.Limit(limits.TotalRate), limits.TotalBurst),
		sources: make(map[netip.Prefix]*list.Element),
		recent:  list.New(),
	}
}

// admit counts a connection in until release, or names the limit that it meets.
func (a *admission) admit(from netip.Prefix) (full string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.remembered(from)
	switch {
	case s.open >= a.limits.PerSource:
		return "connections of the source"
	case !s.rate.Allow():
		return "rate of the source"
	case a.open >= a.limits.Connections:
		return "connections"
	case !a.total.Allow():
		return "rate"
	}
	s.open++
	a.open++
	return ""
}

func (a *admission) release(from netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	a.sources[from].Value.(*source).open--
}

func (a *admission) remembered(from netip.Prefix) *source {
	if element, ok := a.sources[from]; ok {
		a.recent.MoveToFront(element)
		return element.Value.(*source)
	}
	if len(a.sources) >= a.limits.Sources {
		a.forgetOne()
	}
	s := &source{prefix: from, rate: rate.NewLimiter(rate.Limit(a.limits.SourceRate), a.limits.SourceBurst)}
	a.sources[from] = a.recent.PushFront(s)
	return s
}

// forgetOne forgets the source not seen for longest that has no connection. There
// is one: more sources are remembered than connections may be open.
func (a *admission) forgetOne() {
	for element := a.recent.Back(); element != nil; element = element.Prev() {
		if s := element.Value.(*source); s.open == 0 {
			a.recent.Remove(element)
			delete(a.sources, s.prefix)
			return
		}
	}
}

// sourceOf gives the source of the address. All that are no TCP addresses are
// one source.
func sourceOf(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address at all
	}
	return prefix
}
