package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	"acquired/cmd/acquired/journal"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	// importListLength and importListSize bound a list of transfers, the size in
	// bytes: a list is one command, and others should not wait long behind it.
	importListLength = 1000
	importListSize   = 1 << 20
)

// importList is a list of transfers with the lines that they are from, and the
// holds that they were captured from.
type importList struct {
	transfers []*pb.Transfer
	lines     []int
	holds     []string
	size      int
	ids       map[string]int
	// assets are those of the accounts, by path.
	assets map[string]string
	// uneven is what the list leaves in transient accounts.
	uneven unevenAccounts
}

// makeTransfers makes the transfers of the file, list by list.
func (i *journalImporter) makeTransfers(ctx context.Context) error {
	var list importList
	err := eachLine(ctx, i.file, i.books.file, func(line journal.Line) error {
		if line.Entry == nil || !journal.Posts(line.Entry) {
			return nil
		}
		t, err := i.transfer(line)
		if err != nil {
			return err
		}
		if !list.fits(t) {
			if err := i.makeList(ctx, &list); err != nil {
				return err
			}
			list = importList{}
		}
		return i.addTransfer(&list, line, t)
	})
	if err != nil {
		return err
	}
	return i.makeList(ctx, &list)
}

// transfer gives the transfer of a line, with the amount spelled as the ledger does.
func (i *journalImporter) transfer(line journal.Line) (*pb.Transfer, error) {
	t := transferOf(line.Entry)
	scale := uint8(i.books.assets[t.Asset].scale)
	amount, err := ledger.ParseAmount(t.Amount, scale)
	if err != nil {
		return nil, i.books.wrong(line.Number, "amount", "%w", err)
	}
	t.Amount = amount.Format(scale)
	return t, nil
}

// fits says whether a list may go on: it is long enough, or an account is one of
// another asset from here on. It is not cut where a transient account is not empty.
func (l *importList) fits(t *pb.Transfer) bool {
	for _, path := range []string{t.Debit, t.Credit} {
		if asset, ok := l.assets[path]; ok && asset != t.Asset {
			return false
		}
	}
	if len(l.uneven) > 0 {
		return len(l.transfers) < ledger.MaxTransfers
	}
	return len(l.transfers) < importListLength && (l.size == 0 || l.size+sizeInList(t) <= importListSize)
}

// sizeInList is at least what a transfer adds to the size of a request.
func sizeInList(t *pb.Transfer) int {
	const overhead = 1 + 3
	return proto.Size(t) + overhead
}

// addTransfer adds a transfer to a list, unless the list has it: parts of a
// journal that were joined may overlap.
func (i *journalImporter) addTransfer(l *importList, line journal.Line, t *pb.Transfer) error {
	at, ok := l.ids[t.Id]
	if !ok {
		i.put(l, line.Number, line.Entry.Hold, t)
		return nil
	}
	if !proto.Equal(l.transfers[at], t) {
		return i.books.wrong(line.Number, "id", "%s is that of another transfer on line %d", t.Id, l.lines[at])
	}
	i.done.Existing++
	return nil
}

// put puts a transfer at the end of a list.
func (i *journalImporter) put(l *importList, line int, hold string, t *pb.Transfer) {
	if l.ids == nil {
		l.ids, l.assets, l.uneven = make(map[string]int), make(map[string]string), make(unevenAccounts)
	}
	l.ids[t.Id] = len(l.transfers)
	l.assets[t.Debit], l.assets[t.Credit] = t.Asset, t.Asset
	l.transfers, l.lines, l.holds = append(l.transfers, t), append(l.lines, line), append(l.holds, hold)
	l.size += sizeInList(t)
	debit, credit := i.parties(t)
	l.uneven.move(debit, credit, t.Amount, i.books.assets[t.Asset].scale)
}

// parties are the accounts of a transfer.
func (i *journalImporter) parties(t *pb.Transfer) (debit, credit *importedAccount) {
	return i.books.account(t.Debit, t.Asset), i.books.account(t.Credit, t.Asset)
}

// makeList makes what is missing of a list. What an account could not bear is
// not even sent: a refusal would be kept, and the id with it, for ever.
func (i *journalImporter) makeList(ctx context.Context, l *importList) error {
	if len(l.transfers) == 0 {
		return nil
	}
	missing, err := i.missing(ctx, l)
	if err != nil {
		return err
	}
	if err := i.bear(ctx, missing); err != nil {
		return err
	}
	if len(missing.transfers) > 0 && !i.done.DryRun {
		if err := i.send(ctx, missing); err != nil {
			return err
		}
	} else {
		i.done.Created += uint64(len(missing.transfers))
	}
	i.count(missing)
	i.progress.show(int(i.done.Created + i.done.Existing))
	return nil
}

// count moves what the list moves on the accounts.
func (i *journalImporter) count(l *importList) {
	for _, t := range l.transfers {
		debit, credit := i.parties(t)
		amount := minorOf(t.Amount, i.books.assets[t.Asset].scale)
		debit.counters.balance.Sub(&debit.counters.balance, amount)
		credit.counters.balance.Add(&credit.counters.balance, amount)
	}
}

// missing gives the transfers of the list that do not stand, and refuses others
// that stand under their ids.
func (i *journalImporter) missing(ctx context.Context, l *importList) (*importList, error) {
	standing, err := i.made(ctx, l.transfers)
	if err != nil {
		return nil, err
	}
	missing := &importList{}
	for at, t := range l.transfers {
		made := standing[t.Id]
		if hold := l.holds[at]; made == nil && hold != "" && i.openHere[journal.HoldID(hold)] {
			return nil, withHint(fault.Conflict.New("%s, line %d: transfer %s was captured from hold %s, which is open in the cluster",
				i.books.file, l.lines[at], t.Id, hold), "--unfinished leaves holds out, for imports that others follow")
		}
		if made == nil {
			i.put(missing, l.lines[at], l.holds[at], t)
			continue
		}
		if field, was, is := differingField(made, t); field != "" {
			return nil, fault.Conflict.New("%s, line %d: %s: transfer %s was made before with %q, not %q",
				i.books.file, l.lines[at], field, t.Id, was, is)
		}
		i.done.Existing++
	}
	return missing, nil
}

// made gives the transfers that stand under the ids of some, by id.
func (i *journalImporter) made(ctx context.Context, transfers []*pb.Transfer) (map[string]*pb.Transfer, error) {
	made := make(map[string]*pb.Transfer)
	if len(transfers) == 0 {
		return made, nil
	}
	request := &pb.LookupRequest{}
	for _, t := range transfers {
		request.Ids = append(request.Ids, t.Id)
	}
	answer, err := i.client.Ledger.Lookup(ctx, request)
	if err != nil {
		return nil, err
	}
	for _, found := range answer.Transfers {
		made[found.Transfer.Id] = found.Transfer
	}
	return made, nil
}

// differingField names the first field of a line in which two transfers differ.
func differingField(made, t *pb.Transfer) (field, was, is string) {
	for _, f := range []struct{ name, was, is string }{
		{"debit", made.Debit, t.Debit},
		{"credit", made.Credit, t.Credit},
		{"asset", made.Asset, t.Asset},
		{"amount", made.Amount, t.Amount},
		{"effective", formatNanos(made.EffectiveUnixNanos), formatNanos(t.EffectiveUnixNanos)},
		{"description", made.Description, t.Description},
	} {
		if f.was != f.is {
			return f.name, f.was, f.is
		}
	}
	return "", "", ""
}

// send makes the transfers, all or none.
func (i *journalImporter) send(ctx context.Context, l *importList) error {
	if err := i.openNeeded(ctx, i.accountsOf(l)...); err != nil {
		return err
	}
	answer, err := i.client.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: l.transfers})
	if err != nil {
		return i.inLine(l, err)
	}
	i.done.Created += uint64(answer.Created)
	i.done.Existing += uint64(len(answer.Existing))
	return nil
}

// accountsOf gives the accounts of a list, some more than once.
func (i *journalImporter) accountsOf(l *importList) (all []*importedAccount) {
	for _, t := range l.transfers {
		debit, credit := i.parties(t)
		all = append(all, debit, credit)
	}
	return all
}

// inLine names the line of the transfer that was refused.
func (i *journalImporter) inLine(l *importList, err error) error {
	refused, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err
	}
	position, badPosition := strconv.Atoi(refused.Details["position"])
	if badPosition != nil || position < 0 || position >= len(l.lines) {
		return err
	}
	return fmt.Errorf("%s, line %d: %w", i.books.file, l.lines[position], err)
}
