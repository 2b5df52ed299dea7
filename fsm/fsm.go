// Package fsm is the state machine of acquired: what the cluster agrees on. It
// is pure. Applying a log entry is a function of the state and the entry, the
// same on every node and for ever: nothing below this folder reads a clock, a
// random source, the environment, the order of a map, or a float.
//
// A refusal is an answer, equal on all nodes. Anything else that goes wrong
// here (an unknown command, damaged bytes, a broken invariant) panics: a node
// that cannot follow must stop, it must not guess.
package fsm

import (
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	"acquired/fsm/tree"
)

// domain is what a domain brings to the machine.
type domain struct {
	schema   *kv.Schema
	commands *command.Set
}

// domains are all there are. A new domain is a line here.
var domains = []domain{
	{&system.Schema, &system.Commands},
	{&tree.Schema, &command.Set{}},
	{&identity.Schema, &identity.Commands},
	{&acl.Schema, &acl.Commands},
	{&ledger.Schema, &ledger.Commands},
}

// Machine applies log entries to a state and lets it be read. Apply is called
// by one goroutine at a time; everything else may be called by any.
type Machine struct {
	commands map[string]*command.Definition
	store    atomic.Pointer[kv.Store]
	recent   hashes
	// mu keeps Replace and Apply apart.
	mu sync.Mutex
}

// New gives a machine over the state that the engine holds.
func New(engine kv.Engine) *Machine {
	m := &Machine{commands: make(map[string]*command.Definition)}
	for _, d := range domains {
		for _, definition := range d.commands.Commands {
			if _, ok := m.commands[definition.Name]; ok {
				panic("two commands are named " + definition.Name)
			}
			m.commands[definition.Name] = definition
		}
	}
	m.open(engine)
	return m
}

func schemas() []*kv.Schema {
	all := []*kv.Schema{&schema}
	for _, d := range domains {
		all = append(all, d.schema)
	}
	return all
}

func (m *Machine) open(engine kv.Engine) (before *kv.Store) {
	store := kv.Open(engine, schemas()...)
	view := store.View()
	defer view.Close()
	m.recent.reset(positionOf(view).index, view.Hash())
	return m.store.Swap(store)
}

// Replace makes the machine go on from the state that another engine holds. It
// returns once nobody reads the state before, whose engine may then be closed.
func (m *Machine) Replace(engine kv.Engine) {
	m.mu.Lock()
	before := m.open(engine)
	m.mu.Unlock()
	before.Retire()
}

// Close ends the machine once nobody reads its state; the engine may then be
// closed.
func (m *Machine) Close() { m.store.Load().Retire() }

// Pause runs do while no entry is applied, with the position of the state.
func (m *Machine) Pause(do func(Position)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do(m.Position())
}

// Command gives the command with the name.
func (m *Machine) Command(name string) (*command.Definition, bool) {
	d, ok := m.commands[name]
	return d, ok
}

// Result is what became of one command.
type Result struct {
	// Command is the name of the command.
	Command string
	// Index of the entry in which the command was applied or refused; for a
	// command that was sent again, that of the first time.
	Index uint64
	// Response is set when the command was applied here and now.
	Response proto.Message
	// Body is the encoded response, when the command was not refused.
	Body []byte
	// Err is the fault with which the command was refused.
	Err error
}

// Apply applies the log entry at the index and gives a result for each of its
// commands. An entry that the state already holds changes nothing and gives no
// results: after a crash the log is replayed from before the state.
func (m *Machine) Apply(index, term uint64, data []byte) []Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	store := m.store.Load()
	kvtx := store.Begin()
	at := positionOf(kvtx)
	if index <= at.index {
		return nil
	}
	entry, err := DecodeEntry(data)
	if err != nil {
		panic(fmt.Sprintf("log entry %d: %v", index, err))
	}
	at.index, at.term, at.time = index, term, max(at.time, entry.UnixNanos)
	tx := &command.Tx{Tx: kvtx, Index: index, Time: at.time, Entry: new(command.Entry)}
	expired := ledger.Expire(tx) // what has lapsed is seen by no command
	results := make([]Result, len(entry.Commands))
	for i, c := range entry.Commands {
		results[i] = m.run(tx, &at, c, expired)
		results[i].Command = c.Name
	}
	pruneAnswers(tx, &at, len(entry.Commands))
	hash := kvtx.Hash()
	positions.Put(kvtx, at)
	m.recent.add(index, hash) // whoever sees the state finds its hash
	kvtx.Commit()
	return results
}

// Position is where a state is in the log.
type Position struct {
	Index, Term uint64
	// Time is the log time in nanoseconds since 1970.
	Time   int64
	Format uint32
	Hash   kv.Hash
}

// Position gives where the machine is.
func (m *Machine) Position() Position {
	v := m.View(command.Caller{})
	defer v.Close()
	p := positionOf(v)
	return Position{Index: p.index, Term: p.term, Time: p.time, Format: system.CurrentFormat(v), Hash: v.Hash()}
}

// View gives the newest state, for the caller to read. The view is to be
// closed.
func (m *Machine) View(caller command.Caller) *command.Reading {
	for {
		store := m.store.Load()
		view := store.View()
		if view == nil {
			if m.store.Load() == store {
				panic("the machine is closed")
			}
			continue // replaced between the two calls
		}
		p := positionOf(view)
		return &command.Reading{View: view, Index: p.index, Time: p.time, Caller: caller}
	}
}

// HashAt gives the hash of the state as it was after the index, if that was not
// too long ago or before the machine was opened.
func (m *Machine) HashAt(index uint64) (kv.Hash, bool) { return m.recent.at(index) }
