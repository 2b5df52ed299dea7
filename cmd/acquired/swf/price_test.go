package swf

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/proto/fault"
)

func mustParsePrice(t *testing.T, s string, scale uint8) Price {
	t.Helper()
	price, err := ParsePrice(s, scale)
	if err != nil {
		t.Fatalf("ParsePrice(%q, %d): %v", s, scale, err)
	}
	return price
}

func TestTotal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		price       string
		scale       uint8
		coreSeconds uint64
		want        string
	}{
		{"0", 2, math.MaxUint64, "0"},
		{"1", 0, 3599, "0"},
		{"1", 0, 3600, "1"},
		{"1", 2, 3600, "100"},
		{"1", 2, 35, "0"},
		{"1", 2, 36, "1"},
		{"0.05", 2, 3600, "5"},
		{"0.0005", 2, 3600, "0"},
		{"0.0005", 2, 71_999, "0"},
		{"0.0005", 2, 72_000, "1"},
		{"0.0005", 2, 474_238_015, "6586"},
		{"0.000000000000000001", 18, 3600, "1"},
		{"0.000000000000000001", 0, 3_600_000_000_000_000_000, "0"},
		{"0.000000000000000001", 0, math.MaxUint64, "0"},
		{"3600", 0, math.MaxUint64, "18446744073709551615"},
	} {
		got := mustParsePrice(t, test.price, test.scale).Total(test.coreSeconds)
		if got.String() != test.want {
			t.Errorf("%s at scale %d for %d core-seconds = %v, want %s", test.price, test.scale, test.coreSeconds, got, test.want)
		}
	}
	if got := (Price{}).Total(math.MaxUint64); got.Sign() != 0 {
		t.Errorf("the zero price for %d core-seconds = %v, want 0", uint64(math.MaxUint64), got)
	}
}

func TestMost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		price       string
		coreSeconds uint64
		want        string
	}{
		{"0", math.MaxUint64, "0"},
		{"1", 0, "0"},
		{"1", 35, "1"},
		{"1", 36, "1"},
		{"1", 37, "2"},
		{"0.000000000000000001", 1, "1"},
		{"36", math.MaxUint64, "18446744073709551615"},
	} {
		got := mustParsePrice(t, test.price, 2).Most(test.coreSeconds)
		if got.String() != test.want {
			t.Errorf("%s for %d core-seconds = %v at most, want %s", test.price, test.coreSeconds, got, test.want)
		}
	}
	if got := (Price{}).Most(math.MaxUint64); got.Sign() != 0 {
		t.Errorf("the zero price for %d core-seconds = %v at most, want 0", uint64(math.MaxUint64), got)
	}
}

func TestParsePriceRefuses(t *testing.T) {
	t.Parallel()
	const digits = ` must be digits 0-9 with at most one ".", and a digit on both sides of it`
	for input, want := range map[string]string{
		"":                             `price is empty, it must be digits with at most one "."`,
		strings.Repeat("1", 61):        "price is 61 bytes long, at most 60 are allowed",
		"-1":                           `price "-1": prices are not negative`,
		"+1":                           `price "+1"` + digits,
		"1e3":                          `price "1e3"` + digits,
		"1/3":                          `price "1/3"` + digits,
		"1_0":                          `price "1_0"` + digits,
		".5":                           `price ".5"` + digits,
		"5.":                           `price "5."` + digits,
		"1.2.3":                        `price "1.2.3"` + digits,
		" 1":                           `price " 1"` + digits,
		"٣":                            `price "٣"` + digits,
		"00.5":                         `price "00.5" must not have leading zeros`,
		"0." + strings.Repeat("1", 19): `price "0.` + strings.Repeat("1", 19) + `" has 19 digits after the point, at most 18 are allowed`,
	} {
		got, err := ParsePrice(input, 2)
		if !errors.Is(err, fault.Invalid) || err.Error() != want || got != (Price{}) {
			t.Errorf("ParsePrice(%q) = %v, %v; want fault.Invalid %s", input, got, err, want)
		}
	}
}

func TestMeterLosesNothing(t *testing.T) {
	t.Parallel()
	meter := NewMeter(mustParsePrice(t, "0.0005", 2))
	var sum big.Int
	for range 72_000 {
		charge, err := meter.Charge(1)
		if err != nil {
			t.Fatal(err)
		}
		sum.Add(&sum, charge)
	}
	if sum.String() != "1" || meter.CoreSeconds() != 72_000 {
		t.Errorf("charged %v for %d core-seconds, want 1 for 72000", &sum, meter.CoreSeconds())
	}
}

func TestMeterRefusesOverflow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		price         string
		first, second uint64
		want          string
	}{
		{"0", math.MaxUint64, 1, "core-seconds overflow: 1 after 18446744073709551615, at most 2^64-1 can be charged"},
		{"10141204801825835211973625643007", 3600, 1, "charge overflows: 3601 core-seconds cost more than 2^103-1 minor units"},
	} {
		meter := NewMeter(mustParsePrice(t, test.price, 0))
		charge, err := meter.Charge(test.first)
		if err != nil || charge.String() != test.price && test.price != "0" {
			t.Errorf("%s: first charge %v, %v; want the price", test.price, charge, err)
		}
		charge, err = meter.Charge(test.second)
		if !errors.Is(err, fault.Invalid) || err.Error() != test.want || charge != nil {
			t.Errorf("%s: second charge %v, %v; want fault.Invalid %s", test.price, charge, err, test.want)
		}
		if meter.CoreSeconds() != test.first {
			t.Errorf("%s: %d core-seconds after a refusal, want %d", test.price, meter.CoreSeconds(), test.first)
		}
	}
}

func TestChargesTelescope(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(0|[1-9][0-9]{0,8})(\.[0-9]{1,18})?`).Draw(t, "price")
		scale := rapid.Uint8Range(0, 18).Draw(t, "scale")
		jobs := rapid.SliceOf(rapid.OneOf(rapid.Uint64Range(0, 10_000), rapid.Uint64Range(0, 1<<40))).Draw(t, "jobs")
		price, err := ParsePrice(text, scale)
		if err != nil {
			t.Fatalf("ParsePrice(%q, %d): %v", text, scale, err)
		}

		meter := NewMeter(price)
		var coreSeconds, sum big.Int
		for _, job := range jobs {
			after := new(big.Int).Add(&coreSeconds, new(big.Int).SetUint64(job))
			charge, err := meter.Charge(job)
			if cost(after, text, scale).Cmp(maxCharged) > 0 {
				if !errors.Is(err, fault.Invalid) || charge != nil {
					t.Fatalf("Charge(%d) = %v, %v; want fault.Invalid beyond 2^103-1", job, charge, err)
				}
				continue
			}
			if err != nil || charge.Sign() < 0 {
				t.Fatalf("Charge(%d) = %v, %v; want 0 or more", job, charge, err)
			}
			if most := price.Most(job); charge.Cmp(most) > 0 || most.Cmp(price.Total(job)) < 0 {
				t.Fatalf("Charge(%d) = %v, Total %v; want no more than Most, %v", job, charge, price.Total(job), most)
			}
			sum.Add(&sum, charge)
			coreSeconds.Set(after)
			if want := cost(&coreSeconds, text, scale); sum.Cmp(want) != 0 {
				t.Fatalf("charged %v for %v core-seconds, want %v", &sum, &coreSeconds, want)
			}
		}
		if total := price.Total(meter.CoreSeconds()); total.Cmp(&sum) != 0 {
			t.Fatalf("Total(%d) = %v, want the sum of charges %v", meter.CoreSeconds(), total, &sum)
		}
	})
}

// cost is Price.Total by other means: the price in units of 10^-18.
func cost(coreSeconds *big.Int, price string, scale uint8) *big.Int {
	whole, fraction, _ := strings.Cut(price, ".")
	scaled, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", 18-len(fraction)+int(scale)), 10)
	hour, _ := new(big.Int).SetString("3600"+strings.Repeat("0", 18), 10)
	return scaled.Div(scaled.Mul(scaled, coreSeconds), hour)
}

func TestFormatMinor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		minor string
		scale uint8
		want  string
	}{
		{"0", 0, "0"},
		{"0", 2, "0.00"},
		{"5", 2, "0.05"},
		{"50", 2, "0.50"},
		{"100", 2, "1.00"},
		{"1250", 2, "12.50"},
		{"1250", 0, "1250"},
		{"-5", 2, "-0.05"},
		{"170141183460469231731687303715884105727", 18, "170141183460469231731.687303715884105727"},
	} {
		n, _ := new(big.Int).SetString(test.minor, 10)
		if got := FormatMinor(n, test.scale); got != test.want || n.String() != test.minor {
			t.Errorf("FormatMinor(%s, %d) = %s and leaves %v, want %s", test.minor, test.scale, got, n, test.want)
		}
	}
}
