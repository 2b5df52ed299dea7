package sshlogin

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"acquired/proto/fault"
)

func TestHostKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "host_key")
	var working sync.WaitGroup
	found := make([]string, 8)
	for i := range found {
		working.Go(func() {
			key, err := LoadOrCreateHostKey(path)
			if err != nil {
				t.Errorf("LoadOrCreateHostKey: %v", err)
				return
			}
			found[i] = ssh.FingerprintSHA256(key.PublicKey())
		})
	}
	working.Wait()
	for _, fingerprint := range found {
		if fingerprint != found[0] {
			t.Errorf("host keys differ: %v", found)
			break
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("host key file: got %v, %v, want mode -rw-------", info, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("folder has %v, %v, want the host key alone", entries, err)
	}
	content, err := os.ReadFile(path)
	if err := createHostKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create again: got %v, want %v", err, fs.ErrExist)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
		t.Errorf("create again changed the host key: %v", err)
	}
	if block, _ := pem.Decode(content); err != nil || block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		t.Errorf("host key file is not in the form of OpenSSH: %v", err)
	}
}

func TestHostKeyRefuses(t *testing.T) {
	t.Parallel()
	encode := func(keyType string) []byte {
		block, err := ssh.MarshalPrivateKey(newPrivateKey(t, keyType), "")
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		return pem.EncodeToMemory(block)
	}
	good := encode(ssh.KeyAlgoED25519)
	for name, c := range map[string]struct {
		content []byte
		mode    fs.FileMode
	}{
		"empty":    {nil, 0o600},
		"ECDSA":    {encode(ssh.KeyAlgoECDSA256), 0o600},
		"cut":      {good[:len(good)/2], 0o600},
		"readable": {good, 0o640},
		"of all":   {good, 0o602},
	} {
		path := filepath.Join(t.TempDir(), "host_key")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatalf("chmod: %v", err)
		}
		if got, err := LoadOrCreateHostKey(path); !errors.Is(err, fault.Invalid) || got != nil {
			t.Errorf("%s: got %v, %v, want fault %q", name, got, err, fault.Invalid)
		}
		if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, c.content) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if got, err := LoadOrCreateHostKey(t.TempDir()); !errors.Is(err, fault.Invalid) || got != nil {
		t.Errorf("folder: got %v, %v, want fault %q", got, err, fault.Invalid)
	}
	missing := filepath.Join(t.TempDir(), "no", "host_key")
	if got, err := LoadOrCreateHostKey(missing); !errors.Is(err, fs.ErrNotExist) || got != nil {
		t.Errorf("no folder: got %v, %v, want %v", got, err, fs.ErrNotExist)
	}
}
