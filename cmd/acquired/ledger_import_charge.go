package main

import (
	"context"
	"fmt"

	pb "acquired/proto/acquired/v1"
)

// chargeAll makes what is not in the books yet, in the order of time. Each op is a
// part of that order, made whole or not at all.
func (i *importer) chargeAll(ctx context.Context) error {
	for {
		known := len(i.pending)
		i.existing = i.found.charged - i.created
		err := i.chargePending(ctx)
		if !stepsDiffer(err) {
			return err
		}
		if again := i.find(ctx); again != nil {
			return again
		}
		if len(i.pending) >= known {
			return err
		}
	}
}

func (i *importer) chargePending(ctx context.Context) error {
	var steps []*pb.Step
	for c, err := range i.charges() {
		if err != nil {
			return err
		}
		more := i.steps(c)
		if len(steps)+len(more) > i.flags.batch {
			if err := i.send(ctx, steps); err != nil {
				return err
			}
			steps = nil
		}
		steps = append(steps, more...)
	}
	return i.send(ctx, steps)
}

func (i *importer) send(ctx context.Context, steps []*pb.Step) error {
	if len(steps) == 0 {
		return nil
	}
	answer, err := i.client.Ledger.Op(ctx, &pb.OpRequest{Steps: steps})
	if err != nil {
		return err
	}
	if len(answer.Results) != len(steps) {
		return fmt.Errorf("asked for %d steps, the answer is about %d", len(steps), len(answer.Results))
	}
	for at, result := range answer.Results {
		switch s := steps[at].Step.(type) {
		case *pb.Step_Capture:
			i.count(s.Capture, result.Existing)
		case *pb.Step_Extend:
			if !result.Existing {
				i.extended++
			}
		}
	}
	i.progress.show(int(i.created + i.existing))
	return nil
}

func (i *importer) count(s *pb.CaptureHold, existing bool) {
	if existing {
		i.existing++
		return
	}
	i.created++
	if s.EffectiveUnixNanos != 0 {
		i.backdated++
	}
}
