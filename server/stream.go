package server

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"acquired/proto/fault"
)

// authenticatedStream is a stream whose context knows the call.
type authenticatedStream struct {
	grpc.ServerStream
	ctx context.Context
	// serving ends the wait for the next request, where the caller may send one
	// after the other for ever; nil is nothing.
	serving context.Context
}

func (s *authenticatedStream) Context() context.Context { return s.ctx }

// RecvMsg waits for a request. When it ends because the node begins to stop, the
// handler must not look at the message any more.
func (s *authenticatedStream) RecvMsg(message any) error {
	if s.serving == nil {
		return s.ServerStream.RecvMsg(message)
	}
	received := make(chan error, 1)
	go func() { received <- s.ServerStream.RecvMsg(message) }() // it ends with the stream at the latest
	select {
	case err := <-received:
		return err
	case <-s.serving.Done():
		return errStopping()
	}
}

func errStopping() error { return fault.Unserved(fault.Definite, "the node is stopping") }

// whileServing gives ctx for a stream, which ends when the node begins to stop:
// streams have no end of their own to wait for.
func (n *Node) whileServing(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(n.serving, cancel)
	return ctx, func() { stop(); cancel() }
}

// stillGood says whether a stream may go on: its node serves, its caller is there,
// and the caller's proof has not expired.
func (n *Node) stillGood(ctx context.Context) error {
	switch {
	case n.serving.Err() != nil:
		return errStopping()
	case ctx.Err() != nil:
		return fault.Unserved(fault.Definite, "the caller has gone")
	}
	if expires := callOf(ctx).caller.Expires; expires != 0 && expires <= time.Now().UnixNano() {
		return fault.Unauthenticated.New("the credential has expired")
	}
	return nil
}
