package ledger_test

import (
	"math/big"
	"slices"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// transfers makes a list of transfers, all or none, or chain by chain.
func (l *plainLedger) transfers(caller plainCaller, req *pb.TransferRequest) (*pb.TransferResponse, *plainFault) {
	res := &pb.TransferResponse{Index: l.index}
	if f := checkList(req); f != nil {
		return nil, f
	}
	for i, t := range req.Transfers { // the rule of the list
		r := &plainRun{plainLedger: l, caller: caller}
		if f := r.spendOrAgain(t.Id, append([]string{t.Debit}, t.ThenDebit...)...); f != nil {
			return nil, f.at(i)
		}
	}
	before := l.clone()
	for first := 0; first < len(req.Transfers); {
		end := len(req.Transfers)
		for i := first; req.Chains && i < end; i++ {
			if !req.Transfers[i].Linked {
				end = i + 1
			}
		}
		f := l.chain(caller, req.Transfers, first, end, res)
		if f != nil && !req.Chains {
			return nil, f
		}
		if f != nil {
			res.Failed = append(res.Failed, &pb.FailedTransfer{Position: uint32(f.position), Kind: string(f.kind)})
		}
		first = end
	}
	l.finish(before)
	return res, nil
}

// checkList refuses what is wrong with a list whatever is in the ledger.
func checkList(req *pb.TransferRequest) *plainFault {
	met := make(map[string]bool)
	for i, t := range req.Transfers {
		if met[t.Id] || t.Linked && (!req.Chains || i == len(req.Transfers)-1) || malformedTransfer(t) {
			return refuse(fault.Invalid).at(i)
		}
		met[t.Id] = true
	}
	return nil
}

// chain makes the transfers from first to before end, all or none.
func (l *plainLedger) chain(caller plainCaller, list []*pb.Transfer, first, end int, res *pb.TransferResponse) *plainFault {
	r := &plainRun{plainLedger: l.clone(), caller: caller}
	var made pb.TransferResponse
	for i := first; i < end; i++ {
		if _, _, f := r.before(list[i].Id, list[i]); f != nil {
			return f.at(i)
		}
	}
	last := end - 1 // of those that are made: it speaks for what they leave behind
	for i := first; i < end; i++ {
		result, f := r.transfer(list[i])
		if f != nil {
			l.keep(list[i].Id, list[i], f)
			return f.at(i)
		}
		if result.existing {
			made.Existing = append(made.Existing, &pb.ExistingTransfer{Position: uint32(i), Index: result.index})
		} else {
			made.Created++
			last = i
		}
		if list[i].UpTo {
			made.Moved = append(made.Moved, &pb.MovedAmount{Position: uint32(i), Amount: result.amount})
		}
	}
	if f := r.leavesEmpty(l); f != nil {
		l.keep(list[last].Id, list[last], f)
		return f.at(last)
	}
	refusals := l.refusals
	*l = *r.plainLedger
	l.refusals = refusals
	res.Created += made.Created
	res.Existing = append(res.Existing, made.Existing...)
	res.Moved = append(res.Moved, made.Moved...)
	return nil
}

// malformedTransfer says whether a transfer would be refused in any state.
func malformedTransfer(t *pb.Transfer) bool {
	switch {
	case !isAmount(t.Amount), len(t.Description) > 256, len(t.ThenDebit) > 16, t.EffectiveUnixNanos < 0:
		return true
	case !isAccount(append([]string{t.Debit}, t.ThenDebit...)...), !goodPayees(t.Credit, t.Shares):
		return true
	}
	return t.UpTo && hasFixed(t.Shares) || len(t.Shares) == 0 && !isAccount(t.Credit)
}

// goodPayees says whether there is one payee or there are shares, that are well
// made, or neither.
func goodPayees(credit string, shares []*pb.Share) bool {
	for _, s := range shares {
		if plainPath(s.Credit) == "" || (s.Amount == "") == (s.Weight == 0) || s.Amount != "" && !isAmount(s.Amount) {
			return false
		}
	}
	return len(shares) <= 64 && (credit == "" || len(shares) == 0)
}

func (r *plainRun) transfer(t *pb.Transfer) (none plainResult, f *plainFault) {
	if was, stands, f := r.before(t.Id, t); stands || f != nil {
		return plainResult{index: was.index, amount: was.amount, hash: was.hash, existing: true}, f
	}
	payers, payees, amount, f := r.parties(t)
	if f != nil {
		return none, f
	}
	if f := r.usable(slices.Concat(payers, payees)...); f != nil {
		return none, f
	}
	if f := r.inOpenPeriod(t.EffectiveUnixNanos); f != nil {
		return none, f
	}
	pays, moved, f := r.waterfall(payers, amount, t.UpTo)
	if f != nil {
		return none, f
	}
	gets := plainShares(sharesOf(t), moved, r.scaleOf(payers[0]))
	if f := r.haveRoom(payees, gets); f != nil {
		return none, f
	}
	part := 0
	post := func(payer, payee int, amount *big.Int) {
		r.post(plainEntry{
			kind: "transfer", id: t.Id, part: part, debit: payers[payer], credit: payees[payee], amount: amount,
			effective: t.EffectiveUnixNanos, description: t.Description,
		})
		part++
	}
	plainParts(pays, gets, post)
	if part == 0 && isPlain(t) {
		post(0, 0, nothing)
	}
	if f := r.fits(slices.Concat(payers, payees)...); f != nil {
		return none, f
	}
	return r.note(t.Id, t, r.text(payers[0], moved), ""), nil
}

// isPlain says whether a transfer is of an amount from one account to another. It is
// in the journal even if it moves nothing.
func isPlain(t *pb.Transfer) bool { return len(t.ThenDebit) == 0 && len(t.Shares) == 0 && !t.UpTo }

// sharesOf gives the shares of a transfer: one of all, when it has none.
func sharesOf(t *pb.Transfer) []*pb.Share {
	if len(t.Shares) == 0 {
		return []*pb.Share{{Credit: t.Credit, Weight: 1}}
	}
	return t.Shares
}

// parties gives who pays, who is paid, and the amount.
func (r *plainRun) parties(t *pb.Transfer) (payers, payees []int, amount *big.Int, f *plainFault) {
	from := append([]string{t.Debit}, t.ThenDebit...)
	if f = r.spend(from...); f != nil {
		return nil, nil, nil, f
	}
	if payers, f = r.find(from...); f != nil {
		return nil, nil, nil, f
	}
	if payees, f = r.payees(t.Credit, t.Shares); f != nil {
		return nil, nil, nil, f
	}
	scale, f := r.oneAsset(t.Asset, payers, payees)
	if f != nil {
		return nil, nil, nil, f
	}
	amount = parse(t.Amount, scale)
	if amount == nil || !sharesAtScale(t.Shares, scale) || plainShares(sharesOf(t), amount, scale) == nil {
		return nil, nil, nil, refuse(fault.Invalid)
	}
	return payers, payees, amount, nil
}

// payees gives who is paid: one, or those of the shares.
func (r *plainRun) payees(credit string, shares []*pb.Share) ([]int, *plainFault) {
	paths := []string{credit}
	if len(shares) > 0 {
		paths = nil
		for _, s := range shares {
			paths = append(paths, s.Credit)
		}
	}
	return r.find(paths...)
}

func sharesAtScale(shares []*pb.Share, scale int) bool {
	return !slices.ContainsFunc(shares, func(s *pb.Share) bool { return s.Amount != "" && parse(s.Amount, scale) == nil })
}

// oneAsset gives the scale of the asset that all hold. Nobody is there twice.
func (r *plainRun) oneAsset(asset string, payers, payees []int) (scale int, f *plainFault) {
	if asset == "" {
		asset = r.accounts[payers[0]].asset
	}
	all := append(slices.Clone(payers), payees...)
	for i, n := range all {
		if r.accounts[n].asset != asset || slices.Contains(all[:i], n) {
			return 0, refuse(fault.Invalid)
		}
	}
	return r.scales[asset], nil
}

// waterfall gives what each payer pays of the amount, and how much that is.
func (r *plainRun) waterfall(payers []int, amount *big.Int, upTo bool) (pays []*big.Int, moved *big.Int, f *plainFault) {
	left := amount
	for _, i := range payers {
		pays = append(pays, lesser(left, r.accounts[i].spendable(r.now)))
		left = minus(left, pays[len(pays)-1])
	}
	if left.Sign() > 0 && !upTo {
		return nil, nil, refuse(fault.Insufficient)
	}
	return pays, minus(amount, left), nil
}

// haveRoom refuses what is more than an account may have.
func (r *plainRun) haveRoom(payees []int, gets []*big.Int) *plainFault {
	for i, payee := range payees {
		if exceeds(gets[i], r.accounts[payee].room()) {
			return refuse(fault.Insufficient)
		}
	}
	return nil
}
