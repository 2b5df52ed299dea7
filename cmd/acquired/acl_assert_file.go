package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"acquired/cmd/acquired/universe"
	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// trialMachine is a state machine in memory, of which nobody else knows. What it
// answers is what a cluster with the same tree answers.
type trialMachine struct {
	machine  *fsm.Machine
	operator command.Caller
	index    uint64
	now      int64
}

func newTrialMachine(now time.Time) *trialMachine {
	return &trialMachine{
		machine:  fsm.New(kv.NewMemory()),
		operator: command.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate, Issued: now.UnixNano()},
		now:      now.UnixNano(),
	}
}

// evaluateOnFile checks assertions on the file of a universe.
func evaluateOnFile(in io.Reader, flags *universeFlags, name string, assertions []universe.Assertion) ([]universe.Result, error) {
	u, _, err := flags.read(in, name)
	if err != nil {
		return nil, err
	}
	m := newTrialMachine(time.Now())
	if err := m.load(u); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return universe.Evaluate(assertions, m.oracle())
}

// load makes the machine hold the universe, its accounts included.
func (m *trialMachine) load(u universe.Universe) error {
	if err := m.openAccounts(u); err != nil {
		return err
	}
	existing, err := m.export("/")
	if err != nil {
		return err
	}
	plan, err := u.Plan(existing, universe.Merge)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(plan.Changes, acl.MaxChanges) {
		if err := applyTrial(m, acl.Change, &pb.ChangeRequest{Changes: part, Force: true}); err != nil {
			return err
		}
	}
	return nil
}

// openAccounts opens the accounts of the universe: no change of a tree does.
func (m *trialMachine) openAccounts(u universe.Universe) error {
	const asset = "TRIAL"
	if err := applyTrial(m, ledger.CreateAsset, &pb.CreateAssetRequest{Code: asset}); err != nil {
		return err
	}
	for i := range u.Nodes {
		if u.Nodes[i].Kind != universe.Account {
			continue
		}
		request := &pb.OpenAccountRequest{Path: string(u.Nodes[i].Path), Asset: asset}
		if err := applyTrial(m, ledger.OpenAccount, request); err != nil {
			return err
		}
	}
	return nil
}

// applyTrial applies a log entry with the one command.
func applyTrial[Req, Res proto.Message](m *trialMachine, of command.Command[Req, Res], request Req) error {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return err
	}
	entry, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: m.now, Commands: []*statev1.Command{
		{Name: of.Name, Caller: fsm.EncodeCaller(&m.operator), Body: body},
	}})
	if err != nil {
		return err
	}
	m.index++
	return m.machine.Apply(m.index, 1, entry)[0].Err
}

func askTrial[Req, Res proto.Message](m *trialMachine, q command.Query[Req, Res], request Req) (Res, error) {
	view := m.machine.View(m.operator)
	defer view.Close()
	return fsm.Ask(view, q, request)
}

func (m *trialMachine) export(path string) ([]*pb.ExportedNode, error) {
	nodes, _, err := pages(&limitFlag{}, func(cursor string, most uint32) ([]*pb.ExportedNode, string, error) {
		answer, err := askTrial(m, acl.Export, &pb.ExportRequest{Path: path, Cursor: cursor, Limit: most})
		return answer.GetNodes(), answer.GetCursor(), err
	})
	return nodes, err
}

func (m *trialMachine) nodes(path string) ([]listedNode, error) {
	exported, err := m.export(path)
	nodes := make([]listedNode, len(exported))
	for i, e := range exported {
		nodes[i] = describeNode(e.Node)
	}
	return nodes, err
}

func (m *trialMachine) oracle() universe.Oracle {
	return universe.Oracle{
		Principals: func(under string) ([]string, error) { return principalsUnder(under, m.nodes) },
		Paths: func(under string) ([]string, error) {
			nodes, err := m.nodes(under)
			if fault.KindOf(err) == fault.NotFound {
				return nil, nil
			}
			paths := make([]string, len(nodes))
			for i, n := range nodes {
				paths[i] = n.Path
			}
			return paths, err
		},
		Check: func(principal string, operations, paths []string) ([]uint32, error) {
			answer, err := askTrial(m, acl.CheckMany, &pb.CheckManyRequest{Principal: principal, Paths: paths, Operations: operations})
			return answer.GetAllowed(), err
		},
	}
}
