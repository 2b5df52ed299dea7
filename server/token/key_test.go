package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
)

func TestKeyRoundTrip(t *testing.T) {
	t.Parallel()
	key, err := NewKey(nil)
	if err != nil {
		t.Fatalf("new key: %v", err)
	}
	encoded, err := MarshalKey(key)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	parsed, err := ParseKey(encoded)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	if !key.Equal(parsed) {
		t.Error("parsed key is not the key that was encoded")
	}
}

func TestNewKeyUsesItsSource(t *testing.T) {
	t.Parallel()
	if newKey(t, 1).Equal(newKey(t, 2)) {
		t.Error("different sources gave one key")
	}
	if _, err := NewKey(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("got a key from a source that ends, want an error")
	}
}

func TestMarshalKeyRefuses(t *testing.T) {
	t.Parallel()
	if encoded, err := MarshalKey(make([]byte, 32)); err == nil {
		t.Errorf("got %q for a key of 32 bytes, want an error", encoded)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	encoded, err := MarshalKey(newKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(encoded)
	public, err := x509.MarshalPKIXPublicKey(newKey(t, 1).Public())
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := func(kind string, data []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
	}
	refused := map[string][]byte{
		"nothing":         nil,
		"no PEM":          block.Bytes,
		"two keys":        append(bytes.Clone(encoded), encoded...),
		"text after":      append(bytes.Clone(encoded), "more"...),
		"public key":      asPEM("PUBLIC KEY", public),
		"mislabelled key": asPEM("PRIVATE KEY", public),
		"truncated":       asPEM("PRIVATE KEY", block.Bytes[:len(block.Bytes)-1]),
		"key on a curve":  asPEM("PRIVATE KEY", otherKey),
	}
	for name, data := range refused {
		if _, err := ParseKey(data); err == nil {
			t.Errorf("%s: got a key, want an error", name)
		}
	}
}
