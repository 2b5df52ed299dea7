package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// parts lists what a transfer moved: "debit>credit amount, ...".
func parts(t *testing.T, m *fsmtest.Machine, id string) string {
	t.Helper()
	res, err := fsmtest.Ask(m.Operator, ledger.Lookup, &pb.LookupRequest{Ids: []string{id}})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range res.Transfers {
		all = append(all, strings.ReplaceAll(fmt.Sprintf("%s>%s %s", r.Transfer.Debit, r.Transfer.Credit, r.Transfer.Amount), "/account/", ""))
	}
	return strings.Join(all, ", ")
}

func TestWaterfall(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	open(m, "/account/grant", "USD", "", "")
	open(m, "/account/c", "USD", "", "")
	pay(m, "g", "/account/bank", "/account/grant", "30")
	from := func(id, amount string, upTo bool, shares ...*pb.Share) *pb.Transfer {
		x := &pb.Transfer{Id: id, Debit: "/account/grant", ThenDebit: []string{"/account/a"}, Amount: amount, UpTo: upTo, Shares: shares}
		if shares == nil {
			x.Credit = "/account/b"
		}
		return x
	}
	refused(t, m, fault.Insufficient, "0", from("1", "130.01", false))
	accepted(t, m, 1, from("2", "20", false))
	accepted(t, m, 1, from("3", "25", false, &pb.Share{Credit: "/account/b", Amount: "12"}, &pb.Share{Credit: "/account/c", Weight: 1}, &pb.Share{Credit: "/account/bank", Weight: 2}))
	if got, want := parts(t, m, "2"), "grant>b 20.00"; got != want {
		t.Errorf("transfer 2 moved %s, want %s", got, want)
	}
	// 13.00 by weight: 4.33 and 8.67, the cent that is left to the larger remainder.
	if got, want := parts(t, m, "3"), "grant>b 10.00, a>b 2.00, a>c 4.33, a>bank 8.67"; got != want {
		t.Errorf("transfer 3 moved %s, want %s", got, want)
	}
	res, err := transfer(m, from("4", "1000", true))
	if err != nil || len(res.Moved) != 1 || res.Moved[0].Amount != "85.00" {
		t.Errorf("up to 1000 of 85 gives %v, %v", res, err)
	}
	if res, err = transfer(m, from("5", "1000", true)); err != nil || res.Created != 1 || res.Moved[0].Amount != "0.00" {
		t.Errorf("up to 1000 of nothing gives %v, %v", res, err)
	}
	// As it was, though there is more now.
	pay(m, "more", "/account/bank", "/account/a", "5")
	if res, err = transfer(m, from("5", "1000", true)); err != nil || len(res.Existing) != 1 || res.Moved[0].Amount != "0.00" {
		t.Errorf("the same again gives %v, %v", res, err)
	}
}

func TestWaterfallRefuses(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const a, b = "/account/a", "/account/b"
	many := make([]string, ledger.MaxSources+1)
	shares := make([]*pb.Share, ledger.MaxShares+1)
	for i := range shares {
		shares[i] = &pb.Share{Credit: b, Weight: 1}
	}
	for name, test := range map[string]struct {
		transfer *pb.Transfer
		kind     fault.Kind
	}{
		"a payer twice":             {&pb.Transfer{Debit: a, ThenDebit: []string{a}, Credit: b, Amount: "1"}, fault.Invalid},
		"a payer that is paid":      {&pb.Transfer{Debit: a, ThenDebit: []string{b}, Credit: b, Amount: "1"}, fault.Invalid},
		"a payer of another asset":  {&pb.Transfer{Debit: a, ThenDebit: []string{"/account/eur"}, Credit: b, Amount: "1"}, fault.Invalid},
		"too many payers":           {&pb.Transfer{Debit: a, ThenDebit: many, Credit: b, Amount: "1"}, fault.Invalid},
		"a payee twice":             {&pb.Transfer{Debit: a, Amount: "1", Shares: shares[:2]}, fault.Invalid},
		"too many payees":           {&pb.Transfer{Debit: a, Amount: "1", Shares: shares}, fault.Invalid},
		"credit and shares":         {&pb.Transfer{Debit: a, Credit: b, Amount: "1", Shares: shares[:1]}, fault.Invalid},
		"neither credit nor shares": {&pb.Transfer{Debit: a, Amount: "1"}, fault.Invalid},
		"a share of nothing":        {&pb.Transfer{Debit: a, Amount: "1", Shares: []*pb.Share{{Credit: b}}}, fault.Invalid},
		"a share of both":           {&pb.Transfer{Debit: a, Amount: "1", Shares: []*pb.Share{{Credit: b, Weight: 1, Amount: "1"}}}, fault.Invalid},
		"shares above the amount":   {&pb.Transfer{Debit: a, Amount: "1", Shares: []*pb.Share{{Credit: b, Amount: "1.01"}}}, fault.Invalid},
		"shares below the amount":   {&pb.Transfer{Debit: a, Amount: "1", Shares: []*pb.Share{{Credit: b, Amount: "0.99"}}}, fault.Invalid},
		"a fixed share of what may be less": {&pb.Transfer{Debit: a, Amount: "1", UpTo: true,
			Shares: []*pb.Share{{Credit: b, Amount: "1"}}}, fault.Invalid},
		"a share to nobody":     {&pb.Transfer{Debit: a, Amount: "1", Shares: []*pb.Share{{Credit: "/account/none", Weight: 1}}}, fault.NotFound},
		"linked without chains": {&pb.Transfer{Debit: a, Credit: b, Amount: "1", Linked: true}, fault.Invalid},
		"a long description":    {&pb.Transfer{Debit: a, Credit: b, Amount: "1", Description: strings.Repeat("x", ledger.MaxDescription+1)}, fault.Invalid},
		"a description of two lines": {&pb.Transfer{Debit: a, Credit: b, Amount: "1",
			Description: "x\ny"}, fault.Invalid},
		"effective before 1970": {&pb.Transfer{Debit: a, Credit: b, Amount: "1", EffectiveUnixNanos: -1}, fault.Invalid},
		"effective tomorrow": {&pb.Transfer{Id: "tomorrow", Debit: a, Credit: b, Amount: "1",
			EffectiveUnixNanos: m.Position().Time + 86400e9}, fault.Conflict},
	} {
		if test.transfer.Id == "" {
			test.transfer.Id = "new"
		}
		t.Run(name, func(t *testing.T) {
			hash := m.Hash()
			if _, err := transfer(m, test.transfer); fault.KindOf(err) != test.kind || m.Hash() != hash {
				t.Errorf("it gives %v, want a fault.%s and the state as it was", err, test.kind)
			}
		})
	}
}

// TestSharesByWeight: the parts are the whole, none is a minor unit off, and the
// units that are left go to the largest remainders, of equal ones to the first.
func TestSharesByWeight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newBooks(t)
		weights := rapid.SliceOfN(rapid.Uint64Range(1, 9), 1, 5).Draw(t, "weights")
		amount := rapid.Uint64Range(0, 9999).Draw(t, "amount")
		x := &pb.Transfer{Id: "x", Debit: "/account/bank", Amount: fmt.Sprintf("%d.%02d", amount/100, amount%100)}
		sum := uint64(0)
		for i, w := range weights {
			path := fmt.Sprintf("/account/share/%d", i)
			open(m, path, "USD", "", "")
			x.Shares = append(x.Shares, &pb.Share{Credit: path, Weight: w})
			sum += w
		}
		if _, err := transfer(m, x); err != nil {
			t.Fatal(err)
		}
		left, units := amount, make([]uint64, len(weights))
		for i, w := range weights {
			units[i] = amount * w / sum
			left -= units[i]
		}
		for range left { // the largest remainder that was given nothing yet
			best := -1
			for i, w := range weights {
				given := units[i] > amount*w/sum
				if !given && (best < 0 || amount*w%sum > amount*weights[best]%sum) {
					best = i
				}
			}
			units[best]++
		}
		for i, u := range units {
			if got, want := balance(t, m, x.Shares[i].Credit).Balance, fmt.Sprintf("%d.%02d", u/100, u%100); got != want {
				t.Fatalf("of %s by %v share %d is %s, want %s", x.Amount, weights, i, got, want)
			}
		}
	})
}

func TestChains(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	const a, b = "/account/a", "/account/b"
	linked := func(x *pb.Transfer) *pb.Transfer { x.Linked = true; return x }
	req := &pb.TransferRequest{Chains: true, Transfers: []*pb.Transfer{
		of("1", a, b, "10"),
		linked(of("2", a, b, "20")), of("3", a, b, "100"), // the second breaks the first
		linked(of("4", b, a, "5")), linked(of("5", b, a, "5")), of("6", "/account/bank", b, "7"),
		of("7", a, b, "100.01"),
	}}
	res, err := fsmtest.Do(m.Operator, ledger.Transfer, req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Created != 4 || len(res.Failed) != 2 || res.Failed[0].Position != 2 || res.Failed[1].Position != 6 || res.Failed[0].Kind != "insufficient" {
		t.Fatalf("the chains give %v", res)
	}
	wantBalance(t, m, a, "-10.00 +110.00 100.00")
	wantBalance(t, m, b, "-10.00 +17.00 7.00")
	if got := trialBalance(t, m); !strings.HasSuffix(got, "4 accounts 5 transfers") && !strings.Contains(got, "3 accounts 5 transfers") {
		t.Errorf("the trial balance is %s", got)
	}
	// Again: what was made stands, what failed fails.
	again, err := fsmtest.Do(m.Operator, ledger.Transfer, req)
	if err != nil || again.Created != 0 || len(again.Existing) != 4 || len(again.Failed) != 2 {
		t.Errorf("the chains again give %v, %v", again, err)
	}
	if _, err := fsmtest.Do(m.Operator, ledger.Transfer, &pb.TransferRequest{Chains: true, Transfers: []*pb.Transfer{linked(of("8", a, b, "1"))}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a chain without an end gives %v, want a fault.invalid", err)
	}
}
