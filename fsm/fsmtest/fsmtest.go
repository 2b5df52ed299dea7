// Package fsmtest runs a state machine in a test, without a cluster.
//
//	m := fsmtest.New(t)
//	res, err := fsmtest.Do(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{...})
//
// When the test ends, everything that was applied is applied again from
// nothing, and again to a copy of the state half-way that is handed some of what
// it already holds; both must end in the same bytes. Each test is so a test of
// what a cluster lives by: same log, same state. And the ledger is worked out again
// from its journal.
package fsmtest

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	statev1 "acquired/proto/acquired/state/v1"
)

// T is a *testing.T, a *testing.B or a *rapid.T.
type T interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Fatalf(format string, args ...any)
}

// Where the log of a test begins. The time is in nanoseconds since 1970.
const (
	firstIndex = 2
	firstTime  = 1_700_000_000_000_000_000
	term       = 1
)

// Machine is a state machine in memory. The log of a test is its own, so are
// the request ids.
type Machine struct {
	// Operator may do everything.
	Operator *Client
	// Cluster is the cluster itself.
	Cluster *Client
	// EntryNanos is by how much the log time of an entry is more than that of
	// the entry before. New sets a millisecond.
	EntryNanos int64

	t       T
	machine *fsm.Machine
	engine  *kv.Memory
	entries []entry
	// asked asks again what was asked after the last entry.
	asked    []func(*fsm.Machine) error
	index    uint64
	now      int64
	requests int
}

// entry is what was applied and what came of it.
type entry struct {
	index   uint64
	data    []byte
	results []fsm.Result
	hash    kv.Hash
}

// New gives a machine with an empty state.
func New(t T) *Machine {
	t.Helper()
	m := newMachine(t)
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			return // what the test says comes first
		}
		if err := m.check(); err != nil {
			t.Fatalf("%v", err)
		}
	})
	return m
}

func newMachine(t T) *Machine {
	engine := kv.NewMemory()
	m := &Machine{
		t: t, machine: fsm.New(engine), engine: engine,
		index: firstIndex, now: firstTime, EntryNanos: 1_000_000,
	}
	m.Operator = m.As(command.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate, Issued: firstTime})
	m.Cluster = m.As(command.Caller{Principal: command.System})
	return m
}

// Client acts on a machine as one caller.
type Client struct {
	machine *Machine
	caller  command.Caller
}

// As gives a client that acts as the caller.
func (m *Machine) As(caller command.Caller) *Client { return &Client{machine: m, caller: caller} }

// Wait lets log time go on: the next entry is that much later.
func (m *Machine) Wait(nanos int64) { m.now += nanos }

// Position is where the state is.
func (m *Machine) Position() fsm.Position { return m.machine.Position() }

// View shows the newest state to do.
func (m *Machine) View(do func(*command.Reading)) {
	view := m.machine.View(command.Caller{})
	defer view.Close()
	do(view)
}

// Hash is the hash of the state.
func (m *Machine) Hash() kv.Hash { return m.machine.Position().Hash }

// Command gives a command under a request id of its own. Applied twice, it is
// a request that was sent again.
func Command[Req, Res proto.Message](c *Client, of command.Command[Req, Res], req Req) *statev1.Command {
	c.machine.t.Helper()
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		c.machine.t.Fatalf("encode %s: %v", of.Name, err)
	}
	made := &statev1.Command{Name: of.Name, Caller: fsm.EncodeCaller(&c.caller), Body: body}
	if c.caller.Principal != command.System { // the cluster's own have none
		c.machine.requests++
		made.RequestId = fmt.Sprintf("request-%d", c.machine.requests)
	}
	return made
}

// Apply applies one entry that holds the commands.
func (m *Machine) Apply(commands ...*statev1.Command) []fsm.Result {
	m.t.Helper()
	m.now += m.EntryNanos
	data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: m.now, Commands: commands})
	if err != nil {
		m.t.Fatalf("%v", err)
	}
	m.asked = nil
	results := m.machine.Apply(m.index, term, data)
	m.entries = append(m.entries, entry{index: m.index, data: data, results: results, hash: m.Hash()})
	m.index++
	if m.index%4 == 0 {
		m.index++ // the log also has entries that are not for the machine
	}
	return results
}

// Do applies one entry that holds the request as its only command.
func Do[Req, Res proto.Message](c *Client, of command.Command[Req, Res], req Req) (Res, error) {
	c.machine.t.Helper()
	return Answer(c.machine.t, of, c.machine.Apply(Command(c, of, req))[0])
}

// Must is Do for what must not be refused.
func Must[Req, Res proto.Message](c *Client, of command.Command[Req, Res], req Req) Res {
	c.machine.t.Helper()
	res, err := Do(c, of, req)
	if err != nil {
		c.machine.t.Fatalf("%s: %v", of.Name, err)
	}
	return res
}

// Answer gives what a result says to a request of the command.
func Answer[Req, Res proto.Message](t T, of command.Command[Req, Res], result fsm.Result) (Res, error) {
	t.Helper()
	var none Res
	if result.Err != nil {
		return none, result.Err
	}
	res, err := of.DecodeAnswer(result.Body)
	if err != nil {
		t.Fatalf("the answer to %s: %v", of.Name, err)
	}
	return res.(Res), nil
}

// maxAsked bounds what is asked again.
const maxAsked = 1000

// Ask answers a query from the newest state. What is asked after the last entry
// is asked again when the test ends, of the state as it is then read back.
func Ask[Req, Res proto.Message](c *Client, q command.Query[Req, Res], req Req) (Res, error) {
	req = proto.CloneOf(req) // it is asked again when the test has gone on
	ask := func(machine *fsm.Machine) (Res, error) {
		view := machine.View(c.caller)
		defer view.Close()
		return fsm.Ask(view, q, req)
	}
	res, err := ask(c.machine.machine)
	if len(c.machine.asked) == maxAsked {
		return res, err
	}
	c.machine.asked = append(c.machine.asked, func(machine *fsm.Machine) error {
		again, errAgain := ask(machine)
		if !proto.Equal(again, res) || !sameFault(faultOf(errAgain), faultOf(err)) {
			return fmt.Errorf("%s of %.500v gives %.500v, %v; it gave %.500v, %v", q.Name, req, again, errAgain, res, err)
		}
		return nil
	})
	return res, err
}
