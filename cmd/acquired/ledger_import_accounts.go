package main

import (
	"context"
	"errors"
	"fmt"

	"acquired/client"
	"acquired/cmd/acquired/swf"
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
	if err := i.log.checkCharges(i.price); err != nil {
		return err
	}
	missing, err := i.missingAccounts(ctx)
	if err != nil {
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

// missingAccounts gives the accounts that do not exist and checks the asset of
// those that do.
func (i *importer) missingAccounts(ctx context.Context) (missing []string, err error) {
	paths := []string{i.flags.payee}
	for _, user := range i.log.users {
		paths = append(paths, i.account(user))
	}
	for _, path := range paths {
		account, err := i.balance(ctx, path)
		switch {
		case errors.Is(err, fault.NotFound):
			missing = append(missing, path)
		case err != nil:
			return nil, err
		case account.Asset != i.flags.asset:
			return nil, fault.Conflict.New("account %s holds %s, not %s", path, account.Asset, i.flags.asset)
		}
	}
	return missing, nil
}

func (i *importer) openAccount(ctx context.Context, path string) error {
	request := &pb.OpenAccountRequest{Path: path, Asset: i.flags.asset}
	if path != i.flags.payee {
		request.Overdraft = i.flags.overdraft
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
