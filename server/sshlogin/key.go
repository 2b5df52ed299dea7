package sshlogin

import (
	"crypto/rsa"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"acquired/proto/fault"
)

const (
	// MaxAuthorizedKey is how many bytes a line of authorized_keys may have.
	MaxAuthorizedKey = 8 << 10
	minRSABits       = 2048
)

var (
	// keyTypes are the keys that may log in: no DSA, and no certificates, as
	// nothing here says which authorities to trust.
	keyTypes = []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoRSA,
	}
	// signatures are what they may sign with: RSA not with SHA-1.
	signatures = []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
	}
)

// ParseAuthorizedKey reads a key from one line in the form of authorized_keys: a
// type, the key in base64 and maybe a comment, which is dropped. Options are
// refused, as nothing would heed them; so are keys that could not log in. The
// error is fault.Invalid and does not repeat the line.
func ParseAuthorizedKey(line string) (ssh.PublicKey, error) {
	if len(line) > MaxAuthorizedKey {
		return nil, fault.Invalid.New("ssh key has %d bytes: it may have at most %d", len(line), MaxAuthorizedKey)
	}
	line = strings.TrimSpace(line)
	if strings.ContainsAny(line, "\r\n") {
		return nil, fault.Invalid.New("ssh key has more than one line")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, fault.Invalid.New("ssh key is not a line of authorized_keys: type, key in base64, comment")
	}
	if len(options) > 0 {
		return nil, fault.Invalid.New("ssh key has options before its type: none are supported")
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return key, nil
}

// FormatAuthorizedKey gives the key in the form that ParseAuthorizedKey reads,
// without comment and newline.
func FormatAuthorizedKey(key ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}

// checkKey answers whether the key is of a sort that may log in.
func checkKey(key ssh.PublicKey) error {
	if !slices.Contains(keyTypes, key.Type()) {
		return fault.Invalid.New("ssh key is of type %q: it must be one of %s", key.Type(), strings.Join(keyTypes, ", "))
	}
	with, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	if public, ok := with.CryptoPublicKey().(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
		return fault.Invalid.New("ssh key is RSA of %d bits: it must have at least %d", public.N.BitLen(), minRSABits)
	}
	return nil
}
