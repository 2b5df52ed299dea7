package ledger

import (
	"cmp"
	"math/bits"
	"strings"

	"acquired/proto/fault"
)

// Amount is a quantity of an asset in its minor unit, such as cents: an
// unsigned integer of 128 bits, Hi × 2^64 + Lo. The zero value is zero. Equal
// amounts are ==.
type Amount struct{ Hi, Lo uint64 }

// MaxAmount is the most that ParseAmount gives and that a counter of an account
// holds, 2^103 - 1. It is never changed.
var MaxAmount = Amount{Hi: 1<<39 - 1, Lo: 1<<64 - 1}

// maxTotal is the most that the counters of all accounts of an asset come to,
// 2^127 - 1: as much as 2^24 full accounts have, so that nobody who fills some keeps
// all others from paying. The bit that is left makes the sum of any two an Amount.
// It is never changed.
var maxTotal = Amount{Hi: 1<<63 - 1, Lo: 1<<64 - 1}

// maxAmountText is in bytes. It has room for MaxAmount at every scale up to 58.
const maxAmountText = 60

// ParseAmount reads a decimal string at the scale of its asset, the number of
// digits after the point: "12.5" at scale 2 is 1250. More digits than the scale
// are refused, not rounded, even if they are zeros: a caller that writes them
// has another asset in mind. The error is a fault.Invalid.
func ParseAmount(s string, scale uint8) (Amount, error) { return parseUpTo(MaxAmount, s, scale) }

func parseUpTo(most Amount, s string, scale uint8) (Amount, error) {
	whole, fraction, err := splitAmount(s, scale)
	if err != nil {
		return Amount{}, err
	}
	var a Amount
	for i := range len(whole) + int(scale) {
		var digit byte
		switch after := i - len(whole); {
		case after < 0:
			digit = whole[i] - '0'
		case after < len(fraction):
			digit = fraction[after] - '0'
		}
		var ok bool
		if a, ok = a.shift(digit, most); !ok {
			return Amount{}, fault.Invalid.New("amount %q overflows, at most %s is allowed", s, most.Format(scale))
		}
	}
	return a, nil
}

// splitAmount gives the digits before and after the point of a well-formed amount.
func splitAmount(s string, scale uint8) (whole, fraction string, err error) {
	whole, fraction, pointed := strings.Cut(s, ".")
	switch {
	case s == "":
		return "", "", fault.Invalid.New(`amount is empty, it must be digits with at most one "."`)
	case len(s) > maxAmountText:
		return "", "", fault.Invalid.New("amount is %d bytes long, at most %d are allowed", len(s), maxAmountText)
	case s[0] == '-':
		return "", "", fault.Invalid.New("amount %q: amounts are not negative", s)
	case !onlyDigits(whole), pointed && !onlyDigits(fraction):
		return "", "", fault.Invalid.New(`amount %q must be digits 0-9 with at most one ".", and a digit on both sides of it`, s)
	case len(whole) > 1 && whole[0] == '0':
		return "", "", fault.Invalid.New("amount %q must not have leading zeros", s)
	case len(fraction) > int(scale):
		return "", "", fault.Invalid.New("amount %q has %d digits after the point, scale %d allows %d",
			s, len(fraction), scale, scale)
	}
	return whole, fraction, nil
}

// checkAmount refuses what is an amount at no scale.
func checkAmount(what, s string) error {
	if _, _, err := splitAmount(s, maxAmountText); err != nil {
		return in(what, err)
	}
	return nil
}

// checkPositive is checkAmount for amounts of more than nothing.
func checkPositive(what, s string) error {
	if err := checkAmount(what, s); err != nil {
		return err
	}
	if strings.Trim(s, "0.") == "" {
		return fault.Invalid.New("the %s is nothing, it must be more", what)
	}
	return nil
}

// checkSome is checkAmount for amounts that may be left out.
func checkSome(what, s string) error {
	if s == "" {
		return nil
	}
	return checkAmount(what, s)
}

// checkPositiveIfGiven is checkPositive for amounts that may be left out.
func checkPositiveIfGiven(what, s string) error {
	if s == "" {
		return nil
	}
	return checkPositive(what, s)
}

// onlyDigits is false for the empty string.
func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// shift gives 10a + digit. It is not ok above most.
func (a Amount) shift(digit byte, most Amount) (shifted Amount, ok bool) {
	overflow, hi := bits.Mul64(a.Hi, 10)
	carry, lo := bits.Mul64(a.Lo, 10)
	lo, plus := bits.Add64(lo, uint64(digit), 0)
	hi, more := bits.Add64(hi, carry, plus)
	shifted = Amount{Hi: hi, Lo: lo}
	return shifted, overflow == 0 && more == 0 && shifted.Cmp(most) <= 0
}

// unshift gives a / 10 and what remains.
func (a Amount) unshift() (quotient Amount, digit byte) {
	hi, rest := a.Hi/10, a.Hi%10
	lo, rest := bits.Div64(rest, a.Lo, 10)
	return Amount{Hi: hi, Lo: lo}, byte(rest)
}

// Format gives the canonical decimal string: always as many digits after the
// point as the scale, "12.50" at scale 2 and "12" at scale 0. ParseAmount reads
// it back for amounts up to MaxAmount and scales up to 58.
func (a Amount) Format(scale uint8) string {
	return string(a.AppendFormat(nil, scale))
}

// AppendFormat appends what Format gives.
func (a Amount) AppendFormat(text []byte, scale uint8) []byte {
	var buffer [39]byte // 2^128 - 1 has 39 digits.
	first := len(buffer)
	for !a.IsZero() {
		var digit byte
		a, digit = a.unshift()
		first--
		buffer[first] = '0' + digit
	}
	digits := buffer[first:]
	whole := max(0, len(digits)-int(scale))
	if whole == 0 {
		text = append(text, '0')
	}
	text = append(text, digits[:whole]...)
	if scale == 0 {
		return text
	}
	text = append(text, '.')
	for range int(scale) - len(digits) {
		text = append(text, '0')
	}
	return append(text, digits[whole:]...)
}

// IsZero says whether a is nothing.
func (a Amount) IsZero() bool { return a == Amount{} }

// Cmp gives -1 if a is less than b, 0 if they are equal and 1 if a is more.
func (a Amount) Cmp(b Amount) int {
	return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo))
}

// Add gives a + b. When that is 2^128 or more, ok is false and sum is of no use.
func (a Amount) Add(b Amount) (sum Amount, ok bool) {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, carry := bits.Add64(a.Hi, b.Hi, carry)
	return Amount{Hi: hi, Lo: lo}, carry == 0
}

// Sub gives a - b. When b is more than a, ok is false and difference is of no use.
func (a Amount) Sub(b Amount) (difference Amount, ok bool) {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, borrow := bits.Sub64(a.Hi, b.Hi, borrow)
	return Amount{Hi: hi, Lo: lo}, borrow == 0
}

// Signed is an amount that may be below zero, such as a balance. The zero value
// is zero, and zero is not negative.
type Signed struct {
	Negative bool
	Amount   Amount
}

// Net gives credits less debits.
func Net(credits, debits Amount) Signed {
	if net, ok := credits.Sub(debits); ok {
		return Signed{Amount: net}
	}
	net, _ := debits.Sub(credits)
	return Signed{Negative: true, Amount: net}
}

// Cmp gives -1 if s is less than t, 0 if they are equal and 1 if s is more.
func (s Signed) Cmp(t Signed) int {
	below, belowToo := s.Negative && !s.Amount.IsZero(), t.Negative && !t.Amount.IsZero()
	switch {
	case below && belowToo:
		return t.Amount.Cmp(s.Amount)
	case below:
		return -1
	case belowToo:
		return 1
	}
	return s.Amount.Cmp(t.Amount)
}

// Format gives the canonical decimal string, as of an Amount, after a "-" if s
// is below zero.
func (s Signed) Format(scale uint8) string {
	if !s.Negative || s.Amount.IsZero() {
		return s.Amount.Format(scale)
	}
	return string(s.Amount.AppendFormat([]byte{'-'}, scale))
}
