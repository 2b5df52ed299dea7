package server

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// Peers that die without a word are noticed this soon.
const (
	keepaliveTime    = 2 * time.Second
	keepaliveTimeout = 2 * time.Second
)

// peers are the connections to the other nodes, by id. Where a node is, is
// looked up anew each time that a connection is made.
type peers struct {
	node  *Node
	mu    sync.Mutex
	conns map[string]*grpc.ClientConn
}

// conn gives a connection on which only the node with the id answers.
func (p *peers) conn(id string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn, ok := p.conns[id]; ok {
		return conn, nil
	}
	conn, err := grpc.NewClient("passthrough:///"+id,
		grpc.WithTransportCredentials(credentials.NewTLS(p.node.config.Credentials.PeerClientTLS(id))),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.node.dial(ctx, id) }),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
	)
	if err != nil {
		return nil, err
	}
	p.conns[id] = conn
	return conn, nil
}

func (p *peers) peer(id string) (statev1.PeerClient, error) {
	conn, err := p.conn(id)
	if err != nil {
		return nil, err
	}
	return statev1.NewPeerClient(conn), nil
}

// hello asks a node who it is and how far it has come.
func (p *peers) hello(ctx context.Context, id string) (*statev1.HelloResponse, error) {
	client, err := p.peer(id)
	if err != nil {
		return nil, err
	}
	return client.Hello(ctx, &statev1.HelloRequest{})
}

// helloTimeout is how long a node may take to say how it is.
const helloTimeout = time.Second

// helloAll asks all of the nodes at once. Those that do not answer are not in
// the result.
func (p *peers) helloAll(ctx context.Context, ids []string) map[string]*statev1.HelloResponse {
	answers, _ := p.greet(ctx, ids)
	return answers
}

// greet is helloAll with the reasons of those that do not answer.
func (p *peers) greet(ctx context.Context, ids []string) (answers map[string]*statev1.HelloResponse, silent map[string]error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	answers, silent = make(map[string]*statev1.HelloResponse), make(map[string]error)
	for _, id := range ids {
		group.Go(func() {
			answer, err := p.hello(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				silent[id] = fault.FromGRPC(err)
				return
			}
			answers[id] = answer
		})
	}
	group.Wait()
	return answers, silent
}

func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		conn.Close()
	}
}

// addressOf gives where a node is, as gossip or the configuration says. It is a
// hint: the certificate proves that the one who answers there is the node.
func (n *Node) addressOf(id string) (string, bool) {
	if id == n.config.Node {
		return n.address, true
	}
	if n.gossip != nil {
		if address, ok := n.gossip.Address(id); ok {
			return address, true
		}
	}
	if n.config.Peers == nil {
		return "", false
	}
	return n.config.Peers(id)
}

// dial connects to where the node with the id is.
func (n *Node) dial(ctx context.Context, id string) (net.Conn, error) {
	address, ok := n.addressOf(id)
	if !ok {
		return nil, fmt.Errorf("nobody knows where node %s is", id)
	}
	return n.config.DialFunc(ctx, address)
}
