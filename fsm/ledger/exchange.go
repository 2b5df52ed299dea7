package ledger

import (
	"math/big"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func checkExchange(s *pb.Exchange) error {
	for _, account := range [...]struct{ field, path string }{
		{"debit", s.Debit}, {"broker_credit", s.BrokerCredit}, {"broker_debit", s.BrokerDebit}, {"credit", s.Credit},
	} {
		if err := namedAccount(account.field, account.path); err != nil {
			return err
		}
	}
	if err := checkPositive("amount", s.Amount); err != nil {
		return err
	}
	if s.RateNumerator == 0 || s.RateDenominator == 0 {
		return fault.Invalid.New("rate %d/%d: neither part of it is 0", s.RateNumerator, s.RateDenominator)
	}
	return checkEntry(s.EffectiveUnixNanos, s.Description)
}

// exchange gives an amount for its equivalent in another asset.
func (o *operation) exchange(s *pb.Exchange) (result, error) {
	if err := o.maySpend(s.Debit); err != nil {
		return result{}, in("debit", err)
	}
	if err := o.maySpend(s.BrokerDebit); err != nil {
		return result{}, in("broker_debit", err)
	}
	d, err := o.dealOf(s)
	if err != nil {
		return result{}, err
	}
	if err := mustBeOpen(d.debit, d.brokerCredit, d.brokerDebit, d.credit); err != nil {
		return result{}, err
	}
	if err := o.effectiveAt(s.EffectiveUnixNanos); err != nil {
		return result{}, err
	}
	o.now.document, o.now.description = s.Id, s.Description
	if err := o.settle(&d); err != nil {
		return result{}, err
	}
	return result{amount: d.got.Format(d.credit.section.scale), hash: o.file(o.exchangeTerms(&d, s))}, nil
}

// deal is an exchange with its accounts and amounts.
type deal struct {
	debit, brokerCredit *page
	given               Amount
	brokerDebit, credit *page
	got                 Amount
	// remainder is what was rounded off, in minor units of what is got.
	remainder *big.Rat
}

func (o *operation) dealOf(s *pb.Exchange) (d deal, err error) {
	for _, account := range [...]struct {
		field, path string
		page        **page
	}{
		{"debit", s.Debit, &d.debit}, {"broker_credit", s.BrokerCredit, &d.brokerCredit},
		{"broker_debit", s.BrokerDebit, &d.brokerDebit}, {"credit", s.Credit, &d.credit},
	} {
		if *account.page, err = o.page(account.path); err != nil {
			return d, in(account.field, err)
		}
	}
	if err := sameAsset("", []*page{d.debit}, []*page{d.brokerCredit}); err != nil {
		return d, err
	}
	if err := sameAsset("", []*page{d.brokerDebit}, []*page{d.credit}); err != nil {
		return d, err
	}
	if d.debit.asset == d.credit.asset {
		return d, fault.Invalid.New("all four accounts hold %s: an exchange is between two assets", d.credit.asset)
	}
	if d.given, err = parseFor(d.debit, "amount", s.Amount); err != nil {
		return d, err
	}
	return d, d.convert(s.RateNumerator, s.RateDenominator)
}

// convert works out what is got: what is given times the rate, rounded down to the
// minor unit. The rate is between units of the assets, not minor ones.
func (d *deal) convert(numerator, denominator uint64) error {
	scale := d.credit.section.scale
	product := d.given.big()
	product.Mul(product, new(big.Int).SetUint64(numerator))
	product.Mul(product, power(scale))
	divisor := new(big.Int).SetUint64(denominator)
	divisor.Mul(divisor, power(d.debit.section.scale))

	quotient, remainder := new(big.Int).QuoRem(product, divisor, new(big.Int))
	switch {
	case quotient.Sign() == 0:
		return fault.Invalid.New("%s %s at the rate %d/%d are less than the least amount of %s",
			d.given.Format(d.debit.section.scale), d.debit.asset, numerator, denominator, d.credit.asset)
	case quotient.Cmp(MaxAmount.big()) > 0:
		return fault.Invalid.New("%s %s at the rate %d/%d overflow, at most %s %s is allowed", d.given.Format(d.debit.section.scale),
			d.debit.asset, numerator, denominator, MaxAmount.Format(scale), d.credit.asset)
	}
	d.got, d.remainder = amountOf(quotient), new(big.Rat).SetFrac(remainder, divisor)
	return nil
}

// power gives the minor units of a unit at the scale.
func power(scale uint8) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), new(big.Int).SetUint64(uint64(scale)), nil)
}

// settle makes both entries, when all four accounts can bear them.
func (o *operation) settle(d *deal) error {
	if err := canPay(exchanged, d.debit, d.given); err != nil {
		return err
	}
	if err := canPay(exchanged, d.brokerDebit, d.got); err != nil {
		return err
	}
	if err := o.canTake(d.brokerCredit, d.given); err != nil {
		return err
	}
	if err := o.canTake(d.credit, d.got); err != nil {
		return err
	}
	if err := o.enter(exchanged, d.debit, d.brokerCredit, d.given); err != nil {
		return err
	}
	return o.enter(exchanged, d.brokerDebit, d.credit, d.got)
}
