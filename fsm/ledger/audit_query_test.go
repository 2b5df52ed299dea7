package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// auditInPages gives all lines, page by page.
func auditInPages(t *testing.T, c *fsmtest.Client, req *pb.AuditRequest) (all []*pb.AuditLine) {
	t.Helper()
	for {
		res, err := fsmtest.Ask(c, ledger.Audit, req)
		if err != nil {
			t.Fatalf("audit of %v: %v", req, err)
		}
		if req.Limit > 0 && len(res.Lines) > int(req.Limit) {
			t.Errorf("a page of %d lines, the limit is %d", len(res.Lines), req.Limit)
		}
		all = append(all, res.Lines...)
		if res.Cursor == "" {
			return all
		}
		req.Cursor = res.Cursor
	}
}

func whatOf(all []*pb.AuditLine) string {
	var text []string
	for _, l := range all {
		text = append(text, strings.TrimSpace(l.What+" "+l.Refusal))
	}
	return strings.Join(text, "; ")
}

// auditedBooks has lines of several principals and accounts.
func auditedBooks(t *testing.T) (m *fsmtest.Machine, member *fsmtest.Client) {
	t.Helper()
	m = newBooks(t)
	m.Clause("/account", command.View)
	m.Clause("/account", command.Read, "/role/member", "/role/auditor")
	m.Clause("/account", command.Spend, "/role/member")
	m.LocalClause("/account", command.Read, "/role/auditor")
	member = m.Principal("/user/member", "/role/member")
	return m, member
}

func payAs(c *fsmtest.Client, id, debit, credit, amount string) error {
	_, err := fsmtest.Do(c, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{of(id, debit, credit, amount)}})
	return err
}

func TestAudit(t *testing.T) {
	t.Parallel()
	m, member := auditedBooks(t)
	begin := m.Position().Time
	if err := payAs(member, "mine", "/account/a", "/account/b", "10"); err != nil {
		t.Fatal(err)
	}
	if err := payAs(member, "much", "/account/b", "/account/a", "1000"); !errors.Is(err, fault.Insufficient) {
		t.Fatal(err)
	}
	mustOp(m,
		transferring(of("one", "/account/bank", "/account/b", "1")), transferring(of("two", "/account/bank", "/account/a", "1")),
		transferring(of("three", "/account/bank", "/account/b", "1")),
	)
	middle := m.Position().Time
	m.Wait(1000)
	mustOp(m, holding(&pb.PlaceHold{Id: "hold", Debit: "/account/b", Credit: "/account/a", Amount: "1", LifetimeSeconds: 1}))
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/b", Frozen: ptr(true)})
	m.Wait(2_000_000_000)
	pay(m, "end", "/account/bank", "/account/a", "1")

	const (
		opened  = "create USD, scale 2; create EUR, scale 2; create BIG, scale 0; open /account/bank, asset USD, overdraft unlimited; open /account/eur, asset EUR, overdraft unlimited; open /account/a, asset USD; open /account/b, asset USD; transfer opening"
		members = "transfer mine; transfer much insufficient"
		steps   = "transfer one, transfer two, transfer three"
		later   = "hold hold; change /account/b, frozen true; holds that expired: 1, the first hold; transfer end"
	)
	for _, test := range []struct {
		req  *pb.AuditRequest
		want string
	}{
		{&pb.AuditRequest{}, strings.Join([]string{opened, members, steps, later}, "; ")},
		{&pb.AuditRequest{Account: "/account/b"}, "open /account/b, asset USD; " + members + "; " + steps + "; hold hold; change /account/b, frozen true; holds that expired: 1, the first hold"},
		{&pb.AuditRequest{Account: "/account/eur"}, "open /account/eur, asset EUR, overdraft unlimited"},
		{&pb.AuditRequest{Account: "/account/none"}, ""},
		{&pb.AuditRequest{Principal: "/user/member"}, members},
		{&pb.AuditRequest{Principal: "/system"}, "holds that expired: 1, the first hold"},
		{&pb.AuditRequest{Principal: "/user/nobody"}, ""},
		{&pb.AuditRequest{Principal: "/user/member", Account: "/account/a"}, members},
		{&pb.AuditRequest{Principal: "/user/member", Account: "/account/bank"}, ""},
		{&pb.AuditRequest{FromUnixNanos: begin + 1}, strings.Join([]string{members, steps, later}, "; ")},
		{&pb.AuditRequest{FromUnixNanos: begin + 1, UntilUnixNanos: middle}, members},
		{&pb.AuditRequest{FromUnixNanos: begin + 1, UntilUnixNanos: middle + 1}, members + "; " + steps},
		{&pb.AuditRequest{FromUnixNanos: middle, UntilUnixNanos: middle + 1}, steps},
		{&pb.AuditRequest{FromUnixNanos: middle + 1, Account: "/account/a"}, "hold hold; holds that expired: 1, the first hold; transfer end"},
		{&pb.AuditRequest{FromUnixNanos: middle, UntilUnixNanos: middle + 1, Principal: "/user/member"}, ""},
		{&pb.AuditRequest{UntilUnixNanos: middle, Principal: "/user/member", Account: "/account/b"}, members},
		{&pb.AuditRequest{FromUnixNanos: m.Position().Time + 1}, ""},
		{&pb.AuditRequest{UntilUnixNanos: 1}, ""},
	} {
		for _, limit := range []uint32{0, 1, 2, 3} {
			test.req.Limit, test.req.Cursor = limit, ""
			if got := whatOf(auditInPages(t, m.Operator, test.req)); got != test.want {
				t.Errorf("audit of %v is %q, want %q", test.req, got, test.want)
			}
		}
	}
}

// TestAuditOfAnAccountThatCameBack: the lines of a path are those of all accounts
// that were there.
func TestAuditOfAnAccountThatCameBack(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	var want []string
	for i := range 4 {
		fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/job", Asset: "USD", Kind: "ephemeral"})
		pay(m, fmt.Sprint("in", i), "/account/bank", "/account/job", "1")
		want = append(want, "open /account/job, asset USD, kind ephemeral", fmt.Sprint("transfer in", i))
		if i < 3 {
			pay(m, fmt.Sprint("out", i), "/account/job", "/account/bank", "1")
			want = append(want, fmt.Sprint("transfer out", i))
		}
	}
	for _, limit := range []uint32{0, 1, 2, 5} {
		got := whatOf(auditInPages(t, m.Operator, &pb.AuditRequest{Account: "/account/job", Limit: limit}))
		if got != strings.Join(want, "; ") {
			t.Errorf("in pages of %d the lines are %q, want %q", limit, got, want)
		}
	}
}

// TestAuditLines: what a line says, and to whom.
func TestAuditLines(t *testing.T) {
	t.Parallel()
	m, member := auditedBooks(t)
	auditor := m.Principal("/user/auditor", "/role/auditor")
	if err := payAs(member, "mine", "/account/a", "/account/b", "10"); err != nil {
		t.Fatal(err)
	}
	if err := payAs(member, "much", "/account/b", "/account/a", "1000"); !errors.Is(err, fault.Insufficient) {
		t.Fatal(err)
	}
	for _, test := range []struct {
		by   *fsmtest.Client
		req  *pb.AuditRequest
		says bool
	}{
		{m.Operator, &pb.AuditRequest{Principal: "/user/member"}, true},
		{auditor, &pb.AuditRequest{Principal: "/user/member"}, true},
		{auditor, &pb.AuditRequest{Account: "/account/b", Principal: "/user/member"}, true},
		{member, &pb.AuditRequest{Principal: "/user/member"}, false},
		{member, &pb.AuditRequest{Principal: "/user/member", Account: "/account/b"}, false},
	} {
		lines := auditInPages(t, test.by, test.req)
		if len(lines) != 2 {
			t.Fatalf("%v gives %d lines, want 2", test.req, len(lines))
		}
		made, refused := lines[0], lines[1]
		hash := 0 // who may not Read it all could try what hashes to it
		if test.says {
			hash = 64
		}
		if made.Principal != "/user/member" || made.Command != "ledger.transfer" || made.Entries != 1 || len(made.EntriesHash) != hash ||
			len(made.Hash) != hash || !strings.HasPrefix(made.RequestId, "request-") || made.Index == 0 || made.UnixNanos == 0 || made.Refusal+made.Message != "" {
			t.Errorf("%v gives %v", test.req, made)
		}
		if refused.Refusal != "insufficient" || refused.Entries != 0 || refused.EntriesHash != "" || len(refused.Hash) != hash || hash > 0 && refused.Hash == made.Hash {
			t.Errorf("%v gives %v", test.req, refused)
		}
		if says := strings.Contains(refused.Message, "available"); says != test.says {
			t.Errorf("%v says %q, want the message: %t", test.req, refused.Message, test.says)
		}
		details, accounts := "", []string(nil)
		if test.says {
			details, accounts = "much: debit /account/b, credit /account/a, amount 1000", []string{"/account/b", "/account/a"}
		}
		if refused.Details != details || !slices.Equal(refused.Accounts, accounts) {
			t.Errorf("%v says %q of %q, want %q of %q", test.req, refused.Details, refused.Accounts, details, accounts)
		}
	}
}

// TestAuditHidesNothing: an account finds what was done or tried about it, whatever
// else was done beside it.
func TestAuditHidesNothing(t *testing.T) {
	t.Parallel()
	m, _ := auditedBooks(t)
	m.Principal("/user/payee")
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/victim", Asset: "USD"})
	cheque := func(id string) *pb.Step {
		return &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
			Id: id, Account: "/account/victim", Recipient: "/user/payee", Resource: "x", Ceiling: "1",
		}}}
	}
	steps := []*pb.Step{transferring(of("beside", "/account/a", "/account/b", "1"))}
	for i := range 20 {
		steps = append(steps, transferring(of(fmt.Sprint("beside", i), "/account/a", "/account/b", "1")))
	}
	mustOp(m, append(steps, cheque("q"))...)
	steps = nil
	for i := range 20 {
		steps = append(steps, transferring(of(fmt.Sprint("tried", i), "/account/a", "/account/b", "1")))
	}
	if _, err := op(m, append(steps, transferring(of("drained", "/account/victim", "/account/b", "1")))...); !errors.Is(err, fault.Insufficient) {
		t.Fatal(err)
	}
	fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Chains: true, Transfers: []*pb.Transfer{
		of("chain1", "/account/a", "/account/b", "1"), of("chain2", "/account/victim", "/account/b", "1"),
	}})
	for range 2 { // the second time it failed before
		fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Chains: true, Transfers: []*pb.Transfer{of("chain3", "/account/victim", "/account/b", "1")}})
	}
	whats := []string{
		"open /account/victim", "transfer beside", "transfer tried0", "2 transfers, the first chain1, refused: 1, the first chain2 (insufficient)",
		"transfer chain3, refused: 1", "transfer chain3, refused: 1",
	}
	lines := auditInPages(t, m.Operator, &pb.AuditRequest{Account: "/account/victim"})
	if len(lines) != len(whats) {
		t.Fatalf("the account has %v, want %q", lines, whats)
	}
	for i, l := range lines {
		refusal := ""
		if i == 2 || i > 3 {
			refusal = "insufficient"
		}
		if !strings.HasPrefix(l.What, whats[i]) || l.Refusal != refusal {
			t.Errorf("line %d is %q, refused: %q, want %q, %q", i, l.What, l.Refusal, whats[i], refusal)
		}
	}
}

// TestAuditLinesAreChained: the hash of a line is of those before it, too.
func TestAuditLinesAreChained(t *testing.T) {
	t.Parallel()
	var all [2][]*pb.AuditLine
	for i, first := range []string{"ONE", "TWO"} {
		m := fsmtest.New(t)
		for _, code := range []string{first, "NEXT", "LAST"} {
			fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: code})
		}
		all[i] = auditInPages(t, m.Operator, &pb.AuditRequest{})
	}
	for i := 1; i < 3; i++ {
		one, two := all[0][i], all[1][i]
		if one.Hash == two.Hash {
			t.Errorf("line %d has one hash behind two others: %v, %v", i, one, two)
		}
		if diff := cmp.Diff(one, two, protocmp.Transform(), protocmp.IgnoreFields(one, "hash")); diff != "" {
			t.Errorf("line %d differs by more than its hash:\n%s", i, diff)
		}
	}
}

// TestAuditDetails: what was asked for, in words that no text of a caller can make
// look like others, and short.
func TestAuditDetails(t *testing.T) {
	t.Parallel()
	m, _ := auditedBooks(t)
	mustOp(m, holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "3", Description: "x, amount 5; h2: debit /account/b"}),
		capturing(&pb.CaptureHold{Id: "c", Hold: "h", Final: true, Shares: []*pb.Share{{Credit: "/account/b", Weight: 1}, {Credit: "/account/bank", Weight: 1}}}))
	long := strings.Repeat("long description ", 15)
	many := []*pb.Transfer{of("t1", "/account/a", "/account/b", "1"), of("t2", "/account/a", "/account/b", "1"), of("t3", "/account/a", "/account/b", "1")}
	for i := range 5 {
		many = append(many, of(fmt.Sprint("more", i), "/account/a", "/account/b", "1"))
	}
	for _, t := range many {
		t.Description = long
	}
	fsmtest.Must(m.Operator, ledger.Transfer, &pb.TransferRequest{Transfers: many})
	all := auditInPages(t, m.Operator, &pb.AuditRequest{})
	op, list := all[len(all)-2], all[len(all)-1]
	want := `h: debit /account/a, credit /account/b, amount 3, description "x, amount 5; h2: debit /account/b"; c: hold h, shares [2], final true`
	if op.Details != want {
		t.Errorf("the op says %s, want %s", op.Details, want)
	}
	if n := len(list.Details); n != 512 || !strings.HasPrefix(list.Details, "t1: debit /account/a") || !strings.HasSuffix(list.Details, "...") {
		t.Errorf("the list says %d bytes: %s", n, list.Details)
	}
}

// TestAuditNamesActors: who acted for whom.
func TestAuditNamesActors(t *testing.T) {
	t.Parallel()
	m, _ := auditedBooks(t)
	m.Principal("/workload/portal")
	var caller command.Caller
	m.View(func(v *command.Reading) {
		caller = command.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate, Issued: v.Time,
			Actors: []command.Actor{{Principal: "/user/first"}, {Principal: "/user/second"}}}
	})
	fsmtest.Must(m.As(caller), ledger.CreateAsset, &pb.CreateAssetRequest{Code: "NEW"})
	all := auditInPages(t, m.Operator, &pb.AuditRequest{Principal: "/user/operator"})
	if got := all[len(all)-1].Actors; !slices.Equal(got, []string{"/user/first", "/user/second"}) {
		t.Errorf("the actors are %q", got)
	}
}

func TestWhoMaySeeTheAudit(t *testing.T) {
	t.Parallel()
	m, member := auditedBooks(t)
	auditor, nobody := m.Principal("/user/auditor", "/role/auditor"), m.Principal("/user/nobody")
	for _, test := range []struct {
		by   *fsmtest.Client
		req  *pb.AuditRequest
		want error
	}{
		{auditor, &pb.AuditRequest{}, nil},
		{auditor, &pb.AuditRequest{Principal: "/user/member"}, nil},
		{member, &pb.AuditRequest{}, fault.Denied},
		{member, &pb.AuditRequest{Account: "/account/a"}, nil},
		{member, &pb.AuditRequest{Account: "/account/none"}, fault.NotFound},
		{member, &pb.AuditRequest{Principal: "/user/member"}, nil},
		{member, &pb.AuditRequest{Principal: "/user/nobody"}, fault.Denied},
		{member, &pb.AuditRequest{Principal: "/user/nobody", Account: "/account/a"}, nil},
		{nobody, &pb.AuditRequest{Principal: "/user/nobody"}, nil},
		{nobody, &pb.AuditRequest{Principal: "/user/nobody", Account: "/account/a"}, fault.Denied},
		{nobody, &pb.AuditRequest{Principal: "/user/member", Account: "/account/a"}, fault.Denied},
		{nobody, &pb.AuditRequest{Account: "/account/a"}, fault.Denied},
		{nobody, &pb.AuditRequest{}, fault.Denied},
	} {
		if _, err := fsmtest.Ask(test.by, ledger.Audit, test.req); !errors.Is(err, test.want) {
			t.Errorf("%v: %v, want %v", test.req, err, test.want)
		}
	}
}

func TestBadAudits(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for _, test := range []struct {
		req  *pb.AuditRequest
		says string
	}{
		{&pb.AuditRequest{Limit: 1001}, "limit 1001: an answer holds at most 1000"},
		{&pb.AuditRequest{Account: "/data/x"}, "account: an account is a path below /account, not /data/x"},
		{&pb.AuditRequest{Account: "/account"}, "account: an account is a path below /account"},
		{&pb.AuditRequest{Principal: "/account/a"}, "principal: a principal is a path below /user or /workload"},
		{&pb.AuditRequest{FromUnixNanos: -1}, "from -1"},
		{&pb.AuditRequest{UntilUnixNanos: -1}, "until -1"},
		{&pb.AuditRequest{FromUnixNanos: 7, UntilUnixNanos: 7}, "from 7 until 7"},
		{&pb.AuditRequest{Cursor: "7"}, `cursor "7"`},
	} {
		_, err := fsmtest.Ask(m.Operator, ledger.Audit, test.req)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v gives %v, want it invalid: %s", test.req, err, test.says)
		}
	}
}

// TestAuditPagesAreBounded: by the lines looked at, of which few may be wanted.
func TestAuditPagesAreBounded(t *testing.T) {
	t.Parallel()
	m, member := auditedBooks(t)
	for range 11 {
		m.Wait(3600e9) // what is listed of an hour has a bound
		commands := make([]*statev1.Command, 1000)
		for i := range commands {
			commands[i] = fsmtest.Command(m.Operator, ledger.CloseAccount, &pb.CloseAccountRequest{Path: "/account/a"})
		}
		m.Apply(commands...)
	}
	if err := payAs(member, "mine", "/account/a", "/account/b", "10"); err != nil {
		t.Fatal(err)
	}
	req := &pb.AuditRequest{Account: "/account/a", Principal: "/user/member"}
	page, err := fsmtest.Ask(m.Operator, ledger.Audit, req)
	if err != nil || len(page.Lines) > 0 || page.Cursor == "" {
		t.Errorf("the first page is %v, %v: want it empty, with more to come", page, err)
	}
	if got := whatOf(auditInPages(t, m.Operator, req)); got != "transfer mine" {
		t.Errorf("in all the lines are %q, want the last", got)
	}
}

// TestRefusalsOfAnHourAreBounded: who is refused for ever does not fill the log.
func TestRefusalsOfAnHourAreBounded(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Wait(3600e9 - m.Position().Time%3600e9) // an hour has just begun
	refuse := func(n int) {
		commands := make([]*statev1.Command, n)
		for i := range commands {
			commands[i] = fsmtest.Command(m.Operator, ledger.CloseAccount, &pb.CloseAccountRequest{Path: "/account/a"})
		}
		m.Apply(commands...)
	}
	count := func() (refused int, last string) {
		for _, l := range auditInPages(t, m.Operator, &pb.AuditRequest{Principal: "/user/operator"}) {
			if l.Refusal != "" {
				refused, last = refused+1, l.What
			}
		}
		return refused, last
	}
	refuse(ledger.MaxRefusals + 10)
	if n, last := count(); n != ledger.MaxRefusals || !strings.HasPrefix(last, "the last of 1000 refusals that are listed of this hour: ") {
		t.Errorf("%d refusals are listed, the last as %q", n, last)
	}
	pay(m, "made", "/account/a", "/account/b", "1") // what is made has its line
	m.Wait(3600e9)
	refuse(1)
	if n, last := count(); n != ledger.MaxRefusals+1 || last != "close \"/account/a\"" {
		t.Errorf("%d refusals are listed, the last as %q", n, last)
	}
}
