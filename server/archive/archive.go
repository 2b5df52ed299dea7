// Package archive turns the folder of a state into one stream and back. Backups
// are such streams, and so is what a follower gets that is too far behind.
//
// An archive is a plain tar file: manifest.json, the files of the folder in the
// order of their names, and SHA256SUMS, which covers all of them. `tar tf`
// lists it, and `sha256sum -c SHA256SUMS` checks what `tar xf` wrote.
//
// There is one way to write a member, and a reader accepts no other: every byte
// of the stream is either covered by a checksum or compared with what must be
// there.
package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	blockBytes = 512            // tar pads every member to a multiple of it
	endBytes   = 2 * blockBytes // and ends with two blocks of zeros
)

// sumBytes is the length of a line of SHA256SUMS.
func sumBytes(name string) int64 {
	return int64(hex.EncodedLen(sha256.Size) + len("  ") + len(name) + len("\n"))
}

func memberBytes(size int64) int64 { return blockBytes + size + padding(size) }

// padding is what follows a member of the size.
func padding(size int64) int64 { return -size & (blockBytes - 1) }

// Size gives the exact length of the stream that Write writes for m. A manifest
// that Write refuses is Invalid.
func Size(m Manifest) (int64, error) {
	encoded, err := m.encode()
	if err != nil {
		return 0, err
	}
	total := memberBytes(int64(len(encoded))) + endBytes
	sums := sumBytes(manifestName)
	for _, f := range m.Files {
		total += memberBytes(f.Size)
		sums += sumBytes(f.Name)
	}
	return total + memberBytes(sums), nil
}

// Write writes the files of dir as an archive. m.Files must be what Files gives
// for dir, and nothing may write to the folder meanwhile; otherwise, and for a
// manifest with anything out of bounds, the error is Invalid. Part of the
// stream may have been written by then.
func Write(w io.Writer, m Manifest, dir string) error {
	encoded, err := m.encode()
	if err != nil {
		return err
	}
	files, err := Files(dir)
	if err != nil {
		return err
	}
	if !slices.Equal(files, m.Files) {
		return invalid("folder %s does not have the files of the manifest", dir)
	}
	out := writer{tar: tar.NewWriter(w), time: m.time()}
	if err := out.add(manifestName, int64(len(encoded)), bytes.NewReader(encoded)); err != nil {
		return err
	}
	for _, f := range m.Files {
		if err := out.addFile(dir, f); err != nil {
			return err
		}
	}
	return out.finish()
}

// writer writes members and remembers their checksums.
type writer struct {
	tar  *tar.Writer
	time time.Time
	sums sums
}

func (w *writer) addFile(dir string, f File) error {
	file, err := os.Open(filepath.Join(dir, f.Name))
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	defer file.Close()
	return w.add(f.Name, f.Size, file)
}

func (w *writer) add(name string, size int64, content io.Reader) error {
	if err := w.tar.WriteHeader(header(name, size, w.time)); err != nil {
		return fmt.Errorf("snapshot: file %s: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w.tar, sum), content)
	switch {
	case errors.Is(err, tar.ErrWriteTooLong), err == nil && n != size:
		return invalid("file %s: it had %d bytes, and changed while it was read", name, size)
	case err != nil:
		return fmt.Errorf("snapshot: file %s: %w", name, err)
	}
	w.sums.add(name, sum)
	return nil
}

func (w *writer) finish() error {
	lines := w.sums.lines
	if err := w.add(sumsName, int64(len(lines)), bytes.NewReader(lines)); err != nil {
		return err
	}
	if err := w.tar.Close(); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// header is that of a member. Everything in it follows from the manifest.
func header(name string, size int64, modified time.Time) *tar.Header {
	return &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     name,
		Size:     size,
		Mode:     0o600,
		ModTime:  modified,
		Format:   tar.FormatUSTAR,
	}
}

// time is for the headers, which count seconds.
func (m Manifest) time() time.Time { return time.Unix(m.UnixNanos/int64(time.Second), 0) }

// sums is the content of SHA256SUMS, as sha256sum writes it.
type sums struct{ lines []byte }

func (s *sums) add(name string, sum hash.Hash) {
	s.lines = fmt.Appendf(s.lines, "%x  %s\n", sum.Sum(nil), name)
}
