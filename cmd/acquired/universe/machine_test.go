package universe_test

import (
	"slices"
	"testing"

	"acquired/cmd/acquired/universe"
	"acquired/fsm/acl"
	"acquired/fsm/fsmtest"
	pb "acquired/proto/acquired/v1"
)

// load makes the changes of a plan, as an operator.
func load(t fsmtest.T, m *fsmtest.Machine, plan universe.Plan) {
	t.Helper()
	if len(plan.Changes) == 0 {
		return
	}
	fsmtest.Must(m.Operator, acl.Change, &pb.ChangeRequest{Changes: plan.Changes, Force: plan.Force})
}

// export gives all that a machine holds.
func export(t fsmtest.T, m *fsmtest.Machine) []*pb.ExportedNode {
	t.Helper()
	var all []*pb.ExportedNode
	cursor := ""
	for {
		res, err := fsmtest.Ask(m.Operator, acl.Export, &pb.ExportRequest{Path: "/", Cursor: cursor})
		if err != nil {
			t.Fatalf("export: %v", err)
		}
		all = append(all, res.Nodes...)
		if cursor = res.Cursor; cursor == "" {
			return all
		}
	}
}

func mustPlan(t fsmtest.T, u universe.Universe, existing []*pb.ExportedNode, mode universe.Mode) universe.Plan {
	t.Helper()
	plan, err := u.Plan(existing, mode)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return plan
}

func mustParse(t fsmtest.T, file string) universe.Universe {
	t.Helper()
	u, err := universe.Parse([]byte(file), "test.yaml")
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return u
}

// machineOf gives a machine that holds the universe.
func machineOf(t fsmtest.T, u universe.Universe) *fsmtest.Machine {
	t.Helper()
	plan, err := u.Changes()
	if err != nil {
		t.Fatalf("changes: %v", err)
	}
	m := fsmtest.New(t)
	load(t, m, plan)
	return m
}

func lines[L interface{ String() string }](all []L) []string {
	var lines []string
	for _, one := range all {
		lines = append(lines, one.String())
	}
	return lines
}

// oracleOf answers from a machine.
func oracleOf(m *fsmtest.Machine) universe.Oracle {
	list := func(under string) (all []*pb.ExportedNode, err error) {
		visible, err := fsmtest.Ask(m.Operator, acl.Check, &pb.CheckRequest{Operation: "View", Path: under})
		if err != nil || !visible.Visible {
			return nil, err
		}
		res, err := fsmtest.Ask(m.Operator, acl.Export, &pb.ExportRequest{Path: under, Limit: 10_000})
		return res.GetNodes(), err
	}
	return universe.Oracle{
		Principals: func(under string) (all []string, err error) {
			if under == "" {
				under = "/"
			}
			nodes, err := list(under)
			for _, n := range nodes {
				if n.Node.Kind == "leaf" && (n.Node.Path[:5] == "/user" || n.Node.Path[:5] == "/work") {
					all = append(all, n.Node.Path)
				}
			}
			return all, err
		},
		Paths: func(under string) (all []string, err error) {
			nodes, err := list(under)
			for _, n := range nodes {
				all = append(all, n.Node.Path)
			}
			return all, err
		},
		Check: func(principal string, operations, paths []string) ([]uint32, error) {
			res, err := fsmtest.Ask(m.Operator, acl.CheckMany, &pb.CheckManyRequest{Principal: principal, Operations: operations, Paths: paths})
			return res.GetAllowed(), err
		},
	}
}

func TestStarter(t *testing.T) {
	t.Parallel()
	u := universe.Starter()
	m := machineOf(t, u)
	again := mustPlan(t, u, export(t, m), universe.Replace)
	if len(again.Changes)+len(again.Notes) > 0 || again.Force {
		t.Errorf("the starter planned on itself: %+v, want nothing", again)
	}
	load(t, m, mustPlan(t, mustParse(t, `
nodes:
  /user/ann: {roles: /role/member}
  /user/bob:
  /workload/w:
  /account/a/:
  /data/x:
  /queue/q:
`), export(t, m), universe.Add))
	assertions, err := universe.ParseAssertions([]byte(`
everybody may VIEW /**
only admin may ADMIN,WRITE /**
only admin may USEROLE, APPLYROLE /role/**
only admin may VOUCHFOR,READ /user/**
only admin may VOUCHFOR,READ /workload/**
only /user/admin /user/ann may READ /data/**
only admin may READ /
only admin may READ /account
nobody may READ,SPEND,METER /account/a
nobody may SUBMIT,WORK,READ /queue/**
`), "test")
	if err != nil {
		t.Fatal(err)
	}
	results, err := universe.Evaluate(assertions, oracleOf(m))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.Passed {
			t.Errorf("%s: %v, %d against it: %v", r.Assertion.Text, r.Err, r.Count, r.Counterexamples)
		}
	}
	if !slices.ContainsFunc(u.Nodes, func(n universe.Node) bool { return n.Path == "/user/admin" && len(n.Roles) == 1 }) {
		t.Error("/user/admin holds no role")
	}
}
