// Package fault holds the errors that are answers. A fault has a kind, which
// programs branch on, a message for people, and details for programs. It is
// the same on both sides of the wire: errors.Is(err, fault.NotFound) holds in
// the state machine, in the client and in the command line alike.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Kind says what sort of fault it is. Kinds go over the wire and into the log
// by name: never rename one.
type Kind string

const (
	// Invalid input: it would be refused in any state.
	Invalid Kind = "invalid"
	// NotFound is a thing that does not exist, or that the caller may not see.
	NotFound Kind = "not_found"
	// Exists is a thing that exists already.
	Exists Kind = "exists"
	// Denied is an operation the caller may not do to a thing that it may see.
	Denied Kind = "denied"
	// Unauthenticated is a caller that did not prove who it is.
	Unauthenticated Kind = "unauthenticated"
	// Conflict is a request at odds with what was done before, such as an id
	// used again for something else.
	Conflict Kind = "conflict"
	// Insufficient is an account that cannot bear the transfer.
	Insufficient Kind = "insufficient"
	// Exhausted is a limit of this service that is reached.
	Exhausted Kind = "exhausted"
	// Unavailable is a service that did not answer. The detail "outcome" says
	// what became of a write: see Outcome.
	Unavailable Kind = "unavailable"
	// Internal is everything else. The details are in the log of the node.
	Internal Kind = "internal"
)

// Error makes a Kind a target for errors.Is.
func (k Kind) Error() string { return string(k) }

// New gives a fault of the kind.
func (k Kind) New(format string, args ...any) *Fault {
	return &Fault{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Fault is an error that is an answer.
type Fault struct {
	Kind    Kind
	Message string
	// Details are facts for programs; nil is none. The keys are part of the API.
	Details map[string]string
}

// Error gives the message.
func (f *Fault) Error() string { return f.Message }

// Is makes errors.Is(f, fault.NotFound) true for faults of that kind.
func (f *Fault) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == f.Kind
}

// With gives a copy of the fault with one more detail.
func (f *Fault) With(key, value string) *Fault {
	details := maps.Clone(f.Details)
	if details == nil {
		details = make(map[string]string, 1)
	}
	details[key] = value
	return &Fault{Kind: f.Kind, Message: f.Message, Details: details}
}

// DetailKeys gives the keys of the details in order.
func (f *Fault) DetailKeys() []string { return slices.Sorted(maps.Keys(f.Details)) }

// KindOf gives the kind of the first fault in the chain of err, or Internal.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Kind
	}
	return Internal
}

// Outcome is what is known of a write that got no answer.
type Outcome string

const (
	// Definite: it was not applied and never will be.
	Definite Outcome = "definite"
	// Unknown: it may have been applied, or may yet be. Sending it again with
	// the same request id is safe.
	Unknown Outcome = "unknown"
)

const outcomeDetail = "outcome"

// Unserved gives an Unavailable fault that says what became of the write.
func Unserved(outcome Outcome, format string, args ...any) *Fault {
	return Unavailable.New(format, args...).With(outcomeDetail, string(outcome))
}

// OutcomeOf says what is known of the write that ended with err. Every fault
// but an unavailable one is definite; an error that is no fault is Unknown.
func OutcomeOf(err error) Outcome {
	f, ok := errors.AsType[*Fault](err)
	switch {
	case !ok:
		return Unknown
	case f.Kind == Unavailable, f.Kind == Internal:
		if Outcome(f.Details[outcomeDetail]) == Definite {
			return Definite
		}
		return Unknown
	}
	return Definite
}
