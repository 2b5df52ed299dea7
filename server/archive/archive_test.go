package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"acquired/proto/fault"
)

func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contentOf gives the files of a folder.
func contentOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(content)
	}
	return files
}

var smallFiles = map[string]string{
	"000004.sst":  strings.Repeat("table", 110), // longer than a block
	"EMPTY":       "",
	"MANIFEST-01": strings.Repeat("m", 512), // exactly a block
}

func manifestOf(t testing.TB, dir string) Manifest {
	t.Helper()
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Manifest{
		Format:    Format,
		Version:   "v1.2.3",
		Cluster:   "blue",
		Node:      "node1",
		Index:     1<<64 - 1,
		Term:      7,
		Hash:      "c0ffee",
		UnixNanos: 1_700_000_000_123_456_789,
		Files:     files,
	}
}

func small(t testing.TB) (Manifest, []byte) {
	t.Helper()
	dir := folder(t, smallFiles)
	m := manifestOf(t, dir)
	var stream bytes.Buffer
	if err := Write(&stream, m, dir); err != nil {
		t.Fatal(err)
	}
	return m, stream.Bytes()
}

func TestRoundTrip(t *testing.T) {
	m, stream := small(t)
	got, err := Inspect(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("Inspect gives another manifest (-want +got):\n%s", diff)
	}

	dir := filepath.Join(t.TempDir(), "extracted")
	got, err = Extract(iotest.OneByteReader(bytes.NewReader(stream)), dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("Extract gives another manifest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(smallFiles, contentOf(t, dir)); diff != "" {
		t.Errorf("Extract gives other files (-want +got):\n%s", diff)
	}
	for name, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "000004.sst"): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s is %o, want %o", name, got, want)
		}
	}
}

func TestFormatIsStable(t *testing.T) {
	dir := folder(t, map[string]string{"a": "x\n"})
	m := Manifest{Version: "v1", Cluster: "c", Node: "n", Index: 3, Term: 2, Hash: "00", StateFormat: 1, UnixNanos: 1e9, Files: []File{{"a", 2}}}
	var stream bytes.Buffer
	if err := Write(&stream, m, dir); err != nil {
		t.Fatal(err)
	}
	const want = `{
 "format": 1,
 "version": "v1",
 "cluster": "c",
 "node": "n",
 "index": 3,
 "term": 2,
 "hash": "00",
 "state_format": 1,
 "unix_nanos": 1000000000,
 "files": [
  {
   "name": "a",
   "size": 2
  }
 ]
}
`
	got := stream.Bytes()[blockBytes:][:len(want)]
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("manifest differs (-want +got):\n%s", diff)
	}
	const hash = "a387b81c9f709309cfdd564917e42b0cf91c4a27b04c45695f4a5a9d2a6d17a7"
	if got := fmt.Sprintf("%x", sha256.Sum256(stream.Bytes())); got != hash {
		t.Errorf("hash of the stream is %s, want %s: releases must be able to read each other", got, hash)
	}
}

// TestStandardTools is what the package promises to people.
func TestStandardTools(t *testing.T) {
	for _, tool := range []string{"tar", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	_, stream := small(t)
	run := func(dir string, stdin []byte, name string, args ...string) string {
		t.Helper()
		command := exec.Command(name, args...)
		command.Dir, command.Stdin = dir, bytes.NewReader(stdin)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, output)
		}
		return string(output)
	}
	dir := t.TempDir()
	want := "manifest.json\n000004.sst\nEMPTY\nMANIFEST-01\nSHA256SUMS\n"
	if diff := cmp.Diff(want, run(dir, stream, "tar", "tf", "-")); diff != "" {
		t.Errorf("tar lists other members (-want +got):\n%s", diff)
	}
	run(dir, stream, "tar", "xf", "-")
	want = "manifest.json: OK\n000004.sst: OK\nEMPTY: OK\nMANIFEST-01: OK\n"
	if diff := cmp.Diff(want, run(dir, nil, "sha256sum", "-c", "SHA256SUMS")); diff != "" {
		t.Errorf("sha256sum differs (-want +got):\n%s", diff)
	}
}

func TestSizeIsExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		files := make(map[string]string)
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}`), 0, 10, rapid.ID)
		for _, name := range names.Draw(r, "names") {
			size := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(510, 514), rapid.IntRange(0, 5000)).Draw(r, "size")
			files[name] = strings.Repeat("x", size)
		}
		dir := folder(t, files)
		m := manifestOf(t, dir)
		m.Cluster = rapid.String().Draw(r, "cluster")
		m.UnixNanos = rapid.Int64Range(0, maxUnixNanos).Draw(r, "unix nanos")
		m.Index = rapid.Uint64().Draw(r, "index")
		want, err := Size(m)
		if err != nil {
			r.Fatal(err)
		}
		var stream bytes.Buffer
		if err := Write(&stream, m, dir); err != nil {
			r.Fatal(err)
		}
		if got := int64(stream.Len()); got != want {
			r.Fatalf("the stream has %d bytes, and Size says %d", got, want)
		}
		got, err := Inspect(&stream)
		if err != nil {
			r.Fatal(err)
		}
		if got.Index != m.Index || !slices.Equal(got.Files, m.Files) {
			r.Fatalf("Inspect gives %v, want %v", got, m)
		}
	})
}

func TestSizeOfLargestFiles(t *testing.T) {
	m := Manifest{Files: []File{{"a", MaxFileBytes}, {"b", MaxFileBytes}}}
	got, err := Size(m)
	if err != nil {
		t.Fatal(err)
	}
	// Two files of 8 GiB with their padding; four headers, a block of manifest,
	// one of sums, two of zeros.
	if want := int64(2*8<<30 + 8*blockBytes); got != want {
		t.Errorf("Size = %d, want %d", got, want)
	}
	m.Files[1].Size++
	if _, err := Size(m); !errors.Is(err, fault.Invalid) {
		t.Errorf("Size with a file of 8 GiB: %v, want %v", err, fault.Invalid)
	}
}

func TestLargestManifestFits(t *testing.T) {
	m := Manifest{Files: make([]File, MaxFiles)}
	for i := range m.Files {
		m.Files[i] = File{Name: fmt.Sprintf("%0*d", MaxNameBytes, i), Size: MaxFileBytes}
	}
	if _, err := Size(m); err != nil {
		t.Error(err)
	}
	m.Files = append(m.Files, File{Name: "one-more"})
	if _, err := Size(m); !errors.Is(err, fault.Invalid) {
		t.Errorf("Size with %d files: %v, want %v", len(m.Files), err, fault.Invalid)
	}
	m.Files, m.Cluster = nil, strings.Repeat("x", MaxManifestBytes)
	if _, err := Size(m); !errors.Is(err, fault.Invalid) {
		t.Errorf("Size with a manifest of more than %d bytes: %v, want %v", MaxManifestBytes, err, fault.Invalid)
	}
}

func TestWriteRefuses(t *testing.T) {
	valid := func(t *testing.T) (Manifest, string) {
		dir := folder(t, smallFiles)
		return manifestOf(t, dir), dir
	}
	for _, test := range []struct {
		name   string
		change func(m *Manifest, dir string) error
		want   string
	}{
		{"other format", func(m *Manifest, _ string) error { m.Format = 2; return nil }, "format is 2"},
		{"time before 1970", func(m *Manifest, _ string) error { m.UnixNanos = -1; return nil }, "unix_nanos is -1"},
		{"time after 2242", func(m *Manifest, _ string) error { m.UnixNanos = maxUnixNanos + 1; return nil }, "unix_nanos is 8589934591000000001"},
		{"file of other size", func(m *Manifest, _ string) error { m.Files[0].Size++; return nil }, "does not have the files"},
		{"file not listed", func(m *Manifest, _ string) error { m.Files = m.Files[1:]; return nil }, "does not have the files"},
		{"files not sorted", func(m *Manifest, _ string) error { slices.Reverse(m.Files); return nil }, "sorted"},
		{"folder in the folder", func(_ *Manifest, dir string) error { return os.Mkdir(filepath.Join(dir, "sub"), 0o700) }, `"sub" is no regular file`},
		{"link in the folder", func(_ *Manifest, dir string) error {
			return os.Symlink("/etc/passwd", filepath.Join(dir, "link"))
		}, `"link" is no regular file`},
		{"file with a reserved name", func(_ *Manifest, dir string) error {
			return os.WriteFile(filepath.Join(dir, sumsName), nil, 0o600)
		}, "the name is that of a part of the archive"},
		{"file with a space", func(_ *Manifest, dir string) error {
			return os.WriteFile(filepath.Join(dir, "a b"), nil, 0o600)
		}, "the name must be of"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, dir := valid(t)
			if err := test.change(&m, dir); err != nil {
				t.Fatal(err)
			}
			var stream bytes.Buffer
			err := Write(&stream, m, dir)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Write: %v, want %v with %q", err, fault.Invalid, test.want)
			}
			if stream.Len() > 0 {
				t.Errorf("Write wrote %d bytes before it refused, want none", stream.Len())
			}
		})
	}
}

// TestWriteNoticesChanges uses a writer that changes a file that is not read yet.
func TestWriteNoticesChanges(t *testing.T) {
	for name, content := range map[string]string{"longer": strings.Repeat("m", 513), "shorter": ""} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, smallFiles)
			m := manifestOf(t, dir)
			change := writerFunc(func(b []byte) (int, error) {
				return len(b), os.WriteFile(filepath.Join(dir, "MANIFEST-01"), []byte(content), 0o600)
			})
			err := Write(change, m, dir)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "MANIFEST-01: it had 512 bytes, and changed") {
				t.Errorf("Write: %v, want that the file changed", err)
			}
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestWriteError(t *testing.T) {
	dir := folder(t, smallFiles)
	broken := errors.New("broken pipe")
	err := Write(writerFunc(func([]byte) (int, error) { return 0, broken }), manifestOf(t, dir), dir)
	if !errors.Is(err, broken) || errors.Is(err, fault.Invalid) {
		t.Errorf("Write: %v, want %v", err, broken)
	}
}

// refused makes sure that an archive is refused for the reason, and that
// nothing of it stays.
func refused(t *testing.T, stream io.Reader, kind error, reason string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "extracted")
	_, err := Extract(stream, dir)
	if !errors.Is(err, kind) || !strings.HasPrefix(err.Error(), "snapshot: ") || !strings.Contains(err.Error(), reason) {
		t.Errorf("Extract: %v, want %v with %q", err, kind, reason)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the error the folder is there: %v", err)
	}
}

func TestEveryBitFlipIsRefused(t *testing.T) {
	_, stream := small(t)
	for i := range stream {
		for bit := range 8 {
			stream[i] ^= 1 << bit
			if _, err := Inspect(bytes.NewReader(stream)); !errors.Is(err, fault.Invalid) {
				t.Errorf("byte %d bit %d: %v, want %v", i, bit, err, fault.Invalid)
			}
			if i%37 == 0 && bit == 0 { // slower, and mostly the same code
				refused(t, bytes.NewReader(stream), fault.Invalid, "")
			}
			stream[i] ^= 1 << bit
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	_, stream := small(t)
	for n := range stream {
		if _, err := Inspect(bytes.NewReader(stream[:n])); !errors.Is(err, fault.Invalid) {
			t.Errorf("the first %d bytes: %v, want %v", n, err, fault.Invalid)
		}
		if n%257 == 0 {
			refused(t, bytes.NewReader(stream[:n]), fault.Invalid, "the stream ends early")
		}
	}
}

func TestReadErrorIsNoFault(t *testing.T) {
	_, stream := small(t)
	broken := errors.New("connection reset")
	for _, n := range []int{0, 100, 600, 3000, len(stream)} {
		r := io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(broken))
		refused(t, r, broken, "")
		r = io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(broken))
		if _, err := Inspect(r); errors.Is(err, fault.Invalid) {
			t.Errorf("Inspect of %d bytes and an error: %v, want no fault", n, err)
		}
	}
}

func TestExtractIntoExistingFolder(t *testing.T) {
	_, stream := small(t)
	dir := folder(t, map[string]string{"precious": "data"})
	if _, err := Extract(bytes.NewReader(stream), dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Extract: %v, want %v", err, fs.ErrExist)
	}
	if diff := cmp.Diff(map[string]string{"precious": "data"}, contentOf(t, dir)); diff != "" {
		t.Errorf("the folder changed (-want +got):\n%s", diff)
	}
}

// member is one of an archive that somebody else made.
type member struct {
	tar.Header
	content string
}

func file(name, content string) member {
	return member{*header(name, int64(len(content)), Manifest{}.time()), content}
}

// hostile makes an archive of a manifest and of the members, with the checksums
// that belong to them.
func hostile(t testing.TB, manifest string, members ...member) []byte {
	t.Helper()
	members = slices.Concat([]member{file(manifestName, manifest)}, members)
	var lines strings.Builder
	for _, m := range members {
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256([]byte(m.content)), m.Name)
	}
	return raw(t, append(members, file(sumsName, lines.String()))...)
}

func raw(t testing.TB, members ...member) []byte {
	t.Helper()
	var stream bytes.Buffer
	w := tar.NewWriter(&stream)
	for _, m := range members {
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

// listing is a manifest with the files, which may be anything.
func listing(t testing.TB, files ...File) string {
	t.Helper()
	encoded, err := json.Marshal(Manifest{Format: Format, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestHostileManifests(t *testing.T) {
	for name, test := range map[string]struct{ manifest, want string }{
		"parent":          {listing(t, File{"../x", 1}), "must not begin with a dot"},
		"absolute":        {listing(t, File{"/etc/x", 1}), "must be of A-Z"},
		"sub-folder":      {listing(t, File{"a/x", 1}), "must be of A-Z"},
		"dot":             {listing(t, File{".", 1}), "must not begin with a dot"},
		"windows":         {listing(t, File{`a\x`, 1}), "must be of A-Z"},
		"line break":      {listing(t, File{"a\nx", 1}), "must be of A-Z"},
		"zero byte":       {listing(t, File{"a\x00", 1}), "must be of A-Z"},
		"not ASCII":       {listing(t, File{"ä", 1}), "must be of A-Z"},
		"empty name":      {listing(t, File{"", 1}), "must have 1 to 100 bytes"},
		"long name":       {listing(t, File{strings.Repeat("x", 101), 1}), "must have 1 to 100 bytes"},
		"own manifest":    {listing(t, File{manifestName, 1}), "part of the archive"},
		"own sums":        {listing(t, File{sumsName, 1}), "part of the archive"},
		"duplicate":       {listing(t, File{"a", 1}, File{"a", 1}), "sorted and different"},
		"out of order":    {listing(t, File{"b", 1}, File{"a", 1}), "sorted and different"},
		"negative size":   {listing(t, File{"a", -1}), "the size is -1"},
		"large size":      {listing(t, File{"a", 1 << 40}), "the size is 1099511627776"},
		"too many":        {listing(t, make([]File, MaxFiles+1)...), "at most 100000"},
		"newer format":    {`{"format":2}`, "format is 2"},
		"no format":       {`{}`, "format is 0"},
		"time too late":   {`{"format":1,"unix_nanos":9223372036854775807}`, "unix_nanos"},
		"not JSON":        {`hello`, "manifest.json: invalid character"},
		"two values":      {listing(t) + `{}`, "manifest.json: invalid character"},
		"empty":           {``, "manifest.json: unexpected end"},
		"size no number":  {`{"format":1,"files":[{"name":"a","size":1.5}]}`, "manifest.json: json"},
		"files no list":   {`{"format":1,"files":7}`, "manifest.json: json"},
		"index too large": {`{"format":1,"index":18446744073709551616}`, "manifest.json: json"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, bytes.NewReader(hostile(t, test.manifest, file("a", "x"))), fault.Invalid, test.want)
		})
	}
}

func TestHostileMembers(t *testing.T) {
	with := func(m member, change func(*tar.Header)) member {
		change(&m.Header)
		return m
	}
	link := func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/passwd", 0 }
	folder := func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeDir, 0 }
	one := listing(t, File{"a", 1})
	for name, test := range map[string]struct {
		stream []byte
		want   string
	}{
		"parent":          {hostile(t, one, file("../a", "x")), `member "../a" is where file a must be`},
		"absolute":        {hostile(t, one, file("/etc/a", "x")), `member "/etc/a" is where file a must be`},
		"link":            {hostile(t, one, with(file("a", ""), link)), "file a: it is no regular file"},
		"folder":          {hostile(t, one, with(file("a", ""), folder)), "file a: it is no regular file"},
		"device":          {hostile(t, one, with(file("a", ""), func(h *tar.Header) { h.Typeflag = tar.TypeBlock })), "file a: it is no regular file"},
		"longer":          {hostile(t, one, file("a", "xx")), "file a: it has 2 bytes; it must have 1"},
		"shorter":         {hostile(t, one, file("a", "")), "file a: it has 0 bytes; it must have 1"},
		"missing":         {hostile(t, one), `member "SHA256SUMS" is where file a must be`},
		"not listed":      {hostile(t, one, file("a", "x"), file("b", "x")), `member "b" is where file SHA256SUMS must be`},
		"duplicate":       {hostile(t, one, file("a", "x"), file("a", "x")), `member "a" is where file SHA256SUMS must be`},
		"out of order":    {hostile(t, listing(t, File{"a", 1}, File{"b", 1}), file("b", "x"), file("a", "x")), `member "b" is where file a must be`},
		"other mode":      {hostile(t, one, with(file("a", "x"), func(h *tar.Header) { h.Mode = 0o4755 })), "file a: the header has a mode"},
		"long header":     {hostile(t, one, with(file("a", "x"), func(h *tar.Header) { h.Name, h.Format = strings.Repeat("x", 200), tar.FormatPAX })), "file a: there is no header"},
		"no manifest":     {raw(t, file("a", "x")), `the first member is "a"`},
		"manifest a link": {raw(t, with(file(manifestName, ""), link)), "manifest.json"},
		"manifest huge":   {raw(t, file(manifestName, strings.Repeat(" ", MaxManifestBytes+1))), "at most 16777216 are allowed"},
		"no sums":         {raw(t, file(manifestName, one), file("a", "x")), "file SHA256SUMS: there is no header"},
		"wrong sums":      {raw(t, file(manifestName, listing(t)), file(sumsName, fmt.Sprintf("%064d  manifest.json\n", 0))), "file manifest.json: checksum does not match"},
		"empty":           {nil, "file manifest.json: the stream ends early"},
		"zeros":           {make([]byte, 4096), "manifest.json: there is no header"},
		"text":            {bytes.Repeat([]byte("no archive "), 100), "manifest.json: there is no header"},
		"followed":        {append(hostile(t, one, file("a", "x")), 0), "the stream goes on"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, bytes.NewReader(test.stream), fault.Invalid, test.want)
		})
	}
	t.Run("sound", func(t *testing.T) { // or else the others prove nothing
		if _, err := Inspect(bytes.NewReader(hostile(t, one, file("a", "x")))); err != nil {
			t.Error(err)
		}
	})
}

func TestNewerManifestWithTheSameFormat(t *testing.T) {
	manifest := `{"format":1,"later":{"x":[1]},"index":5}`
	m, err := Inspect(bytes.NewReader(hostile(t, manifest)))
	if err != nil || m.Index != 5 {
		t.Errorf("Inspect of a manifest with a new field: %v, %v, want index 5", m, err)
	}
}

// FuzzExtract also seals manifests and contents that the fuzzer makes up, which
// it could not get past the checksums by itself.
func FuzzExtract(f *testing.F) {
	_, stream := small(f)
	f.Add(stream, false)
	f.Add([]byte(listing(f, File{"a", 3})+"|abc"), true)
	f.Fuzz(func(t *testing.T, stream []byte, seal bool) {
		if seal {
			manifest, content, _ := bytes.Cut(stream, []byte("|"))
			stream = hostile(t, string(manifest), file("a", string(content)))
		}
		dir := filepath.Join(t.TempDir(), "extracted")
		m, err := Extract(bytes.NewReader(stream), dir)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("%v, want %v", err, fault.Invalid)
			}
			if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("after the error the folder is there: %v", err)
			}
			return
		}
		if files, err := Files(dir); err != nil || !slices.Equal(files, m.Files) {
			t.Fatalf("files are %v, %v, want %v", files, err, m.Files)
		}
	})
}
