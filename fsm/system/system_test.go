package system_test

import (
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/path"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func TestTickChangesNothing(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	fsmtest.Must(m.Operator, system.RemoveNode, &pb.RemoveRequest{Id: "n1"})
	before := m.Position()
	fsmtest.Must(m.Cluster, system.Tick, &statev1.TickRequest{})
	if got := m.Position(); got.Hash != before.Hash || got.Time != before.Time+m.EntryNanos {
		t.Errorf("a tick made %+v of %+v", got, before)
	}
}

func TestOnlyTheClusterTicksAndRaises(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	for _, operation := range command.Operations() {
		m.Clause("/", operation)
	}
	for _, test := range []struct {
		name string
		by   *fsmtest.Client
		want fault.Kind
	}{
		{"an operator", m.Operator, fault.Denied},
		{"a workload that may do everything", m.Principal("/workload/x"), fault.Denied},
		{"nobody", m.As(command.Caller{}), fault.Unauthenticated},
	} {
		if _, err := fsmtest.Do(test.by, system.Tick, &statev1.TickRequest{}); fault.KindOf(err) != test.want {
			t.Errorf("a tick by %s gives %v, want a fault %s", test.name, err, test.want)
		}
		if _, err := fsmtest.Do(test.by, system.RaiseFormat, &statev1.RaiseFormatRequest{Format: 1}); fault.KindOf(err) != test.want {
			t.Errorf("a new format by %s gives %v, want a fault %s", test.name, err, test.want)
		}
	}
}

func TestFormatOnlyRises(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	if got := m.Position().Format; got != 1 {
		t.Errorf("a new cluster has format %d, want 1", got)
	}
	fsmtest.Must(m.Cluster, system.RaiseFormat, &statev1.RaiseFormatRequest{Format: system.Format})
	if got := m.Position().Format; got != system.Format {
		t.Errorf("the format is %d, want %d", got, system.Format)
	}
	before := m.Hash()
	_, err := fsmtest.Do(m.Cluster, system.RaiseFormat, &statev1.RaiseFormatRequest{Format: system.Format - 1})
	if fault.KindOf(err) != fault.Conflict || m.Position().Format != system.Format || m.Hash() != before {
		t.Errorf("a format below gives %v and format %d, want a fault.Conflict and %d", err, m.Position().Format, system.Format)
	}
}

func TestRemovedNodes(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	removed := func(want string) {
		t.Helper()
		m.View(func(v *command.Reading) {
			if got := strings.Join(system.RemovedNodes(v), " "); got != want {
				t.Errorf("the removed nodes are %q, want %q", got, want)
			}
			for _, id := range []string{"n1", "n2", "n"} {
				if got := system.Removed(v, id); got != strings.Contains(" "+want+" ", " "+id+" ") {
					t.Errorf("Removed(%s) is %v with %q removed", id, got, want)
				}
			}
		})
	}
	removed("")
	fsmtest.Must(m.Operator, system.RemoveNode, &pb.RemoveRequest{Id: "n2"})
	res := fsmtest.Must(m.Operator, system.RemoveNode, &pb.RemoveRequest{Id: "n1"})
	if want := m.Position().Index; res.Index != want {
		t.Errorf("the answer names index %d, want %d", res.Index, want)
	}
	removed("n1 n2")
	fsmtest.Must(m.Operator, system.RemoveNode, &pb.RemoveRequest{Id: "n1"})
	removed("n1 n2")
	fsmtest.Must(m.Operator, system.AdmitNode, &pb.AdmitRequest{Id: "n2"})
	removed("n1")
	fsmtest.Must(m.Operator, system.AdmitNode, &pb.AdmitRequest{Id: "n2"})
	fsmtest.Must(m.Operator, system.AdmitNode, &pb.AdmitRequest{Id: "n1"})
	removed("")
	if hash := m.Hash().String(); strings.Trim(hash, "0") != "" {
		t.Errorf("with no node removed the hash is %s, want zeros", hash)
	}
}

func TestWhoAdministersAndObserves(t *testing.T) {
	t.Parallel()
	const allowed = fault.Kind("")
	for _, test := range []struct {
		name                string
		operation           command.Operation
		on                  path.Path
		administer, observe fault.Kind
	}{
		{"Admin on everything", command.Admin, "/", allowed, fault.Denied},
		{"Read on everything", command.Read, "/", fault.Denied, allowed},
		{"Write on everything", command.Write, "/", fault.Denied, fault.Denied},
		{"Admin on accounts", command.Admin, "/account", fault.NotFound, fault.NotFound},
	} {
		m := fsmtest.New(t)
		m.Clause(test.on, command.View)
		m.Clause(test.on, test.operation, "/role/doer")
		wantAdministers(t, test.name, m.Principal("/workload/x", "/role/doer"), test.administer, test.observe)
		wantAdministers(t, "an operator", m.Operator, allowed, allowed)
		nothing := fault.NotFound // there is nothing to who may not View it
		if test.on == path.Root {
			nothing = fault.Denied
		}
		wantAdministers(t, "somebody without the role", m.Principal("/workload/y"), nothing, nothing)
	}
}

// wantAdministers compares what becomes of the commands and queries about the
// cluster.
func wantAdministers(t *testing.T, name string, by *fsmtest.Client, administers, observes fault.Kind) {
	t.Helper()
	_, remove := fsmtest.Do(by, system.RemoveNode, &pb.RemoveRequest{Id: "n1"})
	_, admit := fsmtest.Do(by, system.AdmitNode, &pb.AdmitRequest{Id: "n1"})
	_, administer := fsmtest.Ask(by, system.Administer, &pb.StatusRequest{})
	_, observe := fsmtest.Ask(by, system.Observe, &pb.StatusRequest{})
	for what, err := range map[string]error{"remove": remove, "admit": admit, "administer": administer} {
		if kindOf(err) != administers {
			t.Errorf("%s: %s gives %v, want %q", name, what, err, administers)
		}
	}
	if kindOf(observe) != observes {
		t.Errorf("%s: observe gives %v, want %q", name, observe, observes)
	}
}

// kindOf is empty for no error.
func kindOf(err error) fault.Kind {
	if err == nil {
		return ""
	}
	return fault.KindOf(err)
}
