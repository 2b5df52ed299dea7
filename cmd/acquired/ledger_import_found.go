package main

import (
	"context"
	"errors"
	"math/big"
	"strconv"
	"strings"

	"acquired/client"
	"acquired/cmd/acquired/swf"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// holdsPage is how many holds are asked for at once.
const holdsPage = 1000

// foundJobs are the holds of a log that stand in the books.
type foundJobs struct {
	// begun are the jobs with a hold, ended those of them that are charged: by
	// their positions in the log.
	begun, ended []bool
	// charged is how many jobs are.
	charged uint64
	// open is how many open holds, of other things too, reserve of the account of
	// each user, by the position of the user in the log.
	open []int
}

// foundNone is what there is of a log that is not in the books.
func (l *jobLog) foundNone() foundJobs {
	return foundJobs{begun: make([]bool, len(l.jobs)), ended: make([]bool, len(l.jobs)), open: make([]int, len(l.users))}
}

// find looks for what an earlier import, or this one, made of the log.
func (i *importer) find(ctx context.Context) error {
	ctx = client.WithRead(ctx, client.Latest)
	i.found = i.log.foundNone()
	for user := range i.log.users {
		if err := i.findOf(ctx, int32(user)); err != nil {
			return err
		}
	}
	i.pending = i.pending[:0]
	for _, e := range i.log.events() {
		switch {
		case e.ends() && i.found.ended[e.job()]:
			i.found.charged++
		case e.ends() || !i.found.begun[e.job()]:
			i.pending = append(i.pending, e)
		}
	}
	return nil
}

// findOf goes through the holds of a user's account. What was captured of them must
// be what the jobs that ended cost together. If it is not, another import may go on
// meanwhile, so that the pages of the list are not of one moment; unless they say
// the same once more.
func (i *importer) findOf(ctx context.Context, user int32) error {
	var before *big.Int
	for {
		captured, coreSeconds, err := i.findHolds(ctx, user)
		want := i.price.Total(coreSeconds)
		switch {
		case err != nil:
			return err
		case captured.Cmp(want) == 0:
			return nil
		case before != nil && before.Cmp(captured) == 0:
			return fault.Conflict.New("%s was charged %s %s for %d core-seconds before, not %s: this is another log or another price",
				i.account(i.log.users[user]), swf.FormatMinor(captured, i.scale), i.flags.asset, coreSeconds, swf.FormatMinor(want, i.scale))
		}
		before = captured
	}
}

// findHolds gives what was captured for jobs of the user, and what these used.
func (i *importer) findHolds(ctx context.Context, user int32) (captured *big.Int, coreSeconds uint64, err error) {
	captured, i.found.open[user] = new(big.Int), 0
	request := &pb.HoldsRequest{Account: i.account(i.log.users[user]), Closed: true, Limit: holdsPage}
	for {
		page, err := i.client.Ledger.Holds(ctx, request)
		if errors.Is(err, fault.NotFound) {
			return captured, 0, nil
		}
		if err != nil {
			return nil, 0, err
		}
		for _, h := range page.Holds {
			if h.State == "open" && h.Debit == request.Account {
				i.found.open[user]++
			}
			position, ours := i.positionOf(h.Id)
			if !ours {
				continue
			}
			if err := i.take(h, position, user); err != nil {
				return nil, 0, err
			}
			if h.State == "open" {
				continue
			}
			amount, err := parseMinor(h.Captured)
			if err != nil {
				return nil, 0, err
			}
			captured.Add(captured, amount)
			coreSeconds += i.log.jobs[position].coreSeconds
		}
		if request.Cursor = page.Cursor; page.Cursor == "" {
			return captured, coreSeconds, nil
		}
	}
}

// take notes a hold of the log. It must be the one that this import would place.
func (i *importer) take(h *pb.HoldResponse, position int, user int32) error {
	job := i.log.jobs[position]
	held, payer := swf.FormatMinor(i.price.Most(job.asked), i.scale), i.account(i.log.users[job.user])
	switch {
	case job.user != user || h.Debit != payer || h.Credit != i.flags.payee || h.Asset != i.flags.asset || h.State == "open" && h.Held != held:
		return fault.Conflict.New("hold %s was placed before, of %s %s from %s for %s, not of %s %s from %s for %s: this is another log or another price",
			h.Id, h.Held, h.Asset, h.Debit, h.Credit, held, i.flags.asset, payer, i.flags.payee)
	case h.State == "expired":
		return fault.Conflict.New("hold %s expired before its job was charged: the import was interrupted for more than %d days", h.Id, holdDays)
	}
	i.found.begun[position] = true
	i.found.ended[position] = i.found.ended[position] || h.State != "open"
	return nil
}

// holdID gives the id of the hold for a job, which begins those of what becomes
// of it.
func (i *importer) holdID(position int) string {
	return "swf:" + i.flags.name + ":" + strconv.FormatInt(i.log.jobs[position].number, 10)
}

// positionOf gives the position of the job that a hold is for, if it is one of the
// log.
func (i *importer) positionOf(hold string) (position int, ours bool) {
	digits, ours := strings.CutPrefix(hold, "swf:"+i.flags.name+":")
	number, err := strconv.ParseInt(digits, 10, 64)
	if !ours || err != nil {
		return 0, false
	}
	position, ours = i.log.position(number)
	return position, ours && i.holdID(position) == hold
}

// stepsDiffer says whether an op was refused for steps that stand already: those
// of an import that was interrupted reached the cluster after it had been asked.
func stepsDiffer(err error) bool {
	f, ok := errors.AsType[*fault.Fault](err)
	return ok && f.Kind == fault.Conflict && f.Details["field"] != ""
}
