package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func createAsset(tx *command.Tx, req *pb.CreateAssetRequest) (*pb.CreateAssetResponse, error) {
	if _, ok := assets.Get(tx, kv.StringKey(req.Code)); ok {
		return nil, fault.Exists.New("asset %s exists", req.Code).With("asset", req.Code)
	}
	count := 0
	for range assets.All(tx) {
		count++
	}
	if count >= MaxAssets {
		return nil, fault.Exhausted.New("there are %d assets, which is the most", count)
	}
	assets.Put(tx.Tx, asset{code: req.Code, scale: uint8(req.Scale)})
	return &pb.CreateAssetResponse{Index: tx.Index}, nil
}

func checkAsset(code string, scale uint32) error {
	if scale > MaxScale {
		return fault.Invalid.New("scale %d: an asset has 0 to %d digits after the point", scale, MaxScale)
	}
	ok := len(code) >= 1 && len(code) <= MaxAssetCode && code[0] >= 'A' && code[0] <= 'Z'
	for i := range len(code) {
		c := code[i]
		ok = ok && (c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fault.Invalid.New("asset %s: a code is 1 to %d of A-Z, 0-9 and -, and begins with a letter", quote(code), MaxAssetCode)
	}
	return nil
}

func openAccount(tx *command.Tx, req *pb.OpenAccountRequest) (*pb.OpenAccountResponse, error) {
	p, err := accountPath(req.Path)
	if err != nil {
		return nil, err
	}
	if _, ok := accountsByPath.Find(tx, p); ok {
		return nil, fault.Exists.New("account %s exists", p).With("path", string(p))
	}
	of, ok := assets.Get(tx, kv.StringKey(req.Asset))
	if !ok {
		return nil, noAsset(req.Asset)
	}
	a := account{id: tx.NewID(), path: p, asset: of.code, opened: tx.Time}
	if err := setLimits(&a, req, of.scale); err != nil {
		return nil, err
	}
	if err := tree.OpenAccount(tx, p); err != nil {
		return nil, err
	}
	accounts.Put(tx.Tx, a)
	of.accounts++
	assets.Put(tx.Tx, of)
	return &pb.OpenAccountResponse{Index: tx.Index}, nil
}

func setLimits(a *account, req *pb.OpenAccountRequest, scale uint8) (err error) {
	switch req.Overdraft {
	case "":
	case Unlimited:
		a.unlimited = true
	default:
		if a.overdraft, err = ParseAmount(req.Overdraft, scale); err != nil {
			return in("overdraft", err)
		}
	}
	if req.Ceiling == "" {
		return nil
	}
	a.hasCeiling = true
	if a.ceiling, err = ParseAmount(req.Ceiling, scale); err != nil {
		return in("ceiling", err)
	}
	return nil
}

// findAccount gives the account at the path and its asset.
func findAccount(r kv.Reader, p path.Path) (account, asset, error) {
	a, ok := accountsByPath.Find(r, p)
	if !ok {
		return account{}, asset{}, command.NotFound(p)
	}
	return a, mustAsset(r, a.asset), nil
}

func mustAsset(r kv.Reader, code string) asset {
	of, ok := assets.Get(r, kv.StringKey(code))
	if !ok {
		panic("ledger: an account of the unknown asset " + code)
	}
	return of
}

func noAsset(code string) error {
	return fault.NotFound.New("no asset %s", quote(code)).With("asset", code)
}

// available is what may still be debited; ok is false when there is no bound.
func (a *account) available() (amount Amount, ok bool) {
	if a.unlimited {
		return Amount{}, false
	}
	// Each term is at most MaxAmount, so two of them cannot overflow.
	have, _ := a.creditsPosted.Add(a.overdraft)
	used, _ := a.debitsPosted.Add(a.debitsPending)
	amount, _ = have.Sub(used)
	return amount, true
}

// room is what may still be credited; ok is false when there is no bound.
func (a *account) room() (amount Amount, ok bool) {
	if !a.hasCeiling {
		return Amount{}, false
	}
	most, _ := a.ceiling.Add(a.debitsPosted)
	have, _ := a.creditsPosted.Add(a.creditsPending)
	amount, _ = most.Sub(have)
	return amount, true
}
