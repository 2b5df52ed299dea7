package token

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

const keyBlock = "PRIVATE KEY"

var errKeySize = errors.New("token key is not an Ed25519 private key of 64 bytes")

// NewKey makes a key for an Issuer from random, or from the system's source of
// randomness if random is nil.
func NewKey(random io.Reader) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("make token key: %w", err)
	}
	return key, nil
}

// MarshalKey encodes the key as PKCS #8 in PEM. A file that holds it has mode
// 0600.
func MarshalKey(key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errKeySize
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode token key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: encoded}), nil
}

// ParseKey reads what MarshalKey wrote. Everything but one Ed25519 key is an
// error.
func ParseKey(encoded []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(encoded)
	if block == nil || block.Type != keyBlock || len(rest) != 0 {
		return nil, fmt.Errorf("token key is not one PEM block of a %s", keyBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("decode token key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("token key is a %T, not Ed25519", parsed)
	}
	return key, nil
}
