package ledger

import (
	"crypto/sha256"
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
)

// auditLine says who did what to money, or was refused. Lines are chained: each
// has the hash of itself and the line before. They are kept beside what the state
// hash covers, so that a refused command leaves that as it was.
type auditLine struct {
	// id is behind those of the entries that the command made.
	id        command.ID
	time      int64
	principal path.Path
	born      uint64 // of the principal; see party
	actors    []path.Path
	request   string
	command   string
	// what names what was asked for, details is what that said.
	what, details string
	// kind and message are those of the refusal; empty is none.
	kind, message string
	// accounts are those that it names and that are not in its entries.
	accounts []path.Path
	entries  uint32
	// digest is the SHA-256 of the records of the entries; empty without any.
	digest string
	hash   string
}

// Limits of a line.
const (
	maxAuditText    = 256 // what, and a message
	maxAuditDetails = 512
	// maxQuoted is how many transfers details quote at most: each has an id, a debit, a
	// credit and an amount, with their names.
	maxQuoted = maxAuditDetails / 32
	// maxAuditRefused is of how many steps of a refused request, beside the one that
	// was refused, the accounts are in its line.
	maxAuditRefused = 16
	// maxRefusedAccounts is how many accounts are in it, those of that step first.
	maxRefusedAccounts = 64
	// maxAuditAccounts is how many accounts are in it: a step names at most three more
	// than it may come to entries, a transfer of a list one. It also bounds what a damaged
	// record can make a node do.
	maxAuditAccounts = MaxEntries + max(3*MaxSteps, MaxTransfers)
)

var (
	audits = kv.NewTable(&Schema, "ledger/audit", kv.Codec[auditLine]{Append: appendAudit, Decode: decodeAudit},
		func(l auditLine) command.ID { return l.id }, kv.Bookkeeping)

	auditsByPrincipal = kv.NewIndex(&Schema, audits, "ledger/audit_by_principal",
		func(l auditLine, add func(path.Path)) { add(l.principal) })

	auditsByAccount = kv.NewIndex(&Schema, audits, "ledger/audit_by_account",
		func(l auditLine, add func(path.Path)) {
			for _, p := range l.accounts {
				add(p)
			}
		})
)

// auditHead is the end of the chain.
type auditHead struct {
	hash  string
	lines uint64
}

const theAuditHead = kv.StringKey("head")

var auditHeads = kv.NewTable(&Schema, "ledger/audit_head", kv.Codec[auditHead]{
	Append: func(b []byte, h auditHead) []byte { return kv.AppendUint(kv.AppendString(b, h.hash), h.lines) },
	Decode: func(b []byte) (auditHead, error) {
		d := kv.NewDecoder(b)
		h := auditHead{d.String(), d.Uint()}
		return h, d.Err()
	},
}, func(auditHead) kv.StringKey { return theAuditHead }, kv.Resident|kv.Bookkeeping)

func appendAudit(b []byte, l auditLine) []byte {
	b = kv.AppendInt(command.AppendID(b, l.id), l.time)
	b = appendPaths(kv.AppendString(b, l.principal), l.actors)
	b = kv.AppendString(kv.AppendString(kv.AppendString(b, l.request), l.command), l.what)
	b = kv.AppendString(kv.AppendString(b, l.kind), l.message)
	b = kv.AppendUint(appendPaths(b, l.accounts), uint64(l.entries))
	b = kv.AppendString(kv.AppendString(kv.AppendString(b, l.digest), l.hash), l.details)
	return kv.AppendUint(b, l.born)
}

func appendPaths(b []byte, all []path.Path) []byte {
	b = kv.AppendUint(b, uint64(len(all)))
	for _, p := range all {
		b = kv.AppendString(b, p)
	}
	return b
}

func decodePaths(d *kv.Decoder) (all []path.Path) {
	for range min(d.Uint(), maxAuditAccounts) {
		all = append(all, path.Path(d.String()))
	}
	return all
}

func decodeAudit(b []byte) (auditLine, error) {
	d := kv.NewDecoder(b)
	l := auditLine{id: command.DecodeID(&d), time: d.Int(), principal: path.Path(d.String()), actors: decodePaths(&d)}
	l.request, l.command, l.what, l.kind, l.message = d.String(), d.String(), d.String(), d.String(), d.String()
	l.accounts, l.entries, l.digest, l.hash, l.details = decodePaths(&d), uint32(d.Uint()), d.String(), d.String(), d.String()
	l.born = d.Uint()
	return l, d.Err()
}

// by gives who did it.
func (l *auditLine) by() party { return party{l.principal, l.born} }

// ofSeveral says whether what it did has several parts, which may be the business of
// others than of who may know of one of them.
func (l *auditLine) ofSeveral() bool {
	return l.command == "ledger.op" && strings.Contains(l.what, ", ") || l.command == "ledger.transfer" && strings.Contains(l.what, " transfers, ") ||
		l.command == "ledger.expire"
}

// cut says whether more accounts than are in the line may have to do with it.
func (l *auditLine) cut() bool {
	return l.kind != "" && len(l.accounts) == maxRefusedAccounts || len(l.accounts) == maxAuditAccounts
}

// chained gives the hash of the line, behind the line with the hash before.
func (l *auditLine) chained(before string) string {
	bare := *l
	bare.hash = ""
	h := sha256.New()
	h.Write([]byte("acquired audit line 1\n"))
	h.Write([]byte(before))
	h.Write(appendAudit(nil, bare))
	return string(h.Sum(nil))
}

// audit adds a line for what the book did. The accounts of a line with entries are
// in these.
func (b *book) audit(l *auditLine) {
	if b.made > 0 {
		sum := sha256.Sum256(b.written)
		l.entries, l.digest = b.made, string(sum[:])
	}
	auditOne(b.tx, l)
}

// unmoved gives those of the accounts of which the book made no entries.
func (b *book) unmoved(all []path.Path) []path.Path {
	return slices.DeleteFunc(all, func(at path.Path) bool {
		p, ok := b.byPath[string(at)]
		return ok && p.account != p.before
	})
}

// auditOne adds a line of the command that is being applied.
func auditOne(tx *command.Tx, l *auditLine) {
	l.id, l.time, l.command = tx.NewID(), tx.Time, tx.Command
	l.principal, l.request = tx.Caller.Principal, tx.RequestID
	l.born = partyOf(tx, l.principal).born
	for _, a := range tx.Caller.Actors {
		l.actors = append(l.actors, a.Principal)
	}
	l.accounts = l.accounts[:min(len(l.accounts), maxAuditAccounts)] // more would not be read again
	l.what, l.message, l.details = clip(l.what, maxAuditText), clip(l.message, maxAuditText), clip(l.details, maxAuditDetails)
	head, _ := auditHeads.Get(tx, theAuditHead)
	l.hash = l.chained(head.hash)
	auditHeads.Put(tx.Tx, auditHead{hash: l.hash, lines: head.lines + 1})
	audits.Insert(tx.Tx, *l)
}
