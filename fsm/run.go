package fsm

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/path"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// run is a command's way: known? answered before? allowed? then its body, then
// its answer is kept.
func (m *Machine) run(tx *command.Tx, at *position, c *statev1.Command) Result {
	definition, ok := m.commands[c.Name]
	if !ok {
		panic(fmt.Sprintf("log entry %d: command %q is unknown to this release", tx.Index, c.Name))
	}
	if result, ok := answered(tx, c); ok {
		return result
	}
	req, err := definition.Decode(c.Body)
	if err != nil {
		panic(fmt.Sprintf("log entry %d: command %s: %v", tx.Index, c.Name, err))
	}
	tx.Caller = CallerOf(c.Caller)
	var response proto.Message
	refusal := tx.Step(func() error {
		if now := system.CurrentFormat(tx); now < definition.Since {
			return fault.Unserved(fault.Definite, "%s needs format %d, the cluster is at %d: upgrade it", c.Name, definition.Since, now)
		}
		needs, err := definition.Needs(tx, req)
		if err != nil {
			return err
		}
		if err := acl.Allow(tx, &tx.Caller, needs); err != nil {
			return err
		}
		response, err = definition.Run(tx, req)
		return err
	})
	result := Result{Index: tx.Index}
	if refusal != nil {
		result.Err = mustBeFault(c.Name, refusal)
	} else {
		result.Response, result.Body = response, encode(response)
	}
	keepAnswer(tx, at, c, result)
	return result
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
	needs, err := q.Needs(v, req)
	if err != nil {
		return none, err
	}
	if err := acl.Allow(v, &v.Caller, needs); err != nil {
		return none, err
	}
	res, err := q.Ask(v, req)
	if err != nil {
		return none, err
	}
	return res.(Res), nil
}

// CallerOf reads a caller from the log. Its paths were checked before they were
// written.
func CallerOf(c *statev1.Caller) command.Caller {
	caller := command.Caller{Principal: path.Path(c.GetPrincipal()), Operator: c.GetOperator()}
	for _, g := range c.GetGrants() {
		caller.Grants = append(caller.Grants, command.Grant{Operation: command.Operation(g.Operation), Path: path.Path(g.Path)})
	}
	return caller
}

// EncodeCaller is the inverse of CallerOf.
func EncodeCaller(caller *command.Caller) *statev1.Caller {
	c := &statev1.Caller{Principal: string(caller.Principal), Operator: caller.Operator}
	for _, g := range caller.Grants {
		c.Grants = append(c.Grants, &statev1.Grant{Operation: string(g.Operation), Path: string(g.Path)})
	}
	return c
}
