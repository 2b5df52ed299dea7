// Package command says what a command is: a name, a rule and a body.
//
// A domain declares its commands and queries as package-level variables:
//
//	var Transfer = command.Define(&Commands, "ledger.transfer", mayTransfer, transfer)
//	var Balance  = command.DefineQuery(&Commands, "ledger.balance", maySeeBalance, balance)
//
// The rule says what the caller needs to be allowed; the machine asks the
// access evaluator, in Apply, on the state that the command meets. There is no
// way to declare a command or a query without a rule.
//
// Never change what a name does. A new behaviour is a new name, and a command
// that older releases do not know is gated by the replicated format number.
package command

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// A Need is an operation on a path that a caller must be allowed, and that it
// must be allowed to View.
type Need struct {
	Operation Operation
	Path      path.Path
	// OrSelf: a caller that is the principal of the path has the need.
	OrSelf bool
	// For is set when the caller named something that has gone: Path is then the nearest
	// name that is left, which decides, and For is what was named. Who has not the need is
	// told that there is nothing at For, as where nothing ever was. Empty is the path
	// itself.
	For path.Path
}

// NotFound is the answer for a path that does not exist, and for one that the
// caller may not see: the two are not told apart.
func NotFound(p path.Path) *fault.Fault {
	return fault.NotFound.New("nothing at %s", p).With("path", string(p))
}

// A Rule gives the needs of a request. All must be met. A rule that gives none
// is met by nobody. Its error, a fault, refuses the request before any need is
// looked at, so it must say only what every caller may know.
type Rule[Req proto.Message] func(r kv.Reader, req Req) ([]Need, error)

// Public is the rule of what every authenticated caller may do.
func Public[Req proto.Message](kv.Reader, Req) ([]Need, error) {
	return []Need{{Operation: Anyone, Path: "/"}}, nil
}

// Internal is the rule of what only the cluster itself does.
func Internal[Req proto.Message](kv.Reader, Req) ([]Need, error) {
	return []Need{{Operation: ClusterItself, Path: "/"}}, nil
}

// A Set is the list of the commands and queries of a domain.
type Set struct {
	Commands []*Definition
	Queries  []*Definition
}

// A Definition is a command or a query without its types, as the machine
// handles it.
type Definition struct {
	// Name is "domain.verb".
	Name string
	// Alone is set for a command whose service method does more than propose it: the
	// service Batch refuses it.
	Alone bool
	// Since is the format number from which on the command may be used; 0 is
	// always.
	Since uint32

	// Decode reads a request, strictly: unknown fields are an error.
	Decode func(body []byte) (proto.Message, error)
	// DecodeAnswer reads a stored answer.
	DecodeAnswer func(body []byte) (proto.Message, error)
	// Needs is the rule.
	Needs func(r kv.Reader, req proto.Message) ([]Need, error)
	// Run is the body of a command; nil for a query.
	Run func(tx *Tx, req proto.Message) (proto.Message, error)
	// Refused is called when a command is refused, after what the command changed was
	// taken back, and gives the refusal that is answered. What it changes itself stays.
	// Nil does nothing. It is not called for what is unavailable, such as a command of a
	// newer format, nor for a caller whose proof no longer counts.
	Refused func(tx *Tx, req proto.Message, refusal *fault.Fault) *fault.Fault
	// Ask is the body of a query; nil for a command.
	Ask func(v *Reading, req proto.Message) (proto.Message, error)
}

// Command is a command with its types.
type Command[Req, Res proto.Message] struct{ *Definition }

// Query is a query with its types.
type Query[Req, Res proto.Message] struct{ *Definition }

// Define declares a command. The body returns a fault to refuse; whatever it
// changed is then taken back. It must not keep or change the request.
func Define[Req, Res proto.Message](set *Set, name string, rule Rule[Req], body func(*Tx, Req) (Res, error)) Command[Req, Res] {
	definition := define[Req, Res](name, rule)
	definition.Run = func(tx *Tx, req proto.Message) (proto.Message, error) { return body(tx, req.(Req)) }
	set.Commands = append(set.Commands, definition)
	return Command[Req, Res]{definition}
}

// Alone marks a command whose service method does more than propose it. It
// returns the command.
func Alone[Req, Res proto.Message](c Command[Req, Res]) Command[Req, Res] {
	c.Definition.Alone = true
	return c
}

// WhenRefused has a function called when the command was refused by its rule, the access
// evaluator or its body. What the function gives is answered: the same refusal, it may
// be with more details. It returns the command. See Definition.Refused.
func WhenRefused[Req, Res proto.Message](c Command[Req, Res], refused func(*Tx, Req, *fault.Fault) *fault.Fault) Command[Req, Res] {
	c.Refused = func(tx *Tx, req proto.Message, refusal *fault.Fault) *fault.Fault {
		return refused(tx, req.(Req), refusal)
	}
	return c
}

// DefineQuery declares a query.
func DefineQuery[Req, Res proto.Message](set *Set, name string, rule Rule[Req], body func(*Reading, Req) (Res, error)) Query[Req, Res] {
	definition := define[Req, Res](name, rule)
	definition.Ask = func(v *Reading, req proto.Message) (proto.Message, error) { return body(v, req.(Req)) }
	set.Queries = append(set.Queries, definition)
	return Query[Req, Res]{definition}
}

func define[Req, Res proto.Message](name string, rule Rule[Req]) *Definition {
	if rule == nil {
		panic(name + ": a command without a rule")
	}
	return &Definition{
		Name:         name,
		Decode:       decode[Req],
		DecodeAnswer: decode[Res],
		Needs:        func(r kv.Reader, req proto.Message) ([]Need, error) { return rule(r, req.(Req)) },
	}
}

// decode refuses what this release would not have written itself: a field it
// does not know would be lost without a word on this node, and kept on a newer
// one.
func decode[M proto.Message](body []byte) (proto.Message, error) {
	var zero M
	m := zero.ProtoReflect().New().Interface()
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, m); err != nil {
		return nil, err
	}
	if known := proto.Size(m); known != len(body) {
		return nil, fmt.Errorf("%d of %d bytes are in fields that this release does not know, or not in canonical form", len(body)-known, len(body))
	}
	return m, nil
}
