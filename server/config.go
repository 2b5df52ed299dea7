package server

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"time"

	"acquired/proto/fault"
	"acquired/server/pki"
	"acquired/server/seal"
)

// Config is what a node is told when it starts.
type Config struct {
	// Node is the id of this node, Cluster that of its cluster. Both must be
	// those of the certificate and of the data directory. Required.
	Node, Cluster string
	// DataDir is made when it does not exist. One process uses it. Required.
	DataDir string
	// Listen is the host:port for gRPC and raft; port 0 is any. Required.
	Listen string
	// Advertise is the host:port at which other nodes reach this one; empty is
	// where it listens.
	Advertise string
	// HTTPListen is the host:port for health and metrics; empty is none.
	HTTPListen string
	// Gossip finds the other nodes; nil is none, and Peers must name them.
	Gossip *GossipConfig
	// Peers gives the address of a node when gossip does not. Nil is none.
	Peers func(node string) (address string, ok bool)
	// Credentials prove to others that this is the node. Required.
	Credentials *pki.Credentials
	// KeyEncryptionKey wraps the key that seals secrets in the log; all nodes of a
	// cluster have the same. Required.
	KeyEncryptionKey seal.KEK
	// SSHListen is the host:port for logins with ssh; empty is none.
	SSHListen string
	// InitialNodes form the cluster together when none of them has data yet.
	// Empty is a node that joins a cluster.
	InitialNodes []string

	// Log gets one line for each call and each change of the node; nil discards.
	Log *slog.Logger
	// Fatal ends the process on the first storage error, and whenever the node
	// cannot go on without guessing. It must not return. Required.
	Fatal func(error)
	// Left is called, once, when the node was told to leave its cluster and has
	// left. Nil is none.
	Left func()

	Timing Timing
	Limits Limits

	// ListenFunc and DialFunc replace TCP; nil is TCP.
	ListenFunc func(ctx context.Context, address string) (net.Listener, error)
	DialFunc   func(ctx context.Context, address string) (net.Conn, error)
}

// GossipConfig says where the node gossips.
type GossipConfig struct {
	// Listen is a host:port, for UDP and TCP.
	Listen string
	// Join are the host:port of nodes to ask first.
	Join []string
	// Key encrypts the gossip; 32 bytes.
	Key []byte
}

// Timing is how long a node waits. Zero fields have the defaults named.
type Timing struct {
	// Heartbeat without which a follower asks for an election: 1 s.
	Heartbeat time.Duration
	// Election is how long a candidate waits for votes: Heartbeat.
	Election time.Duration
	// Commit is how soon a follower learns that an entry is committed when no
	// other follows it: 5 ms. Reads on followers wait for it; it costs a message.
	Commit time.Duration
	// HashCheck is how often a node compares its state with the others': 10 s.
	HashCheck time.Duration
	// SnapshotInterval is how often the log may be cut: 30 s.
	SnapshotInterval time.Duration
	// KeyRotation is how long a key signs credentials before the next one does: 24 h.
	// At least 15 minutes: there are no more keys than identity.MaxSigningKeys.
	KeyRotation time.Duration
	// DiskStall is how long a write to the log may take before the node ends
	// itself, so that another may lead: 10 s.
	DiskStall time.Duration
}

// Limits bound what a node takes on. Zero fields have the defaults named.
type Limits struct {
	// Calls in progress at once: 4096.
	Calls int
	// QueuedCommands waiting for the log: 8192; QueuedBytes: 64 MiB.
	QueuedCommands int
	QueuedBytes    int64
	// SnapshotEntries or SnapshotBytes after which the log is cut: 16384, and
	// 128 MiB. TrailingEntries are kept behind a cut, for followers that lag, but
	// not more than about SnapshotBytes of them: 10240.
	SnapshotEntries, TrailingEntries uint64
	SnapshotBytes                    uint64
	// CacheBytes is the cache of the state engine: 128 MiB.
	CacheBytes int64
}

// Limits that are part of the API.
const (
	// MaxMessage is the largest gRPC message, in bytes.
	MaxMessage = 16 << 20
	// MaxElements is how many messages and elements of lists there may be in a
	// request, and in that of each call of a batch: memory, not length, is what they
	// take. The largest requests are 8190 transfers with 16 other accounts to debit
	// each, 150,000 or so; 1000 invoices of 256 lines, 258,000; and 50,000 changes
	// of the tree with up to 10 each, such as a clause of three sets of one role.
	MaxElements = 1 << 19
	// MaxRequestID is in bytes.
	MaxRequestID = 64
	// MaxBatchCalls is the most calls in a batch.
	MaxBatchCalls = 1024
	// MaxTimeout is the longest a call may take; a call without a deadline gets
	// DefaultTimeout.
	MaxTimeout     = 5 * time.Minute
	DefaultTimeout = 30 * time.Second
)

// minKeyRotation is the shortest Timing.KeyRotation.
const minKeyRotation = 15 * time.Minute

// withDefaults gives the configuration with its zero fields set, or says which
// field is wrong.
func (c Config) withDefaults() (Config, error) {
	if err := pki.ValidateName("node id", c.Node); err != nil {
		return c, err
	}
	if err := pki.ValidateName("cluster id", c.Cluster); err != nil {
		return c, err
	}
	switch {
	case c.Credentials == nil:
		return c, fault.Invalid.New("config: no credentials")
	case c.Credentials.Node != c.Node || c.Credentials.Cluster != c.Cluster:
		return c, fault.Invalid.New("config: the certificate is of node %s in cluster %s, the configuration of node %s in cluster %s",
			c.Credentials.Node, c.Credentials.Cluster, c.Node, c.Cluster)
	case c.DataDir == "":
		return c, fault.Invalid.New("config: no data directory")
	case c.Listen == "":
		return c, fault.Invalid.New("config: no address to listen on")
	case c.KeyEncryptionKey.IsZero():
		return c, fault.Invalid.New("config: no key-encryption key")
	case c.Timing.KeyRotation != 0 && c.Timing.KeyRotation < minKeyRotation:
		return c, fault.Invalid.New("config: key rotation of %s is below %s", c.Timing.KeyRotation, minKeyRotation)
	case c.Fatal == nil:
		return c, fault.Invalid.New("config: no Fatal")
	case len(c.InitialNodes) > 0 && !slices.Contains(c.InitialNodes, c.Node):
		return c, fault.Invalid.New("config: the initial nodes do not name %s itself", c.Node)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Timing = c.Timing.withDefaults()
	c.Limits = c.Limits.withDefaults()
	var dialer net.Dialer
	var listener net.ListenConfig
	if c.DialFunc == nil {
		c.DialFunc = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	if c.ListenFunc == nil {
		c.ListenFunc = func(ctx context.Context, address string) (net.Listener, error) {
			return listener.Listen(ctx, "tcp", address)
		}
	}
	return c, nil
}

func (t Timing) withDefaults() Timing {
	orDefault(&t.Heartbeat, time.Second)
	orDefault(&t.Election, t.Heartbeat)
	orDefault(&t.Commit, 5*time.Millisecond)
	orDefault(&t.HashCheck, 10*time.Second)
	orDefault(&t.SnapshotInterval, 30*time.Second)
	orDefault(&t.KeyRotation, 24*time.Hour)
	orDefault(&t.DiskStall, 10*time.Second)
	return t
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Calls, 4096)
	orDefault(&l.QueuedCommands, 8192)
	orDefault(&l.QueuedBytes, 64<<20)
	orDefault(&l.SnapshotEntries, 16384)
	orDefault(&l.TrailingEntries, 10240)
	orDefault(&l.SnapshotBytes, 128<<20)
	return l
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
