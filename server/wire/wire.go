// Package wire says how much a message makes in memory before it is decoded. An
// empty message inside another takes two bytes on the wire and some hundreds in
// memory, so that the length of a message alone bounds nothing.
package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Exceeds says whether decoding b makes more than limit elements; see Elements.
// What is not longer than the limit is not looked at: no element takes less than
// a byte.
func Exceeds(of protoreflect.MessageDescriptor, b []byte, limit int) bool {
	return len(b) > limit && Elements(of, b, limit) > limit
}

// Elements counts what decoding b, a message of the type, makes beside the message
// itself: messages, and elements of lists and maps. A message that is given twice
// counts twice, although the decoder makes one of both. Beyond limit it does not
// count on. Nor does it behind what no decoder accepts: b may be anything.
func Elements(of protoreflect.MessageDescriptor, b []byte, limit int) int {
	c := counter{left: limit}
	c.message(shapeOf(of), b, 0)
	return limit - c.left
}

// counter is how many elements are left until the limit; negative is over it.
type counter struct{ left int }

// message takes off what is in a message. It says whether to go on.
func (c *counter) message(s *shape, b []byte, depth int) bool {
	if depth > protowire.DefaultRecursionLimit {
		return false // the decoder refuses it
	}
	for len(b) > 0 {
		number, kind, value, rest, ok := next(b)
		if !ok {
			return false
		}
		if f := s.field(number); f != nil && !c.field(f, kind, value, depth) {
			return false
		}
		b = rest
	}
	return true
}

// next gives the first field, and what is behind it. The value of one that is
// length-delimited is without its length.
func next(b []byte) (number protowire.Number, kind protowire.Type, value, rest []byte, ok bool) {
	// Most fields are texts and messages with a low number and a low length.
	if len(b) > 1 && b[0] >= 1<<3 && b[0] < 0x80 && protowire.Type(b[0]&7) == protowire.BytesType && b[1] < 0x80 && len(b)-2 >= int(b[1]) {
		end := 2 + int(b[1])
		return protowire.Number(b[0] >> 3), protowire.BytesType, b[2:end], b[end:], true
	}
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return 0, 0, nil, nil, false
	}
	b = b[n:]
	if kind == protowire.BytesType {
		value, n = protowire.ConsumeBytes(b)
	} else {
		n = protowire.ConsumeFieldValue(number, kind, b)
	}
	if n < 0 {
		return 0, 0, nil, nil, false
	}
	return number, kind, value, b[n:], true
}

// field takes off what a field makes. One of a strange wire type makes nothing: the
// decoder keeps it as bytes.
func (c *counter) field(f *field, kind protowire.Type, value []byte, depth int) bool {
	switch kind {
	case protowire.BytesType:
		c.left -= f.elements(value)
		if c.left < 0 {
			return false
		}
		return f.message == nil || !f.message.makes() || c.message(f.message, value, depth+1)
	case f.unpacked:
		c.left--
	}
	return c.left >= 0
}
