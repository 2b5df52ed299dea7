package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// journal asks for a page.
func journal(t *testing.T, m *fsmtest.Machine, req *pb.JournalRequest) *pb.JournalResponse {
	t.Helper()
	res, err := fsmtest.Ask(m.Operator, ledger.Journal, req)
	if err != nil {
		t.Fatalf("journal of %v: %v", req, err)
	}
	return res
}

// journalInPages goes from page to page.
func journalInPages(t *testing.T, m *fsmtest.Machine, req *pb.JournalRequest) (all []*pb.JournalEntry) {
	t.Helper()
	for {
		res := journal(t, m, req)
		all = append(all, res.Entries...)
		if len(res.Entries) > int(req.Limit) && req.Limit > 0 {
			t.Errorf("a page of %d entries, the limit is %d", len(res.Entries), req.Limit)
		}
		if res.Done {
			return all
		}
		req.Cursor = res.Cursor
	}
}

func inShort(all []*pb.JournalEntry) string {
	var text []string
	for _, e := range all {
		text = append(text, e.Kind+" "+e.Id)
	}
	return strings.Join(text, ", ")
}

func TestJournal(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	start := m.Position().Time
	made := mustOp(m,
		transferring(&pb.Transfer{Id: "late", Debit: "/account/bank", Credit: "/account/b", Amount: "7", EffectiveUnixNanos: start, Description: "why"}),
		holding(&pb.PlaceHold{Id: "hold", Debit: "/account/a", Credit: "/account/b", Amount: "20", LifetimeSeconds: 1, Description: "that"}),
		capturing(&pb.CaptureHold{Id: "capture", Hold: "hold", Amount: "4", Shares: []*pb.Share{
			{Credit: "/account/b", Weight: 1}, {Credit: "/account/bank", Weight: 1},
		}}),
	).Index
	m.Wait(2_000_000_000)
	pay(m, "then", "/account/bank", "/account/b", "1")

	all := journalInPages(t, m, &pb.JournalRequest{})
	want := "transfer opening, transfer late, hold hold, capture capture, divert capture, payout capture, expire hold, transfer then"
	if got := inShort(all); got != want {
		t.Errorf("the journal is %s, want %s", got, want)
	}
	log := all[1].UnixNanos
	for at, want := range map[int]*pb.JournalEntry{
		1: {
			Index: made, Counter: 1, UnixNanos: log, EffectiveUnixNanos: start, Kind: "transfer", Id: "late",
			Debit: "/account/bank", Credit: "/account/b", Asset: "USD", Amount: "7.00", Description: "why",
		},
		4: {
			Index: made, Counter: 4, UnixNanos: log, EffectiveUnixNanos: log, Kind: "divert", Id: "capture", Part: 1,
			Debit: "/account/a", Credit: "/account/b", Asset: "USD", Amount: "2.00", Hold: "hold",
		},
		6: {
			Index: all[7].Index, Counter: 1, UnixNanos: all[7].UnixNanos, EffectiveUnixNanos: all[7].UnixNanos, Kind: "expire", Id: "hold",
			Debit: "/account/a", Credit: "/account/b", Asset: "USD", Amount: "16.00", Hold: "hold",
		},
	} {
		if diff := cmp.Diff(want, all[at], protocmp.Transform(), protocmp.IgnoreFields(&pb.JournalEntry{}, "counter")); diff != "" {
			t.Errorf("entry %d differs (-want +got):\n%s", at, diff)
		}
	}
	for limit := range uint32(10) {
		if got := inShort(journalInPages(t, m, &pb.JournalRequest{Limit: limit})); got != want {
			t.Errorf("in pages of %d the journal is %s, want %s", limit, got, want)
		}
	}
}

func TestJournalOfASubtree(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for _, path := range []string{"/account/team/x", "/account/team/y", "/account/teams"} {
		open(m, path, "USD", "", "")
		pay(m, "to"+path, "/account/bank", path, "10")
	}
	fsmtest.Must(m.Operator, ledger.OpenAccount, &pb.OpenAccountRequest{Path: "/account/team/gone", Asset: "USD", Kind: "ephemeral"})
	mustOp(m,
		transferring(of("in", "/account/a", "/account/team/gone", "1")),
		transferring(of("out", "/account/team/gone", "/account/a", "1")),
	)
	for under, want := range map[string]string{
		"/account/team":      "transfer to/account/team/x, transfer to/account/team/y, transfer in, transfer out",
		"/account/team/x":    "transfer to/account/team/x",
		"/account/a":         "transfer opening, transfer in, transfer out",
		"/account/team/gone": "transfer in, transfer out",
		"/account/eur":       "",
	} {
		for limit := range uint32(3) {
			if got := inShort(journalInPages(t, m, &pb.JournalRequest{Under: under, Limit: limit})); got != want {
				t.Errorf("below %s, in pages of %d, the journal is %q, want %q", under, limit, got, want)
			}
		}
	}
}

// TestJournalGoesOn: where a page ended, and where the journal did.
func TestJournalGoesOn(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	var at []uint64
	for i := range 3 {
		at = append(at, pay(m, fmt.Sprint(i), "/account/bank", "/account/b", "1"))
	}
	end := fmt.Sprint(at[2])
	for _, test := range []struct {
		req    *pb.JournalRequest
		want   string
		cursor string
		done   bool
	}{
		{&pb.JournalRequest{UntilIndex: at[1]}, "transfer opening, transfer 0, transfer 1", fmt.Sprint(at[1]), true},
		{&pb.JournalRequest{UntilIndex: at[1], Limit: 3}, "transfer opening, transfer 0, transfer 1", fmt.Sprint(at[1]), true},
		{&pb.JournalRequest{UntilIndex: at[1], Limit: 2}, "transfer opening, transfer 0", fmt.Sprint(at[0]) + ".1", false},
		{&pb.JournalRequest{UntilIndex: at[1], Cursor: fmt.Sprint(at[0]) + ".1"}, "transfer 1", fmt.Sprint(at[1]), true},
		{&pb.JournalRequest{Cursor: fmt.Sprint(at[0])}, "transfer 1, transfer 2", end, true},
		{&pb.JournalRequest{Cursor: end}, "", end, true},
		{&pb.JournalRequest{Cursor: "18446744073709551615"}, "", "18446744073709551615", true},
		{&pb.JournalRequest{UntilIndex: 1 << 60}, "transfer opening, transfer 0, transfer 1, transfer 2", end, true},
		{&pb.JournalRequest{Under: "/account/eur"}, "", end, true},
		{&pb.JournalRequest{Cursor: fmt.Sprint(at[2]) + ".0", UntilIndex: at[0]}, "", fmt.Sprint(at[2]) + ".0", true},
	} {
		res := journal(t, m, test.req)
		if got := inShort(res.Entries); got != test.want || res.Done != test.done || strings.Split(res.Cursor, ".")[0] != strings.Split(test.cursor, ".")[0] {
			t.Errorf("%v gives %q, cursor %s, done %t; want %q, cursor %s, done %t", test.req, got, res.Cursor, res.Done, test.want, test.cursor, test.done)
		}
	}
	last := journal(t, m, &pb.JournalRequest{}).Cursor
	pay(m, "more", "/account/bank", "/account/b", "1")
	if got := inShort(journalInPages(t, m, &pb.JournalRequest{Cursor: last})); got != "transfer more" {
		t.Errorf("behind %s there is %q, want what was made since", last, got)
	}
}

// TestJournalPagesAreBounded: by entries, and by those looked at. It keeps no log:
// there is much in it.
func TestJournalPagesAreBounded(t *testing.T) {
	t.Parallel()
	machine, index := fsm.New(kv.NewMemory()), uint64(0)
	apply := func(name string, req proto.Message) {
		body, err := proto.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		caller := &statev1.Caller{Principal: string(command.System)}
		data, err := fsm.EncodeEntry(&statev1.Entry{Commands: []*statev1.Command{{Name: name, Caller: caller, Body: body}}})
		if err != nil {
			t.Fatal(err)
		}
		index++
		if result := machine.Apply(index, 1, data)[0]; result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	apply(ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2})
	for _, path := range []string{"/account/bank", "/account/a", "/account/b"} {
		apply(ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: path, Asset: "USD", Overdraft: ledger.Unlimited})
	}
	pays := func(transfers ...*pb.Transfer) {
		apply(ledger.Transfer.Name, &pb.TransferRequest{Transfers: transfers})
	}
	pays(of("first", "/account/bank", "/account/a", "1"))
	for i := range 13 {
		all := make([]*pb.Transfer, ledger.MaxTransfers)
		for j := range all {
			all[j] = of(fmt.Sprint(i, ".", j), "/account/bank", "/account/b", "1")
		}
		pays(all...)
	}
	pays(of("last", "/account/bank", "/account/a", "1"))

	view := machine.View(command.Caller{Principal: command.System})
	defer view.Close()
	ask := func(req *pb.JournalRequest) *pb.JournalResponse {
		res, err := fsm.Ask(view, ledger.Journal, req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if got := len(ask(&pb.JournalRequest{}).Entries); got != ledger.DefaultJournal {
		t.Errorf("%d entries without a limit, want %d", got, ledger.DefaultJournal)
	}
	if got := len(ask(&pb.JournalRequest{Limit: ledger.MaxJournal}).Entries); got != ledger.MaxJournal {
		t.Errorf("%d entries, want %d", got, ledger.MaxJournal)
	}
	first := ask(&pb.JournalRequest{Under: "/account/a"})
	if got := inShort(first.Entries); got != "transfer first" || first.Done {
		t.Errorf("the first page is %q, done %t: want it to be short, with more to come", got, first.Done)
	}
	second := ask(&pb.JournalRequest{Under: "/account/a", Cursor: first.Cursor})
	if got := inShort(second.Entries); got != "transfer last" || !second.Done {
		t.Errorf("the second page is %q, done %t: want the last of all", got, second.Done)
	}
}

func TestBadJournals(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	for _, test := range []struct {
		req  *pb.JournalRequest
		says string
	}{
		{&pb.JournalRequest{Limit: ledger.MaxJournal + 1}, "limit 10001: an answer holds at most 10000 entries"},
		{&pb.JournalRequest{Under: "/data"}, "accounts are below /account, not below /data"},
		{&pb.JournalRequest{Under: "/"}, "accounts are below /account"},
		{&pb.JournalRequest{Under: "account"}, "must begin with"},
		{&pb.JournalRequest{Cursor: "x"}, `cursor "x": it is an index, or one of an earlier answer`},
		{&pb.JournalRequest{Cursor: "-1"}, `cursor "-1"`},
		{&pb.JournalRequest{Cursor: "07"}, `cursor "07"`},
		{&pb.JournalRequest{Cursor: "7."}, `cursor "7."`},
		{&pb.JournalRequest{Cursor: "7.4294967296"}, `cursor "7.4294967296"`},
		{&pb.JournalRequest{Cursor: "18446744073709551616"}, "cursor"},
	} {
		_, err := fsmtest.Ask(m.Operator, ledger.Journal, test.req)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v gives %v, want it invalid: %s", test.req, err, test.says)
		}
	}
}

func TestWhoMaySeeTheJournal(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/team/x", "USD", "", "")
	m.Clause("/account", command.View)
	m.Clause("/account", command.Read, "/role/auditor", "/role/member")
	m.Clause("/account/bank", command.Read, "/role/auditor")
	member := m.Principal("/user/member", "/role/member")
	for under, want := range map[string]error{"": nil, "/account/team": nil, "/account/bank": fault.Denied, "/account/none": fault.NotFound} {
		if _, err := fsmtest.Ask(member, ledger.Journal, &pb.JournalRequest{Under: under}); !errors.Is(err, want) {
			t.Errorf("the journal below %q: %v, want %v", under, err, want)
		}
	}
	if _, err := fsmtest.Ask(m.Principal("/user/nobody"), ledger.Journal, &pb.JournalRequest{}); fault.KindOf(err) != fault.Denied {
		t.Errorf("somebody without a role: %v, want it denied", err)
	}
}
