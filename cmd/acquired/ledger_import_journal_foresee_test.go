package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const usdLine = `{"type":"asset","code":"USD","scale":2}`

// openHoldLine gives a hold that lasts some time from now.
func openHoldLine(id, debit, credit, amount string, lasts time.Duration) string {
	return fmt.Sprintf(`{"type":"hold","id":%q,"debit":%q,"credit":%q,"asset":"USD","remaining":%q,"expires":%q}`,
		id, debit, credit, amount, time.Now().Add(lasts).UTC().Format(time.RFC3339Nano))
}

// bookLineAt gives an entry at an index.
func bookLineAt(index int, id, debit, credit, amount string) string {
	return strings.Replace(bookLine(id, debit, credit, "USD", amount), `"index":5`, fmt.Sprintf(`"index":%d`, index), 1)
}

// TestImportOfHoldsThatCannotBe refuses holds of nothing, and those that last longer
// than one can, before anything is made.
func TestImportOfHoldsThatCannotBe(t *testing.T) {
	t.Parallel()
	c := startLedger(t)
	entry := bookLine("1", "/account/ann", "/account/centre", "USD", "5.00")
	hold := func(amount string, lasts time.Duration) string {
		return openHoldLine("h", "/account/centre", "/account/ann", amount, lasts)
	}
	for _, test := range []struct {
		hold   string
		status int
		says   string
	}{
		{hold("0.00", time.Hour), statusUsage, ", line 3: remaining: is 0.00, and must be above 0"},
		{hold("1.00", ledger.MaxLifetime+2*clocksDiffer), statusRefused, ", line 3: hold h expires 20"},
	} {
		for _, dryRun := range []bool{true, false} {
			_, err := importFile(t.Context(), t, c, writeLines(t, usdLine, entry, test.hold), io.Discard, dryRun)
			if err == nil || failureOf(err).status != test.status || !strings.Contains(err.Error(), test.says) {
				t.Errorf("dry run %v: got %v, want status %d: %s", dryRun, err, test.status, test.says)
			}
		}
	}
	if totals, err := askTrialBalance(client.WithRead(t.Context(), client.Latest), c); err != nil || len(totals.Assets) != 0 {
		t.Errorf("after the refusals: got %v, %v, want no asset", totals, err)
	}

	// By the clock of where it comes from it was placed just before, for ten years.
	before := time.Now()
	path := writeLines(t, usdLine, entry, hold("1.00", ledger.MaxLifetime+clocksDiffer/2))
	for _, dryRun := range []bool{true, false} {
		done := mustImport(t, c, path, dryRun)
		if notes := strings.Join(done.Notes, "\n"); done.HoldsPlaced != 1 || !strings.Contains(notes, ": a hold lasts ten years at most") {
			t.Errorf("dry run %v: got %+v, want the hold and a note", dryRun, done)
		}
	}
	h, err := c.Ledger.Hold(client.WithRead(t.Context(), client.Latest), &pb.HoldRequest{Id: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if least := before.UnixNano() + longestHold; h.ExpiresUnixNanos < least || h.ExpiresUnixNanos > time.Now().UnixNano()+longestHold {
		t.Errorf("it expires %s, want right behind %s", formatNanos(h.ExpiresUnixNanos), formatNanos(least))
	}
}

// TestImportForeseesHolds refuses holds that accounts which were there will not bear
// before anything is made.
func TestImportForeseesHolds(t *testing.T) {
	t.Parallel()
	const bank, frozen, ann, full, shop = "/account/bank", "/account/frozen", "/account/ann", "/account/full", "/account/shop"
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: frozen, Overdraft: "9"}, &pb.OpenAccountRequest{Path: ann, Overdraft: "5"},
		&pb.OpenAccountRequest{Path: full, Ceiling: "8"}, &pb.OpenAccountRequest{Path: shop, DailyLimit: "10"})
	mustOp(t, c, paying("s1", bank, ann, "20"), paying("s2", bank, shop, "100"), paying("paid", ann, bank, "1"))
	changeAccount(t, c, &pb.ChangeAccountRequest{Path: frozen, Frozen: proto.Bool(true)})
	accounts, entries := allAccounts(t, c), len(wholeJournal(t, c))

	hold := func(debit, credit, amount string) string { return openHoldLine("h", debit, credit, amount, time.Hour) }
	other := bookLineAt(6, "x", bank, "/account/new", "1.00")
	var many []string
	for n := range importListLength + 1 {
		many = append(many, bookLineAt(10+n, fmt.Sprint("many-", n), ann, bank, "0.01"))
	}
	for _, test := range []struct {
		name  string
		lines []string
		kind  fault.Kind
		says  string
	}{
		{"a frozen payer", []string{other, hold(frozen, bank, "1.00")}, fault.Conflict, frozen + " is frozen"},
		{"a frozen payee", []string{other, hold(bank, frozen, "1.00")}, fault.Conflict, frozen + " is frozen"},
		{"a frozen payer, in parts that overlap", []string{other, other, hold(frozen, bank, "1.00")}, fault.Conflict, frozen + " is frozen"},
		{"more than is left", []string{other, bookLineAt(7, "y", ann, bank, "10.00"), hold(ann, bank, "9.01")}, fault.Insufficient,
			ann + " has less available for holds"},
		{"more than many transfers leave", append(many, hold(ann, bank, "9.00")), fault.Insufficient, ann + " has less available for holds"},
		{"two together", []string{other, hold(ann, bank, "9.00"), openHoldLine("i", ann, bank, "10.01", time.Hour)}, fault.Insufficient,
			ann + " has less available for holds"},
		{"more than the day leaves", []string{other, bookLineAt(7, "y", shop, bank, "5.00"), hold(shop, bank, "5.01")}, fault.Insufficient,
			shop + " may spend less today"},
		{"less room than is left", []string{other, bookLineAt(7, "y", bank, full, "5.00"), hold(bank, full, "3.01")}, fault.Insufficient,
			full + " has less room"},
		{"what holds bring is not there yet", []string{other, hold(bank, ann, "5.00"), openHoldLine("i", ann, bank, "19.01", time.Hour)}, fault.Insufficient,
			ann + " has less available for holds"},
	} {
		path := writeLines(t, append([]string{usdLine}, test.lines...)...)
		for _, dryRun := range []bool{true, false} {
			_, err := importFile(t.Context(), t, c, path, io.Discard, dryRun)
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), ": account "+test.says) {
				t.Errorf("%s, dry run %v: got %v, want %s: %s", test.name, dryRun, err, test.kind, test.says)
			}
		}
	}
	if diff := cmp.Diff(accounts, allAccounts(t, c), protocmp.Transform()); diff != "" {
		t.Errorf("after the refusals accounts differ (-before +after):\n%s", diff)
	}
	if after := len(wholeJournal(t, c)); after != entries {
		t.Errorf("the refused imports made %d entries", after-entries)
	}
}

// TestImportForeseesNoMore imports holds that are all that there will be.
func TestImportForeseesNoMore(t *testing.T) {
	t.Parallel()
	const bank, ann, full = "/account/bank", "/account/ann", "/account/full"
	_, c := startUSD(t, &pb.OpenAccountRequest{Path: ann}, &pb.OpenAccountRequest{Path: full, Ceiling: "8"})
	first := []string{usdLine, bookLineAt(6, "in", bank, ann, "20.00"), bookLineAt(7, "out", ann, full, "8.00"), bookLineAt(8, "back", full, bank, "3.00")}
	holds := []string{openHoldLine("h", ann, bank, "7.00", time.Hour), openHoldLine("i", ann, full, "3.00", time.Hour)}
	tooMuch := writeLines(t, append(first, openHoldLine("left-out", ann, bank, "99.00", time.Hour))...)
	done, err := importWith(t.Context(), t, c, tooMuch, io.Discard, importJournalFlags{unfinished: true})
	if err != nil || done.Created != 3 || done.HoldsLeftOut != 1 {
		t.Fatalf("unfinished: got %+v, %v, want three transfers", done, err)
	}
	// What stands is not counted again, nor is what is over.
	holds = append(holds, openHoldLine("old", ann, bank, "99.00", -time.Hour))
	path := writeLines(t, append(first, holds...)...)
	for _, placed := range []int{2, 0} {
		if done := mustImport(t, c, path, false); done.HoldsPlaced != placed || done.Created != 0 {
			t.Errorf("got %+v, want %d holds", done, placed)
		}
	}
	// What parts both have is made once.
	part := []string{usdLine, bookLineAt(9, "out-2", ann, bank, "1.00"), bookLineAt(10, "x", bank, "/account/new", "1.00")}
	joined := append(append(part, part...), openHoldLine("j", ann, bank, "1.00", time.Hour))
	if done := mustImport(t, c, writeLines(t, joined...), false); done.HoldsPlaced != 1 || done.Created != 2 {
		t.Errorf("parts that overlap: got %+v, want a hold and two transfers", done)
	}
}

// TestStandingsOfEphemeralAccounts foresees no more of an ephemeral account than its
// state: another may be there when the hold is placed.
func TestStandingsOfEphemeralAccounts(t *testing.T) {
	t.Parallel()
	i := importerOfTwo()
	for kind, limited := range map[string]bool{"ephemeral": false, "normal": true} {
		i.books.account("a", "USD").was = &pb.AccountResponse{
			Path: "a", Kind: kind, State: "open", Overdraft: "0.00",
			Balance: &pb.BalanceResponse{DebitsPosted: "0.00", CreditsPosted: "0.00", DebitsPending: "0.00", CreditsPending: "0.00"},
		}
		i.books.account("a", "USD").Path = "a"
		all, err := i.standingsOf([]*importedHold{{Hold: journal.Hold{Debit: "a", Credit: "b", Asset: "USD"}}})
		if err != nil || len(all) != 1 || all["a"].limited() != limited {
			t.Errorf("%s: got %v, %v, want one that is limited: %v", kind, all, err, limited)
		}
	}
}
