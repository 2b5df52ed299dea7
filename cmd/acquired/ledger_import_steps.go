package main

import (
	"fmt"
	"iter"
	"math/big"
	"time"

	"acquired/cmd/acquired/swf"
	pb "acquired/proto/acquired/v1"
)

// holdDays is how long a hold of an import lasts if its job is not charged, in
// days. The hold of a job whose end was not reached, as the import was interrupted,
// is there for that long when it goes on; after that it is free of itself.
const holdDays = 30

// clocksDiffer is by how much clocks may: what is younger is not back-dated.
const clocksDiffer = time.Hour

// charge is what an event comes to, in minor units.
type charge struct {
	event event
	job   *loggedJob
	// held is what the job asked for. The others are of its end: used is what it is
	// charged, more by how much that is over what is held.
	held, used, more *big.Int
}

// charges walks through the events that are not in the books yet. What a user is
// charged for a job depends on the jobs that ended before it, those in the books
// first: all charges together are what all jobs cost, rounded down once.
func (i *importer) charges() iter.Seq2[charge, error] {
	return func(yield func(charge, error) bool) {
		meters, err := i.meters()
		if err != nil {
			yield(charge{}, err)
			return
		}
		for _, e := range i.pending {
			c, err := i.chargeOf(e, meters)
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// meters gives one a user, behind what is in the books.
func (i *importer) meters() ([]*swf.Meter, error) {
	meters := make([]*swf.Meter, len(i.log.users))
	for user := range meters {
		meters[user] = swf.NewMeter(i.price)
	}
	for position, job := range i.log.jobs {
		if !i.found.ended[position] {
			continue
		}
		if _, err := meters[job.user].Charge(job.coreSeconds); err != nil {
			return nil, err
		}
	}
	return meters, nil
}

func (i *importer) chargeOf(e event, meters []*swf.Meter) (charge, error) {
	job := &i.log.jobs[e.job()]
	c := charge{event: e, job: job, held: i.price.Most(job.asked), used: new(big.Int), more: new(big.Int)}
	if !e.ends() {
		return c, nil
	}
	used, err := meters[job.user].Charge(job.coreSeconds)
	if err != nil {
		return c, fmt.Errorf("job %d: %w", job.number, err)
	}
	c.used = used
	if c.used.Cmp(c.held) > 0 {
		c.more.Sub(c.used, c.held)
	}
	return c, nil
}

// steps gives those of an event. At its submission a job reserves what it asked
// for. At its end it is charged for what it used, what is left is released, and a
// receipt says so; one that used more than it asked for reserves that first.
func (i *importer) steps(c charge) []*pb.Step {
	id := i.holdID(c.event.job())
	if !c.event.ends() {
		return []*pb.Step{{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{
			Id: id, Debit: i.account(i.log.users[c.job.user]), Credit: i.flags.payee,
			Amount: swf.FormatMinor(c.held, i.scale), LifetimeSeconds: holdDays * 24 * 3600,
		}}}}
	}
	var steps []*pb.Step
	if c.more.Sign() > 0 {
		steps = append(steps, &pb.Step{Step: &pb.Step_Extend{Extend: &pb.ExtendHold{
			Id: id + ":more", Hold: id, Amount: swf.FormatMinor(c.more, i.scale),
		}}})
	}
	return append(steps,
		&pb.Step{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{
			Id: id + ":use", Hold: id, Amount: swf.FormatMinor(c.used, i.scale), Final: true, EffectiveUnixNanos: i.effective(c.job),
		}}},
		&pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: id + ":receipt", Hold: id}}},
	)
}

// maxEventSteps is the most steps of an event.
const maxEventSteps = 3

// effective gives when a job is charged: at its end, if the log says when that was
// and the books are open for it, and otherwise now, which is 0.
func (i *importer) effective(job *loggedJob) int64 {
	const second = int64(time.Second)
	latest := i.began.Add(-clocksDiffer).Unix()
	if i.log.start == 0 || i.log.start > latest || job.ended > latest-i.log.start {
		return 0
	}
	if nanos := (i.log.start + job.ended) * second; nanos >= i.closedUntil {
		return nanos
	}
	return 0
}
