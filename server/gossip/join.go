package gossip

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"time"
)

const (
	shortestPause = 250 * time.Millisecond
	longestPause  = 30 * time.Second
)

// keepJoining asks the hosts for the members they know until ctx ends. It does
// not end with the first answer, since memberlist forgets a member that is dead
// for long: without asking, two halves of a cluster that a network kept apart
// would never find together again.
func (g *Gossip) keepJoining(ctx context.Context, hosts []string) {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		for _, host := range hosts {
			if err := g.join(ctx, host); err != nil && ctx.Err() == nil {
				g.logUnanswered(host, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// join exchanges what is known of the members with each IP of the host, and
// gives an error if none answers. The name is looked up here, as memberlist's
// own look-up cannot be cancelled.
func (g *Gossip) join(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return err
	}
	answers := 0
	for _, ip := range ips {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, refused := g.list.Join([]string{net.JoinHostPort(ip, port)})
		answers += n
		err = errors.Unwrap(refused) // from a list of one
	}
	if answers > 0 {
		return nil
	}
	return err
}

// logUnanswered tells of a host that did not answer: loudly while nobody else is
// there, as a wrong key or a wrong address shows here first.
func (g *Gossip) logUnanswered(host string, err error) {
	level := slog.LevelWarn
	if slices.ContainsFunc(g.Nodes(), func(n Node) bool { return n.Alive && n.ID != g.node }) {
		level = slog.LevelDebug
	}
	g.log.log(level, "gossip host did not answer", slog.String("host", host), slog.String("error", err.Error()))
}
