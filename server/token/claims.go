package token

import (
	"encoding/json"
	"time"

	"acquired/proto/fault"
)

// parse reads claims whose signature is good. It is strict all the same: the key
// may have been used by something else. An unknown claim is refused, as it may
// narrow what the credential is good for.
func (c *contents) parse(name string, data []byte) error {
	members, err := parseObject(data)
	if err != nil {
		return fault.Unauthenticated.New("token payload %s", err)
	}
	known := []string{"iss", "aud", "sub", "jti", "iat", "exp", "nbf", "born", "epoch", "amr", "act"}
	if c.claims.Delegated {
		known = append(known, "roles", "node")
	}
	if !members.hasOnly(known...) {
		return fault.Unauthenticated.New("token has a claim that is unknown here")
	}
	if issuer, _ := members.text("iss"); issuer != name {
		return fault.Unauthenticated.New("token issuer is not %s", name)
	}
	if audience, _ := members.text("aud"); audience != name {
		return fault.Unauthenticated.New("token audience is not %s alone", name)
	}
	c.claims.Audience = name
	if err := c.parseTimes(members); err != nil {
		return err
	}
	if err := c.claims.parseSubject(members); err != nil {
		return err
	}
	if err := c.claims.parseRoles(members); err != nil {
		return err
	}
	if problem := c.claims.problem(); problem != "" {
		return fault.Unauthenticated.New("token %s", problem)
	}
	return nil
}

func (c *contents) parseTimes(members object) error {
	issued, ok := members.seconds("iat")
	if !ok {
		return fault.Unauthenticated.New("token has no time of issue in whole seconds")
	}
	expires, ok := members.seconds("exp")
	if !ok {
		return fault.Unauthenticated.New("token has no expiry in whole seconds")
	}
	c.claims.IssuedAt = time.Unix(issued, 0).UTC()
	c.claims.ExpiresAt = time.Unix(expires, 0).UTC()
	if !members.has("nbf") {
		return nil
	}
	start, ok := members.seconds("nbf")
	if !ok {
		return fault.Unauthenticated.New("token has a start that is not in whole seconds")
	}
	c.notBefore = time.Unix(start, 0).UTC()
	return nil
}

// parseSubject reads who the bearer is, how that was proved, and who vouched.
func (c *Claims) parseSubject(members object) error {
	// Absent ones are empty, and problem refuses them.
	c.Subject, _ = members.text("sub")
	c.ID, _ = members.text("jti")
	var hasBorn, hasEpoch bool
	c.Born, hasBorn = members.counter("born")
	c.Epoch, hasEpoch = members.counter("epoch")
	if !hasBorn || !hasEpoch {
		return fault.Unauthenticated.New("token has no birth and epoch of its subject, as whole numbers")
	}
	methods, ok := members.texts("amr")
	if !ok || len(methods) != 1 {
		return fault.Unauthenticated.New("token has no list of one method")
	}
	c.Method = methods[0]
	return c.parseActors(members)
}

// parseActors takes the actors apart, of which each is in the one after it.
func (c *Claims) parseActors(members object) error {
	for members.has("act") {
		if len(c.Actors) == MaxActors {
			return fault.Unauthenticated.New("token has more actors than the limit of %d", MaxActors)
		}
		actor, within, ok := parseActor(members["act"])
		if !ok {
			return fault.Unauthenticated.New("token actor %d is not a subject with birth, epoch and at most a session, a key and an actor", len(c.Actors)+1)
		}
		c.Actors = append(c.Actors, actor)
		members = within
	}
	return nil
}

// parseActor gives an actor and the members of it, among which is the one before.
func parseActor(data json.RawMessage) (Actor, object, bool) {
	members, err := parseObject(data)
	if err != nil || !members.hasOnly("sub", "born", "epoch", "sid", "kid", "act") {
		return Actor{}, nil, false
	}
	subject, hasSubject := members.text("sub")
	born, hasBorn := members.counter("born")
	epoch, hasEpoch := members.counter("epoch")
	session, hasSession := members.text("sid")
	keyID, hasKeyID := members.text("kid")
	ok := hasSubject && hasBorn && hasEpoch && hasSession == members.has("sid") && hasKeyID == members.has("kid")
	return Actor{Subject: subject, Born: born, Epoch: epoch, Session: session, KeyID: keyID}, members, ok
}

func (c *Claims) parseRoles(members object) error {
	// An absent one is empty, and problem refuses it where one is needed.
	c.Node, _ = members.text("node")
	if !members.has("roles") {
		return nil
	}
	roles, ok := members.texts("roles")
	if !ok {
		return fault.Unauthenticated.New("token roles are not a list of one or more")
	}
	c.Roles = roles
	return nil
}
