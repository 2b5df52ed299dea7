package fsm_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// A domain that the program does not have: a count for each path. It is all that
// "Adding a domain" in docs/architecture.md asks of the state machine, and says
// nothing of retries, rights, replay or snapshots.
var (
	countSchema   kv.Schema
	countCommands command.Set

	addOne    = command.Define(&countCommands, "count.add", mayAdd, add)
	readCount = command.DefineQuery(&countCommands, "count.read", mayReadCount, getCount)

	counts = kv.NewTable(&countSchema, "count/value", kv.Codec[count]{Append: appendCount, Decode: decodeCount},
		func(c count) path.Path { return c.path }, kv.Resident)
)

type count struct {
	path  path.Path
	value uint64
}

func appendCount(b []byte, c count) []byte {
	return kv.AppendUint(kv.AppendString(b, c.path), c.value)
}

func decodeCount(b []byte) (count, error) {
	d := kv.NewDecoder(b)
	c := count{path: path.Path(d.String()), value: d.Uint()}
	return c, d.Err()
}

func mayAdd(_ kv.Reader, req *wrapperspb.StringValue) ([]command.Need, error) {
	p, err := path.Parse(req.Value)
	return []command.Need{{Operation: command.Write, Path: p}}, err
}

func mayReadCount(_ kv.Reader, req *wrapperspb.StringValue) ([]command.Need, error) {
	p, err := path.Parse(req.Value)
	return []command.Need{{Operation: command.Read, Path: p}}, err
}

// maxCount is small, so that a test can go beyond it.
const maxCount = 3

func add(tx *command.Tx, req *wrapperspb.StringValue) (*wrapperspb.UInt64Value, error) {
	c, _ := counts.Get(tx, path.Path(req.Value))
	c.path = path.Path(req.Value)
	c.value++
	counts.Put(tx.Tx, c) // taken back when the command is refused
	if c.value > maxCount {
		return nil, fault.Exhausted.New("%s has counted to %d", c.path, maxCount)
	}
	return wrapperspb.UInt64(c.value), nil
}

func getCount(v *command.Reading, req *wrapperspb.StringValue) (*wrapperspb.UInt64Value, error) {
	c, ok := counts.Get(v, path.Path(req.Value))
	if !ok {
		return nil, command.NotFound(path.Path(req.Value))
	}
	return wrapperspb.UInt64(c.value), nil
}

func TestDomainIsOneLine(t *testing.T) {
	fsm.WithDomain(t, &countSchema, &countCommands)
	m := fsmtest.New(t)
	m.Clause("/data", command.View, "/role/reader")
	m.Clause("/data", command.Read, "/role/reader")
	m.Leaf("/data/here")
	here := wrapperspb.String("/data/here")

	if _, err := fsmtest.Ask(m.Operator, readCount, here); !errors.Is(err, fault.NotFound) {
		t.Errorf("before the first count: got %v, want not found", err)
	}
	fsmtest.Must(m.Operator, addOne, here)

	// A command that is sent again counts once.
	again := fsmtest.Command(m.Operator, addOne, here)
	m.Apply(again)
	for _, result := range m.Apply(again, again) {
		if res, err := fsmtest.Answer(t, addOne, result); err != nil || res.Value != 2 {
			t.Errorf("sent again: got %v, %v, want 2", res, err)
		}
	}

	// The rule is asked, for commands and for queries.
	reader := m.Principal("/workload/reader", "/role/reader")
	if _, err := fsmtest.Do(reader, addOne, here); !errors.Is(err, fault.Denied) {
		t.Errorf("a reader adds: got %v, want denied", err)
	}
	stranger := m.Principal("/workload/stranger")
	if _, err := fsmtest.Ask(stranger, readCount, here); !errors.Is(err, fault.NotFound) {
		t.Errorf("a stranger reads: got %v, want not found", err)
	}

	// A refusal leaves nothing behind, and the hash as it was.
	fsmtest.Must(m.Operator, addOne, here)
	before := m.Hash()
	if _, err := fsmtest.Do(m.Operator, addOne, here); !errors.Is(err, fault.Exhausted) {
		t.Errorf("beyond the limit: got %v, want exhausted", err)
	}
	if after := m.Hash(); after != before {
		t.Errorf("hash after a refusal: got %s, want %s", after, before)
	}
	res, err := fsmtest.Ask(reader, readCount, here)
	if err != nil || res.Value != maxCount {
		t.Errorf("at the end: got %v, %v, want %d", res, err, maxCount)
	}
}
