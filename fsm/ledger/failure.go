package ledger

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// identified is a step, or a transfer, that has an id.
type identified interface {
	proto.Message
	GetId() string
}

// mustBeSame refuses an id that was used for another step than this one: of another
// kind, or with another body.
func mustBeSame(is identified, wasKind, isKind, was, body string) error {
	if wasKind != isKind {
		return used("kind")
	}
	if field := differing(is.ProtoReflect().Descriptor(), was, body); field != "" {
		return used(field)
	}
	return nil
}

// failedBefore refuses a step whose refusal is kept, as it was refused then. The body is
// made only if there is one.
func failedBefore(tx *command.Tx, kind string, is identified, body func() string) error {
	was, ok := failures.Get(tx, kv.StringKey(is.GetId()))
	if !ok {
		return nil
	}
	if err := mustBeSame(is, was.kind, kind, was.body, body()); err != nil {
		return err
	}
	return keptAs(was.name, was.refusalFor(tx)).With("failed_index", strconv.FormatUint(was.id.Index, 10))
}

// refusalFor is the refusal in words that the caller may know.
func (f *failure) refusalFor(tx *command.Tx) *fault.Fault {
	if tx.Caller.Operator || f.by.is(tx, &tx.Caller) {
		return f.refusal
	}
	return &fault.Fault{Kind: f.refusal.Kind, Message: "it was refused when another asked for it", Details: f.refusal.Details}
}

// keepFailure keeps the refusal of a step that depended on the state, and gives it
// with the id under which it is kept.
func keepFailure(tx *command.Tx, refusal *fault.Fault, kind, name, body string) *fault.Fault {
	if !isKept(refusal) {
		return refusal
	}
	if _, kept := failures.Get(tx, kv.StringKey(name)); kept {
		return refusal
	}
	failures.Put(tx.Tx, failure{name: name, kind: kind, body: body, id: tx.NewID(), refusal: bare(refusal), by: partyOf(tx, tx.Caller.Principal)})
	return keptAs(name, refusal)
}

// keptAs says under which id a refusal is kept.
func keptAs(id string, refusal *fault.Fault) *fault.Fault { return refusal.With("kept_as", id) }

// bare is the refusal without the place in the list where it happened: sent again,
// the step may be at another.
func bare(refusal *fault.Fault) *fault.Fault {
	f := &fault.Fault{Kind: refusal.Kind, Message: refusal.Message}
	for _, key := range refusal.DetailKeys() {
		if key == "position" {
			_, f.Message, _ = strings.Cut(f.Message, "): ")
			continue
		}
		f = f.With(key, refusal.Details[key])
	}
	return f
}

func transferRefused(tx *command.Tx, req *pb.TransferRequest, refusal *fault.Fault) *fault.Fault {
	refusal = inPayer(req.Transfers, refusal)
	if at, ok := positionOf(refusal, len(req.Transfers)); ok {
		t := req.Transfers[at]
		refusal = keepFailure(tx, refusal, transferKind, t.Id, bodyOf(t))
	}
	return auditRefusal(tx, refusal, &auditLine{
		what: describeTransfers(req.Transfers), details: detailsOfTransfers(req.Transfers), accounts: accountsOfRefused(foremost(req.Transfers, req.Transfers, refusal), refusal),
	})
}

// inPayer says which transfer a refusal is about that the rule gave for an account that
// pays.
func inPayer(all []*pb.Transfer, refusal *fault.Fault) *fault.Fault {
	at, named := refusal.Details["path"]
	if _, ok := refusal.Details["position"]; ok || !named {
		return refusal
	}
	for i, t := range all {
		for _, s := range payersOf(t) {
			if p, err := accountPath(s); err == nil && string(p) == at {
				return refusal.With("position", strconv.Itoa(i))
			}
		}
	}
	return refusal
}

// positionOf gives the position in a list that a refusal is about.
func positionOf(refusal *fault.Fault, count int) (int, bool) {
	at, err := strconv.Atoi(refusal.Details["position"])
	return at, err == nil && at < count
}
