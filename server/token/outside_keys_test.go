package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"acquired/proto/fault"
)

// certificate gives one that the outsider signed for itself, expired long ago.
func (o outsider) certificate(t testing.TB) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"},
		NotBefore: time.Unix(1, 0), NotAfter: time.Unix(2, 0),
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, o.public, o.private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encoded})
}

// jwk gives the public key as JSON with some members changed.
func (o outsider) jwk(t testing.TB, changes members) string {
	t.Helper()
	return jwkOf(t, o.public).changed(changes).String()
}

func jwkOf(t testing.TB, key any) members {
	t.Helper()
	encoded, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &raw); err != nil {
		t.Fatal(err)
	}
	written := members{}
	for name, value := range raw {
		written[name] = string(value)
	}
	return written
}

// modulus gives the member "n" of an RSA key of so many bits, all of them set.
func modulus(bits int) string {
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1))
	return fmt.Sprintf("%q", base64.RawURLEncoding.EncodeToString(n.Bytes()))
}

func TestParseKeysAccepts(t *testing.T) {
	t.Parallel()
	for _, outsider := range outsiders(t)[:3] {
		jwk := outsider.jwk(t, nil)
		forms := map[string]string{
			"public key":             string(publicPEM(t, outsider.public)),
			"certificate":            string(outsider.certificate(t)),
			"text around":            "# of the issuer\n" + string(publicPEM(t, outsider.public)) + "\n",
			"jwk":                    jwk,
			"set":                    `{"keys":[` + jwk + `]}`,
			"set with space":         "\n { \"keys\" : [ " + jwk + " ] , \"more\" : 1 }\n",
			"use and algorithm":      outsider.jwk(t, members{"use": `"sig"`, "alg": `"` + string(outsider.algorithm) + `"`}),
			"operations":             outsider.jwk(t, members{"key_ops": `["verify"]`}),
			"certificate of no use":  outsider.jwk(t, members{"x5c": `["nonsense"]`, "x5u": `"https://issuer.example/chain"`, "x5t": "1"}),
			"set with other keys":    `{"keys":[{"kty":"new"},` + jwk + `,` + outsider.jwk(t, members{"use": `"enc"`}) + `,` + outsider.jwk(t, members{"alg": `"PS256"`}) + `]}`,
			"set with other curves":  `{"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA"},{"kty":"OKP","crv":"X25519","x":"AA"},` + jwk + `]}`,
			"set with the most keys": `{"keys":[` + strings.Repeat(`{"kty":"new"},`, MaxKeys-1) + jwk + `]}`,
		}
		for form, data := range forms {
			t.Run(string(outsider.algorithm)+"/"+form, func(t *testing.T) {
				t.Parallel()
				given := []byte(data)
				trusted := outsider.trusted(t)
				trusted.Keys = parseKeys(t, outsider.algorithm, given)
				if string(given) != data {
					t.Errorf("the data given were changed to %s", given)
				}
				token := outsider.sign(t, outsider.header().with("kid", `"any"`), outsideClaims())
				if _, err := newVerifier(t, "demo").VerifyOutside(token, trusted, now); err != nil {
					t.Errorf("verify: %v", err)
				}
			})
		}
	}
	t.Run("longest RSA key", func(t *testing.T) {
		t.Parallel()
		parseKeys(t, RS256, []byte(`{"kty":"RSA","e":"AQAB","n":`+modulus(MaxRSABits)+`}`))
	})
	t.Run("secret", func(t *testing.T) {
		t.Parallel()
		parseKeys(t, HS256, bytes.Repeat([]byte{0xff}, MinSecretBytes))
	})
}

// The secret that was given may be overwritten by who gave it.
func TestKeysKeepTheirSecret(t *testing.T) {
	t.Parallel()
	outsider := outsiders(t)[3]
	secret := bytes.Clone(outsider.private.([]byte))
	trusted := outsider.trusted(t)
	trusted.Keys = parseKeys(t, HS256, secret)
	clear(secret)
	token := outsider.sign(t, outsider.header(), outsideClaims())
	if _, err := newVerifier(t, "demo").VerifyOutside(token, trusted, now); err != nil {
		t.Errorf("verify: %v", err)
	}
}

func TestParseKeysRefuses(t *testing.T) {
	t.Parallel()
	rsaOne, curveOne, edOne := outsiders(t)[0], outsiders(t)[1], outsiders(t)[2]
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak := `"` + strings.Repeat("A", 43) + `"`
	rsaPEM, edPEM := string(publicPEM(t, rsaOne.public)), string(publicPEM(t, edOne.public))
	edJWK := edOne.jwk(t, nil)
	lowOrderPEM := string(publicPEM(t, lowOrder))
	rsaOf := func(bits uint, exponent int) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits)
		return string(publicPEM(t, &rsa.PublicKey{N: n.Sub(n, big.NewInt(1)), E: exponent}))
	}

	tests := []struct {
		name      string
		algorithm Algorithm
		data      string
		reason    string
	}{
		{"no algorithm", "", edPEM, "algorithm of an issuer is not"},
		{"none", "none", edPEM, "algorithm of an issuer is not"},
		{"algorithm in lower case", "rs256", rsaPEM, "algorithm of an issuer is not"},
		{"unsupported algorithm", "PS256", rsaPEM, "algorithm of an issuer is not"},
		{"too long", EdDSA, edPEM + strings.Repeat("\n", MaxKeyBytes), "over the limit of 65536"},
		{"nothing", EdDSA, "", "neither JSON nor PEM"},
		{"garbage", EdDSA, "garbage", "neither JSON nor PEM"},
		{"list", EdDSA, "[" + edJWK + "]", "neither JSON nor PEM"},

		{"PEM cut", EdDSA, edPEM[:len(edPEM)-10], "of which only 0 can be read"},
		{"second PEM cut", EdDSA, edPEM + edPEM[:len(edPEM)-10], "of which only 1 can be read"},
		{"first PEM cut", EdDSA, edPEM[:40] + "\n" + edPEM, "of which only"},
		{"PEM of another kind", RS256, strings.ReplaceAll(rsaPEM, "PUBLIC KEY", "RSA PUBLIC KEY"), "neither a PUBLIC KEY nor a CERTIFICATE"},
		{"PEM of no key", EdDSA, strings.ReplaceAll(edPEM, "PUBLIC KEY", "CERTIFICATE"), "not a sound certificate"},
		{"certificate as key", EdDSA, strings.ReplaceAll(string(edOne.certificate(t)), "CERTIFICATE", "PUBLIC KEY"), "not a sound public key"},
		{"PEM of RSA for a curve", ES256, rsaPEM, "key 1 of an issuer is no key for ES256"},
		{"PEM of Ed25519 for RSA", RS256, edPEM, "is no key for RS256"},
		{"PEM of both", RS256, rsaPEM + edPEM, "key 2 of an issuer is no key for RS256"},
		{"PEM of P-384", ES256, string(publicPEM(t, &p384.PublicKey)), "not on the curve P-256"},
		{"PEM of a short RSA key", RS256, rsaOf(2047, 65537), "has 2047 bits"},
		{"PEM of a long RSA key", RS256, rsaOf(8193, 65537), "has 8193 bits"},
		{"PEM of RSA exponent 1", RS256, rsaOf(2048, 1), "exponent that is even, under 3"},
		{"PEM of low order", EdDSA, lowOrderPEM, "not a sound public key"},
		{"PEM twice", EdDSA, edPEM + edPEM, "same id"},
		{"too many in PEM", EdDSA, strings.Repeat(edPEM, MaxKeys+1), "33 keys, over the limit of 32"},

		{"JSON cut", EdDSA, edJWK[:len(edJWK)-1], "is not a JSON object"},
		{"JSON with more", EdDSA, edJWK + "{}", "is not a JSON object"},
		{"member twice", EdDSA, strings.Replace(edJWK, "{", `{"kty":"OKP",`, 1), "has a member twice"},
		{"member twice in a set", EdDSA, `{"keys":[` + strings.Replace(edJWK, "{", `{"kty":"OKP",`, 1) + `]}`, "key 1 of an issuer has a member twice"},
		{"empty set", EdDSA, `{"keys":[]}`, "not a list of one or more"},
		{"set of null", EdDSA, `{"keys":null}`, "not a list of one or more"},
		{"set of a key", EdDSA, `{"keys":` + edJWK + `}`, "not a list of one or more"},
		{"set of strings", EdDSA, `{"keys":["a"]}`, "key 1 of an issuer is not a JSON object"},
		{"too many in a set", EdDSA, `{"keys":[` + strings.Repeat(`{"kty":"new"},`, MaxKeys) + edJWK + `]}`, "33 keys, over the limit of 32"},
		{"none for the algorithm", EdDSA, `{"keys":[` + rsaOne.jwk(t, nil) + `]}`, "no key for EdDSA: key 1 has a kty other than OKP"},
		{"no type", EdDSA, edOne.jwk(t, members{"kty": ""}), "kty other than OKP"},
		{"other curve", EdDSA, edOne.jwk(t, members{"crv": `"Ed448"`}), "crv other than Ed25519"},
		{"P-384", ES256, jwkOf(t, &p384.PublicKey).String(), "crv other than P-256"},
		{"P-384 as P-256", ES256, jwkOf(t, &p384.PublicKey).with("crv", `"P-256"`).String(), "not a sound public key"},
		{"point off the curve", ES256, curveOne.jwk(t, members{"x": weak}), "not a sound public key"},
		{"for encryption", EdDSA, edOne.jwk(t, members{"use": `"enc"`}), "use other than sig"},
		{"use null", EdDSA, edOne.jwk(t, members{"use": "null"}), "use other than sig"},
		{"for another algorithm", RS256, rsaOne.jwk(t, members{"alg": `"RS512"`}), "alg other than RS256"},
		{"for a secret algorithm", RS256, rsaOne.jwk(t, members{"alg": `"HS256"`}), "alg other than RS256"},
		{"for signing only", EdDSA, edOne.jwk(t, members{"key_ops": `["sign"]`}), "key_ops without verify"},
		{"operations that are no list", EdDSA, edOne.jwk(t, members{"key_ops": `"verify"`}), "key_ops without verify"},
		{"key id number", EdDSA, edOne.jwk(t, members{"kid": "1"}), "kid that is not a string"},
		{"key of no value", EdDSA, edOne.jwk(t, members{"x": ""}), "not a sound public key"},
		{"short key", EdDSA, edOne.jwk(t, members{"x": `"AAAA"`}), "not a sound public key"},
		{"low order", EdDSA, edOne.jwk(t, members{"x": weak}), "not a sound public key"},
		{"short RSA key", RS256, rsaOne.jwk(t, members{"n": modulus(2047)}), "has 2047 bits, which is not between 2048 and 8192"},
		{"long RSA key", RS256, rsaOne.jwk(t, members{"n": modulus(8193)}), "not a sound public key"},
		{"RSA exponent 1", RS256, rsaOne.jwk(t, members{"e": `"AQ"`}), "key 1 of an issuer"},
		{"RSA exponent even", RS256, rsaOne.jwk(t, members{"e": `"AQAA"`}), "exponent that is even"},
		{"RSA exponent huge", RS256, rsaOne.jwk(t, members{"e": `"AQAAAAE"`}), "over 31 bits"},
		{"RSA modulus even", RS256, rsaOne.jwk(t, members{"n": `"` + strings.Repeat("_", 340) + `_g"`}), "modulus that is even"},
		{"one id for two", EdDSA, `{"keys":[` + edOne.jwk(t, members{"kid": `"a"`}) + `,` + jwkOf(t, public(signer(2))).with("kid", `"a"`).String() + `]}`, "same id"},

		{"short secret", HS256, strings.Repeat("a", MinSecretBytes-1), "31 bytes, at least 32"},
		{"no secret", HS256, "", "0 bytes, at least 32"},
		{"public PEM as secret", HS256, rsaPEM, "takes the bytes of the secret itself"},
		{"public PEM cut as secret", HS256, rsaPEM[:60], "takes the bytes of the secret itself"},
		{"certificate as secret", HS256, string(rsaOne.certificate(t)), "takes the bytes of the secret itself"},
		{"public JWK as secret", HS256, edJWK, "takes the bytes of the secret itself"},
		{"public set as secret", HS256, `{"keys":[` + edJWK + `]}`, "takes the bytes of the secret itself"},
		{"public DER as secret", HS256, string(decodePEM(t, rsaPEM)), "takes the bytes of the secret itself"},
		{"certificate in DER as secret", HS256, string(decodePEM(t, string(rsaOne.certificate(t)))), "takes the bytes of the secret itself"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			keys, err := ParseKeys(test.algorithm, []byte(test.data))
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got %v and error %v, want an invalid fault with %q", keys, err, test.reason)
			}
		})
	}
}

func decodePEM(t testing.TB, encoded string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(encoded))
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

// A private key given by mistake is refused, and nothing of it is repeated.
func TestParseKeysRefusesPrivateKeys(t *testing.T) {
	t.Parallel()
	for _, outsider := range outsiders(t)[:3] {
		encoded, err := x509.MarshalPKCS8PrivateKey(outsider.private)
		if err != nil {
			t.Fatal(err)
		}
		private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
		jwk := jwkOf(t, outsider.private)
		secret := strings.Trim(jwk["d"], `"`)
		public := string(publicPEM(t, outsider.public))
		forms := map[string]string{
			"PEM":           private,
			"PEM, old kind": strings.ReplaceAll(private, "PRIVATE KEY", "RSA PRIVATE KEY"),
			"PEM, locked":   strings.ReplaceAll(private, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
			"PEM, cut":      private[:len(private)-40],
			"PEM, second":   public + private,
			"PEM, first":    private + public,
			"jwk":           jwk.String(),
			"jwk of a part": outsider.jwk(t, members{"q": jwk["d"]}),
			"set":           `{"keys":[` + outsider.jwk(t, nil) + `,` + jwk.String() + `]}`,
			"other in set":  `{"keys":[` + outsider.jwk(t, nil) + `,` + jwk.with("kty", `"new"`).String() + `]}`,
			"secret in set": `{"keys":[` + outsider.jwk(t, nil) + `,{"kty":"oct","k":` + jwk["d"] + `}]}`,
		}
		for form, data := range forms {
			t.Run(string(outsider.algorithm)+"/"+form, func(t *testing.T) {
				t.Parallel()
				_, err := ParseKeys(outsider.algorithm, []byte(data))
				if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "is private or secret") {
					t.Fatalf("got error %v, want an invalid fault that says so", err)
				}
				for _, line := range append(strings.Split(private, "\n")[1:], secret) {
					if len(line) >= 8 && strings.Contains(err.Error(), line[:8]) {
						t.Errorf("the error repeats the key: %v", err)
					}
				}
			})
		}
	}
}

// FuzzParseKeys looks for data that panic, and for keys of another type than the
// algorithm takes.
func FuzzParseKeys(f *testing.F) {
	algorithms := []Algorithm{RS256, ES256, EdDSA, HS256}
	for n, outsider := range outsiders(f)[:3] {
		f.Add(uint8(n), publicPEM(f, outsider.public))
		f.Add(uint8(n), outsider.certificate(f))
		f.Add(uint8(n), []byte(`{"keys":[`+outsider.jwk(f, members{"kid": `"a"`})+`,{"kty":"new"}]}`))
	}
	f.Add(uint8(3), bytes.Repeat([]byte("s"), MinSecretBytes))
	f.Fuzz(func(t *testing.T, choice uint8, data []byte) {
		algorithm := algorithms[int(choice)%len(algorithms)]
		given := bytes.Clone(data)
		keys, err := ParseKeys(algorithm, data)
		if !bytes.Equal(given, data) {
			t.Error("the data given were changed")
		}
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("got %v, want an invalid fault", err)
			}
			return
		}
		for _, key := range keys.set.keys {
			var fits bool
			switch key := key.key.(type) {
			case *rsa.PublicKey:
				fits = algorithm == RS256 && key.N.BitLen() >= MinRSABits && key.N.BitLen() <= MaxRSABits
			case *ecdsa.PublicKey:
				fits = algorithm == ES256 && key.Curve == elliptic.P256()
			case ed25519.PublicKey:
				fits = algorithm == EdDSA && KeyID(key) != ""
			case []byte:
				fits = algorithm == HS256 && len(key) >= MinSecretBytes
			}
			if !fits {
				t.Errorf("got a key of type %T for %s from %q", key.key, algorithm, data)
			}
		}
	})
}
