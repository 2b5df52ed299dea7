package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// maySeeRollUp: whoever may Read the path. What below it the caller may not View is
// left out, and what it may not Read is a refusal.
func maySeeRollUp(_ kv.Reader, req *pb.RollUpRequest) ([]command.Need, error) {
	under, err := underAccounts(req.Under)
	if err != nil {
		return nil, err
	}
	return needs(command.Read, under), checkInstant("at_unix_nanos", req.AtUnixNanos)
}

// sums of one asset over accounts.
type sums struct {
	counters
	accounts uint64
}

func rollUp(v *command.Reading, req *pb.RollUpRequest) (*pb.RollUpResponse, error) {
	under, err := underAccounts(req.Under)
	if err != nil {
		return nil, err
	}
	if tree.Find(v, under) == nil {
		return nil, command.NotFound(under)
	}
	at := instantOf(v, req.AtUnixNanos, req.Effective)
	was := req.AtUnixNanos != 0 && req.AtUnixNanos < v.Time
	// By effective time too only those count that were there at that log time: what
	// an account that had gone by then was posted comes to nothing.
	all := below{v: v, under: under, since: at.logged.Index}
	byAsset := make(map[string]*sums)
	err = all.each(func(a *account) error {
		c := a.counters
		if was {
			c = countersAt(v, a.id, &at)
		}
		if was && a.opened > req.AtUnixNanos && c == (counters{}) {
			return nil
		}
		s := byAsset[a.asset]
		if s == nil {
			s = &sums{}
			byAsset[a.asset] = s
		}
		s.add(&c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	res := &pb.RollUpResponse{}
	for of := range assets.All(v) {
		if s := byAsset[of.code]; s != nil {
			res.Assets = append(res.Assets, describeTotals(&of, &s.counters, s.accounts, 0, req.Effective))
		}
	}
	return res, nil
}

// add cannot overflow: the totals of the asset were never above maxTotal.
func (s *sums) add(c *counters) {
	s.accounts++
	s.debitsPosted, _ = s.debitsPosted.Add(c.debitsPosted)
	s.creditsPosted, _ = s.creditsPosted.Add(c.creditsPosted)
	s.debitsPending, _ = s.debitsPending.Add(c.debitsPending)
	s.creditsPending, _ = s.creditsPending.Add(c.creditsPending)
}

func maySeeTrialBalance(kv.Reader, *pb.TrialBalanceRequest) ([]command.Need, error) {
	return needs(command.Read, Accounts), nil
}

func trialBalance(v *command.Reading, _ *pb.TrialBalanceRequest) (*pb.TrialBalanceResponse, error) {
	res := &pb.TrialBalanceResponse{}
	for a := range assets.All(v) {
		res.Assets = append(res.Assets, describeTotals(&a, &a.totals, a.accounts, a.transfers, false))
	}
	return res, nil
}

func describeTotals(of *asset, c *counters, accounts, transfers uint64, effective bool) *pb.AssetTotals {
	t := &pb.AssetTotals{
		Asset: of.code, Scale: uint32(of.scale),
		DebitsPosted:  c.debitsPosted.Format(of.scale),
		CreditsPosted: c.creditsPosted.Format(of.scale),
		Accounts:      accounts,
		Transfers:     transfers,
		Balance:       Net(c.creditsPosted, c.debitsPosted).Format(of.scale),
	}
	if !effective {
		t.DebitsPending, t.CreditsPending = c.debitsPending.Format(of.scale), c.creditsPending.Format(of.scale)
	}
	return t
}
