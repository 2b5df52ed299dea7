package jepsen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"acquired/client"
	"acquired/jepsen/rights"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	// racePace is between two uses of one user.
	racePace = 5 * time.Millisecond
	// formerShare is how often a user shows the credential before the newest.
	formerShare = 0.1
	// spendable and readable are the bits of Spend and Read in what is asked of
	// CheckMany.
	spendable, readable = 1, 2
)

// user acts for a racer, at one node or wherever the client leads it.
type user struct {
	racer   *racer
	t       *testing.T
	node    string
	address string // empty is anywhere
	random  *rand.Rand
	act     func(*user)

	shown *credential
}

// run acts, after the racer is ready, until the race is stopped.
func (u *user) run(ready <-chan struct{}) {
	<-ready
	for {
		u.shown = u.racer.current.Load()
		if former := u.racer.former.Load(); former != nil && u.random.Float64() < formerShare {
			u.shown = former
		}
		if u.shown == nil || u.t.Failed() {
			return
		}
		u.act(u)
		select {
		case <-time.After(racePace):
		case <-u.racer.race.stop:
			return
		}
	}
}

// via gives the way to the node of the user.
func (u *user) via(c *client.Client) grpc.ClientConnInterface {
	if u.address == "" {
		return c
	}
	return c.Node(u.address)
}

// transfers numbers the transfers of a process.
var transfers atomic.Uint64

func (u *user) transfer() {
	use := rights.Use{Kind: "transfer", Needs: []string{u.racer.condition, u.shown.condition}, Write: true, Current: true}
	u.try(use, func(ctx context.Context, header grpc.CallOption) (index uint64, allowed bool, err error) {
		answer, err := pb.NewLedgerClient(u.via(u.shown.client)).Transfer(ctx, &pb.TransferRequest{Transfers: []*pb.Transfer{{
			Id: fmt.Sprintf("race:%d", transfers.Add(1)), Debit: u.racer.account, Credit: racePayee, Amount: "1",
		}}}, header)
		return answer.GetIndex(), err == nil, err
	})
}

func (u *user) read() {
	freshness := []client.Read{client.Seen, client.Latest, client.Any}[u.random.IntN(3)]
	use := rights.Use{Needs: []string{u.racer.condition, u.shown.condition}, Current: freshness == client.Latest}
	reads := []func(rights.Use, client.Read){u.balance, u.check, u.checkedByOperator}
	reads[u.random.IntN(len(reads))](use, freshness)
}

func (u *user) balance(use rights.Use, freshness client.Read) {
	use.Kind = "balance, " + string(freshness)
	u.try(use, func(ctx context.Context, header grpc.CallOption) (uint64, bool, error) {
		_, err := pb.NewLedgerClient(u.via(u.shown.client)).Balance(client.WithRead(ctx, freshness), &pb.BalanceRequest{Path: u.racer.account}, header)
		return 0, err == nil, err
	})
}

// check asks what the racer itself may do.
func (u *user) check(use rights.Use, freshness client.Read) {
	use.Kind = "check, " + string(freshness)
	u.try(use, func(ctx context.Context, header grpc.CallOption) (uint64, bool, error) {
		return u.checkMany(client.WithRead(ctx, freshness), u.shown.client, "", header)
	})
}

// checkedByOperator asks what the racer may do, whatever it shows.
func (u *user) checkedByOperator(use rights.Use, freshness client.Read) {
	use.Kind, use.Needs = "check by an operator, "+string(freshness), []string{u.racer.condition}
	u.try(use, func(ctx context.Context, header grpc.CallOption) (uint64, bool, error) {
		return u.checkMany(client.WithRead(ctx, freshness), u.racer.race.operator, u.racer.principal, header)
	})
}

func (u *user) checkMany(ctx context.Context, c *client.Client, principal string, header grpc.CallOption) (index uint64, allowed bool, err error) {
	answer, err := pb.NewAclClient(u.via(c)).CheckMany(ctx, &pb.CheckManyRequest{
		Principal: principal, Paths: []string{u.racer.account, racePayee}, Operations: []string{"Spend", "Read"},
	}, header)
	if err != nil {
		return 0, false, err
	}
	// Both clauses want the same role, and nobody may do anything with the payee.
	if own := answer.Allowed[0]; own != 0 && own != spendable|readable || answer.Allowed[1] != 0 {
		return 0, false, fmt.Errorf("%s may do %v, want all or nothing with its account, and nothing with another", u.racer.principal, answer.Allowed)
	}
	return 0, answer.Allowed[0] != 0, nil
}

// try makes an attempt and records it if it is answered. Do gives the index if it
// is in the message; the header has it too, unless the call went with others.
func (u *user) try(use rights.Use, do func(ctx context.Context, header grpc.CallOption) (index uint64, allowed bool, err error)) {
	ctx, cancel := context.WithTimeout(u.t.Context(), answerWithin)
	defer cancel()
	var header metadata.MD
	use.Principal, use.Node, use.Call = u.racer.principal, u.node, u.racer.race.history.Now()
	index, allowed, err := do(ctx, grpc.Header(&header))
	use.Index, use.Allowed = indexOf(header), allowed
	switch {
	case errors.Is(err, fault.Unavailable), errors.Is(err, fault.Exhausted):
		return // nobody was asked
	case err != nil && !isRefusal(err):
		u.t.Errorf("%s: %v, want it done or refused", use, err)
		return
	case use.Index == 0:
		use.Index = index
	case index != 0 && index != use.Index:
		u.t.Errorf("%s: index %d in the answer and %d in its header", use, index, use.Index)
	}
	u.racer.race.history.Used(use)
}

// isRefusal says whether an error is of what is not allowed. A node that does not
// know of a principal yet says that there is none.
func isRefusal(err error) bool {
	return errors.Is(err, fault.Denied) || errors.Is(err, fault.Unauthenticated) || errors.Is(err, fault.NotFound)
}

// indexOf gives the index of an answer; 0 is none.
func indexOf(header metadata.MD) uint64 {
	values := header.Get("acquired-index")
	if len(values) == 0 {
		return 0
	}
	index, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil {
		return 0
	}
	return index
}
