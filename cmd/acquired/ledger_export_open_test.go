package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// startUSD starts a cluster with an asset and accounts of it. What is paid comes
// from a bank that pays anything.
func startUSD(t *testing.T, accounts ...*pb.OpenAccountRequest) (*servertest.Cluster, *client.Client) {
	t.Helper()
	cluster := servertest.Start(t, servertest.Options{Nodes: 1})
	c := cluster.Operator()
	if _, err := c.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: "USD", Scale: 2}); err != nil {
		t.Fatal(err)
	}
	bank := &pb.OpenAccountRequest{Path: "/account/bank", Overdraft: unlimited, HoldOverdraft: true}
	for _, request := range append([]*pb.OpenAccountRequest{bank}, accounts...) {
		request.Asset = "USD"
		openAccount(t, c, request)
	}
	return cluster, c
}

// captureWithReceipt captures some of a hold, and issues a receipt.
func captureWithReceipt(t *testing.T, c *client.Client, hold, amount, receipt string) {
	t.Helper()
	mustOp(t, c, &pb.Step{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: receipt + "-end", Hold: hold, Amount: amount}}},
		&pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: receipt, Hold: hold}}})
}

// openIn gives the ids of holds and documents that an export has, sorted.
func openIn(t *testing.T, text string) (holds, documents []string) {
	t.Helper()
	for _, line := range readLines(t, text) {
		switch {
		case line.Hold != nil:
			holds = append(holds, line.Hold.ID)
		case line.Document != nil:
			documents = append(documents, line.Document.ID)
		}
	}
	slices.Sort(holds)
	slices.Sort(documents)
	return holds, documents
}

func readLines(t *testing.T, text string) (all []journal.Line) {
	t.Helper()
	for reader := journal.NewReader(strings.NewReader(text), "journal"); ; {
		line, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
}

// openOf gives the ids of holds and documents that a caller is shown of the accounts
// that it lists, each once and sorted.
func openOf(t *testing.T, c *client.Client, under string) (holds, documents []string) {
	t.Helper()
	ctx := client.WithRead(t.Context(), client.Latest)
	accounts, err := c.Ledger.Accounts(ctx, &pb.AccountsRequest{Under: under, Limit: 1000})
	if err != nil || accounts.Cursor != "" {
		t.Fatalf("accounts: %v, %v", accounts, err)
	}
	for _, a := range accounts.Accounts {
		held, err := c.Ledger.Holds(ctx, &pb.HoldsRequest{Account: a.Path, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range held.Holds {
			holds = append(holds, h.Id)
		}
		issued, err := c.Ledger.Documents(ctx, &pb.DocumentsRequest{Account: a.Path, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range issued.Documents {
			documents = append(documents, d.Id)
		}
	}
	slices.Sort(holds)
	slices.Sort(documents)
	return slices.Compact(holds), slices.Compact(documents)
}

// wantOpenOnce requires that an export has what the caller is shown by itself of the
// accounts that it lists, each hold and document once.
func wantOpenOnce(t *testing.T, c *client.Client, under string) (holds, documents []string) {
	t.Helper()
	var text bytes.Buffer
	exportTo(t, c, &text, "jsonl", &pb.JournalRequest{Under: under})
	if !strings.Contains(text.String(), `"now":true`) {
		t.Errorf("under %q: the export is not of now", under)
	}
	holds, documents = openIn(t, text.String())
	wantHolds, wantDocuments := openOf(t, c, under)
	if diff := cmp.Diff(wantHolds, holds); diff != "" {
		t.Errorf("under %q: holds differ (-shown +exported):\n%s", under, diff)
	}
	if diff := cmp.Diff(wantDocuments, documents); diff != "" {
		t.Errorf("under %q: documents differ (-shown +exported):\n%s", under, diff)
	}
	return holds, documents
}

// TestExportByAReader exports what somebody may read who may not read the payers: it
// is shown the holds and documents of the payees.
func TestExportByAReader(t *testing.T) {
	t.Parallel()
	cluster, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/a-secret"}, &pb.OpenAccountRequest{Path: "/account/centre"},
		&pb.OpenAccountRequest{Path: "/account/lab"})
	mustOp(t, c, paying("in", "/account/bank", "/account/a-secret", "50"))
	mustOp(t, c, holding(&pb.PlaceHold{Id: "h1", Debit: "/account/a-secret", Credit: "/account/centre", Amount: "9"}))
	mustOp(t, c, paying("on", "/account/a-secret", "/account/lab", "5"))
	mustOp(t, c, holding(&pb.PlaceHold{Id: "h3", Debit: "/account/lab", Credit: "/account/centre", Amount: "3"}))
	captureWithReceipt(t, c, "h1", "2", "r1")
	captureWithReceipt(t, c, "h3", "1", "r3")
	openAccount(t, c, &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"})
	mustOp(t, c, paying("job-in", "/account/bank", "/account/job", "1"), paying("job-on", "/account/job", "/account/lab", "1"))
	cluster.Principal("/user/kim", "/role/kim")
	cluster.Principal("/user/boss", "/role/boss")
	cluster.Clause("/", "View")
	cluster.Clause("/account", "Read", "/role/kim")
	cluster.Clause("/account/a-secret", "Read", "/role/boss")
	for _, reader := range []struct {
		name             string
		c                *client.Client
		under            string
		holds, documents []string
	}{
		{"a reader", cluster.As("/user/kim"), "", []string{"h1", "h3"}, []string{"r1", "r3"}},
		{"a reader of the payee", cluster.As("/user/kim"), "/account/centre", []string{"h1", "h3"}, []string{"r1", "r3"}},
		{"an operator", c, "", []string{"h1", "h3"}, []string{"r1", "r3"}},
		{"an operator of the payer", c, "/account/a-secret", []string{"h1"}, []string{"r1"}},
	} {
		t.Run(reader.name, func(t *testing.T) {
			holds, documents := wantOpenOnce(t, reader.c, reader.under)
			if !slices.Equal(holds, reader.holds) || !slices.Equal(documents, reader.documents) {
				t.Errorf("got the holds %v and documents %v, want %v and %v", holds, documents, reader.holds, reader.documents)
			}
			var text bytes.Buffer
			exportTo(t, reader.c, &text, "jsonl", &pb.JournalRequest{Under: "/account/lab"})
			if !strings.Contains(text.String(), `"path":"/account/job","asset":"USD","kind":"ephemeral","state":"gone"`) {
				t.Errorf("the export does not say that an account is gone:\n%s", text.String())
			}
		})
	}
}

// TestExportOfDocumentsOfThoseLeft exports receipts of jobs that paid from accounts of
// their own, which went; at the path of one another was opened since, and at that of
// another before the receipt was issued.
func TestExportOfDocumentsOfThoseLeft(t *testing.T) {
	t.Parallel()
	job := func() *pb.OpenAccountRequest {
		return &pb.OpenAccountRequest{Path: "/account/a-job", Asset: "USD", Kind: "ephemeral"}
	}
	cluster, c := startUSD(t, job(), &pb.OpenAccountRequest{Path: "/account/centre"})
	end := func(n int) {
		mustOp(t, c, paying(fmt.Sprint("in-", n), "/account/bank", "/account/a-job", "3"))
		mustOp(t, c, holding(&pb.PlaceHold{Id: fmt.Sprint("h", n), Debit: "/account/a-job", Credit: "/account/centre", Amount: "3"}))
	}
	end(1)
	captureWithReceipt(t, c, "h1", "3", "r1")
	wantDocuments := func(want ...string) {
		t.Helper()
		for _, under := range []string{"", "/account/centre"} {
			if _, got := wantOpenOnce(t, c, under); !slices.Equal(got, want) {
				t.Errorf("under %q: got the documents %v, want %v", under, got, want)
			}
		}
	}
	wantDocuments("r1")
	openAccount(t, c, job())
	end(2)
	wantDocuments("r1")
	mustOp(t, c, &pb.Step{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "c2", Hold: "h2"}}})
	openAccount(t, c, job())
	mustOp(t, c, paying("in-3", "/account/bank", "/account/a-job", "1"))
	mustOp(t, c, &pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: "r2", Hold: "h2"}}})
	wantDocuments("r1", "r2")
	cluster.Principal("/user/kim", "/role/kim")
	cluster.Clause("/", "View")
	cluster.Clause("/account", "Read", "/role/kim")
	if _, got := wantOpenOnce(t, cluster.As("/user/kim"), ""); !slices.Equal(got, []string{"r1", "r2"}) {
		t.Errorf("a reader: got the documents %v, want both", got)
	}
}

// TestExportWritesWhatIsOpenOnce exports books of all kinds of holds and documents,
// whole, of parts of the tree, and in parts that were joined.
func TestExportWritesWhatIsOpenOnce(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	fillBooks(t, c, 11, 150)
	fillOdd(t, c)
	holds, documents := wantOpenOnce(t, c, "")
	if len(holds) < 10 || len(documents) < 10 {
		t.Errorf("got %d holds and %d documents, want more in the books", len(holds), len(documents))
	}
	for _, under := range []string{"/account/usd", "/account/usd/ann", "/account/x/@x"} {
		wantOpenOnce(t, c, under)
	}
	var parts bytes.Buffer
	entries := wholeJournal(t, c)
	middle := entries[len(entries)/2].Index
	exportTo(t, c, &parts, "jsonl", &pb.JournalRequest{UntilIndex: middle})
	exportTo(t, c, &parts, "jsonl", &pb.JournalRequest{Cursor: number(middle)})
	joinedHolds, joinedDocuments := openIn(t, parts.String())
	if diff := cmp.Diff([][]string{holds, documents}, [][]string{joinedHolds, joinedDocuments}); diff != "" {
		t.Errorf("parts that are joined differ (-whole +parts):\n%s", diff)
	}
}

// TestExportIsUpToAnIndex leaves out what was issued while the export was written,
// with one account of it behind and one to come.
func TestExportIsUpToAnIndex(t *testing.T) {
	t.Parallel()
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/centre"})
	mustOp(t, c, holding(&pb.PlaceHold{Id: "h", Debit: "/account/bank", Credit: "/account/centre", Amount: "3"}))
	w := &meddler{text: `{"type":"hold"`, meddle: func() {
		mustOp(t, c, &pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: "late", Hold: "h"}}})
	}}
	exportTo(t, c, w, "jsonl", &pb.JournalRequest{})
	if _, documents := openIn(t, w.String()); len(documents) != 0 || !strings.Contains(w.String(), `"now":true`) {
		t.Errorf("got the documents %v, want none: it was issued behind the last index", documents)
	}
}

// TestExportOfAccountsThatChange changes accounts while an export is written: it has
// them as they are at its end.
func TestExportOfAccountsThatChange(t *testing.T) {
	t.Parallel()
	cluster, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/x"}, &pb.OpenAccountRequest{Path: "/account/job", Kind: "ephemeral"})
	mustOp(t, c, paying("in", "/account/bank", "/account/job", "9"))
	for n := range 20 {
		mustOp(t, c, paying(fmt.Sprint("p", n), "/account/bank", "/account/x", "1"))
	}
	cluster.Principal("/user/kim", "/role/kim")
	cluster.Clause("/", "View")
	cluster.Clause("/account", "Read", "/role/kim")
	ceiling := 33
	for _, c := range []*client.Client{c, cluster.As("/user/kim")} {
		operator := cluster.Operator()
		w := &meddler{text: `"id":"p0"`, meddle: func() { // while the first of several pages is written
			mustOp(t, operator, paying(fmt.Sprint("out", ceiling), "/account/job", "/account/bank", "9"))
			changeAccount(t, operator, &pb.ChangeAccountRequest{Path: "/account/x", Ceiling: proto.String(fmt.Sprint(ceiling)), Frozen: proto.Bool(true)})
		}}
		if x := exportTo(t, c, w, "jsonl", &pb.JournalRequest{}); x.moved {
			t.Error("all entries are in the export, and it is not of now")
		}
		last := make(map[string]*journal.Account)
		for _, line := range readLines(t, w.String()) {
			if line.Account != nil {
				last[line.Account.Path] = line.Account
			}
		}
		if job := last["/account/job"]; job.State != "gone" || job.Kind != "ephemeral" {
			t.Errorf("got %+v, want that it is gone", job)
		}
		if is := last["/account/x"]; is.State != "frozen" || is.Ceiling != fmt.Sprintf("%d.00", ceiling) {
			t.Errorf("got %+v, want it frozen, with a ceiling of %d", is, ceiling)
		}
		openAccount(t, operator, &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"})
		mustOp(t, operator, paying(fmt.Sprint("in", ceiling), "/account/bank", "/account/job", "9"))
		ceiling++
	}
}

// TestExportOfAccountsOpenedAgain opens an ephemeral account again while an export is
// written: at the same version it is another.
func TestExportOfAccountsOpenedAgain(t *testing.T) {
	t.Parallel()
	job := func(owner string) *pb.OpenAccountRequest {
		return &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral", Owner: owner}
	}
	_, c := startUSD(t, job("/user/ann"))
	mustOp(t, c, paying("in-1", "/account/bank", "/account/job", "9"))
	w := &meddler{text: `"id":"in-1"`, meddle: func() {
		mustOp(t, c, paying("out-1", "/account/job", "/account/bank", "9"))
		openAccount(t, c, job("/user/bob"))
		mustOp(t, c, paying("in-2", "/account/bank", "/account/job", "9"))
	}}
	x := pagedExporter(c, w, "jsonl", &pb.JournalRequest{})
	x.request.Limit = 1
	if err := x.run(client.WithRead(t.Context(), client.Latest)); err != nil {
		t.Fatal(err)
	}
	var owner string
	for _, line := range readLines(t, w.String()) {
		if line.Account != nil && line.Account.Path == "/account/job" {
			owner = line.Account.Owner
		}
	}
	if owner != "/user/bob" {
		t.Errorf("got the owner %s, want that of the account which is there now", owner)
	}
}

// TestExportGoesOnWhereItWas refuses a cursor that is ahead of the journal.
func TestExportGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/x"})
	mustOp(t, c, paying("p", "/account/bank", "/account/x", "1"))
	var text bytes.Buffer
	x := exportTo(t, c, &text, "jsonl", &pb.JournalRequest{})
	newest := x.request.Cursor
	for _, good := range []string{newest, "1", "0", fmt.Sprint(wholeJournal(t, c)[0].Index, ".0")} {
		exportTo(t, c, &text, "jsonl", &pb.JournalRequest{Cursor: good})
	}
	index, err := indexOf(newest)
	if err != nil {
		t.Fatal(err)
	}
	for _, ahead := range []string{number(index + 1), number(index+1) + ".0", "99999"} {
		err := pagedExporter(c, &text, "csv", &pb.JournalRequest{Cursor: ahead}).run(client.WithRead(t.Context(), client.Latest))
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "the journal does not go as far as "+ahead) {
			t.Errorf("%s of %s: got %v, want a conflict", ahead, newest, err)
		}
	}
}

// lagging is a client whose first page of the journal is that of a node which is
// behind.
type lagging struct {
	pb.LedgerClient
	asked bool
}

func (l *lagging) Journal(ctx context.Context, r *pb.JournalRequest, o ...grpc.CallOption) (*pb.JournalResponse, error) {
	if l.asked {
		return l.LedgerClient.Journal(ctx, r, o...)
	}
	l.asked = true
	return &pb.JournalResponse{Cursor: r.Cursor, Done: true}, nil
}

// TestExportGoesOnAtANodeThatLags asks again before it refuses a cursor.
func TestExportGoesOnAtANodeThatLags(t *testing.T) {
	t.Parallel()
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: "/account/x"})
	mustOp(t, c, paying("p", "/account/bank", "/account/x", "1"))
	newest := exportTo(t, c, io.Discard, "jsonl", &pb.JournalRequest{}).request.Cursor
	c.Ledger = &lagging{LedgerClient: c.Ledger}
	exportTo(t, c, io.Discard, "jsonl", &pb.JournalRequest{Cursor: newest})
}
