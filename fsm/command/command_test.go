package command_test

import (
	"bytes"
	"cmp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func lookup(*command.Reading, *pb.LookupRequest) (*pb.LookupResponse, error) { return nil, nil }

func define() *command.Definition {
	var set command.Set
	return command.DefineQuery(&set, "test.lookup", command.Public[*pb.LookupRequest], lookup).Definition
}

func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	body, err := proto.Marshal(&pb.LookupRequest{Ids: []string{"a", "b"}, Under: "/account"})
	if err != nil {
		t.Fatal(err)
	}
	field := func(number protowire.Number, text string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), text)
	}
	for _, test := range []struct {
		name string
		body []byte
		want string // part of the error; "" is none
	}{
		{"nothing", nil, ""},
		{"a request", body, ""},
		{"fields in another order", append(field(2, "/account"), field(1, "a")...), ""},
		{"an unknown field", append(body, field(15, "x")...), "3 of 19 bytes are in fields that this release does not know"},
		{"an unknown field of no length", append(body, field(15, "")...), "2 of 18 bytes"},
		{"a field given twice", append(body, field(2, "/account/a")...), "not in canonical form"},
		{"a field that is given and empty", append(body, field(2, "")...), "not in canonical form"},
		{"half a field", body[:len(body)-1], "proto"},
		{"text that is not UTF-8", field(2, "\xff"), "UTF-8"},
	} {
		got, err := define().Decode(test.body)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: Decode says %v", test.name, err)
		case test.want == "" && proto.Size(got) != len(test.body):
			t.Errorf("%s: Decode gives %v", test.name, got)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: Decode says %v, want %q", test.name, err, test.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	body, err := proto.Marshal(&pb.LookupRequest{Ids: []string{"a", "b"}, Under: "/account"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(append(body, 0x78, 1))
	definition := define()
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := definition.Decode(body)
		if err != nil {
			return
		}
		if unknown := m.ProtoReflect().GetUnknown(); len(unknown) > 0 {
			t.Errorf("Decode keeps unknown fields %x", unknown)
		}
	})
}

func TestDefineWantsARule(t *testing.T) {
	t.Parallel()
	defer func() {
		if got, want := recover(), "test.lookup: a command without a rule"; got != want {
			t.Errorf("it panicked with %v, want %s", got, want)
		}
	}()
	var set command.Set
	command.DefineQuery(&set, "test.lookup", nil, lookup)
	t.Error("a query without a rule is defined")
}

func TestRulesOfEveryoneAndOfTheCluster(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule command.Rule[*pb.LookupRequest]
		want command.Need
	}{
		"Public":   {command.Public[*pb.LookupRequest], command.Need{Operation: command.Anyone, Path: "/"}},
		"Internal": {command.Internal[*pb.LookupRequest], command.Need{Operation: command.ClusterItself, Path: "/"}},
	} {
		if got, err := test.rule(nil, nil); err != nil || len(got) != 1 || got[0] != test.want {
			t.Errorf("%s gives %v, %v; want %v", name, got, err, test.want)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	f := command.NotFound("/account/a")
	if f.Kind != fault.NotFound || f.Message != "nothing at /account/a" || f.Details["path"] != "/account/a" {
		t.Errorf("NotFound gives %+v", f)
	}
}

var ids = rapid.Custom(func(t *rapid.T) command.ID {
	return command.ID{Index: rapid.Uint64().Draw(t, "index"), Counter: rapid.Uint32().Draw(t, "counter")}
})

func TestIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		if rapid.Bool().Draw(t, "one entry") {
			b.Index = a.Index
		}
		d := kv.NewDecoder(command.AppendID(nil, a))
		if got := command.DecodeID(&d); got != a || d.Err() != nil {
			t.Errorf("%v comes back as %v, %v", a, got, d.Err())
		}
		order := cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Counter, b.Counter))
		if got := bytes.Compare(a.AppendKey(nil), b.AppendKey(nil)); got != order {
			t.Errorf("the keys of %v and %v compare as %d, want %d", a, b, got, order)
		}
	})
}

// TestNewIDsOfAnEntry: the commands of an entry share the counter.
func TestNewIDsOfAnEntry(t *testing.T) {
	t.Parallel()
	entry := new(command.Entry)
	first, second := command.Tx{Index: 7, Entry: entry}, command.Tx{Index: 7, Entry: entry}
	for i, got := range []command.ID{first.NewID(), first.NewID(), second.NewID()} {
		if want := (command.ID{Index: 7, Counter: uint32(i + 1)}); got != want {
			t.Errorf("id %d is %v, want %v", i, got, want)
		}
	}
}
