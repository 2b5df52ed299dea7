package main

import (
	"io"
	"os"
	"path/filepath"

	"acquired/proto/fault"
)

// maxSecretSize bounds what is read as a secret or a configuration: such files
// have a few kilobytes.
const maxSecretSize = 1 << 20

// readSecret reads a file that only its owner may read.
func readSecret(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &usageError{err}
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, &usageError{err}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, withHint(usage("%s holds a secret and others may read it (mode %04o)", path, info.Mode().Perm()),
			"chmod 600 %s", path)
	}
	return readBounded(file, path)
}

func readBounded(r io.Reader, name string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxSecretSize+1))
	if err != nil {
		return nil, usage("read %s: %w", name, err)
	}
	if len(content) > maxSecretSize {
		return nil, usage("%s is longer than %d bytes", name, maxSecretSize)
	}
	return content, nil
}

// writeSecret writes a new file that only its owner may read. It refuses a
// file that exists.
func writeSecret(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return closed(file, err)
}

// replaceFile writes a file that only its owner may read, all of it or none.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = closed(file, err); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// closed makes what was written last and closes the file, and gives the first
// error.
func closed(file *os.File, err error) error {
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// makeFolder makes folder with all that fill writes into it, or changes
// nothing. The folder must not exist or be empty.
func makeFolder(folder string, fill func(folder string) error) error {
	entries, err := os.ReadDir(folder)
	switch {
	case err == nil && len(entries) > 0:
		return fault.Exists.New("%s exists and is not empty", folder)
	case err == nil:
		return fillFolder(folder, fill)
	case !os.IsNotExist(err):
		return &usageError{err}
	}
	parent := filepath.Dir(filepath.Clean(folder))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return &usageError{err}
	}
	building, err := os.MkdirTemp(parent, "."+filepath.Base(folder)+".*")
	if err != nil {
		return &usageError{err}
	}
	if err = fill(building); err == nil {
		err = os.Rename(building, folder)
	}
	if err != nil {
		_ = os.RemoveAll(building)
	}
	return err
}

// fillFolder fills an empty folder. The folder itself stays: it may be a mount
// point, or where the user is.
func fillFolder(folder string, fill func(folder string) error) error {
	building, err := os.MkdirTemp(folder, ".building.*")
	if err != nil {
		return &usageError{err}
	}
	defer os.RemoveAll(building)
	if err := fill(building); err != nil {
		return err
	}
	entries, err := os.ReadDir(building)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if err := os.Rename(filepath.Join(building, entry.Name()), filepath.Join(folder, entry.Name())); err != nil {
			for _, moved := range entries[:i] {
				_ = os.RemoveAll(filepath.Join(folder, moved.Name()))
			}
			return err
		}
	}
	return nil
}
