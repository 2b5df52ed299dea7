package ledger_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// anInvoice is one of 30.00, from account owed to b.
func anInvoice(id string) *pb.Step {
	return invoicing(&pb.IssueInvoice{
		Id: id, Receivable: "/account/owed", Revenue: "/account/b",
		Lines: []*pb.InvoiceLine{{Description: "work", Amount: "25"}, {Description: "tea", Amount: "5"}},
	})
}

// wantInvoice compares where an invoice stands: "state version paid credited open".
func wantInvoice(t *testing.T, m *fsmtest.Machine, id, want string) {
	t.Helper()
	d := documentOf(t, m, id)
	if got := fmt.Sprint(d.State, " ", d.Version, " ", d.Paid, " ", d.Credited, " ", d.Open); got != want {
		t.Errorf("invoice %s is %s, want %s", id, got, want)
	}
	if d.Type != "invoice" || d.Cashed != "" || d.Uses != 0 {
		t.Errorf("invoice %s is %v", id, d)
	}
}

func invoiceBooks(t fsmtest.T) *fsmtest.Machine {
	t.Helper()
	m := newBooks(t)
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	return m
}

func TestInvoiceText(t *testing.T) {
	t.Parallel()
	m := invoiceBooks(t)
	r := mustOp(m, invoicing(&pb.IssueInvoice{
		Id: "i1", Receivable: "/account/owed", Revenue: "/account/b", Payer: "am://account/a/", DueUnixNanos: 1_800_000_000_000_000_000,
		EffectiveUnixNanos: 1_600_000_000_000_000_000, Description: "March",
		Lines: []*pb.InvoiceLine{{Description: "core hours: 5", Amount: "1.5"}, {Description: "gift", Amount: "0"}, {Description: "\"\\", Amount: "10"}},
	})).Results[0]
	got := documentOf(t, m, "i1")
	wantText(t, got,
		"acquired invoice v1", "id: i1", "time: "+plainInstant(got.UnixNanos), "by: /user/operator", "effective: 2020-09-13T12:26:40Z",
		"receivable: /account/owed", "revenue: /account/b", "asset: USD", "payer: /account/a", "total: 11.50", "due: 2027-01-15T08:00:00Z",
		`description: "March"`, `line: 1.50 "core hours: 5"`, `line: 0.00 "gift"`, `line: 10.00 "\"\\"`)
	if r.Hash != got.Hash || r.Amount != "11.50" {
		t.Errorf("issuing the invoice gives %v, the document is %v", r, got)
	}
	wantFunds(t, m, "/account/owed", "-11.50 -0.00 +0.00")
	wantFunds(t, m, "/account/b", "11.50 -0.00 +0.00")
	wantInvoice(t, m, "i1", "open 1 0.00 0.00 11.50")
}

func TestInvoiceIsPaidAndCredited(t *testing.T) {
	t.Parallel()
	m := invoiceBooks(t)
	hash := mustOp(m, anInvoice("i")).Results[0].Hash
	payment := func(id, amount string) *pb.Step {
		return payingInvoice(&pb.PayInvoice{Id: id, Invoice: "i", Hash: hash, Debit: "/account/a", Amount: amount})
	}
	if r := mustOp(m, payment("p1", "10")).Results[0]; r.Amount != "10.00" || r.Hash != "" {
		t.Errorf("paying gives %v", r)
	}
	wantInvoice(t, m, "i", "open 2 10.00 0.00 20.00")
	wantRefused(t, m, fault.Insufficient, "0", payment("p2", "20.01"))
	mustOp(m, crediting(&pb.CreditInvoice{Id: "n1", Invoice: "i", Amount: "5", Description: "no tea"}))
	wantInvoice(t, m, "i", "open 3 10.00 5.00 15.00")
	wantRefused(t, m, fault.Insufficient, "0", crediting(&pb.CreditInvoice{Id: "n2", Invoice: "i", Amount: "15.01", Description: "d"}))
	wantRefused(t, m, fault.Conflict, "0", voiding(&pb.VoidInvoice{Id: "v", Invoice: "i"}))
	if r := mustOp(m, payment("p3", "")).Results[0]; r.Amount != "15.00" {
		t.Errorf("paying the rest gives %v", r)
	}
	wantInvoice(t, m, "i", "paid 4 25.00 5.00 0.00")
	wantFunds(t, m, "/account/owed", "0.00 -0.00 +0.00")
	wantFunds(t, m, "/account/b", "25.00 -0.00 +0.00")
	wantFunds(t, m, "/account/a", "75.00 -0.00 +0.00")
}

// invoiceStates bring an invoice of 30.00 into each of its states.
var invoiceStates = map[string]func(m *fsmtest.Machine, hash string){
	"open":    func(*fsmtest.Machine, string) {},
	"overdue": func(m *fsmtest.Machine, _ string) { m.Wait(hour); m.Apply() },
	"paid": func(m *fsmtest.Machine, hash string) {
		mustOp(m, payingInvoice(&pb.PayInvoice{Id: "before", Invoice: "i", Hash: hash, Debit: "/account/a", Amount: "1"}),
			crediting(&pb.CreditInvoice{Id: "after", Invoice: "i", Amount: "29", Description: "d"}))
		m.Wait(hour)
		m.Apply() // what is not open is not overdue
	},
	"credited": func(m *fsmtest.Machine, _ string) {
		mustOp(m, crediting(&pb.CreditInvoice{Id: "before", Invoice: "i", Amount: "30", Description: "d"}))
	},
	"void": func(m *fsmtest.Machine, _ string) { mustOp(m, voiding(&pb.VoidInvoice{Id: "before", Invoice: "i"})) },
}

// TestInvoiceStates: what can be done with an invoice in each state, and what it is
// then.
func TestInvoiceStates(t *testing.T) {
	t.Parallel()
	for state, bring := range invoiceStates {
		m := invoiceBooks(t)
		s := anInvoice("i")
		m.View(func(v *command.Reading) { s.GetIssueInvoice().DueUnixNanos = v.Time + hour })
		hash := mustOp(m, s).Results[0].Hash
		bring(m, hash)
		isOpen := state == "open" || state == "overdue"
		for _, test := range []struct {
			name, then string
			step       *pb.Step
		}{
			{"pay a part", state, payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: hash, Debit: "/account/a", Amount: "1"})},
			{"pay", "paid", payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: hash, Debit: "/account/a"})},
			{"credit a part", state, crediting(&pb.CreditInvoice{Id: "new", Invoice: "i", Amount: "1", Description: "d"})},
			{"credit", "credited", crediting(&pb.CreditInvoice{Id: "new", Invoice: "i", Amount: "30", Description: "d"})},
			{"void", "void", voiding(&pb.VoidInvoice{Id: "new", Invoice: "i"})},
		} {
			test.step = renamed(test.step, test.name)
			if !isOpen {
				f := wantRefused(t, m, fault.Conflict, "0", test.step)
				if !strings.HasSuffix(f.Message, "invoice i is "+state) {
					t.Errorf("%s of an invoice that is %s: %v", test.name, state, f)
				}
				continue
			}
			_, err := op(m, test.step, inState("i", test.then), atLeast("/account/a", "100.01")) // and back
			if err == nil || !strings.Contains(err.Error(), "step 2 (guard") {
				t.Errorf("%s of an invoice that is %s: %v, want it made and %s", test.name, state, err, test.then)
			}
		}
	}
}

// renamed gives the step under another id.
func renamed(s *pb.Step, id string) *pb.Step {
	s = proto.CloneOf(s)
	m := s.ProtoReflect()
	body := m.Get(m.WhichOneof(m.Descriptor().Oneofs().Get(0))).Message()
	body.Set(body.Descriptor().Fields().ByName("id"), protoreflect.ValueOfString(strings.ReplaceAll(id, " ", "-")))
	return s
}

// TestWhoMayDoWhatWithAnInvoice: the exact answers of all who have to do with it,
// and of who has not.
func TestWhoMayDoWhatWithAnInvoice(t *testing.T) {
	t.Parallel()
	m := invoiceBooks(t)
	open(m, "/account/payer", "USD", ledger.Unlimited, "")
	for _, name := range []string{"owed", "b", "payer"} {
		m.Clause(path.Path("/account/"+name), command.Spend, path.Path("/role/"+name))
	}
	m.Clause("/", command.View)
	clients := map[string]*fsmtest.Client{
		"issuer": m.Principal("/user/issuer", "/role/owed"), "seller": m.Principal("/user/seller", "/role/b"),
		"payer": m.Principal("/user/payer", "/role/payer"), "named": m.Principal("/user/named", "/role/payer"),
		"stranger": m.Principal("/user/stranger"),
	}
	s := anInvoice("i")
	s.GetIssueInvoice().Payer = "/user/named"
	hash := mustOpAs(clients["issuer"], s).Results[0].Hash
	const none, hidden, denied = fault.Kind(""), fault.NotFound, fault.Denied
	other := strings.Repeat("0", 64)
	for _, test := range []struct {
		name string
		step *pb.Step
		want map[string]fault.Kind
	}{
		{"issue", anInvoice("new"), map[string]fault.Kind{"issuer": none, "seller": denied, "payer": denied, "named": denied, "stranger": denied}},
		{"pay with the hash", payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: hash, Debit: "/account/payer"}),
			map[string]fault.Kind{"issuer": denied, "seller": denied, "payer": none, "named": none, "stranger": denied}},
		{"pay with another hash", payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: other, Debit: "/account/payer"}),
			map[string]fault.Kind{"issuer": denied, "seller": denied, "payer": hidden, "named": fault.Conflict, "stranger": hidden}},
		{"credit", crediting(&pb.CreditInvoice{Id: "new", Invoice: "i", Amount: "1", Description: "d"}),
			map[string]fault.Kind{"issuer": denied, "seller": none, "payer": hidden, "named": denied, "stranger": hidden}},
		{"void", voiding(&pb.VoidInvoice{Id: "new", Invoice: "i"}),
			map[string]fault.Kind{"issuer": denied, "seller": none, "payer": hidden, "named": denied, "stranger": hidden}},
	} {
		for who, want := range test.want {
			// The guard behind it refuses what is made, so that it can be tried again.
			_, err := opAs(clients[who], renamed(test.step, test.name+" by "+who), guarding(&pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: 1}}))
			if want == none {
				if err == nil || !strings.Contains(err.Error(), "step 1 (guard") {
					t.Errorf("%s by %s: %v, want it made", test.name, who, err)
				}
				continue
			}
			wantKindOf(t, test.name+" by "+who, err, want)
			if want == hidden && !strings.HasSuffix(err.Error(), `no document "i"`) {
				t.Errorf("%s by %s: %v", test.name, who, err)
			}
		}
	}
}

func TestBadInvoices(t *testing.T) {
	t.Parallel()
	m := invoiceBooks(t)
	hash := mustOp(m, anInvoice("i")).Results[0].Hash
	for says, change := range map[string]func(*pb.IssueInvoice){
		"0 lines: an invoice has 1 to 256":    func(s *pb.IssueInvoice) { s.Lines = nil },
		"257 lines":                           func(s *pb.IssueInvoice) { s.Lines = slices.Repeat(s.Lines[:1], 257) },
		"line 1: description of 0 bytes":      func(s *pb.IssueInvoice) { s.Lines[1].Description = "" },
		"line 0: description of 257":          func(s *pb.IssueInvoice) { s.Lines[0].Description = strings.Repeat("x", 257) },
		`line 1: amount "-1"`:                 func(s *pb.IssueInvoice) { s.Lines[1].Amount = "-1" },
		"the lines are nothing together":      func(s *pb.IssueInvoice) { s.Lines[0].Amount, s.Lines[1].Amount = "0", "0.00" },
		"the lines overflow":                  func(s *pb.IssueInvoice) { s.Lines[0].Amount = maxAmount[:30] + "." + maxAmount[30:] },
		"debit and credit are the same":       func(s *pb.IssueInvoice) { s.Revenue = s.Receivable },
		"a transfer stays in one asset":       func(s *pb.IssueInvoice) { s.Revenue = "/account/eur" },
		"payer: /role/x is neither":           func(s *pb.IssueInvoice) { s.Payer = "/role/x" },
		"payer: /account is neither":          func(s *pb.IssueInvoice) { s.Payer = "/account" },
		"it is due before 1970":               func(s *pb.IssueInvoice) { s.DueUnixNanos = -1 },
		"the effective time is before 1970":   func(s *pb.IssueInvoice) { s.EffectiveUnixNanos = -1 },
		"receivable: an account is a path":    func(s *pb.IssueInvoice) { s.Receivable = "/user/x" },
		"revenue: path \"\" must begin":       func(s *pb.IssueInvoice) { s.Revenue = "" },
		"description of 257 bytes: it has 0 ": func(s *pb.IssueInvoice) { s.Description = strings.Repeat("x", 257) },
	} {
		s := anInvoice("new")
		change(s.GetIssueInvoice())
		wantRefusedAs(t, m, m.Operator, fault.Invalid, says, s)
	}
	for says, step := range map[string]*pb.Step{
		"amount: how much is taken back":           crediting(&pb.CreditInvoice{Id: "new", Invoice: "i", Description: "d"}),
		"the amount is nothing":                    crediting(&pb.CreditInvoice{Id: "new", Invoice: "i", Amount: "0", Description: "d"}),
		"description of 0 bytes: it has 1":         crediting(&pb.CreditInvoice{Id: "new", Invoice: "i", Amount: "1"}),
		"a hash is 64":                             payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Debit: "/account/a"}),
		"same account, /account/owed":              payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: hash, Debit: "/account/owed"}),
		"account /account/eur holds EUR":           payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: hash, Debit: "/account/eur"}),
		"the amount is nothing, it must be more":   payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: hash, Debit: "/account/a", Amount: "0"}),
		"debit: an account is a path below":        payingInvoice(&pb.PayInvoice{Id: "new", Invoice: "i", Hash: hash, Debit: "/user/a"}),
		"invoice: id \"\"":                         voiding(&pb.VoidInvoice{Id: "new"}),
		"the effective time is before 1970":        voiding(&pb.VoidInvoice{Id: "new", Invoice: "i", EffectiveUnixNanos: -1}),
		"description of 300 bytes: it has 0 to 25": voiding(&pb.VoidInvoice{Id: "new", Invoice: "i", Description: strings.Repeat("x", 300)}),
	} {
		wantRefusedAs(t, m, m.Operator, fault.Invalid, says, step)
	}
	open(m, "/account/poor", "USD", "29.99", "")
	poor := anInvoice("poor")
	poor.GetIssueInvoice().Receivable = "/account/poor"
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "account /account/poor has 29.99 USD available", poor)
	mustOp(m, transferring(of("spent", "/account/b", "/account/bank", "10")))
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "account /account/b has 20.00 USD available", voiding(&pb.VoidInvoice{Id: "v", Invoice: "i"}))
	freeze(m, "/account/owed")
	wantRefusedAs(t, m, m.Operator, fault.Conflict, "account /account/owed is frozen",
		payingInvoice(&pb.PayInvoice{Id: "p", Invoice: "i", Hash: hash, Debit: "/account/a"}))
}

// TestWhoIsToPay: a payer that is an account has a part in the invoice when it is
// there, and never who opens one of its name later.
func TestWhoIsToPay(t *testing.T) {
	t.Parallel()
	m := invoiceBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account/team", command.Read, "/role/team")
	by := m.Principal("/user/team", "/role/team")
	for i, want := range []fault.Kind{fault.NotFound, ""} {
		s := anInvoice(fmt.Sprint("i", i))
		s.GetIssueInvoice().Payer = "/account/team/x"
		mustOp(m, s)
		if i == 0 {
			open(m, "/account/team/x", "USD", "", "")
		}
		_, err := fsmtest.Ask(by, ledger.Document, &pb.DocumentRequest{Id: s.GetIssueInvoice().Id})
		wantKindOf(t, "the invoice "+s.GetIssueInvoice().Id, err, want)
	}
	res, err := fsmtest.Ask(by, ledger.Documents, &pb.DocumentsRequest{Account: "/account/team/x"})
	if err != nil || len(res.Documents) != 1 || res.Documents[0].Id != "i1" {
		t.Errorf("the documents of the payer are %v, %v, want i1", res, err)
	}
}

// TestInvoiceOfAnAccountThatIsGone: nothing can be paid to it, whoever has the path
// now.
func TestInvoiceOfAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/owed", Asset: "USD", Kind: "ephemeral", Overdraft: "30"})
	hash := mustOp(m, anInvoice("i")).Results[0].Hash
	pay(m, "by-the-way", "/account/a", "/account/owed", "30")
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	for _, s := range []*pb.Step{
		payingInvoice(&pb.PayInvoice{Id: "p", Invoice: "i", Hash: hash, Debit: "/account/a"}),
		crediting(&pb.CreditInvoice{Id: "n", Invoice: "i", Amount: "1", Description: "d"}), voiding(&pb.VoidInvoice{Id: "v", Invoice: "i"}),
	} {
		wantRefusedAs(t, m, m.Operator, fault.Conflict, "account /account/owed is gone", s)
	}
	wantInvoice(t, m, "i", "open 1 0.00 0.00 30.00")
}

// TestWhenInvoicesArePaid: entries count when their step says.
func TestWhenInvoicesArePaid(t *testing.T) {
	t.Parallel()
	m := invoiceBooks(t)
	const then = 1_600_000_000_000_000_000
	hash := mustOp(m, anInvoice("i")).Results[0].Hash
	steps := []*pb.Step{
		payingInvoice(&pb.PayInvoice{Id: "p", Invoice: "i", Hash: hash, Debit: "/account/a", Amount: "1", EffectiveUnixNanos: then}),
		crediting(&pb.CreditInvoice{Id: "n", Invoice: "i", Amount: "1", Description: "d", EffectiveUnixNanos: then}),
		voiding(&pb.VoidInvoice{Id: "v", Invoice: "i2", EffectiveUnixNanos: then}),
		refunding(&pb.Refund{Id: "r", Of: "opening", Amount: "1", EffectiveUnixNanos: then}),
	}
	mustOp(m, anInvoice("i2"))
	mustOp(m, steps...)
	res, err := fsmtest.Ask(m.Operator, ledger.Lookup, &pb.LookupRequest{Ids: []string{"p", "n", "v", "r"}})
	if err != nil || len(res.Transfers) != 4 {
		t.Fatalf("looking the steps up gives %v, %v", res, err)
	}
	for _, r := range res.Transfers {
		if r.Transfer.EffectiveUnixNanos != then {
			t.Errorf("%v is effective at %d, want %d", r, r.Transfer.EffectiveUnixNanos, int64(then))
		}
	}
	fsmtest.Must(m.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: then + 1, Name: "then"})
	steps[2] = voiding(&pb.VoidInvoice{Id: "v", Invoice: "i3", EffectiveUnixNanos: then})
	mustOp(m, anInvoice("i3"))
	for i, s := range steps {
		wantRefusedAs(t, m, m.Operator, fault.Conflict, "is in a closed period", renamed(s, fmt.Sprint("late-", i)))
	}
}

// TestInvoicesAddUp: paid, credited and open are the sum of the lines, whatever is
// tried, and the receivable account owes what is open.
func TestInvoicesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := invoiceBooks(t)
		open(m, "/account/buyer", "USD", ledger.Unlimited, "")
		s := &pb.IssueInvoice{Id: "i", Receivable: "/account/owed", Revenue: "/account/b"}
		total := int64(0)
		for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
			cents := rapid.Int64Range(1, 999).Draw(t, "cents")
			total += cents
			s.Lines = append(s.Lines, &pb.InvoiceLine{Description: fmt.Sprint("line ", i), Amount: format(big.NewInt(cents), 2)})
		}
		hash := mustOp(m, invoicing(s)).Results[0].Hash
		var paid, credited int64
		void := false
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			id, cents, left := fmt.Sprint("step-", i), rapid.Int64Range(1, 1500).Draw(t, "cents"), total-paid-credited
			amount := format(big.NewInt(cents), 2)
			var err error
			fits := left > 0 && cents <= left
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0:
				fits = left == total
				if _, err = op(m, voiding(&pb.VoidInvoice{Id: id, Invoice: "i"})); err == nil {
					credited, void = total, true
				}
			case 1, 2, 3:
				if _, err = op(m, crediting(&pb.CreditInvoice{Id: id, Invoice: "i", Amount: amount, Description: "d"})); err == nil {
					credited += cents
				}
			default:
				if _, err = op(m, payingInvoice(&pb.PayInvoice{Id: id, Invoice: "i", Hash: hash, Debit: "/account/buyer", Amount: amount})); err == nil {
					paid += cents
				}
			}
			if (err == nil) != fits {
				t.Fatalf("%s of an invoice of %d with %d paid and %d credited: %v", amount, total, paid, credited, err)
			}
			d := documentOf(t, m, "i")
			want := fmt.Sprint(format(big.NewInt(paid), 2), " ", format(big.NewInt(credited), 2), " ", format(big.NewInt(total-paid-credited), 2))
			if got := fmt.Sprint(d.Paid, " ", d.Credited, " ", d.Open); got != want || (d.State == "void") != void {
				t.Fatalf("the invoice is %s, %s, want %s", d.State, got, want)
			}
			if got, want := balance(t, m, "/account/owed").Balance, format(big.NewInt(paid+credited-total), 2); got != want {
				t.Fatalf("the receivable account has %s, want %s", got, want)
			}
		}
	})
}
