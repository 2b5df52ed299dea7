package sshlogin

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"acquired/proto/fault"
)

func TestAuthorizedKey(t *testing.T) {
	t.Parallel()
	for _, keyType := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSA} {
		want := newSigner(t, keyType).PublicKey()
		line := FormatAuthorizedKey(want)
		for _, form := range []string{line, line + "\n", line + "\r\n", "  " + line, line + " alice@laptop of hers"} {
			got, err := ParseAuthorizedKey(form)
			if err != nil || !bytes.Equal(got.Marshal(), want.Marshal()) {
				t.Errorf("ParseAuthorizedKey(%q): got %v, %v, want the key", form, got, err)
			}
		}
		if strings.ContainsAny(line, "\r\n") || !strings.HasPrefix(line, keyType+" ") {
			t.Errorf("FormatAuthorizedKey: got %q, want one line of type %s", line, keyType)
		}
	}
}

// rsaLine is a line with a modulus of so many bits, which need be no product.
func rsaLine(t *testing.T, bits uint) string {
	t.Helper()
	modulus := new(big.Int).Lsh(big.NewInt(1), bits-1)
	key, err := ssh.NewPublicKey(&rsa.PublicKey{N: modulus.Add(modulus, big.NewInt(1)), E: 65537})
	if err != nil {
		t.Fatalf("public key: %v", err)
	}
	return FormatAuthorizedKey(key)
}

func TestParseAuthorizedKeyRefuses(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, ssh.KeyAlgoED25519)
	good := FormatAuthorizedKey(signer.PublicKey())
	certificate := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(bytes.NewReader(make([]byte, 64)), signer); err != nil {
		t.Fatalf("sign certificate: %v", err)
	}
	dsa := struct {
		Name       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", new(big.Int).Lsh(big.NewInt(1), 1023), new(big.Int).Lsh(big.NewInt(1), 159), big.NewInt(2), big.NewInt(3)}
	dsaKey, err := ssh.ParsePublicKey(ssh.Marshal(dsa))
	if err != nil {
		t.Fatalf("DSA key: %v", err)
	}
	for name, c := range map[string]struct{ line, want string }{
		"nothing":           {"", "authorized_keys"},
		"comment":           {"# " + good, "authorized_keys"},
		"option":            {"restrict " + good, "options"},
		"command":           {`command="x y",no-pty ` + good, "options"},
		"authority":         {"cert-authority " + good, "options"},
		"two lines":         {good + "\n" + good, "more than one line"},
		"hidden line":       {good + " x\r" + good, "more than one line"},
		"type of another":   {strings.Replace(good, ssh.KeyAlgoED25519, ssh.KeyAlgoRSA, 1), "authorized_keys"},
		"cut":               {good[:len(good)-8], "authorized_keys"},
		"private key":       {"-----BEGIN OPENSSH PRIVATE KEY-----", "authorized_keys"},
		"certificate":       {FormatAuthorizedKey(certificate), "type"},
		"DSA":               {FormatAuthorizedKey(dsaKey), "type"},
		"RSA of 1024 bits":  {rsaLine(t, 1024), "2048"},
		"RSA of 2047 bits":  {rsaLine(t, 2047), "2048"},
		"too long":          {good + " " + strings.Repeat("x", MaxAuthorizedKey), "8192"},
		"RSA of 17000 bits": {rsaLine(t, 17000), "authorized_keys"},
	} {
		got, err := ParseAuthorizedKey(c.line)
		if !errors.Is(err, fault.Invalid) || got != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want fault %q with %q", name, got, err, fault.Invalid, c.want)
		}
	}
	if _, err := ParseAuthorizedKey(rsaLine(t, 2048)); err != nil {
		t.Errorf("RSA of 2048 bits: %v", err)
	}
}

func FuzzParseAuthorizedKey(f *testing.F) {
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJvv0Fl0XyE3mZwLZ3m7Qm0c0kTq0m3Jm1n2o3p4q5r6 alice")
	f.Add(`command="x" ssh-rsa AAAA`)
	f.Fuzz(func(t *testing.T, line string) {
		key, err := ParseAuthorizedKey(line)
		if err != nil {
			if !errors.Is(err, fault.Invalid) || key != nil {
				t.Errorf("ParseAuthorizedKey(%q): got %v, %v, want fault %q alone", line, key, err, fault.Invalid)
			}
			return
		}
		again, err := ParseAuthorizedKey(FormatAuthorizedKey(key))
		if err != nil || !bytes.Equal(again.Marshal(), key.Marshal()) {
			t.Errorf("key of %q formatted and parsed: got %v, %v, want the same", line, again, err)
		}
	})
}
