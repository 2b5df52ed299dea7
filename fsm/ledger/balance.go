package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func maySeeBalance(r kv.Reader, req *pb.BalanceRequest) ([]command.Need, error) {
	if err := checkInstant("at_unix_nanos", req.AtUnixNanos); err != nil {
		return nil, err
	}
	return mayReadThen(r, req.Path)
}

// checkInstant refuses times before 1970.
func checkInstant(what string, nanos int64) error {
	if nanos < 0 {
		return fault.Invalid.New("%s %d: a time is in nanoseconds since 1970, not before", what, nanos)
	}
	return nil
}

func balance(v *command.Reading, req *pb.BalanceRequest) (*pb.BalanceResponse, error) {
	p, err := accountPath(req.Path)
	if err != nil {
		return nil, err
	}
	a, err := accountThen(v, p, req.AtUnixNanos)
	if err != nil {
		return nil, err
	}
	scale := mustAsset(v, a.asset).scale
	if req.AtUnixNanos == 0 && !req.Effective {
		return balanceNow(a, scale, v.Time), nil
	}
	at := instantOf(v, req.AtUnixNanos, req.Effective)
	return balanceThen(v, &a, scale, &at), nil
}

// instantOf gives the edge behind what counts at an instant. 0 is now, and so is
// what is to come.
func instantOf(v *command.Reading, nanos int64, effective bool) edge {
	if nanos == 0 || nanos >= v.Time {
		return edgeBehindAll(v, effective)
	}
	return edgeAt(v, place{at: nanos + 1}, effective)
}

func balanceNow(a account, scale uint8, now int64) *pb.BalanceResponse {
	res := describeBalance(&a, &a.counters, scale)
	res.Available = Unlimited
	a.meetDay(now)
	if amount, bounded := a.spendable(); bounded {
		res.Available = amount.Format(scale)
	}
	return res
}

func balanceThen(r kv.Reader, a *account, scale uint8, at *edge) *pb.BalanceResponse {
	c := countersAt(r, a.id, at)
	res := describeBalance(a, &c, scale)
	if at.effective {
		res.DebitsPending, res.CreditsPending = "", ""
	}
	return res
}

// countersAt gives the counters of an account at an instant. By effective time
// nothing is pending.
func countersAt(r kv.Reader, account command.ID, at *edge) counters {
	if !at.effective {
		return countersBefore(r, account, at.logged)
	}
	p := postedBefore(r, account, at)
	return counters{debitsPosted: p.debits, creditsPosted: p.credits}
}

func describeBalance(a *account, c *counters, scale uint8) *pb.BalanceResponse {
	return &pb.BalanceResponse{
		Path: string(a.path), Asset: a.asset,
		DebitsPosted:   c.debitsPosted.Format(scale),
		CreditsPosted:  c.creditsPosted.Format(scale),
		DebitsPending:  c.debitsPending.Format(scale),
		CreditsPending: c.creditsPending.Format(scale),
		Balance:        Net(c.creditsPosted, c.debitsPosted).Format(scale),
	}
}

func readAccount(v *command.Reading, s string) (account, asset, error) {
	p, err := accountPath(s)
	if err != nil {
		return account{}, asset{}, err
	}
	return findAccount(v, p)
}
