package ledger_test

import (
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// veiled gives books in which bob, who may Spend from /account/b, was given documents of
// /account/hidden, which he may not View, and gives steps of his that are about it and
// do not name it.
func veiled(t *testing.T) (m *fsmtest.Machine, bob *fsmtest.Client, unnamed map[string]*pb.Step) {
	t.Helper()
	m = newBooks(t)
	open(m, "/account/hidden", "USD", "", "")
	m.Clause("/", command.View)
	m.Clause("/account/hidden", command.View, "/role/boss")
	m.Clause("/account/hidden", command.Spend)
	m.Clause("/account/b", command.Spend, "/role/bob")
	bob = m.Principal("/user/bob", "/role/bob")
	pay(m, "f1", "/account/bank", "/account/hidden", "50")
	pay(m, "f2", "/account/hidden", "/account/b", "20")
	made := mustOp(m,
		writing(&pb.WriteCheque{Id: "cheque", Account: "/account/hidden", Recipient: "/user/bob", Resource: "r", Ceiling: "9", Uses: 9}),
		invoicing(&pb.IssueInvoice{Id: "invoice", Receivable: "/account/hidden", Revenue: "/account/bank", Payer: "/user/bob", Lines: []*pb.InvoiceLine{{Description: "l", Amount: "9"}}}),
		holding(&pb.PlaceHold{Id: "hold", Debit: "/account/hidden", Credit: "/account/b", Amount: "9"}),
	).Results
	return m, bob, map[string]*pb.Step{
		"a cashing":                cashing(&pb.CashCheque{Id: "u", Cheque: "cheque", Hash: made[0].Hash, Resource: "r", Amount: "1", Credit: "/account/b"}),
		"a cashing to hold":        cashing(&pb.CashCheque{Id: "u", Cheque: "cheque", Hash: made[0].Hash, Resource: "r", Amount: "1", Credit: "/account/b", Hold: true}),
		"a payment of an invoice":  payingInvoice(&pb.PayInvoice{Id: "u", Invoice: "invoice", Hash: made[1].Hash, Debit: "/account/b", Amount: "1"}),
		"a capture":                capturing(&pb.CaptureHold{Id: "u", Hold: "hold", Amount: "1"}),
		"a refund of what it paid": refunding(&pb.Refund{Id: "u", Of: "f2", Amount: "1"}),
	}
}

// TestViewIsAskedBehindEveryStep: who names an account must be able to View it, also
// when a step in front was about that account and did not name it.
func TestViewIsAskedBehindEveryStep(t *testing.T) {
	t.Parallel()
	m, bob, unnamed := veiled(t)
	for name, step := range map[string]*pb.Step{
		"credit":     transferring(of("n", "/account/b", "/account/hidden", "1")),
		"shares":     transferring(&pb.Transfer{Id: "n", Debit: "/account/b", Amount: "1", Shares: []*pb.Share{{Credit: "/account/a", Weight: 1}, {Credit: "/account/hidden", Weight: 1}}}),
		"then_debit": transferring(&pb.Transfer{Id: "n", Debit: "/account/b", ThenDebit: []string{"/account/hidden"}, Credit: "/account/a", Amount: "1"}),
		"a hold":     holding(&pb.PlaceHold{Id: "n", Debit: "/account/b", Credit: "/account/hidden", Amount: "1"}),
		"a capture":  capturing(&pb.CaptureHold{Id: "n", Hold: "hold", Amount: "1", Shares: []*pb.Share{{Credit: "/account/hidden", Weight: 1}, {Credit: "/account/a", Weight: 1}}}),
	} {
		wantRefusedAs(t, m, bob, fault.NotFound, "nothing at /account/hidden", step)
		for front, first := range unnamed {
			t.Run(name+" behind "+front, func(t *testing.T) {
				wantRefusedAs(t, m, bob, fault.NotFound, "nothing at /account/hidden", first, step)
			})
		}
	}
	for name, step := range unnamed {
		if _, err := opAs(bob, renamed(step, name)); err != nil {
			t.Errorf("%s, which does not name it: %v", name, err)
		}
	}
}
