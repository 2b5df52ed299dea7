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
	// totals are the sums of the counters of all accounts of the asset, those that
	// are gone included.
	totals counters
	// accounts are how many there are, transfers how many entries posted an amount.
	accounts, transfers uint64
}

// counters of an account, at most MaxAmount. What is posted only grows.
type counters struct {
	debitsPosted, creditsPosted, debitsPending, creditsPending Amount
}

// empty says whether nothing is left and nothing is reserved.
func (c *counters) empty() bool {
	return c.debitsPosted == c.creditsPosted && c.debitsPending.IsZero() && c.creditsPending.IsZero()
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
	kind   accountKind
	state  accountState
	// holdOverdraft lets holds reserve of the overdraft.
	holdOverdraft bool
	// version counts the commands that changed the account.
	version uint64
	owner   path.Path
	// dailyLimit is the most that may be spent in a day, when there is one; spent is
	// what was spent on the day, counted from 1970 by log time, that it met last.
	dailyLimit    Amount
	hasDailyLimit bool
	day           int64
	spent         Amount
	// openHolds is how many open holds reserve of it.
	openHolds uint64
}

// accountKind says when an account must be empty. The numbers are stored.
type accountKind uint8

const (
	normal accountKind = iota
	// ephemeral accounts go when a command leaves them empty.
	ephemeral
	// transient accounts must be left empty by every command.
	transient
)

var accountKinds = [...]string{normal: "normal", ephemeral: "ephemeral", transient: "transient"}

// accountState says what an account takes part in. The numbers are stored.
type accountState uint8

const (
	open accountState = iota
	// frozen accounts only get back what is reserved.
	frozen
	closed
)

var accountStates = [...]string{open: "open", frozen: "frozen", closed: "closed"}

// particulars are what an account carries along and nothing depends on.
type particulars struct {
	account  command.ID
	metadata []metadatum // in the order of keys
}

type metadatum struct{ key, value string }

// entry is an entry of the journal: never changed.
type entry struct {
	id command.ID
	// name is the id of the step that made it, part which of the step's entries it
	// is.
	name string
	part uint32
	// kind says what it did to the counters of the two accounts.
	kind          entryKind
	debit, credit command.ID
	amount        Amount
	// time is the log time in nanoseconds; effective is when it counts as having
	// happened, 0 for the log time.
	time, effective int64
	// What the two accounts had after it, so that a line of a statement and a
	// balance of the past need no other.
	debitAfter, creditAfter counters
	// What it belongs to: a hold, a document, the step that is refunded.
	hold, document, of string
	description        string
}

// at is the effective time.
func (e *entry) at() int64 {
	if e.effective != 0 {
		return e.effective
	}
	return e.time
}

var (
	assets = kv.NewTable(&Schema, "ledger/asset", kv.Codec[asset]{Append: appendAsset, Decode: decodeAsset},
		func(a asset) kv.StringKey { return kv.StringKey(a.code) }, kv.Resident)

	accounts = kv.NewTable(&Schema, "ledger/account", kv.Codec[account]{Append: appendAccount, Decode: decodeAccount},
		func(a account) command.ID { return a.id }, kv.Resident)

	accountsByPath = kv.NewUnique(&Schema, accounts, "ledger/account_by_path",
		func(a account) path.Path { return a.path })

	// gone are the accounts that were, which the journal still names.
	gone = kv.NewTable(&Schema, "ledger/account_gone", kv.Codec[account]{Append: appendAccount, Decode: decodeAccount},
		func(a account) command.ID { return a.id }, 0)

	metadata = kv.NewTable(&Schema, "ledger/metadata", kv.Codec[particulars]{Append: appendParticulars, Decode: decodeParticulars},
		func(p particulars) command.ID { return p.account }, 0)

	entries = kv.NewTable(&Schema, "ledger/entry", kv.Codec[entry]{Append: appendEntry, Decode: decodeEntry},
		func(e entry) command.ID { return e.id }, 0)

	entriesByAccount = kv.NewIndex(&Schema, entries, "ledger/entry_by_account",
		func(e entry, add func(command.ID)) { add(e.debit); add(e.credit) })
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
	b = kv.AppendInt(b, a.opened)
	b = kv.AppendUint(b, uint64(a.kind))
	b = kv.AppendUint(b, uint64(a.state))
	b = kv.AppendBool(b, a.holdOverdraft)
	b = kv.AppendUint(b, a.version)
	b = kv.AppendString(b, a.owner)
	b = kv.AppendBool(appendAmount(b, a.dailyLimit), a.hasDailyLimit)
	return kv.AppendUint(appendAmount(kv.AppendInt(b, a.day), a.spent), a.openHolds)
}

func decodeAccount(b []byte) (account, error) {
	d := kv.NewDecoder(b)
	a := account{
		id: command.DecodeID(&d), path: path.Path(d.String()), asset: d.String(), counters: decodeCounters(&d),
		overdraft: decodeAmount(&d), unlimited: d.Bool(),
		ceiling: decodeAmount(&d), hasCeiling: d.Bool(),
		opened: d.Int(), kind: accountKind(d.Uint()), state: accountState(d.Uint()), holdOverdraft: d.Bool(),
		version: d.Uint(), owner: path.Path(d.String()),
		dailyLimit: decodeAmount(&d), hasDailyLimit: d.Bool(), day: d.Int(), spent: decodeAmount(&d), openHolds: d.Uint(),
	}
	return a, d.Err()
}

func appendParticulars(b []byte, p particulars) []byte {
	b = kv.AppendUint(command.AppendID(b, p.account), uint64(len(p.metadata)))
	for _, m := range p.metadata {
		b = kv.AppendString(kv.AppendString(b, m.key), m.value)
	}
	return b
}

func decodeParticulars(b []byte) (particulars, error) {
	d := kv.NewDecoder(b)
	p := particulars{account: command.DecodeID(&d)}
	for range min(d.Uint(), MaxMetadata) {
		p.metadata = append(p.metadata, metadatum{d.String(), d.String()})
	}
	return p, d.Err()
}

func appendEntry(b []byte, e entry) []byte {
	b = command.AppendID(b, e.id)
	b = kv.AppendString(b, e.name)
	b = kv.AppendUint(b, uint64(e.part))
	b = kv.AppendUint(b, uint64(e.kind))
	b = command.AppendID(b, e.debit)
	b = command.AppendID(b, e.credit)
	b = appendAmount(b, e.amount)
	b = kv.AppendInt(b, e.time)
	b = kv.AppendInt(b, e.effective)
	b = appendCounters(appendCounters(b, e.debitAfter), e.creditAfter)
	b = kv.AppendString(kv.AppendString(kv.AppendString(b, e.hold), e.document), e.of)
	return kv.AppendString(b, e.description)
}

func decodeEntry(b []byte) (entry, error) {
	d := kv.NewDecoder(b)
	e := entry{
		id: command.DecodeID(&d), name: d.String(), part: uint32(d.Uint()), kind: entryKind(d.Uint()),
		debit: command.DecodeID(&d), credit: command.DecodeID(&d), amount: decodeAmount(&d),
		time: d.Int(), effective: d.Int(), debitAfter: decodeCounters(&d), creditAfter: decodeCounters(&d),
		hold: d.String(), document: d.String(), of: d.String(), description: d.String(),
	}
	return e, d.Err()
}
