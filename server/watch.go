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

// maxWatchEvents is how many events, of 600 bytes or so at most, one message of a
// watch has.
const maxWatchEvents = 8192

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
			if err := sendInParts(stream, next.After, page); err != nil {
				return err
			}
			said = time.Now()
		}
		next.After = page.Index
		s.node.behind(ctx, page.Index, watchProgress-time.Since(said))
	}
}

// sendInParts sends a page in messages that are not too long. The index of all but
// the last is that of before the page: whoever gets no more asks for all of it.
func sendInParts(stream grpc.ServerStreamingServer[pb.WatchResponse], before uint64, page *pb.WatchResponse) error {
	for len(page.Events) > maxWatchEvents {
		if err := stream.Send(&pb.WatchResponse{Index: before, Events: page.Events[:maxWatchEvents]}); err != nil {
			return err
		}
		page.Events = page.Events[maxWatchEvents:]
	}
	return stream.Send(page)
}

// behind waits until the state is behind the index, but not longer than the time
// given, nor than ctx lasts.
func (n *Node) behind(ctx context.Context, index uint64, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	_ = n.applied.wait(ctx, index+1) // why it ended is looked at by who waits
}
