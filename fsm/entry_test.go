package fsm_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// encode gives an entry of the commands.
func encode(t testing.TB, nanos int64, commands ...*statev1.Command) []byte {
	t.Helper()
	data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: nanos, Commands: commands})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// createAsset is a request of an operator.
func createAsset(t testing.TB, code string) *statev1.Command {
	t.Helper()
	body, err := proto.Marshal(&pb.CreateAssetRequest{Code: code, Scale: 2})
	if err != nil {
		t.Fatal(err)
	}
	return &statev1.Command{
		Name: ledger.CreateAsset.Name, Body: body, RequestId: "create-" + code,
		Caller: &statev1.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate},
	}
}

// mustPanic runs do, which must panic with a message that has want in it.
func mustPanic(t *testing.T, want string, do func()) {
	t.Helper()
	defer func() {
		t.Helper()
		got := recover()
		if got == nil || !strings.Contains(fmt.Sprint(got), want) {
			t.Errorf("it panicked with %v, want a panic with %q", got, want)
		}
	}()
	do()
}

func TestEntriesComeBack(t *testing.T) {
	t.Parallel()
	for _, entry := range []*statev1.Entry{
		{},
		{UnixNanos: 1},
		{UnixNanos: -1, Commands: []*statev1.Command{createAsset(t, "USD"), {}}},
	} {
		data, err := fsm.EncodeEntry(entry)
		if err != nil {
			t.Fatalf("EncodeEntry(%v): %v", entry, err)
		}
		got, err := fsm.DecodeEntry(data)
		if err != nil || !proto.Equal(got, entry) {
			t.Errorf("DecodeEntry gives %v, %v; want %v", got, err, entry)
		}
	}
}

func TestEncodeEntryRefusesBrokenText(t *testing.T) {
	t.Parallel()
	if _, err := fsm.EncodeEntry(&statev1.Entry{Commands: []*statev1.Command{{Name: "\xff"}}}); err == nil {
		t.Error("EncodeEntry takes a name that is not UTF-8, which no node could decode")
	}
}

// TestEveryFlippedBitStopsTheNode: a bit that flips in memory or on a disk on
// the way must not make a node differ.
func TestEveryFlippedBitStopsTheNode(t *testing.T) {
	t.Parallel()
	machine := fsm.New(kv.NewMemory())
	data := encode(t, 1_700_000_000_000_000_000, createAsset(t, "USD"), createAsset(t, "EUR"))
	for bit := range 8 * len(data) {
		data[bit/8] ^= 1 << (bit % 8)
		if _, err := fsm.DecodeEntry(data); err == nil {
			t.Errorf("bit %d of byte %d is flipped and DecodeEntry returns no error", bit%8, bit/8)
		}
		mustPanic(t, "log entry 1: its ", func() { machine.Apply(1, 1, data) })
		data[bit/8] ^= 1 << (bit % 8)
	}
	if results := machine.Apply(1, 1, data); len(results) != 2 || results[0].Err != nil || results[1].Err != nil {
		t.Errorf("the entry as it was gives %+v", results)
	}
}

func TestShortEntries(t *testing.T) {
	t.Parallel()
	data := encode(t, 1, createAsset(t, "USD"))
	for length := range data {
		if _, err := fsm.DecodeEntry(data[:length]); err == nil {
			t.Errorf("DecodeEntry takes the first %d of %d bytes", length, len(data))
		}
	}
	if _, err := fsm.DecodeEntry(append(data, 0)); err == nil {
		t.Error("DecodeEntry takes a byte too many")
	}
}

func TestEntryOfANewerRelease(t *testing.T) {
	t.Parallel()
	data := encode(t, 1)
	data[0]++
	const want = "its version is 2, this release knows 1"
	if _, err := fsm.DecodeEntry(data); err == nil || err.Error() != want {
		t.Errorf("DecodeEntry says %v, want %s", err, want)
	}
}

// sealed puts the header of an entry before any bytes.
func sealed(body []byte) []byte {
	b := []byte{1}
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, body...)
}

func TestEntryThatIsNoMessage(t *testing.T) {
	t.Parallel()
	if _, err := fsm.DecodeEntry(sealed([]byte{0xff})); err == nil {
		t.Error("DecodeEntry takes bytes that are no message")
	}
}

func FuzzDecodeEntry(f *testing.F) {
	m := fsmtest.New(f)
	create := fsmtest.Command(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	for _, seed := range [][]byte{nil, encode(f, 0), encode(f, 1, create), encode(f, -1, create, create)} {
		f.Add(seed)
		f.Add(seed[min(5, len(seed)):])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, sealed(data)} {
			entry, err := fsm.DecodeEntry(data)
			if err != nil {
				continue
			}
			again, err := fsm.DecodeEntry(encode(t, entry.UnixNanos, entry.Commands...))
			if err != nil {
				t.Fatalf("what DecodeEntry gave is encoded and refused: %v", err)
			}
			entry.ProtoReflect().SetUnknown(nil)
			if !proto.Equal(again, entry) {
				t.Fatalf("%v comes back as %v", entry, again)
			}
		}
	})
}
