package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"
)

// The key and the thumbprint are those of RFC 8037, appendix A.
func TestKeyIDOfTheStandard(t *testing.T) {
	t.Parallel()
	key, err := hex.DecodeString("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := KeyID(key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("got key id %q, want %q", got, want)
	}
	if !isKeyID(KeyID(key)) {
		t.Errorf("%q is not taken for a key id", KeyID(key))
	}
}

// lowOrder is the point with which a signature of zeros is good for a part of
// all messages.
var lowOrder = make(ed25519.PublicKey, ed25519.PublicKeySize)

func TestKeyIDOfNoKey(t *testing.T) {
	t.Parallel()
	for _, key := range []ed25519.PublicKey{nil, make([]byte, 31), make([]byte, 33), lowOrder} {
		if got := KeyID(key); got != "" {
			t.Errorf("got id %q for %d bytes of no key, want none", got, len(key))
		}
	}
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	first, second := public(signer(2)), public(signer(1))
	got, err := JWKS([]ed25519.PublicKey{first, second})
	if err != nil {
		t.Fatalf("jwks: %v", err)
	}
	member := func(key ed25519.PublicKey) string {
		return fmt.Sprintf(`{"use":"sig","kty":"OKP","kid":%q,"crv":"Ed25519","alg":"EdDSA","x":%q}`,
			KeyID(key), base64.RawURLEncoding.EncodeToString(key))
	}
	if want := `{"keys":[` + member(first) + "," + member(second) + `]}`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := JWKS(nil); err != nil || string(got) != `{"keys":[]}` {
		t.Errorf("got %s and error %v for no keys, want an empty list", got, err)
	}
	for name, key := range map[string]ed25519.PublicKey{"short": first[:31], "low order": lowOrder} {
		if got, err := JWKS([]ed25519.PublicKey{first, key}); err == nil {
			t.Errorf("%s: got %s, want an error", name, got)
		}
	}
}
