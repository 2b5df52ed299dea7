package fsmtest

import (
	"strings"
	"testing"

	"acquired/fsm"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// tested is a machine that no cleanup checks, with a few entries.
func tested(t *testing.T) *Machine {
	t.Helper()
	m := newMachine(t)
	Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	for _, p := range []string{"/account/a", "/account/b"} {
		Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: p, Asset: "USD", Overdraft: "unlimited"})
	}
	for _, id := range []string{"1", "2", "3"} {
		Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{
			{Id: id, Debit: "/account/a", Credit: "/account/b", Amount: "1"},
		}})
	}
	if _, err := Do(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: "USD"}); fault.KindOf(err) != fault.Exists {
		t.Fatalf("a second asset USD: %v, want a fault.Exists", err)
	}
	return m
}

func TestCheckAcceptsASoundMachine(t *testing.T) {
	t.Parallel()
	if err := tested(t).check(); err != nil {
		t.Errorf("check: %v", err)
	}
	if err := newMachine(t).check(); err != nil {
		t.Errorf("check of a machine without entries: %v", err)
	}
}

func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*Machine)
		want  string
	}{
		"a record that the hash does not cover": {
			func(m *Machine) {
				m.engine.Commit([]kv.Write{{Key: []byte("ledger/asset\x00USD\x00"), Value: []byte("\x03USD")}})
				m.machine.Replace(m.engine)
			},
			"the records sum to",
		},
		"a record in memory that differs from the engine": {
			func(m *Machine) {
				m.engine.Commit([]kv.Write{{Key: []byte("machine/position\x00position\x00"), Value: []byte{1, 1}}})
			},
			"was a record changed after it was put? key \"machine/position",
		},
		"a result that is not repeated": {
			func(m *Machine) { m.entries[2].results[0].Body = []byte("other") },
			"applied again from nothing: entry 5: command 0: the answer is",
		},
		"a refusal that is not repeated": {
			func(m *Machine) { last(m).results[0].Err = fault.Exists.New("other") },
			"applied again from nothing: entry 10: command 0: the refusal is",
		},
		"an index that is not repeated": {
			func(m *Machine) { m.entries[0].results[0].Index = 1 },
			"applied again from nothing: entry 2: command 0: its index is 2, it was 1",
		},
		"a result too many": {
			func(m *Machine) { last(m).results = append(last(m).results, fsm.Result{}) },
			"entry 10: 1 results, there were 2",
		},
		"a hash that is not repeated": {
			func(m *Machine) { m.entries[1].hash = kv.Hash{} },
			"entry 3: the state hash is",
		},
		"an answer that is not repeated": {
			func(m *Machine) {
				if _, err := Ask(m.Operator, ledger.Balance, &pb.BalanceRequest{Path: "/account/x"}); err == nil {
					panic("account x exists")
				}
				body := Command(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/x", Asset: "USD"})
				asked := m.asked
				m.Apply(body)
				m.asked = asked
			},
			"asked of the state opened again: ledger.balance of path:",
		},
		"an entry that left no trace": {
			func(m *Machine) {
				m.entries = append(m.entries, entry{index: m.index, data: mustEncode(), hash: m.Hash()})
			},
			"the position is",
		},
		"a state beside the log": {
			func(m *Machine) {
				m.machine.Apply(m.index, term, mustEncode(Command(m.Cluster, system.Tick, &statev1.TickRequest{})))
			},
			"the position is",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := tested(t)
			test.spoil(m)
			err := m.check()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("check says %v, want something with %q", err, test.want)
			}
		})
	}
}

func TestCheckBooks(t *testing.T) {
	t.Parallel()
	m := tested(t)
	if err := checkBooks(m.machine); err != nil {
		t.Errorf("of sound books: %v", err)
	}
	for _, p := range contents(m.engine) {
		if strings.HasPrefix(string(p.key), "ledger/entry_by_account\x00") {
			m.engine.Commit([]kv.Write{{Key: p.key, Delete: true}})
			break
		}
	}
	m.machine.Replace(m.engine)
	const want = "the books do not agree: index ledger/entry_by_account has no entry"
	if err := checkBooks(m.machine); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("checkBooks says %v, want %s", err, want)
	}
}

func TestDifferenceNamesTheFirst(t *testing.T) {
	t.Parallel()
	pairs := func(s ...string) (all []pair) {
		for _, p := range s {
			all = append(all, pair{[]byte(p[:1]), []byte(p[1:])})
		}
		return all
	}
	for _, test := range []struct {
		a, b []pair
		want string
	}{
		{pairs("a1", "b2"), pairs("a1", "b2"), ""},
		{pairs("a1", "b2"), pairs("a1", "b3"), "key \"b\":\n\tx 32\n\ty 33"},
		{pairs("a1"), pairs("a1", "b3"), "key \"b\":\n\tx nothing\n\ty 33"},
		{pairs("a1", "b3"), pairs("a1"), "key \"b\":\n\tx 33\n\ty nothing"},
		{pairs("a1", "c3"), pairs("b1", "c3"), "key \"a\":\n\tx 31\n\ty nothing"},
		{pairs("b1", "c3"), pairs("a1", "c3"), "key \"a\":\n\tx nothing\n\ty 31"},
	} {
		got := ""
		if err := difference("x", test.a, "y", test.b); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("difference of %v and %v is %q, want %q", test.a, test.b, got, test.want)
		}
	}
}

func last(m *Machine) *entry { return &m.entries[len(m.entries)-1] }

func mustEncode(commands ...*statev1.Command) []byte {
	data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: firstTime, Commands: commands})
	if err != nil {
		panic(err)
	}
	return data
}
