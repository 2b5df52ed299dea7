package kv

import (
	"encoding/binary"
	"errors"
)

// errRecord is what a Decoder meets when bytes are not those of an Encoder.
var errRecord = errors.New("record is damaged")

// AppendUint64Key appends x so that keys sort as numbers.
func AppendUint64Key(b []byte, x uint64) []byte { return binary.BigEndian.AppendUint64(b, x) }

// AppendUint32Key appends x so that keys sort as numbers.
func AppendUint32Key(b []byte, x uint32) []byte { return binary.BigEndian.AppendUint32(b, x) }

// StringKey is a key made of a string without zero bytes.
type StringKey string

// AppendKey implements Key.
func (k StringKey) AppendKey(b []byte) []byte { return append(append(b, k...), 0) }

// AppendUint appends a field of a record.
func AppendUint(b []byte, x uint64) []byte { return binary.AppendUvarint(b, x) }

// AppendInt appends a field of a record.
func AppendInt(b []byte, x int64) []byte { return binary.AppendVarint(b, x) }

// AppendBool appends a field of a record.
func AppendBool(b []byte, x bool) []byte {
	if x {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendString appends a field of a record.
func AppendString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A Decoder reads the fields of a record in the order in which they were
// appended. A record that ends early has its remaining fields zero, so a new
// release may append fields to a record and still read the old ones.
type Decoder struct {
	b   []byte
	err error
}

// NewDecoder reads b.
func NewDecoder(b []byte) Decoder { return Decoder{b: b} }

// Err says whether the bytes were not those of a record, or had more fields
// than were read.
func (d *Decoder) Err() error {
	if d.err == nil && len(d.b) > 0 {
		return errRecord
	}
	return d.err
}

// Uint reads a field appended by AppendUint.
func (d *Decoder) Uint() uint64 {
	if len(d.b) == 0 {
		return 0
	}
	x, n := binary.Uvarint(d.b)
	return advance(d, x, n)
}

// Int reads a field appended by AppendInt.
func (d *Decoder) Int() int64 {
	if len(d.b) == 0 {
		return 0
	}
	x, n := binary.Varint(d.b)
	return advance(d, x, n)
}

// advance takes the n bytes of x away. A number has one form: in another one the
// bytes are not those that were written.
func advance[X uint64 | int64](d *Decoder, x X, n int) X {
	if n <= 0 || n > 1 && d.b[n-1] == 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return x
}

// Bool reads a field appended by AppendBool.
func (d *Decoder) Bool() bool {
	x := d.Uint()
	if x > 1 {
		d.fail()
	}
	return x == 1
}

// String reads a field appended by AppendString.
func (d *Decoder) String() string { return string(d.bytes()) }

// Bytes reads a field appended by AppendString. The slice is a copy.
func (d *Decoder) Bytes() []byte { return append([]byte(nil), d.bytes()...) }

func (d *Decoder) bytes() []byte {
	n := d.Uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	field := d.b[:n]
	d.b = d.b[n:]
	return field
}

func (d *Decoder) fail() {
	d.err = errRecord
	d.b = nil
}
