package wire_test

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	pb "acquired/proto/acquired/v1"
	"acquired/server/wire"
)

// TestElementsAreWhatIsDecoded: what an encoder wrote counts as what a decoder makes
// of it.
func TestElementsAreWhatIsDecoded(t *testing.T) {
	t.Parallel()
	for _, empty := range messages() {
		t.Run(string(empty.ProtoReflect().Descriptor().FullName()), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				m := empty.ProtoReflect().New()
				fill(t, m, 4)
				checkWritten(t, m.Interface())
			})
		})
	}
}

// FuzzElements: nothing makes the count panic, and nothing that is decoded makes
// more than was counted.
func FuzzElements(f *testing.F) {
	for i, m := range examples() {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
		f.Add(uint8(i), b[:len(b)-1])
		f.Add(uint8(i), append(b, b...))
	}
	f.Add(uint8(0), bytes.Repeat([]byte{0x0b}, 20_000)) // groups in groups
	all := messages()
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		empty := all[int(which)%len(all)]
		of := empty.ProtoReflect().Descriptor()
		counted := wire.Elements(of, b, 1<<30)
		m := empty.ProtoReflect().New().Interface()
		if proto.Unmarshal(b, m) != nil {
			return
		}
		if made := made(m.ProtoReflect()); made > counted {
			t.Errorf("%s: %x makes %d elements, counted are %d", of.FullName(), b, made, counted)
		}
		checkWritten(t, m)
	})
}

// checkWritten compares the count of a message, as it is written, with what is in
// it; and at the limits around that.
func checkWritten(t interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
}, m proto.Message) {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	of, want := m.ProtoReflect().Descriptor(), made(m.ProtoReflect())
	if got := wire.Elements(of, b, 1<<30); got != want {
		t.Errorf("%s: %x counts as %d elements, want %d", of.FullName(), b, got, want)
	}
	for _, limit := range []int{0, want - 1, want, want + 1} {
		if got := wire.Exceeds(of, b, max(limit, 0)); got != (want > max(limit, 0)) {
			t.Errorf("%s: %x with %d elements exceeds %d: %t", of.FullName(), b, want, limit, got)
		}
	}
}

// made counts what is in a decoded message.
func made(m protoreflect.Message) (n int) {
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.IsMap():
			n += v.Map().Len()
			if d.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					n += 1 + made(v.Message())
					return true
				})
			}
		case d.IsList():
			n += v.List().Len()
			if d.Message() != nil {
				for i := range v.List().Len() {
					n += made(v.List().Get(i).Message())
				}
			}
		case d.Message() != nil:
			n += 1 + made(v.Message())
		}
		return true
	})
	return n
}

// TestMessageInItself: a type may be in itself, as deep as the decoder goes.
func TestMessageInItself(t *testing.T) {
	t.Parallel()
	of := (&structpb.ListValue{}).ProtoReflect().Descriptor()
	for _, test := range []struct {
		depth   int
		decodes bool
	}{{2_000, true}, {20_000, false}} {
		b := nested(test.depth)
		if got := proto.Unmarshal(b, &structpb.ListValue{}) == nil; got != test.decodes {
			t.Errorf("%d lists in one another: decoded %t, want %t", test.depth, got, test.decodes)
		}
		if got, want := wire.Elements(of, b, 1<<30), 2*test.depth; test.decodes && got != want || got > want {
			t.Errorf("%d lists in one another: got %d elements, want %d", test.depth, got, want)
		}
	}
}

// nested gives a ListValue of one Value of a ListValue, and so on.
func nested(depth int) []byte {
	var heads [][]byte
	length := 0
	for i := range 2 * depth {
		number := protowire.Number(6) // Value.list_value
		if i%2 == 1 {
			number = 1 // ListValue.values
		}
		head := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(length))
		heads = append(heads, head)
		length += len(head)
	}
	slices.Reverse(heads)
	return slices.Concat(heads...)
}

// TestHostileMessageIsCheap: to find out that a message makes millions of others
// makes none.
func TestHostileMessageIsCheap(t *testing.T) {
	hostile := bytes.Repeat([]byte{1<<3 | 2, 0}, 7<<20)
	of := (&pb.TransferRequest{}).ProtoReflect().Descriptor()
	wire.Elements(of, nil, 1) // the type is described once
	const limit = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	exceeds := wire.Exceeds(of, hostile, limit)
	runtime.ReadMemStats(&after)
	if !exceeds {
		t.Errorf("%d empty transfers do not exceed %d elements", len(hostile)/2, limit)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("the count took %d bytes of memory, want less than 1 MiB", got)
	}
	if got := wire.Elements(of, hostile, 1<<30); got != 7<<20 {
		t.Errorf("got %d elements, want %d", got, 7<<20)
	}
}

// BenchmarkTransfers: what it costs to count a list of transfers, as long as it may
// be, and what to decode it.
func BenchmarkTransfers(b *testing.B) {
	request := &pb.TransferRequest{}
	for range 8190 {
		request.Transfers = append(request.Transfers, &pb.Transfer{
			Id: strings.Repeat("i", 36), Debit: "/account/hpe/bu1/alice", Credit: "/account/hpe/bu1/bob", Amount: "1234.56",
			Description: "node hours of a job",
		})
	}
	body, err := proto.Marshal(request)
	if err != nil {
		b.Fatal(err)
	}
	of := request.ProtoReflect().Descriptor()
	b.Run("count", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if got, want := wire.Elements(of, body, 1<<30), 8190; got != want {
				b.Fatalf("got %d elements, want %d", got, want)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if err := proto.Unmarshal(body, &pb.TransferRequest{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
