package server

import (
	"context"
	"slices"
	"time"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

const (
	// maxSecondLooks is how many callers are looked at again at a time, as any
	// stranger can ask for it; secondLookTimeout is how long that may take, besides
	// the time in which a follower hears what is committed.
	maxSecondLooks    = 64
	secondLookTimeout = time.Second
)

// accepted gives what check says in the state of this node. When that is that the
// caller proves nothing, it is what check says in the newest state. If that cannot be
// had, newer says whether the proof may be newer than the state that was checked:
// then nobody knows here, and the error is fault.Unavailable.
func (n *Node) accepted(ctx context.Context, check func(*command.Reading) (newer bool, err error)) error {
	v := n.machine.View(command.Caller{})
	newer, refusal := check(v)
	index := v.Index
	v.Close()
	if fault.KindOf(refusal) != fault.Unauthenticated || n.isLeader() {
		return refusal
	}
	v, err := n.secondLook(ctx)
	if err != nil {
		if newer {
			return fault.Unserved(fault.Definite, "who calls may be newer than what this node knows at index %d: %v", index, err)
		}
		return refusal
	}
	defer v.Close()
	if v.Index == index {
		return refusal
	}
	_, err = check(v)
	return err
}

// secondLook gives the newest state of the cluster, which is to be closed. The error
// is fault.Unavailable.
func (n *Node) secondLook(ctx context.Context) (*command.Reading, error) {
	select {
	case n.secondLooks <- struct{}{}:
		defer func() { <-n.secondLooks }()
	default:
		return nil, busy("%d callers are looked at again", cap(n.secondLooks))
	}
	// Raft lets a follower that hears nothing else wait for up to twice Commit.
	ctx, cancel := context.WithTimeout(ctx, secondLookTimeout+2*n.config.Timing.Commit)
	defer cancel()
	return n.newest(ctx, command.Caller{})
}

// namesNewer says whether the proof of a caller names what this state could not know
// if it were behind. What was revoked or has expired in it never is.
func namesNewer(v *command.Reading, caller *command.Caller) bool {
	if caller.Expires != 0 && caller.Expires <= v.Time {
		return false
	}
	switch caller.Method {
	case command.ByCertificate, command.ByIssuer:
		_, there := identity.SubjectOf(v, caller.Principal)
		return !there && !caller.Operator && !revokedSince(v, caller)
	case command.BySSH, command.ByVouching:
		self := command.Actor{Principal: caller.Principal, Born: caller.Born, Epoch: caller.Epoch, Key: caller.Key}
		return isNewer(v, self) || slices.ContainsFunc(caller.Actors, func(a command.Actor) bool { return isNewer(v, a) })
	}
	return false
}

// revokedSince says whether everything of the principal was revoked after the proof
// was issued, be the principal there or not: an operator need not be.
func revokedSince(v *command.Reading, caller *command.Caller) bool {
	probe := command.Caller{Principal: caller.Principal, Operator: true, Method: command.ByCertificate, Issued: caller.Issued}
	return identity.Standing(v, &probe, v.Time) != nil
}

// isNewer says whether somebody in a credential was created, or everything of theirs
// revoked, behind the index of the state, or a key made.
func isNewer(v *command.Reading, a command.Actor) bool {
	if a.Key != "" && !knowsKey(v, a.Key) {
		return true
	}
	here := identity.ActorsOf(v, &command.Caller{Principal: a.Principal, Operator: a.Born == 0})[0]
	return tree.IndexOfBirth(a.Born) > v.Index || a.Born == here.Born && a.Epoch > here.Epoch
}

// knowsKey says whether the state has the key, be it revoked.
func knowsKey(v *command.Reading, id string) bool {
	if _, ok := identity.Key(v, id); ok {
		return true
	}
	return slices.ContainsFunc(identity.Keys(v), func(k identity.SigningKey) bool { return k.ID == id })
}
