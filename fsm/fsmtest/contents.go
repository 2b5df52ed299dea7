package fsmtest

import (
	"bytes"
	"fmt"
	"iter"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/kv"
)

type pair struct {
	key, value []byte
}

// contents gives all that an engine holds, in order.
func contents(engine kv.Engine) []pair {
	snapshot := engine.Snapshot()
	defer snapshot.Close()
	return collect(snapshot.Scan([]byte{}, []byte{0xff}, false))
}

// dump gives all that a machine holds, in order, encoded.
func dump(machine *fsm.Machine) []pair {
	view := machine.View(command.Caller{})
	defer view.Close()
	return collect(view.Dump())
}

func collect(pairs iter.Seq2[[]byte, []byte]) (all []pair) {
	for key, value := range pairs {
		all = append(all, pair{bytes.Clone(key), bytes.Clone(value)})
	}
	return all
}

// load gives an engine that holds the pairs.
func load(pairs []pair) kv.Engine {
	writes := make([]kv.Write, len(pairs))
	for i, p := range pairs {
		writes[i] = kv.Write{Key: p.key, Value: p.value}
	}
	engine := kv.NewMemory()
	engine.Commit(writes)
	return engine
}

// difference says where two lists of pairs first differ.
func difference(nameA string, a []pair, nameB string, b []pair) error {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(b), i < len(a) && bytes.Compare(a[i].key, b[i].key) < 0:
			return fmt.Errorf("key %q:\n\t%s %x\n\t%s nothing", a[i].key, nameA, a[i].value, nameB)
		case i >= len(a), bytes.Compare(a[i].key, b[i].key) > 0:
			return fmt.Errorf("key %q:\n\t%s nothing\n\t%s %x", b[i].key, nameA, nameB, b[i].value)
		case !bytes.Equal(a[i].value, b[i].value):
			return fmt.Errorf("key %q:\n\t%s %x\n\t%s %x", a[i].key, nameA, a[i].value, nameB, b[i].value)
		}
	}
	return nil
}
