package fsm_test

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

var operator = command.Caller{Principal: "/user/operator", Operator: true, Method: command.ByCertificate}

// apply applies an entry, all commands of which must be accepted.
func apply(t testing.TB, machine *fsm.Machine, index uint64, nanos int64, commands ...*statev1.Command) {
	t.Helper()
	results := machine.Apply(index, 1, encode(t, nanos, commands...))
	if len(results) != len(commands) {
		t.Fatalf("entry %d: %d results, want %d", index, len(results), len(commands))
	}
	for _, result := range results {
		if result.Err != nil {
			t.Fatalf("entry %d: %v", index, result.Err)
		}
	}
}

// codes lists the assets that a view shows.
func codes(t *testing.T, v *command.Reading) (all []string) {
	t.Helper()
	v.Caller = operator
	res, err := fsm.Ask(v, ledger.TrialBalance, &pb.TrialBalanceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range res.Assets {
		all = append(all, a.Asset)
	}
	return all
}

func TestApply(t *testing.T) {
	t.Parallel()
	machine := fsm.New(kv.NewMemory())
	if got := machine.Position(); got != (fsm.Position{Format: 1}) {
		t.Errorf("the position of an empty state is %+v", got)
	}
	results := machine.Apply(7, 3, encode(t, 1000, createAsset(t, "USD"), createAsset(t, "EUR")))
	for i, result := range results {
		res, ok := result.Response.(*pb.CreateAssetResponse)
		if !ok || res.Index != 7 || result.Index != 7 || result.Err != nil || len(result.Body) == 0 {
			t.Errorf("result %d is %+v", i, result)
		}
	}
	got := machine.Position()
	want := fsm.Position{Index: 7, Term: 3, Time: 1000, Format: 1, Hash: got.Hash}
	if len(results) != 2 || got != want || got.Hash == (kv.Hash{}) {
		t.Errorf("%d results and position %+v, want 2 and %+v", len(results), got, want)
	}
	view := machine.View(operator)
	defer view.Close()
	if view.Index != 7 || view.Time != 1000 || view.Caller.Principal != "/user/operator" || view.Hash() != got.Hash {
		t.Errorf("the view is %+v", view)
	}
}

func TestEntriesOfNodesThatCannotFollow(t *testing.T) {
	t.Parallel()
	create := createAsset(t, "USD")
	for _, test := range []struct {
		name, want string
		command    *statev1.Command
	}{
		{
			"an unknown command", `log entry 5: command "ledger.mint" is unknown to this release`,
			&statev1.Command{Name: "ledger.mint"},
		},
		{
			"a query", `command "ledger.balance" is unknown`,
			&statev1.Command{Name: ledger.Balance.Name},
		},
		{
			"a body that is no message", "log entry 5: command ledger.create_asset: ",
			&statev1.Command{Name: create.Name, Body: []byte{0xff}},
		},
		{
			"a field of a newer release", "log entry 5: command ledger.create_asset: 2 of 9 bytes",
			&statev1.Command{Name: create.Name, Body: append(create.Body, 0x78, 1)},
		},
		{
			"a format number of a newer release", "this release is too old for the cluster",
			&statev1.Command{
				Name: system.RaiseFormat.Name, Body: []byte{0x08, system.Format + 1},
				Caller: &statev1.Caller{Principal: string(command.System)},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			machine := fsm.New(kv.NewMemory())
			data := encode(t, 1, create, test.command)
			mustPanic(t, test.want, func() { machine.Apply(5, 1, data) })
			if got := machine.Position(); got.Index != 0 || got.Hash != (kv.Hash{}) {
				t.Errorf("the entry left %+v", got)
			}
		})
	}
}

func TestEntriesThatTheStateHoldsChangeNothing(t *testing.T) {
	t.Parallel()
	machine := fsm.New(kv.NewMemory())
	apply(t, machine, 3, 1, createAsset(t, "USD"))
	apply(t, machine, 5, 2, createAsset(t, "EUR"))
	before := machine.Position()
	for index := range uint64(6) {
		// Not even their bytes are looked at.
		if results := machine.Apply(index, 9, []byte("damaged")); results != nil {
			t.Errorf("entry %d gives results: %v", index, results)
		}
	}
	if got := machine.Position(); got != before {
		t.Errorf("the position went from %+v to %+v", before, got)
	}
}

func TestLogTimeNeverRunsBack(t *testing.T) {
	t.Parallel()
	machine := fsm.New(kv.NewMemory())
	for i, step := range []struct{ clock, want int64 }{{50, 50}, {40, 50}, {-1, 50}, {0, 50}, {51, 51}} {
		apply(t, machine, uint64(i+1), step.clock)
		if got := machine.Position().Time; got != step.want {
			t.Errorf("after a clock of %d the log time is %d, want %d", step.clock, got, step.want)
		}
	}
}

func TestHashAt(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	machine := fsm.New(engine)
	hashes := make(map[uint64]kv.Hash)
	for i, code := range []string{"A", "B", "C"} {
		index := uint64(3*i + 1)
		apply(t, machine, index, 1, createAsset(t, code))
		hashes[index] = machine.Position().Hash
	}
	for index := range uint64(9) {
		got, ok := machine.HashAt(index)
		if want, exists := hashes[index]; ok != (exists || index == 0) || got != want {
			t.Errorf("HashAt(%d) gives %s, %v; want %s, %v", index, got, ok, want, exists)
		}
	}
	opened := fsm.New(engine)
	if got, ok := opened.HashAt(7); !ok || got != hashes[7] {
		t.Errorf("opened again HashAt(7) gives %s, %v; want %s", got, ok, hashes[7])
	}
	if got, ok := opened.HashAt(4); ok {
		t.Errorf("opened again HashAt(4) gives %s, which was before", got)
	}
}

func TestHashAtForgets(t *testing.T) {
	t.Parallel()
	const remembered = 4096
	machine := fsm.New(kv.NewMemory())
	entry := encode(t, 1)
	for index := range uint64(remembered + 10) {
		machine.Apply(index+1, 1, entry)
	}
	for _, test := range []struct {
		index uint64
		want  bool
	}{{0, false}, {10, false}, {11, true}, {remembered + 10, true}, {remembered + 11, false}} {
		if _, ok := machine.HashAt(test.index); ok != test.want {
			t.Errorf("after %d entries HashAt(%d) is %v, want %v", remembered+10, test.index, ok, test.want)
		}
	}
}

func TestReplaceWhileViewsAreOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := kv.NewMemory()
		apply(t, fsm.New(other), 20, 9, createAsset(t, "NEW"))
		machine := fsm.New(kv.NewMemory())
		apply(t, machine, 1, 1, createAsset(t, "OLD"))
		old := machine.View(operator)

		replaced := make(chan struct{})
		go func() {
			machine.Replace(other)
			close(replaced)
		}()
		synctest.Wait()
		select {
		case <-replaced:
			t.Error("Replace returned while the state before was being read")
		default:
		}
		now := machine.View(operator)
		if got := codes(t, now); len(got) != 1 || got[0] != "NEW" || now.Index != 20 {
			t.Errorf("the machine shows %v at %d, want NEW at 20", got, now.Index)
		}
		now.Close()
		if got := codes(t, old); len(got) != 1 || got[0] != "OLD" || old.Index != 1 {
			t.Errorf("the view from before shows %v at %d, want OLD at 1", got, old.Index)
		}
		if _, ok := machine.HashAt(1); ok {
			t.Error("HashAt remembers the state before")
		}
		if results := machine.Apply(20, 1, encode(t, 1)); results != nil {
			t.Error("an entry that the new state holds is applied")
		}
		apply(t, machine, 21, 1, createAsset(t, "NEXT"))
		old.Close()
		<-replaced
		if got := machine.Position(); got.Index != 21 || got.Time != 9 {
			t.Errorf("the position is %+v, want index 21 at time 9", got)
		}
	})
}

func TestCloseWaitsForViews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		machine := fsm.New(kv.NewMemory())
		view := machine.View(operator)
		closed := make(chan struct{})
		go func() {
			machine.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned while the state was being read")
		default:
		}
		view.Close()
		<-closed
	})
}

func TestPauseHoldsEntriesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		machine := fsm.New(kv.NewMemory())
		apply(t, machine, 4, 1)
		entry := encode(t, 1)
		applied := make(chan struct{})
		machine.Pause(func(at fsm.Position) {
			go func() {
				machine.Apply(5, 1, entry)
				close(applied)
			}()
			if got := machine.Position(); at.Index != 4 || got != at {
				t.Errorf("paused at %+v the machine is at %+v, want index 4", at, got)
			}
		})
		<-applied
		if got := machine.Position().Index; got != 5 {
			t.Errorf("after the pause the machine is at %d, want 5", got)
		}
	})
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	machine := fsm.New(engine)
	create := createAsset(t, "USD")
	apply(t, machine, 5, 1, create)
	hash := machine.Position().Hash
	for _, step := range []struct{ index, term, wantIndex, wantTerm uint64 }{
		{4, 9, 5, 1}, {5, 9, 5, 1}, {100, 7, 100, 7}, {50, 9, 100, 7},
	} {
		fsm.Advance(engine, step.index, step.term)
		got := fsm.New(engine).Position()
		if want := (fsm.Position{Index: step.wantIndex, Term: step.wantTerm, Time: 1, Format: 1, Hash: hash}); got != want {
			t.Errorf("advanced to %d the state is at %+v, want %+v", step.index, got, want)
		}
	}
	machine = fsm.New(engine)
	if results := machine.Apply(100, 7, encode(t, 1, create)); results != nil {
		t.Error("an entry up to the index is applied")
	}
	if results := machine.Apply(101, 7, encode(t, 1, create)); results[0].Index != 5 || results[0].Err != nil {
		t.Errorf("a request from before gives %+v, want its answer of index 5", results[0])
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	machine := fsm.New(engine)
	apply(t, machine, 5, 1, createAsset(t, "USD"))
	hash := machine.Position().Hash.String()
	zeros := kv.Hash{}.String()
	for _, test := range []struct {
		index      uint64
		hash, want string
	}{
		{5, hash, "<nil>"},
		{6, hash, "the state is at index 5, not at 6"},
		{5, zeros, "the state hash is " + hash + ", not " + zeros},
	} {
		if got := fmt.Sprint(fsm.Check(engine, test.index, test.hash)); got != test.want {
			t.Errorf("Check(%d, %s) says %s, want %s", test.index, test.hash, got, test.want)
		}
	}
}

func TestCommandNames(t *testing.T) {
	t.Parallel()
	machine := fsm.New(kv.NewMemory())
	if d, ok := machine.Command("ledger.transfer"); !ok || d != ledger.Transfer.Definition {
		t.Errorf("Command(ledger.transfer) gives %v, %v", d, ok)
	}
	if d, ok := machine.Command("ledger.balance"); ok {
		t.Errorf("Command(ledger.balance), a query, gives %v", d)
	}
}

func TestCallersComeBack(t *testing.T) {
	t.Parallel()
	full := command.Caller{
		Principal: "/workload/x", Operator: true, Method: command.ByVouching, Issued: 1, Expires: 2, Born: 3, Epoch: 4,
		Session: "session", Key: "key", Issuer: "issuer", IssuerIndex: 5, Scopes: []string{"a", "b"},
		Actors: []command.Actor{
			{Principal: "/user/x", Born: 6, Epoch: 7, Session: "another", Key: "other"},
			{Principal: "/user/y"},
		},
	}
	for name, field := range map[string]any{"caller": full, "actor": full.Actors[0]} {
		for i := range reflect.ValueOf(field).NumField() {
			if reflect.ValueOf(field).Field(i).IsZero() {
				t.Errorf("field %s of the %s is not set: add it here", reflect.TypeOf(field).Field(i).Name, name)
			}
		}
	}
	for _, caller := range []command.Caller{
		{},
		operator,
		full,
	} {
		if diff := cmp.Diff(caller, fsm.CallerOf(fsm.EncodeCaller(&caller)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("a caller comes back changed (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(command.Caller{}, fsm.CallerOf(nil), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("no caller reads as something (-want +got):\n%s", diff)
	}
}

// readWhile runs read on several goroutines until do returns.
func readWhile(do, read func()) {
	done := make(chan struct{})
	var reading sync.WaitGroup
	for range 3 {
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					read()
				}
			}
		})
	}
	do()
	close(done)
	reading.Wait()
}

// TestReadingWhileApplying: in every view the books balance, and its hash is
// known.
func TestReadingWhileApplying(t *testing.T) {
	t.Parallel()
	machine := fsm.New(kv.NewMemory())
	by := fsmtest.New(t).Operator
	apply(t, machine, 1, 1, createAsset(t, "USD"),
		fsmtest.Command(by, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/a", Asset: "USD", Overdraft: "unlimited"}),
		fsmtest.Command(by, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/b", Asset: "USD"}))
	write := func() {
		for i := range uint64(150) {
			apply(t, machine, i+2, 1, fsmtest.Command(by, ledger.Transfer, &pb.TransferRequest{Transfers: []*pb.Transfer{
				{Id: fmt.Sprint(i), Debit: "/account/a", Credit: "/account/b", Amount: "1"},
			}}))
		}
	}
	readWhile(write, func() { readBalanced(t, machine) })
}

// TestReadingWhileReplacing: a view is of one state or of the other.
func TestReadingWhileReplacing(t *testing.T) {
	t.Parallel()
	engines := [2]kv.Engine{kv.NewMemory(), kv.NewMemory()}
	apply(t, fsm.New(engines[0]), 1, 1, createAsset(t, "ONE"))
	apply(t, fsm.New(engines[1]), 2, 1, createAsset(t, "TWO"))
	machine := fsm.New(engines[0])
	replace := func() {
		for i := range 50 {
			machine.Replace(engines[(i+1)%2])
		}
	}
	readWhile(replace, func() {
		v := machine.View(operator)
		defer v.Close()
		if got := fmt.Sprint(v.Index, codes(t, v)); got != "1 [ONE]" && got != "2 [TWO]" {
			t.Errorf("a view shows %s", got)
		}
	})
}

func readBalanced(t *testing.T, machine *fsm.Machine) {
	v := machine.View(operator)
	defer v.Close()
	res, err := fsm.Ask(v, ledger.TrialBalance, &pb.TrialBalanceRequest{})
	if err != nil || res.Assets[0].DebitsPosted != res.Assets[0].CreditsPosted || res.Assets[0].Transfers != v.Index-1 {
		t.Errorf("at index %d the books are %v, %v", v.Index, res, err)
	}
	b, err := fsm.Ask(v, ledger.Balance, &pb.BalanceRequest{Path: "/account/b"})
	if err != nil || b.CreditsPosted != res.Assets[0].CreditsPosted {
		t.Errorf("at index %d account b is %v, %v; the asset is %v", v.Index, b, err, res)
	}
	if hash, ok := machine.HashAt(v.Index); !ok || hash != v.Hash() {
		t.Errorf("HashAt(%d) gives %s, %v; the view has %s", v.Index, hash, ok, v.Hash())
	}
}

func TestAskAsksTheRule(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	nobody := m.Principal("/workload/nobody")
	if _, err := fsmtest.Ask(nobody, ledger.TrialBalance, &pb.TrialBalanceRequest{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a trial balance for somebody without roles: %v, want a fault.NotFound", err)
	}
	if _, err := fsmtest.Ask(nobody, ledger.Balance, &pb.BalanceRequest{Path: "x"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a balance of no path: %v, want a fault.Invalid", err)
	}
}
