package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// badCall is one that must be refused and must change nothing.
type badCall struct {
	name string
	call func(context.Context) error
	want fault.Kind
	// says are what the message names: the thing, the rule, the limit.
	says []string
}

// check makes the calls and compares the state before and after each.
func (b badCalls) check(t *testing.T, operator *client.Client) {
	t.Helper()
	before := wantEqualHashes(t, operator, 3)
	for _, bad := range b {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := bad.call(ctx)
		cancel()
		bad.judge(t, err)
		if after := wantEqualHashes(t, operator, 3); after != before {
			t.Errorf("%s: it changed the state hash from %s to %s", bad.name, before, after)
			before = after
		}
	}
}

type badCalls []badCall

// longestMessage is more than any message needs, whatever the input.
const longestMessage = 500

func (bad *badCall) judge(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: it was accepted, want %s", bad.name, bad.want)
		return
	}
	err = fault.FromGRPC(err)
	if got := fault.KindOf(err); got != bad.want {
		t.Errorf("%s: it is %s (%v), want %s", bad.name, got, err, bad.want)
	}
	message := err.Error()
	for _, part := range bad.says {
		if !strings.Contains(message, part) {
			t.Errorf("%s: the message %q does not say %q", bad.name, message, part)
		}
	}
	if len(message) > longestMessage {
		t.Errorf("%s: the message is %d bytes long: %s", bad.name, len(message), message)
	}
	if strings.ContainsFunc(message, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("%s: the message %q has control characters", bad.name, message)
	}
}

// maxAmount is ledger.MaxAmount, tooLarge is 2^128.
const (
	maxAmount = "10141204801825835211973625643007"
	tooLarge  = "340282366920938463463374607431768211456"
)

// badInputCluster has accounts in three assets; /account/a has 5.00 and the
// counters of /account/big are full.
func badInputCluster(t *testing.T, o servertest.Options) (*servertest.Cluster, *client.Client) {
	t.Helper()
	cluster := servertest.Start(t, o)
	c := cluster.Dial()
	seed(t, c, "/account/a", "/account/b")
	ctx := t.Context()
	for code, scale := range map[string]uint32{"EUR": 2, "BIG": 0} {
		if _, err := c.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: code, Scale: scale}); err != nil {
			t.Fatal(err)
		}
	}
	for path, asset := range map[string]string{"/account/euro": "EUR", "/account/bigbank": "BIG", "/account/big": "BIG"} {
		_, err := c.Ledger.OpenAccount(ctx, &pb.OpenAccountRequest{Path: path, Asset: asset, Overdraft: "unlimited"})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pay(client.WithRequestID(ctx, "r1"), c, "t1", "/account/a", "5.00"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: "big1", Debit: "/account/bigbank", Credit: "/account/big", Amount: maxAmount},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return cluster, c
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster, operator := badInputCluster(t, servertest.Options{})
		for _, id := range []string{leaderOf(t, operator), followerOf(t, cluster, operator)} {
			c := cluster.Dial(id)
			badTransfers(c.Ledger).check(t, operator)
			badPaths(c.Ledger).check(t, operator)
			badLedgerCalls(c.Ledger).check(t, operator)
			badOps(c.Ledger).check(t, operator)
			badLedgerReads(c.Ledger).check(t, operator)
			badOtherCalls(c).check(t, operator)
		}
	})
}

func badTransfers(ledger pb.LedgerClient) badCalls {
	send := func(transfers ...*pb.Transfer) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.Transfer(ctx, &pb.TransferRequest{Transfers: transfers})
			return err
		}
	}
	made := 0
	move := func(debit, credit, amount string) func(context.Context) error {
		made++ // what is refused for what there is burns its id
		return send(&pb.Transfer{Id: fmt.Sprint("bad", made), Debit: debit, Credit: credit, Amount: amount})
	}
	named := func(id string) func(context.Context) error {
		return send(&pb.Transfer{Id: id, Debit: "/account/bank", Credit: "/account/a", Amount: "1.00"})
	}
	const bank, a, b = "/account/bank", "/account/a", "/account/b"
	good := &pb.Transfer{Id: "good", Debit: bank, Credit: a, Amount: "1.00"}
	return badCalls{
		{"unknown account that is paid", move(bank, "/account/nobody", "1.00"), fault.NotFound, []string{"transfer 0", "credit", "/account/nobody"}},
		{"unknown account that pays", move("/account/nobody", a, "1.00"), fault.NotFound, []string{"transfer 0", "debit", "/account/nobody"}},
		{"other asset", move(bank, "/account/euro", "1.00"), fault.Invalid, []string{"/account/bank", "USD", "/account/euro", "EUR", "one asset"}},
		{"other asset than meant", send(&pb.Transfer{Id: "bad", Debit: bank, Credit: a, Amount: "1.00", Asset: "EUR"}), fault.Invalid, []string{"/account/bank", "USD", "EUR"}},
		{"to itself", move(a, a, "1.00"), fault.Invalid, []string{"/account/a", "same account"}},
		{"negative", move(bank, a, "-1.00"), fault.Invalid, []string{`"-1.00"`, "not negative"}},
		{"too many digits", move(bank, a, "1.001"), fault.Invalid, []string{`"1.001"`, "3 digits", "scale 2 allows 2"}},
		{"no number", move(bank, a, "1e3"), fault.Invalid, []string{`"1e3"`, "digits 0-9"}},
		{"no amount", move(bank, a, ""), fault.Invalid, []string{"amount is empty"}},
		{"endless amount", move(bank, a, strings.Repeat("1", 1<<20)), fault.Invalid, []string{"1048576 bytes", "at most 60"}},
		{"2^128", move("/account/bigbank", "/account/big", tooLarge), fault.Invalid, []string{tooLarge, "overflow", maxAmount}},
		{"full counter", move("/account/bigbank", "/account/big", "1"), fault.Exhausted, []string{"/account/bigbank", "overflow", maxAmount}},
		{"not enough", move(a, b, "5.01"), fault.Insufficient, []string{"/account/a", "5.00 USD available", "5.01"}},
		{"empty list", send(), fault.Invalid, []string{"0 transfers", "1 to 8190"}},
		{"8191 transfers", send(manyTransfers(8191)...), fault.Invalid, []string{"8191 transfers", "1 to 8190"}},
		{"one bad among good", send(good, &pb.Transfer{Id: "bad", Debit: bank, Credit: a, Amount: "x"}), fault.Invalid, []string{"transfer 1", `"x"`}},
		{"one id twice", send(good, good), fault.Invalid, []string{"transfer 1", `"good"`, "twice"}},
		{"same id, other amount", named("t1"), fault.Conflict, []string{`"t1"`, "another amount"}},
		{"no id", named(""), fault.Invalid, []string{`id ""`, "1 to 128 bytes"}},
		{"long id", named(strings.Repeat("x", 129)), fault.Invalid, []string{"xxx", "1 to 128 bytes"}},
		{"hostile id", named(hostile), fault.Invalid, []string{"id ", "A-Z"}},
		{"same request id, other request", func(ctx context.Context) error {
			return named("t2")(client.WithRequestID(ctx, "r1"))
		}, fault.Conflict, []string{`"r1"`, "another request"}},
	}
}

// hostile tries to end a line of a log and to begin another.
const hostile = "x\"}\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\x1b[31m"

func manyTransfers(n int) []*pb.Transfer {
	all := make([]*pb.Transfer, n)
	for i := range all {
		all[i] = &pb.Transfer{Id: fmt.Sprint("many", i), Debit: "/account/bank", Credit: "/account/a", Amount: "0.01"}
	}
	return all
}

func badPaths(ledger pb.LedgerClient) badCalls {
	var all badCalls
	for _, test := range []struct {
		name, path string
		says       []string
	}{
		{"dots", "/account/../x", []string{`"/account/../x"`, `".."`}},
		{"300 levels", "/account" + strings.Repeat("/a", 299), []string{"606 bytes", "at most 512"}},
		{"33 levels", "/account" + strings.Repeat("/a", 32), []string{"33 segments", "at most 32"}},
		{"long segment", "/account/" + strings.Repeat("a", 65), []string{"segment", "64 bytes"}},
		{"empty segment", "/account//a", []string{`"/account//a"`, "1 to 64 bytes"}},
		{"no slash", "account/a", []string{`"account/a"`, "must begin with"}},
		{"nothing", "", []string{`""`, "must begin with"}},
		{"the folder itself", "/account", []string{"below /account"}},
		{"another folder", "/data/x", []string{"below /account", "/data/x"}},
		{"hostile path", "/account/" + hostile, []string{"segment"}},
	} {
		paid := append([]string{"transfer 0", "credit"}, test.says...)
		if test.path == "" {
			paid = []string{"transfer 0", "credit", "missing"}
		}
		all = append(all,
			badCall{"balance of " + test.name, func(ctx context.Context) error {
				_, err := ledger.Balance(ctx, &pb.BalanceRequest{Path: test.path})
				return err
			}, fault.Invalid, test.says},
			badCall{"open " + test.name, func(ctx context.Context) error {
				_, err := ledger.OpenAccount(ctx, &pb.OpenAccountRequest{Path: test.path, Asset: "USD"})
				return err
			}, fault.Invalid, test.says},
			badCall{"pay " + test.name, func(ctx context.Context) error {
				_, err := ledger.Transfer(ctx, &pb.TransferRequest{Transfers: []*pb.Transfer{
					{Id: "bad", Debit: "/account/bank", Credit: test.path, Amount: "1.00"},
				}})
				return err
			}, fault.Invalid, paid},
		)
	}
	return all
}

func badLedgerCalls(ledger pb.LedgerClient) badCalls {
	asset := func(code string, scale uint32) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: code, Scale: scale})
			return err
		}
	}
	open := func(req *pb.OpenAccountRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.OpenAccount(ctx, req)
			return err
		}
	}
	statement := func(cursor string, limit uint32) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.Statement(ctx, &pb.StatementRequest{Path: "/account/a", Cursor: cursor, Limit: limit})
			return err
		}
	}
	lookup := func(ids ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.Lookup(ctx, &pb.LookupRequest{Ids: ids})
			return err
		}
	}
	return badCalls{
		{"asset in small letters", asset("usd", 2), fault.Invalid, []string{`"usd"`, "A-Z"}},
		{"long asset", asset(strings.Repeat("A", 17), 2), fault.Invalid, []string{"1 to 16"}},
		{"fine asset", asset("FINE", 19), fault.Invalid, []string{"scale 19", "0 to 18"}},
		{"asset that exists", asset("USD", 2), fault.Exists, []string{"USD"}},
		{"account that exists", open(&pb.OpenAccountRequest{Path: "/account/a", Asset: "USD"}), fault.Exists, []string{"/account/a"}},
		{"account in no asset", open(&pb.OpenAccountRequest{Path: "/account/c", Asset: "XYZ"}), fault.NotFound, []string{`"XYZ"`}},
		{"negative overdraft", open(&pb.OpenAccountRequest{Path: "/account/c", Asset: "USD", Overdraft: "-1"}), fault.Invalid, []string{"overdraft", `"-1"`}},
		{"fine ceiling", open(&pb.OpenAccountRequest{Path: "/account/c", Asset: "USD", Ceiling: "1.001"}), fault.Invalid, []string{"ceiling", "scale 2 allows 2"}},
		{"long statement", statement("", 1001), fault.Invalid, []string{"limit 1001", "at most 1000"}},
		{"strange cursor", statement("x", 1), fault.Invalid, []string{`cursor "x"`}},
		{"look up nothing", lookup(), fault.Invalid, []string{"0 transfer ids", "1 to 8190"}},
		{"look up 8191", lookup(make([]string, 8191)...), fault.Invalid, []string{"8191 transfer ids", "1 to 8190"}},
		{"look up no id", lookup(""), fault.Invalid, []string{"id 0", "1 to 128 bytes"}},
		{"balance of nobody", func(ctx context.Context) error {
			_, err := ledger.Balance(ctx, &pb.BalanceRequest{Path: "/account/nobody"})
			return err
		}, fault.NotFound, []string{"/account/nobody"}},
	}
}

// badOps are bad ops, and what changes accounts and periods.
func badOps(ledger pb.LedgerClient) badCalls {
	op := func(steps ...*pb.Step) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.Op(ctx, &pb.OpRequest{Steps: steps})
			return err
		}
	}
	held := func(id, amount string, lifetime uint64) *pb.Step {
		return &pb.Step{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{
			Id: id, Debit: "/account/a", Credit: "/account/b", Amount: amount, LifetimeSeconds: lifetime,
		}}}
	}
	change := func(req *pb.ChangeAccountRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.ChangeAccount(ctx, req)
			return err
		}
	}
	period := func(nanos int64, name string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.ClosePeriod(ctx, &pb.ClosePeriodRequest{UntilUnixNanos: nanos, Name: name})
			return err
		}
	}
	many := make([]*pb.Step, 1001)
	for i := range many {
		many[i] = held(fmt.Sprint("many", i), "0.01", 0)
	}
	invoice := &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: &pb.IssueInvoice{
		Id: "invoice", Receivable: "/account/bank", Revenue: "/account/a", Lines: make([]*pb.InvoiceLine, 257),
	}}}
	return badCalls{
		{"op of nothing", op(), fault.Invalid, []string{"0 steps", "1 to 1000"}},
		{"op of 1001 steps", op(many...), fault.Invalid, []string{"1001 steps", "1 to 1000"}},
		{"step that is none", op(&pb.Step{}), fault.Invalid, []string{"step 0"}},
		{"step without an id", op(held("", "1", 0)), fault.Invalid, []string{"step 0 (hold", "1 to 128 bytes"}},
		{"hold of nothing", op(held("bad-hold-1", "0", 0)), fault.Invalid, []string{"step 0", "nothing"}},
		{"hold of more than there is", op(held("bad-hold-2", "5.01", 0)), fault.Insufficient, []string{"/account/a", "5.00 USD available", "5.01"}},
		{"hold of eleven years", op(held("bad-hold-3", "1", 11*366*24*3600)), fault.Invalid, []string{"lifetime", "ten years"}},
		{"second of two steps", op(held("bad-hold-4", "1", 0), held("bad-hold-5", "9", 0)), fault.Insufficient, []string{"step 1", "4.00 USD available"}},
		{"capture of no hold", op(&pb.Step{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "bad-capture", Hold: "none"}}}), fault.NotFound, []string{`no hold "none"`}},
		{"invoice of 257 lines", op(invoice), fault.Invalid, []string{"257 lines", "1 to 256"}},
		{"change of nobody", change(&pb.ChangeAccountRequest{Path: "/account/nobody"}), fault.NotFound, []string{"/account/nobody"}},
		{"change of another version", change(&pb.ChangeAccountRequest{Path: "/account/a", IfVersion: 999}), fault.Conflict, []string{"/account/a", "version", "999"}},
		{"metadata of a strange key", change(&pb.ChangeAccountRequest{Path: "/account/a", Metadata: []*pb.Metadatum{{Key: "K"}}}), fault.Invalid, []string{`"K"`, "a-z"}},
		{"close an account that is not empty", func(ctx context.Context) error {
			_, err := ledger.CloseAccount(ctx, &pb.CloseAccountRequest{Path: "/account/a"})
			return err
		}, fault.Conflict, []string{"/account/a", "5.00 USD", "empty"}},
		{"period without an end", period(0, ""), fault.Invalid, []string{"until_unix_nanos"}},
		{"period of the future", period(1<<62, ""), fault.Conflict, []string{"after the log time"}},
		{"period of a long name", period(1, strings.Repeat("x", 65)), fault.Invalid, []string{"name", "65 bytes", "0 to 64"}},
	}
}

// badLedgerReads are bad questions about the books.
func badLedgerReads(ledger pb.LedgerClient) badCalls {
	journal := func(req *pb.JournalRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.Journal(ctx, req)
			return err
		}
	}
	audit := func(req *pb.AuditRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.Audit(ctx, req)
			return err
		}
	}
	holds := func(cursor string, limit uint32) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := ledger.Holds(ctx, &pb.HoldsRequest{Account: "/account/a", Cursor: cursor, Limit: limit})
			return err
		}
	}
	return badCalls{
		{"long journal", journal(&pb.JournalRequest{Limit: 10_001}), fault.Invalid, []string{"limit 10001", "at most 10000"}},
		{"journal of another folder", journal(&pb.JournalRequest{Under: "/data"}), fault.Invalid, []string{"/account", "/data"}},
		{"strange cursor of the journal", journal(&pb.JournalRequest{Cursor: hostile}), fault.Invalid, []string{"cursor"}},
		{"long audit", audit(&pb.AuditRequest{Limit: 1001}), fault.Invalid, []string{"limit 1001", "at most 1000"}},
		{"audit of no principal", audit(&pb.AuditRequest{Principal: "/account/a"}), fault.Invalid, []string{"principal", "/account/a"}},
		{"audit of a time that ends before it begins", audit(&pb.AuditRequest{FromUnixNanos: 2, UntilUnixNanos: 1}), fault.Invalid, []string{"from 2", "until 1"}},
		{"strange cursor of the audit", audit(&pb.AuditRequest{Cursor: "7"}), fault.Invalid, []string{`cursor "7"`}},
		{"many holds", holds("", 1001), fault.Invalid, []string{"limit 1001", "at most 1000"}},
		{"strange cursor of holds", holds("x", 0), fault.Invalid, []string{`cursor "x"`}},
		{"hold of no id", func(ctx context.Context) error {
			_, err := ledger.Hold(ctx, &pb.HoldRequest{})
			return err
		}, fault.Invalid, []string{"1 to 128 bytes"}},
		{"document of no id", func(ctx context.Context) error {
			_, err := ledger.Document(ctx, &pb.DocumentRequest{})
			return err
		}, fault.Invalid, []string{"1 to 128 bytes"}},
		{"documents of nobody", func(ctx context.Context) error {
			_, err := ledger.Documents(ctx, &pb.DocumentsRequest{Account: "/account/nobody"})
			return err
		}, fault.NotFound, []string{"/account/nobody"}},
		{"account of nobody", func(ctx context.Context) error {
			_, err := ledger.Account(ctx, &pb.AccountRequest{Path: "/account/nobody"})
			return err
		}, fault.NotFound, []string{"/account/nobody"}},
		{"accounts of another folder", func(ctx context.Context) error {
			_, err := ledger.Accounts(ctx, &pb.AccountsRequest{Under: "/data"})
			return err
		}, fault.Invalid, []string{"/account", "/data"}},
		{"sum of another folder", func(ctx context.Context) error {
			_, err := ledger.RollUp(ctx, &pb.RollUpRequest{Under: "/data"})
			return err
		}, fault.Invalid, []string{"/account", "/data"}},
	}
}

func badOtherCalls(c *client.Client) badCalls {
	vouch := func(subject string, seconds int64) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.Identity.Vouch(ctx, &pb.VouchRequest{Subject: subject, LifetimeSeconds: seconds})
			return err
		}
	}
	return badCalls{
		{"credential for an account", vouch("/account/a", 0), fault.Invalid, []string{"/user", "/workload", "/account/a"}},
		{"credential for all users", vouch("/user", 0), fault.Invalid, []string{"below /user"}},
		{"credential for nobody", vouch("/user/nobody", 0), fault.NotFound, []string{"/user/nobody"}},
		{"credential for a strange path", vouch("/user/../x", 0), fault.Invalid, []string{`".."`}},
		{"credential for a hostile path", vouch("/user/"+hostile, 0), fault.Invalid, []string{"segment"}},
		{"credential for 31 minutes", vouch("/user/nobody", 1860), fault.Invalid, []string{"1860", "1 to 1800 seconds"}},
		{"credential that is over", vouch("/user/nobody", -1), fault.Invalid, []string{"-1", "1 to 1800 seconds"}},
		{"admit a strange name", func(ctx context.Context) error {
			_, err := c.Cluster.Admit(ctx, &pb.AdmitRequest{Id: "Node 1"})
			return err
		}, fault.Invalid, []string{"node id", `"Node 1"`, "a-z"}},
		{"remove a stranger", func(ctx context.Context) error {
			_, err := c.Cluster.Remove(ctx, &pb.RemoveRequest{Id: "node9"})
			return err
		}, fault.NotFound, []string{`"node9"`}},
		{"let a stranger leave", func(ctx context.Context) error {
			_, err := c.Cluster.Leave(ctx, &pb.LeaveRequest{Id: "node9"})
			return err
		}, fault.Conflict, []string{`"node9"`, "does not answer"}},
		{"let a stranger lead", func(ctx context.Context) error {
			_, err := c.Cluster.TransferLeader(ctx, &pb.TransferLeaderRequest{Id: "node9"})
			return err
		}, fault.NotFound, []string{`"node9"`}},
		{"17 MiB", func(ctx context.Context) error {
			_, err := c.Ledger.Balance(ctx, &pb.BalanceRequest{Path: strings.Repeat("x", 17<<20)})
			return err
		}, fault.Exhausted, []string{"Balance", "over the limit of 16777216"}},
		{"17 MiB to write", func(ctx context.Context) error {
			_, err := c.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: strings.Repeat("x", 17<<20)})
			return err
		}, fault.Exhausted, []string{"CreateAsset", "over the limit of 16777216"}},
		{"a deadline that passed", func(ctx context.Context) error {
			ctx, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
			defer cancel()
			_, err := pay(ctx, c, "late", "/account/a", "1.00")
			return wantDefinite(err)
		}, fault.Unavailable, []string{"in time"}},
		{"request id with a line break", func(ctx context.Context) error {
			_, err := pay(client.WithRequestID(ctx, "r\n2"), c, "bad", "/account/a", "1.00")
			return err
		}, fault.Invalid, []string{"request id", "1 to 64"}},
		{"request id of 65 bytes", func(ctx context.Context) error {
			_, err := pay(client.WithRequestID(ctx, strings.Repeat("r", 65)), c, "bad", "/account/a", "1.00")
			return err
		}, fault.Invalid, []string{"request id", "1 to 64"}},
		{"a method that is not there", func(ctx context.Context) error {
			return c.Invoke(ctx, "/acquired.v1.Ledger/Mint", &pb.BalanceRequest{}, &pb.BalanceResponse{})
		}, fault.Invalid, []string{`"/acquired.v1.Ledger/Mint"`}},
	}
}

// wantDefinite makes of an error that leaves the outcome open one that no test
// expects.
func wantDefinite(err error) error {
	if err != nil && fault.OutcomeOf(err) != fault.Definite {
		return fault.Internal.New("the outcome is open: %v", err)
	}
	return err
}
