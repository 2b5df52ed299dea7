package ledger

import (
	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func maySeeAccount(_ kv.Reader, req *pb.AccountRequest) ([]command.Need, error) {
	return mayRead(req.Path)
}

func showAccount(v *command.Reading, req *pb.AccountRequest) (*pb.AccountResponse, error) {
	a, of, err := readAccount(v, req.Path)
	if err != nil {
		return nil, err
	}
	return describeAccount(v, &a, of.scale), nil
}

func describeAccount(v *command.Reading, a *account, scale uint8) *pb.AccountResponse {
	res := &pb.AccountResponse{
		Path: string(a.path), Asset: a.asset, Kind: accountKinds[a.kind], State: accountStates[a.state], Version: a.version,
		Overdraft: Unlimited, HoldOverdraft: a.holdOverdraft, Owner: string(a.owner), OpenedUnixNanos: a.opened,
		Balance: balanceNow(*a, scale, v.Time),
	}
	if !a.unlimited {
		res.Overdraft = a.overdraft.Format(scale)
	}
	if a.hasCeiling {
		res.Ceiling = a.ceiling.Format(scale)
	}
	if a.hasDailyLimit {
		today := *a
		today.meetDay(v.Time)
		res.DailyLimit, res.SpentToday = a.dailyLimit.Format(scale), today.spent.Format(scale)
	}
	p, _ := metadata.Get(v, a.id)
	for _, m := range p.metadata {
		res.Metadata = append(res.Metadata, &pb.Metadatum{Key: m.key, Value: m.value})
	}
	return res
}

const (
	// maxNamesLooked is how many names of the tree are looked at for a page of
	// accounts; one that the caller may see ends it.
	maxNamesLooked = 5000
	// maxHiddenLooked is how many are looked at if it sees none.
	maxHiddenLooked = 100_000
)

// maySeeAccounts: whoever may View the path. What is listed is what it may Read.
func maySeeAccounts(_ kv.Reader, req *pb.AccountsRequest) ([]command.Need, error) {
	under, err := underAccounts(req.Under)
	if err != nil {
		return nil, err
	}
	if _, err := lines(req.Limit); err != nil {
		return nil, err
	}
	_, err = parseAccountsCursor(req.Cursor, under)
	return needs(command.View, under), err
}

// parseAccountsCursor reads a cursor, which is the path that was looked at last.
func parseAccountsCursor(s string, under path.Path) (path.Path, error) {
	if s == "" {
		return "", nil
	}
	p, err := path.Parse(s)
	if err != nil || string(p) != s || !under.Covers(p) {
		return "", noCursor(s)
	}
	return p, nil
}

func listAccounts(v *command.Reading, req *pb.AccountsRequest) (*pb.AccountsResponse, error) {
	under, err := underAccounts(req.Under)
	if err != nil {
		return nil, err
	}
	after, err := parseAccountsCursor(req.Cursor, under)
	if err != nil {
		return nil, err
	}
	limit, _ := lines(req.Limit)
	if tree.Find(v, under) == nil {
		return nil, command.NotFound(under)
	}
	res := &pb.AccountsResponse{}
	looked, size, end := 0, 0, path.Path("")
	for n := range tree.SubtreeBut(v, under, after, acl.BarrenFor(v, command.View, command.Read)) {
		if end != "" {
			res.Cursor = string(end)
			break
		}
		if looked++; looked > maxHiddenLooked {
			return nil, fault.Exhausted.New("of %d names below %s none is one that the caller may View: ask for what is below it", looked, under)
		}
		if n.Kind == tree.Account && mayNow(v, command.Read, n.Path) {
			a, of, err := findAccount(v, n.Path)
			if err != nil {
				return nil, err
			}
			described := describeAccount(v, &a, of.scale)
			size += proto.Size(described)
			res.Accounts = append(res.Accounts, described)
		}
		// A cursor is a path that the caller may know.
		full := len(res.Accounts) == limit || size >= maxAnswerBytes || looked >= maxNamesLooked
		if full && mayNow(v, command.View, n.Path) {
			end = n.Path
		}
	}
	return res, nil
}

// mayNow says whether the caller of a query may do the operation on the path.
func mayNow(v *command.Reading, o command.Operation, p path.Path) bool {
	return acl.Allow(v, &v.Caller, v.Time, needs(o, p)) == nil
}
