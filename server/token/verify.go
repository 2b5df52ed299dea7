package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"acquired/proto/fault"
)

// maxClockLead is how far the clock of the node that issued a token may be
// ahead of that of the node that verifies it.
const maxClockLead = 5 * time.Second

// contents are what a token says, as far as it does not depend on the time.
type contents struct {
	claims Claims
	// notBefore is zero if the token does not say.
	notBefore time.Time
}

// Verify gives what the token says if it is one that this issuer signed and if
// it is valid at now. Everything else is an Unauthenticated fault, which says
// what is wrong and repeats nothing of the token. The caller owns the claims.
//
// Tokens seen lately are not parsed again, but their times are checked each
// time.
func (i *Issuer) Verify(token string, now time.Time) (Claims, error) {
	if len(token) > MaxBytes {
		return Claims{}, fault.Unauthenticated.New("token is %d bytes long, over the limit of %d", len(token), MaxBytes)
	}
	key := digest(sha256.Sum256([]byte(token)))
	found, cached := i.verified.get(key)
	if !cached {
		var err error
		if found, err = i.open(token); err != nil {
			return Claims{}, err
		}
	}
	if err := found.validAt(now); err != nil {
		return Claims{}, err
	}
	if !cached {
		i.verified.put(key, found)
	}
	claims := found.claims
	claims.Grants = cloneGrants(claims.Grants)
	return claims, nil
}

func (c contents) validAt(now time.Time) error {
	switch {
	case !now.Before(c.claims.ExpiresAt):
		return fault.Unauthenticated.New("token expired at %s", c.claims.ExpiresAt.Format(time.RFC3339))
	case c.claims.IssuedAt.After(now.Add(maxClockLead)):
		return fault.Unauthenticated.New("token was issued at %s, which is in the future", c.claims.IssuedAt.Format(time.RFC3339))
	case now.Before(c.notBefore):
		return fault.Unauthenticated.New("token is not valid before %s", c.notBefore.Format(time.RFC3339))
	}
	return nil
}

// open checks all but the times. It uses only the signature method of package
// jwt: that package's parser reads the claims before it has checked who signed
// them, skips line breaks in base64, and takes members twice.
func (i *Issuer) open(token string) (contents, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return contents{}, fault.Unauthenticated.New("token is not three parts joined by dots")
	}
	var decoded [3][]byte
	for n, part := range parts {
		data, ok := decode(part)
		if !ok {
			return contents{}, fault.Unauthenticated.New("part %d of the token is not strict base64url", n+1)
		}
		decoded[n] = data
	}
	if err := i.checkHeader(decoded[0]); err != nil {
		return contents{}, err
	}
	signed := token[:strings.LastIndexByte(token, '.')]
	if err := jwt.SigningMethodEdDSA.Verify(signed, decoded[2], i.public); err != nil {
		return contents{}, fault.Unauthenticated.New("token signature does not match")
	}
	return i.parseClaims(decoded[1])
}

var encoding = base64.RawURLEncoding.Strict()

// decode reads base64url in the one spelling that encoding gives. Decoding alone
// would skip line breaks.
func decode(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	data, err := encoding.DecodeString(part)
	return data, err == nil
}

// checkHeader refuses every header but the one that sign writes. Above all it
// refuses those that name a key to verify with or that ask for an extension.
func (i *Issuer) checkHeader(data []byte) error {
	header, err := parseObject(data)
	if err != nil {
		return fault.Unauthenticated.New("token header %s", err)
	}
	if algorithm, _ := header.text("alg"); algorithm != jwt.SigningMethodEdDSA.Alg() {
		return fault.Unauthenticated.New("token algorithm is not %s", jwt.SigningMethodEdDSA.Alg())
	}
	if kind, _ := header.text("typ"); kind != tokenType {
		return fault.Unauthenticated.New("token type is not %s", tokenType)
	}
	if keyID, _ := header.text("kid"); keyID != i.keyID {
		return fault.Unauthenticated.New("token names another key than %s, which signs here", i.keyID)
	}
	if !header.hasOnly("alg", "typ", "kid") {
		return fault.Unauthenticated.New("token header has other members than alg, typ and kid")
	}
	return nil
}

// parseClaims reads claims whose signature is good. It is strict all the same:
// the key may have been used by something else. An unknown claim is refused, as
// it may narrow what the token is good for.
func (i *Issuer) parseClaims(data []byte) (contents, error) {
	members, err := parseObject(data)
	if err != nil {
		return contents{}, fault.Unauthenticated.New("token payload %s", err)
	}
	if !members.hasOnly("iss", "aud", "sub", "jti", "iat", "exp", "nbf", "grants") {
		return contents{}, fault.Unauthenticated.New("token has a claim that is unknown here")
	}
	if issuer, _ := members.text("iss"); issuer != i.name {
		return contents{}, fault.Unauthenticated.New("token issuer is not %s", i.name)
	}
	audience, _ := members.text("aud")
	if audience != i.name {
		return contents{}, fault.Unauthenticated.New("token audience is not %s alone", i.name)
	}
	subject, ok := members.text("sub")
	if !ok {
		return contents{}, fault.Unauthenticated.New("token has no subject")
	}
	id, _ := members.text("jti")
	if len(id) != idDigits || strings.Trim(id, "0123456789abcdef") != "" {
		return contents{}, fault.Unauthenticated.New("token has no id of %d hexadecimal digits", idDigits)
	}
	found := contents{claims: Claims{ID: id, Subject: subject, Audience: audience}}
	if err := found.parseTimes(members); err != nil {
		return contents{}, err
	}
	if err := found.parseGrants(members); err != nil {
		return contents{}, err
	}
	return found, nil
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
	if lifetime := c.claims.ExpiresAt.Sub(c.claims.IssuedAt); lifetime < MinLifetime || lifetime > MaxLifetime {
		return fault.Unauthenticated.New("token lifetime is not between %s and %s", MinLifetime, MaxLifetime)
	}
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

func (c *contents) parseGrants(members object) error {
	if !members.has("grants") {
		return nil
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(members["grants"], &elements); err != nil || len(elements) == 0 {
		return fault.Unauthenticated.New("token grants are not a list of one or more")
	}
	if len(elements) > MaxGrants {
		return fault.Unauthenticated.New("token has %d grants, over the limit of %d", len(elements), MaxGrants)
	}
	c.claims.Grants = make([]Grant, 0, len(elements))
	for n, element := range elements {
		grant, ok := parseGrant(element)
		if !ok {
			return fault.Unauthenticated.New("token grant %d is not an operation and a path", n+1)
		}
		c.claims.Grants = append(c.claims.Grants, grant)
	}
	return nil
}

func parseGrant(data []byte) (Grant, bool) {
	members, err := parseObject(data)
	if err != nil || !members.hasOnly("operation", "path") {
		return Grant{}, false
	}
	operation, hasOperation := members.text("operation")
	path, hasPath := members.text("path")
	return Grant{Operation: operation, Path: path}, hasOperation && hasPath
}
