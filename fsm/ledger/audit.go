package ledger

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"unicode/utf8"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// auditLine says who did what to money, or was refused. Lines are chained: each
// has the hash of itself and the line before. They are kept beside what the state
// hash covers, so that a refused command leaves that as it was.
type auditLine struct {
	// id is behind those of the entries that the command made.
	id        command.ID
	time      int64
	principal path.Path
	actors    []path.Path
	request   string
	command   string
	what      string
	// kind and message are those of the refusal; empty is none.
	kind, message string
	// accounts are those that it names, for a line without entries; those of others
	// are in the entries.
	accounts []path.Path
	entries  uint32
	// digest is the SHA-256 of the records of the entries; empty without any.
	digest string
	hash   string
}

// Limits of a line.
const (
	maxAuditText     = 256
	maxAuditAccounts = 16
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
	return kv.AppendString(kv.AppendString(b, l.digest), l.hash)
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
	l.accounts, l.entries, l.digest, l.hash = decodePaths(&d), uint32(d.Uint()), d.String(), d.String()
	return l, d.Err()
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

// auditOne adds a line of the command that is being applied.
func auditOne(tx *command.Tx, l *auditLine) {
	l.id, l.time, l.command = tx.NewID(), tx.Time, tx.Command
	l.principal, l.request = tx.Caller.Principal, tx.RequestID
	for _, a := range tx.Caller.Actors {
		l.actors = append(l.actors, a.Principal)
	}
	l.what, l.message = clip(l.what), clip(l.message)
	head, _ := auditHeads.Get(tx, theAuditHead)
	l.hash = l.chained(head.hash)
	auditHeads.Put(tx.Tx, auditHead{hash: l.hash, lines: head.lines + 1})
	audits.Insert(tx.Tx, *l)
}

// refusals counts the lines of what a principal was refused in an hour of log time:
// who is refused everything could fill the disks of all nodes with them.
type refusals struct {
	principal path.Path
	hour      int64
	lines     uint64
}

// MaxRefusals is how many refusals of a principal have lines of their own in an
// hour. The last of them says that more are not listed.
const MaxRefusals = 1000

var refusalCounts = kv.NewTable(&Schema, "ledger/audit_refusals", kv.Codec[refusals]{
	Append: func(b []byte, r refusals) []byte {
		return kv.AppendUint(kv.AppendInt(kv.AppendString(b, r.principal), r.hour), r.lines)
	},
	Decode: func(b []byte) (refusals, error) {
		d := kv.NewDecoder(b)
		r := refusals{path.Path(d.String()), d.Int(), d.Uint()}
		return r, d.Err()
	},
}, func(r refusals) path.Path { return r.principal }, kv.Bookkeeping)

// auditRefusal adds a line for what was refused.
func auditRefusal(tx *command.Tx, refusal *fault.Fault, l *auditLine) {
	count, _ := refusalCounts.Get(tx, tx.Caller.Principal)
	if hour := tx.Time / (3600 * second); count.hour != hour {
		count = refusals{hour: hour}
	}
	if count.lines == MaxRefusals {
		return
	}
	count.principal, count.lines = tx.Caller.Principal, count.lines+1
	refusalCounts.Put(tx.Tx, count)
	if count.lines == MaxRefusals {
		l.what = "the last of " + strconv.Itoa(MaxRefusals) + " refusals that are listed of this hour: " + l.what
	}
	l.kind, l.message = string(refusal.Kind), refusal.Message
	auditOne(tx, l)
}

// clip makes a text one that can be shown, and keeps it short, at a whole
// character.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if len(s) <= maxAuditText {
		return s
	}
	at := maxAuditText - len("...")
	for at > 0 && s[at]&0xc0 == 0x80 {
		at--
	}
	return s[:at] + "..."
}

func assetRefused(tx *command.Tx, req *pb.CreateAssetRequest, refusal *fault.Fault) {
	auditRefusal(tx, refusal, &auditLine{what: "create " + quote(req.Code)})
}

func accountRefused(tx *command.Tx, req *pb.OpenAccountRequest, refusal *fault.Fault) {
	auditRefusal(tx, refusal, &auditLine{what: "open " + quote(req.Path), accounts: named(req.Path)})
}

func changeRefused(tx *command.Tx, req *pb.ChangeAccountRequest, refusal *fault.Fault) {
	auditRefusal(tx, refusal, &auditLine{what: describeChange(req), accounts: named(req.Path)})
}

func closeRefused(tx *command.Tx, req *pb.CloseAccountRequest, refusal *fault.Fault) {
	auditRefusal(tx, refusal, &auditLine{what: "close " + quote(req.Path), accounts: named(req.Path)})
}

func periodRefused(tx *command.Tx, req *pb.ClosePeriodRequest, refusal *fault.Fault) {
	auditRefusal(tx, refusal, &auditLine{what: "close the period " + quote(req.Name)})
}

// named gives the paths of accounts among the strings, each once.
func named(all ...string) (paths []path.Path) {
	met := make(map[path.Path]struct{})
	for _, s := range all {
		p, err := accountPath(s)
		if _, again := met[p]; err != nil || again {
			continue
		}
		met[p] = struct{}{}
		paths = append(paths, p)
		if len(paths) == maxAuditAccounts {
			break
		}
	}
	return paths
}

func describeTransfers(req *pb.TransferRequest) string {
	if len(req.Transfers) == 0 {
		return "no transfers"
	}
	first := req.Transfers[0]
	if len(req.Transfers) > 1 {
		return strconv.Itoa(len(req.Transfers)) + " transfers, the first " + clip(first.Id)
	}
	return "transfer " + clip(first.Id)
}

func accountsOfTransfers(req *pb.TransferRequest) []path.Path {
	var all []string
	for _, t := range req.Transfers[:min(len(req.Transfers), maxAuditAccounts)] {
		all = append(all, t.Debit, t.Credit)
	}
	return named(all...)
}

// describeSteps lists the kinds and ids of the steps, as far as there is room.
func describeSteps(all []*pb.Step) string {
	what := ""
	for _, s := range all {
		if len(what) > maxAuditText {
			break
		}
		if what != "" {
			what += ", "
		}
		what += nameOf(s)
		if _, body := kindOf(s); body != nil {
			what += " " + clip(body.GetId())
		}
	}
	return what
}

// accountsOfSteps gives the accounts that steps are about, as far as there is room:
// those that they name, and those of the holds and documents that they name.
func accountsOfSteps(r kv.Reader, all []*pb.Step) []path.Path {
	var found []string
	for _, s := range all[:min(len(all), maxAuditAccounts)] {
		kind, body := kindOf(s)
		if kind == nil {
			continue
		}
		found = append(found, textsOf(body.ProtoReflect())...)
		for _, id := range kind.behind(r, body) {
			found = append(found, string(accountOf(r, id).path))
		}
	}
	return named(found...)
}

// behindHold gives the accounts of a hold.
func behindHold(r kv.Reader, name string) []command.ID {
	h, ok := findHold(r, name)
	if !ok {
		return nil
	}
	return []command.ID{h.debit, h.credit}
}

func behindCheque(r kv.Reader, name string) []command.ID {
	c, ok := cheques.Get(r, kv.StringKey(name))
	if !ok {
		return nil
	}
	return []command.ID{c.account}
}

func behindInvoice(r kv.Reader, name string) []command.ID {
	i, ok := invoices.Get(r, kv.StringKey(name))
	if !ok {
		return nil
	}
	return []command.ID{i.receivable, i.revenue}
}

// behindEntries gives the accounts of the first entry of a step.
func behindEntries(r kv.Reader, name string) []command.ID {
	was, ok := steps.Get(r, kv.StringKey(name))
	if !ok || was.entries == 0 {
		return nil
	}
	e, _ := entries.Get(r, was.first)
	return []command.ID{e.debit, e.credit}
}
