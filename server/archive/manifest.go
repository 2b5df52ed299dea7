package archive

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"acquired/proto/fault"
)

// Format is the number of the format that this package writes, and the only one
// that it reads. A release that adds fields to the manifest keeps the number;
// one that changes anything that an older release must not overlook raises it.
const Format = 1

const (
	// MaxFiles is how many files a folder may have.
	MaxFiles = 100_000
	// MaxFileBytes is the size of the largest file: one byte less than 8 GiB,
	// where the size field of a tar header ends.
	MaxFileBytes = 8<<30 - 1
	// MaxNameBytes is the length of the longest file name.
	MaxNameBytes = 100
	// MaxManifestBytes is the size of the largest manifest. It is more than
	// MaxFiles files with the longest names need.
	MaxManifestBytes = 16 << 20
)

const (
	manifestName = "manifest.json"
	sumsName     = "SHA256SUMS"
	// maxUnixNanos is where the time field of a tar header ends.
	maxUnixNanos = (1<<33 - 1) * 1e9
)

// Manifest says which state an archive has. It is the first member, as JSON.
type Manifest struct {
	// Format is Format. Zero means the same to Size and Write.
	Format int `json:"format"`
	// Version is the release of the program that wrote the archive.
	Version string `json:"version"`
	// Cluster and Node say where the state comes from.
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	// Index and Term are those of the last log entry in the state.
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
	// Hash is the hash of the state in hexadecimal. This package does not check
	// it: that takes an open state.
	Hash string `json:"hash"`
	// StateFormat is the replicated format number: a release that knows only
	// smaller ones cannot read the state.
	StateFormat uint32 `json:"state_format"`
	// UnixNanos is when the archive was made, from the year 1970 to 2242.
	UnixNanos int64 `json:"unix_nanos"`
	// Files are the files of the state, sorted by name.
	Files []File `json:"files"`
}

// File is one file of a state.
type File struct {
	// Name is at most MaxNameBytes of A-Z a-z 0-9 . _ - and does not begin with
	// a dot.
	Name string `json:"name"`
	// Size is in bytes, from 0 to MaxFileBytes.
	Size int64 `json:"size"`
}

// Files lists a folder for a manifest. A folder with anything but files that an
// archive can have is Invalid.
func Files(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	files := make([]File, 0, len(entries))
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, invalid("%q is no regular file", entry.Name())
		}
		files = append(files, File{Name: entry.Name(), Size: info.Size()})
	}
	if err := checkFiles(files); err != nil {
		return nil, err
	}
	return files, nil
}

// encode also checks what it encodes.
func (m Manifest) encode() ([]byte, error) {
	if m.Format == 0 {
		m.Format = Format
	}
	if m.Files == nil {
		m.Files = []File{}
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	encoded, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, err
	}
	encoded = append(encoded, '\n')
	if len(encoded) > MaxManifestBytes {
		return nil, invalid("%s is %d bytes long; at most %d are allowed", manifestName, len(encoded), MaxManifestBytes)
	}
	return encoded, nil
}

func decode(encoded []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(encoded, &m); err != nil {
		return Manifest{}, invalid("%s: %v", manifestName, err)
	}
	return m, m.check()
}

func (m Manifest) check() error {
	if m.Format != Format {
		return invalid("%s: format is %d; this release knows %d only", manifestName, m.Format, Format)
	}
	if m.UnixNanos < 0 || m.UnixNanos > maxUnixNanos {
		return invalid("%s: unix_nanos is %d; it must be 0 to %d", manifestName, m.UnixNanos, int64(maxUnixNanos))
	}
	return checkFiles(m.Files)
}

func checkFiles(files []File) error {
	if len(files) > MaxFiles {
		return invalid("there are %d files; at most %d are allowed", len(files), MaxFiles)
	}
	for i, f := range files {
		if err := f.check(); err != nil {
			return err
		}
		if i > 0 && f.Name <= files[i-1].Name {
			return invalid("file %s comes after %s; names must be sorted and different", f.Name, files[i-1].Name)
		}
	}
	return nil
}

func (f File) check() error {
	switch {
	case len(f.Name) == 0 || len(f.Name) > MaxNameBytes:
		return invalid("file %q: the name must have 1 to %d bytes", f.Name, MaxNameBytes)
	case f.Name[0] == '.':
		return invalid("file %q: the name must not begin with a dot", f.Name)
	case strings.ContainsFunc(f.Name, notAllowed):
		return invalid("file %q: the name must be of A-Z a-z 0-9 . _ - only", f.Name)
	case f.Name == manifestName || f.Name == sumsName:
		return invalid("file %s: the name is that of a part of the archive", f.Name)
	case f.Size < 0 || f.Size > MaxFileBytes:
		return invalid("file %s: the size is %d; it must be 0 to %d bytes", f.Name, f.Size, int64(MaxFileBytes))
	}
	return nil
}

func notAllowed(r rune) bool {
	switch {
	case 'A' <= r && r <= 'Z', 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return false
	}
	return r != '.' && r != '_' && r != '-'
}

func invalid(format string, args ...any) error {
	return fault.Invalid.New("snapshot: "+format, args...)
}
