package ledger

import (
	"errors"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/proto/fault"
)

const maxAmountDigits = "10141204801825835211973625643007"

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		input string
		scale uint8
		want  Amount
	}{
		{"0", 0, Amount{}},
		{"0.00", 2, Amount{}},
		{"12", 0, Amount{Lo: 12}},
		{"12", 2, Amount{Lo: 1200}},
		{"12.5", 2, Amount{Lo: 1250}},
		{"12.50", 2, Amount{Lo: 1250}},
		{"0.50", 2, Amount{Lo: 50}},
		{"0.000000000000000001", 18, Amount{Lo: 1}},
		{"18446744073709551615", 0, Amount{Lo: 1<<64 - 1}},
		{"18446744073709551616", 0, Amount{Hi: 1}},
		{maxAmountDigits, 0, MaxAmount},
		{"101412048018258352119736256430.07", 2, MaxAmount},
		{"0." + strings.Repeat("0", 26) + maxAmountDigits, 58, MaxAmount},
		{"0", 255, Amount{}},
	} {
		got, err := ParseAmount(test.input, test.scale)
		if err != nil || got != test.want {
			t.Errorf("ParseAmount(%q, %d) = %v, %v; want %v", test.input, test.scale, got, err, test.want)
		}
	}
}

func TestParseAmountRefuses(t *testing.T) {
	t.Parallel()
	const digits = ` must be digits 0-9 with at most one ".", and a digit on both sides of it`
	for _, test := range []struct {
		input string
		scale uint8
		want  string
	}{
		{"", 2, `amount is empty, it must be digits with at most one "."`},
		{strings.Repeat("1", 61), 2, "amount is 61 bytes long, at most 60 are allowed"},
		{"-1", 2, `amount "-1": amounts are not negative`},
		{"-0", 2, `amount "-0": amounts are not negative`},
		{"+1", 2, `amount "+1"` + digits},
		{".5", 2, `amount ".5"` + digits},
		{"5.", 2, `amount "5."` + digits},
		{".", 2, `amount "."` + digits},
		{"1.2.3", 2, `amount "1.2.3"` + digits},
		{"1,5", 2, `amount "1,5"` + digits},
		{"1e3", 2, `amount "1e3"` + digits},
		{"0x1", 2, `amount "0x1"` + digits},
		{"1_000", 2, `amount "1_000"` + digits},
		{" 1", 2, `amount " 1"` + digits},
		{"1\n", 2, `amount "1\n"` + digits},
		{"٣", 2, `amount "٣"` + digits},
		{"1.-5", 2, `amount "1.-5"` + digits},
		{"00", 2, `amount "00" must not have leading zeros`},
		{"00.5", 2, `amount "00.5" must not have leading zeros`},
		{"012", 2, `amount "012" must not have leading zeros`},
		{"1.230", 2, `amount "1.230" has 3 digits after the point, scale 2 allows 2`},
		{"1.0", 0, `amount "1.0" has 1 digits after the point, scale 0 allows 0`},
		{
			"10141204801825835211973625643008", 0,
			`amount "10141204801825835211973625643008" overflows, at most ` + maxAmountDigits + ` is allowed`,
		},
		{
			"101412048018258352119736256430.08", 2,
			`amount "101412048018258352119736256430.08" overflows, at most 101412048018258352119736256430.07 is allowed`,
		},
		{"1", 39, `amount "1" overflows, at most 0.0000000` + maxAmountDigits + ` is allowed`},
	} {
		got, err := ParseAmount(test.input, test.scale)
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("ParseAmount(%q, %d) = %v, %v; want fault.Invalid", test.input, test.scale, got, err)
			continue
		}
		if !got.IsZero() || err.Error() != test.want {
			t.Errorf("ParseAmount(%q, %d) = %v, %v; want zero and %s", test.input, test.scale, got, err, test.want)
		}
	}
}

func TestParseAmountDoesNotAllocate(t *testing.T) {
	for _, input := range []string{"0", "12.50", maxAmountDigits[:28] + ".27"} {
		allocations := testing.AllocsPerRun(100, func() {
			if _, err := ParseAmount(input, 2); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 {
			t.Errorf("ParseAmount(%q, 2) allocates %v times, want 0", input, allocations)
		}
	}
}

func TestAmountFormat(t *testing.T) {
	t.Parallel()
	largest := Amount{Hi: 1<<64 - 1, Lo: 1<<64 - 1}
	for _, test := range []struct {
		amount Amount
		scale  uint8
		want   string
	}{
		{Amount{}, 0, "0"},
		{Amount{}, 2, "0.00"},
		{Amount{Lo: 12}, 0, "12"},
		{Amount{Lo: 5}, 2, "0.05"},
		{Amount{Lo: 50}, 2, "0.50"},
		{Amount{Lo: 100}, 2, "1.00"},
		{Amount{Lo: 1250}, 2, "12.50"},
		{Amount{Hi: 1}, 18, "18.446744073709551616"},
		{MaxAmount, 0, maxAmountDigits},
		{largest, 0, "340282366920938463463374607431768211455"},
		{largest, 39, "0.340282366920938463463374607431768211455"},
		{Amount{Lo: 7}, 255, "0." + strings.Repeat("0", 254) + "7"},
	} {
		if got := test.amount.Format(test.scale); got != test.want {
			t.Errorf("%v.Format(%d) = %s, want %s", test.amount, test.scale, got, test.want)
		}
		if got := string(test.amount.AppendFormat([]byte("x"), test.scale)); got != "x"+test.want {
			t.Errorf("%v.AppendFormat(x, %d) = %s, want x%s", test.amount, test.scale, got, test.want)
		}
	}
}

func TestSignedFormat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		signed Signed
		want   string
	}{
		{Signed{}, "0.00"},
		{Signed{Negative: true}, "0.00"},
		{Net(Amount{Lo: 1250}, Amount{}), "12.50"},
		{Net(Amount{}, Amount{Lo: 1250}), "-12.50"},
		{Net(Amount{Lo: 7}, Amount{Lo: 7}), "0.00"},
	} {
		if got := test.signed.Format(2); got != test.want {
			t.Errorf("%v.Format(2) = %s, want %s", test.signed, got, test.want)
		}
	}
}

func toBig(a Amount) *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(a.Lo))
}

// amounts draws amounts of all sizes, the edges of both words included.
var amounts = rapid.Custom(func(t *rapid.T) Amount {
	word := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1<<63 - 1, 1 << 63, 1<<64 - 1}))
	return Amount{Hi: word.Draw(t, "hi"), Lo: word.Draw(t, "lo")}
})

func TestArithmeticAgainstBig(t *testing.T) {
	t.Parallel()
	modulus := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		a, b := amounts.Draw(t, "a"), amounts.Draw(t, "b")
		if rapid.Bool().Draw(t, "equal") {
			b = a
		}
		bigA, bigB := toBig(a), toBig(b)

		want := new(big.Int).Add(bigA, bigB)
		sum, ok := a.Add(b)
		if fits := want.Cmp(modulus) < 0; ok != fits || ok && toBig(sum).Cmp(want) != 0 {
			t.Fatalf("%v + %v = %v, %v; want %v", a, b, sum, ok, want)
		}
		want.Sub(bigA, bigB)
		difference, ok := a.Sub(b)
		if fits := want.Sign() >= 0; ok != fits || ok && toBig(difference).Cmp(want) != 0 {
			t.Fatalf("%v - %v = %v, %v; want %v", a, b, difference, ok, want)
		}
		net := Net(a, b)
		if net.Format(0) != want.String() || net.Negative != (want.Sign() < 0) {
			t.Fatalf("Net(%v, %v) = %v, want %v", a, b, net, want)
		}
		if a.Cmp(b) != bigA.Cmp(bigB) || a.IsZero() != (bigA.Sign() == 0) {
			t.Fatalf("%v and %v: Cmp %d, IsZero %v; want %d, %v", a, b, a.Cmp(b), a.IsZero(), bigA.Cmp(bigB), bigA.Sign() == 0)
		}
	})
}

// TestSumsFit: as many full accounts as there can be come to no more than the totals
// hold, and what is added to those overflows nothing.
func TestSumsFit(t *testing.T) {
	t.Parallel()
	if sum, ok := maxTotal.Add(maxTotal); !ok {
		t.Errorf("maxTotal + maxTotal = %v, %v; want ok", sum, ok)
	}
	if all := new(big.Int).Lsh(toBig(MaxAmount), 24); all.Cmp(toBig(maxTotal)) > 0 {
		t.Errorf("2^24 full accounts have %v, want at most %v", all, maxTotal)
	}
}

func TestFormatRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := amounts.Draw(t, "amount")
		a.Hi &= 1<<39 - 1
		for scale := range uint8(59) {
			text := a.Format(scale)
			if digits := strings.TrimLeft(strings.Replace(text, ".", "", 1), "0"); "0"+digits != "0"+strings.TrimLeft(toBig(a).String(), "0") {
				t.Fatalf("%v.Format(%d) = %s, want the digits of %v", a, scale, text, toBig(a))
			}
			if got, err := ParseAmount(text, scale); err != nil || got != a {
				t.Fatalf("ParseAmount(%s, %d) = %v, %v; want %v", text, scale, got, err, a)
			}
		}
	})
}

var decimalForm = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// parseBig is ParseAmount by other means. It gives nil for what is refused.
func parseBig(s string, scale uint8) *big.Int {
	if len(s) > 60 || !decimalForm.MatchString(s) {
		return nil
	}
	value, _ := new(big.Rat).SetString(s)
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	value.Mul(value, new(big.Rat).SetInt(unit))
	if _, fraction, _ := strings.Cut(s, "."); len(fraction) > int(scale) || value.Num().BitLen() > 103 {
		return nil
	}
	return value.Num()
}

func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{
		"0", "12.5", "0.50", "00.5", "-1", "1.230", "1e3", "", ".", "1_0", "٣", maxAmountDigits,
		"10141204801825835211973625643008", strings.Repeat("9", 60), strings.Repeat("0", 61),
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(2))
		f.Add(seed, uint8(18))
	}
	f.Fuzz(func(t *testing.T, s string, scale uint8) {
		got, err := ParseAmount(s, scale)
		want := parseBig(s, scale)
		switch {
		case want == nil:
			if !errors.Is(err, fault.Invalid) || !got.IsZero() {
				t.Fatalf("ParseAmount(%q, %d) = %v, %v; want zero and fault.Invalid", s, scale, got, err)
			}
		case err != nil || toBig(got).Cmp(want) != 0:
			t.Fatalf("ParseAmount(%q, %d) = %v, %v; want %v", s, scale, got, err, want)
		}
	})
}
