package main

import (
	"context"
	"fmt"
	"math/big"
	"sort"

	"acquired/client"
	"acquired/cmd/acquired/swf"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// charge makes the transfers of the jobs in the order of the log. What a job
// is charged depends on the user's jobs before it, so those that are charged
// already are computed again and not sent.
func (i *importer) charge(ctx context.Context) error {
	from, last, err := i.charged(ctx)
	if err != nil {
		return err
	}
	i.existing = uint64(from)
	meters := make([]*swf.Meter, len(i.log.users))
	for user := range meters {
		meters[user] = swf.NewMeter(i.price)
	}
	batch := make([]*pb.Transfer, 0, i.flags.batch)
	for position, job := range i.log.jobs {
		amount, err := meters[job.user].Charge(job.coreSeconds)
		if err != nil {
			return fmt.Errorf("job %d: %w", job.number, err)
		}
		if position == from-1 {
			if err := i.same(last, i.transfer(job, amount)); err != nil {
				return err
			}
		}
		if position < from {
			continue
		}
		batch = append(batch, i.transfer(job, amount))
		if len(batch) == i.flags.batch || position == len(i.log.jobs)-1 {
			if err := i.send(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

func (i *importer) transfer(job loggedJob, amount *big.Int) *pb.Transfer {
	return &pb.Transfer{
		Id:     i.transferID(job),
		Debit:  i.account(i.log.users[job.user]),
		Credit: i.flags.payee,
		Amount: swf.FormatMinor(amount, i.scale),
		Asset:  i.flags.asset,
	}
}

func (i *importer) transferID(job loggedJob) string {
	return fmt.Sprintf("swf:%s:%d", i.flags.name, job.number)
}

func (i *importer) send(ctx context.Context, batch []*pb.Transfer) error {
	answer, err := i.client.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: batch})
	if err != nil {
		return err
	}
	i.created += uint64(answer.Created)
	i.existing += uint64(len(answer.Existing))
	i.progress.show(int(i.created + i.existing))
	return nil
}

// charged finds how many jobs an earlier import charged, and the transfer of
// the last of them. Lists are made in the order of the log, each all or none:
// where the last job of a list is charged, so are all before it.
func (i *importer) charged(ctx context.Context) (count int, last *pb.Transfer, err error) {
	if !i.flags.resume {
		return 0, nil, nil
	}
	end := func(batch int) int { return min((batch+1)*i.flags.batch, len(i.log.jobs)) }
	batches := (len(i.log.jobs) + i.flags.batch - 1) / i.flags.batch
	found := sort.Search(batches, func(batch int) bool {
		if err != nil {
			return true
		}
		var t *pb.Transfer
		t, err = i.lookup(ctx, i.log.jobs[end(batch)-1])
		if t != nil {
			last = t
		}
		return t == nil
	})
	if err != nil || found == 0 {
		return 0, nil, err
	}
	return end(found - 1), last, nil
}

// lookup gives the transfer of the job, nil when it was not made.
func (i *importer) lookup(ctx context.Context, job loggedJob) (*pb.Transfer, error) {
	ctx = client.WithRead(ctx, client.Latest)
	answer, err := i.client.Ledger.Lookup(ctx, &pb.LookupRequest{Ids: []string{i.transferID(job)}, Under: i.flags.prefix})
	if err != nil || len(answer.Transfers) == 0 {
		return nil, err
	}
	return answer.Transfers[0].Transfer, nil
}

// same refuses to go on with an import that had another price or other accounts.
func (i *importer) same(made, computed *pb.Transfer) error {
	if made.Debit == computed.Debit && made.Credit == computed.Credit && made.Amount == computed.Amount && made.Asset == computed.Asset {
		return nil
	}
	return fault.Conflict.New("transfer %s was made before as %s %s from %s to %s, not %s %s from %s to %s: this is another log or another price",
		made.Id, made.Amount, made.Asset, made.Debit, made.Credit,
		computed.Amount, computed.Asset, computed.Debit, computed.Credit)
}
