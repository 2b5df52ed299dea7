package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func balance(v *command.Reading, req *pb.BalanceRequest) (*pb.BalanceResponse, error) {
	a, of, err := readAccount(v, req.Path)
	if err != nil {
		return nil, err
	}
	available := Unlimited
	if amount, bounded := a.available(); bounded {
		available = amount.Format(of.scale)
	}
	return &pb.BalanceResponse{
		Path: string(a.path), Asset: a.asset,
		DebitsPosted:   a.debitsPosted.Format(of.scale),
		CreditsPosted:  a.creditsPosted.Format(of.scale),
		DebitsPending:  a.debitsPending.Format(of.scale),
		CreditsPending: a.creditsPending.Format(of.scale),
		Available:      available,
	}, nil
}

func readAccount(v *command.Reading, s string) (account, asset, error) {
	p, err := accountPath(s)
	if err != nil {
		return account{}, asset{}, err
	}
	return findAccount(v, p)
}

func statement(v *command.Reading, req *pb.StatementRequest) (*pb.StatementResponse, error) {
	limit, err := lines(req.Limit)
	if err != nil {
		return nil, err
	}
	var after kv.Key
	if req.Cursor != "" {
		if after, err = parseCursor(req.Cursor); err != nil {
			return nil, err
		}
	}
	a, of, err := readAccount(v, req.Path)
	if err != nil {
		return nil, err
	}
	res := &pb.StatementResponse{Path: string(a.path), Asset: a.asset}
	var last command.ID
	for m := range movementsByAccount.Scan(v, a.id, after, req.NewestFirst) {
		if len(res.Lines) == limit {
			res.Cursor = formatCursor(last)
			break
		}
		res.Lines = append(res.Lines, line(v, &a, &m, of.scale))
		last = m.id
	}
	return res, nil
}

func lines(limit uint32) (int, error) {
	switch {
	case limit == 0:
		return DefaultLines, nil
	case limit > MaxLines:
		return 0, fault.Invalid.New("limit %d: an answer holds at most %d lines", limit, MaxLines)
	}
	return int(limit), nil
}

func line(v *command.Reading, of *account, m *movement, scale uint8) *pb.StatementLine {
	l := &pb.StatementLine{Index: m.id.Index, UnixNanos: m.time, Transfer: m.name}
	other, after := m.debit, m.creditAfter
	if m.debit == of.id {
		other, after = m.credit, m.debitAfter
		l.Debit = m.amount.Format(scale)
	} else {
		l.Credit = m.amount.Format(scale)
	}
	l.Counterparty = string(mustAccount(v, other).path)
	l.Balance = Net(after.credits, after.debits).Format(scale)
	return l
}

// A cursor is the id of the last movement of a page: "INDEX.COUNTER".
func formatCursor(id command.ID) string { return fmt.Sprintf("%d.%d", id.Index, id.Counter) }

func parseCursor(s string) (id command.ID, err error) {
	index, counter, _ := strings.Cut(s, ".")
	i, err1 := strconv.ParseUint(index, 10, 64)
	c, err2 := strconv.ParseUint(counter, 10, 32)
	id = command.ID{Index: i, Counter: uint32(c)}
	if err1 != nil || err2 != nil || formatCursor(id) != s {
		return id, fault.Invalid.New("cursor %s: it is none of an earlier answer", quote(s))
	}
	return id, nil
}

func trialBalance(v *command.Reading, _ *pb.TrialBalanceRequest) (*pb.TrialBalanceResponse, error) {
	res := &pb.TrialBalanceResponse{}
	for a := range assets.All(v) {
		res.Assets = append(res.Assets, &pb.AssetTotals{
			Asset: a.code, Scale: uint32(a.scale),
			DebitsPosted:   a.totals.debitsPosted.Format(a.scale),
			CreditsPosted:  a.totals.creditsPosted.Format(a.scale),
			DebitsPending:  a.totals.debitsPending.Format(a.scale),
			CreditsPending: a.totals.creditsPending.Format(a.scale),
			Accounts:       a.accounts,
			Transfers:      a.transfers,
		})
	}
	return res, nil
}
