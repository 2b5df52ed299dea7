package ledger_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// benchmarkAccounts is how many accounts pay each other.
const benchmarkAccounts = 10_000

// bench is a machine to be measured. Unlike one of fsmtest it keeps no log.
type bench struct {
	b       *testing.B
	machine *fsm.Machine
	index   uint64
	made    int
}

func newBench(b *testing.B) *bench {
	b.Helper()
	m := &bench{b: b, machine: fsm.New(kv.NewMemory())}
	m.apply(m.command(ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2}))
	for i := range benchmarkAccounts {
		m.apply(m.command(ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: accountOf(i), Asset: "USD", Overdraft: ledger.Unlimited}))
	}
	return m
}

func accountOf(i int) string { return fmt.Sprintf("/account/team-%d/user-%d", i%100, i) }

func (m *bench) command(name string, req proto.Message) *statev1.Command {
	m.b.Helper()
	body, err := proto.Marshal(req)
	if err != nil {
		m.b.Fatal(err)
	}
	m.made++
	return &statev1.Command{
		Name: name, Body: body, RequestId: fmt.Sprintf("request-%d", m.made),
		Caller: &statev1.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate},
	}
}

// encode gives an entry that holds the command.
func (m *bench) encode(command *statev1.Command) []byte {
	m.b.Helper()
	data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: 1, Commands: []*statev1.Command{command}})
	if err != nil {
		m.b.Fatal(err)
	}
	return data
}

func (m *bench) apply(command *statev1.Command) { m.applyEncoded(m.encode(command)) }

func (m *bench) applyEncoded(data []byte) {
	m.b.Helper()
	m.index++
	for _, result := range m.machine.Apply(m.index, 1, data) {
		if result.Err != nil {
			m.b.Fatal(result.Err)
		}
	}
}

// transfers gives a list of n new transfers. A hot account pays for all.
func (m *bench) transfers(n int, hot bool) *statev1.Command {
	m.b.Helper()
	req := &pb.TransferRequest{Transfers: make([]*pb.Transfer, n)}
	for i := range req.Transfers {
		m.made++
		debit := uint64(m.made) * 2_654_435_761 % benchmarkAccounts
		credit := (debit + 1 + uint64(m.made)%(benchmarkAccounts-1)) % benchmarkAccounts
		if hot {
			debit, credit = 0, 1+uint64(m.made)%(benchmarkAccounts-1)
		}
		req.Transfers[i] = of(fmt.Sprintf("transfer-%d", m.made), accountOf(int(debit)), accountOf(int(credit)), "1.50")
	}
	return m.command(ledger.Transfer.Name, req)
}

// BenchmarkApply applies entries of one list of transfers each, over memory.
func BenchmarkApply(b *testing.B) {
	for _, hot := range []bool{false, true} {
		for _, n := range []int{1, 50, ledger.MaxTransfers} {
			b.Run(fmt.Sprintf("hot=%v/list=%d", hot, n), func(b *testing.B) {
				b.ReportAllocs()
				m := newBench(b)
				for b.Loop() {
					b.StopTimer()
					data := m.encode(m.transfers(n, hot))
					b.StartTimer()
					m.applyEncoded(data)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/transfer")
			})
		}
	}
}
