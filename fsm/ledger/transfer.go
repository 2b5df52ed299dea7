package ledger

import (
	"errors"
	"fmt"
	"strconv"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const transferKind = "transfer"

// transfers is a list of transfers that is being made.
type transfers struct {
	*book
	list []*pb.Transfer
	res  *pb.TransferResponse
	// wider are those that may name more accounts than their entries.
	wider []*pb.Transfer
	// refused is why chains were not made, as in the response.
	refused []*fault.Fault
}

func transfer(tx *command.Tx, req *pb.TransferRequest) (*pb.TransferResponse, error) {
	l := &transfers{book: openBook(tx), list: req.Transfers, res: &pb.TransferResponse{Index: tx.Index}}
	if err := l.makeAll(req.Chains); err != nil {
		return nil, err
	}
	if err := l.close(); err != nil {
		return nil, err
	}
	l.auditList()
	return l.res, nil
}

// auditList adds the line of the list. One of which nothing was made was refused, if
// not all of it stood already.
func (l *transfers) auditList() {
	line := &auditLine{what: describeTransfers(l.list), details: detailsOfTransfers(l.list)}
	var about []path.Path
	if len(l.res.Existing) > 0 || len(l.refused) > 0 { // of which the line has no entries
		about = accountsQuoted(l.list)
	}
	if len(l.refused) > 0 {
		line.what += fmt.Sprintf(", refused: %d, the first %s (%s)", len(l.refused), l.failed()[0].Id, l.refused[0].Kind)
		about = joined(about, accountsOfRefused(l.failed(), l.refused[0]))
		about = about[:min(len(about), maxRefusedAccounts)]
	}
	line.accounts = joined(about, l.unmoved(accountsOfTransfers(l.wider)))
	switch {
	case l.res.Created > 0:
		l.audit(line)
	case len(l.refused) > 0:
		auditRefusal(l.tx, l.refused[0], line)
	}
}

// failed gives the transfers that were refused, for which their chains were not made.
func (l *transfers) failed() (all []*pb.Transfer) {
	for _, f := range l.res.Failed {
		all = append(all, l.list[f.Position])
	}
	return all
}

// checkTransfers refuses what is wrong in any state.
func checkTransfers(req *pb.TransferRequest, names accountNames) error {
	ids, made := make(idSet, len(req.Transfers)), 0
	for i, t := range req.Transfers {
		err := checkListed(t, req.Chains, i == len(req.Transfers)-1)
		if err == nil {
			err = ids.add(t.Id)
		}
		if err == nil {
			err = checkTransfer(t, names)
		}
		if made += entriesAtMost(t); err == nil {
			err = checkEntries(made)
		}
		if err != nil {
			return inTransfer(i, t, err)
		}
	}
	return nil
}

// entriesAtMost is how many entries the transfer can come to.
func entriesAtMost(t *pb.Transfer) int { return 1 + len(t.ThenDebit) + max(0, len(t.Shares)-1) }

func checkEntries(n int) error {
	if n > MaxEntries {
		return fault.Invalid.New("up to here the request comes to %d entries or so, it may come to %d", n, MaxEntries)
	}
	return nil
}

func checkListed(t *pb.Transfer, chains, last bool) error {
	switch {
	case t.Linked && !chains:
		return fault.Invalid.New("linked is for lists of chains: without them a list is made whole or not at all")
	case t.Linked && last:
		return fault.Invalid.New("it is linked to a next transfer, and there is none")
	}
	return nil
}

// idSet are the ids of a list.
type idSet map[string]struct{}

// add refuses an id that is none or was met before.
func (s idSet) add(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if _, ok := s[id]; ok {
		return fault.Invalid.New("the id is given twice in the list")
	}
	s[id] = struct{}{}
	return nil
}

func checkTransfer(t *pb.Transfer, names accountNames) error {
	switch {
	case t.Credit == "" && len(t.Shares) == 0:
		return fault.Invalid.New("credit: who is paid is missing")
	case t.Credit != "" && len(t.Shares) > 0:
		return fault.Invalid.New("credit and shares are both given, and one of them says who is paid")
	case len(t.ThenDebit) > MaxSources:
		return fault.Invalid.New("%d accounts in then_debit: there are at most %d", len(t.ThenDebit), MaxSources)
	}
	if err := names.check("debit", t.Debit); err != nil {
		return err
	}
	for _, account := range t.ThenDebit {
		if err := names.check("then_debit", account); err != nil {
			return err
		}
	}
	if t.Credit != "" {
		if err := names.check("credit", t.Credit); err != nil {
			return err
		}
	}
	if err := checkAmount("amount", t.Amount); err != nil {
		return err
	}
	if err := checkEntry(t.EffectiveUnixNanos, t.Description); err != nil {
		return err
	}
	for _, s := range t.Shares {
		if t.UpTo && s.Amount != "" {
			return fault.Invalid.New("shares: an amount that may turn out smaller is parted by weight only")
		}
	}
	return checkShares(t.Shares)
}

// checkAccounts refuses what are no paths of accounts.
func checkAccounts(all ...string) error {
	for _, s := range all {
		if _, err := accountPath(s); err != nil {
			return err
		}
	}
	return nil
}

// accountNames are the paths of accounts as they were written, so that a long list
// reads each once. The nil map is for short ones.
type accountNames map[string]path.Path

func (n accountNames) check(what, s string) error {
	if _, ok := n[s]; ok {
		return nil
	}
	p, err := accountPath(s)
	if err != nil {
		return in(what, err)
	}
	if n != nil {
		n[s] = p
	}
	return nil
}

func checkEntry(effective int64, description string) error {
	if effective < 0 {
		return fault.Invalid.New("the effective time is before 1970")
	}
	return checkText("description", description, 0, MaxDescription)
}

// makeAll makes the list, or chain by chain.
func (l *transfers) makeAll(chains bool) error {
	if !chains {
		if at, err := l.makeChain(0, len(l.list)); err != nil {
			return inTransfer(at, l.list[at], err)
		}
		return nil
	}
	for from := 0; from < len(l.list); {
		to := from + 1
		for l.list[to-1].Linked {
			to++
		}
		l.tryChain(from, to)
		from = to
	}
	return nil
}

// tryChain makes a chain, or says for which transfer it was not made.
func (l *transfers) tryChain(from, to int) {
	created, existing, moved, at := l.res.Created, len(l.res.Existing), len(l.res.Moved), 0
	err := l.attempt(func() (err error) {
		at, err = l.makeChain(from, to)
		return err
	})
	if err == nil {
		return
	}
	l.res.Created, l.res.Existing, l.res.Moved = created, l.res.Existing[:existing], l.res.Moved[:moved]
	refusal, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		panic("ledger: a chain was refused with no fault: " + err.Error())
	}
	keepFailure(l.tx, refusal, transferKind, l.list[at].Id, bodyOf(l.list[at]))
	l.refused = append(l.refused, refusal)
	l.res.Failed = append(l.res.Failed, &pb.FailedTransfer{Position: uint32(at), Kind: string(refusal.Kind), Message: refusal.Message})
}

// makeChain makes the transfers of a part of the list. What failed before fails
// before anything is made. The position is that of an error.
func (l *transfers) makeChain(from, to int) (at int, err error) {
	stand := make([]*step, to-from)
	for i := from; i < to; i++ {
		if stand[i-from], err = l.claimTransfer(l.list[i]); err != nil {
			return i, err
		}
	}
	last := to - 1 // the last that is made: under its id what they leave behind is refused
	for i := from; i < to; i++ {
		if err := l.makeOne(i, stand[i-from]); err != nil {
			return i, err
		}
		if stand[i-from] == nil {
			last = i
		}
	}
	return last, l.mustLeaveEmpty()
}

func (l *transfers) makeOne(i int, stands *step) error {
	t := l.list[i]
	if stands == nil {
		made, err := l.makeTransfer(t)
		if err != nil {
			return err
		}
		l.res.Created++
		if made.entries == 0 || !isPlain(t) {
			l.wider = append(l.wider, t)
		}
		stands = &made
	} else {
		l.res.Existing = append(l.res.Existing, &pb.ExistingTransfer{Position: uint32(i), Index: stands.first.Index})
	}
	if t.UpTo {
		l.res.Moved = append(l.res.Moved, &pb.MovedAmount{Position: uint32(i), Amount: stands.amount})
	}
	return nil
}

// payersOf gives the accounts that pay, as they are named.
func payersOf(t *pb.Transfer) []string { return append([]string{t.Debit}, t.ThenDebit...) }

// isPlain says whether one entry says all that the transfer says.
func isPlain(t *pb.Transfer) bool {
	return len(t.ThenDebit) == 0 && len(t.Shares) == 0 && !t.UpTo
}

// bodyOf is what a transfer says. How a list is cut into chains is not part of it.
func bodyOf(t *pb.Transfer) string { return canonical(t.ProtoReflect(), "linked") }

// claimTransfer gives the step that stands under the id of the transfer, or nil. It
// refuses an id that was used for something else, or whose transfer failed before.
func (b *book) claimTransfer(t *pb.Transfer) (*step, error) {
	was, ok := steps.Get(b.tx, kv.StringKey(t.Id))
	if !ok {
		return nil, failedBefore(b.tx, transferKind, t, func() string { return bodyOf(t) })
	}
	body := was.body
	if was.kind == transferKind && body == "" {
		body = b.plainBody(&was, t)
	}
	return &was, mustBeSame(t, was.kind, transferKind, body, bodyOf(t))
}

// plainBody gives the body of a plain transfer as its entry has it, in the words of
// the transfer that it is compared with where those mean the same.
func (b *book) plainBody(was *step, is *pb.Transfer) string {
	e, _ := entries.Get(b.tx, was.first)
	debit, credit := accountOf(b.tx, e.debit), accountOf(b.tx, e.credit)
	scale := mustAsset(b.tx, debit.asset).scale
	t := &pb.Transfer{
		Debit: sameAccount(debit.path, is.Debit), Credit: sameAccount(credit.path, is.Credit), Amount: e.amount.Format(scale),
		EffectiveUnixNanos: e.effective, Description: e.description,
	}
	if is.Asset == debit.asset {
		t.Asset = is.Asset
	}
	if amount, err := ParseAmount(is.Amount, scale); err == nil && amount == e.amount {
		t.Amount = is.Amount
	}
	if is.EffectiveUnixNanos == e.time && e.effective == 0 {
		t.EffectiveUnixNanos = e.time
	}
	return bodyOf(t)
}

// sameAccount gives the path as s has it, if that means the same.
func sameAccount(p path.Path, s string) string {
	if is, err := accountPath(s); err == nil && is == p {
		return s
	}
	return string(p)
}

// makeTransfer makes one transfer. That its id is free and that the caller may
// spend was looked at.
func (b *book) makeTransfer(t *pb.Transfer) (step, error) {
	b.now = origin{name: t.Id, description: t.Description}
	made := step{name: t.Id, kind: transferKind}
	var err error
	if isPlain(t) {
		err = b.movePlain(t)
	} else {
		made.body = bodyOf(t)
		made.amount, err = b.moveInParts(t)
	}
	if err != nil {
		return step{}, err
	}
	return b.keepStep(made), nil
}

// movePlain makes the one entry of a transfer between two accounts.
func (b *book) movePlain(t *pb.Transfer) error {
	debit, credit, err := b.pair(t.Debit, t.Credit, t.Asset)
	if err != nil {
		return err
	}
	amount, err := parseFor(debit, "amount", t.Amount)
	if err != nil {
		return err
	}
	if err := mustBeOpen(debit, credit); err != nil {
		return err
	}
	if err := b.effectiveAt(t.EffectiveUnixNanos); err != nil {
		return err
	}
	return b.pay(transferred, debit, credit, amount)
}

// moveInParts makes the entries of any other, and gives what it moved.
func (b *book) moveInParts(t *pb.Transfer) (string, error) {
	amount, payers, paid, err := b.parties(t)
	if err != nil {
		return "", err
	}
	if err := mustBeOpen(payers...); err != nil {
		return "", err
	}
	if err := mustBeOpen(paid.pages...); err != nil {
		return "", err
	}
	if err := b.effectiveAt(t.EffectiveUnixNanos); err != nil {
		return "", err
	}
	amount, err = b.flow(transferred, payers, paid, amount, t.UpTo)
	return amount.Format(payers[0].section.scale), err
}

// keepStep writes the step that was made.
func (b *book) keepStep(made step) step {
	made.first, made.entries = b.now.first, b.now.entries
	if made.entries == 0 {
		made.first = b.tx.NewID()
	}
	steps.Insert(b.tx.Tx, made)
	return made
}

// effectiveAt sets when the entries of the step count as having happened.
func (b *book) effectiveAt(nanos int64) error {
	b.now.effective = b.tx.Time
	switch {
	case nanos == 0:
		return nil
	case nanos > b.tx.Time:
		return fault.Conflict.New("the effective time %s is after the log time, %s", instant(nanos), instant(b.tx.Time))
	}
	if until := closedUntil(b.tx); nanos < until {
		return fault.Conflict.New("the effective time %s is in a closed period, which ended at %s", instant(nanos), instant(until))
	}
	b.now.effective = nanos
	return nil
}

// inTransfer says which transfer of the list an error is about.
func inTransfer(position int, t *pb.Transfer, err error) error {
	return inPosition(position, in("transfer "+strconv.Itoa(position)+" ("+quote(t.Id)+")", err))
}

func inPosition(position int, err error) error {
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

// checkText refuses texts that are too short or too long, or that no terminal
// should be shown.
func checkText(what, s string, least, most int) error {
	if len(s) < least || len(s) > most {
		return fault.Invalid.New("%s of %d bytes: it has %d to %d", what, len(s), least, most)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return fault.Invalid.New("%s %s has a control character", what, quote(s))
		}
	}
	return nil
}

// quote keeps messages short whatever the input.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
