package ledger_test

import (
	"math/big"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	pb "acquired/proto/acquired/v1"
)

// tallies sum up the journal as the ledger answers it, in minor units.
type tallies struct {
	// moved is what a step posted from one account to another, and refunded what went
	// back of that.
	moved, refunded map[movement]*big.Int
	// made is what was posted with a document, and since what was cashed of it, paid
	// and taken back.
	made, since map[string]*big.Int
	// transferred is what a transfer posted, of all payers to all payees.
	transferred map[string]*big.Rat
}

type movement struct{ step, debit, credit string }

func newTallies() *tallies {
	return &tallies{
		moved: make(map[movement]*big.Int), refunded: make(map[movement]*big.Int),
		made: make(map[string]*big.Int), since: make(map[string]*big.Int), transferred: make(map[string]*big.Rat),
	}
}

// sumOf gives what was added under the key, which may be nothing.
func sumOf[K comparable](all map[K]*big.Int, key K) *big.Int {
	if all[key] == nil {
		return nothing
	}
	return all[key]
}

func addTo[K comparable](all map[K]*big.Int, key K, amount *big.Int) {
	all[key] = plus(sumOf(all, key), amount)
}

// add counts an entry. It is invariant 10 of refunds: all that went back of a movement
// is at most what moved.
func (a *tallies) add(t *rapid.T, e *pb.JournalEntry) {
	t.Helper()
	amount := minor(t, e.Amount)
	switch {
	case e.Kind == "refund":
		of := movement{e.Of, e.Credit, e.Debit}
		addTo(a.refunded, of, amount)
		if back, moved := a.refunded[of], sumOf(a.moved, of); back.Cmp(moved) > 0 || amount.Sign() <= 0 {
			t.Fatalf("10: with %v %v went back of %v", e, back, moved)
		}
	case effects[e.Kind].posted > 0:
		addTo(a.moved, movement{e.Id, e.Debit, e.Credit}, amount)
	}
	switch {
	case e.Document == "":
	case e.Id == e.Document:
		addTo(a.made, e.Document, amount)
	case e.Kind == "transfer" || e.Kind == "hold" && e.Id == e.Hold:
		addTo(a.since, e.Document, amount)
	}
	if e.Kind == "transfer" {
		sum := rational(e.Amount)
		if was := a.transferred[e.Id]; was != nil {
			sum.Add(sum, was)
		}
		a.transferred[e.Id] = sum
	}
}

// rational gives the number that a decimal says, or nil.
func rational(s string) *big.Rat {
	n, _ := new(big.Rat).SetString(s)
	return n
}

// checkMoved is invariant 22, as far as what was asked for goes, of a request that was
// not refused: the amount of each step and transfer that had one is the one of its
// answer, and the parts of a transfer sum to it.
func (a *tallies) checkMoved(t *rapid.T, request, answer proto.Message) {
	t.Helper()
	switch request := request.(type) {
	case *pb.TransferRequest:
		if len(answer.(*pb.TransferResponse).Failed) > 0 {
			return
		}
		for _, s := range request.Transfers {
			a.checkTransfer(t, s)
		}
	case *pb.OpRequest:
		for i, s := range request.Steps {
			step, _ := stepOf(s)
			asked, got := askedOf(step), answer.(*pb.OpResponse).Results[i].Amount
			if asked != "" && !s.GetTransfer().GetUpTo() && s.GetExchange() == nil && rational(asked).Cmp(rational(got)) != 0 {
				t.Fatalf("22: %v is answered with %q", s, got)
			}
			if s.GetTransfer() != nil {
				a.checkTransfer(t, s.GetTransfer())
			}
		}
	}
}

func (a *tallies) checkTransfer(t *rapid.T, s *pb.Transfer) {
	t.Helper()
	got := a.transferred[s.Id]
	if got == nil {
		got = new(big.Rat)
	}
	if most := rational(s.Amount); got.Cmp(most) > 0 || got.Cmp(most) < 0 && !s.UpTo {
		t.Fatalf("22: of %v %s moved", s, got.RatString())
	}
}

// askedOf gives the amount that a step asks for, if it has one.
func askedOf(step proto.Message) string {
	m := step.ProtoReflect()
	f := m.Descriptor().Fields().ByName("amount")
	if f == nil || f.Kind() != protoreflect.StringKind {
		return ""
	}
	return m.Get(f).String()
}
