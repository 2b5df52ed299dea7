package server

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"acquired/proto/fault"
)

// authenticatedStream is a stream whose context knows the call, and whose errors
// are faults.
type authenticatedStream struct {
	grpc.ServerStream
	ctx context.Context
	// limit is the length of the longest message that is taken, in bytes.
	limit int
	// stopping ends the wait for the next request, where the caller may send one
	// after the other for ever; nil is nothing.
	stopping <-chan struct{}
}

func (s *authenticatedStream) Context() context.Context { return s.ctx }

// RecvMsg waits for a request, or for the end of them, which is io.EOF.
func (s *authenticatedStream) RecvMsg(message any) error {
	f := new(frame)
	received := make(chan error, 1)
	go func() { received <- s.ServerStream.RecvMsg(f) }() // it ends with the stream at the latest
	select {
	case err := <-received:
		if err != nil {
			return notReceived(err)
		}
		return f.decode(message, s.limit)
	case <-s.ctx.Done():
		return fault.Unserved(fault.Definite, "the request did not arrive in time")
	case <-s.stopping:
		return errStopping()
	}
}

func notReceived(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case status.Code(err) == codes.ResourceExhausted: // it is too long
		return fault.FromGRPC(err)
	}
	return fault.Unserved(fault.Definite, "the request did not arrive: %s", status.Convert(err).Message())
}

func (s *authenticatedStream) SendMsg(message any) error {
	return fault.FromGRPC(s.ServerStream.SendMsg(message))
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
