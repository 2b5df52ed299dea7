package ledger

import (
	"reflect"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/path"
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
		kind: ephemeral, state: frozen, holdOverdraft: true, version: 23, owner: "/user/a",
		dailyLimit: amount(25), hasDailyLimit: true, day: 27, spent: amount(29), openHolds: 31,
	}, appendAccount, decodeAccount)
	comesBack(t, entry{
		id: id(1), name: "x", part: 2, kind: captured, debit: id(3), credit: id(5), amount: amount(7), time: -9, effective: -11,
		debitAfter: some, creditAfter: some, hold: "h", document: "d", of: "o", description: "why",
	}, appendEntry, decodeEntry)
	comesBack(t, step{name: "x", kind: "hold", first: id(1), entries: 3, body: "b", amount: "1.00", hash: "h"}, appendStep, decodeStep)
	comesBack(t, hold{
		name: "h", id: id(1), debit: id(3), credit: id(5), asset: "USD", held: amount(1), captured: amount(3), released: amount(5),
		expired: amount(7), placed: 9, expires: 11, overdraft: true, state: holdExpired, delegate: party{"/user/a", 39}, document: "d", description: "why",
	}, appendHold, decodeHold)
	comesBack(t, document{
		id: id(1), name: "d", kind: refundDocument, time: -3, text: "acquired", hash: "h", accounts: []command.ID{id(3), id(5)},
		parties: []party{{"/user/a", 7}, {"/user/b", 9}},
	}, appendDocument, decodeDocument)
	comesBack(t, cheque{
		name: "c", account: id(1), asset: "USD", writer: party{"/user/a", 3}, recipient: party{"/user/b", 37}, resource: "r", ceiling: amount(5), uses: 7,
		expires: -9, used: 11, cashed: amount(13), cancelled: true, version: 15,
	}, appendCheque, decodeCheque)
	comesBack(t, invoice{
		name: "i", receivable: id(1), revenue: id(3), asset: "USD", total: amount(5), paid: amount(7), credited: amount(9), due: -11, void: true, version: 13,
	}, appendInvoice, decodeInvoice)
	comesBack(t, givenBack{entry: id(1), amount: amount(3)}, appendGivenBack, decodeGivenBack)
	comesBack(t, particulars{account: id(1), metadata: []metadatum{{"a", "x"}, {"b", "y"}}}, appendParticulars, decodeParticulars)
	comesBack(t, auditLine{
		id: id(1), time: -3, principal: "/user/a", actors: []path.Path{"/user/b", "/user/c"}, request: "r", command: "ledger.op", what: "w",
		kind: "denied", message: "m", accounts: []path.Path{"/account/a"}, entries: 5, digest: "d", hash: "h", details: "e", born: 7,
	}, appendAudit, decodeAudit)
	both := posted{amount(1), amount(3)}
	comesBack(t, backdatedSum{sumKey{id(1), 3, 5}, both}, appendSum, decodeSum)
	comesBack(t, backdated{backdatedKey{-1, id(3)}, id(5), id(7), both, posted{amount(5), amount(7)}}, appendBackdated, decodeBackdated)
	comesBack(t, backdatedRun{runKey{id(1), id(3)}, both}, appendRun, decodeRun)
	comesBack(t, departure{departureKey{1, id(3)}, "/account/a"}, appendDeparture, decodeDeparture)
}

func comesBack[V any](t *testing.T, record V, appendTo func([]byte, V) []byte, decode func([]byte) (V, error)) {
	t.Helper()
	wantFilled(t, reflect.ValueOf(record))
	if got, err := decode(appendTo(nil, record)); err != nil || !reflect.DeepEqual(got, record) {
		t.Errorf("%+v comes back as %+v, %v", record, got, err)
	}
	var zero V
	if got, err := decode(appendTo(nil, zero)); err != nil || !reflect.DeepEqual(got, zero) {
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
