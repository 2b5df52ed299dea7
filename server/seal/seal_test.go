package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/proto/fault"
)

const (
	cluster = "cluster-1"
	purpose = "totp seed"
	owner   = "/user/hpe/alice"
)

func sealed(t *testing.T, root *Root, plaintext []byte) []byte {
	t.Helper()
	b, err := root.Seal(purpose, owner, plaintext)
	if err != nil {
		t.Fatalf("Seal of %d bytes: %v", len(plaintext), err)
	}
	return b
}

func TestSealOpensAgain(t *testing.T) {
	t.Parallel()
	root := NewRoot(cluster)
	rapid.Check(t, func(t *rapid.T) {
		purpose := rapid.String().Draw(t, "purpose")
		owner := rapid.String().Draw(t, "owner")
		want := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		b, err := root.Seal(purpose, owner, want)
		if err != nil {
			t.Fatalf("Seal: %v", err)
		}
		if len(want) >= 8 && bytes.Contains(b, want) {
			t.Fatalf("sealed bytes contain the plaintext: %x", b)
		}
		got, err := root.Open(purpose, owner, b)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Open: got %x, %v, want %x", got, err, want)
		}
	})
}

func TestSealSizes(t *testing.T) {
	t.Parallel()
	root := NewRoot(cluster)
	for _, size := range []int{0, 1, MaxPlaintext} {
		want := bytes.Repeat([]byte{7}, size)
		got, err := root.Open(purpose, owner, sealed(t, root, want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Open of %d bytes: got %d bytes, %v", size, len(got), err)
		}
	}
	if _, err := root.Seal(purpose, owner, make([]byte, MaxPlaintext+1)); !errors.Is(err, fault.Invalid) {
		t.Errorf("Seal of %d bytes: got %v, want fault %q", MaxPlaintext+1, err, fault.Invalid)
	}
	tooLong := sealBytes(root.purposeKey(purpose), make([]byte, MaxPlaintext+1), secretLabel, root.cluster, root.id, purpose, owner)
	if _, err := root.Open(purpose, owner, tooLong); !errors.Is(err, ErrOpen) {
		t.Errorf("Open of %d sealed bytes: got %v, want %v", len(tooLong), err, ErrOpen)
	}
}

func TestSealIsRandom(t *testing.T) {
	t.Parallel()
	root := NewRoot(cluster)
	if a, b := sealed(t, root, []byte("seed")), sealed(t, root, []byte("seed")); bytes.Equal(a, b) {
		t.Errorf("two seals of one secret are equal: %x", a)
	}
	if a, b := NewRoot(cluster), NewRoot(cluster); a.ID() == b.ID() || bytes.Equal(a.key(), b.key()) {
		t.Errorf("two root keys share id %s or key", a.ID())
	}
	if a, b := NewKEK(), NewKEK(); a.ID() == b.ID() {
		t.Errorf("two key-encryption keys share id %s", a.ID())
	}
}

// Every field that a secret is bound to is changed alone, and so that the
// fields run together as before.
func TestOpenElsewhere(t *testing.T) {
	t.Parallel()
	root := NewRoot(cluster)
	b := sealed(t, root, []byte("seed"))
	moved := &Root{cluster: "cluster-2", id: root.id, key: root.key}
	renamed := &Root{cluster: cluster, id: NewRoot(cluster).id, key: root.key}
	other := &Root{cluster: cluster, id: root.id, key: newKey()}
	for _, c := range []struct {
		name           string
		root           *Root
		purpose, owner string
	}{
		{"purpose", root, "totp", owner},
		{"owner", root, purpose, "/user/hpe/bob"},
		{"no owner", root, purpose, ""},
		{"purpose and owner swapped", root, owner, purpose},
		{"purpose longer, owner shorter", root, purpose + "/", owner[1:]},
		{"cluster", moved, purpose, owner},
		{"root key id", renamed, purpose, owner},
		{"root key", other, purpose, owner},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.root.Open(c.purpose, c.owner, b)
			if err != ErrOpen || got != nil {
				t.Errorf("Open: got %q, %v, want %v", got, err, ErrOpen)
			}
		})
	}
}

func TestFieldsDoNotRunTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOf(rapid.StringN(0, 4, 8)).Draw(t, "a")
		b := rapid.SliceOf(rapid.StringN(0, 4, 8)).Draw(t, "b")
		if same := bytes.Equal(associatedData(a), associatedData(b)); same != slices.Equal(a, b) {
			t.Fatalf("associated data of %q and %q: same is %v", a, b, same)
		}
	})
	// The length is in clear beside the field: one that looks like another
	// field's beginning is still that field.
	one := []string{"a\x00\x00\x00\x00\x00\x00\x00\x01b"}
	two := []string{"a", "b"}
	if bytes.Equal(associatedData(one), associatedData(two)) {
		t.Errorf("associated data of %q and %q is equal", one, two)
	}
}

func TestKeysDifferByPurpose(t *testing.T) {
	t.Parallel()
	root := NewRoot(cluster)
	if a, b := root.purposeKey("a"), root.purposeKey("b"); bytes.Equal(a, b) || bytes.Equal(a, root.key()) {
		t.Errorf("purposes share a key with each other or with the root")
	}
}

func TestOpenChanged(t *testing.T) {
	t.Parallel()
	root := NewRoot(cluster)
	b := sealed(t, root, []byte("JBSWY3DPEHPK3PXP"))
	eachDamage(b, func(what string, damaged []byte) {
		if got, err := root.Open(purpose, owner, damaged); err != ErrOpen || got != nil {
			t.Errorf("Open, %s: got %q, %v, want %v", what, got, err, ErrOpen)
		}
	})
}

func TestUnwrapChanged(t *testing.T) {
	t.Parallel()
	kek, root := NewKEK(), NewRoot(cluster)
	w := kek.Wrap(root)
	eachDamage(w.Bytes, func(what string, damaged []byte) {
		w := Wrapped{RootID: w.RootID, KEKID: w.KEKID, Bytes: damaged}
		if got, err := kek.Unwrap(cluster, w); err != ErrOpen || got != nil {
			t.Errorf("Unwrap, %s: got %v, %v, want %v", what, got, err, ErrOpen)
		}
	})
}

// eachDamage gives b with each bit flipped, cut at each length, and longer.
func eachDamage(b []byte, try func(what string, damaged []byte)) {
	for i := range b {
		for bit := range 8 {
			damaged := bytes.Clone(b)
			damaged[i] ^= 1 << bit
			try(fmt.Sprintf("bit %d of byte %d flipped", bit, i), damaged)
		}
		try(fmt.Sprintf("cut to %d bytes", i), b[:i])
	}
	try("one byte longer", append(bytes.Clone(b), 0))
}

func TestWrapUnwraps(t *testing.T) {
	t.Parallel()
	kek, root := NewKEK(), NewRoot(cluster)
	w := kek.Wrap(root)
	if w.RootID != root.ID() || w.KEKID != kek.ID() {
		t.Errorf("Wrap names root %q, KEK %q, want %q, %q", w.RootID, w.KEKID, root.ID(), kek.ID())
	}
	again, err := kek.Unwrap(cluster, w)
	if err != nil {
		t.Fatalf("Unwrap: %v", err)
	}
	got, err := again.Open(purpose, owner, sealed(t, root, []byte("seed")))
	if err != nil || string(got) != "seed" {
		t.Errorf("Open with the root unwrapped: got %q, %v, want %q", got, err, "seed")
	}
}

func TestUnwrapElsewhere(t *testing.T) {
	t.Parallel()
	kek, other, root := NewKEK(), NewKEK(), NewRoot(cluster)
	w := kek.Wrap(root)
	if got, err := kek.Unwrap("cluster-2", w); err != ErrOpen || got != nil {
		t.Errorf("Unwrap for another cluster: got %v, %v, want %v", got, err, ErrOpen)
	}
	renamed := Wrapped{RootID: NewRoot(cluster).ID(), KEKID: w.KEKID, Bytes: w.Bytes}
	if got, err := kek.Unwrap(cluster, renamed); err != ErrOpen || got != nil {
		t.Errorf("Unwrap under another root id: got %v, %v, want %v", got, err, ErrOpen)
	}
	if got, err := other.Unwrap(cluster, w); err == nil || got != nil || !strings.Contains(err.Error(), kek.ID()) || !strings.Contains(err.Error(), other.ID()) {
		t.Errorf("Unwrap by another KEK: got %v, %v, want an error with ids %s and %s", got, err, kek.ID(), other.ID())
	}
	claimed := Wrapped{RootID: w.RootID, KEKID: other.ID(), Bytes: w.Bytes}
	if got, err := other.Unwrap(cluster, claimed); err != ErrOpen || got != nil {
		t.Errorf("Unwrap by another KEK under its id: got %v, %v, want %v", got, err, ErrOpen)
	}
	short := Wrapped{RootID: w.RootID, KEKID: w.KEKID}
	short.Bytes = sealBytes(kek.key(), []byte("short"), wrapLabel, cluster, root.id, kek.ID())
	if got, err := kek.Unwrap(cluster, short); err != ErrOpen || got != nil {
		t.Errorf("Unwrap of a short key: got %v, %v, want %v", got, err, ErrOpen)
	}
}

func TestKEKFile(t *testing.T) {
	t.Parallel()
	kek := NewKEK()
	text := kek.Encode()
	if len(text) != 65 || text[64] != '\n' {
		t.Fatalf("Encode gives %d bytes, want 64 digits and a newline", len(text))
	}
	for _, form := range [][]byte{text, text[:64]} {
		again, err := ParseKEK(form)
		if err != nil || !bytes.Equal(again.key(), kek.key()) || again.ID() != kek.ID() {
			t.Errorf("ParseKEK of %d bytes: got %v, %v, want %v", len(form), again, err, kek)
		}
	}
	if id := kek.ID(); len(id) != 16 || strings.Contains(string(text), id) {
		t.Errorf("id %q has not 16 digits or is part of the key", id)
	}
}

func TestParseKEKRefuses(t *testing.T) {
	t.Parallel()
	good := string(NewKEK().Encode())
	digits := good[:64]
	for name, text := range map[string]string{
		"nothing":        "",
		"a newline":      "\n",
		"63 digits":      digits[:63] + "\n",
		"65 digits":      digits + "0\n",
		"two newlines":   good + "\n",
		"CRLF":           digits + "\r\n",
		"leading space":  " " + digits[1:] + "\n",
		"no digit":       "g" + digits[1:] + "\n",
		"no digit, last": digits[:63] + "z\n",
		"NUL":            digits[:63] + "\x00\n",
	} {
		got, err := ParseKEK([]byte(text))
		if err == nil || got.key != nil {
			t.Errorf("ParseKEK of %s: got %v, %v, want an error", name, got, err)
		} else if err.Error() != errKEKForm.Error() {
			t.Errorf("ParseKEK of %s: got error %q, want %q", name, err, errKEKForm)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	kek := NewKEK()
	root := NewRoot(cluster)
	type inner struct {
		kek  KEK
		root *Root
		copy Root
	}
	values := map[string]any{
		"KEK": kek, "pointer to KEK": &kek, "Root": root, "Root value": *root,
		"struct": inner{kek, root, *root}, "pointer": &inner{kek, root, *root},
		"slice": []any{kek, root, *root}, "map": map[string]any{"kek": kek, "root": root},
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%t"} {
			refuseKeys(t, name+" with "+verb, fmt.Sprintf(verb, value), kek.key, root.key)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "value", value)
		refuseKeys(t, name+" in a log", log.String(), kek.key, root.key)
	}
	if got := fmt.Sprint(kek, root); !strings.Contains(got, kek.ID()) || !strings.Contains(got, root.ID()) {
		t.Errorf("printed %q, want the ids %s and %s", got, kek.ID(), root.ID())
	}
	if got := fmt.Sprint(KEK{}, (*Root)(nil)); !strings.Contains(got, "none") {
		t.Errorf("zero values printed %q, want none", got)
	}
}

// refuseKeys looks for the keys in the forms in which fmt and encoders write
// bytes, by their first eight.
func refuseKeys(t *testing.T, where, text string, keys ...hidden) {
	t.Helper()
	for _, key := range keys {
		part := key()[:8]
		list := fmt.Sprint(part)
		for _, form := range []string{
			string(part), hex.EncodeToString(part), fmt.Sprintf("%X", part), fmt.Sprintf("% x", part),
			strings.Trim(list, "[]"), strings.ReplaceAll(strings.Trim(list, "[]"), " ", ","),
			strings.Trim(fmt.Sprintf("%o", part), "[]"),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}"),
			base64.StdEncoding.EncodeToString(part[:6]),
		} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows a key: %q", where, text)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	root := NewRoot(cluster)
	kek := NewKEK()
	good, err := root.Seal(purpose, owner, []byte("seed"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil))
	f.Add([]byte{version})
	f.Add(good[:overhead])
	f.Add(kek.Wrap(NewRoot("cluster-2")).Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := root.Open(purpose, owner, b); err != ErrOpen {
			t.Errorf("Open of %x: got %q, %v, want %v", b, got, err, ErrOpen)
		}
		if got, err := kek.Unwrap(cluster, Wrapped{RootID: root.ID(), KEKID: kek.ID(), Bytes: b}); err != ErrOpen {
			t.Errorf("Unwrap of %x: got %v, %v, want %v", b, got, err, ErrOpen)
		}
	})
}

func FuzzParseKEK(f *testing.F) {
	f.Add([]byte(strings.Repeat("0", 64)))
	f.Add([]byte(strings.Repeat("aF", 32) + "\n"))
	f.Add([]byte(strings.Repeat("a", 64) + "\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		kek, err := ParseKEK(text)
		if err != nil {
			if err.Error() != errKEKForm.Error() {
				t.Errorf("ParseKEK of %q: got error %q, want %q", text, err, errKEKForm)
			}
			return
		}
		want := strings.ToLower(strings.TrimSuffix(string(text), "\n")) + "\n"
		if got := string(kek.Encode()); got != want {
			t.Errorf("ParseKEK of %q encodes as %q, want %q", text, got, want)
		}
	})
}
