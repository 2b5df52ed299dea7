package token

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func numbered(n int) digest {
	var key digest
	binary.BigEndian.PutUint64(key[:], uint64(n))
	return key
}

func TestCacheDropsTheOldest(t *testing.T) {
	t.Parallel()
	// More than once around.
	const extra = maxCached + 10
	var cache cache[string]
	for n := range maxCached + extra {
		cache.put(numbered(n), string(rune('a'+n%26)))
		cache.put(numbered(n), "")
	}
	if len(cache.tokens) != maxCached || len(cache.order) != maxCached {
		t.Errorf("got %d tokens and %d keys, want %d of each", len(cache.tokens), len(cache.order), maxCached)
	}
	for n := range maxCached + extra {
		found, ok := cache.get(numbered(n))
		if want := n >= extra; ok != want {
			t.Fatalf("token %d of %d is in the cache: %t, want %t", n, maxCached+extra, ok, want)
		}
		if want := string(rune('a' + n%26)); ok && found != want {
			t.Fatalf("token %d: got %q, want %q", n, found, want)
		}
	}
}

func TestOnlyVerifiedTokensAreCached(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	token := signed(t, identity())

	checkRefused(t, verifier, token, identity().ExpiresAt, "expired")
	checkRefused(t, verifier, token+"AAAA", now, "signature does not match")
	if got := len(verifier.own.tokens); got != 0 {
		t.Errorf("got %d tokens in the cache after refusals, want none", got)
	}
	if _, err := verifier.Verify(token, now, known(1)); err != nil {
		t.Fatalf("verify: %v", err)
	}
	if _, ok := verifier.own.get(sha256.Sum256([]byte(token))); !ok {
		t.Error("the verified token is not in the cache")
	}
}

func TestCachedClaimsAreNotShared(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	want := delegation("/role/a")
	want.Actors = vouched(1).Actors
	want.KeyID, want.Audience = signer(1).ID, "acquired:demo"
	token := signed(t, want)
	for range 3 {
		claims, err := verifier.Verify(token, now, known(1))
		if err != nil {
			t.Fatalf("verify: %v", err)
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Fatalf("claims (-want +got):\n%s", diff)
		}
		claims.Roles[0] = "/role/admin"
		claims.Actors[0].Subject = "/user/operator"
	}
}

// The state decides on every use which keys are good.
func TestKeyThatGoesOrComes(t *testing.T) {
	t.Parallel()
	token := signed(t, identity())
	refuse := func(t *testing.T, verifier *Verifier, keys func(string) (ed25519.PublicKey, bool), reason string) {
		t.Helper()
		claims, err := verifier.Verify(token, now, keys)
		if err == nil {
			t.Fatalf("got claims %+v, want a fault", claims)
		}
		checkFault(t, err, token, reason)
	}
	accept := func(t *testing.T, verifier *Verifier, keys func(string) (ed25519.PublicKey, bool)) {
		t.Helper()
		if _, err := verifier.Verify(token, now, keys); err != nil {
			t.Fatalf("verify: %v", err)
		}
	}
	another := func(string) (ed25519.PublicKey, bool) { return public(signer(2)), true }
	none := func(string) (ed25519.PublicKey, bool) { return nil, true }

	t.Run("old key after rotation", func(t *testing.T) {
		t.Parallel()
		refuse(t, newVerifier(t, "demo"), known(2), "not known here")
	})
	t.Run("old key after rotation, cached", func(t *testing.T) {
		t.Parallel()
		verifier := newVerifier(t, "demo")
		accept(t, verifier, known(1))
		accept(t, verifier, known(1, 2))
		refuse(t, verifier, known(2), "not known here")
		refuse(t, verifier, known(), "not known here")
		accept(t, verifier, known(2, 1))
	})
	t.Run("another key of the same id", func(t *testing.T) {
		t.Parallel()
		verifier := newVerifier(t, "demo")
		refuse(t, verifier, another, "signature does not match")
		accept(t, verifier, known(1))
		refuse(t, verifier, another, "signature does not match")
	})
	t.Run("no key for the id", func(t *testing.T) {
		t.Parallel()
		verifier := newVerifier(t, "demo")
		refuse(t, verifier, none, "signature does not match")
		accept(t, verifier, known(1))
		refuse(t, verifier, none, "signature does not match")
	})
}
