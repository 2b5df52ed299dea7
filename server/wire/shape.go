package wire

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shape is what a type of messages makes: its fields that make elements. Those of
// proto3 are all there is: a group counts for nothing.
type shape struct {
	// low are the fields with low numbers, by number, and high those with others.
	low  []*field
	high map[protowire.Number]*field
}

// maxLow is the highest number of a field that is found without a map.
const maxLow = 63

// field gives the field with the number; nil is none that makes anything.
func (s *shape) field(number protowire.Number) *field {
	if int(number) < len(s.low) {
		return s.low[number]
	}
	return s.high[number] // of most types there are none
}

func (s *shape) add(number protowire.Number, f *field) {
	if number > maxLow {
		if s.high == nil {
			s.high = make(map[protowire.Number]*field)
		}
		s.high[number] = f
		return
	}
	for len(s.low) <= int(number) {
		s.low = append(s.low, nil)
	}
	s.low[number] = f
}

// makes says whether what is in such a message can make anything.
func (s *shape) makes() bool { return len(s.low)+len(s.high) > 0 }

type field struct {
	// each is what one occurrence makes that is length-delimited and not packed.
	each int
	// message is the type of what it makes; nil is none.
	message *shape
	// numbers says that it is a list of them, which may be packed. Unpacked is the
	// wire type of one, or -1, which is none; size is its bytes, 0 for a varint.
	numbers  bool
	unpacked protowire.Type
	size     int
}

// elements gives what one length-delimited occurrence makes, without what is inside
// of the message.
func (f *field) elements(content []byte) int {
	switch {
	case !f.numbers:
		return f.each
	case f.size > 0:
		return len(content) / f.size
	}
	n := 0
	for _, b := range content {
		if b < 0x80 { // the last byte of a varint
			n++
		}
	}
	return n
}

var shapes = struct {
	sync.RWMutex
	known map[protoreflect.MessageDescriptor]*shape
}{known: make(map[protoreflect.MessageDescriptor]*shape)}

func shapeOf(of protoreflect.MessageDescriptor) *shape {
	shapes.RLock()
	s, ok := shapes.known[of]
	shapes.RUnlock()
	if ok {
		return s
	}
	shapes.Lock()
	defer shapes.Unlock()
	return describe(of)
}

// describe makes the shape of a type and of those in it, which may be the type
// itself again.
func describe(of protoreflect.MessageDescriptor) *shape {
	if s, ok := shapes.known[of]; ok {
		return s
	}
	s := &shape{}
	shapes.known[of] = s
	for i := range of.Fields().Len() {
		d := of.Fields().Get(i)
		if f := fieldOf(d); f != nil {
			s.add(d.Number(), f)
		}
	}
	return s
}

// fieldOf says what a field makes; nil is nothing.
func fieldOf(d protoreflect.FieldDescriptor) *field {
	f := &field{unpacked: -1}
	switch {
	case d.IsMap():
		// The decoder makes the value of an entry that has none, too, so that it
		// counts with the entry.
		f.each, f.message = 1, describe(d.Message())
		if d.MapValue().Message() != nil {
			f.each = 2
		}
	case d.Kind() == protoreflect.MessageKind:
		f.message = describe(d.Message())
		if !d.ContainingMessage().IsMapEntry() {
			f.each = 1
		}
	case !d.IsList():
		return nil
	case d.Kind() == protoreflect.StringKind, d.Kind() == protoreflect.BytesKind:
		f.each = 1
	default:
		f.numbers = true
		f.unpacked, f.size = wireTypeOf(d.Kind())
	}
	return f
}

// wireTypeOf gives the wire type of a number, and its bytes if they are always as
// many.
func wireTypeOf(kind protoreflect.Kind) (protowire.Type, int) {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type, 4
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type, 8
	}
	return protowire.VarintType, 0
}
