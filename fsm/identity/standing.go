package identity

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// Standing returns nil when what the caller proved still counts in this state, at
// the log time. Otherwise it is a fault.Unauthenticated that does not say whether
// the principal exists.
//
// It is asked before every command and every query, in the state that they meet:
// whatever was revoked at an index is refused behind it, on every node.
func Standing(r kv.Reader, caller *command.Caller, now int64) error {
	if caller.Principal == command.System {
		return nil
	}
	if caller.Expires != 0 && caller.Expires <= now {
		return ended("the credential has expired")
	}
	if len(caller.Actors) > MaxActors {
		return ended("%d principals vouched for one another, at most %d may", len(caller.Actors), MaxActors)
	}
	if err := proofStands(r, caller, now); err != nil {
		return err
	}
	for i := range caller.Actors {
		if err := actorStands(r, &caller.Actors[i], now); err != nil {
			return err
		}
	}
	return nil
}

// MaxActors is how many principals may have vouched for one another.
const MaxActors = 4

func proofStands(r kv.Reader, caller *command.Caller, now int64) error {
	switch caller.Method {
	case command.ByCertificate:
		if err := issuedSince(r, caller); err != nil || caller.Operator {
			return err
		}
		return principalStands(r, caller.Principal)
	case command.BySSH, command.ByVouching:
		switch {
		case !keyStands(r, caller.Key, now):
			return ended("the key that signed the credential is not in use any more")
		case caller.Session == "":
			return ended("the credential names nobody")
		}
		return actorStands(r, &command.Actor{
			Principal: caller.Principal, Born: caller.Born, Epoch: caller.Epoch, Session: caller.Session,
		}, now)
	case command.ByIssuer:
		if !issuerStands(r, caller) {
			return ended("the issuer of the token is not trusted, or not as it was when the token was checked")
		}
		if err := issuedSince(r, caller); err != nil {
			return err
		}
		return principalStands(r, caller.Principal)
	case command.ByName:
		if !demo(r) || proves(r, caller.Principal, now) || !IsPrincipal(tree.Find(r, caller.Principal)) {
			return ended("a name alone proves nothing: show a credential")
		}
		return nil
	}
	return ended("the call proves nothing")
}

// issuedSince refuses what names a principal and no epoch of it, and was made
// before everything of the principal was revoked.
func issuedSince(r kv.Reader, caller *command.Caller) error {
	if at := recordOf(r, caller.Principal).revokedAt; at != 0 && caller.Issued <= at {
		return ended("everything that was issued to the principal until then was revoked")
	}
	return nil
}

// actorStands says whether somebody is who it was when a credential was made.
func actorStands(r kv.Reader, a *command.Actor, now int64) error {
	n := tree.Find(r, a.Principal)
	switch {
	case a.Born != 0 && (!IsPrincipal(n) || n.Born != a.Born):
		return ended("the principal of the credential is gone")
	case a.Born == 0 && a.Session != "":
		return ended("the credential names nobody")
	case a.Key != "" && !keyStands(r, a.Key, now):
		return ended("the key that signed the credential is not in use any more")
	case recordOf(r, a.Principal).epoch != a.Epoch, a.Session != "" && revoked(r, a.Principal, a.Session):
		return ended("the credential was revoked")
	}
	return nil
}

func principalStands(r kv.Reader, p path.Path) error {
	if !IsPrincipal(tree.Find(r, p)) {
		return ended("the principal of the credential is gone")
	}
	return nil
}

func ended(format string, args ...any) error { return fault.Unauthenticated.New(format, args...) }
