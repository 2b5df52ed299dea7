package ledger_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// backdate makes a transfer with an effective time, and gives its log time.
func backdate(m *fsmtest.Machine, id, debit, credit, amount string, effective int64) int64 {
	t := of(id, debit, credit, amount)
	t.EffectiveUnixNanos = effective
	fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{t}})
	return m.Position().Time
}

func balanceAt(t *testing.T, m *fsmtest.Machine, path string, at int64, effective bool) *pb.BalanceResponse {
	t.Helper()
	res, err := fsmtest.Ask(m.Operator, ledger.Balance, &pb.BalanceRequest{Path: path, AtUnixNanos: at, Effective: effective})
	if err != nil {
		t.Fatalf("balance of %s at %d: %v", path, at, err)
	}
	return res
}

func TestBalanceAtAnInstant(t *testing.T) {
	t.Parallel()
	m := newBooks(t) // a has 100.00
	first := m.Position().Time
	pay(m, "1", "/account/a", "/account/b", "30")
	second := m.Position().Time
	third := backdate(m, "2", "/account/a", "/account/b", "5", second) // as if with the one before
	fourth := backdate(m, "3", "/account/a", "/account/b", "1", first-1)
	for _, test := range []struct {
		what       string
		at         int64
		log, known string // the balance on the two axes
	}{
		{"long before", 1, "0.00", "0.00"},
		{"before all but what came to be known of it", first - 1, "0.00", "-1.00"},
		{"at the first", first, "100.00", "99.00"},
		{"just before the second", second - 1, "100.00", "99.00"},
		{"at the second, and what came to be known of it", second, "70.00", "64.00"},
		{"just before the third", third - 1, "70.00", "64.00"},
		{"at the third", third, "65.00", "64.00"},
		{"just before the fourth", fourth - 1, "65.00", "64.00"},
		{"at the fourth", fourth, "64.00", "64.00"},
		{"in a time to come", math.MaxInt64, "64.00", "64.00"},
		{"now", 0, "64.00", "64.00"},
	} {
		if got := balanceAt(t, m, "/account/a", test.at, false).Balance; got != test.log {
			t.Errorf("%s a has %s, want %s", test.what, got, test.log)
		}
		if got := balanceAt(t, m, "/account/a", test.at, true).Balance; got != test.known {
			t.Errorf("by effective time %s a has %s, want %s", test.what, got, test.known)
		}
	}
}

// TestBalanceSaysWhatHasATime: what is available is said of now only, what is
// pending of log time only.
func TestBalanceSaysWhatHasATime(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	fsmtest.Must(m.Operator, ledger.Op, &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_Hold{
		Hold: &pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "40"},
	}}}})
	held := m.Position().Time
	fsmtest.Must(m.Operator, ledger.Op, &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_Release{Release: &pb.ReleaseHold{Id: "r", Hold: "h"}}}}})
	base := &pb.BalanceResponse{Path: "/account/a", Asset: "USD", DebitsPosted: "0.00", CreditsPosted: "100.00", Balance: "100.00"}
	now, then, known := proto.CloneOf(base), proto.CloneOf(base), base
	now.DebitsPending, now.CreditsPending, now.Available = "0.00", "0.00", "100.00"
	then.DebitsPending, then.CreditsPending = "40.00", "0.00"
	for _, test := range []struct {
		at        int64
		effective bool
		want      *pb.BalanceResponse
	}{{0, false, now}, {held, false, then}, {held, true, known}, {0, true, known}} {
		got := balanceAt(t, m, "/account/a", test.at, test.effective)
		if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("at %d, by effective time %v (-want +got):\n%s", test.at, test.effective, diff)
		}
	}
}

func TestTimesBefore1970(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const a = "/account/a"
	for what, ask := range map[string]func() error{
		"balance": func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.Balance, &pb.BalanceRequest{Path: a, AtUnixNanos: -1})
			return err
		},
		"roll-up": func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.RollUp, &pb.RollUpRequest{AtUnixNanos: math.MinInt64, Effective: true})
			return err
		},
		"statement from": func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: a, FromUnixNanos: -1})
			return err
		},
		"statement until": func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: a, UntilUnixNanos: -1})
			return err
		},
		"statement until before from": func() error {
			_, err := fsmtest.Ask(m.Operator, ledger.Statement, &pb.StatementRequest{Path: a, FromUnixNanos: 2, UntilUnixNanos: 1})
			return err
		},
	} {
		if err := ask(); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want it invalid", what, err)
		}
	}
}

// TestFrozenAndClosedAccountsAreRead: as others are.
func TestFrozenAndClosedAccountsAreRead(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	pay(m, "1", "/account/a", "/account/b", "1")
	then := m.Position().Time
	pay(m, "2", "/account/b", "/account/a", "1")
	frozen := true
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/a", Frozen: &frozen})
	fsmtest.Must(m.Operator, ledger.CloseAccount, &pb.CloseAccountRequest{Path: "/account/b"})
	for path, want := range map[string][2]string{"/account/a": {"99.00", "100.00"}, "/account/b": {"1.00", "0.00"}} {
		if was, is := balanceAt(t, m, path, then, false).Balance, balanceAt(t, m, path, 0, false).Balance; was != want[0] || is != want[1] {
			t.Errorf("%s had %s and has %s, want %s and %s", path, was, is, want[0], want[1])
		}
		lines, opening, closing := wholeStatement(t, m.Operator, &pb.StatementRequest{Path: path, FromUnixNanos: then, Limit: 100})
		if len(lines) != 2 || opening != want[1] || closing != want[1] {
			t.Errorf("the statement of %s goes from %s to %s: %v", path, opening, closing, lines)
		}
	}
}

// counting is an engine that counts what is read of it.
type counting struct {
	*kv.Memory
	reads int
}

type countingSnapshot struct {
	kv.Snapshot
	of *counting
}

func (c *counting) Snapshot() kv.Snapshot { return countingSnapshot{c.Memory.Snapshot(), c} }

func (s countingSnapshot) Get(key []byte) ([]byte, bool) {
	s.of.reads++
	return s.Snapshot.Get(key)
}

func (s countingSnapshot) Scan(from, to []byte, backward bool) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		s.of.reads++ // to find the first
		for key, value := range s.Snapshot.Scan(from, to, backward) {
			s.of.reads++
			if !yield(key, value) {
				return
			}
		}
	}
}

// history is a machine with one account that has many entries. Unlike one of
// fsmtest it keeps no log.
type history struct {
	t       testing.TB
	engine  *counting
	machine *fsm.Machine
	index   uint64
	made    int
}

const (
	historyBegin = 1_000_000_000_000_000_000
	// historyStep is between two entries of the log: a minute.
	historyStep = 60_000_000_000
)

// newHistory makes entries of the log with a number of transfers each, of which
// every eighth is back-dated.
func newHistory(t testing.TB, entries, transfers int) *history {
	t.Helper()
	h := &history{t: t, engine: &counting{Memory: kv.NewMemory()}}
	h.machine = fsm.New(h.engine)
	h.apply(ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	h.apply(ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/a", Asset: "USD", Overdraft: ledger.Unlimited})
	h.apply(ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/b", Asset: "USD", Overdraft: ledger.Unlimited})
	for range entries {
		req := &pb.TransferRequest{Transfers: make([]*pb.Transfer, transfers)}
		for i := range req.Transfers {
			h.made++
			req.Transfers[i] = of(fmt.Sprint(h.made), "/account/a", "/account/b", "1")
			if h.made%8 == 0 {
				ago := uint64(h.made) * 2_654_435_761 % (h.index * historyStep)
				req.Transfers[i].EffectiveUnixNanos = h.now() - int64(ago)
			}
		}
		h.apply(ledger.Transfer.Name, req)
	}
	return h
}

func (h *history) now() int64 { return historyBegin + int64(h.index)*historyStep }

func (h *history) apply(name string, req proto.Message) {
	h.t.Helper()
	body, err := proto.Marshal(req)
	if err != nil {
		h.t.Fatal(err)
	}
	data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: h.now() + historyStep, Commands: []*statev1.Command{{
		Name: name, Body: body, RequestId: fmt.Sprint(h.index), Caller: fsm.EncodeCaller(&operator),
	}}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.index++
	for _, result := range h.machine.Apply(h.index, 1, data) {
		if result.Err != nil {
			h.t.Fatal(result.Err)
		}
	}
}

var operator = command.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate}

// readsOf gives how much is read for a balance.
func (h *history) readsOf(at int64, effective bool) int {
	h.t.Helper()
	view := h.machine.View(operator)
	defer view.Close()
	h.engine.reads = 0
	if _, err := fsm.Ask(view, ledger.Balance, &pb.BalanceRequest{Path: "/account/a", AtUnixNanos: at, Effective: effective}); err != nil {
		h.t.Fatal(err)
	}
	return h.engine.reads
}

// TestABalanceReadsLittle: however many entries there are. The bounds are those of
// the search in the log, two reads a bit of its index, and of the sums of
// back-dated entries.
func TestABalanceReadsLittle(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ entries, transfers, log, effective int }{
		{16, 16, 20, 100}, {1000, 1, 30, 200}, {250, 32, 30, 400},
	} {
		h := newHistory(t, size.entries, size.transfers)
		for _, axis := range []struct {
			effective bool
			most      int
		}{{false, size.log}, {true, size.effective}} {
			most := 0
			for i := range 50 {
				most = max(most, h.readsOf(historyBegin+(h.now()-historyBegin)/50*int64(i), axis.effective))
			}
			t.Logf("%d entries, by effective time %v: at most %d reads", h.made, axis.effective, most)
			if most > axis.most {
				t.Errorf("a balance among %d entries, by effective time %v, takes %d reads, want at most %d", h.made, axis.effective, most, axis.most)
			}
		}
	}
}

// BenchmarkBalanceAt asks for balances of an account with a million entries.
func BenchmarkBalanceAt(b *testing.B) {
	h := newHistory(b, 10_000, 100)
	for _, effective := range []bool{false, true} {
		b.Run(fmt.Sprintf("effective=%v", effective), func(b *testing.B) {
			h.t = b
			reads, asked := 0, 0
			for b.Loop() {
				asked++
				reads += h.readsOf(historyBegin+int64(uint64(asked)*2_654_435_761_000%uint64(h.now()-historyBegin)), effective)
			}
			b.ReportMetric(float64(reads)/float64(asked), "reads/op")
		})
	}
}
