package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// propose makes the cluster apply a command for the caller of ctx. Its error is
// a fault: the refusal of the command, or an unavailable one that says whether
// the outcome is definite.
func propose[Req, Res proto.Message](ctx context.Context, n *Node, c command.Command[Req, Res], req Req) (Res, error) {
	var none Res
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return none, fault.Invalid.New("%s: %v", c.Name, err)
	}
	call := callOf(ctx)
	result, err := n.proposeBody(ctx, c.Definition, call.requestID, body)
	if err != nil {
		return none, err
	}
	setIndex(ctx, result.Index)
	if result.Err != nil {
		return none, result.Err
	}
	if res, ok := result.Response.(Res); ok {
		return res, nil
	}
	stored, err := c.DecodeAnswer(result.Body)
	if err != nil {
		return none, err
	}
	return stored.(Res), nil
}

// proposeBody is propose for an encoded request.
func (n *Node) proposeBody(ctx context.Context, d *command.Definition, requestID string, body []byte) (fsm.Result, error) {
	if err := n.checkBody(d, body); err != nil {
		return fsm.Result{}, err
	}
	return n.batcher.propose(ctx, &statev1.Command{
		Name: d.Name, Caller: fsm.EncodeCaller(&callOf(ctx).caller), RequestId: requestID, Body: body,
	})
}

// checkBody refuses a request that has no business in the log: one that makes too
// much when it is decoded, cannot be decoded, or that its rule refuses in any state.
func (n *Node) checkBody(d *command.Definition, body []byte) error {
	empty, err := d.Decode(nil)
	if err != nil {
		return err
	}
	if err := checkElements(d.Name, empty.ProtoReflect().Descriptor(), body); err != nil {
		return err
	}
	req, err := d.Decode(body)
	if err != nil {
		return fault.Invalid.New("%s: the request is malformed: %v", d.Name, err)
	}
	view := n.machine.View(command.Caller{})
	defer view.Close()
	if _, err := d.Needs(view, req); errors.Is(err, fault.Invalid) {
		return err
	}
	return nil
}

// read answers a query for the caller of ctx, from a state as new as the caller
// asked for.
func read[Req, Res proto.Message](ctx context.Context, n *Node, q command.Query[Req, Res], req Req) (Res, error) {
	if err := n.freshen(ctx, callOf(ctx)); err != nil {
		var none Res
		return none, err
	}
	return ask(ctx, n, q, req)
}

// ask answers a query from the newest state that this node has, or, for a caller
// whom that state does not know, from the newest state of the cluster.
func ask[Req, Res proto.Message](ctx context.Context, n *Node, q command.Query[Req, Res], req Req) (res Res, err error) {
	var index uint64
	err = n.accepted(ctx, func(v *command.Reading) (newer bool, err error) {
		v.Caller, index = callOf(ctx).caller, v.Index
		res, err = askView(v, q, req)
		return fault.KindOf(err) == fault.Unauthenticated && namesNewer(v, &v.Caller), err
	})
	setIndex(ctx, index)
	return res, err
}

// askView is fsm.Ask, for which what panics is internal: nothing was changed, and a caller
// who finds a record that cannot be read must not end node after node. It is the scrub
// that looks for damage.
func askView[Req, Res proto.Message](v *command.Reading, q command.Query[Req, Res], req Req) (res Res, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("answer %s at index %d: %v\n%s", q.Name, v.Index, reason, debug.Stack())
		}
	}()
	return fsm.Ask(v, q, req)
}

// freshen waits until the state is as new as the call asks for.
func (n *Node) freshen(ctx context.Context, c *call) error {
	switch c.consistency {
	case readAny:
		n.setLag(ctx)
		return nil
	case readLatest:
		index, err := n.reads.index(ctx)
		if err != nil {
			return err
		}
		return n.applied.wait(ctx, max(index, c.seen))
	}
	return n.applied.wait(ctx, c.seen)
}

// progress lets calls wait until the state has come to an index.
type progress struct {
	index func() uint64

	mu      sync.Mutex
	waiting chan struct{} // closed at the next announcement; nil when nobody waits
}

// wait returns when the state is at the index or behind it. When ctx ends first
// it returns an unavailable fault.
func (p *progress) wait(ctx context.Context, index uint64) error {
	for {
		p.mu.Lock()
		if p.index() >= index {
			p.mu.Unlock()
			return nil
		}
		if p.waiting == nil {
			p.waiting = make(chan struct{})
		}
		next := p.waiting
		p.mu.Unlock()
		select {
		case <-next:
		case <-ctx.Done():
			return fault.Unserved(fault.Definite, "this node is at index %d and did not come to %d in time", p.index(), index)
		}
	}
}

// announce tells those who wait that the state moved.
func (p *progress) announce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting != nil {
		close(p.waiting)
		p.waiting = nil
	}
}
