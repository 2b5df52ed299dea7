package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"acquired/proto/fault"
)

// Algorithm is how an outside issuer signs, by its name in RFC 7518. An issuer
// has one.
type Algorithm string

// The algorithms of outside issuers.
const (
	RS256 Algorithm = "RS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"
	HS256 Algorithm = "HS256"
)

// The limits of the keys of an outside issuer.
const (
	// MaxKeyBytes is how long the text is that gives them.
	MaxKeyBytes = 64 << 10
	// MaxKeys is how many there are, those of no use included.
	MaxKeys = 32
	// MinSecretBytes is how long a secret for HS256 is at least.
	MinSecretBytes = 32
	// MinRSABits and MaxRSABits bound the modulus of a key for RS256.
	MinRSABits = 2048
	MaxRSABits = 8192
)

// Package jose would stop at 4096 bits, and says to set this before any parsing.
func init() { jose.MaxRSAModulusBits = MaxRSABits }

// Keys verify the tokens of an outside issuer by one algorithm. They never
// change and may be copied. The zero value verifies nothing. Neither logs nor
// package fmt show a secret among them.
type Keys struct{ set *keySet }

type keySet struct {
	algorithm Algorithm
	keys      []trustedKey
	// digest differs for sets that differ in anything.
	digest digest
}

// trustedKey is a key in the type that its algorithm takes, so that no public
// key can serve as a secret.
type trustedKey struct {
	// id is the "kid" that names the key. It is empty only for a key that is
	// alone and has no name.
	id  string
	key any
	// material is the secret, or the thumbprint of a public key.
	material []byte
}

// LogValue keeps secrets out of logs.
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.summary()) }

// Format writes how many keys there are, whatever the verb.
func (k Keys) Format(state fmt.State, _ rune) { io.WriteString(state, k.summary()) }

func (k Keys) summary() string {
	if k.set == nil {
		return "no keys"
	}
	return fmt.Sprintf("%s keys: %d", k.set.algorithm, len(k.set.keys))
}

// ParseKeys reads the keys of an outside issuer. For HS256 data is the secret
// itself, every byte of it. For the others it is a JWK Set, a JWK, or PEM of
// public keys and certificates, of which only the keys are used.
//
// A set may hold keys for other purposes, which are left out. Those that are for
// the algorithm must be sound and have different ids; where there are several,
// one without an id has its RFC 7638 thumbprint for one. Private keys are
// refused wherever they are. Every error is an Invalid fault, which repeats no
// key.
func ParseKeys(algorithm Algorithm, data []byte) (Keys, error) {
	if _, ok := methodOf(algorithm); !ok {
		return Keys{}, fault.Invalid.New("algorithm of an issuer is not %s, %s, %s or %s", RS256, ES256, EdDSA, HS256)
	}
	if len(data) > MaxKeyBytes {
		return Keys{}, fault.Invalid.New("keys of an issuer are %d bytes, over the limit of %d", len(data), MaxKeyBytes)
	}
	keys, err := readKeys(algorithm, data)
	if err != nil {
		return Keys{}, err
	}
	if err := nameKeys(keys); err != nil {
		return Keys{}, err
	}
	return Keys{set: &keySet{algorithm: algorithm, keys: keys, digest: digestKeys(algorithm, keys)}}, nil
}

func readKeys(algorithm Algorithm, data []byte) ([]trustedKey, error) {
	switch {
	case algorithm == HS256:
		return parseSecret(data)
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")):
		return parseJWKs(algorithm, data)
	}
	return parsePEM(algorithm, data)
}

func methodOf(algorithm Algorithm) (jwt.SigningMethod, bool) {
	switch algorithm {
	case RS256:
		return jwt.SigningMethodRS256, true
	case ES256:
		return jwt.SigningMethodES256, true
	case EdDSA:
		return jwt.SigningMethodEdDSA, true
	case HS256:
		return jwt.SigningMethodHS256, true
	}
	return nil, false
}

// parseSecret refuses what looks like a key of another kind: as a public key is
// known to all, everybody could sign with it.
func parseSecret(data []byte) ([]trustedKey, error) {
	if len(data) < MinSecretBytes {
		return nil, fault.Invalid.New("secret of an issuer is %d bytes, at least %d are needed", len(data), MinSecretBytes)
	}
	_, errObject := parseObject(data)
	_, errPublic := x509.ParsePKIXPublicKey(data)
	_, errCertificate := x509.ParseCertificate(data)
	if errObject == nil || errPublic == nil || errCertificate == nil || bytes.Contains(data, []byte(pemBegin)) {
		return nil, fault.Invalid.New("secret of an issuer is a key in JSON, PEM or DER; %s takes the bytes of the secret itself", HS256)
	}
	secret := bytes.Clone(data)
	return []trustedKey{{key: secret, material: secret}}, nil
}

// trust gives the public key with its id if it is fit for the algorithm.
func trust(algorithm Algorithm, id string, public any) (trustedKey, error) {
	if err := checkKey(algorithm, public); err != nil {
		return trustedKey{}, err
	}
	sum, err := thumbprint(public)
	if err != nil {
		return trustedKey{}, errors.New("is not a sound public key")
	}
	return trustedKey{id: id, key: public, material: sum}, nil
}

func checkKey(algorithm Algorithm, key any) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if algorithm == RS256 {
			return checkRSA(key)
		}
	case *ecdsa.PublicKey:
		if algorithm == ES256 {
			return checkCurve(key)
		}
	case ed25519.PublicKey:
		if algorithm == EdDSA {
			return nil
		}
	}
	return fmt.Errorf("is no key for %s", algorithm)
}

func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
		return fmt.Errorf("has %d bits, which is not between %d and %d", bits, MinRSABits, MaxRSABits)
	}
	if key.N.Bit(0) == 0 || key.E < 3 || key.E > math.MaxInt32 || key.E%2 == 0 {
		return errors.New("has a modulus that is even or an exponent that is even, under 3 or over 31 bits")
	}
	return nil
}

func checkCurve(key *ecdsa.PublicKey) error {
	if key.Curve != elliptic.P256() {
		return errors.New("is not on the curve P-256")
	}
	return nil
}

// nameKeys gives keys ids where they need one, and refuses those that share one.
func nameKeys(keys []trustedKey) error {
	if len(keys) == 1 {
		return nil
	}
	seen := make(map[string]bool, len(keys))
	for n := range keys {
		key := &keys[n]
		if key.id == "" {
			key.id = base64.RawURLEncoding.EncodeToString(key.material)
		}
		if seen[key.id] {
			return fault.Invalid.New("two keys of an issuer have the same id")
		}
		seen[key.id] = true
	}
	return nil
}

func digestKeys(algorithm Algorithm, keys []trustedKey) digest {
	sum := sha256.New()
	writeField(sum, []byte(algorithm))
	for _, key := range keys {
		writeField(sum, []byte(key.id))
		writeField(sum, key.material)
	}
	return digest(sum.Sum(nil))
}

// writeField keeps fields apart, whatever they hold.
func writeField(sum hash.Hash, field []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(field)))
	sum.Write(length[:])
	sum.Write(field)
}

// find gives the key that id names. An empty id names a key that is alone, and
// every id names one that is alone and has none.
func (s *keySet) find(id string) (any, bool) {
	if len(s.keys) == 1 && (id == "" || s.keys[0].id == "") {
		return s.keys[0].key, true
	}
	for _, key := range s.keys {
		if key.id == id {
			return key.key, true
		}
	}
	return nil, false
}
