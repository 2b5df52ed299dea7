package fsm

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// run takes a command all the way. Its name must be known and the proof of its caller
// must still count; if it was answered before, that is the answer. Then its rule and the
// access evaluator decide, its body runs, and the answer is kept. Until all that is due
// has expired, only commands of the cluster itself are served.
func (m *Machine) run(tx *command.Tx, at *position, c *statev1.Command, expired bool) Result {
	definition, ok := m.commands[c.Name]
	if !ok {
		panic(fmt.Sprintf("log entry %d: command %q is unknown to this release", tx.Index, c.Name))
	}
	req, err := definition.Decode(c.Body)
	if err != nil {
		panic(fmt.Sprintf("log entry %d: command %s: %v", tx.Index, c.Name, err))
	}
	tx.Caller, tx.Command, tx.RequestID = CallerOf(c.Caller), c.Name, c.RequestId
	if err := identity.Standing(tx, &tx.Caller, tx.Time); err != nil {
		// No answer is kept: with a proof that counts it may be sent again.
		return Result{Index: tx.Index, Err: mustBeFault(c.Name, err)}
	}
	if result, ok := answered(tx, c); ok {
		return result
	}
	if !expired && tx.Caller.Principal != command.System {
		return Result{Index: tx.Index, Err: fault.Unserved(fault.Definite,
			"more than %d holds expire at one time: send it again when they have", ledger.MaxExpired)}
	}
	result := decide(tx, definition, req)
	keepAnswer(tx, at, c, result)
	return result
}

// decide runs a command if it is allowed. What a refused one changed is taken back.
func decide(tx *command.Tx, d *command.Definition, req proto.Message) Result {
	var response proto.Message
	refusal := tx.Step(func() error {
		if now := system.CurrentFormat(tx); now < d.Since {
			return fault.Unserved(fault.Definite, "%s needs format %d, the cluster is at %d: upgrade it", d.Name, d.Since, now)
		}
		needs, err := d.Needs(tx, req)
		if err != nil {
			return err
		}
		if err := acl.Allow(tx, &tx.Caller, tx.Time, needs); err != nil {
			return err
		}
		response, err = d.Run(tx, req)
		return err
	})
	if refusal == nil {
		return Result{Index: tx.Index, Response: response, Body: encode(response)}
	}
	f := mustBeFault(d.Name, refusal)
	if d.Refused != nil && f.Kind != fault.Unavailable {
		f = d.Refused(tx, req, f)
	}
	return Result{Index: tx.Index, Err: f}
}

// mustBeFault keeps errors that depend on a node out of the state.
func mustBeFault(name string, err error) *fault.Fault {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		panic(fmt.Sprintf("command %s: its error is no fault: %v", name, err))
	}
	return f
}

func encode(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", m.ProtoReflect().Descriptor().FullName(), err))
	}
	return b
}

// Ask answers a query from a view: the same rule and the same evaluator as for
// commands.
func Ask[Req, Res proto.Message](v *command.Reading, q command.Query[Req, Res], req Req) (Res, error) {
	var none Res
	if err := identity.Standing(v, &v.Caller, v.Time); err != nil {
		return none, err
	}
	needs, err := q.Needs(v, req)
	if err != nil {
		return none, err
	}
	if err := acl.Allow(v, &v.Caller, v.Time, needs); err != nil {
		return none, err
	}
	res, err := q.Ask(v, req)
	if err != nil {
		return none, err
	}
	return res.(Res), nil
}
