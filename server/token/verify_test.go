package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

// members are those of a JSON object, each written as it shall be.
type members map[string]string

// with gives the members with one changed, or without it if value is empty.
func (m members) with(name, value string) members {
	changed := maps.Clone(m)
	changed[name] = value
	if value == "" {
		delete(changed, name)
	}
	return changed
}

func (m members) String() string {
	var written []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		written = append(written, fmt.Sprintf("%q:%s", name, m[name]))
	}
	return "{" + strings.Join(written, ",") + "}"
}

// goodHeader and goodClaims make a token of the cluster demo that is good now if
// the key 1 signs it.
func goodHeader() members {
	return members{"alg": `"EdDSA"`, "typ": `"acquired+jwt"`, "kid": `"` + signer(1).ID + `"`}
}

func goodClaims() members {
	return members{
		"iss": `"acquired:demo"`, "aud": `"acquired:demo"`, "sub": `"/workload/hpe/train"`, "jti": `"` + goodID + `"`,
		"iat": fmt.Sprint(now.Unix()), "exp": fmt.Sprint(now.Unix() + 60), "born": "17", "epoch": "2", "amr": `["ssh"]`,
	}
}

// goodActors gives as many, each within the one before.
func goodActors(count int) string {
	if count == 0 {
		return ""
	}
	actor := members{"sub": `"/user/hpe/alice"`, "born": "3", "epoch": "1", "sid": `"` + goodActor + `"`}
	return actor.with("act", goodActors(count-1)).String()
}

func encode(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

// unsigned gives all of a token up to the last dot, which it leaves out.
func unsigned(header, claims any) string {
	return encode(fmt.Sprint(header)) + "." + encode(fmt.Sprint(claims))
}

// forge signs anything with the key 1.
func forge(header, claims any) string {
	text := unsigned(header, claims)
	return text + "." + encode(string(ed25519.Sign(signer(1).Private, []byte(text))))
}

// Without this the attacks below could fail for a reason that is not theirs.
func TestForgedTokenIsGood(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	claims := goodClaims().with("nbf", fmt.Sprint(now.Unix())).with("act", goodActors(MaxActors))
	got, err := verifier.Verify(forge(goodHeader(), claims), now, known(1))
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if got.Delegated || len(got.Actors) != MaxActors {
		t.Errorf("got delegated %t and %d actors, want an identity with %d", got.Delegated, len(got.Actors), MaxActors)
	}
	header := goodHeader().with("typ", `"acquired-delegation+jwt"`)
	claims = goodClaims().with("node", `"\/data"`).with("roles", ` [ "\u002frole" ]`)
	if got, err = verifier.Verify(forge(header, claims), now, known(1)); err != nil {
		t.Fatalf("verify delegation: %v", err)
	}
	if !got.Delegated || got.Node != "/data" || len(got.Roles) != 1 || got.Roles[0] != "/role" {
		t.Errorf("got %+v, want a delegation of /role for /data", got)
	}
}

func TestHeaderAttacks(t *testing.T) {
	t.Parallel()
	header := goodHeader()
	keyID := signer(1).ID
	const jwk = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	tests := []struct{ name, member, value, reason string }{
		{"no algorithm", "alg", "", "algorithm is not EdDSA"},
		{"algorithm null", "alg", "null", "algorithm is not EdDSA"},
		{"algorithm list", "alg", `["EdDSA"]`, "algorithm is not EdDSA"},
		{"algorithm in lower case", "alg", `"eddsa"`, "algorithm is not EdDSA"},
		{"algorithm with space", "alg", `"EdDSA "`, "algorithm is not EdDSA"},
		{"algorithm by curve", "alg", `"Ed25519"`, "algorithm is not EdDSA"},
		{"another algorithm", "alg", `"ES256"`, "algorithm is not EdDSA"},

		{"no key id", "kid", "", "key id is not"},
		{"key id null", "kid", "null", "key id is not"},
		{"key id empty", "kid", `""`, "key id is not"},
		{"unknown key id", "kid", `"` + signer(2).ID + `"`, "not known here"},
		{"key id in upper case", "kid", `"` + strings.ToUpper(keyID) + `"`, "token"},
		{"short key id", "kid", `"` + keyID[:42] + `"`, "key id is not"},
		{"long key id", "kid", `"` + keyID + `A"`, "key id is not"},
		{"key id with a path", "kid", `"../../dev/null"`, "key id is not"},
		{"key id with a path of 43 bytes", "kid", `"../../` + keyID[6:] + `"`, "key id is not"},
		{"key id with a quote", "kid", `"' or '1'='1"`, "key id is not"},
		{"key id with a quote in 43 bytes", "kid", `"'` + keyID[1:] + `"`, "key id is not"},
		{"key id with NUL", "kid", `"` + keyID + `\u0000"`, "key id is not"},
		{"key id with NUL in 43 bytes", "kid", `"` + keyID[:42] + `\u0000"`, "key id is not"},
		{"key id with a line break", "kid", `"` + keyID + `\n"`, "key id is not"},
		{"key id with unused bits", "kid", `"` + otherSpelling(keyID) + `"`, "key id is not"},
		{"key id list", "kid", `["` + keyID + `"]`, "key id is not"},

		{"no type", "typ", "", "type is not acquired+jwt"},
		{"plain type", "typ", `"JWT"`, "type is not acquired+jwt"},
		{"access token of another protocol", "typ", `"at+jwt"`, "type is not acquired+jwt"},
		{"refresh token", "typ", `"refresh+jwt"`, "type is not acquired+jwt"},
		{"type in upper case", "typ", `"ACQUIRED+JWT"`, "type is not acquired+jwt"},
		{"type with prefix", "typ", `"application/acquired+jwt"`, "type is not acquired+jwt"},
		{"type list", "typ", `["acquired+jwt"]`, "type is not acquired+jwt"},
		{"identity as delegation", "typ", `"acquired-delegation+jwt"`, "node is empty"},

		{"jwk", "jwk", jwk, "other members"},
		{"jku", "jku", `"https://attacker.example/keys"`, "other members"},
		{"x5u", "x5u", `"https://attacker.example/chain"`, "other members"},
		{"x5c", "x5c", `["MIIB"]`, "other members"},
		{"x5t", "x5t", `"AAAA"`, "other members"},
		{"crit", "crit", `["exp"]`, "other members"},
		{"b64", "b64", "false", "other members"},
		{"zip", "zip", `"DEF"`, "other members"},
		{"cty", "cty", `"JWT"`, "other members"},
		{"algorithm again in other case", "ALG", `"none"`, "other members"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkRefused(t, newVerifier(t, "demo"), forge(header.with(test.member, test.value), goodClaims()), now, test.reason)
		})
	}
}

// otherSpelling changes a bit of the last digit that stands for nothing.
func otherSpelling(encoded string) string {
	last := len(encoded) - 1
	return encoded[:last] + string(base64Digits[strings.IndexByte(base64Digits, encoded[last])^1])
}

// A delegation is shown to others, who must not become its subject by it.
func TestTypeConfusion(t *testing.T) {
	t.Parallel()
	identityHeader, delegationHeader := goodHeader(), goodHeader().with("typ", `"acquired-delegation+jwt"`)
	delegated := goodClaims().with("node", `"/data"`)
	tests := []struct {
		name           string
		header, claims members
		reason         string
	}{
		{"delegation as identity", identityHeader, delegated, "unknown here"},
		{"delegation with roles as identity", identityHeader, delegated.with("roles", `["/role/a"]`), "unknown here"},
		{"identity with empty roles", identityHeader, goodClaims().with("roles", "[]"), "unknown here"},
		{"identity with null node", identityHeader, goodClaims().with("node", "null"), "unknown here"},
		{"identity as delegation", delegationHeader, goodClaims(), "node is empty"},
		{"identity with roles as delegation", delegationHeader, goodClaims().with("roles", `["/role/a"]`), "node is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkRefused(t, newVerifier(t, "demo"), forge(test.header, test.claims), now, test.reason)
		})
	}
	t.Run("header exchanged", func(t *testing.T) {
		t.Parallel()
		parts := strings.Split(signed(t, delegation("/role/a")), ".")
		parts[0] = encode(identityHeader.String())
		checkRefused(t, newVerifier(t, "demo"), strings.Join(parts, "."), now, "signature does not match")
	})
	t.Run("told apart", func(t *testing.T) {
		t.Parallel()
		verifier := newVerifier(t, "demo")
		for _, what := range []string{"parsed", "cached"} {
			for _, claims := range []Claims{identity(), delegation("/role/a")} {
				got, err := verifier.Verify(signed(t, claims), now, known(1))
				if err != nil || got.Delegated != claims.Delegated {
					t.Errorf("%s: got delegated %t and error %v, want %t", what, got.Delegated, err, claims.Delegated)
				}
			}
		}
	})
}

var noneSpellings = []string{
	"none", "nonE", "noNe", "noNE", "nOne", "nOnE", "nONe", "nONE",
	"None", "NonE", "NoNe", "NoNE", "NOne", "NOnE", "NONe", "NONE", "",
}

func TestAlgorithmNone(t *testing.T) {
	t.Parallel()
	good := signed(t, identity())
	signature := good[strings.LastIndexByte(good, '.'):]
	for _, algorithm := range noneSpellings {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			verifier := newVerifier(t, "demo")
			text := unsigned(goodHeader().with("alg", `"`+algorithm+`"`), goodClaims())
			checkRefused(t, verifier, text, now, "three parts")
			checkRefused(t, verifier, text+".", now, "algorithm is not EdDSA")
			checkRefused(t, verifier, text+signature, now, "algorithm is not EdDSA")
		})
	}
}

// The public key is no secret, so whoever takes it for one is fooled.
func TestPublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	for name, secret := range publicForms(t, public(signer(1))) {
		for _, algorithm := range []string{"HS256", "EdDSA"} {
			t.Run(name+" as "+algorithm, func(t *testing.T) {
				t.Parallel()
				text := unsigned(goodHeader().with("alg", `"`+algorithm+`"`), goodClaims())
				reason := map[string]string{"HS256": "algorithm", "EdDSA": "signature does not match"}[algorithm]
				checkRefused(t, newVerifier(t, "demo"), text+"."+encode(hs256(secret, text)), now, reason)
			})
		}
	}
}

// publicForms gives a public key in the forms that could be taken for a secret.
func publicForms(t testing.TB, key any) map[string][]byte {
	t.Helper()
	encoded, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})
	forms := map[string][]byte{"DER": encoded, "PEM": block, "PEM without line break": bytes.TrimSpace(block), "JWK": jwk}
	switch key := key.(type) {
	case ed25519.PublicKey:
		forms["raw"] = key
	case *rsa.PublicKey:
		forms["raw"] = key.N.Bytes()
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		forms["raw"] = point
	}
	return forms
}

func hs256(secret []byte, text string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return string(mac.Sum(nil))
}

func TestClaimAttacks(t *testing.T) {
	t.Parallel()
	second := now.Unix()
	at := func(offset int64) string { return fmt.Sprint(second + offset) }
	const halfDay = 12 * 3600
	tests := []struct{ name, member, value, reason string }{
		{"no expiry", "exp", "", "no expiry"},
		{"expiry null", "exp", "null", "no expiry"},
		{"expiry string", "exp", `"` + at(60) + `"`, "no expiry"},
		{"expiry float", "exp", at(60) + ".5", "no expiry"},
		{"expiry whole float", "exp", at(60) + ".0", "no expiry"},
		{"expiry with exponent", "exp", "2e9", "no expiry"},
		{"expiry negative", "exp", "-1", "no expiry"},
		{"expiry zero", "exp", "0", "no expiry"},
		{"expiry 1e308", "exp", "1e308", "no expiry"},
		{"expiry 1e999", "exp", "1e999", "no expiry"},
		{"expiry over 64 bits", "exp", "18446744073709551617", "no expiry"},
		{"expiry of the largest integer", "exp", "9223372036854775807", "no expiry"},
		{"expiry list", "exp", "[" + at(60) + "]", "no expiry"},
		{"expiry true", "exp", "true", "no expiry"},
		{"expired long ago", "exp", at(-3600), "lifetime"},
		{"expires when issued", "exp", at(0), "lifetime"},
		{"lives too long", "exp", at(halfDay + 1), "lifetime"},
		{"lives for ever", "exp", "253402300799", "lifetime"},

		{"no issue", "iat", "", "no time of issue"},
		{"issue string", "iat", `"` + at(0) + `"`, "no time of issue"},
		{"issue float", "iat", at(0) + ".5", "no time of issue"},
		{"issue negative", "iat", "-" + at(0), "no time of issue"},
		{"issue in the future", "iat", at(6), "in the future"},

		{"start in the future", "nbf", at(1), "not valid before"},
		{"start string", "nbf", `"` + at(0) + `"`, "start that is not in whole seconds"},
		{"start null", "nbf", "null", "start that is not in whole seconds"},
		{"start float", "nbf", at(0) + ".0", "start that is not in whole seconds"},

		{"no audience", "aud", "", "audience is not acquired:demo alone"},
		{"wrong audience", "aud", `"acquired:other"`, "audience is not acquired:demo alone"},
		{"audience list", "aud", `["acquired:demo"]`, "audience is not acquired:demo alone"},
		{"audience list of two", "aud", `["acquired:demo","acquired:other"]`, "audience is not acquired:demo alone"},
		{"audience with more", "aud", `"acquired:demo "`, "audience is not acquired:demo alone"},
		{"audience null", "aud", "null", "audience is not acquired:demo alone"},
		{"no issuer", "iss", "", "issuer is not acquired:demo"},
		{"wrong issuer", "iss", `"acquired:other"`, "issuer is not acquired:demo"},
		{"issuer in upper case", "iss", `"ACQUIRED:DEMO"`, "issuer is not acquired:demo"},

		{"no subject", "sub", "", "subject is empty"},
		{"empty subject", "sub", `""`, "subject is empty"},
		{"subject list", "sub", `["/workload/a"]`, "subject is empty"},
		{"subject number", "sub", "1", "subject is empty"},
		{"no id", "jti", "", "id is not 32"},
		{"id null", "jti", "null", "id is not 32"},
		{"short id", "jti", `"00112233445566778899aabbccddeef"`, "id is not 32"},
		{"id in upper case", "jti", `"00112233445566778899AABBCCDDEEFF"`, "id is not 32"},
		{"id with a path", "jti", `"0011223344556677/../aabbccddeeff"`, "id is not 32"},

		{"no birth", "born", "", "no birth and epoch"},
		{"birth null", "born", "null", "no birth and epoch"},
		{"birth string", "born", `"17"`, "no birth and epoch"},
		{"birth float", "born", "17.0", "no birth and epoch"},
		{"birth with exponent", "born", "1e1", "no birth and epoch"},
		{"birth negative", "born", "-1", "no birth and epoch"},
		{"birth over 64 bits", "born", "18446744073709551616", "no birth and epoch"},
		{"no epoch", "epoch", "", "no birth and epoch"},
		{"epoch string", "epoch", `"2"`, "no birth and epoch"},
		{"epoch negative", "epoch", "-0", "no birth and epoch"},

		{"no method", "amr", "", "list of one method"},
		{"method string", "amr", `"ssh"`, "list of one method"},
		{"method null", "amr", "[null]", "list of one method"},
		{"methods empty", "amr", "[]", "list of one method"},
		{"two methods", "amr", `["ssh","otp"]`, "list of one method"},
		{"method in upper case", "amr", `["SSH"]`, "method is not"},

		{"actor null", "act", "null", "actor 1 is not"},
		{"actor string", "act", `"/user/a"`, "actor 1 is not"},
		{"actor list", "act", "[" + goodActors(1) + "]", "actor 1 is not"},
		{"actor empty", "act", "{}", "actor 1 is not"},
		{"actor of no subject", "act", `{"born":1,"epoch":1}`, "actor 1 is not"},
		{"actor of no birth", "act", `{"sub":"/user/a","epoch":1}`, "actor 1 is not"},
		{"actor of no epoch", "act", `{"sub":"/user/a","born":1}`, "actor 1 is not"},
		{"actor born by a string", "act", `{"sub":"/user/a","born":"1","epoch":1}`, "actor 1 is not"},
		{"actor with unknown member", "act", `{"sub":"/user/a","born":1,"epoch":1,"iss":"x"}`, "actor 1 is not"},
		{"actor twice", "act", `{"sub":"/user/a","sub":"/user/b","born":1,"epoch":1}`, "actor 1 is not"},
		{"actor with empty session", "act", `{"sub":"/user/a","born":1,"epoch":1,"sid":""}`, "actor 1 is not"},
		{"actor with null session", "act", `{"sub":"/user/a","born":1,"epoch":1,"sid":null}`, "actor 1 is not"},
		{"actor with another session", "act", `{"sub":"/user/a","born":1,"epoch":1,"sid":"1"}`, "session of actor 1"},
		{"second actor null", "act", `{"sub":"/user/a","born":1,"epoch":1,"act":null}`, "actor 2 is not"},
		{"second actor with unknown member", "act", `{"sub":"/user/a","born":1,"epoch":1,"act":{"sub":"/user/b","born":1,"epoch":1,"x":1}}`, "actor 2 is not"},
		{"actors too deep", "act", goodActors(MaxActors + 1), "more actors than the limit of 4"},
		{"actors far too deep", "act", goodActors(60), "more actors than the limit of 4"},
		{"actor who may act", "may_act", goodActors(1), "unknown here"},

		{"subject with half a character", "sub", `"/user/\ud800"`, "subject is empty or not UTF-8"},
		{"subject with bytes that are no text", "sub", "\"/user/\xff\"", "payload is not a JSON object"},

		{"unknown claim", "scope", `"all"`, "unknown here"},
		{"claim in other case", "EXP", at(3600), "unknown here"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkRefused(t, newVerifier(t, "demo"), forge(goodHeader(), goodClaims().with(test.member, test.value)), now, test.reason)
		})
	}
}

// Of a delegation the claims that an identity has not.
func TestDelegationAttacks(t *testing.T) {
	t.Parallel()
	header := goodHeader().with("typ", `"acquired-delegation+jwt"`)
	tests := []struct{ name, member, value, reason string }{
		{"no node", "node", "", "node is empty"},
		{"node null", "node", "null", "node is empty"},
		{"node list", "node", `["/data"]`, "node is empty"},
		{"roles null", "roles", "null", "not a list of one or more"},
		{"roles empty", "roles", "[]", "not a list of one or more"},
		{"roles string", "roles", `"/role/a"`, "not a list of one or more"},
		{"role null", "roles", `["/role/a",null]`, "not a list of one or more"},
		{"role empty", "roles", `["/role/a",""]`, "not a list of one or more"},
		{"role list", "roles", `[["/role/a"]]`, "not a list of one or more"},
		{"roles over the limit", "roles", "[" + strings.Repeat(`"/role/a",`, MaxRoles) + `"/role/a"]`, "65 roles, over the limit of 64"},
		{"unknown claim", "scope", `"all"`, "unknown here"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			claims := goodClaims().with("node", `"/data"`).with(test.member, test.value)
			checkRefused(t, newVerifier(t, "demo"), forge(header, claims), now, test.reason)
		})
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	claims := identity()
	token := signed(t, claims)

	checkRefused(t, verifier, token, claims.IssuedAt.Add(-5*time.Second-1), "in the future")
	checkRefused(t, verifier, token, claims.ExpiresAt, "expired at 2031-03-01T13:00:00Z")
	for _, at := range []time.Time{claims.IssuedAt.Add(-5 * time.Second), now, claims.ExpiresAt.Add(-1)} {
		if _, err := verifier.Verify(token, at, known(1)); err != nil {
			t.Errorf("verify at %s: %v", at, err)
		}
	}
	// It is in the cache now.
	checkRefused(t, verifier, token, claims.IssuedAt.Add(-5*time.Second-1), "in the future")
	checkRefused(t, verifier, token, claims.ExpiresAt, "expired")
}

func TestStartIsCheckedWhenCached(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	token := forge(goodHeader(), goodClaims().with("nbf", fmt.Sprint(now.Unix()+1)))
	checkRefused(t, verifier, token, now, "not valid before 2031-03-01T12:00:01Z")
	if _, err := verifier.Verify(token, now.Add(time.Second), known(1)); err != nil {
		t.Fatalf("verify: %v", err)
	}
	checkRefused(t, verifier, token, now, "not valid before 2031-03-01T12:00:01Z")
}

func TestTokenOfAnotherCluster(t *testing.T) {
	t.Parallel()
	token, err := Sign("other", signer(1), identity())
	if err != nil {
		t.Fatal(err)
	}
	checkRefused(t, newVerifier(t, "demo"), token, now, "issuer is not acquired:demo")
	checkRefused(t, newVerifier(t, "other2"), token, now, "issuer is not acquired:other2")
}

func TestObjectAttacks(t *testing.T) {
	t.Parallel()
	header, claims := goodHeader().String(), goodClaims().String()
	again := func(object, member string) string { return strings.Replace(object, "{", "{"+member+",", 1) }
	tests := []struct{ name, header, claims, reason string }{
		{"claim twice", header, again(claims, `"exp":1`), "payload has a member twice"},
		{"claim twice by escape", header, again(claims, `"\u0065xp":1`), "payload has a member twice"},
		{"claim twice alike", header, again(claims, `"sub":"/workload/hpe/train"`), "payload has a member twice"},
		{"algorithm twice", again(header, `"alg":"none"`), claims, "header has a member twice"},
		{"key id twice", again(header, `"kid":"0"`), claims, "header has a member twice"},
		{"empty claims", header, "", "payload is not a JSON object"},
		{"claims null", header, "null", "payload is not a JSON object"},
		{"claims list", header, "[" + claims + "]", "payload is not a JSON object"},
		{"claims string", header, `"x"`, "payload is not a JSON object"},
		{"claims cut", header, claims[:len(claims)-1], "payload is not a JSON object"},
		{"claims with more", header, claims + "{}", "payload is not a JSON object"},
		{"claims with a comma", header, claims[:len(claims)-1] + ",}", "payload is not a JSON object"},
		{"claims without a comma", header, strings.Replace(claims, ",", " ", 1), "payload is not a JSON object"},
		{"deep claims", header, strings.Repeat("[", 11000), "payload is not a JSON object"},
		{"deep claim", header, `{"exp":` + strings.Repeat("[", 11000), "payload is not a JSON object"},
		{"no claim", header, "{}", "issuer is not"},
		{"empty header", "", claims, "header is not a JSON object"},
		{"header list", "[]", claims, "header is not a JSON object"},
		{"no header member", "{}", claims, "algorithm is not"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkRefused(t, newVerifier(t, "demo"), forge(test.header, test.claims), now, test.reason)
		})
	}
}

func TestSpellingAttacks(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	token := signed(t, identity())
	otherClaims := identity()
	otherClaims.Subject = "/workload/hpe/other"
	other := signed(t, otherClaims)
	if _, err := verifier.Verify(token, now, known(1)); err != nil {
		t.Fatalf("verify: %v", err)
	}
	parts := strings.Split(token, ".")
	head, claims, signature := parts[0], parts[1], parts[2]
	otherParts := strings.Split(other, ".")
	attacks := map[string]string{
		"nothing":                      "",
		"dots":                         "..",
		"one part":                     head,
		"four parts":                   token + ".",
		"encrypted form":               encode(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + ".." + head + "." + claims + "." + signature,
		"token in five parts":          token + "." + head + "." + head,
		"signature stripped":           head + "." + claims + ".",
		"signature left out":           head + "." + claims,
		"signature cut by a digit":     token[:len(token)-1],
		"signature cut by bytes":       token[:len(token)-4],
		"signature longer":             token + "AAAA",
		"signature of another token":   head + "." + claims + "." + otherParts[2],
		"claims of another token":      head + "." + otherParts[1] + "." + signature,
		"signature of zeros":           head + "." + claims + "." + strings.Repeat("A", 86),
		"padding in the signature":     token + "==",
		"padding in the claims":        head + "." + claims + "=." + signature,
		"line break at the end":        token + "\n",
		"carriage return at the end":   token + "\r",
		"line break in the signature":  head + "." + claims + "." + signature[:10] + "\n" + signature[10:],
		"line break in the claims":     head + "." + claims[:10] + "\n" + claims[10:] + "." + signature,
		"line break in the header":     head[:4] + "\r\n" + head[4:] + "." + claims + "." + signature,
		"line break at the start":      "\n" + token,
		"space at the end":             token + " ",
		"space at the start":           " " + token,
		"tab in the signature":         head + "." + claims + "." + signature[:10] + "\t" + signature[10:],
		"zero byte at the end":         token + "\x00",
		"unused bits in the signature": head + "." + claims + "." + otherSpelling(signature),
		"other alphabet":               head + "." + claims + "." + "+/" + signature[2:],
		"scheme before":                "Bearer " + token,
		"brackets":                     `{"payload":"` + claims + `"}`,
		"too long":                     token + strings.Repeat("A", MaxBytes),
		"too long by parts":            strings.Repeat(".", MaxBytes+1),
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRefused(t, verifier, attack, now, "token")
		})
	}
	checkRefused(t, verifier, strings.Repeat("A", MaxBytes+1), now, "over the limit of 16384")
	checkRefused(t, verifier, token+"==", now, "part 3 of the token is not strict base64url")
	checkRefused(t, verifier, token+"\n", now, "part 3 of the token is not strict base64url")
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Every token that differs in a bit from a good one is refused.
func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	verifier := newVerifier(t, "demo")
	token := signed(t, vouched(1))
	if _, err := verifier.Verify(token, now, known(1)); err != nil {
		t.Fatalf("verify: %v", err)
	}
	for n := range len(token) {
		for bit := range 8 {
			changed := []byte(token)
			changed[n] ^= 1 << bit
			if _, err := verifier.Verify(string(changed), now, known(1)); !errors.Is(err, fault.Unauthenticated) {
				t.Fatalf("byte %d with bit %d changed: got %v, want an unauthenticated fault", n, bit, err)
			}
		}
	}
}

// FuzzVerify gives tokens of which only one was signed.
func FuzzVerify(f *testing.F) {
	good := forge(goodHeader(), goodClaims())
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add(good + "\n")
	f.Add(unsigned(goodHeader().with("alg", `"none"`), goodClaims()) + ".")
	f.Add(unsigned(goodHeader().with("jku", `"https://attacker.example/"`), goodClaims()) + "." + parts[2])
	f.Add(unsigned(goodHeader(), goodClaims().with("exp", "1e308")) + "." + parts[2])
	f.Fuzz(func(t *testing.T, token string) {
		verifier := newVerifier(t, "demo")
		verifier.IssuerOf(token)
		for _, what := range []string{"first", "again"} {
			_, err := verifier.Verify(token, now, known(1))
			if token == good {
				if err != nil {
					t.Fatalf("%s: signed token: %v", what, err)
				}
				continue
			}
			if !errors.Is(err, fault.Unauthenticated) {
				t.Fatalf("%s: got %v, want an unauthenticated fault", what, err)
			}
		}
	})
}

// FuzzSigned gives tokens with a good signature, so that what is behind it is
// reached. What is accepted can be signed again and says the same.
func FuzzSigned(f *testing.F) {
	delegationHeader := goodHeader().with("typ", `"acquired-delegation+jwt"`)
	f.Add(goodHeader().String(), goodClaims().String())
	f.Add(goodHeader().String(), goodClaims().with("nbf", "1").with("act", goodActors(3)).String())
	f.Add(delegationHeader.String(), goodClaims().with("node", `"/data"`).with("roles", `["/role/a"]`).String())
	f.Add(goodHeader().with("crit", `["exp"]`).String(), `{"exp":1e999,"exp":null}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		verifier := newVerifier(t, "demo")
		token := forge(header, claims)
		got, err := verifier.Verify(token, now, known(1))
		if err != nil {
			if !errors.Is(err, fault.Unauthenticated) {
				t.Fatalf("got %v, want an unauthenticated fault", err)
			}
			return
		}
		if !now.Before(got.ExpiresAt) || got.IssuedAt.Sub(now) > maxClockLead || len(token) > MaxBytes {
			t.Errorf("accepted %s at %s", claims, now)
		}
		for _, object := range []string{header, claims} {
			if !json.Valid([]byte(object)) {
				t.Errorf("accepted %q, which is not JSON", object)
			}
		}
		again, err := Sign("demo", signer(1), got)
		if err != nil {
			t.Fatalf("accepted %+v, which cannot be signed: %v", got, err)
		}
		if same, err := verifier.Verify(again, now, known(1)); err != nil || !cmp.Equal(got, same) {
			t.Errorf("got %+v and error %v when signed again, want %+v", same, err, got)
		}
	})
}
