package server

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"acquired/fsm/acl"
	pb "acquired/proto/acquired/v1"
)

// watchProgress is how often a watcher hears how far it has come when nothing
// happens that it may see.
const watchProgress = 5 * time.Second

// Watch sends a page of changes after the other, and waits for the state to move
// on when there are no more. Each page is asked for anew, as every read is: whose
// proof has ended, or who may not see something any more, is told nothing more.
func (s *aclService) Watch(req *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	ctx, cancel := s.node.whileServing(stream.Context())
	defer cancel()
	if err := s.node.freshen(ctx, callOf(ctx)); err != nil {
		return err
	}
	next := &pb.WatchRequest{After: req.After, Under: req.Under}
	said := time.Now()
	for {
		if err := s.node.stillGood(ctx); err != nil {
			return err
		}
		page, err := ask(ctx, s.node, acl.Watch, next)
		if err != nil {
			return err
		}
		if len(page.Events) > 0 || time.Since(said) >= watchProgress {
			if err := stream.Send(page); err != nil {
				return err
			}
			said = time.Now()
		}
		next.After = page.Index
		s.node.behind(ctx, page.Index, watchProgress)
	}
}

// behind waits until the state is behind the index, but not longer than the time
// given, nor than ctx lasts.
func (n *Node) behind(ctx context.Context, index uint64, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	_ = n.applied.wait(ctx, index+1) // why it ended is looked at by who waits
}
