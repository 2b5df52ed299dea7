package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"acquired/proto/fault"
)

const (
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second

	firstAttempt   = 3 * time.Second
	longestAttempt = 10 * time.Second
)

// The details of an Unavailable fault that the client acts on.
const (
	detailOutcome = "outcome"
	detailLeader  = "leader_address"
)

// retry tries at one node after another, with pauses in between, until a try
// ends with anything but an Unavailable fault, or ctx or the client ends; then
// the error is the last such fault. If hurried, each try gets a limited time, so
// that a node that hangs does not use up the time of the caller.
//
// The connection of the node stands when try is called, or else the call that
// try makes on it fails at once.
func (c *Client) retry(ctx context.Context, hurried bool, try func(context.Context, *node) error) error {
	hint := ""
	for attempt := 0; ; attempt++ {
		n, err := c.nodes.pick(hint)
		if err != nil {
			return err
		}
		err = c.attempt(ctx, n, limitOf(attempt, hurried), try)
		if !errors.Is(err, fault.Unavailable) {
			return err
		}
		if !c.pause(ctx, pauseAfter(attempt, rand.Int64N)) {
			return c.gaveUp(ctx, err)
		}
		hint = nextHint(hint, n, err)
	}
}

// attempt is one round of retry. A limit of 0 is none.
func (c *Client) attempt(ctx context.Context, n *node, limit time.Duration, try func(context.Context, *node) error) error {
	defer c.nodes.release(n)
	if limit > 0 {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx = limited
	}
	err := n.ready(ctx)
	if err == nil {
		err = try(ctx, n)
	}
	if errors.Is(err, fault.Unavailable) {
		c.nodes.failed(n)
	} else {
		c.nodes.answered(n)
	}
	return err
}

// pause waits, and reports whether there is time for another attempt.
func (c *Client) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
	return false
}

// gaveUp says why there was no further attempt after the one that ended with err.
func (c *Client) gaveUp(ctx context.Context, err error) error {
	reason := reasonOf(ctx.Err())
	if c.ctx.Err() != nil {
		reason = "the client is closed"
	}
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err
	}
	message := fmt.Sprintf("%s; the last attempt: %s", reason, f.Message)
	return &fault.Fault{Kind: f.Kind, Message: message, Details: f.Details}
}

// reasonOf says in words why a context ended.
func reasonOf(err error) string {
	if errors.Is(err, context.Canceled) {
		return "the caller cancelled the call"
	}
	return "no answer in time"
}

// limitOf gives the time that an attempt, counted from 0, may take; 0 is no
// limit. It grows, so that what is slow but not dead gets its answer.
func limitOf(attempt int, hurried bool) time.Duration {
	if !hurried {
		return 0
	}
	return min(firstAttempt<<min(attempt, 8), longestAttempt)
}

// pauseAfter gives the pause after an attempt, counted from 0: twice that of
// the attempt before, less up to half of it at random, so that clients that
// failed together do not come back together. draw gives a number from 0 up to
// but not including its argument.
func pauseAfter(attempt int, draw func(int64) int64) time.Duration {
	full := min(firstPause<<min(attempt, 16), longestPause)
	return full - time.Duration(draw(int64(full)/2+1))
}

// nextHint gives the address that the fault of the node says the leader has;
// empty is none. A node that was tried on a hint gives no other: nodes that
// disagree must not keep a call between them.
func nextHint(followed string, n *node, err error) string {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || followed != "" || f.Details[detailLeader] == n.address {
		return ""
	}
	return f.Details[detailLeader]
}

// isOpen reports whether err leaves it open what became of the write.
func isOpen(err error) bool {
	return errors.Is(err, fault.Unavailable) && fault.OutcomeOf(err) == fault.Unknown
}

// conclude gives the error of a call whose last attempt ended with err, at the
// index of its answer, 0 if it has none. If open is set, an attempt was sent and
// it is not known what became of it. Only an answer from the log, which has an
// index, ends that doubt: a node that refuses an attempt at the door knows
// nothing of those before.
func conclude(err error, open bool, index uint64) error {
	f, ok := errors.AsType[*fault.Fault](err)
	switch {
	case !ok:
		return err
	case f.Kind == fault.Unavailable && open:
		return f.With(detailOutcome, string(fault.Unknown))
	case f.Kind == fault.Unavailable:
		return f.With(detailOutcome, string(fault.Definite))
	case open && index == 0:
		return fault.Unserved(fault.Unknown, "an attempt got no answer, and the next was refused: %s", f.Message)
	}
	return f
}
