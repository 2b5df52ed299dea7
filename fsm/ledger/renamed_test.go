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

// rename gives what is at the path another name, and what is below it with it.
func rename(m *fsmtest.Machine, at path.Path, name string) {
	m.Change(&pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: string(at), Name: name}}})
}

// called gives a client of the principal that has the name now.
func called(m *fsmtest.Machine, name path.Path) *fsmtest.Client {
	return m.As(command.Caller{Principal: name, Method: command.ByCertificate, Issued: m.Position().Time})
}

// TestRenamedIsWhoItWas: who is given another name keeps its part in holds and
// documents, and who is given the one it had has none.
func TestRenamedIsWhoItWas(t *testing.T) {
	t.Parallel()
	const till = "/account/shop/till"
	for what, test := range map[string]struct {
		moves []string // pairs of a path and a new name
		name  path.Path
	}{
		"the principal":     {[]string{"/user/sub/eve", "eva"}, "/user/sub/eva"},
		"what it is in":     {[]string{"/user/sub", "other"}, "/user/other/eve"},
		"one after another": {[]string{"/user/sub/eve", "x", "/user/sub", "y", "/user/y/x", "z"}, "/user/y/z"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := documentBooks(t)
			d.Principal("/user/sub/eve")
			cheque := aCheque("c").GetWriteCheque()
			cheque.Recipient, cheque.Uses = "/user/sub/eve", 3
			hash := mustOpAs(d.alice, writing(cheque), holding(&pb.PlaceHold{
				Id: "h", Debit: "/account/team/x", Credit: till, Amount: "9", Delegate: "/user/sub/eve",
			})).Results[0].Hash
			for i := 0; i < len(test.moves); i += 2 {
				rename(d.Machine, path.Path(test.moves[i]), test.moves[i+1])
			}
			eve := called(d.Machine, test.name)
			another := d.Principal("/user/sub/eve")

			wantRefusedAs(t, d.Machine, another, fault.NotFound, `no document "c"`, cashing(cash("k1", "c", hash, "1")))
			wantRefusedAs(t, d.Machine, another, fault.NotFound, `no hold "h"`, capturing(&pb.CaptureHold{Id: "h1", Hold: "h", Amount: "1"}))
			wantRefusedAs(t, d.Machine, another, fault.NotFound, `no hold "h"`, releasing(&pb.ReleaseHold{Id: "h2", Hold: "h"}))
			held := cash("k2", "c", hash, "1")
			held.Hold = true
			for _, step := range []*pb.Step{
				cashing(cash("k1", "c", hash, "1")), cashing(held), capturing(&pb.CaptureHold{Id: "h1", Hold: "h", Amount: "1"}), receipting("r", "h"),
				capturing(&pb.CaptureHold{Id: "k2:1", Hold: "k2"}),
			} {
				if _, err := opAs(eve, step); err != nil {
					t.Errorf("under its new name it makes %v: %v", step, err)
				}
			}
			for _, id := range []string{"c", "r"} {
				if !seesDocument(t, eve, id) || seesDocument(t, another, id) {
					t.Errorf("document %s is not seen by who it names alone", id)
				}
			}
			wantSound(t, d.Machine)
		})
	}
}

// TestRenamedWriter: a cheque is by a name, and bounces when its writer has that no more,
// whoever has it. It says why.
func TestRenamedWriter(t *testing.T) {
	t.Parallel()
	const name = "cheque c bounces: /user/alice, who wrote it, has gone or has another name"
	for what, test := range map[string]struct {
		spoil func(d *desk)
		says  string
	}{
		"renamed":          {func(d *desk) { rename(d.Machine, "/user/alice", "alicia") }, name},
		"gone":             {func(d *desk) { d.Remove("/user/alice") }, name},
		"another":          {func(d *desk) { rename(d.Machine, "/user/alice", "alicia"); d.Principal("/user/alice", "/role/spender") }, name},
		"without its role": {func(d *desk) { d.Unannotate("/user/alice", "applied-role", 1) }, "who wrote it, may not Spend from the account any more"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := documentBooks(t)
			hash := mustOpAs(d.alice, aCheque("c")).Results[0].Hash
			test.spoil(d)
			wantRefusedAs(t, d.Machine, d.shop, fault.Conflict, test.says, cashing(cash("k", "c", hash, "1")))
		})
	}
	d := documentBooks(t)
	hash := mustOpAs(d.alice, aCheque("c")).Results[0].Hash
	rename(d.Machine, "/user/alice", "alicia")
	rename(d.Machine, "/user/alicia", "alice")
	mustOpAs(d.shop, cashing(cash("k", "c", hash, "1"))) // it has its name again
}

// TestAuditOfAUsedName: who is given a name does not see what was done by who had it
// before, and who may Read it all does.
func TestAuditOfAUsedName(t *testing.T) {
	t.Parallel()
	for what, leave := range map[string]func(m *fsmtest.Machine){
		"removed": func(m *fsmtest.Machine) { m.Remove("/user/member") },
		"renamed": func(m *fsmtest.Machine) { rename(m, "/user/member", "former") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m, first := auditedBooks(t)
			if err := payAs(first, "secret", "/account/a", "/account/b", "1"); err != nil {
				t.Fatal(err)
			}
			mustOpAs(first, transferring(of("secret1", "/account/a", "/account/b", "1")), transferring(of("secret2", "/account/a", "/account/b", "1")))
			leave(m)
			second := m.Principal("/user/member", "/role/member")
			if err := payAs(second, "own1", "/account/a", "/account/b", "1"); err != nil {
				t.Fatal(err)
			}
			mustOpAs(second, transferring(of("own2", "/account/a", "/account/b", "1")), transferring(of("own3", "/account/a", "/account/b", "1")))
			const own, all = "transfer own1; transfer own2, transfer own3", "transfer secret; transfer secret1, transfer secret2; "
			for _, limit := range []uint32{0, 1, 2} {
				if got := whatOf(auditInPages(t, second, &pb.AuditRequest{Principal: "/user/member", Limit: limit})); got != own {
					t.Errorf("in pages of %d it sees %q, want %q", limit, got, own)
				}
				if got := whatOf(auditInPages(t, m.Operator, &pb.AuditRequest{Principal: "/user/member", Limit: limit})); got != all+own {
					t.Errorf("in pages of %d an operator sees %q", limit, got)
				}
			}
			// Of an account it sees all lines, and of another's that of one step.
			got := whatOf(auditInPages(t, second, &pb.AuditRequest{Principal: "/user/member", Account: "/account/b"}))
			if want := "transfer secret; ; " + own; got != want {
				t.Errorf("of the account it sees %q, want %q", got, want)
			}
		})
	}
}

// TestAuditOfSeveralSteps: the ids of steps beside those about an account are told to who
// may Read it all and to who made them, and not to who may Read the account.
func TestAuditOfSeveralSteps(t *testing.T) {
	t.Parallel()
	m, member := auditedBooks(t)
	m.Clause("/account/a", command.Read, "/role/boss")
	m.Clause("/account/b", command.Read, "/role/boss", "/role/reader")
	reader := m.Principal("/user/reader", "/role/reader", "/role/member")
	hold := holding(&pb.PlaceHold{Id: "h", Debit: "/account/a", Credit: "/account/b", Amount: "1", LifetimeSeconds: 1})
	mustOpAs(member, transferring(of("one", "/account/a", "/account/b", "1")))
	mustOpAs(member, hold, transferring(of("two", "/account/a", "/account/b", "1")))
	for _, list := range [][]*pb.Transfer{
		{of("three", "/account/a", "/account/b", "1")},
		{of("four", "/account/a", "/account/b", "1"), of("five", "/account/a", "/account/b", "1")},
		{of("six", "/account/a", "/account/b", "1"), of("seven", "/account/a", "/account/b", "9999")},
	} {
		_, err := fsmtest.Do(member, ledger.Transfer, &pb.TransferRequest{Transfers: list})
		if (err != nil) != (list[0].Id == "six") {
			t.Fatal(err)
		}
	}
	mustOpAs(reader, transferring(of("own1", "/account/b", "/account/a", "1")), transferring(of("own2", "/account/b", "/account/a", "1")))
	m.Wait(2e9)
	pay(m, "last", "/account/bank", "/account/b", "1")
	const (
		opened = "open /account/b, asset USD; "
		shown  = "transfer one; hold h, transfer two; transfer three; 2 transfers, the first four; 2 transfers, the first six insufficient; transfer own1, transfer own2"
		hidden = "transfer one; ; transfer three; ; insufficient; transfer own1, transfer own2"
	)
	for _, test := range []struct {
		by   *fsmtest.Client
		req  *pb.AuditRequest
		want string
	}{
		{m.Operator, &pb.AuditRequest{Account: "/account/b"}, opened + shown + "; holds that expired: 1, the first h; transfer last"},
		{reader, &pb.AuditRequest{Account: "/account/b"}, opened + hidden + "; ; transfer last"},
		{reader, &pb.AuditRequest{Account: "/account/b", Principal: "/user/reader"}, "transfer own1, transfer own2"},
		{reader, &pb.AuditRequest{Principal: "/user/reader"}, "transfer own1, transfer own2"},
		{member, &pb.AuditRequest{Principal: "/user/member"}, shown[:len(shown)-len("; transfer own1, transfer own2")]},
	} {
		if got := whatOf(auditInPages(t, test.by, test.req)); got != test.want {
			t.Errorf("%v gives\n\t%q\nwant\n\t%q", test.req, got, test.want)
		}
	}
}
