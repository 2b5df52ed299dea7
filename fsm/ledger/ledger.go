// Package ledger moves amounts between accounts. Nothing is made or lost: for
// each asset the debits of all accounts equal the credits, after every command,
// and a command that would break this stops the node.
//
// An asset has a code and a scale. An account is a path below /account, holds
// one asset, and has four counters: debits and credits, posted and pending. A
// transfer debits one account and credits another; it is never changed, and its
// id, chosen by the caller, is never used again.
package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/path"
)

// Commands of the ledger.
var Commands command.Set

// The commands and queries of the ledger.
var (
	CreateAsset  = command.Define(&Commands, "ledger.create_asset", mayCreateAsset, createAsset)
	OpenAccount  = command.Define(&Commands, "ledger.open_account", mayOpenAccount, openAccount)
	Transfer     = command.Define(&Commands, "ledger.transfer", mayTransfer, transfer)
	Lookup       = command.DefineQuery(&Commands, "ledger.lookup", mayLookUp, lookup)
	Balance      = command.DefineQuery(&Commands, "ledger.balance", maySeeBalance, balance)
	Statement    = command.DefineQuery(&Commands, "ledger.statement", maySeeStatement, statement)
	TrialBalance = command.DefineQuery(&Commands, "ledger.trial_balance", maySeeTrialBalance, trialBalance)
)

// Accounts is the folder of all accounts.
const Accounts path.Path = "/account"

// Limits of the ledger.
const (
	// MaxScale is the most digits after the point that an asset can have.
	MaxScale = 18
	// MaxTransfers is the most transfers, or ids, in one request.
	MaxTransfers = 8190
	// MaxTransferID is in bytes.
	MaxTransferID = 128
	// MaxAssets is the most assets of a ledger: a trial balance lists them all.
	MaxAssets = 1024
	// MaxAssetCode is in bytes.
	MaxAssetCode = 16
	// MaxLines is the most lines of a statement in one answer; DefaultLines is
	// what a request that names no limit gets.
	MaxLines     = 1000
	DefaultLines = 100
)

// Unlimited is the overdraft of an account without a floor.
const Unlimited = "unlimited"
