package token

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

// now is in the middle of a second, as clocks are; second is its start.
var (
	now    = time.Date(2031, time.March, 1, 12, 0, 0, 600_000_000, time.UTC)
	second = now.Truncate(time.Second)
)

// signer gives a key that is the same in every run.
func signer(seed byte) SigningKey {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return SigningKey{ID: KeyID(private.Public().(ed25519.PublicKey)), Private: private}
}

func public(key SigningKey) ed25519.PublicKey { return key.Private.Public().(ed25519.PublicKey) }

// known gives the keys of the seeds as a state that holds them would.
func known(seeds ...byte) func(id string) (ed25519.PublicKey, bool) {
	keys := map[string]ed25519.PublicKey{}
	for _, seed := range seeds {
		keys[signer(seed).ID] = public(signer(seed))
	}
	return func(id string) (ed25519.PublicKey, bool) {
		key, ok := keys[id]
		return key, ok
	}
}

func newVerifier(t testing.TB, cluster string) *Verifier {
	t.Helper()
	verifier, err := NewVerifier(cluster)
	if err != nil {
		t.Fatalf("new verifier: %v", err)
	}
	return verifier
}

const (
	goodID    = "00112233445566778899aabbccddeeff"
	goodActor = "ffeeddccbbaa99887766554433221100"
	actorKey  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// identity gives claims as a login makes them.
func identity() Claims {
	return Claims{
		ID: goodID, Subject: "/workload/hpe/train", IssuedAt: second, ExpiresAt: second.Add(time.Hour),
		Born: 17, Epoch: 2, Method: "ssh",
	}
}

// delegation gives claims to be shown to a service that keeps data.
func delegation(roles ...string) Claims {
	claims := identity()
	claims.Delegated = true
	claims.Roles = roles
	claims.Node = "/data/hpe/images"
	return claims
}

// vouched gives claims with as many actors.
func vouched(actors int) Claims {
	claims := identity()
	claims.Method = "vouch"
	for n := range actors {
		claims.Actors = append(claims.Actors, Actor{Subject: fmt.Sprintf("/user/hpe/%d", n), Born: uint64(n), Epoch: 1, Session: goodActor, KeyID: actorKey})
	}
	return claims
}

// signed gives the token of the cluster demo that the key 1 signs.
func signed(t testing.TB, claims Claims) string {
	t.Helper()
	token, err := Sign("demo", signer(1), claims)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return token
}

// checkFault checks that err is an Unauthenticated fault for the reason, and
// that it repeats no part of the token.
func checkFault(t *testing.T, err error, token, reason string) {
	t.Helper()
	if !errors.Is(err, fault.Unauthenticated) {
		t.Fatalf("got error %v, want an unauthenticated fault", err)
	}
	if !strings.Contains(err.Error(), reason) {
		t.Errorf("got reason %q, want one with %q", err, reason)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) >= 8 && strings.Contains(err.Error(), part) {
			t.Errorf("reason repeats a part of the token: %q", err)
		}
	}
}

// checkRefused verifies the token where the key 1 is known.
func checkRefused(t *testing.T, verifier *Verifier, token string, at time.Time, reason string) {
	t.Helper()
	claims, err := verifier.Verify(token, at, known(1))
	if err == nil {
		t.Fatalf("got claims %+v, want a fault", claims)
	}
	checkFault(t, err, token, reason)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	many := make([]string, MaxRoles)
	for n := range many {
		many[n] = fmt.Sprintf("/role/hpe/%d", n)
	}
	with := func(change func(*Claims)) Claims {
		claims := identity()
		change(&claims)
		return claims
	}
	tests := map[string]Claims{
		"identity":           identity(),
		"shortest":           with(func(c *Claims) { c.ExpiresAt = c.IssuedAt.Add(MinLifetime) }),
		"longest":            with(func(c *Claims) { c.ExpiresAt = c.IssuedAt.Add(MaxLifetime) }),
		"largest numbers":    with(func(c *Claims) { c.Born, c.Epoch = math.MaxUint64, math.MaxUint64 }),
		"zeros":              with(func(c *Claims) { c.Born, c.Epoch = 0, 0 }),
		"strange characters": with(func(c *Claims) { c.Subject = "/workload/<&>\"\\\u2028é\x00" }),
		"longest method":     with(func(c *Claims) { c.Method = strings.Repeat("a", maxMethod) }),
		"other zone":         with(func(c *Claims) { c.IssuedAt = c.IssuedAt.In(time.FixedZone("", 3600)) }),
		"most actors":        vouched(MaxActors),
		"actor with a certificate": with(func(c *Claims) {
			c.Actors = []Actor{{Subject: "/user/operator"}, {Subject: "/user/hpe/a", Born: 3, Epoch: 4, Session: goodActor}}
		}),
		"delegation":            delegation("/role/a", "/role/b"),
		"delegation of nothing": delegation(),
		"most roles":            delegation(many...),
	}
	for name, claims := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := newVerifier(t, "demo")
			token := signed(t, claims)
			want := claims
			want.KeyID, want.Audience = signer(1).ID, "acquired:demo"
			for _, what := range []string{"parsed", "cached"} {
				got, err := verifier.Verify(token, now, known(1))
				if err != nil {
					t.Fatalf("verify %s: %v", what, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s claims (-want +got):\n%s", what, diff)
				}
			}
			// What Verify gives can be signed as it is.
			if again := signed(t, want); again != token {
				t.Errorf("got another token for the claims of this one:\n%s\n%s", again, token)
			}
		})
	}
}

// Another party, with the public key and a library of its own, must read what
// the documentation of the format says.
func TestTokenIsStandard(t *testing.T) {
	t.Parallel()
	claims := delegation("/role/a")
	claims.Actors = vouched(2).Actors
	claims.Actors[1].Session, claims.Actors[1].KeyID = "", ""
	parsed, err := jwt.Parse(signed(t, claims), func(*jwt.Token) (any, error) { return public(signer(1)), nil },
		jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer("acquired:demo"), jwt.WithAudience("acquired:demo"),
		jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	wantHeader := map[string]any{"alg": "EdDSA", "typ": "acquired-delegation+jwt", "kid": signer(1).ID}
	if diff := cmp.Diff(wantHeader, parsed.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	wantClaims := jwt.MapClaims{
		"iss": "acquired:demo", "aud": "acquired:demo", "sub": "/workload/hpe/train", "jti": goodID,
		"iat": float64(now.Unix()), "exp": float64(now.Unix() + 3600),
		"born": 17.0, "epoch": 2.0, "amr": []any{"ssh"}, "roles": []any{"/role/a"}, "node": "/data/hpe/images",
		"act": map[string]any{
			"sub": "/user/hpe/0", "born": 0.0, "epoch": 1.0, "sid": goodActor, "kid": actorKey,
			"act": map[string]any{"sub": "/user/hpe/1", "born": 1.0, "epoch": 1.0},
		},
	}
	if diff := cmp.Diff(wantClaims, parsed.Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		id := NewID()
		if data, err := hex.DecodeString(id); err != nil || len(data) != 16 || !isID(id) {
			t.Fatalf("got id %q, want 128 bits in hexadecimal", id)
		}
		if seen[id] {
			t.Fatalf("id %s was given twice", id)
		}
		seen[id] = true
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Claims)
		reason string
	}{
		{"no id", func(c *Claims) { c.ID = "" }, "id is not 32"},
		{"id in upper case", func(c *Claims) { c.ID = strings.ToUpper(goodID) }, "id is not 32"},
		{"no subject", func(c *Claims) { c.Subject = "" }, "subject is empty"},
		{"subject that is no text", func(c *Claims) { c.Subject = "/workload/\xff" }, "not UTF-8"},
		{"subject with broken text replaced", func(c *Claims) { c.Subject = "/workload/\ufffd" }, "not UTF-8"},
		{"no method", func(c *Claims) { c.Method = "" }, "method is not"},
		{"method in upper case", func(c *Claims) { c.Method = "SSH" }, "method is not"},
		{"long method", func(c *Claims) { c.Method = strings.Repeat("a", maxMethod+1) }, "method is not"},
		{"no times", func(c *Claims) { c.IssuedAt, c.ExpiresAt = time.Time{}, time.Time{} }, "times are not"},
		{"no expiry", func(c *Claims) { c.ExpiresAt = time.Time{} }, "lifetime is not between"},
		{"issued within a second", func(c *Claims) { c.IssuedAt = now }, "whole seconds"},
		{"expires within a second", func(c *Claims) { c.ExpiresAt = now.Add(time.Hour) }, "whole seconds"},
		{"issued before 1970", func(c *Claims) { c.IssuedAt = time.Unix(0, 0) }, "after 1970"},
		{"expires after the year 9999", func(c *Claims) {
			c.IssuedAt, c.ExpiresAt = time.Unix(maxUnix, 0), time.Unix(maxUnix+1, 0)
		}, "before the year 10000"},
		{"expires when issued", func(c *Claims) { c.ExpiresAt = c.IssuedAt }, "lifetime is not between 1s and 12h0m0s"},
		{"lives too long", func(c *Claims) { c.ExpiresAt = c.IssuedAt.Add(MaxLifetime + time.Second) }, "lifetime is not between 1s and 12h0m0s"},
		{"too many actors", func(c *Claims) { c.Actors = vouched(MaxActors + 1).Actors }, "more actors than the limit of 4"},
		{"actor of no subject", func(c *Claims) { c.Actors = []Actor{{Subject: "/user/a"}, {}} }, "subject of actor 2 is empty"},
		{"actor with another session", func(c *Claims) { c.Actors = []Actor{{Subject: "/user/a", Session: "1"}} }, "session of actor 1"},
		{"actor with another key", func(c *Claims) { c.Actors = []Actor{{Subject: "/user/a", KeyID: "1"}} }, "key of actor 1"},
		{"roles of an identity", func(c *Claims) { c.Roles = []string{"/role/a"} }, "without being delegated"},
		{"node of an identity", func(c *Claims) { c.Node = "/data" }, "without being delegated"},
		{"delegation without node", func(c *Claims) { c.Delegated = true }, "node is empty"},
		{"too many roles", func(c *Claims) { *c = delegation(make([]string, MaxRoles+1)...) }, "65 roles, over the limit of 64"},
		{"role of no name", func(c *Claims) { *c = delegation("/role/a", "") }, "role 2 is empty"},
		{"another key", func(c *Claims) { c.KeyID = signer(2).ID }, "names another key"},
		{"another audience", func(c *Claims) { c.Audience = "acquired:other" }, "audience is not acquired:demo"},
		{"too large", func(c *Claims) { c.Subject = "/workload/" + strings.Repeat("a", 12<<10) }, "over the limit of 16384"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			claims := identity()
			test.change(&claims)
			token, err := Sign("demo", signer(1), claims)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got error %v, want an invalid fault with %q", err, test.reason)
			}
			if token != "" {
				t.Errorf("got a token of %d bytes with the error", len(token))
			}
		})
	}
}

func TestSignRefusesKeys(t *testing.T) {
	t.Parallel()
	good := signer(1)
	keys := map[string]SigningKey{
		"none":       {},
		"no id":      {Private: good.Private},
		"other id":   {ID: signer(2).ID, Private: good.Private},
		"no private": {ID: good.ID},
		"short":      {ID: good.ID, Private: good.Private[:32]},
		"low order":  {Private: make([]byte, ed25519.PrivateKeySize)},
	}
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if token, err := Sign("demo", key, identity()); err == nil || token != "" {
				t.Errorf("got token %q and error %v, want an error alone", token, err)
			}
		})
	}
	if token, err := Sign("", good, identity()); !errors.Is(err, fault.Invalid) || token != "" {
		t.Errorf("no cluster: got token %q and error %v, want an invalid fault", token, err)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	t.Parallel()
	if _, err := NewVerifier(""); err == nil {
		t.Error("got a verifier of no cluster, want an error")
	}
}

func TestVerifyFromManyGoroutines(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	var tokens []string
	for n := range 8 {
		claims := identity()
		claims.Subject = fmt.Sprintf("/workload/%d", n)
		tokens = append(tokens, signed(t, claims))
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for n := range 80 {
				claims, err := verifier.Verify(tokens[n%8], now, known(1))
				if want := fmt.Sprintf("/workload/%d", n%8); err != nil || claims.Subject != want {
					t.Errorf("got subject %q and error %v, want %q", claims.Subject, err, want)
				}
			}
		})
	}
	group.Wait()
	if got := len(verifier.own.order); got != 8 {
		t.Errorf("got %d tokens in the cache, want 8", got)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	token := signed(t, identity())
	claims, err := newVerifier(t, "demo").Verify(token, now, known(1))
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("a secret of at least 32 bytes, as it must be")
	trusted := Outside{Issuer: "https://issuer.example", Audience: "demo", Keys: parseKeys(t, HS256, secret)}
	nested := struct{ outside Outside }{trusted}

	var shown bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&shown, nil), slog.NewJSONHandler(&shown, nil)} {
		slog.New(handler).LogAttrs(t.Context(), slog.LevelInfo, "signed",
			slog.Any("claims", claims), slog.Any("none", Keys{}), slog.Any("outsider", OutsideClaims{ID: "9", Subject: "alice"}), slog.Any("key", signer(1)), slog.Any("outside", trusted), slog.Any("keys", trusted.Keys))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&shown, verb+verb+verb, signer(1), trusted.Keys, trusted)
	}
	// Package fmt cannot call the methods of what is in an unexported field.
	fmt.Fprintf(&shown, "%v %+v %#v", nested, nested, nested)
	encoded, err := json.Marshal([]any{signer(1), trusted})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(encoded)

	private := signer(1).Private
	for name, hidden := range map[string]string{
		"signature":        token[strings.LastIndexByte(token, '.')+1:],
		"key as numbers":   strings.Trim(fmt.Sprint([]byte(private[:8])), "[]"),
		"key in Go":        strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(private[:8])), "[]byte{"), "}"),
		"key in base 16":   hex.EncodeToString(private[:8]),
		"secret":           string(secret[:8]),
		"secret as number": strings.Trim(fmt.Sprint(secret[:8]), "[]"),
		"secret in base16": hex.EncodeToString(secret[:8]),
	} {
		if strings.Contains(shown.String(), hidden) {
			t.Errorf("%s is shown:\n%s", name, shown.String())
		}
	}
	if got := strings.Count(shown.String(), claims.ID); got != 2 {
		t.Errorf("the session is named %d times, want 2:\n%s", got, shown.String())
	}
	if !strings.Contains(shown.String(), "HS256 keys: 1") || !strings.Contains(shown.String(), signer(1).ID) {
		t.Errorf("keys are not described:\n%s", shown.String())
	}
}
