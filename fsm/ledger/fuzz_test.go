package ledger_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// newFuzzBooks gives books with one of everything that a step can be about: a hold
// "h" of which something is captured, a cheque "c", an open invoice "i" and the
// transfer "opening"; and the hashes of the documents.
func newFuzzBooks(t fsmtest.T) (m *fsmtest.Machine, hashes map[string]string) {
	t.Helper()
	m = newBooks(t)
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	open(m, "/account/change", "EUR", "", "")
	res := mustOp(m,
		fuzzCheque("c"), fuzzInvoice("i"), place("h", "40"), capturing(&pb.CaptureHold{Id: "h:1", Hold: "h", Amount: "10"}))
	return m, map[string]string{"c": res.Results[0].Hash, "i": res.Results[1].Hash}
}

func fuzzCheque(id string) *pb.Step {
	return writing(&pb.WriteCheque{
		Id: id, Account: "/account/a", Recipient: "/user/operator", Resource: "time", Ceiling: "20", Uses: 2,
	})
}

func fuzzInvoice(id string) *pb.Step {
	return invoicing(&pb.IssueInvoice{
		Id: id, Receivable: "/account/owed", Revenue: "/account/b", Lines: []*pb.InvoiceLine{{Description: "work", Amount: "30"}},
	})
}

// fuzzSeeds are ops with every kind of step. Most are made in the books of
// newFuzzBooks.
func fuzzSeeds(hashes map[string]string) (seeds [][]*pb.Step) {
	const nano = 1_600_000_000_000_000_000
	for _, s := range []*pb.Step{
		{},
		{Step: &pb.Step_Transfer{}},
		transferring(of("t", "/account/a", "/account/b", "1.23")),
		transferring(&pb.Transfer{
			Id: "t", Debit: "/account/b", ThenDebit: []string{"/account/a"}, Amount: "70", UpTo: true, EffectiveUnixNanos: nano,
			Shares: []*pb.Share{{Credit: "/account/bank", Weight: 3}, {Credit: "/account/owed", Weight: 4}, {Credit: "/account/bank", Amount: "1"}},
		}),
		place("p", "20"),
		capturing(&pb.CaptureHold{Id: "x", Hold: "h", Shares: []*pb.Share{{Credit: "/account/bank", Weight: 1}}, Final: true, EffectiveUnixNanos: nano}),
		releasing(&pb.ReleaseHold{Id: "x", Hold: "h"}),
		extending(&pb.ExtendHold{Id: "x", Hold: "h", Amount: "1", ExpiresUnixNanos: 1_800_000_000_000_000_000}),
		atLeast("/account/a", "-0.01"),
		guarding(&pb.Guard{Guard: &pb.Guard_Version{Version: &pb.VersionGuard{Account: "/account/a", Version: 2}}}),
		inState("i", "open"),
		guarding(&pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: nano}}),
		fuzzCheque("x"),
		fuzzInvoice("x"),
		refund("x", "h:1", "4"),
		exchanging(&pb.Exchange{
			Id: "x", Debit: "/account/a", BrokerCredit: "/account/bank", BrokerDebit: "/account/eur", Credit: "/account/change",
			Amount: "7", RateNumerator: 10, RateDenominator: 11,
		}),
		cashing(&pb.CashCheque{Id: "x", Cheque: "c", Hash: hashes["c"], Resource: "time", Amount: "5", Credit: "/account/b", Hold: true}),
		cancelling("x", "c"),
		payingInvoice(&pb.PayInvoice{Id: "x", Invoice: "i", Hash: hashes["i"], Debit: "/account/a", Amount: "8"}),
		crediting(&pb.CreditInvoice{Id: "x", Invoice: "i", Amount: "8", Description: "less"}),
		voiding(&pb.VoidInvoice{Id: "x", Invoice: "i"}),
		receipting("x", "h"),
	} {
		seeds = append(seeds, []*pb.Step{s}, []*pb.Step{transferring(of("first", "/account/bank", "/account/a", "9")), s})
	}
	return seeds
}

// unchecked is a test that does not check a machine when it ends.
type unchecked struct{ fsmtest.T }

func (unchecked) Cleanup(func()) {}

// FuzzOp: whatever an op says, the machine answers. What is refused leaves the
// state as it was, and what is made answers the same when it is sent again.
func FuzzOp(f *testing.F) {
	_, hashes := newFuzzBooks(unchecked{f})
	for _, steps := range fuzzSeeds(hashes) {
		seed, err := proto.Marshal(&pb.OpRequest{Steps: steps})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		req := &pb.OpRequest{}
		if proto.Unmarshal(data, req) != nil {
			return
		}
		// What a node would not have written itself it keeps out of the log.
		if body, err := proto.Marshal(req); err != nil || undecodable(body) {
			return
		}
		m, _ := newFuzzBooks(t)
		first, err := opMade(t, m, req)
		if err != nil || onlyGuards(req) {
			return
		}
		hash := m.Hash()
		again, err := opMade(t, m, req)
		if err != nil || m.Hash() != hash {
			t.Fatalf("%v is made, and sent again it is refused or made again: %v", req, err)
		}
		for i, was := range first.Results {
			if req.Steps[i].GetGuard() != nil {
				continue // it is not asked again
			}
			was.Existing = true
			if diff := cmp.Diff(was, again.Results[i], protocmp.Transform()); diff != "" {
				t.Fatalf("step %d of %v is answered otherwise when it is sent again (-first +again):\n%s", i, req, diff)
			}
		}
	})
}

func undecodable(body []byte) bool {
	_, err := ledger.Op.Decode(body)
	return err != nil
}

func onlyGuards(req *pb.OpRequest) bool {
	return !slices.ContainsFunc(req.Steps, func(s *pb.Step) bool { return s.GetGuard() == nil })
}

// opMade makes an op. If it is refused, it must be by an answer and leave the state
// as it was.
func opMade(t *testing.T, m *fsmtest.Machine, req *pb.OpRequest) (*pb.OpResponse, error) {
	t.Helper()
	hash := m.Hash()
	res, err := fsmtest.Do(m.Operator, ledger.Op, req)
	if err == nil {
		return res, nil
	}
	if refusal, ok := errors.AsType[*fault.Fault](err); !ok || refusal.Kind == fault.Internal {
		t.Fatalf("%v is refused with %v, want a fault that is an answer", req, err)
	}
	if m.Hash() != hash {
		t.Fatalf("%v is refused, and changed the state: %v", req, err)
	}
	return nil, err
}
