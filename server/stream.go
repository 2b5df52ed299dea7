package server

import (
	"context"
	"time"

	"acquired/proto/fault"
)

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
		return fault.Unserved(fault.Definite, "the node is stopping")
	case ctx.Err() != nil:
		return fault.Unserved(fault.Definite, "the caller has gone")
	}
	if expires := callOf(ctx).caller.Expires; expires != 0 && expires <= time.Now().UnixNano() {
		return fault.Unauthenticated.New("the credential has expired")
	}
	return nil
}
