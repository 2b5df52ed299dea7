package check

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Client is a process: it does one operation after another at one node, and
// records them. One goroutine uses it.
type Client struct {
	History *History
	Node    string
	// Ledger sends each call once, to the node and nowhere else. No other process
	// uses the connection: its reads would ask for what the other has seen.
	Ledger pb.LedgerClient
	// Payer is the account that is debited. It and the counters hold an asset of
	// scale 0.
	Payer string
	// Timeout is how long to wait for an answer, and AddTimeout for that to an
	// addition. Required.
	Timeout, AddTimeout time.Duration
	// Resend is for how long a write of unknown outcome is sent again, under the
	// same request id; 0 is not at all.
	Resend time.Duration

	process int
	begun   bool
}

// pauseBetweenAttempts is short beside an election.
const pauseBetweenAttempts = 100 * time.Millisecond

// Add adds Amount(number), which nobody else adds, to the counter. Every third
// addition that is answered is sent once more under its request id, and must be
// answered the same.
func (c *Client) Add(ctx context.Context, counter string, number int) Outcome {
	o := Operation{Kind: Add, Counter: counter, Amount: Amount(number)}
	id := path.Base(counter) + ":" + strconv.Itoa(number)
	return c.record(o, func() (uint64, error) {
		index, err := c.add(ctx, id, o)
		if err != nil || number%3 != 0 {
			return 0, err
		}
		again, err := c.transfer(ctx, id, o)
		switch {
		case OutcomeOf(Add, err) == Wrong:
			return 0, err
		case err == nil && again != index:
			return 0, fmt.Errorf("it took effect at index %d, and when it was sent again at %d", index, again)
		}
		return 0, nil
	})
}

// add sends the addition until it is answered, or for as long as it may.
func (c *Client) add(ctx context.Context, id string, o Operation) (index uint64, err error) {
	begin, open := time.Now(), false
	for {
		index, err := c.transfer(ctx, id, o)
		outcome := OutcomeOf(Add, err)
		open = open || outcome == Unknown
		if !open || outcome == OK || outcome == Wrong {
			return index, err
		}
		if time.Since(begin) >= c.Resend || !elapse(ctx, pauseBetweenAttempts) {
			// What is known of the last attempt does not hold for those before.
			return 0, fault.Unserved(fault.Unknown, "%v", err)
		}
	}
}

// transfer sends the addition once.
func (c *Client) transfer(ctx context.Context, id string, o Operation) (index uint64, err error) {
	ctx, cancel := context.WithTimeout(client.WithRequestID(ctx, id), c.AddTimeout)
	defer cancel()
	answer, err := c.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: []*pb.Transfer{{
		Id: id, Debit: c.Payer, Credit: o.Counter, Amount: strconv.FormatUint(o.Amount, 10),
	}}})
	if err != nil {
		return 0, err
	}
	if answer.Created != 1 || len(answer.Existing) != 0 {
		return 0, fmt.Errorf("the answer is of %d transfers created and %d existing, want the 1 that was asked for", answer.Created, len(answer.Existing))
	}
	return answer.Index, nil
}

// Read reads the counter.
func (c *Client) Read(ctx context.Context, counter string) Outcome {
	return c.record(Operation{Kind: Read, Counter: counter}, func() (uint64, error) {
		ctx, cancel := context.WithTimeout(client.WithRead(ctx, client.Latest), c.Timeout)
		defer cancel()
		answer, err := c.Ledger.Balance(ctx, &pb.BalanceRequest{Path: counter})
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(answer.CreditsPosted, 10, 64)
	})
}

// record does an operation between the two lines of the history. After one of
// unknown outcome, which may still be under way, the process is another.
func (c *Client) record(o Operation, do func() (value uint64, err error)) Outcome {
	if !c.begun {
		c.begun, c.process = true, c.History.Process()
	}
	o.Process, o.Node = c.process, c.Node
	number := c.History.Call(o)
	value, err := do()
	outcome, reason := OutcomeOf(o.Kind, err), ""
	if err != nil {
		reason = err.Error()
	}
	c.History.Return(number, outcome, value, reason)
	c.begun = outcome != Unknown
	return outcome
}

// elapse waits, and reports whether ctx has not ended meanwhile.
func elapse(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
