package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
)

// Schema lists the tables of the ledger.
var Schema kv.Schema

// asset is a unit that accounts are kept in.
type asset struct {
	code  string
	scale uint8
	// totals are the sums of the counters of all accounts of the asset.
	totals counters
	// accounts and transfers are how many there are.
	accounts, transfers uint64
}

// counters of an account. They only grow, and stay at most MaxAmount.
type counters struct {
	debitsPosted, creditsPosted, debitsPending, creditsPending Amount
}

// account is one line of the books.
type account struct {
	id    command.ID
	path  path.Path
	asset string
	counters
	// overdraft is how far below zero the balance may go, unless it is unlimited.
	overdraft Amount
	unlimited bool
	// ceiling is the most the balance may be, when there is one.
	ceiling    Amount
	hasCeiling bool
	// opened is the log time in nanoseconds.
	opened int64
}

// movement is a transfer as it stands in the books: never changed.
type movement struct {
	id command.ID
	// name is the id that the caller chose.
	name          string
	debit, credit command.ID
	amount        Amount
	// time is the log time in nanoseconds.
	time int64
	// What the two accounts had posted after the movement, so that a line of a
	// statement needs no other.
	debitAfter, creditAfter posted
}

type posted struct {
	debits, credits Amount
}

var (
	assets = kv.NewTable(&Schema, "ledger/asset", kv.Codec[asset]{Append: appendAsset, Decode: decodeAsset},
		func(a asset) kv.StringKey { return kv.StringKey(a.code) }, kv.Resident)

	accounts = kv.NewTable(&Schema, "ledger/account", kv.Codec[account]{Append: appendAccount, Decode: decodeAccount},
		func(a account) command.ID { return a.id }, kv.Resident)

	accountsByPath = kv.NewUnique(&Schema, accounts, "ledger/account_by_path",
		func(a account) path.Path { return a.path })

	movements = kv.NewTable(&Schema, "ledger/transfer", kv.Codec[movement]{Append: appendMovement, Decode: decodeMovement},
		func(m movement) command.ID { return m.id }, 0)

	movementsByName = kv.NewUnique(&Schema, movements, "ledger/transfer_by_id",
		func(m movement) kv.StringKey { return kv.StringKey(m.name) })

	movementsByAccount = kv.NewIndex(&Schema, movements, "ledger/transfer_by_account",
		func(m movement, add func(command.ID)) { add(m.debit); add(m.credit) })
)

func appendAmount(b []byte, a Amount) []byte { return kv.AppendUint(kv.AppendUint(b, a.Lo), a.Hi) }

func decodeAmount(d *kv.Decoder) Amount { return Amount{Lo: d.Uint(), Hi: d.Uint()} }

func appendCounters(b []byte, c counters) []byte {
	b = appendAmount(b, c.debitsPosted)
	b = appendAmount(b, c.creditsPosted)
	b = appendAmount(b, c.debitsPending)
	return appendAmount(b, c.creditsPending)
}

func decodeCounters(d *kv.Decoder) counters {
	return counters{
		debitsPosted: decodeAmount(d), creditsPosted: decodeAmount(d),
		debitsPending: decodeAmount(d), creditsPending: decodeAmount(d),
	}
}

func appendAsset(b []byte, a asset) []byte {
	b = kv.AppendString(b, a.code)
	b = kv.AppendUint(b, uint64(a.scale))
	b = appendCounters(b, a.totals)
	b = kv.AppendUint(b, a.accounts)
	return kv.AppendUint(b, a.transfers)
}

func decodeAsset(b []byte) (asset, error) {
	d := kv.NewDecoder(b)
	a := asset{
		code: d.String(), scale: uint8(d.Uint()), totals: decodeCounters(&d),
		accounts: d.Uint(), transfers: d.Uint(),
	}
	return a, d.Err()
}

func appendAccount(b []byte, a account) []byte {
	b = command.AppendID(b, a.id)
	b = kv.AppendString(b, a.path)
	b = kv.AppendString(b, a.asset)
	b = appendCounters(b, a.counters)
	b = appendAmount(b, a.overdraft)
	b = kv.AppendBool(b, a.unlimited)
	b = appendAmount(b, a.ceiling)
	b = kv.AppendBool(b, a.hasCeiling)
	return kv.AppendInt(b, a.opened)
}

func decodeAccount(b []byte) (account, error) {
	d := kv.NewDecoder(b)
	a := account{
		id: command.DecodeID(&d), path: path.Path(d.String()), asset: d.String(), counters: decodeCounters(&d),
		overdraft: decodeAmount(&d), unlimited: d.Bool(),
		ceiling: decodeAmount(&d), hasCeiling: d.Bool(),
		opened: d.Int(),
	}
	return a, d.Err()
}

func appendMovement(b []byte, m movement) []byte {
	b = command.AppendID(b, m.id)
	b = kv.AppendString(b, m.name)
	b = command.AppendID(b, m.debit)
	b = command.AppendID(b, m.credit)
	b = appendAmount(b, m.amount)
	b = kv.AppendInt(b, m.time)
	for _, after := range [...]posted{m.debitAfter, m.creditAfter} {
		b = appendAmount(appendAmount(b, after.debits), after.credits)
	}
	return b
}

func decodeMovement(b []byte) (movement, error) {
	d := kv.NewDecoder(b)
	m := movement{
		id: command.DecodeID(&d), name: d.String(), debit: command.DecodeID(&d), credit: command.DecodeID(&d),
		amount: decodeAmount(&d), time: d.Int(),
		debitAfter:  posted{decodeAmount(&d), decodeAmount(&d)},
		creditAfter: posted{decodeAmount(&d), decodeAmount(&d)},
	}
	return m, d.Err()
}
