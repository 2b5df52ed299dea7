package client

import (
	"context"

	"google.golang.org/grpc"
)

// Node gives the node at the address, which need not be one of the Config, for
// calls that go there, once, and nowhere else. Make clients over it:
//
//	status, err := pb.NewClusterClient(c.Node("node2:7400")).Status(ctx, &pb.StatusRequest{})
//
// Its calls return an Invalid fault for an address that is not host:port, and an
// Exhausted one while calls are under way to 16 nodes beyond those of the Config.
func (c *Client) Node(address string) grpc.ClientConnInterface { return &pinned{c, address} }

type pinned struct {
	client  *Client
	address string
}

func (p *pinned) Invoke(ctx context.Context, name string, request, response any, options ...grpc.CallOption) error {
	m, err := methodOf(name)
	if err != nil {
		return err
	}
	if _, err := encode(m, request); err != nil {
		return err
	}
	ctx, cancel := p.client.limit(ctx)
	defer cancel()
	return p.once(ctx, ctx, m, func(ctx context.Context, n *node) error {
		_, err := p.client.send(ctx, n, name, request, response, options...)
		return conclude(err, isOpen(err) && !m.read, 0)
	})
}

func (p *pinned) NewStream(ctx context.Context, description *grpc.StreamDesc, name string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	m, err := methodOf(name)
	if err != nil {
		return nil, err
	}
	limited, cancel := p.client.limit(ctx)
	defer cancel()
	var opened grpc.ClientStream
	err = p.once(ctx, limited, m, func(ctx context.Context, n *node) error {
		var err error
		opened, err = p.client.openStream(ctx, n, m, description, options)
		return err
	})
	return opened, err
}

// once does something at the node under ctx with the headers of the method,
// after it waited for the connection under connect.
func (p *pinned) once(ctx, connect context.Context, m method, do func(context.Context, *node) error) error {
	ctx, err := p.client.describe(ctx, m)
	if err != nil {
		return err
	}
	n, err := p.client.nodes.named(p.address)
	if err != nil {
		return err
	}
	defer p.client.nodes.release(n)
	if err := n.ready(connect); err != nil {
		return err
	}
	return do(ctx, n)
}

var (
	_ grpc.ClientConnInterface = (*Client)(nil)
	_ grpc.ClientConnInterface = (*pinned)(nil)
)
