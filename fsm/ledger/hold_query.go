package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// maySeeHold: everybody may ask. Who has no part in the hold is told of none.
func maySeeHold(_ kv.Reader, req *pb.HoldRequest) ([]command.Need, error) {
	return []command.Need{{Operation: command.Anyone, Path: path.Root}}, checkID(req.Id)
}

func showHold(v *command.Reading, req *pb.HoldRequest) (*pb.HoldResponse, error) {
	h, ok := findHold(v, req.Id)
	if !ok || !relatedTo(v, &v.Caller, v.Time).toHold(&h) {
		return nil, noHold(req.Id)
	}
	return describeHold(v, &h), nil
}

func describeHold(r kv.Reader, h *hold) *pb.HoldResponse {
	scale := mustAsset(r, h.asset).scale
	return &pb.HoldResponse{
		Id: h.name, Debit: string(accountOf(r, h.debit).path), Credit: string(accountOf(r, h.credit).path), Asset: h.asset,
		Held: h.held.Format(scale), Captured: h.captured.Format(scale), Released: h.released.Format(scale),
		Expired: h.expired.Format(scale), Remaining: h.remaining().Format(scale),
		State: h.state.String(), PlacedUnixNanos: h.placed, ExpiresUnixNanos: h.expires, Overdraft: h.overdraft,
		Delegate: string(h.delegate.path), Description: h.description, Document: h.document, Index: h.id.Index,
	}
}

func maySeeHolds(_ kv.Reader, req *pb.HoldsRequest) ([]command.Need, error) {
	if _, err := lines(req.Limit); err != nil {
		return nil, err
	}
	return mayRead(req.Account)
}

// listHolds gives the open holds, and then the closed ones.
func listHolds(v *command.Reading, req *pb.HoldsRequest) (*pb.HoldsResponse, error) {
	a, _, err := readAccount(v, req.Account)
	if err != nil {
		return nil, err
	}
	limit, _ := lines(req.Limit)
	isOpen, after, err := holdsAfter(req.Cursor)
	if err != nil {
		return nil, err
	}
	res := &pb.HoldsResponse{}
	for ; ; isOpen, after = false, nil {
		for h := range holdsByAccount.Scan(v, holdsOf{a.id, isOpen}, after, false) {
			if len(res.Holds) == limit {
				res.Cursor = holdCursor(isOpen, res.Holds[limit-1].Id)
				return res, nil
			}
			res.Holds = append(res.Holds, describeHold(v, &h))
		}
		if !isOpen || !req.Closed {
			return res, nil
		}
		if len(res.Holds) == limit {
			res.Cursor = holdCursor(false, "")
			return res, nil
		}
	}
}

// A cursor of holds is "o" or "c", for open and closed, and the id of the last.
func holdCursor(isOpen bool, last string) string {
	if isOpen {
		return "o" + last
	}
	return "c" + last
}

func holdsAfter(cursor string) (isOpen bool, after kv.Key, err error) {
	switch {
	case cursor == "":
		return true, nil, nil
	case cursor == "c":
		return false, nil, nil
	case cursor[0] != 'o' && cursor[0] != 'c' || checkID(cursor[1:]) != nil:
		return false, nil, fault.Invalid.New("cursor %s: it is none of an earlier answer", quote(cursor))
	}
	return cursor[0] == 'o', kv.StringKey(cursor[1:]), nil
}
