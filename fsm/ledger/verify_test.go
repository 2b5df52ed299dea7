package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// verify verifies the state of a machine.
func verify(t fsmtest.T, m *fsmtest.Machine) (res *pb.VerifyResponse) {
	t.Helper()
	m.View(func(v *command.Reading) {
		var err error
		if res, err = ledger.Verify(v, func(*pb.VerifyResponse) error { return nil }); err != nil {
			t.Fatalf("Verify: %v", err)
		}
	})
	return res
}

// wantSound wants the books to agree.
func wantSound(t fsmtest.T, m *fsmtest.Machine) *pb.VerifyResponse {
	t.Helper()
	res := verify(t, m)
	for _, finding := range res.Findings {
		t.Fatalf("of sound books it is found: %s", finding)
	}
	return res
}

// mixedBooks has something of everything.
func mixedBooks(t fsmtest.T) *fsmtest.Machine {
	m := newBooks(t)
	for _, req := range []*pb.OpenAccountRequest{
		{Path: "/account/job", Kind: "ephemeral", Asset: "USD"},
		{Path: "/account/brief", Kind: "ephemeral", Asset: "USD"},
		{Path: "/account/through", Kind: "transient", Asset: "USD"},
		{Path: "/account/low", Asset: "USD", Overdraft: "50", Ceiling: "500", HoldOverdraft: true, Metadata: []*pb.Metadatum{{Key: "k", Value: "v"}}},
		{Path: "/account/unused", Asset: "EUR"},
	} {
		fsmtest.Must(m.Operator, ledger.OpenAccount, req)
	}
	start := m.Position().Time
	m.Wait(1000)
	mustOp(m,
		transferring(of("in", "/account/bank", "/account/through", "5")),
		transferring(of("out", "/account/through", "/account/b", "5")),
		transferring(&pb.Transfer{Id: "split", Debit: "/account/a", ThenDebit: []string{"/account/bank"}, Amount: "120", Shares: []*pb.Share{
			{Credit: "/account/b", Weight: 2}, {Credit: "/account/low", Weight: 1},
		}}),
		transferring(&pb.Transfer{Id: "nothing", Debit: "/account/a", Credit: "/account/b", Amount: "9", UpTo: true}),
	)
	for i, nanos := range []int64{start, start + 1, start, start + 300} {
		mustOp(m, transferring(&pb.Transfer{
			Id: fmt.Sprint("late", i), Debit: "/account/bank", Credit: "/account/b", Amount: "1", EffectiveUnixNanos: nanos,
		}))
	}
	fsmtest.Must(m.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: start + 500, Name: "first"})
	mustOp(m,
		transferring(of("fund", "/account/bank", "/account/brief", "1")),
		transferring(of("spend", "/account/brief", "/account/b", "1")),
		transferring(of("keep", "/account/bank", "/account/job", "3")),
	)
	for i := range 5 {
		mustOp(m, holding(&pb.PlaceHold{Id: fmt.Sprint("hold", i), Debit: "/account/b", Credit: "/account/low", Amount: "10", LifetimeSeconds: uint64(i + 1), Delegate: "/user/operator"}))
	}
	mustOp(m,
		capturing(&pb.CaptureHold{Id: "c1", Hold: "hold1", Amount: "4", Shares: []*pb.Share{
			{Credit: "/account/a", Weight: 1}, {Credit: "/account/low", Weight: 1}, {Credit: "/account/bank", Weight: 2},
		}}),
		capturing(&pb.CaptureHold{Id: "c2", Hold: "hold1", Final: true, Amount: "1"}),
		releasing(&pb.ReleaseHold{Id: "r1", Hold: "hold2"}),
		extending(&pb.ExtendHold{Id: "e1", Hold: "hold3", Amount: "2"}),
		capturing(&pb.CaptureHold{Id: "c3", Hold: "hold3", Amount: "3"}),
	)
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/b", DailyLimit: ptr("1000")})
	addDocuments(m)
	m.Wait(1_000_000_000)
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/unused", Frozen: ptr(true)})
	if _, err := transfer(m, of("too much", "/account/job", "/account/b", "1000")); err == nil {
		t.Fatalf("more than there is was moved")
	}
	return m
}

// addDocuments adds documents of all types, used up, in part and not at all.
func addDocuments(m *fsmtest.Machine) {
	write := func(id string, uses uint32) *pb.Step {
		return &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
			Id: id, Account: "/account/bank", Recipient: "/user/operator", Resource: "r", Ceiling: "10", Uses: uses,
		}}}
	}
	cash := func(id, cheque, hash string, hold bool) *pb.Step {
		return &pb.Step{Step: &pb.Step_CashCheque{CashCheque: &pb.CashCheque{
			Id: id, Cheque: cheque, Hash: hash, Resource: "r", Amount: "2", Credit: "/account/b", Hold: hold,
		}}}
	}
	issue := func(id string) *pb.Step {
		return &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: &pb.IssueInvoice{
			Id: id, Receivable: "/account/low", Revenue: "/account/b", Lines: []*pb.InvoiceLine{{Description: "work", Amount: "5"}},
		}}}
	}
	settle := func(id, invoice, hash, amount string) *pb.Step {
		return &pb.Step{Step: &pb.Step_PayInvoice{PayInvoice: &pb.PayInvoice{
			Id: id, Invoice: invoice, Hash: hash, Debit: "/account/bank", Amount: amount,
		}}}
	}
	refund := func(id, of, amount string) *pb.Step {
		return &pb.Step{Step: &pb.Step_Refund{Refund: &pb.Refund{Id: id, Of: of, Amount: amount}}}
	}
	fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: "/account/bank", HoldOverdraft: ptr(true)})
	made := mustOp(m, write("cheque1", 3), write("cheque2", 1), write("cheque3", 0), issue("invoice1"), issue("invoice2"), issue("invoice3"),
		&pb.Step{Step: &pb.Step_Exchange{Exchange: &pb.Exchange{
			Id: "exchange", Debit: "/account/bank", BrokerCredit: "/account/b", BrokerDebit: "/account/eur", Credit: "/account/unused",
			Amount: "7", RateNumerator: 2, RateDenominator: 3,
		}}},
		&pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: "receipt", Hold: "hold1"}}},
	).Results
	mustOp(m,
		cash("cash1", "cheque1", made[0].Hash, false), cash("cash2", "cheque1", made[0].Hash, true), cash("cash3", "cheque2", made[1].Hash, false),
		&pb.Step{Step: &pb.Step_CancelCheque{CancelCheque: &pb.CancelCheque{Id: "cancel", Cheque: "cheque3"}}},
		settle("pay1", "invoice1", made[3].Hash, "3"), settle("pay2", "invoice2", made[4].Hash, "4"),
		&pb.Step{Step: &pb.Step_CreditInvoice{CreditInvoice: &pb.CreditInvoice{Id: "credit", Invoice: "invoice2", Amount: "1", Description: "late"}}},
		&pb.Step{Step: &pb.Step_VoidInvoice{VoidInvoice: &pb.VoidInvoice{Id: "void", Invoice: "invoice3"}}},
		refund("refund1", "late1", "0.40"), refund("refund2", "late2", ""),
		extending(&pb.ExtendHold{Id: "longer", Hold: "hold4", Amount: "1"}),
	)
}

func TestVerifyOfSoundBooks(t *testing.T) {
	t.Parallel()
	m := mixedBooks(t)
	res := wantSound(t, m)
	got := fmt.Sprintf("%d entries %d lines %d accounts %d holds %d assets %d documents", res.Entries, res.Lines, res.Accounts, res.Holds, res.Assets, res.Documents)
	if want := "44 entries 33 lines 8 accounts 6 holds 3 assets 10 documents"; got != want {
		t.Errorf("verified are %s, want %s", got, want)
	}
	if res.Index != m.Position().Index || len(res.Head) != 64 {
		t.Errorf("at index %d, with the head %q", res.Index, res.Head)
	}
	if res := verify(t, newBooks(t)); len(res.Findings) > 0 {
		t.Errorf("of books that were only opened it is found: %q", res.Findings)
	}
	if res := verify(t, fsmtest.New(t)); len(res.Findings) > 0 || res.Head != "" {
		t.Errorf("of no books it is found: %q, the head is %q", res.Findings, res.Head)
	}
}

// TestVerifyOfVersions: a command changes an account also when it leaves its balances
// as they were.
func TestVerifyOfVersions(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	mustOp(m, place("h1", "10"), transferring(of("none", "/account/a", "/account/b", "0")))
	for _, steps := range [][]*pb.Step{
		{place("h2", "4"), releasing(&pb.ReleaseHold{Id: "r1", Hold: "h1", Amount: "4"})}, // one hold more
		{place("h3", "1"), releasing(&pb.ReleaseHold{Id: "r2", Hold: "h3"})},              // what was held counts as spent
		{transferring(of("zero", "/account/a", "/account/b", "0"))},                       // nothing
	} {
		mustOp(m, steps...)
		wantSound(t, m)
	}
	a, err := fsmtest.Ask(m.Operator, ledger.Account, &pb.AccountRequest{Path: "/account/a"})
	if err != nil || a.Version != 5 {
		t.Errorf("the account is %v, %v, want version 5: opened, paid, and three ops", a, err)
	}
}

// TestVerifyOfDays: what an account spends is of the day on which a command changed it
// last, and counts to MaxAmount and not further.
func TestVerifyOfDays(t *testing.T) {
	t.Parallel()
	const big, other = "/account/big", "/account/other"
	most := ledger.MaxAmount.Format(0)
	hold := func(id, amount string) *pb.Step {
		return holding(&pb.PlaceHold{Id: id, Debit: big, Credit: other, Amount: amount, LifetimeSeconds: 90 * 24 * 3600})
	}
	release := func(id, hold, amount string) *pb.Step {
		return releasing(&pb.ReleaseHold{Id: id, Hold: hold, Amount: amount})
	}
	fill := []*pb.Step{hold("full", most), release("free", "full", "")}
	for name, ops := range map[string][][]*pb.Step{
		"a full day":                      {fill, {hold("h", most), release("r", "h", "")}},
		"a full day, one hold more":       {fill, {hold("h1", "9")}, {hold("h2", "4"), release("r", "h1", "4")}},
		"a full day, one hold for others": {fill, {hold("h1", "9")}, {hold("h2", "9"), release("r", "h1", "")}},
		"a full day, and a payment":       {fill, {transferring(of("p", big, other, "5"))}, {transferring(of("q", big, other, "0"))}},
		"paid on another day":             {{transferring(of("p", big, other, "5"))}, nil, {transferring(of("q", other, big, "2"))}},
		"nothing on another day":          {{transferring(of("p", big, other, "5"))}, nil, {transferring(of("q", big, other, "0"))}},
		"placed and released on another":  {{hold("h", "5")}, nil, {hold("i", "3"), release("r", "i", "")}},
		"released on another":             {{hold("h", "5")}, nil, {release("r", "h", "2")}},
		"back on another":                 {{transferring(of("p", big, other, "5"))}, nil, {refunding(&pb.Refund{Id: "r", Of: "p", Amount: "5"})}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newBooks(t)
			fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: big, Asset: "BIG", Overdraft: ledger.Unlimited, HoldOverdraft: true})
			open(m, other, "BIG", "", "")
			for _, steps := range ops {
				if steps == nil {
					m.Wait(24 * 3600 * 1e9)
					continue
				}
				mustOp(m, steps...)
				wantSound(t, m)
			}
			fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: big, DailyLimit: ptr("7")})
			wantSound(t, m)
			m.Wait(24 * 3600 * 1e9)
			fsmtest.Must(m.Operator, ledger.ChangeAccount, &pb.ChangeAccountRequest{Path: big, DailyLimit: ptr("8")})
			wantSound(t, m)
		})
	}
}

func TestVerifyEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for i := range 3 {
		all := make([]*pb.Transfer, 1000)
		for j := range all {
			all[j] = of(fmt.Sprint(i, ".", j), "/account/bank", "/account/b", "1")
		}
		if _, err := transfer(m, all...); err != nil {
			t.Fatal(err)
		}
	}
	said := 0
	m.View(func(v *command.Reading) {
		_, err := ledger.Verify(v, func(far *pb.VerifyResponse) error {
			if far.Entries == 0 {
				t.Errorf("so far it is %v", far)
			}
			said++
			return nil
		})
		if err != nil || said < 3 {
			t.Errorf("it said %d times how far it is, and ended with %v", said, err)
		}
		enough := errors.New("enough")
		for most := range said {
			left := most
			_, err := ledger.Verify(v, func(*pb.VerifyResponse) error {
				if left--; left < 0 {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) || left != -1 {
				t.Errorf("told to end after %d, it ends after %d with %v", most, most-left, err)
			}
		}
	})
}

// TestVerifyOfAnyBooks: whatever was done, the books are sound.
func TestVerifyOfAnyBooks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newBooks(t)
		start := m.Position().Time
		accounts := []string{"/account/bank", "/account/a", "/account/b"}
		for i := range 4 {
			path := fmt.Sprint("/account/x", i)
			fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{
				Path: path, Asset: "USD", Kind: []string{"", "ephemeral", "ephemeral", "transient"}[i], HoldOverdraft: i == 0,
				Overdraft: rapid.SampledFrom([]string{"", "20", "unlimited"}).Draw(t, "overdraft"),
				Ceiling:   rapid.SampledFrom([]string{"", "40"}).Draw(t, "ceiling"),
			})
			accounts = append(accounts, path)
		}
		d := &drawn{T: t, accounts: accounts, start: start}
		refused, made := 0, 0
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			m.Wait(rapid.SampledFrom([]int64{0, 0, 700_000_000, 3_000_000_000}).Draw(t, "wait"))
			var steps []*pb.Step
			for range rapid.IntRange(1, 3).Draw(t, "steps") {
				steps = append(steps, d.step())
			}
			if _, err := op(m, steps...); err != nil {
				refused++
				continue
			}
			made++
		}
		res := wantSound(t, m)
		if int(res.Lines) < made+refused {
			t.Fatalf("%d lines, of %d ops made and %d refused", res.Lines, made, refused)
		}
	})
}

// drawn draws steps.
type drawn struct {
	*rapid.T
	accounts []string
	start    int64
	ids      int
	holds    []string
}

func (d *drawn) account() string { return rapid.SampledFrom(d.accounts).Draw(d.T, "account") }

func (d *drawn) amount() string {
	return rapid.SampledFrom([]string{"0", "1", "2.50", "7", "12.34", "30"}).Draw(d.T, "amount")
}

func (d *drawn) effective() int64 {
	return rapid.SampledFrom([]int64{0, 0, d.start + 1, d.start + 2, d.start + 300, d.start + 70_000}).Draw(d.T, "effective")
}

func (d *drawn) shares() (all []*pb.Share) {
	for range rapid.SampledFrom([]int{0, 0, 2, 3}).Draw(d.T, "shares") {
		all = append(all, &pb.Share{Credit: d.account(), Weight: rapid.Uint64Range(1, 3).Draw(d.T, "weight")})
	}
	return all
}

func (d *drawn) step() *pb.Step {
	d.ids++
	id := fmt.Sprint("id", d.ids)
	hold := "none"
	if len(d.holds) > 0 {
		hold = rapid.SampledFrom(d.holds).Draw(d.T, "hold")
	}
	switch rapid.IntRange(0, 6).Draw(d.T, "kind") {
	case 0, 1:
		s := &pb.Transfer{Id: id, Debit: d.account(), Amount: d.amount(), Shares: d.shares(), EffectiveUnixNanos: d.effective()}
		if len(s.Shares) == 0 {
			s.Credit = d.account()
		}
		if d.effective() == 0 {
			s.ThenDebit, s.UpTo = []string{"/account/bank"}, rapid.Bool().Draw(d.T, "up to")
		}
		return transferring(s)
	case 2, 3:
		d.holds = append(d.holds, id)
		return holding(&pb.PlaceHold{
			Id: id, Debit: d.account(), Credit: d.account(), Amount: d.amount(), LifetimeSeconds: rapid.Uint64Range(1, 5).Draw(d.T, "lifetime"),
		})
	case 4:
		return capturing(&pb.CaptureHold{Id: id, Hold: hold, Amount: d.amount(), Shares: d.shares(), Final: rapid.Bool().Draw(d.T, "final"), EffectiveUnixNanos: d.effective()})
	case 5:
		return releasing(&pb.ReleaseHold{Id: id, Hold: hold, Amount: rapid.SampledFrom([]string{"", "1", "0"}).Draw(d.T, "released")})
	}
	return extending(&pb.ExtendHold{Id: id, Hold: hold, Amount: d.amount()})
}

// copyOf gives an engine with the state of the ledger of a machine: what a node
// has on its disk.
func copyOf(m *fsmtest.Machine) (engine *kv.Memory, at command.Reading) {
	engine = kv.NewMemory()
	m.View(func(v *command.Reading) {
		var writes []kv.Write
		for key, value := range v.Dump() {
			inMemory := bytes.HasPrefix(key, []byte("ledger/account_by_path\x00"))
			if (bytes.HasPrefix(key, []byte("ledger/")) || bytes.HasPrefix(key, []byte("tree/node\x00"))) && !inMemory {
				writes = append(writes, kv.Write{Key: bytes.Clone(key), Value: bytes.Clone(value)})
			}
		}
		engine.Commit(writes)
		at = command.Reading{Index: v.Index, Time: v.Time}
	})
	return engine, at
}

// verifyCopy verifies what the engine holds.
func verifyCopy(t *testing.T, engine *kv.Memory, at command.Reading) []string {
	t.Helper()
	at.View = kv.Open(engine, &ledger.Schema, &tree.Schema).View()
	defer at.View.Close()
	res, err := ledger.Verify(&at, func(*pb.VerifyResponse) error { return nil })
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return res.Findings
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	m := mixedBooks(t)
	if engine, at := copyOf(m); len(verifyCopy(t, engine, at)) > 0 {
		t.Fatalf("of a copy it is found: %q", verifyCopy(t, engine, at))
	}
	for _, damage := range ledger.Damages() {
		t.Run(damage.Name, func(t *testing.T) {
			t.Parallel()
			engine, at := copyOf(m)
			doDamage(engine, &damage)
			found := verifyCopy(t, engine, at)
			for _, want := range damage.Want {
				if !slices.ContainsFunc(found, func(finding string) bool { return strings.Contains(finding, want) }) {
					t.Errorf("nothing is found with %q, but: %q", want, found)
				}
			}
			for _, finding := range found {
				if len(finding) > 1024 || !utf8.ValidString(finding) {
					t.Errorf("a finding of %d bytes cannot be sent: %q", len(finding), finding)
				}
			}
		})
	}
}

func doDamage(engine *kv.Memory, damage *ledger.Damage) {
	if damage.Do != nil {
		tx := kv.Open(engine, &ledger.Schema, &tree.Schema).Begin()
		damage.Do(tx)
		tx.Commit()
	}
	if damage.Put != "" {
		engine.Commit([]kv.Write{{Key: []byte(damage.Put), Value: []byte{9, 1}}})
	}
	if damage.Delete == "" {
		return
	}
	snapshot := engine.Snapshot()
	defer snapshot.Close()
	for key := range snapshot.Scan([]byte(damage.Delete), append([]byte(damage.Delete), 0xff), false) {
		engine.Commit([]kv.Write{{Key: bytes.Clone(key), Delete: true}})
		break
	}
}

// TestFindingsAreBounded: a state of which nothing is right is no reason to fill
// the memory.
func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	all := make([]*pb.Transfer, ledger.MaxFindings+10)
	for i := range all {
		all[i] = of(fmt.Sprint(i), "/account/bank", "/account/b", "1")
	}
	if _, err := transfer(m, all...); err != nil {
		t.Fatal(err)
	}
	engine, at := copyOf(m)
	ledger.DropSteps(engine)
	found := verifyCopy(t, engine, at)
	if len(found) != ledger.MaxFindings {
		t.Errorf("%d findings, want %d", len(found), ledger.MaxFindings)
	}
}
