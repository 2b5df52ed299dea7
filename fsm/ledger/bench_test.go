package ledger_test

import (
	"fmt"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/server/engine"
)

// benchmarkAccounts is how many accounts pay each other.
const benchmarkAccounts = 10_000

// bench is a machine to be measured. Unlike one of fsmtest it keeps no log.
type bench struct {
	b       *testing.B
	machine *fsm.Machine
	caller  *statev1.Caller
	index   uint64
	made    int
}

// newBench opens accounts with a floor, and from then on calls as a principal who may
// View and Spend from them by a role.
func newBench(b *testing.B, over kv.Engine) *bench {
	b.Helper()
	operator := &statev1.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate}
	m := &bench{b: b, machine: fsm.New(over), caller: operator}
	m.apply(m.command(ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2}))
	for i := range benchmarkAccounts {
		m.apply(m.command(ledger.OpenAccount.Name, &pb.OpenAccountRequest{
			Path: accountOf(i), Asset: "USD", Overdraft: "1000000000", HoldOverdraft: true,
		}))
	}
	m.apply(m.command(acl.Change.Name, &pb.ChangeRequest{Changes: []*pb.Change{
		{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: "/user/teller", Parents: true}}},
		{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: "/role/teller", Parents: true}}},
		{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: "/user/teller", Annotation: fsmtest.AppliedRole("/role/teller")}}},
		toTellers("View"), toTellers("Spend"),
	}}))
	m.caller = &statev1.Caller{Principal: "/user/teller", Method: command.ByCertificate}
	return m
}

func toTellers(operation string) *pb.Change {
	clause := &pb.Clause{Operation: operation, Sets: []*pb.RoleSet{{Roles: []*pb.RoleName{{Path: "/role/teller"}}}}}
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{
		Path: "/account", Annotation: &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: clause}},
	}}}
}

// engines are what a machine is measured over.
var engines = []struct {
	name string
	open func(b *testing.B) kv.Engine
}{
	{"memory", func(*testing.B) kv.Engine { return kv.NewMemory() }},
	{"pebble", func(b *testing.B) kv.Engine {
		p, err := engine.Open(engine.Config{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := p.Close(); err != nil {
				b.Error(err)
			}
		})
		return p
	}},
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
		Caller: m.caller,
	}
}

// encode gives an entry that holds the commands.
func (m *bench) encode(commands ...*statev1.Command) []byte {
	m.b.Helper()
	data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: 1, Commands: commands})
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

// pair gives the two accounts of the next thing that is made. A hot account pays
// for all.
func (m *bench) pair(hot bool) (debit, credit string) {
	m.made++
	from := uint64(m.made) * 2_654_435_761 % benchmarkAccounts
	to := (from + 1 + uint64(m.made)%(benchmarkAccounts-1)) % benchmarkAccounts
	if hot {
		from, to = 0, 1+uint64(m.made)%(benchmarkAccounts-1)
	}
	return accountOf(int(from)), accountOf(int(to))
}

// transfers gives a list of n new transfers.
func (m *bench) transfers(n int, hot bool) *statev1.Command {
	req := &pb.TransferRequest{Transfers: make([]*pb.Transfer, n)}
	for i := range req.Transfers {
		debit, credit := m.pair(hot)
		req.Transfers[i] = of(fmt.Sprintf("transfer-%d", m.made), debit, credit, "1.50")
	}
	return m.command(ledger.Transfer.Name, req)
}

// holds gives an op of n steps: each hold is placed and captured at once.
func (m *bench) holds(n int, hot bool) *statev1.Command {
	req := &pb.OpRequest{}
	for range n / 2 {
		debit, credit := m.pair(hot)
		id := fmt.Sprintf("hold-%d", m.made)
		req.Steps = append(req.Steps, holding(&pb.PlaceHold{Id: id, Debit: debit, Credit: credit, Amount: "3"}),
			capturing(&pb.CaptureHold{Id: id + "/end", Hold: id, Amount: "1.50", Final: true}))
	}
	return m.command(ledger.Op.Name, req)
}

// legs gives an op of n transfers.
func (m *bench) legs(n int, hot bool) *statev1.Command {
	req := &pb.OpRequest{}
	for range n {
		debit, credit := m.pair(hot)
		req.Steps = append(req.Steps, transferring(of(fmt.Sprintf("leg-%d", m.made), debit, credit, "1.50")))
	}
	return m.command(ledger.Op.Name, req)
}

// BenchmarkApply applies entries of one command each: lists of transfers, holds
// that are placed and captured (two steps a hold), and ops of four transfers.
func BenchmarkApply(b *testing.B) {
	for _, load := range []struct {
		name, unit string
		size       int
		command    func(m *bench, n int, hot bool) *statev1.Command
	}{
		{"list", "transfer", 1, (*bench).transfers},
		{"list", "transfer", 50, (*bench).transfers},
		{"list", "transfer", ledger.MaxTransfers, (*bench).transfers},
		{"holds", "step", 2, (*bench).holds},
		{"holds", "step", 100, (*bench).holds},
		{"op", "transfer", 4, (*bench).legs},
	} {
		for _, hot := range []bool{false, true} {
			for _, over := range engines {
				b.Run(fmt.Sprintf("%s=%d/hot=%v/%s", load.name, load.size, hot, over.name), func(b *testing.B) {
					m := newBench(b, over.open(b))
					defer m.machine.Close()
					var before, after runtime.MemStats
					allocations, bytes := uint64(0), uint64(0)
					for b.Loop() {
						b.StopTimer()
						data := m.encode(load.command(m, load.size, hot))
						runtime.ReadMemStats(&before)
						b.StartTimer()
						m.applyEncoded(data)
						b.StopTimer()
						runtime.ReadMemStats(&after)
						allocations, bytes = allocations+after.Mallocs-before.Mallocs, bytes+after.TotalAlloc-before.TotalAlloc
						b.StartTimer()
					}
					each := float64(b.N * load.size)
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/each, "ns/"+load.unit)
					b.ReportMetric(float64(allocations)/each, "allocs/"+load.unit)
					b.ReportMetric(float64(bytes)/each, "B/"+load.unit)
				})
			}
		}
	}
}

// BenchmarkApplyEntry applies entries of many commands, as a busy leader makes them:
// each command is one transfer.
func BenchmarkApplyEntry(b *testing.B) {
	const commands = 256
	for _, hot := range []bool{false, true} {
		for _, over := range engines {
			b.Run(fmt.Sprintf("hot=%v/%s", hot, over.name), func(b *testing.B) {
				m := newBench(b, over.open(b))
				defer m.machine.Close()
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					entry := make([]*statev1.Command, commands)
					for i := range entry {
						entry[i] = m.transfers(1, hot)
					}
					data := m.encode(entry...)
					b.StartTimer()
					m.applyEncoded(data)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*commands), "ns/transfer")
			})
		}
	}
}
