package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// triedOn gives what the audit of an account has of mallory.
func triedOn(t *testing.T, m *fsmtest.Machine, account string) []*pb.AuditLine {
	t.Helper()
	return auditInPages(t, m.Operator, &pb.AuditRequest{Account: account, Principal: "/user/mallory"})
}

// TestAuditOfWhatWasTried: an account finds what was tried and refused if the step named
// it as an account, or was about a hold or document of it.
func TestAuditOfWhatWasTried(t *testing.T) {
	t.Parallel()
	const a, b, victim = "/account/a", "/account/b", "/account/victim"
	m := newBooks(t)
	m.Clause("/", command.View)
	m.Clause(a, command.Spend, "/role/mallory")
	mallory := m.Principal("/user/mallory", "/role/mallory")
	open(m, victim, "USD", ledger.Unlimited, "")
	mustOp(m,
		transferring(of("paid", victim, b, "5")),
		holding(&pb.PlaceHold{Id: "hold", Debit: b, Credit: victim, Amount: "1"}),
		invoicing(&pb.IssueInvoice{Id: "invoice", Receivable: victim, Revenue: b, Lines: []*pb.InvoiceLine{{Description: "l", Amount: "1"}}}),
	)
	shares := []*pb.Share{{Credit: a, Weight: 1}, {Credit: victim, Weight: 1}}
	lines := []*pb.InvoiceLine{{Description: "l", Amount: "1"}}
	for name, step := range map[string]*pb.Step{
		"debit":          transferring(of("", victim, a, "1")),
		"then_debit":     transferring(&pb.Transfer{Debit: a, ThenDebit: []string{b, victim}, Credit: b, Amount: "1"}),
		"credit":         transferring(of("", b, victim, "1")),
		"shares":         transferring(&pb.Transfer{Debit: b, Shares: shares, Amount: "1"}),
		"hold":           holding(&pb.PlaceHold{Debit: b, Credit: victim, Amount: "1"}),
		"capture":        capturing(&pb.CaptureHold{Hold: "none", Shares: shares}),
		"of a hold":      releasing(&pb.ReleaseHold{Hold: "hold"}),
		"of a step":      refunding(&pb.Refund{Of: "paid"}),
		"broker_debit":   exchanging(&pb.Exchange{Debit: a, BrokerCredit: b, BrokerDebit: victim, Credit: a, Amount: "1", RateNumerator: 1, RateDenominator: 1}),
		"broker_credit":  exchanging(&pb.Exchange{Debit: b, BrokerCredit: victim, BrokerDebit: a, Credit: b, Amount: "1", RateNumerator: 1, RateDenominator: 1}),
		"cheque":         writing(&pb.WriteCheque{Account: victim, Recipient: "/user/mallory", Resource: "r", Ceiling: "1"}),
		"cashing":        cashing(&pb.CashCheque{Cheque: "none", Hash: strings.Repeat("0", 64), Resource: "r", Amount: "1", Credit: victim}),
		"receivable":     invoicing(&pb.IssueInvoice{Receivable: victim, Revenue: a, Lines: lines}),
		"revenue":        invoicing(&pb.IssueInvoice{Receivable: b, Revenue: victim, Lines: lines}),
		"payer":          invoicing(&pb.IssueInvoice{Receivable: b, Revenue: a, Payer: victim, Lines: lines}),
		"payment":        payingInvoice(&pb.PayInvoice{Invoice: "none", Hash: strings.Repeat("0", 64), Debit: victim, Amount: "1"}),
		"of an invoice":  voiding(&pb.VoidInvoice{Invoice: "invoice"}),
		"not the id":     transferring(of(victim, a, b, "x")),
		"not a text":     transferring(&pb.Transfer{Debit: a, Credit: b, Amount: "9999", Description: victim}),
		"not an amount":  transferring(of("", a, b, victim)),
		"not an asset":   transferring(&pb.Transfer{Debit: a, Credit: b, Amount: "1", Asset: victim}),
		"not a resource": writing(&pb.WriteCheque{Account: b, Recipient: "/user/mallory", Resource: victim, Ceiling: "1"}),
		"not a hold":     capturing(&pb.CaptureHold{Hold: victim}),
		"not a delegate": holding(&pb.PlaceHold{Debit: b, Credit: a, Amount: "1", Delegate: victim}),
		"not a step":     refunding(&pb.Refund{Of: victim}),
		"not an invoice": payingInvoice(&pb.PayInvoice{Invoice: victim, Hash: strings.Repeat("0", 64), Debit: b, Amount: "1"}),
	} {
		t.Run(name, func(t *testing.T) {
			want := 1
			if strings.HasPrefix(name, "not ") {
				want = 0
			}
			if name != "not the id" {
				step = renamed(step, name)
			}
			before := len(triedOn(t, m, victim))
			if _, err := opAs(mallory, step); err == nil {
				t.Fatalf("%v is made", step)
			}
			if got := len(triedOn(t, m, victim)) - before; got != want {
				t.Errorf("the account has %d lines of the op, want %d", got, want)
			}
			if tr := step.GetTransfer(); tr != nil {
				before = len(triedOn(t, m, victim))
				if _, err := fsmtest.Do(mallory, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{tr}}); err == nil {
					t.Fatalf("%v is made", tr)
				}
				if got := len(triedOn(t, m, victim)) - before; got != want {
					t.Errorf("the account has %d lines of the list, want %d", got, want)
				}
			}
		})
	}
}

// longNames gives paths that are as long as they may be and that nothing has, one a call.
func longNames() func() string {
	made := 0
	return func() string {
		made++
		p := fmt.Sprintf("/account/%d", made)
		for len(p) < 500 {
			p += "/" + strings.Repeat("x", min(60, 511-len(p)))
		}
		return p
	}
}

// wide is a transfer that names as many accounts as there may be.
func wide(id string, name func() string) *pb.Transfer {
	s := &pb.Transfer{Id: id, Debit: name(), Amount: "1"}
	for range ledger.MaxSources {
		s.ThenDebit = append(s.ThenDebit, name())
	}
	for range ledger.MaxShares {
		s.Shares = append(s.Shares, &pb.Share{Credit: name(), Weight: 1})
	}
	return s
}

// TestAuditOfWideRefusals: a line has at most 64 accounts of what was refused, and
// among them those of what was refused first, however much is beside it.
func TestAuditOfWideRefusals(t *testing.T) {
	t.Parallel()
	const a, b = "/account/a", "/account/b"
	m := newBooks(t)
	m.Clause("/", command.View)
	m.Clause(a, command.Spend, "/role/mallory")
	mallory := m.Principal("/user/mallory", "/role/mallory")
	name, made := longNames(), 0
	one := func(debit string) *pb.Transfer {
		made++
		return of(fmt.Sprint("id", made), debit, b, "0")
	}
	var small []*pb.Step
	var wides []*pb.Transfer
	for i := range 20 {
		small = append(small, transferring(one(a)))
		w := wide(fmt.Sprint("wide", i), name)
		w.Debit, w.ThenDebit = a, nil // which mallory may
		wides = append(wides, w)
	}
	list := func(chains bool, all ...*pb.Transfer) error {
		return errorOf(fsmtest.Do(mallory, ledger.Transfer, &pb.TransferRequest{Transfers: all, Chains: chains}))
	}
	for _, test := range []struct {
		name string
		do   func() error
		kind fault.Kind
		of   string // an account of what was refused first
	}{
		{"denied", func() error { return list(false, wides[0], one(bank)) }, fault.Denied, bank},
		{"denied behind many", func() error { return list(false, append(wides[:18:18], one(bank))...) }, fault.Denied, bank},
		{"not found", func() error { return list(false, wides...) }, fault.NotFound, a},
		{"chains", func() error { return list(true, append(wides[:18:18], one(a))...) }, "", a},
		{"an op", func() error {
			return errorOf(opAs(mallory, append(small, transferring(one(bank)), transferring(wides[0]))...))
		}, fault.Denied, bank},
		{"a step", func() error { return errorOf(opAs(mallory, transferring(wides[0]))) }, fault.NotFound, a},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantKindOf(t, test.name, test.do(), test.kind)
			all := auditInPages(t, m.Operator, &pb.AuditRequest{Principal: "/user/mallory"})
			last := all[len(all)-1]
			if n := len(last.Accounts); n > 64 || !slices.Contains(last.Accounts, test.of) {
				t.Errorf("the line has %d accounts, want at most 64 and among them %s: %.300q", n, test.of, last.Accounts)
			}
		})
	}
}

// TestAuditPagesAreOfBytes: lines of much are fewer on a page, and nobody can make one
// that is too large to be sent.
func TestAuditPagesAreOfBytes(t *testing.T) {
	t.Parallel()
	m := newBooks(unchecked{t}) // what is applied is much
	m.Clause("/", command.View)
	mallory := m.Principal("/user/mallory")
	const lines = 270
	name := longNames()
	s := wide("wide", name)
	refused := make([]*statev1.Command, lines)
	for i := range refused {
		refused[i] = fsmtest.Command(mallory, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{s}})
	}
	for some := range slices.Chunk(refused, 10) {
		m.Apply(some...)
	}
	req, found, pages := &pb.AuditRequest{Principal: "/user/mallory", Limit: 1000}, 0, 0
	for {
		page, err := fsmtest.Ask(m.Operator, ledger.Audit, req)
		if err != nil {
			t.Fatal(err)
		}
		if size := proto.Size(page); size > 9<<20 {
			t.Errorf("page %d of %d lines has %d bytes", pages, len(page.Lines), size)
		}
		found, pages = found+len(page.Lines), pages+1
		if req.Cursor = page.Cursor; req.Cursor == "" {
			break
		}
	}
	if found != lines || pages != 2 {
		t.Errorf("%d lines on %d pages, want %d on 2", found, pages, lines)
	}
}

// TestAuditOfGuards: an op of guards alone makes nothing and has no line. One that was
// refused has.
func TestAuditOfGuards(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	nobody := m.Principal("/user/nobody")
	before := verify(t, m).Lines
	notAfter := func(nanos int64) *pb.Step {
		return guarding(&pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: nanos}})
	}
	for range 3 {
		mustOpAs(nobody, notAfter(1<<62), notAfter(1<<62))
		mustOp(m, atLeast("/account/a", "1"), atLeast("/account/b", "0"))
	}
	if lines := verify(t, m).Lines; lines != before {
		t.Errorf("ops of guards made %d lines", lines-before)
	}
	wantKindOf(t, "a time that is over", errorOf(opAs(nobody, notAfter(1<<62), notAfter(1))), fault.Conflict)
	mustOp(m, atLeast("/account/a", "1"), transferring(of("t", "/account/a", "/account/b", "1")))
	if lines := verify(t, m).Lines; lines != before+2 {
		t.Errorf("an op that was refused and one of more than guards made %d lines, want 2", lines-before)
	}
}
