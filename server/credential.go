package server

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"time"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/token"
)

// sshLifetime is how long a credential is valid that was given for an ssh key.
const sshLifetime = time.Hour

// issue signs a credential. Its claims lack what follows from the state. Until is
// when it ends at the latest, in nanoseconds since 1970; 0 is no bound.
func (n *Node) issue(ctx context.Context, v *command.Reading, claims token.Claims, lifetime time.Duration, until int64) (*pb.Credential, error) {
	now := time.Now()
	subject, ok := identity.SubjectOf(v, path.Path(claims.Subject))
	if !ok {
		return nil, fault.Unauthenticated.New("the principal is gone")
	}
	key, stored, err := n.keyring.signer(v, now)
	if err != nil {
		return nil, err
	}
	claims.KeyID, claims.Born, claims.Epoch = key.ID, subject.Born, subject.Epoch
	claims.IssuedAt = now.Truncate(time.Second)
	claims.ExpiresAt = claims.IssuedAt.Add(lifetime)
	for _, bound := range [...]int64{until, stored.Expires} {
		if at := time.Unix(0, bound).Truncate(time.Second); bound != 0 && claims.ExpiresAt.After(at) {
			claims.ExpiresAt = at
		}
	}
	signed, err := token.Sign(n.config.Cluster, key, claims)
	if err != nil {
		return nil, err
	}
	n.log.LogAttrs(ctx, slog.LevelInfo, "credential issued", slog.Any("claims", claims))
	return &pb.Credential{Token: signed, Subject: claims.Subject, Session: claims.ID, ExpiresUnix: claims.ExpiresAt.Unix()}, nil
}

// lifetimeOf gives the lifetime that a caller asks for.
func lifetimeOf(seconds int64) time.Duration {
	if seconds == 0 {
		seconds = identity.MaxVouchedSeconds
	}
	return time.Duration(seconds) * time.Second
}

// byCredential gives the caller that a token is, without asking whether what it
// says still counts: identity.Standing does. When it refuses the token, newer says
// whether its key or its issuer is one that the state does not know.
func (n *Node) byCredential(v *command.Reading, text string, now time.Time) (caller command.Caller, newer bool, err error) {
	known := verifyingKey(v)
	claims, err := n.tokens.Verify(text, now, func(id string) (public ed25519.PublicKey, ok bool) {
		public, ok = known(id)
		newer = !ok && !knowsKey(v, id)
		return public, ok
	})
	if err != nil {
		if issuer, ok := n.tokens.IssuerOf(text); ok {
			return n.byOutsideToken(v, issuer, text, now)
		}
		return caller, newer, err
	}
	if claims.Delegated {
		return caller, false, fault.Unauthenticated.New("a delegated credential shows roles to a data service and is nobody's identity")
	}
	caller, err = callerOfClaims(claims)
	return caller, false, err
}

func callerOfClaims(claims token.Claims) (caller command.Caller, err error) {
	caller = command.Caller{
		Method: claims.Method, Issued: claims.IssuedAt.UnixNano(), Expires: claims.ExpiresAt.UnixNano(),
		Born: claims.Born, Epoch: claims.Epoch, Session: claims.ID, Key: claims.KeyID,
	}
	if caller.Principal, err = path.Parse(claims.Subject); err != nil {
		return caller, fault.Unauthenticated.New("the subject of the token is no path")
	}
	for _, a := range claims.Actors {
		p, err := path.Parse(a.Subject)
		if err != nil {
			return caller, fault.Unauthenticated.New("an actor of the token is no path")
		}
		caller.Actors = append(caller.Actors, command.Actor{Principal: p, Born: a.Born, Epoch: a.Epoch, Session: a.Session, Key: a.KeyID})
	}
	return caller, nil
}

// byOutsideToken is byCredential for a token of an outside issuer.
func (n *Node) byOutsideToken(v *command.Reading, name, text string, now time.Time) (caller command.Caller, newer bool, err error) {
	issuer, ok := identity.IssuerNamed(v, name)
	if !ok {
		return caller, true, fault.Unauthenticated.New("the issuer of the token is not trusted")
	}
	keys, err := n.issuerKeys(v, issuer)
	if err != nil {
		return caller, false, err
	}
	claims, err := n.tokens.VerifyOutside(text, token.Outside{Issuer: issuer.Name, Audience: issuer.Audience, Keys: keys}, now)
	if err != nil {
		return caller, false, err
	}
	principal, err := issuer.Principal(claims.Subject)
	if err != nil {
		return caller, false, fault.Unauthenticated.New("the subject of the token is no name of a principal")
	}
	caller = command.Caller{
		Principal: principal, Method: command.ByIssuer, Expires: claims.ExpiresAt.UnixNano(),
		Issuer: issuer.Name, IssuerIndex: issuer.Index, Scopes: claims.Scopes,
	}
	if !claims.IssuedAt.IsZero() {
		caller.Issued = claims.IssuedAt.UnixNano()
	}
	return caller, false, nil
}

// issuerKeys gives the keys of an issuer, which are parsed once.
func (n *Node) issuerKeys(v *command.Reading, issuer identity.Issuer) (token.Keys, error) {
	if found, ok := n.issuers.get(issuer); ok {
		return found, nil
	}
	data := issuer.Keys
	if issuer.RootKey != "" {
		root, err := n.keyring.rootKey(v)
		if err != nil {
			return token.Keys{}, err
		}
		if data, err = root.Open(purposeIssuer, issuer.Name, issuer.Keys); err != nil {
			return token.Keys{}, err
		}
	}
	keys, err := token.ParseKeys(token.Algorithm(issuer.Algorithm), data)
	if err != nil {
		return token.Keys{}, err
	}
	n.issuers.put(issuer, keys)
	return keys, nil
}
