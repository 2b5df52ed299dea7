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
		if met[t.Id] || t.Linked && (!req.Chains || i == len(req.Transfers)-1) || malformedTransfer(t) != nil {
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
		}
		if list[i].UpTo {
			made.Moved = append(made.Moved, &pb.MovedAmount{Position: uint32(i), Amount: result.amount})
		}
	}
	if f := r.leavesEmpty(l); f != nil {
		l.keep(list[end-1].Id, list[end-1], f)
		return f.at(end - 1)
	}
	refusals := l.refusals
	*l = *r.plainLedger
	l.refusals = refusals
	res.Created += made.Created
	res.Existing = append(res.Existing, made.Existing...)
	res.Moved = append(res.Moved, made.Moved...)
	return nil
}

// malformedTransfer refuses what is wrong with a transfer in any state.
func malformedTransfer(t *pb.Transfer) *plainFault {
	payers := append([]string{t.Debit}, t.ThenDebit...)
	bad := !isAmount(t.Amount) || len(t.Description) > 256 || len(t.ThenDebit) > 16 || t.EffectiveUnixNanos < 0
	bad = bad || t.UpTo && hasFixed(t.Shares)
	bad = bad || slices.ContainsFunc(payers, func(p string) bool { return plainPath(p) == "" })
	if bad || !goodPayees(t.Credit, t.Shares) || len(t.Shares) == 0 && plainPath(t.Credit) == "" {
		return refuse(fault.Invalid)
	}
	return nil
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
	payers, f := r.find(append([]string{t.Debit}, t.ThenDebit...)...)
	if f != nil {
		return none, f
	}
	if f := r.spend(payers...); f != nil {
		return none, f
	}
	payees, f := r.payees(t.Credit, t.Shares)
	if f != nil {
		return none, f
	}
	scale, f := r.oneAsset(t.Asset, payers, payees)
	if f != nil {
		return none, f
	}
	amount := parse(t.Amount, scale)
	if amount == nil || !sharesAtScale(t.Shares, scale) {
		return none, refuse(fault.Invalid)
	}
	shares := t.Shares
	if len(shares) == 0 {
		shares = []*pb.Share{{Credit: t.Credit, Weight: 1}}
	}
	if plainShares(shares, amount, scale) == nil {
		return none, refuse(fault.Invalid)
	}
	if f := r.usable(append(slices.Clone(payers), payees...)...); f != nil {
		return none, f
	}
	if f := r.inOpenPeriod(t.EffectiveUnixNanos); f != nil {
		return none, f
	}
	pays, moved, f := r.waterfall(payers, amount, t.UpTo)
	if f != nil {
		return none, f
	}
	gets := plainShares(shares, moved, scale)
	if f := r.haveRoom(payees, gets); f != nil {
		return none, f
	}
	part := 0
	post := func(debit, credit int, amount *big.Int) {
		r.post(plainEntry{
			kind: "transfer", id: t.Id, part: part, debit: debit, credit: credit, amount: amount,
			effective: t.EffectiveUnixNanos, description: t.Description,
		})
		part++
	}
	plainParts(pays, gets, func(payer, payee int, amount *big.Int) { post(payers[payer], payees[payee], amount) })
	if part == 0 && len(payers) == 1 && len(t.Shares) == 0 && !t.UpTo {
		post(payers[0], payees[0], nothing)
	}
	if f := r.fits(append(payers, payees...)...); f != nil {
		return none, f
	}
	return r.note(t.Id, t, format(moved, scale), ""), nil
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
