package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"acquired/proto/fault"
)

// tokenType is the "typ" header. It keeps apart what the same key may one day
// sign for other purposes.
const tokenType = "acquired+jwt"

// idDigits is the length of the id of a token: 128 bits in hexadecimal.
const idDigits = 32

// Issuer signs the tokens of one cluster and verifies them. All nodes of the
// cluster have one key. An Issuer may be used from any goroutine. NewIssuer
// makes it; the zero value is of no use.
type Issuer struct {
	// name is the issuer and the audience of all tokens.
	name     string
	key      ed25519.PrivateKey
	public   ed25519.PublicKey
	keyID    string
	verified cache
}

// NewIssuer gives the issuer of the cluster. It is an error if the cluster is
// empty or the key is not as long as a key is.
func NewIssuer(cluster string, key ed25519.PrivateKey) (*Issuer, error) {
	if cluster == "" {
		return nil, errors.New("token issuer has no cluster id")
	}
	if len(key) != ed25519.PrivateKeySize {
		return nil, errKeySize
	}
	public := key.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	return &Issuer{
		name:   "acquired:" + cluster,
		key:    key,
		public: public,
		keyID:  hex.EncodeToString(sum[:8]),
	}, nil
}

// LogValue keeps the key out of logs.
func (i *Issuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("issuer", i.name), slog.String("key_id", i.keyID))
}

// Issue signs a token and says what is in it. A lifetime of zero is
// DefaultLifetime. Lifetime and now are rounded down to whole seconds, so that
// a token ends up to a second early. A subject or grant that is empty or no
// UTF-8, and everything over the limits, is an Invalid fault.
func (i *Issuer) Issue(subject string, grants []Grant, lifetime time.Duration, now time.Time) (token string, claims Claims, err error) {
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	if err := validate(subject, grants, lifetime); err != nil {
		return "", Claims{}, err
	}
	var id [idDigits / 2]byte
	rand.Read(id[:])
	issued := time.Unix(now.Unix(), 0).UTC()
	claims = Claims{
		ID:        hex.EncodeToString(id[:]),
		Subject:   subject,
		Audience:  i.name,
		IssuedAt:  issued,
		ExpiresAt: issued.Add(lifetime.Truncate(time.Second)),
		Grants:    cloneGrants(grants),
	}
	token, err = i.sign(claims)
	if err != nil {
		return "", Claims{}, err
	}
	return token, claims, nil
}

func validate(subject string, grants []Grant, lifetime time.Duration) error {
	if lifetime < MinLifetime || lifetime > MaxLifetime {
		return fault.Invalid.New("token lifetime of %s is not between %s and %s", lifetime, MinLifetime, MaxLifetime)
	}
	if !isText(subject) {
		return fault.Invalid.New("token subject is empty or not UTF-8")
	}
	if len(grants) > MaxGrants {
		return fault.Invalid.New("token has %d grants, over the limit of %d", len(grants), MaxGrants)
	}
	for n, grant := range grants {
		if !isText(grant.Operation) {
			return fault.Invalid.New("operation of token grant %d is empty or not UTF-8", n+1)
		}
		if !isText(grant.Path) {
			return fault.Invalid.New("path of token grant %d is empty or not UTF-8", n+1)
		}
	}
	return nil
}

func isText(text string) bool { return text != "" && utf8.ValidString(text) }

// cloneGrants copies the grants; none is nil.
func cloneGrants(grants []Grant) []Grant {
	if len(grants) == 0 {
		return nil
	}
	return slices.Clone(grants)
}

func (i *Issuer) sign(claims Claims) (string, error) {
	payload := jwt.MapClaims{
		"iss": i.name,
		"aud": claims.Audience,
		"sub": claims.Subject,
		"jti": claims.ID,
		"iat": claims.IssuedAt.Unix(),
		"exp": claims.ExpiresAt.Unix(),
	}
	if claims.Grants != nil {
		payload["grants"] = claims.Grants
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, payload)
	unsigned.Header["typ"] = tokenType
	unsigned.Header["kid"] = i.keyID
	token, err := unsigned.SignedString(i.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(token) > MaxBytes {
		return "", fault.Invalid.New("token would be %d bytes long, over the limit of %d: fewer grants or shorter paths are needed", len(token), MaxBytes)
	}
	return token, nil
}
