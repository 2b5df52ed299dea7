package ledger

import (
	"math/big"
	"slices"
	"strconv"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// payees are who is paid.
type payees struct {
	pages []*page
	// shares say how the amount is parted; nil is one payee who gets it all.
	shares []*pb.Share
}

// parties gives the amount and the accounts of a transfer.
func (b *book) parties(t *pb.Transfer) (Amount, []*page, payees, error) {
	payers, err := b.payers(t)
	if err != nil {
		return Amount{}, nil, payees{}, err
	}
	paid, err := b.payees(t.Credit, t.Shares)
	if err != nil {
		return Amount{}, nil, payees{}, err
	}
	if err := sameAsset(t.Asset, payers, paid.pages); err != nil {
		return Amount{}, nil, payees{}, err
	}
	amount, err := parseFor(payers[0], "amount", t.Amount)
	if err == nil && !t.UpTo {
		_, err = paid.part(amount)
	}
	return amount, payers, paid, err
}

// parseFor reads an amount of the asset of the account.
func parseFor(p *page, what, s string) (Amount, error) {
	amount, err := ParseAmount(s, p.section.scale)
	if err != nil {
		return Amount{}, in(what+" in "+p.asset, err)
	}
	return amount, nil
}

func (b *book) payers(t *pb.Transfer) ([]*page, error) {
	debit, err := b.page(t.Debit)
	if err != nil {
		return nil, in("debit", err)
	}
	all := []*page{debit}
	for _, s := range t.ThenDebit {
		p, err := b.page(s)
		if err != nil {
			return nil, in("then_debit", err)
		}
		all = append(all, p)
	}
	return all, nil
}

func (b *book) payees(credit string, shares []*pb.Share) (payees, error) {
	if len(shares) == 0 {
		p, err := b.page(credit)
		if err != nil {
			return payees{}, in("credit", err)
		}
		return payees{pages: []*page{p}}, nil
	}
	all := payees{shares: shares}
	for _, s := range shares {
		p, err := b.page(s.Credit)
		if err != nil {
			return payees{}, in("shares", err)
		}
		all.pages = append(all.pages, p)
	}
	return all, nil
}

// sameAsset refuses to move an asset to itself or into another.
func sameAsset(asset string, payers, paid []*page) error {
	for i, payer := range payers {
		if slices.Contains(payers[:i], payer) {
			return fault.Invalid.New("then_debit: account %s is to pay twice", payer.path)
		}
		if payer.asset != payers[0].asset {
			return fault.Invalid.New("account %s holds %s, account %s holds %s: a transfer stays in one asset",
				payers[0].path, payers[0].asset, payer.path, payer.asset)
		}
		for _, payee := range paid {
			switch {
			case payer == payee:
				return fault.Invalid.New("debit and credit are the same account, %s", payer.path)
			case payer.asset != payee.asset:
				return fault.Invalid.New("account %s holds %s, account %s holds %s: a transfer stays in one asset",
					payer.path, payer.asset, payee.path, payee.asset)
			}
		}
	}
	for i, payee := range paid {
		if slices.Contains(paid[:i], payee) {
			return fault.Invalid.New("shares: account %s is given two", payee.path)
		}
	}
	if asset != "" && asset != payers[0].asset {
		return fault.Invalid.New("account %s holds %s, not %s", payers[0].path, payers[0].asset, quote(asset))
	}
	return nil
}

func checkShares(shares []*pb.Share) error {
	if len(shares) > MaxShares {
		return fault.Invalid.New("%d shares: there are at most %d", len(shares), MaxShares)
	}
	for i, s := range shares {
		if (s.Amount == "") == (s.Weight == 0) {
			return fault.Invalid.New("share %d: it has an amount or a weight, one of them", i)
		}
		what := "share " + strconv.Itoa(i)
		if err := in(what, checkAccounts(s.Credit)); err != nil {
			return err
		}
		if err := checkSome(what, s.Amount); err != nil {
			return err
		}
	}
	return nil
}

// flow moves the amount from those who pay, each as much as it has, to those who
// are paid. With upTo it moves less when they have less. It gives what was moved.
func (b *book) flow(kind entryKind, payers []*page, paid payees, amount Amount, upTo bool) (Amount, error) {
	sources, found := drain(payers, amount)
	if found.Cmp(amount) < 0 {
		if !upTo {
			last := payers[len(payers)-1]
			if len(payers) == 1 {
				return Amount{}, short(last, found, amount)
			}
			scale := last.section.scale
			return Amount{}, fault.Insufficient.New("%d accounts from %s on have %s %s available together, %s is asked for",
				len(payers), payers[0].path, found.Format(scale), last.asset, amount.Format(scale)).With("path", string(payers[0].path))
		}
		amount = found
	}
	parts, err := paid.part(amount)
	if err != nil {
		return Amount{}, err
	}
	for i, p := range paid.pages {
		if err := b.canTake(p, parts[i]); err != nil {
			return Amount{}, err
		}
	}
	return amount, b.pour(kind, payers, sources, paid.pages, parts)
}

// drain gives how much each payer pays, and the sum.
func drain(payers []*page, amount Amount) (each []Amount, sum Amount) {
	each = make([]Amount, len(payers))
	for i, p := range payers {
		rest, _ := amount.Sub(sum)
		if available, bounded := p.spendable(); bounded && available.Cmp(rest) < 0 {
			rest = available
		}
		each[i] = rest
		sum, _ = sum.Add(rest)
	}
	return each, sum
}

// pour makes the entries: each payer pays the payees in their order until it has
// paid its part.
func (b *book) pour(kind entryKind, payers []*page, sources []Amount, paid []*page, parts []Amount) error {
	to := 0
	for from := range payers {
		for !sources[from].IsZero() {
			for parts[to].IsZero() {
				to++
			}
			amount := sources[from]
			if parts[to].Cmp(amount) < 0 {
				amount = parts[to]
			}
			sources[from], _ = sources[from].Sub(amount)
			parts[to], _ = parts[to].Sub(amount)
			if err := b.enter(kind, payers[from], paid[to], amount); err != nil {
				return err
			}
		}
	}
	return nil
}

// part gives what each payee gets: the fixed amounts, and of what remains a part by
// weight, rounded down; the minor units that are left go to the largest remainders,
// of equal ones to the first.
func (p *payees) part(amount Amount) ([]Amount, error) {
	if p.shares == nil {
		return []Amount{amount}, nil
	}
	parts, rest := make([]Amount, len(p.shares)), amount
	weights := new(big.Int)
	for i, s := range p.shares {
		if s.Amount == "" {
			weights.Add(weights, new(big.Int).SetUint64(s.Weight))
			continue
		}
		fixed, err := parseFor(p.pages[i], "share", s.Amount)
		if err != nil {
			return nil, err
		}
		var ok bool
		if rest, ok = rest.Sub(fixed); !ok {
			return nil, p.unfit("the fixed shares are more than", amount)
		}
		parts[i] = fixed
	}
	if weights.Sign() == 0 {
		if !rest.IsZero() {
			return nil, p.unfit("the fixed shares are less than", amount)
		}
		return parts, nil
	}
	p.weigh(parts, rest, weights)
	return parts, nil
}

func (p *payees) unfit(how string, amount Amount) error {
	scale := p.pages[0].section.scale
	return fault.Invalid.New("shares: %s the amount, %s %s", how, amount.Format(scale), p.pages[0].asset)
}

func (p *payees) weigh(parts []Amount, rest Amount, weights *big.Int) {
	type remainder struct {
		share int
		left  *big.Int
	}
	var remainders []remainder
	over := rest
	for i, s := range p.shares {
		if s.Amount != "" {
			continue
		}
		product := rest.big()
		product.Mul(product, new(big.Int).SetUint64(s.Weight))
		quotient, left := product.QuoRem(product, weights, new(big.Int))
		parts[i] = amountOf(quotient)
		over, _ = over.Sub(parts[i])
		remainders = append(remainders, remainder{i, left})
	}
	slices.SortStableFunc(remainders, func(a, b remainder) int { return b.left.Cmp(a.left) })
	for i := range over.Lo { // fewer than there are shares
		at := remainders[i].share
		parts[at], _ = parts[at].Add(Amount{Lo: 1})
	}
}

// big gives the amount for arithmetic beyond 128 bits.
func (a Amount) big() *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	return n.Or(n.Lsh(n, 64), new(big.Int).SetUint64(a.Lo))
}

// amountOf is the inverse of big, for what fits.
func amountOf(n *big.Int) Amount {
	low := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1))
	return Amount{Hi: new(big.Int).Rsh(n, 64).Uint64(), Lo: low.Uint64()}
}
