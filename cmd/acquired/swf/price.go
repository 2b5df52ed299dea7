package swf

import (
	"math/big"
	"math/bits"
	"strings"

	"acquired/proto/fault"
)

const (
	// maxPriceText is in bytes.
	maxPriceText = 60
	// maxPriceFraction is in digits.
	maxPriceFraction = 18
	secondsPerHour   = 3600
)

// MaxCharged gives the most an account can be charged, 2^103 - 1 minor units.
func MaxCharged() *big.Int { return new(big.Int).Set(maxCharged) }

var maxCharged = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 103), big.NewInt(1))

// Price is what a core-hour costs, exactly. The zero value is no price: all is
// free of charge.
type Price struct {
	// perCoreSecond is in minor units; nil is zero.
	perCoreSecond *big.Rat
}

// ParsePrice reads a decimal string of the price of a core-hour in an asset of
// the given scale. A price may be finer than the minor unit: "0.0005" at scale
// 2 is a twentieth of a cent. It has at most 18 digits after the point and 60
// bytes. The error is a fault.Invalid.
func ParsePrice(s string, scale uint8) (Price, error) {
	whole, fraction, pointed := strings.Cut(s, ".")
	switch {
	case s == "":
		return Price{}, fault.Invalid.New(`price is empty, it must be digits with at most one "."`)
	case len(s) > maxPriceText:
		return Price{}, fault.Invalid.New("price is %d bytes long, at most %d are allowed", len(s), maxPriceText)
	case s[0] == '-':
		return Price{}, fault.Invalid.New("price %q: prices are not negative", s)
	case !onlyDigits(whole), pointed && !onlyDigits(fraction):
		return Price{}, fault.Invalid.New(`price %q must be digits 0-9 with at most one ".", and a digit on both sides of it`, s)
	case len(whole) > 1 && whole[0] == '0':
		return Price{}, fault.Invalid.New("price %q must not have leading zeros", s)
	case len(fraction) > maxPriceFraction:
		return Price{}, fault.Invalid.New("price %q has %d digits after the point, at most %d are allowed",
			s, len(fraction), maxPriceFraction)
	}
	digits, _ := new(big.Int).SetString(whole+fraction, 10)
	numerator := digits.Mul(digits, powerOfTen(int(scale)))
	denominator := powerOfTen(len(fraction))
	denominator.Mul(denominator, big.NewInt(secondsPerHour))
	return Price{perCoreSecond: new(big.Rat).SetFrac(numerator, denominator)}, nil
}

// onlyDigits is false for the empty string.
func onlyDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func powerOfTen(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}

// Total gives what the core-seconds cost in minor units, rounded down once.
// The result is the caller's.
func (p Price) Total(coreSeconds uint64) *big.Int {
	total := new(big.Int)
	if p.perCoreSecond == nil {
		return total
	}
	total.Mul(total.SetUint64(coreSeconds), p.perCoreSecond.Num())
	return total.Quo(total, p.perCoreSecond.Denom())
}

// Most is Total rounded up: no charge of a Meter for the core-seconds is more. The
// result is the caller's.
func (p Price) Most(coreSeconds uint64) *big.Int {
	most := new(big.Int)
	if p.perCoreSecond == nil {
		return most
	}
	most.Mul(most.SetUint64(coreSeconds), p.perCoreSecond.Num())
	rest := new(big.Int)
	if most.QuoRem(most, p.perCoreSecond.Denom(), rest); rest.Sign() > 0 {
		most.Add(most, big.NewInt(1))
	}
	return most
}

// IsZero says whether everything is free of charge.
func (p Price) IsZero() bool { return p.perCoreSecond == nil || p.perCoreSecond.Sign() == 0 }

// Meter charges one user for one job after another. The charges add up to
// exactly Price.Total of all the core-seconds: what one charge rounds off, a
// later one makes good. A Meter is used by one goroutine at a time.
type Meter struct {
	price       Price
	coreSeconds uint64
}

// NewMeter gives a meter that has charged nothing.
func NewMeter(price Price) *Meter { return &Meter{price: price} }

// Charge adds the core-seconds of a job and gives what they add to the total, in
// minor units; it may be zero. When the core-seconds would pass 2^64-1 or the
// total 2^103-1, it gives a fault.Invalid and charges nothing.
func (m *Meter) Charge(coreSeconds uint64) (*big.Int, error) {
	after, carry := bits.Add64(m.coreSeconds, coreSeconds, 0)
	if carry != 0 {
		return nil, fault.Invalid.New("core-seconds overflow: %d after %d, at most 2^64-1 can be charged",
			coreSeconds, m.coreSeconds)
	}
	total := m.price.Total(after)
	if total.Cmp(maxCharged) > 0 {
		return nil, fault.Invalid.New("charge overflows: %d core-seconds cost more than 2^103-1 minor units", after)
	}
	charge := total.Sub(total, m.price.Total(m.coreSeconds))
	m.coreSeconds = after
	return charge, nil
}

// CoreSeconds gives the sum of what was charged for. Price.Total of it is the
// sum of the charges.
func (m *Meter) CoreSeconds() uint64 { return m.coreSeconds }

// FormatMinor gives minor units as a decimal string with as many digits after
// the point as the scale: 1250 is "12.50" at scale 2.
func FormatMinor(n *big.Int, scale uint8) string {
	digits := new(big.Int).Abs(n).String()
	if missing := int(scale) + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - int(scale)
	text := digits[:point]
	if scale > 0 {
		text += "." + digits[point:]
	}
	if n.Sign() < 0 {
		return "-" + text
	}
	return text
}
