package ledger_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// anExchange gives dollars of account a for euros, at 10 dollars for 9 euros. The
// account /account/euros gets them.
func anExchange(id, amount string) *pb.Exchange {
	return &pb.Exchange{
		Id: id, Debit: "/account/a", BrokerCredit: "/account/bank", BrokerDebit: "/account/eur", Credit: "/account/euros",
		Amount: amount, RateNumerator: 9, RateDenominator: 10,
	}
}

func exchangeBooks(t fsmtest.T) *fsmtest.Machine {
	t.Helper()
	m := newBooks(t)
	open(m, "/account/euros", "EUR", "", "")
	open(m, "/account/big", "BIG", ledger.Unlimited, "")
	open(m, "/account/big2", "BIG", ledger.Unlimited, "")
	return m
}

func TestExchangeText(t *testing.T) {
	t.Parallel()
	m := exchangeBooks(t)
	s := anExchange("x", "10.01")
	s.EffectiveUnixNanos, s.Description = 1_600_000_000_000_000_000, "holiday"
	r := mustOp(m, exchanging(s)).Results[0]
	got := documentOf(t, m, "x")
	wantText(t, got,
		"acquired exchange v1", "id: x", "time: "+plainInstant(got.UnixNanos), "by: /user/operator", "effective: 2020-09-13T12:26:40Z",
		"debit: /account/a", "broker_credit: /account/bank", "given_asset: USD", "given: 10.01",
		"broker_debit: /account/eur", "credit: /account/euros", "got_asset: EUR", "got: 9.00", "rate: 9/10", "remainder: 9/10", `description: "holiday"`)
	if r.Hash != got.Hash || r.Amount != "9.00" || got.Type != "exchange" || got.State != "final" {
		t.Errorf("the exchange gives %v, the document is %v", r, got)
	}
	wantFunds(t, m, "/account/a", "89.99 -0.00 +0.00")
	wantFunds(t, m, "/account/bank", "-89.99 -0.00 +0.00")
	wantFunds(t, m, "/account/eur", "-9.00 -0.00 +0.00")
	wantFunds(t, m, "/account/euros", "9.00 -0.00 +0.00")
}

func TestBadExchanges(t *testing.T) {
	t.Parallel()
	m := exchangeBooks(t)
	for _, test := range []struct {
		change func(*pb.Exchange)
		want   fault.Kind
		says   string
	}{
		{func(s *pb.Exchange) { s.RateNumerator = 0 }, fault.Invalid, "rate 0/10"},
		{func(s *pb.Exchange) { s.RateDenominator = 0 }, fault.Invalid, "rate 9/0"},
		{func(s *pb.Exchange) { s.Amount = "0" }, fault.Invalid, "the amount is nothing"},
		{func(s *pb.Exchange) { s.Amount = "0.01" }, fault.Invalid, "0.01 USD at the rate 9/10 are less than the least amount of EUR"},
		{func(s *pb.Exchange) { s.BrokerCredit = "/account/euros" }, fault.Invalid, "a transfer stays in one asset"},
		{func(s *pb.Exchange) { s.BrokerDebit = "/account/b" }, fault.Invalid, "a transfer stays in one asset"},
		{func(s *pb.Exchange) { s.BrokerDebit, s.Credit = "/account/bank", "/account/a" }, fault.Invalid, "all four accounts hold USD"},
		{func(s *pb.Exchange) { s.BrokerCredit = "/account/a" }, fault.Invalid, "the same account, /account/a"},
		{func(s *pb.Exchange) { s.Credit = "/account/eur" }, fault.Invalid, "the same account, /account/eur"},
		{func(s *pb.Exchange) { s.BrokerDebit = "" }, fault.Invalid, "broker_debit: path"},
		{func(s *pb.Exchange) { s.Credit = "/account/x" }, fault.NotFound, "credit: nothing at /account/x"},
		{func(s *pb.Exchange) { s.EffectiveUnixNanos = -1 }, fault.Invalid, "before 1970"},
		{func(s *pb.Exchange) { s.EffectiveUnixNanos = 1 << 62 }, fault.Conflict, "is after the log time"},
		{func(s *pb.Exchange) {
			s.Debit, s.BrokerCredit, s.Amount, s.RateDenominator = "/account/big", "/account/big2", maxAmount, 1
		}, fault.Invalid, "overflow, at most " + maxAmount[:30] + "." + maxAmount[30:] + " EUR is allowed"},
		{func(s *pb.Exchange) { s.Amount = "100.01" }, fault.Insufficient, "account /account/a has 100.00 USD available"},
		{func(s *pb.Exchange) { s.BrokerDebit, s.Credit = "/account/euros", "/account/eur" }, fault.Insufficient, "account /account/euros has 0.00 EUR available"},
	} {
		s := anExchange(fmt.Sprint("bad-", len(test.says)), "10")
		test.change(s)
		wantRefusedAs(t, m, m.Operator, test.want, test.says, exchanging(s))
	}
	// The ceilings of both who are paid, and the funds of both who pay first.
	open(m, "/account/low", "USD", "", "0.99")
	open(m, "/account/low-euros", "EUR", "", "0.99")
	low := func(amount string) *pb.Exchange {
		s := anExchange("low-"+amount, amount)
		s.BrokerCredit, s.Credit = "/account/low", "/account/low-euros"
		return s
	}
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "account /account/low has room for 0.99 USD", exchanging(low("1")))
	s := anExchange("low-euros", "1.12")
	s.Credit = "/account/low-euros"
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "account /account/low-euros has room for 0.99 EUR", exchanging(s))
	wantRefusedAs(t, m, m.Operator, fault.Insufficient, "account /account/a has 100.00 USD available", exchanging(low("100.01")))
	freeze(m, "/account/eur")
	wantRefusedAs(t, m, m.Operator, fault.Conflict, "account /account/eur is frozen", exchanging(anExchange("new", "10")))
}

// TestWhoExchanges: who may Spend from both accounts that pay.
func TestWhoExchanges(t *testing.T) {
	t.Parallel()
	m := exchangeBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account/a", command.Spend, "/role/customer")
	m.Clause("/account/eur", command.Spend, "/role/broker")
	customer, broker := m.Principal("/user/customer", "/role/customer"), m.Principal("/user/broker", "/role/broker")
	both := m.Principal("/user/both", "/role/customer", "/role/broker")
	wantRefusedAs(t, m, customer, fault.Denied, "broker_debit: /user/customer may not Spend /account/eur", exchanging(anExchange("x", "10")))
	wantRefusedAs(t, m, broker, fault.Denied, "debit: /user/broker may not Spend /account/a", exchanging(anExchange("x", "10")))
	mustOpAs(both, exchanging(anExchange("x", "10")))
	for who, by := range map[string]*fsmtest.Client{"customer": customer, "broker": broker, "both": both} {
		if _, err := fsmtest.Ask(by, ledger.Document, &pb.DocumentRequest{Id: "x"}); err != nil {
			t.Errorf("%s asks for the exchange: %v", who, err)
		}
	}
}

// TestExchangesLoseNothing: what is got and what was rounded off are exactly what
// was given times the rate, at any scales, and what is rounded off is less than a
// minor unit.
func TestExchangesLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := fsmtest.New(t)
		scales := map[string]int{"GIVEN": rapid.IntRange(0, 18).Draw(t, "given"), "GOT": rapid.IntRange(0, 18).Draw(t, "got")}
		for _, code := range []string{"GIVEN", "GOT"} {
			fsmtest.Must(m.Operator, ledger.CreateAsset, &pb.CreateAssetRequest{Code: code, Scale: uint32(scales[code])})
			open(m, "/account/"+code+"/from", code, ledger.Unlimited, "")
			open(m, "/account/"+code+"/to", code, ledger.Unlimited, "")
		}
		minor := new(big.Int).Add(
			new(big.Int).Mul(new(big.Int).SetUint64(rapid.Uint64().Draw(t, "high")), new(big.Int).SetUint64(rapid.Uint64Range(0, 1<<38).Draw(t, "times"))),
			new(big.Int).SetUint64(rapid.Uint64Range(1, 1<<62).Draw(t, "low")))
		numerator, denominator := rapid.Uint64Min(1).Draw(t, "numerator"), rapid.Uint64Min(1).Draw(t, "denominator")
		given := format(minor, scales["GIVEN"])

		// given x numerator x 10^scale of got, over denominator x 10^scale of given.
		power := func(scale int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil) }
		product := new(big.Int).Mul(minor, new(big.Int).SetUint64(numerator))
		product.Mul(product, power(scales["GOT"]))
		divisor := new(big.Int).Mul(new(big.Int).SetUint64(denominator), power(scales["GIVEN"]))
		exact := new(big.Rat).SetFrac(product, divisor)
		whole := new(big.Int).Quo(product, divisor)

		res, err := op(m, exchanging(&pb.Exchange{
			Id: "x", Debit: "/account/GIVEN/from", BrokerCredit: "/account/GIVEN/to", BrokerDebit: "/account/GOT/from", Credit: "/account/GOT/to",
			Amount: given, RateNumerator: numerator, RateDenominator: denominator,
		}))
		if whole.Sign() == 0 || whole.Cmp(most) > 0 {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("exchanging %s at %d/%d, which makes %s minor units: %v, want a fault.invalid", given, numerator, denominator, whole, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("exchanging %s at %d/%d: %v", given, numerator, denominator, err)
		}
		text := documentOf(t, m, "x").Text
		got, remainder := parse(lineOf(text, "got"), scales["GOT"]), new(big.Rat)
		if _, ok := remainder.SetString(lineOf(text, "remainder")); !ok || got == nil || lineOf(text, "got") != res.Results[0].Amount {
			t.Fatalf("the exchange answers %v, its text is %s", res, text)
		}
		if sum := new(big.Rat).Add(new(big.Rat).SetInt(got), remainder); sum.Cmp(exact) != 0 || remainder.Sign() < 0 || remainder.Cmp(big.NewRat(1, 1)) >= 0 {
			t.Fatalf("%s at %d/%d is %s and %s of a minor unit, want %s", given, numerator, denominator, got, remainder, exact)
		}
		for code, amount := range map[string]string{"GIVEN": given, "GOT": lineOf(text, "got")} {
			to, from := balance(t, m, "/account/"+code+"/to").Balance, balance(t, m, "/account/"+code+"/from").Balance
			if to != amount || from != "-"+amount || strings.HasPrefix(to, "-") {
				t.Fatalf("of %s %s were moved, and the accounts have %s and %s", code, amount, from, to)
			}
		}
	})
}
