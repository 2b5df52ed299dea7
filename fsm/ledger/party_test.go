package ledger_test

import (
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// seesDocument says whether the caller is given the document.
func seesDocument(t *testing.T, by *fsmtest.Client, id string) bool {
	t.Helper()
	_, err := fsmtest.Ask(by, ledger.Document, &pb.DocumentRequest{Id: id})
	if err != nil && (fault.KindOf(err) != fault.NotFound || err.Error() != `no document "`+id+`"`) {
		t.Fatalf("document %s: %v, want it or a fault.not_found", id, err)
	}
	return err == nil
}

// TestDocumentsOfAName: who is given the name of a principal that a document names
// has no part in the document.
func TestDocumentsOfAName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		names string
		who   path.Path
		make  func(d *desk)
	}{
		{"its maker", "/user/alice", func(d *desk) { mustOpAs(d.alice, aCheque("doc")) }},
		{"the recipient of a cheque", "/workload/shop", func(d *desk) { mustOpAs(d.alice, aCheque("doc")) }},
		{"the payer of an invoice", "/user/stranger", func(d *desk) {
			i := anInvoice("doc")
			i.GetIssueInvoice().Payer = "/user/stranger"
			mustOp(d.Machine, i)
		}},
		{"the delegate of a hold", "/user/stranger", func(d *desk) {
			mustOpAs(d.alice, holding(&pb.PlaceHold{
				Id: "h", Debit: "/account/team/x", Credit: "/account/b", Amount: "1", Delegate: "/user/stranger",
			}))
			mustOp(d.Machine, receipting("doc", "h"))
		}},
	} {
		t.Run(test.names, func(t *testing.T) {
			t.Parallel()
			d := documentBooks(t)
			open(d.Machine, "/account/owed", "USD", ledger.Unlimited, "")
			test.make(d)
			client := d.As(command.Caller{Principal: test.who, Method: command.ByCertificate})
			if !seesDocument(t, client, "doc") {
				t.Fatalf("%s does not see the document", test.who)
			}
			d.Remove(test.who)
			if another := d.Principal(test.who); seesDocument(t, another, "doc") {
				t.Errorf("another %s sees the document", test.who)
			}
			wantSound(t, d.Machine)
		})
	}
}

// TestReceiptOfAFormerDelegate: it names who was entrusted with the hold, not who has
// the name when it is issued.
func TestReceiptOfAFormerDelegate(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	mustOpAs(d.alice, holding(&pb.PlaceHold{Id: "h", Debit: "/account/team/x", Credit: "/account/b", Amount: "1", Delegate: "/user/stranger"}))
	d.Remove("/user/stranger")
	another := d.Principal("/user/stranger")
	mustOp(d.Machine, receipting("doc", "h"))
	if seesDocument(t, another, "doc") {
		t.Error("another of the delegate's name sees the receipt")
	}
	wantSound(t, d.Machine)
}

// TestPartiesThatWereNotThere: who makes a principal of the name later has no part in
// the document.
func TestPartiesThatWereNotThere(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	open(d.Machine, "/account/owed", "USD", ledger.Unlimited, "")
	outside := d.As(command.Caller{Principal: "/user/outside", Operator: true, Method: command.ByCertificate})
	i := anInvoice("doc")
	i.GetIssueInvoice().Payer = "/user/nobody"
	mustOpAs(outside, i)
	for _, name := range []path.Path{"/user/outside", "/user/nobody"} {
		if by := d.Principal(name); seesDocument(t, by, "doc") {
			t.Errorf("%s sees the document, and was not there when it was made", name)
		}
	}
	if !seesDocument(t, outside, "doc") {
		t.Error("an operator does not see the document")
	}
	wantSound(t, d.Machine)
}

// TestACancellersNameIsAnOperators: who is given the name of an operator can not cancel what the
// operator wrote.
func TestACancellersNameIsAnOperators(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	outside := d.As(command.Caller{Principal: "/user/outside", Operator: true, Method: command.ByCertificate})
	mustOpAs(outside, aCheque("c"))
	wantRefusedAs(t, d.Machine, d.Principal("/user/outside"), fault.NotFound, `no document "c"`, cancelling("new", "c"))
	mustOpAs(outside, cancelling("newer", "c"))
}

// TestWhoIsEntrusted: a cheque is written to, and a hold placed with, somebody who is
// there and whom the writer may View, or the writer itself. What it may not View is
// not told from what is not there.
func TestWhoIsEntrusted(t *testing.T) {
	t.Parallel()
	steps := map[string]func(id, who string) *pb.Step{
		"recipient": func(id, who string) *pb.Step {
			return writing(&pb.WriteCheque{Id: id, Account: "/account/team/x", Recipient: who, Resource: "disk", Ceiling: "1"})
		},
		"delegate": func(id, who string) *pb.Step {
			return holding(&pb.PlaceHold{Id: id, Debit: "/account/team/x", Credit: "/account/b", Amount: "1", Delegate: who})
		},
	}
	for field, step := range steps {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			d := documentBooks(t)
			d.Principal("/user/secret/agent")
			d.Clause("/user/secret", command.View, "/role/boss")
			d.Clause("/user/alice", command.View, "/role/boss")
			before := trialBalance(t, d.Machine)
			for _, who := range []string{"/user/secret/agent", "/user/secret/nobody", "/user/secret", "/user/nobody", "/workload/nobody"} {
				wantRefusedAs(t, d.Machine, d.alice, fault.NotFound, field+": nothing at "+who, step("new", who))
			}
			wantRefusedAs(t, d.Machine, d.Operator, fault.NotFound, field+": nothing at /user/nobody", step("new", "/user/nobody"))
			wantRefusedAs(t, d.Machine, d.Operator, fault.Invalid, field+": /user/secret is a directory, not a principal", step("new", "/user/secret"))
			if is := trialBalance(t, d.Machine); is != before {
				t.Errorf("the books are %s, they were %s", is, before)
			}

			// The id is free, and the same step is made once somebody is there.
			d.Principal("/user/nobody")
			made := mustOpAs(d.alice, step("new", "/user/nobody"))
			d.Remove("/user/nobody")
			if again := mustOpAs(d.alice, step("new", "/user/nobody")); !again.Results[0].Existing || again.Results[0].Hash != made.Results[0].Hash {
				t.Errorf("what stands gives %v again", again)
			}

			mustOpAs(d.alice, step("own", "/user/alice"))
			wantRefusedAs(t, d.Machine, d.bob, fault.NotFound, field+": nothing at /user/alice", step("others", "/user/alice"))
		})
	}
}
