package client

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"acquired/proto/fault"
)

// NewStream opens a stream of a method of the API, at the preferred node or, if
// there is no connection to it, at another. That is tried until ctx ends, or for
// the Timeout of the Config if ctx has no deadline; once the stream is open,
// nothing is tried again and only ctx limits it. When it ends with an Unavailable
// fault, the next stream or call begins at another node. It is what the generated
// clients call.
func (c *Client) NewStream(ctx context.Context, description *grpc.StreamDesc, name string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	m, err := methodOf(name)
	if err != nil {
		return nil, err
	}
	ctx, err = c.describe(ctx, m)
	if err != nil {
		return nil, err
	}
	limited, cancel := c.limit(ctx)
	defer cancel()
	var opened grpc.ClientStream
	err = c.retry(limited, true, func(_ context.Context, n *node) error {
		var err error
		opened, err = c.openStream(ctx, n, m, description, options)
		return err
	})
	return opened, err
}

// openStream opens a stream at the node, and holds the node until it ends.
func (c *Client) openStream(ctx context.Context, n *node, m method, description *grpc.StreamDesc, options []grpc.CallOption) (grpc.ClientStream, error) {
	c.nodes.hold(n)
	var header metadata.MD
	finish := sync.OnceFunc(func() {
		c.see(indexOf(header))
		c.nodes.release(n)
	})
	ended := func(err error) {
		if ctx.Err() == nil && errors.Is(fault.FromGRPC(err), fault.Unavailable) {
			c.nodes.failed(n) // a stream that takes its place is opened at another node
		}
		finish()
	}
	options = append(slices.Clip(options), grpc.Header(&header), grpc.OnFinish(ended))
	opened, err := n.conn.NewStream(ctx, description, m.name, options...)
	if err != nil {
		finish()
		return nil, conclude(fault.FromGRPC(err), false, 0)
	}
	return &stream{opened, m.read}, nil
}

// A stream is one whose errors are faults.
type stream struct {
	grpc.ClientStream
	read bool
}

func (s *stream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	return header, s.fault(err)
}

func (s *stream) SendMsg(message any) error { return s.fault(s.ClientStream.SendMsg(message)) }

func (s *stream) RecvMsg(message any) error { return s.fault(s.ClientStream.RecvMsg(message)) }

// fault leaves io.EOF alone: it says that a stream is at its end, not why.
func (s *stream) fault(err error) error {
	if err == io.EOF {
		return err
	}
	err = fault.FromGRPC(err)
	return conclude(err, isOpen(err) && !s.read, 0)
}
