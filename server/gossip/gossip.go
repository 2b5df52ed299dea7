// Package gossip finds nodes: it tells at which address a node of the cluster
// serves now. The nodes tell each other, through memberlist, encrypted.
//
// It decides nothing. Whoever holds the key can claim anything of any node, so
// an address is a hint: who dials it checks with TLS who answers, and who is a
// member of the cluster stands in the Raft log alone.
package gossip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// A Node is what is known of a node.
type Node struct {
	// ID is the node's id.
	ID string
	// Address is the newest host:port known at which it serves.
	Address string
	// Alive is false when the node said goodbye, or fell silent. A node that
	// crashes falls silent within a few seconds.
	Alive bool
}

// Gossip is a running member. Its methods may be called from any goroutine.
type Gossip struct {
	node   string
	listen string
	table  *table
	log    *logger
	list   *memberlist.Memberlist

	endJoining context.CancelFunc
	joining    sync.WaitGroup

	stop    sync.Once
	stopped chan struct{} // closed when stopErr is set
	stopErr error
}

// Start listens, and looks for the others in the background. ctx governs the
// start only. An unusable Config is answered with fault.Invalid. The caller
// calls Stop.
func Start(ctx context.Context, c Config) (*Gossip, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	bind, advertise, err := c.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	g := &Gossip{node: c.Node, table: newTable(), log: newLogger(c.Log), stopped: make(chan struct{})}
	if err := g.open(c, bind, advertise); err != nil {
		return nil, err
	}
	joining, end := context.WithCancel(context.Background())
	g.endJoining = end
	g.joining.Go(func() { g.keepJoining(joining, c.Join) })
	return g, nil
}

// Address gives the newest address known of the node, which may have fallen
// silent since: Nodes tells. It is false for a node never heard of.
func (g *Gossip) Address(node string) (string, bool) { return g.table.address(node) }

// Nodes gives what is known of each node, this one included, in the order of
// their ids. Nodes that fell silent stay; there are 256 at most.
func (g *Gossip) Nodes() []Node { return g.table.list() }

// Changed gives a channel that is closed when Nodes next answers something
// else. Take the channel before the nodes, so as to miss no change, and take
// another one for the change after.
func (g *Gossip) Changed() <-chan struct{} { return g.table.next() }

// ListenAddress gives the host:port of this member as the others are told it,
// with the real port where Config.Listen had port 0.
func (g *Gossip) ListenAddress() string { return g.listen }

// Stop says goodbye to the others and stops. Should ctx end first, Stop returns
// its error and the rest goes on without. Any other error is of a goodbye that
// could not be said: it is stopped, and the others will notice the silence.
// Stopping again waits for the same end.
func (g *Gossip) Stop(ctx context.Context) error {
	g.stop.Do(func() { go g.shutDown() })
	select {
	case <-g.stopped:
		return g.stopErr
	case <-ctx.Done():
		return fmt.Errorf("stop gossip: %w", context.Cause(ctx))
	}
}

// leaveTimeout bounds how long a goodbye may take. It takes a few gossip intervals.
const leaveTimeout = 3 * time.Second

func (g *Gossip) shutDown() {
	defer close(g.stopped)
	g.endJoining()
	if err := g.list.Leave(leaveTimeout); err != nil {
		g.stopErr = fmt.Errorf("say goodbye: %w", err)
	}
	if err := g.list.Shutdown(); err != nil {
		g.stopErr = errors.Join(g.stopErr, fmt.Errorf("close gossip: %w", err))
	}
	g.joining.Wait()
	g.log.close()
}
