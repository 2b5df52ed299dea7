package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/pki"
)

// A network holds servers that speak the API, and know nothing of what it means:
// what is tested here is how calls travel.
type network struct {
	authority *pki.Authority

	mu        sync.Mutex
	listeners map[string]*bufconn.Listener
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &network{authority: authority, listeners: make(map[string]*bufconn.Listener)}
}

// A service answers what it is asked with its functions.
type service struct {
	pb.UnimplementedBatchServer
	pb.UnimplementedLedgerServer
	pb.UnimplementedClusterServer
	pb.UnimplementedAclServer
	pb.UnimplementedIdentityServer
	execute func(context.Context, *pb.BatchRequest) (*pb.BatchResponse, error)
	balance func(context.Context, *pb.BalanceRequest) (*pb.BalanceResponse, error)
	admit   func(context.Context, *pb.AdmitRequest) (*pb.AdmitResponse, error)
	restore func(grpc.ClientStreamingServer[pb.SnapshotChunk, pb.RestoreSnapshotResponse]) error
	watch   func(*pb.WatchRequest, grpc.ServerStreamingServer[pb.WatchResponse]) error
	// inspect is nil in a service that does not know the call.
	inspect func(context.Context) (*pb.InspectResponse, error)
}

func (s *service) Execute(ctx context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
	return s.execute(ctx, r)
}

func (s *service) Balance(ctx context.Context, r *pb.BalanceRequest) (*pb.BalanceResponse, error) {
	return s.balance(ctx, r)
}

func (s *service) Admit(ctx context.Context, r *pb.AdmitRequest) (*pb.AdmitResponse, error) {
	return s.admit(ctx, r)
}

func (s *service) RestoreSnapshot(stream grpc.ClientStreamingServer[pb.SnapshotChunk, pb.RestoreSnapshotResponse]) error {
	return s.restore(stream)
}

func (s *service) Watch(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	return s.watch(r, stream)
}

func (s *service) Inspect(ctx context.Context, r *pb.InspectRequest) (*pb.InspectResponse, error) {
	if s.inspect == nil {
		return s.UnimplementedIdentityServer.Inspect(ctx, r)
	}
	return s.inspect(ctx)
}

// serve makes the service answer at the address, as a node of the cluster.
func (n *network) serve(t *testing.T, address string, s *service) {
	t.Helper()
	pair, err := n.authority.IssueNode("n1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	identity, err := pki.LoadCredentials(n.authority.CertificatePEM(), pair.CertificatePEM, pair.KeyPEM, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(identity.ServerTLS())),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 2 * time.Second, PermitWithoutStream: true}),
	)
	pb.RegisterBatchServer(server, s)
	pb.RegisterLedgerServer(server, s)
	pb.RegisterClusterServer(server, s)
	pb.RegisterAclServer(server, s)
	pb.RegisterIdentityServer(server, s)
	listener := bufconn.Listen(1 << 16)
	n.mu.Lock()
	n.listeners[address] = listener
	n.mu.Unlock()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve %s: %v", address, err)
		}
	})
}

func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	n.mu.Lock()
	listener := n.listeners[address]
	n.mu.Unlock()
	if listener == nil {
		return nil, fmt.Errorf("nobody listens at %s", address)
	}
	return listener.DialContext(ctx)
}

func (n *network) config(addresses ...string) Config {
	return Config{
		Addresses: addresses,
		Cluster:   "test",
		CA:        n.authority.CertificatePEM(),
		Token:     "token",
		Dialer:    n.dial,
	}
}

// client makes a client that has called nobody yet.
func (n *network) client(t *testing.T, addresses ...string) *Client {
	t.Helper()
	c, err := newClient(n.config(addresses...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// A record keeps what services are asked.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) want(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.lines); diff != "" {
		t.Errorf("what the nodes were asked (-want +got):\n%s", diff)
	}
}

// accept answers every call of the batch with a TransferResponse of that index.
func accept(r *pb.BatchRequest, index uint64) (*pb.BatchResponse, error) {
	body, err := proto.Marshal(&pb.TransferResponse{Index: index})
	if err != nil {
		return nil, err
	}
	response := new(pb.BatchResponse)
	for range r.GetCalls() {
		response.Answers = append(response.Answers, &pb.BatchAnswer{Index: index, Body: body})
	}
	return response, nil
}

// refuse answers every call of the batch with the fault.
func refuse(r *pb.BatchRequest, index uint64, f *fault.Fault) (*pb.BatchResponse, error) {
	response := new(pb.BatchResponse)
	for range r.GetCalls() {
		response.Answers = append(response.Answers, &pb.BatchAnswer{
			Index: index,
			Fault: &pb.Fault{Kind: string(f.Kind), Message: f.Message, Details: f.Details},
		})
	}
	return response, nil
}

func silent(ctx context.Context, _ *pb.BatchRequest) (*pb.BatchResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func wantFault(t *testing.T, err error, kind fault.Kind, outcome fault.Outcome) {
	t.Helper()
	if _, ok := errors.AsType[*fault.Fault](err); !ok {
		t.Fatalf("error is %v (%T), want a fault", err, err)
	}
	if fault.KindOf(err) != kind || fault.OutcomeOf(err) != outcome {
		t.Errorf("error is %s (%s), outcome %s; want %s, outcome %s", fault.KindOf(err), err, fault.OutcomeOf(err), kind, outcome)
	}
}

func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		s := &service{
			execute: func(ctx context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
				asked.add("%s %s %s", r.GetCalls()[0].GetCommand(), r.GetCalls()[0].GetRequestId(), headersOf(ctx))
				return accept(r, 7)
			},
			balance: func(ctx context.Context, r *pb.BalanceRequest) (*pb.BalanceResponse, error) {
				asked.add("balance %s", headersOf(ctx))
				if err := grpc.SetHeader(ctx, metadata.Pairs(headerIndex, "9")); err != nil {
					return nil, err
				}
				return nil, fault.NotFound.New("no account %s", r.GetPath())
			},
			admit: func(ctx context.Context, r *pb.AdmitRequest) (*pb.AdmitResponse, error) {
				asked.add("admit %s", headersOf(ctx))
				return &pb.AdmitResponse{}, nil
			},
		}
		n.serve(t, "n1:1", s)
		c := n.client(t, "n1:1")
		ctx := WithRequestID(t.Context(), "mine")

		answer, err := c.Ledger.Transfer(ctx, &pb.TransferRequest{})
		if err != nil || answer.GetIndex() != 7 || c.Index() != 7 {
			t.Errorf("transfer: index %d, client at %d, error %v; want 7, 7, none", answer.GetIndex(), c.Index(), err)
		}
		_, err = c.Ledger.Balance(ctx, &pb.BalanceRequest{Path: "/account/a"})
		wantFault(t, err, fault.NotFound, fault.Definite)
		if c.Index() != 9 {
			t.Errorf("client at index %d after a refusal at 9", c.Index())
		}
		if _, err := c.Ledger.Balance(WithRead(ctx, Latest), &pb.BalanceRequest{}); !errors.Is(err, fault.NotFound) {
			t.Errorf("balance: %v, want not found", err)
		}
		if _, err := c.Cluster.Admit(ctx, &pb.AdmitRequest{}); err != nil {
			t.Error(err)
		}
		asked.want(t,
			"ledger.transfer mine authorization=Bearer token",
			"balance authorization=Bearer token acquired-read=seen acquired-seen=7",
			"balance authorization=Bearer token acquired-read=latest acquired-seen=9",
			"admit authorization=Bearer token acquired-request-id=mine acquired-seen=9",
		)
	})
}

func headersOf(ctx context.Context) string {
	headers, _ := metadata.FromIncomingContext(ctx)
	var lines []string
	for _, key := range []string{headerAuthorization, headerRequestID, headerRead, headerSeen} {
		for _, value := range headers.Get(key) {
			lines = append(lines, key+"="+value)
		}
	}
	return strings.Join(lines, " ")
}

// A call goes on at the next node, as the same call, and the next one begins
// where that was answered.
func TestFailOver(t *testing.T) {
	tests := []struct {
		name  string
		first *service // nil does not get to speak
		hears bool     // connections to it are not refused
	}{
		{"nobody listens", nil, false},
		{"nobody accepts", nil, true},
		{"no leader", &service{execute: func(context.Context, *pb.BatchRequest) (*pb.BatchResponse, error) {
			return nil, fault.Unserved(fault.Definite, "no leader")
		}}, true},
		{"leadership lost", &service{execute: func(_ context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
			return refuse(r, 0, fault.Unserved(fault.Unknown, "leadership lost"))
		}}, true},
		{"hangs", &service{execute: silent}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				var asked record
				if tt.hears {
					n.listeners["n1:1"] = bufconn.Listen(1)
				}
				if first := tt.first; first != nil {
					answer := first.execute
					n.serve(t, "n1:1", &service{execute: func(ctx context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
						asked.add("n1 %s", r.GetCalls()[0].GetRequestId())
						return answer(ctx, r)
					}})
				}
				n.serve(t, "n2:1", &service{execute: func(_ context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
					asked.add("n2 %s", r.GetCalls()[0].GetRequestId())
					return accept(r, 1)
				}})
				c := n.client(t, "n1:1", "n2:1")
				for _, id := range []string{"a", "b"} {
					if _, err := c.Ledger.Transfer(WithRequestID(t.Context(), id), &pb.TransferRequest{}); err != nil {
						t.Errorf("transfer %s: %v", id, err)
					}
				}
				want := []string{"n2 a", "n2 b"}
				if tt.first != nil {
					want = append([]string{"n1 a"}, want...)
				}
				asked.want(t, want...)
			})
		})
	}
}

// A process that is halted keeps its connections and says nothing more.
type haltedConn struct {
	net.Conn
	halted <-chan struct{} // closed when it is
	closed chan struct{}
	close  func() error
}

func (c *haltedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.halted:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *haltedConn) Close() error { return c.close() }

// A call that may take as long as it likes does not wait for a dead node.
func TestHaltedNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		halted := make(chan struct{})
		n.serve(t, "n1:1", &service{admit: func(ctx context.Context, _ *pb.AdmitRequest) (*pb.AdmitResponse, error) {
			asked.add("n1 %s", headersOf(ctx))
			close(halted)
			return &pb.AdmitResponse{}, nil
		}})
		n.serve(t, "n2:1", &service{admit: func(ctx context.Context, _ *pb.AdmitRequest) (*pb.AdmitResponse, error) {
			asked.add("n2 %s", headersOf(ctx))
			return &pb.AdmitResponse{}, nil
		}})
		config := n.config("n1:1", "n2:1")
		config.Dialer = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := n.dial(ctx, address)
			if err != nil || address != "n1:1" {
				return conn, err
			}
			closed := make(chan struct{})
			return &haltedConn{conn, halted, closed, sync.OnceValue(func() error {
				close(closed)
				return conn.Close()
			})}, nil
		}
		c, err := newClient(config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Cluster.Admit(WithRequestID(t.Context(), "a"), &pb.AdmitRequest{}); err != nil {
			t.Error(err)
		}
		asked.want(t,
			"n1 authorization=Bearer token acquired-request-id=a",
			"n2 authorization=Bearer token acquired-request-id=a",
		)
	})
}

// A request id is chosen once for a call, not for an attempt.
func TestRequestIDIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var ids []string
		n.serve(t, "n1:1", &service{execute: func(_ context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
			ids = append(ids, r.GetCalls()[0].GetRequestId())
			if len(ids)%2 == 1 {
				return refuse(r, 0, fault.Unserved(fault.Unknown, "leadership lost"))
			}
			return accept(r, 1)
		}})
		c := n.client(t, "n1:1")
		for range 2 {
			if _, err := c.Ledger.Transfer(t.Context(), &pb.TransferRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if len(ids) != 4 || ids[0] != ids[1] || ids[2] != ids[3] || ids[0] == ids[2] || len(ids[0]) != 26 {
			t.Errorf("request ids of two calls, each sent twice: %q; want two of 26 characters, each twice", ids)
		}
	})
}

func TestOutcome(t *testing.T) {
	type answer = func(context.Context, *pb.BatchRequest) (*pb.BatchResponse, error)
	refusing := func(index uint64, f *fault.Fault) answer {
		return func(_ context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) { return refuse(r, index, f) }
	}
	failing := func(f *fault.Fault) answer {
		return func(context.Context, *pb.BatchRequest) (*pb.BatchResponse, error) { return nil, f }
	}
	tests := []struct {
		name    string
		answers []answer // to the attempts, one after another; the last one to all that follow
		kind    fault.Kind
		outcome fault.Outcome
	}{
		{"never an answer", []answer{silent}, fault.Unavailable, fault.Unknown},
		{"never a leader", []answer{failing(fault.Unserved(fault.Definite, "no leader"))}, fault.Unavailable, fault.Definite},
		{"a leader lost, then none",
			[]answer{refusing(0, fault.Unserved(fault.Unknown, "lost")), refusing(0, fault.Unserved(fault.Definite, "no leader"))},
			fault.Unavailable, fault.Unknown},
		{"refused in the log", []answer{refusing(3, fault.Insufficient.New("too little"))}, fault.Insufficient, fault.Definite},
		{"refused at the door", []answer{failing(fault.Unauthenticated.New("who?"))}, fault.Unauthenticated, fault.Definite},
		{"no answer, then refused in the log",
			[]answer{silent, refusing(3, fault.Insufficient.New("too little"))}, fault.Insufficient, fault.Definite},
		{"no answer, then refused at the door",
			[]answer{silent, failing(fault.Exhausted.New("too many"))}, fault.Unavailable, fault.Unknown},
		{"no answer, then refused without an index",
			[]answer{silent, refusing(0, fault.Exhausted.New("too many"))}, fault.Unavailable, fault.Unknown},
		{"too few answers",
			[]answer{func(context.Context, *pb.BatchRequest) (*pb.BatchResponse, error) { return &pb.BatchResponse{}, nil }},
			fault.Unavailable, fault.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				attempt := -1
				n.serve(t, "n1:1", &service{execute: func(ctx context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
					attempt = min(attempt+1, len(tt.answers)-1)
					return tt.answers[attempt](ctx, r)
				}})
				_, err := n.client(t, "n1:1").Ledger.Transfer(t.Context(), &pb.TransferRequest{})
				wantFault(t, err, tt.kind, tt.outcome)
			})
		})
	}
}

// Writes that go by themselves leave the same things in doubt.
func TestOutcomeOfSingleWrites(t *testing.T) {
	lost := fault.Unserved(fault.Unknown, "leadership lost")
	tests := []struct {
		name    string
		second  *fault.Fault // answered to all attempts but the first, which ends with lost
		index   string
		kind    fault.Kind
		outcome fault.Outcome
	}{
		{"then no leader", fault.Unserved(fault.Definite, "no leader"), "", fault.Unavailable, fault.Unknown},
		{"then refused at the door", fault.Exhausted.New("too many"), "", fault.Unavailable, fault.Unknown},
		{"then refused in the log", fault.NotFound.New("no node"), "4", fault.NotFound, fault.Definite},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				answer := lost
				n.serve(t, "n1:1", &service{admit: func(ctx context.Context, _ *pb.AdmitRequest) (*pb.AdmitResponse, error) {
					defer func() { answer = tt.second }()
					if answer != lost && tt.index != "" {
						return nil, errors.Join(grpc.SetHeader(ctx, metadata.Pairs(headerIndex, tt.index)), answer)
					}
					return nil, answer
				}})
				_, err := n.client(t, "n1:1").Cluster.Admit(t.Context(), &pb.AdmitRequest{})
				wantFault(t, err, tt.kind, tt.outcome)
			})
		})
	}
}

// What was never sent, and a read, leave nothing in doubt.
func TestOutcomeIsDefinite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve(t, "n1:1", &service{balance: func(ctx context.Context, _ *pb.BalanceRequest) (*pb.BalanceResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		_, err := n.client(t, "n1:1").Ledger.Balance(t.Context(), &pb.BalanceRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)

		nowhere := n.client(t, "n2:1", "n3:1")
		_, err = nowhere.Ledger.Transfer(t.Context(), &pb.TransferRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)
		if !strings.Contains(err.Error(), "nobody listens at n") {
			t.Errorf("error %q does not say why no node answered", err)
		}
		_, err = nowhere.Cluster.Admit(t.Context(), &pb.AdmitRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)
	})
}

// Calls made while others are under way go together.
func TestCallsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		proceed := make(chan struct{})
		n.serve(t, "n1:1", &service{execute: func(_ context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
			asked.add("%d calls", len(r.GetCalls()))
			<-proceed
			return accept(r, 1)
		}})
		c := n.client(t, "n1:1")
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				if _, err := c.Ledger.Transfer(t.Context(), &pb.TransferRequest{}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		close(proceed)
		calls.Wait()
		asked.want(t, "1 calls", "1 calls", "98 calls")
	})
}

// Of a batch only the calls without an answer are sent again.
func TestBatchIsSentAgainInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		proceed := make(chan struct{})
		n.serve(t, "n1:1", &service{execute: func(_ context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
			var ids []string
			for _, c := range r.GetCalls() {
				ids = append(ids, c.GetRequestId())
			}
			asked.add("%s", strings.Join(ids, " "))
			<-proceed
			response, err := accept(r, 1)
			if len(ids) == 3 {
				response.Answers[1] = &pb.BatchAnswer{Fault: &pb.Fault{Kind: string(fault.Unavailable), Message: "leadership lost"}}
			}
			return response, err
		}})
		c := n.client(t, "n1:1")
		var calls sync.WaitGroup
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			calls.Go(func() {
				if _, err := c.Ledger.Transfer(WithRequestID(t.Context(), id), &pb.TransferRequest{}); err != nil {
					t.Errorf("transfer %s: %v", id, err)
				}
			})
			synctest.Wait()
		}
		close(proceed)
		calls.Wait()
		asked.want(t, "a", "b", "c d e", "d")
	})
}

// A node that names the leader is believed, also if the client did not know it.
func TestLeaderIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		node := func(name string, err error) *service {
			return &service{admit: func(context.Context, *pb.AdmitRequest) (*pb.AdmitResponse, error) {
				asked.add("%s", name)
				return &pb.AdmitResponse{}, err
			}}
		}
		n.serve(t, "n1:1", node("n1", fault.Unserved(fault.Definite, "not the leader").With("leader_address", "n3:1")))
		n.serve(t, "n2:1", node("n2", nil))
		n.serve(t, "n3:1", node("n3", nil))
		c := n.client(t, "n1:1", "n2:1")
		for range 2 {
			if _, err := c.Cluster.Admit(t.Context(), &pb.AdmitRequest{}); err != nil {
				t.Error(err)
			}
		}
		asked.want(t, "n1", "n3", "n3")
	})
}

func TestNodeIsTheOnlyOneCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		n.serve(t, "n1:1", &service{})
		n.serve(t, "n2:1", &service{
			balance: func(context.Context, *pb.BalanceRequest) (*pb.BalanceResponse, error) {
				asked.add("balance")
				return nil, fault.Unserved(fault.Definite, "no leader").With("leader_address", "n1:1")
			},
			restore: func(stream grpc.ClientStreamingServer[pb.SnapshotChunk, pb.RestoreSnapshotResponse]) error {
				asked.add("restore %s", headersOf(stream.Context()))
				return fault.Unserved(fault.Definite, "not the leader").With("leader_address", "n1:1")
			},
		})
		c := n.client(t, "n1:1")
		n2 := c.Node("n2:1")
		_, err := pb.NewLedgerClient(n2).Balance(t.Context(), &pb.BalanceRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)

		stream, err := pb.NewClusterClient(n2).RestoreSnapshot(WithRequestID(t.Context(), "r"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.CloseAndRecv()
		wantFault(t, err, fault.Unavailable, fault.Definite)
		f, _ := errors.AsType[*fault.Fault](err)
		if f.Details["leader_address"] != "n1:1" {
			t.Errorf("details %v do not name the leader n1:1", f.Details)
		}
		asked.want(t, "balance", "restore authorization=Bearer token acquired-request-id=r")

		_, err = pb.NewClusterClient(c.Node("nowhere:1")).Admit(t.Context(), &pb.AdmitRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)
		_, err = pb.NewClusterClient(c.Node("nonsense")).Admit(t.Context(), &pb.AdmitRequest{})
		wantFault(t, err, fault.Invalid, fault.Definite)
	})
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve(t, "n2:1", &service{restore: func(stream grpc.ClientStreamingServer[pb.SnapshotChunk, pb.RestoreSnapshotResponse]) error {
			var state bytes.Buffer
			for {
				chunk, err := stream.Recv()
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
				state.Write(chunk.GetData())
			}
			if err := stream.SetHeader(metadata.Pairs(headerIndex, "5")); err != nil {
				return err
			}
			return stream.SendAndClose(&pb.RestoreSnapshotResponse{Index: 5, Hash: state.String()})
		}})
		// Nobody listens at n1: the stream opens at n2.
		c := n.client(t, "n1:1", "n2:1")
		stream, err := c.Cluster.RestoreSnapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range []string{"ab", "cd"} {
			if err := stream.Send(&pb.SnapshotChunk{Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := stream.CloseAndRecv()
		if err != nil || answer.GetHash() != "abcd" || c.Index() != 5 {
			t.Errorf("restored %q, client at index %d, error %v; want abcd, 5, none", answer.GetHash(), c.Index(), err)
		}
	})
}

// A stream that broke is taken up again at another node.
func TestStreamAfterStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve(t, "n1:1", &service{watch: func(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
			if err := stream.Send(&pb.WatchResponse{Index: 5}); err != nil {
				return err
			}
			return fault.Unavailable.New("the node goes away")
		}})
		n.serve(t, "n2:1", &service{watch: func(r *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
			return stream.Send(&pb.WatchResponse{Index: r.GetAfter() + 1})
		}})
		c := n.client(t, "n1:1", "n2:1")
		first, err := c.Acl.Watch(t.Context(), &pb.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := first.Recv(); err != nil || got.GetIndex() != 5 {
			t.Fatalf("first stream: index %d, error %v; want 5, none", got.GetIndex(), err)
		}
		_, err = first.Recv()
		wantFault(t, err, fault.Unavailable, fault.Definite)
		second, err := c.Acl.Watch(t.Context(), &pb.WatchRequest{After: 5})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := second.Recv(); err != nil || got.GetIndex() != 6 {
			t.Errorf("second stream: index %d, error %v; want 6 of the other node, none", got.GetIndex(), err)
		}
	})
}

// Who calls is shown in one header, or in none.
func TestDialAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		n.serve(t, "n1:1", &service{inspect: func(ctx context.Context) (*pb.InspectResponse, error) {
			asked.add("%s", headersOf(ctx))
			return nil, fault.Unauthenticated.New("not you")
		}})
		for _, tt := range []struct {
			name, token string
			want        fault.Kind // empty is that the client is made
		}{
			{"/user/a", "", fault.Unauthenticated},
			{"", "abc", fault.Unauthenticated},
			{"", "", ""},
		} {
			config := n.config("n1:1")
			config.Name, config.Token = tt.name, tt.token
			c, err := Dial(t.Context(), config)
			if tt.want != "" {
				wantFault(t, err, tt.want, fault.Definite)
				continue
			}
			if err != nil {
				t.Fatalf("dial as a stranger: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		asked.want(t,
			"authorization=Bearer /user/a acquired-read=any",
			"authorization=Bearer abc acquired-read=any",
			"acquired-read=any",
		)
	})
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, other := newNetwork(t), newNetwork(t)
		n.serve(t, "n1:1", &service{})

		// The server does not know the call: that it says so proves that it is there.
		c, err := Dial(t.Context(), n.config("n0:1", "n1:1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Errorf("close twice: %v", err)
		}
		_, err = c.Ledger.Balance(t.Context(), &pb.BalanceRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)
		_, err = c.Ledger.Transfer(t.Context(), &pb.TransferRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)

		_, err = Dial(t.Context(), n.config("n0:1"))
		wantFault(t, err, fault.Unavailable, fault.Definite)

		// The address is that of a node, but of another cluster.
		stranger := other.config("n1:1")
		stranger.Dialer = n.dial
		_, err = Dial(t.Context(), stranger)
		wantFault(t, err, fault.Unavailable, fault.Definite)
		if !strings.Contains(err.Error(), "certificate") {
			t.Errorf("error %q does not speak of a certificate", err)
		}
	})
}

func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve(t, "n1:1", &service{execute: silent})
		c := n.client(t, "n1:1")
		outcomes := make([]fault.Outcome, 3)
		var calls sync.WaitGroup
		for i := range outcomes {
			calls.Go(func() {
				_, err := c.Ledger.Transfer(t.Context(), &pb.TransferRequest{})
				if !errors.Is(err, fault.Unavailable) {
					t.Errorf("transfer %d: %v, want unavailable", i, err)
				}
				outcomes[i] = fault.OutcomeOf(err)
			})
			synctest.Wait()
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		calls.Wait()
		want := []fault.Outcome{fault.Unknown, fault.Unknown, fault.Definite}
		if diff := cmp.Diff(want, outcomes); diff != "" {
			t.Errorf("outcomes of two calls sent and one waiting (-want +got):\n%s", diff)
		}
	})
}

// What cannot be sent is refused here, and nobody is asked.
func TestBadCallsAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var asked record
		n.serve(t, "n1:1", &service{
			execute: func(_ context.Context, r *pb.BatchRequest) (*pb.BatchResponse, error) {
				asked.add("execute")
				return accept(r, 1)
			},
			balance: func(context.Context, *pb.BalanceRequest) (*pb.BalanceResponse, error) {
				asked.add("balance")
				return &pb.BalanceResponse{}, nil
			},
		})
		c := n.client(t, "n1:1")
		large := &pb.TransferRequest{Transfers: []*pb.Transfer{{Id: strings.Repeat("x", maxMessage)}}}
		_, err := c.Ledger.Transfer(t.Context(), large)
		wantFault(t, err, fault.Exhausted, fault.Definite)
		_, err = c.Ledger.Lookup(t.Context(), &pb.LookupRequest{Ids: []string{strings.Repeat("x", maxMessage)}})
		wantFault(t, err, fault.Exhausted, fault.Definite)
		_, err = c.Ledger.Balance(t.Context(), &pb.BalanceRequest{Path: "\xff"})
		wantFault(t, err, fault.Invalid, fault.Definite)
		_, err = c.Ledger.Balance(WithRead(t.Context(), "never"), &pb.BalanceRequest{})
		wantFault(t, err, fault.Invalid, fault.Definite)
		for _, id := range []string{"", "a b", "ä", strings.Repeat("x", 65)} {
			_, err = c.Ledger.Transfer(WithRequestID(t.Context(), id), &pb.TransferRequest{})
			wantFault(t, err, fault.Invalid, fault.Definite)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.Ledger.Transfer(ended, &pb.TransferRequest{})
		wantFault(t, err, fault.Unavailable, fault.Definite)
		asked.want(t)
	})
}
