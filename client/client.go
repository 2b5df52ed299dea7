package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// A Client calls a cluster. It may be used from any goroutine; one is enough
// for a program, and the more of its calls it sees, the better it gathers them.
// It is a grpc.ClientConnInterface too, for the services of the API that have
// no field. Dial makes it; the zero value is of no use.
type Client struct {
	Acl      pb.AclClient
	Cluster  pb.ClusterClient
	Identity pb.IdentityClient
	Ledger   pb.LedgerClient

	read Read
	// bearer is the token or the name that the caller shows; empty is none.
	bearer string
	// stranger is a caller without any proof.
	stranger bool
	timeout  time.Duration
	index    atomic.Uint64
	nodes    *nodes
	writes   *queue

	ctx    context.Context // what the client does in the background; Close ends it
	cancel context.CancelFunc
}

// Dial makes a client and proves that a node of the cluster answers it. It
// tries until ctx ends, or for the Timeout of the Config if ctx has no deadline.
// Connections to the other nodes are made when they are needed. The caller
// closes the client.
//
// It returns an Invalid fault for what is wrong in the Config, an Unavailable
// one if no node answers, and an Unauthenticated one if the node does not accept
// the caller.
func Dial(ctx context.Context, config Config) (*Client, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	if err := c.prove(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to cluster %s: %w", config.Cluster, err), c.Close())
	}
	return c, nil
}

// newClient makes a client that has called nobody yet.
func newClient(config Config) (*Client, error) {
	security, err := config.tls()
	if err != nil {
		return nil, err
	}
	known, err := newNodes(config.Addresses, opener(security, config.dialer()))
	if err != nil {
		return nil, err
	}
	c := &Client{
		read: config.Read, bearer: config.bearer(), stranger: config.isStranger(),
		timeout: config.timeout(), nodes: known,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.writes = newQueue(c.ctx, c.sendBatch)
	c.Acl = pb.NewAclClient(c)
	c.Cluster = pb.NewClusterClient(c)
	c.Identity = pb.NewIdentityClient(c)
	c.Ledger = pb.NewLedgerClient(c)
	return c, nil
}

// prove asks a node something that it answers by itself, without a leader.
// Whatever it says, it was there to say it. That it does not accept a caller who
// shows nothing is no news.
func (c *Client) prove(ctx context.Context) error {
	_, err := c.Identity.Inspect(WithRead(ctx, Any), &pb.InspectRequest{})
	if errors.Is(err, fault.Unavailable) || errors.Is(err, fault.Unauthenticated) && !c.stranger {
		return err
	}
	return nil
}

// Close ends the client and waits until nothing of it runs. Calls under way end
// with an Unavailable fault, and so do later ones. It may be called again.
func (c *Client) Close() error {
	c.cancel()
	err := c.nodes.close()
	c.writes.close()
	return err
}

// Invoke makes the call of a method of the API, whose full name is as gRPC has
// it. It is what the generated clients call.
func (c *Client) Invoke(ctx context.Context, name string, request, response any, options ...grpc.CallOption) error {
	m, err := methodOf(name)
	if err != nil {
		return err
	}
	body, err := encode(m, request)
	if err != nil {
		return err
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	if m.command != "" {
		return c.write(ctx, m, body, response)
	}
	return c.call(ctx, m, request, response, options)
}

// limit gives ctx with a deadline.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}

// call makes a call by itself, as often as it takes.
func (c *Client) call(ctx context.Context, m method, request, response any, options []grpc.CallOption) error {
	ctx, err := c.describe(ctx, m)
	if err != nil {
		return err
	}
	open, index := false, uint64(0)
	err = c.retry(ctx, !m.unhurried, func(ctx context.Context, n *node) error {
		var err error
		index, err = c.send(ctx, n, m.name, request, response, options...)
		open = open || isOpen(err)
		return err
	})
	return conclude(err, open && !m.read, index)
}

// send makes a call once, at the node. The index is that of the answer, 0 if it
// has none. The error is a fault; an Unavailable one names the node and is
// definite if the call was not sent.
func (c *Client) send(ctx context.Context, n *node, name string, request, response any, options ...grpc.CallOption) (index uint64, err error) {
	var (
		header   metadata.MD
		receiver peer.Peer
	)
	options = append(slices.Clip(options), grpc.Header(&header), grpc.Peer(&receiver))
	err = fault.FromGRPC(n.conn.Invoke(ctx, name, request, response, options...))
	index = indexOf(header)
	c.see(index)
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != fault.Unavailable {
		return index, err
	}
	located := &fault.Fault{Kind: f.Kind, Message: n.address + ": " + f.Message, Details: f.Details}
	// gRPC knows the receiver as soon as the call has a connection to leave by.
	left := receiver.AuthInfo != nil
	return index, conclude(located, left && isOpen(err), 0)
}
