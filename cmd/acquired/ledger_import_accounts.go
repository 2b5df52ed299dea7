package main

import (
	"context"
	"fmt"

	"acquired/client"
	"acquired/cmd/acquired/swf"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// prepare sees that the asset and the accounts are there. What could be refused
// without a change is refused before the first one.
func (i *importer) prepare(ctx context.Context) error {
	exists, err := i.findAsset(ctx)
	if err != nil {
		return err
	}
	if i.price, err = swf.ParsePrice(i.flags.price, i.scale); err != nil {
		return err
	}
	if err := i.findPeriods(ctx); err != nil {
		return err
	}
	accounts, missing, err := i.findAccounts(ctx)
	if err != nil {
		return err
	}
	if err := i.find(ctx); err != nil {
		return err
	}
	if err := i.bearAll(accounts); err != nil {
		return err
	}
	if !exists {
		if err := i.createAsset(ctx); err != nil {
			return err
		}
	}
	i.fresh = make(map[string]bool)
	for _, path := range missing {
		if err := i.openAccount(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// findAsset learns the scale of the asset, if it exists.
func (i *importer) findAsset(ctx context.Context) (exists bool, err error) {
	i.scale = uint8(i.flags.scale)
	totals, err := i.totals(ctx)
	if err != nil || totals == nil {
		return false, err
	}
	if i.flags.scaleGiven && totals.Scale != i.flags.scale {
		return false, fault.Conflict.New("asset %s has scale %d, not %d", i.flags.asset, totals.Scale, i.flags.scale)
	}
	i.scale = uint8(totals.Scale)
	return true, nil
}

// totals gives the totals of the asset, nil when it does not exist.
func (i *importer) totals(ctx context.Context) (*assetTotals, error) {
	all, err := askTrialBalance(client.WithRead(ctx, client.Latest), i.client)
	if err != nil {
		return nil, err
	}
	for _, totals := range all.Assets {
		if totals.Asset == i.flags.asset {
			return &totals, nil
		}
	}
	return nil, nil
}

func (i *importer) createAsset(ctx context.Context) error {
	_, err := i.client.Ledger.CreateAsset(ctx, &pb.CreateAssetRequest{Code: i.flags.asset, Scale: i.flags.scale})
	if err != nil {
		return err
	}
	fmt.Fprintf(i.notes, "created asset %s with scale %d\n", i.flags.asset, i.flags.scale)
	return nil
}

// findPeriods learns which time is closed.
func (i *importer) findPeriods(ctx context.Context) error {
	answer, err := i.client.Ledger.Periods(client.WithRead(ctx, client.Latest), &pb.PeriodsRequest{})
	if err != nil {
		return err
	}
	for _, period := range answer.Periods {
		i.closedUntil = max(i.closedUntil, period.UntilUnixNanos)
	}
	return nil
}

// findAccounts gives the accounts, those that are missing as they will be, and
// checks the asset of those that do exist.
func (i *importer) findAccounts(ctx context.Context) (accounts []*pb.AccountResponse, missing []string, err error) {
	paths := []string{i.flags.payee}
	for _, user := range i.log.users {
		if i.account(user) == i.flags.payee {
			return nil, nil, usage("--to %s is the account of user %s of the log", i.flags.payee, user.name())
		}
		paths = append(paths, i.account(user))
	}
	accounts, err = askAccounts(client.WithRead(ctx, client.Latest), i.client, paths)
	if err != nil {
		return nil, nil, err
	}
	found := make(map[string]bool, len(accounts))
	for _, account := range accounts {
		if found[account.Path] = true; account.Asset != i.flags.asset {
			return nil, nil, fault.Conflict.New("account %s holds %s, not %s", account.Path, account.Asset, i.flags.asset)
		}
	}
	for _, path := range paths {
		if found[path] {
			continue
		}
		account, err := i.unopened(path)
		if err != nil {
			return nil, nil, err
		}
		accounts, missing = append(accounts, account), append(missing, path)
	}
	return accounts, missing, nil
}

// unopened gives an account as it will be when this import has opened it.
func (i *importer) unopened(path string) (*pb.AccountResponse, error) {
	zero := ledger.Amount{}.Format(i.scale)
	account := &pb.AccountResponse{
		Path: path, Asset: i.flags.asset, State: "open", Overdraft: zero,
		Balance: &pb.BalanceResponse{DebitsPosted: zero, CreditsPosted: zero, DebitsPending: zero, CreditsPending: zero},
	}
	if path == i.flags.payee {
		return account, nil
	}
	account.HoldOverdraft, account.Overdraft = true, i.flags.overdraft
	if i.flags.overdraft == unlimited {
		return account, nil
	}
	overdraft, err := ledger.ParseAmount(i.flags.overdraft, i.scale)
	if err != nil {
		return nil, usage("--overdraft: %w", err)
	}
	account.Overdraft = overdraft.Format(i.scale)
	return account, nil
}

// openAccount opens an account. Users spend what they have not: holds may reserve
// of the overdraft.
func (i *importer) openAccount(ctx context.Context, path string) error {
	request := &pb.OpenAccountRequest{Path: path, Asset: i.flags.asset}
	if path != i.flags.payee {
		request.Overdraft, request.HoldOverdraft = i.flags.overdraft, true
	}
	if _, err := i.client.Ledger.OpenAccount(ctx, request); err != nil {
		return err
	}
	i.fresh[path] = true
	if path == i.flags.payee {
		fmt.Fprintf(i.notes, "opened account %s\n", path)
	}
	return nil
}
