package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	// MaxStatementAccounts is how many accounts a statement of a subtree is of.
	MaxStatementAccounts = 2000
	// maxLooks is how many entries are looked at for a page of a statement: few of
	// many may have posted anything.
	maxLooks = 5000
)

// maySeeStatement: whoever may Read the path. What is below it is shown or refused
// as it is by a roll-up.
func maySeeStatement(r kv.Reader, req *pb.StatementRequest) ([]command.Need, error) {
	if err := checkStatement(req); err != nil {
		return nil, err
	}
	if !req.Subtree {
		return mayReadThen(r, req.Path)
	}
	under, err := underAccounts(req.Path)
	return needs(command.Read, under), err
}

func checkStatement(req *pb.StatementRequest) error {
	if err := checkSpan(req.FromUnixNanos, req.UntilUnixNanos); err != nil {
		return err
	}
	if _, err := lines(req.Limit); err != nil {
		return err
	}
	_, err := parseStatementCursor(req)
	return err
}

// checkSpan refuses times that bound nothing; 0 is no bound.
func checkSpan(from, until int64) error {
	if err := checkInstant("from_unix_nanos", from); err != nil {
		return err
	}
	if err := checkInstant("until_unix_nanos", until); err != nil {
		return err
	}
	if until != 0 && until < from {
		return fault.Invalid.New("until_unix_nanos %d is before from_unix_nanos %d", until, from)
	}
	return nil
}

// statementPage is a page of a statement that is being made.
type statementPage struct {
	v        *command.Reading
	req      *pb.StatementRequest
	accounts []account
	of       asset
	// The lines that are wanted are behind low and before high.
	low, high edge
	// sum is what the accounts had posted at the edge from which the page is read,
	// and then after the lines that were read.
	sum posted
	res *pb.StatementResponse
}

func statement(v *command.Reading, req *pb.StatementRequest) (*pb.StatementResponse, error) {
	from, err := parseStatementCursor(req)
	if err != nil {
		return nil, err
	}
	s := &statementPage{v: v, req: req}
	if err := s.findAccounts(); err != nil {
		return nil, err
	}
	s.bound(from)
	if err := s.open(from); err != nil {
		return nil, err
	}
	s.res = &pb.StatementResponse{Path: string(s.path()), Asset: s.of.code}
	s.fill()
	return s.res, nil
}

func (s *statementPage) path() path.Path {
	p, _ := path.Parse(s.req.Path)
	return p
}

func (s *statementPage) findAccounts() error {
	if s.req.Subtree {
		return s.findBelow()
	}
	a, err := accountLast(s.v, s.path())
	if err != nil {
		return err
	}
	if s.req.Asset != "" && s.req.Asset != a.asset {
		return fault.Invalid.New("account %s holds %s, not %s", a.path, a.asset, quote(s.req.Asset))
	}
	s.accounts, s.of = []account{a}, mustAsset(s.v, a.asset)
	return nil
}

// findBelow gives the accounts of the asset at and below the path that were there
// between the times of the statement: those that have gone since it begins, too. There
// may be none, if there are or were at other times.
func (s *statementPage) findBelow() error {
	all := below{v: s.v, under: s.path(), since: firstAfter(s.v, s.req.FromUnixNanos-1).Index}
	end := command.ID{Index: s.v.Index + 1}
	if s.req.UntilUnixNanos != 0 && !s.req.Effective { // by effective time, accounts have entries of before they were
		end = firstAfter(s.v, s.req.UntilUnixNanos-1)
	}
	if tree.Find(s.v, all.under) == nil {
		return command.NotFound(all.under)
	}
	asset, later := s.req.Asset, false
	err := all.each(func(a *account) error {
		switch {
		case asset == "":
			asset = a.asset
		case a.asset != asset && s.req.Asset == "":
			return all.severalAssets(asset, a.asset)
		case a.asset != asset:
			return nil
		case !isBefore(a.id, end):
			later = true
			return nil
		}
		if len(s.accounts) == MaxStatementAccounts {
			return fault.Exhausted.New("at and below %s there were more than %d accounts of %s at the time: "+
				"ask for a shorter time, or for what is below it one by one", all.under, MaxStatementAccounts, asset)
		}
		s.accounts = append(s.accounts, *a)
		return nil
	})
	if err == nil && len(s.accounts) == 0 && !later {
		asset, err = all.assetBefore(asset)
	}
	if err != nil {
		return err
	}
	s.of = mustAsset(s.v, asset)
	return nil
}

// bound sets the edges: those of the request, or where the page before ended.
func (s *statementPage) bound(from *statementCursor) {
	s.low = edgeAt(s.v, place{at: s.req.FromUnixNanos}, s.req.Effective)
	s.high = edgeBehindAll(s.v, s.req.Effective)
	if s.req.UntilUnixNanos != 0 {
		s.high = edgeAt(s.v, place{at: s.req.UntilUnixNanos}, s.req.Effective)
	}
	if from == nil {
		return
	}
	at := edgeAt(s.v, from.place, s.req.Effective)
	if s.req.NewestFirst {
		if at.compare(s.high.place) < 0 {
			s.high = at
		}
		return
	}
	if at.compare(s.low.place) > 0 {
		s.low = at
	}
}

// open works out what was posted where the page is begun. It must be what it was
// where the page before ended, or the pages do not fit.
func (s *statementPage) open(from *statementCursor) error {
	at := &s.low
	if s.req.NewestFirst {
		at = &s.high
	}
	if from != nil && isPlainStatement(s.req) && !s.isOwn(from.id) {
		return fault.Conflict.New("account %s is another since the page before was read: begin the statement again", s.accounts[0].path)
	}
	for i := range s.accounts {
		s.sum.add(postedBefore(s.v, s.accounts[i].id, at))
	}
	if from != nil && from.sum != nil && *from.sum != s.sum {
		return fault.Conflict.New("what is before this page has changed since the page before was read: begin the statement again")
	}
	return nil
}

// isOwn says whether an entry is one of the only account.
func (s *statementPage) isOwn(id command.ID) bool {
	e, ok := entries.Get(s.v, id)
	return ok && (e.debit == s.accounts[0].id || e.credit == s.accounts[0].id)
}

func (s *statementPage) balance() string {
	return s.sum.balance().Format(s.of.scale)
}

// fill reads the page.
func (s *statementPage) fill() {
	limit, _ := lines(s.req.Limit)
	begin := s.balance()
	looks, last := 0, place{}
	for it := range s.items() {
		if looks == maxLooks || it.counts && len(s.res.Lines) == limit {
			s.res.Cursor = s.cursorBehind(last)
			break
		}
		looks++
		last = it.place
		if it.counts {
			s.res.Lines = append(s.res.Lines, s.line(&it))
		}
	}
	s.res.Opening, s.res.Closing = begin, s.balance()
	if s.req.NewestFirst {
		s.res.Opening, s.res.Closing = s.res.Closing, s.res.Opening
	}
}

// line describes a line and brings the sum to behind it.
func (s *statementPage) line(it *item) *pb.StatementLine {
	e := &it.entry
	l := &pb.StatementLine{
		Index: e.id.Index, UnixNanos: e.time, Transfer: e.name, Kind: entryKinds[e.kind],
		EffectiveUnixNanos: e.at(), Description: e.description,
	}
	if s.req.Subtree {
		l.Account = string(it.account.path)
	}
	other, amount := e.credit, posted{debits: e.amount}
	if it.side == paying {
		l.Debit = e.amount.Format(s.of.scale)
	} else {
		l.Credit = e.amount.Format(s.of.scale)
		other, amount = e.debit, posted{credits: e.amount}
	}
	l.Counterparty = string(accountOf(s.v, other).path)
	if s.req.NewestFirst {
		l.Balance = s.balance()
		s.sum.take(amount)
		return l
	}
	s.sum.add(amount)
	l.Balance = s.balance()
	return l
}
