package ledger

import (
	"errors"
	"strconv"

	"acquired/fsm/command"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func transfer(tx *command.Tx, req *pb.TransferRequest) (*pb.TransferResponse, error) {
	res := &pb.TransferResponse{Index: tx.Index}
	book := openBook(tx)
	for i, t := range req.Transfers {
		existing, err := book.transfer(t)
		if err != nil {
			return nil, inTransfer(i, t, err)
		}
		if existing != 0 {
			res.Existing = append(res.Existing, &pb.ExistingTransfer{Position: uint32(i), Index: existing})
		}
	}
	if err := book.close(); err != nil {
		return nil, err
	}
	res.Created = uint32(len(book.made))
	return res, nil
}

// transfer makes one transfer, or gives the index at which it was made before.
func (b *book) transfer(t *pb.Transfer) (existing uint64, err error) {
	if err := checkTransferID(t.Id); err != nil {
		return 0, err
	}
	debit, err := b.page(t.Debit)
	if err != nil {
		return 0, in("debit", err)
	}
	credit, err := b.page(t.Credit)
	if err != nil {
		return 0, in("credit", err)
	}
	switch {
	case debit == credit:
		return 0, fault.Invalid.New("debit and credit are the same account, %s", debit.path)
	case debit.asset != credit.asset:
		return 0, fault.Invalid.New("account %s holds %s, account %s holds %s: a transfer stays in one asset",
			debit.path, debit.asset, credit.path, credit.asset)
	case t.Asset != "" && t.Asset != debit.asset:
		return 0, fault.Invalid.New("account %s holds %s, not %s", debit.path, debit.asset, quote(t.Asset))
	}
	amount, err := ParseAmount(t.Amount, debit.section.scale)
	if err != nil {
		return 0, in("amount in "+debit.asset, err)
	}
	if _, ok := b.names[t.Id]; ok {
		return 0, fault.Invalid.New("the id is given twice in the list")
	}
	b.names[t.Id] = struct{}{}
	if was, ok := standing(b.tx, t.Id); ok {
		return was.id.Index, sameTransfer(&was, debit, credit, amount)
	}
	return 0, b.post(t.Id, debit, credit, amount)
}

// sameTransfer refuses an id that was used for something else. It says which
// field differs and not how: the other transfer may be none of the caller's
// business.
func sameTransfer(was *movement, debit, credit *page, amount Amount) error {
	field := ""
	switch {
	case was.debit != debit.id:
		field = "debit"
	case was.credit != credit.id:
		field = "credit"
	case was.amount != amount:
		field = "amount"
	default:
		return nil
	}
	return fault.Conflict.New("the id was used for a transfer with another %s", field).With("field", field)
}

func lookup(v *command.Reading, req *pb.LookupRequest) (*pb.LookupResponse, error) {
	under, err := lookupPath(req)
	if err != nil {
		return nil, err
	}
	res := &pb.LookupResponse{}
	for i, id := range req.Ids {
		if err := checkTransferID(id); err != nil {
			return nil, in("id "+strconv.Itoa(i), err)
		}
		m, ok := standing(v, id)
		if !ok {
			continue
		}
		debit, credit := mustAccount(v, m.debit), mustAccount(v, m.credit)
		if !under.Covers(debit.path) && !under.Covers(credit.path) {
			continue
		}
		res.Transfers = append(res.Transfers, &pb.RecordedTransfer{
			Transfer: &pb.Transfer{
				Id: m.name, Debit: string(debit.path), Credit: string(credit.path),
				Amount: m.amount.Format(mustAsset(v, debit.asset).scale), Asset: debit.asset,
			},
			Index: m.id.Index, UnixNanos: m.time,
		})
	}
	return res, nil
}

func mustAccount(v *command.Reading, id command.ID) account {
	a, ok := accounts.Get(v, id)
	if !ok {
		panic("ledger: a transfer of an unknown account")
	}
	return a
}

func checkTransferID(id string) error {
	ok := len(id) >= 1 && len(id) <= MaxTransferID
	for i := range len(id) {
		ok = ok && inTransferID(id[i])
	}
	if !ok {
		return fault.Invalid.New("transfer id %s: an id is 1 to %d bytes of A-Z, a-z, 0-9 and ._~:/@+-", quote(id), MaxTransferID)
	}
	return nil
}

func inTransferID(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '.', '_', '~', ':', '/', '@', '+', '-':
		return true
	}
	return false
}

// inTransfer says which transfer of the list an error is about.
func inTransfer(position int, t *pb.Transfer, err error) error {
	err = in("transfer "+strconv.Itoa(position)+" ("+quote(t.Id)+")", err)
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return f.With("position", strconv.Itoa(position))
	}
	return err
}

// in says what an error is about.
func in(what string, err error) error {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err
	}
	return &fault.Fault{Kind: f.Kind, Message: what + ": " + f.Message, Details: f.Details}
}

// quote keeps messages short whatever the input.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
