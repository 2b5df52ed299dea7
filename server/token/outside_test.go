package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

// outsider is an issuer that is not ours, and both of its keys.
type outsider struct {
	algorithm Algorithm
	private   any
	// public is nil for a secret.
	public any
}

var makeOutsiders = sync.OnceValue(func() []outsider {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	curveKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	edKey := signer(9).Private
	return []outsider{
		{RS256, rsaKey, &rsaKey.PublicKey},
		{ES256, curveKey, &curveKey.PublicKey},
		{EdDSA, edKey, edKey.Public()},
		{HS256, []byte("a secret of at least 32 bytes, as it must be"), nil},
	}
})

// outsiders gives one for each algorithm.
func outsiders(t testing.TB) []outsider {
	t.Helper()
	return makeOutsiders()
}

func parseKeys(t testing.TB, algorithm Algorithm, data []byte) Keys {
	t.Helper()
	keys, err := ParseKeys(algorithm, data)
	if err != nil {
		t.Fatalf("parse keys: %v", err)
	}
	return keys
}

// trusted gives the record of the issuer that its tokens are verified by.
func (o outsider) trusted(t testing.TB) Outside {
	t.Helper()
	data, isSecret := o.private.([]byte)
	if !isSecret {
		data = publicPEM(t, o.public)
	}
	return Outside{Issuer: "https://issuer.example", Audience: "demo", Keys: parseKeys(t, o.algorithm, data)}
}

func publicPEM(t testing.TB, key any) []byte {
	t.Helper()
	encoded, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})
}

func (o outsider) sign(t testing.TB, header, claims any) string {
	t.Helper()
	text := unsigned(header, claims)
	method, _ := methodOf(o.algorithm)
	signature, err := method.Sign(text, o.private)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(string(signature))
}

func (o outsider) header() members { return members{"alg": `"` + string(o.algorithm) + `"`} }

func outsideClaims() members {
	return members{
		"iss": `"https://issuer.example"`, "aud": `"demo"`, "sub": `"248289761001"`,
		"iat": fmt.Sprint(now.Unix()), "exp": fmt.Sprint(now.Unix() + 60),
	}
}

func checkOutsideRefused(t *testing.T, token string, trusted Outside, at time.Time, reason string) {
	t.Helper()
	claims, err := newVerifier(t, "demo").VerifyOutside(token, trusted, at)
	if err == nil {
		t.Fatalf("got claims %+v, want a fault", claims)
	}
	checkFault(t, err, token, reason)
}

func TestOutside(t *testing.T) {
	t.Parallel()
	for _, outsider := range outsiders(t) {
		t.Run(string(outsider.algorithm), func(t *testing.T) {
			t.Parallel()
			verifier := newVerifier(t, "demo")
			header := outsider.header().with("typ", `"jwt"`).with("kid", `"any"`).with("x5t", `"AAAA"`)
			claims := outsideClaims().with("jti", `"1"`).with("scope", `"read write"`).with("nbf", fmt.Sprint(now.Unix())).
				with("email", `{"a":[1,2,null]}`)
			want := OutsideClaims{
				ID: "1", Subject: "248289761001", Scopes: []string{"read", "write"},
				IssuedAt: second, ExpiresAt: second.Add(time.Minute),
			}
			token := outsider.sign(t, header, claims)
			for _, what := range []string{"parsed", "cached"} {
				got, err := verifier.VerifyOutside(token, outsider.trusted(t), now)
				if err != nil {
					t.Fatalf("verify %s: %v", what, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s claims (-want +got):\n%s", what, diff)
				}
				got.Scopes[0] = "admin"
			}
			if len(verifier.outside.order) != 1 || len(verifier.own.order) != 0 {
				t.Errorf("got %d tokens of outside and %d of our own in the cache, want 1 and 0",
					len(verifier.outside.order), len(verifier.own.order))
			}
		})
	}
}

// Tokens as another library makes them.
func TestOutsideTokenOfAnotherLibrary(t *testing.T) {
	t.Parallel()
	for _, outsider := range outsiders(t) {
		t.Run(string(outsider.algorithm), func(t *testing.T) {
			t.Parallel()
			method, _ := methodOf(outsider.algorithm)
			token, err := jwt.NewWithClaims(method, jwt.RegisteredClaims{
				Issuer: "https://issuer.example", Audience: jwt.ClaimStrings{"other", "demo"}, Subject: "alice",
				ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
			}).SignedString(outsider.private)
			if err != nil {
				t.Fatal(err)
			}
			got, err := newVerifier(t, "demo").VerifyOutside(token, outsider.trusted(t), now)
			want := OutsideClaims{Subject: "alice", ExpiresAt: second.Add(time.Hour)}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, claims (-want +got):\n%s", err, diff)
			}
		})
	}
}

// changed gives the members with each of the changes, of which an empty value
// leaves one out.
func (m members) changed(changes members) members {
	for name, value := range changes {
		m = m.with(name, value)
	}
	return m
}

func TestOutsideAccepts(t *testing.T) {
	t.Parallel()
	outsider := outsiders(t)[0]
	at := func(offset int64) string { return fmt.Sprint(now.Unix() + offset) }
	same := func(*OutsideClaims) {}
	scopes := func(scopes ...string) func(*OutsideClaims) {
		return func(c *OutsideClaims) { c.Scopes = scopes }
	}
	tests := []struct {
		name           string
		header, claims members
		change         func(want *OutsideClaims)
	}{
		{"type in capitals", members{"typ": `"JWT"`}, nil, same},
		{"type of access tokens", members{"typ": `"AT+jwt"`}, nil, same},
		{"audience list", nil, members{"aud": `["a", "demo"]`}, same},
		{"longest subject", nil, members{"sub": `"` + strings.Repeat("a", 255) + `"`}, func(c *OutsideClaims) { c.Subject = strings.Repeat("a", 255) }},
		{"no issue", nil, members{"iat": ""}, func(c *OutsideClaims) { c.IssuedAt = time.Time{} }},
		{"fraction of a second", nil, members{"exp": at(1) + ".25"}, func(c *OutsideClaims) { c.ExpiresAt = second.Add(1250 * time.Millisecond) }},
		{"exponent", nil, members{"exp": "1.9301328605e9"}, func(c *OutsideClaims) { c.ExpiresAt = time.Unix(1930132860, 5e8).UTC() }},
		{"issued a little ahead", nil, members{"iat": at(59)}, func(c *OutsideClaims) { c.IssuedAt = second.Add(59 * time.Second) }},
		{"starts a little ahead", nil, members{"nbf": at(60)}, same},
		{"longest life", nil, members{"exp": at(24 * 3600)}, func(c *OutsideClaims) { c.ExpiresAt = second.Add(24 * time.Hour) }},
		{"scope list", nil, members{"scope": `["a","b"]`}, scopes("a", "b")},
		{"scp", nil, members{"scp": `"a  b "`}, scopes("a", "b")},
		{"scp list", nil, members{"scp": `["a"]`}, scopes("a")},
		{"scope before scp", nil, members{"scope": `"a"`, "scp": `"b"`}, scopes("a")},
		{"empty scope before scp", nil, members{"scope": `""`, "scp": `"b"`}, same},
		{"no scope in a list", nil, members{"scope": `[ ]`}, same},
		{"most scopes", nil, members{"scope": `"` + strings.Repeat("a ", MaxScopes) + `"`}, scopes(strings.Fields(strings.Repeat("a ", MaxScopes))...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := OutsideClaims{Subject: "248289761001", IssuedAt: second, ExpiresAt: second.Add(time.Minute)}
			test.change(&want)
			token := outsider.sign(t, outsider.header().changed(test.header), outsideClaims().changed(test.claims))
			got, err := newVerifier(t, "demo").VerifyOutside(token, outsider.trusted(t), now)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, claims (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOutsideHeaderAttacks(t *testing.T) {
	t.Parallel()
	const refused = "header has one of the members"
	tests := []struct{ name, member, value, reason string }{
		{"no algorithm", "alg", "", "algorithm is not"},
		{"algorithm null", "alg", "null", "algorithm is not"},
		{"algorithm list", "alg", `["RS256"]`, "algorithm is not"},
		{"algorithm with space", "alg", `"RS256 "`, "algorithm is not"},
		{"longer hash", "alg", `"RS512"`, "algorithm is not"},
		{"jwk", "jwk", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, refused},
		{"jku", "jku", `"https://attacker.example/keys"`, refused},
		{"x5u", "x5u", `"https://attacker.example/chain"`, refused},
		{"x5c", "x5c", `["MIIB"]`, refused},
		{"crit", "crit", `["exp"]`, refused},
		{"crit null", "crit", "null", refused},
		{"zip", "zip", `"DEF"`, refused},
		{"b64", "b64", "false", refused},
		{"enc", "enc", `"A256GCM"`, refused},
		{"type of logout tokens", "typ", `"logout+jwt"`, "type is not"},
		{"type of proofs", "typ", `"dpop+jwt"`, "type is not"},
		{"type of events", "typ", `"secevent+jwt"`, "type is not"},
		{"type of our credentials", "typ", `"acquired+jwt"`, "type is not"},
		{"type empty", "typ", `""`, "type is not"},
		{"type null", "typ", "null", "type is not"},
		{"type list", "typ", `["JWT"]`, "type is not"},
		{"type with a foreign letter", "typ", `"JW\u0442"`, "type is not"},
		{"key id null", "kid", "null", "key id is not a string"},
		{"key id empty", "kid", `""`, "key id is not a string"},
		{"key id number", "kid", "1", "key id is not a string"},
	}
	for _, outsider := range outsiders(t) {
		trusted := outsider.trusted(t)
		for _, test := range tests {
			t.Run(string(outsider.algorithm)+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				token := outsider.sign(t, outsider.header().with(test.member, test.value), outsideClaims())
				checkOutsideRefused(t, token, trusted, now, test.reason)
			})
		}
	}
}

func TestOutsideAlgorithmNone(t *testing.T) {
	t.Parallel()
	for _, outsider := range outsiders(t) {
		trusted := outsider.trusted(t)
		good := outsider.sign(t, outsider.header(), outsideClaims())
		signature := good[strings.LastIndexByte(good, '.'):]
		for _, algorithm := range noneSpellings {
			t.Run(string(outsider.algorithm)+"/"+algorithm, func(t *testing.T) {
				t.Parallel()
				text := unsigned(members{"alg": `"` + algorithm + `"`}, outsideClaims())
				checkOutsideRefused(t, text, trusted, now, "three parts")
				checkOutsideRefused(t, text+".", trusted, now, "algorithm is not "+string(outsider.algorithm))
				checkOutsideRefused(t, text+signature, trusted, now, "algorithm is not "+string(outsider.algorithm))
			})
		}
	}
}

// Neither a key of another algorithm nor another spelling of the name is taken.
func TestOutsideAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	for _, trusting := range outsiders(t) {
		trusted := trusting.trusted(t)
		for _, signing := range outsiders(t) {
			for _, named := range outsiders(t) {
				if trusting.algorithm == signing.algorithm && signing.algorithm == named.algorithm {
					continue
				}
				t.Run(fmt.Sprintf("%s signed with %s named %s", trusting.algorithm, signing.algorithm, named.algorithm), func(t *testing.T) {
					t.Parallel()
					reason := "algorithm is not"
					if named.algorithm == trusting.algorithm {
						reason = "signature does not match"
					}
					checkOutsideRefused(t, signing.sign(t, named.header(), outsideClaims()), trusted, now, reason)
				})
			}
		}
		for _, change := range []func(string) string{strings.ToLower, strings.ToUpper, strings.ToTitle} {
			name := change(string(trusting.algorithm))
			if name == string(trusting.algorithm) {
				continue
			}
			t.Run("named "+name, func(t *testing.T) {
				t.Parallel()
				checkOutsideRefused(t, trusting.sign(t, members{"alg": `"` + name + `"`}, outsideClaims()), trusted, now, "algorithm is not")
			})
		}
	}
}

func TestOutsidePublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	for _, outsider := range outsiders(t) {
		if outsider.public == nil {
			continue
		}
		trusted := outsider.trusted(t)
		for form, secret := range publicForms(t, outsider.public) {
			for _, named := range []Algorithm{HS256, outsider.algorithm} {
				t.Run(fmt.Sprintf("%s of %s as %s", form, outsider.algorithm, named), func(t *testing.T) {
					t.Parallel()
					text := unsigned(members{"alg": `"` + string(named) + `"`}, outsideClaims())
					reason := "algorithm is not"
					if named == outsider.algorithm {
						reason = "signature does not match"
					}
					checkOutsideRefused(t, text+"."+encode(hs256(secret, text)), trusted, now, reason)
				})
			}
		}
	}
}

func TestOutsideClaimAttacks(t *testing.T) {
	t.Parallel()
	at := func(offset int64) string { return fmt.Sprint(now.Unix() + offset) }
	const day = 24 * 3600
	tests := []struct {
		name, member, value, reason string
	}{
		{"no expiry", "exp", "", "no expiry"},
		{"expiry null", "exp", "null", "no expiry"},
		{"expiry string", "exp", `"` + at(60) + `"`, "no expiry"},
		{"expiry negative", "exp", "-1", "no expiry"},
		{"expiry zero", "exp", "0", "no expiry"},
		{"expiry less than any", "exp", "1e-999", "no expiry"},
		{"expiry 1e308", "exp", "1e308", "no expiry"},
		{"expiry 1e999", "exp", "1e999", "no expiry"},
		{"expiry after the year 9999", "exp", "253402300800", "no expiry"},
		{"expiry just after the year 9999", "exp", "253402300799.5", "no expiry"},
		{"expiry list", "exp", "[" + at(60) + "]", "no expiry"},
		{"expiry true", "exp", "true", "no expiry"},
		{"expired", "exp", at(0), "expired"},
		{"expired within this second", "exp", at(0) + ".5", "expired"},
		{"lives too long", "exp", at(day + 1), "lifetime"},
		{"lives for ever", "exp", "253402300799", "lifetime"},

		{"issue null", "iat", "null", "time of issue"},
		{"issue string", "iat", `"` + at(0) + `"`, "time of issue"},
		{"issue negative", "iat", "-" + at(0), "time of issue"},
		{"issue 1e308", "iat", "1e308", "time of issue"},
		{"issue in the future", "iat", at(61), "in the future"},
		{"issue when expired", "iat", at(60), "lifetime"},
		{"issue long ago", "iat", at(59 - day), "lifetime"},

		{"start in the future", "nbf", at(61), "not valid before"},
		{"start string", "nbf", `"` + at(0) + `"`, "start that is not"},
		{"start null", "nbf", "null", "start that is not"},
		{"start negative", "nbf", "-1", "start that is not"},
		{"start 1e308", "nbf", "1e308", "start that is not"},

		{"no audience", "aud", "", "audience is not demo"},
		{"wrong audience", "aud", `"other"`, "audience is not demo"},
		{"audience in capitals", "aud", `"DEMO"`, "audience is not demo"},
		{"audience with more", "aud", `"demo "`, "audience is not demo"},
		{"audience within", "aud", `"other demo"`, "audience is not demo"},
		{"audience list of others", "aud", `["other","demos"]`, "audience is not demo"},
		{"audience list empty", "aud", "[]", "audience is not demo"},
		{"audience list with a number", "aud", `["demo",1]`, "audience is not demo"},
		{"audience list in a list", "aud", `[["demo"]]`, "audience is not demo"},
		{"audience object", "aud", `{"demo":"demo"}`, "audience is not demo"},
		{"audience null", "aud", "null", "audience is not demo"},
		{"audience empty", "aud", `""`, "audience is not demo"},

		{"no issuer", "iss", "", "issuer is not https://issuer.example"},
		{"wrong issuer", "iss", `"https://attacker.example"`, "issuer is not https://issuer.example"},
		{"issuer with a slash", "iss", `"https://issuer.example/"`, "issuer is not https://issuer.example"},
		{"issuer in capitals", "iss", `"https://ISSUER.example"`, "issuer is not https://issuer.example"},
		{"issuer list", "iss", `["https://issuer.example"]`, "issuer is not https://issuer.example"},

		{"no subject", "sub", "", "subject is not"},
		{"subject null", "sub", "null", "subject is not"},
		{"subject empty", "sub", `""`, "subject is not"},
		{"subject number", "sub", "248289761001", "subject is not"},
		{"subject too long", "sub", `"` + strings.Repeat("a", 256) + `"`, "subject is not"},
		{"subject with NUL", "sub", `"a\u0000"`, "subject is not"},
		{"subject with a line break", "sub", `"a\nb"`, "subject is not"},
		{"subject with half a character", "sub", `"a\ud800"`, "subject is not"},
		{"subject with bytes that are no text", "sub", "\"a\xff\"", "payload is not a JSON object"},

		{"id number", "jti", "1", "token id is not"},
		{"id empty", "jti", `""`, "token id is not"},
		{"id with half a character", "jti", `"a\ud800"`, "token id is not"},
		{"id with a line break", "jti", `"a\n"`, "token id is not"},
		{"id too long", "jti", `"` + strings.Repeat("a", 256) + `"`, "token id is not"},

		{"scope number", "scope", "1", "scopes are not"},
		{"scope with a quote", "scope", `"a\"b"`, "scopes are not"},
		{"scope with a backslash", "scope", `"a\\b"`, "scopes are not"},
		{"scope with a tab", "scope", `"a\tb"`, "scopes are not"},
		{"scope with NUL", "scope", `"a\u0000"`, "scopes are not"},
		{"scope with a strange letter", "scope", `"ä"`, "scopes are not"},
		{"scope of two in a list", "scope", `["a b"]`, "scopes are not"},
		{"scope null in a list", "scope", `["a",null]`, "scopes are not"},
		{"scope too long", "scope", `"` + strings.Repeat("a", 256) + `"`, "scopes are not"},
		{"too many scopes", "scope", `"` + strings.Repeat("a ", MaxScopes+1) + `"`, "scopes are not"},
		{"too many scopes in scp", "scp", `"` + strings.Repeat("a ", MaxScopes+1) + `"`, "scopes are not"},
	}
	outsider := outsiders(t)[2]
	trusted := outsider.trusted(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkOutsideRefused(t, outsider.sign(t, outsider.header(), outsideClaims().with(test.member, test.value)), trusted, now, test.reason)
		})
	}
	t.Run("lives too long from now", func(t *testing.T) {
		t.Parallel()
		claims := outsideClaims().with("iat", "").with("exp", at(day+1))
		checkOutsideRefused(t, outsider.sign(t, outsider.header(), claims), trusted, now, "lifetime")
	})
}

func TestOutsideObjectAttacks(t *testing.T) {
	t.Parallel()
	outsider := outsiders(t)[2]
	header, claims := outsider.header().String(), outsideClaims().String()
	again := func(object, member string) string { return strings.Replace(object, "{", "{"+member+",", 1) }
	tests := []struct{ name, header, claims, reason string }{
		{"claim twice", header, again(claims, `"exp":1`), "payload has a member twice"},
		{"claim twice by escape", header, again(claims, `"\u0073ub":"admin"`), "payload has a member twice"},
		{"unknown claim twice", header, again(again(claims, `"email":1`), `"email":2`), "payload has a member twice"},
		{"algorithm twice", again(header, `"alg":"none"`), claims, "header has a member twice"},
		{"key id twice", again(again(header, `"kid":"a"`), `"kid":"b"`), claims, "header has a member twice"},
		{"empty claims", header, "", "payload is not a JSON object"},
		{"claims null", header, "null", "payload is not a JSON object"},
		{"claims list", header, "[" + claims + "]", "payload is not a JSON object"},
		{"token as claims", header, outsider.sign(t, header, claims), "payload is not a JSON object"},
		{"claims with more", header, claims + "{}", "payload is not a JSON object"},
		{"deep claim", header, `{"exp":` + strings.Repeat("[", 11000), "payload is not a JSON object"},
		{"claims in other case", header, strings.ToUpper(claims), "issuer is not"},
		{"empty header", "", claims, "header is not a JSON object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkOutsideRefused(t, outsider.sign(t, test.header, test.claims), outsider.trusted(t), now, test.reason)
		})
	}
}

func TestOutsideSpellingAttacks(t *testing.T) {
	t.Parallel()
	for _, outsider := range outsiders(t) {
		trusted := outsider.trusted(t)
		token := outsider.sign(t, outsider.header(), outsideClaims())
		other := outsider.sign(t, outsider.header(), outsideClaims().with("sub", `"mallory"`))
		parts, otherParts := strings.Split(token, "."), strings.Split(other, ".")
		head, claims, signature := parts[0], parts[1], parts[2]
		attacks := map[string]string{
			"nothing":                      "",
			"encrypted form":               encode(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + ".." + head + "." + claims + "." + signature,
			"signature stripped":           head + "." + claims + ".",
			"signature left out":           head + "." + claims,
			"signature cut by bytes":       token[:len(token)-4],
			"signature longer":             token + "AAAA",
			"signature of another token":   head + "." + claims + "." + otherParts[2],
			"claims of another token":      head + "." + otherParts[1] + "." + signature,
			"signature of zeros":           head + "." + claims + "." + strings.Repeat("A", len(signature)/4*4),
			"padding":                      token + "==",
			"line break at the end":        token + "\n",
			"line break in the claims":     head + "." + claims[:10] + "\n" + claims[10:] + "." + signature,
			"space at the start":           " " + token,
			"unused bits in the signature": head + "." + claims + "." + otherSpelling(signature),
			"too long":                     token + strings.Repeat("A", MaxBytes),
		}
		for name, attack := range attacks {
			t.Run(string(outsider.algorithm)+"/"+name, func(t *testing.T) {
				t.Parallel()
				verifier := newVerifier(t, "demo")
				if _, err := verifier.VerifyOutside(token, trusted, now); err != nil {
					t.Fatalf("verify: %v", err)
				}
				claims, err := verifier.VerifyOutside(attack, trusted, now)
				if err == nil {
					t.Fatalf("got claims %+v, want a fault", claims)
				}
				checkFault(t, err, attack, "token")
			})
		}
	}
}

func TestOutsideIsAllSet(t *testing.T) {
	t.Parallel()
	outsider := outsiders(t)[2]
	changes := map[string]func(*Outside){
		"no issuer":    func(o *Outside) { o.Issuer = "" },
		"no audience":  func(o *Outside) { o.Audience = "" },
		"no keys":      func(o *Outside) { o.Keys = Keys{} },
		"this cluster": func(o *Outside) { o.Issuer = "acquired:demo" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trusted := outsider.trusted(t)
			change(&trusted)
			claims := outsideClaims().with("iss", `"`+trusted.Issuer+`"`).with("aud", `"`+trusted.Audience+`"`)
			checkOutsideRefused(t, outsider.sign(t, outsider.header(), claims), trusted, now, "trusted issuer has no")
		})
	}
}

func TestOutsideValidityWhenCached(t *testing.T) {
	t.Parallel()
	outsider := outsiders(t)[2]
	trusted, verifier := outsider.trusted(t), newVerifier(t, "demo")
	refuse := func(token string, at time.Time, reason string) {
		t.Helper()
		claims, err := verifier.VerifyOutside(token, trusted, at)
		if err == nil {
			t.Fatalf("got claims %+v at %s, want a fault", claims, at)
		}
		checkFault(t, err, token, reason)
	}
	dated := outsider.sign(t, outsider.header(), outsideClaims().with("nbf", fmt.Sprint(now.Unix()+10)))
	undated := outsider.sign(t, outsider.header(), outsideClaims().with("iat", "").with("exp", fmt.Sprint(now.Unix()+24*3600)))
	for _, what := range []string{"parsed", "cached"} {
		for _, token := range []string{dated, undated} {
			if _, err := verifier.VerifyOutside(token, trusted, now); err != nil {
				t.Fatalf("verify %s: %v", what, err)
			}
		}
		refuse(dated, second.Add(time.Minute), "expired")
		refuse(dated, second.Add(-time.Minute-1), "in the future")
		refuse(dated, second.Add(-50*time.Second-1), "not valid before")
		refuse(undated, second.Add(-1), "lifetime")
	}
}

// A token that was verified says nothing once the issuer is another.
func TestCacheHoldsForOneIssuer(t *testing.T) {
	t.Parallel()
	outsider := outsiders(t)[2]
	trusted := outsider.trusted(t)
	otherKeys := trusted
	otherKeys.Keys = parseKeys(t, EdDSA, publicPEM(t, public(signer(2))))
	otherNames := trusted
	otherNames.Keys = parseKeys(t, EdDSA, jwks(t, jose.JSONWebKey{Key: outsider.public, KeyID: "2"}))
	sum, err := thumbprint(outsider.public)
	if err != nil {
		t.Fatal(err)
	}
	thumbprintAsSecret := trusted
	thumbprintAsSecret.Keys = parseKeys(t, HS256, sum)
	otherAudience := trusted
	otherAudience.Audience = "other"
	otherIssuer := trusted
	otherIssuer.Issuer = "https://other.example"
	otherAlgorithm := outsiders(t)[0].trusted(t)
	// Where the fields end must count, not only what they hold together.
	shifted := trusted
	shifted.Issuer, shifted.Audience = trusted.Issuer+"d", "emo"
	changes := map[string]struct {
		trusted Outside
		reason  string
	}{
		"other keys":      {otherKeys, "signature does not match"},
		"other names":     {otherNames, "does not name one of the keys"},
		"same digest":     {thumbprintAsSecret, "algorithm is not HS256"},
		"other audience":  {otherAudience, "audience is not other"},
		"other issuer":    {otherIssuer, "issuer is not"},
		"other algorithm": {otherAlgorithm, "algorithm is not"},
		"shifted fields":  {shifted, "issuer is not"},
	}
	token := outsider.sign(t, outsider.header().with("kid", `"1"`), outsideClaims())
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := newVerifier(t, "demo")
			for range 2 {
				if _, err := verifier.VerifyOutside(token, trusted, now); err != nil {
					t.Fatalf("verify: %v", err)
				}
				claims, err := verifier.VerifyOutside(token, change.trusted, now)
				if err == nil {
					t.Fatalf("got claims %+v, want a fault", claims)
				}
				checkFault(t, err, token, change.reason)
			}
		})
	}
}

// Our own tokens are no outsiders', and theirs are not ours, whoever signed.
func TestOutsideAndOwnAreApart(t *testing.T) {
	t.Parallel()
	ours := outsider{EdDSA, signer(1).Private, signer(1).Private.Public()}
	trusted := ours.trusted(t)
	trusted.Issuer, trusted.Audience = "acquired:other", "acquired:other"
	for name, claims := range map[string]Claims{"identity": identity(), "delegation": delegation()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := Sign("other", signer(1), claims)
			if err != nil {
				t.Fatal(err)
			}
			checkOutsideRefused(t, token, trusted, now, "type is not JWT")
		})
	}
	t.Run("outside as ours", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []string{"", `"JWT"`, `"at+jwt"`} {
			header := goodHeader().with("typ", kind)
			checkRefused(t, newVerifier(t, "demo"), forge(header, goodClaims()), now, "type is not acquired+jwt")
		}
	})
}

func TestOutsideKeyIDs(t *testing.T) {
	t.Parallel()
	first := outsider{EdDSA, signer(1).Private, signer(1).Private.Public()}
	second := outsider{EdDSA, signer(2).Private, signer(2).Private.Public()}
	jwk := func(id string, from outsider) jose.JSONWebKey { return jose.JSONWebKey{Key: from.public, KeyID: id} }
	several := jwks(t, jwk("1", first), jwk("2", second))
	unnamed := jwks(t, jwk("", first), jwk("", second))
	named := jwks(t, jwk("1", first))
	alone := jwks(t, jwk("", first))
	inPEM := append(publicPEM(t, first.public), publicPEM(t, second.public)...)
	const unknown, mismatch = "does not name one of the keys", "signature does not match"
	tests := []struct {
		name   string
		keys   []byte
		kid    string
		reason string
	}{
		{"first of several", several, `"1"`, ""},
		{"other of several", several, `"2"`, mismatch},
		{"none of several", several, "", unknown},
		{"unknown of several", several, `"3"`, unknown},
		{"path", several, `"../../dev/null"`, unknown},
		{"quote", several, `"1' or '1'='1"`, unknown},
		{"NUL", several, `"1\u0000"`, unknown},
		{"empty", several, `""`, "key id is not a string"},
		{"thumbprint of a named key", several, `"` + signer(1).ID + `"`, unknown},
		{"thumbprint of an unnamed key", unnamed, `"` + signer(1).ID + `"`, ""},
		{"thumbprint of the other", unnamed, `"` + signer(2).ID + `"`, mismatch},
		{"none of the unnamed", unnamed, "", unknown},
		{"thumbprint of a key in PEM", inPEM, `"` + signer(1).ID + `"`, ""},
		{"none of those in PEM", inPEM, "", unknown},
		{"named alone", named, `"1"`, ""},
		{"named alone without name", named, "", ""},
		{"named alone by another name", named, `"2"`, unknown},
		{"alone by any name", alone, `"whatever"`, ""},
		{"alone without name", alone, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			trusted := first.trusted(t)
			trusted.Keys = parseKeys(t, EdDSA, test.keys)
			token := first.sign(t, first.header().with("kid", test.kid), outsideClaims())
			if test.reason != "" {
				checkOutsideRefused(t, token, trusted, now, test.reason)
				return
			}
			if _, err := newVerifier(t, "demo").VerifyOutside(token, trusted, now); err != nil {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

func jwks(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	encoded, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestIssuerOf(t *testing.T) {
	t.Parallel()
	outsider := outsiders(t)[2]
	other, err := Sign("other", signer(1), identity())
	if err != nil {
		t.Fatal(err)
	}
	token := func(member, value string) string {
		return outsider.sign(t, outsider.header(), outsideClaims().with(member, value))
	}
	tests := []struct{ name, token, want string }{
		{"outside", token("sub", `"a"`), "https://issuer.example"},
		{"unsigned", unsigned(outsider.header(), outsideClaims()) + ".", "https://issuer.example"},
		{"expired", token("exp", "1"), "https://issuer.example"},
		{"ours", signed(t, identity()), ""},
		{"our delegation", signed(t, delegation()), ""},
		{"in our name", token("iss", `"acquired:demo"`), ""},
		{"of another cluster", other, ""},
		{"no issuer", token("iss", ""), ""},
		{"issuer empty", token("iss", `""`), ""},
		{"issuer list", token("iss", `["a"]`), ""},
		{"issuer twice", outsider.sign(t, outsider.header(), `{"iss":"a","iss":"b"}`), ""},
		{"claims that are no object", outsider.sign(t, outsider.header(), "[]"), ""},
		{"garbage", "garbage", ""},
		{"nothing", "", ""},
		{"with a line break", token("sub", `"a"`) + "\n", ""},
		{"too long", token("sub", `"a"`) + strings.Repeat("A", MaxBytes), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, ok := newVerifier(t, "demo").IssuerOf(test.token)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q and %t, want %q", got, ok, test.want)
			}
		})
	}
}

// FuzzVerifyOutside gives tokens with a good signature, so that what is behind
// it is reached.
func FuzzVerifyOutside(f *testing.F) {
	outsider := outsiders(f)[3]
	trusted := outsider.trusted(f)
	f.Add(outsider.header().String(), outsideClaims().String())
	f.Add(outsider.header().with("typ", `"at+JWT"`).with("kid", `"a"`).String(),
		outsideClaims().with("aud", `["a","demo"]`).with("scope", `"a b"`).with("nbf", "1.5").with("iat", "").String())
	f.Add(`{"alg":"none"}`, `{"exp":1e999,"exp":null}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		verifier := newVerifier(t, "demo")
		token := outsider.sign(t, header, claims)
		got, err := verifier.VerifyOutside(token, trusted, now)
		if err != nil {
			if !errors.Is(err, fault.Unauthenticated) {
				t.Fatalf("got %v, want an unauthenticated fault", err)
			}
			return
		}
		if !now.Before(got.ExpiresAt) || got.IssuedAt.Sub(now) > maxSkew || got.ExpiresAt.Sub(now) > MaxOutsideLifetime+maxSkew {
			t.Errorf("accepted %s at %s", claims, now)
		}
		if got.Subject == "" || len(got.Subject) > maxName || len(got.Scopes) > MaxScopes || len(token) > MaxBytes {
			t.Errorf("accepted %s", claims)
		}
		if issuer, ok := verifier.IssuerOf(token); !ok || issuer != trusted.Issuer {
			t.Errorf("accepted %s, whose issuer is %q", claims, issuer)
		}
	})
}
