package token

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"acquired/proto/fault"
)

// maxClockLead is how far the clock of the node that signed a credential may be
// ahead of that of the node that verifies it.
const maxClockLead = 5 * time.Second

// Verifier verifies the credentials of one cluster and the tokens of the issuers
// that it trusts, and remembers those it verified lately. It may be used from
// any goroutine. NewVerifier makes it; the zero value is of no use.
type Verifier struct {
	// name is the issuer and the audience of all credentials.
	name    string
	own     cache[contents]
	outside cache[outsideContents]
}

// NewVerifier gives the verifier of the cluster. It is an error if the cluster is
// empty.
func NewVerifier(cluster string) (*Verifier, error) {
	if cluster == "" {
		return nil, errors.New("token verifier has no cluster id")
	}
	return &Verifier{name: Audience(cluster)}, nil
}

// contents are what a credential says, as far as it does not depend on the time,
// and the key that signed it.
type contents struct {
	claims Claims
	// notBefore is zero if the credential does not say.
	notBefore time.Time
	public    ed25519.PublicKey
}

// Verify gives what the credential says if the key that keys gives for its key
// id signed it and if it is valid at now. Everything else is an Unauthenticated
// fault, which says what is wrong and repeats nothing of the token. The caller
// owns the claims.
//
// Credentials seen lately are neither parsed nor verified again, but their times
// and their key are checked each time. Whether the subject, its epoch, the
// session and the actors still hold is for the caller to check, also each time.
// So is whether Delegated is what the credential is asked for.
func (v *Verifier) Verify(token string, now time.Time, keys func(id string) (ed25519.PublicKey, bool)) (Claims, error) {
	if err := checkLength(token); err != nil {
		return Claims{}, err
	}
	key := digest(sha256.Sum256([]byte(token)))
	found, cached := v.own.get(key)
	if !cached || !found.isSignedBy(keys) {
		var err error
		if found, err = v.open(token, keys); err != nil {
			return Claims{}, err
		}
	}
	if err := found.validAt(now); err != nil {
		return Claims{}, err
	}
	if !cached {
		v.own.put(key, found)
	}
	return found.claims.clone(), nil
}

// isSignedBy says whether the key that signed is still what its id stands for.
func (c contents) isSignedBy(keys func(id string) (ed25519.PublicKey, bool)) bool {
	public, ok := keys(c.claims.KeyID)
	return ok && c.public.Equal(public)
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
func (v *Verifier) open(token string, keys func(id string) (ed25519.PublicKey, bool)) (contents, error) {
	parts, err := split(token)
	if err != nil {
		return contents{}, err
	}
	keyID, delegated, err := readHeader(parts.header)
	if err != nil {
		return contents{}, err
	}
	public, ok := keys(keyID)
	if !ok {
		return contents{}, fault.Unauthenticated.New("token is signed with a key that is not known here, or no longer")
	}
	if err := jwt.SigningMethodEdDSA.Verify(parts.signed, parts.signature, public); err != nil {
		return contents{}, fault.Unauthenticated.New("token signature does not match")
	}
	found := contents{claims: Claims{KeyID: keyID, Delegated: delegated}, public: public}
	return found, found.parse(v.name, parts.payload)
}

// readHeader refuses every header but those that Sign writes. Above all it
// refuses those that give a key to verify with or that ask for an extension.
func readHeader(header object) (keyID string, delegated bool, err error) {
	if algorithm, _ := header.text("alg"); algorithm != jwt.SigningMethodEdDSA.Alg() {
		return "", false, fault.Unauthenticated.New("token algorithm is not %s", jwt.SigningMethodEdDSA.Alg())
	}
	kind, _ := header.text("typ")
	if kind != identityType && kind != delegationType {
		return "", false, fault.Unauthenticated.New("token type is not %s or %s", identityType, delegationType)
	}
	if !header.hasOnly("alg", "typ", "kid") {
		return "", false, fault.Unauthenticated.New("token header has other members than alg, typ and kid")
	}
	keyID, _ = header.text("kid")
	if !isKeyID(keyID) {
		return "", false, fault.Unauthenticated.New("token key id is not a SHA-256 thumbprint in base64url")
	}
	return keyID, kind == delegationType, nil
}
