package fsm

import (
	"acquired/fsm/command"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
)

// CallerOf reads a caller from the log. Its paths were checked before they were
// written.
func CallerOf(c *statev1.Caller) command.Caller {
	caller := command.Caller{
		Principal: path.Path(c.GetPrincipal()), Operator: c.GetOperator(), Method: c.GetMethod(),
		Issued: c.GetIssuedUnixNanos(), Expires: c.GetExpiresUnixNanos(),
		Born: c.GetBorn(), Epoch: c.GetEpoch(), Session: c.GetSession(), Key: c.GetKey(),
		Issuer: c.GetIssuer(), IssuerIndex: c.GetIssuerIndex(), Scopes: c.GetScopes(),
	}
	for _, a := range c.GetActors() {
		caller.Actors = append(caller.Actors, command.Actor{
			Principal: path.Path(a.Principal), Born: a.Born, Epoch: a.Epoch, Session: a.Session, Key: a.Key,
		})
	}
	return caller
}

// EncodeCaller is the inverse of CallerOf.
func EncodeCaller(caller *command.Caller) *statev1.Caller {
	c := &statev1.Caller{
		Principal: string(caller.Principal), Operator: caller.Operator, Method: caller.Method,
		IssuedUnixNanos: caller.Issued, ExpiresUnixNanos: caller.Expires,
		Born: caller.Born, Epoch: caller.Epoch, Session: caller.Session, Key: caller.Key,
		Issuer: caller.Issuer, IssuerIndex: caller.IssuerIndex, Scopes: caller.Scopes,
	}
	for _, a := range caller.Actors {
		c.Actors = append(c.Actors, &statev1.Actor{
			Principal: string(a.Principal), Born: a.Born, Epoch: a.Epoch, Session: a.Session, Key: a.Key,
		})
	}
	return c
}
