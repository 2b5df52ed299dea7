package fsmtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// check says what does not hold of the state and the log that led to it.
func (m *Machine) check() error {
	if err := checkSum(m.machine); err != nil {
		return err
	}
	if err := checkMemory(m.machine, m.engine); err != nil {
		return fmt.Errorf("what memory holds is not what the engine holds; was a record changed after it was put? %w", err)
	}
	if err := m.askAgain(fsm.New(m.engine)); err != nil {
		return fmt.Errorf("asked of the state opened again: %w", err)
	}
	half, err := m.replay()
	if err != nil {
		return fmt.Errorf("applied again from nothing: %w", err)
	}
	if err := m.restore(half); err != nil {
		return fmt.Errorf("applied behind a copy of the state at index %d: %w", half.index, err)
	}
	return checkBooks(m.machine)
}

// checkBooks works the ledger out again from its journal.
func checkBooks(machine *fsm.Machine) error {
	view := machine.View(command.Caller{})
	defer view.Close()
	res, err := ledger.Verify(view, func(*pb.VerifyResponse) error { return nil })
	if err == nil && len(res.Findings) > 0 {
		err = fmt.Errorf("the books do not agree: %s", res.Findings[0])
	}
	return err
}

// checkSum sums the state again.
func checkSum(machine *fsm.Machine) error {
	view := machine.View(command.Caller{})
	defer view.Close()
	return view.Verify(nil)
}

// checkMemory compares a machine with one that is opened now on its engine, and
// that one with the engine.
func checkMemory(machine *fsm.Machine, engine kv.Engine) error {
	stored := contents(engine)
	opened := dump(fsm.New(load(stored)))
	if err := difference("in memory", dump(machine), "opened again", opened); err != nil {
		return err
	}
	for _, p := range stored {
		i, found := slices.BinarySearchFunc(opened, p, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
		switch {
		case string(p.key) == "hash\x00":
		case !found:
			return fmt.Errorf("key %q is in the engine and in no table", p.key)
		case !bytes.Equal(opened[i].value, p.value):
			return fmt.Errorf("key %q:\n\tin the engine %x\n\tdecoded and encoded %x", p.key, p.value, opened[i].value)
		}
	}
	return nil
}

// half is a state in the middle of a log.
type half struct {
	// next is the first entry that the state does not hold.
	next     int
	index    uint64
	contents []pair
}

// replay applies all entries to an empty state.
func (m *Machine) replay() (half, error) {
	at := half{next: len(m.entries) / 2}
	engine := kv.NewMemory()
	machine := fsm.New(engine)
	for i, e := range m.entries {
		if i == at.next {
			at.index, at.contents = machine.Position().Index, contents(engine)
		}
		if err := apply(machine, e); err != nil {
			return at, err
		}
	}
	return at, m.same(machine, engine)
}

// restore applies what follows to a copy of a state, and before it some of what
// the state holds, as after a crash.
func (m *Machine) restore(from half) error {
	engine := load(from.contents)
	machine := fsm.New(engine)
	for _, e := range m.entries[from.next/2 : from.next] {
		if results := machine.Apply(e.index, term, e.data); results != nil {
			return fmt.Errorf("entry %d is applied although the state holds it", e.index)
		}
	}
	for _, e := range m.entries[from.next:] {
		if err := apply(machine, e); err != nil {
			return err
		}
	}
	return m.same(machine, engine)
}

// apply applies the entry and compares what comes of it with what came of it.
func apply(machine *fsm.Machine, e entry) error {
	results := machine.Apply(e.index, term, e.data)
	if len(results) != len(e.results) {
		return fmt.Errorf("entry %d: %d results, there were %d", e.index, len(results), len(e.results))
	}
	for i, result := range results {
		if err := sameResult(result, e.results[i]); err != nil {
			return fmt.Errorf("entry %d: command %d: %w", e.index, i, err)
		}
	}
	if hash, ok := machine.HashAt(e.index); !ok || hash != e.hash {
		return fmt.Errorf("entry %d: the state hash is %s, it was %s", e.index, hash, e.hash)
	}
	return nil
}

func sameResult(got, was fsm.Result) error {
	switch {
	case got.Index != was.Index:
		return fmt.Errorf("its index is %d, it was %d", got.Index, was.Index)
	case !bytes.Equal(got.Body, was.Body), !proto.Equal(got.Response, was.Response):
		return fmt.Errorf("the answer is %v (%x), it was %v (%x)", got.Response, got.Body, was.Response, was.Body)
	case !sameFault(faultOf(got.Err), faultOf(was.Err)):
		return fmt.Errorf("the refusal is %+v, it was %+v", got.Err, was.Err)
	}
	return nil
}

// faultOf is nil for no error, and Internal for one that is no fault.
func faultOf(err error) *fault.Fault {
	f, ok := errors.AsType[*fault.Fault](err)
	if err != nil && !ok {
		return fault.Internal.New("%v", err)
	}
	return f
}

func sameFault(a, b *fault.Fault) bool {
	if a == nil || b == nil {
		return a == b
	}
	same := a.Kind == b.Kind && a.Message == b.Message && slices.Equal(a.DetailKeys(), b.DetailKeys())
	for _, key := range a.DetailKeys() {
		same = same && a.Details[key] == b.Details[key]
	}
	return same
}

// same compares a machine and its engine with those of the test.
func (m *Machine) same(machine *fsm.Machine, engine kv.Engine) error {
	if got, want := machine.Position(), m.machine.Position(); got != want {
		return fmt.Errorf("the position is %+v, it was %+v", got, want)
	}
	if err := difference("now", contents(engine), "in the test", contents(m.engine)); err != nil {
		return err
	}
	return checkSum(machine)
}

// askAgain compares the answers of a machine with those of the test.
func (m *Machine) askAgain(machine *fsm.Machine) error {
	for _, ask := range m.asked {
		if err := ask(machine); err != nil {
			return err
		}
	}
	return nil
}
