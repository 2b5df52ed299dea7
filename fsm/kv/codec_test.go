package kv_test

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/kv"
)

func TestFieldsComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u, i := rapid.Uint64().Draw(t, "u"), rapid.Int64().Draw(t, "i")
		yes, s, bs := rapid.Bool().Draw(t, "yes"), rapid.String().Draw(t, "s"), rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		b := kv.AppendUint(nil, u)
		b = kv.AppendInt(b, i)
		b = kv.AppendBool(b, yes)
		b = kv.AppendString(b, s)
		b = kv.AppendString(b, bs)
		b = kv.AppendUint(b, u)
		d := kv.NewDecoder(b)
		if got := d.Uint(); got != u {
			t.Errorf("Uint gives %d, want %d", got, u)
		}
		if got := d.Int(); got != i {
			t.Errorf("Int gives %d, want %d", got, i)
		}
		if got := d.Bool(); got != yes {
			t.Errorf("Bool gives %v, want %v", got, yes)
		}
		if got := d.String(); got != s {
			t.Errorf("String gives %q, want %q", got, s)
		}
		if got := d.Bytes(); !bytes.Equal(got, bs) {
			t.Errorf("Bytes gives %x, want %x", got, bs)
		}
		if got := d.Uint(); got != u {
			t.Errorf("the last Uint gives %d, want %d", got, u)
		}
		if err := d.Err(); err != nil {
			t.Errorf("Err: %v", err)
		}
	})
}

// TestAppendedFields: a record of an earlier release has fewer fields, which
// reads as zeros; one with more fields than are known is refused.
func TestAppendedFields(t *testing.T) {
	t.Parallel()
	old := kv.AppendString(kv.AppendUint(nil, 7), "seven")
	d := kv.NewDecoder(old)
	u, s := d.Uint(), d.String()
	more, i, yes, text, data := d.Uint(), d.Int(), d.Bool(), d.String(), d.Bytes()
	if u != 7 || s != "seven" || more != 0 || i != 0 || yes || text != "" || len(data) != 0 || d.Err() != nil {
		t.Errorf("a shorter record reads as %d %q, %d %d %v %q %q, %v", u, s, more, i, yes, text, data, d.Err())
	}

	d = kv.NewDecoder(kv.AppendBool(old, false))
	if d.Uint(); d.String() != "seven" || d.Err() == nil {
		t.Errorf("a longer record reads without an error")
	}
}

func TestDamagedFields(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte{0xff}, 11)
	for _, test := range []struct {
		name string
		data []byte
		read func(*kv.Decoder)
	}{
		{"a number that does not end", []byte{0x80}, func(d *kv.Decoder) { d.Uint() }},
		{"a number over 64 bits", long, func(d *kv.Decoder) { d.Uint() }},
		{"a signed number that does not end", []byte{0x80}, func(d *kv.Decoder) { d.Int() }},
		{"a signed number over 64 bits", long, func(d *kv.Decoder) { d.Int() }},
		{"a string that is cut", []byte{3, 'a', 'b'}, func(d *kv.Decoder) { _ = d.String() }},
		{"bytes that are cut", []byte{3, 'a', 'b'}, func(d *kv.Decoder) { d.Bytes() }},
		{"a length near 2^64", kv.AppendUint(nil, math.MaxUint64), func(d *kv.Decoder) { d.Bytes() }},
		{"a length without an end", []byte{0xff}, func(d *kv.Decoder) { _ = d.String() }},
		{"a number that is longer than it need be", []byte{0x81, 0}, func(d *kv.Decoder) { d.Uint() }},
		{"a zero that is longer than it need be", []byte{0x80, 0}, func(d *kv.Decoder) { d.Int() }},
		{"a bool that is neither", []byte{2}, func(d *kv.Decoder) { d.Bool() }},
		{"something left", []byte{1, 1}, func(d *kv.Decoder) { d.Uint() }},
	} {
		d := kv.NewDecoder(test.data)
		test.read(&d)
		if d.Err() == nil {
			t.Errorf("%s: Err is nil", test.name)
		}
		// Whatever follows, the error stays and values are zero.
		if left := d.Uint(); test.name != "something left" && (left != 0 || d.Err() == nil) {
			t.Errorf("%s: then Uint gives %d and Err is %v", test.name, left, d.Err())
		}
	}
}

func TestBytesAreACopy(t *testing.T) {
	t.Parallel()
	record := kv.AppendString(nil, "abc")
	d := kv.NewDecoder(record)
	got := d.Bytes()
	record[1] = 'x'
	if string(got) != "abc" {
		t.Errorf("Bytes gives %q after the record changed, want abc", got)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("uibsc"), appendRecord(nil, record{id: 1, name: "one", value: -1}))
	f.Add([]byte("s"), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte("uuuu"), []byte{0x80, 0x80})
	f.Fuzz(func(t *testing.T, fields, data []byte) {
		d := kv.NewDecoder(data)
		read := 0
		for _, field := range fields {
			switch field {
			case 'u':
				d.Uint()
			case 'i':
				d.Int()
			case 'b':
				d.Bool()
			case 's':
				read += len(d.String())
			default:
				read += len(d.Bytes())
			}
		}
		if read > len(data) {
			t.Errorf("%d bytes are read from a record of %d", read, len(data))
		}
		if again := d.Err(); (again == nil) != (d.Err() == nil) {
			t.Errorf("Err is %v, then %v", again, d.Err())
		}
	})
}

func TestKeysSortAsNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		if got, want := bytes.Compare(kv.AppendUint64Key(nil, a), kv.AppendUint64Key(nil, b)), cmp.Compare(a, b); got != want {
			t.Errorf("the keys of %d and %d compare as %d, want %d", a, b, got, want)
		}
		c, d := uint32(a), uint32(b)
		if got, want := bytes.Compare(kv.AppendUint32Key(nil, c), kv.AppendUint32Key(nil, d)), cmp.Compare(c, d); got != want {
			t.Errorf("the keys of %d and %d compare as %d, want %d", c, d, got, want)
		}
	})
}

func TestStringKeysSortAsStrings(t *testing.T) {
	t.Parallel()
	text := rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(s, "\x00", "") })
	rapid.Check(t, func(t *rapid.T) {
		a := text.Draw(t, "a")
		b := rapid.OneOf(text, rapid.Map(text, func(s string) string { return a + s })).Draw(t, "b")
		keyA, keyB := kv.StringKey(a).AppendKey(nil), kv.StringKey(b).AppendKey(nil)
		if got, want := bytes.Compare(keyA, keyB), cmp.Compare(a, b); got != want {
			t.Errorf("the keys of %q and %q compare as %d, want %d", a, b, got, want)
		}
		if a != b && bytes.HasPrefix(keyB, keyA) {
			t.Errorf("the key of %q begins that of %q", a, b)
		}
	})
}
