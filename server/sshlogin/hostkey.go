package sshlogin

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"acquired/proto/fault"
)

const maxHostKeyFile = 64 << 10

// LoadOrCreateHostKey reads the host key from the file, or makes one there: an
// Ed25519 key in the PEM form of OpenSSH, with mode 0600, all of it or none. Of
// several that make it at once, one does and all get the same. A file with
// another content, or that others than its owner may use, is fault.Invalid and
// is left as it is.
func LoadOrCreateHostKey(path string) (ssh.Signer, error) {
	key, err := loadHostKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createHostKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create host key: %w", err)
	}
	return loadHostKey(path)
}

func loadHostKey(path string) (ssh.Signer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open host key: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open host key: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fault.Invalid.New("host key %s has mode %v: it must be a file that its owner alone may use, -rw-------", path, mode)
	}
	encoded, err := io.ReadAll(io.LimitReader(file, maxHostKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(encoded)
	if err != nil || key.PublicKey().Type() != ssh.KeyAlgoED25519 {
		return nil, fault.Invalid.New("host key %s is not an Ed25519 private key without passphrase", path)
	}
	return key, nil
}

func createHostKey(path string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "acquired host key")
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := write(file, pem.EncodeToMemory(block)); err != nil {
		return err
	}
	// Unlike a rename, a link does not replace the key that another made.
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// write writes the content to last, and closes the file.
func write(file *os.File, content []byte) error {
	_, err := file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
