package server

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/engine"
)

// verifyProgress is how often the caller of a verification hears how far it is.
const verifyProgress = time.Second

// Verify works out everything again from the journal that this node has. It reads
// all of it, so a node does one at a time.
func (s *ledgerService) Verify(req *pb.VerifyRequest, stream grpc.ServerStreamingServer[pb.VerifyResponse]) error {
	n := s.node
	ctx, cancel := n.whileServing(stream.Context())
	defer cancel()
	if _, err := read(ctx, n, ledger.MayVerify, req); err != nil {
		return err
	}
	if !n.verifying.TryLock() {
		return fault.Exhausted.New("node %s is at a verification: it does one at a time", n.config.Node)
	}
	defer n.verifying.Unlock()
	v := n.beginVerification(ctx)
	for {
		select {
		case far := <-v.far:
			if err := stream.Send(far); err != nil {
				cancel()
				<-v.done
				return err
			}
		case <-v.done:
			if v.err != nil {
				return v.err
			}
			v.res.Done = true
			return stream.Send(v.res)
		}
	}
}

// verification goes on by itself: a caller who is slow to take what it is sent must
// not keep the state from being replaced.
type verification struct {
	far  chan *pb.VerifyResponse
	done chan struct{}
	// What came of it, when it is done.
	res *pb.VerifyResponse
	err error
}

func (n *Node) beginVerification(ctx context.Context) *verification {
	v := &verification{far: make(chan *pb.VerifyResponse, 1), done: make(chan struct{})}
	go func() {
		defer close(v.done)
		n.held.useForLong(ctx, func(wanted context.Context, _ *engine.Pebble) { v.run(ctx, wanted, n) })
	}()
	return v
}

// run verifies the newest state that the node has. wanted ends, besides when ctx
// does, when the state is to be replaced.
func (v *verification) run(ctx, wanted context.Context, n *Node) {
	view := n.machine.View(callOf(ctx).caller)
	defer view.Close()
	begin, said := time.Now(), time.Now()
	v.res, v.err = ledger.Verify(view, func(far *pb.VerifyResponse) error {
		if err := n.stillGood(ctx); err != nil {
			return err
		}
		if wanted.Err() != nil {
			return fault.Unserved(fault.Definite, "the state that was verified is being replaced")
		}
		if time.Since(said) >= verifyProgress {
			said = time.Now()
			select {
			case v.far <- proto.CloneOf(far):
			default: // the caller has not taken what was said before
			}
		}
		return nil
	})
	if v.err != nil {
		return
	}
	level := slog.LevelInfo
	if len(v.res.Findings) > 0 {
		level = slog.LevelError
	}
	n.log.LogAttrs(ctx, level, "books verified", slog.Uint64("index", v.res.Index), slog.Uint64("entries", v.res.Entries),
		slog.Int("findings", len(v.res.Findings)), slog.Duration("duration", time.Since(begin)))
}
