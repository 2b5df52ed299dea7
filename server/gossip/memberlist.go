package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// open starts the member of this node.
func (g *Gossip) open(c Config, bind netip.AddrPort, advertise netip.Addr) error {
	self := record{Version: recordVersion, Node: c.Node, Start: time.Now().UnixNano(), Address: c.Address}
	metadata, err := self.encode()
	if err != nil {
		return err
	}
	lines := log.New(g.log, "", 0)
	transport, err := listen(bind, lines)
	if err != nil {
		return err
	}
	g.listen = netip.AddrPortFrom(advertise, transport.port()).String()

	m := timing()
	m.Name = self.member()
	m.Label = c.Cluster
	m.SecretKey = bytes.Clone(c.Key)
	m.GossipVerifyIncoming = true
	m.GossipVerifyOutgoing = true
	// Records are too small to gain by it.
	m.EnableCompression = false
	m.Transport = transport
	m.AdvertiseAddr = advertise.String()
	m.AdvertisePort = int(transport.port())
	m.Logger = lines
	d := delegate{table: g.table, metadata: metadata}
	m.Delegate, m.Alive, m.Events = d, d, d

	g.list, err = memberlist.Create(m)
	if err != nil {
		return fmt.Errorf("start gossip: %w", errors.Join(err, transport.Shutdown()))
	}
	return nil
}

// timing gives memberlist's settings for a local network, quickened: a cluster
// has few nodes, so asking them often costs little. A process that crashes is
// found dead within a few seconds.
func timing() *memberlist.Config {
	m := memberlist.DefaultLANConfig()
	m.ProbeInterval = 500 * time.Millisecond
	m.ProbeTimeout = 250 * time.Millisecond
	m.GossipInterval = 100 * time.Millisecond
	m.PushPullInterval = 10 * time.Second
	m.TCPTimeout = 3 * time.Second
	return m
}

// A delegate is what memberlist calls. It calls the Notify methods one at a time
// and under its lock, so they must not call it.
type delegate struct {
	table    *table
	metadata []byte
}

// NotifyAlive refuses, by an error that memberlist logs, a member that is to
// stay unknown.
func (d delegate) NotifyAlive(member *memberlist.Node) error {
	r, err := decodeRecord(member)
	if err != nil {
		return err
	}
	return d.table.admits(r)
}

// NotifyJoin notes a member that NotifyAlive let pass.
func (d delegate) NotifyJoin(member *memberlist.Node) {
	if r, err := decodeRecord(member); err == nil {
		d.table.heard(r)
	}
}

// NotifyUpdate notes a member whose metadata is new.
func (d delegate) NotifyUpdate(member *memberlist.Node) { d.NotifyJoin(member) }

// NotifyLeave notes a member that left or was found dead.
func (d delegate) NotifyLeave(member *memberlist.Node) {
	if r, err := decodeRecord(member); err == nil {
		d.table.lost(r)
	}
}

// NodeMeta gives what the others are told.
func (d delegate) NodeMeta(int) []byte { return d.metadata }

// The members tell each other nothing but their metadata.

// NotifyMsg ignores messages.
func (delegate) NotifyMsg([]byte) {}

// GetBroadcasts has no messages.
func (delegate) GetBroadcasts(overhead, limit int) [][]byte { return nil }

// LocalState has no state to exchange.
func (delegate) LocalState(join bool) []byte { return nil }

// MergeRemoteState ignores state.
func (delegate) MergeRemoteState(state []byte, join bool) {}
