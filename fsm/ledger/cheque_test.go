package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const hour = 3600 * 1_000_000_000

// aCheque is one of the team's for the shop: of 100.00, cashed once, for an hour.
func aCheque(id string) *pb.Step {
	return writing(&pb.WriteCheque{
		Id: id, Account: "/account/team/x", Recipient: "/workload/shop", Resource: "disk", Ceiling: "100", LifetimeSeconds: 3600,
	})
}

// operatorsCheque is one of account a for the operator.
func operatorsCheque(id string) *pb.Step {
	return writing(&pb.WriteCheque{Id: id, Account: "/account/a", Recipient: "/user/operator", Resource: "disk", Ceiling: "100", Uses: 3})
}

// cash cashes a cheque of the team.
func cash(id, cheque, hash, amount string) *pb.CashCheque {
	return &pb.CashCheque{Id: id, Cheque: cheque, Hash: hash, Resource: "disk", Amount: amount, Credit: "/account/shop/till"}
}

// wantCheque compares where a cheque stands: "state version uses cashed".
func wantCheque(t *testing.T, m *fsmtest.Machine, id, want string) {
	t.Helper()
	d := documentOf(t, m, id)
	if got := fmt.Sprint(d.State, " ", d.Version, " ", d.Uses, " ", d.Cashed); got != want {
		t.Errorf("cheque %s is %s, want %s", id, got, want)
	}
	if d.Type != "cheque" || d.Paid+d.Credited+d.Open != "" {
		t.Errorf("cheque %s is %v", id, d)
	}
}

func TestChequeText(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	res := mustOpAs(d.alice, writing(&pb.WriteCheque{
		Id: "c1", Account: "am://account/team/x/", Recipient: "am://workload/shop", Resource: "a \"disk\"\u00a0é", Ceiling: "12.5",
		ExpiresUnixNanos: 1_800_000_000_000_000_000, Description: "for <March>",
	}))
	got := documentOf(t, d.Machine, "c1")
	wantText(t, got,
		"acquired cheque v1", "id: c1", "time: "+plainInstant(got.UnixNanos), "by: /user/alice", "account: /account/team/x", "asset: USD",
		"recipient: /workload/shop", `resource: "a \"disk\"\u00a0\u00e9"`, "ceiling: 12.50", "uses: 1",
		"expires: 2027-01-15T08:00:00Z", `description: "for <March>"`)
	if r := res.Results[0]; r.Hash != got.Hash || r.Amount != "" || r.Index != got.Index {
		t.Errorf("writing the cheque gives %v, the document is %v", r, got)
	}
	wantCheque(t, d.Machine, "c1", "open 1 0 0.00")
	wantBalance(t, d.Machine, "/account/team/x", "-0.00 +1000.00 1000.00")
}

func TestChequeIsCashed(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	hash := mustOpAs(d.alice, writing(&pb.WriteCheque{
		Id: "c", Account: "/account/team/x", Recipient: "/workload/shop", Resource: "disk", Ceiling: "100", Uses: 3,
	})).Results[0].Hash
	first := mustOpAs(d.shop, cashing(cash("c1", "c", hash, "60"))).Results[0]
	if first.Amount != "60.00" || first.Hash != "" {
		t.Errorf("cashing gives %v", first)
	}
	wantCheque(t, d.Machine, "c", "open 2 1 60.00")
	wantBalance(t, d.Machine, "/account/shop/till", "-0.00 +60.00 60.00")

	// A second time with the same id moves nothing and answers the same.
	if again := mustOpAs(d.shop, cashing(cash("c1", "c", hash, "60"))).Results[0]; !again.Existing || again.Amount != first.Amount {
		t.Errorf("cashing again with the same id gives %v", again)
	}
	wantRefusedAs(t, d.Machine, d.shop, fault.Insufficient, "of cheque c 40.00 USD are left, 40.01 is asked for", cashing(cash("c2", "c", hash, "40.01")))
	mustOpAs(d.shop, cashing(cash("c3", "c", hash, "40")))
	wantCheque(t, d.Machine, "c", "spent 3 2 100.00")
	wantBalance(t, d.Machine, "/account/team/x", "-100.00 +1000.00 900.00")
	wantBalance(t, d.Machine, "/account/shop/till", "-0.00 +100.00 100.00")
}

// chequeStates bring a cheque into each of its states. They give its hash.
var chequeStates = map[string]func(*desk) string{
	"open": func(d *desk) string { return mustOpAs(d.alice, aCheque("c")).Results[0].Hash },
	"spent": func(d *desk) string {
		hash := mustOpAs(d.alice, aCheque("c")).Results[0].Hash
		mustOpAs(d.shop, cashing(cash("before", "c", hash, "1")))
		return hash
	},
	"cancelled": func(d *desk) string {
		return mustOpAs(d.alice, aCheque("c"), cancelling("before", "c")).Results[0].Hash
	},
	"expired": func(d *desk) string {
		hash := mustOpAs(d.alice, aCheque("c")).Results[0].Hash
		d.Wait(hour)
		d.Apply()
		return hash
	},
}

// TestChequeStates: what can be done with a cheque in each state, by whom.
func TestChequeStates(t *testing.T) {
	t.Parallel()
	type kinds = map[string]fault.Kind
	cash := func(hash string) *pb.Step { return cashing(cash("new", "c", hash, "1")) }
	cancel := func(string) *pb.Step { return cancelling("new", "c") }
	const hidden, ended = fault.NotFound, fault.Conflict
	for _, test := range []struct {
		name string
		step func(hash string) *pb.Step
		open kinds // what each hears of an open cheque; of others who may hears "ended"
	}{
		{"cash", cash, kinds{"shop": "", "alice": fault.Denied, "bob": fault.Denied, "auditor": fault.Denied, "operator": fault.Denied, "stranger": hidden}},
		{"cancel", cancel, kinds{"shop": fault.Denied, "alice": "", "bob": "", "auditor": fault.Denied, "operator": "", "stranger": hidden}},
	} {
		for state, bring := range chequeStates {
			for who, want := range test.open {
				t.Run(test.name+" "+state+" by "+who, func(t *testing.T) {
					t.Parallel()
					d := documentBooks(t)
					hash := bring(d)
					by := map[string]*fsmtest.Client{
						"shop": d.shop, "alice": d.alice, "bob": d.bob, "auditor": d.auditor, "operator": d.Operator, "stranger": d.stranger,
					}[who]
					if want == "" && state != "open" {
						want = ended
					}
					before, stood := d.Hash(), documentOf(t, d.Machine, "c")
					if stood.State != state {
						t.Fatalf("the cheque is %s, want %s", stood.State, state)
					}
					_, err := opAs(by, test.step(hash))
					wantKindOf(t, test.name, err, want)
					is := documentOf(t, d.Machine, "c")
					switch {
					case want == "" && (is.Version != stood.Version+1 || is.State == "open"):
						t.Errorf("the cheque became %v", is)
					case want != "" && d.Hash() != before:
						t.Errorf("the refusal changed the state")
					case want == ended && !strings.Contains(err.Error(), "cheque c is "+state):
						t.Errorf("the refusal says %v, want that it is %s", err, state)
					case want == hidden && err.Error() != `step 0 (`+kindName(test.step(hash))+` "new"): no document "c"`:
						t.Errorf("the refusal says %v", err)
					}
				})
			}
		}
	}
}

func kindName(s *pb.Step) string {
	m := s.ProtoReflect()
	return string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name())
}

// TestChequeBounces: what was promised is not there any more, or is not what was
// promised. Nothing changes.
func TestChequeBounces(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*desk, *pb.CashCheque)
		want  fault.Kind
		says  string
	}{
		"no funds": {
			func(d *desk, _ *pb.CashCheque) { pay(d.Machine, "drain", "/account/team/x", "/account/bank", "999.99") },
			fault.Insufficient, "cheque c bounces: account /account/team/x has not 1.00 USD available"},
		"funds that are held": {
			func(d *desk, _ *pb.CashCheque) {
				mustOp(d.Machine, holding(&pb.PlaceHold{Id: "h", Debit: "/account/team/x", Credit: "/account/bank", Amount: "1000"}))
			},
			fault.Insufficient, "cheque c bounces: account /account/team/x has not 1.00"},
		"another hash":          {func(_ *desk, s *pb.CashCheque) { s.Hash = strings.Repeat("0", 64) }, fault.Conflict, "document c has another hash"},
		"another resource":      {func(_ *desk, s *pb.CashCheque) { s.Resource = "disk " }, fault.Conflict, `cheque c is for "disk", not "disk "`},
		"more than it promises": {func(_ *desk, s *pb.CashCheque) { s.Amount = "100.01" }, fault.Insufficient, "of cheque c 100.00 USD are left"},
		"the account is frozen": {func(d *desk, _ *pb.CashCheque) { freeze(d.Machine, "/account/team/x") }, fault.Conflict, "account /account/team/x is frozen"},
		"who is paid is frozen": {func(d *desk, _ *pb.CashCheque) { freeze(d.Machine, "/account/shop/till") }, fault.Conflict, "account /account/shop/till is frozen"},
		"a ceiling": {
			func(d *desk, s *pb.CashCheque) {
				open(d.Machine, "/account/shop/small", "USD", "", "0.99")
				s.Credit = "/account/shop/small"
			}, fault.Insufficient, "has no room for 1.00 USD"},
		"the writer lost its role": {
			func(d *desk, _ *pb.CashCheque) { d.Unannotate("/user/alice", "applied-role", 1) },
			fault.Conflict, "cheque c bounces: /user/alice, who wrote it, may not Spend from the account any more"},
		"the account asks for more": {
			func(d *desk, _ *pb.CashCheque) { d.Clause("/account/team/x", command.Spend, "/role/treasurer") }, fault.Conflict, "bounces"},
		"the writer is gone": {func(d *desk, _ *pb.CashCheque) { d.Remove("/user/alice") }, fault.Conflict, "bounces"},
		"the writer is another": {
			func(d *desk, _ *pb.CashCheque) {
				d.Remove("/user/alice")
				d.Principal("/user/alice", "/role/spender")
			}, fault.Conflict, "bounces"},
	} {
		for _, hold := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " hold ", hold), func(t *testing.T) {
				t.Parallel()
				d := documentBooks(t)
				s := cash("new", "c", mustOpAs(d.alice, aCheque("c")).Results[0].Hash, "1")
				s.Hold = hold
				test.spoil(d, s)
				before, stood := documentOf(t, d.Machine, "c"), trialBalance(t, d.Machine)
				wantRefusedAs(t, d.Machine, d.shop, test.want, test.says, cashing(s))
				if is := documentOf(t, d.Machine, "c"); is.Version != before.Version || is.State != "open" {
					t.Errorf("the cheque that bounced is %v", is)
				}
				if got := trialBalance(t, d.Machine); got != stood {
					t.Errorf("the books are %s, they were %s", got, stood)
				}
			})
		}
	}
}

// TestNameOfTheRecipient: who was made by the same command, and is given the name of the
// recipient, cannot cash.
func TestNameOfTheRecipient(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	create := func(p string) *pb.Change {
		return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p}}}
	}
	fsmtest.Must(d.Operator, acl.Change, &pb.ChangeRequest{Changes: []*pb.Change{create("/user/one"), create("/user/two")}})
	s := aCheque("c")
	s.GetWriteCheque().Recipient = "/user/one"
	hash := mustOpAs(d.alice, s).Results[0].Hash
	d.Remove("/user/one")
	d.Change(&pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: "/user/two", Name: "one"}}})
	two := d.Principal("/user/one", "/role/spender")
	wantRefusedAs(t, d.Machine, two, fault.Denied, "cheque c is for another, who was /user/one when it was written", cashing(cash("c1", "c", hash, "1")))
}

// TestBouncedIDStaysBounced: whatever has become possible since. The cheque can be
// cashed under another id.
func TestBouncedIDStaysBounced(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	hash := mustOpAs(d.alice, aCheque("c")).Results[0].Hash
	pay(d.Machine, "drain", "/account/team/x", "/account/bank", "1000")
	const says = "cheque c bounces: account /account/team/x has not 60.00 USD available"
	wantRefusedAs(t, d.Machine, d.shop, fault.Insufficient, says, cashing(cash("c1", "c", hash, "60")))
	pay(d.Machine, "funds", "/account/bank", "/account/team/x", "100")
	wantRefusedAs(t, d.Machine, d.shop, fault.Insufficient, says, cashing(cash("c1", "c", hash, "60")))
	mustOpAs(d.shop, cashing(cash("c2", "c", hash, "60")))
	wantCheque(t, d.Machine, "c", "spent 2 1 60.00")
}

// TestChequeByAToken: what a token gives for the time of a call is not enough for
// what is cashed later.
func TestChequeByAToken(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	d.Principal("/user/carol")
	fsmtest.Must(d.Operator, identity.RecordIssuer, &statev1.RecordIssuerRequest{Keys: []byte(`{"keys":[]}`), Issuer: &pb.Issuer{
		Issuer: "https://ci", Audience: "acquired", Algorithm: "EdDSA", Subject: "/user/{sub}",
		Scopes: []*pb.ScopeRoles{{Scope: "spend", Roles: []string{"/role/spender"}}},
	}})
	caller := command.Caller{Method: command.ByIssuer, Issued: d.Position().Time, Issuer: "https://ci", Scopes: []string{"spend"}}
	d.View(func(v *command.Reading) {
		i, _ := identity.IssuerNamed(v, caller.Issuer)
		caller.IssuerIndex = i.Index
	})
	caller.Principal = "/user/carol"
	carol := d.As(caller)
	mustOpAs(carol, transferring(of("t", "/account/team/x", "/account/b", "1")))
	wantRefusedAs(t, d.Machine, carol, fault.Denied, "/user/carol may Spend from /account/team/x by what its token gives alone", aCheque("c"))
	caller.Principal = "/user/alice"
	mustOpAs(d.As(caller), aCheque("c"))
}

func freeze(m *fsmtest.Machine, account string) {
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: account, Frozen: new(true)})
}

// TestBadCheques: what is refused whatever the cheque says.
func TestBadCheques(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	hash := mustOpAs(d.alice, aCheque("c")).Results[0].Hash
	for says, change := range map[string]func(*pb.CashCheque){
		"debit and credit are the same account": func(s *pb.CashCheque) { s.Credit = "/account/team/x" },
		"a transfer stays in one asset":         func(s *pb.CashCheque) { s.Credit = "/account/eur" },
		"the amount is nothing":                 func(s *pb.CashCheque) { s.Amount = "0.00" },
		"amount is empty":                       func(s *pb.CashCheque) { s.Amount = "" },
		"1.001":                                 func(s *pb.CashCheque) { s.Amount = "1.001" },
		"a hash is 64 of 0-9 and a-f":           func(s *pb.CashCheque) { s.Hash = strings.ToUpper(s.Hash) },
		"resource of 0 bytes":                   func(s *pb.CashCheque) { s.Resource = "" },
		"lifetime_seconds is for a hold":        func(s *pb.CashCheque) { s.LifetimeSeconds = 1 },
		"description of 257 bytes":              func(s *pb.CashCheque) { s.Description = strings.Repeat("x", 257) },
		"cheque: id":                            func(s *pb.CashCheque) { s.Cheque = "" },
		"credit: ":                              func(s *pb.CashCheque) { s.Credit = "/user/alice" },
	} {
		s := cash("new", "c", hash, "1")
		change(s)
		wantRefusedAs(t, d.Machine, d.shop, fault.Invalid, says, cashing(s))
	}
	s := cash("new", "c", hash, "1")
	s.Credit = "/account/nowhere"
	wantRefusedAs(t, d.Machine, d.shop, fault.NotFound, "credit: nothing at /account/nowhere", cashing(s))

	for says, change := range map[string]func(*pb.WriteCheque){
		"recipient: ":                          func(s *pb.WriteCheque) { s.Recipient = "/account/shop/till" },
		`recipient: path "" must begin`:        func(s *pb.WriteCheque) { s.Recipient = "" },
		"resource of 257 bytes":                func(s *pb.WriteCheque) { s.Resource = strings.Repeat("x", 257) },
		"ceiling is nothing":                   func(s *pb.WriteCheque) { s.Ceiling = "0" },
		"ceiling: amount is empty":             func(s *pb.WriteCheque) { s.Ceiling = "" },
		"1000001 uses":                         func(s *pb.WriteCheque) { s.Uses = 1_000_001 },
		"expires_unix_nanos and lifetime":      func(s *pb.WriteCheque) { s.ExpiresUnixNanos = 1_800_000_000_000_000_000 },
		"the expiry is before 1970":            func(s *pb.WriteCheque) { s.ExpiresUnixNanos, s.LifetimeSeconds = -1, 0 },
		"it has at most 315619200":             func(s *pb.WriteCheque) { s.LifetimeSeconds = 315619201 },
		"account: an account is a path below":  func(s *pb.WriteCheque) { s.Account = "/account" },
		`description "\n" has a control`:       func(s *pb.WriteCheque) { s.Description = "\n" },
		"resource of 0 bytes: it has 1 to 256": func(s *pb.WriteCheque) { s.Resource = "" },
	} {
		s := aCheque("new")
		change(s.GetWriteCheque())
		wantRefusedAs(t, d.Machine, d.alice, fault.Invalid, says, s)
	}
	past := aCheque("past")
	past.GetWriteCheque().ExpiresUnixNanos, past.GetWriteCheque().LifetimeSeconds = 1, 0
	wantRefusedAs(t, d.Machine, d.alice, fault.Conflict, "is not after the log time", past)
	wantRefusedAs(t, d.Machine, d.shop, fault.Denied, "/workload/shop may not Spend /account/team/x", aCheque("new"))
	freeze(d.Machine, "/account/team/x")
	wantRefusedAs(t, d.Machine, d.alice, fault.Conflict, "account /account/team/x is frozen", aCheque("frozen"))
	wantKindOf(t, "cancelling a cheque of a frozen account", func() error { _, err := opAs(d.alice, cancelling("end", "c")); return err }(), "")
}

// TestChequeIsGoodUntilItExpires: to the nanosecond.
func TestChequeIsGoodUntilItExpires(t *testing.T) {
	t.Parallel()
	for _, late := range []int64{-1, 0} {
		d := documentBooks(t)
		d.EntryNanos = 1
		res := mustOpAs(d.alice, aCheque("c")).Results[0]
		d.Wait(hour + late - 1)
		_, err := opAs(d.shop, cashing(cash("c1", "c", res.Hash, "1")))
		if late < 0 {
			wantKindOf(t, "cashing a nanosecond before the expiry", err, "")
		} else {
			wantKindOf(t, "cashing at the expiry", err, fault.Conflict)
			wantCheque(t, d.Machine, "c", "expired 1 0 0.00")
		}
	}
}

// TestOperatorsCheque: an operator, who need not be in the tree, may always spend.
func TestOperatorsCheque(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	hash := mustOp(d.Machine, aCheque("c")).Results[0].Hash
	d.Clause("/account/team/x", command.Spend, "/role/nobody")
	mustOpAs(d.shop, cashing(cash("c1", "c", hash, "1")))
	wantCheque(t, d.Machine, "c", "spent 2 1 1.00")
}

// TestAHiddenAccountIsNotAHiddenCheque: who has a part in the cheque is told that
// it may not, also where it may not View the account.
func TestAHiddenAccountIsNotAHiddenCheque(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	mustOpAs(d.alice, aCheque("c"))
	d.Clause("/account/team", command.View, "/role/spender")
	wantRefusedAs(t, d.Machine, d.shop, fault.Denied, "/workload/shop may not Spend what document c names", cancelling("new", "c"))
	wantRefusedAs(t, d.Machine, d.stranger, fault.NotFound, `no document "c"`, cancelling("new", "c"))
}

// TestACancellersName: who is given the name of a writer later did not write the
// cheque.
func TestACancellersName(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	mustOpAs(d.alice, aCheque("c"))
	d.Remove("/user/alice")
	another := d.Principal("/user/alice")
	wantRefusedAs(t, d.Machine, another, fault.NotFound, `no document "c"`, cancelling("new", "c"))
	mustOpAs(d.bob, cancelling("newer", "c"))
	wantCheque(t, d.Machine, "c", "cancelled 2 0 0.00")
}

// TestChequeIsCashedIntoAHold: it ends with the cheque, and goes on when that is
// cancelled. The recipient captures.
func TestChequeIsCashedIntoAHold(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	written := mustOpAs(d.alice, writing(&pb.WriteCheque{
		Id: "c", Account: "/account/team/x", Recipient: "/workload/shop", Resource: "disk", Ceiling: "100", Uses: 3, LifetimeSeconds: 3600,
	}))
	hash, expires := written.Results[0].Hash, documentOf(t, d.Machine, "c").UnixNanos+hour
	into := func(id, amount string, lifetime uint64) *pb.Step {
		s := cash(id, "c", hash, amount)
		s.Hold, s.LifetimeSeconds, s.Credit = true, lifetime, "/account/b" // not the shop's
		return cashing(s)
	}
	if r := mustOpAs(d.shop, into("h1", "40", 0)).Results[0]; r.Amount != "40.00" {
		t.Errorf("cashing into a hold gives %v", r)
	}
	mustOpAs(d.shop, into("h2", "60", 60))
	wantCheque(t, d.Machine, "c", "spent 3 2 100.00")
	wantFunds(t, d.Machine, "/account/team/x", "1000.00 -100.00 +0.00")

	for id, want := range map[string]int64{"h1": expires, "h2": 0} {
		h, err := fsmtest.Ask(d.shop, ledger.Hold, &pb.HoldRequest{Id: id})
		if err != nil || h.Document != "c" || h.Delegate != "/workload/shop" || want != 0 && h.ExpiresUnixNanos != want {
			t.Errorf("hold %s is %v, %v, want one of cheque c that expires at %d", id, h, err, want)
		}
	}
	for _, more := range []*pb.ExtendHold{{Id: "x1", Hold: "h1", ExpiresUnixNanos: expires + 1}, {Id: "x2", Hold: "h1", Amount: "1"}} {
		wantRefusedAs(t, d.Machine, d.alice, fault.Conflict, "hold h1 came of document c", extending(more))
	}
	mustOpAs(d.shop, capturing(&pb.CaptureHold{Id: "h1:1", Hold: "h1", Amount: "30"}))
	d.Wait(hour)
	d.Apply()
	wantHold(t, d.Machine, "h1", "expired 40.00 30.00 0.00 10.00")
	wantHold(t, d.Machine, "h2", "expired 60.00 0.00 0.00 60.00")
	wantCheque(t, d.Machine, "c", "spent 3 2 100.00") // what was not captured is not promised again
}

func TestCancelledChequeLeavesItsHolds(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	hash := mustOpAs(d.alice, writing(&pb.WriteCheque{
		Id: "c", Account: "/account/team/x", Recipient: "/workload/shop", Resource: "disk", Ceiling: "100", Uses: 3,
	})).Results[0].Hash
	s := cash("h", "c", hash, "40")
	s.Hold = true
	mustOpAs(d.shop, cashing(s))
	mustOpAs(d.alice, cancelling("end", "c"))
	mustOpAs(d.shop, capturing(&pb.CaptureHold{Id: "h:1", Hold: "h"}))
	wantCheque(t, d.Machine, "c", "cancelled 3 1 40.00")
	wantBalance(t, d.Machine, "/account/shop/till", "-0.00 +40.00 40.00")
}

// TestChequeOfAnAccountThatIsGone: it can not be cashed, whoever has the path now.
func TestChequeOfAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	d := documentBooks(t)
	fsmtest.Must(d.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/team/y", Asset: "USD", Kind: "ephemeral"})
	pay(d.Machine, "in", "/account/bank", "/account/team/y", "10")
	s := aCheque("c")
	s.GetWriteCheque().Account = "/account/team/y"
	hash := mustOpAs(d.alice, s).Results[0].Hash
	pay(d.Machine, "out", "/account/team/y", "/account/bank", "10")
	wantCheque(t, d.Machine, "c", "open 1 0 0.00") // to the operator, who may Read nothing that it names
	open(d.Machine, "/account/team/y", "USD", ledger.Unlimited, "")
	wantRefusedAs(t, d.Machine, d.shop, fault.Conflict, "account /account/team/y is gone", cashing(cash("c1", "c", hash, "1")))
	wantBalance(t, d.Machine, "/account/team/y", "-0.00 +0.00 unlimited")
	mustOpAs(d.alice, cancelling("end", "c"))
}

// TestChequesKeepTheirPromise: whatever is tried, no more is cashed than promised,
// in amount and in times, and what was cashed is what the recipient has.
func TestChequesKeepTheirPromise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newBooks(t)
		ceiling, uses := rapid.Uint64Range(1, 50).Draw(t, "ceiling"), rapid.Uint32Range(1, 4).Draw(t, "uses")
		hash := mustOp(m, writing(&pb.WriteCheque{
			Id: "c", Account: "/account/a", Recipient: "/user/operator", Resource: "disk", Ceiling: fmt.Sprint(ceiling), Uses: uses, LifetimeSeconds: 3600,
		})).Results[0].Hash
		var cashed uint64
		var times uint32
		state := "open"
		for i := range rapid.IntRange(1, 10).Draw(t, "steps") {
			id := fmt.Sprint("step-", i)
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				_, err := op(m, cancelling(id, "c"))
				if (err == nil) != (state == "open") {
					t.Fatalf("cancelling a cheque that is %s: %v", state, err)
				}
				if err == nil {
					state = "cancelled"
				}
			case 1:
				m.Wait(hour / 2)
				m.Apply()
				if d := documentOf(t, m, "c"); state == "open" && d.State == "expired" {
					state = "expired"
				}
			default:
				amount := rapid.Uint64Range(1, 30).Draw(t, "amount")
				_, err := op(m, cashing(&pb.CashCheque{
					Id: id, Cheque: "c", Hash: hash, Resource: "disk", Amount: fmt.Sprint(amount), Credit: "/account/b",
					Hold: rapid.Bool().Draw(t, "hold"),
				}))
				if want := state == "open" && cashed+amount <= ceiling; (err == nil) != want {
					t.Fatalf("cashing %d of a cheque that is %s with %d of %d cashed in %d of %d: %v", amount, state, cashed, ceiling, times, uses, err)
				}
				if err == nil {
					cashed, times = cashed+amount, times+1
				}
				if state == "open" && (cashed == ceiling || times == uses) {
					state = "spent"
				}
			}
			d := documentOf(t, m, "c")
			if got, want := fmt.Sprint(d.State, " ", d.Uses, " ", d.Cashed), fmt.Sprintf("%s %d %d.00", state, times, cashed); got != want {
				t.Fatalf("the cheque is %s, want %s", got, want)
			}
		}
	})
}
