package token

import (
	"crypto/ed25519"
	"crypto/hmac"
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

// goodHeader and goodClaims make a token that the issuer of demo with the key 1
// accepts now.
func goodHeader(t testing.TB) members {
	t.Helper()
	return members{"alg": `"EdDSA"`, "typ": `"acquired+jwt"`, "kid": `"` + newIssuer(t, "demo", 1).keyID + `"`}
}

func goodClaims() members {
	return members{
		"iss": `"acquired:demo"`, "aud": `"acquired:demo"`, "sub": `"/workload/hpe/train"`, "jti": `"00112233445566778899aabbccddeeff"`,
		"iat": fmt.Sprint(now.Unix()), "exp": fmt.Sprint(now.Unix() + 60),
	}
}

func encode(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

// unsigned gives all of a token up to the last dot, which it leaves out.
func unsigned(header, claims any) string {
	return encode(fmt.Sprint(header)) + "." + encode(fmt.Sprint(claims))
}

// forge signs anything with the key 1.
func forge(t testing.TB, header, claims any) string {
	t.Helper()
	text := unsigned(header, claims)
	return text + "." + encode(string(ed25519.Sign(newKey(t, 1), []byte(text))))
}

// Without this the attacks below could fail for a reason that is not theirs.
func TestForgedTokenIsGood(t *testing.T) {
	t.Parallel()
	claims := goodClaims().
		with("nbf", fmt.Sprint(now.Unix())).
		with("grants", ` [ {"path":"\/data", "operation":"Read"} ]`)
	got, err := newIssuer(t, "demo", 1).Verify(forge(t, goodHeader(t), claims), now)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if len(got.Grants) != 1 || got.Grants[0] != (Grant{"Read", "/data"}) {
		t.Errorf("got grants %v, want Read on /data", got.Grants)
	}
}

func TestHeaderAttacks(t *testing.T) {
	t.Parallel()
	header := goodHeader(t)
	keyID := strings.Trim(header["kid"], `"`)
	tests := []struct{ name, member, value, reason string }{
		{"no algorithm", "alg", "", "algorithm is not EdDSA"},
		{"algorithm null", "alg", "null", "algorithm is not EdDSA"},
		{"algorithm list", "alg", `["EdDSA"]`, "algorithm is not EdDSA"},
		{"algorithm in lower case", "alg", `"eddsa"`, "algorithm is not EdDSA"},
		{"algorithm with space", "alg", `"EdDSA "`, "algorithm is not EdDSA"},
		{"algorithm by curve", "alg", `"Ed25519"`, "algorithm is not EdDSA"},
		{"another algorithm", "alg", `"ES256"`, "algorithm is not EdDSA"},
		{"no key id", "kid", "", "names another key"},
		{"unknown key id", "kid", `"0123456789abcdef"`, "names another key"},
		{"key id in upper case", "kid", `"` + strings.ToUpper(keyID) + `"`, "names another key"},
		{"key id with a path", "kid", `"../../dev/null"`, "names another key"},
		{"key id with a quote", "kid", `"' or '1'='1"`, "names another key"},
		{"key id with a zero", "kid", `"` + keyID + `\u0000"`, "names another key"},
		{"key id list", "kid", `["` + keyID + `"]`, "names another key"},
		{"no type", "typ", "", "type is not acquired+jwt"},
		{"plain type", "typ", `"JWT"`, "type is not acquired+jwt"},
		{"type in upper case", "typ", `"ACQUIRED+JWT"`, "type is not acquired+jwt"},
		{"jwk", "jwk", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "other members"},
		{"jku", "jku", `"https://attacker.example/keys"`, "other members"},
		{"x5u", "x5u", `"https://attacker.example/chain"`, "other members"},
		{"x5c", "x5c", `["MIIB"]`, "other members"},
		{"crit", "crit", `["exp"]`, "other members"},
		{"b64", "b64", "false", "other members"},
		{"zip", "zip", `"DEF"`, "other members"},
		{"algorithm twice in other case", "ALG", `"none"`, "other members"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer(t, "demo", 1)
			checkRefused(t, issuer, forge(t, header.with(test.member, test.value), goodClaims()), now, test.reason)
		})
	}
}

func TestAlgorithmNone(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	good, _ := issue(t, issuer, "/workload/hpe/train")
	signature := good[strings.LastIndexByte(good, '.'):]
	for _, algorithm := range []string{"none", "None", "NONE", "nOnE", ""} {
		text := unsigned(goodHeader(t).with("alg", `"`+algorithm+`"`), goodClaims())
		for _, token := range []string{text, text + ".", text + signature} {
			t.Run(algorithm, func(t *testing.T) {
				t.Parallel()
				reason := "algorithm is not EdDSA"
				if token == text {
					reason = "three parts"
				}
				checkRefused(t, issuer, token, now, reason)
			})
		}
	}
}

// The public key is no secret, so whoever takes it for one is fooled.
func TestPublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	encoded, err := x509.MarshalPKIXPublicKey(issuer.public)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"raw": issuer.public,
		"DER": encoded,
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded}),
	}
	for name, secret := range secrets {
		for _, algorithm := range []string{"HS256", "EdDSA"} {
			t.Run(name+" as "+algorithm, func(t *testing.T) {
				t.Parallel()
				text := unsigned(goodHeader(t).with("alg", `"`+algorithm+`"`), goodClaims())
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(text))
				reason := map[string]string{"HS256": "algorithm", "EdDSA": "signature does not match"}[algorithm]
				checkRefused(t, issuer, text+"."+encode(string(mac.Sum(nil))), now, reason)
			})
		}
	}
}

func TestClaimAttacks(t *testing.T) {
	t.Parallel()
	second := now.Unix()
	at := func(offset int64) string { return fmt.Sprint(second + offset) }
	const month = 30 * 24 * 3600
	grant := `{"operation":"Read","path":"/data"}`
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
		{"lives too long", "exp", at(month + 1), "lifetime"},
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

		{"no subject", "sub", "", "no subject"},
		{"empty subject", "sub", `""`, "no subject"},
		{"subject list", "sub", `["/workload/a"]`, "no subject"},
		{"subject number", "sub", "1", "no subject"},
		{"no id", "jti", "", "no id"},
		{"id null", "jti", "null", "no id"},
		{"short id", "jti", `"00112233445566778899aabbccddeef"`, "no id of 32"},
		{"id in upper case", "jti", `"00112233445566778899AABBCCDDEEFF"`, "no id of 32"},
		{"id with a path", "jti", `"0011223344556677/../aabbccddeeff"`, "no id of 32"},

		{"grants null", "grants", "null", "not a list"},
		{"grants empty", "grants", "[]", "not a list"},
		{"grants object", "grants", grant, "not a list"},
		{"grant string", "grants", `["Read"]`, "grant 1 is not"},
		{"grant null", "grants", "[" + grant + ",null]", "grant 2 is not"},
		{"grant without path", "grants", `[{"operation":"Read"}]`, "grant 1 is not"},
		{"grant without operation", "grants", `[{"path":"/data"}]`, "grant 1 is not"},
		{"grant in other case", "grants", `[{"Operation":"Read","Path":"/data"}]`, "grant 1 is not"},
		{"grant with more", "grants", `[{"operation":"Read","path":"/data","until":1}]`, "grant 1 is not"},
		{"grant with two paths", "grants", `[{"operation":"Read","path":"/data","path":"/"}]`, "grant 1 is not"},
		{"grants over the limit", "grants", "[" + strings.Repeat(grant+",", MaxGrants) + grant + "]", "65 grants, over the limit of 64"},

		{"unknown claim", "scope", `"all"`, "unknown here"},
		{"claim in other case", "EXP", at(3600), "unknown here"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			issuer := newIssuer(t, "demo", 1)
			checkRefused(t, issuer, forge(t, goodHeader(t), goodClaims().with(test.member, test.value)), now, test.reason)
		})
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	claims := goodClaims().with("iat", fmt.Sprint(now.Unix()-60)).with("exp", fmt.Sprint(now.Unix()))
	checkRefused(t, newIssuer(t, "demo", 1), forge(t, goodHeader(t), claims), now, "expired at 2031-03-01T12:00:00Z")
}

func TestObjectAttacks(t *testing.T) {
	t.Parallel()
	header, claims := goodHeader(t).String(), goodClaims().String()
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
			checkRefused(t, newIssuer(t, "demo", 1), forge(t, test.header, test.claims), now, test.reason)
		})
	}
}

func TestSpellingAttacks(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	token, _ := issue(t, issuer, "/workload/hpe/train", Grant{"Read", "/data/hpe"})
	other, _ := issue(t, issuer, "/workload/hpe/other", Grant{"Read", "/data/hpe"})
	if _, err := issuer.Verify(token, now); err != nil {
		t.Fatalf("verify: %v", err)
	}
	parts := strings.Split(token, ".")
	head, claims, signature := parts[0], parts[1], parts[2]
	otherParts := strings.Split(other, ".")
	last := signature[len(signature)-1]
	// The last of the 86 digits of a signature holds two bits only.
	sameBits := signature[:len(signature)-1] + string(base64Digits[strings.IndexByte(base64Digits, last)^1])

	attacks := map[string]string{
		"nothing":                      "",
		"dots":                         "..",
		"one part":                     head,
		"four parts":                   token + ".",
		"encrypted form":               token + "." + head + "." + head,
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
		"unused bits in the signature": head + "." + claims + "." + sameBits,
		"other alphabet":               head + "." + claims + "." + "+/" + signature[2:],
		"scheme before":                "Bearer " + token,
		"brackets":                     `{"payload":"` + claims + `"}`,
		"too long":                     token + strings.Repeat("A", MaxBytes),
		"too long by parts":            strings.Repeat(".", MaxBytes+1),
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRefused(t, issuer, attack, now, "token")
		})
	}
	checkRefused(t, issuer, strings.Repeat("A", MaxBytes+1), now, "over the limit of 16384")
	checkRefused(t, issuer, token+"==", now, "part 3 of the token is not strict base64url")
	checkRefused(t, issuer, token+"\n", now, "part 3 of the token is not strict base64url")
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Every token that differs in a bit from a good one is refused.
func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, "demo", 1)
	token, _ := issue(t, issuer, "/workload/hpe/train", Grant{"Read", "/data/hpe"})
	if _, err := issuer.Verify(token, now); err != nil {
		t.Fatalf("verify: %v", err)
	}
	for n := range len(token) {
		for bit := range 8 {
			changed := []byte(token)
			changed[n] ^= 1 << bit
			if _, err := issuer.Verify(string(changed), now); !errors.Is(err, fault.Unauthenticated) {
				t.Fatalf("byte %d with bit %d changed: got %v, want an unauthenticated fault", n, bit, err)
			}
		}
	}
}

// FuzzVerify gives tokens of which only one was issued.
func FuzzVerify(f *testing.F) {
	good := forge(f, goodHeader(f), goodClaims())
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add(good + "\n")
	f.Add(unsigned(goodHeader(f).with("alg", `"none"`), goodClaims()) + ".")
	f.Add(unsigned(goodHeader(f).with("jku", `"https://attacker.example/"`), goodClaims()) + "." + parts[2])
	f.Add(unsigned(goodHeader(f), goodClaims().with("exp", "1e308")) + "." + parts[2])
	f.Fuzz(func(t *testing.T, token string) {
		issuer := newIssuer(t, "demo", 1)
		for _, what := range []string{"first", "again"} {
			_, err := issuer.Verify(token, now)
			if token == good {
				if err != nil {
					t.Fatalf("%s: issued token: %v", what, err)
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
// reached.
func FuzzSigned(f *testing.F) {
	f.Add(goodHeader(f).String(), goodClaims().String())
	f.Add(goodHeader(f).String(), goodClaims().with("nbf", "1").with("grants", `[{"operation":"Read","path":"/data"}]`).String())
	f.Add(goodHeader(f).with("crit", `["exp"]`).String(), `{"exp":1e999,"exp":null}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		token := forge(t, header, claims)
		got, err := newIssuer(t, "demo", 1).Verify(token, now)
		if err != nil {
			if !errors.Is(err, fault.Unauthenticated) {
				t.Fatalf("got %v, want an unauthenticated fault", err)
			}
			return
		}
		if len(token) > MaxBytes || got.ID == "" || got.Subject == "" || got.Audience != "acquired:demo" || len(got.Grants) > MaxGrants {
			t.Errorf("accepted %s", claims)
		}
		lifetime := got.ExpiresAt.Sub(got.IssuedAt)
		if !now.Before(got.ExpiresAt) || got.IssuedAt.Sub(now) > maxClockLead || lifetime < MinLifetime || lifetime > MaxLifetime {
			t.Errorf("accepted %s at %s", claims, now)
		}
		for _, object := range []string{header, claims} {
			if !json.Valid([]byte(object)) {
				t.Errorf("accepted %q, which is not JSON", object)
			}
		}
	})
}
