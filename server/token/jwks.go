package token

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// KeyID gives the id of a key that signs credentials: the RFC 7638 thumbprint of
// the public part, in 43 characters of base64url. It is empty if the key is none
// or a point of low order, with which anybody can sign.
func KeyID(public ed25519.PublicKey) string {
	sum, err := thumbprint(public)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// thumbprint identifies a public key. It fails for an Ed25519 key that is none
// or of low order.
func thumbprint(public any) ([]byte, error) {
	key := jose.JSONWebKey{Key: public}
	return key.Thumbprint(crypto.SHA256)
}

// isKeyID says whether id could be one of KeyID.
func isKeyID(id string) bool {
	data, ok := decode(id)
	return ok && len(data) == crypto.SHA256.Size()
}

// JWKS gives the public keys of a cluster, in the order given, as a JWK Set (RFC
// 7517), by which others verify its credentials. It is an error if one has no
// KeyID.
func JWKS(keys []ed25519.PublicKey) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(keys))}
	for n, key := range keys {
		id := KeyID(key)
		if id == "" {
			return nil, fmt.Errorf("key %d is not a sound Ed25519 public key", n+1)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: id, Algorithm: jwt.SigningMethodEdDSA.Alg(), Use: "sig"})
	}
	encoded, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return encoded, nil
}
