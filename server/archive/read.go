package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"
)

// Inspect reads and verifies a whole archive, to the end of r, and keeps
// nothing. An archive that is not exactly what Write writes is Invalid, and the
// message names the member and the rule. Other errors are those of r.
func Inspect(r io.Reader) (Manifest, error) {
	return read(r, func(_ string, content content) error { return content(io.Discard) })
}

// content writes the content of a member. Its error says what is wrong with the
// archive.
type content func(io.Writer) error

// read reads an archive and passes its files on. What is passed on is verified
// when read has returned without an error, and not before.
func read(r io.Reader, file func(name string, content content) error) (Manifest, error) {
	in := reader{source: r}
	m, err := in.manifest()
	if err != nil {
		return Manifest{}, err
	}
	for _, f := range m.Files {
		if err := in.header(header(f.Name, f.Size, m.time())); err != nil {
			return Manifest{}, err
		}
		err := file(f.Name, func(w io.Writer) error { return in.content(f.Name, f.Size, w) })
		if err != nil {
			return Manifest{}, err
		}
	}
	if err := in.checksums(m.time()); err != nil {
		return Manifest{}, err
	}
	if err := in.end(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// reader reads members and remembers their checksums.
type reader struct {
	source io.Reader
	sums   sums
}

// manifest reads the first member. Only here does the stream say something new:
// the length of the manifest, and then all that is in it.
func (r *reader) manifest() (Manifest, error) {
	block, err := r.block(manifestName)
	if err != nil {
		return Manifest{}, err
	}
	found, err := parse(block)
	switch {
	case err != nil:
		return Manifest{}, invalid("%s: %v", manifestName, err)
	case found.Name != manifestName:
		return Manifest{}, invalid("the first member is %q; it must be %s", found.Name, manifestName)
	case found.Size > MaxManifestBytes:
		return Manifest{}, invalid("%s is %d bytes long; at most %d are allowed", manifestName, found.Size, MaxManifestBytes)
	}
	var encoded bytes.Buffer
	if err := r.content(manifestName, found.Size, &encoded); err != nil {
		return Manifest{}, err
	}
	m, err := decode(encoded.Bytes())
	if err != nil {
		return Manifest{}, err
	}
	return m, compare(block, header(manifestName, found.Size, m.time()))
}

// header reads the header of the member that must be next.
func (r *reader) header(want *tar.Header) error {
	block, err := r.block(want.Name)
	if err != nil {
		return err
	}
	return compare(block, want)
}

func (r *reader) block(name string) ([]byte, error) {
	block := make([]byte, blockBytes)
	if _, err := io.ReadFull(r.source, block); err != nil {
		return nil, ended(name, err)
	}
	return block, nil
}

// content copies a member, adds it to the checksums and reads its padding.
func (r *reader) content(name string, size int64, w io.Writer) error {
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(sum, w), r.source, size); err != nil {
		return ended(name, err)
	}
	r.sums.add(name, sum)
	return r.zeros(name, padding(size))
}

// checksums reads SHA256SUMS, which must have what was computed on the way, and
// the zeros at the end of the archive.
func (r *reader) checksums(modified time.Time) error {
	want := r.sums.lines
	size := int64(len(want))
	if err := r.header(header(sumsName, size, modified)); err != nil {
		return err
	}
	got := make([]byte, size)
	if _, err := io.ReadFull(r.source, got); err != nil {
		return ended(sumsName, err)
	}
	for line := range bytes.Lines(want) {
		if !bytes.HasPrefix(got, line) {
			_, name, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("  "))
			return invalid("file %s: checksum does not match", name)
		}
		got = got[len(line):]
	}
	return r.zeros(sumsName, padding(size)+endBytes)
}

func (r *reader) end() error {
	switch n, err := io.ReadFull(r.source, make([]byte, 1)); {
	case n > 0:
		return invalid("the stream goes on after the end of the archive")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

func (r *reader) zeros(name string, n int64) error {
	padding := make([]byte, n)
	if _, err := io.ReadFull(r.source, padding); err != nil {
		return ended(name, err)
	}
	if len(bytes.Trim(padding, "\x00")) > 0 {
		return invalid("file %s: it is not followed by zeros", name)
	}
	return nil
}

// compare explains a header that is not the one that must be there.
func compare(block []byte, want *tar.Header) error {
	if bytes.Equal(block, encodeHeader(want)) {
		return nil
	}
	found, err := parse(block)
	switch {
	case err != nil:
		return invalid("file %s: %v", want.Name, err)
	case found.Name != want.Name:
		return invalid("member %q is where file %s must be", found.Name, want.Name)
	case found.Typeflag != tar.TypeReg:
		return invalid("file %s: it is no regular file", want.Name)
	case found.Size != want.Size:
		return invalid("file %s: it has %d bytes; it must have %d", want.Name, found.Size, want.Size)
	}
	return invalid("file %s: the header has a mode, time or owner that it must not have", want.Name)
}

func encodeHeader(h *tar.Header) []byte {
	var block bytes.Buffer
	if err := tar.NewWriter(&block).WriteHeader(h); err != nil {
		panic(err) // what a manifest that was checked says fits into a header
	}
	return block.Bytes()
}

var errNoHeader = errors.New("there is no header of a file")

// parse is for messages, and for the length of the manifest.
func parse(block []byte) (*tar.Header, error) {
	found, err := tar.NewReader(bytes.NewReader(block)).Next()
	if err != nil {
		return nil, errNoHeader
	}
	return found, nil
}

// ended explains an error in the middle of a member.
func ended(name string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return invalid("file %s: the stream ends early", name)
	}
	return fmt.Errorf("snapshot: file %s: %w", name, err)
}
