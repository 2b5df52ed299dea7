package token

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"acquired/proto/fault"
)

// pemBegin starts every block of PEM.
const pemBegin = "-----BEGIN "

var errPrivate = errors.New("is private or secret: give public keys only, and replace the one that was shown here")

// parseJWKs reads a JWK Set or a single JWK.
func parseJWKs(algorithm Algorithm, data []byte) ([]trustedKey, error) {
	top, err := parseObject(data)
	if err != nil {
		return nil, fault.Invalid.New("key set of an issuer %s", err)
	}
	var elements []json.RawMessage
	if !top.has("keys") {
		elements = append(elements, data)
	} else if err := json.Unmarshal(top["keys"], &elements); err != nil || len(elements) == 0 {
		return nil, fault.Invalid.New("key set of an issuer is not a list of one or more keys")
	}
	if len(elements) > MaxKeys {
		return nil, fault.Invalid.New("issuer has %d keys, over the limit of %d", len(elements), MaxKeys)
	}
	var keys []trustedKey
	var unfit string
	for n, element := range elements {
		key, otherwise, err := parseJWK(algorithm, element)
		if err != nil {
			return nil, fault.Invalid.New("key %d of an issuer %s", n+1, err)
		}
		if otherwise != "" {
			unfit = fmt.Sprintf("key %d %s", n+1, otherwise)
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fault.Invalid.New("issuer has no key for %s: %s", algorithm, unfit)
	}
	return keys, nil
}

// privateMembers are those of which each gives a private key or a secret away.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// parseJWK gives a key, or otherwise says why it is for something else than the
// algorithm.
func parseJWK(algorithm Algorithm, data []byte) (key trustedKey, otherwise string, err error) {
	members, err := parseObject(data)
	if err != nil {
		return trustedKey{}, "", err
	}
	if slices.ContainsFunc(privateMembers, members.has) {
		return trustedKey{}, "", errPrivate
	}
	if otherwise := purpose(algorithm, members); otherwise != "" {
		return trustedKey{}, otherwise, nil
	}
	id, ok := members.text("kid")
	if members.has("kid") && !ok {
		return trustedKey{}, "", errors.New("has a kid that is not a string")
	}
	public, err := decodeJWK(members)
	if err != nil {
		return trustedKey{}, "", fmt.Errorf("is not a sound public key: %w", err)
	}
	key, err = trust(algorithm, id, public)
	return key, "", err
}

// purpose says why a key is for something else than the algorithm. What it says
// of itself must not contradict.
func purpose(algorithm Algorithm, members object) string {
	kinds := map[Algorithm][2]string{RS256: {"RSA", ""}, ES256: {"EC", "P-256"}, EdDSA: {"OKP", "Ed25519"}}
	kind, curve := kinds[algorithm][0], kinds[algorithm][1]
	if kty, _ := members.text("kty"); kty != kind {
		return "has a kty other than " + kind
	}
	if crv, _ := members.text("crv"); curve != "" && crv != curve {
		return "has a crv other than " + curve
	}
	if use, _ := members.text("use"); members.has("use") && use != "sig" {
		return "has a use other than sig"
	}
	if alg, _ := members.text("alg"); members.has("alg") && alg != string(algorithm) {
		return "has an alg other than " + string(algorithm)
	}
	if operations, _ := members.texts("key_ops"); members.has("key_ops") && !slices.Contains(operations, "verify") {
		return "has key_ops without verify"
	}
	return ""
}

// decodeJWK reads the key itself. Package jose sees nothing else of it, above
// all neither certificates nor addresses.
func decodeJWK(members object) (any, error) {
	bare := object{}
	for _, name := range []string{"kty", "crv", "x", "y", "n", "e"} {
		if members.has(name) {
			bare[name] = members[name]
		}
	}
	data, err := json.Marshal(bare)
	if err != nil {
		return nil, err
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return key.Key, nil
}

// parsePEM reads public keys and certificates. Unlike those of a JWK Set, keys
// in PEM were put together for us, so all must be fit for the algorithm.
func parsePEM(algorithm Algorithm, data []byte) ([]trustedKey, error) {
	if bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return nil, fault.Invalid.New("a key of an issuer %s", errPrivate)
	}
	blocks := bytes.Count(data, []byte(pemBegin))
	if blocks == 0 {
		return nil, fault.Invalid.New("keys of an issuer are neither JSON nor PEM")
	}
	if blocks > MaxKeys {
		return nil, fault.Invalid.New("issuer has %d keys, over the limit of %d", blocks, MaxKeys)
	}
	var keys []trustedKey
	for n := range blocks {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil, fault.Invalid.New("keys of an issuer have %d blocks of PEM, of which only %d can be read", blocks, n)
		}
		public, err := decodeBlock(block)
		if err != nil {
			return nil, fault.Invalid.New("key %d of an issuer %s", n+1, err)
		}
		key, err := trust(algorithm, "", public)
		if err != nil {
			return nil, fault.Invalid.New("key %d of an issuer %s", n+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func decodeBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("is not a sound public key: %w", err)
		}
		return public, nil
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			// The error may repeat names from the certificate, of any length.
			return nil, errors.New("is not a sound certificate")
		}
		return certificate.PublicKey, nil
	}
	return nil, errors.New("is neither a PUBLIC KEY nor a CERTIFICATE")
}
