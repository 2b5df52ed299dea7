package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
)

// stepKind is what the ledger does with the steps of a kind. Guards are none: they
// have no id, and nothing is kept of them.
type stepKind struct {
	// name is that of the kind in the API.
	name string
	// See stepOf.
	check        func(identified) error
	make         func(*operation, identified) (result, error)
	concerns     func(*operation, identified) bool
	behind       func(kv.Reader, identified) []command.ID
	entries      func(identified) int
	isWider      func(identified) bool
	unrefundable string
}

// stepOf is a kind of step in terms of the message that is its body.
type stepOf[S identified] struct {
	// check refuses what is wrong in any state. The id was looked at.
	check func(S) error
	// make makes a step whose id is free: it asks whether the caller may, then
	// whether the state lets it.
	make func(*operation, S) (result, error)
	// concerns says whether the caller has to do with what the step names. Who has
	// not is told of an id that it was used, and nothing of what for.
	concerns func(*operation, S) bool
	// behind gives the accounts that it is about and does not name, as far as they
	// are known; nil is none.
	behind func(kv.Reader, S) []command.ID
	// entries is how many it can come to; nil is two.
	entries func(S) int
	// isWider says whether it may name accounts that its entries do not; nil is no.
	isWider func(S) bool
	// unrefundable says why what it posted cannot be refunded, and what to do
	// instead; empty is that it can.
	unrefundable string
}

// stepKinds are all kinds of steps, by name.
var stepKinds = make(map[string]*stepKind)

func init() {
	defineMoves()
	defineDocuments()
	orderFields((*pb.OpenAccountRequest)(nil).ProtoReflect().Descriptor())
	orderFields((*pb.ChangeAccountRequest)(nil).ProtoReflect().Descriptor())
	for i := range stepOneof.Fields().Len() {
		if f := stepOneof.Fields().Get(i); f.Name() != "guard" && stepKinds[string(f.Name())] == nil {
			panic("ledger: a step of the API that is not defined: " + string(f.Name()))
		}
	}
}

// stepOneof is the field of a step that says what it is.
var stepOneof = (*pb.Step)(nil).ProtoReflect().Descriptor().Oneofs().Get(0)

// defineStep adds the kind of the steps whose body is an S.
func defineStep[S identified](of stepOf[S]) {
	var body S
	message := body.ProtoReflect().Descriptor()
	orderFields(message)
	kind := &stepKind{
		check:        func(s identified) error { return of.check(s.(S)) },
		make:         func(o *operation, s identified) (result, error) { return of.make(o, s.(S)) },
		concerns:     func(o *operation, s identified) bool { return of.concerns(o, s.(S)) },
		behind:       func(kv.Reader, identified) []command.ID { return nil },
		entries:      func(identified) int { return 2 },
		isWider:      func(identified) bool { return false },
		unrefundable: of.unrefundable,
	}
	if of.behind != nil {
		kind.behind = func(r kv.Reader, s identified) []command.ID { return of.behind(r, s.(S)) }
	}
	if of.entries != nil {
		kind.entries = func(s identified) int { return of.entries(s.(S)) }
	}
	if of.isWider != nil {
		kind.isWider = func(s identified) bool { return of.isWider(s.(S)) }
	}
	for i := range stepOneof.Fields().Len() {
		if f := stepOneof.Fields().Get(i); f.Message() == message {
			kind.name = string(f.Name())
			stepKinds[kind.name] = kind
		}
	}
}

// kindOf gives the kind of a step and its body. Both are nil for a guard, and for a
// step that is nothing.
func kindOf(s *pb.Step) (*stepKind, identified) {
	m := s.ProtoReflect()
	f := m.WhichOneof(stepOneof)
	if f == nil {
		return nil, nil
	}
	body, _ := m.Get(f).Message().Interface().(identified)
	return stepKinds[string(f.Name())], body
}

// nameOf gives the name that a step has in the API.
func nameOf(s *pb.Step) string {
	m := s.ProtoReflect()
	if f := m.WhichOneof(stepOneof); f != nil {
		return string(f.Name())
	}
	return "nothing"
}
