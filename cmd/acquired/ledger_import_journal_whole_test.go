package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// mustOp makes the steps, in one op.
func mustOp(t *testing.T, c *client.Client, steps ...*pb.Step) *pb.OpResponse {
	t.Helper()
	answer, err := c.Ledger.Op(t.Context(), &pb.OpRequest{Steps: steps})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func openAccount(t *testing.T, c *client.Client, request *pb.OpenAccountRequest) {
	t.Helper()
	if _, err := c.Ledger.OpenAccount(t.Context(), request); err != nil {
		t.Fatal(err)
	}
}

// createPrincipals makes principals who can be named.
func createPrincipals(t *testing.T, c *client.Client, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := c.Acl.Change(t.Context(), changesOf(createChange(path, false, true))); err != nil {
			t.Fatal(err)
		}
	}
}

func paying(id, debit, credit, amount string) *pb.Step {
	return &pb.Step{Step: &pb.Step_Transfer{Transfer: &pb.Transfer{Id: id, Debit: debit, Credit: credit, Amount: amount}}}
}

func holding(h *pb.PlaceHold) *pb.Step { return &pb.Step{Step: &pb.Step_Hold{Hold: h}} }

// fillOdd adds to books of fillBooks what is seldom: accounts of all kinds that
// come, go and are never used, limits that are used up, holds, documents and a
// closed period.
func fillOdd(t *testing.T, c *client.Client) {
	t.Helper()
	usd := func(name string) string { return bookAccount("USD", name) }
	bank := usd("bank")
	createPrincipals(t, c, "/user/ann", "/user/b")
	for _, name := range []string{"ann", "-"} {
		changeAccount(t, c, &pb.ChangeAccountRequest{Path: usd(name), Ceiling: proto.String(""), Overdraft: proto.String("1000000")})
	}
	if _, err := c.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: "NONE", Scale: 4}); err != nil {
		t.Fatal(err)
	}
	for _, request := range []*pb.OpenAccountRequest{
		{Path: usd("limited"), Overdraft: "20", Ceiling: "1000", DailyLimit: "50", HoldOverdraft: true, Owner: "/user/ann"},
		{Path: usd("job1"), Kind: "ephemeral", Overdraft: "7", Metadata: []*pb.Metadatum{{Key: "job", Value: "1"}}},
		{Path: usd("job2"), Kind: "ephemeral"},
		{Path: usd("job3"), Kind: "ephemeral", Ceiling: "9"},
		{Path: usd("job4"), Kind: "ephemeral"},
		{Path: "/account/job5", Kind: "ephemeral"},
		{Path: usd("transit"), Kind: "transient", Owner: "/user/x"},
		{Path: usd("unused"), Overdraft: "1", DailyLimit: "0.10"},
		{Path: usd("unused-closed")},
	} {
		request.Asset = "USD"
		openAccount(t, c, request)
	}
	mustOp(t, c, paying("odd-1", bank, usd("job1"), "5"))
	mustOp(t, c, holding(&pb.PlaceHold{Id: "odd-2", Debit: bank, Credit: usd("job2"), Amount: "3", Delegate: "/user/ann", Description: "a; b"}))
	mustOp(t, c, holding(&pb.PlaceHold{Id: "import:1:odd-0", Debit: bank, Credit: usd("ann"), Amount: "1"}))
	mustOp(t, c, &pb.Step{Step: &pb.Step_Transfer{Transfer: &pb.Transfer{Id: "odd-0", Debit: bank, Amount: "2", Shares: []*pb.Share{
		{Credit: usd("ann"), Weight: 1}, {Credit: usd("-"), Weight: 1},
	}}}})
	mustOp(t, c, holding(&pb.PlaceHold{Id: "odd-3", Debit: usd("limited"), Credit: bank, Amount: "19.99", LifetimeSeconds: 864000}))
	for n := range 3 {
		mustOp(t, c, paying(fmt.Sprint("odd-in-", n), bank, usd("job4"), "5"))
		mustOp(t, c, paying(fmt.Sprint("odd-out-", n), usd("job4"), bank, "5"))
		openAccount(t, c, &pb.OpenAccountRequest{Path: usd("job4"), Asset: "USD", Kind: "ephemeral"})
		mustOp(t, c, paying(fmt.Sprint("odd-transit-", n), bank, usd("transit"), "5"),
			paying(fmt.Sprint("odd-on-", n), usd("transit"), usd("ann"), "5"))
	}
	mustOp(t, c, paying("odd-4", bank, usd("job4"), "1"), paying("odd-5", usd("job4"), bank, "1"))
	mustOp(t, c, paying("odd-6", bank, "/account/job5", "1"), paying("odd-7", "/account/job5", bank, "1"))
	openAccount(t, c, &pb.OpenAccountRequest{Path: "/account/job5", Asset: "X", Kind: "ephemeral"})
	mustOp(t, c, paying("odd-8", bookAccount("X", "bank"), "/account/job5", "1.5"))
	mustOp(t, c, paying("odd-14", bank, usd("-"), "100000"))
	mustOp(t, c, holding(&pb.PlaceHold{Id: "odd-9", Debit: usd("-"), Credit: bank, Amount: "2"}))
	mustOp(t, c, &pb.Step{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "odd-10", Hold: "odd-9", Amount: "0.5"}}},
		&pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: "odd-11", Hold: "odd-9"}}})
	mustOp(t, c, &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
		Id: "odd-12", Account: usd("ann"), Recipient: "/user/b", Resource: "r", Ceiling: "5",
	}}})
	mustOp(t, c, &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: &pb.IssueInvoice{
		Id: "odd-13", Receivable: bank, Revenue: usd("ann"), Lines: []*pb.InvoiceLine{{Description: "storage", Amount: "4"}},
	}}})
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: usd("unused"), Frozen: proto.Bool(true)})
	if _, err := c.Ledger.CloseAccount(t.Context(), &pb.CloseAccountRequest{Path: usd("unused-closed")}); err != nil {
		t.Fatal(err)
	}
	for _, ago := range []time.Duration{40 * 24 * time.Hour, time.Second} {
		until := time.Now().Add(-ago).UnixNano()
		if _, err := c.Ledger.ClosePeriod(t.Context(), &pb.ClosePeriodRequest{UntilUnixNanos: until, Name: ago.String()}); err != nil {
			t.Fatal(err)
		}
	}
}

// sameBooks requires that two clusters have the same assets, accounts, sums, open
// holds, closed periods and posted entries.
func sameBooks(t *testing.T, from, to *client.Client) {
	t.Helper()
	sameAccounts(t, from, to)
	ctx := client.WithRead(t.Context(), client.Latest)
	sums := func(c *client.Client) *pb.TrialBalanceResponse {
		answer, err := c.Ledger.TrialBalance(ctx, &pb.TrialBalanceRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if diff := cmp.Diff(sums(from), sums(to), protocmp.Transform()); diff != "" {
		t.Errorf("trial balances differ (-exported +imported):\n%s", diff)
	}
	same := func(id string) string { return id }
	if diff := cmp.Diff(openHolds(t, from, journal.HoldID), openHolds(t, to, same), protocmp.Transform()); diff != "" {
		t.Errorf("open holds differ (-exported +imported):\n%s", diff)
	}
	periods := func(c *client.Client) (all []string) {
		answer, err := c.Ledger.Periods(ctx, &pb.PeriodsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range answer.Periods {
			all = append(all, fmt.Sprint(p.Name, p.UntilUnixNanos))
		}
		return all
	}
	if diff := cmp.Diff(periods(from), periods(to)); diff != "" {
		t.Errorf("closed periods differ (-exported +imported):\n%s", diff)
	}
	want, got := postedEntries(t, from, journal.TransferID), postedEntries(t, to, (*pb.JournalEntry).GetId)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("posted entries differ (-exported +imported):\n%s", diff)
	}
}

// openHolds gives the open holds of all accounts with the ids that id gives them,
// but for what became of the rest of them. Whether those of fillBooks may use the
// overdraft is left out: their accounts may have used it since.
func openHolds(t *testing.T, c *client.Client, id func(string) string) map[string]*pb.HoldResponse {
	t.Helper()
	all := make(map[string]*pb.HoldResponse)
	for _, a := range allAccounts(t, c) {
		answer, err := c.Ledger.Holds(client.WithRead(t.Context(), client.Latest), &pb.HoldsRequest{Account: a.Path, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range answer.Holds {
			h.Held, h.Captured, h.Released, h.PlacedUnixNanos, h.Index = "", "", "", 0, 0
			h.Id = id(h.Id)
			h.Overdraft = h.Overdraft && strings.HasPrefix(h.Id, "odd-")
			all[h.Id] = h
		}
	}
	return all
}

// TestImportMakesAllAgain imports books with all that there is into an empty
// cluster, as the dry run said.
func TestImportMakesAllAgain(t *testing.T) {
	t.Parallel()
	from, to := startLedger(t), startLedger(t)
	seed := rand.Uint64()
	t.Logf("the seed of the books is %d", seed)
	fillBooks(t, from, seed, 100)
	spendAndClose(t, from)
	fillOdd(t, from)
	createPrincipals(t, to, "/user/ann")
	path := exportFileOf(t, from, "jsonl")
	dry := mustImport(t, to, path, true)
	done := mustImport(t, to, path, false)
	dry.DryRun = false
	if diff := cmp.Diff(dry, done); diff != "" {
		t.Errorf("the import is not what the dry run said (-dry +made):\n%s", diff)
	}
	bound := 0
	for _, e := range wholeJournal(t, from) {
		if journal.Posts(e) && (e.Document != "" || e.Of != "") {
			bound++
		}
	}
	want := []string{
		fmt.Sprint(bound, " entries of refunds, exchanges, invoices and cheques are transfers: what was refunded does not count, and all can be refunded"),
		"cheque odd-12 is open where the file comes from", "invoice odd-13 is open where the file comes from",
	}
	notes := slices.DeleteFunc(done.Notes, func(note string) bool { return strings.Contains(note, "may use the overdraft") })
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("notes differ (-want +got):\n%s", diff)
	}
	if done.HoldsPlaced < 4 || done.Passing != 2 || done.Periods != 2 ||
		done.Documents["receipt final"] != 1 || done.Documents["cheque open"] != 1 {
		t.Errorf("got %+v, want holds, two accounts that are gone, 2 periods and documents", done)
	}
	sameBooks(t, from, to)
	wantPrograms(t, to)
	again := mustImport(t, to, path, false)
	if again.Created+uint64(again.HoldsPlaced+again.Accounts+again.Periods) != 0 || again.HoldsExisting != done.HoldsPlaced {
		t.Errorf("second import: got %+v, want that all exists", again)
	}
	sameBooks(t, from, to)
}

// frozenNote is the end of what is said of an account that is not closed.
const frozenNote = " is frozen, and closed where the file comes from: ledger close closes it"

// dying is a client that dies with its n-th call that changes something: before the
// call, or when it is made and before the answer is there.
type dying struct {
	pb.LedgerClient
	left  int
	after bool
}

var errDied = errors.New("died")

func die[Request, Answer any](
	d *dying, ctx context.Context, request Request, opts []grpc.CallOption,
	call func(context.Context, Request, ...grpc.CallOption) (Answer, error),
) (answer Answer, err error) {
	d.left--
	if d.left < 0 || d.left == 0 && !d.after {
		return answer, errDied
	}
	if answer, err = call(ctx, request, opts...); d.left == 0 && err == nil {
		err = errDied
	}
	return answer, err
}

func (d *dying) CreateAsset(ctx context.Context, r *pb.CreateAssetRequest, o ...grpc.CallOption) (*pb.CreateAssetResponse, error) {
	return die(d, ctx, r, o, d.LedgerClient.CreateAsset)
}

func (d *dying) OpenAccount(ctx context.Context, r *pb.OpenAccountRequest, o ...grpc.CallOption) (*pb.OpenAccountResponse, error) {
	return die(d, ctx, r, o, d.LedgerClient.OpenAccount)
}

func (d *dying) ChangeAccount(ctx context.Context, r *pb.ChangeAccountRequest, o ...grpc.CallOption) (*pb.ChangeAccountResponse, error) {
	return die(d, ctx, r, o, d.LedgerClient.ChangeAccount)
}

func (d *dying) CloseAccount(ctx context.Context, r *pb.CloseAccountRequest, o ...grpc.CallOption) (*pb.CloseAccountResponse, error) {
	return die(d, ctx, r, o, d.LedgerClient.CloseAccount)
}

func (d *dying) Transfer(ctx context.Context, r *pb.TransferRequest, o ...grpc.CallOption) (*pb.TransferResponse, error) {
	return die(d, ctx, r, o, d.LedgerClient.Transfer)
}

func (d *dying) Op(ctx context.Context, r *pb.OpRequest, o ...grpc.CallOption) (*pb.OpResponse, error) {
	return die(d, ctx, r, o, d.LedgerClient.Op)
}

func (d *dying) ClosePeriod(ctx context.Context, r *pb.ClosePeriodRequest, o ...grpc.CallOption) (*pb.ClosePeriodResponse, error) {
	return die(d, ctx, r, o, d.LedgerClient.ClosePeriod)
}

// TestImportDiesAnywhere kills imports at one call after another that changes
// something, before it and behind it. The next always goes on, and the books are
// the same in the end, but for accounts that it died before it could close: it says so.
func TestImportDiesAnywhere(t *testing.T) {
	t.Parallel()
	from, to := startLedger(t), startLedger(t)
	fillBooks(t, from, 5, 10)
	spendAndClose(t, from)
	fillOdd(t, from)
	createPrincipals(t, to, "/user/ann")
	path := exportFileOf(t, from, "jsonl")
	real := to.Ledger
	deaths := 0
	var done *importedJournal
	for at := 1; ; at++ {
		to.Ledger = &dying{LedgerClient: real, left: 1 + at%3, after: at%2 == 0}
		var err error
		done, err = importFile(t.Context(), t, to, path, io.Discard, false)
		if err == nil {
			break
		}
		if !errors.Is(err, errDied) {
			t.Fatalf("after %d deaths: %v", deaths, err)
		}
		deaths++
	}
	to.Ledger = real
	if deaths < 30 {
		t.Errorf("the import died %d times, want more", deaths)
	}
	for _, note := range done.Notes {
		if path, frozen := strings.CutSuffix(note, frozenNote); frozen {
			if _, err := to.Ledger.CloseAccount(t.Context(), &pb.CloseAccountRequest{Path: path}); err != nil {
				t.Fatal(err)
			}
		}
	}
	sameBooks(t, from, to)
}

// TestImportOfHolds imports holds that are more than what is left, that expired
// since, and that stand in another way.
func TestImportOfHolds(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	line := func(id, credit, amount, expires string) string {
		return `{"type":"hold","id":"` + id + `","debit":"/account/ann","credit":"` + credit + `","asset":"USD","remaining":"` + amount +
			`","expires":"` + expires + `","overdraft":false,"delegate":"","document":"","description":""}`
	}
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)
	head := []string{
		`{"type":"asset","code":"USD","scale":2}`,
		`{"type":"account","path":"/account/ann","asset":"USD","kind":"normal","state":"frozen","overdraft":"90.00"}`,
		bookLine("1", "/account/bank", "/account/ann", "USD", "50.00"),
	}
	write := func(lines ...string) string {
		path := t.TempDir() + "/f"
		if err := os.WriteFile(path, []byte(strings.Join(append(head, lines...), "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := write(line("much", "/account/centre", "60.00", later), line("old", "/account/centre", "1.00", "2020-01-01T00:00:00Z"),
		strings.Replace(line("fits", "/account/centre", "40.00", later), `"delegate":""`, `"delegate":"/user/nobody"`, 1))
	for _, dryRun := range []bool{true, false} {
		done := mustImport(t, c, first, dryRun)
		notes := strings.Join(done.Notes, "\n")
		if done.HoldsPlaced != 2 || done.HoldsExpired != 1 || !strings.Contains(notes, "hold much may use the overdraft of /account/ann") ||
			!strings.Contains(notes, "hold fits has no delegate: there is no /user/nobody") {
			t.Errorf("dry run %v: got %+v, want two holds, one expired and a note", dryRun, done)
		}
	}
	ann, err := c.Ledger.Account(t.Context(), &pb.AccountRequest{Path: "/account/ann"})
	if err != nil || ann.HoldOverdraft || ann.State != "frozen" || ann.Balance.DebitsPending != "100.00" {
		t.Errorf("got %v, %v, want it frozen, with 100.00 pending", ann, err)
	}
	for id, overdraft := range map[string]bool{"much": true, "fits": true} {
		if h, err := c.Ledger.Hold(t.Context(), &pb.HoldRequest{Id: id}); err != nil || h.State != "open" || h.Overdraft != overdraft {
			t.Errorf("%s: got %v, %v, want it open", id, h, err)
		}
	}
	capture := strings.Replace(bookLine("2", "/account/ann", "/account/centre", "USD", "5.00"), `"transfer"`, `"capture"`, 1)
	capture = strings.Replace(capture, `"amount"`, `"hold":"fits","amount"`, 1)
	for _, test := range []struct{ path, says string }{
		{write(line("much", "/account/other", "60.00", later)), `, line 4: credit: hold much was placed before with "/account/centre", not "/account/other"`},
		{write(capture), ", line 4: transfer 2 was captured from hold fits, which is open in the cluster"},
		{write(line("new", "/account/centre", "1.00", later)), ", line 4: hold new: account /account/ann is frozen"},
	} {
		for _, dryRun := range []bool{true, false} {
			_, err := importFile(t.Context(), t, c, test.path, io.Discard, dryRun)
			if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("dry run %v: got %v, want a conflict: %s", dryRun, err, test.says)
			}
		}
	}
}

// TestImportsFollow imports exports that go on with each other. Between them the
// limits of the first would refuse the second.
func TestImportsFollow(t *testing.T) {
	t.Parallel()
	from, to := startLedger(t), startLedger(t)
	fillBooks(t, from, 9, 30)
	path := t.TempDir() + "/parts"
	bank, ann := bookAccount("USD", "bank"), bookAccount("USD", "ann")
	cursor := ""
	for part, step := range []*pb.Step{
		holding(&pb.PlaceHold{Id: "held", Debit: ann, Credit: bank, Amount: "40"}),
		{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "captured", Hold: "held", Amount: "30"}}},
		paying("last", ann, bank, "1"),
	} {
		changeAccount(t, from, &pb.ChangeAccountRequest{Path: ann, Overdraft: proto.String("1000000"), Frozen: proto.Bool(false)})
		mustOp(t, from, step)
		changeAccount(t, from, &pb.ChangeAccountRequest{Path: ann, Frozen: proto.Bool(true)})
		out, err := openExport(path, part > 0)
		if err != nil {
			t.Fatal(err)
		}
		x := newExporter(from, &exportFlags{format: "jsonl", request: pb.JournalRequest{Cursor: cursor}}, out)
		if err := out.close(x.run(client.WithRead(t.Context(), client.Latest))); err != nil {
			t.Fatal(err)
		}
		cursor = x.request.Cursor
		done, err := importWith(t.Context(), t, to, path, io.Discard, importJournalFlags{unfinished: part < 2})
		if err != nil {
			t.Fatalf("part %d: %v", part, err)
		}
		if part < 2 && (done.HoldsLeftOut == 0 || done.HoldsPlaced > 0 || !strings.Contains(done.Notes[0], "accounts have no limits")) {
			t.Errorf("part %d: got %+v, want what is last left out", part, done)
		}
	}
	sameBooks(t, from, to)
}
