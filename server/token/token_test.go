package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

// now is in the middle of a second, as clocks are.
var now = time.Date(2031, time.March, 1, 12, 0, 0, 600_000_000, time.UTC)

// seedReader makes keys that are the same in every run.
type seedReader byte

func (r seedReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func newKey(t testing.TB, seed byte) ed25519.PrivateKey {
	t.Helper()
	key, err := NewKey(seedReader(seed))
	if err != nil {
		t.Fatalf("new key: %v", err)
	}
	return key
}

func newIssuer(t testing.TB, cluster string, seed byte) *Issuer {
	t.Helper()
	issuer, err := NewIssuer(cluster, newKey(t, seed))
	if err != nil {
		t.Fatalf("new issuer: %v", err)
	}
	return issuer
}

func issue(t testing.TB, issuer *Issuer, subject string, grants ...Grant) (string, Claims) {
	t.Helper()
	token, claims, err := issuer.Issue(subject, grants, 0, now)
	if err != nil {
		t.Fatalf("issue: %v", err)
	}
	return token, claims
}

func checkRefused(t *testing.T, issuer *Issuer, token string, at time.Time, reason string) {
	t.Helper()
	claims, err := issuer.Verify(token, at)
	if !errors.Is(err, fault.Unauthenticated) {
		t.Fatalf("got claims %v and error %v, want an unauthenticated fault", claims, err)
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

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	many := make([]Grant, MaxGrants)
	for n := range many {
		many[n] = Grant{Operation: "Read", Path: fmt.Sprintf("/data/hpe/%d", n)}
	}
	tests := []struct {
		name     string
		subject  string
		grants   []Grant
		lifetime time.Duration
		expires  time.Duration
	}{
		{"no grants", "/workload/hpe/train", nil, 0, time.Hour},
		{"shortest", "/workload/hpe/train", nil, time.Second, time.Second},
		{"part of a second", "/workload/hpe/train", nil, 1900 * time.Millisecond, time.Second},
		{"longest", "/workload/hpe/train", nil, 30 * 24 * time.Hour, 30 * 24 * time.Hour},
		{"most grants", "/workload/hpe/train", many, 0, time.Hour},
		{"strange characters", "/workload/<&>\"\\\u2028é\x00", []Grant{{"Spend", "/account/日本"}}, 0, time.Hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer(t, "demo", 1)
			token, issued, err := issuer.Issue(test.subject, test.grants, test.lifetime, now)
			if err != nil {
				t.Fatalf("issue: %v", err)
			}
			second := now.Truncate(time.Second)
			want := Claims{
				ID: issued.ID, Subject: test.subject, Audience: "acquired:demo",
				IssuedAt: second, ExpiresAt: second.Add(test.expires), Grants: test.grants,
			}
			if diff := cmp.Diff(want, issued); diff != "" {
				t.Errorf("issued claims (-want +got):\n%s", diff)
			}
			for _, what := range []string{"parsed", "cached"} {
				verified, err := issuer.Verify(token, now)
				if err != nil {
					t.Fatalf("verify %s: %v", what, err)
				}
				if diff := cmp.Diff(want, verified); diff != "" {
					t.Errorf("%s claims (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

// Another party, with the public key and a library of its own, must read what
// the documentation of the format says.
func TestTokenIsStandard(t *testing.T) {
	t.Parallel()
	key := newKey(t, 1)
	issuer := newIssuer(t, "demo", 1)
	token, claims := issue(t, issuer, "/workload/hpe/train", Grant{"Read", "/data/hpe"})

	parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return key.Public(), nil },
		jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer("acquired:demo"), jwt.WithAudience("acquired:demo"),
		jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	wantHeader := map[string]any{"alg": "EdDSA", "typ": "acquired+jwt", "kid": hex.EncodeToString(sum[:])[:16]}
	if diff := cmp.Diff(wantHeader, parsed.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	wantClaims := jwt.MapClaims{
		"iss": "acquired:demo", "aud": "acquired:demo", "sub": "/workload/hpe/train", "jti": claims.ID,
		"iat": float64(now.Unix()), "exp": float64(now.Unix() + 3600),
		"grants": []any{map[string]any{"operation": "Read", "path": "/data/hpe"}},
	}
	if diff := cmp.Diff(wantClaims, parsed.Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestTokenIDs(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	seen := map[string]bool{}
	for range 100 {
		_, claims := issue(t, issuer, "/workload/hpe/train")
		if id, err := hex.DecodeString(claims.ID); err != nil || len(id) != 16 {
			t.Fatalf("got id %q, want 128 bits in hexadecimal", claims.ID)
		}
		if seen[claims.ID] {
			t.Fatalf("id %s was given twice", claims.ID)
		}
		seen[claims.ID] = true
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	grant := Grant{"Read", "/data/hpe"}
	tests := []struct {
		name     string
		subject  string
		grants   []Grant
		lifetime time.Duration
		reason   string
	}{
		{"no subject", "", nil, 0, "subject is empty"},
		{"subject that is no text", "/workload/\xff", nil, 0, "not UTF-8"},
		{"too many grants", "/workload/a", make([]Grant, MaxGrants+1), 0, "65 grants, over the limit of 64"},
		{"grant of no operation", "/workload/a", []Grant{grant, {"", "/data"}}, 0, "operation of token grant 2 is empty"},
		{"grant of no path", "/workload/a", []Grant{{"Read", ""}}, 0, "path of token grant 1 is empty"},
		{"grant that is no text", "/workload/a", []Grant{{"Read", "/\xc3("}}, 0, "not UTF-8"},
		{"negative lifetime", "/workload/a", nil, -time.Hour, "lifetime of -1h0m0s"},
		{"too short", "/workload/a", nil, time.Second - 1, "not between 1s and 720h0m0s"},
		{"too long", "/workload/a", nil, MaxLifetime + 1, "not between 1s and 720h0m0s"},
		{"too large", "/workload/" + strings.Repeat("a", 12<<10), nil, 0, "over the limit of 16384"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token, _, err := newIssuer(t, "demo", 1).Issue(test.subject, test.grants, test.lifetime, now)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got error %v, want an invalid fault with %q", err, test.reason)
			}
			if token != "" {
				t.Errorf("got a token of %d bytes with the error", len(token))
			}
		})
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	token, claims := issue(t, issuer, "/workload/hpe/train")

	checkRefused(t, issuer, token, claims.IssuedAt.Add(-5*time.Second-1), "in the future")
	checkRefused(t, issuer, token, claims.ExpiresAt, "expired")
	for _, at := range []time.Time{claims.IssuedAt.Add(-5 * time.Second), now, claims.ExpiresAt.Add(-1)} {
		if _, err := issuer.Verify(token, at); err != nil {
			t.Errorf("verify at %s: %v", at, err)
		}
	}
	// It is in the cache now.
	checkRefused(t, issuer, token, claims.IssuedAt.Add(-5*time.Second-1), "in the future")
	checkRefused(t, issuer, token, claims.ExpiresAt, "expired")
}

func TestForeignIssuers(t *testing.T) {
	t.Parallel()
	token, _ := issue(t, newIssuer(t, "demo", 1), "/workload/hpe/train")
	checkRefused(t, newIssuer(t, "demo", 2), token, now, "names another key")
	checkRefused(t, newIssuer(t, "other", 1), token, now, "issuer is not acquired:other")
}

func TestNewIssuerRefuses(t *testing.T) {
	t.Parallel()
	if _, err := NewIssuer("", newKey(t, 1)); err == nil {
		t.Error("got an issuer of no cluster, want an error")
	}
	for _, size := range []int{0, 32, 65} {
		if _, err := NewIssuer("demo", make([]byte, size)); err == nil {
			t.Errorf("got an issuer with a key of %d bytes, want an error", size)
		}
	}
}

func TestVerifyFromManyGoroutines(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	var tokens []string
	for n := range 8 {
		token, _ := issue(t, issuer, fmt.Sprintf("/workload/%d", n))
		tokens = append(tokens, token)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for n := range 80 {
				claims, err := issuer.Verify(tokens[n%8], now)
				if want := fmt.Sprintf("/workload/%d", n%8); err != nil || claims.Subject != want {
					t.Errorf("got subject %q and error %v, want %q", claims.Subject, err, want)
				}
			}
		})
	}
	group.Wait()
	if got := len(issuer.verified.order); got != 8 {
		t.Errorf("got %d tokens in the cache, want 8", got)
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	token, claims := issue(t, issuer, "/workload/hpe/train")
	if _, err := issuer.Verify(token, now); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).LogAttrs(t.Context(), slog.LevelInfo, "issued", slog.Any("issuer", issuer), slog.Any("claims", claims))
	}
	signature := token[strings.LastIndexByte(token, '.')+1:]
	key := strings.Trim(fmt.Sprint([]byte(newKey(t, 1))), "[]")
	for _, secret := range []string{signature, key} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("log holds a secret:\n%s", log.String())
		}
	}
	if got := strings.Count(log.String(), claims.ID); got != 2 {
		t.Errorf("log names the token %d times, want 2:\n%s", got, log.String())
	}
}
