package ledger

import (
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func needs(operation command.Operation, p path.Path) []command.Need {
	return []command.Need{{Operation: operation, Path: p}}
}

func mayCreateAsset(_ kv.Reader, req *pb.CreateAssetRequest) ([]command.Need, error) {
	if err := checkAsset(req.Code, req.Scale); err != nil {
		return nil, err
	}
	return needs(command.Admin, Accounts), nil
}

// mayOpenAccount: whoever may Write the directory in which the account, or the
// first directory that is missing above it, is made; and Admin it, if the account
// may go below zero.
func mayOpenAccount(r kv.Reader, req *pb.OpenAccountRequest) ([]command.Need, error) {
	p, err := accountPath(req.Path)
	if err != nil {
		return nil, err
	}
	at := tree.Nearest(r, p.Parent()).Path
	all := needs(command.Write, at)
	if strings.Trim(req.Overdraft, "0.") != "" {
		all = append(all, command.Need{Operation: command.Admin, Path: at}) // who may overdraw makes money
	}
	return all, checkAccount(req)
}

// mayTransfer: whoever may spend from every account that pays. Those that are paid
// the caller must be able to View, which the body asks. Of a payer that has gone since a
// transfer was made or failed the nearest name that is left decides, so that it is
// answered again.
func mayTransfer(r kv.Reader, req *pb.TransferRequest) ([]command.Need, error) {
	if err := checkCount(len(req.Transfers), "transfers"); err != nil {
		return nil, err
	}
	names := make(accountNames)
	if err := checkTransfers(req, names); err != nil {
		return nil, err
	}
	var all []command.Need
	asked := make(map[string]struct{})
	spend := func(id, account string) {
		if _, ok := asked[account]; ok {
			return
		}
		need := command.Need{Operation: command.Spend, Path: names[account]}
		if tree.Find(r, need.Path) == nil && isUsed(r, id) {
			need.Path, need.For = tree.Nearest(r, need.Path).Path, need.Path
		} else {
			asked[account] = struct{}{}
		}
		all = append(all, need)
	}
	for _, t := range req.Transfers {
		spend(t.Id, t.Debit)
		for _, account := range t.ThenDebit {
			spend(t.Id, account)
		}
	}
	return all, nil
}

// isUsed says whether a step stands under the id, or a failure is kept.
func isUsed(r kv.Reader, id string) bool {
	if _, made := steps.Get(r, kv.StringKey(id)); made {
		return true
	}
	_, failed := failures.Get(r, kv.StringKey(id))
	return failed
}

// mayOp: everybody may try. What a step needs depends on what those before it made,
// so the body asks for each in turn.
func mayOp(_ kv.Reader, req *pb.OpRequest) ([]command.Need, error) {
	if n := len(req.Steps); n < 1 || n > MaxSteps {
		return nil, fault.Invalid.New("%d steps: an op has 1 to %d", n, MaxSteps)
	}
	return []command.Need{{Operation: command.Anyone, Path: path.Root}}, checkSteps(req.Steps)
}

func mayLookUp(_ kv.Reader, req *pb.LookupRequest) ([]command.Need, error) {
	if err := checkCount(len(req.Ids), "transfer ids"); err != nil {
		return nil, err
	}
	under, err := lookupPath(req)
	if err != nil {
		return nil, err
	}
	return needs(command.Read, under), nil
}

func mayRead(account string) ([]command.Need, error) {
	p, err := accountPath(account)
	if err != nil {
		return nil, err
	}
	return needs(command.Read, p), nil
}

// accountPath reads the path of an account, which is below /account.
func accountPath(s string) (path.Path, error) {
	p, err := path.Parse(s)
	if err != nil {
		return "", err
	}
	if !Accounts.Covers(p) || p == Accounts {
		return "", fault.Invalid.New("an account is a path below %s, not %s", Accounts, p)
	}
	return p, nil
}

func lookupPath(req *pb.LookupRequest) (path.Path, error) {
	if req.Under == "" {
		return Accounts, nil
	}
	return path.Parse(req.Under)
}

func checkCount(n int, what string) error {
	if n < 1 || n > MaxTransfers {
		return fault.Invalid.New("%d %s: a request holds 1 to %d", n, what, MaxTransfers)
	}
	return nil
}
