package token

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
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
	var cache cache
	for n := range maxCached + extra {
		cache.put(numbered(n), contents{claims: Claims{ID: string(rune('a' + n%26))}})
		cache.put(numbered(n), contents{})
	}
	if len(cache.tokens) != maxCached || len(cache.order) != maxCached {
		t.Errorf("got %d tokens and %d keys, want %d of each", len(cache.tokens), len(cache.order), maxCached)
	}
	for n := range maxCached + extra {
		found, ok := cache.get(numbered(n))
		if want := n >= extra; ok != want {
			t.Fatalf("token %d of %d is in the cache: %t, want %t", n, maxCached+extra, ok, want)
		}
		if want := string(rune('a' + n%26)); ok && found.claims.ID != want {
			t.Fatalf("token %d: got id %q, want %q", n, found.claims.ID, want)
		}
	}
}

func TestOnlyVerifiedTokensAreCached(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	token, claims := issue(t, issuer, "/workload/hpe/train")
	isCached := func() bool {
		_, ok := issuer.verified.get(sha256.Sum256([]byte(token)))
		return ok
	}

	checkRefused(t, issuer, token, claims.ExpiresAt, "expired")
	checkRefused(t, issuer, token+"A", now, "signature does not match")
	if got := len(issuer.verified.tokens); got != 0 {
		t.Errorf("got %d tokens in the cache after refusals, want none", got)
	}
	if _, err := issuer.Verify(token, now); err != nil {
		t.Fatalf("verify: %v", err)
	}
	if !isCached() {
		t.Error("the verified token is not in the cache")
	}
}

func TestCachedGrantsAreNotShared(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	token, _ := issue(t, issuer, "/workload/hpe/train", Grant{"Read", "/data/hpe"})
	for range 3 {
		claims, err := issuer.Verify(token, now)
		if err != nil {
			t.Fatalf("verify: %v", err)
		}
		if got, want := claims.Grants[0], (Grant{"Read", "/data/hpe"}); got != want {
			t.Fatalf("got grant %v, want %v", got, want)
		}
		claims.Grants[0] = Grant{"Admin", "/"}
	}
}
