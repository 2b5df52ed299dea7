// Package acl decides who may do what. It is the only place that does: the
// machine asks it for every command and every query.
//
// An operator may do everything. A workload may do what the grants of its token
// name, on a path and all below it. What a caller has no grant for at all is
// answered as if it did not exist.
package acl

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/proto/fault"
)

// Allow returns nil when the caller has every need. Otherwise it returns
// fault.NotFound for a path that the caller may not see, and fault.Denied for
// one that it may. No needs are met by nobody.
func Allow(_ kv.Reader, caller *command.Caller, needs []command.Need) error {
	if len(needs) == 0 {
		return fault.Denied.New("nobody may do this: its rule asks for nothing")
	}
	for _, need := range needs {
		if err := allow(caller, need); err != nil {
			return err
		}
	}
	return nil
}

func allow(caller *command.Caller, need command.Need) error {
	system := caller.Principal == command.System
	switch {
	case need.Operation == command.ClusterItself && !system:
		return fault.Denied.New("only the cluster itself does this")
	case system, caller.Operator, need.Operation == command.Anyone:
		return nil
	}
	visible := false
	for _, grant := range caller.Grants {
		if !grant.Path.Covers(need.Path) {
			continue
		}
		if grant.Operation == need.Operation || need.Operation == command.View {
			return nil
		}
		visible = true
	}
	if !visible {
		return command.NotFound(need.Path)
	}
	return fault.Denied.New("%s may not %s %s", caller.Principal, need.Operation, need.Path).
		With("operation", string(need.Operation)).With("path", string(need.Path))
}
