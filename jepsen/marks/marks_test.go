package marks

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// secretOf gives a secret that is the same in all runs.
func secretOf(name string) []byte {
	secret := sha256.Sum256([]byte(name))
	return secret[:]
}

func TestFind(t *testing.T) {
	secret := secretOf("mark")
	private := ed25519.NewKeyFromSeed(secret)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	openSSH, err := ssh.MarshalPrivateKey(private, "somebody")
	if err != nil {
		t.Fatal(err)
	}
	message, err := json.Marshal(map[string]any{"a": secret, "b": 1})
	if err != nil {
		t.Fatal(err)
	}
	encode := func(e *base64.Encoding, before int) string {
		return e.EncodeToString(append(append([]byte("ab")[:before], secret...), "more"...))
	}
	pkcs8 := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for form, text := range map[string]string{
		"raw":              string(secret),
		"the second half":  string(secret[16:]),
		"the first half":   string(secret[:16]),
		"24 bytes of it":   string(secret[5:29]),
		"hex":              hex.EncodeToString(secret),
		"upper hex":        strings.ToUpper(hex.EncodeToString(secret)),
		"base64":           encode(base64.StdEncoding, 0),
		"base64 behind 1":  encode(base64.StdEncoding, 1),
		"base64 behind 2":  encode(base64.StdEncoding, 2),
		"base64url":        encode(base64.URLEncoding, 0),
		"raw url behind 1": encode(base64.RawURLEncoding, 1),
		"raw url behind 2": encode(base64.RawURLEncoding, 2),
		"PEM":              string(pkcs8),
		"PEM in a log":     strconv.Quote(string(pkcs8)),
		"PEM of OpenSSH":   string(pem.EncodeToMemory(openSSH)),
		"OpenSSH in a log": strconv.Quote(string(pem.EncodeToMemory(openSSH))),
		"PEM of Windows":   strings.ReplaceAll(string(pem.EncodeToMemory(openSSH)), "\n", "\r\n"),
		"JSON":             string(message),
		"quoted":           fmt.Sprintf("%q", secret),
		"numbers":          fmt.Sprint(secret),
	} {
		t.Run(form, func(t *testing.T) {
			var m Marks
			m.Add("another", secretOf("another"))
			m.Add("mark", secret)
			content := append(bytes.Repeat(secretOf("before"), 100), text...)
			content = append(content, secretOf("behind")...)
			findings := m.Find(content)
			if len(findings) == 0 {
				t.Fatal("it was not found")
			}
			for _, f := range findings {
				if f.Mark != "mark" {
					t.Errorf("found %+v, want the mark", f)
				}
			}
		})
	}
}

func TestFindNothing(t *testing.T) {
	var m Marks
	secret := secretOf("mark")
	m.Add("mark", secret)
	changed := bytes.Clone(secret)
	changed[7] ^= 1
	changed[23] ^= 1
	if got := m.Find(append(hex.AppendEncode(changed, changed), secret[:15]...)); len(got) != 0 {
		t.Errorf("found %+v in something else, want nothing", got)
	}
}
