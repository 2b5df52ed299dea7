package ledger_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Steps with documents in short.
func writing(s *pb.WriteCheque) *pb.Step { return &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: s}} }
func cashing(s *pb.CashCheque) *pb.Step  { return &pb.Step{Step: &pb.Step_CashCheque{CashCheque: s}} }
func cancelling(id, cheque string) *pb.Step {
	return &pb.Step{Step: &pb.Step_CancelCheque{CancelCheque: &pb.CancelCheque{Id: id, Cheque: cheque}}}
}
func invoicing(s *pb.IssueInvoice) *pb.Step {
	return &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: s}}
}
func payingInvoice(s *pb.PayInvoice) *pb.Step {
	return &pb.Step{Step: &pb.Step_PayInvoice{PayInvoice: s}}
}
func crediting(s *pb.CreditInvoice) *pb.Step {
	return &pb.Step{Step: &pb.Step_CreditInvoice{CreditInvoice: s}}
}
func voiding(s *pb.VoidInvoice) *pb.Step { return &pb.Step{Step: &pb.Step_VoidInvoice{VoidInvoice: s}} }
func receipting(id, hold string) *pb.Step {
	return &pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: id, Hold: hold}}}
}
func refunding(s *pb.Refund) *pb.Step    { return &pb.Step{Step: &pb.Step_Refund{Refund: s}} }
func exchanging(s *pb.Exchange) *pb.Step { return &pb.Step{Step: &pb.Step_Exchange{Exchange: s}} }

func inState(document, state string) *pb.Step {
	return guarding(&pb.Guard{Guard: &pb.Guard_Document{Document: &pb.DocumentGuard{Document: document, State: state}}})
}

// documents gives newBooks with the team's account, which has 1000.00 and which
// alice may Spend from and the auditor may Read, and with the shop, which may Spend
// from its own. Everybody may View everything.
func documentBooks(t *testing.T) *desk {
	t.Helper()
	m := newBooks(t)
	open(m, "/account/team/x", "USD", "", "")
	open(m, "/account/shop/till", "USD", "", "")
	pay(m, "grant", "/account/bank", "/account/team/x", "1000")
	m.Clause("/", command.View)
	m.Clause("/account/team", command.Spend, "/role/spender")
	m.Clause("/account/team", command.Read, "/role/auditor")
	m.Clause("/account/shop", command.Spend, "/role/seller")
	return &desk{
		Machine:  m,
		alice:    m.Principal("/user/alice", "/role/spender"),
		bob:      m.Principal("/user/bob", "/role/spender"),
		auditor:  m.Principal("/user/auditor", "/role/auditor"),
		shop:     m.Principal("/workload/shop", "/role/seller"),
		stranger: m.Principal("/user/stranger"),
	}
}

// desk is where documents are made: who has to do with them.
type desk struct {
	*fsmtest.Machine
	alice, bob, auditor, shop, stranger *fsmtest.Client
}

func mustOpAs(c *fsmtest.Client, steps ...*pb.Step) *pb.OpResponse {
	return fsmtest.Must(c, ledger.Op, &pb.OpRequest{Steps: steps})
}

// wantRefusedAs wants the caller refused, and the state as it was.
func wantRefusedAs(t *testing.T, m *fsmtest.Machine, by *fsmtest.Client, kind fault.Kind, says string, steps ...*pb.Step) {
	t.Helper()
	hash := m.Hash()
	_, err := opAs(by, steps...)
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("the op %v gives %v, want a fault.%s with %q", steps, err, kind, says)
	}
	if m.Hash() != hash {
		t.Errorf("the refused op %v changed the state", steps)
	}
}

func documentOf(t fsmtest.T, m *fsmtest.Machine, id string) *pb.DocumentResponse {
	t.Helper()
	d, err := fsmtest.Ask(m.Operator, ledger.Document, &pb.DocumentRequest{Id: id})
	if err != nil {
		t.Fatalf("document %s: %v", id, err)
	}
	return d
}

// wantText compares the text of a document, line by line, and checks its hash.
func wantText(t *testing.T, d *pb.DocumentResponse, want ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(want, "\n")+"\n", d.Text); diff != "" {
		t.Errorf("the text of %s (-want +got):\n%s", d.Id, diff)
	}
	sum := sha256.Sum256([]byte(d.Text))
	if want := hex.EncodeToString(sum[:]); d.Hash != want {
		t.Errorf("the hash of %s is %s, want %s", d.Id, d.Hash, want)
	}
}

// line gives the value of the first line of a text with the key.
func lineOf(text, key string) string {
	_, rest, _ := strings.Cut(text, "\n"+key+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func TestWhoSeesADocument(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	mustOpAs(d.alice, aCheque("c"))
	mustOpAs(d.alice, holding(&pb.PlaceHold{Id: "h", Debit: "/account/team/x", Credit: "/account/shop/till", Amount: "10"}))
	mustOpAs(d.shop, capturing(&pb.CaptureHold{Id: "h:1", Hold: "h"}), receipting("r", "h"))
	mustOpAs(d.shop, refunding(&pb.Refund{Id: "back", Of: "h:1", Amount: "1"}))

	type see = map[string]bool
	for name, want := range map[string]see{
		"c":    {"alice": true, "bob": true, "auditor": true, "shop": true, "stranger": false},
		"r":    {"alice": true, "bob": true, "auditor": true, "shop": true, "stranger": false},
		"back": {"alice": true, "bob": true, "auditor": true, "shop": true, "stranger": false},
		"none": {"alice": false, "bob": false, "auditor": false, "shop": false, "stranger": false},
		"h":    {"alice": false, "bob": false, "auditor": false, "shop": false, "stranger": false},
		"h:1":  {"alice": false, "bob": false, "auditor": false, "shop": false, "stranger": false},
	} {
		for who, by := range map[string]*fsmtest.Client{
			"alice": d.alice, "bob": d.bob, "auditor": d.auditor, "shop": d.shop, "stranger": d.stranger,
		} {
			res, err := fsmtest.Ask(by, ledger.Document, &pb.DocumentRequest{Id: name})
			switch {
			case want[who] && (err != nil || res.Id != name || res.Text == ""):
				t.Errorf("%s asks for %s and gets %v, %v", who, name, res, err)
			case !want[who] && (fault.KindOf(err) != fault.NotFound || err.Error() != fmt.Sprintf("no document %q", name)):
				t.Errorf("%s asks for %s and gets %v, %v, want a fault.not_found", who, name, res, err)
			}
		}
	}
	if _, err := fsmtest.Ask(d.alice, ledger.Document, &pb.DocumentRequest{Id: "a b"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a document without an id: %v, want a fault.invalid", err)
	}
}

// TestGuardOfADocument: it sees what the steps before it did, and tells nobody of
// a document who has no part in it.
func TestGuardOfADocument(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	hash := mustOpAs(d.alice, aCheque("c"), inState("c", "open")).Results[0].Hash
	mustOpAs(d.shop, inState("c", "open"), cashing(cash("c1", "c", hash, "100")), inState("c", "spent"))
	wantRefusedAs(t, d.Machine, d.alice, fault.Conflict, `document c is in the state spent, not "open"`, aCheque("c2"), inState("c", "open"))
	wantRefusedAs(t, d.Machine, d.stranger, fault.NotFound, `no document "c"`, inState("c", "spent"))
	wantRefusedAs(t, d.Machine, d.stranger, fault.NotFound, `no document "missing"`, inState("missing", "spent"))
}

// TestDocumentsOfOtherTypes: a step finds only documents of its type.
func TestDocumentsOfOtherTypes(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	hash := mustOp(m, anInvoice("i"), operatorsCheque("c"), place("h", "1"), receipting("r", "h")).Results[1].Hash
	for _, test := range []struct {
		step *pb.Step
		says string
	}{
		{cancelling("x1", "i"), "document i is of the type invoice, not cheque"},
		{cashing(cash("x2", "r", hash, "1")), "document r is of the type receipt, not cheque"},
		{payingInvoice(&pb.PayInvoice{Id: "x3", Invoice: "c", Hash: hash, Debit: "/account/a"}), "document c is of the type cheque, not invoice"},
		{crediting(&pb.CreditInvoice{Id: "x4", Invoice: "c", Amount: "1", Description: "d"}), "document c is of the type cheque, not invoice"},
		{voiding(&pb.VoidInvoice{Id: "x5", Invoice: "c"}), "document c is of the type cheque, not invoice"},
	} {
		wantRefusedAs(t, m, m.Operator, fault.Invalid, test.says, test.step)
	}
	wantRefusedAs(t, m, m.Operator, fault.NotFound, `no document "h"`, cancelling("x6", "h"))
	wantRefusedAs(t, m, m.Operator, fault.NotFound, `no hold "c"`, receipting("x7", "c"))
}

func TestDocumentsOfAnAccount(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	var want []string
	for i := range 5 {
		id := fmt.Sprint(9-i, "-cheque") // not in the order of ids
		mustOp(m, operatorsCheque(id))
		want = append(want, id)
	}
	mustOp(m, anInvoice("i")) // names other accounts
	mustOp(m, place("h", "10"), capturing(&pb.CaptureHold{Id: "h:1", Hold: "h"}), receipting("r", "h"))
	mustOp(m, refunding(&pb.Refund{Id: "back", Of: "h:1"}))
	want = append(want, "r", "back")

	for limit := range uint32(9) {
		var got []string
		req := &pb.DocumentsRequest{Account: "/account/a", Limit: limit}
		for {
			res, err := fsmtest.Ask(m.Operator, ledger.Documents, req)
			if err != nil {
				t.Fatalf("the documents of /account/a behind %q: %v", req.Cursor, err)
			}
			for _, d := range res.Documents {
				if diff := cmp.Diff(documentOf(t, m, d.Id).Text, d.Text); diff != "" {
					t.Errorf("document %s in the list (-want +got):\n%s", d.Id, diff)
				}
				got = append(got, d.Id)
			}
			if limit != 0 && len(res.Documents) > int(limit) {
				t.Errorf("a page has %d documents, want at most %d", len(res.Documents), limit)
			}
			if req.Cursor = res.Cursor; req.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the documents of /account/a, %d a page (-want +got):\n%s", limit, diff)
		}
	}
	for name, req := range map[string]*pb.DocumentsRequest{
		"a bad cursor": {Account: "/account/a", Cursor: "h"}, "too many": {Account: "/account/a", Limit: ledger.MaxLines + 1},
	} {
		if _, err := fsmtest.Ask(m.Operator, ledger.Documents, req); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want a fault.invalid", name, err)
		}
	}
}

// TestPagesOfDocumentsAreShort: invoices may be long, and an answer is not.
func TestPagesOfDocumentsAreShort(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	long := &pb.IssueInvoice{Receivable: "/account/owed", Revenue: "/account/b"}
	for range ledger.MaxInvoiceLines {
		long.Lines = append(long.Lines, &pb.InvoiceLine{Description: strings.Repeat("é", ledger.MaxLineDescription/2), Amount: "1"})
	}
	for i := range 8 {
		one := &pb.IssueInvoice{Id: fmt.Sprint("i", i), Receivable: long.Receivable, Revenue: long.Revenue, Lines: long.Lines}
		mustOp(m, invoicing(one))
	}
	req, pages, count := &pb.DocumentsRequest{Account: "/account/owed"}, 0, 0
	for {
		res, err := fsmtest.Ask(m.Operator, ledger.Documents, req)
		if err != nil {
			t.Fatalf("documents: %v", err)
		}
		size := 0
		for _, d := range res.Documents {
			size += len(d.Text)
		}
		if size > 3<<19 {
			t.Errorf("a page has %d bytes of text", size)
		}
		pages, count = pages+1, count+len(res.Documents)
		if req.Cursor = res.Cursor; req.Cursor == "" {
			break
		}
	}
	if pages != 2 || count != 8 {
		t.Errorf("%d documents are in %d pages, want 8 in 2", count, pages)
	}
}

// TestEntriesOfDocuments: what the journal says that entries belong to.
func TestEntriesOfDocuments(t *testing.T) {
	t.Parallel()
	m := exchangeBooks(t)
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	before := len(wholeJournal(t, m))
	made := mustOp(m, operatorsCheque("c"), anInvoice("i"), anInvoice("i2")).Results
	into := &pb.CashCheque{Id: "held", Cheque: "c", Hash: made[0].Hash, Resource: "disk", Amount: "3", Credit: "/account/b", Hold: true}
	mustOp(m,
		cashing(&pb.CashCheque{Id: "cashed", Cheque: "c", Hash: made[0].Hash, Resource: "disk", Amount: "4", Credit: "/account/b", Description: "it"}),
		cashing(into), capturing(&pb.CaptureHold{Id: "captured", Hold: "held"}), receipting("receipt", "held"),
		refund("back", "cashed", "1"), refund("back2", "captured", ""), // of what the op made
		payingInvoice(&pb.PayInvoice{Id: "paid", Invoice: "i", Hash: made[1].Hash, Debit: "/account/a", Amount: "5"}),
		crediting(&pb.CreditInvoice{Id: "credited", Invoice: "i", Amount: "6", Description: "why"}), voiding(&pb.VoidInvoice{Id: "void", Invoice: "i2"}),
		exchanging(anExchange("x", "10")), cancelling("cancelled", "c"))
	want := []string{
		`transfer i 0 /account/owed 30.00 /account/b hold "" document "i" of "" ""`,
		`transfer i2 0 /account/owed 30.00 /account/b hold "" document "i2" of "" ""`,
		`transfer cashed 0 /account/a 4.00 /account/b hold "" document "c" of "" "it"`,
		`hold held 0 /account/a 3.00 /account/b hold "held" document "c" of "" ""`,
		`capture captured 0 /account/a 3.00 /account/b hold "held" document "c" of "" ""`,
		`refund back 0 /account/b 1.00 /account/a hold "" document "back" of "cashed" ""`,
		`refund back2 0 /account/b 3.00 /account/a hold "" document "back2" of "captured" ""`,
		`transfer paid 0 /account/a 5.00 /account/owed hold "" document "i" of "" ""`,
		`transfer credited 0 /account/b 6.00 /account/owed hold "" document "i" of "" "why"`,
		`transfer void 0 /account/b 30.00 /account/owed hold "" document "i2" of "" ""`,
		`exchange x 0 /account/a 10.00 /account/bank hold "" document "x" of "" ""`,
		`exchange x 1 /account/eur 9.00 /account/euros hold "" document "x" of "" ""`,
	}
	var got []string
	for _, e := range wholeJournal(t, m)[before:] {
		got = append(got, fmt.Sprintf("%s %s %d %s %s %s hold %q document %q of %q %q",
			e.Kind, e.Id, e.Part, e.Debit, e.Amount, e.Credit, e.Hold, e.Document, e.Of, e.Description))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the journal (-want +got):\n%s", diff)
	}
}

// TestRefusedOpLeavesNoDocument: what its steps wrote goes with it.
func TestRefusedOpLeavesNoDocument(t *testing.T) {
	t.Parallel()
	m := exchangeBooks(t)
	open(m, "/account/owed", "USD", ledger.Unlimited, "")
	wantRefused(t, m, fault.Conflict, "4",
		operatorsCheque("c"), anInvoice("i"), refund("back", "opening", "1"), exchanging(anExchange("x", "10")), atLeast("/account/a", "1000"))
	for _, id := range []string{"c", "i", "back", "x"} {
		if _, err := fsmtest.Ask(m.Operator, ledger.Document, &pb.DocumentRequest{Id: id}); fault.KindOf(err) != fault.NotFound {
			t.Errorf("document %s of the refused op: %v, want a fault.not_found", id, err)
		}
	}
	// The refusal of the guard is kept under the first id; the others are free.
	mustOp(m, operatorsCheque("c2"), anInvoice("i"), refund("back", "opening", "100"))
}
