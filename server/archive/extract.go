package archive

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Extract writes the files of an archive to dir, which it creates. When it
// returns without an error, the files are verified and durable, and only the
// owner may read them. After an error there is no dir, unless there was one
// before: that is an error, and it stays as it was. r is read to its end. The
// faults are those of Inspect.
func Extract(r io.Reader, dir string) (Manifest, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("snapshot: %w", err)
	}
	m, err := extract(r, dir)
	if err != nil {
		return Manifest{}, errors.Join(err, os.RemoveAll(dir))
	}
	return m, nil
}

func extract(r io.Reader, dir string) (Manifest, error) {
	m, err := read(r, func(name string, content content) error {
		return writeFile(filepath.Join(dir, name), content)
	})
	if err != nil {
		return Manifest{}, err
	}
	if err := errors.Join(syncFolder(dir), syncFolder(filepath.Dir(dir))); err != nil {
		return Manifest{}, fmt.Errorf("snapshot: %w", err)
	}
	return m, nil
}

// writeFile makes a durable file that did not exist before.
func writeFile(name string, content content) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := content(file); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// syncFolder makes durable which files are in a folder.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
