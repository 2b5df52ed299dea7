package command

import (
	"strings"

	"acquired/proto/fault"
)

// Operation is something one may be allowed to do to a path. The zero value is
// none, and is met by nobody.
type Operation uint8

// The operations that clauses name. None implies another.
const (
	_ Operation = iota
	// View is to see a thing, or that it exists.
	View
	// Read is to read what a thing holds.
	Read
	// Write is to create or remove the children of a path, or what a thing holds.
	Write
	// Admin is to change a thing's limits or who may do what to it.
	Admin
	// UseRole is to name a role in a clause.
	UseRole
	// ApplyRole is to give a role to a principal, or to take it.
	ApplyRole
	// VouchFor is to obtain a credential for a principal.
	VouchFor
	// Spend is to debit an account, or to reserve of it.
	Spend
	// Submit is to hand a job to a queue.
	Submit
	// Work is to take jobs from a queue.
	Work
	// Meter is to report usage.
	Meter

	// operationsEnd is behind the last that a clause can name.
	operationsEnd
)

// What rules ask for beside them.
const (
	// Anyone is met by every caller that proved who it is.
	Anyone Operation = 0xfe
	// ClusterItself is met by no caller from outside.
	ClusterItself Operation = 0xff
)

// OperationCount is the length of an array that is indexed by the operations
// that clauses name.
const OperationCount = int(operationsEnd)

// operationNames are stored: never change one.
var operationNames = [OperationCount]string{
	View: "View", Read: "Read", Write: "Write", Admin: "Admin", UseRole: "UseRole", ApplyRole: "ApplyRole",
	VouchFor: "VouchFor", Spend: "Spend", Submit: "Submit", Work: "Work", Meter: "Meter",
}

// Operations lists the operations that clauses name, in order.
func Operations() []Operation {
	all := make([]Operation, 0, OperationCount-1)
	for o := View; o < operationsEnd; o++ {
		all = append(all, o)
	}
	return all
}

// String gives the name of the operation.
func (o Operation) String() string {
	switch {
	case o == Anyone:
		return "Anyone"
	case o == ClusterItself:
		return "ClusterItself"
	case o == 0 || o >= operationsEnd:
		return "none"
	}
	return operationNames[o]
}

// ParseOperation gives the operation of a name that clauses can name, in capital
// or small letters. The error is a fault.Invalid.
func ParseOperation(name string) (Operation, error) {
	for o := View; o < operationsEnd; o++ {
		if operationNames[o] == name || len(name) == len(operationNames[o]) && strings.EqualFold(operationNames[o], name) {
			return o, nil
		}
	}
	return 0, fault.Invalid.New("no operation %q: it is one of %s", name[:min(len(name), 20)], strings.Join(operationNames[1:], ", "))
}
