package ledger_test

import (
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestTransferAgainWhenItsPayerHasGone: what was made is answered as it was, to who may
// Spend from the nearest name that is left of its payers. What is new finds nothing.
func TestTransferAgainWhenItsPayerHasGone(t *testing.T) {
	t.Parallel()
	const job, other, pub = "/account/team/job", "/account/team/other", "/account/pub"
	m := newBooks(t)
	open(m, pub, "USD", "", "")
	for _, at := range []string{job, other} {
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: at, Asset: "USD", Kind: "ephemeral"})
		pay(m, "fund:"+at, "/account/bank", at, "2")
	}
	m.Clause("/", command.View, "/role/viewer")
	m.Clause("/account/team", command.Spend, "/role/spender")
	spender := m.Principal("/user/spender", "/role/viewer", "/role/spender")
	viewer := m.Principal("/user/viewer", "/role/viewer")
	nobody := m.Principal("/user/nobody")
	both := &pb.Transfer{Id: "both", Debit: job, ThenDebit: []string{other}, Credit: pub, Amount: "3"}
	rest := of("rest", other, pub, "1")
	send := func(by *fsmtest.Client, list ...*pb.Transfer) (*pb.TransferResponse, error) {
		return fsmtest.Do(by, ledger.Transfer, &pb.TransferRequest{Transfers: list})
	}
	if _, err := send(spender, of("short", job, pub, "9")); fault.KindOf(err) != fault.Insufficient {
		t.Fatalf("more than there is gives %v", err)
	}
	made, err := send(spender, both, rest)
	if err != nil || made.Created != 2 {
		t.Fatalf("it is made: %v, %v", made, err)
	}
	wantNodes(t, m, "a account, b account, bank account, eur account, pub account, team directory")

	again, err := send(spender, both, rest)
	if err != nil || again.Created != 0 || len(again.Existing) != 2 {
		t.Errorf("sent again it gives %v, %v", again, err)
	}
	for _, test := range []struct {
		name string
		by   *fsmtest.Client
		list []*pb.Transfer
		want fault.Kind
		says string
	}{
		{"a free id", spender, []*pb.Transfer{of("new", job, pub, "1")}, fault.NotFound, "nothing at " + job},
		{"a free id beside", spender, []*pb.Transfer{rest, of("new", other, pub, "0")}, fault.NotFound, "nothing at " + other},
		{"another body", spender, []*pb.Transfer{of("rest", other, pub, "2")}, fault.Conflict, "the id was used before, with another amount"},
		{"another payer that has gone", spender, []*pb.Transfer{of("rest", job, pub, "1")}, fault.Conflict, "the id was used before, with another debit"},
		{"what failed", spender, []*pb.Transfer{of("short", job, pub, "9")}, fault.Insufficient, "9.00 is asked for"},
		{"without Spend", viewer, []*pb.Transfer{rest}, fault.NotFound, "nothing at " + other},
		{"without Spend, a free id", viewer, []*pb.Transfer{of("new", job, pub, "1")}, fault.NotFound, "nothing at " + job},
		{"without View", nobody, []*pb.Transfer{rest}, fault.NotFound, "nothing at " + other},
	} {
		_, err := send(test.by, test.list...)
		wantKindOf(t, test.name, err, test.want)
		if err != nil && !strings.HasSuffix(err.Error(), test.says) {
			t.Errorf("%s: %v, want %s", test.name, err, test.says)
		}
	}
	wantSound(t, m)
}
