// Package acl decides who may do what. It is the only place that does: the
// machine asks it for every command and every query, and so do the queries about
// access themselves.
//
// The rule. A principal holds the roles in force on it and on the directories
// above it, the root excepted. An operation on a node is governed by the clauses
// for the operation that are in force on the way from the root to the node:
// local ones on the node itself only, others anywhere. A clause is met by who
// holds a role of each of its sets. All must be met, and there must be one.
// What a caller may not View is to it as if it did not exist, so nothing is
// allowed without View.
//
// An operator, who shows a certificate of that role, may do everything.
package acl

import (
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// Commands of the package.
var Commands command.Set

// Schema lists the tables of the package: it has none, the tree is in package
// tree.
var Schema kv.Schema

// Allow returns nil when the caller has every need, at the log time. Otherwise it
// returns fault.NotFound for a path that the caller may not View, and
// fault.Denied for one that it may. No needs are met by nobody.
func Allow(r kv.Reader, caller *command.Caller, now int64, needs []command.Need) error {
	if len(needs) == 0 {
		return fault.Denied.New("nobody may do this: its rule asks for nothing")
	}
	who := subject{r: r, now: now, principal: caller.Principal, operator: caller.Operator || caller.Principal == command.System}
	for _, need := range needs {
		switch {
		case need.Operation == command.ClusterItself && caller.Principal != command.System:
			return fault.Denied.New("only the cluster itself does this")
		case who.operator, need.Operation == command.Anyone, need.OrSelf && need.Path == caller.Principal:
			continue
		}
		if who.closure == nil {
			who.closure = identity.ClosureOf(r, caller, now)
		}
		err := who.need(need.Operation, need.Path)
		if err != nil && need.For != "" {
			return command.NotFound(need.For)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// subject is somebody of whom it is asked what they may do, in one state.
type subject struct {
	r         kv.Reader
	now       int64
	principal path.Path
	// operator may do everything with what exists.
	operator bool
	closure  *policy.Closure
}

// BarrenFor gives what says that the caller of a query may not do one of the operations
// anywhere below a path that has a node: who looks for what it may can pass it over.
func BarrenFor(v *command.Reading, operations ...command.Operation) func(path.Path) bool {
	who := callerOf(v)
	return func(p path.Path) bool { return who.barren(p, operations...) }
}

// MayOne gives what says whether the caller may do one of the operations, at the log time,
// on a path that has a node. It asks less and makes less than Allow.
func MayOne(r kv.Reader, caller *command.Caller, now int64, operations ...command.Operation) func(path.Path) bool {
	who := subjectOf(r, now, caller)
	return func(p path.Path) bool {
		for _, o := range operations {
			if allowed, _ := who.check(o, p); allowed {
				return true
			}
		}
		return false
	}
}

// callerOf gives the caller of a query as a subject.
func callerOf(v *command.Reading) subject { return subjectOf(v, v.Time, &v.Caller) }

func subjectOf(r kv.Reader, now int64, caller *command.Caller) subject {
	return subject{
		r: r, now: now, principal: caller.Principal, operator: caller.Operator || caller.Principal == command.System,
		closure: identity.ClosureOf(r, caller, now),
	}
}

// named gives the subject that a query asks about: the caller, or another, whom
// the rule of the query has let it ask about.
func named(v *command.Reading, name string) (subject, error) {
	if name == "" {
		return callerOf(v), nil
	}
	p, err := parseSubject(name)
	if err != nil {
		return subject{}, err
	}
	n := tree.Find(v, p)
	if n == nil {
		return subject{}, command.NotFound(p)
	}
	return subject{r: v, now: v.Time, principal: p, closure: identity.Held(v, n, v.Time)}, nil
}

// parseSubject reads the path of somebody who can hold roles: a principal or a
// directory of principals.
func parseSubject(name string) (path.Path, error) {
	p, err := path.Parse(name)
	if err != nil {
		return "", err
	}
	if p != tree.Users && p != tree.Workloads && !identity.IsPrincipalPath(p) {
		return "", fault.Invalid.New("roles are held at and below %s and %s, not at %s", tree.Users, tree.Workloads, p)
	}
	return p, nil
}

// mayAskAbout is the rule of the queries that ask about a principal: everybody
// about themselves, about others who may Read them.
func mayAskAbout(name string) ([]command.Need, error) {
	if name == "" {
		return []command.Need{{Operation: command.Anyone, Path: path.Root}}, nil
	}
	p, err := parseSubject(name)
	if err != nil {
		return nil, err
	}
	return []command.Need{{Operation: command.Read, Path: p, OrSelf: true}}, nil
}
