package ledger

import (
	"reflect"
	"testing"

	"acquired/fsm/command"
)

// TestRecordsComeBack: with all their fields. A field that is new is added to
// the records here.
func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	amount := func(n uint64) Amount { return Amount{Hi: n, Lo: n + 1} }
	some := counters{amount(11), amount(13), amount(15), amount(17)}
	id := func(n uint64) command.ID { return command.ID{Index: n, Counter: uint32(n + 1)} }
	comesBack(t, asset{code: "USD", scale: 2, totals: some, accounts: 3, transfers: 4}, appendAsset, decodeAsset)
	comesBack(t, account{
		id: id(1), path: "/account/a", asset: "USD", counters: some,
		overdraft: amount(19), unlimited: true, ceiling: amount(21), hasCeiling: true, opened: -5,
	}, appendAccount, decodeAccount)
	comesBack(t, movement{
		id: id(1), name: "x", debit: id(3), credit: id(5), amount: amount(7), time: -9,
		debitAfter: posted{amount(11), amount(13)}, creditAfter: posted{amount(15), amount(17)},
	}, appendMovement, decodeMovement)
}

func comesBack[V comparable](t *testing.T, record V, appendTo func([]byte, V) []byte, decode func([]byte) (V, error)) {
	t.Helper()
	wantFilled(t, reflect.ValueOf(record))
	if got, err := decode(appendTo(nil, record)); err != nil || got != record {
		t.Errorf("%+v comes back as %+v, %v", record, got, err)
	}
	var zero V
	if got, err := decode(appendTo(nil, zero)); err != nil || got != zero {
		t.Errorf("%+v comes back as %+v, %v", zero, got, err)
	}
}

// wantFilled wants all fields of a record to be set, so that none is forgotten.
func wantFilled(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		field := v.Field(i)
		if field.IsZero() {
			t.Errorf("field %s of %s is not set", v.Type().Field(i).Name, v.Type())
		}
		if field.Kind() == reflect.Struct {
			wantFilled(t, field)
		}
	}
}
