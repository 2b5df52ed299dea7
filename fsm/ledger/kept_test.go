package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestKeptOfWhatTheOpMakes: what failed in an op is refused for the same when the op is
// sent again, also by who is no operator, if it was about what a step in front makes.
func TestKeptOfWhatTheOpMakes(t *testing.T) {
	t.Parallel()
	const a, b, owed = "/account/a", "/account/b", "/account/owed"
	m := newBooks(t)
	open(m, owed, "USD", "50", "")
	pay(m, "fund", a, b, "40")
	m.Clause("/", command.View)
	m.Clause("/account", command.Spend, "/role/spender")
	alice := m.Principal("/user/alice", "/role/spender")
	bill := []*pb.InvoiceLine{{Description: "l", Amount: "9"}}
	invoice := &pb.IssueInvoice{Receivable: owed, Revenue: a, Lines: bill}
	cheque := &pb.WriteCheque{Account: a, Recipient: "/user/alice", Resource: "r", Ceiling: "9", Uses: 9}
	made := mustOpAs(alice, place("held", "9"), renamed(writing(cheque), "cheque"), renamed(invoicing(invoice), "invoice")).Results
	zeros := strings.Repeat("0", 64)

	makes := map[string]*pb.Step{
		"transfer":       transferring(of("", a, b, "1")),
		"hold":           holding(&pb.PlaceHold{Debit: a, Credit: b, Amount: "1"}),
		"capture":        capturing(&pb.CaptureHold{Hold: "held", Amount: "1"}),
		"extend":         extending(&pb.ExtendHold{Hold: "held", Amount: "1"}),
		"release":        releasing(&pb.ReleaseHold{Hold: "held", Amount: "1"}),
		"refund":         refunding(&pb.Refund{Of: "fund", Amount: "1"}),
		"exchange":       exchanging(&pb.Exchange{Debit: a, BrokerCredit: b, BrokerDebit: "/account/eur", Credit: "/account/eur2", Amount: "1", RateNumerator: 1, RateDenominator: 1}),
		"write_cheque":   writing(cheque),
		"cash_cheque":    cashing(&pb.CashCheque{Cheque: "cheque", Hash: made[1].Hash, Resource: "r", Amount: "1", Credit: b}),
		"cash to hold":   cashing(&pb.CashCheque{Cheque: "cheque", Hash: made[1].Hash, Resource: "r", Amount: "1", Credit: b, Hold: true}),
		"issue_invoice":  invoicing(invoice),
		"pay_invoice":    payingInvoice(&pb.PayInvoice{Invoice: "invoice", Hash: made[2].Hash, Debit: b, Amount: "1"}),
		"credit_invoice": crediting(&pb.CreditInvoice{Invoice: "invoice", Amount: "1", Description: "d"}),
		"issue_receipt":  receipting("", "held"),
	}
	open(m, "/account/eur2", "EUR", "", "")
	uses := map[string]func(of string) *pb.Step{
		"capture": func(of string) *pb.Step { return capturing(&pb.CaptureHold{Hold: of, Amount: "99"}) },
		"release": func(of string) *pb.Step { return releasing(&pb.ReleaseHold{Hold: of, Amount: "99"}) },
		"extend":  func(of string) *pb.Step { return extending(&pb.ExtendHold{Hold: of, Amount: "9999"}) },
		"refund":  func(of string) *pb.Step { return refunding(&pb.Refund{Of: of, Amount: "99"}) },
		"cashing": func(of string) *pb.Step {
			return cashing(&pb.CashCheque{Cheque: of, Hash: zeros, Resource: "r", Amount: "1", Credit: b})
		},
		"payment": func(of string) *pb.Step {
			return payingInvoice(&pb.PayInvoice{Invoice: of, Hash: zeros, Debit: b, Amount: "1"})
		},
		"credit": func(of string) *pb.Step {
			return crediting(&pb.CreditInvoice{Invoice: of, Amount: "99", Description: "d"})
		},
	}
	kept := 0
	for maker, first := range makes {
		for user, second := range uses {
			id := strings.ReplaceAll(maker+":"+user, " ", "_")
			steps := []*pb.Step{renamed(first, id), renamed(second(id), id+":2")}
			_, was := opAs(alice, steps...)
			f, _ := errors.AsType[*fault.Fault](was)
			if f == nil {
				t.Errorf("%s behind %s is made", user, maker)
				continue
			}
			if f.Details["kept_as"] == "" {
				continue
			}
			kept++
			_, err := opAs(alice, steps...)
			if again, _ := errors.AsType[*fault.Fault](err); again == nil || again.Kind != f.Kind || again.Message != f.Message || again.Details["failed_index"] == "" {
				t.Errorf("%s behind %s is refused with %v, and again with %v", user, maker, was, err)
			}
		}
	}
	if kept < 12 {
		t.Errorf("%d failures were kept", kept)
	}
}

// TestKeptOfAnother: what a failure says is told again to who met it, under whatever name
// it goes now, and not to another; and who asks in between changes nothing of it.
func TestKeptOfAnother(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account/a", command.Spend, "/role/spender")
	alice, bob := m.Principal("/user/alice", "/role/spender"), m.Principal("/user/bob", "/role/spender")
	ask := &pb.OpRequest{Steps: []*pb.Step{transferring(of("1", "/account/a", "/account/b", "1000"))}}
	const says, another = "account /account/a has 100.00 USD available", "it was refused when another asked for it"
	results := m.Apply(fsmtest.Command(alice, ledger.Op, ask), fsmtest.Command(bob, ledger.Op, ask), fsmtest.Command(alice, ledger.Op, ask))
	for i, want := range []string{says, another, says} {
		if err := results[i].Err; fault.KindOf(err) != fault.Insufficient || !strings.Contains(err.Error(), want) {
			t.Errorf("command %d of an entry gives %v, want %s", i, err, want)
		}
	}
	wantRefusedAs(t, m, bob, fault.Insufficient, another, ask.Steps...)
	wantRefusedAs(t, m, alice, fault.Insufficient, says, ask.Steps...)
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, says, ask.Steps...)
	rename(m, "/user/alice", "alicia")
	wantRefusedAs(t, m, m.Principal("/user/alice", "/role/spender"), fault.Insufficient, another, ask.Steps...)
	wantRefusedAs(t, m, called(m, "/user/alicia"), fault.Insufficient, says, ask.Steps...)
}
