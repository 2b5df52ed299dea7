package ledger

import (
	"strconv"

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
	auditOne(tx, &auditLine{what: describeAsset(req.Code, req.Scale)})
	return &pb.CreateAssetResponse{Index: tx.Index}, nil
}

func describeAsset(code string, scale uint32) string {
	return "create " + code + ", scale " + strconv.FormatUint(uint64(scale), 10)
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

// versionBefore gives the last version of the account that was at the path before and
// has gone; 0 is none. A new account there goes on from it, so that a version that
// somebody has seen is never that of another account.
func versionBefore(r kv.Reader, p path.Path) uint64 {
	last, _ := first(goneByPath.Scan(r, p, nil, true))
	return last.version
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
	a := account{
		id: tx.NewID(), path: p, asset: of.code, opened: tx.Time, version: versionBefore(tx, p) + 1,
		holdOverdraft: req.HoldOverdraft, owner: principalOf(req.Owner),
	}
	a.kind, _ = parseKind(req.Kind)
	if err := setOverdraft(&a, req.Overdraft, of.scale); err != nil {
		return nil, err
	}
	if err := setCeiling(&a, req.Ceiling, of.scale); err != nil {
		return nil, err
	}
	if err := setDailyLimit(&a, req.DailyLimit, of.scale); err != nil {
		return nil, err
	}
	if err := setMetadata(tx, a.id, req.Metadata); err != nil {
		return nil, err
	}
	if err := tree.OpenAccount(tx, p); err != nil {
		return nil, err
	}
	accounts.Put(tx.Tx, a)
	of.accounts++
	assets.Put(tx.Tx, of)
	auditOne(tx, &auditLine{what: describe("open", string(p), req), accounts: []path.Path{p}})
	return &pb.OpenAccountResponse{Index: tx.Index}, nil
}

func checkAccount(req *pb.OpenAccountRequest) error {
	if err := checkAsset(req.Asset, 0); err != nil {
		return err
	}
	if _, err := parseKind(req.Kind); err != nil {
		return err
	}
	if err := checkPrincipal("owner", req.Owner); err != nil {
		return err
	}
	return checkMetadata(req.Metadata)
}

func parseKind(s string) (accountKind, error) {
	if s == "" {
		return normal, nil
	}
	for kind, name := range accountKinds {
		if s == name {
			return accountKind(kind), nil
		}
	}
	return 0, fault.Invalid.New("no kind of account %s: it is one of normal, ephemeral, transient", quote(s))
}

func setOverdraft(a *account, s string, scale uint8) (err error) {
	a.overdraft, a.unlimited = Amount{}, false
	switch s {
	case "":
	case Unlimited:
		a.unlimited = true
	default:
		if a.overdraft, err = ParseAmount(s, scale); err != nil {
			return in("overdraft", err)
		}
	}
	return nil
}

func setCeiling(a *account, s string, scale uint8) (err error) {
	a.ceiling, a.hasCeiling = Amount{}, s != ""
	if s == "" {
		return nil
	}
	if a.ceiling, err = ParseAmount(s, scale); err != nil {
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

// availableForHold is what may still be reserved, of the overdraft too or not; ok is
// false when there is no bound.
func (a *account) availableForHold(overdraft bool) (amount Amount, ok bool) {
	if overdraft {
		return a.available()
	}
	used, _ := a.debitsPosted.Add(a.debitsPending)
	amount, ok = a.creditsPosted.Sub(used)
	if !ok {
		return Amount{}, true
	}
	return amount, true
}

// balance is what the account has: credits less debits posted.
func (a *account) balance() Signed { return Net(a.creditsPosted, a.debitsPosted) }

// holdings says what there is of it.
func (a *account) holdings(scale uint8) string {
	return "a balance of " + a.balance().Format(scale) + " " + a.asset + ", debits of " + a.debitsPending.Format(scale) +
		" and credits of " + a.creditsPending.Format(scale) + " pending"
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
