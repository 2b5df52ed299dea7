package token

import (
	"testing"
)

func BenchmarkSign(b *testing.B) {
	claims, key := identity(), signer(1)
	for b.Loop() {
		if _, err := Sign("demo", key, claims); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	keys := known(1, 2, 3)
	for name, claims := range map[string]Claims{"identity": identity(), "actors": vouched(MaxActors)} {
		token := signed(b, claims)
		b.Run(name+"/uncached", func(b *testing.B) {
			verifier := newVerifier(b, "demo")
			for b.Loop() {
				if _, err := verifier.open(token, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/cached", func(b *testing.B) {
			verifier := newVerifier(b, "demo")
			for b.Loop() {
				if _, err := verifier.Verify(token, now, keys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyOutside(b *testing.B) {
	for _, outsider := range outsiders(b) {
		trusted := outsider.trusted(b)
		token := outsider.sign(b, outsider.header(), outsideClaims())
		b.Run(string(outsider.algorithm)+"/uncached", func(b *testing.B) {
			for b.Loop() {
				if _, err := trusted.open(token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(outsider.algorithm)+"/cached", func(b *testing.B) {
			verifier := newVerifier(b, "demo")
			for b.Loop() {
				if _, err := verifier.VerifyOutside(token, trusted, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
