package ledger

import (
	"strconv"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

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

// auditRefusal adds a line for what was refused, and gives the refusal.
func auditRefusal(tx *command.Tx, refusal *fault.Fault, l *auditLine) *fault.Fault {
	count, _ := refusalCounts.Get(tx, tx.Caller.Principal)
	if hour := tx.Time / (3600 * second); count.hour != hour {
		count = refusals{hour: hour}
	}
	if count.lines == MaxRefusals {
		return refusal
	}
	count.principal, count.lines = tx.Caller.Principal, count.lines+1
	refusalCounts.Put(tx.Tx, count)
	if count.lines == MaxRefusals {
		l.what = "the last of " + strconv.Itoa(MaxRefusals) + " refusals that are listed of this hour: " + l.what
	}
	l.kind, l.message = string(refusal.Kind), refusal.Message
	l.accounts = l.accounts[:min(len(l.accounts), maxRefusedAccounts)]
	auditOne(tx, l)
	return refusal
}

func assetRefused(tx *command.Tx, req *pb.CreateAssetRequest, refusal *fault.Fault) *fault.Fault {
	return auditRefusal(tx, refusal, &auditLine{what: describeAsset(quote(req.Code), req.Scale)})
}

func accountRefused(tx *command.Tx, req *pb.OpenAccountRequest, refusal *fault.Fault) *fault.Fault {
	return auditRefusal(tx, refusal, &auditLine{what: describe("open", quote(req.Path), req), accounts: named(req.Path)})
}

func changeRefused(tx *command.Tx, req *pb.ChangeAccountRequest, refusal *fault.Fault) *fault.Fault {
	return auditRefusal(tx, refusal, &auditLine{what: describe("change", quote(req.Path), req), accounts: named(req.Path)})
}

func closeRefused(tx *command.Tx, req *pb.CloseAccountRequest, refusal *fault.Fault) *fault.Fault {
	return auditRefusal(tx, refusal, &auditLine{what: "close " + quote(req.Path), accounts: named(req.Path)})
}

func periodRefused(tx *command.Tx, req *pb.ClosePeriodRequest, refusal *fault.Fault) *fault.Fault {
	return auditRefusal(tx, refusal, &auditLine{what: describePeriod(req.Name, req.UntilUnixNanos)})
}
