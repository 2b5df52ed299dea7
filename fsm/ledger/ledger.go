// Package ledger keeps the books. Nothing is made or lost: for each asset the
// debits of all accounts equal the credits, posted and pending, after every
// command, and a command that would break this stops the node.
//
// An asset has a code and a scale. An account is a path below /account, holds
// one asset, and has four counters: debits and credits, posted and pending. The
// journal is the list of all entries that changed a counter; an entry is never
// changed. Entries are made by steps: transfers, holds and what becomes of them,
// and documents. A step has an id, chosen by the caller and never used again: the
// same step under the same id answers what it answered first. An op is a list of
// steps, made whole or not at all.
package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/path"
)

// Commands of the ledger.
var Commands command.Set

// The commands and queries of the ledger.
var (
	CreateAsset   = command.WhenRefused(command.Define(&Commands, "ledger.create_asset", mayCreateAsset, createAsset), assetRefused)
	OpenAccount   = command.WhenRefused(command.Define(&Commands, "ledger.open_account", mayOpenAccount, openAccount), accountRefused)
	ChangeAccount = command.WhenRefused(command.Define(&Commands, "ledger.change_account", mayChangeAccount, changeAccount), changeRefused)
	CloseAccount  = command.WhenRefused(command.Define(&Commands, "ledger.close_account", mayCloseAccount, closeAccount), closeRefused)
	ClosePeriod   = command.WhenRefused(command.Define(&Commands, "ledger.close_period", mayClosePeriod, closePeriod), periodRefused)
	Transfer      = command.WhenRefused(command.Define(&Commands, "ledger.transfer", mayTransfer, transfer), transferRefused)
	Op            = command.WhenRefused(command.Define(&Commands, "ledger.op", mayOp, op), opRefused)

	Lookup       = command.DefineQuery(&Commands, "ledger.lookup", mayLookUp, lookup)
	Account      = command.DefineQuery(&Commands, "ledger.account", maySeeAccount, showAccount)
	ListAccounts = command.DefineQuery(&Commands, "ledger.accounts", maySeeAccounts, listAccounts)
	Balance      = command.DefineQuery(&Commands, "ledger.balance", maySeeBalance, balance)
	RollUp       = command.DefineQuery(&Commands, "ledger.roll_up", maySeeRollUp, rollUp)
	Periods      = command.DefineQuery(&Commands, "ledger.periods", maySeePeriods, listPeriods)
	Statement    = command.DefineQuery(&Commands, "ledger.statement", maySeeStatement, statement)
	TrialBalance = command.DefineQuery(&Commands, "ledger.trial_balance", maySeeTrialBalance, trialBalance)
	Hold         = command.DefineQuery(&Commands, "ledger.hold", maySeeHold, showHold)
	Holds        = command.DefineQuery(&Commands, "ledger.holds", maySeeHolds, listHolds)
	Document     = command.DefineQuery(&Commands, "ledger.document", maySeeDocument, showDocument)
	Documents    = command.DefineQuery(&Commands, "ledger.documents", maySeeDocuments, listDocuments)
	Journal      = command.DefineQuery(&Commands, "ledger.journal", maySeeJournal, journal)
	Audit        = command.DefineQuery(&Commands, "ledger.audit", maySeeAudit, listAudit)
)

// Accounts is the folder of all accounts.
const Accounts path.Path = "/account"

// Limits of the ledger.
const (
	// MaxScale is the most digits after the point that an asset can have.
	MaxScale = 18
	// MaxTransfers is the most transfers, or ids, in one request.
	MaxTransfers = 8190
	// MaxTransferID is in bytes, and is that of the ids of all steps.
	MaxTransferID = 128
	// MaxSteps is the most steps of an op.
	MaxSteps = 1000
	// MaxEntries is how many entries the steps of a request may come to.
	MaxEntries = 10_000
	// MaxOpenHolds is how many open holds may reserve of one account.
	MaxOpenHolds = 10_000
	// MaxSources is how many accounts there may be in then_debit.
	MaxSources = 16
	// MaxShares is how many shares one amount is parted into.
	MaxShares = 64
	// MaxDescription is in bytes.
	MaxDescription = 256
	// MaxMetadata is how many an account has; MaxMetadataKey and MaxMetadataValue
	// are in bytes.
	MaxMetadata      = 16
	MaxMetadataKey   = 64
	MaxMetadataValue = 512
	// MaxAssets is the most assets of a ledger: a trial balance lists them all.
	MaxAssets = 1024
	// MaxAssetCode is in bytes.
	MaxAssetCode = 16
	// MaxLines is the most lines of a statement, accounts, holds, documents or lines of
	// the audit log in one answer; DefaultLines is what a request that names no limit
	// gets.
	MaxLines     = 1000
	DefaultLines = 100
)

const second = 1_000_000_000

// How long holds and cheques last, in nanoseconds of log time.
const (
	DefaultLifetime = 7 * 24 * 3600 * second
	// MaxLifetime is ten years.
	MaxLifetime = 3653 * 24 * 3600 * second
)

// Unlimited is the overdraft of an account without a floor.
const Unlimited = "unlimited"
