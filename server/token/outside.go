package token

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"acquired/proto/fault"
)

// The limits of the tokens of outside issuers.
const (
	// MaxOutsideLifetime bounds the time from issue, or from now where a token
	// does not say when it was issued, to expiry.
	MaxOutsideLifetime = 24 * time.Hour
	// MaxScopes is how many scopes a token has.
	MaxScopes = 64
	// maxName is the length of the longest subject, id or scope, in bytes.
	maxName = 255
	// maxSkew is how far the clock of an issuer may be ahead of ours.
	maxSkew = time.Minute
)

// Outside is an issuer that is trusted: all of it must be set.
type Outside struct {
	// Issuer is what its tokens say in "iss".
	Issuer string
	// Audience is what its tokens for us say in "aud", alone or among others.
	Audience string
	Keys     Keys
}

// OutsideClaims are what a token of an outside issuer says.
type OutsideClaims struct {
	// ID is the "jti", at most 255 bytes; empty if there is none.
	ID string
	// Subject is whom the issuer knows the bearer as: 1 to 255 bytes without
	// control characters. It is no path.
	Subject string
	// Scopes are those of "scope", or else of "scp", as they are ordered there;
	// at most MaxScopes, and nil is none.
	Scopes []string
	// IssuedAt is zero if the token does not say.
	IssuedAt time.Time
	// ExpiresAt is the first moment at which the token is no longer valid.
	ExpiresAt time.Time
}

// LogValue gives what identifies the token and lets nobody use it.
func (c OutsideClaims) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", c.ID),
		slog.String("subject", c.Subject),
		slog.Time("expires", c.ExpiresAt),
	)
}

// outsideContents are what a token says, as far as it does not depend on the
// time.
type outsideContents struct {
	claims OutsideClaims
	// notBefore is zero if the token does not say.
	notBefore time.Time
}

// VerifyOutside gives what the token says if the issuer signed it for us and if
// it is valid at now. Everything else is an Unauthenticated fault, which says
// what is wrong and repeats nothing of the token. The caller owns the claims.
//
// Tokens seen lately are not verified again, but their times are checked each
// time, and only while the issuer, the audience and the keys are what they were.
func (v *Verifier) VerifyOutside(token string, issuer Outside, now time.Time) (OutsideClaims, error) {
	if issuer.Issuer == "" || issuer.Issuer == v.name || issuer.Audience == "" || issuer.Keys.set == nil {
		return OutsideClaims{}, fault.Unauthenticated.New("trusted issuer has no name of its own, no audience or no keys")
	}
	if err := checkLength(token); err != nil {
		return OutsideClaims{}, err
	}
	key := issuer.digestOf(token)
	found, cached := v.outside.get(key)
	if !cached {
		var err error
		if found, err = issuer.open(token); err != nil {
			return OutsideClaims{}, err
		}
	}
	if err := found.validAt(now); err != nil {
		return OutsideClaims{}, err
	}
	if !cached {
		v.outside.put(key, found)
	}
	claims := found.claims
	claims.Scopes = slices.Clone(claims.Scopes)
	return claims, nil
}

// digestOf stands for the token and for all that it is verified by, so that what
// was verified by something else is not found.
func (o Outside) digestOf(token string) digest {
	sum := sha256.New()
	sum.Write(o.Keys.set.digest[:])
	writeField(sum, []byte(o.Issuer))
	writeField(sum, []byte(o.Audience))
	io.WriteString(sum, token)
	return digest(sum.Sum(nil))
}

func (c outsideContents) validAt(now time.Time) error {
	expires, issued := c.claims.ExpiresAt, c.claims.IssuedAt
	start := issued
	if issued.IsZero() {
		start = now
	}
	switch {
	case !now.Before(expires):
		return fault.Unauthenticated.New("token expired at %s", expires.Format(time.RFC3339))
	case issued.After(now.Add(maxSkew)):
		return fault.Unauthenticated.New("token was issued at %s, which is in the future", issued.Format(time.RFC3339))
	case c.notBefore.After(now.Add(maxSkew)):
		return fault.Unauthenticated.New("token is not valid before %s", c.notBefore.Format(time.RFC3339))
	case !start.Before(expires), expires.Sub(start) > MaxOutsideLifetime:
		return fault.Unauthenticated.New("token lifetime is not between 0 and %s", MaxOutsideLifetime)
	}
	return nil
}

// open checks all but the times.
func (o Outside) open(token string) (outsideContents, error) {
	parts, err := split(token)
	if err != nil {
		return outsideContents{}, err
	}
	keyID, err := readOutsideHeader(parts.header, o.Keys.set.algorithm)
	if err != nil {
		return outsideContents{}, err
	}
	key, ok := o.Keys.set.find(keyID)
	if !ok {
		return outsideContents{}, fault.Unauthenticated.New("token does not name one of the keys of its issuer")
	}
	method, ok := methodOf(o.Keys.set.algorithm)
	if !ok || method.Verify(parts.signed, parts.signature, key) != nil {
		return outsideContents{}, fault.Unauthenticated.New("token signature does not match")
	}
	return o.parse(parts.payload)
}

// refusedHeaders are those that give a key to verify with, ask for an extension,
// or say that the payload is not what it seems.
var refusedHeaders = []string{"jwk", "jku", "x5u", "x5c", "crit", "zip", "b64", "enc"}

func readOutsideHeader(header object, algorithm Algorithm) (keyID string, err error) {
	if named, _ := header.text("alg"); named != string(algorithm) {
		return "", fault.Unauthenticated.New("token algorithm is not %s", algorithm)
	}
	if slices.ContainsFunc(refusedHeaders, header.has) {
		return "", fault.Unauthenticated.New("token header has one of the members %s", strings.Join(refusedHeaders, ", "))
	}
	kind, _ := header.text("typ")
	if header.has("typ") && !strings.EqualFold(kind, "JWT") && !strings.EqualFold(kind, "at+jwt") {
		return "", fault.Unauthenticated.New("token type is not JWT or at+jwt")
	}
	keyID, ok := header.text("kid")
	if header.has("kid") && !ok {
		return "", fault.Unauthenticated.New("token key id is not a string")
	}
	return keyID, nil
}

// IssuerOf gives what the token says in "iss", so that the issuer can be looked
// up. Nothing is verified: whoever made the token chose it. There is none in a
// credential of this or another cluster, nor in what is no token.
func (v *Verifier) IssuerOf(token string) (issuer string, ok bool) {
	if checkLength(token) != nil {
		return "", false
	}
	parts, err := split(token)
	if err != nil {
		return "", false
	}
	if kind, _ := parts.header.text("typ"); kind == identityType || kind == delegationType {
		return "", false
	}
	claims, err := parseObject(parts.payload)
	if err != nil {
		return "", false
	}
	issuer, ok = claims.text("iss")
	if !ok || issuer == v.name {
		return "", false
	}
	return issuer, true
}
