package wire_test

import (
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	pb "acquired/proto/acquired/v1"
)

// lists is a message with the lists that the API has none of.
const lists = `
name: "lists.proto" syntax: "proto3"
message_type {
  name: "Lists"
  field { name: "a" number: 1 label: LABEL_REPEATED type: TYPE_FIXED32 }
  field { name: "b" number: 2 label: LABEL_REPEATED type: TYPE_DOUBLE }
  field { name: "c" number: 3 label: LABEL_REPEATED type: TYPE_SINT64 }
  field { name: "d" number: 4 label: LABEL_REPEATED type: TYPE_SFIXED64 options { packed: false } }
  field { name: "e" number: 5 label: LABEL_REPEATED type: TYPE_INT32 options { packed: false } }
  field { name: "f" number: 6 label: LABEL_REPEATED type: TYPE_BYTES }
  field { name: "g" number: 7 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".Lists" }
  field { name: "h" number: 70000 label: LABEL_REPEATED type: TYPE_FLOAT }
}`

// messages are empty ones of each type that the tests count.
func messages() []proto.Message {
	file := &descriptorpb.FileDescriptorProto{}
	if err := prototext.Unmarshal([]byte(lists), file); err != nil {
		panic(err)
	}
	described, err := protodesc.NewFile(file, nil)
	if err != nil {
		panic(err)
	}
	return []proto.Message{
		&pb.TransferRequest{}, &pb.OpRequest{}, &pb.ChangeRequest{}, &pb.SimulateRequest{}, &pb.BatchRequest{}, &pb.CheckManyRequest{},
		&pb.CheckManyResponse{}, &pb.Fault{}, &structpb.Struct{}, &structpb.ListValue{},
		dynamicpb.NewMessage(described.Messages().Get(0)),
	}
}

// examples are messages with something in them, in the order of messages.
func examples() (all []proto.Message) {
	for _, empty := range messages() {
		m := empty.ProtoReflect().New()
		rapid.Custom(func(t *rapid.T) bool { fill(t, m, 3); return true }).Example(1)
		if proto.Size(m.Interface()) == 0 {
			m.SetUnknown([]byte{0xf8, 0x7f, 1})
		}
		all = append(all, m.Interface())
	}
	return all
}

// fill sets fields of a message, and of those in it as far down as deep.
func fill(t *rapid.T, m protoreflect.Message, deep int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		if d.Message() != nil && deep == 0 || !rapid.Bool().Draw(t, string(d.Name())) {
			continue
		}
		switch {
		case d.IsMap():
			for range rapid.IntRange(1, 3).Draw(t, "entries") {
				key := value(t, m, d.MapKey(), deep).MapKey()
				v := m.Mutable(d).Map().NewValue()
				if d.MapValue().Message() != nil {
					fill(t, v.Message(), deep-1)
				} else {
					v = value(t, m, d.MapValue(), deep)
				}
				m.Mutable(d).Map().Set(key, v)
			}
		case d.IsList():
			for range rapid.IntRange(1, 3).Draw(t, "elements") {
				if d.Message() != nil {
					fill(t, m.Mutable(d).List().AppendMutable().Message(), deep-1)
				} else {
					m.Mutable(d).List().Append(value(t, m, d, deep))
				}
			}
		case d.Message() != nil:
			fill(t, m.Mutable(d).Message(), deep-1)
		default:
			m.Set(d, value(t, m, d, deep))
		}
	}
}

// value gives one that is no message.
func value(t *rapid.T, m protoreflect.Message, d protoreflect.FieldDescriptor, deep int) protoreflect.Value {
	switch d.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.StringN(0, 4, 16).Draw(t, "string"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "bytes"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32().Draw(t, "enum")))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "int64"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "uint32"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "uint64"))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(rapid.Float32().Draw(t, "float"))
	}
	return protoreflect.ValueOfFloat64(rapid.Float64().Draw(t, "double"))
}
