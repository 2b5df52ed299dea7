package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"

	"acquired/client"
	"acquired/cmd/acquired/swf"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// reconciliation sets what was computed from a log against the books.
type reconciliation struct {
	Log     string `json:"log"`
	Records uint64 `json:"records"`
	// Charged and Skipped add up to Records.
	Charged        uint64            `json:"charged"`
	Skipped        uint64            `json:"skipped"`
	SkippedReasons map[string]uint64 `json:"skipped_reasons"`
	Users          int               `json:"users"`
	CoreSeconds    uint64            `json:"core_seconds"`
	Price          string            `json:"price"`
	Per            string            `json:"per"`
	// Total is what all users pay, each rounded down once.
	Total string `json:"total"`
	Asset string `json:"asset"`
	// Created and Existing add up to Charged: what this run charged, and what was.
	Created  uint64 `json:"charges_created"`
	Existing uint64 `json:"charges_existing"`
	// Backdated are those of Created that are effective when the job ended, Extended
	// those for which more was needed than was held.
	Backdated uint64 `json:"charges_backdated"`
	Extended  uint64 `json:"holds_extended"`
	// MostHolds is how many holds of the log were open at once at most.
	MostHolds int `json:"holds_at_once"`
	// TrialBalance is "zero", or how far the asset's debits are from its credits.
	TrialBalance string `json:"trial_balance"`
	// OtherDebits counts the users' accounts that were debited for other things too.
	OtherDebits int `json:"accounts_with_other_debits"`
}

func (r *reconciliation) table(w io.Writer) {
	row(w, "log", r.Log)
	row(w, "records", number(r.Records))
	row(w, "  charged", number(r.Charged))
	row(w, "  skipped", number(r.Skipped))
	for _, reason := range slices.Sorted(maps.Keys(r.SkippedReasons)) {
		row(w, "    "+reason, number(r.SkippedReasons[reason]))
	}
	row(w, "users", number(uint64(r.Users)))
	row(w, "core-seconds", number(r.CoreSeconds))
	row(w, "price", fmt.Sprintf("%s %s per %s", r.Price, r.Asset, r.Per))
	row(w, "total", r.Total+" "+r.Asset)
	row(w, "charges", fmt.Sprintf("%d created, %d existing", r.Created, r.Existing))
	row(w, "  backdated", number(r.Backdated))
	row(w, "holds extended", number(r.Extended))
	row(w, "holds at once", number(uint64(r.MostHolds)))
	row(w, "trial balance", r.TrialBalance)
	if r.OtherDebits > 0 {
		row(w, "accounts with other debits", number(uint64(r.OtherDebits)))
	}
}

// reconcile reads the books at or after the index of the last charge.
func (i *importer) reconcile(ctx context.Context) (*reconciliation, error) {
	done := &reconciliation{
		Log: i.flags.name, Records: i.log.records, Charged: uint64(len(i.log.jobs)), Skipped: i.log.skips(),
		SkippedReasons: i.log.skipped, Users: len(i.log.users), CoreSeconds: i.log.coreSeconds,
		Price: i.flags.price, Per: i.flags.per, Asset: i.flags.asset, Created: i.created, Existing: i.existing,
		Backdated: i.backdated, Extended: i.extended, MostHolds: i.log.mostAtOnce(),
	}
	total := new(big.Int)
	for _, user := range i.log.users {
		computed := i.price.Total(user.coreSeconds)
		total.Add(total, computed)
		other, err := i.compareUser(ctx, i.account(user), computed)
		if err != nil {
			return nil, err
		}
		if other {
			done.OtherDebits++
		}
	}
	if err := i.comparePayee(ctx, total); err != nil {
		return nil, err
	}
	done.Total = swf.FormatMinor(total, i.scale)
	totals, err := i.totals(ctx)
	if err != nil {
		return nil, err
	}
	if totals == nil {
		return nil, fault.NotFound.New("asset %s is gone", i.flags.asset)
	}
	done.TrialBalance, err = describeTrialBalance(*totals)
	return done, err
}

// compareUser says whether the account was debited for other things too. On an
// account that this run opened there must be nothing else.
func (i *importer) compareUser(ctx context.Context, path string, computed *big.Int) (other bool, err error) {
	account, err := i.balance(ctx, path)
	if err != nil {
		return false, err
	}
	if i.fresh[path] {
		if _, err := i.compare(path, "pending debits", account.DebitsPending, new(big.Int)); err != nil {
			return false, err
		}
	}
	return i.compare(path, "debits", account.DebitsPosted, computed)
}

func (i *importer) comparePayee(ctx context.Context, total *big.Int) error {
	account, err := i.balance(ctx, i.flags.payee)
	if err != nil {
		return err
	}
	_, err = i.compare(i.flags.payee, "credits", account.CreditsPosted, total)
	return err
}

// compare notes a mismatch between the books and what was computed.
func (i *importer) compare(path, what, booked string, computed *big.Int) (other bool, err error) {
	posted, err := parseMinor(booked)
	if err != nil {
		return false, fmt.Errorf("%s of %s: %w", what, path, err)
	}
	switch order := posted.Cmp(computed); {
	case order < 0, order > 0 && i.fresh[path]:
		i.mismatches = append(i.mismatches, fmt.Sprintf("%s has %s of %s, not %s",
			path, what, booked, swf.FormatMinor(computed, i.scale)))
		return false, nil
	default:
		return order > 0, nil
	}
}

func (i *importer) balance(ctx context.Context, path string) (*pb.BalanceResponse, error) {
	return i.client.Ledger.Balance(client.WithRead(ctx, client.Latest), &pb.BalanceRequest{Path: path})
}

// verify refuses books that do not say what was computed.
func (i *importer) verify(done *reconciliation) error {
	const most = 5
	switch {
	case done.TrialBalance != "zero":
		return fault.Conflict.New("%s does not balance: debits less credits are %s", done.Asset, done.TrialBalance)
	case done.Created+done.Existing != done.Charged:
		return fault.Conflict.New("the cluster counts %d charges for %d jobs", done.Created+done.Existing, done.Charged)
	case len(i.mismatches) > 0:
		return fault.Conflict.New("%d accounts differ from the log: %s",
			len(i.mismatches), strings.Join(i.mismatches[:min(most, len(i.mismatches))], "; "))
	}
	return nil
}

// describeTrialBalance gives "zero", or debits less credits.
func describeTrialBalance(t assetTotals) (string, error) {
	if t.balances() {
		return "zero", nil
	}
	difference := new(big.Int)
	for _, part := range []struct {
		amount string
		add    bool
	}{{t.DebitsPosted, true}, {t.DebitsPending, true}, {t.CreditsPosted, false}, {t.CreditsPending, false}} {
		minor, err := parseMinor(part.amount)
		if err != nil {
			return "", fmt.Errorf("totals of %s: %w", t.Asset, err)
		}
		if part.add {
			difference.Add(difference, minor)
		} else {
			difference.Sub(difference, minor)
		}
	}
	return swf.FormatMinor(difference, uint8(t.Scale)), nil
}

// parseMinor reads an amount that the cluster spelled, which has all the digits
// of its asset's scale.
func parseMinor(amount string) (*big.Int, error) {
	minor, ok := new(big.Int).SetString(strings.Replace(amount, ".", "", 1), 10)
	if !ok {
		return nil, fmt.Errorf("%q is no amount", amount)
	}
	return minor, nil
}
