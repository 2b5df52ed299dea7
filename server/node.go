// Package server is a node: it puts commands into the log, applies what is
// committed to the state machine, and answers from it.
//
// A call's way: network.go accepts it, intercept.go and auth.go find out whose
// it is, message.go takes its request, intercept.go forwards it if it is a write
// and another node leads, a service (ledger.go) hands it to propose or read in
// request.go. A command goes on through batch.go into the log and comes back
// through replica.go; a read waits in request.go, at the word of readindex.go if
// it is to be the latest.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"acquired/fsm"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/engine"
	"acquired/server/gossip"
	"acquired/server/logstore"
	"acquired/server/sshlogin"
	"acquired/server/token"
)

// Node is a running node.
type Node struct {
	config  Config
	log     *slog.Logger
	version string
	address string // where others reach it

	data      *dataDir
	states    *stateDir
	held      held
	logs      *logstore.Store
	machine   *fsm.Machine
	applied   progress
	snapshots *snapshots
	// received are states that came whole and are not served yet, by name.
	received sync.Map

	tokens      *token.Verifier
	keyring     *keyring
	issuers     parsedIssuers
	logins      *logins
	ssh         *sshlogin.Server // nil when there is none
	metrics     *metrics
	gossip      *gossip.Gossip // nil when there is none
	peers       *peers
	batcher     *batcher
	reads       *readIndexer
	raft        atomic.Pointer[raft.Raft] // nil until the node is a member
	transport   *raft.NetworkTransport
	membership  sync.Mutex // one change of the configuration at a time
	calls       chan struct{}
	openCalls   chan struct{}
	peerCalls   chan struct{}
	secondLooks chan struct{} // see accepted
	verifying   sync.Mutex    // one verification of the books at a time
	methods     map[string]method
	split       *splitter
	refusals    rate.Sometimes
	grpc        *grpc.Server
	health      *health.Server
	http        *http.Server
	httpAddress string

	// serving ends when the node begins to stop, life when it serves nobody any
	// more; running are the goroutines that then end.
	serving  context.Context
	close    context.CancelFunc
	life     context.Context
	end      context.CancelFunc
	running  sync.WaitGroup
	stopping atomic.Bool
	leftOnce sync.Once
}

const (
	// maxOpenCalls are the calls in progress of which nobody had to prove who makes
	// them. A request of one is at most maxOpenMessage bytes, and the call ends
	// after maxOpenTime, whether its request came or not.
	maxOpenCalls   = 64
	maxOpenMessage = 64 << 10
	maxOpenTime    = 10 * time.Second
	// maxPeerCalls are those in progress that are for nodes only.
	maxPeerCalls = 1024
)

// Start starts a node. It returns when the node listens, which may be long
// before it is a member of a cluster. ctx governs only the start.
func Start(ctx context.Context, config Config) (*Node, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{config: config, log: config.Log.With(slog.String("self", config.Node)), version: version()}
	n.life, n.end = context.WithCancel(context.Background())
	n.serving, n.close = context.WithCancel(n.life)
	n.keyring = &keyring{cluster: config.Cluster, kek: config.KeyEncryptionKey}
	n.logins = newLogins()
	n.calls = make(chan struct{}, config.Limits.Calls)
	n.refusals.Interval = refusalInterval
	n.openCalls = make(chan struct{}, maxOpenCalls)
	n.peerCalls = make(chan struct{}, maxPeerCalls)
	n.secondLooks = make(chan struct{}, maxSecondLooks)
	n.applied.index = func() uint64 { return n.machine.Position().Index }
	n.peers = &peers{node: n, conns: make(map[string]*grpc.ClientConn)}
	n.reads = &readIndexer{node: n}
	n.snapshots = &snapshots{node: n}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Stop(ctx))
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) (err error) {
	if n.tokens, err = token.NewVerifier(n.config.Cluster); err != nil {
		return err
	}
	n.metrics = newMetrics(n)
	if err := n.openStorage(); err != nil {
		return err
	}
	n.batcher = newBatcher(n)
	tcp, err := n.listen(ctx)
	if err != nil {
		return err
	}
	if err := n.startGossip(ctx); err != nil {
		return errors.Join(err, tcp.Close())
	}
	n.serve(tcp)
	if err := n.startHTTP(ctx); err != nil {
		return err
	}
	if err := n.startSSH(ctx); err != nil {
		return err
	}
	n.running.Go(n.watchDisk)
	n.running.Go(n.scrub)
	n.log.LogAttrs(ctx, slog.LevelInfo, "node started", slog.String("address", n.address), slog.String("http", n.httpAddress),
		slog.Uint64("index", n.machine.Position().Index), slog.String("version", n.version))
	return n.becomeMember()
}

// becomeMember starts raft: at once for a node that was a member before, and
// otherwise in the background, as soon as it may.
func (n *Node) becomeMember() error {
	// The votes that a node gave are with its log. A state alone is not a member.
	existing, err := raft.HasExistingState(n.logs, n.logs, raft.NewDiscardSnapshotStore())
	if err != nil {
		return err
	}
	switch at := n.machine.Position().Index; {
	case existing:
		return n.startRaft(false)
	case at > 0:
		return fault.Conflict.New("data directory %s has a state at index %d and no log: move it away and start the node again: it rejoins and copies the state of the others",
			n.config.DataDir, at)
	}
	if len(n.config.InitialNodes) == 1 {
		return n.startRaft(true)
	}
	n.running.Go(func() {
		if err := n.form(n.life); err != nil && n.life.Err() == nil {
			n.fatal(err)
		}
	})
	return nil
}

func (n *Node) openStorage() (err error) {
	if n.data, err = openDataDir(n.config.DataDir, owner{Cluster: n.config.Cluster, Node: n.config.Node}); err != nil {
		return err
	}
	if n.states, err = openStateDir(n.data.in(stateFolder)); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	e, err := n.openEngine(n.states.current())
	if err != nil {
		return err
	}
	n.held.engine = e
	if n.machine, err = openMachine(e); err != nil {
		return err
	}
	n.logs, err = logstore.Open(logstore.Config{Path: n.data.in(logFile), Fatal: n.fatal, ObserveWrite: n.metrics.wrote})
	return err
}

// openMachine turns a state that cannot be read into an error.
func openMachine(e *engine.Pebble) (m *fsm.Machine, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	return fsm.New(e), nil
}

// listen takes the address of the node. Nobody is served yet.
func (n *Node) listen(ctx context.Context) (net.Listener, error) {
	tcp, err := n.config.ListenFunc(ctx, n.config.Listen)
	if err != nil {
		return nil, err
	}
	n.address = n.config.Advertise
	if n.address == "" {
		n.address = tcp.Addr().String()
	}
	return tcp, nil
}

// serve takes calls, and what raft says.
func (n *Node) serve(tcp net.Listener) {
	tlsConfig := n.config.Credentials.ServerTLS()
	n.split = newSplitter(tcp, tlsConfig, n.refused)
	n.grpc = grpc.NewServer(
		grpc.Creds(newShaken(tlsConfig)),
		grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage), grpc.MaxHeaderListSize(64<<10),
		grpc.MaxConcurrentStreams(1024),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.WaitForHandlers(true), // they use what is closed next
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 15 * time.Minute, Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.ForceServerCodecV2(newCodec()),
	)
	n.register()
	n.methods = methodsOf(n.grpc)
	n.running.Go(func() {
		if err := n.grpc.Serve(n.split.grpc); err != nil && n.life.Err() == nil && !n.stopping.Load() {
			n.log.LogAttrs(n.life, slog.LevelError, "gRPC ended", slog.Any("error", err))
		}
	})
	n.transport = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  &stream{queueListener: n.split.raft, node: n.config.Node, dial: n.dial, creds: n.config.Credentials},
		MaxPool: 3,
		Timeout: 10 * time.Second,
		Logger:  raftLog(n.log),
		// With the library's default of 2, a refused append can leave the
		// pipeline to a follower stuck until the leader restarts (raft#612).
		MaxRPCsInFlight:         1,
		MsgpackUseNewTimeFormat: true,
	})
}

// register lists the services. A new one is a line here.
func (n *Node) register() {
	n.health = health.NewServer()
	n.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	to := registrar{n.grpc, n}
	reflection.Register(to)
	grpc_health_v1.RegisterHealthServer(to, n.health)
	statev1.RegisterPeerServer(to, &peerService{node: n})
	pb.RegisterBatchServer(to, &batchService{node: n})
	pb.RegisterClusterServer(to, &clusterService{node: n})
	pb.RegisterIdentityServer(to, &identityService{node: n})
	pb.RegisterAclServer(to, &aclService{node: n})
	pb.RegisterLedgerServer(to, &ledgerService{node: n})
}

func (n *Node) startGossip(ctx context.Context) (err error) {
	if n.config.Gossip == nil {
		return nil
	}
	g := n.config.Gossip
	n.gossip, err = gossip.Start(ctx, gossip.Config{
		Node: n.config.Node, Cluster: n.config.Cluster, Listen: g.Listen, Address: n.address, Join: g.Join, Key: g.Key, Log: n.log,
	})
	return err
}

func (n *Node) startRaft(bootstrap bool) error {
	t := n.config.Timing
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(n.config.Node)
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = t.Heartbeat, t.Election, t.Heartbeat/2
	c.CommitTimeout = t.Commit
	c.SnapshotInterval, c.SnapshotThreshold, c.TrailingLogs = t.SnapshotInterval, n.config.Limits.SnapshotEntries, n.config.Limits.TrailingEntries
	// The state is on disk already: see snapshots.
	c.NoSnapshotRestoreOnStart = true
	c.NoLegacyTelemetry = true
	c.ShutdownOnRemove = false
	c.Logger = raftLog(n.log)
	if bootstrap {
		err := raft.BootstrapCluster(c, n.logs, n.logs, n.snapshots, n.transport, n.initialConfiguration())
		if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
			return fmt.Errorf("form the cluster: %w", err)
		}
	}
	r, err := raft.NewRaft(c, replica{n}, n.logs, n.logs, n.snapshots, n.transport)
	if err != nil {
		return fmt.Errorf("raft: %w", err)
	}
	n.raft.Store(r)
	n.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	n.running.Go(func() { n.watchLeadership(r.LeaderCh()) })
	n.running.Go(n.watchMembership)
	n.running.Go(n.compareHashes)
	n.running.Go(n.boundLog)
	return nil
}

// Address is where the node serves gRPC; HTTPAddress is where it serves health
// and metrics, and SSHAddress where it takes ssh logins, or empty.
func (n *Node) Address() string     { return n.address }
func (n *Node) HTTPAddress() string { return n.httpAddress }
func (n *Node) SSHAddress() string {
	if n.ssh == nil {
		return ""
	}
	return n.ssh.Addr().String()
}

// Ready returns when the node can serve: it is a member and there is a leader.
func (n *Node) Ready(ctx context.Context) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		reason := n.notReady()
		if reason == "" {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.New(reason)
		}
	}
}

// left tells the process that the node is no member any more.
func (n *Node) left() {
	n.leftOnce.Do(func() {
		if n.config.Left != nil {
			go n.config.Left()
		}
	})
}

// fatal ends the process.
func (n *Node) fatal(err error) { n.config.Fatal(err) }

// Stop hands leadership over, ends the calls in progress, makes the state
// durable and gives everything up. When ctx ends first, calls are cut off.
func (n *Node) Stop(ctx context.Context) error {
	if n.stopping.Swap(true) {
		return nil
	}
	if n.health != nil {
		n.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	}
	n.close()
	n.handOver(ctx)
	n.stopServing(ctx)
	n.end()
	var errs []error
	if n.batcher != nil {
		n.batcher.refuse()
	}
	if r := n.raft.Load(); r != nil {
		errs = append(errs, r.Shutdown().Error())
	}
	if n.batcher != nil {
		n.batcher.wait()
	}
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
		n.transport.CloseStreams()
	}
	if n.gossip != nil {
		// The others notice a node that goes without a goodbye, too.
		if err := n.gossip.Stop(ctx); err != nil {
			n.log.LogAttrs(ctx, slog.LevelInfo, "gossip ended", slog.Any("error", err))
		}
	}
	if n.split != nil {
		n.split.close()
	}
	n.peers.close()
	n.running.Wait()
	if r := n.raft.Load(); r != nil {
		errs = append(errs, r.Shutdown().Error()) // it may have started only just now
	}
	errs = append(errs, n.closeStorage())
	n.log.LogAttrs(ctx, slog.LevelInfo, "node stopped")
	return errors.Join(errs...)
}

// handOver gives the leadership to another node, if this one has it.
func (n *Node) handOver(ctx context.Context) {
	r := n.raft.Load()
	if r == nil || r.State() != raft.Leader || len(r.GetConfiguration().Configuration().Servers) == 1 {
		return
	}
	err := r.LeadershipTransfer().Error()
	n.log.LogAttrs(ctx, slog.LevelInfo, "leadership handed over", slog.Any("error", err))
}

func (n *Node) stopServing(ctx context.Context) {
	if n.http != nil && n.http.Shutdown(ctx) != nil {
		n.http.Close()
	}
	if n.ssh != nil {
		if err := n.ssh.Close(ctx); err != nil {
			n.log.LogAttrs(ctx, slog.LevelInfo, "ssh login ended", slog.Any("error", err))
		}
	}
	if n.grpc == nil {
		return
	}
	done := make(chan struct{})
	go func() { defer close(done); n.grpc.GracefulStop() }()
	select {
	case <-done:
	case <-ctx.Done():
		n.grpc.Stop()
		<-done
	}
}

func (n *Node) closeStorage() error {
	var errs []error
	if n.logs != nil {
		errs = append(errs, n.logs.Close())
	}
	if n.machine != nil {
		n.machine.Close()
	}
	if n.held.engine != nil {
		errs = append(errs, n.held.engine.Close())
	}
	if n.data != nil {
		n.data.close()
	}
	return errors.Join(errs...)
}

// version is what the build says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return strings.TrimSpace(info.Main.Version + " " + s.Value)
		}
	}
	return info.Main.Version
}
